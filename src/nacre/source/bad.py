"""Bad values: NaN, inf, and magnitudes whose squares overflow; named, or left out and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nacre import forms
from nacre.contract import Array, Batch
from nacre.errors import BadInput
from nacre.kinds import LEAST, Rows

Policy = Literal["error", "skip"]
LARGEST = {"float32": 1e18, "float64": 1e150}  # of larger ones the squares of a row overflow
WEIGHT = -1  # the column of a bad weight
NONE = -2  # that of a row without a bad value
UNREAD = -3  # that of a row that could not be read from its file
N_FIRST = 8  # bad rows whose place is kept
_BLOCK = 16_384  # rows looked at together: they stay in the cache


@dataclass(frozen=True)
class Judge:
    """What is done with bad values.

    Attributes:
        policy: "error" raises, "skip" leaves the row out and counts it.
        takes_nan: NaN is no bad value.
        names: of the columns, for messages.
        who: the learner's name; scikit-learn's sentence then stands first.

    >>> told = Judge("skip")(Batch(np.array([[1.0], [np.nan], [3.0]])))
    >>> told.X.ravel(), told.n_skipped, told.bad_rows.ids["position"]
    (array([1., 3.]), 1, array([1], dtype=uint64))
    """

    policy: Policy = "error"
    takes_nan: bool = False
    names: tuple[str, ...] | None = None
    who: str = ""

    def __call__(self, batch: Batch, original: Callable[[int, int], Any] | None = None) -> Batch:
        """The batch without its bad rows, counted.

        Args:
            batch: rows as learning sees them, in the dtype that it sees.
            original: (row, column) -> the value before it was cast, for the message.

        Raises:
            BadInput: under "error", naming the first bad value.
        """
        weight = batch.weight
        if is_clean(batch.X, self.takes_nan) and (weight is None or good_weights(weight).all()):
            return batch
        columns = first_bad(batch.X, self.takes_nan)
        good = columns == NONE
        if weight is not None:
            columns[good & ~good_weights(weight)] = WEIGHT
            good = columns == NONE
        rows = np.flatnonzero(~good)
        if self.policy == "error":
            raise self._error(batch, int(rows[0]), int(columns[rows[0]]), original)
        kept, first = batch.take(good), rows[:N_FIRST]
        told = Rows(batch.ids_of(first), (columns[first],))
        return replace(kept, n_skipped=len(rows), bad_rows=told)

    def _error(
        self, batch: Batch, row: int, column: int, original: Callable[[int, int], Any] | None
    ) -> BadInput:
        position = int(batch.ids["position"][row])
        if column == WEIGHT:
            weight = float(batch.weight[row])  # type: ignore[index]  # a bad weight is one
            return bad_weight(weight, position, batch.where)
        value = float((original or (lambda i, j: batch.X[i, j]))(row, column))
        name = str(column) if self.names is None else repr(self.names[column])
        dtype = batch.X.dtype.name
        return BadInput(
            got=f"{_shown(value)} in row {position}, column {name}",
            wanted=f"finite values below {LARGEST[dtype]:g} ({dtype})",
            do=f'Leave such rows out with nacre.read(data, bad="skip"){_else(value, dtype)}.',
            where=batch.where,
            says=_sentence(self.who, value, dtype),
        )


def left_out(batch: Batch, lost: Array, judge: Judge | None = None) -> Batch:
    """A batch without the rows that could not be read, (n,) bool, judged; with both counted."""
    kept, at = batch.take(~lost), np.flatnonzero(lost)[:N_FIRST]
    kept = kept if judge is None else judge(kept)
    told = Rows(batch.ids_of(at), (np.full(len(at), UNREAD),))
    n_skipped = kept.n_skipped + int(lost.sum())
    return replace(kept, n_skipped=n_skipped, bad_rows=LEAST(N_FIRST).join(kept.bad_rows, told))


def is_clean(X: Array, takes_nan: bool = False, dtype: str | None = None) -> bool:
    """Whether (n, d) has no bad value once it is cast to `dtype` (None: its own); no copy."""
    if forms.is_records(X):
        return all(is_clean(values, takes_nan) for _, values in _numbers(X))
    if forms.is_sparse(X):
        X = X.data
    dtype = dtype or X.dtype.newbyteorder("=").name
    if X.size == 0 or (X.dtype.kind != "f" and (X.dtype.itemsize < 8 or dtype != "float32")):
        return True
    largest = LARGEST[dtype] if X.dtype.itemsize >= 4 else np.inf
    least, most = (np.fmin, np.fmax) if takes_nan else (np.minimum, np.maximum)
    for start in range(0, len(X), _BLOCK):
        block = X[start : start + _BLOCK]
        if _is_small(block, largest):
            continue
        low, high = least.reduce(block, axis=None), most.reduce(block, axis=None)
        if not (low > -largest and high < largest) and not (takes_nan and np.isnan(low)):
            return False
    return True


def _is_small(block: Array, largest: float) -> bool:
    """Whether the sum of squares shows that all values are good; False says nothing."""
    if block.dtype not in (np.float32, np.float64) or not block.flags.c_contiguous:
        return False
    flat = block.reshape(-1)
    with np.errstate(all="ignore"):
        return bool(np.dot(flat, flat) < min(largest, 1e15) ** 2)  # NaN and inf are not less


def first_bad(X: Array, takes_nan: bool = False) -> Array:
    """(n,) int64: the column of each row's first bad value, NONE where it has none."""
    columns = np.full(X.shape[0], NONE)
    if forms.is_records(X):
        for column, values in reversed(_numbers(X)):
            columns[bad_values(values, takes_nan)] = column
    elif forms.is_sparse(X):
        at = np.flatnonzero(bad_values(X.data, takes_nan))[::-1]  # the first is written last
        columns[np.searchsorted(X.indptr, at, "right") - 1] = X.indices[at]
    elif X.shape[1]:
        bad = bad_values(X, takes_nan)
        columns = np.where(bad.any(axis=1), bad.argmax(axis=1), NONE)
    return columns


