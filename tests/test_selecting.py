"""What is chosen of a whole project: tests one by one, by selectors of YAML, and in comparison with another state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import deltalake
import pytest

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.report.listing import listed
from fsbuild.select import Indirect
from fsbuild.values import RunResult

Make = Callable[[Mapping[str, str]], Path]

SHOP = {
    "fsbuild_project.yml": (
        "name: shop\nmodels: {+materialized: table, shop: {+schema: \"{{ env_var('WHERE', 'a') }}\"}}\n"
    ),
    "seeds/raw.csv": "id,customer\n1,1\n2,1\n",
    "models/customers.sql": "select distinct customer as id from {{ ref('raw') }}",
    "models/orders.sql": (
        "{{ config(group='sales', meta={'level': 2}) }} select id, {{ kept('customer') }} from {{ ref('raw') }}"
    ),
    "models/totals.sql": "select customer, count(*) as n from {{ ref('orders') }} group by 1",
    "models/models.yml": (
        "models:\n"
        "  - name: customers\n    columns: [{name: id, data_tests: [not_null, unique]}]\n"
        "  - name: orders\n    access: public\n    columns:\n      - {name: id, data_tests: [unique]}\n"
        "      - {name: customer, data_tests: [{relationships: {to: ref('customers'), field: id}}]}\n"
        "groups: [{name: sales, owner: {name: us}}]\n"
    ),
    "models/tests.yml": (
        "unit_tests:\n  - name: counts\n    model: totals\n"
        "    given: [{input: ref('orders'), rows: [{id: 1, customer: 5}]}]\n    expect: {rows: [{customer: 5, n: 1}]}\n"
    ),
    "macros/kept.sql": "{% macro kept(column) %}{{ column }}{% endmacro %}",
    "tests/few.sql": "select * from {{ ref('totals') }} where n > 10",
    "selectors.yml": (
        "selectors:\n"
        "  - name: sales\n"
        "    definition: {union: [{method: group, value: sales, children: true}, {exclude: [totals]}]}\n"
        "  - name: all_but\n    definition: {method: selector, value: sales}\n"
    ),
}
ALL = {"raw", "customers", "orders", "totals", "counts"}


def checks(result: RunResult) -> list[str]:
    found = [f"{node.name}.{one.check.name}" for node in result.results for one in node.checks]
    return sorted([*found, *(test.unique_id.split(".")[-1] for node in result.results for test in node.unit_tests)])


@pytest.mark.parametrize(
    ("select", "exclude", "expected"),
    [
        ("customers", "", "customers.not_null customers.unique orders.relationships"),
        ("test_name:unique", "", "customers.unique orders.unique"),
        ("orders", "test_name:unique", "orders.relationships"),
        ("test_type:singular", "", "totals.few"),
        ("few", "", "totals.few"),
        ("test_type:unit", "", "counts"),
        ("totals", "test_type:unit", "totals.few"),
        ("group:sales", "", "orders.relationships orders.unique"),
        ("access:public,config.meta.level:2", "", ""),
        ("not_null_customers_id", "", "customers.not_null"),
        ("selector:all_but", "", "orders.relationships orders.unique"),
        (
            "package:this,resource_type:test",
            "few",
            "customers.not_null customers.unique orders.relationships orders.unique",
        ),
    ],
)
def test_tests_are_chosen_one_by_one(make_project: Make, select: str, exclude: str, expected: str) -> None:
    root = make_project(SHOP)
    Project(root).build()
    assert checks(Project(root).test(select=select, exclude=exclude.split())) == expected.split()


@pytest.mark.parametrize(
    ("indirect", "expected"),
    [
        ("eager", "customers.not_null customers.unique orders.relationships"),
        ("cautious", "customers.not_null customers.unique"),
        ("buildable", "customers.not_null customers.unique"),
        ("empty", ""),
    ],
)
def test_tests_come_along_with_what_they_are_about(make_project: Make, indirect: Indirect, expected: str) -> None:
    root = make_project(SHOP)
    Project(root).build()
    project = Project(root, indirect_selection=indirect)
    assert checks(project.test(select="customers")) == expected.split()
    assert checks(project.build(select="customers")) == expected.split()


def test_a_build_holds_just_the_tests_that_are_chosen(make_project: Make) -> None:
    files = {**SHOP, "models/customers.sql": "select customer as id from {{ ref('raw') }}"}
    root = make_project(files)
    assert not Project(root).build(select="+customers").is_success
    result = Project(root).build(select="+customers", exclude="test_name:unique orders")
    assert result.is_success
    assert "customers.unique" not in checks(result)


def test_a_test_of_another_node_that_fails_is_told_in_a_build(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).build()
    (root / "models/customers.sql").write_text("select 7 as id")
    result = Project(root).build(select="customers")
    assert [(node.name, node.status) for node in result.results] == [("customers", "success"), ("orders", "fail")]
    assert not result.is_success


def test_a_run_that_finds_nothing_to_do_asks_again_when_a_selector_means_something_else(make_project: Make) -> None:
    root = make_project({**SHOP, "selectors.yml": "selectors: [{name: s, definition: customers}]\n"})
    for _ in range(3):
        found = Project(root).run(select="selector:s")
    assert [node.name for node in found.results] == ["customers"]
    (root / "selectors.yml").write_text("selectors: [{name: s, definition: totals+}]\n")
    Project(root).run(select="+totals")
    assert [node.name for node in Project(root).run(select="selector:s").results] == ["totals"]


def test_a_default_selector_holds_where_nothing_is_said(make_project: Make) -> None:
    text = "selectors: [{name: s, default: true, definition: +customers}]\n"
    root = make_project({**SHOP, "selectors.yml": text})
    assert [node.name for node in Project(root).run().results] == ["raw", "customers"]


def test_a_project_is_parsed_without_a_look_at_its_sql(make_project: Make) -> None:
    root = make_project({**SHOP, "models/wrong.sql": "select nothing"})
    assert Project(root).parse() == 5
    manifest = json.loads((root / "target/manifest.json").read_text())
    assert manifest["metadata"]["invocation_id"]
    assert "model.shop.wrong" in manifest["nodes"]
    with pytest.raises(FsbuildError, match="nothing"):
        Project(root).compile()


def test_a_query_is_compiled_for_itself(make_project: Make) -> None:
    project = Project(make_project(SHOP))
    assert project.compile_inline("select n from {{ ref('totals') }}") == 'select n from "main_a"."totals"'
    with pytest.raises(FsbuildError, match="m"):
        project.compile_inline("select m from {{ ref('totals') }}")


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(make_project: Make) -> Path:
    """A project that was built, with its artifacts in `before/`."""
    root = make_project(SHOP)
    Project(root).build()
    shutil.copytree(root / "target", root / "before")
    return root


def names(root: Path, select: str) -> set[str]:
    found = Project(root, state=root / "before", indirect_selection="empty").nodes(
        select=select, resource_types=("model", "seed", "unit_test")
    )
    return {node.name for node in found}


def test_nothing_is_modified_that_is_written_as_it_was(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "b")
    assert names(kept, "state:modified") == set()
    assert names(kept, "state:new") == set()
    assert (
        names(kept, "state:unmodified")
        == names(kept, "state:old")
        == {"raw", "customers", "orders", "totals", "counts"}
    )


@pytest.mark.parametrize(
    ("file", "text", "part", "modified"),
    [
        ("models/customers.sql", "select 1 as id", "body", "customers"),
        ("seeds/raw.csv", "id,customer\n3,1\n", "body", "raw"),
        ("macros/kept.sql", "{% macro kept(column) %}{{ column }} as {{ column }}{% endmacro %}", "macros", "orders"),
        ("models/totals.sql", "{{ config(alias='t') }}" + SHOP["models/totals.sql"], "relation", "totals"),
    ],
)
def test_what_is_modified_is_found_with_the_part_that_is(
    kept: Path, file: str, text: str, part: str, modified: str
) -> None:
    (kept / file).write_text(text)
    assert names(kept, "state:modified") == {modified}
    assert names(kept, f"state:modified.{part}") == {modified}
    assert names(kept, "state:unmodified") == ALL - {modified}
    others = {"body", "configs", "relation", "macros", "contract", "persisted_descriptions"} - {part}
    # A configuration in the text is a part of it.
    assert {other for other in others if names(kept, f"state:modified.{other}")} <= {"body"}


def test_a_new_model_is_new_and_modified(kept: Path) -> None:
    (kept / "models/more.sql").write_text("select 1 as x")
    assert names(kept, "state:new") == names(kept, "state:modified") == {"more"}


def test_results_of_another_run_choose_nodes(kept: Path) -> None:
    told = json.loads((kept / "before/run_results.json").read_text())
    for one in told["results"]:
        one["status"] = "error" if one["unique_id"] == "model.shop.orders" else one["status"]
    (kept / "before/run_results.json").write_text(json.dumps(told))
    assert names(kept, "result:error+") == {"orders", "totals", "counts"}


def test_a_state_that_is_not_there_is_a_mistake(kept: Path) -> None:
    with pytest.raises(FsbuildError, match="compares with another state"):
        Project(kept).nodes(select="state:modified")
    with pytest.raises(FsbuildError, match="there is no folder"):
        Project(kept, state=kept / "nowhere").nodes(select="state:modified")
    (kept / "before/manifest.json").unlink()
    with pytest.raises(FsbuildError, match=r"needs a manifest\.json"):
        Project(kept, state=kept / "before").nodes(select="state:modified")


PROFILES = {
    "profiles.yml": (
        "shop:\n  target: prod\n  outputs:\n"
        "    prod: {type: duckdb, schema: prod, lake: lakes/prod}\n"
        "    dev: {type: duckdb, schema: dev, lake: lakes/dev}\n"
    ),
    "fsbuild_project.yml": "name: shop\nprofile: shop\nmodels: {+materialized: table}\n",
}


@pytest.fixture
def production(make_project: Make) -> Path:
    """A project that was built for production, whose artifacts are in `before/`."""
    root = make_project({**SHOP, **PROFILES})
    assert Project(root, target="prod").build().is_success
    shutil.copytree(root / "target", root / "before")
    return root


def written(root: Path) -> dict[str, list[str]]:
    """The commits of all tables of production."""
    logs = (root / "lakes/prod").glob("prod/*/_delta_log")
    return {log.parent.name: sorted(file.name for file in log.iterdir()) for log in logs}


def test_what_is_not_built_is_read_where_it_is(production: Path) -> None:
    before = written(production)
    with pytest.raises(FsbuildError, match="none is named"):
        Project(production, target="dev", defer=True)
    with pytest.raises(FsbuildError, match="neither built nor selected"):
        Project(production, target="dev").run(select="totals")
    dev = Project(production, target="dev", state=production / "before", defer=True)

    assert [(node.name, node.status) for node in dev.build(select="totals").results] == [("totals", "success")]

    assert [path.name for path in (production / "lakes/dev/dev").iterdir() if path.name in ALL] == ["totals"]
    rows = deltalake.DeltaTable(str(production / "lakes/dev/dev/totals")).to_pyarrow_table().to_pylist()
    assert rows == [{"customer": 1, "n": 2}]
    # What is deferred to is read, and not written.
    (production / "seeds/raw.csv").write_text("id,customer\n1,1\n2,1\n3,2\n")
    assert dev.run(select="orders").is_success
    assert written(production) == before
    assert dev.show("raw", limit=None).rows == ((1, 1), (2, 1))
    assert dev.test(select="customers").is_success


def test_own_tables_are_stronger_unless_the_state_is_favored(production: Path) -> None:
    (production / "seeds/raw.csv").write_text("id,customer\n7,7\n")
    assert Project(production, target="dev").run(select="+orders customers").is_success
    state = production / "before"
    dev, favoring = (Project(production, target="dev", state=state, defer=True, favor_state=f) for f in (False, True))
    assert dev.run(select="totals").is_success
    assert dev.show("totals").rows == ((7, 1),)
    assert favoring.run(select="totals").is_success
    assert dev.show("totals").rows == ((1, 2),)


# --- listing ---------------------------------------------------------------------------------------------------------


def test_nodes_are_listed_as_in_dbt(make_project: Make) -> None:
    root = make_project(
        {
            **SHOP,
            "models/sources.yml": (
                "sources: [{name: s, tables: [{name: t, meta: {external_location: seeds/raw.csv}}]}]\n"
            ),
        }
    )
    project = Project(root)
    every = {listed(node, "selector") for node in project.nodes(resource_types=("all",))}
    assert every >= {"shop.raw", "shop.orders", "source:shop.s.t", "unit_test:shop.counts", "shop.few"}
    assert not {listed(node, "selector") for node in project.nodes()} & {"shop.few", "shop.unique_orders_id"}
    (orders,) = project.nodes(select="orders", resource_types=("model",))
    assert json.loads(listed(orders, "json", ["name", "config.meta.level", "nothing"])) == {
        "name": "orders",
        "config.meta.level": 2,
    }
    assert set(json.loads(listed(orders, "json"))) == {
        *("alias", "name", "package_name", "depends_on", "tags", "config", "resource_type"),
        *("original_file_path", "unique_id"),
    }
