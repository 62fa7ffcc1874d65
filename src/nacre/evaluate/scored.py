"""Scores of clusters, made from their sums."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from nacre.contract import Array
from nacre.evaluate.lines import aligned
from nacre.kernel.assign import distances
from nacre.kernel.exponential import chances

FEW = 10  # sampled rows, below which nothing is estimated from another column
SHOWN = 30  # clusters that are printed
BLOCK = 256  # means that are held against all


@dataclass(frozen=True, eq=False)
class Drawn:
    """Rows that were drawn by weight.

    Attributes:
        place: (m,) int64, their clusters.
        weight: (m,) float64.
        limit: the key that no drawn row reaches; inf where all rows were drawn.
    """

    place: Array
    weight: Array
    limit: float

    @property
    def chance(self) -> Array:
        """(m,) of each row, given the limit, to be drawn."""
        found = np.empty(len(self.weight))
        chances(self.weight * self.limit, found)
        return found

    @property
    def whole(self) -> bool:
        """Whether all rows were drawn."""
        return bool(np.isinf(self.limit))


class Silhouettes(NamedTuple):
    """Those of single rows, of a sample.

    Attributes:
        place: (m,) int64: which row of the table its cluster is.
        value: (m,) from -1 to 1.
        stands_for: (m,) the weight of rows that each speaks for.
    """

    place: Array
    value: Array
    stands_for: Array


@dataclass(frozen=True, eq=False)
class ClusterScores:
    """How well clusters are set apart; NaN for what is not defined.

    Attributes:
        silhouette: mean of (b - a) / max(a, b) over rows: a is the mean distance to the other rows
            of the own cluster, b to the rows of the nearest other one. 1 is the best, 0 on a
            border, below 0 nearer to another cluster. As `sklearn.metrics.silhouette_score`; from a
            sample, unless all rows are in it or the metric is cosine.
        silhouette_error: the standard error of that; 0 where nothing is left to chance.
        silhouette_squared: the same by squared distances, of all rows.
        calinski_harabasz: variance between clusters over variance within; the higher the better.
        davies_bouldin: how far clusters spread towards the nearest one; the lower the better.
        inertia: sum of squared distances to the mean of the cluster.
        metric: "euclidean", or "cosine": then all is said of rows divided by their lengths.
        n_clusters: that have rows.
        n_rows: read; of these n_left_out are in no cluster.
        n_skipped: bad rows, which `bad="skip"` has left out.
        n_sampled: rows whose silhouettes are exact.
        weight: of the rows in clusters.
        table: columns label, weight, inertia, silhouette (NaN where no row was sampled),
            silhouette_squared and nearest (the label of the cluster that is nearest by the mean
            squared distance of rows): a row for each cluster.
        sample: the silhouettes that were computed.
    """

    silhouette: float
    silhouette_error: float
    silhouette_squared: float
    calinski_harabasz: float
    davies_bouldin: float
    inertia: float
    metric: str
    n_clusters: int
    n_rows: int
    n_left_out: int
    n_skipped: int
    n_sampled: int
    weight: float
    table: dict[str, Array] = field(repr=False)
    sample: Silhouettes = field(repr=False)

    def __str__(self) -> str:
        return "\n".join([*_head(self), "", *_lines(self)])

    def plot(self) -> Any:
        """The silhouettes of the rows of each cluster, as a `Picture`."""
        from nacre.plot.silhouettes import silhouettes

        names = [str(label) for label in self.table["label"].tolist()]
        return silhouettes(names, *self.sample, self.table["silhouette"], self.silhouette)


def scored(model: Any, told: Any) -> ClusterScores:
    """The scores of a pass: `model` is its Scoring, `told` its Scored."""
    n, k, drawn = model.moments.n, len(model.known), model.drawn
    weight, cosine = float(n.sum()), model.metric == "cosine"
    defined = 1 < k < weight / model.unit * (1 - 1e-9)
    nothing = np.full(len(model.points), np.nan)
    others = _by_means(model) if defined else nothing
    values = _by_rows(model, told.far) if defined and not cosine else others
    guess = _Estimate(values, others, drawn)
    squared = told.squared / n if defined else np.full(k, np.nan)
    mean_squared = float(n @ squared) / weight
    nearest, worst = _beside(model, told.lengths / n)
    return ClusterScores(
        silhouette=mean_squared if cosine else guess.mean(mean_squared),
        silhouette_error=guess.error if not cosine else 0.0 if defined else np.nan,
        silhouette_squared=mean_squared,
        calinski_harabasz=_calinski_harabasz(model) if defined else np.nan,
        davies_bouldin=float(worst.mean()) if defined else np.nan,
        inertia=float(model.moments.m2.sum()),
        metric=model.metric,
        n_clusters=k,
        n_rows=told.n_rows,
        n_left_out=model.n_left_out,
        n_skipped=told.n_skipped,
        n_sampled=told.n_rows - model.n_left_out if cosine else len(values),
        weight=weight,
        table={
            "label": _labels(model.known),
            "weight": n,
            "inertia": model.moments.m2,
            "silhouette": squared if cosine else guess.by_cluster(squared),
            "silhouette_squared": squared,
            "nearest": _labels([model.known[j] for j in nearest]),
        },
        sample=Silhouettes(drawn.place, values, guess.stands_for),
    )


class _Estimate:
    """Means over all rows, from those of a sample.

    A row that is drawn by a chance stands for its weight over that (Horvitz and Thompson 1952).
    What all rows have of another column, beyond what the sample has, goes into the mean by the
    slope of the one on the other (Cochran 1977, chapter 7).

    Args:
        values: (m,) of the rows that were drawn.
        others: (m,) of the column whose mean is known.
        drawn: the rows.
    """

    def __init__(self, values: Array, others: Array, drawn: Drawn) -> None:
        self.values, self.others, self.drawn = values, others, drawn
        self.chance = drawn.chance
        self.stands_for = drawn.weight / np.maximum(self.chance, np.finfo(float).tiny)
        steps, rest = self._steps(others), self._steps(values)
        squares = float((self.stands_for * steps * steps).sum())
        enough = not drawn.whole and len(values) >= FEW and squares > 0
        self.slope = float((self.stands_for * steps * rest).sum()) / squares if enough else 0.0
        self.rest = rest - self.slope * steps
        pull = steps * steps / squares if enough else np.zeros(len(values))
        self.pull = self.stands_for * (pull + 1 / self.stands_for.sum())

    def mean(self, known: float) -> float:
        """The mean, where that of the other column is known."""
        n = math.fsum(self.stands_for)
        mean, other = (math.fsum(self.stands_for * c) / n for c in (self.values, self.others))
        return float(self._beyond(mean, other, known))

    def by_cluster(self, known: Array) -> Array:
        """(k,) means of the clusters, where (k,) those of the other column are known; NaN for one
        of which no row was drawn.
        """
        n, mean, other = (
            np.bincount(self.drawn.place, self.stands_for * column, len(known))
            for column in (np.ones(len(self.values)), self.values, self.others)
        )
        n[n == 0] = np.nan
        found: Array = self._beyond(mean / n, other / n, known)
        return found

    def _beyond(self, mean: Any, other: Any, known: Any) -> Any:
        """A mean over the sample, with what the other column has beyond the sample."""
        return np.clip(mean + self.slope * (known - other) if self.slope else mean, -1.0, 1.0)

    @property
    def error(self) -> float:
        """The standard error of the mean; 0 where all rows were drawn.

        A row that pulls at the slope leaves less of itself than it would have left had it not been
        drawn: what is left is divided by 1 - its leverage, as the jackknife has it.
        """
        if self.drawn.whole:
            return float("nan") if np.isnan(self.rest).any() else 0.0
        left = np.divide(self.rest, 1 - self.pull, out=self.rest * np.nan, where=self.pull < 1)
        squares = (1 - self.chance) * (self.stands_for * left) ** 2
        return float(np.sqrt(squares.sum()) / self.stands_for.sum())

    def _steps(self, column: Array) -> Array:
        """(m,) from the mean."""
        mean: Array = (self.stands_for * column).sum() / self.stands_for.sum()
        return column - mean


def _by_means(model: Any) -> Array:
    """(m,) silhouettes of the sample by squared distances."""
    _, spread, own = model.means
    apart = distances(model.points.astype(np.float64), model.moments.mean) ** 2 + spread
    return _silhouettes(apart, apart * own, model.drawn.place, own)


def _by_rows(model: Any, far: Array) -> Array:
    """(m,) silhouettes of the sample by distances: far (k, m) are their sums."""
    own = model.means[2]
    apart = (far / model.moments.n[:, None]).T
    return _silhouettes(apart, apart * own, model.drawn.place, own)


def _silhouettes(apart: Array, others: Array, place: Array, own: Array) -> Array:
    """Of mean distances (m, k) to the rows of clusters, and (m, k) to those but oneself."""
    rows = np.arange(len(place))
    a, outside = others[rows, place], apart.copy()
    outside[rows, place] = np.inf
    b = outside.min(axis=1)
    most = np.maximum(a, b)
    value = np.divide(b - a, most, out=np.zeros(len(place)), where=most > 0)
    return np.where(own[place] > 0, value, 0.0)


def _beside(model: Any, lengths: Array) -> tuple[Array, Array]:
    """(k,) the other cluster whose rows are nearest to a cluster's rows, by squares; (k,) the part
    of a cluster in Davies-Bouldin: the worst sum of two spreads over the distance of the means.
    """
    mean, spread = model.moments.mean, model.moments.m2 / model.moments.n
    k = len(mean)
    nearest, worst = np.zeros(k, np.int64), np.zeros(k)
    for start in range(0, k if k > 1 else 0, BLOCK):
        some = np.arange(start, min(start + BLOCK, k))
        far = distances(mean[some], mean)
        own = np.arange(len(some)), some
        sums = np.where(far > 0, lengths[some, None] + lengths, 0.0)
        ratio = np.divide(sums, far, out=np.zeros_like(far), where=far > 0)
        ratio[own] = 0.0
        worst[some] = ratio.max(axis=1)
        apart = far**2 + spread
        apart[own] = np.inf
        nearest[some] = np.argmin(apart, axis=1)
    return nearest, worst


def _calinski_harabasz(model: Any) -> float:
    n, mean, k = model.moments.n, model.moments.mean, len(model.known)
    within, steps = float(model.moments.m2.sum()), mean - n @ mean / n.sum()
    between, n = float(n @ (steps * steps).sum(axis=1)), n.sum() / model.unit
    return float(between / within * ((n - k) / (k - 1))) if within > 0 else 1.0


def _labels(labels: Any) -> Array:
    texts = any(isinstance(label, str) for label in labels)
    return np.array(list(labels), object if texts else np.int64)


def _head(scores: ClusterScores) -> list[str]:
    out = f", {scores.n_left_out:,} of them in no cluster" if scores.n_left_out else ""
    lines = [f"{scores.n_clusters} clusters of {scores.n_rows:,} rows{out}, {scores.metric}"]
    error = f"+- {scores.silhouette_error:.4f}" if scores.silhouette_error > 0 else ""
    figures = [
        ("silhouette", scores.silhouette, error),
        ("silhouette, squared", scores.silhouette_squared, ""),
        ("Calinski-Harabasz", _short(scores.calinski_harabasz), ""),
        ("Davies-Bouldin", scores.davies_bouldin, ""),
        ("inertia", _short(scores.inertia), ""),
    ]
    lines += aligned(figures)
    if np.isnan(scores.silhouette_squared):
        lines.append("undefined: of one cluster alone, or of as many as rows")
    elif error:
        lines.append(f"silhouette of {scores.n_sampled:,} rows, each against all")
    return lines


def _lines(scores: ClusterScores) -> list[str]:
    rows: list[tuple[object, ...]] = [
        ("cluster", "weight", "inertia", "silhouette", "squared", "nearest")
    ]
    columns = (column[:SHOWN].tolist() for column in scores.table.values())
    for label, weight, inertia, *values, nearest in zip(*columns, strict=True):
        rows.append((label, _short(weight), _short(inertia), *values, str(nearest)))
    more = scores.n_clusters - SHOWN
    return [*aligned(rows), *([f"and {more:,} more"] if more > 0 else [])]


def _short(value: float) -> object:
    """Six digits, as much as a person compares."""
    return value if np.isnan(value) else f"{value:,.6g}"
