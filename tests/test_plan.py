"""The plan stage: what is due, and the reason that a person reads. A table is only left alone where nothing differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbuild.errors import Place, UsageError
from fsbuild.plan import Situation, build_plan, physical_inputs
from fsbuild.values import (
    CompiledModel,
    Lineage,
    Model,
    ModelConfig,
    Plan,
    Relation,
    RenderedModel,
    RenderedSql,
    Seed,
    Step,
    TableState,
)

Kind = Literal["table", "view", "ephemeral", "incremental"]


def model(  # noqa: PLR0913 - a model of the tests, by what differs
    name: str,
    reads: Sequence[str] = (),
    kind: Kind = "table",
    *,
    definition: str = "v1",
    volatile: tuple[str, ...] = (),
    file_reads: tuple[str, ...] = (),
    full_refresh: bool | None = None,
) -> CompiledModel:
    config = ModelConfig(materialized=kind, full_refresh=full_refresh)
    path = f"models/{name}.sql"
    source = Model(name, name, path, "", {}, Place(path))
    rendered = RenderedModel(source, config, Relation("main", name), RenderedSql("", (1,)), None, tuple(reads))
    return CompiledModel(rendered, (), "", None, f"{name}-{definition}", Lineage, volatile, file_reads=file_reads)


def seed(name: str, fingerprint: str = "bytes", **config: object) -> Seed:
    return Seed(name, name, f"seeds/{name}.csv", fingerprint, ModelConfig(**config), Relation("main", name))  # type: ignore[arg-type]


def situation(
    nodes: Sequence[CompiledModel | Seed],
    states: Mapping[str, TableState] | None = None,
    tokens: Mapping[str, str] | None = None,
) -> Situation:
    states = states or {}
    return Situation(
        models={node.unique_id: node for node in nodes if isinstance(node, CompiledModel)},
        seeds={node.unique_id: node for node in nodes if isinstance(node, Seed)},
        states=states,
        tokens={name: state.token for name, state in states.items()} | dict(tokens or {}),
        names={node.unique_id: node.unique_id for node in nodes} | {name: name for name in tokens or {}},
    )


def published(here: Situation, plan: Plan, *, suffix: str = "1") -> Situation:
    """What the lake holds after a run that carried out a plan."""
    states, tokens = dict(here.states), dict(here.tokens)
    for step in plan.steps:
        if step.action in ("create", "replace", "increment", "load"):
            inputs = physical_inputs(step.unique_id, here.models) if step.unique_id in here.models else ()
            token = f"{step.unique_id}@{suffix}"
            states[step.unique_id] = TableState(0, token, step.fingerprint, {name: tokens[name] for name in inputs})
            tokens[step.unique_id] = token
    return replace(here, states=states, tokens=tokens)


def after_a_run(nodes: Sequence[CompiledModel | Seed], **tokens: str) -> Situation:
    here = situation(nodes, tokens=tokens)
    return published(here, build_plan(here, [node.unique_id for node in nodes]))


def steps_of(here: Situation, refreshed: frozenset[str] = frozenset()) -> dict[str, Step]:
    order = [*here.seeds, *here.models]
    return {step.unique_id: step for step in build_plan(here, order, refreshed).steps}


def redefine(here: Situation, *models: CompiledModel) -> Situation:
    return replace(here, models={**here.models, **{one.unique_id: one for one in models}})


def test_inputs_are_those_behind_views_too_each_once() -> None:
    nodes = [
        model("a", ["raw"]),
        model("v", ["a", "raw"], "view"),
        model("e", ["v"], "ephemeral"),
        model("b", ["e", "a", "v"]),
    ]
    assert physical_inputs("b", {node.unique_id: node for node in nodes}) == ("a", "raw")


# --- reasons ---------------------------------------------------------------------------------------------------------

CHAIN: Sequence[CompiledModel | Seed] = [seed("s"), model("a", ["s", "raw"]), model("i", ["a"], "incremental")]


def test_a_first_run_makes_everything() -> None:
    steps = steps_of(situation(CHAIN, tokens={"raw": "1", "s": "0", "a": "0"}))
    assert [(step.action, step.reason) for step in steps.values()] == [
        ("load", "it is not loaded yet"),
        ("create", "there is no table yet"),
        ("create", "there is no table yet"),
    ]
    assert not any(step.is_conditional for step in steps.values())


def test_a_second_run_has_nothing_to_do() -> None:
    here = after_a_run(CHAIN, raw="1")
    assert [(step.action, step.reason) for step in steps_of(here).values()] == [
        ("keep", "its file has not changed"),
        ("keep", "nothing that it reads has changed"),
        ("keep", "nothing that it reads has changed"),
    ]


def test_views_are_computed_where_they_are_read() -> None:
    steps = steps_of(situation([model("v", [], "view"), model("e", [], "ephemeral")]))
    assert [(step.action, step.reason) for step in steps.values()] == [
        ("view", "computed by the queries that read it"),
        ("inline", "computed by the queries that read it"),
    ]


@dataclass(frozen=True, slots=True)
class Seen:
    """A step as a person sees it."""

    action: str
    reason: str
    is_conditional: bool = False


def seen(step: Step) -> Seen:
    return Seen(step.action, step.reason, step.is_conditional)


def with_state(here: Situation, name: str, **changes: object) -> Situation:
    return replace(here, states={**here.states, name: replace(here.states[name], **changes)})  # type: ignore[arg-type]


def with_token(here: Situation, **tokens: str) -> Situation:
    return replace(here, tokens={**here.tokens, **tokens})


HERE = after_a_run(CHAIN, raw="1")
REASONS: Mapping[str, tuple[Situation, str, Seen]] = {
    "its SQL": (
        redefine(HERE, model("a", ["s", "raw"], definition="v2")),
        "a",
        Seen("replace", "its SQL, columns or configuration changed"),
    ),
    "a parent's SQL": (
        redefine(HERE, model("a", ["s", "raw"], definition="v2")),
        "i",
        Seen("replace", "a model that it reads was redefined"),
    ),
    "a source": (with_token(HERE, raw="2"), "a", Seen("replace", "raw has changed")),
    "a parent that runs": (with_token(HERE, raw="2"), "i", Seen("increment", "a runs before it", is_conditional=True)),
    "a seed's file": (
        replace(HERE, seeds={"s": seed("s", "new bytes")}),
        "s",
        Seen("load", "its file or column types changed"),
    ),
    "a seed's types": (
        replace(HERE, seeds={"s": seed("s", column_types={"id": "INT"})}),
        "s",
        Seen("load", "its file or column types changed"),
    ),
    "a seed that runs": (
        replace(HERE, seeds={"s": seed("s", "new bytes")}),
        "a",
        Seen("replace", "s runs before it", is_conditional=True),
    ),
    "a seed that another program changed": (
        with_state(HERE, "s", changed_by="DELETE"),
        "s",
        Seen("load", "another program changed its table (DELETE)"),
    ),
    "another program's table": (
        with_state(HERE, "a", fingerprint=None),
        "a",
        Seen("replace", "its table was not written by fsbuild"),
    ),
    "another program's change": (
        with_state(HERE, "i", changed_by="MERGE"),
        "i",
        Seen("replace", "another program changed its table (MERGE)"),
    ),
    "an input that is new": (
        with_state(HERE, "i", inputs={}),
        "i",
        Seen("increment", "a is read for the first time"),
    ),
    "a clock": (
        redefine(HERE, model("a", ["s", "raw"], volatile=("now",))),
        "a",
        Seen("replace", "it calls now(), which differs from run to run"),
    ),
    "files of its own": (
        redefine(HERE, model("a", ["s", "raw"], file_reads=("read_csv", "'x.csv'"))),
        "a",
        Seen("replace", "it reads files by itself (read_csv), whose changes cannot be seen; declare a source"),
    ),
    "always refreshed": (
        redefine(HERE, model("i", ["a"], "incremental", full_refresh=True)),
        "i",
        Seen("replace", "a full refresh was asked for"),
    ),
}


@pytest.mark.parametrize("case", REASONS.values(), ids=REASONS.keys())
def test_a_step_says_why(case: tuple[Situation, str, Seen]) -> None:
    here, name, expected = case
    assert seen(steps_of(here)[name]) == expected


@pytest.mark.parametrize("reads", [{"volatile": ("now",)}, {"file_reads": ("read_csv",)}])
def test_a_table_that_reads_a_clock_or_files_through_a_view_is_due_every_time(
    reads: dict[str, tuple[str, ...]],
) -> None:
    here = after_a_run([model("v", [], "view", **reads), model("a", ["v"])])  # type: ignore[arg-type]
    assert steps_of(here)["a"].action == "replace"


def test_a_full_refresh_rebuilds_what_was_asked_for_and_no_more() -> None:
    steps = steps_of(HERE, frozenset({"s", "i"}))
    assert [seen(step) for step in steps.values()] == [
        Seen("load", "a full refresh was asked for"),
        Seen("replace", "s runs before it", is_conditional=True),
        Seen("replace", "a full refresh was asked for"),
    ]


@pytest.mark.parametrize("definition", ["v1", "v2"])
def test_full_refresh_false_keeps_an_incremental_table(definition: str) -> None:
    here = after_a_run([model("i", ["raw"], "incremental", full_refresh=False)], raw="1")
    here = redefine(here, model("i", ["raw"], "incremental", full_refresh=False, definition=definition))
    step = steps_of(here, frozenset({"i"}))["i"]
    assert (step.action, step.reason) == ("increment", "a full refresh was asked for, but full_refresh is false")


def test_full_refresh_false_says_nothing_of_a_table_that_is_made_whole_every_time() -> None:
    here = after_a_run([model("a", ["raw"], full_refresh=False)], raw="1")
    assert steps_of(redefine(here, model("a", ["raw"], full_refresh=False, definition="v2")))["a"].action == "replace"


def test_an_input_that_is_neither_built_nor_selected_is_told_once() -> None:
    nodes = [model("a"), model("v", ["a"], "view"), model("b", ["v", "a"]), model("c", ["a"])]
    with pytest.raises(UsageError) as caught:
        build_plan(situation(nodes), ["v", "b", "c"])
    assert [str(problem).splitlines()[0] for problem in caught.value.problems] == [
        "models/v.sql: 'v' reads 'a', which is neither built nor selected",
        "models/b.sql: 'b' reads 'a', which is neither built nor selected",
        "models/c.sql: 'c' reads 'a', which is neither built nor selected",
    ]


def test_a_parent_outside_the_run_counts_as_its_table_was_written() -> None:
    here = redefine(HERE, model("a", ["s", "raw"], definition="v2"))
    (step,) = build_plan(here, ["i"]).steps
    assert (step.action, step.reason) == ("keep", "nothing that it reads has changed")


# --- what always holds -----------------------------------------------------------------------------------------------


@st.composite
def projects(draw: st.DrawFn) -> list[CompiledModel | Seed]:
    """A seed, and models that read it, a source and each other."""
    nodes: list[CompiledModel | Seed] = [seed("s")]
    names = ["s", "raw"]
    for number in range(draw(st.integers(1, 6))):
        reads = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        kind: Kind = draw(st.sampled_from(["table", "view", "ephemeral", "incremental"]))
        nodes.append(model(f"m{number}", reads, kind))
        names.append(f"m{number}")
    return nodes


def is_table(one: CompiledModel) -> bool:
    return one.rendered.config.materialized in ("table", "incremental")


def ancestors(name: str, models: Mapping[str, CompiledModel]) -> set[str]:
    reads = models[name].rendered.depends_on if name in models else ()
    return set(reads) | {far for parent in reads for far in ancestors(parent, models)}


@given(projects(), st.data())
def test_a_table_is_kept_exactly_where_nothing_upstream_of_it_differs(
    nodes: list[CompiledModel | Seed], data: st.DataObject
) -> None:
    here = after_a_run(nodes, raw="1")
    names = [*here.models, "s", "raw"]
    touched = data.draw(st.sets(st.sampled_from(names), max_size=2))
    foreign = data.draw(
        st.sets(st.sampled_from([n for n, m in here.models.items() if is_table(m)] or ["-"]), max_size=1)
    )
    now = here
    for name in touched:
        if name in here.models:
            now = redefine(now, replace(here.models[name], fingerprint="another"))
        elif name == "raw":
            now = with_token(now, raw="2")
        else:
            now = replace(now, seeds={"s": seed("s", "other bytes")})
    for name in foreign - {"-"}:
        now = with_token(with_state(now, name, changed_by="DELETE", token="theirs"), **{name: "theirs"})  # noqa: S106 - no password

    steps = steps_of(now)

    for name, one in here.models.items():
        upstream = ancestors(name, here.models) | {name}
        if is_table(one):
            assert (steps[name].action == "keep") == (not upstream & (touched | foreign)), name


@given(projects(), st.data())
def test_a_run_leaves_nothing_to_do_whatever_was_there(nodes: list[CompiledModel | Seed], data: st.DataObject) -> None:
    here = after_a_run(nodes, raw="1")
    lost = data.draw(st.sets(st.sampled_from([node.unique_id for node in nodes])))
    kept = {name: state for name, state in here.states.items() if name not in lost}
    here = replace(here, states=kept, tokens={n: t for n, t in here.tokens.items() if n == "raw" or n in kept})
    order = [node.unique_id for node in nodes]

    again = published(here, build_plan(here, order), suffix="2")

    assert {step.action for step in build_plan(again, order).steps} <= {"keep", "view", "inline"}


@given(projects(), st.data())
def test_a_plan_depends_on_nothing_but_what_it_is_given(nodes: list[CompiledModel | Seed], data: st.DataObject) -> None:
    here = after_a_run(nodes, raw="1")
    refreshed = frozenset(data.draw(st.sets(st.sampled_from([node.unique_id for node in nodes]))))
    first, second = steps_of(here, refreshed), steps_of(here, refreshed)
    assert first == second
    assert list(first) == [*here.seeds, *here.models]
    for name, step in first.items():
        running = [parent for parent in ancestors(name, here.models) if first.get(parent, step).action != "keep"]
        assert not step.is_conditional or running
