"""The models in, where the SQL of each defines its columns out; what was found before is not looked for again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fsbuild.cache import Shelf
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.program import open_cache
from fsbuild.values import CompiledModel

Span = tuple[int, int]


def column_spans(compiled: Compiled) -> Mapping[str, Mapping[str, Span]]:
    """Find for each model, by id, the ranges of characters that define its columns, by name; none for some of them."""
    cache = open_cache(compiled.draft.project)
    shelf = Shelf(cache, "spans")
    spans = {name: _spans(model, shelf) for name, model in compiled.models.items()}
    cache.save()
    return spans


def _spans(model: CompiledModel, shelf: Shelf) -> Mapping[str, Span]:
    text, names = shown_sql(model), [column.name for column in model.columns]
    key = shelf.key(text, names)
    if (kept := shelf.get(key)) is not None:
        return {name: (start, end) for name, (start, end) in json.loads(kept).items()}
    from fsbuild.compile.definitions import locate_columns

    found = locate_columns(text, names)
    shelf.put(key, json.dumps(found))
    return found


def shown_sql(model: CompiledModel) -> str:
    """The SQL of a model as its page shows it."""
    return model.rendered.sql.text.strip("\n")
