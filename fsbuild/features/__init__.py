"""Features: what is declared of them, and the joins that ask what was known of an entity at a moment.

`tables` reads what a feature model declares, `expand` turns a model's requests into resolved joins, `point_in_time` and
`windows` write these as SQL, in the named steps of `steps`. Nothing here touches data.
"""

from __future__ import annotations

from fsbuild.features.expand import Expander
from fsbuild.features.tables import Declared, FeatureTable, read_feature_table

__all__ = ["Declared", "Expander", "FeatureTable", "read_feature_table"]
