"""Arrow columns as rows: nulls are NaN, numbers are cast column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nacre.contract import Array, Batch, Run
from nacre.source.columns import Column

Pieces = Sequence[Any]  # record batches of one schema, one after another


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

    def batch(self, pieces: Pieces, names: Run, where: str) -> Batch:
        """The rows of record batches as one Batch: X (n, d), weight (n,) and y (n,) float64."""
        X = np.empty((sum(len(piece) for piece in pieces), len(self.features)), self.dtype)
        for j, name in enumerate(self.features):
            _fill(X[:, j], pieces, name)
        weight, y = self._beside(pieces, self.weight), self._beside(pieces, self.y)
        return Batch(X, names, weight, y, where=where)

    def original(self, pieces: Pieces) -> Callable[[int, int], Any]:
        """(row, column) -> the value before it was cast."""

        def value(row: int, column: int) -> Any:
            for piece in pieces:
                if row < len(piece):
                    found = piece.column(self.features[column])[row].as_py()
                    return np.nan if found is None else found
                row -= len(piece)
            raise IndexError(row)

        return value

    def _beside(self, pieces: Pieces, name: str | None) -> Array | None:
        if name is None:
            return None
        values = np.empty(sum(len(piece) for piece in pieces))
        _fill(values, pieces, name)
        return values


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


def _fill(out: Array, pieces: Pieces, name: str) -> None:
    at = 0
    for piece in pieces:
        _cast(out[at : at + len(piece)], piece.column(name))
        at += len(piece)


def _cast(out: Array, column: Any) -> None:
    """Write a column into (n,) floats; integers are cast once, beside nulls too."""
    if not pa.types.is_integer(column.type) and not pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    with np.errstate(over="ignore"):  # inf is then found to be bad, and named as it was
        out[:] = _values(column)
    if column.null_count:
        out[_values(column.is_null().cast(pa.uint8())).view(bool)] = np.nan


def _values(column: Any) -> Array:
    """The numbers of a column, anything for its nulls; `to_numpy` would import pandas."""
    if column.null_count:
        raw = [None, column.buffers()[1]]
        column = pa.Array.from_buffers(column.type, len(column), raw, offset=column.offset)
    return np.from_dlpack(column)
