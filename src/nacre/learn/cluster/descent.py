"""Down to a good set of centres on weighted rows in memory: Lloyd's iterations, and breathing.

Lloyd's descent ends wherever the seeds were left: two centres in one group, one centre for two.
Breathing (Fritzke, The breathing k-means algorithm, arXiv 2006.15666) mends that: centres are added
where the error is greatest, the rows move them, and as many are taken away where that costs least.
Here the cost of taking one away is Ward's: that of merging it with its cheapest partner, which the
weights and the centres tell; so nothing is asked of the rows but Lloyd's sums. A breath that does
not pay is taken back, and the next is half as deep.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array
from nacre.kernel.assign import Assigned, assign_sums
from nacre.kernel.crew import spread
from nacre.kernel.truth import merges

PIECE = 1024  # rows that a thread sums at a time, at least,
PIECES = 32  # and in so many pieces at most
FIRST_ITER = 3  # Lloyd's iterations before the first breath
DEEPEST = 4  # of so many centres one more is added at once
SHALLOWEST = 16  # breaths of one centre in so many are the last: measured: less gains little
PAYS = 2e-3  # of the error that a breath must take away for the next to be as deep
STEP = 0.5  # deviations that an added centre stands apart
MOMENTUM = 0.8
STILL = 1e-3  # of the error: less is chance in a sample of a hundred rows for each centre


class Point(NamedTuple):
    """Centres (k, d), and what the rows say to them: the means they ask for, and the errors.

    Attributes:
        centres, means: (k, d) of the rows' dtype.
        weights, errors: (k,) float64 weight and squared error of each centre's rows.
    """

    centres: Array
    means: Array
    weights: Array
    errors: Array

    @property
    def error(self) -> float:
        """Squared error of all rows."""
        return float(self.errors.sum())


class Descent:
    """Rows, and the passes over them that are left.

    Args:
        rows: (m, d) float.
        weight: (m,) float64, above 0.
        shift: (d,), near their mean.
        passes: over the rows, at most.
    """

    def __init__(self, rows: Array, weight: Array, shift: Array, passes: int) -> None:
        self.rows, self.weight, self.shift, self.passes = rows, weight, shift, passes

    def down(self, centres: Array, purpose: str, still: float = STILL) -> Array:
        """(k, d) centres, from some to better ones.

        Args:
            centres: (k, d) to begin at.
            purpose: addresses what is random.
            still: of the error: what Lloyd's last iterations gain, at least.
        """
        best = self._settled(self._told(centres), FIRST_ITER, STILL)
        deep = len(centres) // DEEPEST
        breath = 0
        while deep > len(centres) // SHALLOWEST and self.passes >= 3 and best.error > 0:
            breath += 1
            found = self._breathed(best, deep, f"{purpose} breath {breath}")
            deep = deep if found.error < best.error * (1 - PAYS) else deep // 2
            best = min(best, found, key=lambda point: point.error)
        return self._settled(best, self.passes, still).means

    def _told(self, centres: Array) -> Point:
        def piece(first: int) -> Assigned:
            some = slice(first, first + step)
            return assign_sums(self.rows[some], self.weight[some], centres, self.shift)

        self.passes -= 1
        step = max(PIECE, -(-len(self.rows) // PIECES))
        told = spread(piece, range(0, len(self.rows), step))
        weights, sums, errors = (
            functools.reduce(np.add, (getattr(one, name) for one in told))
            for name in ("weights", "sums", "sse")
        )
        full = weights > 0
        means = centres.astype(np.float64)
        means[full] = sums[full] / weights[full, None]
        return Point(centres, means.astype(centres.dtype), weights, errors)

    def _settled(self, at: Point, passes: int, still: float) -> Point:
        """After Lloyd's iterations, until one gains little."""
        last = None
        for _ in range(min(passes, self.passes)):
            before, at, last = at, self._told(swung(at.means, last)), at.means
            if before.error - at.error <= still * at.error:
                break
        return at

    def _breathed(self, at: Point, n_more: int, purpose: str) -> Point:
        """After n_more centres were added, moved, and taken away again."""
        wide = self._told(twins(at, n_more, purpose))
        left = self._told(np.delete(wide.means, least_missed(wide, n_more), axis=0))
        return self._told(left.means)


def swung(means: Array, last: Array | None) -> Array:
    """(k, d) centres: the means, and beyond them by what they moved since the last ones.

    Momentum (Polyak 1964): where the error falls slowly and steadily, as in data without clear
    groups, it falls as far in a third of the iterations, and ends lower.
    """
    return means if last is None else means + means.dtype.type(MOMENTUM) * (means - last)


def twins(at: Point, n_more: int, purpose: str) -> Array:
    """(k + n_more, d) centres: those of the greatest error stand twice, a step to either side."""
    d = at.centres.shape[1]
    worst = np.argsort(-at.errors, kind="stable")[:n_more]
    deviation = np.sqrt(at.errors[worst] / np.maximum(at.weights[worst], 1e-300) / d)
    side = 2.0 * hash01(worst[:, None], np.arange(d)[None], purpose) - 1.0
    step = (STEP * math.sqrt(3.0) * deviation[:, None] * side).astype(at.means.dtype)
    centres = np.concatenate([at.means, at.means[worst] + step])
    centres[worst] -= step
    return centres


def least_missed(at: Point, n: int) -> Array:
    """(n,) positions of the centres that are cheapest to merge with another that stays."""
    costs, partners = np.empty(len(at.means)), np.empty(len(at.means), np.int64)
    turned = np.array(at.means.T, np.float64, order="C")
    merges(turned, at.weights.astype(np.float64), costs, partners)
    gone: list[int] = []
    stays: set[int] = set()
    order = np.argsort(costs, kind="stable").tolist()
    for j in order:
        if len(gone) < n and j not in stays:
            gone.append(j)
            stays.add(int(partners[j]))
    spared = [j for j in order if j in stays and j not in gone]
    return np.array(gone + spared[: n - len(gone)], np.int64)
