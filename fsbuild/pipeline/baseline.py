"""A project folder and a commit of git in, the project as it was in that commit, compiled, out.

Its models, macros and YAML are those of the commit, its seeds too. What is no part of a project is as it is now: the
data that sources read, and a profiles.yml. Nothing is changed in the repository.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError, Problem, UsageError
from fsbuild.pipeline.compiling import Compiled, compile_sql
from fsbuild.pipeline.drafting import Draft

if TYPE_CHECKING:
    from fsbuild.load import Overrides


def compile_at(root: Path, commit: str, overrides: Overrides, draft_in: Callable[[Path, Overrides], Draft]) -> Compiled:
    """Compile a project as it was in a commit; `draft_in` loads and renders the one in a folder.

    Raises:
        UsageError: the folder is in no git repository, git knows no such commit, or the project was not right in it.
    """
    with TemporaryDirectory(prefix="fsbuild") as folder:
        then = Path(folder) / root.name
        _export(root, commit, then, Path(folder) / "index")
        if overrides.profiles_dir is None and (root / "profiles.yml").is_file():
            overrides = replace(overrides, profiles_dir=root)
        try:
            draft = draft_in(then, overrides)
            seeds = tuple(replace(seed, path=str(then / seed.path)) for seed in draft.project.seeds)
            return compile_sql(replace(draft, project=replace(draft.project, root=root, seeds=seeds)))
        except FsbuildError as exc:
            message = f"the project cannot be compared with how it was in {commit}, where it does not compile"
            hint = "name a commit where it does: --base COMMIT"
            raise UsageError(Problem(message, detail=str(exc.problems[0]), hint=hint)) from exc


def _export(root: Path, commit: str, folder: Path, index: Path) -> None:
    """Write the files that a folder had in a commit, by an index of their own."""
    top = Path(_git(root, "rev-parse", "--show-toplevel").removesuffix("\n"))
    prefix = _git(root, "rev-parse", "--show-prefix").removesuffix("\n").rstrip("/")
    tree = f"{commit}^{{commit}}"
    try:
        found = _git(root, "rev-parse", "--verify", "--quiet", tree).strip()
    except UsageError as exc:
        hint = "commit the project first" if commit == "HEAD" else "name a commit, a branch or a tag"
        raise UsageError(Problem(f"git knows no commit '{commit}' here", hint=hint)) from exc
    environment = {"GIT_INDEX_FILE": str(index)}
    try:
        _git(top, "read-tree", f"{found}:{prefix}", **environment)
    except UsageError as exc:
        message = f"the folder {root.name}/ is not in the commit '{commit}'"
        raise UsageError(Problem(message, hint="commit the project first, or name another commit: --base")) from exc
    folder.mkdir()
    _git(top, "checkout-index", "--all", "--force", f"--prefix={folder}/", **environment)


def _git(root: Path, *arguments: str, **environment: str) -> str:
    """Ask git about the repository that a folder is in.

    Raises:
        UsageError: there is no git, it is no repository, or git says no.
    """
    known: Mapping[str, str] = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, env={**known, **environment}, capture_output=True, text=True, check=False)  # noqa: S603 - git, with arguments that are no shell's
    except OSError as exc:
        raise UsageError(Problem("git cannot be run", hint="--changed compares with a commit: install git")) from exc
    if done.returncode:
        said = done.stderr.strip().removeprefix("fatal: ") or f"git {arguments[0]} failed"
        hint = "--changed compares the files of the project with a commit of git"
        raise UsageError(Problem(f"git says: {said}", hint=hint))
    return done.stdout
