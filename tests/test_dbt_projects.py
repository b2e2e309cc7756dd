"""Projects that are read from dbt's own file, with dbt's patience."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fsbuild import Project
from fsbuild.errors import FsbuildError

Make = Callable[[Mapping[str, str]], Path]


def test_what_dbt_lets_pass_is_told_and_let_pass_in_its_projects(
    make_project: Make, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "dbt_project.yml": "name: shop\nmodels: {+mood: good}\nsurprise: 1\n",
        "models/a.sql": "{{ config(colour='red') }} select '{{ config.get('mood') }} {{ config.get('colour') }}' as x",
        "models/a.yml": "models:\n  - name: a\n    nam: b\n    columns: [{name: y, description: gone}]\n",
    }
    root = make_project(files)
    (root / "fsbuild_project.yml").unlink()
    assert Project(root).compile()["a"] == "select 'good red' as x"
    told = "\n".join(record.getMessage() for record in caplog.records)
    for mistake in ("unknown key 'surprise'", "unknown config '+mood'", "unknown key 'nam'", "'a' has no such column"):
        assert mistake in told
    (root / "dbt_project.yml").rename(root / "fsbuild_project.yml")
    with pytest.raises(FsbuildError, match="unknown key 'surprise'"):
        Project(root).compile()
