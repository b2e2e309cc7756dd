"""Columns as templates handle them, with dbt's names: `adapter.get_columns_in_relation()` and `api.Column`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fsbuild.values import quote

# dbt's names of types, and what dbt-duckdb makes of them.
_TYPES = {"STRING": "TEXT", "TIMESTAMP": "TIMESTAMP", "FLOAT": "FLOAT", "INTEGER": "INT", "BOOLEAN": "BOOLEAN"}
_TEXTS = frozenset({"text", "character varying", "character", "varchar"})
_INTEGERS = frozenset({"tinyint", "smallint", "integer", "bigint", "hugeint"} | {"int", "int2", "int4", "int8"})
_FLOATS = frozenset({"real", "float", "double", "float4", "float8", "double precision"})
_SIZED = re.compile(r"(?P<base>\w+)\s*\(\s*(?P<first>\d+)\s*(?:,\s*(?P<second>\d+)\s*)?\)")


@dataclass(frozen=True, slots=True)
class TemplateColumn:
    """A column with its type; sizes stand apart where the type has some."""

    column: str
    dtype: str
    char_size: int | None = None
    numeric_precision: int | None = None
    numeric_scale: int | None = None

    @classmethod
    def create(cls, name: str, label_or_dtype: str) -> TemplateColumn:
        """Make a column of dbt's name for a type."""
        return cls(name, cls.translate_type(label_or_dtype))

    @classmethod
    def of(cls, name: str, data_type: str) -> TemplateColumn:
        """Make a column of DuckDB's name for a type."""
        sized = _SIZED.fullmatch(data_type)
        if sized is None or sized["base"].lower() not in ("decimal", "numeric"):
            return cls(name, data_type)
        return cls(name, sized["base"], None, int(sized["first"]), int(sized["second"] or 0))

    @staticmethod
    def translate_type(dtype: str) -> str:
        """Translate dbt's name of a type."""
        return _TYPES.get(dtype.upper(), dtype)

    @staticmethod
    def string_type(size: int) -> str:
        """The type of texts that are no longer than so many characters."""
        return f"character varying({size})"

    @staticmethod
    def numeric_type(dtype: str, precision: object, scale: object) -> str:
        """The type of numbers of a precision and a scale."""
        return dtype if precision is None or scale is None else f"{dtype}({precision},{scale})"

    @property
    def name(self) -> str:
        """The name."""
        return self.column

    @property
    def quoted(self) -> str:
        """The name as an identifier of SQL."""
        return quote(self.column)

    @property
    def data_type(self) -> str:
        """The type as it is written in SQL."""
        if self.is_string():
            return self.string_type(self.string_size())
        if self.is_numeric():
            return self.numeric_type(self.dtype, self.numeric_precision, self.numeric_scale)
        return self.dtype

    def is_string(self) -> bool:
        """Whether it holds texts."""
        return self.dtype.lower() in _TEXTS

    def is_integer(self) -> bool:
        """Whether it holds whole numbers."""
        return self.dtype.lower() in _INTEGERS

    def is_float(self) -> bool:
        """Whether it holds floating-point numbers."""
        return self.dtype.lower() in _FLOATS

    def is_numeric(self) -> bool:
        """Whether it holds decimal numbers."""
        return self.dtype.lower() in ("numeric", "decimal")

    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.is_integer() or self.is_float() or self.is_numeric()

    def string_size(self) -> int:
        """How long texts may be; 256 where nothing says so, as in dbt."""
        return self.char_size or 256

    def can_expand_to(self, other: TemplateColumn) -> bool:
        """Whether texts of the other column are longer: never, texts have no limit here."""
        del other
        return False

    def __str__(self) -> str:
        return f"<Column {self.name} ({self.data_type})>"
