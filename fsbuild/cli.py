"""The command line: parses arguments, calls the api, prints what it returns, maps the exit code. No logic.

Data goes to stdout, everything else to stderr. Exit codes are dbt's: 0 fine, 1 a model or a check failed, 2 there is
nothing to begin with, as the command is used wrongly or the project cannot be read.
Heavy modules are imported by the commands that need them, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypedDict, TypeVar, Unpack

import click

from fsbuild.version import __version__

if TYPE_CHECKING:
    from fsbuild.api import Project, Table
    from fsbuild.errors import Problem
    from fsbuild.report import TraceForm
    from fsbuild.select import Indirect
    from fsbuild.values import RunResult

P = ParamSpec("P")
R = TypeVar("R")
# The types of nodes, as `values.ResourceType` has them.
RESOURCE_TYPES = (
    *("model", "snapshot", "seed", "source", "exposure", "unit_test", "test"),
    *("metric", "semantic_model", "saved_query", "analysis"),
)
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Selection(TypedDict):
    """The nodes that a command is about, as the api's calls take them."""

    select: tuple[str, ...]
    exclude: tuple[str, ...]


class Printing(TypedDict):
    """How many rows to print (0: all), and in which form."""

    limit: int
    output: str


class PointInTime(TypedDict):
    """The moment that a table is asked about: a time or a version, or neither for now."""

    as_of: str | None
    version: int | None


class Asked(TypedDict):
    """What is asked of a table's statistics."""

    version: str | None
    compare: str | None
    max_psi: float | None
    correlations: bool


class Traced(TypedDict):
    """What is asked about lineage: instead of a model what has changed, in which directions and how far."""

    changed: bool
    base: str
    upstream: bool
    downstream: bool
    depth: int | None
    steering: bool


class RestorePoint(TypedDict):
    """What a table is to become again: one of three, and whether those below it follow."""

    to_version: int | None
    to_timestamp: str | None
    to_run: str | None
    downstream: bool


class Reading(TypedDict):
    """What is read, as the api's calls take it: the event times of batches, and the versions of inputs."""

    event_time_start: str | None
    event_time_end: str | None
    as_of: str | None
    inputs: dict[str, int]


class RunOptions(TypedDict):
    """How to run, as the api's calls take it."""

    full_refresh: bool
    fail_fast: bool


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every command on a project takes; those with a default are of those that check, or select."""

    project_dir: str
    profiles_dir: str | None
    target: str | None
    variables: str
    threads: int | None
    log_format: Literal["text", "json"]
    is_quiet: bool
    is_verbose: bool
    junit: str | None = None
    store_failures: bool = False
    indirect_selection: Indirect | None = None
    state: str | None = None
    defers: bool = False
    favors_state: bool = False

    def project(self) -> Project:
        """Open the project that the options name."""
        from fsbuild.api import Project
        from fsbuild.report import listen_to_logs

        listen_to_logs(self.log_format, self.verbosity, sys.stderr)
        return Project(
            self.project_dir,
            target=self.target,
            profiles_dir=self.profiles_dir,
            variables=_parse_mapping(self.variables, "--vars"),
            threads=self.threads,
            state=self.state,
            indirect_selection=self.indirect_selection or "eager",
            defer=self.defers,
            favor_state=self.favors_state,
        )

    @property
    def verbosity(self) -> Literal[-1, 0, 1]:
        """-1 quiet, 0 normal, 1 verbose."""
        if self.is_quiet:
            return -1
        return 1 if self.is_verbose else 0


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        code = cli.main(arguments, prog_name="fsbuild", standalone_mode=False)
    except Exception as exc:  # noqa: BLE001 - every exception ends here, and leaves as words and an exit code
        code = _explain(exc, "text")
    sys.exit(code if isinstance(code, int) else 0)


def _explain(exc: BaseException, log_format: Literal["text", "json"]) -> int:
    """Tell what went wrong, to a person or to a program; return the exit code."""
    if isinstance(exc, BrokenPipeError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the reader went away; nothing more can be said
        return 1
    if log_format == "text" and isinstance(exc, click.ClickException):
        exc.show()
        return 2
    if log_format == "text" and isinstance(exc, click.Abort):
        click.echo("Interrupted", err=True)
        return 1

    from fsbuild.report import tell_problems

    problems, code = _problems_of(exc)
    tell_problems(problems, log_format, sys.stderr)
    return code


def _problems_of(exc: BaseException) -> tuple[Sequence[Problem], int]:
    """Put what went wrong into words; the number is the exit code."""
    from fsbuild.errors import FsbuildError, GraphError, Problem, ProjectError, RenderError, UsageError

    if isinstance(exc, FsbuildError):
        return exc.problems, 2 if isinstance(exc, UsageError | ProjectError | RenderError | GraphError) else 1
    if isinstance(exc, click.ClickException):
        return [Problem(exc.format_message())], 2
    if isinstance(exc, KeyboardInterrupt):
        return [Problem("interrupted")], 1
    import traceback

    trace = "".join(traceback.format_exception(exc))
    hint = "this is a bug in fsbuild: please report it with these lines"
    return [Problem(f"{type(exc).__name__}: {exc}", hint=hint, detail=trace)], 2


def _parse_mapping(text: str, option: str) -> Mapping[str, object]:
    import yaml

    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as exc:
        raise click.BadParameter(f"not YAML: {exc}", param_hint=option) from exc
    if not isinstance(found, dict):
        raise click.BadParameter("write a mapping, such as 'data_dir: year'", param_hint=option)
    return found


# --- options ---------------------------------------------------------------------------------------------------------


def common_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that every command on a project takes; the command gets them as one `common`."""

    @click.option("--project-dir", default=".", metavar="DIR", help="The project's folder, or one below it.")
    @click.option("--profiles-dir", metavar="DIR", help="Where profiles.yml is, when not in the project.")
    @click.option("-t", "--target", metavar="NAME", help="Which target of the profile to use.")
    @click.option("--vars", "variables", default="{}", metavar="YAML", help="Variables, as 'name: value'.")
    @click.option("--threads", type=click.IntRange(min=1), metavar="N", help="How many models run at once.")
    @click.option(
        "--log-format", type=click.Choice(["text", "json"]), default="text", help="Progress as text or as JSON lines."
    )
    @click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Show only problems and the last line.")
    @click.option("-v", "--verbose", "is_verbose", is_flag=True, help="Show reasons, versions and every check.")
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        names = [name for name in Common.__dataclass_fields__ if name in kwargs]
        common = Common(**{name: kwargs.pop(name) for name in names})  # type: ignore[arg-type]
        try:
            return command(common, *args, **kwargs)  # type: ignore[arg-type]
        except (Exception, KeyboardInterrupt) as exc:
            if common.log_format == "text":
                raise  # to `main`, which also hears of what goes wrong before the options are known
            return _explain(exc, common.log_format)  # type: ignore[return-value]

    return wrapped


