"""The render stage: what a template becomes, what it tells of its model, and where each line of it came from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.errors import FsbuildError, Place, RenderError
from fsbuild.load import Overrides
from fsbuild.pipeline import compile_draft, draft_project
from fsbuild.render import evaluate_text
from fsbuild.render.source_lines import SourceLines, read_marks
from fsbuild.values import Moment, RenderedModel, RenderedSql
from tests.conftest import Files

Make = Callable[[Files], Path]
PROFILE = "shop:\n  outputs: {default: {type: duckdb, schema: fsbuild}}\n"
MOMENT = Moment("run-1", dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC))
HERE = Place("models/a.yml", 4)


def rendered(root: Path, **variables: object) -> dict[str, RenderedModel]:
    draft = draft_project(root, Overrides(variables=variables), MOMENT)
    return {model.model.name: model for model in draft.models.values()}


def sql_of(root: Path, name: str = "a", **variables: object) -> str:
    return rendered(root, **variables)[name].sql.text.strip()


def told(root: Path) -> list[str]:
    with pytest.raises(RenderError) as caught:
        rendered(root)
    return [str(problem) for problem in caught.value.problems]


# --- the lines that text came from -----------------------------------------------------------------------------------


def marked(template: str, **names: object) -> RenderedSql:
    environment = jinja2.Environment(extensions=["jinja2.ext.do", SourceLines], autoescape=False)  # noqa: S701 - SQL
    return read_marks(environment.from_string(template).render(names))


def plain(template: str, **names: object) -> str:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701 - SQL
    return environment.from_string(template).render(names)


@pytest.mark.parametrize(
    ("template", "lines"),
    [
        ("a\nb\nc", [("a", 1), ("b", 2), ("c", 3)]),
        ("{# one\ntwo #}a\nb", [("a", 2), ("b", 3)]),
        ("{% if no %}\na\n{% else %}\nb\n{% endif %}\nc", [("b", 4), ("c", 6)]),
        ("{% for i in [1, 2] -%}\na\n{% endfor -%}\nb", [("a", 2), ("a", 2), ("b", 4)]),
        ("{{\n 1\n}} a\nb", [("1 a", 1), ("b", 4)]),
        ("a {{ 'x\\ny' }}\nb", [("a x", 1), ("y", 1), ("b", 2)]),
        ("{% macro m() %}\na\nb\n{% endmacro %}\n{{ m() }}\nc", [("a", 5), ("b", 5), ("c", 6)]),
        ("{% set x %}\na\n{% endset %}\n{{ x | trim }}\nb", [("a", 4), ("b", 5)]),
        ("{% raw %}\n{{ a }}\n{% endraw %}\nb", [("{{ a }}", 2), ("b", 4)]),
        ("a\r\nb\rc", [("a", 1), ("b", 2), ("c", 3)]),
        ("", []),
    ],
)
def test_every_line_of_the_output_has_a_line_of_the_template(template: str, lines: list[tuple[str, int]]) -> None:
    found = marked(template)
    assert found.text == plain(template)
    assert _nonblank(found) == lines


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in [[[], []], []] recursive %} ( {{ loop(i) | trim | length }} ) {% endfor %}",
        "{% block b %} text {% endblock %}{{ self.b() | trim | length }}",
    ],
    ids=["recursive loop", "block"],
)
def test_marks_do_not_show_where_a_template_looks_at_its_own_output(template: str) -> None:
    assert marked(template).text == plain(template)


WORDS = st.integers(0, 999).map(lambda number: f"w{number}")


@st.composite
def pieces(draw: st.DrawFn, depth: int = 2) -> str:  # noqa: PLR0911 - one for each kind of piece
    """A piece of a template: literal words, line breaks, expressions, and blocks with pieces inside."""
    open_, close = draw(st.sampled_from(["{%", "{%-", "{%+"])), draw(st.sampled_from(["%}", "-%}"]))
    start, end = draw(st.sampled_from(["{{", "{{-"])), draw(st.sampled_from(["}}", "-}}"]))
    gap = draw(st.sampled_from(["", " ", "\n", "\n\n  "]))
    kinds = ["word", "break", "value", "multi", "comment"]
    kinds += ["for", "if", "set", "macro", "call", "filter", "inline set", "raw"] if depth else []
    kind = draw(st.sampled_from(kinds))
    if kind in ("word", "break"):
        return f" {draw(WORDS)} " if kind == "word" else draw(st.sampled_from(["\n", "\n\n", " \n", "\r\n"]))
    if kind == "value":
        value = draw(st.sampled_from(["7", "'v'", "'v\\nv'", "''"]))
        return f"{start} {value} {end}"
    if kind == "multi":
        return f"{start}\n 7\n + 1 {end}"
    if kind == "comment":
        return draw(st.sampled_from(["{# c #}", "{# c\nc #}", "{#- c -#}"]))
    if kind == "inline set":
        return f"{open_} set y = 3 {close}"
    inner = "".join(draw(st.lists(pieces(depth=depth - 1), max_size=4)))
    if kind == "raw":
        return "{% raw %}{{ not }}\n{% endraw %}"
    if kind == "set":
        return f"{open_} set x {close}{inner}{open_} endset %}}{gap}{{{{ x | trim }}}}"
    if kind == "macro":
        return f"{open_} macro m(a) {close}{inner}{open_} endmacro {close}{gap}{{{{ m(1) }}}}"
    if kind == "call":
        called = "{% macro k() %}[{{ caller() | trim }}]{% endmacro %}"
        return f"{called}{open_} call k() {close}{inner}{open_} endcall {close}"
    if kind == "filter":
        return f"{open_} filter upper | trim {close}{inner}{open_} endfilter {close}"
    head = draw(st.sampled_from(["if true", "if false", "if 1"])) if kind == "if" else "for i in [1, 2]"
    return f"{open_} {head} {close}{inner}{gap}{open_} {'endif' if kind == 'if' else 'endfor'} {close}"


@given(st.lists(pieces(), max_size=12).map("".join))
@settings(max_examples=150, deadline=None)
@example("{% for i in [1, 2] -%}\n  w1 {{ i }},\n{%- endfor %}\nw2")
def test_marking_changes_no_text_and_names_the_line_that_holds_it(template: str) -> None:
    found = marked(template)

    assert found.text == plain(template)
    output = found.text.split("\n")
    assert len(found.lines) == len(output)
    written = jinja2.lexer.newline_re.sub("\n", template).split("\n")
    assert all(1 <= line <= max(len(written), 1) for line in found.lines)
    literal = _literal_lines(template)
    for line, text in zip(found.lines, output, strict=True):
        first = (text.split() or [""])[0]
        if first in literal:
            assert first in written[line - 1], f"{text!r} is said to be from line {line}"


def _literal_lines(template: str) -> set[str]:
    """The words that are written straight to the output, wherever they are in the template."""
    tree = jinja2.Environment(autoescape=False).parse(template)  # noqa: S701 - SQL

    def words(node: jinja2.nodes.Node) -> set[str]:
        found: set[str] = set()
        for child in node.iter_child_nodes():
            if isinstance(child, jinja2.nodes.TemplateData):
                found |= {word for word in child.data.split() if word.startswith("w")}
            elif not isinstance(child, jinja2.nodes.Macro | jinja2.nodes.CallBlock | jinja2.nodes.FilterBlock):
                found |= set() if isinstance(child, jinja2.nodes.AssignBlock) else words(child)
        return found

    captured = {
        word
        for block in tree.find_all(
            (jinja2.nodes.Macro, jinja2.nodes.CallBlock, jinja2.nodes.FilterBlock, jinja2.nodes.AssignBlock)
        )
        for data in block.find_all(jinja2.nodes.TemplateData)
        for word in data.data.split()
    }
    return words(tree) - captured


def test_a_model_knows_the_lines_of_both_of_its_queries(make_project: Make) -> None:
    text = (
        "{{ config(materialized='incremental') }}\nselect 1 as id\n{% if is_incremental() %}\nwhere false\n{% endif %}"
    )
    model = rendered(make_project({"models/a.sql": text}))["a"]
    assert model.incremental_sql is not None
    assert _nonblank(model.sql) == [("select 1 as id", 2)]
    assert _nonblank(model.incremental_sql) == [("select 1 as id", 2), ("where false", 4)]


def _nonblank(sql: RenderedSql) -> list[tuple[str, int]]:
    return [(text.strip(), line) for text, line in zip(sql.text.split("\n"), sql.lines, strict=True) if text.strip()]


# --- what templates read ---------------------------------------------------------------------------------------------

SHOP = {
    "seeds/orders.csv": "id\n1\n",
    "models/sources.yml": """
