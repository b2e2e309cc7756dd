"""Training sets: what they are made of is fixed, made again it is the same, and split so that nothing straddles."""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import ipc

from fsbuild import FsbuildError, Project
from tests.conftest import Files, read_delta, write_files

Make = Callable[[Files], Path]

FEATURES = """
entities:
  - name: carrier
    keys: [{name: carrier, type: varchar}]
models:
  - name: delay
    config:
      {materialized: table, entity: carrier, event_time: ts, known_time: known, ttl: 10 days, tie_break: n}
feature_views:
  - name: risk
    features: [{model: delay, columns: [mean], prefix: delay_}]
"""
SHOP = {
    "seeds/delays.csv": "carrier,ts,known,mean,n\nAA,2020-01-01,2020-01-02,1,1\nAA,2020-01-03,2020-01-03,3,1\n",
    "seeds/flights.csv": "id,carrier,day\n1,AA,2020-01-02\n2,AA,2020-01-04\n3,,2020-01-04\n4,AA,2020-02-01\n",
    "models/_features.yml": FEATURES,
    "models/delay.sql": "select * from {{ ref('delays') }}",
    "models/late.sql": """
{{ config(materialized='training_set', event_time='day', features=['risk']) }}
select id, carrier, day, id > 2 as is_late -- the label
from {{ ref('flights') }};
""",
}
NEW_DELAYS = "carrier,ts,known,mean,n\nAA,2020-01-01,2020-01-02,1,1\nAA,2020-01-03,2020-01-03,30,1\n"


def means(root: Path, version: int | None = None) -> dict[Any, Any]:
    return {row["id"]: row["delay_mean"] for row in read_delta(root, "late", version=version)}


def problem_of(root: Path) -> str:
    with pytest.raises(FsbuildError) as caught:
        Project(root).compile()
    return str(caught.value)


# --- made and made again ---------------------------------------------------------------------------------------------


def test_a_training_set_has_every_row_of_its_sql_once_with_what_was_known(make_project: Make) -> None:
    root = make_project(SHOP)

    assert Project(root).run().is_success

    assert means(root) == {1: 1, 2: 3, 3: None, 4: None}
    assert {row["id"]: row["is_late"] for row in read_delta(root, "late")} == {1: False, 2: False, 3: True, 4: True}