class Words(click.Option):
    """An option that takes all words up to the next option, as dbt's do: `--select a b`."""

    def add_to_parser(self, parser: click.parser._OptionParser, ctx: click.Context) -> None:
        """Let the parser give this option the words that follow its first one, too."""
        super().add_to_parser(parser, ctx)
        options = {**parser._long_opt, **parser._short_opt}  # noqa: SLF001 - click has no other way to them
        for option in {id(options[name]): options[name] for name in self.opts}.values():
            option.process = _taking_all(option.process)  # type: ignore[assignment, method-assign]


def _taking_all(process: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def take(value: object, state: Any) -> None:  # noqa: ANN401 - click's own
        process(value, state)
        while state.rargs and not state.rargs[0].startswith("-"):
            process(state.rargs.pop(0), state)

    return take


def selection_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add --select and the like; the command gets the selectors as one `selection`, and the rest with common ones."""

    @click.option(
        "-s",
        "--select",
        cls=Words,
        multiple=True,
        metavar="SELECTOR",
        help="Nodes to take: name, +name, name+, @name, tag:x, path:x, source:x, config.materialized:x; "
        "a space or another --select unites, a comma intersects.",
    )
    @click.option(
        "--exclude", cls=Words, multiple=True, metavar="SELECTOR", help="Nodes to leave out, written as for --select."
    )
    @click.option("--selector", metavar="NAME", help="Nodes that selectors.yml names so; the same as selector:NAME.")
    @click.option(
        "--indirect-selection",
        type=click.Choice(["eager", "cautious", "buildable", "empty"]),
        envvar="DBT_INDIRECT_SELECTION",
        help="Which data tests come along: those of any node that is taken (eager), or of nothing else (cautious).",
    )
    @click.option(
        "--state",
        metavar="DIR",
        envvar=["FSBUILD_STATE", "DBT_STATE"],
        help="The artifacts of another run: state:modified, result:error and the like compare with them.",
    )
    @click.option(
        "--defer/--no-defer",
        "defers",
        envvar="DBT_DEFER",
        help="Read what is not taken, and not there, from the tables of the run that --state names.",
    )
    @click.option(
        "--favor-state/--no-favor-state",
        "favors_state",
        envvar="DBT_FAVOR_STATE",
        help="With --defer: read all that is not taken from there.",
    )
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        named = kwargs.pop("selector")
        select = (*kwargs.pop("select"), *([f"selector:{named}"] if named else []))  # type: ignore[misc]
        kwargs["selection"] = {"select": select, "exclude": kwargs.pop("exclude")}
        return command(*args, **kwargs)

    return wrapped


def type_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add --resource-type and --exclude-resource-type."""
    kinds = click.Choice([*RESOURCE_TYPES, "all", "default"])
    chosen = click.option(
        "--resource-type", type=kinds, cls=Words, multiple=True, help="Only nodes of this type, or of these."
    )
    return chosen(
        click.option(
            "--exclude-resource-type", type=kinds, cls=Words, multiple=True, help="No nodes of this type, or of these."
        )(command)
    )


def run_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add --full-refresh and --fail-fast; the command gets them as one `options`."""

    @click.option("--full-refresh", is_flag=True, help="Rebuild incremental tables and seeds from nothing.")
    @click.option("-x", "--fail-fast", is_flag=True, help="Start nothing new after the first failure.")
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        kwargs["options"] = {name: kwargs.pop(name) for name in ("full_refresh", "fail_fast")}
        return command(*args, **kwargs)

    return wrapped


def check_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add --junit and --store-failures; the command gets them with the common ones."""
    written = "Write how each check ended as JUnit XML, for CI servers."
    kept = "Keep the rows that fail checks in tables; what is told of a check names its table."
    option = click.option("--junit", metavar="FILE", help=written)
    return option(click.option("--store-failures", is_flag=True, help=kept)(command))


def row_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add --limit and --output; the command gets them as one `printing`."""

    @click.option("--limit", type=click.IntRange(min=0), default=5, show_default=True, help="How many rows; 0 for all.")
    @click.option(
        "--output", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print the rows."
    )
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        kwargs["printing"] = {name: kwargs.pop(name) for name in ("limit", "output")}
        return command(*args, **kwargs)

    return wrapped


def reading_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that say what is read; the command gets them as one `reading`."""

    @click.option(
        "--event-time-start",
        metavar="TIME",
        help="With --event-time-end: compute just these batches of microbatch models. A date or time, UTC.",
    )
    @click.option("--event-time-end", metavar="TIME", help="The first moment after these batches.")
    @click.option(
        "--as-of",
        metavar="TIME",
        help="Read the tables that are not built here as they were then. A date or time, UTC.",
    )
    @click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=VERSION",
        callback=_parse_inputs,
        help="Read this version of a table that is not built here: a model, or a source as source.table.",
    )
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        names = ("event_time_start", "event_time_end", "as_of", "inputs")
        kwargs["reading"] = {name: kwargs.pop(name) for name in names}
        return command(*args, **kwargs)

    return wrapped


