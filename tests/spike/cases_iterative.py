"""The iterative spike learners with rows that suit them, for the laws."""

from __future__ import annotations

import numpy as np

from nacre.contract import Array
from nacre.laws.case import Case
from nacre.store import format as stored
from tests.spike import mixture, sgd
from tests.spike.mixture import Mixture
from tests.spike.sgd import LinearSGD

stored.register(
    "spike.mixture", mixture.Init, mixture.Sample, mixture.Theta, mixture.Residuals, Mixture
)
stored.register("spike.sgd", sgd.Theta, sgd.Walked, LinearSGD)

CENTRES = np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 3.0], [0.0, 6.0, -3.0]])
SCALES = np.array([1.0, 1e-6, 1e6])
OFFSETS = np.array([1e6, -1.0, 0.0])
SLOPES = np.array([1.0, -2.0, 0.5])


def blobs(seed: int, n: int) -> tuple[Array, None]:
    """Three Gaussians in (n, 3) float64, badly scaled and, in column 0, far from 0."""
    drawn = np.random.default_rng(seed).normal(size=(n, 4))
    which = np.digitize(drawn[:, 0], [-0.5, 0.5])
    return OFFSETS + SCALES * (CENTRES[which] + drawn[:, 1:]), None


def lines(seed: int, n: int) -> tuple[Array, Array]:
    """X (n, 3) float32 and y (n,) float64, a plane and noise of a tenth."""
    drawn = np.random.default_rng(seed).normal(size=(n, 4))
    X = drawn[:, :3].astype(np.float32)
    return X, X @ SLOPES + 3.0 + 0.1 * drawn[:, 3]


MIXTURE_CASE = Case("Mixture", Mixture(n_components=3, n_sample=300, max_iter=20), blobs)
SGD_CASE = Case("LinearSGD", LinearSGD(n_walks=4, rate=0.1, n_rounds=6, decay=0.5), lines)
