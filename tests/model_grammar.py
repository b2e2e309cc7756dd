"""A grammar of models: drawn words in, the text of a deterministic query and what is known of its columns out.

Every query is deterministic as a bag of rows: an order that decides anything is over all columns that can be seen.
Tables stand in the text as `{{ source(...) }}` and `{{ ref(...) }}`; a key is only claimed where it is unique and
never NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.expression_grammar import LITERALS, TYPES, Ref, Words

WINDOWS = (
    *("row_number() over ({part}order by {all})", "rank() over ({part}order by {i})", "count(*) over ({part})"),
    *("cast(sum({i}) over ({part}) as bigint)", "cast(sum({i}) over ({part}order by {i}) as bigint)"),
    "cast(sum({i}) over ({part}order by {all} rows between 1 preceding and current row) as bigint)",
    *("lag({i}) over ({part}order by {all})", "lead({i}, 2, 0) over ({part}order by {all})"),
    *("first_value({i}) over ({part}order by {all})", "max({i}) over ({part}order by {i} groups 1 preceding)"),
    *("dense_rank() over ({part}order by {i} desc)", "ntile(2) over ({part}order by {all})"),
)
MOST_ROWS = 300


@dataclass(frozen=True, slots=True)
class Relation:
    """What can stand in FROM: its text, its columns as (name, kind), its key, and about how many rows it has."""

    text: str
    columns: tuple[tuple[str, str], ...]
    key: frozenset[str] = frozenset()
    rows: int = 8


@dataclass(frozen=True, slots=True)
class From:
    """A FROM clause; the key is of the texts of references."""

    text: str
    refs: tuple[Ref, ...]
    key: frozenset[str]
    rows: int

    @property
    def order(self) -> str:
        """All columns: an order that only ties rows that are the same."""
        return ", ".join(ref.text for ref in self.refs)


@dataclass
class Writer:
    """Writes one model; common table expressions gather as they are wanted."""

    words: Words
    tables: Sequence[Relation]

    def __post_init__(self) -> None:
        self.ctes: list[tuple[str, Relation]] = []
        self.aliases = 0

    def model(self, depth: int) -> Relation:
        query = self.query(depth)
        if not self.ctes:
            return query
        hints = ("", "", " materialized", " not materialized")
        ctes = ",\n".join(f"{name} as{self.words.pick(hints)} (\n{cte.text}\n)" for name, cte in self.ctes)
        return replace(query, text=f"with {ctes}\n{query.text}")

    # --- conditions ---------------------------------------------------------------------------------------------------

    def predicate(self, refs: Sequence[Ref], depth: int) -> str:
        """A condition of WHERE: subqueries may stand in it."""
        if not (depth > 0 and self.words.chance(40)):
            return self.words.test(refs)
        inner = self.single(depth - 1)
        outer, found = self.words.pair(refs, inner.refs)
        related = [f"{found} = {outer}"] if self.words.chance(65) else []
        tests = related + ([self.words.test((*inner.refs, *refs[:1]))] if self.words.chance(40) else [])
        where = f" where {' and '.join(tests)}" if tests else ""
        number = self.words.ref(refs, "int")
        forms = (
            f"exists (select 1 from {inner.text}{where})",
            f"not exists (select 1 from {inner.text}{where})",
            f"{outer} in (select {found} from {inner.text}{where})",
            f"{outer} not in (select {found} from {inner.text}{where})",
            f"{number} >= (select max({self.words.ref(inner.refs, 'int')}) from {inner.text}{where})",
            f"{number} = any (select {self.words.ref(inner.refs, 'int')} from {inner.text}{where})",
            f"(select count(*) from {inner.text}{where}) > {self.words.pick(LITERALS['int'])}",
        )
        test = self.words.pick(forms)
        return f"({test} {self.words.pick(('and', 'or'))} {self.words.test(refs)})" if self.words.chance(25) else test

    def scalar(self, refs: Sequence[Ref], depth: int) -> tuple[str, str]:
        """A correlated scalar subquery, and its kind."""
        inner = self.single(depth - 1)
        outer, found = self.words.pair(refs, inner.refs)
        equals = self.words.pick(("=", "=", "is not distinct from", "<"))
        more = f" and {self.words.test(inner.refs)}" if self.words.chance(30) else ""
        kind = self.words.pick(("int", "int", "text"))
        aggregate = self.words.aggregate(inner.refs, kind)
        return f"(select {aggregate} from {inner.text} where {found} {equals} {outer}{more})", kind

    # --- FROM --------------------------------------------------------------------------------------------------------

    def relation(self, depth: int) -> Relation:
        if self.ctes and self.words.chance(30):
            name, cte = self.words.pick(self.ctes)
            return replace(cte, text=name)
        if depth > 0 and self.words.chance(50):
            query = self.query(depth - 1)
            if self.words.chance(40):
                return replace(query, text=f"(\n{query.text}\n)")
            taken = {name for name, _ in self.ctes}
            free = [name for name in (f"part_{len(taken)}", "facts", "dims", "m0") if name not in taken]
            self.ctes.append((self.words.pick(free), query))
            return replace(query, text=self.ctes[-1][0])
        return self.words.pick(self.tables)

    def single(self, depth: int) -> From:
        """A relation under an alias of its own."""
        relation = self.relation(depth)
        self.aliases += 1
        alias = f"a{self.aliases}"
        refs = tuple(Ref(f"{alias}.{name}", kind, name) for name, kind in relation.columns)
        key = frozenset(f"{alias}.{name}" for name in relation.key)
        return From(f"{relation.text} as {alias}", refs, key, relation.rows)

    def source(self, depth: int) -> From:
        """One relation, or several joined."""
        left = self.single(depth)
        for _ in range(self.words.pick((0, 0, 0, 1, 1, 2))):
            right = self.single(depth)
            if left.rows * right.rows > MOST_ROWS:
                break
            form = self.words.pick((self.join, self.join, self.join, self.join, self.join_using, self.join_asof))
            left = form(left, right)
            if not any("." in ref.text for ref in left.refs[:1]):
                break  # a column of USING has no qualifier, and would be ambiguous in a further join
        if left.rows < MOST_ROWS // 2 and self.words.chance(6):
            self.aliases += 1
            pair = f"{self.words.ref(left.refs, 'int')}, {self.words.pick(LITERALS['int'])}"
            unnested = (*left.refs, Ref(f"a{self.aliases}.u", "int", "u"))
            text = f"{left.text}\ncross join lateral (select unnest([{pair}]) as u) as a{self.aliases}"
            left = From(text, unnested, frozenset(), left.rows * 2)
        return left

    def join(self, left: From, right: From) -> From:
        outer, inner = self.words.pair(left.refs, right.refs)
        forms = ("{0} = {1}",) * 7 + ("{0} is not distinct from {1}", "{0} < {1}")
        on = self.words.pick(forms).format(outer, inner)
        if self.words.chance(10):
            on = f"{self.words.ref(left.refs, 'int')} + 1 = {self.words.ref(right.refs, 'int')}"
        is_lookup = on == f"{outer} = {inner}" and right.key == {inner}
        if self.words.chance(25):
            on += f" and {self.words.test((*left.refs, *right.refs))}"
        kinds = ("join", "left join", "left join", "right join", "full join", "semi join", "anti join", "cross join")
        kind = self.words.pick(kinds)
        text = f"{left.text}\n{kind} {right.text}" + ("" if kind == "cross join" else f" on {on}")
        if kind in ("semi join", "anti join"):
            return From(text, left.refs, left.key, left.rows)
        key = left.key if is_lookup and kind in ("join", "left join") else frozenset()
        return From(text, left.refs + right.refs, key, left.rows * right.rows // 2)

    def join_using(self, left: From, right: From) -> From:
        names = [ref.name for ref in left.refs]
        shared = [a for a in left.refs for b in right.refs if (a.name, a.kind) == (b.name, b.kind)]
        once = [ref.name for ref in shared if names.count(ref.name) == 1]
        if not once:
            return self.join(left, right)
        name = self.words.pick(once)
        joined = next(Ref(name, ref.kind, name) for ref in left.refs if ref.name == name)
        others = tuple(ref for ref in (*left.refs, *right.refs) if ref.name != name)
        kind = self.words.pick(("join", "left join", "full join", "right join"))
        text = f"{left.text}\n{kind} {right.text} using ({name})"
        return From(text, (joined, *others), frozenset(), left.rows * right.rows // 2)

    def join_asof(self, left: From, right: From) -> From:
        times = [ref for ref in right.refs if ref.kind == "time"]
        ints = [ref for ref in right.refs if ref.kind == "int"]
        if not times or len(ints) < 2 or not any(ref.kind == "time" for ref in left.refs):
            return self.join(left, right)
        by, value, self.aliases = ints[0].text, self.words.pick(ints[1:]).text, self.aliases + 1
        latest = f"select {by} as by_, {times[0].text} as at_, max({value}) as latest from {right.text} group by all"
        alias = f"a{self.aliases}"
        on = f"{self.words.ref(left.refs, 'int')} = {alias}.by_ and {self.words.ref(left.refs, 'time')} >= {alias}.at_"
        text = f"{left.text}\nasof {self.words.pick(('join', 'left join'))} ({latest}) as {alias} on {on}"
        more = (Ref(f"{alias}.latest", "int", "latest"), Ref(f"{alias}.at_", "time", "at_"))
        return From(text, left.refs + more, left.key, left.rows)

    # --- queries -----------------------------------------------------------------------------------------------------

    def query(self, depth: int) -> Relation:
        often = (self.plain, self.grouped, self.windowed, self.plain, self.grouped, self.combined)
        rare = (self.distinct_on, self.distinct, self.windowed, self.combined, self.whole, self.limited)
        return self.words.pick(rare if self.words.chance(20) else often)(depth)

    def rest(self, source: From, depth: int) -> str:
        where = f"\nwhere {self.predicate(source.refs, depth)}" if self.words.chance(45) else ""
        return f"from {source.text}{where}"

    def columns(self, source: From, more: Sequence[tuple[str, str, str]] = ()) -> tuple[str, Relation]:
        """A list of expressions, and the columns that it makes; `more` are (text, kind, name)."""
        keyed = [ref for ref in source.refs if ref.text in source.key] if self.words.chance(80) else []
        drawn = [self.words.pick(source.refs) for _ in range(self.words.pick((1, 2, 3)) - (1 if more or keyed else 0))]
        wanted = [(ref.text, ref.kind, ref.name) for ref in keyed]
        wanted += [
            (ref.text if self.words.chance(75) else self.words.value(source.refs, ref.kind), ref.kind, ref.name)
            for ref in drawn
        ]
        return self.select([*wanted, *more], source)

    def select(self, wanted: Sequence[tuple[str, str, str]], source: From) -> tuple[str, Relation]:
        named: dict[str, tuple[str, str]] = {}
        for text, kind, preferred in wanted:
            name = self.words.pick(("k", "id", "x", "g")) if self.words.chance(8) else preferred
            if name in named:
                name = f"c{len(named)}"
            named[name] = (text, kind)
        at = {text: name for name, (text, _) in named.items()}
        key = frozenset(at[text] for text in source.key) if source.key <= at.keys() else frozenset()
        columns = tuple((name, kind) for name, (_, kind) in named.items())
        text = ", ".join(f"{text} as {name}" for name, (text, _) in named.items())
        return text, Relation("", columns, key, source.rows)

    def plain(self, depth: int) -> Relation:
        source = self.source(depth)
        scalars = [(*self.scalar(source.refs, depth), "looked_up")] if depth > 0 and self.words.chance(18) else []
        columns, relation = self.columns(source, scalars)
        return replace(relation, text=f"select {columns}\n{self.rest(source, depth)}")

    def distinct(self, depth: int) -> Relation:
        query = self.plain(depth)
        return replace(query, text=f"select distinct {query.text.removeprefix('select ')}")

    def grouped(self, depth: int) -> Relation:
        source = self.source(depth)
        usable = [ref for ref in source.refs if ref.kind in TYPES] or list(source.refs)
        keys: list[tuple[str, str, str]] = []
        never_null = set()
        for _ in range(self.words.pick((1, 1, 2))):
            ref = self.words.pick(usable)
            text = ref.text if self.words.chance(60) else self.words.value(source.refs, ref.kind)
            if ref.kind in LITERALS and self.words.chance(40):
                text = f"coalesce({ref.text}, {LITERALS[ref.kind][0]})"
                never_null.add(text)
            if text not in [key for key, _, _ in keys]:
                keys.append((text, ref.kind, ref.name))
        shown = keys if self.words.chance(80) else keys[1:]
        kinds = ("int", "int", "int", "text", "float", "time", "bool", "list")
        values = [self.aggregate(source, self.words.pick(kinds)) for _ in range(self.words.pick((1, 2, 3)))]
        all_keys = frozenset(text for text, _, _ in keys)
        key = all_keys if all_keys <= (never_null | source.key) else frozenset()
        columns, relation = self.select([*shown, *values], replace(source, key=key, rows=min(source.rows, 12)))
        by = "all" if shown == keys and self.words.chance(15) else ", ".join(text for text, _, _ in keys)
        having = ""
        if self.words.chance(20):
            number = self.words.ref(source.refs, "int")
            tests = ("count(*) > 1", f"max({number}) > 0", f"count(distinct {number}) = 1")
            having = f"\nhaving {self.words.pick(tests)}"
        return replace(relation, text=f"select {columns}\n{self.rest(source, depth)}\ngroup by {by}{having}")

    def aggregate(self, source: From, kind: str) -> tuple[str, str, str]:
        return self.words.aggregate(source.refs, kind), kind, f"agg_{kind}"

    def windowed(self, depth: int) -> Relation:
        source = self.source(depth)
        values = [(self.window(source), "int", "win") for _ in range(self.words.pick((1, 1, 2)))]
        columns, relation = self.columns(source, values)
        qualify = ""
        if self.words.chance(35):
            qualify = f"\nqualify {self.window(source)} {self.words.pick(('= 1', '<= 2', 'is null'))}"
        return replace(relation, text=f"select {columns}\n{self.rest(source, depth)}{qualify}")

    def window(self, source: From) -> str:
        keys = [self.words.pick(source.refs).text for _ in range(self.words.pick((1, 1, 1, 2)))]
        part = "" if self.words.chance(8) else f"partition by {', '.join(keys)} "
        form = self.words.pick(WINDOWS)
        return form.format(part=part, all=source.order, i=self.words.ref(source.refs, "int"))

    def distinct_on(self, depth: int) -> Relation:
        source = self.source(depth)
        key = self.words.pick(source.refs).text
        columns, relation = self.columns(source)
        order = f"{key}{self.words.pick(('', ' desc', ' nulls first'))}, {source.order}"
        text = f"select distinct on ({key}) {columns}\n{self.rest(source, depth)}\norder by {order}"
        return replace(relation, text=text)

    def combined(self, depth: int) -> Relation:
        """A set operation of two queries with columns of the same kinds."""
        left = self.plain(depth)
        source = self.source(depth)
        if left.rows + source.rows > MOST_ROWS:
            return left
        named = [
            (self.words.value(source.refs, kind) if kind != "list" else self.words.ref(source.refs, kind), name)
            for name, kind in left.columns
            if kind in TYPES
        ]
        if len(named) < len(left.columns):
            return left
        right = ", ".join(f"{text} as {name}" for text, name in named)
        operations = ("union all", "union all", "union all by name", "union", "except", "intersect", "except all")
        text = f"{left.text}\n{self.words.pick(operations)}\nselect {right}\n{self.rest(source, depth)}"
        if self.words.chance(30):
            text = f"select *\nfrom (\n{text}\n) as united"
        return replace(left, text=text, key=frozenset(), rows=left.rows + source.rows)

    def whole(self, depth: int) -> Relation:
        """An aggregate of everything: one row, also of no rows."""
        source = self.source(depth)
        values = [self.aggregate(source, "int"), self.aggregate(source, self.words.pick(("int", "text")))]
        columns, relation = self.select(values, replace(source, key=frozenset(), rows=1))
        return replace(relation, text=f"select {columns}\n{self.rest(source, depth)}")

    def limited(self, depth: int) -> Relation:
        source = self.source(depth)
        columns, relation = self.columns(source)
        # In parentheses, because a set operation would take the order for its own.
        inner = f"select {columns}\n{self.rest(source, depth)}\norder by {source.order}\nlimit 3"
        return replace(relation, text=f"select *\nfrom (\n{inner}\n) as first_rows")
