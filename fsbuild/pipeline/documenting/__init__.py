"""A compiled project, its lake and what commands left in, all that its documentation shows out.

`links` knows nodes and what they read, `tables` the versions of tables and the runs that wrote them, `verdicts` how
checks ended, `columns` what columns mean and hold, `nodes` the page of a node, and `site` puts them together.
"""

from __future__ import annotations

from fsbuild.pipeline.documenting.coverage import Coverage, Undescribed, coverage_of
from fsbuild.pipeline.documenting.site import site_content

__all__ = ["Coverage", "Undescribed", "coverage_of", "site_content"]
