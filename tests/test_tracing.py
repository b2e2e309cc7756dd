"""Columns followed across models, macros and ephemeral models, and what edits since a commit may alter."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fsbuild import Project
from fsbuild.cli import cli
from fsbuild.errors import UsageError
from tests.conftest import Files, write_files

FILES = {
    ".gitignore": "target/\nlake/\n",
    "models/sources.yml": """
sources:
  - {name: raw, meta: {external_location: "data/{name}.csv"}, tables: [{name: sales}]}
""",
    "data/sales.csv": "id,shop,amount,day,kind\n1,a,10,2024-01-01,x\n",
    "macros/money.sql": "{% macro cents(column) %}({{ column }} * 100)::bigint{% endmacro %}\n",
    "models/clean.sql": """
{{ config(materialized='ephemeral') }}
select id, shop, {{ cents('amount') }} as cents, day from {{ source('raw', 'sales') }} where kind <> 'test'
""",
    "models/daily.sql": """
select shop, day, sum(cents) as total, count(*) as n from {{ ref('clean') }} group by all
""",
    "models/lately.sql": """
select shop, day, total, lag(total) over (partition by shop order by day) as before from {{ ref('daily') }}
""",
    "models/shops.sql": "select shop, max(total) as best from {{ ref('daily') }} group by shop\n",
    "models/odd.sql": "select best, name from {{ ref('shops') }}, duckdb_settings()\n",
}


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(copy.deepcopy(cli), ["lineage", "--project-dir", str(root), *arguments])


@pytest.fixture
def shop(make_project: Callable[[Files], Path]) -> Path:
    return make_project(FILES)


def test_a_column_is_followed_up_to_the_sources(shop: Path) -> None:
    done = run(shop, "lately.before", "--upstream")
    assert done.exit_code == 0, done.output
    assert done.output == (
        "upstream of lately.before\n"
        "  daily.total           aggregated\n"
        "    clean.cents         aggregated\n"
        "      raw.sales.amount  transformed\n"
        "  daily.day             orders\n"
        "    clean.day           copied\n"
        "      raw.sales.day     copied\n"
        "  daily.shop            partitions\n"
        "    clean.shop          copied\n"
        "      raw.sales.shop    copied\n"
        "  lately.*              rows\n"
        "    daily.*             rows\n"
        "      clean.day         groups, as above\n"
        "      clean.shop        groups, as above\n"
        "      clean.*           rows\n"
        "        raw.sales.kind  filters\n"
        "        raw.sales.*     rows\n"
    )


def test_values_alone_are_followed_where_that_is_asked_for(shop: Path) -> None:
    done = run(shop, "raw.sales.AMOUNT", "--downstream", "--no-steering")
    assert done.output == (
        "downstream of raw.sales.AMOUNT\n"
        "  clean.cents        transformed\n"
        "    daily.total      aggregated\n"
        "      lately.before  aggregated\n"
        "      lately.total   copied\n"
        "      shops.best     aggregated\n"
        "        odd.?        unknown: the columns of duckdb_settings() are not known\n"
    )


def test_what_steers_alters_all_that_reads_the_rows(shop: Path) -> None:
    done = run(shop, "raw.sales.kind", "--downstream")
    assert done.output == (
        "downstream of raw.sales.kind\n"
        "  clean.*       filters\n"
        "    daily.*     rows\n"
        "      lately.*  rows\n"
        "      shops.*   rows\n"
        "        odd.?   unknown: the columns of duckdb_settings() are not known\n"
    )


def test_a_model_is_followed_to_its_neighbours(shop: Path) -> None:
    done = run(shop, "shops")
    assert done.output == (
        "upstream of shops\n"
        "  shops.shop\n"
        "    daily.shop   copied\n"
        "  shops.best\n"
        "    daily.total  aggregated\n"
        "  shops.*\n"
        "    daily.shop   groups\n"
        "    daily.*      rows\n"
        "downstream of shops\n"
        "  shops.shop\n"
        "    odd.?     unknown: the columns of duckdb_settings() are not known\n"
        "  shops.best\n"
        "    odd.?     unknown: the columns of duckdb_settings() are not known\n"
        "  shops.*\n"
        "    odd.?     unknown: the columns of duckdb_settings() are not known\n"
    )


def test_an_unknown_lineage_says_why_and_ends_at_the_inputs(shop: Path) -> None:
    done = run(shop, "odd.best", "--upstream")
    assert done.output == (
        "upstream of odd.best\n"
        "  shops.?    unknown: the columns of duckdb_settings() are not known\n"
        "  odd.*      rows\n"
        "    shops.?  unknown: the columns of duckdb_settings() are not known\n"
    )


def test_the_depth_counts_models(shop: Path) -> None:
    assert run(shop, "lately.total", "--upstream", "--no-steering", "--depth", "2").output == (
        "upstream of lately.total\n  daily.total    copied\n    clean.cents  aggregated\n"
    )
    assert run(shop, "shops", "--upstream", "--no-steering", "--depth", "3").output.endswith("transformed\n")


def test_nothing_is_said_to_be_nothing(shop: Path) -> None:
    assert run(shop, "raw.sales.id", "--no-steering").output == (
        "upstream of raw.sales.id\n  nothing\ndownstream of raw.sales.id\n  clean.id  copied\n"
    )


def test_links_are_json_lines(shop: Path) -> None:
    lines = [
        json.loads(line) for line in run(shop, "shops.best", "--depth", "1", "--output", "json").output.splitlines()
    ]
    assert lines[0] == {
        "direction": "upstream", "from": "shops.*", "to": "shops.best", "kinds": ["rows"], "distance": 0,
        "from_node": "model.shop.shops", "from_column": "*", "to_node": "model.shop.shops", "to_column": "best",
    }  # fmt: skip
    assert {"direction": "upstream", "from": "daily.total", "to": "shops.best"}.items() <= lines[1].items()
    assert lines[-1]["reason"] == "the columns of duckdb_settings() are not known"
    assert lines[-1]["direction"] == "downstream"


def test_links_are_a_drawing(shop: Path) -> None:
    asked = ("shops.best", "--depth", "1", "--upstream")
    assert run(shop, *asked, "--output", "mermaid").output == (
        "flowchart LR\n"
        '  subgraph n0["shops"]\n    c0["best"]\n    c1["*"]\n  end\n'
        '  subgraph n1["daily"]\n    c2["total"]\n    c3["shop"]\n    c4["*"]\n  end\n'
        "  c1 -.->|rows| c0\n  c2 -->|aggregated| c0\n  c3 -.->|groups| c1\n  c4 -.->|rows| c1\n"
    )
    drawn = run(shop, *asked, "--output", "dot").output
    assert drawn.startswith("digraph lineage {\n")
    assert '  c3 -> c1 [label="groups", style=dashed];\n' in drawn


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lately.befor", "'lately' has no column 'befor'\n  hint: did you mean 'before'?"),
        ("raw.sales.zzz", "'raw.sales' has no column 'zzz'\n  hint: it has id, shop, amount, day, kind"),
        ("latley.before", "there is no model, seed or source 'latley.before'\n  hint: did you mean 'lately'?"),
        ("dayly", "there is no model, seed or source 'dayly'\n  hint: did you mean 'daily'?"),
    ],
)
def test_unknown_names_are_told_with_what_may_be_meant(shop: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Project(shop).lineage(name)
    assert str(caught.value) == message


# --- edits -----------------------------------------------------------------------------------------------------------


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "all")


@pytest.fixture
def committed(shop: Path) -> Path:
    git(shop, "init", "-q")
    commit(shop)
    return shop


def changed(root: Path, files: Files, *arguments: str) -> str:
    write_files(root, files)
    done = run(root, "--changed", *arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_what_means_the_same_is_no_change(committed: Path) -> None:
    nothing = "downstream of what has changed since HEAD\n  nothing\n"
    spaces = FILES["models/lately.sql"].replace("select", "-- a word\nSELECT  ")
    assert changed(committed, {"models/lately.sql": spaces}) == nothing
    through_ctes = "with a as (select * from {{ ref('daily') }}), b as (select shop as s, total as t from a)"
    sql = f"{through_ctes} select s as shop, max(t) as best from b group by s"
    assert changed(committed, {"models/shops.sql": sql}) == nothing


def test_an_edited_column_alters_what_is_made_of_it(committed: Path) -> None:
    sql = """
