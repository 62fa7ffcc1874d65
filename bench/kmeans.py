"""k-means beside scikit-learn and faiss: fit and labels of float32 rows in memory, on 2 threads."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

from collections.abc import Callable

import _stage
import faiss
import numpy as np
from sklearn.cluster import KMeans as TheirKMeans

import nacre
from nacre.kinds import Array


def rows(n: int, d: int, n_groups: int) -> Array:
    """A mixture as k-means meets, not as it likes: groups overlap, and differ in size and width."""
    draw = np.random.default_rng(20)
    centres = draw.normal(size=(n_groups, d)) * 1.5
    share = draw.dirichlet(np.ones(n_groups))
    label = draw.choice(n_groups, n, p=share)
    width = draw.uniform(0.5, 1.5, n_groups)
    X = centres[label] + draw.normal(size=(n, d)) * width[label, None]
    return X.astype(np.float32)


def inertia(X: Array, centres: Array) -> float:
    """Mean squared distance to the nearest centre, float64, in blocks."""
    C = centres.astype(np.float64)
    total = 0.0
    for start in range(0, len(X), 50_000):
        block = X[start : start + 50_000].astype(np.float64)
        nearest = ((C * C).sum(1) - 2 * block @ C.T).min(1) + (block * block).sum(1)
        total += float(nearest.sum())
    return total / len(X)


def contestants(X: Array, k: int) -> dict[str, Callable[[int], Array]]:
    """Each returns its centres, after its labels are there."""
    d = X.shape[1]

    def ours(seed: int) -> Array:
        km = nacre.KMeans(k, random_state=seed).fit(X, engine="threads:2")
        assert len(km.labels_) == len(X)
        return km.cluster_centers_

    def sklearn(seed: int) -> Array:
        km = TheirKMeans(k, n_init=1, random_state=seed).fit(X)
        assert len(km.labels_) == len(X)
        return km.cluster_centers_

    def faiss_full(seed: int) -> Array:
        km = faiss.Kmeans(d, k, niter=25, seed=seed + 1, max_points_per_centroid=len(X))
        km.train(X)
        _, labels = km.index.search(X, 1)
        assert len(labels) == len(X)
        return km.centroids

    return {"nacre": ours, "scikit-learn": sklearn, "faiss": faiss_full}


def main() -> None:
    """(a) of the issue: 1,000,000 x 32, k=100."""
    options = _stage.arguments(__doc__ or "")
    _stage.await_quiet(options.tiny)
    faiss.omp_set_num_threads(2)
    n, k = (4_000, 10) if options.tiny else (1_000_000, 100)
    X = rows(n, 32, 3 * k // 2)
    on = _stage.machine()
    contest = _stage.Contest(f"{n:,} x 32, k={k}", contestants(X, k), lambda C: inertia(X, C))
    contest.run(1 if options.tiny else options.runs)
    _stage.finish("kmeans", [contest], options.tiny, on)


if __name__ == "__main__":
    main()
