"""The documentation of a project as its pages read it: what is in the files, and that nothing in them can do harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.compile.definitions import locate_columns
from fsbuild.errors import FsbuildError
from fsbuild.site import place_nodes, serve, write_site
from fsbuild.site.shards import script, shard_of
from tests.conftest import Files, write_files

Make = Callable[[Files], Path]
NASTY = "<script>alert(1)</script> & <!-- \u2028"
SHOP = {
    "seeds/people.csv": "id,name,email\n1,ann,ann@example.com\n2,bob,bob@example.com\n",
    "seeds/people.yml": """
seeds:
  - name: people
    description: "{{ doc('people') }}"
    columns:
      - {name: id, description: "who it is"}
      - {name: email, description: "{{ doc('shop', 'email') }}, if we know it", pii: true}
""",
    "models/texts.md": """
{% docs people %}Everybody who **bought** something.{% enddocs %}
{% docs email %}where to write to{% enddocs %}
{% docs __overview__ %}# The shop{% enddocs %}
""",
    "models/members.sql": """
{{ config(materialized='table', tags=['core'], owner='ann', statistics=true) }}
select id, upper(email) as contact, email, length(name) as letters
from {{ ref('people') }} where name <> 'nobody'
""",
    "models/members.yml": """
models:
  - name: members
    description: '"""
    + NASTY.replace("\u2028", "")
    + """'
    columns:
      - name: letters
        description: how long the name is
        unit: letters
        data_tests: [in_range: {min_value: 1, max_value: 2}]
exposures:
  - name: letter
    type: application
    owner: {name: bea}
    depends_on: [ref('members')]
""",
    "models/small/everybody.sql": "select * from {{ ref('members') }}",
}


def site(root: Path) -> dict[str, Any]:
    """All values of a site that was generated, by key."""
    values: dict[str, Any] = {}
    for file in (root / "target/docs/data").rglob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert text.startswith("fsbuild.put(")
        key, value = json.loads(f"[{text.removeprefix('fsbuild.put(').removesuffix(');' + chr(10))}]")
        assert key == file.relative_to(root / "target/docs/data").with_suffix("").as_posix()
        values[key] = value
    return values


def nodes(values: dict[str, Any], kind: str = "nodes") -> dict[str, Any]:
    """The nodes of all files, by the last part of their ids; each is in the file that its id says."""
    shards = values["project"]["shards"][kind]
    for number in range(shards):
        assert all(shard_of(name, shards) == number for name in values[f"{kind}/{number}"])
    found = {name: node for number in range(shards) for name, node in values[f"{kind}/{number}"].items()}
    return {name.split(".", 2)[2]: node for name, node in found.items()}


def generated(root: Path) -> dict[str, Any]:
    Project(root).generate_docs()
    return site(root)


def column(node: dict[str, Any], name: str) -> dict[str, Any]:
    return next(found for found in node["columns"] if found["name"] == name)


