"""Stability: whether clusters come again when the learner is shown other rows.

The learner is fitted on all rows, and again on parts of them that the rows' own hashes choose, each
time with another `random_state`. Then one pass labels all rows by all of these fits, and sums up
how often two labels meet: that table is all that the figures need. Hennig, Cluster-wise assessment
of cluster stability (2007): each cluster is judged by its best Jaccard index in the other fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, State, Summary
from nacre.estimator import Estimator, bare, is_count, require
from nacre.evaluate.agreement import pair_counts
from nacre.evaluate.asked import OUTSIDE, Asked, run
from nacre.evaluate.contingency import CONTINGENCY, Contingency, tabled
from nacre.evaluate.lines import aligned
from nacre.evaluate.refits import check_predicts, fit_of, plan_for, reseeded
from nacre.kinds import COUNT, Kind, of
from nacre.learn.count.histogram import unit_of, weighted

STABLE = 0.75  # mean Jaccard index from which a cluster is there (Hennig 2007)
DOUBTFUL = 0.6  # and below which it is not to be trusted


@dataclass(frozen=True, eq=False)
class Stability:
    """How well the clusters of a fit come again in fits on parts of the rows.

    Attributes:
        adjusted_rand: (n_fits,) float64: how well each of them agrees with the fit on all rows, on
            all rows; 1 for the same clusters, about 0 by chance.
        jaccard: (n_fits, k) float64: of each cluster the greatest Jaccard index with a cluster of
            that fit.
        labels: (k,) of the clusters that have rows, in order.
        size: (k,) float64: the weight of their rows.
        share: of the rows in a part.
        n_rows, weight, n_skipped: rows labelled, their weight, bad rows left out.
        left_out: weight of the rows that the fit on all rows has in no cluster.
        state: the fit on all rows.
    """

    adjusted_rand: Array
    jaccard: Array
    labels: Array
    size: Array
    share: float
    n_rows: int
    weight: float
    n_skipped: int
    left_out: float
    state: State = field(repr=False)

    @property
    def mean(self) -> float:
        """Of `adjusted_rand`."""
        return float(self.adjusted_rand.mean())

    @property
    def verdicts(self) -> list[str]:
        """(k,) by the mean Jaccard index: "stable" from 0.75, "doubtful", "unstable" below 0.6."""
        return [_verdict(index) for index in self.jaccard.mean(axis=0).tolist()]

    @property
    def table(self) -> dict[str, Any]:
        """Columns with a row for each cluster."""
        return {
            "cluster": self.labels,
            "weight": self.size,
            "share": self.size / self.weight,
            "jaccard": self.jaccard.mean(axis=0),
            "least": self.jaccard.min(axis=0),
            "verdict": self.verdicts,
        }

    def plot(self) -> Any:
        """The Jaccard indices of each cluster: a nacre.plot Picture."""
        from nacre.plot.stability import recovered

        names = [f"cluster {label}" for label in self.labels.tolist()]
        return recovered(names, self.jaccard, stable=STABLE, doubtful=DOUBTFUL)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@dataclass(frozen=True, eq=False)
class Several(Model):
    """Fits that label the same rows: that on all of them, then those on parts."""

    frame: ClassVar[tuple[str, ...]] = ("fits",)
    last_look: ClassVar[bool] = True
    fits: tuple[Asked, ...]


CONTINGENCIES = Kind(
    "CONTINGENCIES",
    lambda a, b: tuple(map(CONTINGENCY.join, a, b)),
    lambda a, factor: tuple(replace(one, weights=one.weights * float(factor)) for one in a),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Met(Summary):
    """Of each fit on a part: how often its labels meet those of the fit on all rows.

    n_weighted counts the rows of weight above 0.
    """

    tables: tuple[Contingency, ...] = of(CONTINGENCIES)
    n_weighted: int = of(COUNT)


@dataclass(eq=False, repr=False)
class Comparing(Estimator):
    """Count how often the labels of one fit meet those of others.

    Args:
        fits: what says the labels: the fit that is compared, and those that it is compared with.
    """

    fits: tuple[Asked, ...]

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}

    def start(self, head: Batch, n: int | None) -> Several:
        """All is known from the start."""
        return Several(self.fits)

    def observe(self, model: Several, batch: Batch) -> Met:
        """A table for each of the others."""
        first, *others = (fit.labels(batch) for fit in model.fits)
        tables = tuple(tabled(first, other, batch.weights) for other in others)
        return Met.told(model, batch, tables=tables, n_weighted=weighted(batch))

    def advance(self, model: Several, told: Summary) -> Several:
        """One pass says it all."""
        return model

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: the sum is the answer."""
        return {}


