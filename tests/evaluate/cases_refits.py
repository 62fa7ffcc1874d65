"""The evaluators behind `stability` and `cross_validate` as the laws look at them."""

from __future__ import annotations

from nacre.contract import Array
from nacre.evaluate.asked import Asked, asked_of
from nacre.evaluate.contingency import Contingency
from nacre.evaluate.heard import Frozen, Hearing
from nacre.evaluate.stability import Comparing, Met, Several
from nacre.laws import Case
from nacre.learn.chain import chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.prepare.scale import Scale
from nacre.store.format import register
from tests.evaluate.cases_clusters import spread

register("nacre.evaluate", Asked, Contingency)
register("nacre.evaluate.heard", Frozen, Hearing)
register("nacre.evaluate.stability", Several, Met, Comparing)


def rows(seed: int, n: int) -> tuple[Array, None]:
    """Those of the evaluator of clusters, without labels."""
    return spread(seed, n)[0], None


def _fitted() -> list[Asked]:
    X = rows(0, 200)[0]
    learners = (KMeans(4, max_iter=9), chain(Scale(), KMeans(3, max_iter=9)), KMeans(2, max_iter=9))
    return [asked_of(learner.fit(X)) for learner in learners]


FITS = _fitted()

REFITS = [
    Case("Comparing", Comparing(tuple(FITS)), rows),
    Case("Hearing", Hearing(FITS[0]), rows),
    Case("Hearing-chain", Hearing(FITS[1]), rows),
]