def fsbuild(root: Path, *arguments: str) -> tuple[int, list[str]]:
    """Call the command; tell its exit code, and the lines that it printed and then said."""
    command = [sys.executable, "-m", "fsbuild", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, [*done.stdout.splitlines(), *done.stderr.splitlines()]


# --- what the pages show ----------------------------------------------------------------------------------------------


def test_a_node_is_described_with_what_is_known_of_it(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).build()

    values = generated(root)
    members = nodes(values)["members"]

    assert (members["kind"], members["owner"], members["tags"]) == ("model", "ann", ["core"])
    assert (members["path"], members["relation"]) == ("models/members.sql", "main.members")
    assert [one["name"] for one in members["parents"]] == ["people"]
    assert [(one["name"], one["kind"]) for one in members["children"]] == [
        ("everybody", "view"),
        ("letter", "exposure"),
    ]
    assert "{{ ref('people') }}" in members["sql"]
    start, end = column(members, "contact")["defined_at"]
    assert members["compiled"][start:end] == "upper(email) as contact"
    assert (members["status"], members["checks"][0]["status"]) == ("error", "fail")


def test_a_table_has_versions_rows_and_how_fresh_it_is(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    (root / "seeds/people.csv").write_text("id,name,email\n1,al,al@example.com\n2,bo,\n3,cy,c@example.com\n")

    before = nodes(generated(root))["people"]
    stale = nodes(generated(root))
    Project(root).run()
    after = nodes(generated(root))

    assert (before["rows"], [one["version"] for one in before["versions"]]) == (2, [0])
    assert stale["members"].get("freshness", {}).get("status") in ("warn", None)
    assert (after["people"]["rows"], after["members"]["rows"]) == (3, 3)
    newest = next(one for one in after["members"]["versions"] if one["operation"] == "WRITE")
    assert newest["run_id"]
    assert newest["elapsed_s"] >= 0
    assert after["members"]["freshness"]["status"] == "pass"


def test_what_calls_for_attention_is_on_the_first_page(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).build()

    project = generated(root)["project"]

    assert project["about"] == "# The shop"
    (failing,) = project["attention"]["failing"]["items"]
    assert (failing["name"], failing["why"]) == (
        "members",
        "in_range(min_value=1, max_value=2) on letters: 2 of 2 rows",
    )
    assert [one["name"] for one in project["attention"]["changed"]["items"]] == ["people"]
    (stale,) = project["attention"]["stale"]["items"]
    assert (stale["name"], stale["why"]) == ("members", "there is no table yet")


def test_runs_are_told_with_when_each_node_began_and_ended(make_project: Make) -> None:
    root = make_project(SHOP)
    first = Project(root).run(select="people members", full_refresh=True)
    (root / "seeds/people.csv").write_text("id,name,email\n1,al,al@example.com\n")
    last = Project(root).run()

    runs = generated(root)["runs"]["runs"]

    assert [run["id"] for run in runs] == [last.run_id, first.run_id]
    assert [(node["node"]["name"], node["status"]) for node in runs[0]["nodes"]] == [
        ("people", "success"),
        ("members", "success"),
        ("everybody", "success"),
    ]
    assert all(0 <= node["start_s"] <= node["end_s"] <= run["elapsed_s"] + 0.1 for run in runs for node in run["nodes"])


def test_lineage_goes_in_both_directions(make_project: Make) -> None:
    graph = nodes(generated(make_project(SHOP)), "graph")

    assert [edge["column"] for edge in column(graph["members"], "letters")["from"]] == ["name"]
    assert {(edge["id"], edge["column"], edge["kind"]) for edge in column(graph["people"], "email")["to"]} >= {
        ("model.shop.members", "contact", "transformed"),
        ("model.shop.members", "email", "copied"),
    }
    assert [edge["column"] for edge in graph["members"]["rows_from"]] == ["name"]


def test_the_lineage_that_is_not_known_says_why(make_project: Make) -> None:
    files = SHOP | {"models/odd.sql": "select unnest(columns(*)) as x from (select [1] as a)"}
    found = nodes(generated(make_project(files)))["odd"]

    assert "unknown" not in found or found["unknown"]


def test_descriptions_are_inherited_along_copies_and_marked(make_project: Make) -> None:
    found = nodes(generated(make_project(SHOP)))

    assert column(found["members"], "id")["description"] == "who it is"
    assert column(found["everybody"], "id")["inherited_from"] == {
        "node": {"id": "seed.shop.people", "name": "people", "kind": "seed"},
        "column": "id",
    }
    assert "inherited_from" not in column(found["everybody"], "letters") or (
        column(found["everybody"], "letters")["inherited_from"]["column"] == "letters"
    )
    assert "description" not in column(found["members"], "contact")
    assert column(found["people"], "email")["description"] == "where to write to, if we know it"


def test_values_of_private_columns_are_nowhere(make_project: Make) -> None:
    """Those of the column, of its copies, and of what is made of it."""
    files = dict(SHOP)
    files["models/members.yml"] = files["models/members.yml"].replace("max_value: 2", "max_value: 9")
    files["seeds/people.yml"] = (
        files["seeds/people.yml"].replace("config", "config") + "    config: {statistics: true}\n"
    )
    root = make_project(files)
    assert Project(root).build().is_success

    found = nodes(generated(root))["members"]

    for name in ("email", "contact"):
        assert column(found, name)["is_pii"]
        assert set(column(found, name)["statistics"]) == {"completeness", "distinct"}
    assert "minimum" in column(found, "letters")["statistics"]
    everything = "".join(file.read_text() for file in (root / "target/docs/data").rglob("*.js"))
    assert "example.com" not in everything.lower()


def test_search_knows_nodes_and_columns(make_project: Make) -> None:
    entries = generated(make_project(SHOP))["search/0"]

    assert {"id": "model.shop.members", "name": "letters", "kind": "column"}.items() <= next(
        entry for entry in entries if entry["name"] == "letters" and entry["of"] == "members"
    ).items()
    assert {entry["kind"] for entry in entries} == {"seed", "model", "view", "exposure", "column"}


def test_a_project_without_tables_has_pages_too(make_project: Make) -> None:
    values = generated(make_project(SHOP))

    assert nodes(values)["members"]["versions"] == []
    assert values["runs"] == {"runs": []}


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "expected"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_nodes_are_in_the_file_that_a_well_known_hash_says(text: str, expected: int) -> None:
    assert shard_of(text, 2**32) == expected


@given(st.text())
def test_a_script_hands_over_any_text_and_cannot_be_left(text: str) -> None:
    written = script("a/b", {"text": text}).decode("utf-8", "surrogatepass")

    assert "<" not in written
    assert "\u2028" not in written
    assert json.loads(written.removeprefix('fsbuild.put("a/b",').removesuffix(");\n"))["text"] == (
        text.encode("utf-8", "replace").decode()
    )


def test_what_a_user_wrote_stays_text(make_project: Make) -> None:
    root = make_project(SHOP)
    page = Project(root).generate_docs(single_file=True).page.read_text(encoding="utf-8")

    assert "alert(1)" in page
    assert "<script>alert(1)" not in page
    assert nodes(generated(root))["members"]["description"].startswith("<script>alert(1)</script> & <!--")


def test_one_page_loads_nothing(make_project: Make) -> None:
    made = Project(make_project(SHOP)).generate_docs(single_file=True)
    page = made.page.read_text(encoding="utf-8")

    assert made.page.name == "shop-docs.html"
    assert 'src="site.js"' not in page
    assert 'href="site.css"' not in page
    assert 'fsbuild.put("project",' in page


def test_only_what_has_changed_is_written(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).generate_docs()
    docs = root / "target/docs"
    for file in docs.rglob("*"):
        os.utime(file, (1, 1))
    (docs / "data/nodes/99.js").write_text("of an earlier time")

    made = Project(root).generate_docs()

    changed = [file.name for file in docs.rglob("*.*") if file.is_file() and file.stat().st_mtime > 1]
    # Only the moment of writing is another, unless that is the same second.
    assert (made.changed, changed) in ((1, ["project.js"]), (0, []))
    assert not (docs / "data/nodes/99.js").exists()


def test_a_file_that_is_there_is_compared_by_its_content(tmp_path: Path) -> None:
    assert write_site(tmp_path, [("a/b.js", b"12")]).changed == 1
    assert write_site(tmp_path, [("a/b.js", b"12")]).changed == 0
    assert write_site(tmp_path, [("a/b.js", b"13")]).changed == 1


@given(st.lists(st.lists(st.integers(0, 30), max_size=3), max_size=30))
def test_what_is_read_is_left_of_what_reads_it(above: list[list[int]]) -> None:
    parents = {f"n{at}": [f"n{other}" for other in some if other < at] for at, some in enumerate(above)}

    places = place_nodes(parents)

    assert all(places[other][0] < places[name][0] for name, some in parents.items() for other in some)
    assert len(set(places.values())) == len(parents)
    assert place_nodes(parents) == places


def test_a_thousand_nodes_are_in_small_files(make_project: Make) -> None:
    models = {f"models/m{at}.sql": f"select {at} as a, 'x' as b" for at in range(200)}
    root = make_project(models)
    Project(root).generate_docs()

    files = list((root / "target/docs/data").rglob("*.js"))
    assert len([file for file in files if file.parent.name == "nodes"]) == 16
    assert max(file.stat().st_size for file in files) < 200_000


def test_the_documentation_is_served(make_project: Make) -> None:
    root = make_project(SHOP)
    with pytest.raises(FsbuildError, match="there is no documentation in target/docs/ yet"):
        Project(root).docs_folder()
    Project(root).generate_docs()

    with serve(Project(root).docs_folder(), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/data/project.js") as answer:
                assert answer.headers["Content-Type"].startswith(("text/javascript", "application/javascript"))
                assert answer.read().startswith(b'fsbuild.put("project",')
        finally:
            server.shutdown()
            thread.join()


def test_the_command_says_where_the_pages_are(make_project: Make) -> None:
    root = make_project(SHOP)
    code, told = fsbuild(root, "docs", "generate")

    assert code == 0
    assert told[0] == str(root / "target/docs/index.html")
    assert told[1].startswith("Documented 3 nodes in ")


# --- what is described ------------------------------------------------------------------------------------------------


def test_what_nobody_described_is_listed(make_project: Make) -> None:
    root = make_project(SHOP)

    code, told = fsbuild(root, "docs", "coverage")

    assert (code, told) == (
        0,
        [
            "people.name  seeds/people.csv",
            "members.contact  models/members.sql",
            "everybody  models/small/everybody.sql",
            "everybody.contact  models/small/everybody.sql",
            "71% is described: 2 of 3 nodes, 8 of 11 columns",
        ],
    )
    assert fsbuild(root, "docs", "coverage", "--threshold", "0.8")[0] == 1
    assert fsbuild(root, "docs", "coverage", "--threshold", "0.7")[0] == 0
    _, as_json = fsbuild(root, "docs", "coverage", "-s", "everybody", "--output", "json")
    assert json.loads(as_json[0]) == {
        "node": "everybody",
        "column": None,
        "file": "models/small/everybody.sql",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"models/texts.md": "{% docs a %}x{% enddocs %}"}, "there is no docs block 'people'"),
        (
            {"models/more.md": "\n{% docs people %}x{% enddocs %}"},
            "there is a docs block 'people' already, at models/more.md:1",
        ),
        ({"models/more.md": "{% docs a %} text"}, "the docs block 'a' has no end"),
        (
            {"models/e.yml": "exposures: [{name: e, type: dashbord, owner: {name: a}}]"},
            "the type of the exposure 'e' is 'dashbord'",
        ),
        ({"models/e.yml": "exposures: [{name: e, type: ml}]"}, "nobody owns the exposure 'e'"),
        (
            {"models/e.yml": "exposures: [{name: e, type: ml, owner: {name: a}, depends_on: [ref('memebrs')]}]"},
            "unknown ref 'memebrs'",
        ),
        ({"models/e.yml": "exposures: [{name: letter, type: ml, owner: {email: a}, urll: x}]"}, "unknown key 'urll'"),
        (
            {"models/e.yml": "models: [{name: everybody, columns: [{name: id, pii: perhaps}]}]"},
            "'pii' is 'perhaps', not true or false",
        ),
    ],
)
def test_mistakes_are_told_at_their_place(make_project: Make, files: Files, expected: str) -> None:
    with pytest.raises(FsbuildError) as caught:
        Project(make_project(SHOP | dict(files))).generate_docs()

    assert expected in [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("sql", "columns", "expected"),
    [
        ("select a, max(b) as top from t", ["a", "top"], {"a": "a", "top": "max(b) as top"}),
        (
            "with x as (select 1 as z from q) select distinct on (a, b) a, b.c, f(1, 2) end_ from x",
            ["a", "c", "end_"],
            {"a": "a", "c": "b.c", "end_": "f(1, 2) end_"},
        ),
        ("from t select a, [1, 2] as l", ["a", "l"], {"a": "a", "l": "[1, 2] as l"}),
        ("select *, x + 1 as y from t", ["a", "b", "y"], {"y": "x + 1 as y"}),
        ("select t.*, t.a as b, c from t", ["q", "b", "c"], {"b": "t.a as b", "c": "c"}),
        (
            "select extract(year from d) as y, case when a then 1 end as c from t union all select 1, 2",
            ["y", "c"],
            {"y": "extract(year from d) as y", "c": "case when a then 1 end as c"},
        ),
        ("select 1 as \"from\", 'from' as w from t", ["from", "w"], {"from": '1 as "from"', "w": "'from' as w"}),
        (
            "select (select max(x) from q) as m, a.order from a",
            ["m", "order"],
            {"m": "(select max(x) from q) as m", "order": "a.order"},
        ),
        ("select * from t", ["a"], {}),
        ("values (1, 2)", ["col0", "col1"], {}),
    ],
)
def test_where_a_column_is_defined(sql: str, columns: list[str], expected: dict[str, str]) -> None:
    found = locate_columns(sql, columns)

    assert {name: sql[start:end] for name, (start, end) in found.items()} == expected


