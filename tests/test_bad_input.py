"""Every project in tests/projects is wrong in its own way; what a person is told of it is kept beside it to the word.

FSBUILD_UPDATE_GOLDEN=1 writes the messages anew: read the difference before committing it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECTS = Path(__file__).parent / "projects"
CASES = sorted(folder.name for folder in PROJECTS.iterdir() if folder.is_dir())
# The projects that can be read, and in which a model or a check is wrong; the others end before they begin, as in dbt.
FAILING = frozenset(
    {"bad_checks_on_columns", "bad_keys", "bad_training_sets", "bad_unit_test_rows", "changed_source", "failing_checks"}
    | {"feature_tie", "missing_source_files", "not_a_delta_table", "sql_syntax", "unknown_column"}
    | {"unstorable_columns"}
)


@pytest.mark.parametrize("case", CASES)
def test_says_where_it_is_wrong_and_what_to_do(case: str, tmp_path: Path) -> None:
    root = tmp_path / case
    shutil.copytree(PROJECTS / case, root)
    golden = root / "expected.txt"

    told = subprocess.run(
        [sys.executable, "-m", "fsbuild", "run", "--threads", "1"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    message = _without_times(told.stderr.replace(str(tmp_path), "<folder>"))
    if os.environ.get("FSBUILD_UPDATE_GOLDEN"):
        (PROJECTS / case / "expected.txt").write_text(message, encoding="utf-8")
        return
    assert message == golden.read_text(encoding="utf-8")
    assert told.returncode == (1 if case in FAILING else 2)
    assert told.stdout == ""
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("case", CASES)
def test_publishes_nothing_that_is_wrong(case: str, tmp_path: Path) -> None:
    root = tmp_path / case
    shutil.copytree(PROJECTS / case, root)
    subprocess.run([sys.executable, "-m", "fsbuild", "run"], cwd=root, capture_output=True, check=False)

    published = {log.parent.parent.name for log in root.glob("lake/main/*/_delta_log/*.json")}
    # A sound seed, in the project whose model fails its checks, and the history of these.
    assert published <= {"orders", "fsbuild_checks"}


def _without_times(text: str) -> str:
    return re.sub(r"\d+\.\d\ds", "0.00s", text)
