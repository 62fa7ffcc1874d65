"""What each estimator of scikit-learn keeps, as model and told of the learner that is its like.

READERS["StandardScaler"](Attributes(fitted), Given(None, "float64"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nacre.contract import Array, Batch, Model, Summary
from nacre.errors import BadParameter
from nacre.estimator import is_count
from nacre.exchange.attributes import Attributes
from nacre.kinds import MomentSums
from nacre.learn.cluster.kmeans import Centres, KMeans, Lloyd
from nacre.learn.cluster.repair import far_rows
from nacre.learn.count.moments import ColumnMoments, freedom
from nacre.learn.count.quantiles import ranked, searching
from nacre.learn.prepare.impute import Filled, Halved, Impute
from nacre.learn.prepare.robust import Robust, RobustScale
from nacre.learn.prepare.scale import Scale, Scaled
from nacre.learn.reduce.pca import PCA, WIDE, Actions, Components, Settled, is_share, rounded
from nacre.learn.reduce.projection import doubt

ROBUST = ("with_centering", "with_scaling", "unit_variance")


@dataclass(frozen=True)
class Given:
    """What a stage is told beside its attributes.

    Attributes:
        n_rows: of the fit, where any stage knows it or the user said it; else None.
        dtype: of the rows.
    """

    n_rows: float | None
    dtype: str

    def rows(self, of: Attributes) -> float:
        """How many rows a fit had that did not keep it.

        Raises:
            BadParameter: nobody knows.
        """
        if self.n_rows is None:
            raise BadParameter(
                got=f"{of.name}, which does not keep how many rows it was fitted on",
                wanted="n_rows: later rows are weighed against it",
                do="Write nacre.from_sklearn(fitted, n_rows=len(X)).",
            )
        return self.n_rows


class Part(NamedTuple):
    """One stage: a learner with hyper-parameters alone, its model, and what it was made from."""

    learner: Any
    model: Any
    told: Any
    n_in: int
    n_out: int


def _told(kind: type[Summary], model: Model, n: float, **values: Any) -> Any:
    """A summary of n rows of which none is at hand."""
    told = kind.told(model, Batch(np.empty((0, 1))), **values)
    return replace(told, weight=float(n), n_rows=max(round(n), 1))


def _kmeans(of: Attributes, given: Given) -> Part:
    """Sums as if every row stood at its centre; the inertia is shared out by weight."""
    centres = of.point("cluster_centers_", given.dtype, None, None).astype(given.dtype)
    k, d = centres.shape
    weights, error = _weights(of, k)
    shift = (weights @ centres.astype(np.float64) / weights.sum()).astype(given.dtype)
    n_iter = of.count("n_iter_") if of.has("n_iter_") else 0  # not after its partial_fit
    model = Centres(centres, shift, n_iter=n_iter)
    nothing = Batch(np.empty((0, d), given.dtype))
    told = _told(
        Lloyd,
        model,
        float(weights.sum()),
        weights=weights,
        sums=weights[:, None] * centres,
        errors=error * weights,
        far=far_rows(nothing, np.empty(0), np.empty(0, np.int32)),
    )
    seed = of.get("random_state")
    learner = KMeans(
        k,
        max_iter=of.count("max_iter"),
        random_state=int(seed) if is_count(seed, 0) else None,
    )
    return Part(learner, model, told, d, k)


def _weights(of: Attributes, k: int) -> tuple[Array, float]:
    """(k,) the weight in each cluster, and the mean squared distance to its centre."""
    if of.name == "MiniBatchKMeans":
        weights = of.array("_counts", k)  # rows drawn, which its centres are the running means of
        if not of.has("labels_") or not of.has("inertia_"):  # compute_labels=False
            return _some(of, weights), np.nan
        return _some(of, weights), of.number("inertia_") / max(len(of.array("labels_", None)), 1)
    labels = of.array("labels_", None)
    if ((labels < 0) | (labels >= k) | (labels % 1 != 0)).any():
        raise of.bad("labels_ outside its clusters", f"numbers from 0 to {k - 1}")
    weights = np.bincount(labels.astype(np.intp), minlength=k).astype(np.float64)
    return _some(of, weights), of.number("inertia_") / len(labels)


def _some(of: Attributes, weights: Array) -> Array:
    if not weights.sum() > 0 or (weights < 0).any():
        raise of.bad("clusters without any weight", "rows in them")
    return weights


def _pca(of: Attributes, given: Given) -> Part:
    """Directions as they are, 0 beyond the numerical rank; what later rows are added to follows."""
    components = of.array("components_", None, None)
    (k, d), n = components.shape, _rows_of_pca(of)
    if np.abs(components).max(initial=0.0) > 1.001:
        raise of.bad(f"components_ up to {np.abs(components).max():g}", "directions of length 1")
    variance, mean = of.spread("explained_variance_", k), of.point("mean_", given.dtype, d)
    real = variance > doubt("float64", d) * variance.max(initial=0.0)  # theirs may be exact
    known = {
        "d": d,
        "mean": mean,
        "components": np.where(real[:, None], components, 0.0),
        "variance": np.where(real, variance, 0.0),
        "total": _total(of, variance, min(n, d) - k),
        "noise": of.number("noise_variance_"),
        "whiten": of.flag("whiten"),
        "dtype": given.dtype,
    }
    learner = PCA(_asked(of, k, min(n, d)), known["whiten"])
    model, told = _by_blocks(known, real, n) if d > WIDE else _by_covariance(known, n)
    return Part(learner, model, told, d, k)


def _by_covariance(known: Mapping[str, Any], n: float) -> tuple[Components, Any]:
    """The covariance that the components stand for; what they left out, even in all directions."""
    components, variance, d = known["components"], known["variance"], known["d"]
    n_left = max(d - len(variance), 1)
    even = max(known["total"] - float(variance.sum()), 0.0) / n_left
    covariance = (components.T * (variance - even)) @ components
    covariance[np.diag_indices(d)] += even
    model = Components(**known)
    moments = MomentSums(float(n), known["mean"], covariance * freedom(n))
    return model, _told(ColumnMoments, model, n, moments=moments)


def _by_blocks(known: Mapping[str, Any], real: Array, n: float) -> tuple[Settled, Any]:
    """What the covariance does to the components alone, as after a search by blocks."""
    basis, variance = known["components"][real].T, known["variance"][real]
    centre = rounded(known["mean"], known["dtype"])
    model = Settled(basis=basis, centre=centre, converged=True, **known)
    apart, free = known["mean"] - centre, freedom(n)
    told = _told(
        Actions,
        model,
        n,
        sums=n * apart,
        squares=float(known["total"] * free + n * apart @ apart),
        actions=basis * (variance * free) + np.outer(n * apart, apart @ basis),
    )
    return model, told


def _rows_of_pca(of: Attributes) -> float:
    n = rows_seen(of) if of.name == "IncrementalPCA" else of.number("n_samples_")
    if not n > 0:
        raise of.bad(f"{n:g} rows", "some: by weight, they may be less than one")
    return n


def _total(of: Attributes, variance: Array, n_left: float) -> float:
    """The variance of all columns."""
    ratio = of.values("explained_variance_ratio_")  # NaN where there is no variance
    if ratio.shape != variance.shape:
        raise of.bad(f"explained_variance_ratio_ of shape {ratio.shape}", f"{variance.shape}")
    if len(ratio) and ratio[0] > 0:
        return float(variance[0] / ratio[0])
    return float(variance.sum()) + of.number("noise_variance_") * max(n_left, 0.0)


def _asked(of: Attributes, k: int, most: float) -> int | float | None:
    """What nacre calls the number of components that was asked for."""
    asked = of.get("n_components")
    if of.name == "PCA" and is_share(asked):
        return float(asked)
    return None if asked is None and k == most else k


def _scale(of: Attributes, given: Given) -> Part:
    """Moments, from which scikit-learn goes on too; NaN for what it did not keep."""
    learner = Scale(of.flag("with_mean"), of.flag("with_std"))
    d, n = of.count("n_features_in_"), rows_seen(of)
    mean = m2 = np.full(d, np.nan)
    if learner.with_mean or of.get("mean_") is not None:
        mean = of.point("mean_", given.dtype, d)
    if learner.with_std or of.get("var_") is not None:
        m2 = of.spread("var_", d) * n
    model = Scaled(
        d,
        mean.copy() if learner.with_mean else np.zeros(d),
        _divisor(of, d) if learner.with_std else np.ones(d),
    )
    told = _told(ColumnMoments, model, n, moments=MomentSums(n, mean, m2))
    return Part(learner, model, told, d, d)


def _divisor(of: Attributes, d: int) -> Array:
    scale = of.array("scale_", d)
    if not (scale > 0).all():
        raise of.bad("scale_ of 0 or less", "numbers above 0")
    return scale


def rows_seen(of: Attributes) -> float:
    """Rows, by weight; of columns that had gaps each has its own number."""
    seen = of.values("n_samples_seen_")
    if seen.size == 0 or not (seen == seen.flat[0]).all() or not seen.flat[0] > 0:
        wanted = "one number of rows for all columns: nacre's Scale takes no NaN"
        raise of.bad("another n_samples_seen_ in each column", wanted, "Impute before scaling.")
    return float(seen.flat[0])


def _robust(of: Attributes, given: Given) -> Part:
    """Medians and ranges; between them nothing is known, so the rows lie on three points."""
    d, n = of.count("n_features_in_"), given.rows(of)
    low, high = of.array("quantile_range", 2).tolist()
    options = {name: of.flag(name) for name in ROBUST}
    learner = RobustScale(quantile_range=(low, high), **options)
    learner.check_parameters()
    centre = of.point("center_", given.dtype, d) if learner.with_centering else np.zeros(d)
    scale = _divisor(of, d) if learner.with_scaling else np.ones(d)
    half = scale * learner._normal() / 2 if learner.with_scaling else np.zeros(d)
    shares = [low / 100, 0.5, high / 100]
    points = np.stack([centre - half, centre, centre + half])
    search = Robust(*searching(Batch(points), shares))
    model = replace(
        search, quantiles=points.T.copy(), doubt=np.zeros((d, 3)), centre=centre, scale=scale
    )
    return Part(learner, model, _ranked(model, points, shares, n), d, d)


def _impute(of: Attributes, given: Given) -> Part:
    """What fills the gaps; a mean counts as if no row had had any."""
    strategy = _strategy(of)
    n, fill = given.rows(of), of.point("statistics_", given.dtype, None)
    d = len(fill)
    if strategy == "median":
        halved = Halved(*searching(Batch(fill[None]), [0.5]))
        found = {"quantiles": fill[:, None].copy(), "doubt": np.zeros((d, 1)), "fill": fill}
        middle: Halved = replace(halved, **found)
        return Part(Impute("median"), middle, _ranked(middle, fill[None], [0.5], n), d, d)
    learner, mean = Impute(), fill.copy()
    if strategy == "constant":
        if d == 0 or not (fill == fill[0]).all():
            raise of.bad("several constants, or none", "one for all columns")
        learner, mean = Impute("constant", float(fill[0])), np.full(d, np.nan)
    model = Filled(d, fill)
    moments = MomentSums(np.full(d, float(n)), mean, np.full(d, np.nan))
    return Part(learner, model, _told(ColumnMoments, model, n, moments=moments), d, d)


def _strategy(of: Attributes) -> Any:
    """mean, median or constant; all else that the imputer was told to do is refused."""
    strategy, marks = of.get("strategy"), of.get("missing_values")
    known = isinstance(strategy, str) and strategy in ("mean", "median", "constant")
    _same(of, known, "strategy", strategy, "mean, median or constant")
    is_nan = isinstance(marks, float | np.floating) and bool(np.isnan(marks))
    _same(of, is_nan, "missing_values", marks, "NaN")
    _same(of, not of.flag("add_indicator"), "add_indicator", True, "False")
    return strategy


def _same(of: Attributes, holds: bool, name: str, got: Any, wanted: str) -> None:
    if not holds:
        raise BadParameter(
            got=f"{of.name}({name}={got!r})",
            wanted=f"{name} {wanted}, as nacre.Impute has it",
            do="Fit another estimator, or keep this one in front of nacre's.",
        )


def _ranked(model: Any, points: Array, shares: Sequence[float], n: float) -> Any:
    """n rows on points (q, d), so many on each that the quantiles of `shares` are these points."""
    ends = np.concatenate([[0.0], (np.array(shares[1:]) + shares[:-1]) / 2, [1.0]])
    told = ranked(model, Batch(points, weight=n * np.diff(ends)))
    n_rows = max(round(n), 1)
    return replace(told, weight=float(n), n_rows=n_rows, n_weighted=n_rows)


READERS: Mapping[str, Callable[[Attributes, Given], Part]] = {
    "KMeans": _kmeans,
    "MiniBatchKMeans": _kmeans,
    "PCA": _pca,
    "IncrementalPCA": _pca,
    "StandardScaler": _scale,
    "RobustScaler": _robust,
    "SimpleImputer": _impute,
}
