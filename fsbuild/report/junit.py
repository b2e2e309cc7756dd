"""A run's result in, a JUnit XML file out, as CI servers read it: a suite for each node, a case for each check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from fsbuild.report.problems import problem_text
from fsbuild.report.run_text import verdict_text, whereabouts
from fsbuild.report.table import format_table, visible
from fsbuild.values import CheckResult, NodeResult, RunResult

_UNTOLD = ("skipped",)


def write_junit(result: RunResult, file: Path, now: dt.datetime) -> None:
    """Write how each check ended, and each node that ended without one.

    Raises:
        OSError: the file cannot be written.
    """
    root = ET.Element("testsuites", name=f"fsbuild {result.command}", time=f"{result.elapsed_s:.3f}")
    for node in result.results:
        cases = [*_cases(node)]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=node.unique_id,
            tests=str(len(cases)),
            failures=str(sum(case.find("failure") is not None for case in cases)),
            errors=str(sum(case.find("error") is not None for case in cases)),
            skipped=str(sum(case.find("skipped") is not None for case in cases)),
            time=f"{node.elapsed_s:.3f}",
            timestamp=now.isoformat(timespec="seconds"),
        )
        suite.extend(cases)
    ET.indent(root)
    file.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _cases(node: NodeResult) -> Iterable[ET.Element]:
    """A case for each check; one for the node itself where it did not come to its checks."""
    for found in node.checks:
        name = ".".join(filter(None, (found.check.column, found.check.title or found.check.label)))
        case = ET.Element("testcase", classname=node.name, name=name, time=f"{found.elapsed_s:.3f}")
        _tell(case, found)
        yield case
    if not node.checks or node.problems:
        case = ET.Element("testcase", classname=node.name, name=node.kind, time=f"{node.elapsed_s:.3f}")
        if node.problems:
            text = "\n\n".join(problem_text(problem) for problem in node.problems)
            ET.SubElement(case, "error", message=visible(node.problems[0].message)).text = text
        elif node.status in _UNTOLD:
            ET.SubElement(case, "skipped", message=node.message)
        yield case


def _tell(case: ET.Element, found: CheckResult) -> None:
    """Say how a check ended; a warning passes, and says so."""
    if found.status == "skipped":
        ET.SubElement(case, "skipped", message=found.message)
        return
    if found.status == "pass":
        return
    columns = list(dict.fromkeys(name for row in found.sample for name in row))
    sample = format_table(columns, [[row.get(name) for name in columns] for row in found.sample]) if columns else ""
    kind = {"fail": "failure", "error": "error"}.get(found.status, "system-out")
    told = ET.SubElement(case, kind)
    told.text = "\n".join(filter(None, (verdict_text(found), sample, whereabouts(found))))
    if kind != "system-out":
        told.set("message", verdict_text(found))
