"""dbt-core judges the artifacts by its schemas, and writes its own of the same project: they are compared key by key.

What may differ is listed here, each with its reason; anything else is told and fails.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import jsonschema
from dbt.artifacts.schemas.catalog import CatalogArtifact
from dbt.artifacts.schemas.freshness import FreshnessExecutionResultArtifact
from dbt.artifacts.schemas.manifest import WritableManifest
from dbt.artifacts.schemas.run import RunResultsArtifact

NOTHING = "nothing"
SCHEMAS = {
    "manifest": WritableManifest,
    "catalog": CatalogArtifact,
    "run_results": RunResultsArtifact,
    "sources": FreshnessExecutionResultArtifact,
}
# Moments and ids, of which every run has its own, and the names of the database and of who wrote it.
OF_A_RUN = {
    *("created_at", "generated_at", "invocation_id", "invocation_started_at", "run_started_at", "dbt_version"),
    *("database", "relation_name", "root_path", "timing", "execution_time", "thread_id", "snapshotted_at"),
    *("max_loaded_at", "max_loaded_at_time_ago_in_s", "elapsed_time", "args", "adapter_response", "message"),
}
# Of SQL nobody compares the text: names have another database, and tests are written shorter.
SQL = {"compiled_code"}
DIFFERENT = (
    # The macros and the docs of dbt itself, which are not fsbuild's to tell of.
    "macros/macro.dbt*",
    "docs/doc.dbt*",
    # dbt takes what the project file says of models for the configuration of groups.
    "groups/*/config/*",
    # fsbuild does not render analyses.
    *(f"nodes/analysis.*/{key}" for key in ("compiled", "compiled_path", "extra_ctes", "extra_ctes_injected")),
    # What is written and not what that gives, which dbt writes where nobody turned a flag of it on.
    "nodes/model.shop.revenue/unrendered_config/materialized",
    # dbt-duckdb reads files in the place of a source's table, which its database does not know then.
    "sources/source.shop.raw.orders",
)


def differences(ours: Any, theirs: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """What one has and the other has not, or otherwise."""
    if (path and path[-1] in OF_A_RUN | SQL) or any(fnmatchcase("/".join(path), known) for known in DIFFERENT):
        return
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            yield from differences(ours.get(key, NOTHING), theirs.get(key, NOTHING), (*path, key))
    elif _is_several(ours) and _is_several(theirs) and len(ours) == len(theirs):
        for at, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, (*path, str(at)))
    elif _sorted(path, ours) != _sorted(path, theirs):
        yield f"{'/'.join(path)}: {ours!r} here, {theirs!r} of dbt"


def _is_several(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _sorted(path: tuple[str, ...], value: Any) -> Any:
    """Lists whose order says nothing."""
    is_set = path[-2:-1] == ("depends_on",) or path[:1] == ("group_map",)
    return sorted(value) if is_set and isinstance(value, list) else value


def validated(project: Path) -> dict[str, Any]:
    """The artifacts of a project, which fit dbt's schemas and can be read by its classes."""
    found = {}
    for name, reader in SCHEMAS.items():
        found[name] = json.loads((project / "target" / f"{name}.json").read_text())
        jsonschema.Draft202012Validator(reader.json_schema()).validate(found[name])
        reader.from_dict(json.loads(json.dumps(found[name])))
    return found


def dbt(project: Path, *arguments: str) -> None:
    """Run dbt on a project."""
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(project)}
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", *arguments]
    subprocess.run(command, check=True, cwd=project, env=environment)


def by_id(results: dict[str, Any]) -> dict[str, Any]:
    """Results by what they are about; saved queries, with which dbt does nothing, have none here."""
    return {one["unique_id"]: one for one in results["results"] if not one["unique_id"].startswith("saved_query.")}


project = Path(sys.argv[1]).resolve()
ours = validated(project)
copy = Path(mkdtemp(prefix="shop")) / "shop"
shutil.copytree(project, copy, ignore=shutil.ignore_patterns("target", "lake", "colibri", "docglow"))
dbt(copy, "compile")
theirs = {"manifest": json.loads((copy / "target/manifest.json").read_text())}
dbt(copy, "build")
theirs["run_results"] = json.loads((copy / "target/run_results.json").read_text())
dbt(copy, "source", "freshness")
dbt(copy, "docs", "generate")
theirs |= {name: json.loads((copy / "target" / f"{name}.json").read_text()) for name in ("catalog", "sources")}

found = [
    f"{name}: {told}" for name in ("manifest", "catalog", "sources") for told in differences(ours[name], theirs[name])
]
found += [f"run_results: {told}" for told in differences(by_id(ours["run_results"]), by_id(theirs["run_results"]))]
shutil.rmtree(copy.parent)
if found:
    sys.exit("\n".join(found))
print(f"dbt-core: 4 artifacts fit its schemas, and say of {len(ours['manifest']['nodes'])} nodes what its own say")
