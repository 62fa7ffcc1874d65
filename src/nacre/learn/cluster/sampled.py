"""The sample of k-means: rows that their own hashes choose, for the first centres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nacre.canon import hash01
from nacre.contract import WHOLE, Array, Batch, Model, Summary, View
from nacre.kernel.truth import tally
from nacre.kinds import UNION, Rows, of
from nacre.learn.cluster.metric import dense


@dataclass(frozen=True, eq=False)
class Seeding(Model):
    """Looks at the largest part that will be looked at, for the sample in it.

    Attributes:
        share: rows whose hash is below it are the sample.
        n_rows: of the data, or None.
        view: the largest part, so that an engine can keep it for the passes to come.
        descends: whether centres descend on the sample before they look at more.
    """

    frame: ClassVar[tuple[str, ...]] = ("d", "dtype", "share", "purpose")
    d: int
    dtype: str
    share: float
    purpose: str
    n_rows: int | None
    view: View = WHOLE
    descends: bool = True

    @property
    def can_answer(self) -> bool:
        """Not yet."""
        return False

    @property
    def most(self) -> float:
        """Share of the rows in the largest part."""
        return self.view.part[1] if self.view.part else 1.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(Summary):
    """The rows of the sample: columns X (m, d), made dense, and weight (m,)."""

    rows: Rows = of(UNION)


def sampled(model: Seeding, batch: Batch) -> Sample:
    """The rows of a batch that are in the sample; of no weight, they are not."""
    weight = batch.weights
    chosen = np.flatnonzero((weight > 0) & (batch.hash01(model.purpose) < model.share))
    rows = Rows(batch.ids_of(chosen), (dense(batch.X[chosen]), weight[chosen]))
    return Sample.told(model, batch, rows=rows)


def by_value(rows: Array, weight: Array) -> tuple[Array, Array]:
    """Distinct rows (m, d) with their total weight (m,), in an order that their values alone
    decide.

    So a row of weight 3 and three equal rows are one thing to the seeding, whatever their ids; and
    rounding does not change the order, as it would that of a hash: rows stand along a fixed
    direction.
    """
    rows, weight = rows[weight > 0], weight[weight > 0]
    along, shares = np.zeros(len(rows)), hash01(0, np.arange(rows.shape[1]), "by value")
    for first in range(0, len(rows), 1024):
        some = slice(first, first + 1024)
        turned = np.array(rows[some].T, np.float64, order="C")
        for column, share in zip(turned, shares, strict=True):  # so equal rows get equal bits
            along[some] += column * (share + 1.0)
    order = np.argsort(along, kind="stable")
    rows, weight = rows[order], weight[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[new], np.add.reduceat(weight, np.flatnonzero(new)) if len(rows) else weight


def mean_of(rows: Array, weight: Array) -> Array:
    """(d,) float64 weighted mean of rows (m, d), summed in their order."""
    total, sums, unused = np.zeros(1), np.zeros((1, rows.shape[1])), np.zeros(1)
    nowhere = np.zeros(len(rows), np.int32), np.zeros(len(rows))
    tally(rows, weight, *nowhere, total, sums, unused)
    return sums[0] / total[0]
