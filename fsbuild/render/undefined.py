"""What a template asked for and did not find in; what to say of it out.

What dbt knows by that name and fsbuild does not have yet is told apart from what nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fsbuild.errors import suggest

_UNDEFINED = re.compile(r"'(?P<name>\w+)' is undefined")
_NO_ATTRIBUTE = re.compile(r"'(?:\w+\.)*(?P<kind>\w+) object' has no attribute '(?P<name>\w+)'")

# dbt's names that a template may know and that are not here, with what to do instead.
_OF_DBT: Mapping[str, str] = {
    **dict.fromkeys(
        ("create_schema", "drop_relation", "create_table_as", "create_view_as", "run_hooks", "sql"),
        "there are no materializations of your own",
    ),
    "column": "write api.Column",
    **dict.fromkeys(
        ("database_schemas", "schemas", "results"), "it is known in 'on-run-end' of the project file, and nowhere else"
    ),
    "doc": "it is known in the YAML beside models",
    "metric": "metrics are carried into the manifest, and are not computed",
    "semantic_model": "semantic models are carried into the manifest, and are not computed",
}
# What an attribute was looked for on: the class in Jinja's message -> its name in templates, what dbt has there.
_HOLDERS: Mapping[str, tuple[str, frozenset[str], str]] = {
    "Adapter": (
        "adapter",
        frozenset({"list_schemas", "cache_added", "cache_renamed", "cache_dropped", "valid_incremental_strategies"})
        | {"create_table_as", "create_view_as", "make_temp_relation", "alter_column_type", "get_catalog"},
        "there are no materializations of your own",
    ),
    "TemplateRelation": (
        "a relation",
        frozenset({"is_materialized_view", "is_dynamic_table", "quote_policy", "include_policy", "matches"}),
        "it has database, schema, identifier, name, type, include(), quote(), incorporate() and render()",
    ),
    "Flags": (
        "flags",
        frozenset({"DEBUG", "EMPTY", "WARN_ERROR", "PROFILES_DIR", "PROJECT_DIR"})
        | {"TARGET", "VARS", "THREADS", "SAMPLE", "LOG_FORMAT", "QUIET", "PRINT", "USE_COLORS", "VERSION_CHECK"},
        "there are FULL_REFRESH, FAIL_FAST, STORE_FAILURES and WHICH",
    ),
    "TargetNames": (
        "target",
        frozenset({"path", "user", "host", "port", "dbname", "account", "role", "warehouse", "project", "dataset"}),
        "there are name, schema, database, type, profile_name and threads",
    ),
    "Modules": ("modules", frozenset({"pytz"}), "modules.datetime.timezone.utc is there, and so are re and itertools"),
    "ProjectGraph": (
        "graph",
        frozenset({"exposures", "metrics", "groups", "semantic_models", "saved_queries", "unit_tests"}),
        "there are nodes and sources",
    ),
}


def explain_undefined(
    message: str, names: Iterable[str], absent: Mapping[str, str] | None = None
) -> tuple[str, str | None]:
    """Word Jinja's message about something undefined, with a hint; `names` are those that there are.

    `absent` explains names that are missing only in this place.

    >>> explain_undefined("'run_query' is undefined", [])[0]
    "'run_query' is not available yet"
    """
    if match := _UNDEFINED.match(message):
        return _explain_name(match["name"], message, names, absent or {})
    match = _NO_ATTRIBUTE.match(message)
    if match is None or match["kind"] not in _HOLDERS:
        return message, None
    holder, of_dbt, hint = _HOLDERS[match["kind"]]
    if match["name"] in of_dbt:
        return f"'{match['name']}' of {holder} is not available yet", hint
    return f"{holder} has no '{match['name']}'", hint


def _explain_name(name: str, message: str, names: Iterable[str], absent: Mapping[str, str]) -> tuple[str, str | None]:
    if name in absent:
        return f"'{name}' is not available here", absent[name]
    if name in _OF_DBT:
        return f"'{name}' is not available yet", _OF_DBT[name]
    if name.startswith("dbt_"):
        return message, "packages are declared in packages.yml, and installed by 'fsbuild deps'"
    return message, suggest(name, names)
