"""k-means: good centres for a sample, then Lloyd's iterations on growing parts of the rows, then on
all.

The sum is Lloyd's (1982): weight, vector sum and squared error of each cluster under fixed centres.
Seeding is greedy k-means++ (Arthur & Vassilvitskii 2007) on a sample that the rows' own hashes
choose; it descends by breathing (`descent.py`). The parts are nested (Newling & Fleuret 2016), and
the next one is looked at when the centres move by less than their standard error; so most of the
descent costs a few passes' worth of rows.

That is the plain case, euclidean. By `metric="cosine"` rows and means are divided by their lengths,
and all else stays (`metric.py`). By "manhattan" centres are medians (`medians.py`).
`init="k-means||"` finds seeds among all rows (`parallel.py`), and `n_clusters="auto"` the number of
clusters (`counting.py`, `curve.py`).
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar, cast

import numpy as np

from nacre.canon import hash01, later, passing
from nacre.contract import WHOLE, Array, Batch, Grade, Model, Summary, View
from nacre.errors import BadInput, BadParameter, UnknownName
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
from nacre.kernel import manhattan, sparse, truth
from nacre.kernel.assign import Assigned, assign_sums
from nacre.kernel.seeding import greedy_seeds
from nacre.kinds import SUM, Rows, of
from nacre.learn.cluster import counting, explain, medians, parallel
from nacre.learn.cluster.counting import MicroCentres
from nacre.learn.cluster.curve import K_MAX, Curve, k_curve
from nacre.learn.cluster.descent import STILL, Descent, swung
from nacre.learn.cluster.medians import Absolute, Medians
from nacre.learn.cluster.metric import (
    NONE,
    apart,
    check_metric,
    directed,
    placed,
    sparse_sums,
    unit_rows,
)
from nacre.learn.cluster.parallel import Candidates
from nacre.learn.cluster.repair import FARTHEST, far_rows
from nacre.learn.cluster.sampled import Sample, Seeding, by_value, mean_of, sampled
from nacre.learn.cluster.steps import gain, labels_of, moved, noise, unswung

SEEDINGS = '"sample" (k-means++ on a sample), "random", "k-means||"'
ROWS_PER_SAMPLED = 128  # one row of so many in the sample is looked at in no time;
SAMPLE_PER_CLUSTER = 50  # rows of the sample, at least,
LEAST_SAMPLE = 10_000  # rows, and
LEAST_VALUES = 1 << 18  # numbers, which narrow rows have in no time; but
MOST_VALUES = 1 << 22  # numbers at most, as wide rows take long
SEEDED_PER_CLUSTER = 10  # rows of the sample that seeds are chosen from
SEEDING_WORK = 1 << 32  # coordinates that the choice of seeds may compare, before it gets coarser
SAMPLE_PASSES = 60  # over the sample, at most
SAMPLE_WORK = 4  # passes over all rows, that those over the sample may cost
MEDIAN_PASSES = 20  # over the sample, by manhattan
NESTED = 4  # each part is so many times the one before
PART_VALUES = 1 << 25  # numbers from which on a part is the largest: engines should keep it
SURE = 4  # a part has said all when the centres move so many times less than chance moves them


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
        curve: inertia and gap for 1, 2, .. clusters, where `n_clusters="auto"` chose.
        most: share of the rows in the largest part; beyond it, all are looked at.
        means: (k, d) that the rows before asked for, for momentum; or None. Both matter on the way
            alone, and are no part of what is kept.
    """

    frame: ClassVar[tuple[str, ...]] = ("centres", "shift")
    metric: ClassVar[str] = "euclidean"
    centres: Array
    shift: Array
    n_iter: int = 0
    inertia: float = math.inf
    view: View = WHOLE
    curve: tuple[tuple[float, float], ...] = later(())
    most: float = passing(default=0.0)
    means: Array | None = passing(default=None)

    @functools.cached_property
    def turned(self) -> sparse.Turned:
        """The centres as sparse rows look at them, made once a pass."""
        return sparse.turned(self.centres)


