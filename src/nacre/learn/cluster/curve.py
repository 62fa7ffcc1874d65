"""How many clusters: the gap statistic over k, on micro-clusters.

Tibshirani, Walther & Hastie, Estimating the number of clusters in a data set via the gap statistic
(2001): W_k, the squared error with k clusters, falls with every k; what counts is how much further
it falls than where there are no clusters at all. The reference is uniform along the principal axes
of the data, with their variances, which unlike their ranges one far row cannot change.

    gap(k) = log(W_k / W_1 of the reference) - log(W_k / W_1 of the data)

The rule: the least k whose gap none of the next k numbers (and at least the next 15) beats by
more than CLEAR. So k is 1 where nothing sets the data apart from even rows. A curve that rises to
its end has no such k before it: then the answer is the largest k asked for, and the data has no
round clusters of one size of its own. Clusters in the shape of rings or threads are cut in pieces;
tails far longer than even ones are taken for clusters.

For each k the centres are Ward's (1963) clusters of the micro-clusters, moved by Lloyd's iterations
on them as weighted rows. Reference and data go the same way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array, Batch
from nacre.kernel.assign import assign_sums, distances
from nacre.kernel.truth import tally
from nacre.learn.cluster.counting import frozen, observed, weighted

K_MAX = 50
N_REFERENCES = 3  # that are averaged
N_EVEN = 5_000  # rows of one, at most
MOST_VALUES = 1 << 20  # numbers in one: fewer rows where they are wide
CLEAR = 0.03  # of the gap: more than its noise
LOOK_AHEAD = 15
DESCENT = 20  # Lloyd iterations for each k, at most
STILL = 1e-3  # of the error: an iteration that takes less away is the last
DECIMALS = 6  # of a curve: beyond, logarithms and eigenvectors depend on the CPU


class Curve(NamedTuple):
    """What is known of each k.

    Attributes:
        k: (q,) int64, from 1 on.
        inertia: (q,) float64, squared error with k clusters, as micro-clusters have it.
        gap: (q,) float64.
    """

    k: Array
    inertia: Array
    gap: Array

    @property
    def chosen(self) -> int:
        """The k of the rule.

        >>> Curve(np.arange(1, 5), np.zeros(4), np.array([0.0, 0.1, 0.7, 0.69])).chosen
        3
        """
        for k, gap in zip(self.k, self.gap, strict=True):
            ahead = self.gap[k : k + max(k, LOOK_AHEAD)]
            if not (ahead > gap + CLEAR).any():
                return int(k)
        return int(self.k[-1])


def k_curve(
    means: Array, weights: Array, errors: Array, *, n_rows: int, seed: int
) -> tuple[Curve, Array]:
    """The curve of micro-clusters, and the centres (k, d) of the k that it chooses.

    Args:
        means: (m, d) float64; weights, errors: (m,), as `counting.weighted` gives them.
        n_rows: that they were made of.
        seed: of the reference.
    """
    most = max(1, min(K_MAX, len(means), n_rows // 10))
    trees = ward(means, weights, most)
    inertia = _inertias(means, weights, errors, trees)
    n = max(min(N_EVEN, MOST_VALUES // min(means.shape), n_rows), 2 * most)
    falls = [_even(means, weights, errors, most, (n, seed, i)) for i in range(N_REFERENCES)]
    q = min(len(inertia), *map(len, falls))
    gap = _fall(inertia)[:q] - np.mean([fall[:q] for fall in falls], axis=0)
    curve = Curve(np.arange(1, q + 1), inertia[:q], np.round(gap, DECIMALS) + 0.0)
    return curve, _descent(means, weights, trees[curve.chosen - 1])[0]


def _even(
    means: Array, weights: Array, errors: Array, most: int, address: tuple[int, int, int]
) -> Array:
    """The fall of a reference, for k = 1 to `most`; address: its rows, seed and number."""
    rows = _reference(means, weights, errors, *address)
    ones, seed = np.ones(len(rows)), address[1]
    model = frozen("euclidean", rows, ones, rows.mean(axis=0), seed=seed)
    micros = weighted(observed(model, Batch(rows)).moments)
    return _fall(_inertias(*micros, ward(*micros[:2], most)))


def _fall(inertia: Array) -> Array:
    """-log(W_k / W_1); nothing more where no error is left."""
    share = inertia / (inertia[0] or 1.0)
    fall: Array = -np.log(np.maximum(share, 1e-12))
    return fall


def _inertias(means: Array, weights: Array, errors: Array, trees: list[Array]) -> Array:
    """(q,) squared error for k = 1, 2, .. clusters."""
    within = float(errors.sum())
    return np.array([_descent(means, weights, labels)[1] + within for labels in trees])


def _descent(means: Array, weights: Array, labels: Array) -> tuple[Array, float]:
    """Centres after Lloyd's iterations from the clusters of Ward, and the squared error."""
    k, shift = int(labels.max()) + 1, means.mean(axis=0)
    total, centres, unused = np.zeros(k), np.zeros((k, means.shape[1])), np.zeros(k)
    tally(means, weights, labels.astype(np.int32), unused[labels], total, centres, unused)
    centres /= total[:, None]
    error = np.inf
    for _ in range(DESCENT):
        told = assign_sums(means, weights, centres, shift)
        gain, error = error - float(told.sse.sum()), float(told.sse.sum())
        if not gain > STILL * error:
            break
        full = told.weights > 0
        centres[full] = told.sums[full] / told.weights[full, None]
    return centres, error


