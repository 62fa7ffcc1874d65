"""Empty clusters are put where the error is: at far rows, else beside the worst centres."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array, Batch
from nacre.kinds import LEAST, Rows
from nacre.learn.cluster.metric import dense

N_FAR = 32  # far rows kept for the repair; beyond, the worst clusters are split
FARTHEST = replace(LEAST(N_FAR), scale=lambda far, factor: far)  # of all: forgetting leaves them
GROUP = 64  # rows of which the greatest cost is found at once


def far_rows(batch: Batch, cost: Array, labels: Array) -> Rows:
    """The N_FAR rows of greatest cost, of equals those of the lowest id: as LEAST keeps them.

    Args:
        batch: (n, d) rows; of sparse ones these few are made dense.
        cost: (n,) float64, weighted; a row without any is not far.
        labels: (n,) int32.

    Returns:
        columns minus cost, row, label, weight.
    """
    far = np.flatnonzero(cost >= _least_of_far(cost))
    far = far[cost[far] > 0]
    far = far[np.argsort(-cost[far], kind="stable")][:N_FAR]
    weight = np.ones(len(far)) if batch.weight is None else batch.weight[far]
    return Rows(batch.ids_of(far), (-cost[far], dense(batch.X[far]), labels[far], weight))


def _least_of_far(cost: Array) -> Any:
    """A cost that N_FAR rows reach at least, and not many more: where rows stand in groups of 64,
    the greatest of N_FAR groups reach it.
    """
    if len(cost) <= N_FAR:
        return 0.0
    n_groups = len(cost) // GROUP
    if n_groups >= 2 * N_FAR:
        cost = cost[: n_groups * GROUP].reshape(GROUP, n_groups).max(axis=0)
    return np.partition(cost, -N_FAR)[-N_FAR]


def repaired(centres: Array, told: Any, power: int = 2) -> Array:
    """The centres with each empty one moved to a far row, or beside the centre of greatest error.

    Args:
        centres: (k, d) float64; those of clusters with weight are where they belong.
        told: a summary with weights (k,), errors (k,) and far.
        power: 2 where errors are squared distances, 1 where they are sums of absolute differences.

    Returns:
        (k, d) float64, a new array where something was moved.
    """
    weights = told.weights.astype(np.float64)
    full = weights > 0
    if full.all() or not full.any():
        return centres
    centres, errors = centres.copy(), told.errors.copy()
    empty = _to_far_rows(centres, list(np.flatnonzero(~full)), told, errors, power)
    _split(centres, empty, weights, errors, power)
    return centres


def _to_far_rows(
    centres: Array, empty: list[Any], told: Any, errors: Array, power: int
) -> list[Any]:
    """Put empty clusters at far rows, not the whole of their cluster and not near each other."""
    full = told.weights > 0
    wide = float(np.median(told.errors[full] / told.weights[full]))
    taken: list[Array] = []
    for value, row, label, weight in zip(*told.far.columns, strict=True):
        row = row.astype(np.float64)
        apart = min((_apart(row, other, power) for other in taken), default=math.inf)
        if not empty:
            break
        if told.weights[label] > weight and apart > wide:
            centres[empty.pop(0)] = row
            errors[label] += value
            taken.append(row)
    return empty


def _apart(row: Array, other: Array, power: int) -> float:
    return float(((row - other) ** 2 if power == 2 else np.abs(row - other)).sum())


def _split(centres: Array, empty: list[Any], weights: Array, errors: Array, power: int) -> None:
    """Split the clusters of greatest error, a deviation to either side, in addressed directions."""
    d = centres.shape[1]
    for j in empty:
        big = int(np.argmax(errors))
        if errors[big] <= 0:
            return  # fewer distinct rows than clusters
        side = 2.0 * hash01(j, np.arange(d), "kmeans split") - 1.0
        one = errors[big] / (weights[big] * d)
        step = side * (math.sqrt(3.0 * one) if power == 2 else 2.0 * one)  # so much on average
        centres[j], centres[big] = centres[big] + step, centres[big] - step
        errors[big] /= 2
        errors[j], weights[big], weights[j] = errors[big], weights[big] / 2, weights[big] / 2