with x as (select * from {{ ref('clean') }}),
y as (select shop, day, sum(cents + 1) as total, count(*) as n from x group by all)
from y
"""
    assert changed(committed, {"models/daily.sql": sql}) == (
        "downstream of what has changed since HEAD\n"
        "  daily.total      edited\n"
        "    lately.before  aggregated\n"
        "    lately.total   copied\n"
        "    shops.best     aggregated\n"
        "      odd.?        unknown: the columns of duckdb_settings() are not known\n"
    )


def test_a_macro_is_edited_where_it_is_used(committed: Path) -> None:
    text = FILES["macros/money.sql"].replace("100", "1000")
    assert changed(committed, {"macros/money.sql": text}, "--depth", "1") == (
        "downstream of what has changed since HEAD\n  clean.cents    edited\n    daily.total  aggregated\n"
    )


def test_edited_rows_alter_everything_below(committed: Path) -> None:
    sql = FILES["models/daily.sql"].replace("group by", "where cents > 0 group by")
    assert changed(committed, {"models/daily.sql": sql}, "--depth", "1") == (
        "downstream of what has changed since HEAD\n"
        "  daily.*     edited: which rows there are\n"
        "    lately.*  rows\n"
        "    shops.*   rows\n"
    )


def test_new_columns_models_and_removed_ones_are_told(committed: Path) -> None:
    (committed / "models/odd.sql").unlink()
    sql = FILES["models/shops.sql"].replace(" from", ", min(total) as least from")
    output = changed(committed, {"models/shops.sql": sql, "models/more.sql": "select * from {{ ref('shops') }}"})
    assert output == (
        "downstream of what has changed since HEAD\n"
        "  shops.least   new\n"
        "    more.least  copied\n"
        "  more.*        new\n"
        "  odd.*         removed\n"
    )


def test_another_commit_can_be_compared_with(committed: Path) -> None:
    write_files(committed, {"macros/money.sql": FILES["macros/money.sql"].replace("100", "1000")})
    commit(committed)
    assert changed(committed, {}) == "downstream of what has changed since HEAD\n  nothing\n"
    assert "clean.cents" in changed(committed, {}, "--base", "HEAD~1")
    lines = changed(committed, {}, "--base", "HEAD~1", "--output", "json", "--no-steering").splitlines()
    assert json.loads(lines[0]) == {
        "direction": "start", "at": "clean.cents", "remark": "edited", "node": "model.shop.clean", "column": "cents",
    }  # fmt: skip


def test_a_project_below_the_top_of_a_repository_is_compared(tmp_path: Path) -> None:
    write_files(tmp_path / "some/where", {"fsbuild_project.yml": "name: shop\n", **FILES})
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    text = FILES["macros/money.sql"].replace("100", "1000")
    assert "clean.cents" in changed(tmp_path / "some/where", {"macros/money.sql": text})
    status = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--short"], check=True, capture_output=True, text=True
    )
    assert status.stdout == " M some/where/macros/money.sql\n"


def test_seeds_and_sources_that_are_others_are_told(make_project: Callable[[Files], Path]) -> None:
    root = make_project({"seeds/s.csv": "a\n1\n", "models/m.sql": "select a from {{ ref('s') }}"})
    git(root, "init", "-q")
    commit(root)
    assert changed(root, {"seeds/s.csv": "a\n2\n"}) == (
        "downstream of what has changed since HEAD\n  s.*    edited\n    m.*  rows\n"
    )


def test_without_a_commit_to_compare_with_it_says_so(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(shop.parent))
    done = run(shop, "--changed")
    assert "not a git repository" in str(done.exception)
    git(shop, "init", "-q")
    with pytest.raises(UsageError, match="git knows no commit 'HEAD' here\n  hint: commit the project first"):
        Project(shop).changed_lineage()
    write_files(shop, {"models/daily.sql": "select nope from {{ ref('clean') }}"})
    commit(shop)
    write_files(shop, FILES)
    with pytest.raises(UsageError, match="compared with how it was in HEAD, where it does not compile"):
        Project(shop).changed_lineage()


@pytest.mark.parametrize("arguments", [(), ("lately", "--changed"), ("--changed", "--upstream")])
def test_what_cannot_be_asked_is_a_usage_error(shop: Path, arguments: tuple[str, ...]) -> None:
    assert run(shop, *arguments).exit_code == 2


# --- beside queries --------------------------------------------------------------------------------------------------


def test_what_deletes_rows_steers(make_project: Callable[[Files], Path]) -> None:
    config = "{{ config(materialized='incremental', unique_key='id', deleted_when='gone') }}"
    root = make_project(
        {"seeds/s.csv": "id,gone\n1,true\n", "models/m.sql": config + "select id, gone from {{ ref('s') }}"}
    )
    edges = Project(root).model("m").lineage("*")
    assert [(edge.input_column, edge.kind) for edge in edges] == [("gone", "filters")]


def test_the_rows_of_a_history_are_steered_by_what_is_compared(make_project: Callable[[Files], Path]) -> None:
    config = "{{ config(unique_key='id', strategy='check', check_cols=['a']) }}"
    sql = config + "select id, a, b from {{ ref('s') }}"
    root = make_project({"seeds/s.csv": "id,a,b\n1,2,3\n", "snapshots/h.sql": sql})
    edges = {(edge.column, edge.input_column, edge.kind) for edge in Project(root).model("h").lineage()}
    assert {("*", "id", "joins"), ("*", "a", "filters"), ("dbt_scd_id", "id", "transformed")} <= edges
    assert ("*", "b", "filters") not in edges
