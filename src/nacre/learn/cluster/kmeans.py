"""k-means: seeds from a sample, then Lloyd's iterations on a part of the rows, then on all.

The sum is Lloyd's (1982): weight, vector sum and squared error of each cluster under fixed centres.
Seeding is greedy k-means++ (Arthur & Vassilvitskii 2007) on a sample that the rows' own hashes
choose; the parts are nested (Newling & Fleuret 2016), so most of the descent costs a few passes'
worth of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar, cast

import numpy as np

from nacre.canon import ID, hash01
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
from nacre.kernel.assign import Assigned, assign_sums, distances, nearest
from nacre.kernel.seeding import greedy_seeds
from nacre.kinds import LEAST, SUM, UNION, Rows, of

N_FAR = 32  # far rows kept for the repair of empty clusters; beyond, the worst clusters are split
SAMPLE_PER_CLUSTER = 50  # rows of the sample, at least; and at least LEAST_SAMPLE
LEAST_SAMPLE = 10_000
SAMPLE_ITER = 10  # Lloyd iterations on the sample: they cost no pass
NESTED = 8  # the nested part is so many samples; measured: more saves no pass over all rows


@dataclass(frozen=True, eq=False)
class Seeding(Model):
    """Looks at a sample, chosen by the rows' hashes, for the first centres."""

    frame: ClassVar[tuple[str, ...]] = ("d", "dtype")
    d: int
    dtype: str
    n_rows: int | None
    view: View = WHOLE

    @property
    def can_answer(self) -> bool:
        """Not yet."""
        return False


@dataclass(frozen=True, eq=False)
class Centres(Model):
    """The centres (k, d), in the dtype of the rows.

    Attributes:
        centres: (k, d).
        shift: (d,), near the mean: rows are looked at from there, so that float32 distances are
            good.
        n_iter: Lloyd iterations so far.
        inertia: of the centres before these, per unit of weight; what stopping compares with.
        view: the part of the rows that is looked at now.
    """

    frame: ClassVar[tuple[str, ...]] = ("centres", "shift")
    centres: Array
    shift: Array
    n_iter: int = 0
    inertia: float = math.inf
    view: View = WHOLE


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(Summary):
    """The rows of the sample: columns X (m, d), weight (m,)."""

    rows: Rows = of(UNION)


@dataclass(frozen=True, eq=False, kw_only=True)
class Lloyd(Summary):
    """What rows say to centres: (k,) weights, (k, d) sums of rows, (k,) squared errors, and the far
    rows.

    far holds the N_FAR rows of greatest weighted squared distance: columns minus that, row, label,
    weight.
    """

    weights: Array = of(SUM)
    sums: Array = of(SUM)
    errors: Array = of(SUM)
    far: Rows = of(LEAST(N_FAR))


