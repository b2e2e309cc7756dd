"""Increments beside what they replace: `python -m benchmarks.increments` prints medians and ratios.

Two questions. What does a merge of recent rows cost, by the store and by hand with deltalake? And
what does a run of the strategy `auto` cost after a small change, beside a full refresh of it?
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Sample, measure

_WORK = Path(__file__).resolve().parent / ".work" / "increments"
_REPOSITORY = Path(__file__).resolve().parent.parent

# Each runs in a process of its own, and prints the seconds of its write alone: the rows are there already.
_MERGE = """
import json, sys, time
import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from fsbuild.store import Lake
from fsbuild.values import Commit, Overwrite, Relation, TableRows, Upsert

how, folder, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
make = (
    "select i as id, date '2013-01-01' + (i // {per_day})::integer as day, i % 1000 as k, random() as x, "
    "'text ' || i % 77 as t from range({low}, {high}) r(i)"
)
relation, lake = Relation("main", "t"), Lake(folder, {})
per_day = max(rows // 365, 1)
if how == "make":
    # The columns that a model's cluster_by would order by are in order already.
    def everything():
        return duckdb.sql(make.format(per_day=per_day, low=0, high=rows)).to_arrow_reader(122880)

    table = TableRows(everything, ("id", "day", "k", "x", "t"), rows)
    lake.write(Overwrite(small_files=True), relation, table, Commit("b", "b", "b", {}, None, rows))
    sys.exit()
recent = duckdb.sql(make.format(per_day=per_day, low=rows - rows // 100, high=rows)).to_arrow_table()
began = time.perf_counter()
if how == "fsbuild":
    low, high = rows - rows // 100, rows - 1
    literals = {"id": (str(low), str(high))}
    commit = Commit("b", "b", "b", {}, DeltaTable(lake.uri(relation)).version(), recent.num_rows)
    rows = TableRows(recent.to_reader, tuple(recent.column_names), recent.num_rows)
    lake.write(Upsert(("id",), literals), relation, rows, commit)
else:
    (
        DeltaTable(lake.uri(relation))
        .merge(recent, "t.id = s.id", source_alias="s", target_alias="t")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
print(json.dumps(time.perf_counter() - began))
"""

_INPUT = """
import sys
import duckdb
from deltalake import DeltaTable, write_deltalake

how, folder, rows, keys = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
# Events come in the order of time. Either each customer has some in all files and any customer
# gets another one, or customers come and go, as orders do, and the last ones get another event.
is_spread = sys.argv[5] == "anywhere"
if how == "make":
    customer = f"hash(i) % {keys}" if is_spread else f"i // {rows // keys}"
    sql = (
        f"select i as id, {customer} as customer, (hash(i * 7) % 10000)::integer as amount, "
        f"timestamp '2013-01-01' + to_seconds(i) as happened_at from range({rows}) r(i)"
    )
    sql = f"select id, customer::bigint as customer, happened_at, amount from ({sql})"
    feed = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(folder, duckdb.sql(sql).to_arrow_reader(122880), configuration=feed)
else:
    changed = int(how)
    customer = f"(i * 7919 + {changed}) % {keys}" if is_spread else f"{keys} - 1 - i"
    sql = (
        f"select {rows} + {changed} * 100000 + i as id, {customer} as customer, "
        f"timestamp '2014-01-01' + to_days({changed}) + to_seconds(i) as happened_at, 5::integer as amount "
        f"from range({keys} // 1000) r(i)"
    )
    write_deltalake(folder, duckdb.sql(sql).to_arrow_reader(122880), mode="append")
"""

_MODELS = {
    "sums by customer": "select customer, count(*) as n, sum(amount) as total, max(happened_at) as last_at "
    "from {{ source('raw', 'events') }} group by customer",
    "a customer's days and medians": "select customer, count(*) as n, median(amount) as usual, "
    "count(distinct cast(happened_at as date)) as days, arg_max(amount, happened_at) as latest "
    "from {{ source('raw', 'events') }} group by customer",
    "the latest event by a window": "select customer, happened_at, amount, running from (select *, "
    "sum(amount) over (partition by customer order by happened_at, id) as running "
    "from {{ source('raw', 'events') }}) "
    "qualify row_number() over (partition by customer order by happened_at desc, id) = 1",
    "features of each event": "select id, customer, happened_at, count(*) over week as n_7d, "
    "avg(amount) over week as mean_7d, max(amount) over week as max_7d, "
    "amount - lag(amount) over (partition by customer order by happened_at, id) as change "
    "from {{ source('raw', 'events') }} window week as (partition by customer order by happened_at "
    "range between interval 7 days preceding and current row)",
}
_OPTIONS = "materialized='incremental', incremental_strategy='auto', refresh='incremental'"
_KEY = "unique_key='customer'"
# Another key than that; the events are in the order of time, and stay in it.
_KEYS = {"features of each event": "unique_key='id', cluster_by='id'"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure increments beside what they replace."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.increments", description=main.__doc__)
    for name, rows, described in (
        ("--merge-rows", 5_000_000, "rows of the merged table"),
        ("--rows", 10_000_000, "rows of the input of auto"),
        ("--keys", 1_000_000, "keys among them"),
        ("--repeat", 3, "runs of each"),
    ):
        parser.add_argument(name, type=int, default=rows, help=f"{described} (default: %(default)s)")
    given = parser.parse_args(arguments)
    shutil.rmtree(_WORK, ignore_errors=True)
    _WORK.mkdir(parents=True)
    print("| work | incremental | what it replaces | ratio | memory |\n|---|---|---|---|---|")
    _report(f"merge 1% recent rows into {given.merge_rows:,}", *_merges(given.merge_rows, given.repeat))
    for where in ("among the last", "anywhere"):
        for name, sql in _MODELS.items():
            title = f"auto, {given.rows:,} rows, 0.1% of keys changed {where}: {name}"
            model = f"{{{{ config({_OPTIONS}, {_KEYS.get(name, _KEY)}) }}}}\n{sql}\n"
            _report(title, *_refreshes(model, where, given.rows, given.keys, given.repeat))
    return 0


def _report(title: str, ours: Sequence[Sample], theirs: Sequence[Sample]) -> None:
    mine, other = (statistics.median(sample.wall_s for sample in samples) for samples in (ours, theirs))
    memory = (max(sample.peak_mib for sample in samples) for samples in (ours, theirs))
    shown = " / ".join(f"{peak:,.0f} MiB" for peak in memory)
    print(f"| {title} | {mine:.2f} s | {other:.2f} s | {other / mine:.1f}× | {shown} |", flush=True)


def _merges(rows: int, repeat: int) -> tuple[list[Sample], list[Sample]]:
    """The write alone, in a process that has the rows: by the store, and by hand without bounds."""

    def timed(how: str) -> Sample:
        folder = str(_WORK / how)
        if not Path(folder).exists():
            _python(_MERGE, "make", folder, str(rows))
        return Sample(float(json.loads(_python(_MERGE, how, folder, str(rows)))), 0.0)

    return _in_turns(lambda: timed("fsbuild"), lambda: timed("by hand"), repeat)


def _refreshes(
    model: str, where: str, rows: int, keys: int, repeat: int
) -> tuple[list[Sample], list[Sample]]:
    """Whole runs: an increment after a small append, and a full refresh of the same table."""
    root = _WORK / "project"
    shutil.rmtree(root, ignore_errors=True)
    (root / "models").mkdir(parents=True)
    (root / "fsbuild_project.yml").write_text("name: bench\n", encoding="utf-8")
    (root / "models/m.sql").write_text(model, encoding="utf-8")
    source = "sources: [{name: raw, tables: [{name: events, meta: {delta_table_path: raw/events}}]}]\n"
    (root / "models/s.yml").write_text(source, encoding="utf-8")
    events = str(root / "raw/events")
    Path(events).mkdir(parents=True)
    _python(_INPUT, "make", events, str(rows), str(keys), where)
    command = [sys.executable, "-m", "fsbuild", "run", "-q", "--threads", "2"]
    environment = _environment()
    measure(command, root, environment)
    changes = iter(range(1, repeat + 1))

    def increment() -> Sample:
        _python(_INPUT, str(next(changes)), events, str(rows), str(keys), where)
        return measure(command, root, environment)

    idle = statistics.median(measure(command, root, environment).wall_s for _ in range(repeat))
    print(f"| the same without a change | {idle:.2f} s | | | |", flush=True)
    return _in_turns(increment, lambda: measure([*command, "--full-refresh"], root, environment), repeat)


def _in_turns(
    ours: Callable[[], Sample], theirs: Callable[[], Sample], repeat: int
) -> tuple[list[Sample], list[Sample]]:
    pairs = [(ours(), theirs()) for _ in range(repeat)]
    return [mine for mine, _ in pairs], [other for _, other in pairs]


def _environment() -> dict[str, str]:
    """As in an installed package, modules are compiled once: their bytecode is kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(_REPOSITORY), "PYTHONPYCACHEPREFIX": str(_WORK.parent / "bytecode")}


def _python(program: str, *arguments: str) -> str:
    """Run a program in a process of its own; return what it prints."""
    environment = _environment()
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
