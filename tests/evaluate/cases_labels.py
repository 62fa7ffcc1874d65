"""The evaluators of labels and of scores as the laws look at them."""

from __future__ import annotations

import numpy as np

from nacre.contract import Array
from nacre.evaluate.asked import Asked, asked_of
from nacre.evaluate.contingency import Beside, Contingency, Pairing, Pairs
from nacre.evaluate.tally import Scored, Scores, Scoring, Tally
from nacre.laws import Case
from nacre.learn.chain import chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.prepare.scale import Scale
from nacre.learn.reduce.pca import PCA
from nacre.store.format import register

register("nacre.evaluate", Asked)
register("nacre.evaluate.contingency", Contingency, Beside, Pairs, Pairing)
register("nacre.evaluate.tally", Tally, Scored, Scores, Scoring)

GIVEN = Asked(None, None, "X")


def kinds(seed: int, n: int) -> tuple[Array, Array]:
    """(n, 3) float32 in groups; y: texts, one of them rare."""
    drawn = np.random.default_rng([seed, 11]).normal(size=(n, 4))
    at = np.digitize(drawn[:, 3], [-0.5, 0.5, 2.4])
    X = drawn[:, :3] + at[:, None] * [2.0, -1.0, 0.0]
    return X.astype(np.float32), np.array(["low", "middle", "high", "rare"])[at]


def labelled(seed: int, n: int) -> tuple[Array, Array]:
    """(n, 1) float64 labels from -1 on; y: whole numbers, some beyond those of float64."""
    draw = np.random.default_rng([seed, 12]).random((n, 2))
    y = np.floor(9 * draw[:, 1] ** 2).astype(np.int64)
    return np.floor(6 * draw[:, :1] ** 2) - 1.0, np.where(y == 8, 2**60 + 1, y)


def judged(seed: int, n: int) -> tuple[Array, Array]:
    """(n, 1) float64 scores of all sizes and both signs, some tied; y: bools."""
    draw = np.random.default_rng([seed, 13]).random((n, 3))
    size = np.where(draw[:, 0] < 0.3, 0.0, 10.0 ** (80 * draw[:, 1] - 40))
    return (np.where(draw[:, 0] < 0.6, -1.0, 1.0) * size)[:, None], draw[:, 2] < draw[:, 0] / 2


def _asked() -> tuple[Asked, Asked]:
    X = kinds(0, 300)[0]
    clusters = chain(Scale(), KMeans(4, max_iter=9)).fit(X)
    return asked_of(clusters), asked_of(PCA(1).fit(X), "transform")


CLUSTERS, DIRECTION = _asked()

LABELS = [
    Case("Pairing", Pairing(CLUSTERS), kinds),
    Case("Pairing-numbers", Pairing(GIVEN), labelled),
    Case("Scoring-buckets", Scoring(GIVEN, most=23), judged),
    Case("Scoring-positive", Scoring(DIRECTION, "rare"), kinds),
]
