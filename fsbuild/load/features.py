"""The `entities:` and `feature_views:` of YAML files in, `Entity`s and `FeatureView`s out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from fsbuild.errors import Place, Problem, suggest
from fsbuild.feature_requests import RequestError, parse_features
from fsbuild.load.documents import Section
from fsbuild.values import Entity, EntityKey, FeatureView

ENTITY_KEYS = frozenset({"name", "description", "keys", "owner", "tags", "meta"})
VIEW_KEYS = frozenset({"name", "description", "features", "owner", "tags", "meta"})
KEY_KEYS = frozenset({"name", "type", "description"})


def read_entities(documents: Iterable[Section], problems: list[Problem]) -> Iterator[Entity]:
    """Read the entities that YAML files declare."""
    for name, section in _declared(documents, "entities", ENTITY_KEYS, problems):
        keys: list[EntityKey] = []
        for item in section.items_of("keys", problems):
            item.check_keys(KEY_KEYS, problems)
            key, kind = item.get("name"), item.get("type")
            if isinstance(key, str) and isinstance(kind, str):
                keys.append(EntityKey(key, kind))
            else:
                hint = "keys: [{name: carrier, type: varchar}]"
                problems.append(Problem(f"a key of entity '{name}' lacks a name or a type", item.place, hint=hint))
        if "keys" not in section:
            hint = "add keys: [{name: carrier, type: varchar}]"
            problems.append(Problem(f"entity '{name}' has no keys", section.place_of("name"), hint=hint))
        yield Entity(
            name, tuple(keys), section.place_of("name"), _text(section, "description"), _owner(section), _tags(section)
        )


def read_feature_views(
    documents: Iterable[Section], nodes: Collection[str], problems: list[Problem]
) -> Iterator[FeatureView]:
    """Read the feature views that YAML files declare; `nodes` are the names that models and seeds have taken."""
    for name, section in _declared(documents, "feature_views", VIEW_KEYS, problems):
        if name in nodes:
            message = f"'{name}' is the name of a model or seed too"
            problems.append(Problem(message, section.place_of("name"), hint="rename the feature view"))
        try:
            features = parse_features(section.get("features"))
        except RequestError as exc:
            message = f"feature view '{name}': {exc.message}"
            problems.append(Problem(message, section.place_of("features"), hint=exc.hint))
            continue
        for feature in features:
            if feature.model not in nodes:
                message = f"feature view '{name}' has features of '{feature.model}', which is no model or seed"
                problems.append(Problem(message, section.place_of("features"), hint=suggest(feature.model, nodes)))
        yield FeatureView(
            name, features, section.place_of("name"), _text(section, "description"), _owner(section), _tags(section)
        )


def _declared(
    documents: Iterable[Section], kind: str, known: Collection[str], problems: list[Problem]
) -> Iterator[tuple[str, Section]]:
    """The named entries of one kind in all files."""
    seen: dict[str, Place] = {}
    for document in documents:
        for section in document.items_of(kind, problems):
            section.check_keys(known, problems)
            name = section.get("name")
            if not isinstance(name, str):
                problems.append(Problem(f"an entry of '{kind}' has no name", section.place))
            elif name in seen:
                message = f"'{name}' is declared already, at {seen[name]}"
                problems.append(Problem(message, section.place_of("name")))
            else:
                seen[name] = section.place_of("name")
                yield name, section


def _text(section: Section, key: str) -> str:
    return str(section.get(key) or "").strip()


def _owner(section: Section) -> str | None:
    return _text(section, "owner") or None


def _tags(section: Section) -> tuple[str, ...]:
    tags = section.get("tags") or ()
    return (tags,) if isinstance(tags, str) else tuple(str(tag) for tag in tags)