def _parse_inputs(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in given:
        name, _, version = text.partition("=")
        if not name or not version.isdecimal():
            message = f"'{text}' is not NAME=VERSION: name a model or source.table, and a version of its table"
            raise click.BadParameter(f"{message}, for example raw.events=3")
        found[name] = int(version)
    return found


# --- commands --------------------------------------------------------------------------------------------------------


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, "-V", "--version", prog_name="fsbuild", message="%(prog)s %(version)s")
def cli() -> None:
    """Turn SQL models into checked Delta tables of machine-learning features.

    \b
    A first project:
      fsbuild init flights && cd flights
      fsbuild run
      fsbuild show carrier_delay_7d
    """


@cli.command()
@click.argument("folder")
def init(folder: str) -> None:
    """Make a project in FOLDER from the template: flights from New York in 2013.

    \b
    Example:
      fsbuild init flights && cd flights && fsbuild run
    """
    from fsbuild.template import copy_template

    path = copy_template(Path(folder))
    click.echo(f"Made {path}/ from the template. Next:\n  cd {path}\n  fsbuild run", err=True)


def _write_junit(result: RunResult, file: str) -> None:
    import datetime as dt

    from fsbuild.errors import Problem, UsageError
    from fsbuild.report.junit import write_junit

    try:
        write_junit(result, Path(file), dt.datetime.now(dt.UTC))
    except OSError as exc:
        raise UsageError(Problem(f"cannot write {file}: {exc.strerror}")) from exc


def _run(action: str, common: Common, **given: object) -> int:
    """Run an action of the api under a reporter; return the exit code."""
    from fsbuild.report import make_reporter

    project = common.project()
    if common.store_failures:
        given = {**given, "store_failures": True}
    with make_reporter(common.log_format, common.verbosity, sys.stderr) as report:
        result: RunResult = getattr(project, action)(**given, on_event=report)
    if common.junit is not None:
        _write_junit(result, common.junit)
    return 0 if result.is_success else 1


@cli.command()
@selection_options
@run_options
@reading_options
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and why; the same as `fsbuild plan`.")
@check_options
@common_options
def run(common: Common, selection: Selection, options: RunOptions, reading: Reading, *, dry_run: bool) -> int:
    """Run models in order; each is published when its checks pass.

    What has not changed is left alone. A seed that a model reads is loaded when it is missing or its file changed.

    \b
    Examples:
      fsbuild run
      fsbuild run --select +carrier_delay_7d
      fsbuild run --full-refresh --select tag:feature
    """
    if dry_run:
        return _plan(common, selection, options, reading)
    return _run("run", common, **selection, **options, **reading)


@cli.command()
@selection_options
@run_options
@reading_options
@type_options
@check_options
@common_options
def build(  # noqa: PLR0913 - one for each option
    common: Common,
    selection: Selection,
    options: RunOptions,
    reading: Reading,
    resource_type: tuple[str, ...],
    exclude_resource_type: tuple[str, ...],
) -> int:
    """Load seeds, run models and snapshots, and report every check as a result.

    A model whose unit tests fail is not built.

    \b
    Examples:
      fsbuild build --select staging+
      fsbuild build --exclude test_type:unit
    """
    types = {"resource_types": resource_type, "without_types": exclude_resource_type}
    return _run("build", common, **selection, **options, **reading, **types)


@cli.command()
@selection_options
@click.option("-x", "--fail-fast", is_flag=True, help="Start nothing new after the first failure.")
@common_options
def snapshot(common: Common, selection: Selection, *, fail_fast: bool) -> int:
    """Run snapshots: rows that changed since the last time get a successor, and none is lost.

    `run` leaves snapshots out, as in dbt; `build` runs them with the models.

    \b
    Example:
      fsbuild snapshot --select customers_history
    """
    return _run("snapshot", common, **selection, fail_fast=fail_fast)


@cli.command()
@selection_options
@run_options
@common_options
def seed(common: Common, selection: Selection, options: RunOptions) -> int:
    """Load CSV seeds as tables.

    \b
    Example:
      fsbuild seed --select airlines
    """
    return _run("seed", common, **selection, **options)


