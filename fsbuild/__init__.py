"""SQL models to trustworthy machine-learning features.

`Project` is the way in; it is imported when it is asked for, so that the command line starts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsbuild.version import __version__

if TYPE_CHECKING:
    from fsbuild.api import Project
    from fsbuild.errors import FsbuildError

__all__ = ["FsbuildError", "Project", "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of the public names
    if name == "FsbuildError":
        from fsbuild.errors import FsbuildError

        return FsbuildError
    if name in __all__:
        from fsbuild import api

        return getattr(api, name)
    raise AttributeError(f"module 'fsbuild' has no attribute '{name}'")
