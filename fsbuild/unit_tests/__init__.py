"""The unit test stage: rows as a person wrote them in; SQL with types, and the verdict on what a model made of it, out.

Pure, but for the engine that it is handed to judge queries and values. A test is judged before anything runs: what it
names exists, and every value can be read as one of its column without loss.
"""

from fsbuild.unit_tests.compare import compare_rows
from fsbuild.unit_tests.definitions import Judge, Subject, judge_tests
from fsbuild.unit_tests.rows import expected_names, rows_sql

__all__ = ["Judge", "Subject", "compare_rows", "expected_names", "judge_tests", "rows_sql"]
