"""The keys that everything of a kind has in dbt's manifest, with the values that say nothing.

They are those of dbt-core 1.11, manifest version 12, in dbt's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["model", "seed", "snapshot", "analysis", "test"]
Entry = dict[str, Any]

# What the default configuration of tests calls the schema of failing rows, appended to the target's.
AUDIT_SCHEMA = "dbt_test__audit"
# Keys of a configuration that dbt does not know; they stand below `meta.fsbuild`.
OWN_KEYS = (
    *("auto_compact", "cluster_by", "deleted_when", "drift", "entity", "features", "known_at", "known_time", "owner"),
    *("pandera", "refresh", "request", "sequence_by", "splits", "statistics", "tie_break", "ttl"),
)


def config_defaults(kind: Kind) -> Entry:
    """The configuration of a node of which nothing is said."""
    common: Entry = {"enabled": True, "alias": None, "schema": None, "database": None, "tags": [], "meta": {}}
    common |= {"group": None, "static_analysis": None}
    if kind == "test":
        checked = {"materialized": "test", "severity": "ERROR", "store_failures": None, "store_failures_as": None}
        limits = {"where": None, "limit": None, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0"}
        return {**common, "schema": AUDIT_SCHEMA, **checked, **limits}
    common |= {"materialized": {"seed": "seed", "snapshot": "snapshot"}.get(kind, "view")}
    common |= {"incremental_strategy": None, "batch_size": None, "lookback": 1, "begin": None, "persist_docs": {}}
    common |= {"post-hook": [], "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": None}
    common |= {"unique_key": None, "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}}
    common |= {"packages": [], "docs": {"show": True, "node_color": None}}
    common |= {"contract": {"enforced": False, "alias_types": True}, "event_time": None, "concurrent_batches": None}
    return common | _OF_KIND[kind]()


def _model() -> Entry:
    return {"access": "protected", "freshness": None}


def _seed() -> Entry:
    return {"delimiter": ",", "quote_columns": None}


def _snapshot() -> Entry:
    names = ("dbt_valid_to", "dbt_valid_from", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted")
    return {
        **dict.fromkeys(("strategy", "target_schema", "target_database", "updated_at", "check_cols")),
        "snapshot_meta_column_names": dict.fromkeys(names),
        "dbt_valid_to_current": None,
    }


_OF_KIND = {"model": _model, "seed": _seed, "snapshot": _snapshot, "analysis": dict}


def constraint(written: Mapping[str, Any], *, of_model: bool) -> Entry:
    """A constraint of a column, or of a model."""
    found: Entry = {
        "type": written.get("type"),
        "name": written.get("name"),
        "expression": written.get("expression"),
        "warn_unenforced": written.get("warn_unenforced", True),
        "warn_unsupported": written.get("warn_unsupported", True),
        "to": written.get("to"),
        "to_columns": list(written.get("to_columns") or []),
    }
    return found | {"columns": list(written.get("columns") or [])} if of_model else found


def ref_args(name: str, package: str | None = None, version: object = None) -> Entry:
    """A call of `ref()`."""
    return {"name": name, "package": package, "version": version}


def depends_on(nodes: object = (), macros: object = ()) -> Entry:
    """What a node stands on."""
    return {"macros": list(macros), "nodes": list(nodes)}  # type: ignore[call-overload]
