"""What a site shows in, its files out: scripts that hand over their data when a page loads them.

A file has the nodes whose ids hash to its number, so that a page finds a node without an index, and a change of one
node changes few files. No data file comes near 1 MB unless a single node does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fsbuild.site.layout import place_nodes
from fsbuild.site.pages import SiteContent

# How many nodes, or entries, one file has about.
_NODES, _GRAPH, _ENTRIES, _PLACES = 16, 64, 3_000, 4_000
# What the page loads.
_LINK = re.compile(r'<link rel="stylesheet" href="site\.css">')
_SCRIPT = re.compile(r'<script src="site\.js"[^>]*></script>')
_DATA = "<!-- fsbuild:data -->"


def shard_of(name: str, shards: int) -> int:
    """Tell which file has a node: FNV-1a over 32 bits.

    >>> shard_of("foobar", 2**32) == 0xBF9CF968
    True
    """
    found = 0x811C9DC5
    for byte in name.encode():
        found = ((found ^ byte) * 0x01000193) & 0xFFFFFFFF
    return found % shards


def script(key: str, value: object) -> bytes:
    """Write a script that hands over a value; what could end a script element within it is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # In JSON a "<" can only stand within a string; the line ends of Unicode were none in JSON and are some in scripts.
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f"fsbuild.put({json.dumps(key)},{safe});\n".encode("utf-8", "replace")


def site_files(content: SiteContent) -> Iterator[tuple[str, bytes]]:
    """Write the data files of a site: names below its folder, and contents."""
    for key, value in _values(content):
        yield f"data/{key}.js", script(key, value)


def single_page(content: SiteContent, page: str, style: str, code: str) -> str:
    """Put a whole site into one page: its style, its data and its code in the places of what it would load."""
    data = "".join(script(key, value).decode() for key, value in _values(content))
    page = _LINK.sub(lambda _: f"<style>{style}</style>", page)
    page = _SCRIPT.sub(lambda _: f"<script>{_within(code)}</script>", page)
    return page.replace(_DATA, f"<script>{data}</script>")


def _within(code: str) -> str:
    """Code that may stand within a script element."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _values(content: SiteContent) -> Iterator[tuple[str, object]]:
    """Everything that is handed over, by key; the first page, which knows how many files there are, comes last."""
    nodes = _power_of_two(len(content.nodes) / _NODES)
    graph = _power_of_two(len(content.graph) / _GRAPH)
    lists: dict[str, list[Any]] = {
        "search": list(_parts(content.search, _ENTRIES)),
        "checks": list(_parts(content.checks, _ENTRIES)),
        "map": list(_map_parts(content)),
    }
    yield from _by_hash("nodes", content.nodes, nodes)
    yield from _by_hash("graph", content.graph, graph)
    for key, parts in lists.items():
        for number, part in enumerate(parts):
            yield f"{key}/{number}", part
    yield "runs", {"runs": content.runs}
    shards = {"nodes": nodes, "graph": graph, **{key: len(parts) for key, parts in lists.items()}}
    yield "project", {**content.project, "shards": shards}


def _by_hash(key: str, found: Mapping[str, object], shards: int) -> Iterator[tuple[str, object]]:
    parts: list[dict[str, object]] = [{} for _ in range(shards)]
    for name in sorted(found):
        parts[shard_of(name, shards)][name] = found[name]
    for number, part in enumerate(parts):
        yield f"{key}/{number}", part


def _map_parts(content: SiteContent) -> Iterator[dict[str, Any]]:
    """The map in parts; an edge stands with its child."""
    parents = {name: [one["id"] for one in node["parents"]] for name, node in content.graph.items()}
    places = place_nodes(parents)
    numbers = {name: number for number, name in enumerate(places)}
    for part in _parts(list(places), _PLACES):
        yield {
            "at": [value for name in part for value in places[name]],
            "ids": part,
            "names": [content.graph[name]["name"] for name in part],
            "kinds": [content.graph[name]["kind"] for name in part],
            "edges": [
                number
                for name in part
                for parent in parents[name]
                if parent in numbers
                for number in (numbers[parent], numbers[name])
            ],
        }


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _power_of_two(wanted: float) -> int:
    """The least power of two that is not below a number: it seldom changes, so that files keep their nodes."""
    return 1 << max(0, int(wanted) - (wanted == int(wanted))).bit_length() if wanted > 1 else 1
