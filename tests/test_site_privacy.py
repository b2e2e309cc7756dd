"""No value of a column that is marked `pii` reaches a page, by whatever road it could."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsbuild import Project
from tests.conftest import Files
from tests.test_site import column, generated, nodes

Make = Callable[[Files], Path]
PEOPLE = {
    "seeds/people.csv": "id,email\n1,ann@secret.org\n2,bob@secret.org\n",
    "seeds/people.yml": "seeds: [{name: people, columns: [{name: id}, {name: email, pii: true}]}]",
}
MEASURED = "{{ config(materialized='table', statistics=true) }}\n"


def everything(root: Path) -> str:
    """The text of all files with data, in lower case."""
    return "".join(file.read_text(encoding="utf-8") for file in (root / "target/docs/data").rglob("*.js")).lower()


def built(root: Path) -> dict[str, Any]:
    """The nodes of the pages after a build, however that ended."""
    Project(root).build()
    return nodes(generated(root))


@pytest.mark.parametrize("sql", ["max(email)", "string_agg(email, ', ' order by id)", "any_value(lower(email))"])
def test_an_aggregate_of_private_values_is_private(make_project: Make, sql: str) -> None:
    root = make_project(PEOPLE | {"models/m.sql": f"{MEASURED}select {sql} as found from {{{{ ref('people') }}}}"})

    found = column(built(root)["m"], "found")

    assert found["is_pii"]
    assert set(found["statistics"]) == {"completeness", "distinct"}
    assert "secret.org" not in everything(root)


def test_a_person_may_say_that_an_aggregate_is_not_private(make_project: Make) -> None:
    files = PEOPLE | {
        "models/m.sql": MEASURED + "select count(email) as n from {{ ref('people') }}",
        "models/m.yml": "models: [{name: m, columns: [{name: n, pii: false}]}]",
    }

    found = column(built(make_project(files))["m"], "n")

    assert "is_pii" not in found
    assert found["statistics"]["maximum"] == "2"


def test_what_is_made_in_an_unknown_way_of_private_values_is_private(make_project: Make) -> None:
    sql = "select columns(c -> c like 'e%') from {{ ref('people') }}"
    root = make_project(PEOPLE | {"models/m.sql": MEASURED + sql})

    found = built(root)["m"]

    assert found["unknown"]
    assert all(one["is_pii"] for one in found["columns"])
    assert "secret.org" not in everything(root)


def test_a_check_of_a_private_column_tells_no_values(make_project: Make) -> None:
    check = "accepted_values: {values: ['known@secret.org']}"
    files = PEOPLE | {
        "models/m.sql": MEASURED + "select id, email from {{ ref('people') }}",
        "models/m.yml": f"models: [{{name: m, columns: [{{name: email, data_tests: [{check}]}}]}}]",
    }
    root = make_project(files)

    (found,) = built(root)["m"]["checks"]

    assert (found["name"], found["failures"]) == ("accepted_values", 2)
    assert "secret.org" not in everything(root)


@pytest.mark.parametrize(
    "models",
    [
        {"models/m.sql": MEASURED + "select cast(email as integer) as n from {{ ref('people') }}"},
        {
            "models/v.sql": "select id from {{ ref('people') }} where cast(email as integer) > 0",
            "models/m.sql": MEASURED + "select id from {{ ref('v') }}",
        },
    ],
    ids=["read", "through a view"],
)
def test_a_mistake_about_private_values_does_not_quote_them(make_project: Make, models: dict[str, str]) -> None:
    root = make_project(PEOPLE | models)
    result = Project(root).build()
    told = [problem.message for node in result.results for problem in node.problems]
    assert any("secret.org" in message for message in told)

    (run, *_) = generated(root)["runs"]["runs"]

    assert next(node for node in run["nodes"] if node["node"]["name"] == "m")["status"] == "error"
    assert "secret.org" not in everything(root)
