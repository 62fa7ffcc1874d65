"""The evaluator of clusters as the laws look at it."""

from __future__ import annotations

import numpy as np

from nacre import forms
from nacre.contract import Array
from nacre.evaluate.asked import Asked, asked_of
from nacre.evaluate.clusters import (
    Clusters,
    Few,
    Gathered,
    Gathering,
    Named,
    Naming,
    Scored,
    Scoring,
)
from nacre.evaluate.scored import Drawn
from nacre.laws import Case
from nacre.learn.chain import chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.prepare.scale import Scale
from nacre.store.format import register
from tests.laws.sparse import holes

register("nacre.evaluate", Asked)
register("nacre.evaluate.clusters", Naming, Named, Gathering, Gathered, Scoring, Scored, Drawn, Few)
register("nacre.evaluate.clusters", Clusters)

GIVEN = Asked(None, None, "y")


def spread(seed: int, n: int) -> tuple[Array, Array]:
    """(n, 3) float32, far from 0; y: texts, of which the last is that of a few rows alone."""
    drawn = np.random.default_rng([seed, 7]).normal(size=(n, 4))
    at = np.digitize(drawn[:, 3], [-0.5, 0.5, 2.2])
    X = drawn[:, :3] + at[:, None] * [2.0, -1.0, 0.0] + [500.0, 0.0, 0.0]
    return X.astype(np.float32), np.array(["low", "middle", "high", "rare"])[at]


def numbered(seed: int, n: int) -> tuple[Array, Array]:
    """(n, 3) float64, one row in eight at 0; y: whole numbers as floats, -1 here and there."""
    X, _ = spread(seed, n)
    draw = np.random.default_rng([seed, 8]).random((n, 2))
    y = np.floor(draw[:, 1] * 4) - 1.0
    return np.where(draw[:, :1] < 1 / 8, 0.0, X - [500.0, 0.0, 0.0]), y


def _fitted() -> tuple[Asked, Asked, Asked]:
    X = spread(0, 200)[0]
    few = forms.as_csr(holes(0, 200)[0])
    return (
        asked_of(KMeans(4, max_iter=9).fit(X)),
        asked_of(chain(Scale(), KMeans(3, max_iter=9, metric="cosine")).fit(X)),
        asked_of(KMeans(3, max_iter=9).fit(few)),
    )


KMEANS, CHAIN, SPARSE = _fitted()

CLUSTERS = [
    Case(
        "Clusters",
        Clusters(KMEANS, known=tuple(range(4)), sample=40),
        lambda s, n: (spread(s, n)[0], None),
    ),
    Case(
        "Clusters-cosine",
        Clusters(CHAIN, "cosine", tuple(range(3)), 20),
        lambda s, n: (spread(s, n)[0], None),
    ),
    Case("Clusters-sparse", Clusters(SPARSE, sample=30), holes, forms.as_csr),
    Case("Clusters-texts", Clusters(GIVEN, sample=30), spread),
    Case("Clusters-numbers", Clusters(GIVEN, "cosine"), numbered),
]