def _numbers(X: Any) -> list[tuple[int, Array]]:
    """The columns of records that hold no texts, with their numbers."""
    return [(at, X.numbers(at)) for at, kind in enumerate(X.holds) if kind != "text"]


def bad_values(X: Array, takes_nan: bool = False) -> Array:
    """(...) bool: True where a value of (...) float32 or float64 is bad."""
    bad: Array = ~(np.abs(X) < LARGEST[X.dtype.name])
    return bad & ~np.isnan(X) if takes_nan else bad


def good_weights(weight: Array) -> Array:
    """(n,) bool: at least 0, and not so large that sums of them overflow."""
    good: Array = (weight >= 0) & (weight < LARGEST["float64"])
    return good


def bad_weight(value: float, row: int, where: str) -> BadInput:
    """The error for one bad weight."""
    sentence = "Negative values in data passed to `sample_weight`." if value < 0 else ""
    return BadInput(
        got=f"weight {_shown(value)} in row {row}",
        wanted=f"finite weights, at least 0, below {LARGEST['float64']:g}",
        do='Correct the weights, or leave such rows out with nacre.read(data, bad="skip").',
        where=where,
        says=sentence,
    )


def _shown(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:g}"


def _else(value: float, dtype: str) -> str:
    if np.isnan(value):
        return ", or fill NaN with nacre.Impute()"
    wide = dtype == "float32" and abs(value) < LARGEST["float64"]
    return ', or learn in nacre.read(data, dtype="float64")' if wide else ""


def _sentence(who: str, value: float, dtype: str) -> str:
    if not who:
        return ""
    what = "NaN" if np.isnan(value) else f"infinity or a value too large for dtype('{dtype}')"
    return f"{who}: Input X contains {what}."
