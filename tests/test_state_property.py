"""However a project was edited, and whatever part of it ran in between: after a run, every table is what it should be.

The oracle computes the models in plain Python from the project's present definition, and knows nothing of states,
fingerprints or versions.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbuild import Project
from tests.conftest import read_delta, write_files

IDS = range(4)
MODELS = 5
KINDS = ("table", "view", "ephemeral", "incremental")


@dataclass(frozen=True, slots=True)
class Definition:
    """A model: the sum of its parents' values, times a factor. A parent is an earlier model; -1 is the seed."""

    kind: str
    factor: int
    parents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shop:
    seed: tuple[int, ...]
    models: tuple[Definition, ...]

    def files(self) -> dict[str, str]:
        rows = "".join(f"{i},{value}\n" for i, value in zip(IDS, self.seed, strict=True))
        return {"fsbuild_project.yml": "name: shop\n", "seeds/m_seed.csv": f"id,value\n{rows}"} | {
            f"models/m{number}.sql": _sql(model) for number, model in enumerate(self.models)
        }

    def expected(self) -> list[list[dict[str, object]]]:
        values: list[list[int]] = []
        for model in self.models:
            parents = [self.seed if parent < 0 else values[parent] for parent in model.parents]
            values.append([model.factor * sum(parent[i] for parent in parents) for i in IDS])
        return [[{"id": i, "value": row[i]} for i in IDS] for row in values]


def _sql(model: Definition) -> str:
    names = ["m_seed" if parent < 0 else f"m{parent}" for parent in model.parents]
    total = " + ".join(f"{name}.value" for name in names)
    joins = " ".join(f"join {{{{ ref('{name}') }}}} as {name} on {name}.id = m_seed_0.id" for name in names)
    key = ", unique_key='id'" if model.kind == "incremental" else ""
    return (
        f"{{{{ config(materialized='{model.kind}'{key}) }}}}\n"
        f"select m_seed_0.id, cast({model.factor} * ({total}) as bigint) as value\n"
        f"from {{{{ ref('m_seed') }}}} as m_seed_0 {joins}\n"
    )


@st.composite
def definitions(draw: st.DrawFn, number: int) -> Definition:
    parents = draw(st.sets(st.integers(-1, number - 1), min_size=1, max_size=2))
    return Definition(draw(st.sampled_from(KINDS)), draw(st.integers(-2, 2)), tuple(sorted(parents)))


shops = st.builds(
    Shop,
    seed=st.tuples(*[st.integers(0, 9)] * len(IDS)),
    models=st.tuples(*[definitions(number) for number in range(MODELS)]),
)


@st.composite
def acts(draw: st.DrawFn) -> tuple[str, int, object]:
    what = draw(st.sampled_from(["model", "seed", "run some", "run", "lose target", "lose table", "full refresh"]))
    number = draw(st.integers(0, MODELS - 1))
    value: object = draw(definitions(number)) if what == "model" else draw(st.tuples(*[st.integers(0, 9)] * len(IDS)))
    return what, number, value


def _act(root: Path, shop: Shop, act: tuple[str, int, object]) -> Shop:
    what, number, value = act
    if what == "model" and isinstance(value, Definition):
        return replace(shop, models=(*shop.models[:number], value, *shop.models[number + 1 :]))
    if what == "seed" and isinstance(value, tuple):
        return replace(shop, seed=value)
    if what == "run some":
        Project(root).run(select=f"+m{number}")
    elif what == "run":
        Project(root).run()
    elif what == "full refresh":
        Project(root).run(select=f"+m{number}", full_refresh=True)
    elif what == "lose target":
        shutil.rmtree(root / "target", ignore_errors=True)
    elif what == "lose table":
        shutil.rmtree(root / f"lake/main/m{number}", ignore_errors=True)
    return shop


def _check(shop: Shop, todo: list[tuple[str, int, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root, shop.files())
        for act in todo:
            shop = _act(root, shop, act)
            write_files(root, shop.files())

        result = Project(root).run()

        assert result.is_success, result
        for number, (model, expected) in enumerate(zip(shop.models, shop.expected(), strict=True)):
            if model.kind in ("table", "incremental"):
                assert read_delta(root, f"m{number}") == expected, f"m{number} after {todo}"
        again = Project(root).run()
        assert {r.status for r in again.results if r.kind in ("table", "incremental")} <= {"unchanged"}


@given(shops, st.lists(acts(), max_size=5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_tables_are_what_the_project_says(shop: Shop, todo: list[tuple[str, int, object]]) -> None:
    _check(shop, todo)


@pytest.mark.slow
@given(shops, st.lists(acts(), max_size=8))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_tables_are_what_the_project_says_at_length(shop: Shop, todo: list[tuple[str, int, object]]) -> None:
    _check(shop, todo)
