"""Rows seen along the directions of a model: where they lie, and how likely they are.

A model here has mean (d,), components (k, d), variance (k,), noise and whiten, as in pca.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput
from nacre.forms import is_sparse

ROUNDING = {"float64": 0.0, "float32": 4 * float(np.finfo(np.float32).eps)}  # of float32 products;
# measured: 0.2 eps of the largest variance, whatever the width
LEAST = 1e-290  # variance, where there is none at all


def projected(model: Any, X: Array) -> Array:
    """(n, k) in X's dtype: rows along the directions, over their deviations where `whiten`."""
    directions: Array = along(model, X)
    if model.whiten:
        deviation = np.sqrt(model.variance)
        directions /= np.where(deviation > 0, deviation, 1.0)
    return directions.astype(X.dtype)


def brought_back(model: Any, X: Array) -> Array:
    """(n, d) rows in the old columns, of (n, k) along the directions; in X's dtype if a float.

    Raises:
        BadInput: rows of another width.
    """
    X, k = np.asarray(X), len(model.components)
    if X.ndim != 2 or X.shape[1] != k:
        raise BadInput(
            got=f"rows of shape {X.shape}",
            wanted=f"shape (n, {k})",
            do="Pass what `transform` gave.",
        )
    scale = np.sqrt(model.variance) if model.whiten else 1.0
    back = (X * scale) @ model.components + model.mean
    return back.astype(X.dtype) if X.dtype.kind == "f" else back


def likelihood(model: Any, X: Array) -> Array:
    """(n,) float64 log-likelihood of rows: Tipping & Bishop (1999), equations 4 and 5.

    The inverse of the covariance is taken direction by direction, none of it is made. A variance
    that is rounding counts as what rounding is, so that rows without any in some direction are very
    likely, and none is impossible.
    """
    k, d = model.components.shape
    least = max(doubt(model.dtype, d) * model.variance.max(), LEAST)
    spread, noise = np.maximum(model.variance, max(model.noise, least)), max(model.noise, least)
    squares = along(model, X) ** 2
    told = (squares / spread).sum(axis=1) + np.log(spread).sum() + d * math.log(2 * math.pi)
    if k < d:
        rest = np.maximum(lengths(model, X) - squares.sum(axis=1), 0.0)
        told += rest / noise + (d - k) * math.log(noise)
    return -told / 2


def doubt(dtype: str, d: int) -> float:
    """The share of the largest of d variances below which one is rounding."""
    return d * float(np.finfo(np.float64).eps) + ROUNDING[dtype]


def along(model: Any, X: Array) -> Array:
    """(n, k) float64: centred rows along the directions."""
    directions = model.components.T
    if is_sparse(X):
        return X @ directions - model.mean @ directions
    return (X - model.mean) @ directions  # in float64: float32 rows may lie far from 0


def lengths(model: Any, X: Array) -> Array:
    """(n,) float64: squared lengths of centred rows."""
    if is_sparse(X):
        wide = X.astype(np.float64)
        squares = wide.multiply(wide).sum(axis=1)
        return np.asarray(squares - 2 * (wide @ model.mean) + model.mean @ model.mean)
    centred = X - model.mean
    return np.einsum("ij,ij->i", centred, centred)
