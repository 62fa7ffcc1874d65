"""The forms that rows take in memory: arrays, CSR, records. What differs between them stands here.

All are cut with `X[rows]` and have `shape` and `dtype`. CSR rows are `scipy.sparse.csr_array`, and
canonical: sorted, no column twice in a row, no stored zero, int32 indices unless 2**31 columns need
more. SciPy is loaded where there are some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nacre.records import Records as Records
from nacre.records import is_records as is_records

Array = Any


def is_sparse(X: Any) -> bool:
    """Whether rows are of scipy.sparse; SciPy is not imported to find out. In a Batch they are CSR.

    >>> is_sparse(np.ones((2, 2))), is_sparse(as_csr(np.ones((2, 2))))
    (False, True)
    """
    return type(X).__module__.startswith("scipy.sparse")


def as_csr(X: Any) -> Any:
    """Rows, dense or of any scipy.sparse format, as a canonical csr_array of the same dtype.

    What is CSR and canonical already shares its memory; nothing is written into what is given.

    >>> as_csr(np.array([[0.0, 2.0], [0.0, 0.0]])).indptr
    array([0, 1, 1], dtype=int32)
    """
    from scipy.sparse import csr_array

    rows = csr_array(X)
    if not rows.has_canonical_format or not rows.data.all():
        rows = rows.copy()
        rows.sum_duplicates()
        rows.eliminate_zeros()
    return rows


def rows_at(X: Array, rows: slice) -> Array:
    """Consecutive rows, start to stop, as views where the form has them."""
    if not is_sparse(X):
        return X[rows]
    first, last = X.indptr[rows.start], X.indptr[rows.stop]
    starts = X.indptr[rows.start : rows.stop + 1] - first
    return _canonical(X.data[first:last], X.indices[first:last], starts, X.shape[1])


def as_dtype(X: Array, dtype: str) -> Array:
    """Rows in C order and in "float32" or "float64"; themselves where they are so already."""
    if is_records(X):
        return X.astype(dtype)
    if not is_sparse(X):
        return np.ascontiguousarray(X, dtype=dtype)
    if X.dtype == dtype:
        return X
    return _canonical(X.data.astype(dtype), X.indices, X.indptr, X.shape[1])


def joined(parts: Sequence[Array]) -> Array:
    """The rows of parts of one form, one below the other.

    >>> joined([as_csr(np.eye(2)), as_csr(np.eye(2))]).shape
    (4, 2)
    """
    if is_records(parts[0]):
        return Records.joined(parts)
    if not is_sparse(parts[0]):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return parts[0] if len(parts) == 1 else vstack(parts, format="csr")


def scattered(n: int, at: Sequence[Array], parts: Sequence[Any]) -> Any:
    """CSR rows (n, m): those of each part at its positions (k,) ascending; parts do not overlap.

    A row that no part has is NaN in its first column, and else empty.
    """
    order = sorted((i for i in range(len(parts)) if len(at[i])), key=lambda i: int(at[i][0]))
    there = joined([parts[i] for i in order] or parts)
    if there.shape[0] == n:
        return there
    lost = _canonical(
        np.full(1, np.nan, there.dtype), np.zeros(1, int), np.array([0, 1]), there.shape[1]
    )
    which = np.full(n, there.shape[0])
    which[np.concatenate([at[i] for i in order] or at)] = np.arange(there.shape[0])
    return joined([there, lost])[which]


def owned_bytes(X: Array) -> int:
    """Bytes that keeping rows takes: none for views of what is in memory anyway."""
    if is_sparse(X):
        return sum(map(owned_bytes, (X.data, X.indices, X.indptr)))
    return X.nbytes if hasattr(X, "nbytes") and getattr(X, "base", None) is None else 0


def arrays_of(X: Array) -> tuple[Array, ...]:
    """The arrays that rows are made of; none where nobody can write into them."""
    if is_records(X):
        return ()
    return (X.data, X.indices, X.indptr) if is_sparse(X) else (X,)


def csr(data: Array, indices: Array, starts: Array, n_columns: int) -> Any:
    """CSR rows (n, n_columns) of values (e,), their columns (e,), and each row's begin (n + 1,).

    They are canonical where these are.
    """
    from scipy.sparse import csr_array

    index = np.int32 if max(n_columns, len(data)) < 2**31 else np.int64
    rows = csr_array((len(starts) - 1, n_columns), dtype=data.dtype)
    rows.data = data  # its constructor would copy a view of a small part of a large array
    rows.indices = indices.astype(index, copy=False)
    rows.indptr = starts.astype(index, copy=False)
    return rows


def _canonical(data: Array, indices: Array, starts: Array, n_columns: int) -> Any:
    rows = csr(data, indices, starts, n_columns)
    rows.has_canonical_format = True  # sets has_sorted_indices too; else each asks all its entries
    return rows
