"""Contracts: the columns and types of a model are those that its YAML names, and its constraints hold, for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.values import NodeResult
from tests.conftest import Files, history_of, read_delta

Make = Callable[[Files], Path]
CONTRACT = """
models:
  - name: orders
    config: {contract: {enforced: true}}
    constraints:
      - {type: primary_key, columns: [id]}
      - {type: check, name: not_too_much, expression: "amount < 1000"}
    columns:
      - {name: id, data_type: bigint}
      - name: amount
        data_type: decimal(10, 2)
        constraints:
          - {type: not_null}
          - {type: check, expression: "amount >= 0"}
      - name: customer
        data_type: varchar(20)
        constraints: [{type: foreign_key, to: ref('people'), to_columns: [name]}]
"""
SHOP = {
    "seeds/people.csv": "name\nann\nbob\n",
    "models/orders.sql": """
{{ config(materialized='table') }}
select id, amount::decimal(10, 2) as amount, customer
from (values (1::bigint, 10, 'ann'), (2, {{ var('amount', 20) }}, 'bob')) as t(id, amount, customer)
""",
    "models/orders.yml": CONTRACT,
}


def build(root: Path, **variables: object) -> NodeResult:
    results = Project(root, variables=variables).build().results
    return next(result for result in results if result.name == "orders")


def messages(root: Path) -> list[str]:
    with pytest.raises(FsbuildError) as caught:
        Project(root).compile()
    return [problem.message for problem in caught.value.problems]


def failing(result: NodeResult) -> list[str]:
    return [check.check.title or check.check.label for check in result.checks if check.status == "fail"]


def test_a_model_that_keeps_its_contract_is_published(make_project: Make) -> None:
    root = make_project(SHOP)

    result = build(root)

    assert (result.status, len(read_delta(root, "orders"))) == ("success", 2)
    assert sorted(check.check.name for check in result.checks) == [
        *("expression_is_true", "expression_is_true", "not_null", "not_null", "relationships", "unique")
    ]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("-1", ["expression_is_true(expression='amount >= 0')"]),
        ("1000", ["not_too_much"]),
        ("null", ["not_null"]),
    ],
)
def test_rows_that_break_a_constraint_are_not_published(make_project: Make, amount: str, expected: list[str]) -> None:
    root = make_project(SHOP)
    build(root)

    result = build(root, amount=amount)

    assert (result.status, failing(result)) == ("error", expected)
    assert sorted(float(str(row["amount"])) for row in read_delta(root, "orders")) == [10, 20]


def test_a_primary_and_a_foreign_key_hold(make_project: Make) -> None:
    sql = SHOP["models/orders.sql"].replace("(2,", "(1,").replace("'bob'", "'carl'")
    result = build(make_project(SHOP | {"models/orders.sql": sql}))

    assert (result.status, sorted(failing(result))) == (
        "error",
        ["relationships(to='seed.shop.people', field='name')", "unique"],
    )


@pytest.mark.parametrize("bad", [{"id": None}, {"amount": -5}, {"amount": 1000}])
def test_no_other_program_can_write_what_breaks_a_constraint(make_project: Make, bad: dict[str, object]) -> None:
    root = make_project(SHOP)
    build(root)
    place = root / "lake" / "main" / "orders"
    schema = pa.schema(DeltaTable(place).schema().to_arrow())
    row = {"id": 3, "amount": 5, "customer": "ann"}

    with pytest.raises(DeltaError, match="failed validation"):
        write_deltalake(place, pa.Table.from_pylist([row | bad], schema), mode="append")

    write_deltalake(place, pa.Table.from_pylist([row], schema), mode="append")


def test_constraints_cost_commits_once(make_project: Make) -> None:
    root = make_project(SHOP)
    build(root)
    versions = len(history_of(root, "orders"))

    assert build(root).status == "unchanged"
    build(root, amount=21)

    assert len(history_of(root, "orders")) == versions + 1


def test_a_condition_that_delta_does_not_have_is_checked_all_the_same(make_project: Make) -> None:
    contract = CONTRACT.replace('"amount < 1000"', "\"regexp_matches(customer, '^[ab]')\"")
    root = make_project(SHOP | {"models/orders.yml": contract})

    assert build(root).status == "success"
    assert "delta.constraints.not_too_much" not in DeltaTable(root / "lake/main/orders").metadata().configuration


def test_a_looser_contract_lets_rows_in_and_a_column_go(make_project: Make) -> None:
    root = make_project(SHOP)
    build(root)
    (root / "models/orders.yml").write_text(
        "models:\n  - name: orders\n    config: {contract: {enforced: true}}\n"
        "    columns: [{name: id, data_type: bigint}, {name: customer, data_type: text}]\n"
    )
    (root / "models/orders.sql").write_text(
        "{{ config(materialized='table') }} select null::bigint as id, 'zoe' as customer"
    )

    assert build(root).status == "success"
    assert read_delta(root, "orders") == [{"id": None, "customer": "zoe"}]


def test_an_increment_may_bring_what_a_looser_contract_allows(make_project: Make) -> None:
    sql = """
{{ config(materialized='incremental', unique_key='id') }}
select id, amount::decimal(10, 2) as amount, customer
from (values (1::bigint, 10, 'ann'), (2, {{ var('amount', 20) }}, 'bob')) as t(id, amount, customer)
{% if is_incremental() %} where id > 1 {% endif %}
"""
    root = make_project(SHOP | {"models/orders.sql": sql})
    assert build(root).status == "success"
    assert build(root, amount=-1).status == "error"
    (root / "models/orders.yml").write_text(CONTRACT.replace("amount >= 0", "amount >= -5"))

    assert build(root, amount=-1).status == "success"
    assert sorted(float(str(row["amount"])) for row in read_delta(root, "orders")) == [-1, 10]


def test_a_contract_that_says_more_is_held_against_what_is_there(make_project: Make) -> None:
    plain = "models:\n  - name: orders\n"
    root = make_project(SHOP | {"models/orders.yml": plain})
    build(root)
    (root / "models/orders.yml").write_text(CONTRACT)

    assert build(root).status == "unchanged"
    assert "delta.constraints.not_null" in DeltaTable(root / "lake/main/orders").metadata().configuration
    (root / "models/orders.yml").write_text(CONTRACT.replace("amount < 1000", "amount < 15"))
    assert build(root).status == "error"


def test_without_a_contract_constraints_say_nothing_as_in_dbt(make_project: Make) -> None:
    contract = CONTRACT.replace("enforced: true", "enforced: false")
    result = build(make_project(SHOP | {"models/orders.yml": contract}), amount="-1")

    assert (result.status, result.checks) == ("success", ())


def test_columns_and_types_are_those_of_the_contract(make_project: Make) -> None:
    contract = """