def stability(
    learner: Estimator,
    data: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    n_fits: int = 10,
    share: float = 0.5,
    random_state: int | None = None,
    engine: Any = None,
    memory: int | str | None = None,
) -> Stability:
    """Fit a learner on all rows and on parts of them, and see which clusters come again.

    >>> draw = np.random.default_rng(0)
    >>> X = draw.normal(size=(600, 2)) + 9.0 * draw.integers(0, 2, (600, 1))
    >>> from nacre.learn.cluster.kmeans import KMeans
    >>> stability(KMeans(2), X, n_fits=3).verdicts
    ['stable', 'stable']

    Args:
        learner: unfitted, or fitted: its hyper-parameters are used, and it is not changed. It
            predicts labels; a row of label -1 is in no cluster.
        data, y, sample_weight: as `fit` takes them.
        n_fits: fits on parts, at least 1.
        share: of the rows in each part, above 0 and below 1.
        random_state: an int, or None for 0: which rows are in the parts.
        engine, memory: as `fit` takes them.

    Raises:
        BadInput: data that cannot be learned from; a part with too few rows.
        BadParameter: a learner that predicts no labels; a number outside its range.
        Stopped: a fit was ended early.
    """
    from nacre.source.part import part_of_rows

    plan = plan_for(learner, data, y, sample_weight)
    _check(learner, n_fits, share, random_state)
    whole = fit_of(learner, plan, "the fit on all rows", engine, memory)
    fits = [Asked(bare(learner), whole.model)]
    for at in range(1, n_fits + 1):
        part = part_of_rows(plan, 0.0, share, f"stability {random_state or 0} {at}")
        other = reseeded(learner, at)
        state = fit_of(other, part, f"fit {at} of {n_fits}", engine, memory)
        fits.append(Asked(other, state.model))
    told: Met = run(Comparing(tuple(fits)), plan, engine, memory).told
    return _result(told, n_fits, share, whole)


def best_jaccard(table: Contingency) -> Array:
    """(r,) float64: of each label that was found the greatest Jaccard index with one beside it.

    >>> found, other = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    >>> best_jaccard(tabled(found, other, np.ones(6)))
    array([0.75      , 0.66666667])

    A label of -1 is no cluster, so it is like none.
    """
    row, column, both = table.row, table.column, table.weights
    index = both / (table.of_found[row] + table.of_true[column] - both)
    outside = np.array([label == OUTSIDE for label in table.true])
    best = np.zeros(len(table.found))
    np.maximum.at(best, row, np.where(outside[column], 0.0, index))
    return best


def _check(learner: Estimator, n_fits: Any, share: Any, seed: Any) -> None:
    check_predicts(learner)
    require(is_count(n_fits), "n_fits", n_fits, "an int, at least 1")
    some = isinstance(share, Real) and 0 < float(share) < 1
    require(some, "share", share, "a number above 0 and below 1")
    known = seed is None or isinstance(seed, Integral)
    require(known, "random_state", seed, "an int, or None for 0")


def _result(told: Met, n_fits: int, share: float, whole: State) -> Stability:
    first = told.tables[0]
    clusters = np.array([label != OUTSIDE for label in first.found])
    best = np.array([best_jaccard(table) for table in told.tables])
    unit = unit_of(told.weight, told.n_weighted)
    return Stability(
        adjusted_rand=np.array([pair_counts(one, unit).adjusted_rand for one in told.tables]),
        jaccard=best[:, clusters],
        labels=np.array(first.found)[clusters],
        size=first.of_found[clusters],
        share=float(share),
        n_rows=told.n_rows,
        weight=told.weight,
        n_skipped=told.n_skipped,
        left_out=float(first.of_found[~clusters].sum()),
        state=whole,
    )


def _verdict(index: float) -> str:
    return "stable" if index >= STABLE else "doubtful" if index >= DOUBTFUL else "unstable"


def _lines(of: Stability) -> list[str]:
    n_fits, k = of.jaccard.shape
    least, most = of.adjusted_rand.min(), of.adjusted_rand.max()
    rows = zip(*(list(column) for column in of.table.values()), strict=True)
    cells = [
        (str(label), f"{size:,.6g}", f"{share:.1%}", *rest) for label, size, share, *rest in rows
    ]
    return [
        f"{k:,} clusters of {of.n_rows:,} rows, in {n_fits} fits on {of.share:.0%} of them",
        f"adjusted Rand index {of.mean:.4f} ({least:.4f} to {most:.4f})",
        "",
        *aligned([tuple(of.table), *cells]),
    ]
