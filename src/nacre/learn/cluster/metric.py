"""How near a row is to a centre: euclidean, cosine or manhattan, of dense rows or sparse ones.

Euclidean is the plain case: rows as they are, squared distances. Cosine is euclidean among rows of
length 1, because |x - c|² = 2 (1 - x·c) there. Manhattan has kernels of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nacre.contract import Array, Batch
from nacre.errors import BadParameter
from nacre.forms import is_sparse
from nacre.kernel import assign, manhattan, sparse
from nacre.kernel.directions import directions, sparse_directions

METRICS = ("euclidean", "cosine", "manhattan")
NONE = -1  # the label of a row that is near to nothing: one of length 0, by its direction


def placed(metric: str, batch: Batch) -> tuple[Batch, Array | None]:
    """The rows as the metric looks at them.

    Returns:
        By "cosine" the rows that have a direction, each divided by its length, and which of all
        they are, (n,) bool, or None where that is all of them. By other metrics the rows as given.
    """
    if metric != "cosine":
        return batch, None
    unit, flat = unit_rows(batch.X)
    turned = replace(batch, X=unit)
    return (turned.take(~flat), ~flat) if flat.any() else (turned, None)


def unit_rows(X: Array) -> tuple[Array, Array]:
    """Rows (n, d), dense or CSR, over their lengths; (n,) bool, True where that is 0."""
    if not is_sparse(X):
        return directions(X)
    data, flat = sparse_directions(X.data, X.indptr)
    return type(X)((data, X.indices, X.indptr), shape=X.shape), flat


def closest(metric: str, X: Array, centres: Array, shift: Array) -> tuple[Array, Array]:
    """The nearest centre of each row, the lowest of equals, and what it costs.

    Args:
        metric: "euclidean", "cosine" (rows and centres of length 1) or "manhattan".
        X: (n, d), or CSR but for "manhattan".
        centres: (k, d) of X's dtype.
        shift: (d,), a point amid the rows.

    Returns:
        labels (n,) int32; (n,) float64 squared distances, or sums of absolute differences.

    >>> closest("manhattan", np.array([[1.0, 1.0]]), np.zeros((1, 2)), np.zeros(2))[1].tolist()
    [2.0]
    """
    if is_sparse(X):
        return sparse.nearest(X, sparse.turned(centres))
    if metric == "manhattan":
        labels, d1, _ = manhattan.nearest(X, centres)
        return labels, d1
    near = assign.nearest(X, centres, shift)
    return near.labels, near.d2


def sparse_sums(X: Array, weight: Array | None, centres: sparse.Turned) -> assign.Assigned:
    """What `assign.assign_sums` gives, of CSR rows (n, d)."""
    labels, d2 = sparse.nearest(X, centres)
    w, k = np.ones(X.shape[0]) if weight is None else weight, len(centres.squares)
    weights, sums = sparse.tally(X, w, labels, k)
    errors = np.bincount(labels, w * d2, k)
    counted = weights.astype(np.int64) if weight is None else weights
    return assign.Assigned(labels, d2, counted, sums, errors, 0)


def apart(metric: str, X: Array, centres: Array) -> Array:
    """(n, k) distance of each row to each centre, in X's dtype.

    Euclidean; 1 minus the cosine, where a row of length 0 is 1 from everything; or manhattan.
    """
    if metric == "manhattan":
        return manhattan.distances(X, centres)
    unit, flat = unit_rows(X) if metric == "cosine" else (X, None)
    if is_sparse(unit):
        far = sparse.distances(unit, sparse.turned(centres))
    else:
        far = assign.distances(unit, centres)
    if flat is None:
        return far
    far *= far
    far /= 2
    far[flat] = 1
    return far


def dense(X: Array) -> Array:
    """Some few rows, (n, d) as an array; sparse ones are made so."""
    rows: Array = X.toarray() if is_sparse(X) else X
    return rows


def directed(metric: str, centres: Array, otherwise: Array | None = None) -> Array:
    """Centres as the metric has them: by cosine of length 1, or `otherwise` where that is 0."""
    if metric != "cosine":
        return centres
    unit, flat = unit_rows(centres)
    if otherwise is not None:
        unit[flat] = otherwise[flat]
    return unit


def check_metric(metric: object, sparse_rows: bool = False) -> None:
    """Raise BadParameter for a metric that is none, or that does not go with sparse rows."""
    if not isinstance(metric, str) or metric not in METRICS:
        raise BadParameter(
            got=f"metric={metric!r}", wanted=f"one of {', '.join(METRICS)}", do="Change metric."
        )
    if sparse_rows and metric == "manhattan":
        raise BadParameter(
            got='metric="manhattan" for sparse rows',
            wanted='"euclidean" or "cosine", or dense rows',
            do="Change metric, or pass X.toarray() where that fits in memory.",
        )
