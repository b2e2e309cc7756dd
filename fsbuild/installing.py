"""The packages that a project declares in, their folders below `dbt_packages/` out: what `fsbuild deps` does.

    packages:
      - local: ../shared
      - git: https://github.com/org/package.git
        revision: v1.2.0
        subdirectory: dbt
      - package: dbt-labs/dbt_utils
        version: 1.3.0
      - tarball: https://example.com/package.tar.gz
        name: package

A local package is linked to, where the system can link, and copied otherwise. What is installed already in the version
that is asked for is left alone; `.fsbuild_package` in its folder says which that is.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fsbuild.errors import FsbuildError, Place, Problem

HUB = "https://hub.getdbt.com"
_STAMP = ".fsbuild_package"
_PROJECT_FILES = ("fsbuild_project.yml", "dbt_project.yml")
_TIMEOUT_S = 60


def install_package(entry: Mapping[str, Any], root: Path, folder: Path, place: Place) -> str:
    """Install one package; return its name.

    Raises:
        FsbuildError: the entry names no package, or it cannot be got.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = next((kind for kind in ("local", "git", "package", "tarball") if kind in entry), None)
    if kind is None:
        hint = "write local: ../folder, git: URL, package: owner/name with a version, or tarball: URL"
        raise FsbuildError(Problem("a package is neither local nor git, package or tarball", place, hint))
    if kind == "local":
        return _install_local(root / str(entry["local"]), folder, place)
    wanted = json.dumps(dict(entry), sort_keys=True)
    for stamp in folder.glob(f"*/{_STAMP}"):
        if stamp.read_text(encoding="utf-8") == wanted:
            return stamp.parent.name
    with TemporaryDirectory() as scratch:
        got = {"git": _clone, "package": _from_hub, "tarball": _download}[kind](entry, Path(scratch), place)
        name = _name_of(got, place)
        target = folder / name
        _remove(target)
        shutil.copytree(got, target, ignore=shutil.ignore_patterns(".git"))
        (target / _STAMP).write_text(wanted, encoding="utf-8")
    return name


def _install_local(source: Path, folder: Path, place: Place) -> str:
    source = source.resolve()
    target = folder / _name_of(source, place)
    if target.is_symlink() and target.resolve() == source:
        return target.name
    _remove(target)
    try:
        target.symlink_to(source, target_is_directory=True)
    except OSError:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("dbt_packages", "target", "lake", ".git"))
    return target.name


def _name_of(folder: Path, place: Place) -> str:
    for file in (folder / name for name in _PROJECT_FILES):
        with suppress(OSError):
            found = re.search(r"^name:\s*['\"]?(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
            if found is not None:
                return found[1]
    raise FsbuildError(
        Problem(f"there is no project in {folder}", place, "a package has a dbt_project.yml with a name")
    )


def _clone(entry: Mapping[str, Any], scratch: Path, place: Place) -> Path:
    """Get a package from a git repository, at a branch, tag or commit."""
    url, revision = str(entry["git"]), entry.get("revision")
    commands = [["git", "clone", "--quiet", url, str(scratch / "got")]]
    if revision is not None:
        commands.append(["git", "-C", str(scratch / "got"), "checkout", "--quiet", str(revision)])
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - the project's own address
        except OSError as exc:
            raise FsbuildError(Problem("git is not installed", place, "install it, or vendor the package")) from exc
        except subprocess.CalledProcessError as exc:
            raise FsbuildError(Problem(f"cannot get {url}", place, detail=str(exc.stderr).strip())) from exc
    return scratch / "got" / str(entry.get("subdirectory", ""))


def _from_hub(entry: Mapping[str, Any], scratch: Path, place: Place) -> Path:
    """Get a package from dbt's hub, in the version that is named, or the newest one that is within a range."""
    name = str(entry["package"])
    found = json.loads(_read(f"{HUB}/api/v1/{name}.json", place))
    versions: dict[str, Any] = found["versions"]
    wanted = entry.get("version", [])
    bounds = [str(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
    fitting = [one for one in versions if _fits(one, bounds)]
    if not fitting:
        newest = ", ".join(sorted((one for one in versions if _number(one)), key=_number)[-3:])
        problem = Problem(f"{name} has no version {' '.join(bounds)}", place, f"the newest ones are {newest}")
        raise FsbuildError(problem)
    best = versions[max(fitting, key=_number)]
    return _download({"tarball": best["downloads"]["tarball"]}, scratch, place)


def _download(entry: Mapping[str, Any], scratch: Path, place: Place) -> Path:
    """Get a package from an archive."""
    archive = scratch / "package.tar.gz"
    archive.write_bytes(_read(str(entry["tarball"]), place))
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(scratch / "got", filter="data")
    except (tarfile.TarError, OSError) as exc:
        raise FsbuildError(Problem(f"{entry['tarball']} is not an archive: {exc}", place)) from exc
    found = [file.parent for name in _PROJECT_FILES for file in (scratch / "got").glob(f"**/{name}")]
    return min(found, key=lambda folder: len(folder.parts), default=scratch / "got")


def _read(url: str, place: Place) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the project's own address
            content: bytes = answer.read()
            return content
    except (urllib.error.URLError, OSError, ValueError) as exc:
        hint = "without a network, copy the package's folder into dbt_packages/"
        raise FsbuildError(Problem(f"cannot get {url}: {exc}", place, hint)) from exc


def _number(version: str) -> tuple[int, ...]:
    """A version in numbers; nothing for one that is not finished, such as `1.0.0-rc1`."""
    return tuple(int(part) for part in version.split(".")) if re.fullmatch(r"\d+(\.\d+)*", version) else ()


def _fits(version: str, bounds: list[str]) -> bool:
    """Whether a version is within bounds such as `>=1.0.0` and `<2.0.0`, or the one that is named."""
    number = _number(version)
    if not number and version not in bounds:
        return False
    for bound in (part.strip() for one in bounds for part in one.split(",")):
        match = re.fullmatch(r"(>=|<=|>|<|==?|!=)?\s*v?(.+)", bound)
        operator, limit = match.groups() if match is not None else ("=", bound)
        other = _number(limit)
        fits = {
            ">=": number >= other,
            "<=": number <= other,
            ">": number > other,
            "<": number < other,
            "!=": version != limit,
        }.get(operator or "=", version == limit)
        if not fits:
            return False
    return True


def _remove(target: Path) -> None:
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.exists():
        shutil.rmtree(target)
