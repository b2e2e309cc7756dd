"""The docs stage: what is known of a project in, the files of a site out that opens from the file system.

`pages` says what the browser reads, `shards` writes it as scripts, `layout` draws the map, `writing` puts files where
they differ from those that are there. Nothing here reads a project, a lake or a clock.
"""

from __future__ import annotations

from fsbuild.site.layout import place_nodes
from fsbuild.site.pages import SiteContent
from fsbuild.site.serving import serve
from fsbuild.site.shards import single_page, site_files
from fsbuild.site.writing import Written, assets, write_site

__all__ = ["SiteContent", "Written", "assets", "place_nodes", "serve", "single_page", "site_files", "write_site"]
