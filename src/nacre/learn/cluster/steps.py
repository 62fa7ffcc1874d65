"""Where the sums of k-means move its centres, and what that gains; and the labels of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nacre.contract import Array, Batch
from nacre.forms import is_sparse
from nacre.kernel import sparse
from nacre.learn.cluster.metric import NONE, closest, directed, placed
from nacre.learn.cluster.repair import repaired


def labels_of(model: Any, batch: Batch) -> Array:
    """(n,) int32, the nearest centre of each row; NONE for one of length 0, by cosine."""
    rows, there = placed(model.metric, batch)
    if is_sparse(rows.X):
        labels = sparse.nearest(rows.X, model.turned)[0]
    else:
        shift = getattr(model, "shift", model.centres[0])
        labels = closest(model.metric, rows.X, model.centres, shift)[0]
    if there is None:
        return labels
    every = np.full(len(batch), NONE, np.int32)
    every[there] = labels
    return every


def gain(model: Any, told: Any) -> float:
    """What moving the centres to the means takes from the error of the same rows, per weight."""
    full = told.weights > 0
    weights = told.weights[full].astype(np.float64)
    means = told.sums[full] / weights[:, None]
    before = ((means - model.centres[full]) ** 2).sum(axis=1)
    after = ((means - directed(model.metric, means)) ** 2).sum(axis=1)
    return float((weights * (before - after)).sum() / max(told.weight, 1e-300))


def noise(told: Any) -> float:
    """The `gain` that chance alone would show, were the centres those of all rows: each mean is off
    by its standard error.
    """
    some = told.weights > 1
    return float((told.errors[some] / (told.weights[some] - 1)).sum() / max(told.weight, 1e-300))


def moved(model: Any, told: Any) -> Array:
    """The means of the clusters (k, d), after empty clusters were put where the error is."""
    weights = told.weights.astype(np.float64)
    full = weights > 0
    centres = model.centres.astype(np.float64)
    centres[full] = told.sums[full] / weights[full, None]
    new = repaired(centres, told).astype(model.centres.dtype)
    return directed(model.metric, new, model.centres)


def unswung(model: Any) -> Any:
    """Without momentum, at the means that it swung beyond: where rows of another part go on."""
    centres = model.centres if model.means is None else model.means
    return replace(model, centres=centres, means=None)
