"""Micro-clusters: many small cells of rows under centres that stand still, and a learner on them.

A pass against frozen micro-centres tells of each cell its rows' weight, mean and squared error:
MOMENTS of the cells that have rows, so shards and batches join without loss (BETULA's clustering
features: Lang & Schubert 2020; the sums of squares of BIRCH cancel). What was told stands for the
rows wherever their place within a cell does not matter: as weighted rows, for a learner inside.

The frame never moves, and the inner learner is fitted on what was told alone (`cells.py`). So what
holds of sums holds of clusters: batches come in any order and grouping, are replaced, erased,
windowed and faded, to the bits of one pass over the rows concerned.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from nacre.canon import hash01
from nacre.contract import WHOLE, Array, Batch, Grade, Model, Summary, View
from nacre.errors import BadInput, BadParameter
from nacre.estimator import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    Estimator,
    Incremental,
    Predicts,
    Transforms,
    is_count,
    require,
)
from nacre.forms import is_sparse
from nacre.kernel import cells, sparse
from nacre.kernel.assign import nearest
from nacre.kernel.crew import spread
from nacre.kinds import KEYED_MOMENTS, KeyedMoments, of
from nacre.learn.cluster.cells import Grains, clustered, nearest_to
from nacre.learn.cluster.counting import N_MICRO
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.cluster.metric import check_metric, closest, placed, unit_rows
from nacre.learn.cluster.sampled import Sample, Seeding, by_value, mean_of, sampled

PER_CLUSTER = 20  # micro-centres, as many as there may be
LEAST_SAMPLE = 10_000  # rows that micro-centres are found in, and
SAMPLED_PER_CELL = 25  # for each, if there are more; but
MOST_VALUES = (
    1 << 22
)  # numbers at most in it, and in all micro-centres where the user says nothing;
SAMPLE_WORK = 1 << 33  # coordinates that a look at it compares at most; and in any case
FEW_PER_CELL = 4  # rows for each
SETTLING = 4  # Lloyd iterations on the sample, before micro-centres stand still
PIECE = 4096  # rows of it that a thread sums at a time
INNER = "KMeans by euclidean or cosine"


@dataclass(frozen=True, eq=False)
class Micros(Model):
    """Frozen micro-centres (m, d), in the dtype of the rows as the metric looks at them.

    Attributes:
        shift: (d,), near the mean of the rows that they were found in.
        metric: "euclidean" or "cosine".
        inner: the model of the inner learner, fitted on what a pass told; None before.
    """

    frame: ClassVar[tuple[str, ...]] = ("centres", "shift", "metric")
    centres: Array
    shift: Array
    metric: str
    inner: Any = None

    @property
    def can_answer(self) -> bool:
        """Once a pass has been made."""
        return self.inner is not None

    @functools.cached_property
    def turned(self) -> sparse.Turned:
        """The micro-centres as sparse rows look at them."""
        return sparse.turned(self.centres)


def _joined(a: KeyedMoments, b: KeyedMoments) -> KeyedMoments:
    one, other = (cells.Cells(part.keys, part.n, part.mean, part.m2) for part in (a, b))
    return KeyedMoments(*cells.merged(one, other))


CELLS = replace(KEYED_MOMENTS, join=_joined)  # the same sum, many times faster


@dataclass(frozen=True, eq=False, kw_only=True)
class MicroSums(Summary):
    """Of each micro-centre with rows: its number, weight, mean (m, d) and squared error (m,)."""

    cells: KeyedMoments = of(CELLS)


class Cells(NamedTuple):
    """The micro-clusters that have rows, by their numbers.

    Attributes:
        keys: (q,) int64: numbers of micro-centres; under one base they mean the same.
        weights: (q,) float64.
        means: (q, d) float64, as the metric looks at rows.
        errors: (q,) weighted squared distances of the rows to the mean.
        labels: (q,) int32: the cluster that the mean is nearest to.
    """

    keys: Array
    weights: Array
    means: Array
    errors: Array
    labels: Array


@dataclass(eq=False, repr=False)
class Micro(
    ClassNamePrefixFeaturesOutMixin, Transforms, ClusterMixin, Predicts, Incremental, Estimator
):
    """Clusters that live on: of many small cells of rows, which later rows are added to.

    A pass under the same frame, and any number of absorbs in any order, give the same bits.

    >>> import numpy as np
    >>> from nacre.learn.cluster.kmeans import KMeans
    >>> X = np.array([[0.0, 0.0], [0.2, 0.0], [9.0, 9.0], [9.2, 9.0]])
    >>> micro = Micro(KMeans(n_clusters=2)).fit(X)
    >>> micro.predict(X[:1]) == micro.labels_[1], micro.predict(X[:1]) == micro.labels_[2]
    (array([ True]), array([False]))

    Args:
        inner: the learner that is fitted on the cells, a KMeans by "euclidean" or "cosine".
        n_micro: micro-centres, at most as many as rows; None: 20 for each cluster, fewer where
            rows are very wide, 500 for n_clusters="auto".
        random_state: of the micro-centres, an int, or None for 0; the inner learner has its own.
    """

    inner: Any = None
    n_micro: int | None = None
    random_state: int | None = None

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("predict", "transform")
    keeps: ClassVar[Sequence[str]] = ("predict",)

    @property
    def takes(self) -> Sequence[str]:  # type: ignore[override]  # of this very inner learner
        """What the inner learner does."""
        return tuple(getattr(self.inner, "takes", ()))

    @property
    def answers_on_the_way(self) -> bool:
        """No: the clusters are known when the pass is over."""
        return False

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range, and for an inner learner that
        cannot be fitted on cells.
        """
        inner, seed = self.inner, self.random_state
        if not isinstance(inner, KMeans):
            raise BadParameter(
                got=f"inner={inner!r}", wanted=INNER, do="Write Micro(KMeans(n_clusters=8))."
            )
        inner.check_parameters()
        require(inner.metric != "manhattan", "inner", inner, INNER)
        few = 1 if inner.n_clusters == "auto" else int(inner.n_clusters)
        known = self.n_micro is None or is_count(self.n_micro, few)
        require(known, "n_micro", self.n_micro, f"an int, at least {few}, or None")
        known = seed is None or (isinstance(seed, Integral) and not isinstance(seed, bool))
        require(known, "random_state", seed, "an int, or None for 0")

    def check_start(self, model: Any) -> None:
        """Raise BadParameter for a model that has no micro-centres yet, or of another metric."""
        known = isinstance(model, Micros)
        require(known, "start", type(model).__name__, "a model of Micro that was fitted")
        metric = self.inner.metric
        require(model.metric == metric, "start", model.metric, metric)

    def start(self, head: Batch, n: int | None) -> Model:
        """Look for micro-centres in a sample."""
        d, dtype = head.X.shape[1], head.X.dtype
        check_metric(self.inner.metric, is_sparse(head.X))
        few = 1 if self.inner.n_clusters == "auto" else int(self.inner.n_clusters)
        if n is not None and n < few:
            raise BadInput(
                says=f"n_samples={n} should be >= n_clusters={few}.",
                got=f"{n} rows for {few} clusters",
                wanted="at least one row for each cluster",
                do="Lower n_clusters.",
            )
        share = 1.0 if n is None else _share(self._n_sample(d) / n)
        return Seeding(d, dtype.str, share, self._purpose, n, self._part(share))

    def observe(self, model: Any, batch: Batch) -> Summary:
        """The rows of the sample; then what rows say of cells."""
        return sampled(model, batch) if isinstance(model, Seeding) else observed(model, batch)

    def advance(self, model: Any, told: Any) -> Model:
        """Micro-centres among the sample; then the inner learner on the cells."""
        if isinstance(model, Seeding):
            return self._frozen(model, told)
        grains = Grains(told.cells.mean, told.cells.n, told.cells.m2)
        fitted = clustered(self.inner, grains, model.centres.dtype, told.n_rows)
        return replace(cast(Micros, model), inner=fitted)

    def carry(self, told: Any, old: Any, new: Any) -> Summary:
        """The old cells as weighted rows among the new ones, each with the error it had.

        No weight and no error within cells is lost; rows of one old cell stay together.
        """
        if old.base == new.base or not isinstance(told, MicroSums) or not isinstance(new, Micros):
            return super().carry(told, old, new)
        one: KeyedMoments = told.cells
        if not len(one.keys):
            return cast(Summary, replace(told, base=new.base))
        as_rows = Batch(one.mean.astype(new.centres.dtype), weight=one.n)
        rows, there = placed(new.metric, as_rows)
        labels = nearest(rows.X, new.centres, new.shift).labels
        found = KeyedMoments(*cells.moments(rows.X, rows.weight, labels, new.centres))
        errors = one.m2 if there is None else one.m2[there]
        within = np.bincount(labels, errors, len(new.centres))[found.keys]
        moved = replace(found, m2=found.m2 + within)
        return cast(Summary, replace(told, base=new.base, cells=moved))

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """predict: (n,) int32, the nearest centre; transform: (n, k) distances to all."""
        columns: dict[str, Array] = self.inner.answer(model.inner, batch, want)
        return columns

    def score(self, data: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the inertia of other rows, as cells have it: the higher the better."""
        return -inertia(self._model(), self._told(data, sample_weight))

    @property
    def n_clusters_(self) -> int:
        """How many clusters there are: as asked for, or as "auto" chose."""
        return len(self.cluster_centers_)

    @property
    def cluster_centers_(self) -> Array:
        """(k, d) centres, in the dtype of the rows."""
        return self._model().inner.centres

    @property
    def labels_(self) -> Array:
        """(n,) int32, the cluster of each row of a fit on data in memory."""
        return self._answered("predict", "labels_")

    @property
    def inertia_(self) -> float:
        """Sum of weighted squared distances of the rows to the centres of their cells' clusters.

        By cosine of 1 - cosine. At least the inertia of the rows, as one may be nearer to another.
        """
        return inertia(self._model(), self.state_.told)

    @property
    def micro_inertia_(self) -> float:
        """The part of `inertia_` within cells: what bounds how far a fit on all rows can differ."""
        self._check_fitted()
        told = self.state_.told
        return float(told.cells.m2.sum()) * _part_of(self._model().metric)

    @property
    def cells_(self) -> Cells:
        """The micro-clusters, and which cluster each belongs to."""
        return cells_of(self._model(), self.state_.told)

    @property
    def cluster_weights_(self) -> Array:
        """(k,) float64, the weight of each cluster's cells."""
        own = self.cells_
        found: Array = np.bincount(own.labels, own.weights, self.n_clusters_)
        return found

    @property
    def n_iter_(self) -> int:
        """Lloyd iterations on the cells, of the best start, since it was chosen."""
        return int(self._model().inner.n_iter)

    @property
    def _n_features_out(self) -> int:
        return self.n_clusters_

    @property
    def _purpose(self) -> str:
        return f"micro {self.random_state or 0}"

    def _n_micro(self, d: int) -> int:
        """As many as asked for; else as the number of clusters says, and the width allows."""
        if self.n_micro is not None:
            return int(self.n_micro)
        if self.inner.n_clusters == "auto":
            return min(N_MICRO, max(64, MOST_VALUES // d))
        k = int(self.inner.n_clusters)
        return min(PER_CLUSTER * k, max(64, 2 * k, MOST_VALUES // d))

    def _n_sample(self, d: int) -> int:
        m = self._n_micro(d)
        some = max(LEAST_SAMPLE, SAMPLED_PER_CELL * m)
        return max(FEW_PER_CELL * m, min(some, MOST_VALUES // d, SAMPLE_WORK // (m * d)))

    def _part(self, share: float) -> View:
        return View(part=(0.0, share, self._purpose)) if share < 1.0 else WHOLE

    def _frozen(self, model: Seeding, told: Sample) -> Model:
        rows, weight = told.rows.columns
        metric = self.inner.metric
        if metric == "cosine":
            rows, flat = unit_rows(rows)
            rows, weight = rows[~flat], weight[~flat]
        rows, weight = by_value(rows, weight)
        m = self._n_micro(model.d)
        if len(rows) < m and model.share < 1.0:  # weights are mostly 0, or rows equal
            share = _share(32 * model.share)
            return replace(model, share=share, view=self._part(share))
        if not len(rows):
            raise BadInput(
                got="no row with weight above 0",
                wanted="rows with weight, by cosine not all 0",
                do="Check sample_weight.",
            )
        shift = mean_of(rows, weight).astype(model.dtype)
        return Micros(micro_centres(rows, weight, shift, m, self._purpose), shift, metric)


def micro_centres(rows: Array, weight: Array, shift: Array, m: int, purpose: str) -> Array:
    """At most m micro-centres (., d) of a sample: rows by weight, as many that are far from those,
    then a few iterations of Lloyd.

    Args:
        rows: (s, d) distinct, in an order that their values decide.
        weight: (s,) above 0.
        shift: (d,) near their mean.
        m: how many.
        purpose: addresses what is random.
    """
    draws = hash01(0, np.arange(len(rows)), purpose)
    chosen = np.zeros(len(rows), bool)
    chosen[_least(draws / weight, (m + 1) // 2)] = True
    centres = rows[chosen]
    cost = weight * _near(rows, centres, shift)[1]
    with np.errstate(divide="ignore", over="ignore"):
        far = np.where(cost > 0, draws / cost, np.inf)
    chosen[_least(np.where(chosen, np.inf, far), m - int(chosen.sum()))] = True
    centres = rows[chosen]
    for _ in range(SETTLING):
        labels = _near(rows, centres, shift)[0]
        centres = cells.moments(rows, weight, labels, centres).mean.astype(rows.dtype)
    return centres


def observed(model: Micros, batch: Batch) -> MicroSums:
    """What a batch says of the cells of micro-centres."""
    rows, _ = placed(model.metric, batch)
    X: Any = rows.X
    if is_sparse(X):
        labels, _ = sparse.nearest(X, model.turned)
        found = cells.sparse_moments(X, rows.weight, labels, len(model.centres))
    else:
        labels = nearest(X, model.centres, model.shift).labels
        found = cells.moments(X, rows.weight, labels, model.centres)
    return MicroSums.told(model, batch, cells=KeyedMoments(*found))


def cells_of(model: Micros, told: MicroSums) -> Cells:
    """The micro-clusters of a fitted model, and which cluster each belongs to."""
    own = told.cells
    seen = nearest_to(model.inner.centres, Grains(own.mean, own.n, own.m2))
    return Cells(own.keys, own.n, own.mean, own.m2, seen.labels)


def inertia(model: Micros, told: MicroSums) -> float:
    """What a sum of rows costs with the clusters of a model, where cells go there as a whole."""
    own = told.cells
    if not len(own.keys):
        return 0.0
    seen = nearest_to(model.inner.centres, Grains(own.mean, own.n, own.m2))
    return (float(seen.sse.sum()) + float(own.m2.sum())) * _part_of(model.metric)


def _part_of(metric: str) -> float:
    """Of squared distances: |x - c|² = 2 (1 - x·c) between rows of length 1."""
    return 0.5 if metric == "cosine" else 1.0


def _share(share: float) -> float:
    return share if share <= 0.5 else 1.0


def _least(values: Array, n: int) -> Array:
    """Positions of the n least values, none that is inf."""
    order = np.argsort(values, kind="stable")[:n]
    return order[np.isfinite(values[order])]


def _near(rows: Array, centres: Array, shift: Array) -> tuple[Array, Array]:
    """Labels (s,) int32 and squared distances (s,) of many rows, piece by piece."""

    def piece(first: int) -> Any:
        return closest("euclidean", rows[first : first + PIECE], centres, shift)

    found = spread(piece, range(0, len(rows), PIECE))
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])
