"""PCA beside scikit-learn and faiss, on 2 threads: tall rows, far from 0 too; wide; sparse."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

from collections.abc import Callable

import _stage
import faiss
import numpy as np
from scipy import sparse
from scipy.linalg import subspace_angles
from sklearn import decomposition

import nacre
from nacre.kinds import Array

Contestants = dict[str, Callable[[int], Array]]


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


def wide_rows(n: int, d: int) -> Array:
    """Rows of more columns than most covariances have: a falling spectrum, noise, a mean of 3."""
    draw = np.random.default_rng(8)
    inner = draw.normal(size=(n, 300)) / np.arange(1, 301) ** 0.75
    X = inner @ draw.normal(size=(300, d)) + 0.05 * draw.normal(size=(n, d)) + 3
    return X.astype(np.float32)


def sparse_rows(n: int, d: int) -> Array:
    """Rows with one value in 300, as of words: few columns hold most."""
    draw = np.random.default_rng(9)
    there = sparse.random(n, d, density=1 / 300, random_state=9, format="csr", dtype=np.float32)
    return sparse.csr_array(there.multiply(30 * draw.random(d) ** 12)).astype(np.float32)


def ours(X: Array, k: int) -> Callable[[int], Array]:
    """nacre on two threads."""
    return lambda seed: nacre.PCA(k, random_state=seed).fit(X, engine="threads:2").components_


def theirs(X: Array, k: int, solver: str) -> Callable[[int], Array]:
    """scikit-learn's PCA by one of its solvers."""
    return lambda seed: (
        decomposition.PCA(k, svd_solver=solver, random_state=seed).fit(X).components_
    )


def contestants(X: Array, k: int) -> Contestants:
    """Each returns its directions (k, d)."""

    def faiss_pca(seed: int) -> Array:
        pca = faiss.PCAMatrix(X.shape[1], k)
        pca.train(X)
        return faiss.vector_to_array(pca.A).reshape(pca.d_out, pca.d_in)

    def incremental(seed: int) -> Array:
        return decomposition.IncrementalPCA(k, batch_size=8192).fit(X).components_

    def product(seed: int) -> Array:
        total = np.zeros((X.shape[1], X.shape[1]))
        for start in range(0, len(X), 8192):
            block = X[start : start + 8192]
            total += block.T @ block
        return np.linalg.eigh(total)[1][:, ::-1][:, :k].T

    return {
        "nacre": ours(X, k),
        "scikit-learn": theirs(X, k, "covariance_eigh"),
        "IncrementalPCA": incremental,
        "faiss": faiss_pca,
        "X.T @ X alone": product,
    }


def wide_contestants(X: Array, k: int) -> Contestants:
    """For rows whose covariance would be too large."""
    return {
        "nacre": ours(X, k),
        "randomized": theirs(X, k, "randomized"),
        "arpack": theirs(X, k, "arpack"),
    }


def sparse_contestants(X: Array, k: int) -> Contestants:
    """For rows that must not be made dense; TruncatedSVD does not centre."""

    def truncated(seed: int) -> Array:
        return decomposition.TruncatedSVD(k, random_state=seed).fit(X).components_

    return {"nacre": ours(X, k), "arpack": theirs(X, k, "arpack"), "TruncatedSVD": truncated}


def contest(name: str, several: Contestants, truth: Array, runs: int) -> _stage.Contest:
    """Contestants judged by the largest angle to the true directions (k, d), in radians."""

    def angle(C: Array) -> float:
        return float(subspace_angles(truth.T, np.asarray(C, np.float64).T).max())

    found = _stage.Contest(name, several, angle)
    found.run(runs)
    return found


def main() -> None:
    """Tall, centred and with its mean 1e4 deviations away; wide; sparse."""
    options = _stage.options(__doc__ or "").parse_args()
    _stage.await_quiet(options.tiny)
    faiss.omp_set_num_threads(2)
    tiny, runs = options.tiny, 1 if options.tiny else options.runs
    n, k = (3_000, 4) if tiny else (500_000, 16)
    on = _stage.machine()
    contests = []
    for offset in (0.0, 1e4):
        X = rows(n, 128, offset)
        name = f"{n:,} x 128 to {k}, mean {offset:g}"
        contests.append(contest(name, contestants(X, k), directions(X, k), runs))
    X = wide_rows(*((300, 2_500) if tiny else (10_000, 10_000)))
    truth = decomposition.PCA(k, svd_solver="arpack", tol=1e-12).fit(X.astype(np.float64))
    name = f"{len(X):,} x {X.shape[1]:,} to {k}"
    contests.append(contest(name, wide_contestants(X, k), truth.components_, runs))
    X = sparse_rows(*((900, 500) if tiny else (100_000, 20_000)))
    truth = decomposition.PCA(k, svd_solver="arpack", tol=1e-12).fit(X.astype(np.float64))
    name = f"{X.shape[0]:,} x {X.shape[1]:,} to {k}, {X.nnz:,} values"
    contests.append(contest(name, sparse_contestants(X, k), truth.components_, runs))
    _stage.finish("pca", contests, tiny, on)


if __name__ == "__main__":
    main()
