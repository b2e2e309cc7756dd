"""Merging: whatever the key and the values, an upsert does what a dict does."""

from __future__ import annotations

import datetime as dt
import decimal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbuild.store import Lake
from fsbuild.values import Overwrite, TableRows, Upsert, literal
from tests.test_store import BY_ID, T, commit, lake_at, read, read_by_duckdb, rows_of


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


texts = st.one_of(
    st.sampled_from(
        ["", "'", "''", "a'b", "\\", "\\'", "ä", "z", "Z", "😀", "%", "a\nb", " ", "1", "\U0010ffff" * 9, "x" * 40]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40),
)
KEYS: Mapping[str, tuple[pa.DataType, st.SearchStrategy[object]]] = {
    "BIGINT": (pa.int64(), st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))),
    "SMALLINT": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "VARCHAR": (pa.string(), texts),
    "DATE": (pa.date32(), st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))),
    "TIMESTAMP": (pa.timestamp("us"), st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))),  # noqa: DTZ001 - without a zone
    "TIMESTAMPTZ": (
        pa.timestamp("us", "UTC"),
        st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC)),  # noqa: DTZ001 - zone follows
    ),
    "DECIMAL(10,2)": (pa.decimal128(10, 2), st.decimals(-99999, 99999, places=2).map(decimal.Decimal)),
    "BOOLEAN": (pa.bool_(), st.booleans()),
}
BOUNDED = ("BIGINT", "SMALLINT", "VARCHAR", "DATE")
Batch = dict[tuple[object, ...], object]


def bounds(table: pa.Table, key: Sequence[str], kinds: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Literals that bound a key, as executing writes them."""
    found = {}
    for name, kind in zip(key, kinds, strict=True):
        if kind in BOUNDED:
            low, high = (
                duckdb.connect()
                .from_arrow(table)
                .aggregate(f'min("{name}")::VARCHAR, max("{name}")::VARCHAR')
                .fetchone()
                or ()
            )
            write = str if kind in ("BIGINT", "SMALLINT") else literal
            found[name] = (write(low), write(high))
    return found


def as_table(batch: Batch, key: Sequence[str], kinds: Sequence[str]) -> pa.Table:
    columns = {
        name: pa.array([values[index] for values in batch], KEYS[kind][0])
        for index, (name, kind) in enumerate(zip(key, kinds, strict=True))
    }
    return pa.table({**columns, "value": pa.array(list(batch.values()), pa.int64())})


@st.composite
def merges(draw: st.DrawFn) -> tuple[list[str], list[Batch]]:
    """Kinds of the key's columns, and batches whose keys overlap."""
    kinds = draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=2))
    pool = draw(st.lists(st.tuples(*[KEYS[kind][1] for kind in kinds]), min_size=1, max_size=6, unique=True))
    value: st.SearchStrategy[object] = st.one_of(st.none(), st.integers(0, 2))
    batches = draw(st.lists(st.dictionaries(st.sampled_from(pool), value, max_size=4), min_size=1, max_size=4))
    return kinds, batches


@given(merges())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_merges_do_what_a_dict_does_whatever_the_key(case: tuple[list[str], list[Batch]]) -> None:
    kinds, batches = case
    key = ["k0", "K1"][: len(kinds)]
    expected: Batch = {}
    with tempfile.TemporaryDirectory() as folder:
        lake = lake_at(Path(folder))
        lake.write(Overwrite(), T, rows_of(as_table({}, key, kinds)), commit(None))
        for number, batch in enumerate(batches):
            table = as_table(batch, key, kinds)
            literals = bounds(table, key, kinds) if batch else {}

            version = lake.write(
                Upsert(tuple(key), literals=literals), T, rows_of(table), commit(number, inputs={"n": str(number)})
            )

            expected |= batch
            state = lake.state(T)
            assert state is not None
            assert (version, state.inputs) == (number + 1, {"n": str(number)})
        assert read(lake) == sorted(as_table(expected, key, kinds).to_pylist(), key=repr)
        assert len(read_by_duckdb(lake)) == len(expected)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (pa.list_(pa.int64()), [1, 2], [1, 3]),
        (pa.struct([("a", pa.int64())]), {"a": 1}, {"a": None}),
        (pa.map_(pa.string(), pa.int64()), [("a", 1)], [("a", 2)]),
        (pa.float64(), float("nan"), 1.0),
        (pa.binary(), b"\x00", b"\x01"),
        (pa.decimal128(38, 10), decimal.Decimal("1.5"), decimal.Decimal("1.6")),
        (pa.bool_(), True, None),
    ],
    ids=["list", "struct", "map", "nan", "blob", "decimal", "boolean"],
)
def test_a_merge_compares_values_of_every_type(lake: Lake, kind: pa.DataType, old: object, new: object) -> None:
    def table(value: object) -> pa.Table:
        return pa.table({"id": pa.array([1], pa.int64()), "v": pa.array([value], kind)})

    lake.write(Overwrite(), T, rows_of(table(old)), commit(None))
    lake.write(BY_ID, T, rows_of(table(new)), commit(0))
    assert read(lake) == [{"id": 1, "v": new}]
    after = lake.state(T)
    lake.write(BY_ID, T, rows_of(table(new)), commit(1))
    again = lake.state(T)
    assert after is not None
    assert again is not None
    assert again.token == after.token


def test_a_table_of_keys_alone_can_be_merged(lake: Lake) -> None:
    def keys(*values: int) -> TableRows:
        return rows_of(pa.table({"id": pa.array(values, pa.int64())}))

    lake.write(Overwrite(), T, keys(1), commit(None))
    assert lake.write(BY_ID, T, keys(1, 2), commit(0)) == 1
    assert lake.write(BY_ID, T, keys(1, 2), commit(1)) == 2
    assert read(lake) == [{"id": 1}, {"id": 2}]


def test_a_merge_into_a_partitioned_table_finds_its_rows(lake: Lake) -> None:
    def days(*values: int, value: int) -> pa.Table:
        day = [dt.date(2024, 1, number) for number in values]
        return pa.table(
            {"day": pa.array(day), "id": pa.array(values, pa.int64()), "v": pa.array([value] * len(values))}
        )

    lake.write(Overwrite(), T, rows_of(days(1, 2, value=1)), commit(None, partition_by=("day",)))
    literals = {"day": ("'2024-01-02'", "'2024-01-03'"), "id": ("2", "3")}
    lake.write(Upsert(("day", "id"), literals=literals), T, rows_of(days(2, 3, value=5)), commit(0))
    assert sorted((str(row["day"]), str(row["v"])) for row in read(lake)) == [
        ("2024-01-01", "1"),
        ("2024-01-02", "5"),
        ("2024-01-03", "5"),
    ]
