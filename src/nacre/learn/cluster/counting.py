"""The micro-clusters that `KMeans(n_clusters="auto")` looks at for its curve over k.

Many small groups of rows under centres that stand still for one pass, by weight, mean and squared
deviations: MOMENTS by group. `nacre.Micro` (`micro.py`) keeps such centres for good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.canon import hash01
from nacre.contract import WHOLE, Array, Batch, Model, Summary, View
from nacre.forms import is_sparse
from nacre.kernel import sparse
from nacre.kernel.assign import assign_sums
from nacre.kernel.truth import measure
from nacre.kinds import MOMENTS, MomentSums, of
from nacre.learn.cluster.metric import closest, dense, placed

N_MICRO = 500  # ten for each cluster of the largest k that a curve asks for
MOST_VALUES = 1 << 22  # numbers in all micro-centres: fewer of them where rows are very wide
SETTLING = 4  # Lloyd iterations on a sample, before they stand still


@dataclass(frozen=True, eq=False)
class MicroCentres(Model):
    """Frozen micro-centres (m, d), in the dtype of the rows as the metric looks at them.

    Attributes:
        shift: (d,), near the mean of the rows.
        metric: "euclidean" or "cosine".
        view: the rows that are looked at.
        seeding: the phase before, which says what comes after.
    """

    frame: ClassVar[tuple[str, ...]] = ("centres", "shift", "metric")
    centres: Array
    shift: Array
    metric: str = "euclidean"
    view: View = WHOLE
    seeding: Any = None

    @property
    def can_answer(self) -> bool:
        """Not yet: micro-clusters are no clusters."""
        return False


@dataclass(frozen=True, eq=False, kw_only=True)
class MicroClusters(Summary):
    """Of each micro-centre: weight (m,), mean (m, d) and squared deviations from it (m,)."""

    moments: MomentSums = of(MOMENTS)


def frozen(
    metric: str, rows: Array, weight: Array, shift: Array, *, seed: int, seeding: Any = None
) -> MicroCentres:
    """Micro-centres among a sample: rows that their places' hashes choose, then a few iterations.

    Args:
        metric: "euclidean" or "cosine".
        rows: (s, d) the sample, as the metric looks at rows; weight (s,) above 0.
        shift: (d,) near their mean.
        seed: of the learner.
        seeding: the phase before; what it looked at is looked at again.
    """
    n = min(N_MICRO, max(64, MOST_VALUES // rows.shape[1]))
    order = np.argsort(hash01(seed, np.arange(rows.shape[0]), "micro-centres"), kind="stable")
    view = WHOLE if seeding is None else seeding.view
    model = MicroCentres(dense(rows[np.sort(order[:n])]), shift, metric, view, seeding)
    batch = Batch(rows, weight=weight)
    for _ in range(SETTLING):
        means, _, _ = weighted(_told(model, batch))
        model = replace(model, centres=means.astype(rows.dtype))
    return model


def observed(model: MicroCentres, batch: Batch) -> MicroClusters:
    """What a batch says to micro-centres."""
    return MicroClusters.told(model, batch, moments=_told(model, placed(model.metric, batch)[0]))


def weighted(moments: MomentSums) -> tuple[Array, Array, Array]:
    """Micro-clusters as weighted rows: means (q, d), weights (q,), squared deviations (q,).

    Those without a row are left out.
    """
    full = moments.n > 0
    return moments.mean[full], moments.n[full], moments.m2[full]


def _told(model: MicroCentres, batch: Batch) -> MomentSums:
    labels, n, sums, d2 = _sums(model, batch)
    mean = np.divide(sums, n[:, None], out=np.zeros_like(sums), where=n[:, None] > 0)
    if is_sparse(batch.X):  # d2 is to the micro-centre: moved to the mean, which the sums allow
        m2 = np.bincount(labels, batch.weights * d2, len(n))
        apart = mean - model.centres
        m2 = np.maximum(m2 - n * (apart * apart).sum(axis=1), 0.0)
    else:
        measure(np.ascontiguousarray(batch.X), mean, labels, d2)
        m2 = np.bincount(labels, batch.weights * d2, len(n))
    return MomentSums(n, mean, np.where(n > 0, m2, 0.0))


def _sums(model: MicroCentres, batch: Batch) -> tuple[Array, Array, Array, Array]:
    """labels (n,), weights (m,), sums (m, d), squared distances (n,)."""
    X: Any = batch.X
    if is_sparse(X):
        labels, d2 = closest(model.metric, X, model.centres, model.shift)
        return labels, *sparse.tally(X, batch.weights, labels, len(model.centres)), d2
    seen = assign_sums(X, batch.weights, model.centres, model.shift)
    return seen.labels, seen.weights, seen.sums, seen.d2
