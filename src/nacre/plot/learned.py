"""Which picture a fitted learner has: what `learner.plot()` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from nacre.errors import BadParameter
from nacre.kinds import Array, MomentSums
from nacre.plot.centres import centres
from nacre.plot.distribution import histogram, quantiles
from nacre.plot.picture import Picture
from nacre.plot.profile import Profile, profile
from nacre.plot.sizes import sizes
from nacre.plot.variance import variance
from nacre.plot.words import Feature, described

Parts = Iterable[tuple[Array, Array]]


def picture_of(
    learner: Any, parts: Parts | None = None, column: int | str | None = None
) -> Picture:
    """The picture of a fitted learner, of a chain that of its last stage.

    Args:
        learner: fitted.
        parts: for KMeans and Micro: rows (n, d) and their clusters (n,), part by part; or None.
        column: of Histogram and Quantiles; None: the first.

    Raises:
        BadParameter: a learner without a picture, or an option that it has no use for.
    """
    stages = getattr(learner, "stages", ())
    last = learner.fitted_stage(len(stages) - 1) if stages else learner
    kinds = [kind.__name__ for kind in type(last).__mro__ if kind.__name__ in PICTURES]
    if not kinds:
        raise BadParameter(
            got=f"{type(last).__name__}.plot()",
            wanted=f"one of {', '.join(PICTURES)}, or a chain that ends in one",
            do="Read its attributes, or see nacre.plot for pictures of numbers.",
        )
    draw, takes = PICTURES[kinds[0]]
    for option, value in (("data", parts), ("column", column)):
        if value is not None and option != takes:
            raise BadParameter(
                got=f"{kinds[0]}.plot({option}=...)",
                wanted=f"{takes}= alone" if takes else "no option",
                do=f"Leave {option} out.",
            )
    return draw(learner, last, parts if takes == "data" else column)


def _clusters(learner: Any, kmeans: Any, parts: Parts | None) -> Picture:
    """How big they are; of rows what sets them apart, in the columns of the data."""
    k = kmeans.n_clusters_
    if parts is None:
        told = kmeans.state_.told
        own = told.weights if hasattr(told, "weights") else kmeans.cluster_weights_
        weights = np.asarray(own, np.float64)
        empty = MomentSums(*(np.zeros((k, 0)) for _ in range(3)))
        return sizes(Profile(weights, empty), [f"cluster {j}" for j in range(k)])
    found = profile(((_dense(X), labels) for X, labels in parts), k)
    features = [Feature(name) for name in _names(learner)]
    told = [one.name for one in described(found, features)]
    names = [f"{j}: {name}" for j, name in enumerate(told)]
    return centres(found, features, names)


def _components(learner: Any, pca: Any, nothing: None) -> Picture:
    return variance(pca.explained_variance_ratio_)


def _buckets(learner: Any, counted: Any, column: int | str | None) -> Picture:
    at, name = _column(learner, column)
    bars = counted.bars(at)
    if not len(bars.weight):
        raise _no_numbers(name)
    low, high = counted.min_[at], counted.max_[at]
    lower, upper = np.clip(bars.lower, low, high), np.clip(bars.upper, low, high)
    return histogram(name, lower, upper, bars.weight)


def _quantiles(learner: Any, found: Any, column: int | str | None) -> Picture:
    at, name = _column(learner, column)
    return quantiles(name, np.asarray(found.q, np.float64), found.quantiles_[:, at])


def _names(learner: Any) -> list[str]:
    schema = learner.state_.schema
    return list(schema.names or (f"x{i}" for i in range(schema.n_columns)))


def _column(learner: Any, column: int | str | None) -> tuple[int, str]:
    """Position and name of a column that was said by either."""
    names = _names(learner)
    column = 0 if column is None else column
    whole = isinstance(column, int | np.integer) and not isinstance(column, bool)
    known = column in names if isinstance(column, str) else whole
    if not known or not (isinstance(column, str) or -len(names) <= column < len(names)):
        raise BadParameter(
            got=f"column={column!r}",
            wanted=f"one of {names[:12]}, or a position below {len(names)}",
            do="Name a column of the fit.",
        )
    at = names.index(column) if isinstance(column, str) else int(column) % len(names)
    return at, names[at]


def _no_numbers(name: str) -> BadParameter:
    return BadParameter(
        got=f"column {name!r}, in which there was no number",
        wanted="a column with numbers",
        do="Choose another column.",
    )


def _dense(X: Array) -> Array:
    if hasattr(X, "toarray"):
        raise BadParameter(
            got="sparse rows",
            wanted="dense ones, to tell what each column is on average",
            do="Pass some of the rows: data=X[:10_000].toarray().",
        )
    if not isinstance(X, np.ndarray):
        raise BadParameter(
            got="columns that are not all numbers",
            wanted="numbers, to tell what each column is on average",
            do="Leave data out.",
        )
    return X


# class -> how it is drawn, and the option that it takes
PICTURES: Mapping[str, tuple[Callable[[Any, Any, Any], Picture], str]] = {
    "KMeans": (_clusters, "data"),
    "Micro": (_clusters, "data"),
    "PCA": (_components, ""),
    "Histogram": (_buckets, "column"),
    "Quantiles": (_quantiles, "column"),
}
