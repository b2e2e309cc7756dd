"""Exposures: what stands on models is selected by name, listed with the nodes, and never run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fsbuild import Project
from fsbuild.errors import UsageError
from tests.conftest import Files

Make = Callable[[Files], Path]
SHOP = {
    "models/base.sql": "{{ config(materialized='table') }} select 1 as a",
    "models/top.sql": "{{ config(materialized='table') }} select a from {{ ref('base') }}",
    "models/other.sql": "{{ config(materialized='table') }} select 2 as b",
    "models/board.yml": """
exposures:
  - name: board
    type: dashboard
    tags: [weekly]
    owner: {email: ann@example.com}
    depends_on: [ref('top')]
""",
}


def listed(root: Path, select: str = "") -> list[str]:
    return [node.name for node in Project(root).nodes(select=select or ())]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("", ["base", "other", "top", "board"]),
        ("exposure:board", ["board"]),
        ("exposure:b*", ["board"]),
        ("+exposure:board", ["base", "top", "board"]),
        ("1+exposure:board", ["top", "board"]),
        ("base+", ["base", "top", "board"]),
        ("tag:weekly", ["board"]),
        ("resource_type:exposure", ["board"]),
        ("top,+exposure:board", ["top"]),
    ],
)
def test_exposures_are_selected(make_project: Make, select: str, expected: list[str]) -> None:
    assert sorted(listed(make_project(SHOP), select)) == sorted(expected)


def test_an_exposure_comes_after_what_it_stands_on(make_project: Make) -> None:
    names = listed(make_project(SHOP))

    assert names.index("board") > names.index("top") > names.index("base")


def test_what_an_exposure_stands_on_is_run_and_nothing_else(make_project: Make) -> None:
    result = Project(make_project(SHOP)).run(select="+exposure:board")

    assert [node.name for node in result.results] == ["base", "top"]
    assert result.is_success


def test_a_build_of_all_does_not_stumble_over_exposures(make_project: Make) -> None:
    result = Project(make_project(SHOP)).build()

    assert sorted(node.name for node in result.results) == ["base", "other", "top"]


def test_a_bare_name_is_not_an_exposure_and_says_how_to_write_one(make_project: Make) -> None:
    with pytest.raises(UsageError) as caught:
        listed(make_project(SHOP), "board")

    (problem,) = caught.value.problems
    assert problem.hint == "an exposure is selected as 'exposure:board'"


def test_an_exposure_of_a_disabled_model_stays(make_project: Make) -> None:
    files = SHOP | {"models/other.sql": "{{ config(enabled=false) }} select 2 as b"}
    files["models/board.yml"] = files["models/board.yml"].replace("[ref('top')]", "[ref('top'), ref('other')]")
    root = make_project(files)

    assert "board" in listed(root)
    Project(root).generate_docs()
