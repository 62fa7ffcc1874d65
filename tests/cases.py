"""The learners that the laws are tried on, each with rows that suit it."""

from __future__ import annotations

import numpy as np

from nacre.contract import Array
from nacre.laws import Case
from nacre.learn.chain import chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.count.moments import Moments
from nacre.learn.prepare.impute import Impute
from nacre.learn.prepare.scale import Scale
from nacre.learn.reduce.pca import PCA
from tests.laws.good import GOOD
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


def gaps(seed: int, n: int) -> Rows:
    """The groups with one value in eight missing; a value here and there in each column."""
    X, _ = groups(seed, n)
    missing = np.random.default_rng([seed, 3]).random((n, 5)) < 1 / 8
    return np.where(missing, np.nan, X), None


class Nested(KMeans):
    """KMeans whose sample and nested part are small enough for the rows of a law."""

    def _n_sample(self) -> int:
        return 50


CASES: list[Case] = [
    DBSCAN_CASE,
    ITEMSETS_CASE,
    MIXTURE_CASE,
    SGD_CASE,
    GOOD,
    Case("KMeans", KMeans(4, max_iter=20), groups),
    Case("KMeans-float32", KMeans(4, max_iter=20, random_state=3), groups32),
    Case("KMeans-nested", Nested(7, max_iter=20), groups),
    Case("KMeans-badly-scaled", KMeans(3, init="random", algorithm="lloyd", max_iter=9), blobs),
    Case("PCA", PCA(3, whiten=True), groups),
    Case("PCA-float32", PCA(2), groups32),
    Case("Scale", Scale(with_mean=False), blobs),
    Case("Impute", Impute(), gaps),
    Case("Moments", Moments(covariance=True), blobs),
    Case("Scale-PCA-KMeans", chain(Scale(), PCA(2), KMeans(4, max_iter=20)), groups),
    Case("Impute-KMeans", chain(Impute(), KMeans(4, max_iter=20)), gaps),
    Case("Scale-DBSCAN", chain(Scale(), DBSCAN(eps=0.15, min_samples=6)), spots),
]
