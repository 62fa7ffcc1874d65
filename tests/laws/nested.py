"""A KMeans that a law can see descend. Workers import this alone: tests/cases.py fits learners."""

from __future__ import annotations

from nacre.learn.cluster.kmeans import KMeans
from nacre.store.format import register


class Nested(KMeans):
    """KMeans whose sample and nested part are small enough for the rows of a law."""

    def _n_sample(self, n: int, d: int, descends: bool) -> int:
        return 50


register("tests.nested", Nested)