models:
  - name: orders
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: integer}
      - {name: amount}
      - {name: paid, data_type: boolean}
      - {name: customer, data_type: texxt}
"""
    sql = SHOP["models/orders.sql"].replace("customer\nfrom", "customer, true as is_new\nfrom")

    assert messages(make_project(SHOP | {"models/orders.yml": contract, "models/orders.sql": sql})) == [
        "the contract of 'orders' does not name is_new",
        "the contract says that column 'id' is integer, and it is BIGINT",
        "the contract says no type of column 'amount'",
        "column 'paid' is described, but 'orders' has no such column",
        "the contract says that column 'customer' is texxt, which is no type",
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{type: not_nul}", "a constraint is of the type 'not_nul'"),
        ("{type: check}", "a constraint of the type 'check' has no expression"),
        ("{type: unique}", "a constraint of the type 'unique' does not name its columns"),
        ("{type: unique, columns: [idd]}", "unique is about the unknown column 'idd'"),
        ("{type: check, expression: 'amont > 0'}", "amont"),
        ("{type: foreign_key, columns: [id]}", "a foreign key does not name one column of another node"),
        ("{type: check, expresion: x}", "unknown key 'expresion'"),
    ],
)
def test_a_mistake_in_a_constraint_is_told_before_anything_runs(
    make_project: Make, written: str, expected: str
) -> None:
    contract = CONTRACT.replace("{type: primary_key, columns: [id]}", written)

    assert any(expected in message for message in messages(make_project(SHOP | {"models/orders.yml": contract})))


def test_an_ephemeral_model_has_no_contract(make_project: Make) -> None:
    sql = SHOP["models/orders.sql"].replace("'table'", "'ephemeral'")

    assert messages(make_project(SHOP | {"models/orders.sql": sql})) == [
        "'orders' is of the kind 'ephemeral', which has no contract"
    ]


def test_a_contract_holds_where_a_project_of_dbt_leaves_its_tests_to_test(make_project: Make) -> None:
    tests = CONTRACT.replace("data_type: bigint}", "data_type: bigint, data_tests: [less_than: {max_value: 2}]}")
    root = make_project(SHOP | {"models/orders.yml": tests})
    (root / "fsbuild_project.yml").rename(root / "dbt_project.yml")

    run = next(result for result in Project(root).run().results if result.name == "orders")
    assert (run.status, "less_than" in {check.check.name for check in run.checks}) == ("success", False)
    again = next(result for result in Project(root).run().results if result.name == "orders")
    assert again.status == "unchanged"
    bad = Project(root, variables={"amount": -1}).run().results
    assert {result.name: result.status for result in bad} == {"orders": "error"}
    assert build(root).status == "error"


def test_a_pandera_schema_holds_there_too(make_project: Make) -> None:
    files = SHOP | {
        "models/orders.sql": SHOP["models/orders.sql"].replace("'table'", "'table', pandera='checks.orders:Orders'"),
        "models/orders.yml": "models: [{name: orders}]\n",
        "checks/orders.py": "import pandera.polars as pa\n\nclass Orders(pa.DataFrameModel):\n"
        "    id: int = pa.Field(le=1)\n",
    }
    root = make_project(files)
    (root / "fsbuild_project.yml").rename(root / "dbt_project.yml")

    assert {result.name: result.status for result in Project(root).run().results}["orders"] == "error"