def test_a_training_set_is_rebuilt_from_the_versions_that_it_was_made_from(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    write_files(root, {"seeds/delays.csv": NEW_DELAYS, "models/delay.sql": "select * from {{ ref('delays') }} -- !"})
    Project(root).run()

    first = Project(root).rebuild_training_set("late", version=0, output=root / "first.parquet")
    latest = Project(root).rebuild_training_set("late")

    assert means(root) == {1: 1, 2: 30, 3: None, 4: None}
    assert first.is_equal
    assert latest.is_equal
    assert (first.version, first.rows, latest.rows) == (0, 4, 4)
    assert first.content != latest.content
    again = duckdb.sql(f"select id, delay_mean from '{root}/first.parquet' order by id").fetchall()
    assert again == [(1, 1), (2, 3), (3, None), (4, None)]


def test_a_rebuild_needs_nothing_of_the_models_that_the_rows_came_from(make_project: Make) -> None:
    root = make_project({**SHOP, "models/flown.sql": "select * from {{ ref('flights') }} where id < 4"})
    write_files(root, {"models/late.sql": SHOP["models/late.sql"].replace("flights", "flown")})
    Project(root).run()
    before = Project(root).rebuild_training_set("late")
    write_files(root, {"models/flown.sql": "select * from {{ ref('flights') }} where id < 2"})

    assert before.is_equal
    assert Project(root).rebuild_training_set("late") == before


def test_a_rebuild_tells_rows_that_are_not_those_published(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    log = root / "lake/main/late/_delta_log/00000000000000000000.json"
    log.write_text(log.read_text(encoding="utf-8").replace("id > 2", "id > 3"), encoding="utf-8")

    assert not Project(root).rebuild_training_set("late", version=0).is_equal


def test_a_rebuild_says_when_an_input_was_made_anew(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    for file in sorted((root / "lake/main/delay").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (root / "lake/main/delay").rmdir()
    Project(root).run(select="delay")

    with pytest.raises(
        FsbuildError, match=r"version \d of 'main.delay' is not there any more: the table was made anew"
    ):
        Project(root).rebuild_training_set("late", version=0)


def test_vacuum_leaves_the_files_that_a_training_set_was_made_from(make_project: Make) -> None:
    root = make_project(SHOP)
    delay = root / "lake/main/delay"
    Project(root).run()
    made_from = set(delay.glob("*.parquet"))
    Project(root).run(select="delay", full_refresh=True)  # a version that no training set knows
    unknown = set(delay.glob("*.parquet")) - made_from
    write_files(root, {"seeds/delays.csv": NEW_DELAYS})
    Project(root).run()
    DeltaTable(str(delay)).alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 hours"})

    Project(root).vacuum(select="delay", retention_hours=0, dry_run=False)

    left = set(delay.glob("*.parquet"))
    assert made_from <= left
    assert not unknown & left
    assert Project(root).rebuild_training_set("late", version=0).is_equal


def test_chance_is_refused_since_it_cannot_be_repeated(make_project: Make) -> None:
    sql = SHOP["models/late.sql"].replace("id > 2", "random() > 0.5")
    assert "a training set can be rebuilt, and random() would give other rows then" in problem_of(
        make_project({**SHOP, "models/late.sql": sql})
    )


def test_the_present_of_a_rebuild_is_that_of_the_run(make_project: Make) -> None:
    root = make_project({**SHOP, "models/late.sql": SHOP["models/late.sql"].replace("id > 2", "now()")})
    Project(root).run()

    assert Project(root).rebuild_training_set("late").is_equal


# --- splits ----------------------------------------------------------------------------------------------------------

MANY = {
    **SHOP,
    "models/many.sql": """
{{ config(materialized='training_set', event_time='day', features=['risk'],
          splits={'by': 'carrier', 'train': 0.6, 'validation': 0.2, 'test': 0.2}) }}
select range as id, 'c' || (range % 500) as carrier, date '2020-01-01' + (range % 30)::int as day from range(5000)
""",
}


def test_no_key_straddles_two_splits_and_the_shares_are_about_right(make_project: Make) -> None:
    root = make_project(MANY)
    Project(root).run()
    rows = read_delta(root, "many")

    splits = {row["carrier"]: set[object]() for row in rows}
    for row in rows:
        splits[row["carrier"]].add(row["split"])

    assert all(len(found) == 1 for found in splits.values())
    counts = [sum(found == {name} for found in splits.values()) / 500 for name in ("train", "validation", "test")]
    assert counts == pytest.approx([0.6, 0.2, 0.2], abs=0.06)


def test_a_split_by_time_ends_before_the_moment_that_is_given(make_project: Make) -> None:
    sql = MANY["models/many.sql"].replace(
        "{'by': 'carrier', 'train': 0.6, 'validation': 0.2, 'test': 0.2}",
        "{'by': 'time', 'train': '2020-01-10', 'test': '2020-01-20'}",
    )
    root = make_project({**MANY, "models/many.sql": sql})
    Project(root).run()

    found = {(row["day"], row["split"]) for row in read_delta(root, "many")}

    days = [dt.date(2020, 1, day) for day in range(1, 31)]
    assert found == {(day, "train" if day.day < 10 else "test" if day.day < 20 else None) for day in days}


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ("{'train': 0.5}", "splits do not say by what rows are split"),
        ("{'by': 'carier', 'train': 0.5}", "rows are split by 'carier', which is no column"),
        ("{'by': 'carrier', 'train': 0.9, 'test': 0.2}", "the shares of splits add up to 1.1"),
        ("{'by': 'carrier', 'train': 'most'}", "the shares of splits are not all numbers"),
        ("{'by': 'time', 'train': 'soon'}", "the split 'train' ends at 'soon', which is no date"),
        ("{'by': 'time', 'a': '2020-02-01', 'b': '2020-01-01'}", "the split 'b' ends before the one in front"),
    ],
)
def test_splits_that_cannot_be_made(make_project: Make, splits: str, said: str) -> None:
    sql = SHOP["models/late.sql"].replace("features=['risk']", f"features=['risk'], splits={splits}")
    assert said in problem_of(make_project({**SHOP, "models/late.sql": sql}))


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_training_set_is_exported_whole_or_by_split(make_project: Make) -> None:
    root = make_project(MANY)
    project = Project(root)
    project.run()

    counts = {
        split: project.export_training_set("many", root / f"{split}.csv", split=split)
        for split in ("train", "validation", "test")
    }
    whole = project.export_training_set("many", root / "all.parquet")
    project.export_training_set("many", root / "all.arrow")

    assert sum(counts.values()) == whole == 5000
    assert duckdb.sql(f"select distinct split from '{root}/train.csv'").fetchall() == [("train",)]
    with ipc.open_file(str(root / "all.arrow")) as reader:
        assert reader.read_all().num_rows == whole
    with pytest.raises(FsbuildError, match="'many' has no split 'tran'"):
        project.export_training_set("many", root / "x.csv", split="tran")
    with pytest.raises(FsbuildError, match=r"'all\.xlsx' ends in no known format"):
        project.export_training_set("many", root / "all.xlsx")


def test_tfrecords_are_read_back_by_their_own_library(make_project: Make) -> None:
    from tfrecord import tfrecord_loader

    root = make_project(SHOP)
    Project(root).run()
    Project(root).export_training_set("late", root / "late.tfrecord")

    rows = {int(row["id"][0]): row for row in tfrecord_loader(str(root / "late.tfrecord"), None)}

    assert {key: ("delay_mean" in row, int(row["is_late"][0])) for key, row in rows.items()} == {
        1: (True, 0),
        2: (True, 0),
        3: (False, 1),
        4: (False, 1),
    }
    assert bytes(rows[1]["carrier"]) == b"AA"


# --- from Python -----------------------------------------------------------------------------------------------------

SPINE = pd.DataFrame({"carrier": ["AA", None], "at": [dt.datetime(2020, 1, 4)] * 2, "y": [1, 0]})  # noqa: DTZ001


@pytest.mark.parametrize(
    "spine",
    [
        SPINE,
        SPINE.astype({"at": "datetime64[ns]"}),
        pl.from_pandas(SPINE),
        pa.Table.from_pandas(SPINE),
        "select *, date '2020-01-04' as at_ from (values ('AA', 1), (null, 0)) as t(carrier, y)",
        "select carrier, day as at_, 1 - (id - 2) as y from {{ ref('flights') }} where id in (2, 3)",
    ],
    ids=["pandas", "pandas in nanoseconds", "polars", "arrow", "sql", "sql of the project"],
)
def test_a_spine_may_be_a_frame_a_table_or_sql(make_project: Make, spine: object) -> None:
    root = make_project(SHOP)
    project = Project(root)
    project.run()

    with project.training_set(spine, ["risk"], event_time="at_" if isinstance(spine, str) else "at") as rows:
        found = sorted((row["y"], row["delay_mean"]) for row in rows)

    assert found == [(0, None), (1, 3)]


def test_a_spine_may_be_a_relation_of_another_duckdb(make_project: Make) -> None:
    project = Project(make_project(SHOP))
    project.run()
    with duckdb.connect() as connection:
        spine = connection.sql("select 'AA' as carrier, timestamp '2020-01-04' as day")
        assert [row["delay_mean"] for row in project.training_set(spine, "risk", event_time="day")] == [3]


def test_nothing_is_computed_or_published_before_rows_are_asked_for(make_project: Make) -> None:
    root = make_project(SHOP)
    project = Project(root)
    project.run()
    log = sorted(root.glob("lake/**/*.json"))

    rows = project.training_set(SPINE, ["risk"], event_time="at")

    assert repr(rows) == "<fsbuild.Dataset training set: carrier VARCHAR, at TIMESTAMP, y BIGINT, delay_mean BIGINT>"
    assert "ASOF" in rows.sql()
    assert "delay: version" in rows.explain()
    assert rows.polars().shape == (2, 4)
    assert rows.pandas()["y"].sum() == 1
    assert set(rows.numpy()) == {"carrier", "at", "y", "delay_mean"}
    assert rows.relation().aggregate("count(*)").fetchall() == [(2,)]
    assert rows._repr_html_().count("<tr>") == 3
    assert rows.save(root / "rows.parquet") == 2
    assert sorted(root.glob("lake/**/*.json")) == log
    rows.close()
    with pytest.raises(FsbuildError, match="the dataset is closed"):
        rows.arrow()


def test_two_datasets_of_two_projects_do_not_know_of_each_other(make_project: Make, tmp_path: Path) -> None:
    first = Project(make_project(SHOP))
    write_files(tmp_path / "other", {"fsbuild_project.yml": "name: other", **SHOP, "seeds/delays.csv": NEW_DELAYS})
    second = Project(tmp_path / "other")
    first.run()
    second.run()

    one, other = (project.training_set(SPINE, ["risk"], event_time="at") for project in (first, second))

    assert [next(iter(rows))["delay_mean"] for rows in (one, other)] == [3, 30]


def test_features_are_as_they_were_at_a_moment_of_the_lake(make_project: Make) -> None:
    root = make_project(SHOP)
    project = Project(root)
    project.run()
    before = dt.datetime.now(dt.UTC)
    write_files(root, {"seeds/delays.csv": NEW_DELAYS})
    project.run()

    def found(as_of: dt.datetime | None) -> object:
        return next(iter(project.training_set(SPINE, ["risk"], event_time="at", as_of=as_of)))["delay_mean"]

    assert (found(before), found(None)) == (3, 30)
    with pytest.raises(FsbuildError, match="has no version as old as"):
        found(dt.datetime(2001, 1, 1, tzinfo=dt.UTC))


def test_a_batch_has_the_values_of_a_stretch_of_time(make_project: Make) -> None:
    project = Project(make_project(SHOP))
    project.run()

    assert [row["mean"] for row in project.batch("delay", "2020-01-01", "2020-01-03")] == [1]
    with pytest.raises(FsbuildError, match="end 2020-01-01 is not after start 2020-01-03"):
        project.batch("delay", "2020-01-03", "2020-01-01")
    assert [row["mean"] for row in project.features_as_of(["delay"], "2020-01-02 12:00")] == [1]


def test_a_model_tells_its_sql_columns_lineage_statistics_and_history(make_project: Make) -> None:
    project = Project(make_project(SHOP))
    project.run()
    late = project.model("late")

    assert repr(late) == "<fsbuild model late: training_set, 5 columns>"
    assert "ASOF" in late.sql
    assert [column.name for column in late.columns] == ["id", "carrier", "day", "is_late", "delay_mean"]
    assert {edge.input_column for edge in late.lineage("delay_mean")} >= {"mean"}
    with pytest.raises(FsbuildError, match="'late' has no column 'delay_meen'"):
        late.lineage("delay_meen")
    assert late.stats().statistics.rows == 4
    assert late.history().rows
    assert late.show(limit=2).rows
    assert late._repr_html_().count("<tr>") == 6
    with pytest.raises(FsbuildError, match="there is no model 'lat'"):
        project.model("lat")


def test_changes_are_the_rows_won_and_lost_since_a_version(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    write_files(root, {"seeds/delays.csv": NEW_DELAYS})
    Project(root).run()

    changed = Project(root).changes("late", 0).to_pylist()

    assert sorted((row["_change_type"], row["id"], row["delay_mean"]) for row in changed) == [
        ("delete", 2, 3),
        ("insert", 2, 30),
    ]
    assert Project(root).changes("late", 0, 0).num_rows == 0


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is 3 GB, and not installed here")
def test_tensors_have_nan_for_null_and_workers_share_the_batches(make_project: Make) -> None:
    from torch.utils.data import DataLoader

    project = Project(make_project(MANY))
    project.run()
    rows = project.training_set("select id, carrier, day from {{ ref('flights') }}", ["risk"], event_time="day")

    (batch,) = list(rows.torch())
    assert list(batch) == ["id", "delay_mean"]
    assert sum(map(math.isnan, batch["delay_mean"].tolist())) == 2
    many = project.training_set("select id, carrier, day from {{ ref('many') }}", ["risk"], event_time="day")
    seen = [batch["id"] for batch in DataLoader(many.torch(batch_size=100), batch_size=None, num_workers=2)]
    assert sorted(int(one) for batch in seen for one in batch) == list(range(5000))
