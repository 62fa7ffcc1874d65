"""Arrays and CSR rows: float32 stays, all else is computed in float64; batch by batch."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre import forms
from nacre.contract import Array, Batch, Run, Schema
from nacre.source.bad import Judge


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """One batch in memory, or memory-mapped.

    Attributes:
        X: (n, d) numbers, any order, byte order and strides; or canonical CSR.
        dtype: "float32" or "float64": what learning sees; rows are cast batch by batch.
        weight, y: (n,) or None.
        columns: positions of the features, in their order; None: all.
        judge: what is done with bad values; None where the array was looked through already.
    """

    X: Array
    dtype: str
    weight: Array | None = None
    y: Array | None = None
    columns: tuple[int, ...] | None = None
    judge: Judge | None = None
    where: str = "the array"
    reading: int = 0

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    def read(self, first: int, stop: int, batch_rows: int, origin: int) -> Iterator[Batch]:
        """Rows first to stop, C order; views where the array is that already."""
        for start in range(first, max(stop, first + 1), batch_rows):
            rows = slice(start, min(start + batch_rows, stop))
            raw = self.raw(rows)
            with np.errstate(over="ignore"):  # inf is then found to be bad, and named as it was
                X = forms.as_dtype(raw, self.dtype)
            batch = Batch(
                X,
                Run(origin, start),
                None if self.weight is None else np.asarray(self.weight[rows], np.float64),
                None if self.y is None else self.y[rows],
                where=f"{self.where} rows {start} to {max(start, rows.stop - 1)}",
            )
            yield batch if self.judge is None else self.judge(batch, _original(raw))

    def raw(self, rows: slice) -> Array:
        """The features of some rows, as they lie."""
        some = forms.rows_at(self.X, rows)
        if self.columns is None:
            return some
        some = some[:, list(self.columns)]
        if forms.is_sparse(some):
            some.sort_indices()
        return some


def _original(raw: Array) -> Callable[[int, int], Any]:
    if forms.is_records(raw):
        return lambda row, column: raw.numbers(column)[row]
    return lambda row, column: raw[row, column]


def array_reader(
    X: Array, weight: Array | None = None, y: Array | None = None
) -> tuple[ArrayReader, Schema]:
    """The reader of an (n, d) array that was looked through already, and its schema."""
    dtype = learning_dtype(X)
    return ArrayReader(X, dtype, weight, y), Schema(None, X.shape[1], dtype)


def learning_dtype(X: Array) -> str:
    """float32 for float32, else float64.

    >>> learning_dtype(np.ones((2, 2), ">f4")), learning_dtype(np.ones((2, 2), int))
    ('float32', 'float64')
    """
    return "float32" if X.dtype.newbyteorder("=") == np.float32 else "float64"


def is_mapped(X: Array) -> bool:
    """Whether an array lies in a file that is mapped: looking through it would read it all."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return isinstance(X, mmap.mmap)
