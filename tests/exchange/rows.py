"""Rows and chains that the tests of the exchange are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from nacre import PCA, Clip, Impute, KMeans, RobustScale, Sample, Scale, chain
from nacre.contract import Array

SEEDS = st.integers(0, 9_999)
DTYPES = st.sampled_from(["float32", "float64"])
EPS = {"float32": 1e-6, "float64": 1e-14}  # a few roundings


def groups(seed: int, n: int = 120, d: int = 4, far: float = 0.0, dtype: str = "float64") -> Array:
    """(n, d) in three groups, columns of several sizes, their means `far` deviations from 0."""
    draw = np.random.default_rng(seed)
    middle = draw.normal(size=(3, d))[draw.integers(0, 3, n)] * 6
    scale = 10.0 ** draw.uniform(-2, 2, d)
    return ((middle + draw.normal(size=(n, d)) + far) * scale).astype(dtype)


def holed(X: Array, seed: int) -> Array:
    """The rows with one value in ten missing, none of the first row."""
    missing = np.random.default_rng([seed, 1]).random(X.shape) < 0.1
    missing[0] = False
    return np.where(missing, np.array(np.nan, X.dtype), X)


LEARNERS: dict[str, Any] = {
    "kmeans": KMeans(3),
    "pca": PCA(2),
    "pca-all": PCA(),
    "pca-whiten": PCA(2, whiten=True),
    "pca-krylov": PCA(2, solver="krylov"),
    "scale": Scale(),
    "scale-mean": Scale(with_std=False),
    "scale-std": Scale(with_mean=False),
    "robust": RobustScale(),
    "robust-scaling": RobustScale(with_centering=False, unit_variance=True),
    "clip": Clip(0.1, 0.8),
    "clip-low": Clip(0.1, None),
    "impute": Impute(),
    "impute-median": Impute("median"),
    "impute-constant": Impute("constant", -1.5),
    "chain": chain(Impute(), Scale(), PCA(3, whiten=True), KMeans(3)),
    "chain-select": chain(Sample(60), RobustScale(), Clip(bounds=(-2.0, 2.0)), KMeans(2)),
    "chain-transform": chain(Scale(), PCA(2)),
}
