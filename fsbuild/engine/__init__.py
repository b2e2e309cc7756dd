"""The engine stage: SQL in, types, rows and Arrow streams out. The only stage that knows DuckDB.

`Binder` answers questions about types without data; `Warehouse` computes. Both are one DuckDB inside the process.
"""

from fsbuild.engine.binder import Binder
from fsbuild.engine.warehouse import Warehouse

__all__ = ["Binder", "Warehouse"]
