"""k-means of micro-clusters: each a row at its mean, with its weight.

Whatever the centres, the squared error of the rows of a micro-cluster that go to one of them is
weight * |mean - centre|² and the micro-cluster's own error, which no centre changes. So k-means of
the means, by weight, is k-means of the rows under the condition that micro-clusters stay whole.

The descent goes from several seedings, whose random numbers are addressed: greedy k-means++, then
Lloyd and breathing (`descent.py`). What the cells are alone decides where it ends. Clusters are
numbered by the first micro-cluster in them, so that rounding cannot number them otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array
from nacre.errors import BadInput
from nacre.kernel.assign import Assigned, assign_sums
from nacre.kernel.seeding import greedy_seeds
from nacre.learn.cluster.curve import k_curve
from nacre.learn.cluster.descent import Descent
from nacre.learn.cluster.kmeans import Centres, KMeans
from nacre.learn.cluster.metric import directed
from nacre.learn.cluster.sampled import mean_of

MOST_STARTS = 4
WORK = 1 << 23  # coordinates that passes of all starts compare, at most, but for the first
TRIALS = 2  # candidates a seed is the best of: breathing mends what is missed
PASSES = 60  # of a start, at most
STILL = 1e-4  # of the error: the last iteration of a start gains less,
FINE = 1e-5  # and of the best of them less than this
CLEAR = 1e-9  # of the error, by which a later start must be better: rounding does not choose


class Grains(NamedTuple):
    """Micro-clusters as weighted rows.

    Attributes:
        means: (q, d) float64.
        weights: (q,) float64, above 0.
        errors: (q,) squared distances of their rows to the means.
    """

    means: Array
    weights: Array
    errors: Array


def clustered(kmeans: KMeans, grains: Grains, dtype: Any, n_rows: int) -> Centres:
    """The model of a KMeans for micro-clusters.

    Args:
        kmeans: hyper-parameters.
        grains: as the metric looks at rows; at least one.
        dtype: of the rows, and so of the centres.
        n_rows: that they were made of.

    Raises:
        BadInput: no micro-cluster has weight.
    """
    if not len(grains.weights):
        raise BadInput(
            got="no row with weight above 0",
            wanted="rows with weight, by cosine not all 0",
            do="Check sample_weight, or ask for more rows.",
        )
    shift = mean_of(grains.means, grains.weights)
    curve: tuple[tuple[float, float], ...] = ()
    if kmeans.n_clusters == "auto":
        found, centres = k_curve(*grains, n_rows=n_rows, seed=kmeans._seed)
        curve = tuple(zip(found.inertia.tolist(), found.gap.tolist(), strict=True))
    elif isinstance(kmeans.init, str):
        centres = _best(kmeans, grains, shift)
    else:
        centres = kmeans._given_centres(grains.means.shape[1])
    begun = directed(kmeans.metric, centres)
    still = min(FINE, float(kmeans.tol))
    centres, n_iter = _lloyd(kmeans, grains, shift, begun, kmeans.max_iter, still)
    if isinstance(kmeans.init, str):
        centres = centres[_by_first(nearest_to(centres, grains).labels, len(centres))]
    own = directed(kmeans.metric, centres.astype(dtype))
    return kmeans._kind(own, shift.astype(dtype), n_iter=n_iter, curve=curve)


def nearest_to(centres: Array, grains: Grains) -> Assigned:
    """The centre of each micro-cluster, and the sums of each centre's."""
    return assign_sums(
        grains.means, grains.weights, centres.astype(np.float64), grains.means.mean(axis=0)
    )


def _best(kmeans: KMeans, grains: Grains, shift: Array) -> Array:
    """The (k, d) centres of least error among those of several starts."""
    k, (q, d) = kmeans._k, grains.means.shape
    best, least = np.empty((k, d)), np.inf
    for start in range(max(1, min(MOST_STARTS, WORK // (q * k * d)))):
        purpose = f"kmeans of cells {kmeans.random_state or 0} start {start}"
        centres = grains.means[np.resize(_seeds(kmeans, grains, purpose), k)]
        if kmeans.metric == "euclidean" and kmeans.algorithm == "nested":
            descent = Descent(grains.means, grains.weights, shift, PASSES)
            centres = descent.down(centres, purpose, STILL)
        else:
            centres = _lloyd(kmeans, grains, shift, directed(kmeans.metric, centres), PASSES)[0]
        error = _error(assign_sums(grains.means, grains.weights, centres, shift))
        if error < least - CLEAR * error or start == 0:
            best, least = centres, error
    return best


def _seeds(kmeans: KMeans, grains: Grains, purpose: str) -> Array:
    k, q = kmeans._k, len(grains.weights)
    if kmeans.init == "random":
        return np.argsort(hash01(0, np.arange(q), purpose), kind="stable")[:k]
    draws = hash01(0, np.arange(k * TRIALS), purpose).reshape(k, TRIALS)
    return greedy_seeds(grains.means, grains.weights, k, draws)


def _by_first(labels: Array, k: int) -> Array:
    """(k,) the clusters in the order of the first that is labelled so; at the end those of none."""
    found, first = np.unique(labels, return_index=True)
    none = np.setdiff1d(np.arange(k), found)
    return np.concatenate([found[np.argsort(first)], none])


def _lloyd(
    kmeans: KMeans,
    grains: Grains,
    shift: Array,
    centres: Array,
    most: int,
    still: float = STILL,
) -> tuple[Array, int]:
    """Centres after Lloyd's iterations, and how many there were."""
    told = assign_sums(grains.means, grains.weights, centres, shift)
    for n_iter in range(1, most + 1):
        new = directed(kmeans.metric, _means(told, centres, grains), centres)
        after = assign_sums(grains.means, grains.weights, new, shift)
        gain = _error(told) - _error(after)
        if gain < 0:  # by rounding alone
            return centres, n_iter
        centres, told = new, after
        if gain <= still * _error(after):
            return centres, n_iter
    return centres, most


def _means(told: Assigned, centres: Array, grains: Grains) -> Array:
    """The means that centres go to; an empty one goes to a micro-cluster that costs most."""
    full = told.weights > 0
    new = centres.astype(np.float64)
    new[full] = told.sums[full] / told.weights[full, None]
    cost = grains.weights * told.d2
    far = np.argsort(-cost, kind="stable")[: int((~full).sum())]
    far = far[cost[far] > 0]
    new[np.flatnonzero(~full)[: len(far)]] = grains.means[far]
    return new


def _error(told: Assigned) -> float:
    return float(told.sse.sum())
