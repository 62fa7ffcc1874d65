"""Data in memory on its way to a plan: through scikit-learn's checks, then through our own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nacre import forms
from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, BadType, NacreError
from nacre.source.arrays import ArrayReader, is_mapped, learning_dtype
from nacre.source.bad import is_clean
from nacre.source.columns import missing, named, not_numbers, same_names, same_width, twice
from nacre.source.plan import BATCH_ROWS, RowPlan, content, cut
from nacre.source.terms import Need, Read
from nacre.source.times import event_spans
from nacre.source.typed import rows_of_texts
from nacre.source.weights import labels, weights


def is_in_memory(data: Any) -> bool:
    """Whether data goes through scikit-learn's checks: arrays, CSR, nested lists, pandas frames.

    >>> is_in_memory([[1.0, 2.0]]), is_in_memory("rows.parquet")
    (True, False)
    """
    if hasattr(data, "nacre_source") or is_paths(data) or is_lazy(data):
        return False
    return not hasattr(data, "__arrow_c_stream__") or is_pandas(data)


def is_paths(data: Any) -> bool:
    """Whether data is a path, or a list of paths (not an empty one)."""
    if isinstance(data, list | tuple):
        return bool(data) and all(isinstance(item, str | os.PathLike) for item in data)
    return isinstance(data, str | os.PathLike)


def is_lazy(data: Any) -> bool:
    """Whether data is a lazy frame of polars; polars is not imported to find out."""
    kind = type(data)
    return kind.__name__ == "LazyFrame" and kind.__module__.partition(".")[0] == "polars"


def is_pandas(data: Any) -> bool:
    """Whether data is a pandas object; pandas is not imported to find out."""
    return type(data).__module__.partition(".")[0] == "pandas"


def plan_in_memory(
    estimator: Any, data: Any, y: Any, weight: Any, *, reset: bool, more: bool = False
) -> RowPlan:
    """The plan of an array, sparse rows or a pandas frame.

    Args:
        estimator: whose feature names and number hold; with `reset` a bare one, which gets them.
        more: rows for `partial_fit`: their id is the digest of their content, not the empty one.

    Raises:
        BadInput, BadType: with scikit-learn's sentence where it has one.
    """
    schema = None if reset else estimator.state_.schema
    asked, need = Read(data).given(y, weight), Need(estimator.takes, schema, more)
    rows = _rows_of_types(data, need)
    if rows is not None:
        _validated(estimator, rows, reset, skip_check_array=True)
        return _planned_typed(rows, asked, need)
    _check_frame(data)
    X = _validated(estimator, data, reset)
    names = getattr(estimator, "feature_names_in_", None)
    return _planned(X, names, asked, need, type(estimator).__name__)


def plan_of_read(asked: Read, need: Need) -> RowPlan:
    """The plan of `nacre.read` of an array or a pandas frame.

    Raises:
        BadInput, BadType: as plan_in_memory.
        BadParameter: columns that the data cannot have.
    """
    from sklearn.utils.validation import check_array

    rows = _rows_of_types(asked.data, need)
    if rows is not None:
        return _planned_typed(rows, asked, need)
    data, columns = asked.data, None
    if is_pandas(data):
        data, asked = _picked(_levelled(data, asked, need), asked)
        _check_frame(data)
    names = _names(data)
    X = _called(check_array, data, need.takes)
    if asked.columns is not None and not is_pandas(asked.data):
        columns = positions(asked.columns, X.shape[1])
    d = X.shape[1] if columns is None else len(columns)
    if need.schema is not None:
        if names is not None and need.schema.names is not None:
            same_names(need.schema.names, names)
        same_width(need.schema, d, "the array")
    return _planned(X, names, asked, need, columns=columns)


def _rows_of_types(data: Any, need: Need) -> Any:
    """A pandas frame or an array that a learner wants as records; None where it is not."""
    if not need.typed:
        return None
    if is_pandas(data):
        return data if hasattr(data, "columns") else None
    texts = rows_of_texts(data)
    if texts is not None or need.schema is None or forms.is_sparse(data):
        return texts
    from sklearn.utils.validation import check_array

    return _called(check_array, data, need.takes)


def _planned_typed(rows: Any, asked: Read, need: Need) -> RowPlan:
    """The plan of a pandas frame or an array as records."""
    if is_pandas(rows):
        rows = _levelled(rows, asked, need)
        names = _names(rows)
        rows, asked = _picked(rows, asked)
    else:
        names = None
        event_spans(asked.time, [], "an array")
        if asked.columns is not None:
            rows = rows[:, list(positions(asked.columns, rows.shape[1]))]
    if need.schema is not None:
        same_width(need.schema, rows.shape[1], "the rows")
    from nacre.source.frames import plan_of_frame
    from nacre.source.typed import names_later, table_of

    table = table_of(rows, names_later(need.schema, rows.shape[1]))
    return plan_of_frame(replace(asked, data=table, columns=None), need, names is not None)


def _planned(
    X: Array,
    names: Sequence[Any] | None,
    asked: Read,
    need: Need,
    who: str = "",
    *,
    columns: tuple[int, ...] | None = None,
) -> RowPlan:
    n, d = X.shape[0], X.shape[1] if columns is None else len(columns)
    texts = None if names is None else [str(name) for name in names]
    dtype = need.dtype(asked, learning_dtype(X))
    judge = asked.judge(need, texts, who)
    weight, y = weights(asked.weight, n, asked.bad), labels(asked.y, n)
    reader = ArrayReader(X, dtype, weight, y, columns, judge)
    if asked.bad == "error" and not is_mapped(X):
        _look_through(reader, "nan" in need.takes)
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
        need.schema_of(texts, d, dtype),
        times=event_spans(asked.time, [name], "an array"),
        shard_rows=asked.shard_rows,
        in_memory=True,
    )


def _look_through(reader: ArrayReader, takes_nan: bool) -> None:
    """Raise for the first bad value, in blocks; nothing is cast where all is good."""
    for start in range(0, reader.n_rows, BATCH_ROWS):
        rows = slice(start, min(start + BATCH_ROWS, reader.n_rows))
        if not is_clean(reader.raw(rows), takes_nan, reader.dtype):
            for _ in reader.read(start, rows.stop, BATCH_ROWS, 0):
                pass


def _validated(estimator: Any, data: Any, reset: bool, **more: bool) -> Array:
    from sklearn.utils.validation import validate_data

    if not reset and _passes(estimator, data):
        return data

    def check(data: Any, **options: Any) -> Array:
        return validate_data(estimator, data, reset=reset, **(more or options))

    return _called(check, data, estimator.takes)


def _passes(estimator: Any, data: Any) -> bool:
    """Whether scikit-learn would give an array back as it is: one of floats, without names, as wide
    as that of the fit. Its checks take as long as learning from a thousand rows.
    """
    plain = type(data) is np.ndarray and data.ndim == 2 and data.dtype.char in "fd"
    if not plain or not len(data) or hasattr(estimator, "feature_names_in_"):
        return False
    return bool(data.shape[1] == getattr(estimator, "n_features_in_", 0) > 0)


def _called(check: Any, data: Any, takes: Sequence[str]) -> Array:
    """scikit-learn's check of 2-D rows, its errors as ours; numbers stay as they are, CSR is made
    canonical.
    """
    if isinstance(data, np.ma.MaskedArray) or getattr(data, "dtype", np.dtype("f8")).kind in "mM":
        raise BadType(
            got=f"{type(data).__name__} of {data.dtype}",
            wanted="numbers without a mask",
            do="Fill what is masked with NaN, and turn times into numbers.",
        )
    typed = isinstance(data, np.ndarray) or forms.is_sparse(data)
    numeric = typed and data.dtype.kind in "fiub" and data.dtype.itemsize <= 8
    dtype = None if numeric else [np.float64, np.float32]
    form = "csr" if "sparse" in takes else False
    try:
        X = check(data, dtype=dtype, ensure_all_finite=False, accept_sparse=form)
        return forms.as_csr(X) if forms.is_sparse(X) else X
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


def _levelled(frame: Any, asked: Read, need: Need) -> Any:
    """A pandas frame with the columns of the fit in its order, as `schema=` has it."""
    known = need.schema.names if need.schema is not None else None
    if asked.schema == "error" or known is None or asked.columns is not None:
        return frame
    named(asked, list(frame.columns), "the frame")
    if asked.schema == "ignore":
        missing(known, list(frame.columns), "the frame")
    return frame.reindex(columns=[*known, *asked.beside])


def _picked(frame: Any, asked: Read) -> tuple[Any, Read]:
    """The features of a pandas frame, and the request with weight, y and time taken out of it."""
    names = list(frame.columns)
    special = {name: getattr(asked, name) for name in ("weight", "y")}
    special = {name: column for name, column in special.items() if isinstance(column, str)}
    named(asked, names, "the frame")
    if asked.columns is None:
        features = frame[[name for name in names if name not in asked.beside]]
    elif isinstance(asked.columns[0], int):
        features = frame.iloc[:, list(positions(asked.columns, len(names)))]
    else:
        missing([str(name) for name in asked.columns], names, "the frame")
        features = frame[list(asked.columns)]
    taken = {name: frame[column].to_numpy() for name, column in special.items()}
    if asked.time_column is not None:
        from nacre.source.spans import in_pandas

        taken["time"] = in_pandas(frame[asked.time_column], asked.time_column)
    return features, replace(asked, **taken)


def positions(columns: Sequence[str | int], d: int) -> tuple[int, ...]:
    """Positions of columns of an array, none below 0 or beyond its width."""
    if not all(isinstance(column, int) and -d <= column < d for column in columns):
        raise BadInput(
            got=f"columns={list(columns)!r} of an array with {d} columns",
            wanted=f"positions from 0 to {d - 1}",
            do="Name positions; a frame or a file has names.",
        )
    return tuple(int(column) % d for column in columns)