def ward(means: Array, weights: Array, most: int) -> list[Array]:
    """Labels (m,) of 1, 2, ... `most` clusters, each made of the next by Ward's least merge.

    >>> ward(np.array([[0.0], [1.0], [9.0]]), np.ones(3), 2)[1].tolist()
    [0, 0, 1]
    """
    m, w = len(means), weights.astype(np.float64).copy()
    cost = distances(means, means) ** 2 * (w[:, None] * w / (w[:, None] + w))
    np.fill_diagonal(cost, np.inf)
    partner = cost.argmin(axis=1)
    least = cost[np.arange(m), partner]
    label, found = np.arange(m), []
    for n_left in range(m, 0, -1):
        if n_left <= most:
            found.append(np.unique(label, return_inverse=True)[1].reshape(-1))
        if n_left > 1:
            i = int(least.argmin())
            j = int(partner[i])
            _merge(cost, w, i, j)
            label[label == j] = i
            again = np.flatnonzero((partner == i) | (partner == j) | (np.arange(m) == i))
            partner[again] = cost[again].argmin(axis=1)
            least[again] = cost[again, partner[again]]
            nearer = np.flatnonzero(cost[i] < least)
            partner[nearer], least[nearer] = i, cost[i, nearer]
            least[j] = np.inf
    return found[::-1]


def _merge(cost: Array, w: Array, i: int, j: int) -> None:
    """Cluster j into i: the costs of the merges that are left, by Lance and Williams (1967)."""
    there = np.isfinite(cost[i]) & np.isfinite(cost[j])
    joined = ((w[i] + w) * cost[i] + (w[j] + w) * cost[j] - w * cost[i, j]) / (w[i] + w[j] + w)
    new = np.where(there, joined, np.inf)
    cost[i], cost[:, i], cost[j], cost[:, j] = new, new, np.inf, np.inf
    w[i], w[j] = w[i] + w[j], 0.0


def _reference(
    means: Array, weights: Array, errors: Array, n: int, seed: int, number: int
) -> Array:
    """(n, r) rows that are even along the principal axes of the data, with their variances."""
    total = weights.sum()
    centred = (means - weights @ means / total) * np.sqrt(weights / total)[:, None]
    deviations = np.linalg.svd(centred, compute_uv=False)
    variances = deviations**2 + errors.sum() / total / means.shape[1]
    places = np.arange(n * len(variances))
    draws = hash01(seed, places, f"k-curve reference {number}").reshape(n, -1)
    rows: Array = (draws - 0.5) * np.sqrt(12.0 * variances)
    return rows
