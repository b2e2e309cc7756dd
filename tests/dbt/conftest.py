"""What the judge's tests share: dbt's process, and each project run once by both programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.dbt.harness import DBT_PYTHON, PROJECTS, Both, DbtServer, compare


@pytest.fixture(scope="session")
def dbt_server() -> Iterator[DbtServer]:
    """dbt, imported once. A missing environment is an error and no reason to skip."""
    server = DbtServer(DBT_PYTHON)
    yield server
    server.close()


@pytest.fixture(scope="session")
def outcomes(dbt_server: DbtServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Both]:
    """Run a project by name, the first time that a test asks for it."""
    known: dict[str, Both] = {}

    def of(name: str) -> Both:
        if name not in known:
            known[name] = compare(PROJECTS / name, tmp_path_factory.mktemp(name), dbt_server)
        return known[name]

    return of
