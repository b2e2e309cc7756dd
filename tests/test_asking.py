"""Templates that ask the lake are rendered when what they read is there; a run of several waves looks like one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import deltalake
import pytest

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.values import Event, NodeFinished, RunFinished, RunStarted

Make = Callable[[Mapping[str, str]], Path]
PAYMENTS = {
    "fsbuild_project.yml": "name: shop\nmodels: {+materialized: table}\n",
    "seeds/payments.csv": "id,method\n1,card\n2,cash\n3,card\n",
    "models/staged.sql": "select id, method from {{ ref('payments') }}",
    "models/by_method.sql": (
        "{% set found = run_query('select distinct method from ' ~ ref('staged') ~ ' order by 1') %}\n"
        "select 1 as one{% for m in (found.columns['method'].values() if execute else []) %},\n"
        "count(*) filter (method = '{{ m }}') as {{ m }}{% endfor %}\nfrom {{ ref('staged') }}"
    ),
    "models/columns.sql": (
        "select {% for c in adapter.get_columns_in_relation(ref('by_method')) %}"
        "'{{ c.name }} {{ c.data_type }}' as c{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}\n"
        "from {{ ref('by_method') }}"
    ),
    "models/beside.sql": "select 1 as x",
}


def table(root: Path, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = deltalake.DeltaTable(str(root / "lake/main" / name)).to_pyarrow_table().to_pylist()
    return rows


def test_models_that_ask_are_built_after_what_they_ask_about(make_project: Make) -> None:
    root = make_project(PAYMENTS)
    result = Project(root).build()
    assert result.is_success
    assert [one.name for one in result.results][-2:] == ["by_method", "columns"]
    assert table(root, "by_method") == [{"one": 1, "card": 2, "cash": 1}]
    assert table(root, "columns") == [{"c1": "one INTEGER", "c2": "card BIGINT", "c3": "cash BIGINT"}]


def test_to_who_listens_it_is_one_run(make_project: Make) -> None:
    events: list[Event] = []
    result = Project(make_project(PAYMENTS)).build(on_event=events.append)
    (started,) = (event for event in events if isinstance(event, RunStarted))
    finished = [event for event in events if isinstance(event, NodeFinished)]
    assert (events[0], events[-1]) == (started, RunFinished(result))
    assert started.total == len(finished) == 5
    assert [event.index for event in finished] == [1, 2, 3, 4, 5]
    assert [event.result for event in finished] == list(result.results)


def test_the_second_run_asks_again_and_finds_nothing_to_do_or_what_is_new(make_project: Make) -> None:
    root = make_project(PAYMENTS)
    Project(root).build()
    assert {one.status for one in Project(root).build().results} == {"unchanged"}
    (root / "seeds/payments.csv").write_text("id,method\n1,card\n2,cash\n3,coin\n")
    assert Project(root).build().is_success
    assert table(root, "by_method") == [{"one": 1, "card": 1, "cash": 1, "coin": 1}]


def test_one_that_asks_can_be_run_alone(make_project: Make) -> None:
    root = make_project(PAYMENTS)
    Project(root).build()
    (root / "models/by_method.sql").write_text(PAYMENTS["models/by_method.sql"].replace("1 as one", "2 as one"))
    result = Project(root).run(select="by_method")
    assert [(one.name, one.status) for one in result.results] == [("by_method", "success")]
    assert table(root, "by_method") == [{"one": 2, "card": 2, "cash": 1}]


def test_what_failed_lets_down_what_asks_about_it(make_project: Make) -> None:
    files = {**PAYMENTS, "models/staged.sql": "select id, method, error('no') as x from {{ ref('payments') }}"}
    root = make_project(files)
    result = Project(root).build()
    found = {one.name: one.status for one in result.results}
    assert found == {
        "payments": "success", "beside": "success", "staged": "error", "by_method": "skipped", "columns": "skipped"
    }  # fmt: skip
    told = json.loads((root / "target/run_results.json").read_text())["results"]
    assert {one["unique_id"].split(".")[2]: one["status"] for one in told}["columns"] == "skipped"


def test_a_question_that_is_no_sql_is_the_mistake_of_its_model(make_project: Make) -> None:
    files = {
        **PAYMENTS,
        "models/by_method.sql": "{% if execute %}{% do run_query('selct 1') %}{% endif %}select 1 as x",
    }
    result = Project(make_project(files)).build()
    found = {one.name: one for one in result.results}
    assert (found["by_method"].status, found["columns"].status) == ("error", "skipped")
    assert found["staged"].status == "success"
    assert str(found["by_method"].problems[0].place) == "models/by_method.sql:1"
    assert "selct" in found["by_method"].message


def test_compiling_asks_the_tables_that_are_there(make_project: Make) -> None:
    root = make_project(PAYMENTS)
    with pytest.raises(FsbuildError) as told:
        Project(root).compile()
    assert "has not been built yet" in str(told.value)
    Project(root).build()
    assert "as cash" in Project(root).compile(select="by_method")["by_method"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("load_relation(ref('staged')).is_table", "True"),
        ("load_relation(ref('viewed')).is_view", "True"),
        ("adapter.get_relation(target.database, 'main', 'nothing') is none", "True"),
        ("adapter.get_relation(none, 'MAIN', 'STAGED').identifier", "staged"),
        ("adapter.check_schema_exists(target.database, 'nowhere')", "False"),
        ("adapter.list_relations(none, 'main') | map(attribute='name') | sort | join(' ')", "payments staged viewed"),
        ("adapter.get_missing_columns(ref('staged'), ref('viewed')) | map(attribute='name') | join", "id"),
        ("run_query('select 1 as a, 2 as b').rows[0]['b']", "2"),
        ("run_query('select 1 as a, 2 as b').rows[0].values() | list", "[1, 2]"),
        ("run_query('select 1 as a').column_names | join", "a"),
        ("run_query('select * from range(3)') | length", "3"),
        ("dbt.get_columns_in_query('select 1 as a, 2 as b') | join", "ab"),
        ("(run_query('select table_name from information_schema.tables order by 1').columns[0].values()) | join(' ')",
         "payments staged viewed"),
    ],
)  # fmt: skip
def test_what_can_be_asked(make_project: Make, asked: str, told: str) -> None:
    names = ("fsbuild_project.yml", "seeds/payments.csv", "models/staged.sql")
    files = {name: PAYMENTS[name] for name in names}
    files["models/viewed.sql"] = "{{ config(materialized='view') }} select method from {{ ref('staged') }}"
    text = "-- depends_on: {{ ref('staged') }} {{ ref('viewed') }}\n{% set found = (" + asked + ") if execute %}"
    root = make_project({**files, "models/a.sql": text + "select '{{ found }}' as found"})
    assert Project(root).build().is_success
    assert table(root, "a") == [{"found": told}]


def test_statements_keep_results_by_name(make_project: Make) -> None:
    text = (
        "{% call statement('one', fetch_result=true) %}select 7 as n from {{ ref('beside') }}{% endcall %}"
        "{% if execute %}{% set found = load_result('one') %}"
        "select {{ found['data'][0][0] }} as a, {{ found.table.columns['n'].values()[0] }} as b, "
        "'{{ load_result('two') }}' as c{% else %}select 1{% endif %}"
    )
    names = ("fsbuild_project.yml", "models/beside.sql")
    root = make_project({**{name: PAYMENTS[name] for name in names}, "models/a.sql": text})
    assert Project(root).build().is_success
    assert table(root, "a") == [{"a": 7, "b": 7, "c": "None"}]


def test_an_increment_asks_its_own_table_how_far_it_got(make_project: Make) -> None:
    text = (
        "{{ config(materialized='incremental', unique_key='id') }}select id, method from {{ ref('staged') }}"
        "{% if is_incremental() %}{% set top = run_query('select max(id) from ' ~ this).rows[0][0] if execute %}"
        " where id > {{ top }}{% endif %}"
    )
    names = ("fsbuild_project.yml", "seeds/payments.csv", "models/staged.sql")
    root = make_project({**{name: PAYMENTS[name] for name in names}, "models/grown.sql": text})
    assert Project(root).build().is_success
    (root / "seeds/payments.csv").write_text("id,method\n1,changed\n2,cash\n3,card\n4,coin\n")
    assert Project(root).build().is_success
    found = {row["id"]: row["method"] for row in table(root, "grown")}
    assert found == {1: "card", 2: "cash", 3: "card", 4: "coin"}