@dataclass(frozen=True, eq=False)
class Directions(Centres):
    """Centres of length 1, by cosine: rows are divided by their lengths on the way."""

    metric: ClassVar[str] = "cosine"


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
    far: Rows = of(FARTHEST)


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
        n_clusters: number of clusters, k; or "auto", for the one that the data shows, up to 50.
        init: "sample" (greedy k-means++ on a sample), "random" (rows of the sample), "k-means||"
            (oversampled among all rows: for small clusters, and thousands of them), or centres (k,
            d).
        max_iter: Lloyd iterations over all rows or a part of them, at most.
        tol: stop when an iteration would lower the inertia by less than this fraction.
        algorithm: "nested" (a part of the rows first, then all) or "lloyd" (all rows from the
            start).
        random_state: an int, or None for 0.
        metric: "euclidean", "cosine" (by direction: of sparse rows, say) or "manhattan" (medians).
    """

    n_clusters: int | str = 8
    init: Any = "sample"
    max_iter: int = 300
    tol: float = 5e-4
    algorithm: str = "nested"
    random_state: int | None = None
    metric: str = later("euclidean")

    grade: ClassVar[Mapping[str, Grade]] = {
        "space": "bits",
        "time": "heuristic",
        "erasure": "heuristic",
    }
    answers: ClassVar[Sequence[str]] = ("predict", "transform")
    keeps: ClassVar[Sequence[str]] = ("predict",)

    @property
    def takes(self) -> Sequence[str]:  # type: ignore[override]  # of this very metric
        """CSR rows, but by manhattan."""
        return () if self.metric == "manhattan" else ("sparse",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        k, tol, seed = self.n_clusters, self.tol, self.random_state
        auto, named = isinstance(k, str) and k == "auto", isinstance(self.init, str)
        require(auto or is_count(k), "n_clusters", k, 'an int, at least 1, or "auto"')
        require(is_count(self.max_iter), "max_iter", self.max_iter, "an int, at least 1")
        require(isinstance(tol, Real) and tol >= 0, "tol", tol, "a number, at least 0")
        known = self.algorithm in ("nested", "lloyd")
        require(known, "algorithm", self.algorithm, '"nested" or "lloyd"')
        known = seed is None or isinstance(seed, Integral)
        require(known, "random_state", seed, "an int, or None for 0")
        known = not named or self.init in ("sample", "random", "k-means||")
        require(known, "init", self.init, f"{SEEDINGS} or centres")
        check_metric(self.metric)
        if auto:
            require(
                self.metric != "manhattan",
                "metric",
                self.metric,
                '"euclidean" or "cosine" for "auto"',
            )
            require(named, "init", "centres", 'a name for "auto"')

    def check_start(self, model: Any) -> None:
        """Raise BadParameter for a model with another number of centres, or another metric."""
        fitted = isinstance(model, Centres | Medians)
        require(fitted, "start", type(model).__name__, "a model of KMeans that was fitted")
        k = len(model.centres)
        own = self.n_clusters in (k, "auto")
        require(own, "start", f"{k} centres", f"{self.n_clusters} centres")
        require(model.metric == self.metric, "start", model.metric, self.metric)

    def start(self, head: Batch, n: int | None) -> Model:
        """Look for seeds in a sample, or begin at the given centres."""
        d, dtype = head.X.shape[1], head.X.dtype
        check_metric(self.metric, is_sparse(head.X))
        if n is not None and n < (least := 1 if self.n_clusters == "auto" else self._k):
            raise BadInput(
                says=f"n_samples={n} should be >= n_clusters={least}.",
                got=f"{n} rows for {least} clusters",
                wanted="at least one row for each cluster",
                do="Lower n_clusters.",
            )
        if not isinstance(self.init, str):
            return self._given(self._given_centres(d).astype(dtype), head)
        # means of few sparse rows are so short that most rows are nearest to the shortest
        dense = self.metric != "manhattan" and not is_sparse(head.X)
        descends = dense and self.algorithm == "nested"
        share, most = self._shares(n, d, descends)
        return Seeding(d, dtype.str, share, self._purpose, n, self._part(most), descends)

    def observe(self, model: Any, batch: Batch) -> Summary:
        """What the rows say to the model of a phase."""
        return self.observe_answering(model, batch)[0]

    def observe_answering(self, model: Any, batch: Batch) -> tuple[Summary, dict[str, Array]]:
        """The labels are what the sums were made by."""
        match model:
            case Centres():
                return answered(*lloyd_labels(model, batch))
            case Medians():
                return answered(*medians.observed(model, batch))
            case Seeding():
                return sampled(model, batch), {}
            case Candidates():
                return parallel.observed(model, batch), {}
            case MicroCentres():
                return counting.observed(model, batch), {}
            case explain.Profiled():
                return explain.observed(model, batch, labels_of(model.centres, batch)), {}
        raise TypeError(f"no phase of KMeans: {type(model).__name__}")

    def advance(self, model: Any, told: Any) -> Model:
        """Seeds from the sample; then centres to the means, until the inertia stands still."""
        match model:
            case Seeding():
                return self._seeded(model, told)
            case Candidates():
                return self._among(model, told)
            case MicroCentres():
                return self._counted(model, told)
            case _:
                return self._moved(model, told)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """predict: (n,) int32, the nearest centre; transform: (n, k) distances to all."""
        columns: dict[str, Array] = {}
        if "predict" in want:
            columns["predict"] = labels_of(model, batch)
        if "transform" in want:
            columns["transform"] = apart(model.metric, batch.X, model.centres)
        return columns

    def ended(self, model: Any) -> str:
        """By the inertia that stood still, or by max_iter before that."""
        return "max_iter" if model.n_iter >= self.max_iter else "converged"

    def score(self, data: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the inertia of other rows: the higher the better, as a search wants it."""
        return -self._inertia(self._told(data, sample_weight))

    def loss(self, told: Any) -> float | None:
        """Mean squared distance to the nearest centre; 1 - cosine; or sum of differences."""
        measured = isinstance(told, Lloyd | Absolute) and told.weight
        return self._inertia(told) / told.weight if measured else None

    def carry(self, told: Any, old: Any, new: Any) -> Summary:
        """Sums kept as they are: running means. Errors are to the centres they were told to."""
        if isinstance(told, Lloyd) and old.base != new.base:
            return replace(told, base=new.base, far=told.far.take(slice(0, 0)))
        if isinstance(told, Absolute) and old.base != new.base:
            return medians.carried(told, new)
        return super().carry(told, old, new)

    def explain(self, data: Any, *, sample_weight: Any = None) -> explain.Explanation:
        """What sets each cluster of these rows apart, in one pass.

        >>> X = np.array([[0.0, 7.0], [1.0, 7.0], [90.0, 7.5], [91.0, 7.0]])
        >>> told = KMeans(2).fit(X).explain(X)
        >>> told[0].features[0].name, told[0].weight
        ('x0', 2.0)

        Args:
            data, sample_weight: as `fit` takes them.

        Returns:
            A tuple of clusters, each with its columns by how far they set it apart; it prints as a
            table, and `table` is one for a frame.
        """
        model = self._model()
        other = copy.copy(self)  # that looks at the same clusters column by column
        profiled = explain.Profiled(model, len(model.centres))
        other.state_ = replace(self.state_, model=profiled, told=None)
        told = other._told(data, sample_weight)
        schema = self.state_.schema
        names = schema.names or [f"x{t}" for t in range(schema.n_columns)]
        return explain.explanation(told.moments, names)

    @property
    def n_clusters_(self) -> int:
        """How many clusters there are: as asked for, or as "auto" chose."""
        return len(self._model().centres)

    @property
    def k_curve_(self) -> Curve:
        """What "auto" chose by: k, inertia and gap, (q,) each; see `nacre.learn.cluster.curve`."""
        found = getattr(self._model(), "curve", ())
        if not found:
            raise UnknownName(
                got=f"k_curve_ of n_clusters={self.n_clusters}",
                wanted='a fit with n_clusters="auto"',
                do='Fit KMeans("auto").',
            )
        return Curve(np.arange(1, len(found) + 1), *np.array(found).T)

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
        """Sum of weighted squared distances of the rows to their centres.

        By cosine of 1 - cosine; by manhattan of absolute differences.
        """
        self._check_fitted()
        return self._inertia(self.state_.told)

    @property
    def n_iter_(self) -> int:
        """Lloyd iterations over all rows or a part of them; 1 for those over the sample alone."""
        return max(1, int(self._model().n_iter))

    @property
    def _n_features_out(self) -> int:
        return len(self._model().centres)

    @property
    def _k(self) -> int:
        """The number of clusters, or the largest there may be."""
        return K_MAX if self.n_clusters == "auto" else int(self.n_clusters)

    @property
    def _kind(self) -> type[Centres]:
        return Directions if self.metric == "cosine" else Centres

    def _inertia(self, told: Any) -> float:
        return float(told.errors.sum()) / (2.0 if self.metric == "cosine" else 1.0)

    @property
    def _seed(self) -> int:
        return int(self.random_state or 0) % (1 << 64)  # below 0 and beyond, as "sample" takes them

    @property
    def _purpose(self) -> str:
        return f"kmeans {self.random_state or 0}"

    def _n_sample(self, n: int, d: int, descends: bool) -> int:
        few, k = max(LEAST_SAMPLE, LEAST_VALUES // d), self._k
        more = min(n // ROWS_PER_SAMPLED, self._sure) if descends else 0
        some = max(few, SAMPLE_PER_CLUSTER * k, more)
        return max(2 * SEEDED_PER_CLUSTER * k, min(some, MOST_VALUES // d))

    @property
    def _sure(self) -> int:
        """Rows of which the means are better than anybody asks for: of n rows, those of k clusters
        are off by k / n of the inertia, on average.
        """
        return int(2 * self._k / max(self.tol, 1e-6))

    def _shares(self, n: int | None, d: int, descends: bool) -> tuple[float, float]:
        """Shares of the rows in the sample and in the largest part."""
        if n is None:
            return 1.0, 1.0
        share = self._n_sample(n, d, descends) / n
        share = most = share if share <= 0.5 else 1.0
        enough = min(self._sure / 2, PART_VALUES / d)
        while self.algorithm == "nested" and NESTED * most <= 0.5 and most * n < enough:
            most *= NESTED
        return share, most

    def _part(self, share: float) -> View:
        """A part of the rows that holds every smaller one; all, where it is over half of them."""
        return View(part=(0.0, share, self._purpose) if share <= 0.5 else None)

    def _part_after(self, model: Any, share: float) -> View:
        return self._part(NESTED * share) if NESTED * share <= model.most * 1.001 else WHOLE

    def _seeded(self, model: Seeding, told: Sample) -> Model:
        rows, weight = told.rows.columns
        if self.metric == "cosine":
            rows, flat = unit_rows(rows)
            rows, weight = rows[~flat], weight[~flat]
        if len(rows) < self._k and model.share < 1.0:  # weights are mostly 0
            share = min(1.0, 32 * model.share)
            return replace(model, share=share, view=self._part(max(share, model.most)))
        rows, weight = by_value(rows, weight)
        if len(rows) == 0:
            raise BadInput(
                got="no row with weight above 0",
                wanted="rows with weight, by cosine not all 0",
                do="Check sample_weight.",
            )
        some = rows, weight, mean_of(rows, weight).astype(model.dtype)
        if self.n_clusters == "auto":
            return counting.frozen(self.metric, *some, seed=self._seed, seeding=model)
        if self.init == "k-means||":
            return parallel.begun(self.metric, *some, k=self._k, seed=self._seed, seeding=model)
        return self._begun(model, *some)

    def _among(self, model: Candidates, told: Any) -> Model:
        """The next round of k-means||; after the last, centres among the weighed candidates."""
        if model.n_wanted:
            return parallel.oversampled(model, told)
        some = by_value(model.candidates, told.weights)
        return self._begun(model.seeding, *some, model.shift)

    def _counted(self, model: MicroCentres, told: Any) -> Model:
        """The centres for as many clusters as the curve says."""
        micros = counting.weighted(told.moments)
        curve, found = k_curve(*micros, n_rows=told.n_rows, seed=self._seed)
        centres = directed(self.metric, found.astype(model.centres.dtype))
        figures = zip(curve.inertia.tolist(), curve.gap.tolist(), strict=True)
        start = self._kind(centres, model.shift, curve=tuple(figures))
        return self._on_parts(start, model.seeding, model.seeding.share)

    def _begun(self, seeding: Any, rows: Array, weight: Array, shift: Array) -> Model:
        """Good centres for weighted rows in memory, and the first part of all rows to look at."""
        enough = min(SEEDED_PER_CLUSTER * self._k, SEEDING_WORK // (self._k * rows.shape[1]))
        some = slice(None, None, max(1, len(rows) // max(enough, 3 * self._k)))
        at = self._seeds(rows[some], weight[some])
        seeds = rows[some][np.resize(at, self._k)]  # repeated where fewer are distinct
        nested, seen = self.algorithm == "nested", seeding.share
        if self.metric == "manhattan":
            start: Any = medians.of_sample(rows, weight, seeds, MEDIAN_PASSES if nested else 0)
        else:
            if seeding.descends:
                seeds = self._descended(seeding, rows, weight, shift, seeds)
            else:
                seen /= NESTED  # so that the sample is the first part
            start = self._kind(directed(self.metric, seeds), shift)
        return self._on_parts(start, seeding, seen) if nested else cast(Model, start)

    def _descended(
        self, seeding: Any, rows: Array, weight: Array, shift: Array, seeds: Array
    ) -> Array:
        """Centres of weighted rows: where all rows are next, the end is looked for; where a part of
        them is, what is no chance.
        """
        still, passes = min(self.tol, STILL) / 100, SAMPLE_PASSES
        if NESTED * seeding.share <= seeding.most * 1.001:
            still = STILL
        if seeding.share < 1.0:
            n = seeding.n_rows or len(rows)
            passes = min(passes, max(6, SAMPLE_WORK * n // len(rows)))
        return Descent(rows, weight, shift, passes).down(seeds, self._purpose, still)

    def _on_parts(self, start: Any, seeding: Any, seen: float) -> Model:
        """The first part, after the share of the rows that the centres were found on."""
        begun = replace(start, view=seeding.view, most=seeding.most)
        return cast(Model, replace(begun, view=self._part_after(begun, seen)))

    def _given(self, centres: Array, head: Batch) -> Model:
        """Begin at given centres."""
        if self.metric == "manhattan":
            rows = np.concatenate([head.X, centres])
            return medians.around(centres, rows.min(axis=0), rows.max(axis=0))
        centres = directed(self.metric, centres)
        shift = centres.mean(axis=0, dtype=np.float64).astype(centres.dtype)
        return self._kind(centres, shift)

    def _moved(self, model: Any, told: Any) -> Model:
        """Centres to the means, or medians; then the next part; at last the model stands still."""
        inertia = float(told.errors.sum()) / max(told.weight, 1e-300)
        still, whole = self._settled(model, told, inertia), model.view == WHOLE
        if (still or model.n_iter >= self.max_iter) and whole:
            return cast(Model, model)  # this pass measured it
        step = replace(self._stepped(model, told), n_iter=model.n_iter + 1, inertia=inertia)
        last = step.n_iter >= self.max_iter  # all rows only measure it then
        if still or (not whole and (last or step.base == model.base)):
            wide = medians.widened(step, told) if isinstance(step, Medians) else unswung(step)
            share = model.view.part[1] if model.view.part else 1.0
            view = WHOLE if last else self._part_after(model, share)
            return cast(Model, replace(wide, view=view, inertia=math.inf))
        return cast(Model, step)

    def _stepped(self, model: Any, told: Any) -> Any:
        if isinstance(model, Medians):
            return medians.moved(model, told)
        means = moved(model, told)
        if self.algorithm == "lloyd" or np.array_equal(means, model.centres):
            return replace(model, centres=means, means=None)
        centres = directed(self.metric, swung(means, model.means))
        return replace(model, centres=centres, means=means)

    def _settled(self, model: Any, told: Any, inertia: float) -> bool:
        """Whether a pass gained little; on a part of the rows, less than chance would."""
        least = self.tol * inertia
        slow = bool(model.inertia - inertia <= least)
        if isinstance(model, Medians):
            return slow and medians.all_found(told)
        enough = least if model.view == WHOLE else max(least, noise(told) / SURE)
        return slow or gain(model, told) <= enough

    def _seeds(self, rows: Array, weight: Array) -> Array:
        purpose = f"kmeans seeds {self.random_state or 0}"
        if self.init == "random":
            order = np.argsort(hash01(0, np.arange(len(rows)), purpose), kind="stable")
            return order[: self._k]
        most = SEEDING_WORK // (
            len(rows) * self._k * rows.shape[1]
        )  # breathing mends what is missed
        n_trials = max(1, min(2 + int(math.log(self._k)), most))  # as scikit-learn, at most
        steps = np.arange(self._k * n_trials)
        draws = hash01(0, steps, purpose).reshape(self._k, n_trials)
        lower = manhattan.lower if self.metric == "manhattan" else truth.lower
        return greedy_seeds(rows.astype(np.float64), weight, self._k, draws, lower=lower)

    def _given_centres(self, d: int) -> Array:
        try:
            centres = np.asarray(self.init, np.float64)
        except (ValueError, TypeError):
            centres = np.empty(0)
        if centres.shape != (self._k, d) or not np.isfinite(centres).all():
            raise BadParameter(
                got=f"init of shape {np.shape(self.init)}",
                wanted=f"finite numbers of shape ({self._k}, {d})",
                do="Pass one centre for each cluster.",
            )
        return centres


def answered(told: Summary, labels: Array) -> tuple[Summary, dict[str, Array]]:
    """A summary with the labels that it was made by."""
    return told, {"predict": labels}


def lloyd(model: Centres, batch: Batch) -> Lloyd:
    """Lloyd's sums of a batch under the centres of a model."""
    return lloyd_labels(model, batch)[0]


def lloyd_labels(model: Centres, batch: Batch) -> tuple[Lloyd, Array]:
    """The same, and the labels (n,) int32 of the rows."""
    rows, there = placed(model.metric, batch)
    if is_sparse(rows.X):
        seen = sparse_sums(rows.X, rows.weight, model.turned)
    else:
        seen = assign_sums(rows.X, rows.weight, model.centres, model.shift)
    told = summed(model, rows, seen)
    if there is None:
        return told, seen.labels
    n_rows, weight = batch.counted
    labels = np.full(n_rows, NONE, np.int32)
    labels[there] = seen.labels
    return replace(told, n_rows=n_rows, weight=weight), labels


def summed(model: Centres, batch: Batch, seen: Assigned) -> Lloyd:
    """The summary of what the kernel found: sums, and the far rows."""
    cost = seen.d2 if batch.weight is None else seen.d2 * batch.weight
    return Lloyd.told(
        model,
        batch,
        weights=seen.weights,
        sums=seen.sums,
        errors=seen.sse,
        far=far_rows(batch, cost, seen.labels),
    )
