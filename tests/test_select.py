"""Selection: dbt's syntax, method by method, on one small project; graph operators against a naive oracle.

carriers (seed) --.
nyc.flights ------+-> stg_flights --> delays --> carrier_delay --+-> training
nyc.weather --------> stg_weather --> origin_weather ------------'
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbuild.errors import Place, UsageError
from fsbuild.graph import Graph, build_graph
from fsbuild.select import select_nodes
from fsbuild.values import GraphNode


def source(name: str) -> GraphNode:
    fqn, place = ("flights", "nyc", name), Place("models/sources.yml", 3)
    return GraphNode(f"source.{name}", name, "source", place.file, fqn, "source", ("raw",), (), place, "nyc")


def seed(name: str) -> GraphNode:
    path = f"seeds/{name}.csv"
    return GraphNode(f"seed.{name}", name, "seed", path, ("flights", name), "seed", (), (), Place(path))


def model(place: str, *reads: str, materialized: str = "view", tags: tuple[str, ...] = ()) -> GraphNode:
    *folder, name = place.split("/")
    path, fqn = "/".join(("models", *folder, f"{name}.sql")), ("flights", *folder, name)
    return GraphNode(f"model.{name}", name, "model", path, fqn, materialized, tags, reads, Place(path))


NODES = [
    seed("carriers"),
    source("flights"),
    source("weather"),
    model("staging/stg_flights", "source.flights", "seed.carriers", tags=("daily",)),
    model("staging/stg_weather", "source.weather"),
    model("marts/delay/delays", "model.stg_flights", materialized="table"),
    model("marts/delay/carrier_delay", "model.delays", materialized="incremental", tags=("daily", "feature")),
    model("marts/weather/origin_weather", "model.stg_weather", tags=("feature",)),
    model("training", "model.carrier_delay", "model.origin_weather", materialized="table"),
]
FLIGHTS = build_graph(NODES)
ALL = "carriers flights weather stg_flights stg_weather delays origin_weather carrier_delay training"


def names(graph: Graph, select: list[str], exclude: list[str] | None = None) -> str:
    return " ".join(graph.nodes[unique_id].name for unique_id in select_nodes(graph, select, exclude or []).ids)


def messages(select: list[str], exclude: list[str] | None = None) -> list[str]:
    with pytest.raises(UsageError) as caught:
        select_nodes(FLIGHTS, select, exclude or [])
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        # names, and folders as dotted names, with or without the project
        ("delays", "delays"),
        ("carriers", "carriers"),
        ("staging", "stg_flights stg_weather"),
        ("staging.stg_flights", "stg_flights"),
        ("flights.staging.stg_flights", "stg_flights"),
        ("marts.delay", "delays carrier_delay"),
        ("flights.marts", "delays origin_weather carrier_delay"),
        ("flights", "carriers stg_flights stg_weather delays origin_weather carrier_delay training"),
        ("fqn:delays", "delays"),
        ("fqn:weather", ""),  # a source, or a folder's last part, is not a model's name
        # wildcards: against the name, and against the dotted name
        ("stg_*", "stg_flights stg_weather"),
        ("*delay*", "delays carrier_delay"),
        ("stg_[fx]lights", "stg_flights"),
        ("delay?", "delays"),
        ("flights.staging.*", "stg_flights stg_weather"),
        ("marts.*.*_delay", "carrier_delay"),
        ("*.weather.*", "origin_weather"),
        ("*", "carriers stg_flights stg_weather delays origin_weather carrier_delay training"),
        ("fqn:*", "carriers stg_flights stg_weather delays origin_weather carrier_delay training"),
        # paths: a folder, a file, a glob that stops at a slash, a glob of any depth
        ("path:models/staging", "stg_flights stg_weather"),
        ("models/staging/", "stg_flights stg_weather"),
        ("./models/staging", "stg_flights stg_weather"),
        ("path:models/stag", ""),
        ("path:seeds", "carriers"),
        ("path:models/sources.yml", "flights weather"),
        ("models/marts/delay/delays.sql", "delays"),
        ("models/*/delays.sql", ""),
        ("models/*/*/delays.sql", "delays"),
        ("models/**/delays.sql", "delays"),
        ("models/**/training.sql", "training"),
        ("path:models/m*", "delays origin_weather carrier_delay"),
        ("path:models/**", ALL.removeprefix("carriers ")),
        ("path:.", ALL),
        ("models/gone.sql", ""),
        # files
        ("file:delays.sql", "delays"),
        ("file:delays", "delays"),
        ("file:stg_*.sql", "stg_flights stg_weather"),
        ("delays.sql", "delays"),
        ("carriers.csv", "carriers"),
        ("gone.sql", ""),
        # properties
        ("tag:feature", "origin_weather carrier_delay"),
        ("tag:da*", "stg_flights carrier_delay"),
        ("config.tags:feature", "origin_weather carrier_delay"),
        ("tag:none", ""),
        ("config.materialized:incremental", "carrier_delay"),
        ("config.materialized:table", "delays training"),
        ("resource_type:seed", "carriers"),
        ("resource_type:source", "flights weather"),
        ("source:nyc", "flights weather"),
        ("source:*", "flights weather"),
        ("source:nyc.flights", "flights"),
        ("source:nyc.f*", "flights"),
        ("source:flights.nyc.weather", "weather"),
        ("source:flights", ""),
        # graph operators
        ("+delays", "carriers flights stg_flights delays"),
        ("delays+", "delays carrier_delay training"),
        ("1+delays", "stg_flights delays"),
        ("2+carrier_delay", "stg_flights delays carrier_delay"),
        ("0+delays", "delays"),
        ("stg_flights+1", "stg_flights delays"),
        ("stg_flights+12", "stg_flights delays carrier_delay training"),
        ("1+delays+1", "stg_flights delays carrier_delay"),
        ("+delays+", "carriers flights stg_flights delays carrier_delay training"),
        ("@delays", ALL),
        ("@origin_weather", ALL),
        ("@+training", ALL),
        ("source:nyc.weather+", "weather stg_weather origin_weather training"),
        ("+tag:feature", ALL.removesuffix(" training")),
        ("1+tag:feature", "stg_weather delays origin_weather carrier_delay"),
        ("+path:models/staging+1", "carriers flights weather stg_flights stg_weather delays origin_weather"),
        # a space means or, a comma means and
        ("delays training", "delays training"),
        ("tag:daily tag:feature", "stg_flights origin_weather carrier_delay"),
        ("tag:daily,tag:feature", "carrier_delay"),
        ("tag:daily,tag:feature delays", "delays carrier_delay"),
        ("+training,resource_type:source", "flights weather"),
        ("delays+,+training,config.materialized:table", "delays training"),
        ("  delays \n training ", "delays training"),
    ],
)
def test_a_selector_means_what_it_means_in_dbt(selector: str, chosen: str) -> None:
    assert names(FLIGHTS, [selector]) == chosen


@pytest.mark.parametrize(
    ("select", "exclude", "chosen"),
    [
        ([], [], ALL),
        (["training", "delays"], [], "delays training"),
        ([], ["source:*", "resource_type:seed", "+training,tag:feature"], "stg_flights stg_weather delays training"),
        (["+delays"], ["resource_type:source carriers"], "stg_flights delays"),
        (["1+carrier_delay", "tag:daily,staging"], ["delays"], "stg_flights carrier_delay"),
        (["delays"], ["+training"], ""),
        (["delays"], ["tag:none"], "delays"),
    ],
)
def test_several_arguments_are_united_and_the_excluded_taken_away(
    select: list[str], exclude: list[str], chosen: str
) -> None:
    assert names(FLIGHTS, select, exclude) == chosen


def test_what_matches_nothing_is_reported_as_it_was_written() -> None:
    selected = select_nodes(FLIGHTS, ["tag:x delays", "+tag:feature,*_x", "models/y.sql"], ["tag:x", "z*"])
    assert selected.ids == ("model.delays",)
    assert selected.unmatched == ("tag:x", "+tag:feature,*_x", "models/y.sql", "z*")


SYNTAX = "\n  hint: write name, +name, name+, 2+name+1, @name or method:value; a space means or, a comma means and"


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("", f"'' is not a selector{SYNTAX}"),
        (" ", f"'' is not a selector{SYNTAX}"),
        ("+", f"'+' is not a selector{SYNTAX}"),
        ("2+", f"'2+' is not a selector{SYNTAX}"),
        ("@", f"'@' is not a selector{SYNTAX}"),
        ("++delays", f"'++delays' is not a selector{SYNTAX}"),
        ("delays++", f"'delays++' is not a selector{SYNTAX}"),
        ("tag:", f"'tag:' is not a selector{SYNTAX}"),
        ("+tag:", f"'+tag:' is not a selector{SYNTAX}"),
        ("delays,", f"'' is not a selector in 'delays,'{SYNTAX}"),
        (",delays", f"'' is not a selector in ',delays'{SYNTAX}"),
        (
            "@delays+",
            (
                "'@delays+' is not a selector: '@' before and '+' after exclude each other\n"
                "  hint: '@delays' already takes all that reads delays"
            ),
        ),
        ("tags:feature", "unknown method 'tags' in selector 'tags:feature'\n  hint: did you mean 'tag'?"),
        (
            "+state:modified",
            (
                "selector 'state:modified' compares with another state\n"
                "  hint: name the folder of the artifacts to compare with: --state target-of-production"
            ),
        ),
        (
            "test_type:units",
            "unknown type of tests 'units' in selector 'test_type:units'\n  hint: did you mean 'unit'?",
        ),
        (
            "version:newest",
            (
                "unknown kind of versions 'newest' in selector 'version:newest'\n"
                "  hint: there are latest, prerelease, old, none"
            ),
        ),
        ("selector:nightly", "selectors.yml has no selector 'nightly'"),
        (
            "resource_type:models",
            "unknown resource type 'models' in selector 'resource_type:models'\n  hint: did you mean 'model'?",
        ),
        (
            "resource_type:function",
            (
                "unknown resource type 'function' in selector 'resource_type:function'\n"
                "  hint: there are model, snapshot, seed, source, exposure, unit_test, test, metric, semantic_model, "
                "saved_query, analysis"
            ),
        ),
        (
            "source:a.b.c.d",
            "selector 'source:a.b.c.d' has too many dots\n  hint: write source:name or source:name.table",
        ),
        ("+delay+", "no model, seed or folder is named 'delay'\n  hint: did you mean 'delays'?"),
        ("stagin", "no model, seed or folder is named 'stagin'\n  hint: did you mean 'staging'?"),
        (
            "staging.stg_fligts",
            "no model, seed or folder is named 'staging.stg_fligts'\n  hint: did you mean 'staging.stg_flights'?",
        ),
        ("delays,qqq", "no model, seed or folder is named 'qqq'"),
        (
            "nyc.flights+",
            "no model, seed or folder is named 'nyc.flights'\n  hint: a source is selected as 'source:nyc.flights'",
        ),
        ("nyc", "no model, seed or folder is named 'nyc'\n  hint: a source is selected as 'source:nyc'"),
        (
            "weather",
            "no model, seed or folder is named 'weather'\n  hint: a source is selected as 'source:nyc.weather'",
        ),
    ],
)
def test_a_mistake_is_refused_by_name(selector: str, message: str) -> None:
    assert messages([selector]) == [message]
    assert messages([], [selector]) == [message]


def test_all_mistakes_are_reported_at_once_and_each_once() -> None:
    found = messages(["tags:a,qqq delays", "+"], ["qqq", "@delays+"])
    assert [message.splitlines()[0] for message in found] == [
        "'+' is not a selector",
        "'@delays+' is not a selector: '@' before and '+' after exclude each other",
        "unknown method 'tags' in selector 'tags:a'",
        "no model, seed or folder is named 'qqq'",
    ]


# --- graph operators, by their definition ----------------------------------------------------------------------------


Reads = dict[str, list[str]]


@st.composite
def dags(draw: st.DrawFn) -> Reads:
    nodes = [f"n{i}" for i in range(draw(st.integers(1, 9)))]
    return {
        name: draw(st.lists(st.sampled_from(nodes[:i]), max_size=3, unique=True)) if i else []
        for i, name in enumerate(nodes)
    }


def above(reads: Reads, name: str, depth: int) -> set[str]:
    """The node and what it reads, as a person would define it."""
    return {name}.union(*(above(reads, parent, depth - 1) for parent in reads[name])) if depth else {name}


def below(reads: Reads, name: str, depth: int) -> set[str]:
    return {other for other in reads if name in above(reads, other, depth)}


@given(dags(), st.data())
def test_operators_mean_what_a_naive_definition_says(reads: Reads, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(reads)))
    up, down = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))
    unlimited = len(reads)
    expected = {
        name: {name},
        f"+{name}": above(reads, name, unlimited),
        f"{name}+": below(reads, name, unlimited),
        f"{up}+{name}": above(reads, name, up),
        f"{name}+{down}": below(reads, name, down),
        f"{up}+{name}+{down}": above(reads, name, up) | below(reads, name, down),
        f"@{name}": set().union(*(above(reads, reader, unlimited) for reader in below(reads, name, unlimited))),
    }
    nodes = [model(child, *(f"model.{parent}" for parent in parents)) for child, parents in reads.items()]
    graph = build_graph(nodes)
    assert {selector: set(names(graph, [selector]).split()) for selector in expected} == expected
