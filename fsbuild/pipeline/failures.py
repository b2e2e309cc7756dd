"""A check that rows failed in, a file with the query for all of them out, for `fsbuild show` or any editor of SQL.

What the query reads is written with `ref()` and `source()`; rows that were refused are computed by their model's SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from fsbuild.dbt_names import test_name
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft
from fsbuild.values import Check, Relation, StagedRows

_TEXT = """-- {what} ({place})
-- fsbuild show --limit 0 --inline "$(cat {file})"
{sql}
"""


def query_writer(compiled: Compiled) -> Callable[[str, Check, bool], str]:
    """Give what writes the query for the rows of a node that fail a check; it names the file, or nothing."""
    from fsbuild.check import failing_rows

    draft = compiled.draft

    def write(unique_id: str, check: Check, is_published: bool) -> str:  # noqa: FBT001 - the protocol of `Tools`
        name = draft.graph.nodes[unique_id].name
        subject = _reference(unique_id, draft) if is_published else _query_of(unique_id, compiled)
        of_node = compiled.models.get(unique_id) or compiled.known[unique_id]
        rows = StagedRows(
            subject, subject, of_node.columns, lambda _: (), lambda _: (), lambda other: _reference(other, draft)
        )
        sql = failing_rows(check, rows)
        if sql is None:
            return ""
        file = f"{draft.project.target_path}/compiled/{draft.project.name}/{check.place.file}"
        file = file if file.endswith(".sql") else f"{file}/{test_name(check, name)}.sql"
        what = f"what of {name} fails {check.label}" + (f" on {check.column}" if check.column else "")
        text = _TEXT.format(what=" ".join(what.split()), place=check.place, file=file, sql=sql.strip())
        with suppress(OSError):
            (draft.project.root / file).parent.mkdir(parents=True, exist_ok=True)
            (draft.project.root / file).write_text(text, encoding="utf-8")
            return file
        return ""

    return write


def _query_of(unique_id: str, compiled: Compiled) -> str:
    """The rows that a node would have, as a relation: those of its SQL."""
    model = compiled.models.get(unique_id)
    if model is None or model.rendered.expansions:
        # A seed is its file, and the joins of features are steps that only a run takes.
        return _reference(unique_id, compiled.draft)
    sql = model.select.replace("{{", "{{ '{{' }}")
    for parent in model.rendered.depends_on:
        sql = sql.replace(str(_relation(parent, compiled)), _reference(parent, compiled.draft))
    return f"(\n{sql}\n)"


def _relation(unique_id: str, compiled: Compiled) -> Relation:
    model = compiled.models.get(unique_id)
    return model.rendered.relation if model is not None else compiled.known[unique_id].relation


def _reference(unique_id: str, draft: Draft) -> str:
    """Write how a template reads a node."""
    node = draft.graph.nodes[unique_id]
    if node.resource_type == "source":
        return f"{{{{ source('{node.source_name}', '{node.name}') }}}}"
    return f"{{{{ ref('{node.name}') }}}}"
