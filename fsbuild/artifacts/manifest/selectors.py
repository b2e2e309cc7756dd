"""The entries of `selectors.yml` in, as dbt writes them out: every selector as a mapping.

"+tag:daily" -> {"parents": True, "method": "tag", "value": "daily"}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fsbuild.artifacts.manifest.described import Described
from fsbuild.artifacts.manifest.shapes import Entry

_WRITTEN = re.compile(
    r"\A(?P<childrens_parents>@)?(?P<parents>(?P<parents_depth>\d*)\+)?(?:(?P<method>[\w.]+):)?(?P<value>.*?)"
    r"(?P<children>\+(?P<children_depth>\d*))?\Z"
)
_ASKED = ("childrens_parents", "parents", "children")
_SETS = ("union", "intersection")


def selector_nodes(described: Described) -> dict[str, Entry]:
    """Describe the selectors by their names; one may stand on those before it."""
    found: dict[str, Entry] = {}
    for said in described.entries("selectors"):
        if "name" in said.data:
            definition = _definition(said.data.get("definition"), found)
            found[str(said.data["name"])] = {**said.data, "definition": definition}
    return found


def _definition(written: Any, known: Mapping[str, Entry]) -> Any:  # noqa: ANN401 - YAML holds anything
    if isinstance(written, str):
        return _criteria(written)
    if not isinstance(written, dict) or not written:
        return written
    key = next(iter(written))
    if key in _SETS or key == "exclude":
        return {key: [_definition(one, known) for one in written[key] or ()]}
    if len(written) == 1:
        return {"method": key, "value": written[key]}
    if written.get("method") == "selector" and written.get("value") in known:
        return known[written["value"]]["definition"]
    return written


def _criteria(written: str) -> Entry:
    match = _WRITTEN.match(written)
    if match is None:
        return {"error": "Invalid selector spec"}
    found: Entry = {key: value for key, value in match.groupdict().items() if value}
    value = found.get("value", "")
    is_file = value.lower().endswith((".sql", ".py", ".csv"))
    default = "path" if "/" in value else "file" if is_file else "fqn"
    return found | {"method": found.get("method", default)} | {key: True for key in _ASKED if key in found}