sources:
  - name: raw
    schema: landing
    tables:
      - {name: flights, meta: {external_location: f.parquet}}
""",
    "models/stg.sql": "{{ config(schema='stage', alias='staging') }} select 1 as id",
}


@pytest.mark.parametrize(
    ("text", "sql", "reads"),
    [
        ("{{ ref('orders') }}", '"main"."orders"', ["seed.shop.orders"]),
        ("{{ ref('stg') }}", '"main_stage"."staging"', ["model.shop.stg"]),
        ("{{ ref('shop', 'stg') }}", '"main_stage"."staging"', ["model.shop.stg"]),
        ("{{ source('raw', 'flights') }}", '"landing"."flights"', ["source.shop.raw.flights"]),
        ("{{ this }}", '"main"."a"', []),
        ("{{ this.schema }}.{{ this.name }}/{{ this.identifier }}", "main.a/a", []),
        ("{{ ref('stg').identifier }}", "staging", ["model.shop.stg"]),
        ("{{ schema }} {{ target.name }} {{ target.type }} {{ project_name }}", "main dev duckdb shop", []),
        ("{{ run_started_at.date() }} {{ invocation_id }}", "2024-05-06 run-1", []),
        ("{{ modules.datetime.date(2024, 1, 1) }}", "2024-01-01", []),
        ("{{ tojson([1]) }} {{ fromjson('[2]')[0] }} {{ fromyaml('a: 3').a }}", "[1] 2 3", []),
        ("{% if execute %}{{ ref('stg') }}{% endif %}", '"main_stage"."staging"', ["model.shop.stg"]),
        ("{% if not execute %}{{ ref('stg') }}{% endif %}", "", ["model.shop.stg"]),
        ("{{ log('x', info=True) }}{% do ref('orders') %}1", "1", ["seed.shop.orders"]),
        ("-- {{ ref('stg') }}\n{{ ref('orders') }}", '-- "main_stage"."staging"\n"main"."orders"', None),
        ("{# {{ ref('nothing') }} #}1", "1", []),
        ("{{ this.database }} {{ database }} {{ target.database }}", "memory memory memory", []),
        ("{{ this.include(schema=false) }} {{ this.include(database=true) }}", '"a" "memory"."main"."a"', []),
        ("{{ this.quote(schema=false) }} {{ this.without_identifier() }}", 'main."a" "main"', []),
        (
            "{{ ref('stg').include(identifier=false).quote(schema=false) }} {{ this.render() }}",
            'main_stage "main"."a"',
            ["model.shop.stg"],
        ),
        ("{{ ref('stg') == ref('stg') }} {{ ref('stg') == this }}", "True False", ["model.shop.stg"]),
        ("{{ builtins.ref('stg') }}", '"main_stage"."staging"', ["model.shop.stg"]),
        ("{{ builtins['source']('raw', 'flights') }}", '"landing"."flights"', ["source.shop.raw.flights"]),
        ("{{ dbt_version.split('.')[0] }}", "1", []),
        ("{{ 'true' | as_bool }} {{ '7' | as_number }} {{ 'x' | as_text | as_native }}", "true 7 x", []),
        ("{{ adapter.quote('a b') }} {{ local_md5('a')[:4] }} {{ set_strict([1]) }}", '"a b" 0cc1 {1}', []),
        ("{{ model.name }} {{ model['unique_id'] }} {{ model.resource_type }}", "a model.shop.a model", []),
        ("{{ model.path }} {{ model.original_file_path }} {{ model.package_name }}", "a.sql models/a.sql shop", []),
        ("{{ model.alias }} {{ model.schema }} {{ model.fqn | join('.') }}", "a main shop.a", []),
        ("{{ graph.nodes is defined }} {{ run_query is defined }} {{ nope is defined }}", "True True False", []),
    ],
)
def test_names_of_dbt(make_project: Make, text: str, sql: str, reads: list[str] | None) -> None:
    model = rendered(make_project({**SHOP, "models/a.sql": text}))["a"]
    assert model.sql.text.strip() == sql
    assert list(model.depends_on) == (["model.shop.stg", "seed.shop.orders"] if reads is None else reads)


def test_a_model_knows_itself_as_it_is_configured(make_project: Make) -> None:
    text = (
        "{{ config(materialized='table', schema='x', alias='y', tags=['one']) }}"
        "{% if execute %}{{ model.config.materialized }} {{ model.schema }}.{{ model.alias }} {{ model.tags }}"
        " {{ model.depends_on.nodes }} {{ model.config.unique_key }}{% do ref('orders') %}{% endif %}"
        "{% if not execute %}{% do ref('stg') %}{% endif %}"
    )
    root = make_project({**SHOP, "models/deep/a.sql": text})
    assert sql_of(root) == "table main_x.y ['one'] ['model.shop.stg'] []"


def test_the_graph_is_known_when_templates_execute(make_project: Make) -> None:
    text = (
        "{% for n in graph.nodes.values() | sort(attribute='name') %}{{ n.resource_type }} {{ n.name }} "
        "{{ n.config.materialized }} {{ n.tags | join }} {{ n.depends_on.nodes | join }};{% endfor %}"
        "{% for s in graph.sources.values() %}{{ s.unique_id }} {{ s.source_name }}{% endfor %}"
        "{{ graph.nodes['model.shop.stg'].schema if execute }}"
    )
    files = {
        **SHOP,
        "models/a.sql": text,
        "models/b.sql": "{{ config(materialized='table', tags='t') }}{{ ref('stg') }}",
        "models/off.sql": "{{ config(enabled=false) }}",
    }
    model = rendered(make_project(files))["a"]
    assert model.sql.text == (
        "model a view  ;model b table t model.shop.stg;seed orders view  ;model stg view  ;"
        "source.shop.raw.flights rawmain_stage"
    )
    assert model.depends_on == ()


def test_a_project_may_wrap_ref(make_project: Make) -> None:
    macro = "{% macro ref(name) %}{{ return(builtins.ref(name).include(schema=false)) }}{% endmacro %}"
    model = rendered(make_project({**SHOP, "macros/m.sql": macro, "models/a.sql": "{{ ref('stg') }}"}))["a"]
    assert (model.sql.text, model.depends_on) == ('"staging"', ("model.shop.stg",))


def test_templates_know_how_they_were_called(make_project: Make) -> None:
    text = "select '{{ flags.WHICH }}' as which, {{ flags.FULL_REFRESH }} as full, {{ flags.FAIL_FAST }} as fast"
    project = Project(make_project({"models/a.sql": "{{ config(materialized='table') }}" + text}))

    assert project.show(inline=text).rows == (("show", False, False),)
    assert [step.action for step in project.plan(full_refresh=True).steps] == ["create"]
    project.run(full_refresh=True, fail_fast=True)
    assert project.show("a").rows == (("run", True, True),)


def test_a_relation_with_its_database_binds(make_project: Make) -> None:
    text = "{{ config(materialized='table') }}select * from {{ ref('orders').include(database=true) }}"
    project = Project(make_project({**SHOP, "models/a.sql": text}))

    project.run(select="a")

    assert project.show("a").rows == ((1,),)


def test_what_only_an_increment_reads_is_read(make_project: Make) -> None:
    increment = "{% if is_incremental() %}{{ ref('orders') }}{% endif %}"
    text = f"{{{{ config(materialized='incremental') }}}}{increment}{{{{ ref('stg') }}}}"
    model = rendered(make_project({**SHOP, "models/a.sql": text}))["a"]
    assert set(model.depends_on) == {"seed.shop.orders", "model.shop.stg"}


@pytest.mark.parametrize("kind", ["table", "view", "ephemeral"])
def test_only_an_incremental_model_has_an_increment(make_project: Make, kind: str) -> None:
    text = f"{{{{ config(materialized='{kind}') }}}}{{{{ is_incremental() }}}}"
    model = rendered(make_project({"models/a.sql": text}))["a"]
    assert (model.sql.text, model.incremental_sql) == ("False", None)


def test_an_incremental_model_that_does_not_ask_has_no_increment_of_its_own(make_project: Make) -> None:
    root = make_project({"models/a.sql": "{{ config(materialized='incremental') }}select 1"})
    assert rendered(root)["a"].incremental_sql is None


def test_a_disabled_model_is_left_out(make_project: Make) -> None:
    root = make_project({"models/a.sql": "{{ config(enabled=false) }}select 1", "models/b.sql": "select 1"})
    assert list(rendered(root)) == ["b"]


def test_config_can_be_read_back(make_project: Make) -> None:
    text = (
        "{{ config({'tags': ['x']}, materialized='table', meta={'a': 1}) }}{{ config.get('materialized') }} "
        "{{ config.get('nope', 'default') }} {{ config.require('meta').a }}"
    )
    assert sql_of(make_project({"models/a.sql": text})) == "table default 1"


# --- variables -------------------------------------------------------------------------------------------------------


def test_variables(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSBUILD_TEST_X", "from outside")
    text = (
        "{{ var('a') }} {{ var('b', 'default') }} {{ var.has_var('a') }} {{ var.has_var('b') }} "
        "{{ env_var('FSBUILD_TEST_X') }} {{ env_var('FSBUILD_TEST_Y', 'unset') }}"
    )
    root = make_project({"fsbuild_project.yml": "name: shop\nvars: {a: 1}\n", "models/a.sql": text})
    assert sql_of(root) == "1 default True False from outside unset"
    assert sql_of(root, a="given", b=[2]) == "given [2] True True from outside unset"


def test_a_falsy_variable_is_not_replaced_by_the_default(make_project: Make) -> None:
    root = make_project({"models/a.sql": "{{ var('a', 5) }} {{ var('b', 5) }}"})
    assert sql_of(root, a=0, b="") == "0"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ var('n') }}", 3),
        (" {{ var('list') }} ", [1, 2]),
        ("{{ var('n') + 1 }}", 4),
        ("{{- var('n') -}}", 3),
        ("n={{ var('n') }}", "n=3"),
        ("{{ var('n') }}/{{ var('n') }}", "3/3"),
        ("{{ var('m', none) }}", None),
        ("{{ env_var('FSBUILD_TEST_Y', '7') | int }}", 7),
        ("{{ '}}' }}", "}}"),
        ("{{ 'True' | as_bool }}", True),
        ("{{ ('a' == 'b') | as_bool }}", False),
        ("{{ '7' | as_number }}", 7),
        ("{{ '7.5' | as_native }}", 7.5),
        ("{{ '[1, 2]' | as_native }}", [1, 2]),
        ("{{ 'text' | as_native }}", "text"),
        ("{{ var('n') | as_text }}", "3"),
        ("{{ ref('a') }}", "ref('a')"),
        ("{{ source('a', 'b') }}", "source('a', 'b')"),
    ],
)
def test_expressions_in_yaml_keep_their_type(text: str, value: object) -> None:
    assert evaluate_text(text, {"n": 3, "list": [1, 2]}, HERE) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ var('x') }}", "variable 'x' is not set"),
        ("a {{ var('x') }}", "variable 'x' is not set"),
        ("{{ env_var('FSBUILD_TEST_Y') }}", "environment variable 'FSBUILD_TEST_Y' is not set"),
        ("{{ nope }}", "'nope' is undefined"),
        ("{{ 'maybe' | as_bool }}", "as_bool: 'maybe' is not true or false"),
        ("{{ 'x' | as_number }}", "as_number: 'x' is not a number"),
        ("{{ target.name }}", "'target' is not available here"),
        ("{{ run_query('x') }}", "'run_query' is not available here"),
        ("{{ nope.x }}", "'nope' is undefined"),
        ("a {{ nope }}", "'nope' is undefined"),
        ("{{ 1 + }}", ""),
        ("{{ 1 / 0 }}", ""),
        ("{{ 'a' + 1 }}", ""),
    ],
)
def test_a_wrong_expression_in_yaml_is_a_problem_at_its_place(text: str, message: str) -> None:
    with pytest.raises(RenderError) as caught:
        evaluate_text(text, {}, HERE)
    (problem,) = caught.value.problems
    assert problem.place == HERE
    assert message in problem.message


def test_the_target_is_known_in_yaml_below_folders_and_beside_models(make_project: Make) -> None:
    files = {
        "fsbuild_project.yml": "name: shop\nmodels:\n  shop:\n    +enabled: \"{{ target.name == 'dev' }}\"\n"
        '    +schema: "{{ target.schema }}"\n',
        "models/m.yml": 'models:\n  - name: a\n    description: "in {{ target.schema }}"\n'
        'sources:\n  - name: raw\n    schema: "{{ target.name }}_raw"\n    tables:\n'
        "      - {name: t, meta: {external_location: f.csv}}\n",
        "models/a.sql": "{{ source('raw', 't') }} {{ config.get('description') }}",
    }
    model = rendered(make_project(files))["a"]
    assert model.sql.text == '"dev_raw"."t" in main'
    assert model.relation.schema == "main_main"


def test_the_target_is_not_known_while_it_is_looked_for(make_project: Make) -> None:
    root = make_project({"fsbuild_project.yml": 'name: shop\nprofile: "{{ target.name }}"\n'})
    assert told(root) == [
        (
            "fsbuild_project.yml:2: 'target' is not available here\n"
            "  hint: it is known below 'models:' and 'seeds:' of the project file, and in the YAML beside models"
        )
    ]


# --- the names of relations ------------------------------------------------------------------------------------------

NAMED = {
    "seeds/orders.csv": "id\n1\n",
    "models/a.sql": "{{ config(schema='x', alias='y') }}select 1",
    "models/deep/b.sql": "select * from {{ ref('a') }} -- {{ ref('orders') }} {{ this }}",
}


@pytest.mark.parametrize(
    ("macro", "names"),
    [
        ("", ["main.orders", "main_x.y", "main.b"]),
        (
            (
                "{% macro generate_schema_name(custom_schema_name, node) -%}\n"
                "  {%- if custom_schema_name is none -%} {{ target.schema }}\n"
                "  {%- else -%} {{ custom_schema_name | trim }} {%- endif -%}\n{%- endmacro %}"
            ),
            ["main.orders", "x.y", "main.b"],
        ),
        (
            (
                "{% macro generate_schema_name(custom_schema_name, node) %}{{ return(node.resource_type ~ '_' ~"
                " node.fqn[1:-1] | join('_')) }}{% endmacro %}"
            ),
            ["seed_.orders", "model_.y", "model_deep.b"],
        ),
        (
            (
                "{% macro generate_alias_name(custom_alias_name=none, node=none) %}{{ node.schema }}.{{ node.name }}"
                "_{{ custom_alias_name }}_{{ node.config.materialized }}_{{ suffix() }}{% endmacro %}"
                "{% macro suffix() %}z{% endmacro %}"
            ),
            ["main.main.orders_None_view_z", "main_x.main_x.a_y_view_z", "main.main.b_None_view_z"],
        ),
        (
            (
                "{% macro duckdb__generate_schema_name(s, node) %}{{ default__generate_schema_name(s, node) }}_d"
                "{% endmacro %}"
            ),
            ["main_d.orders", "main_x_d.y", "main_d.b"],
        ),
        (
            "{% macro generate_schema_name(s, node) %}{{ generate_schema_name_for_env(s, node) }}{% endmacro %}",
            ["main.orders", "main.y", "main.b"],
        ),
    ],
    ids=["none", "dbt's own example", "of the node", "alias", "dispatched", "by environment"],
)
def test_relations_are_named_by_the_projects_macros(make_project: Make, macro: str, names: list[str]) -> None:
    draft = draft_project(make_project({**NAMED, "macros/m.sql": macro}), Overrides(), MOMENT)

    relations = [*(seed.relation for seed in draft.project.seeds), *(one.relation for one in draft.models.values())]
    assert [f"{relation.schema}.{relation.identifier}" for relation in relations] == names
    orders, a, b = (str(relation) for relation in relations)
    assert draft.models["model.shop.b"].sql.text.strip() == f"select * from {a} -- {orders} {b}"


@pytest.mark.parametrize(
    ("macro", "message"),
    [
        (
            "\n{% macro generate_schema_name(s, node) %}../{{ s }}{% endmacro %}",
            (
                "macros/m.sql:2: generate_schema_name() gives '../x' for models/a.sql, "
                "which is not the name of a folder\n"
                "  hint: use letters, digits, '_', '-' and '.'"
            ),
        ),
        ("{% macro generate_alias_name(a, n) %} {% endmacro %}", "macros/m.sql:1: generate_alias_name() gives '' for"),
        (
            "{% macro generate_alias_name(a, n) %}{{ return(none) }}{% endmacro %}",
            "macros/m.sql:1: generate_alias_name()",
        ),
        ("{% macro generate_schema_name(s, node) %}\n{{ nope }}{% endmacro %}", "macros/m.sql:2: 'nope' is undefined"),
        (
            "{% macro generate_schema_name(s) %}x{% endmacro %}",
            "macros/m.sql:1: TypeError: macro 'generate_schema_name'",
        ),
    ],
)
def test_a_macro_that_gives_no_name_is_told_at_its_line(make_project: Make, macro: str, message: str) -> None:
    root = make_project({"models/a.sql": NAMED["models/a.sql"]})
    (root / "macros").mkdir()
    (root / "macros/m.sql").write_text(macro, encoding="utf-8")
    (line,) = told(root)
    assert line.startswith(message)


@pytest.mark.parametrize("key", ["schema", "alias"])
@pytest.mark.parametrize("value", ["../x", "a/b", "..", ""])
def test_a_written_name_cannot_leave_the_lake(make_project: Make, key: str, value: str) -> None:
    (line,) = told(make_project({"models/a.sql": f"{{{{ config({key}='{value}') }}}}select 1"}))
    assert line.startswith(f"models/a.sql:1: config '{key}' is '{value}', which has characters that cannot be")


# --- macros ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MacroCase:
    macros: str
    text: str
    sql: str


MACROS = {
    "a macro of a file": MacroCase("{% macro m(x) %}[{{ x }}]{% endmacro %}", "{{ m(1) }}", "[1]"),
    "by the project's name": MacroCase("{% macro m() %}m{% endmacro %}", "{{ shop.m() }}", "m"),
    "named like a method of dict": MacroCase("{% macro items() %}m{% endmacro %}", "{{ shop.items() }}", "m"),
    "return keeps the type": MacroCase(
        "{% macro m() %}ignored{{ return([1, 2]) }}{% endmacro %}",
        "{{ m()[1] + 1 }}{% for x in m() %}{{ x }}{% endfor %}",
        "312",
    ),
    "return ends the macro": MacroCase(
        "{% macro m(x) %}{% if x %}{{ return('early') }}{% endif %}late{% endmacro %}",
        "{{ m(1) }} {{ m(0) }}",
        "early late",
    ),
    "do return": MacroCase("{% macro m() %}{% do return(none) %}{% endmacro %}", "{{ m() is none }}", "True"),
    "return of a macro that is called": MacroCase(
        "{% macro a() %}{{ return(1) }}{% endmacro %}{% macro b() %}{{ return(a() + 1) }}{% endmacro %}",
        "{{ b() }}",
        "2",
    ),
    "return leaves the innermost only": MacroCase(
        "{% macro a() %}{{ return(1) }}{% endmacro %}{% macro b() %}<{{ a() }}>{% endmacro %}", "{{ b() }}", "<1>"
    ),
    "a macro before its definition": MacroCase(
        "{% macro b() %}<{{ a() }}>{% endmacro %}{% macro a() %}a{% endmacro %}", "{{ b() }}", "<a>"
    ),
    "dispatch finds duckdb's": MacroCase(
        "{% macro m() %}{{ return(adapter.dispatch('m', 'shop')()) }}{% endmacro %}"
        "{% macro default__m() %}default{% endmacro %}{% macro duckdb__m() %}duckdb{% endmacro %}",
        "{{ m() }}",
        "duckdb",
    ),
    "dispatch falls back": MacroCase(
        "{% macro m(x) %}{{ adapter.dispatch('m')(x) }}{% endmacro %}{% macro default__m(x) %}d{{ x }}{% endmacro %}",
        "{{ m(1) }}",
        "d1",
    ),
    "a call block": MacroCase(
        "{% macro m(n) %}{% for i in range(n) %}({{ caller(i) }}){% endfor %}{% endmacro %}",
        "{% call(i) m(2) %}{{ i }}{% endcall %}",
        "(0)(1)",
    ),
    "names of the model inside a macro": MacroCase(
        "{% macro m() %}{{ ref('stg') }} {{ this.name }} {{ var('v', 1) }}{% endmacro %}",
        "{{ m() }}",
        '"main_stage"."staging" a 1',
    ),
    "varargs and keywords": MacroCase(
        "{% macro m(x=1) %}{{ x }}{{ varargs }}{{ kwargs }}{% endmacro %}", "{{ m(2, 3, y=4) }}", "2(3,){'y': 4}"
    ),
    "a macro of the model itself": MacroCase("", "{% macro own() %}{{ return(5) }}{% endmacro %}{{ own() + 1 }}", "6"),
}


@pytest.mark.parametrize("case", MACROS.values(), ids=MACROS.keys())
def test_macros(make_project: Make, case: MacroCase) -> None:
    assert sql_of(make_project({**SHOP, "macros/m.sql": case.macros, "models/a.sql": case.text})) == case.sql


@pytest.mark.parametrize("names", [("x", "y"), ("y", "x")])
def test_macros_of_different_files_use_each_other_in_any_order(make_project: Make, names: tuple[str, str]) -> None:
    first, second = names
    files = {
        f"macros/{first}.sql": "{% macro outer() %}<{{ inner() }}>{% endmacro %}",
        f"macros/{second}.sql": "{% macro inner() %}in{% endmacro %}",
        "models/a.sql": "{{ outer() }}",
    }
    assert sql_of(make_project(files)) == "<in>"


def test_a_macro_can_configure_its_caller_and_read_for_it(make_project: Make) -> None:
    files = {
        **SHOP,
        "macros/m.sql": "{% macro m() %}{{ config(materialized='table') }}{{ ref('stg') }}{% endmacro %}",
        "models/a.sql": "select * from {{ m() }}",
    }
    model = rendered(make_project(files))["a"]
    assert model.config.materialized == "table"
    assert model.depends_on == ("model.shop.stg",)


def test_what_one_model_does_to_a_macro_is_not_seen_by_another(make_project: Make) -> None:
    files = {
        "macros/m.sql": "{% macro m() %}{{ this.name }} {{ config.get('materialized', 'none') }}{% endmacro %}",
        "models/a.sql": "{{ config(materialized='table') }}{{ m() }}",
        "models/b.sql": "{{ m() }}",
    }
    root = make_project(files)
    assert (sql_of(root, "a"), sql_of(root, "b")) == ("a table", "b none")


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "select 1\nfrom {{ ref('ordrs') }}",
            (
                "models/a.sql:2: unknown model or seed 'ordrs'\n"
                "  2 | from {{ ref('ordrs') }}\n"
                "  hint: did you mean 'orders'?"
            ),
        ),
        (
            "{{ ref('flights') }}",
            (
                "models/a.sql:1: unknown model or seed 'flights'\n  1 | {{ ref('flights') }}\n"
                "  hint: a source is read with source('source', 'table')"
            ),
        ),
        (
            "{{ source('raw', 'flight') }}",
            (
                "models/a.sql:1: unknown source 'raw.flight'\n  1 | {{ source('raw', 'flight') }}\n"
                "  hint: did you mean 'raw.flights'?"
            ),
        ),
        ("{{ source('raw') }}", "models/a.sql:1: source() needs two names"),
        ("{{ ref() }}", "models/a.sql:1: ref() needs the name of a model"),
        ("{{ ref('stg', v=1) }}", "models/a.sql:1: model 'stg' has no version 1"),
        (
            "\n{{ refs('stg') }}",
            "models/a.sql:2: 'refs' is undefined\n  2 | {{ refs('stg') }}\n  hint: did you mean 'ref'?",
        ),
        ("{{ var('x') }}", "models/a.sql:1: variable 'x' is not set"),
        ("{{ env_var('FSBUILD_TEST_Y') }}", "models/a.sql:1: environment variable 'FSBUILD_TEST_Y' is not set"),
        ("\n\n{{ 1 / 0 }}", "models/a.sql:3: ZeroDivisionError: division by zero"),
        ("{{ config.require('owner') }}", "models/a.sql:1: config 'owner' is required here, and is not set"),
        ("{{ exceptions.raise_compiler_error('stop') }}", "models/a.sql:1: stop"),
        ("select\n  {% if x %}\n", "models/a.sql:2:3: Jinja: "),
        ("{% endfor %}", "models/a.sql:1:1: Jinja: "),
        ("{{ adapter.dispatch('nope')() }}", "models/a.sql:1: no macro 'duckdb__nope', 'default__nope' in 'shop'"),
        ("a\n{{ broken() }}", "macros/m.sql:2: variable 'unset' is not set"),
        ("{{ ref('off') }}", "models/a.sql:1: 'off' is disabled"),
        (
            "{{ ref('shp', 'stg') }}",
            ("models/a.sql:1: there is no package 'shp'\n  1 | {{ ref('shp', 'stg') }}\n  hint: did you mean 'shop'?"),
        ),
        ("{{ ref('a', 'b', 'c') }}", "models/a.sql:1: ref() needs the name of a model"),
        ("{{ adapter.dispach('m') }}", "models/a.sql:1: adapter has no 'dispach'"),
        ("{{ dbt.date_trnc('day', 'x') }}", "models/a.sql:1: the package 'dbt' has no macro 'date_trnc'"),
        ("{{ adapter.drop_relation(this) }}", 'models/a.sql:1: adapter.drop_relation("main"."a"): a template cannot'),
        (
            "{{ dbt_utils.star(ref('stg')) }}",
            (
                "models/a.sql:1: 'dbt_utils' is undefined\n  1 | {{ dbt_utils.star(ref('stg')) }}\n"
                "  hint: packages are declared in packages.yml, and installed by 'fsbuild deps'"
            ),
        ),
        ("{{ this.matches() }}", "models/a.sql:1: 'matches' of a relation is not available yet"),
        ("{{ this.nope }}", "models/a.sql:1: a relation has no 'nope'"),
        ("{{ flags.EMPTY }}", "models/a.sql:1: 'EMPTY' of flags is not available yet"),
        ("{{ target.path }}", "models/a.sql:1: 'path' of target is not available yet"),
        ("{{ graph.exposures }}", "models/a.sql:1: 'exposures' of graph is not available yet"),
        ("{{ shop.nope() }}", "models/a.sql:1: the project has no macro 'nope'"),
    ],
)
def test_a_mistake_is_told_at_its_line(make_project: Make, text: str, message: str) -> None:
    files = {
        **SHOP,
        "models/a.sql": "",
        "models/off.sql": "{{ config(enabled=false) }}select 1",
        "macros/m.sql": "{% macro broken() %}\n{{ var('unset') }}{% endmacro %}",
    }
    root = make_project(files)
    (root / "models/a.sql").write_text(text, encoding="utf-8")
    (line,) = told(root)
    assert line.startswith(message)


def test_all_mistakes_of_all_models_are_told_at_once(make_project: Make) -> None:
    files = {
        **SHOP,
        "models/a.sql": "{{ ref('x') }}\n{{ ref('orders') }}\n{{ source('y', 'z') }} {{ ref('w') }}",
        "models/b.sql": "{{ config(zzz=1) }}{% if %}",
        "models/c.sql": "{{ config(zzz=1) }}{{ ref('v') }}",
        "macros/m.sql": "{% macro %}",
    }
    assert [line.split(": ")[0] for line in told(make_project(files))] == [
        "macros/m.sql:1:1",
        "models/a.sql:1",
        "models/a.sql:3",
        "models/a.sql:3",
        "models/b.sql:1:20",
        "models/c.sql:1",
        "models/c.sql:1",
    ]


def test_two_models_of_one_table_are_refused(make_project: Make) -> None:
    files = {"models/a.sql": "{{ config(alias='t') }}select 1", "models/b.sql": "{{ config(alias='t') }}select 1"}
    assert told(make_project(files)) == [
        "models/b.sql: 'main.t' is written by models/a.sql too\n  hint: give one of them another alias or schema"
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"models/a.sql": "{{ config(alias='t') }}select 1", "models/b.sql": "{{ config(alias='T') }}select 1"},
        {
            "models/a.sql": "select * from {{ source('main', 'a') }}",
            "models/s.yml": "sources:\n- name: main\n  tables:\n  - {name: a, meta: {external_location: a.csv}}\n",
        },
    ],
    ids=["names that the engine does not tell apart", "a source and a model"],
)
def test_two_nodes_that_the_engine_would_read_by_one_name_are_refused(make_project: Make, files: Files) -> None:
    root = make_project({"a.csv": "id\n1\n", **files})
    with pytest.raises(FsbuildError) as caught:
        compile_draft(draft_project(root, Overrides(), MOMENT))
    (problem,) = caught.value.problems
    assert str(problem).startswith("models/")


def test_return_outside_a_macro_says_what_is_wrong(make_project: Make) -> None:
    (line,) = told(make_project({"models/a.sql": "{{ return(1) }}"}))
    assert line.startswith("models/a.sql:1: ")
    assert "MacroReturn" not in line


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"models/a.sql": "{{ config(schema='staging') }}select 1", "profiles.yml": PROFILE},
            "models/a.sql: 'fsbuild_staging.a' is in a schema that the engine keeps for itself",
        ),
        (
            {"models/s.yml": "sources:\n  - {name: Temp, tables: [{name: t, meta: {external_location: x.csv}}]}\n"},
            "models/s.yml:2: 'Temp.t' is in a schema that the engine keeps for itself",
        ),
    ],
)
def test_a_schema_that_the_engine_keeps_for_itself(make_project: Make, files: Files, message: str) -> None:
    assert told(make_project(files)) == [f"{message}\n  hint: give it another schema"]


def test_two_seeds_or_sources_of_one_name(make_project: Make) -> None:
    table = "tables: [{name: t, meta: {external_location: x.csv}}]"
    files = {
        "seeds/a.csv": "id\n1\n",
        "seeds/b.csv": "id\n1\n",
        "seeds/s.yml": "seeds:\n  - {name: b, config: {alias: A}}\n",
        "models/s.yml": f"sources:\n  - {{name: r, {table}}}\n  - {{name: q, schema: R, {table}}}\n",
    }
    assert [line.splitlines()[0] for line in told(make_project(files))] == [
        "models/s.yml:3: 'R.t' is the name of source r.t too",
        "seeds/b.csv: 'main.A' is written by seeds/a.csv too",
    ]
