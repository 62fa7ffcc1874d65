"""What certainty costs a pass of k-means: the same loops without the second best and the bound.

The bar: under 15 % of a pass. One thread, batches as a plan cuts them.
"""

from __future__ import annotations

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

from collections.abc import Callable
from unittest import mock

import _stage
import numba
import numpy as np

from nacre.kernel import assign
from nacre.kinds import Array

SIZES = ((1_000_000, 32, 100), (200_000, 128, 256), (60_000, 784, 100), (200_000, 32, 1_000))


@numba.njit(nogil=True, fastmath={"nnan", "ninf", "nsz"})
def least_alone(product: Array, first: int, lows: Array, least: Array, label: Array) -> None:
    """The scan without the second best."""
    blocks, k, width = product.shape
    for b in range(blocks):
        if first == 0:
            least[0, b, :], label[b, :] = np.float32(1e30), 0
        for j in range(0, k, 4):
            for i in range(width):
                best, own = least[0, b, i], label[b, i]
                for q in range(4):
                    value = lows[first + j + q] + product[b, j + q, i]
                    own = np.int32(first + j + q) if value < best else own
                    best = min(best, value)
                least[0, b, i], label[b, i] = best, own


@numba.njit(nogil=True)
def believe(
    least: Array, label: Array, doubt: Array, doubts: Array, first: int, labels: Array, near: Array
) -> int:
    """Every label is taken as it is."""
    labels[:] = label[: len(labels)]
    return 0


def contestants(X: Array, k: int) -> dict[str, Callable[[int], int]]:
    """A pass over X with and without the certificate; each returns the rows it left open."""
    centres, shift = X[:k].copy(), X.mean(axis=0)

    def certified(seed: int) -> int:
        with mock.patch.object(assign, "MANY", sys.maxsize):  # the plain way, without a head
            return sum(
                assign.assign_sums(X[a : a + 8192], None, centres, shift).n_near
                for a in range(0, len(X), 8192)
            )

    def believed(seed: int) -> int:
        with (
            mock.patch.object(assign, "_two_least", least_alone),
            mock.patch.object(assign, "_certify", believe),
        ):
            return certified(seed)

    return {"not certified": believed, "certified": certified}


def main() -> None:
    """Four sizes; `times first` of the second row is what certainty costs."""
    options = _stage.options(__doc__ or "").parse_args()
    _stage.await_quiet(options.tiny)
    on = _stage.machine()
    contests = []
    for n, d, k in SIZES:
        n, k = (2_000, 16) if options.tiny else (n, k)
        draw = np.random.default_rng(3)
        X = (
            draw.normal(size=(2 * k, d))[draw.integers(0, 2 * k, n)] + draw.normal(size=(n, d))
        ).astype("f4")
        contest = _stage.Contest(f"{n:,} x {d}, k={k}: rows left open", contestants(X, k), float)
        contest.run(1 if options.tiny else 2 * options.runs + 1)
        contests.append(contest)
    _stage.finish("certificate", contests, options.tiny, on)


if __name__ == "__main__":
    main()
