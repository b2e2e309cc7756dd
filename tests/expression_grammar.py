"""Expressions of the model grammar: hypothesis draws and the columns in reach in, SQL expressions out.

None depends on the order of rows: where an aggregate does, it orders by all the columns in reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

TYPES = {"int": "integer", "text": "varchar", "float": "double", "time": "timestamp", "bool": "boolean"}
LITERALS = {
    "int": ("0", "1", "2", "3", "-1", "5"),
    "text": ("'a'", "'b'", "''", "'n1'"),
    "float": ("0.0", "0.5", "'nan'::double"),
    "time": ("timestamp '2024-01-01'", "timestamp '2024-01-02'", "timestamp '2024-01-09'"),
    "bool": ("true", "false"),
}
FORMS = {
    "int": (
        *("{0} + 1", "coalesce({0}, 0)", "-{0}", "{0} % 2", "nullif({0}, {1})", "{0} + {1}", "{0} // 2"),
        *("greatest({0}, {1})", "case when {p} then {0} else {1} end", "case when {p} then {0} end", "if({p}, 1, 0)"),
    ),
    "text": ("upper({0})", "coalesce({0}, 'z')", "{0} || '!'", "{0} || {1}", "case when {p} then {0} else 'no' end"),
    "float": ("{0} + 0.5", "coalesce({0}, 0.5)", "case when {p} then {0} end"),
    "time": ("cast(date_trunc('month', {0}) as timestamp)", "{0} + interval 1 day", "coalesce({0}, {1})"),
    "bool": ("not {0}", "coalesce({0}, false)", "{p}"),
}
TESTS = (
    *("{0} = {l}", "{0} <> {l}", "{0} < {l}", "{0} >= {l}", "{0} = {1}", "{0} <= {1}", "{0} in ({l}, {m})"),
    *("{0} in ({l}, null)", "{0} not in ({l}, {m})", "{0} not in ({l}, null)", "{0} between {l} and {m}"),
    *("{0} is distinct from {l}", "{0} is not distinct from {1}", "{0} is null", "{0} is not null"),
)
AGGREGATES = {
    "int": (
        *("count({0})", "count(distinct {0})", "cast(sum({0}) as bigint)", "min({0})", "max({0})"),
        *("cast(count(*) filter (where {p}) as bigint)", "cast(sum({0}) filter (where {p}) as bigint)", "count(*)"),
        *("arg_max({0}, row({all}))", "arg_min({0}, row({all}))", "max(distinct {0})", "first({0} order by {all})"),
    ),
    "text": ("min({0})", "max({0})", "string_agg({0}, ',' order by {0})", "arg_max({0}, row({all}))"),
    "float": ("min({0})", "max({0})", "avg({i})", "avg({i}) filter (where {p})"),
    "time": ("min({0})", "max({0})", "arg_max({0}, row({all}))"),
    "bool": ("bool_or({p})", "bool_and({p})"),
    "list": ("list({i} order by {i})", "list(distinct {i} order by {i})", "list({i} order by {all})"),
}


@dataclass(frozen=True, slots=True)
class Ref:
    """A value that an expression can read: its text, its kind, and the name of its column."""

    text: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Words:
    """Draws, and what is written by them."""

    draw: st.DrawFn

    # Draws shrink to the first option, and to False.
    def pick(self, options: Sequence[T]) -> T:
        return self.draw(st.sampled_from(options))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def ref(self, refs: Sequence[Ref], kind: str) -> str:
        found = [ref.text for ref in refs if ref.kind == kind]
        return self.pick(found) if found else f"cast(null as {TYPES[kind]})"

    def value(self, refs: Sequence[Ref], kind: str) -> str:
        base = self.ref(refs, kind)
        if kind not in FORMS or not self.chance(30):
            return base
        return self.form(self.pick(FORMS[kind]), refs, kind, base)

    def form(self, form: str, refs: Sequence[Ref], kind: str, base: str) -> str:
        return form.format(
            base,
            self.ref(refs, kind) if "{1}" in form else "",
            p=self.test(refs) if "{p}" in form else "",
            i=self.ref(refs, "int") if "{i}" in form else "",
            l=self.pick(LITERALS[kind]) if "{l}" in form else "",
            m=self.pick(LITERALS[kind]) if "{m}" in form else "",
            all=", ".join(ref.text for ref in refs),
        )

    def aggregate(self, refs: Sequence[Ref], kind: str) -> str:
        base = self.ref(refs, kind) if kind in TYPES else ""
        return self.form(self.pick(AGGREGATES[kind]), refs, kind, base)

    def test(self, refs: Sequence[Ref]) -> str:
        ref = self.pick([ref for ref in refs if ref.kind in TYPES] or [Ref("1", "int", "")])
        test = self.form(self.pick(TESTS), refs, ref.kind, ref.text)
        if self.chance(25):
            test = f"({test} {self.pick(('or', 'and'))} {self.test(refs)})"
        return f"not ({test})" if self.chance(10) else test

    def pair(self, left: Sequence[Ref], right: Sequence[Ref]) -> tuple[str, str]:
        """Two values of one kind; of one name rather than another."""
        pairs = [(a, b) for a in left for b in right if a.kind == b.kind and a.kind in TYPES]
        if not pairs:
            return "1", "1"
        named = [(a, b) for a, b in pairs if a.name == b.name]
        a, b = self.pick(named) if named and self.chance(70) else self.pick(pairs)
        return a.text, b.text
