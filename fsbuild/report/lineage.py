"""A trace in; what a column is made of and goes into out, as a tree for people or as a graph for programs.

upstream of late_by_day.share
  stg_flights.is_late     aggregated
    nyc.flights.delay     transformed
  late_by_day.*           rows
    stg_flights.carrier   groups
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fsbuild.report.paint import Paint, plain
from fsbuild.report.table import display_width, pad, visible
from fsbuild.traces import Cell, Link, Trace

TraceForm = Literal["tree", "json", "mermaid", "dot"]


def format_trace(trace: Trace, form: TraceForm, paint: Paint = plain) -> str:
    """Write a trace in one of the forms; on a terminal, what only steers is dim in the tree."""
    if form == "tree":
        return _tree(trace, paint)
    return {"json": _json_lines, "mermaid": _mermaid, "dot": _dot}[form](trace)


# --- for people ------------------------------------------------------------------------------------------------------


def _tree(trace: Trace, paint: Paint) -> str:
    parts = []
    for direction, links in (("upstream", trace.upstream), ("downstream", trace.downstream)):
        if links is not None:
            parts.append(f"{direction} of {visible(trace.asked)}")
            parts.extend(_Branches(trace, links, paint).lines())
    return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class _Branches:
    """The links of one direction, as lines: a cell, how it is linked to the one that it is indented below."""

    trace: Trace
    links: Sequence[Link]
    paint: Paint
    _from: dict[Cell, list[Link]] = field(default_factory=dict)
    _rows: list[tuple[str, str, bool]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        for link in self.links:
            self._from.setdefault(link.near, []).append(link)
        told: set[Cell] = set()
        for cell in self.trace.cells:
            if has_roots := len(self.trace.cells) > 1 or bool(self.trace.remarks):
                self._rows.append((f"  {visible(self.trace.named(cell))}", self.trace.remarks.get(cell, ""), False))
            self._add(cell, int(has_roots), told)
        width = max((display_width(name) for name, _, _ in self._rows), default=0)
        for name, kinds, is_steering in self._rows:
            line = f"{pad(name, width)}  {kinds}".rstrip()
            yield self.paint(line, "dim") if is_steering else line
        if not self._rows:
            yield "  nothing"

    def _add(self, start: Cell, indent: int, told: set[Cell]) -> None:
        """Add what a cell is linked to, values before what steers; what is told further up is not told again."""
        told.add(start)
        stack = [(link, indent + 1) for link in reversed(self._children(start))]
        while stack:
            link, level = stack.pop()
            again = link.far in told and link.far in self._from
            kinds = ", ".join(link.kinds) + (", as above" if again else "")
            if "unknown" in link.kinds:
                kinds = f"unknown: {_reason(self.trace, link)}"
            self._rows.append((f"{'  ' * level}{visible(self.trace.named(link.far))}", kinds, link.is_steering))
            if link.far not in told:
                told.add(link.far)
                stack += [(child, level + 1) for child in reversed(self._children(link.far))]

    def _children(self, cell: Cell) -> list[Link]:
        return sorted(self._from.get(cell, ()), key=lambda link: (link.kinds == ("rows",), link.is_steering))


def _reason(trace: Trace, link: Link) -> str:
    """Why it is unknown what one has to do with the other: the lineage of either may be."""
    found = (trace.unknown.get(cell.node) for cell in (link.near, link.far))
    return visible(next((reason for reason in found if reason is not None), "so is what it is made of"))


# --- for programs ----------------------------------------------------------------------------------------------------


def _flows(trace: Trace) -> Iterator[tuple[str, Cell, Cell, Link]]:
    """Each link as data flows: the direction in which it was found, from where, and to where."""
    for link in trace.upstream or ():
        yield "upstream", link.far, link.near, link
    for link in trace.downstream or ():
        yield "downstream", link.near, link.far, link


def _json_lines(trace: Trace) -> str:
    """Write each link as a line, after those of the cells that there is a remark about."""
    remarked = [
        {"direction": "start", "at": trace.named(cell), "remark": remark, "node": cell.node, "column": cell.column}
        for cell, remark in trace.remarks.items()
    ]
    linked = [
        {
            "direction": direction,
            "from": trace.named(origin),
            "to": trace.named(target),
            "kinds": link.kinds,
            "distance": link.distance,
            "from_node": origin.node,
            "from_column": origin.column,
            "to_node": target.node,
            "to_column": target.column,
            **({"reason": _reason(trace, link)} if "unknown" in link.kinds else {}),
        }
        for direction, origin, target, link in _flows(trace)
    ]
    return "\n".join(map(json.dumps, [*remarked, *linked]))


def _graph(trace: Trace) -> tuple[dict[str, dict[Cell, str]], list[tuple[Cell, Cell, Link]]]:
    """The cells of each node with a number, and what is linked."""
    flows = list({(origin, target): (origin, target, link) for _, origin, target, link in _flows(trace)}.values())
    cells = dict.fromkeys([*trace.cells, *(cell for origin, target, _ in flows for cell in (origin, target))])
    nodes: dict[str, dict[Cell, str]] = {}
    for number, cell in enumerate(cells):
        nodes.setdefault(cell.node, {})[cell] = f"c{number}"
    return nodes, flows


def _mermaid(trace: Trace) -> str:
    nodes, flows = _graph(trace)
    lines = ["flowchart LR"]
    for number, (node, cells) in enumerate(nodes.items()):
        lines.append(f'  subgraph n{number}["{_escaped(trace.names[node], _MERMAID)}"]')
        lines += [f'    {name}["{_escaped(cell.column, _MERMAID)}"]' for cell, name in cells.items()]
        lines.append("  end")
    for origin, target, link in flows:
        arrow = "-.->" if link.is_steering else "-->"
        lines.append(f"  {_name(nodes, origin)} {arrow}|{', '.join(link.kinds)}| {_name(nodes, target)}")
    return "\n".join(lines)


def _dot(trace: Trace) -> str:
    nodes, flows = _graph(trace)
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    for number, (node, cells) in enumerate(nodes.items()):
        lines.append(f'  subgraph cluster_{number} {{ label="{_escaped(trace.names[node], _DOT)}";')
        lines += [f'    {name} [label="{_escaped(cell.column, _DOT)}"];' for cell, name in cells.items()]
        lines.append("  }")
    for origin, target, link in flows:
        style = ", style=dashed" if link.is_steering else ""
        ends = f"{_name(nodes, origin)} -> {_name(nodes, target)}"
        lines.append(f'  {ends} [label="{", ".join(link.kinds)}"{style}];')
    return "\n".join([*lines, "}"])


def _name(nodes: Mapping[str, Mapping[Cell, str]], cell: Cell) -> str:
    return nodes[cell.node][cell]


_MERMAID = {'"': "#quot;", "<": "#lt;", ">": "#gt;"}
_DOT = {"\\": "\\\\", '"': '\\"'}


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(letter, letter) for letter in visible(text))
