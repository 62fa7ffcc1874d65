"""Data in memory on its way to a plan: through scikit-learn's checks, then through our own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, BadType, NacreError
from nacre.source.arrays import ArrayReader, is_mapped, learning_dtype
from nacre.source.bad import is_clean
from nacre.source.columns import missing, not_numbers, same_names, same_width, twice
from nacre.source.plan import BATCH_ROWS, RowPlan, content, cut
from nacre.source.terms import Need, Read
from nacre.source.times import event_times
from nacre.source.weights import labels, weights


def is_in_memory(data: Any) -> bool:
    """Whether data goes through scikit-learn's checks: arrays, nested lists, pandas frames.

    >>> is_in_memory([[1.0, 2.0]]), is_in_memory("rows.parquet")
    (True, False)
    """
    if hasattr(data, "nacre_source") or is_paths(data):
        return False
    return not hasattr(data, "__arrow_c_stream__") or is_pandas(data)


def is_paths(data: Any) -> bool:
    """Whether data is a path, or a list of paths (not an empty one)."""
    if isinstance(data, list | tuple):
        return bool(data) and all(isinstance(item, str | os.PathLike) for item in data)
    return isinstance(data, str | os.PathLike)


def is_pandas(data: Any) -> bool:
    """Whether data is a pandas object; pandas is not imported to find out."""
    return type(data).__module__.partition(".")[0] == "pandas"


def plan_in_memory(
    estimator: Any, data: Any, y: Any, weight: Any, *, reset: bool, more: bool = False
) -> RowPlan:
    """The plan of an array or a pandas frame.

    Args:
        estimator: whose feature names and number hold; with `reset` a bare one, which gets them.
        more: rows for `partial_fit`: their id is the digest of their content, not the empty one.

    Raises:
        BadInput, BadType: with scikit-learn's sentence where it has one.
    """
    _check_frame(data)
    X = _validated(estimator, data, reset)
    schema = None if reset else estimator.state_.schema
    names = getattr(estimator, "feature_names_in_", None)
    asked, need = Read(data).given(y, weight), Need(estimator.takes_nan, schema, more)
    return _planned(X, names, asked, need, type(estimator).__name__)


def plan_of_read(asked: Read, need: Need) -> RowPlan:
    """The plan of `nacre.read` of an array or a pandas frame.

    Raises:
        BadInput, BadType: as plan_in_memory.
        BadParameter: columns that the data cannot have.
    """
    from sklearn.utils.validation import check_array

    data, columns = asked.data, None
    if is_pandas(data):
        data, asked = _picked(data, asked)
        _check_frame(data)
    names = _names(data)
    X = _called(check_array, data)
    if asked.columns is not None and not is_pandas(asked.data):
        columns = _positions(asked.columns, X.shape[1])
    d = X.shape[1] if columns is None else len(columns)
    if need.schema is not None:
        if names is not None and need.schema.names is not None:
            same_names(need.schema.names, names)
        same_width(need.schema, d, "the array")
    return _planned(X, names, asked, need, columns=columns)


def _planned(
    X: Array,
    names: Sequence[Any] | None,
    asked: Read,
    need: Need,
    who: str = "",
    *,
    columns: tuple[int, ...] | None = None,
) -> RowPlan:
    n, d = len(X), X.shape[1] if columns is None else len(columns)
    named = None if names is None else [str(name) for name in names]
    dtype = need.dtype(asked, learning_dtype(X))
    judge = asked.judge(need, named, who)
    weight, y = weights(asked.weight, n, asked.bad), labels(asked.y, n)
    reader = ArrayReader(X, dtype, weight, y, columns, judge)
    if asked.bad == "error" and not is_mapped(X):
        _look_through(reader, need.takes_nan)
        reader = ArrayReader(X, dtype, weight, y, columns)
    if asked.root is not None:
        raise BadParameter(
            got=f"root={asked.root!r} of rows in memory",
            wanted="root for files alone",
            do="Leave it out; id= names an array.",
        )
    name = asked.id if asked.id is not None else content(reader) if need.more else ""
    return cut(
        {name: reader},
        need.schema_of(named, d, dtype),
        times=event_times(asked.time, [name]),
        shard_rows=asked.rows_per_shard,
        in_memory=True,
    )


def _look_through(reader: ArrayReader, takes_nan: bool) -> None:
    """Raise for the first bad value, in blocks; nothing is cast where all is good."""
    for start in range(0, reader.n_rows, BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        if not is_clean(reader.raw(rows), takes_nan, reader.dtype):
            for _ in reader.read(start, min(rows.stop, reader.n_rows), BATCH_ROWS, 0):
                pass


def _validated(estimator: Any, data: Any, reset: bool) -> Array:
    from sklearn.utils.validation import validate_data

    def check(data: Any, **options: Any) -> Array:
        return validate_data(estimator, data, reset=reset, **options)

    return _called(check, data)


def _called(check: Any, data: Any) -> Array:
    """scikit-learn's check of a 2-D array, its errors as ours; numbers stay as they are."""
    if isinstance(data, np.ma.MaskedArray) or getattr(data, "dtype", np.dtype("f8")).kind in "mM":
        raise BadType(
            got=f"{type(data).__name__} of {data.dtype}",
            wanted="numbers without a mask",
            do="Fill what is masked with NaN, and turn times into numbers.",
        )
    numeric = (
        isinstance(data, np.ndarray) and data.dtype.kind in "fiub" and data.dtype.itemsize <= 8
    )
    dtype = None if numeric else [np.float64, np.float32]
    try:
        return check(data, dtype=dtype, ensure_all_finite=False)
    except NacreError:
        raise
    except (ValueError, TypeError) as error:
        kind = BadType if isinstance(error, TypeError) else BadInput
        shape = f" of shape {np.shape(data)}" if hasattr(data, "shape") else ""
        raise kind(
            says=f"{' '.join(str(error).split()).rstrip('. ')}.",
            got=f"{type(data).__name__}{shape}",
            wanted="rows by columns of numbers; after a fit its columns, in its order",
            do="Pass a 2-D array or a frame with numeric columns.",
        ) from None


