"""What a command did in, the files out that dbt's neighbours read below the target folder.

Shapes are those of dbt's published JSON schemas. Nothing here fails a command: a folder that cannot be written to is
told, and the command is as good as it was.
"""

from __future__ import annotations

from fsbuild.artifacts.manifest import Described, manifest
from fsbuild.artifacts.run_results import compile_results, operation_results, run_results
from fsbuild.artifacts.sources import SourceAge, sources_result
from fsbuild.artifacts.writing import Invocation, iso, write_artifact

__all__ = [
    "Described",
    "Invocation",
    "SourceAge",
    "compile_results",
    "iso",
    "manifest",
    "operation_results",
    "run_results",
    "sources_result",
    "write_artifact",
]
