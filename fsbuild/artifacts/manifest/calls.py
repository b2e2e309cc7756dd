"""The text of a template in, what it calls out: its `ref()`s and `source()`s with their arguments, and macros.

What a template depends on is known from rendering; only how it is written is read here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from fsbuild.artifacts.manifest.shapes import Entry, ref_args
from fsbuild.model_versions import versioned_name

_JINJA = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_REF = re.compile(r"\bref\s*(\([^()]*\))")
_SNAPSHOT = re.compile(
    r"\{#[-+]?\s*snapshot\s+\w+\s*[-+]?#\}(?P<inside>.*)\{#[-+]?\s*endsnapshot\s*[-+]?#\}", re.DOTALL
)
_TAG = re.compile(r"\{#([-+]?\s*(?:snapshot\s+\w+|endsnapshot)\s*[-+]?)#\}")
# dbt's own macros that models call by these names; others of its own are called as `dbt.name`.
_OF_DBT = ("is_incremental", "run_query", "statement")
_PAIR = 2


def jinja_of(text: str) -> str:
    """The text inside of Jinja's braces, without its comments."""
    return " ".join(part for part in _JINJA.findall(text) if not part.startswith("{#"))


def refs_in(jinja: str, nodes: Iterable[str]) -> list[Entry]:
    """The calls of `ref()` for the models, seeds and snapshots among `nodes`, which are unique ids."""
    names = dict.fromkeys(name.split(".", 2)[2] for name in nodes if not name.startswith("source."))
    found: list[Entry] = []
    meant: set[str] = set()
    for one in all_refs(jinja):
        of_it = [name for name in names if name in (one["name"], versioned_name(one["name"], one["version"]))]
        latest = [name for name in names if name.startswith(versioned_name(one["name"], ""))]
        of_it = of_it or (latest if one["version"] is None else [])
        meant.update(of_it)
        found += [one] if of_it and one not in found else []
    return found + [ref_args(*name.split(".v", 1)[:1]) for name in names if name not in meant]


def sources_in(nodes: Iterable[str]) -> list[list[str]]:
    """The tables of sources among nodes, by the names that `source()` takes."""
    return [name.split(".", 3)[2:] for name in nodes if name.startswith("source.") and ".pinned." not in name]


def all_refs(jinja: str) -> Iterator[Entry]:
    """Every call of `ref()` whose arguments are written out."""
    for arguments in _REF.findall(jinja) if "ref" in jinja else ():
        if (found := _arguments(arguments)) is not None:
            yield ref_args(*found)


@lru_cache(maxsize=10_000)
def _arguments(written: str) -> tuple[str, str | None, object] | None:
    """The name, the package and the version that a call of `ref()` has; None where it has to be evaluated."""
    try:
        call = ast.parse(f"f{written}", mode="eval").body
        names = [ast.literal_eval(one) for one in call.args]  # type: ignore[attr-defined]
        given = {one.arg: ast.literal_eval(one.value) for one in call.keywords}  # type: ignore[attr-defined]
    except (SyntaxError, ValueError):
        return None  # what is computed is known by its node alone
    # A `version` of fsbuild's is one of the table and not of the model.
    return (str(names[-1]), str(names[0]) if len(names) == _PAIR else None, given.get("v")) if names else None


class MacroNames:
    """Which macros a template calls: those of the project by its name for them, and dbt's."""

    def __init__(self, own: Collection[str], project: str) -> None:
        self._ids = {name: f"macro.dbt.{name}" for name in _OF_DBT} | {name: f"macro.{project}.{name}" for name in own}
        words = "|".join(re.escape(name) for name in sorted(self._ids, key=len, reverse=True))
        self._called = re.compile(rf"\b(?:(dbt)\.(\w+)|(?:{re.escape(project)}\.)?({words}))\s*\(")

    def called_in(self, jinja: str) -> list[str]:
        """The unique ids of macros, in the order of their first call."""
        found = (
            f"macro.dbt.{name}" if package else self._ids[own] for package, name, own in self._called.findall(jinja)
        )
        return list(dict.fromkeys(found))


def inside_block(text: str) -> str:
    """What is inside of a snapshot block, whose tags are comments by now."""
    found = _SNAPSHOT.search(text)
    return found["inside"] if found else text


def as_written(text: str) -> str:
    """The text of a file with its snapshot block as it is written."""
    return _TAG.sub(lambda tag: f"{{%{tag[1]}%}}", text)