def test_a_changed_docs_block_is_a_changed_description(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).generate_docs()
    write_files(root, {"models/texts.md": SHOP["models/texts.md"].replace("bought", "looked at")})

    assert "looked at" in nodes(generated(root))["people"]["description"]


def test_docs_blocks_may_have_folders_of_their_own(make_project: Make) -> None:
    files = SHOP | {
        "fsbuild_project.yml": "name: shop\ndocs-paths: [words]\n",
        "models/texts.md": "",
        "words/deep/texts.md": SHOP["models/texts.md"],
    }

    assert nodes(generated(make_project(files)))["people"]["description"] == "Everybody who **bought** something."


def test_what_failed_and_what_was_skipped_is_in_the_last_run(make_project: Make) -> None:
    files = {
        "models/base.sql": "{{ config(materialized='table') }} select cast('many' as integer) as a",
        "models/top.sql": "{{ config(materialized='table') }} select a from {{ ref('base') }}",
    }
    root = make_project(files)
    result = Project(root).run()

    values = generated(root)

    (last,) = values["runs"]["runs"]
    assert (last["id"], last["command"]) == (result.run_id, "run")
    told = {node["node"]["name"]: node for node in last["nodes"]}
    assert (told["base"]["status"], told["top"]["status"]) == ("error", "skipped")
    assert "many" in told["base"]["message"]
    assert told["top"]["message"] == "base failed"
    assert 0 <= told["base"]["start_s"] < told["base"]["end_s"] <= told["top"]["start_s"]
    assert [item["name"] for item in values["project"]["attention"]["failing"]["items"]] == ["base"]