@cli.command()
@selection_options
@check_options
@common_options
def test(common: Common, selection: Selection) -> int:
    """Run unit tests, and check what is published; how that ended is added to the table fsbuild_checks.

    A unit test is chosen with its model or by its name; test_type:unit are all of them, and need no tables to be there.

    \b
    Examples:
      fsbuild test --select carrier_delay_7d
      fsbuild test --select test_type:unit
    """
    return _run("test", common, **selection)


@cli.command()
@common_options
def retry(common: Common) -> int:
    """Repeat the last run, build, seed or test for what failed in it or was skipped.

    It is called with the options and variables that it was called with then.

    \b
    Example:
      fsbuild retry
    """
    return _run("retry", common)


@cli.command()
@selection_options
@run_options
@reading_options
@common_options
def plan(common: Common, selection: Selection, options: RunOptions, reading: Reading) -> int:
    """Say for each model what a run would do, and why.

    \b
    Example:
      fsbuild plan --select carrier_delay_7d+
    """
    return _plan(common, selection, options, reading)


def _plan(common: Common, selection: Selection, options: RunOptions, reading: Reading) -> int:
    from fsbuild.report import format_plan

    project = common.project()
    found = project.plan(**selection, full_refresh=options["full_refresh"], **reading)
    if common.log_format == "json":
        for step in found.steps:
            click.echo(json.dumps({"unique_id": step.unique_id, "action": step.action, "reason": step.reason}))
        return 0
    nodes = {node.unique_id: (node.name, node.materialized) for node in project.nodes()}
    click.echo(format_plan(found, nodes))
    return 0


@cli.command()
@common_options
def parse(common: Common) -> int:
    """Read and render the project, and write target/manifest.json; its SQL is left to `compile`.

    \b
    Example:
      fsbuild parse
    """
    _say(f"Read {common.project().parse()} nodes")
    return 0


@cli.command(name="compile")
@selection_options
@click.option("--inline", metavar="SQL", help="A query to compile and print instead; ref() and source() work in it.")
@common_options
def compile_command(common: Common, selection: Selection, inline: str | None) -> int:
    """Check the SQL of the whole project without touching data, and write it to target/compiled.

    With --select, the compiled SQL of those models is printed too.

    \b
    Examples:
      fsbuild compile --select carrier_delay_7d
      fsbuild compile --inline "select count(*) from {{ ref('stg_flights') }}"
    """
    import time

    if inline is not None:
        if selection["select"]:
            raise click.UsageError("either choose nodes, or give a query with --inline")
        click.echo(common.project().compile_inline(inline))
        return 0
    began = time.perf_counter()
    found = common.project().compile(**selection)
    if selection["select"]:
        for name, sql in found.items():
            click.echo(f"-- {name}\n{sql}\n" if len(found) > 1 else sql)
    _say(f"Compiled {len(found)} models in {time.perf_counter() - began:.2f}s")
    return 0


@cli.command()
@selection_options
@type_options
@click.option(
    "--output",
    type=click.Choice(["selector", "name", "path", "json"]),
    default="selector",
    help="What to print of each; a selector is what --select takes.",
)
@click.option(
    "--output-keys", cls=Words, multiple=True, metavar="KEY", help="With --output json: the keys, a dot for one below."
)
@common_options
def ls(  # noqa: PLR0913 - one for each option
    common: Common,
    selection: Selection,
    resource_type: tuple[str, ...],
    exclude_resource_type: tuple[str, ...],
    output: str,
    output_keys: tuple[str, ...],
) -> int:
    """List nodes, parents first.

    Data tests are listed in a project of dbt's, and elsewhere when they are asked for.

    \b
    Examples:
      fsbuild ls --select tag:feature --output json
      fsbuild ls --select test_name:unique
      fsbuild ls --resource-type all
    """
    from fsbuild.report.listing import listed

    keys = [key for written in output_keys for key in written.replace(",", " ").split()]
    for node in common.project().nodes(**selection, resource_types=resource_type, without_types=exclude_resource_type):
        click.echo(listed(node, output, keys))
    return 0


@cli.command()
@click.argument("node", required=False)
@click.option("--inline", metavar="SQL", help="A query to run instead; ref() and source() work in it.")
@click.option("--as-of", metavar="TIME", help="NODE as it was then: an ISO date or time, in UTC.")
@click.option("--version", type=click.IntRange(min=0), help="NODE as it was in this version of its table.")
@row_options
@common_options
def show(common: Common, node: str | None, inline: str | None, printing: Printing, **at: Unpack[PointInTime]) -> int:
    """Print rows of NODE as published, now or in the past, or of a query.

    \b
    Examples:
      fsbuild show carrier_delay_7d --limit 20
      fsbuild show carrier_delay_7d --as-of "2013-02-01 06:30"
      fsbuild show --inline "select count(*) from {{ ref('stg_flights') }}"
    """
    if (node is None) == (inline is None):
        raise click.UsageError("name a node, or give a query with --inline")
    found = common.project().show(node, inline=inline, limit=printing["limit"] or None, **at)
    _print_table(found, printing["output"], null="NULL")
    return 0


