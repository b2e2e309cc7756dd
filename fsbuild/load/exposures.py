"""The `exposures:` of YAML files in, `Exposure`s out: what people and programs use that stands on models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fsbuild.errors import Place, Problem, suggest
from fsbuild.load.data_tests import NodeNames, resolve_reference
from fsbuild.load.documents import Section
from fsbuild.load.layers import yaml_defaults
from fsbuild.load.reading import Reading
from fsbuild.values import Exposure

EXPOSURE_KEYS = frozenset(
    {"name", "label", "type", "description", "url", "maturity", "owner", "depends_on", "tags", "meta", "config"}
)
EXPOSURE_TYPES = ("dashboard", "notebook", "analysis", "ml", "application")
_MATURITIES = ("high", "medium", "low")
_OWNER_KEYS = frozenset({"name", "email"})


def read_exposures(reading: Reading, documents: Iterable[Section], names: NodeNames) -> Iterator[Exposure]:
    """Read the exposures that YAML files declare."""
    problems = reading.problems
    seen: dict[str, Place] = {}
    for document in documents:
        for section in document.items_of("exposures", problems):
            section.check_keys(EXPOSURE_KEYS, problems)
            name, place = section.get("name"), section.place_of("name")
            if not isinstance(name, str):
                problems.append(Problem("an entry of 'exposures' has no name", section.place))
            elif name in seen:
                problems.append(Problem(f"'{name}' is declared already, at {seen[name]}", place))
            else:
                seen[name] = place
                given = yaml_defaults(reading, ("exposures",), section.file, name)
                if {**given, **section.mapping("config", problems)}.get("enabled") is not False:
                    yield _exposure(name, section, names, problems)


def _exposure(name: str, section: Section, names: NodeNames, problems: list[Problem]) -> Exposure:
    for key, allowed, is_required in (("type", EXPOSURE_TYPES, True), ("maturity", _MATURITIES, False)):
        value = section.get(key)
        if value not in allowed and (is_required or value is not None):
            hint = suggest(str(value), allowed) or f"there are: {', '.join(allowed)}"
            problems.append(Problem(f"the {key} of the exposure '{name}' is {value!r}", section.place_of(key), hint))
    owner = section.mapping("owner", problems)
    if owner:
        section["owner"].check_keys(_OWNER_KEYS, problems)
    if not (owner.get("name") or owner.get("email")):
        message = f"nobody owns the exposure '{name}'"
        problems.append(Problem(message, section.place_of("owner"), hint="owner: {name: ann, email: ann@example.com}"))
    written = section.get("depends_on") or []
    if not isinstance(written, list):
        problems.append(Problem("'depends_on' is not a list", section.place_of("depends_on"), hint="- ref('model')"))
        written = []
    nodes = [resolve_reference(str(one), names, section.place_of("depends_on"), problems) for one in written]
    tags = section.get("tags") or ()
    return Exposure(
        unique_id=f"exposure.{names.project}.{name}",
        name=name,
        type=str(section.get("type")),
        place=section.place_of("name"),
        owner=", ".join(str(owner[key]) for key in ("name", "email") if owner.get(key)),
        depends_on=tuple(dict.fromkeys(node for node in nodes if node)),
        label=str(section.get("label") or ""),
        description=str(section.get("description") or "").strip(),
        url=str(section.get("url") or ""),
        maturity=str(section.get("maturity") or ""),
        tags=(tags,) if isinstance(tags, str) else tuple(map(str, tags)),
    )
