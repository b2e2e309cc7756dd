"""Which file has what: no file of a large project is large, and nothing is lost on the way into them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fsbuild.site import SiteContent, site_files
from fsbuild.site.pages import CheckEntry, GraphNode, NodePage, RunEntry, RunNode, SearchEntry
from fsbuild.site.shards import LARGEST, shard_of

SAID = "what it is, in a few words that somebody took the time to write\N{HORIZONTAL ELLIPSIS} "


def page(at: int, columns: int) -> NodePage:
    return {
        "id": f"model.shop.m{at}",
        "name": f"m{at}",
        "kind": "model",
        "folder": "models",
        "tags": [],
        "keys": [],
        "parents": [],
        "children": [],
        "checks": [],
        "versions": [],
        "columns": [{"name": f"c{number}", "type": "VARCHAR", "description": SAID * 3} for number in range(columns)],
    }


def graph_node(at: int) -> GraphNode:
    return {
        "name": f"m{at}",
        "kind": "model",
        "folder": "models",
        "tags": [],
        "parents": [{"id": f"model.shop.m{at // 2}", "name": f"m{at // 2}", "kind": "model"}] if at else [],
        "children": [],
        "columns": [],
        "rows_from": [],
    }


def run(number: int, nodes: int) -> RunEntry:
    done: list[RunNode] = [
        {
            "node": {"id": f"model.shop.m{at}", "name": f"m{at}", "kind": "model"},
            "status": "error" if at == nodes - 1 else "success",
            "start_s": float(at),
            "end_s": float(at) + (9.0 if at == nodes // 2 else 0.5),
        }
        for at in range(nodes)
    ]
    return {"id": f"run{number}", "started_at": "2026-01-01T00:00:00Z", "elapsed_s": 1.0, "nodes": done}


def content(nodes: int, *, columns: int = 5, runs: int = 0) -> SiteContent:
    search: list[SearchEntry] = [
        {"id": f"model.shop.m{at}", "name": f"m{at}", "kind": "model", "description": SAID * 8} for at in range(nodes)
    ]
    checks: list[CheckEntry] = []
    return SiteContent(
        project={},  # type: ignore[typeddict-item]
        nodes={f"model.shop.m{at}": page(at, columns) for at in range(nodes)},
        graph={f"model.shop.m{at}": graph_node(at) for at in range(nodes)},
        search=search,
        checks=checks,
        runs=[run(number, nodes) for number in range(runs)],
    )


def read(given: SiteContent) -> dict[str, Any]:
    values = {}
    for name, text in site_files(given):
        assert len(text) < 1_000_000, name
        key, value = json.loads(f"[{text.decode().removeprefix('fsbuild.put(').removesuffix(');' + chr(10))}]")
        assert name == f"data/{key}.js"
        values[key] = value
    return values


def test_a_thousand_nodes_are_in_files_of_about_sixteen() -> None:
    given = content(1_000)
    values = read(given)

    shards = values["project"]["shards"]
    assert (shards["nodes"], shards["graph"]) == (64, 16)
    for kind, whole in (("nodes", given.nodes), ("graph", given.graph)):
        parts = [values[f"{kind}/{number}"] for number in range(shards[kind])]
        assert {name: node for part in parts for name, node in part.items()} == whole
        assert all(shard_of(name, len(parts)) == number for number, part in enumerate(parts) for name in part)


def test_wide_nodes_are_in_more_files() -> None:
    values = read(content(200, columns=600))

    shards = values["project"]["shards"]["nodes"]
    assert shards > 16
    assert shards & (shards - 1) == 0
    assert sum(len(values[f"nodes/{number}"]) for number in range(shards)) == 200


def test_what_is_searched_stays_in_order_over_its_files() -> None:
    given = content(4_000)
    values = read(given)

    parts = [values[f"search/{number}"] for number in range(values["project"]["shards"]["search"])]
    assert len(parts) > 2
    assert [entry for part in parts for entry in part] == given.search


def test_the_latest_runs_are_kept_as_far_as_there_is_room() -> None:
    given = content(1_000, runs=30)
    runs = read(given)["runs"]["runs"]

    assert 1 <= len(runs) < 30
    assert runs == given.runs[: len(runs)]


def test_of_a_run_that_is_too_large_what_went_wrong_and_what_took_long_is_kept() -> None:
    given = content(10_000, runs=2)
    (kept,) = read(given)["runs"]["runs"]
    names = {node["node"]["name"] for node in kept["nodes"]}

    assert kept["id"] == "run0"
    assert {"m9999", "m5000"} <= names
    assert LARGEST * 0.9 < len(json.dumps(kept["nodes"], separators=(",", ":"))) <= LARGEST


def test_the_map_of_ten_thousand_nodes_has_every_edge_once() -> None:
    values = read(content(10_000, columns=0))

    parts = [values[f"map/{number}"] for number in range(values["project"]["shards"]["map"])]
    ids = [name for part in parts for name in part["ids"]]
    edges = [pair for part in parts for pair in zip(part["edges"][::2], part["edges"][1::2], strict=True)]
    assert len(set(ids)) == 10_000
    assert sorted((int(ids[a].rpartition("m")[2]), int(ids[b].rpartition("m")[2])) for a, b in edges) == sorted(
        (at // 2, at) for at in range(1, 10_000)
    )


def test_a_project_of_nothing_has_files() -> None:
    assert read(content(0))["project"]["shards"] == {"nodes": 1, "graph": 1, "search": 0, "checks": 0, "map": 0}


# What `shardOf` of site/src/data.ts says of the same ids.
@pytest.mark.parametrize(
    ("name", "of_97", "of_64"),
    [
        ("model.shop.members", 84, 5),
        ("source.shop.raw.events", 78, 25),
        ("mod\N{LATIN SMALL LETTER E WITH GRAVE}le", 82, 27),
        ("exposure.shop.\N{LATIN SMALL LETTER U WITH DIAERESIS}\N{RIGHTWARDS ARROW}\N{MUSICAL SYMBOL G CLEF}", 84, 42),
    ],
)
def test_the_browser_looks_for_a_node_where_it_is(name: str, of_97: int, of_64: int) -> None:
    assert (shard_of(name, 97), shard_of(name, 64)) == (of_97, of_64)
