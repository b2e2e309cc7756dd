"""What a template asked for and did not find in; what to say of it out.

What dbt knows by that name and fsbuild does not have yet is told apart from what nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fsbuild.errors import suggest

_UNDEFINED = re.compile(r"'(?P<name>\w+)' is undefined")
_NO_ATTRIBUTE = re.compile(r"'(?:\w+\.)*(?P<kind>\w+) object' has no attribute '(?P<name>\w+)'")

_ASKS_ENGINE = "a template cannot query the engine: write the query into the model's SQL"
_ASKS_TABLE = "a template cannot look at tables: name columns in the model's SQL, or in a variable"
_NO_HOOKS = "there are no hooks and no materializations of your own"
_OWN_MACRO = "write the SQL itself, in DuckDB's words, or a macro of that name into macros/"
_CROSS_DATABASE = (
    *("any_value", "array_append", "array_concat", "array_construct", "bool_or", "cast", "cast_bool_to_text"),
    *("concat", "current_timestamp", "date", "date_spine", "date_trunc", "dateadd", "datediff", "equals"),
    *("escape_single_quotes", "except", "generate_series", "hash", "intersect", "last_day", "length", "listagg"),
    *("position", "replace", "right", "safe_cast", "snapshot_get_time", "split_part", "string_literal"),
    *("type_bigint", "type_boolean", "type_float", "type_int", "type_numeric", "type_string", "type_timestamp"),
)

# dbt's names that a template may know, with what to do instead.
_OF_DBT: Mapping[str, str] = {
    **dict.fromkeys(("run_query", "statement", "load_result", "store_result", "store_raw_result"), _ASKS_ENGINE),
    "get_columns_in_query": _ASKS_ENGINE,
    **dict.fromkeys(("load_relation", "load_cached_relation", "get_columns_in_relation"), _ASKS_TABLE),
    **dict.fromkeys(("get_or_create_relation", "api", "column"), _ASKS_TABLE),
    **dict.fromkeys(("pre_hooks", "post_hooks", "run_hooks", "sql", "write", "submit_python_job"), _NO_HOOKS),
    **dict.fromkeys(("create_schema", "drop_relation", "create_table_as", "create_view_as"), _NO_HOOKS),
    **dict.fromkeys(("database_schemas", "schemas", "results"), _NO_HOOKS),
    "should_full_refresh": "write flags.FULL_REFRESH",
    "selected_resources": "which nodes are selected does not change what a model means",
    "doc": "it is known in the YAML beside models",
    "metric": "there are no metrics",
    "semantic_model": "there are no semantic models",
    "context": "name what is needed by its own name",
    "dbt": "dbt's own macros are not there: write the SQL itself, in DuckDB's words",
    **dict.fromkeys(("invocation_args_dict", "dbt_metadata_envs"), "write var(), env_var() or flags"),
    **dict.fromkeys(("thread_id", "connection_name"), "write invocation_id, which names the run"),
    **dict.fromkeys(
        ("diff_of_two_dicts", "try_or_compiler_error", "validation", "debug", "render"), "write it in Jinja"
    ),
    **dict.fromkeys(_CROSS_DATABASE, _OWN_MACRO),
}
# What an attribute was looked for on: the class in Jinja's message -> its name in templates, what dbt has there.
_HOLDERS: Mapping[str, tuple[str, frozenset[str], str]] = {
    "Adapter": (
        "adapter",
        frozenset({"get_relation", "get_columns_in_relation", "get_missing_columns", "check_schema_exists"})
        | {"load_relation", "list_relations", "list_schemas", "list_relations_without_caching", "create_schema"}
        | {"drop_schema", "drop_relation", "rename_relation", "truncate_relation", "expand_target_column_types"}
        | {"quote_as_configured", "get_column_schema_from_query", "execute", "type", "behavior", "cache_added"},
        _ASKS_TABLE,
    ),
    "TemplateRelation": (
        "a relation",
        frozenset({"type", "is_table", "is_view", "is_cte", "is_materialized_view", "is_dynamic_table"})
        | {"create", "incorporate", "replace_path", "information_schema", "quote_policy", "include_policy", "matches"},
        "it has database, schema, identifier, name, include(), quote() and render()",
    ),
    "Flags": (
        "flags",
        frozenset({"STORE_FAILURES", "INTROSPECT", "DEBUG", "EMPTY", "WARN_ERROR", "PROFILES_DIR", "PROJECT_DIR"})
        | {"TARGET", "VARS", "THREADS", "SAMPLE", "LOG_FORMAT", "QUIET", "PRINT", "USE_COLORS", "VERSION_CHECK"},
        "there are FULL_REFRESH, FAIL_FAST and WHICH",
    ),
    "TargetNames": (
        "target",
        frozenset({"path", "user", "host", "port", "dbname", "account", "role", "warehouse", "project", "dataset"}),
        "there are name, schema, database, type, profile_name and threads",
    ),
    "Modules": ("modules", frozenset({"pytz"}), "modules.datetime.timezone.utc is there, and so are re and itertools"),
    "Package": ("the project", frozenset(), "its macros are those in macros/; there are no packages yet"),
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
        return message, "there are no packages yet: copy the macros that are needed into macros/"
    return message, suggest(name, names)
