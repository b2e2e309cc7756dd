"""What tests share: making a project's folder, reading its tables with nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from hypothesis import HealthCheck, settings

Files = Mapping[str, str]

# A busy machine is no reason for a property to fail: what is slow is measured in benchmarks/, and not here.
settings.register_profile("fsbuild", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fsbuild")


def write_files(root: Path, files: Files) -> None:
    """Write files below a folder; leading line breaks are for the reader of the test."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip("\n"), encoding="utf-8")


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[Files], Path]:
    """Make a project named `shop` of these files, in a folder of its own."""

    def make(files: Files) -> Path:
        write_files(tmp_path, {"fsbuild_project.yml": "name: shop\n", **files})
        return tmp_path

    return make


def read_delta(root: Path, name: str, schema: str = "main", version: int | None = None) -> list[dict[str, object]]:
    """Read a table of the lake with the deltalake library, in an order that does not depend on its files."""
    table = DeltaTable(str(root / "lake" / schema / name), version=version)
    rows = pa.table(QueryBuilder().register("t", table).execute("select * from t").read_all()).to_pylist()
    return sorted(rows, key=repr)


def history_of(root: Path, name: str, schema: str = "main") -> list[dict[str, object]]:
    """Read a table's commits, the latest first."""
    return DeltaTable(str(root / "lake" / schema / name)).history()
