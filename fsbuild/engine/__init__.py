"""The engine stage: SQL in, types, rows and Arrow streams out. The only stage that knows DuckDB.

`Binder` answers questions about types without data; `Warehouse` computes, and `Scratch` does so over made-up rows. Each
is one DuckDB inside the process.
"""

from fsbuild.engine.binder import Binder
from fsbuild.engine.scratch import Scratch
from fsbuild.engine.warehouse import Warehouse

__all__ = ["Binder", "Scratch", "Warehouse"]