@cli.command()
@click.argument("node")
@click.option("--limit", type=click.IntRange(min=1), help="How many versions.")
@click.option("--output", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print them.")
@common_options
def history(common: Common, node: str, limit: int | None, output: str) -> int:
    """Print the versions of NODE's table and the run that wrote each.

    \b
    Example:
      fsbuild history carrier_delay_7d
    """
    _print_table(common.project().history(node, limit), output)
    return 0


@cli.command()
@click.argument("model")
@click.option("--from", "since", metavar="POINT", help="The earlier version; by default that before the last change.")
@click.option("--to", "until", metavar="POINT", help="The later version; by default the latest.")
@row_options
@common_options
def diff(common: Common, model: str, since: str | None, until: str | None, printing: Printing) -> int:
    """Say how the rows of MODEL differ between two versions of its table.

    A POINT is a version's number, an ISO date or time (in UTC), or the id of a run; `fsbuild history` lists them. Rows
    are told apart by the model's unique_key; without one, a changed row is one removed and one added.

    \b
    Examples:
      fsbuild diff carrier_delay_7d
      fsbuild diff carrier_delay_7d --from 2013-02-01 --to 12 --output json
    """
    from fsbuild.api import Table

    limit, output = printing["limit"] or None, printing["output"]
    found, old, new = common.project().diff(model, since=since, until=until, limit=limit)
    counts = {"added": found.added, "removed": found.removed, "changed": found.changed}
    if output == "json":
        click.echo(json.dumps({"from": old, "to": new, **counts, "notes": list(found.notes)}))
    else:
        shown = ", ".join(f"{count:,} {change}" for change, count in counts.items())
        lines = [f"version {old} → {new}: {shown}", *found.notes]
        # Of CSV, a program wants nothing but the rows.
        click.echo("\n".join(lines), err=output == "csv")
    if found.rows or output == "csv":
        _print_table(Table(("change", *found.columns), found.rows), output, null="NULL")
    left = sum(counts.values()) - len(found.rows)
    if left and output == "table":
        click.echo(f"… and {left:,} more; --limit 0 shows all")
    return 0


@cli.command()
@click.argument("model")
@click.option("--to-version", type=click.IntRange(min=0), help="The version of its table to go back to.")
@click.option("--to-timestamp", metavar="TIME", help="The moment to go back to: an ISO date or time, in UTC.")
@click.option("--to-run", metavar="RUN_ID", help="The run whose result to go back to; `fsbuild history` lists them.")
@click.option("--downstream", is_flag=True, help="Restore all tables below MODEL to what they were then, too.")
@common_options
def restore(common: Common, model: str, **to: Unpack[RestorePoint]) -> int:
    """Make MODEL's table what it was before; say what was done with each table.

    Each table is restored in one commit, which can be undone like any other. The next run computes whatever its inputs
    or its SQL call for: to keep old rows, restore or leave out what they are computed from as well.

    \b
    Examples:
      fsbuild restore carrier_delay_7d --to-version 12
      fsbuild restore stg_flights --to-timestamp "2013-02-01 06:30" --downstream
    """
    _print_table(common.project().restore(model, **to), "table")
    return 0


@cli.command()
@selection_options
@click.option("--zorder", metavar="COLUMNS", help="What to order by, with commas; by default a model's event_time.")
@common_options
def optimize(common: Common, selection: Selection, zorder: str | None) -> int:
    """Put the rows of each chosen table into few large files, in an order in which they are found sooner.

    No row changes, and nothing becomes due by it.

    \b
    Examples:
      fsbuild optimize --select tag:feature
      fsbuild optimize --select stg_flights --zorder carrier,flight_date
    """
    columns = [name.strip() for name in (zorder or "").split(",") if name.strip()]
    _print_table(common.project().optimize(**selection, zorder=columns), "table")
    return 0


@cli.command()
@selection_options
@click.option(
    "--retention-hours", type=click.IntRange(min=0), metavar="H", help="Keep what was in use in the last H hours."
)
@click.option("--dry-run/--no-dry-run", default=True, show_default=True, help="Only list them, or delete them.")
@common_options
def vacuum(common: Common, selection: Selection, retention_hours: int | None, *, dry_run: bool) -> int:
    """List, or delete, the files of each chosen table that nobody needs any more.

    Older versions cannot be shown or restored afterwards. Files stay that were in use within the table's own
    delta.deletedFileRetentionDuration, 168 hours by default, and those that a table below may still have to read.

    \b
    Examples:
      fsbuild vacuum
      fsbuild vacuum --select staging --retention-hours 720 --no-dry-run
    """
    found = common.project().vacuum(**selection, retention_hours=retention_hours, dry_run=dry_run)
    _print_table(found, "table")
    files, size = (sum(int(str(row[at])) for row in found.rows) for at in (1, 2))
    if dry_run:
        _say(f"{files:,} files of {size:,} bytes could be deleted: --no-dry-run does")
    else:
        _say(f"Deleted {files:,} files of {size:,} bytes")
    return 0


@cli.command()
@click.argument("model")
@click.option("--version", metavar="POINT", help="A version, a moment or a run's id; by default the table as it is.")
@click.option("--compare", metavar="OTHER", help="Such a version to compare with, or a training set with its features.")
@click.option("--max-psi", type=float, metavar="X", help="With --compare: exit with 1 if a column's psi is greater.")
@click.option("--correlations", is_flag=True, help="Correlations of the columns of numbers, the strongest first.")
@click.option("--output", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print it.")
@common_options
def stats(common: Common, model: str, output: str, **asked: Unpack[Asked]) -> int:
    """Print what the columns of MODEL's table hold: completeness, distinct values, distribution.

    A histogram has 20 bins of one width, kept from version to version; a column of few values has their shares. Drift
    is measured by the population stability index (psi), Kolmogorov-Smirnov (ks) and Jensen-Shannon (js); `missing` is
    how much the share of NULLs has grown.

    \b
    Examples:
      fsbuild stats carrier_delay_7d
      fsbuild stats carrier_delay_7d --compare 3
      fsbuild stats carrier_delay_7d --compare delay_training --max-psi 0.25
    """
    from fsbuild.api import Table
    from fsbuild.report.statistics import drift_rows, statistics_rows

    project = common.project()
    if asked["correlations"]:
        found = project.correlations(model)
        rows = sorted(found.rows, key=lambda row: -abs(float(str(row[2] or 0))))
        _print_table(Table(found.columns, tuple(rows)), output)
        return 0
    if asked["compare"] is None:
        measured = project.stats(model, version=asked["version"])
        if output == "json":
            _print_json({"version": measured.version, **dataclasses.asdict(measured.statistics)})
        else:
            head, lines = statistics_rows(measured.statistics)
            _print_table(Table(head, tuple(lines)), output)
            _say(f"{measured.statistics.rows:,} rows, version {measured.version}")
        return 0
    compared = project.drift(model, asked["compare"])
    if output == "json":
        _print_json([dataclasses.asdict(drift) for drift in compared.drifts])
    else:
        head, lines = drift_rows(compared.drifts, compared.before.statistics, compared.after.statistics)
        _print_table(Table(head, tuple(lines)), output)
    limit = asked["max_psi"]
    moved = [drift.name for drift in compared.drifts if limit is not None and drift.psi > limit]
    if moved:
        _say(f"psi is greater than {limit}: {', '.join(moved)}")
    return 1 if moved else 0


@cli.command()
@click.option("--entity", metavar="NAME", help="Only features about this entity.")
@click.option("--output", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print them.")
@common_options
def features(common: Common, entity: str | None, output: str) -> int:
    """List all features by entity: type, unit, meaning, owner, when they changed last and what they hold.

    \b
    Examples:
      fsbuild features
      fsbuild features --entity carrier --output json
    """
    from fsbuild.api import Table

    found = common.project().features(entity)
    names = ("entity", "model", "feature", "type", "unit", "as_of", "complete", "mean", "owner", "description")
    is_table = output == "table"
    rows = [
        (
            one.entity,
            one.model,
            one.name,
            one.type,
            one.unit or None,
            one.as_of.strftime("%Y-%m-%d %H:%M") if one.as_of else None,
            f"{one.complete:.1%}" if is_table and one.complete is not None else one.complete,
            f"{one.mean:.4g}" if is_table and one.mean is not None else one.mean,
            one.owner,
            one.description or None,
        )
        for one in found
    ]
    _print_table(Table(names, tuple(rows)), output)
    return 0


@cli.command()
@click.argument("word")
@click.option("--output", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print them.")
@common_options
def search(common: Common, word: str, output: str) -> int:
    """Find models, columns, sources, entities and feature views that have WORD in a name, tag, owner or description.

    Where there is none, names that are like WORD are listed. Exits with 1 if nothing is found.

    \b
    Examples:
      fsbuild search delay
      fsbuild search weather --output json
    """
    found = common.project().search(word)
    if found.rows:
        _print_table(found, output)
        return 0
    _say(f"nothing has '{word}' in its name, tags, owner or description")
    return 1


@cli.command()
@click.argument("model", metavar="MODEL[.COLUMN]", required=False)
@click.option("--changed", is_flag=True, help="What the edits since a commit of git may alter, in the place of MODEL.")
@click.option("--base", metavar="COMMIT", default="HEAD", show_default=True, help="With --changed: the commit.")
@click.option("--upstream", is_flag=True, help="Only what it is made of.")
@click.option("--downstream", is_flag=True, help="Only what it goes into.")
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    metavar="N",
    help="Over how many models; by default one for a MODEL, and all the way for a column and with --changed.",
)
@click.option(
    "--steering/--no-steering", default=True, show_default=True, help="What only steers too, or values alone."
)
@click.option("--output", type=click.Choice(["tree", "json", "mermaid", "dot"]), default="tree", help="In which form.")
@common_options
def lineage(common: Common, model: str | None, output: TraceForm, **asked: Unpack[Traced]) -> int:
    """Follow a column across models: what it is made of up to the sources, and what goes on to use it.

    Each line says in which way: copied, transformed or aggregated into the value, or only steering: filters, joins,
    groups, orders, partitions. MODEL.* stands for which rows the model has, and MODEL.? for columns of a model whose
    lineage is unknown; the line says why. A source is written as source.table.

    \b
    Examples:
      fsbuild lineage carrier_delay_7d.late_share_7d --upstream
      fsbuild lineage stg_flights --downstream --depth 3 --no-steering
      fsbuild lineage --changed --output json
    """
    from fsbuild.report import format_trace, is_colored
    from fsbuild.report.paint import ansi, plain

    if asked["changed"] == (model is not None):
        raise click.UsageError("name a MODEL or MODEL.COLUMN, or ask for --changed, and not for both")
    if asked["changed"] and asked["upstream"]:
        raise click.UsageError("--changed goes downstream: leave out --upstream")
    project, depth, steering = common.project(), asked["depth"], asked["steering"]
    if model is None:
        trace = project.changed_lineage(base=asked["base"], depth=depth, steering=steering)
    else:
        up, down = asked["upstream"], asked["downstream"]
        trace = project.lineage(
            model, upstream=up or not down, downstream=down or not up, depth=depth, steering=steering
        )
    if text := format_trace(trace, output, ansi if is_colored(sys.stdout) else plain):
        click.echo(text)
    return 0


@cli.group(context_settings=_CONTEXT)
def checks() -> None:
    """Look at the checks of a model, or write a first schema of what it holds."""


@checks.command(name="show")
@click.argument("model")
@click.option("--output", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print them.")
@common_options
def show_checks(common: Common, model: str, output: str) -> int:
    """Print the checks of MODEL: what a failure means, who decides, and how each ended last.

    \b
    Example:
      fsbuild checks show stg_flights
    """
    found = common.project().checks(model)
    if found.rows or output != "table":
        _print_table(found, output)
    else:
        _say(f"'{model}' has no checks; 'fsbuild checks infer {model}' writes a first schema")
    return 0


@checks.command()
@click.argument("model")
@common_options
def infer(common: Common, model: str) -> int:
    """Print a pandera schema of what MODEL's table holds, in YAML, to be edited.

    \b
    Example:
      fsbuild checks infer stg_flights > checks/stg_flights.yml
    """
    click.echo(common.project().infer_checks(model).rstrip())
    return 0


@cli.group(context_settings=_CONTEXT)
def docs() -> None:
    """Make the documentation of the project, look at it, and find what nobody has described."""


@docs.command("generate")
@click.option("--single-file", is_flag=True, help="Write one page that has everything in it, to be sent around.")
@common_options
def docs_generate(common: Common, *, single_file: bool) -> int:
    """Write the documentation as pages that open from the file system: target/docs/index.html.

    They show lineage column by column, checks and how they ended, versions, runs and statistics, as the project, its
    lake and the last runs tell. No server and no network is needed to read them. What has not changed is not written.

    \b
    Examples:
      fsbuild docs generate
      fsbuild docs generate --single-file
    """
    import time

    began = time.perf_counter()
    made = common.project().generate_docs(single_file=single_file)
    size = f"{made.size / 1e6:.1f} MB" if made.size >= 1e5 else f"{made.size / 1e3:.0f} kB"  # noqa: PLR2004 - 0.1 MB
    files = f"{made.changed:,} of {made.files:,} files written, {size}" if made.files > 1 else size
    _say(f"Documented {made.nodes:,} nodes in {time.perf_counter() - began:.2f}s: {files}")
    click.echo(made.page)
    return 0


@docs.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 for any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 to let other machines look.")
@common_options
def docs_serve(common: Common, port: int, host: str) -> int:
    """Serve the documentation that was generated until Ctrl-C.

    \b
    Example:
      fsbuild docs serve --port 8000
    """
    from fsbuild.errors import Problem, UsageError
    from fsbuild.site import serve

    folder = common.project().docs_folder()
    try:
        server = serve(folder, host, port)
    except OSError as exc:
        hint = "choose another with --port, or 0 for any"
        raise UsageError(Problem(f"cannot serve at {host}:{port}: {exc.strerror}", hint=hint)) from exc
    with server:
        try:
            _say(f"The documentation is at http://{host}:{server.server_port}/ until Ctrl-C")
            server.serve_forever()
        except KeyboardInterrupt:
            _say("")
    return 0


@docs.command("coverage")
@selection_options
@click.option("--threshold", type=click.FloatRange(0, 1), help="Exit with 1 where a smaller share is described.")
@click.option("--output", type=click.Choice(["table", "json"]), default="table", help="How to print what is missing.")
@common_options
def docs_coverage(common: Common, selection: Selection, threshold: float | None, output: str) -> int:
    """List the nodes and columns that nobody has described; a description that a column inherits is one.

    \b
    Examples:
      fsbuild docs coverage --select tag:feature
      fsbuild docs coverage --threshold 0.8
    """
    found = common.project().docs_coverage(**selection)
    for one in found.missing:
        name = f"{one.node}.{one.column}" if one.column is not None else one.node
        told = {"node": one.node, "column": one.column, "file": one.file}
        click.echo(json.dumps(told) if output == "json" else f"{name}  {one.file}")
    _say(
        f"{found.share:.0%} is described: {found.described_nodes:,} of {found.nodes:,} nodes, "
        f"{found.described_columns:,} of {found.columns:,} columns"
    )
    return 1 if threshold is not None and found.share < threshold else 0


@cli.group(context_settings=_CONTEXT)
def source() -> None:
    """Look at sources."""


@source.command()
@selection_options
@click.option("--output", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print them.")
@common_options
def freshness(common: Common, selection: Selection, output: str) -> int:
    """Tell how old sources are that have a `freshness` in their YAML, and exit with 1 where one is too old.

    The newest row is told by the column `loaded_at_field`; without one by the log of a Delta table, or by files.

    \b
    Example:
      fsbuild source freshness --select source:nyc
    """
    from fsbuild.api import Table
    from fsbuild.report.run_text import elapsed_text

    found = common.project().source_freshness(**selection)
    rows = []
    for one in found:
        loaded_at = one.loaded_at.strftime("%Y-%m-%d %H:%M:%S") if one.loaded_at is not None else None
        age: object = one.age_s if output != "table" else elapsed_text(one.age_s) if one.age_s is not None else None
        rows.append((one.name, one.status, loaded_at, age, one.told_by or None, one.message or None))
    if rows or output != "table":
        _print_table(Table(("source", "status", "loaded_at", "age", "told_by", "message"), tuple(rows)), output)
    else:
        _say("no source has a freshness: add freshness: {warn_after: {count: 12, period: hour}} to one")
    return 1 if any(one.status in ("error", "runtime error") for one in found) else 0


@cli.group("training-set", context_settings=_CONTEXT)
def training_set() -> None:
    """Make a training set again as it was, or write it to a file."""


@training_set.command("rebuild")
@click.argument("name")
@click.option("--version", type=click.IntRange(min=0), help="The version of its table; by default the latest.")
@click.option("--output", metavar="FILE", help="Write the rows to FILE: .parquet, .csv, .arrow or .tfrecord.")
@common_options
def rebuild(common: Common, name: str, version: int | None, output: str | None) -> int:
    """Make the rows of NAME again from the versions that it was made from, and hold them against those published.

    The commit of a training set remembers its SQL and the version of every table that it read, and vacuum leaves the
    files of these versions alone. Nothing is published. Exits with 1 if the rows are others.

    \b
    Examples:
      fsbuild training-set rebuild delay_training
      fsbuild training-set rebuild delay_training --version 3 --output delays.parquet
    """
    found = common.project().rebuild_training_set(name, version=version, output=output)
    if found.is_equal:
        _say(f"'{name}' version {found.version}: the same {found.rows:,} rows, content {found.content}")
        return 0
    _say(f"'{name}' version {found.version}: other rows than published, content {found.content}, not {found.published}")
    return 1


@training_set.command("export")
@click.argument("name")
@click.option("--output", metavar="FILE", required=True, help="Where to: .parquet, .csv, .arrow or .tfrecord.")
@click.option("--version", type=click.IntRange(min=0), help="The version of its table; by default the latest.")
@click.option("--split", metavar="NAME", help="Only the rows of this split.")
@common_options
def export(common: Common, name: str, output: str, version: int | None, split: str | None) -> int:
    """Write the published rows of NAME to a file.

    \b
    Examples:
      fsbuild training-set export delay_training --output train.parquet --split train
    """
    count = common.project().export_training_set(name, output, version=version, split=split)
    _say(f"Wrote {count:,} rows to {output}")
    return 0


@cli.command(name="json-schema")
def json_schema() -> None:
    """Print the JSON Schema of the YAML files beside models, by which an editor completes and checks them.

    \b
    Example:
      fsbuild json-schema > fsbuild.schema.json
    """
    from fsbuild.load.json_schema import property_file_schema

    click.echo(json.dumps(property_file_schema(), indent=2))


@cli.command()
@common_options
def debug(common: Common) -> int:
    """Check the project, its profile, its lake and the engine.

    \b
    Example:
      fsbuild debug --target prod
    """
    _print_table(common.project().debug(), "table")
    return 0


@cli.command()
@common_options
def deps(common: Common) -> int:
    """Install the packages that packages.yml or dependencies.yml declare, into dbt_packages/.

    \b
    Example:
      fsbuild deps
    """
    names = common.project().deps()
    _say(f"Installed {', '.join(names) or 'nothing: no packages are declared'}")
    return 0


@cli.command(name="run-operation")
@click.argument("macro")
@click.option("--args", "arguments", default="{}", metavar="YAML", help="The macro's arguments, as 'name: value'.")
@common_options
def run_operation(common: Common, macro: str, arguments: str) -> int:
    """Call a macro of the project or of a package. What it prints, or else returns, goes to stdout.

    \b
    Examples:
      fsbuild run-operation grant_all --args 'role: reader'
      fsbuild run-operation codegen.generate_model_yaml --args 'model_names: [customers]'
    """
    printed: list[str] = []

    def say(text: str) -> None:
        printed.append(text)
        click.echo(text)

    found = common.project().run_operation(macro, _parse_mapping(arguments, "--args"), say=say)
    if isinstance(found, str) and found.strip() and not printed:
        click.echo(found.strip())
    return 0


@cli.command()
@common_options
def clean(common: Common) -> int:
    """Delete the folders that `clean-targets` names, target/ by default. Tables are never deleted.

    \b
    Example:
      fsbuild clean
    """
    removed = common.project().clean()
    _say(f"Removed {', '.join(removed) or 'nothing'}")
    return 0


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, default=str))


def _say(text: str) -> None:
    """Say how a command ended, in the form that the log has."""
    import logging

    logging.getLogger("fsbuild").info(text)


def _print_table(table: Table, output: str, *, null: str = "") -> None:
    """Print what fsbuild tells, where nothing is blank; of the rows of a table NULL is said."""
    if output == "json":
        for row in table.rows:
            click.echo(json.dumps(dict(zip(table.columns, row, strict=True)), default=_as_json))
    elif output == "csv":
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.rows)
    else:
        from fsbuild.report import format_table

        click.echo(format_table(table.columns, table.rows, null=null))


def _as_json(value: object) -> object:
    """Write what JSON has no type for: a changed value as two, anything else as text."""
    from fsbuild.difference import Change

    return {"old": value.old, "new": value.new} if isinstance(value, Change) else str(value)
