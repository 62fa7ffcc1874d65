"""Rows that come batch by batch, beside scikit-learn: batches of 1,000 x 16 float32, k=10."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

import copy
from collections.abc import Callable, Sequence
from typing import Any

import _stage
import numpy as np
from sklearn.cluster import MiniBatchKMeans

import nacre
from nacre.kinds import Array

K, D, BATCH = 10, 16, 1_000
N_JUDGED_BY = 10  # batches


def batches(n: int, seed: int = 0) -> list[Array]:
    """(1,000, 16) each, around ten centres."""
    centres = 4 * np.random.default_rng(11).normal(size=(K, D))
    draw = np.random.default_rng([12, seed])
    return [
        (centres[draw.integers(0, K, BATCH)] + draw.normal(size=(BATCH, D))).astype(np.float32)
        for _ in range(n)
    ]


def going_on(
    make: Callable[[int], Any], stream: Sequence[Array], n_seeds: int
) -> Callable[[int], Array]:
    """Gives the centres after a stream, by a learner that has begun already: on the clock are the
    later calls of `partial_fit`.
    """
    (first,) = batches(1, seed=1)
    begun = [make(seed).partial_fit(first) for seed in range(n_seeds)]

    def run(seed: int) -> Array:
        learner = copy.deepcopy(begun[seed])
        for X in stream:
            learner.partial_fit(X)
        centres: Array = learner.cluster_centers_
        return centres

    return run


def loss(rows: Array) -> Callable[[Array], float]:
    """Mean squared distance of other rows to the nearest centre."""

    def measured(centres: Array) -> float:
        apart = ((rows[:, None, :] - centres[None]) ** 2).sum(axis=2)
        return float(apart.min(axis=1).mean())

    return measured


def partial_fits(n: int, n_seeds: int) -> _stage.Contest:
    """`KMeans.partial_fit` beside MiniBatchKMeans."""
    stream, judged_by = batches(n), np.concatenate(batches(N_JUDGED_BY, seed=2))
    makers: dict[str, Callable[[int], Any]] = {
        "nacre": lambda seed: nacre.KMeans(K, random_state=seed),
        "scikit-learn": lambda seed: MiniBatchKMeans(K, n_init=1, random_state=seed),
    }
    contestants = {name: going_on(make, stream, n_seeds) for name, make in makers.items()}
    return _stage.Contest(f"partial_fit of {n} batches", contestants, loss(judged_by))


def rates(contest: _stage.Contest, n_rows: int) -> None:
    """Medians, as rows per second."""
    for row in contest.table():
        print(f"{row['contestant']:>14}  {n_rows / row['seconds']:>14,.0f} rows/s")


def main() -> None:
    """Each part is a contest of its own."""
    options = _stage.options(__doc__ or "").parse_args()
    _stage.await_quiet(options.tiny)
    n, n_seeds = (5, 1) if options.tiny else (500, max(options.runs, 7))
    on = _stage.machine()
    learned = partial_fits(n, n_seeds)
    learned.run(n_seeds)
    _stage.finish("time", [learned], options.tiny, on)
    rates(learned, n * BATCH)


if __name__ == "__main__":
    main()
