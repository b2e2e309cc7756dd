"""The result of a query as templates handle it, with the names of agate, which dbt gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Named(Sequence[T], Generic[T]):
    """Values in order that have names: `row[0]`, `row['id']` and `row.values()`."""

    def __init__(self, names: Sequence[str], values: Sequence[T]) -> None:
        self._names, self._values = tuple(names), tuple(values)

    @overload
    def __getitem__(self, key: int | str) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[T, ...]: ...
    def __getitem__(self, key: int | str | slice) -> T | tuple[T, ...]:
        if isinstance(key, str):
            try:
                return self._values[self._names.index(key)]
            except ValueError:
                raise KeyError(key) from None
        return self._values[key]

    def __iter__(self) -> Iterator[T]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, Named) else other)

    def __hash__(self) -> int:
        return hash(self._values)

    def keys(self) -> tuple[str, ...]:
        """The names."""
        return self._names

    def values(self) -> tuple[T, ...]:
        """The values."""
        return self._values

    def items(self) -> tuple[tuple[str, T], ...]:
        """Names with their values."""
        return tuple(zip(self._names, self._values, strict=True))

    def get(self, name: str, default: T | None = None) -> T | None:
        """The value of a name, or the default."""
        return self[name] if name in self._names else default

    def dict(self) -> dict[str, T]:
        """Values by name."""
        return dict(self.items())


class ResultColumn(Sequence[Any]):
    """A column of a result: its values from the first row to the last."""

    def __init__(self, name: str, index: int, values: Sequence[Any]) -> None:
        self.name, self.number, self._values = name, index, tuple(values)

    @overload
    def __getitem__(self, key: int) -> Any: ...  # noqa: ANN401 - values of any type
    @overload
    def __getitem__(self, key: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, key: int | slice) -> Any:
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def values(self) -> tuple[Any, ...]:
        """The values."""
        return self._values

    def values_distinct(self) -> tuple[Any, ...]:
        """The values, each once."""
        return tuple(dict.fromkeys(self._values))

    def values_without_nulls(self) -> tuple[Any, ...]:
        """The values that are not NULL."""
        return tuple(value for value in self._values if value is not None)


class ResultTable:
    """The rows and the columns of a result."""

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.column_names = tuple(names)
        self.rows: list[Named[Any]] = [Named(names, row) for row in rows]
        by_column = [[row[index] for row in rows] for index in range(len(names))]
        self.columns: Named[ResultColumn] = Named(
            names, [ResultColumn(name, index, by_column[index]) for index, name in enumerate(names)]
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Named[Any]]:
        return iter(self.rows)

    def print_table(self, max_rows: int = 20, max_columns: int = 6) -> None:
        """Print the first rows."""
        names = self.column_names[:max_columns]
        lines = [names, *(tuple(map(str, row[:max_columns])) for row in self.rows[:max_rows])]
        widths = [max(len(line[index]) for line in lines) for index in range(len(names))]
        for line in lines:
            print("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |")  # noqa: T201 - asked for
