"""What a query may read: the relations whose columns are known, and all the names that a project gives to relations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fsbuild.values import ColumnType, Relation, RenderedModel


@dataclass(frozen=True, slots=True)
class KnownRelation:
    """A source, a seed or a model above the one that is looked at; `select` computes a seed's rows."""

    unique_id: str
    relation: Relation
    columns: tuple[ColumnType, ...]
    select: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """The relations of a project by their identifier in lower case, with their unique ids, and a digest of it all."""

    by_identifier: Mapping[str, Mapping[str, Relation]]
    digest: str

    @classmethod
    def of(cls, nodes: Iterable[KnownRelation | RenderedModel]) -> Names:
        """Index sources, seeds and models."""
        found: dict[str, dict[str, Relation]] = {}
        for node in nodes:
            found.setdefault(node.relation.identifier.lower(), {})[node.unique_id] = node.relation
        written = sorted(f"{name} {one}" for named in found.values() for name, one in named.items())
        return cls(found, hashlib.blake2b("\n".join(written).encode(), digest_size=16).hexdigest())

    def beside(self, model: RenderedModel, words: Iterable[str]) -> dict[str, Relation]:
        """The relations whose names are words of a query, and which its model has no right to read."""
        named = [self.by_identifier[word] for word in self.by_identifier.keys() & words]
        allowed = {model.unique_id, *model.depends_on}
        return {name: relation for one in named for name, relation in one.items() if name not in allowed}
