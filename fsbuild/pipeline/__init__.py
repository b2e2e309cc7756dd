"""The pipeline: the stages in their order, readable in one place.

    load -> render -> graph        drafting.py    draft_project
    -> compile, check definitions  compiling.py   compile_draft
    -> store (read), sources       state.py       read_lake
    -> what a command is about     running.py     set_agenda
    -> other versions to read      inputs.py      pin_inputs
    -> plan -> execute             running.py     plan_run, work_on, tools_for

Beside the road, for what is about tables that are there: nodes.py finds a node and its table by its name and points.py
one of its versions, restoring.py brings one back, upkeep.py keeps its files in order, training.py makes a training set
again, measuring.py tells what a table holds and checking.py how its checks stand. retrieving.py prepares a query that
somebody asks for and that no model is. last_run.py remembers how a run ended, unchanged.py that the next one would find
nothing to do, and program.py what the program is that answers. describing.py writes the artifacts that dbt's neighbours
read. waves.py runs a project in several goes where templates ask for rows, hooks.py what is run around models.
discovery.py lists features, and finds what has a name; freshness.py tells how old sources are. unit_subjects.py judges
unit tests when a project is compiled, unit_testing.py runs them, and increment_testing.py those with batches.
tracing.py follows columns across models; baseline.py compiles the project as it was in a commit, and impact.py compares
it with what is there now.

Each function takes what the one before it returned. This package alone knows the stages together.
"""

from fsbuild.pipeline.baseline import compile_at
from fsbuild.pipeline.checking import infer_checks, show_checks
from fsbuild.pipeline.compiling import Compiled, compile_draft, compile_sql
from fsbuild.pipeline.deferring import Deferral, defer
from fsbuild.pipeline.describing import (
    as_compiled,
    describe,
    not_begun,
    restamp_manifest,
    target_folder,
    write_catalog,
    write_manifest,
)
from fsbuild.pipeline.discovery import Entry, Feature, list_features, search_project
from fsbuild.pipeline.drafting import (
    Added,
    Draft,
    compiled_path,
    draft_project,
    tests_graph,
    unit_tests_of,
    write_compiled,
)
from fsbuild.pipeline.freshness import source_ages
from fsbuild.pipeline.hooks import Hooks, has_hooks, operations_of
from fsbuild.pipeline.impact import trace_changes
from fsbuild.pipeline.inputs import pin_inputs
from fsbuild.pipeline.last_run import LastRun, read_last_run, remember_run
from fsbuild.pipeline.late_checks import late_checks, late_writer
from fsbuild.pipeline.measuring import Compared, compare_statistics, correlations, find_statistics
from fsbuild.pipeline.nodes import (
    checks_on,
    find_node,
    find_own_table,
    find_table,
    has_table,
    readable_place,
    relation_of,
    shown_name,
)
from fsbuild.pipeline.points import NEWEST, bound_versions, parse_moment, version_of, versions_between
from fsbuild.pipeline.restoring import restore_tables
from fsbuild.pipeline.retrieving import given_source, inline_model, prepare_retrieval
from fsbuild.pipeline.running import Agenda, RunOptions, plan_run, set_agenda, tools_for, warming_up, work_on
from fsbuild.pipeline.selecting import Choice, choose, keep_chosen_tests, list_nodes
from fsbuild.pipeline.state import LakeState, open_lake, read_lake
from fsbuild.pipeline.tracing import Tracing, trace_name
from fsbuild.pipeline.training import content_of, find_training_set, followed, recipe_of
from fsbuild.pipeline.unit_testing import prepare_trials, trying_out
from fsbuild.pipeline.upkeep import optimize_tables, vacuum_tables
from fsbuild.pipeline.waves import Answers, OneRun, Settled, below, is_run, settle, waiting_nodes

__all__ = [
    "NEWEST",
    "Added",
    "Agenda",
    "Answers",
    "Choice",
    "Compared",
    "Compiled",
    "Deferral",
    "Draft",
    "Entry",
    "Feature",
    "Hooks",
    "LakeState",
    "LastRun",
    "OneRun",
    "RunOptions",
    "Settled",
    "SourceAge",
    "Tracing",
    "as_compiled",
    "below",
    "bound_versions",
    "checks_on",
    "choose",
    "compare_statistics",
    "compile_at",
    "compile_draft",
    "compile_sql",
    "compiled_path",
    "content_of",
    "correlations",
    "defer",
    "describe",
    "draft_project",
    "find_node",
    "find_own_table",
    "find_statistics",
    "find_table",
    "find_training_set",
    "followed",
    "given_source",
    "has_hooks",
    "has_table",
    "infer_checks",
    "inline_model",
    "is_run",
    "keep_chosen_tests",
    "late_checks",
    "late_writer",
    "list_features",
    "list_nodes",
    "not_begun",
    "open_lake",
    "operations_of",
    "optimize_tables",
    "parse_moment",
    "pin_inputs",
    "plan_run",
    "prepare_retrieval",
    "prepare_trials",
    "read_lake",
    "read_last_run",
    "readable_place",
    "recipe_of",
    "relation_of",
    "remember_run",
    "restamp_manifest",
    "restore_tables",
    "search_project",
    "set_agenda",
    "settle",
    "show_checks",
    "shown_name",
    "source_ages",
    "target_folder",
    "tests_graph",
    "tools_for",
    "trace_changes",
    "trace_name",
    "trying_out",
    "unit_tests_of",
    "vacuum_tables",
    "version_of",
    "versions_between",
    "waiting_nodes",
    "warming_up",
    "work_on",
    "write_catalog",
    "write_compiled",
    "write_manifest",
]
