"""Compiled models in, their lineage written down out: `lineage.json` for programs, `lineage.md` for people.

The Markdown page draws the graph with Mermaid, as code hosts and editors render it, and lists for every column of
every model what it is made of. The files say nothing but what the SQL says: no time, no run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from fsbuild.values import CompiledModel, Project

_SHAPES = {"source": ("[(", ")]"), "seed": ("[/", "/]"), "model": ("[", "]"), "snapshot": ("([", "])")}


def write_lineage(models: Iterable[CompiledModel], project: Project) -> None:
    """Write `lineage.json` and `lineage.md` below the target folder, where they differ from what is there."""
    ordered = list(models)
    folder = project.root / project.target_path
    lines = ",\n".join(json.dumps(_as_json(model)) for model in ordered)
    _write(folder / "lineage.json", f'{{"models": [\n{lines}\n]}}\n')
    _write(folder / "lineage.md", _page(ordered, project.name))


def _write(file: Path, text: str) -> None:
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _as_json(model: CompiledModel) -> dict[str, object]:
    return {
        "unique_id": model.unique_id,
        "path": model.rendered.model.path,
        "relation": str(model.rendered.relation),
        "materialized": model.rendered.config.materialized,
        "depends_on": list(model.rendered.depends_on),
        "columns": [{"name": column.name, "type": column.type} for column in model.columns],
        "edges": [
            {"column": edge.column, "input": edge.input_id, "input_column": edge.input_column, "kind": edge.kind}
            for edge in model.lineage.edges
        ],
        "unknown": model.lineage.unknown,
    }


def _page(models: Sequence[CompiledModel], project_name: str) -> str:
    parts = [f"# Lineage of {project_name}\n", _graph(models)]
    parts.extend(_section(model) for model in models)
    return "\n".join(parts)


def _graph(models: Sequence[CompiledModel]) -> str:
    names = dict.fromkeys(name for model in models for name in (*model.rendered.depends_on, model.unique_id))
    numbers = {name: f"n{number}" for number, name in enumerate(names)}
    lines = ["```mermaid", "flowchart LR"]
    for name, number in numbers.items():
        left, right = _SHAPES[name.partition(".")[0]]
        lines.append(f'  {number}{left}"{_short(name)}"{right}')
    lines.extend(
        f"  {numbers[parent]} --> {numbers[model.unique_id]}"
        for model in models
        for parent in model.rendered.depends_on
    )
    return "\n".join([*lines, "```", ""])


def _section(model: CompiledModel) -> str:
    lines = [f"## {model.rendered.model.name}\n"]
    if model.rendered.config.description:
        lines.append(f"{model.rendered.config.description.strip()}\n")
    if model.lineage.unknown is not None:
        lines.append(f"The origin of its columns is unknown: {model.lineage.unknown}.\n")
    lines += ["| column | type | made of |", "|---|---|---|"]
    for column in model.columns:
        made_of = [
            f"{_short(edge.input_id)}.{edge.input_column} ({edge.kind})"
            for edge in sorted(model.lineage.edges, key=lambda edge: edge.is_steering)
            if edge.column == column.name
        ]
        lines.append(f"| {column.name} | {column.type} | {', '.join(made_of) or '-'} |")
    rows = [f"{_short(e.input_id)}.{e.input_column} ({e.kind})" for e in model.lineage.edges if e.column == "*"]
    if rows:
        lines.append(f"\nWhich rows there are depends on {', '.join(rows)}.")
    return "\n".join([*lines, ""])


def _short(unique_id: str) -> str:
    """A node's id without its type and project: `nyc.flights`, `stg_flights`."""
    return unique_id.split(".", 2)[2]