@dataclass(eq=False, repr=False)
class KMeans(
    ClassNamePrefixFeaturesOutMixin, Transforms, ClusterMixin, Predicts, Incremental, Estimator
):
    """Partition rows into clusters, each row to its nearest centre.

    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [0.2, 0.0], [9.0, 9.0], [9.2, 9.0]])
    >>> km = KMeans(n_clusters=2).fit(X)
    >>> km.predict(X[:1]) == km.labels_[1], km.predict(X[:1]) == km.labels_[2]
    (array([ True]), array([False]))

    Args:
        n_clusters: number of clusters, k.
        init: "sample" (greedy k-means++ on a sample), "random" (rows of the sample), or centres (k,
            d).
        max_iter: Lloyd iterations over all rows, at most.
        tol: stop when an iteration lowers the inertia by less than this fraction.
        algorithm: "nested" (a part of the rows first, then all) or "lloyd" (all rows from the
            start).
        random_state: an int, or None for 0.
    """

    n_clusters: int = 8
    init: Any = "sample"
    max_iter: int = 300
    tol: float = 1e-4
    algorithm: str = "nested"
    random_state: int | None = None

    grade: ClassVar[Mapping[str, Grade]] = {
        "space": "bits",
        "time": "heuristic",
        "erasure": "heuristic",
    }
    answers: ClassVar[Sequence[str]] = ("predict", "transform")
    keeps: ClassVar[Sequence[str]] = ("predict",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        k, seed = self.n_clusters, self.random_state
        require(is_count(k), "n_clusters", k, "an int, at least 1")
        require(
            is_count(self.max_iter),
            "max_iter",
            self.max_iter,
            "an int, at least 1",
        )
        require(
            isinstance(self.tol, Real) and self.tol >= 0, "tol", self.tol, "a number, at least 0"
        )
        require(
            self.algorithm in ("nested", "lloyd"),
            "algorithm",
            self.algorithm,
            '"nested" or "lloyd"',
        )
        require(
            seed is None or isinstance(seed, Integral),
            "random_state",
            seed,
            "an int, or None for 0",
        )
        if isinstance(self.init, str):
            require(
                self.init in ("sample", "random"),
                "init",
                self.init,
                '"sample", "random" or centres',
            )

    def check_start(self, model: Any) -> None:
        """Raise BadParameter for a model with another number of centres."""
        super().check_start(model)
        k = len(model.centres) if isinstance(model, Centres) else self.n_clusters
        require(k == self.n_clusters, "start", f"{k} centres", f"{self.n_clusters} centres")

    def start(self, head: Batch, n: int | None) -> Model:
        """Look for seeds in a sample, or begin at the given centres."""
        d, dtype = head.X.shape[1], head.X.dtype
        if n is not None and n < self.n_clusters:
            raise BadInput(
                says=f"n_samples={n} should be >= n_clusters={self.n_clusters}.",
                got=f"{n} rows for {self.n_clusters} clusters",
                wanted="at least one row for each cluster",
                do="Lower n_clusters.",
            )
        if not isinstance(self.init, str):
            centres = self._given_centres(d).astype(dtype)
            return Centres(centres, centres.mean(axis=0, dtype=np.float64).astype(dtype))
        return Seeding(d, dtype.str, n, self._view(self._n_sample() / n if n else 1.0))

    def observe(self, model: Any, batch: Batch) -> Summary:
        """The sample's rows, or Lloyd's sums."""
        if isinstance(model, Seeding):
            weight = batch.weights
            rows = Rows(batch.ids, (batch.X, weight)).take(weight > 0)
            return Sample.told(model, batch, rows=rows)
        return lloyd(model, batch)

    def advance(self, model: Seeding | Centres, told: Any) -> Model:
        """Seeds from the sample; then centres to the means, until the inertia stands still."""
        if isinstance(model, Seeding):
            return self._seeded(model, told)
        inertia = float(told.errors.sum()) / max(told.weight, 1e-300)
        still = model.inertia - inertia <= self.tol * inertia or model.n_iter >= self.max_iter
        if still and model.view == WHOLE:
            return cast(Model, model)  # this pass measured it
        step = replace(model, centres=moved(model, told), n_iter=model.n_iter + 1, inertia=inertia)
        if still or np.array_equal(step.centres, model.centres):
            return replace(step, view=WHOLE, inertia=math.inf)
        return step

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """predict: (n,) int32, the nearest centre; transform: (n, k) distances to all."""
        columns: dict[str, Array] = {}
        if "predict" in want:
            columns["predict"] = nearest(batch.X, model.centres, model.shift).labels
        if "transform" in want:
            columns["transform"] = distances(batch.X, model.centres)
        return columns

    def observe_answering(self, model: Any, batch: Batch) -> tuple[Summary, dict[str, Array]]:
        """The labels are what the sums were made by."""
        if isinstance(model, Seeding):
            return self.observe(model, batch), {}
        seen = assign_sums(batch.X, batch.weight, model.centres, model.shift)
        return summed(model, batch, seen), {"predict": seen.labels}

    def ended(self, model: Any) -> str:
        """By the inertia that stood still, or by max_iter before that."""
        return "max_iter" if model.n_iter >= self.max_iter else "converged"

    def score(self, data: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the inertia of other rows: the higher the better, as a search wants it."""
        return -float(self._told(data, sample_weight).errors.sum())

    def loss(self, told: Any) -> float | None:
        """Mean squared distance to the nearest centre."""
        return (
            float(told.errors.sum()) / told.weight
            if isinstance(told, Lloyd) and told.weight
            else None
        )

    def carry(self, told: Any, old: Any, new: Any) -> Summary:
        """Sums kept as they are: running means. Errors are to the centres they were told to."""
        if isinstance(told, Lloyd) and old.base != new.base:
            return replace(told, base=new.base, far=told.far.take(slice(0, 0)))
        return super().carry(told, old, new)

    @property
    def cluster_centers_(self) -> Array:
        """(k, d) centres, in the dtype of the rows."""
        return self._model().centres

    @property
    def labels_(self) -> Array:
        """(n,) int32, the cluster of each row of a fit on data in memory."""
        return self._answered("predict", "labels_")

    @property
    def inertia_(self) -> float:
        """Sum of weighted squared distances of the rows to their centres."""
        self._check_fitted()
        return float(self.state_.told.errors.sum())

    @property
    def n_iter_(self) -> int:
        """Lloyd iterations, those on a part of the rows included."""
        return int(self._model().n_iter)

    @property
    def _n_features_out(self) -> int:
        return len(self._model().centres)

    def _n_sample(self) -> int:
        return max(LEAST_SAMPLE, SAMPLE_PER_CLUSTER * self.n_clusters)

    def _view(self, share: float) -> View:
        """A part of the rows that holds every smaller one; all, where it is over half of them."""
        return View(part=(0.0, share, f"kmeans {self.random_state or 0}") if share <= 0.5 else None)

    def _seeded(self, model: Seeding, told: Sample) -> Model:
        rows, weight = by_value(*told.rows.columns)
        if len(told.rows.ids) < self.n_clusters and model.view.part is not None:
            return replace(model, view=self._view(32 * model.view.part[1]))  # weights are mostly 0
        if len(rows) == 0:
            raise BadInput(
                got="no row with weight above 0",
                wanted="rows with weight",
                do="Check sample_weight.",
            )
        mean = (rows.astype(np.float64) * weight[:, None]).sum(axis=0) / weight.sum()
        at = self._seeds(rows, weight)
        seeds = rows[np.resize(at, self.n_clusters)]  # fewer distinct rows than clusters: repeated
        centres = Centres(seeds, mean.astype(model.dtype))
        for _ in range(SAMPLE_ITER if self.algorithm == "nested" else 0):
            centres = replace(
                centres, centres=moved(centres, lloyd(centres, Batch(rows, weight=weight)))
            )
        share = NESTED * self._n_sample() / (model.n_rows or told.n_rows)
        return replace(centres, view=self._view(share) if self.algorithm == "nested" else WHOLE)

    def _seeds(self, rows: Array, weight: Array) -> Array:
        purpose = f"kmeans seeds {self.random_state or 0}"
        if self.init == "random":
            order = np.argsort(hash01(0, np.arange(len(rows)), purpose), kind="stable")
            return order[: self.n_clusters]
        n_trials = 2 + int(
            math.log(self.n_clusters)
        )  # as Arthur & Vassilvitskii's code, and scikit-learn
        steps = np.arange(self.n_clusters * n_trials)
        draws = hash01(0, steps, purpose).reshape(self.n_clusters, n_trials)
        return greedy_seeds(rows.astype(np.float64), weight, self.n_clusters, draws)

    def _given_centres(self, d: int) -> Array:
        try:
            centres = np.asarray(self.init, np.float64)
        except (ValueError, TypeError):
            centres = np.empty(0)
        if centres.shape != (self.n_clusters, d) or not np.isfinite(centres).all():
            raise BadParameter(
                got=f"init of shape {np.shape(self.init)}",
                wanted=f"finite numbers of shape ({self.n_clusters}, {d})",
                do="Pass one centre for each cluster.",
            )
        return centres


def by_value(rows: Array, weight: Array) -> tuple[Array, Array]:
    """Distinct rows (m, d) with their total weight (m,), in an order that their values alone
    decide.

    So a row of weight 3 and three equal rows are one thing to the seeding, whatever their ids; and
    rounding does not change the order, as it would that of a hash: rows stand along a fixed
    direction.
    """
    rows, weight = rows[weight > 0], weight[weight > 0]
    along = np.zeros(len(rows))
    for column, share in zip(rows.T, hash01(0, np.arange(rows.shape[1]), "by value"), strict=True):
        along += column.astype(np.float64) * (
            share + 1.0
        )  # column by column: equal rows get equal bits
    order = np.argsort(along, kind="stable")
    rows, weight = rows[order], weight[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[new], np.add.reduceat(weight, np.flatnonzero(new)) if len(rows) else weight


def lloyd(model: Centres, batch: Batch) -> Lloyd:
    """Lloyd's sums of a batch under the centres of a model."""
    return summed(model, batch, assign_sums(batch.X, batch.weight, model.centres, model.shift))


def summed(model: Centres, batch: Batch, seen: Assigned) -> Lloyd:
    """The summary of what the kernel found: sums, and the far rows."""
    weight = batch.weights
    cost = seen.d2 * weight
    least = np.partition(cost, -N_FAR)[-N_FAR] if len(cost) > N_FAR else 0.0
    far = np.flatnonzero((cost >= least) & (cost > 0))
    far = far[np.argsort(-cost[far], kind="stable")][
        :N_FAR
    ]  # of equals the lowest id: LEAST's rule
    columns = (-cost[far], batch.X[far], seen.labels[far], weight[far])
    return Lloyd.told(
        model,
        batch,
        weights=seen.weights,
        sums=seen.sums,
        errors=seen.sse,
        far=Rows(batch.ids[far] if len(far) else np.empty(0, ID), columns),
    )


def moved(model: Centres, told: Lloyd) -> Array:
    """The means of the clusters (k, d), after empty clusters were put where the error is."""
    weights = told.weights.astype(np.float64)
    full = weights > 0
    centres = model.centres.astype(np.float64)
    centres[full] = told.sums[full] / weights[full, None]
    empty = list(np.flatnonzero(~full))
    if empty and full.any():
        errors = told.errors.copy()
        empty = _to_far_rows(centres, empty, told, errors)
        _split(centres, empty, weights, errors)
    return centres.astype(model.centres.dtype)


def _to_far_rows(centres: Array, empty: list[Any], told: Lloyd, errors: Array) -> list[Any]:
    """Put empty clusters at far rows, not the whole of their cluster and not near each other."""
    full = told.weights > 0
    wide = float(np.median(told.errors[full] / told.weights[full]))
    taken: list[Array] = []
    for value, row, label, weight in zip(*told.far.columns, strict=True):
        row = row.astype(np.float64)
        apart = min((float(((row - other) ** 2).sum()) for other in taken), default=math.inf)
        if not empty:
            break
        if told.weights[label] > weight and apart > wide:
            centres[empty.pop(0)] = row
            errors[label] += value
            taken.append(row)
    return empty


def _split(centres: Array, empty: list[Any], weights: Array, errors: Array) -> None:
    """Split the clusters of greatest error, a deviation to either side, in addressed directions."""
    d = centres.shape[1]
    for j in empty:
        big = int(np.argmax(errors))
        if errors[big] <= 0:
            return  # fewer distinct rows than clusters
        side = 2.0 * hash01(j, np.arange(d), "kmeans split") - 1.0
        step = side * math.sqrt(3.0 * errors[big] / (weights[big] * d))  # a deviation, on average
        centres[j], centres[big] = centres[big] + step, centres[big] - step
        errors[big] /= 2
        errors[j], weights[big], weights[j] = errors[big], weights[big] / 2, weights[big] / 2
