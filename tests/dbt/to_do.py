"""What fsbuild cannot yet do as dbt does, by project and aspect: tests of these must fail, with this reason."""

from __future__ import annotations

TO_DO: dict[str, str] = {
    "bad_sql: exit_codes": "compile holds SQL against what it reads",
    "bad_sql: results": "compile holds SQL against what it reads",
    "data_tests: results": "a test that fails keeps its table from being published",
    "failing: results": "build tests before it publishes",
    "failing: rows": "build tests before it publishes",
    "hooks: exit_codes": "hooks",
    "hooks: results": "hooks",
    "hooks: rows": "hooks",
    "jinja_context: rows": "relations without their database, and the place of a model",
    "selection: rows": "views are there without a run",
    "snapshots: rows": "ids of tests, rows of snapshots",
    "sources: listings": "two sources with one identifier, source tests, exit code of freshness",
    "unit_tests: rows": "views are there without a run",
}
