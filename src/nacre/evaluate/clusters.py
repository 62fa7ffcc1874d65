"""How well clusters are set apart, judged by their rows alone: silhouettes, Calinski-Harabasz,
Davies-Bouldin.

Two passes. The first adds up number, mean and squared deviations of each cluster (MOMENTS), and
draws a sample of rows by weight (Efraimidis and Spirakis 2006). From moments follows the mean
squared distance of any row to the rows of a cluster, |x - mean|² + M2 / n, so the second pass adds
up silhouettes by squared distances for every row (as Spark does, SPARK-14516). Of euclidean
distances there is no such form: there the second pass adds up the distances of all rows to the rows
of the sample, whose silhouettes (Rousseeuw 1987) are then exact. The mean over all rows is
estimated from these, with the squared ones, known for all, as the regressor (Cochran 1977, ch. 7).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Plan, Summary
from nacre.errors import BadInput
from nacre.estimator import Estimator, is_count, require
from nacre.evaluate.asked import LABELS, OUTSIDE, Asked, check_few, distinct, places, rows_of, run
from nacre.evaluate.scored import ClusterScores, Drawn, scored
from nacre.forms import is_sparse
from nacre.kernel import silhouette
from nacre.kernel.exponential import exponentials
from nacre.kernel.groups import group_moments
from nacre.kinds import COUNT, LEAST, MOMENTS, SUM, Kind, MomentSums, Rows, of
from nacre.learn.cluster.metric import unit_rows
from nacre.learn.count.histogram import unit_of, weighted

METRICS = ("euclidean", "cosine")
PURPOSE = "evaluate clusters"
SUMS = 1 << 22  # numbers of the sample, and sums of distances to it, at most
MEANS = 1 << 26  # numbers of the means: half a GB in each sum
DENSE = 1 << 20  # numbers of sparse rows that are made dense at a time


@dataclass(frozen=True, eq=False)
class Few:
    """The `most` rows of least keys: columns key, weight, place of the label, row."""

    most: int
    rows: Rows


FEW = Kind(
    "LEAST(most)",
    lambda a, b: Few(a.most, LEAST(a.most).join(a.rows, b.rows)),
    idempotent=True,
    exact=True,
    rows=True,
)


@dataclass(frozen=True, eq=False)
class Naming(Model):
    """Looks for the labels that there are; d columns."""

    frame: ClassVar[tuple[str, ...]] = ("asked",)
    asked: Asked
    d: int

    @property
    def can_answer(self) -> bool:
        """Not yet."""
        return False


@dataclass(frozen=True, eq=False, kw_only=True)
class Named(Summary):
    """The labels of rows with weight, but for OUTSIDE."""

    labels: tuple[int | str, ...] = of(LABELS)


@dataclass(frozen=True, eq=False)
class Gathering(Model):
    """Looks for moments of the clusters `known`, (k,) labels in order, and draws `most` rows."""

    frame: ClassVar[tuple[str, ...]] = ("asked", "metric", "known", "d", "most")
    asked: Asked
    metric: str
    known: tuple[int | str, ...]
    d: int
    most: int

    @property
    def can_answer(self) -> bool:
        """Not yet."""
        return False


@dataclass(frozen=True, eq=False, kw_only=True)
class Gathered(Summary):
    """Moments by cluster: n (k,), mean (k, d), M2 (k,); and one row more than are drawn.

    n_weighted: rows of weight above 0; n_left_out: those of them that are in no cluster.
    """

    moments: MomentSums = of(MOMENTS)
    drawn: Few = of(FEW)
    n_weighted: int = of(COUNT)
    n_left_out: int = of(COUNT)


@dataclass(frozen=True, eq=False)
class Scoring(Model):
    """Clusters that have rows, and the rows that were drawn.

    Attributes:
        asked, metric: as in Gathering.
        known: (k,) labels, in order.
        moments: n (k,), mean (k, d), M2 (k,).
        unit: the weight that counts as one row.
        drawn: the sample.
        n_left_out: rows in no cluster.
    """

    frame: ClassVar[tuple[str, ...]] = ("asked", "metric", "known", "moments", "unit", "points")
    last_look: ClassVar[bool] = True
    asked: Asked
    metric: str
    known: tuple[int | str, ...]
    moments: MomentSums
    unit: float
    points: Array
    drawn: Drawn | None = None
    n_left_out: int = 0

    @functools.cached_property
    def turned(self) -> tuple[Array, Any]:
        """(d, m) the points, times a power of two by which no row is much larger than 1; and it."""
        farthest = np.sqrt(self.moments.m2.max())  # from its mean no row is farther
        power = int(np.frexp(max(farthest, np.abs(self.points).max(initial=0)))[1])
        scale = self.points.dtype.type(2.0 ** -max(-100, min(100, power)))
        return np.ascontiguousarray((self.points * scale).T), scale

    @functools.cached_property
    def means(self) -> tuple[Array, Array, Array]:
        """(d, k) means; (k,) mean squared distance to them; (k,) n / (n - 1), 0 for one row."""
        n = self.moments.n
        others = np.where(n > self.unit * (1 + 1e-9), n - self.unit, np.inf)
        return np.ascontiguousarray(self.moments.mean.T), self.moments.m2 / n, n / others


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored(Summary):
    """By cluster: (k,) sums of silhouettes by squared distances, (k,) of distances to the own mean,
    (k, m) of distances to the points.
    """

    squared: Array = of(SUM)
    lengths: Array = of(SUM)
    far: Array = of(SUM)


@dataclass(eq=False, repr=False)
class Clusters(Estimator):
    """The evaluator behind `nacre.evaluate.clusters`.

    Args:
        asked: what says the label of a row.
        metric: "euclidean", or "cosine": rows by their directions alone.
        known: the labels that there are, in order; None: they are looked for first.
        sample: rows whose silhouettes are exact.
    """

    asked: Any = None
    metric: str = "euclidean"
    known: tuple[int | str, ...] | None = None
    sample: int = 1000

    answers: ClassVar[Sequence[str]] = ()
    takes: ClassVar[Sequence[str]] = ("sparse",)

    @property
    def grade(self) -> Mapping[str, Grade]:  # type: ignore[override]  # of this very question
        """In space that of who says the labels."""
        learner = self.asked.learner
        exact = learner is None or learner.grade["space"] == "bits"
        space: Grade = "bits" if exact else "rounding"
        return {"space": space, "time": "heuristic", "erasure": "heuristic"}

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        require(is_count(self.sample), "sample", self.sample, "an int, at least 1")
        require(self.metric in METRICS, "metric", self.metric, f"one of {METRICS}")

    def start(self, head: Batch, n: int | None) -> Model:
        """Look for the labels, or for their moments where they are known."""
        d = self.asked.placed(head).X.shape[1]
        if self.known is None:
            return Naming(self.asked, d)
        return self._gathering(self.known, d)

    def observe(self, model: Any, batch: Batch) -> Summary:
        """What rows say of labels, moments or silhouettes."""
        match model:
            case Naming():
                labels = model.asked.labels(batch)[batch.weights > 0]
                return Named.told(model, batch, labels=check_few(_inside(distinct(labels))))
            case Gathering():
                return _gathered(model, batch)
        return _scored(model, batch)

    def advance(self, model: Any, told: Any) -> Model:
        """From labels to moments, from moments to silhouettes."""
        match model:
            case Naming():
                return self._gathering(told.labels, model.d)
            case Gathering():
                return _scoring(model, told)
        same: Model = model
        return same

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: the sums are the answer."""
        return {}

    def _gathering(self, known: tuple[int | str, ...], d: int) -> Gathering:
        if len(known) * d > MEANS:
            raise BadInput(
                got=f"{len(known):,} clusters of {d:,} columns",
                wanted=f"means of at most {MEANS:,} numbers",
                do="Check that these are labels; else judge in fewer columns, behind nacre.PCA.",
            )
        most = max(1, min(self.sample, SUMS // max(len(known), d)))
        return Gathering(self.asked, self.metric, known, d, most)


def clusters(
    found: Any,
    data: Any,
    sample_weight: Any = None,
    *,
    sample: int = 1000,
    metric: str | None = None,
    engine: Any = None,
    memory: int | str | None = None,
) -> ClusterScores:
    """How well clusters are set apart: their internal indices, in two passes over the rows.

    >>> import nacre
    >>> X = np.array([[0.0, 0.0], [0.2, 0.0], [9.0, 9.0], [9.2, 9.0]])
    >>> scores = clusters(nacre.KMeans(2).fit(X), X)
    >>> round(scores.silhouette, 3), scores.table["weight"].tolist()
    (0.984, [2.0, 2.0])

    Args:
        found: a fitted learner that predicts labels, of a chain too: its clusters are judged in the
            space that its last stage saw; or the labels: (n,), or the name of a column of the data.
            Rows of label -1 are in no cluster; they are left out, and counted.
        data: as `fit` takes it.
        sample_weight: (n,) at least 0, or the name of a column; a row of weight 3 counts as three.
        sample: rows that silhouettes are computed for, each against all rows; of as many rows or
            fewer, all. Fewer are drawn where there are very many clusters or columns.
        metric: "euclidean", or "cosine"; None: the model's where that is "cosine", else euclidean.
        engine, memory: as `fit` takes them.

    Raises:
        BadInput: data or labels that do not fit, or no row in a cluster.
        BadParameter: `found`, `sample` or `metric` is none of these.
    """
    asked, plan = rows_of(found, data, weight=sample_weight)
    known = known_labels(found)
    return scores_by(asked, plan, known, sample, metric, engine=engine, memory=memory)


def scores_by(
    asked: Asked,
    plan: Plan,
    known: tuple[int, ...] | None = None,
    sample: int = 1000,
    metric: str | None = None,
    *,
    engine: Any = None,
    memory: int | str | None = None,
) -> ClusterScores:
    """The scores of the rows of a plan; see `clusters`. known: the labels, where they are known."""
    chosen = ("cosine" if asked.metric == "cosine" else "euclidean") if metric is None else metric
    state = run(Clusters(asked, chosen, known, sample), plan, engine, memory)
    return scored(state.model, state.told)


def known_labels(found: Any) -> tuple[int, ...] | None:
    """The labels of a learner that knows how many there are."""
    last = found
    while hasattr(last, "stages"):
        last = last.fitted_stage(-1)
    k = getattr(last, "n_clusters_", None)
    return None if k is None else tuple(range(k))


def _inside(labels: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return tuple(label for label in labels if label != OUTSIDE)


def _seen(model: Any, batch: Batch) -> tuple[Array, Array, Array]:
    """Rows (n, d), dense or CSR, as the metric has them; weights; places of their labels, or -1."""
    rows, labels = model.asked.seen(batch)
    X, weight, place = rows.X, batch.weights, places(labels, model.known)
    if model.metric == "cosine":
        X, flat = unit_rows(X)
        place = np.where(flat, OUTSIDE, place)
    return X, weight, place


def _dense(X: Array) -> Iterator[tuple[slice, Array]]:
    """Rows in C order, of sparse ones some at a time."""
    n, d = X.shape
    step = max(1, DENSE // d) if is_sparse(X) else max(n, 1)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        yield rows, _array(X[rows])


def _array(X: Array) -> Array:
    return np.ascontiguousarray(X.toarray() if is_sparse(X) else X)


def _gathered(model: Gathering, batch: Batch) -> Gathered:
    X, weight, place = _seen(model, batch)
    k = len(model.known)
    moments = MomentSums(np.zeros(k), np.zeros((k, model.d)), np.zeros(k))
    for rows, some in _dense(X):
        n, mean, m2 = group_moments(some, weight[rows], place[rows], k)
        moments = MOMENTS.join(moments, MomentSums(n, mean, m2.sum(axis=1)))
    out = (weight > 0) & (place < 0)
    return Gathered.told(
        model,
        batch,
        moments=moments,
        drawn=_drawn(model, batch, X, np.where(place < 0, 0.0, weight), place),
        n_weighted=weighted(batch),
        n_left_out=int(np.count_nonzero(out)),
    )


def _drawn(model: Gathering, batch: Batch, X: Array, weight: Array, place: Array) -> Few:
    """The rows of least keys, exponential at the rates of their weights."""
    at, most = np.flatnonzero(weight > 0), model.most + 1
    key = np.empty(len(at))
    exponentials(batch.hash01(PURPOSE)[at], weight[at], key)
    some, nothing = Rows(batch.ids_of(at), (key, at)), Rows(batch.ids_of(at[:0]), (key[:0], at[:0]))
    few = LEAST(most).join(some, nothing)
    key, at = few.columns
    return Few(most, Rows(few.ids, (key, weight[at], place[at], _array(X[at]))))


def _scoring(model: Gathering, told: Gathered) -> Scoring:
    n = told.moments.n
    there = np.flatnonzero(n > 0)
    if not len(there):
        raise BadInput(
            got=f"no row in a cluster: {told.n_left_out} rows of label {OUTSIDE}, or of length 0",
            wanted="rows with labels",
            do="Check the labels and the weights.",
        )
    moments = MomentSums(n[there], told.moments.mean[there], told.moments.m2[there])
    unit = unit_of(float(n.sum()), told.n_weighted - told.n_left_out)
    key, weight, place, points = told.drawn.rows.columns
    limit = float(key[model.most]) if len(key) > model.most else np.inf
    kept = slice(0, model.most)
    drawn = Drawn(np.searchsorted(there, place[kept]), weight[kept], limit)
    return Scoring(
        model.asked,
        model.metric,
        tuple(model.known[j] for j in there),
        moments,
        unit,
        points[kept],
        drawn,
        told.n_left_out,
    )


def _scored(model: Scoring, batch: Batch) -> Scored:
    X, weight, place = _seen(model, batch)
    by_rows = model.metric == "euclidean"  # by cosine the mean distance follows from the mean
    (turned, scale), k = model.turned, len(model.known)
    squared, lengths = np.zeros(k), np.zeros(k)
    far = np.zeros((k, turned.shape[1] if by_rows else 0))
    for rows, some in _dense(X):
        its = some, weight[rows], place[rows]
        silhouette.to_means(*its, *model.means, squared, lengths)
        if by_rows:
            silhouette.to_points(*its, turned, scale, far)
    far /= float(scale)
    return Scored.told(model, batch, squared=squared, lengths=lengths, far=far)
