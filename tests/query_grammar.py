"""Random queries over three small tables of integers: chance in, SQL out; the result has the columns o0, o1, ...

They read every kind of relation and write every clause that steers. The engine refuses few of them. What a query
gives must not depend on the order in which its rows happen to come: ties are broken by the value itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

TABLES = {"t": ("id", "a", "b"), "u": ("id", "c"), "w": ("id", "a", "k")}

Ctes = Sequence[tuple[str, list[str]]]


class Grammar:
    """Writes queries; `depth` is how many levels of queries may be within one."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.names = 0

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def percent(self, percent: int) -> bool:
        return self.chance.random() < percent / 100

    def pick(self, options: Sequence[str]) -> str:
        return self.chance.choice(options)

    # --- queries -----------------------------------------------------------------------------------------------------

    def query(self, depth: int, width: int, ctes: Ctes = ()) -> str:
        if depth > 0 and self.percent(25):
            name = self.fresh("c")
            after = [*ctes, (name, ["o0", "o1"])]
            if self.percent(20):
                return (
                    f"with recursive {self.recursive(name, depth, ctes)} from ({self.query(depth - 1, width, after)})"
                )
            materialized = self.pick(["", "materialized ", "not materialized "])
            inner = self.query(depth - 1, 2, ctes)
            return f"with {name} as {materialized}({inner}) from ({self.query(depth - 1, width, after)})"
        if depth > 0 and self.percent(20):
            operator = self.pick(
                ["union all", "union", "except", "except all", "intersect", "union all by name", "union by name"]
            )
            return f"({self.query(depth - 1, width, ctes)}) {operator} ({self.query(depth - 1, width, ctes)})"
        return self.select(depth, width, ctes)

    def recursive(self, name: str, depth: int, ctes: Ctes) -> str:
        """A CTE that reads itself, and comes to an end."""
        table, columns = self.base("r")
        step = f"from {name} join {table} on {name}.o0 = {self.pick(columns)} where {name}.o1 < 3"
        return (
            f"{name}(o0, o1) as (({self.query(depth - 1, 2, ctes)}) union select {self.pick(columns)}, o1 + 1 {step})"
        )

    def select(self, depth: int, width: int, ctes: Ctes) -> str:
        source, columns = self.source(depth, ctes)
        clauses = [f"from {source}"]
        if self.percent(40):
            clauses.append(f"where {self.condition(columns, depth, ctes)}")
        kind = self.pick(["plain", "plain", "windows", "grouped", "distinct", "distinct on"])
        values = [self.value(columns, depth, ctes) for _ in range(width)]
        ending = f"order by all limit {self.chance.randint(1, 6)}" if self.percent(25) else ""
        distinct = "distinct " if kind == "distinct" else ""
        if kind == "distinct on":
            key = self.pick(columns)
            distinct = f"distinct on ({key}) "
            ending = f"order by {key}, {', '.join(f'o{i}' for i in range(width))}"
        if kind == "windows":
            values[0] = self.window(columns)
            if self.percent(40):
                name = self.fresh("n")  # the engine lets no two be called the same, even in queries within queries
                values[0] = (
                    f"{self.function(columns)} over ({name}{self.pick(['', f' order by {self.pick(columns)}'])})"
                )
                clauses.append(f"window {name} as (partition by {self.pick(columns)})")
            if self.percent(40):
                clauses.append(f"qualify {self.window(columns)} > {self.chance.randint(0, 4)}")
        if kind == "grouped":
            values, grouping = self.grouped(columns, width)
            clauses.append(grouping)
        if kind == "plain" and width > 1 and self.percent(30):
            values[-1] = f"o0 + {self.pick(columns)}"
        listed = ", ".join(f"{value} as o{i}" for i, value in enumerate(values))
        return f"select {distinct}{listed} {' '.join(clauses)} {ending}".strip()

    def grouped(self, columns: list[str], width: int) -> tuple[list[str], str]:
        """What is selected of groups, and the clauses that make them."""
        keys = [self.pick(columns) for _ in range(width - 1)]
        ways = ["group by all"]
        if keys:
            listed, numbers = ", ".join(keys), ", ".join(str(i + 1) for i in range(len(keys)))
            ways += [f"group by {listed}", f"group by {numbers}", f"group by rollup ({numbers})"]
            ways += [f"group by cube ({listed})", f"group by grouping sets (({listed}), ({numbers}), ())"]
        having = f" having {self.aggregate(columns)} > {self.chance.randint(0, 6)}" if self.percent(40) else ""
        return [*keys, self.aggregate(columns)], self.pick(ways) + having

    # --- relations ---------------------------------------------------------------------------------------------------

    def source(self, depth: int, ctes: Ctes) -> tuple[str, list[str]]:
        left, left_columns = self.item(depth, ctes)
        if self.percent(40):
            return left, left_columns
        if self.percent(20):
            return self.lateral(left, left_columns)
        right, right_columns = self.item(depth, ctes)
        both = [*left_columns, *right_columns]
        join = self.pick(["join", "left join", "right join", "full join", "semi join", "anti join", "asof join", ","])
        if join == ",":
            return f"{left}, {right}", both
        inequality = f" and {self.pick(left_columns)} >= {self.pick(right_columns)}"
        on = f"{self.pick(left_columns)} = {self.pick(right_columns)}"
        visible = left_columns if join in ("semi join", "anti join") else both
        common = sorted({c.split(".")[1] for c in left_columns} & {c.split(".")[1] for c in right_columns})
        if common and join != "asof join" and self.percent(50):
            key = self.pick(common)
            return f"{left} {join} {right} using ({key})", [*visible, key]
        return f"{left} {join} {right} on {on}{inequality if join == 'asof join' else ''}", visible

    def lateral(self, left: str, columns: list[str]) -> tuple[str, list[str]]:
        """A relation with rows of each row of another one."""
        one, other, alias = self.pick(columns), self.pick(columns), self.fresh("l")
        table, inner = self.base("r")
        within = f"select {self.pick(inner)} + {one} as o0, {self.pick(inner)} as o1 from {table}"
        made, names = self.chance.choice(
            [
                (f"lateral ({within} where {self.pick(inner)} = {other}) as {alias}", [f"{alias}.o0", f"{alias}.o1"]),
                (f"unnest([{one}, {other}]) as {alias}(e)", [f"{alias}.e"]),
                (f"range({one} % 4) as {alias}(i)", [f"{alias}.i"]),
            ]
        )
        return f"{left}, {made}", [*columns, *names]

    def base(self, prefix: str) -> tuple[str, list[str]]:
        name, alias = self.pick(list(TABLES)), self.fresh(prefix)
        return f"m.{name} as {alias}", [f"{alias}.{column}" for column in TABLES[name]]

    def item(self, depth: int, ctes: Ctes) -> tuple[str, list[str]]:
        alias = self.fresh("r")
        outputs = [f"{alias}.o0", f"{alias}.o1"]
        if ctes and self.percent(50):
            name, columns = self.chance.choice(ctes)
            return f"{name} as {alias}", [f"{alias}.{column}" for column in columns]
        if depth > 0 and self.percent(40):
            return f"({self.query(depth - 1, 2, ctes)}) as {alias}", outputs
        if depth > 0 and self.percent(15):
            return f"({self.turned(depth, ctes)}) as {alias}", outputs
        if self.percent(5):
            left, left_columns = self.base("p")
            right, right_columns = self.base("p")
            both = f"select {self.pick(left_columns)} as o0, {self.pick(right_columns)} as o1"
            return f"({both} from {left} positional join {right}) as {alias}", outputs
        return self.base("r")

    def turned(self, depth: int, ctes: Ctes) -> str:
        """A query of a PIVOT or an UNPIVOT."""
        inner = f"({self.query(depth - 1, 3, ctes)})"
        return self.pick(
            [
                f'select o0, "1" as o1 from (pivot {inner} on o1 in (1, 2) using sum(o2))',
                f'select o2 as o0, "2" as o1 from (pivot {inner} on o1 in (1, 2) using count(o0))',
                f"select v as o0, o0 as o1 from (unpivot {inner} on o1, o2 into name n value v)",
                f"select v as o0, o2 as o1 from (from {inner} unpivot include nulls (v for n in (o0, o1)))",
            ]
        )

    # --- expressions -------------------------------------------------------------------------------------------------

    def value(self, columns: list[str], depth: int, ctes: Ctes) -> str:
        one, other = self.pick(columns), self.pick(columns)
        if depth > 0 and self.percent(15):
            inner, inner_columns = self.item(0, ctes)
            picked, key = self.pick(inner_columns), self.pick(inner_columns)
            return self.pick(
                [
                    f"(select max({picked}) from {inner} where {key} = {one})",
                    f"(select {picked} from {inner} where {key} is not null order by {key}, {picked} limit 1)",
                    f"exists (select {picked} from {inner} where {key} > {one})::int",
                    f"({one} in (select {picked} from {inner} where {key} > 1))::int",
                    f"len(array(select {picked} from {inner} where {picked} = {other}))",
                ]
            )
        return self.pick(
            [
                *[one] * 5,
                *(f"{one} + {other}", f"coalesce({one}, {other})", f"case when {one} > 2 then {other} end"),
                *(
                    f"list_sum(list_transform([{one}, 1], lambda e: e + {other}))",
                    f"struct_extract({{'k': {one}}}, 'k')",
                ),
            ]
        )

    def aggregate(self, columns: list[str]) -> str:
        one, other = self.pick(columns), self.pick(columns)
        return self.pick(
            [
                *("count(*)", f"sum({one})", f"max({one})", f"count(distinct {one})"),
                *(f"sum({one}) filter (where {other} > 1)", f"first({one} order by {other}, {one})"),
                *(f"count(*) filter (where {one} > 1)", f"arg_max({one}, ({other}, {one}))"),
                *(f"list({one} order by {other} desc, {one})[1]", f"quantile_disc({one}, 0.5)"),
            ]
        )

    def function(self, columns: list[str]) -> str:
        """An aggregate to be used over a window."""
        one, other = self.pick(columns), self.pick(columns)
        return self.pick(["count(*)", f"sum({one})", f"count({one})", f"max({one}) filter (where {other} > 1)"])

    def window(self, columns: list[str]) -> str:
        one, other = self.pick(columns), self.pick(columns)
        over = self.pick([f"partition by {other} order by {one}", f"order by {one}", f"partition by {other}, {one}"])
        if self.percent(25):
            third = self.pick(columns)
            frame = self.pick(
                [
                    f"lag({third}) over (order by {one}, {third})",
                    f"sum({third}) over (order by {one}, {third} rows between 1 preceding and current row)",
                ]
            )
            return frame.replace("(order by", f"(partition by {other} order by") if self.percent(50) else frame
        return f"{self.pick(['rank()', 'dense_rank()', self.function(columns)])} over ({over})"

    def condition(self, columns: list[str], depth: int, ctes: Ctes) -> str:
        value = self.value(columns, depth, ctes)
        return self.pick([f"{value} > 1", f"{value} is not null", f"{value} = {self.pick(columns)}"])
