"""Runs dbt commands for the judge: requests as JSON lines in, exit codes as JSON lines out.

Runs with the Python of dbt's own environment. dbt is imported once; each command runs in a fork of this process, so
that it starts as fresh as one from a shell, and seconds sooner.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import dbt.adapters.duckdb  # imported for the forks, which would otherwise import it each
import dbt.task.build  # noqa: F401
from dbt.cli.main import cli


def main() -> None:
    """Serve until the requests end."""
    _answer("ready")
    while line := sys.stdin.readline():
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(request)
        _, status = os.waitpid(child, 0)
        _answer(os.waitstatus_to_exitcode(status))


def _answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _run(request: dict[str, Any]) -> NoReturn:
    """Run one command in this process and end it with the command's exit code."""
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    exit_code = 70
    try:
        sys.argv = ["dbt", *request["arguments"]]
        cli(request["arguments"], prog_name="dbt")
    except SystemExit as exc:
        exit_code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


if __name__ == "__main__":
    main()
