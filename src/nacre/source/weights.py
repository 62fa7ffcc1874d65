"""Weights and labels that stand beside rows in memory, one for each."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput
from nacre.source.bad import Policy, bad_weight, good_weights


def weights(weight: Any, n_rows: int, policy: Policy = "error") -> Array | None:
    """Weights (n,) float64, one for each row; a number is the weight of every row.

    >>> weights(2, 3)
    array([2., 2., 2.])

    Raises:
        BadInput: another shape, all 0, or, under "error", one that is negative or not finite.
    """
    if weight is None:
        return None
    checked = (
        np.full(n_rows, weight, float) if isinstance(weight, numbers.Number) else _floats(weight)
    )
    if checked.shape != (n_rows,):
        raise BadInput(
            says="Sample weights must be 1D array or scalar." if checked.ndim != 1 else "",
            got=f"weights of shape {checked.shape} for {n_rows} rows",
            wanted="one weight for each row",
            do="Check the weights.",
        )
    bad = np.flatnonzero(~good_weights(checked))
    if len(bad) and policy == "error":
        raise bad_weight(float(checked[bad[0]]), int(bad[0]), "the weights")
    if n_rows and not checked.any():
        raise BadInput(
            says="Sample weights must contain at least one non-zero number.",
            got="weights that are all 0",
            wanted="rows with weight",
            do="Check the weights.",
        )
    return checked


def labels(y: Any, n_rows: int) -> Array | None:
    """y as an array of n rows.

    Raises:
        BadInput: another number of rows.
    """
    if y is None:
        return None
    y = np.asarray(y)
    if y.shape[:1] != (n_rows,):
        raise BadInput(
            got=f"y of shape {y.shape} for {n_rows} rows",
            wanted="one value for each row",
            do="Pass y of the same rows as the data.",
        )
    return y


def _floats(weight: Any) -> Array:
    try:
        return np.asarray(weight, np.float64)
    except (ValueError, TypeError):
        raise BadInput(
            got=f"weights of type {type(weight).__name__} that are no numbers",
            wanted="one weight for each row",
            do="Check the weights.",
        ) from None