def _check_frame(data: Any) -> None:
    """Raise for what scikit-learn takes or names badly: two columns of one name, dates, texts."""
    if not hasattr(data, "dtypes") or not hasattr(data, "columns"):
        return
    names = list(data.columns)
    if all(isinstance(name, str) for name in names):
        twice(names, "the frame")
    kinds = {name: str(dtype) for name, dtype in zip(names, data.dtypes, strict=True)}
    wrong = [name for name, dtype in zip(names, data.dtypes, strict=True) if not _numeric(dtype)]
    if wrong:
        good = [name for name in names if name not in wrong]
        raise not_numbers(str(wrong[0]), kinds[wrong[0]], good, "the frame")


def _numeric(dtype: Any) -> bool:
    """Whether a column may hold numbers; one of objects may, and is tried."""
    return getattr(dtype, "kind", "O") in "biuf" or str(dtype) in ("object", "decimal")


def _names(data: Any) -> list[str] | None:
    names = list(getattr(data, "columns", []))
    return names if names and all(isinstance(name, str) for name in names) else None


def _picked(frame: Any, asked: Read) -> tuple[Any, Read]:
    """The features of a pandas frame, and the request with weight and y taken out of it."""
    names = list(frame.columns)
    special = {name: getattr(asked, name) for name in ("weight", "y")}
    special = {name: column for name, column in special.items() if isinstance(column, str)}
    missing([*special.values()], names, "the frame")
    if asked.columns is None:
        features = frame[[name for name in names if name not in special.values()]]
    elif isinstance(asked.columns[0], int):
        features = frame.iloc[:, list(_positions(asked.columns, len(names)))]
    else:
        missing([str(name) for name in asked.columns], names, "the frame")
        features = frame[list(asked.columns)]
    taken = {name: frame[column].to_numpy() for name, column in special.items()}
    return features, replace(asked, **taken)


def _positions(columns: Sequence[str | int], d: int) -> tuple[int, ...]:
    """Positions of columns of an array, none below 0 or beyond its width."""
    if not all(isinstance(column, int) and -d <= column < d for column in columns):
        raise BadInput(
            got=f"columns={list(columns)!r} of an array with {d} columns",
            wanted=f"positions from 0 to {d - 1}",
            do="Name positions; a frame or a file has names.",
        )
    return tuple(int(column) % d for column in columns)
