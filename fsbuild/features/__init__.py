"""Features: what is declared of them, and the joins that ask what was known of an entity at a moment.

`tables` reads what a feature model declares, `expand` turns a model's requests into resolved joins, `point_in_time` and
`windows` write these as SQL, in the named steps of `steps`. `statistics` says what the columns of a table hold, and
`drift` how far they have moved. Nothing here touches data but by a function that it is given.
"""

from __future__ import annotations

from fsbuild.features.drift import compare_tables
from fsbuild.features.expand import Expander
from fsbuild.features.statistics import correlation_query, measure_table
from fsbuild.features.tables import Declared, FeatureTable, read_feature_table

__all__ = [
    "Declared",
    "Expander",
    "FeatureTable",
    "compare_tables",
    "correlation_query",
    "measure_table",
    "read_feature_table",
]
