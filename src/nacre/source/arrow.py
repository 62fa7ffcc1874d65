"""Arrow columns as rows: nulls are NaN, numbers are cast column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nacre import forms
from nacre.contract import Array, Batch, Run
from nacre.errors import BadInput
from nacre.records import Records, kind_of, texts_of
from nacre.source.columns import Column

MOST_KNOWN = 1_000  # categories that a schema names


@dataclass(frozen=True, eq=False)
class Piece:
    """Some rows as learning sees them, and as they were.

    Attributes:
        X: (n, d) float32 or float64, or Records; weight: (n,) float64, or None.
        y: (n,) float64; texts as objects, None for what is missing; or None.
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
        holds: what each feature holds, where the rows are wanted as Records.
    """

    features: tuple[str, ...]
    dtype: str
    weight: str | None = None
    y: str | None = None
    holds: tuple[str, ...] | None = None

    @property
    def names(self) -> list[str]:
        """All columns that are read, each once."""
        special = [name for name in (self.weight, self.y) if name is not None]
        return list(dict.fromkeys([*self.features, *special]))

    def piece(self, source: Any) -> Piece:
        """The rows of a record batch."""
        X = self._numbers(source) if self.holds is None else self._records(source, self.holds)
        return Piece(X, _floats(source, self.weight), _labels(source, self.y), source)

    def batch(self, pieces: Sequence[Piece], names: Run, where: str) -> Batch:
        """Pieces as one Batch, which owns its rows; of none an empty one."""
        X = self._joined([piece.X for piece in pieces])
        weight = _joined(self.weight, [piece.weight for piece in pieces])
        return Batch(X, names, weight, _joined(self.y, [piece.y for piece in pieces]), where=where)

    def _joined(self, parts: list[Array]) -> Array:
        if len(parts) == 1 and (self.holds is not None or parts[0].base is None):
            return parts[0]
        if parts:
            return forms.joined(parts)
        if self.holds is None:
            return np.empty((0, len(self.features)), self.dtype)
        nothing = [pa.nulls(0)] * len(self.features)
        return Records.cast(self.features, self.holds, nothing, self.dtype)

    def _numbers(self, source: Any) -> Array:
        X = np.empty((len(source), len(self.features)), self.dtype)
        with np.errstate(over="ignore"):  # inf is then found to be bad, and named as it was
            for j, name in enumerate(self.features):
                _cast(X[:, j], source.column(name))
        return X

    def _records(self, source: Any, holds: tuple[str, ...]) -> Records:
        columns = [source.column(name) for name in self.features]
        try:
            return Records.cast(self.features, holds, columns, self.dtype)
        except pa.ArrowInvalid as error:
            raise BadInput(
                got=f"values that do not fit the columns of the fit ({error})",
                wanted=f"times in the units {[unit for unit in holds if unit not in ('', 'text')]}",
                do="Cast the column, or fit again.",
            ) from None

    def original(self, pieces: Sequence[Piece]) -> Callable[[int, int], Any]:
        """(row, column) -> the value before it was cast."""

        def value(row: int, column: int) -> Any:
            for piece in pieces:
                if row < len(piece) and self.holds is not None:
                    return piece.X.numbers(column)[row]
                if row < len(piece):
                    found = piece.source.column(self.features[column])[row].as_py()
                    return np.nan if found is None else found
                row -= len(piece)
            raise IndexError(row)

        return value


def columns_of(schema: Any) -> list[Column]:
    """The columns of an Arrow schema.

    Raises:
        ArrowInvalid: what pandas says in it is damaged.
    """
    index = _index_columns(schema)
    return [
        Column(
            field.name,
            str(field.type),
            _is_numeric(field.type),
            field.name in index,
            kind_of(field.type),
        )
        for field in schema
    ]


def _index_columns(schema: Any) -> list[Any]:
    """The names that pandas has written as an index."""
    try:
        index = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError, RecursionError):
        index = None
    if not isinstance(index, list):
        raise pa.ArrowInvalid("metadata of pandas that are none")
    return index


def categories(column: Any) -> tuple[str, ...] | None:
    """The texts of a dictionary column in memory, in order; None where they are not known."""
    kind = column.type
    if not pa.types.is_dictionary(kind) or kind_of(kind) != "text" or not column.num_chunks:
        return None
    dictionary = column.unify_dictionaries().chunk(0).dictionary
    if len(dictionary) > MOST_KNOWN:
        return None
    return tuple(sorted(text for text in texts_of(dictionary) if text is not None))


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


def _labels(source: Any, name: str | None) -> Array | None:
    """A column of numbers as floats; of texts as objects, each text once in memory."""
    if name is None or kind_of(source.schema.field(name).type) != "text":
        return _floats(source, name)
    column = source.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string()).dictionary_encode()
    known = np.array([*texts_of(column.dictionary), None], object)
    codes = column.indices.cast(pa.int64()).fill_null(len(known) - 1)
    texts: Array = known[_values(codes)]
    return texts


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
