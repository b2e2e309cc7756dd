"""Packages: projects below `dbt_packages/` whose models, seeds and macros another project uses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.installing import _fits, _number

Make = Callable[[Mapping[str, str]], Path]
TOOLS = {
    "packages.yml": "packages:\n  - local: ../tools\n",
    "dbt_packages/tools/dbt_project.yml": (
        "name: tools\nmodels: {tools: {+materialized: view, +tags: [given]}}\n"
        "vars: {unit: m, size: 1, tools: {depth: 2}}\n"
    ),
    "dbt_packages/tools/models/measures.sql": (
        "select {{ var('size') }} as size, '{{ var('unit') }}' as unit, {{ var('depth') }} as depth"
    ),
    "dbt_packages/tools/models/twice.sql": "select size * 2 as size from {{ ref('measures') }}",
    "dbt_packages/tools/seeds/colours.csv": "colour\nred\n",
    "dbt_packages/tools/macros/m.sql": (
        "{% macro double(x) %}{{ return(adapter.dispatch('double', 'tools')(x)) }}{% endmacro %}\n"
        "{% macro default__double(x) %}({{ x }} * 2){% endmacro %}\n"
        "{% macro _hidden() %}7{% endmacro %}\n"
        "{% macro shown() %}{{ tools._hidden() }}{% endmacro %}\n"
        "{% test at_most(model, column_name, value) %}\n"
        "select * from {{ model }} where {{ column_name }} > {{ value }}\n{% endtest %}\n"
    ),
}


def project(make_project: Make, files: dict[str, str], settings: str = "") -> Path:
    return make_project(
        {"fsbuild_project.yml": f"name: shop\nmodels: {{shop: {{+materialized: table}}}}\n{settings}", **TOOLS, **files}
    )


def rows(root: Path, name: str) -> list[tuple[object, ...]]:
    return sorted(Project(root).show(name, limit=None).rows)


def test_models_of_a_package_are_built_beside_the_projects_own(make_project: Make) -> None:
    root = project(make_project, {"models/a.sql": "select size, unit, depth from {{ ref('measures') }}"})
    assert Project(root).build().is_success
    assert rows(root, "a") == [(1, "m", 2)]
    nodes = {node.unique_id: node for node in Project(root).nodes()}
    assert list(nodes) == ["model.tools.measures", "seed.tools.colours", "model.shop.a", "model.tools.twice"]
    assert nodes["model.tools.twice"].fqn == ("tools", "twice")
    assert nodes["model.tools.twice"].materialized == "view"
    assert nodes["model.tools.twice"].tags == ("given",)


def test_the_project_configures_a_package(make_project: Make) -> None:
    settings = "vars: {size: 5, tools: {unit: km}}\n"
    root = project(make_project, {"models/a.sql": "select * from {{ ref('tools', 'twice') }}"}, settings)
    text = (root / "fsbuild_project.yml").read_text()
    (root / "fsbuild_project.yml").write_text(
        text.replace("{shop:", "{tools: {measures: {+materialized: table}}, shop:")
    )
    assert Project(root).build().is_success
    assert {n.name: n.materialized for n in Project(root).nodes(select="tools.*")} == {
        "measures": "table",
        "twice": "view",
        "colours": "seed",
    }
    assert rows(root, "measures") == [(5, "km", 2)]
    assert rows(root, "a") == [(10,)]


def test_a_name_stands_for_the_packages_own_node_in_it_and_for_the_projects_own_outside(make_project: Make) -> None:
    own = {
        "models/twice.sql": "{{ config(schema='own') }} select 3 as size",
        "models/a.sql": "select * from {{ ref('twice') }}",
    }
    package = {"dbt_packages/tools/models/four.sql": "select size * 2 as size from {{ ref('twice') }}"}
    root = project(make_project, {**own, **package})
    assert Project(root).build().is_success
    assert rows(root, "a") == [(3,)]
    assert Project(root).show("four").rows == ((4,),)


@pytest.mark.parametrize(
    ("files", "settings", "expected"),
    [
        ({}, "", 6),
        ({"macros/own.sql": "{% macro default__double(x) %}({{ x }} * 20){% endmacro %}"}, "", 60),
        ({"macros/own.sql": "{% macro duckdb__double(x) %}({{ x }} * 30){% endmacro %}"}, "", 90),
        (
            {"macros/own.sql": "{% macro default__double(x) %}({{ x }} * 20){% endmacro %}"},
            "dispatch: [{macro_namespace: tools, search_order: [tools, shop]}]\n",
            6,
        ),
    ],
)
def test_dispatch_looks_in_the_project_first_or_where_it_is_told(
    make_project: Make, files: dict[str, str], settings: str, expected: int
) -> None:
    root = project(make_project, {"models/a.sql": "select {{ tools.double(3) }} as n", **files}, settings)
    assert Project(root).build(select="a").is_success
    assert rows(root, "a") == [(expected,)]


def test_macros_that_begin_with_a_line_are_macros(make_project: Make) -> None:
    root = project(make_project, {"models/a.sql": "select {{ tools.shown() }} as n"})
    assert Project(root).build(select="a").is_success
    assert rows(root, "a") == [(7,)]


@pytest.mark.parametrize(("value", "status"), [(3, "success"), (2, "error")])
def test_a_test_of_a_package_gates(make_project: Make, value: int, status: str) -> None:
    test = f"{{tools.at_most: {{arguments: {{value: {value}}}}}}}"
    checks = f"models: [{{name: a, columns: [{{name: n, data_tests: [{test}]}}]}}]\n"
    root = project(make_project, {"models/a.sql": "select 3 as n", "models/a.yml": checks})
    assert [one.status for one in Project(root).build(select="a").results] == [status]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ ref('tols', 'twice') }}", "there is no package 'tols'"),
        ("{{ ref('tools', 'twce') }}", "unknown model or seed 'twce'"),
        ("{{ tools.dubble(1) }}", "the package 'tools' has no macro 'dubble'"),
        (
            "{{ adapter.dispatch('double', 'other')(1) }}",
            "no macro 'duckdb__double', 'default__double' in 'shop' or 'other'",
        ),
        ("{{ adapter.dispatch('tools.double')(1) }}", "dispatch() takes the name of a macro without its package"),
    ],
)
def test_mistakes_about_packages_are_told(make_project: Make, text: str, message: str) -> None:
    with pytest.raises(FsbuildError) as told:
        Project(project(make_project, {"models/a.sql": text})).compile()
    assert message in str(told.value)
    assert told.value.problems[0].hint


def test_a_package_that_is_not_installed_is_told_with_the_command(make_project: Make) -> None:
    root = make_project({"packages.yml": TOOLS["packages.yml"], "models/a.sql": "select 1 as x"})
    with pytest.raises(FsbuildError, match="1 packages are declared") as told:
        Project(root).compile()
    assert told.value.problems[0].hint == "run 'fsbuild deps'"


def test_local_packages_are_installed_with_what_they_declare(make_project: Make) -> None:
    files = {
        "shop/fsbuild_project.yml": "name: shop\n",
        "shop/packages.yml": "packages: [{local: ../tools}]\n",
        "shop/models/a.sql": "select {{ tools.seven() }} + {{ deep.one() }} as n",
        "tools/dbt_project.yml": "name: tools\n",
        "tools/packages.yml": "packages: [{local: ../deep}]\n",
        "tools/macros/m.sql": "{% macro seven() %}7{% endmacro %}",
        "deep/dbt_project.yml": "name: 'deep'\n",
        "deep/macros/m.sql": "{% macro one() %}1{% endmacro %}",
    }
    root = make_project(files) / "shop"
    assert Project(root).deps() == ("tools", "deep")
    assert Project(root).compile() == {"a": "select 7 + 1 as n"}
    (root.parent / "deep/macros/m.sql").write_text("{% macro one() %}2{% endmacro %}")
    assert Project(root).deps() == ("tools", "deep")
    assert Project(root).compile() == {"a": "select 7 + 2 as n"}


def test_a_package_from_git_is_installed_at_its_revision(make_project: Make) -> None:
    files = {
        "shop/models/a.sql": "select {{ tools.n() }} as n",
        "shop/fsbuild_project.yml": "name: shop\n",
        "tools/inner/dbt_project.yml": "name: tools\n",
        "tools/inner/macros/m.sql": "{% macro n() %}1{% endmacro %}",
    }
    base = make_project(files)
    tools, root = base / "tools", base / "shop"

    def git(*words: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
        subprocess.run(command, cwd=tools, check=True, capture_output=True)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    git("tag", "v1")
    (tools / "inner/macros/m.sql").write_text("{% macro n() %}2{% endmacro %}")
    git("commit", "-qam", "two")
    for revision, expected in (("v1", 1), ("HEAD", 2)):
        entry = f"packages: [{{git: '{tools}', revision: {revision}, subdirectory: inner}}]\n"
        (root / "packages.yml").write_text(entry)
        assert Project(root).deps() == ("tools",)
        assert Project(root).compile() == {"a": f"select {expected} as n"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{local: ../nowhere}", "there is no project in"),
        ("{git: /nowhere/at/all}", "cannot get /nowhere/at/all"),
        ("{tarball: 'file:///nowhere.tar.gz'}", "cannot get file:///nowhere.tar.gz"),
        ("{packge: a/b}", "a package is neither local nor git, package or tarball"),
    ],
)
def test_a_package_that_cannot_be_got_is_told_at_its_place(make_project: Make, entry: str, message: str) -> None:
    root = make_project({"packages.yml": f"packages:\n  - {entry}\n"})
    with pytest.raises(FsbuildError, match=message) as told:
        Project(root).deps()
    assert str(told.value.problems[0].place) == "packages.yml:2"


@pytest.mark.parametrize(
    ("bounds", "best"),
    [
        (["1.0.0"], "1.0.0"),
        ([">=1.0.0", "<2.0.0"], "1.10.0"),
        ([">=1.0.0,<1.2.0"], "1.1.1"),
        (["2.0.0-rc1"], "2.0.0-rc1"),
        ([], "1.10.0"),
        (["!=1.10.0"], "1.2.0"),
        ([">3"], None),
    ],
)
def test_the_newest_version_within_bounds_is_taken(bounds: list[str], best: str | None) -> None:
    known = ["1.0.0", "1.1.1", "1.2.0", "1.10.0", "2.0.0-rc1"]
    fitting = [one for one in known if _fits(one, bounds)]
    assert max(fitting, key=_number, default=None) == best


def test_operations_call_macros(make_project: Make) -> None:
    files = {
        "macros/own.sql": (
            "{% macro count_of(name, times=1) %}"
            "{{ return(run_query('select count(*) * ' ~ times ~ ' from ' ~ ref(name)).rows[0][0]) }}{% endmacro %}"
            "{% macro hello() %} hello {{ target.name }} {% endmacro %}"
        ),
        "models/a.sql": "from range(3)",
    }
    root = project(make_project, files)
    Project(root).run(select="a")
    assert Project(root).run_operation("count_of", {"name": "a", "times": 2}) == 6
    assert Project(root).run_operation("tools.shown") == "7"
    assert "hello dev" in str(Project(root).run_operation("hello"))
    with pytest.raises(FsbuildError, match="there is no macro 'helo'") as told:
        Project(root).run_operation("helo")
    assert told.value.problems[0].hint == "did you mean 'hello'?"
