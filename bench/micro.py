"""Micro beside KMeans: what a batch of 1,000 x 16 costs, and how good the clusters of cells are.

The bars: batches at half of MiniBatchKMeans.partial_fit's rate at least, with the bytes of a leaf;
100 clusters of 2,000 cells in 100 ms. Quality is the inertia of the rows, over that of a refit.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

from collections.abc import Callable
from typing import Any

import _stage
import numpy as np
import quality
from sklearn.cluster import MiniBatchKMeans

from nacre import KMeans, Micro
from nacre.contract import Batch, Run
from nacre.engine.tree import fold
from nacre.kernel.assign import nearest
from nacre.kinds import Array
from nacre.store.format import to_bytes

K, D, BATCH = 10, 16, 1_000


def groups(n: int, k: int, d: int = D) -> Array:
    """(n, d) float32 around k centres."""
    draw = np.random.default_rng(11)
    centres = 3 * draw.normal(size=(k, d))
    return (centres[draw.integers(0, k, n)] + draw.normal(size=(n, d))).astype(np.float32)


def inertia_of(X: Array) -> Callable[[Array], float]:
    """The judge of centres: what rows cost under them."""
    return lambda centres: float(nearest(X, centres.astype(X.dtype), X.mean(axis=0)).d2.sum())


def absorbing(n_batches: int) -> _stage.Contest:
    """Batches absorbed one by one; the model is read once, at the end."""
    X = groups((n_batches + 1) * BATCH, K)
    parts = [X[a : a + BATCH] for a in range(0, len(X), BATCH)]
    first, rest = parts[0], parts[1:]

    def theirs(seed: int) -> Array:
        model = MiniBatchKMeans(K, random_state=abs(seed), n_init=1).partial_fit(first)
        for part in rest:
            model.partial_fit(part)
        return model.cluster_centers_

    def ours(seed: int) -> Array:
        begun = Micro(KMeans(K, random_state=abs(seed))).fit(first).state_
        learner, model = Micro(KMeans(K, random_state=abs(seed))), begun.model.framed()
        leaves: dict[int, Any] = {0: begun.told}
        for at, part in enumerate(rest, 1):
            leaves[at] = learner.observe(model, Batch(part, Run(at, 0)))
            to_bytes(leaves[at])
        fitted: Any = learner.advance(begun.model, fold(leaves))
        return fitted.inner.centres

    name = f"{n_batches} batches of 1,000 x {D}, k={K}: inertia of all rows"
    made = {"MiniBatchKMeans.partial_fit": theirs, "Micro: observe, bytes, sum": ours}
    return _stage.Contest(name, made, inertia_of(X))


def reading(k: int, n: int) -> _stage.Contest:
    """A model made of what was told: what each read after an absorb costs."""
    X = groups(n, 2 * k)
    learner = Micro(KMeans(k))
    state = learner.fit(X).state_

    def advance(seed: int) -> Array:
        fitted: Any = learner.advance(state.model, state.told)
        return fitted.inner.centres

    n_cells = len(state.told.cells.keys)
    return _stage.Contest(f"{k} clusters of {n_cells} cells", {"advance": advance}, inertia_of(X))


def clustering(name: str, X: Array, k: int) -> _stage.Contest:
    """A fit on all rows, and one on cells."""

    def refit(seed: int) -> Array:
        return KMeans(k, random_state=abs(seed)).fit(X).cluster_centers_

    def cells(seed: int) -> Array:
        made = Micro(KMeans(k, random_state=abs(seed)), random_state=abs(seed))
        return made.fit(X).cluster_centers_

    contestants = {"KMeans": refit, "Micro": cells}
    return _stage.Contest(f"{name}, k={k}: inertia of the rows", contestants, inertia_of(X))


def main() -> None:
    """Rates, then sets: made ones, one without groups, and the larger ones of the suite."""
    options = _stage.options(__doc__ or "").parse_args()
    tiny, seeds = options.tiny, 1 if options.tiny else options.runs
    _stage.await_quiet(tiny)
    on = _stage.machine()
    contests = [
        absorbing(5 if tiny else 500),
        reading(10 if tiny else 100, 5_000 if tiny else 100_000),
    ]
    n = 2_000 if tiny else 100_000
    noise = np.random.default_rng(5).normal(size=(n, D)).astype(np.float32)
    contests += [clustering("groups", groups(n, 20), 20), clustering("no groups", noise, 20)]
    for task in () if tiny else quality.sets(tiny):
        if len(task.X) >= 5_000:
            contests.append(clustering(task.name, task.X, task.k))
    for contest in contests:
        contest.run(seeds)
    _stage.finish("micro", contests, tiny, on)


if __name__ == "__main__":
    main()
