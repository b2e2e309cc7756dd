"""The documents tell the truth: tables and help texts are made from the code, links lead somewhere, commands run.

FSBUILD_UPDATE_GOLDEN=1 writes the generated parts anew.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fsbuild.check.names import CHECKS
from fsbuild.cli import cli
from fsbuild.values import ModelConfig

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "project_template/README.md", *DOCS.glob("*.md")])


COMMANDS = {
    **{name: command for name, command in cli.commands.items() if not isinstance(command, click.Group)},
    **{
        f"{name} {inner}": command
        for name, group in cli.commands.items()
        if isinstance(group, click.Group)
        for inner, command in group.commands.items()
    },
}


def _between(page: Path, name: str, generated: str) -> None:
    """Compare what stands between two markers with what the code says; write it where that is asked for."""
    begin, end = f"<!-- {name}: generated -->\n", f"<!-- /{name} -->"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    written, after = rest.split(end)
    if os.environ.get("FSBUILD_UPDATE_GOLDEN"):
        page.write_text(before + begin + generated + end + after, encoding="utf-8")
        return
    assert written == generated


def test_every_command_is_documented_by_its_own_help() -> None:
    parts = []
    for name, command in sorted(COMMANDS.items()):
        context = click.Context(command, info_name=f"fsbuild {name}", max_content_width=100)
        parts.append(f"### fsbuild {name}\n\n```\n{command.get_help(context)}\n```\n\n")
    _between(DOCS / "commands.md", "commands", "\n" + "".join(parts))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_every_command_ends_with_examples_of_it(name: str) -> None:
    context = click.Context(COMMANDS[name], info_name=f"fsbuild {name}")
    before_options = context.get_help().partition("\n\nOptions:")[0]
    _, _, examples = before_options.partition("\n  Example")
    lines = examples.splitlines()[1:]
    assert lines
    assert all(line.startswith(f"    fsbuild {name}") for line in lines)


def test_every_config_key_is_documented() -> None:
    rows = ["\n| key | default | meaning |\n|---|---|---|\n"]
    for field in dataclasses.fields(ModelConfig):
        has_default = field.default not in (dataclasses.MISSING, None, (), "")
        default = f"`{str(field.default).lower()}`" if has_default else ""
        rows.append(f"| `{field.metadata.get('key', field.name)}` | {default} | {field.metadata['doc']} |\n")
    _between(DOCS / "configuration.md", "config", "".join(rows) + "\n")


def test_every_check_is_documented() -> None:
    rows = ["\n| check | arguments | meaning |\n|---|---|---|\n"]
    for name, check in CHECKS.items():
        aliases = "".join(f", `{alias}`" for alias in check.aliases)
        arguments = ", ".join(f"`{a.name}`" + ("" if a.is_required else " (optional)") for a in check.arguments)
        rows.append(f"| `{name}`{aliases} | {arguments} | {check.doc} |\n")
    _between(DOCS / "checks.md", "checks", "".join(rows) + "\n")


def test_what_lineage_tells_is_what_the_page_says(tmp_path: Path) -> None:
    invoke = CliRunner().invoke
    assert invoke(copy.deepcopy(cli), ["init", str(tmp_path / "flights")]).exit_code == 0
    commands = re.findall(
        r"<!-- (fsbuild lineage .*): generated -->", (DOCS / "lineage.md").read_text(encoding="utf-8")
    )
    assert len(commands) == 3
    for command in commands:
        arguments = [*command.split()[1:], "--project-dir", str(tmp_path / "flights")]
        done = invoke(copy.deepcopy(cli), arguments)
        assert done.exit_code == 0, done.output
        _between(DOCS / "lineage.md", command, f"\n```console\n$ {command}\n{done.output}```\n\n")


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file) if file else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in _anchors(linked), f"{page.name} links to {target}"


def _commands(page: Path) -> Iterator[tuple[str, int]]:
    """The commands of a page's console blocks, each with the exit code that it says."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, comment = line[2:].partition("    # exit code ")
                yield command, int(comment or 0)


def test_the_first_steps_work_as_they_are_written(tmp_path: Path) -> None:
    folder = tmp_path
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    commands = list(_commands(DOCS / "getting-started.md"))
    assert len(commands) > 10
    for command, code in commands:
        if command.startswith("cd "):
            folder /= command[3:]
            continue
        shell = ["bash", "-c", command]
        done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    assert not re.search(r"(/home/|/root/|/tmp/|/Users/|C:\\)", page.read_text(encoding="utf-8"))
