"""Greedy k-means++ over weighted rows, with randomness that the caller addresses.

Arthur & Vassilvitskii, k-means++: the advantages of careful seeding (SODA 2007). Several candidates
a step, of which the best stays, as its last section proposes and scikit-learn does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nacre.kernel import truth

Array = Any  # ndarray; the docstrings state shapes and dtypes


def squared_to(turned: Array, centre: Array, out: Array) -> None:
    """Squared distance of every row to one centre, into `out`, with the bits of `kernel/truth.py`.

    Args:
        turned: (d, m) float32 or float64, C order: the rows, transposed.
        centre: (d,) float64.
        out: (m,) float64, written.

    >>> out = np.empty(2)
    >>> squared_to(np.array([[0.0, 3.0], [0.0, 4.0]]), np.zeros(2), out)
    >>> out.tolist()
    [0.0, 25.0]
    """
    far, unused = np.full(len(out), np.inf), np.empty(1)
    truth.lower(turned, np.zeros(len(out)), far, centre[None], out[None], unused)


def greedy_seeds(
    rows: Array,
    weight: Array,
    k: int,
    draws: Array,
    *,
    lower: Callable[..., Any] = truth.lower,
) -> Array:
    """Choose k rows as seeds; fewer where fewer rows of positive weight are distinct.

    Each step draws candidates with probability weight * d2 (d2: squared distance to the nearest
    seed so far) and keeps the one that leaves the least sum of weight * d2, of equals the first
    row. The first seed is drawn by weight alone. Sums run in row order: the same seeds on any CPU.

    Args:
        rows: (m, d) float64.
        weight: (m,) float64, at least 0.
        k: how many.
        draws: (k, n_trials) float64 in [0, 1): the random numbers of each step; scikit-learn tries
            2 + floor(log k). Of the first step only the first is used.
        lower: whose distances count: `truth.lower`, squared; or `manhattan.lower`.

    Returns:
        (at most k,) int64 positions of the seeds in `rows`, in the order chosen.

    >>> rows = np.array([[0.0], [0.1], [9.0], [9.0]])
    >>> greedy_seeds(rows, np.ones(4), 2, np.array([[0.3, 0.0], [0.5, 0.9]])).tolist()
    [1, 2]
    >>> len(greedy_seeds(rows[2:], np.ones(2), 2, np.full((2, 1), 0.5)))
    1
    """
    turned = _turn(rows)
    d2 = np.full(len(rows), np.inf)
    lowered, cost = np.empty((draws.shape[1], len(rows))), np.empty(draws.shape[1])
    mass, weight = np.array(weight, np.float64), np.array(weight, np.float64)
    seeds: list[int] = []
    for step in range(k):
        found = _draw(mass, draws[step] if step else draws[step, :1])
        if len(found) == 0:
            break
        tried = slice(0, len(found))
        lower(turned, weight, d2, rows[found].astype(np.float64), lowered[tried], cost[tried])
        best = int(cost[tried].argmin())
        seeds.append(int(found[best]))
        d2[:] = lowered[best]
        np.multiply(weight, d2, out=mass)
    return np.array(seeds, np.int64)


def _turn(rows: Array) -> Array:
    """The rows transposed; as float32 where that loses nothing, as memory is the bottleneck."""
    with np.errstate(over="ignore"):
        thin = np.ascontiguousarray(rows.T, np.float32)
    return thin if np.array_equal(thin, rows.T) else np.ascontiguousarray(rows.T, np.float64)


def _draw(mass: Array, draws: Array) -> Array:
    """Positions drawn with probability mass, ascending, each once; none where all of it is 0."""
    reached = np.cumsum(mass)
    if len(mass) == 0 or not reached[-1] > 0:
        return np.empty(0, np.int64)
    found = np.searchsorted(reached, draws * reached[-1], side="right")
    last = np.searchsorted(reached, reached[-1])  # where rounding carries a draw past the end
    return np.unique(np.minimum(found, last))
