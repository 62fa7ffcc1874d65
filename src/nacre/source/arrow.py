"""Arrow columns as rows: nulls are NaN, numbers are cast column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nacre.contract import Array, Batch, Run
from nacre.source.columns import Column


@dataclass(frozen=True, eq=False)
class Piece:
    """Some rows as learning sees them, and as they were.

    Attributes:
        X: (n, d) float32 or float64; weight, y: (n,) float64, or None.
        source: the record batch that they were made from.
    """

    X: Array
    weight: Array | None
    y: Array | None
    source: Any

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: slice) -> Piece:
        weight = None if self.weight is None else self.weight[rows]
        y = None if self.y is None else self.y[rows]
        return Piece(self.X[rows], weight, y, self.source[rows])


@dataclass(frozen=True)
class Picked:
    """The columns of a source that are read, and as what.

    Attributes:
        features: their names, in the order of learning.
        dtype: "float32" or "float64".
        weight, y: names, or None.
    """

    features: tuple[str, ...]
    dtype: str
    weight: str | None = None
    y: str | None = None

    @property
    def names(self) -> list[str]:
        """All columns that are read, each once."""
        special = [name for name in (self.weight, self.y) if name is not None]
        return list(dict.fromkeys([*self.features, *special]))

    def piece(self, source: Any) -> Piece:
        """The rows of a record batch."""
        X = np.empty((len(source), len(self.features)), self.dtype)
        with np.errstate(over="ignore"):  # inf is then found to be bad, and named as it was
            for j, name in enumerate(self.features):
                _cast(X[:, j], source.column(name))
        return Piece(X, _floats(source, self.weight), _floats(source, self.y), source)

    def batch(self, pieces: Sequence[Piece], names: Run, where: str) -> Batch:
        """Pieces as one Batch, which owns its rows; of none an empty one."""
        if len(pieces) == 1 and pieces[0].X.base is None:
            X = pieces[0].X
        else:
            empty = np.empty((0, len(self.features)), self.dtype)
            X = np.concatenate([piece.X for piece in pieces] or [empty])
        weight = _joined(self.weight, [piece.weight for piece in pieces])
        return Batch(X, names, weight, _joined(self.y, [piece.y for piece in pieces]), where=where)

    def original(self, pieces: Sequence[Piece]) -> Callable[[int, int], Any]:
        """(row, column) -> the value before it was cast."""

        def value(row: int, column: int) -> Any:
            for piece in pieces:
                if row < len(piece):
                    found = piece.source.column(self.features[column])[row].as_py()
                    return np.nan if found is None else found
                row -= len(piece)
            raise IndexError(row)

        return value


def columns_of(schema: Any) -> list[Column]:
    """The columns of an Arrow schema."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [
        Column(field.name, str(field.type), _is_numeric(field.type), field.name in index)
        for field in schema
    ]


def is_float32(schema: Any, names: Sequence[str]) -> bool:
    """Whether all these columns are float32."""
    return all(pa.types.is_float32(schema.field(name).type) for name in names)


def _is_numeric(kind: Any) -> bool:
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _floats(source: Any, name: str | None) -> Array | None:
    if name is None:
        return None
    values = np.empty(len(source))
    _cast(values, source.column(name))
    return values


def _joined(name: str | None, values: Sequence[Any]) -> Array | None:
    return None if name is None else np.concatenate([*values, np.empty(0)])


def _cast(out: Array, column: Any) -> None:
    """Write a column into (n,) floats; integers are cast once, beside nulls too."""
    if not pa.types.is_integer(column.type) and not pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    out[:] = _values(column)
    if column.null_count:
        out[_values(column.is_null().cast(pa.uint8())).view(bool)] = np.nan


def _values(column: Any) -> Array:
    """The numbers of a column, anything for its nulls; `to_numpy` would import pandas."""
    if column.null_count:
        raw = [None, column.buffers()[1]]
        column = pa.Array.from_buffers(column.type, len(column), raw, offset=column.offset)
    return np.from_dlpack(column)
