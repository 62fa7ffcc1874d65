"""The spike learners of this part with rows that suit them, for the laws."""

from __future__ import annotations

import numpy as np

from nacre.contract import Array
from nacre.laws.case import Case
from nacre.store.format import register
from tests.spike import dbscan, itemsets


def spots(seed: int, n: int) -> tuple[Array, None]:
    """(n, 2) float32: three round spots, and one row in ten anywhere."""
    random = np.random.default_rng([seed, 0])
    u = random.random((n, 4))
    middle = np.array([[0, 0], [2, 0], [1, 2]])[(u[:, 0] * 3).astype(int)]
    radius, angle = 0.5 * np.sqrt(u[:, 1:2]), 2 * np.pi * u[:, 2:3]
    spot = middle + radius * np.hstack([np.cos(angle), np.sin(angle)])
    anywhere = 5 * u[:, 1:3] - 1.5
    return np.where(u[:, 3:] < 0.1, anywhere, spot).astype(np.float32), None


def baskets(seed: int, n: int) -> tuple[Array, None]:
    """(n, 10) float32, 0 or 1: three groups of items that are often bought together."""
    u = np.random.default_rng([seed, 1]).random((n, 13))
    together = np.repeat(u[:, :3] < 0.5, [4, 3, 3], axis=1) & (u[:, 3:] < 0.85)
    return (together | (u[:, 3:] > 0.95)).astype(np.float32), None


DBSCAN_CASE = Case("dbscan", dbscan.DBSCAN(eps=0.15, min_samples=6, n_groups=4), spots)
ITEMSETS_CASE = Case("itemsets", itemsets.Itemsets(min_support=0.2, n_sample=200), baskets)

register("spike.dbscan", dbscan.DBSCAN, dbscan.Cells, dbscan.Strips, dbscan.Labels)
register("spike.dbscan", dbscan.Weights, dbscan.Connections, dbscan.Sizes)
register("spike.itemsets", itemsets.Itemsets, itemsets.Count, itemsets.Look, itemsets.Track)
register("spike.itemsets", itemsets.Sample, itemsets.Counts)
