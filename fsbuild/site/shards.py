"""What a site shows in, its files out: scripts that hand over their data when a page loads them.

A file has the nodes whose ids hash to its number, so that a page finds a node without an index, and a change of one
node changes few files. No data file has more than `LARGEST` bytes, unless a single node or entry does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsbuild.site.layout import place_nodes
from fsbuild.site.pages import RunEntry, RunNode, SiteContent

# How many nodes, or entries, one file has about.
_NODES, _GRAPH, _ENTRIES, _PLACES = 16, 64, 3_000, 2_000
LARGEST = 900_000
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


def encode(value: object) -> str:
    """Write a value as JSON that may stand in a script; what could end a script element within it is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # In JSON a "<" can only stand within a string; the line ends of Unicode were none in JSON and are some in scripts.
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def script(key: str, value: object) -> bytes:
    """Write a script that hands over a value."""
    return _script(key, encode(value))


def _script(key: str, text: str) -> bytes:
    return f"fsbuild.put({json.dumps(key)},{text});\n".encode("utf-8", "replace")


def site_files(content: SiteContent) -> Iterator[tuple[str, bytes]]:
    """Write the data files of a site: names below its folder, and contents."""
    for key, text in _texts(content):
        yield f"data/{key}.js", _script(key, text)


def single_page(content: SiteContent, page: str, style: str, code: str) -> str:
    """Put a whole site into one page: its style, its data and its code in the places of what it would load."""
    data = "".join(_script(key, text).decode() for key, text in _texts(content))
    page = _LINK.sub(lambda _: f"<style>{style}</style>", page)
    page = _SCRIPT.sub(lambda _: f"<script>{_within(code)}</script>", page)
    return page.replace(_DATA, f"<script>{data}</script>")


def _within(code: str) -> str:
    """Code that may stand within a script element."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _texts(content: SiteContent) -> Iterator[tuple[str, str]]:
    """Everything that is handed over, by key; the first page, which knows how many files there are, comes last."""
    parts = {
        "nodes": _by_hash(content.nodes, _NODES),
        "graph": _by_hash(content.graph, _GRAPH),
        "search": _in_order(content.search, _ENTRIES),
        "checks": _in_order(content.checks, _ENTRIES),
        "map": [encode(part) for part in _map_parts(content)],
    }
    for key, texts in parts.items():
        for number, text in enumerate(texts):
            yield f"{key}/{number}", text
    yield "runs", encode({"runs": _latest(content.runs)})
    shards = {key: len(texts) for key, texts in parts.items()}
    yield "project", encode({**content.project, "shards": shards})


def _by_hash(found: Mapping[str, object], about: int) -> list[str]:
    """Objects with about so many nodes each, or fewer where that is too much for one file."""
    members = {name: f"{encode(name)}:{encode(found[name])}" for name in sorted(found)}
    shards = _power_of_two(len(members) / about)
    while True:
        parts: list[list[str]] = [[] for _ in range(shards)]
        for name, text in members.items():
            parts[shard_of(name, shards)].append(text)
        # More files would not help against one node that is too large for any.
        if shards >= len(members) or not any(len(part) > 1 and _bytes(part) > LARGEST for part in parts):
            return ["{" + ",".join(part) + "}" for part in parts]
        shards *= 2


def _in_order(items: Sequence[object], size: int) -> list[str]:
    """Lists with at most so many items each, or fewer where that is too much for one file."""
    parts: list[list[str]] = []
    room = 0
    for text in map(encode, items):
        needed = len(text.encode("utf-8", "replace")) + 1
        if not parts or len(parts[-1]) == size or needed > room:
            parts.append([])
            room = LARGEST
        parts[-1].append(text)
        room -= needed
    return ["[" + ",".join(part) + "]" for part in parts]


def _latest(runs: Sequence[RunEntry]) -> list[RunEntry]:
    """The latest runs, as many as one file has room for.

    Of a run that has none by itself those nodes are kept that went wrong, and then those that took longest.
    """
    room, found = LARGEST, list[RunEntry]()
    for run in runs:
        needed = len(encode(run).encode("utf-8", "replace"))
        if needed > room:
            return found or [{**run, "nodes": _weightiest(run["nodes"])}]
        room -= needed
        found.append(run)
    return found


def _weightiest(nodes: Sequence[RunNode]) -> list[RunNode]:
    def weight(node: RunNode) -> tuple[bool, float]:
        return node["status"] in ("success", "unchanged", "pass"), node["start_s"] - node["end_s"]

    room, kept = LARGEST, set[str]()
    for node in sorted(nodes, key=weight):
        room -= len(encode(node).encode("utf-8", "replace")) + 1
        if room < 0:
            break
        kept.add(node["node"]["id"])
    return [node for node in nodes if node["node"]["id"] in kept]


def _bytes(texts: Sequence[str]) -> int:
    return sum(len(text.encode("utf-8", "replace")) + 1 for text in texts)


def _map_parts(content: SiteContent) -> Iterator[dict[str, Any]]:
    """The map in parts; an edge stands with its child."""
    parents = {name: [one["id"] for one in node["parents"]] for name, node in content.graph.items()}
    places = place_nodes(parents)
    numbers = {name: number for number, name in enumerate(places)}
    names = list(places)
    for part in (names[start : start + _PLACES] for start in range(0, len(names), _PLACES)):
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


def _power_of_two(wanted: float) -> int:
    """The least power of two that is not below a number: it seldom changes, so that files keep their nodes."""
    return 1 << max(0, int(wanted) - (wanted == int(wanted))).bit_length() if wanted > 1 else 1
