"""The learners that the laws are tried on, each with rows that suit it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from nacre import forms
from nacre.contract import Array
from nacre.laws import Case
from nacre.learn.chain import chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.cluster.micro import Micro
from nacre.learn.count.histogram import Histogram
from nacre.learn.count.moments import Moments
from nacre.learn.count.quantiles import Quantiles
from nacre.learn.count.sample import Sample
from nacre.learn.prepare.clip import Clip
from nacre.learn.prepare.dedup import Dedup
from nacre.learn.prepare.hashing import Hashing
from nacre.learn.prepare.impute import Impute
from nacre.learn.prepare.onehot import OneHot
from nacre.learn.prepare.robust import RobustScale
from nacre.learn.prepare.scale import Scale
from nacre.learn.reduce.pca import PCA
from nacre.records import Records
from tests.evaluate.cases_clusters import CLUSTERS
from tests.evaluate.cases_labels import LABELS
from tests.evaluate.cases_refits import REFITS
from tests.laws.good import GOOD
from tests.laws.nested import Nested
from tests.laws.sparse import SPARSE, holes
from tests.spike.cases_density import DBSCAN_CASE, ITEMSETS_CASE, spots
from tests.spike.cases_iterative import MIXTURE_CASE, SGD_CASE, blobs
from tests.spike.dbscan import DBSCAN

Rows = tuple[Array, None]


def groups(seed: int, n: int) -> Rows:
    """(n, 5) float64: four round groups, on a slope, far from 0 in column 0."""
    drawn = np.random.default_rng([seed, 2]).normal(size=(n, 6))
    middle = np.digitize(drawn[:, 5], [-0.7, 0.0, 0.7])[:, None] * [4.0, -3.0, 2.0, 0.0, 1.0]
    return middle + drawn[:, :5] + [100.0, 0, 0, 0, 0], None


def groups32(seed: int, n: int) -> Rows:
    """The same in float32."""
    return groups(seed, n)[0].astype(np.float32), None


def wide(seed: int, n: int) -> Rows:
    """(n, 40) float64: falling variances along oblique directions, far from 0."""
    drawn = np.random.default_rng([seed, 4]).normal(size=(n, 40))
    turn = np.linalg.qr(np.random.default_rng([seed, 5]).normal(size=(40, 40)))[0]
    falling = drawn * 0.8 ** np.arange(40)
    # column by column, as a product of matrices rounds a row by how many there are
    return sum(
        column[:, None] * row for column, row in zip(falling.T, turn, strict=True)
    ) + 10.0, None


def wide32(seed: int, n: int) -> Rows:
    """The same in float32."""
    return wide(seed, n)[0].astype(np.float32), None


def seldom(seed: int, n: int) -> Rows:
    """(n, 40) float64: one value in six is there; more is in the first columns."""
    draw = np.random.default_rng([seed, 6])
    there = draw.random((n, 80))
    return np.where(there[:, :40] < 1 / 6, there[:, 40:] * 9 * 0.8 ** np.arange(40), 0.0), None


def zeros(seed: int, n: int) -> Rows:
    """The groups in three columns, one row in eight at 0: it has no direction."""
    X, _ = groups(seed, n)
    flat = np.random.default_rng([seed, 4]).random(n) < 1 / 8
    return np.where(flat[:, None], 0.0, X[:, 1:4]), None


def gaps(seed: int, n: int) -> Rows:
    """The groups with one value in eight missing; a value here and there in each column."""
    X, _ = groups(seed, n)
    missing = np.random.default_rng([seed, 3]).random((n, 5)) < 1 / 8
    return np.where(missing, np.nan, X), None


def skewed(seed: int, n: int) -> tuple[Array, Array]:
    """(n, 3) float64: all sizes and signs down to subnormals, ties, zeros; y: rare classes."""
    draw = np.random.default_rng([seed, 5]).random((n, 5))
    wide = np.where(draw[:, 0] < 0.5, -1.0, 1.0) * 10.0 ** (440 * draw[:, 1] - 320)
    ties = np.floor(5 * draw[:, 2]) - 2
    price = 0.01 * np.floor(np.exp(9 * draw[:, 3]))
    y = np.where(draw[:, 4] < 0.9, "frequent", np.where(draw[:, 4] < 0.99, "seldom", "rare"))
    return np.column_stack([wide, ties, price]), y


def skewed_gaps(seed: int, n: int) -> Rows:
    """The same with one value in five missing."""
    X, _ = skewed(seed, n)
    return np.where(np.random.default_rng([seed, 6]).random(X.shape) < 0.2, np.nan, X), None


def coarse(seed: int, n: int) -> Rows:
    """(n, 5) float64: the groups, rounded so that values and rows come again."""
    return np.round(groups(seed, n)[0] / 4), None


def typed(X: Array) -> Records:
    """Rows of a number, two texts, a bool and a number; None is one of the texts."""
    texts = np.char.mod("%g", np.nan_to_num(X[:, 1:3])).astype(object)
    texts[:, 1][X[:, 2] == 0] = None
    columns: dict[str, Any] = {f"x{at}": pa.array(X[:, at]) for at in range(X.shape[1])}
    columns["x1"] = pa.array(texts[:, 0].tolist(), pa.string()).dictionary_encode()
    columns["x2"] = pa.array(texts[:, 1].tolist(), pa.string())
    columns["x3"] = pa.array(X[:, 3] > 0)
    return Records.of(columns, X.dtype.name)


CASES: list[Case] = [
    DBSCAN_CASE,
    ITEMSETS_CASE,
    MIXTURE_CASE,
    SGD_CASE,
    GOOD,
    SPARSE,
    Case("KMeans", KMeans(4, max_iter=20), groups),
    Case("KMeans-float32", KMeans(4, max_iter=20, random_state=3), groups32),
    Case("KMeans-nested", Nested(7, max_iter=20), groups),
    Case("KMeans-cosine", KMeans(4, max_iter=20, metric="cosine"), zeros),
    Case("KMeans-medians", Nested(5, "k-means||", max_iter=9, metric="manhattan"), groups32),
    Case("KMeans-auto", Nested("auto", max_iter=9), groups),
    Case("KMeans-sparse", Nested(4, max_iter=9, metric="cosine"), holes, forms.as_csr),
    Case("KMeans-badly-scaled", KMeans(3, init="random", algorithm="lloyd", max_iter=9), blobs),
    Case("Micro", Micro(KMeans(4)), groups),
    Case("Micro-float32", Micro(KMeans(5, algorithm="lloyd"), 12, random_state=4), groups32),
    Case("Micro-cosine", Micro(KMeans(3, metric="cosine"), n_micro=30), zeros),
    Case("Micro-sparse", Micro(KMeans(4), n_micro=20), holes, forms.as_csr),
    Case("Micro-auto", Micro(KMeans("auto"), n_micro=60), groups),
    Case("PCA", PCA(3, whiten=True), groups),
    Case("PCA-float32", PCA(2), groups32),
    Case("PCA-krylov", PCA(3, solver="krylov"), wide),
    Case("PCA-krylov-float32", PCA(2, whiten=True, solver="krylov"), wide32),
    Case("PCA-sparse", PCA(3), seldom, forms.as_csr),
    Case("Scale", Scale(with_mean=False), blobs),
    Case("Impute", Impute(), gaps),
    Case("OneHot", OneHot(unknown="ignore", max_categories=4), coarse),
    Case("OneHot-records", OneHot(min_count=3, unknown="other"), coarse, typed),
    Case("Hashing-records", Hashing(16), coarse, typed),
    Case("Dedup", Dedup(), coarse),
    Case("Dedup-records", Dedup(columns=["x2", "x0"]), coarse, typed),
    Case("Moments", Moments(covariance=True), blobs),
    Case("Histogram", Histogram(), skewed_gaps),
    Case("Quantiles", Quantiles((0.0, 0.1, 0.5, 1.0)), skewed_gaps),
    Case("RobustScale", RobustScale(), groups32),
    Case("Clip", Clip(0.05, None), skewed),
    Case("Impute-median", Impute("median"), gaps),
    Case("Sample", Sample(100), groups),
    Case("Sample-balanced", Sample(60, balanced="y"), skewed),
    Case("Sample-KMeans", chain(Sample(200), Scale(), KMeans(3, max_iter=9)), groups),
    Case("Scale-PCA-KMeans", chain(Scale(), PCA(2), KMeans(4, max_iter=20)), groups),
    Case("Scale-Micro", chain(Scale(), Micro(KMeans(4))), groups),
    Case("Impute-KMeans", chain(Impute(), KMeans(4, max_iter=20)), gaps),
    Case("Scale-DBSCAN", chain(Scale(), DBSCAN(eps=0.15, min_samples=6)), spots),
    *CLUSTERS,
    *REFITS,
    *LABELS,
]
