"""Each project of the judge, run by dbt-core with dbt-duckdb and by fsbuild, must leave the same behind.

What fsbuild cannot yet do is in `to_do.py`; such a test fails when the feature arrives, until its line is taken
out there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dbt.harness import PROJECTS, Both, Ending
from tests.dbt.to_do import TO_DO

pytestmark = pytest.mark.dbt
ASPECTS = ("exit_codes", "results", "listings", "rows")
_NAMES = sorted(folder.name for folder in PROJECTS.iterdir() if (folder / "commands").is_file())


def _projects(aspect: str) -> list[Any]:
    """Every project, expected to fail where `to_do.py` says so; all tests of a project run in one process."""
    parameters = []
    for name in _NAMES:
        marks = [pytest.mark.xdist_group(name)]
        if (reason := TO_DO.get(f"{name}: {aspect}")) is not None:
            marks.append(pytest.mark.xfail(strict=True, reason=reason))
        parameters.append(pytest.param(name, id=name, marks=marks))
    return parameters


@pytest.mark.parametrize("name", _projects("exit_codes"))
def test_exit_codes(name: str, outcomes: Callable[[str], Both]) -> None:
    both = outcomes(name)
    told = "\n".join(f"--- {ending.command}\n{ending.told}" for ending in both.ours.endings)
    assert _exit_codes(both.ours.endings) == _exit_codes(both.dbt.endings), told


def _exit_codes(endings: tuple[Ending, ...]) -> list[tuple[str, int]]:
    return [(ending.command, ending.exit_code) for ending in endings]


@pytest.mark.parametrize("name", _projects("results"))
def test_results(name: str, outcomes: Callable[[str], Both]) -> None:
    both = outcomes(name)
    for ours, dbts in zip(both.ours.endings, both.dbt.endings, strict=True):
        assert ours.results == dbts.results, ours.command


@pytest.mark.parametrize("name", _projects("listings"))
def test_listings(name: str, outcomes: Callable[[str], Both]) -> None:
    both = outcomes(name)
    for ours, dbts in zip(both.ours.endings, both.dbt.endings, strict=True):
        assert ours.listed == dbts.listed, ours.command


@pytest.mark.parametrize("name", _projects("rows"))
def test_rows(name: str, outcomes: Callable[[str], Both]) -> None:
    both = outcomes(name)
    assert both.ours.tables.keys() == both.dbt.tables.keys()
    for unique_id, expected in both.dbt.tables.items():
        found = both.ours.tables[unique_id]
        assert found.columns == expected.columns, unique_id
        assert found.rows == expected.rows, unique_id


def test_everything_to_do_is_about_a_project() -> None:
    known = {f"{name}: {aspect}" for name in _NAMES for aspect in ASPECTS}
    assert set(TO_DO) <= known
