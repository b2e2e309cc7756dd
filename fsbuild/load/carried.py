"""What YAML says only for those who read the manifest: groups, analyses, metrics and what metrics are made of.

Nothing of it is computed with. It is judged by its keys and names here, and goes on as part of its `YamlFile`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fsbuild.errors import Place, Problem
from fsbuild.load.documents import Section

CARRIED_KEYS: Mapping[str, frozenset[str]] = {
    "groups": frozenset({"name", "owner", "description", "config", "meta"}),
    "analyses": frozenset({"name", "description", "columns", "config", "docs", "meta", "tags", "data_tests", "tests"}),
    "semantic_models": frozenset(
        {"name", "model", "description", "label", "config", "defaults", "entities", "measures", "dimensions"}
        | {"primary_entity"}
    ),
    "metrics": frozenset(
        {"name", "label", "type", "type_params", "description", "filter", "time_granularity", "meta", "tags", "config"}
    ),
    "saved_queries": frozenset({"name", "description", "label", "query_params", "exports", "config", "tags"}),
}
_SINGULAR = {"analyses": "analysis", "saved_queries": "saved query"}
_NEEDED: Mapping[str, Mapping[str, str]] = {
    "groups": {"owner": "owner: {name: ann, email: ann@example.com}"},
    "semantic_models": {"model": "model: ref('orders')"},
    "metrics": {"type": "type: simple", "label": "label: 'What people call it'"},
    "saved_queries": {"query_params": "query_params: {metrics: [revenue], group_by: []}"},
}


def check_carried(documents: Iterable[Section], problems: list[Problem]) -> None:
    """Report entries without a name or with one that is taken, unknown keys, and what dbt asks for and is missing."""
    seen: dict[tuple[str, str], Place] = {}
    for document in documents:
        for kind, keys in CARRIED_KEYS.items():
            for section in document.items_of(kind, problems):
                section.check_keys(keys, problems)
                _check_entry(kind, section, seen, problems)


def _check_entry(kind: str, section: Section, seen: dict[tuple[str, str], Place], problems: list[Problem]) -> None:
    name, place = section.get("name"), section.place_of("name")
    if not isinstance(name, str):
        problems.append(Problem(f"an entry of '{kind}' has no name", section.place))
        return
    if (other := seen.setdefault((kind, name), place)) is not place:
        problems.append(Problem(f"'{name}' is declared already, at {other}", place))
    shown = f"{_SINGULAR.get(kind, kind[:-1].replace('_', ' '))} '{name}'"
    for key, example in _NEEDED.get(kind, {}).items():
        if section.get(key) is None:
            problems.append(Problem(f"the {shown} has no {key}", section.place, hint=example))
