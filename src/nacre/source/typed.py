"""Rows of several types in memory, on their way to records: pandas frames, arrays that hold texts.

They become an Arrow table, column by column, and go the way of frames from there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nacre.contract import Schema
from nacre.errors import BadType


def rows_of_texts(data: Any) -> Any:
    """An array or nested lists (n, d), n and d at least 1, as an array where a text is in them;
    None for other data.

    >>> rows_of_texts([["a", 1], ["b", 2]]).shape, rows_of_texts([[1.0, 2.0]])
    ((2, 2), None)
    """
    if not isinstance(data, np.ndarray) and not _is_nested(data):
        return None
    X = data if isinstance(data, np.ndarray) else _objects(data)
    if X is None or X.ndim != 2 or X.size == 0 or X.dtype.kind not in "OUT":
        return None
    if X.dtype.kind == "O" and not any(isinstance(value, str) for value in X.flat):
        return None
    return X


def _is_nested(data: Any) -> bool:
    return isinstance(data, list | tuple) and bool(data) and isinstance(data[0], list | tuple)


def _objects(data: Any) -> Any:
    try:
        X = np.empty((len(data), len(data[0])), object)
        X[:] = data
    except (ValueError, TypeError):  # rows of several lengths
        return None
    return X


def table_of(data: Any, names: tuple[str, ...] | None = None) -> Any:
    """The pyarrow Table of a pandas frame or an array; without names they are x0, x1, ...

    Raises:
        BadType: a column of several types, or of a type that Arrow does not have.
    """
    import pyarrow as pa

    if hasattr(data, "columns"):
        names = tuple(str(name) for name in data.columns)
        columns = [data.iloc[:, at] for at in range(len(names))]
    else:
        names = names or tuple(f"x{at}" for at in range(data.shape[1]))
        columns = [np.ascontiguousarray(data[:, at]) for at in range(data.shape[1])]
    found = []
    for name, column in zip(names, columns, strict=False):
        try:
            found.append(pa.chunked_array(_chunks(pa.array(column, from_pandas=True))))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise BadType(
                got=f"column {name!r} of several types ({str(error).splitlines()[0]})",
                wanted="numbers alone, texts alone, bools alone or times alone in a column",
                do="Make the column one type, or leave it out: nacre.read(data, columns=[...]).",
            ) from None
    return pa.Table.from_arrays(found, names=list(names))


def _chunks(column: Any) -> list[Any]:
    return column.chunks if hasattr(column, "chunks") else [column]


def names_later(schema: Schema | None, n_columns: int) -> tuple[str, ...] | None:
    """The names of the fit for later rows without any; None in a fit, and for another width."""
    if schema is None or schema.names is None or len(schema.names) != n_columns:
        return None
    return schema.names
