"""What there is can be found: features by entity, and everything that has a name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fsbuild import FsbuildError, Project
from tests.conftest import Files

Make = Callable[[Files], Path]

SHOP = {
    "models/_features.yml": """
entities:
  - {name: item, description: something on a shelf, keys: [{name: id, type: bigint}]}
  - {name: shelf, keys: [{name: shelf, type: varchar}]}
models:
  - name: prices
    description: What things cost.
    config: {materialized: table, entity: [item, shelf], event_time: at, owner: ann, tags: [money]}
    columns:
      - {name: price, unit: euro, description: how much it is}
feature_views:
  - {name: costs, description: what is paid, features: [prices]}
""",
    "models/prices.sql": "select 1 as id, 'a' as shelf, date '2020-01-01' as at, 5 as price, null::int as discount",
    "models/plain.sql": "select 1 as id",
    "seeds/shelves.csv": "shelf,height\na,2\n",
}


def names(root: Path, word: str) -> list[tuple[object, ...]]:
    return [row[:4] for row in Project(root).search(word).rows]


def test_features_are_listed_with_what_is_known_of_them(make_project: Make) -> None:
    project = Project(make_project(SHOP))
    before = project.features()
    project.run()
    price, discount = project.features("shelf")

    assert [(one.name, one.as_of, one.complete) for one in before] == [("price", None, None), ("discount", None, None)]
    assert (price.entity, price.model, price.type, price.unit, price.owner) == (
        "item, shelf",
        "prices",
        "INTEGER",
        "euro",
        "ann",
    )
    assert price.as_of is not None
    assert (price.complete, price.mean, discount.complete) == (1.0, 5.0, 0.0)
    with pytest.raises(FsbuildError, match="there is no entity 'shelv'"):
        project.features("shelv")


def test_search_finds_names_tags_owners_and_descriptions_the_best_first(make_project: Make) -> None:
    root = make_project(SHOP)

    assert names(root, "PRICE") == [("column", "price", "prices", "name"), ("table", "prices", None, "name")]
    assert names(root, "money") == [("table", "prices", None, "tag")]
    assert names(root, "ann")[0] == ("table", "prices", None, "owner")
    assert names(root, "paid") == [("feature view", "costs", None, "description")]
    assert names(root, "shelf")[0] == ("entity", "shelf", None, "name")


def test_search_finds_what_is_like_a_word_with_a_typing_mistake(make_project: Make) -> None:
    root = make_project(SHOP)

    assert ("table", "prices", None, "like it") in names(root, "prises")
    assert names(root, "xyzzy") == []


def test_both_are_commands_with_json(make_project: Make) -> None:
    root = make_project(SHOP)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fsbuild", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    listed = run("features", "--output", "json")
    found = run("search", "costs", "--output", "json")
    missed = run("search", "xyzzy")

    assert [json.loads(line)["feature"] for line in listed.stdout.splitlines()] == ["price", "discount"]
    assert json.loads(found.stdout)["kind"] == "feature view"
    assert (missed.returncode, missed.stdout) == (1, "")
    assert missed.stderr == "nothing has 'xyzzy' in its name, tags, owner or description\n"
