"""Named models: those that have to be kept incrementally, those that cannot be, and those where either will do.

In the texts, `raw.x` stands for the source x, and `ref.p0` for the first of the case's parents.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.delta_inputs import DAY_ONE, Commit, Row
from tests.model_stories import Model

_SHORT = re.compile(r"\b(raw|ref)\.(\w+)")


@dataclass(frozen=True, slots=True)
class Case:
    """A model, what it is kept by, the inputs that change, and the models before it as (kind, text)."""

    name: str
    sql: str
    key: str = ""
    changes: tuple[str, ...] = ("facts",)
    parents: tuple[tuple[str, str], ...] = ()

    @property
    def slug(self) -> str:
        """The name of the model."""
        return re.sub(r"\W+", "_", self.name.lower())

    @property
    def models(self) -> tuple[Model, ...]:
        """The parents and the model."""
        parents = [Model(f"{self.slug}_p{at}", kind, self._written(sql)) for at, (kind, sql) in enumerate(self.parents)]
        return (*parents, Model(self.slug, "auto", self._written(self.sql), tuple(self.key.split())))

    def _written(self, sql: str) -> str:
        calls = {"raw": "source('raw', '", "ref": f"ref('{self.slug}_"}
        return _SHORT.sub(lambda m: f"{{{{ {calls[m[1]]}{m[2]}') }}}}", sql)


# --- rows ------------------------------------------------------------------------------------------------------------


def _fact(number: int, k: int | None = None) -> Row:
    at = DAY_ONE + dt.timedelta(days=number % 13)
    value = float("nan") if number % 10 == 0 else number * 0.5
    return (number, k or number % 9 or None, (None, "a", "b", "c")[number % 4], number * 7 % 11 or None, value, at)


ROWS: Mapping[str, tuple[Row, ...]] = {
    "facts": tuple(_fact(number) for number in range(1, 61)),
    "dims": tuple((k, f"n{k % 3}", k % 4 or None) for k in range(1, 9)),
    "other": tuple((number, number % 7 or None, number % 5 or None, "ab"[number % 2]) for number in range(1, 31)),
}
BATCHES: tuple[Mapping[str, tuple[Commit, ...]], ...] = (
    {
        "facts": (Commit("facts", "insert", (_fact(61, 12), _fact(62, 2), (63, None, None, None, None, None))),),
        "dims": (Commit("dims", "insert", ((12, "n1", 1),)),),
        "other": (Commit("other", "insert", ((31, 1, 4, "a"), (32, None, 2, None))),),
    },
    {
        "facts": (
            Commit("facts", "update", where="id = 5", column="x", value="50"),
            Commit("facts", "delete", where="id in (7, 8)"),
        ),
        "dims": (Commit("dims", "update", where="k = 2", column="name", value="'n9'"),),
        "other": (
            Commit("other", "update", where="id = 3", column="y", value="NULL"),
            Commit("other", "delete", where="id = 4"),
        ),
    },
    {
        "facts": (
            Commit("facts", "update", where="id = 11", column="k", value="4"),
            Commit("facts", "delete", where="k = 3"),
            Commit("facts", "flash", ((3, 3, "a", 1, 0.5, DAY_ONE), (80, 3, "a", 1, 0.5, DAY_ONE))),
            Commit("facts", "insert", (_fact(12, 5),)),
        ),
        "dims": (Commit("dims", "delete", where="k = 4"), Commit("dims", "insert", ((1, None, None),))),
        "other": (
            Commit("other", "update", where="id = 9", column="k", value="5"),
            Commit("other", "delete", where="k = 1"),
        ),
    },
)

# --- models ----------------------------------------------------------------------------------------------------------

_WINDOW = "row_number() over (partition by k order by t, id)"
_BOTH = ("facts", "other")
_STAR = ("facts", "dims")
_PER_K = "select k, count(*) as n, cast(sum(y) as bigint) as total from raw.other group by k"

PROVABLE = (
    Case("select", "select id, k, x + 1 as more from raw.facts", "id"),
    Case("filter", "select id, k, x from raw.facts where x > 3 and g is not null", "id"),
    Case("filter or in", "select id, x from raw.facts where x in (1, 5, 50) or k between 2 and 4 or g is null", "id"),
    Case("case", "select id, case when x > 3 then 'high' when x is null then '?' end as level from raw.facts", "id"),
    Case(
        "with",
        "with recent as (select id, k, x from raw.facts where x > 2) select id, x * 2 as twice from recent",
        "id",
    ),
    Case("subquery", "select s.id, s.x from (select id, x, k from raw.facts where g = 'a') as s where s.k > 1", "id"),
    Case(
        "union all",
        "select id, 'fact' as side, x as v from raw.facts union all select id, 'other' as side, y as v from raw.other",
        "id side",
        _BOTH,
    ),
    Case("inner join", "select f.id, f.x, o.y from raw.facts as f join raw.other as o on o.id = f.id", "id", _BOTH),
    Case("left join", "select f.id, f.x, o.y from raw.facts as f left join raw.other as o on o.id = f.id", "id", _BOTH),
    Case("right join", "select o.id, f.x from raw.facts as f right join raw.other as o on o.id = f.id", "id", _BOTH),
    Case("full join", "select id, f.x, o.y from raw.facts as f full join raw.other as o using (id)", "id", _BOTH),
    Case(
        "full join coalesce",
        "select coalesce(f.id, o.id) as id, f.x, o.y from raw.facts as f full join raw.other as o on f.id = o.id",
        "id",
        _BOTH,
    ),
    Case("group by", "select k, count(*) as n, cast(sum(x) as bigint) as s from raw.facts where k > 0 group by k", "k"),
    Case("group by with NULL", "select k, count(*) as n, min(x) as low, max(t) as last from raw.facts group by k"),
    Case("group by expression", "select coalesce(k, -1) as k, count(distinct g) as n from raw.facts group by 1", "k"),
    Case("group by two", "select k, g, avg(x) as mean from raw.facts where k > 0 and g > '' group by k, g", "k g"),
    Case(
        "ordered aggregates",
        "select k, list(x order by x, id) as xs, arg_max(id, row(t, id)) as last, count(*) filter (where x > 3) as n "
        "from raw.facts where k is not null group by k",
        "k",
    ),
    Case("having", "select k, count(*) as n from raw.facts where k > 0 group by k having count(*) > 6", "k"),
    Case("distinct", "select distinct k from raw.facts where k is not null", "k"),
    Case("row number", f"select id, k, {_WINDOW} as nth from raw.facts", "id"),
    Case(
        "running sum",
        "select id, k, cast(sum(x) over (partition by k order by t, id) as bigint) as s from raw.facts",
        "id",
    ),
    Case("lag", "select id, x - lag(x) over (partition by g order by t, id) as more from raw.facts", "id"),
    Case("qualify", f"select k, id, x from raw.facts where k is not null qualify {_WINDOW} = 1", "k"),
    Case(
        "exists",
        "select f.id, f.k from raw.facts as f where exists (select 1 from raw.other as o where o.k = f.k and o.y > 1)",
        "id",
        _BOTH,
    ),
    Case(
        "not exists",
        "select f.id, f.k from raw.facts as f where not exists (select 1 from raw.other as o where o.id = f.id)",
        "id",
        _BOTH,
    ),
    Case("dimension join", "select f.id, d.name from raw.facts as f join raw.dims as d on d.k = f.k", "id", ("dims",)),
    Case(
        "dimension left join",
        "select f.id, d.name, f.x + d.w as more from raw.facts as f left join raw.dims as d on f.k = d.k",
        "id",
        _STAR,
    ),
    Case(
        "group by over a dimension",
        "select d.k, count(f.id) as n from raw.dims as d left join raw.facts as f on f.k = d.k group by d.k",
        "k",
        _STAR,
    ),
    Case(
        "aggregate joined",
        f"with per as ({_PER_K}) select f.id, per.n, per.total from raw.facts as f left join per on per.k = f.k",
        "id",
        _BOTH,
    ),
    Case(
        "window over an aggregate",
        "with daily as (select k, t, count(*) as n from raw.facts where k > 0 and t is not null group by k, t) "
        "select k, t, cast(sum(n) over (partition by k order by t) as bigint) as so_far from daily",
        "k t",
    ),
    Case(
        "join of an aggregate with a window",
        f"with per as ({_PER_K}), nth as (select id, k, {_WINDOW} as nth from raw.facts) "
        "select nth.id, nth.nth, per.n from nth join per on per.k = nth.k where nth.nth <= 3",
        "id",
        _BOTH,
    ),
    Case("view parent", "select id, x from ref.p0 where k > 1", "id", parents=(("view", "select * from raw.facts"),)),
    Case(
        "ephemeral parent",
        "select k, count(*) as n from ref.p0 group by k",
        "k",
        parents=(("ephemeral", "select id, k from raw.facts where k > 1"),),
    ),
    Case(
        "table parent",
        "select id, x from ref.p0 where k > 1",
        "id",
        parents=(("table", "select id, k, x from raw.facts where g is not null"),),
    ),
    Case(
        "incremental parent",
        "select n, count(*) as ks from ref.p0 group by n",
        "n",
        parents=(("auto", "select k, count(*) as n from raw.facts group by k"),),
    ),
)

UNPROVABLE = (
    Case("limit", "select id, x from raw.facts order by id desc limit 5", "id"),
    Case("offset", "select id, x from raw.facts order by id offset 3", "id"),
    Case("global window", "select id, row_number() over (order by t, id) as nth from raw.facts", "id"),
    Case("global window of a share", "select id, x - avg(x) over () as above from raw.facts", "id"),
    Case("aggregate of everything", "select count(*) as n, max(x) as most from raw.facts"),
    Case("random", "select id, random() >= 0 as is_so from raw.facts", "id"),
    Case("now", "select id, now() > timestamptz '2024-01-01' as is_so from raw.facts", "id"),
    Case("compared with all", "select id from raw.facts where x >= (select avg(x) from raw.facts)", "id"),
    Case("cross joined total", "select id, s.n from raw.facts, (select count(*) as n from raw.facts) as s", "id"),
    Case(
        "exists at all",
        "select id, x from raw.facts where exists (select 1 from raw.other where y > 3)",
        "id",
        ("other",),
    ),
    Case(
        "top of all groups",
        "with per as (select k, count(*) as n from raw.facts where k > 0 group by k) "
        "select k, n, rank() over (order by n desc) as place from per",
        "k",
    ),
    Case(
        "qualify of everything",
        "select id, x from raw.facts qualify row_number() over (order by x, id) <= 7",
        "id",
    ),
)

EITHER = (
    Case("no key", "select k, g from raw.facts"),
    Case("key left out", "select count(*) as n from raw.facts group by k"),
    Case("key that is not one to one", "select k % 2 as odd, count(*) as n from raw.facts group by k"),
    Case("swapped names", "select x as k, k as x, count(*) as id from raw.facts group by x, k"),
    Case("union", 'select k, g from raw.facts union select k, "Group" as g from raw.other', "", _BOTH),
    Case("except", "select id from raw.facts except select id from raw.other where y is null", "id", _BOTH),
    Case("intersect all", "select k from raw.facts intersect all select k from raw.other", "", _BOTH),
    Case("in", "select id, k from raw.facts where k in (select k from raw.other where y > 1)", "id", _BOTH),
    Case(
        "not in, with NULL",
        "select id from raw.facts where x not in (select y from raw.other where id < 5)",
        "id",
        _BOTH,
    ),
    Case(
        "self join",
        "select a.id, count(b.id) as before from raw.facts as a left join raw.facts as b "
        "on a.k = b.k and b.id < a.id group by a.id",
        "id",
    ),
    Case(
        "self join on an expression",
        "select a.id, b.id as id_2 from raw.facts as a join raw.facts as b on a.k + 1 = b.k",
    ),
    Case(
        "scalar subquery",
        "select f.id, (select count(*) from raw.other as o where o.k = f.k) as n from raw.facts as f",
        "id",
        _BOTH,
    ),
    Case("distinct on", "select distinct on (k) k, id, x from raw.facts where k > 0 order by k, t, id", "k"),
    Case("unnest", "select f.id, u.v from raw.facts as f cross join lateral (select unnest([f.x, f.k]) as v) as u"),
    Case(
        "full join with NULL keys",
        "select coalesce(f.k, o.k) as k, f.id, o.id as id_2 from raw.facts as f full join raw.other as o on f.k = o.k",
        "",
        _BOTH,
    ),
    Case(
        "as of join",
        "with latest as (select k, t, max(x) as x from raw.facts group by k, t) "
        "select o.id, l.x from raw.other as o asof left join latest as l "
        "on l.k = o.k and timestamp '2024-01-01' + to_days(o.id::integer) >= l.t",
        "id",
        _BOTH,
    ),
    Case("group by NaN", "select d, count(*) as n from raw.facts group by d"),
    Case("grouping sets", "select k, g, count(*) as n, grouping(k, g) as level from raw.facts group by rollup (k, g)"),
    Case("two unequal sides", "select a.id, b.k from raw.facts as a join raw.dims as b on a.x < b.w", "", _STAR),
    Case(
        "moving range",
        "select id, count(*) over (partition by k order by t range interval 2 days preceding) as n from raw.facts",
        "id",
    ),
    Case(
        "recursion",
        "with recursive up as (select id, x from raw.facts where id = 1 union all "
        "select f.id, f.x from raw.facts as f join up on f.id = up.id + 1 where f.id < 9) select id, x from up",
        "id",
    ),
)