def test_a_source_is_as_fresh_as_its_limits_say(make_project: Make) -> None:
    sources = """
sources:
  - name: raw
    tables:
      - name: old
        meta: {external_location: data/old.csv}
        config: {loaded_at_field: at, freshness: {error_after: {count: 1, period: day}}}
      - name: lost
        meta: {external_location: data/lost.csv}
        config: {loaded_at_field: nowhere, freshness: {warn_after: {count: 1, period: day}}}
"""
    text = "at\n2013-01-01 10:00:00\n"
    files = {"models/raw.yml": sources, "data/old.csv": text, "data/lost.csv": text}
    files |= {"models/a.sql": "select o.at from {{ source('raw', 'old') }} o, {{ source('raw', 'lost') }}"}
    values = generated(make_project(files))

    tables = {table["name"]: table for table in values["project"]["sources"][0]["tables"]}
    assert tables["old"]["freshness"] == {"status": "error", "as_of": "2013-01-01T10:00:00.000Z"}
    assert tables["lost"]["freshness"]["status"] == "unknown"
    assert tables["lost"]["freshness"]["why"]
    assert "raw.old" in [item["name"] for item in values["project"]["attention"]["stale"]["items"]]


def test_serving_ends_quietly(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).generate_docs()
    command = [sys.executable, "-m", "fsbuild", "docs", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr is not None
        assert "until Ctrl-C" in serving.stderr.readline()
        serving.send_signal(signal.SIGINT)
        out, said = serving.communicate(timeout=20)

    assert (serving.returncode, out, said.strip()) == (0, "", "")
