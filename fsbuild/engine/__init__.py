"""The engine stage: SQL in, types, rows and Arrow streams out. The only stage that knows DuckDB.

`Binder` answers questions about types without data; `Warehouse` computes, and `Scratch` does so over made-up rows. Each
is one DuckDB inside the process. It is loaded with the first of them: to write the scan of a source takes none.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsbuild.engine.binder import Binder
    from fsbuild.engine.scratch import Scratch
    from fsbuild.engine.warehouse import Warehouse

__all__ = ["Binder", "Scratch", "Warehouse"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)
