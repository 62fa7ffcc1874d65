"""PCA beside scikit-learn and faiss, on 2 threads: 500,000 x 128 float32 to 16, far from 0 too."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

from collections.abc import Callable

import _stage
import faiss
import numpy as np
from scipy.linalg import subspace_angles
from sklearn import decomposition

import nacre
from nacre.kinds import Array


def rows(n: int, d: int, offset: float) -> Array:
    """Rows whose spectrum falls as 1/i, `offset` deviations away from 0."""
    draw = np.random.default_rng(7)
    turn = np.linalg.qr(draw.normal(size=(d, d)))[0]
    X = (draw.normal(size=(n, d)) / np.arange(1, d + 1)) @ turn + offset * draw.normal(size=d)
    return X.astype(np.float32)


def directions(X: Array, k: int) -> Array:
    """The truth: (k, d) in float64."""
    Y = X.astype(np.float64)
    Y -= Y.mean(axis=0)
    return np.linalg.eigh(Y.T @ Y)[1][:, ::-1][:, :k].T


def contestants(X: Array, k: int) -> dict[str, Callable[[int], Array]]:
    """Each returns its directions (k, d)."""

    def ours(seed: int) -> Array:
        return nacre.PCA(k).fit(X, engine="threads:2").components_

    def sklearn(seed: int) -> Array:
        return decomposition.PCA(k, svd_solver="covariance_eigh").fit(X).components_

    def faiss_pca(seed: int) -> Array:
        pca = faiss.PCAMatrix(X.shape[1], k)
        pca.train(X)
        return faiss.vector_to_array(pca.A).reshape(pca.d_out, pca.d_in)

    def product(seed: int) -> Array:
        total = np.zeros((X.shape[1], X.shape[1]))
        for start in range(0, len(X), 8192):
            block = X[start : start + 8192]
            total += block.T @ block
        return np.linalg.eigh(total)[1][:, ::-1][:, :k].T

    return {"nacre": ours, "scikit-learn": sklearn, "faiss": faiss_pca, "X.T @ X alone": product}


def main() -> None:
    """500,000 x 128 to 16 components, centred and with its mean 1e4 deviations away."""
    options = _stage.arguments(__doc__ or "")
    _stage.await_quiet(options.tiny)
    faiss.omp_set_num_threads(2)
    n, k = (3_000, 4) if options.tiny else (500_000, 16)
    on = _stage.machine()
    contests = []
    for offset in (0.0, 1e4):
        X = rows(n, 128, offset)
        truth = directions(X, k)

        def angle(C: Array, truth: Array = truth) -> float:
            return float(subspace_angles(truth.T, np.asarray(C, np.float64).T).max())

        contest = _stage.Contest(f"{n:,} x 128 to {k}, mean {offset:g}", contestants(X, k), angle)
        contest.run(1 if options.tiny else options.runs)
        contests.append(contest)
    _stage.finish("pca", contests, options.tiny, on)


if __name__ == "__main__":
    main()
