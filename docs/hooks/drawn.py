"""The pictures of the learners' pages: small fits, drawn. `folders.py` draws the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import nacre
from docs.hooks import folders
from docs.hooks.shapes import bands, bare, cells, kinds, number
from nacre.plot.losses import Pass, losses
from nacre.plot.picture import BARE, Picture, listed, spec
from nacre.plot.plane import projection
from nacre.store.describe import describe


def _draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def kmeans() -> Picture:
    """Rows in groups, each bin in the colour of its cluster."""
    corners = np.array([[0, 0], [6, 1], [2, 6], [8, 7], [12, 2]])
    spread = np.array([1.2, 0.8, 1.0, 1.3, 0.7])
    which = _draw().integers(0, 5, 6_000)
    X = corners[which] + _draw(1).normal(size=(6_000, 2)) * spread[which, None]
    km = nacre.KMeans(5, random_state=0).fit(X)
    names = [f"cluster {j}" for j in range(5)]
    return projection(X, km.labels_, names, ("first column", "second column"))


def micro() -> Picture:
    """Cells by their weight, in the colours of the clusters that they make, and the centres."""
    corners = np.array([[0, 0], [6, 1], [2, 6], [8, 7]])
    X = corners[_draw().integers(0, 4, 8_000)] + _draw(1).normal(size=(8_000, 2)) * 1.1
    fit = nacre.Micro(nacre.KMeans(4)).fit(X)
    cells, names = fit.cells_, [f"cluster {j}" for j in range(4)]
    data = {
        "x": cells.means[:, 0].round(3),
        "y": cells.means[:, 1].round(3),
        "rows": cells.weights,
        "cluster": [names[j] for j in cells.labels],
    }
    area = {"domain": [0, float(cells.weights.max())], "range": [4, 420], "type": "linear"}
    size = {"field": "rows", "type": "quantitative", "scale": area, "legend": None}
    centres = [{"x": float(x), "y": float(y)} for x, y in fit.cluster_centers_.round(3)]
    cross = {"type": "point", "shape": "cross", "filled": True, "size": 170, "style": "ink"}
    layer = [
        {
            "mark": {"type": "point", "filled": True, "opacity": 0.65},
            "encoding": {"size": size, "color": kinds("cluster", names)},
        },
        {"data": {"values": centres}, "mark": cross},
    ]
    says = (
        f"{len(X):,} rows in {len(cells.keys)} cells, each at the mean of its rows and as large as "
        "its weight, in the colour of its cluster; a cross at each centre."
    )
    place = {"x": bare("x"), "y": bare("y")}
    return Picture("Cells", says, data, spec(data, layer=layer, encoding=place, height=340))


def pca() -> Picture:
    """A cloud of rows, and the two directions in which it varies."""
    turn = np.array([[0.9, 0.45], [-0.45, 0.9]])
    X = np.round(_draw().normal(size=(500, 2)) * [2.4, 0.7] @ turn + [3, 2], 3)
    fit = nacre.PCA(2).fit(X)
    ends = fit.components_ * np.sqrt(fit.explained_variance_)[:, None] * 2
    share = fit.explained_variance_ratio_
    names = [f"component {i + 1}: {share[i]:.0%} of the variance" for i in range(2)]
    lines = [
        {"x": a[0], "y": a[1], "x2": b[0], "y2": b[1], "what": name}
        for name, a, b in zip(
            names, (fit.mean_ - ends).round(3), (fit.mean_ + ends).round(3), strict=True
        )
    ]
    data = {"x": X[:, 0], "y": X[:, 1]}
    place = {"x": bare("x"), "y": bare("y")}
    layer = [
        {"mark": {"type": "point", "filled": True, "size": 14, "style": "line", "opacity": 0.35}},
        {
            "data": {"values": lines},
            "mark": {"type": "rule", "strokeWidth": 3.5, "strokeCap": "round"},
            "encoding": {
                "x2": {"field": "x2"},
                "y2": {"field": "y2"},
                "color": kinds("what", names, direction="vertical"),
            },
        },
    ]
    says = (
        "A cloud of rows; a line along each component, two deviations to both sides: "
        f"{share[0]:.0%} of the variance along the first, {share[1]:.0%} along the second."
    )
    return Picture("Components", says, data, spec(data, layer=layer, encoding=place, height=340))


def moments() -> Picture:
    """What three shards say, and what their sum says."""
    parts = [_draw(i).normal(m, s, (400, 1)) for i, (m, s) in enumerate([(1, 1), (4, 2), (2, 0.6)])]
    named = [(f"shard {i + 1}", X) for i, X in enumerate(parts)]
    rows = []
    for name, X in [*named, ("their sum", np.concatenate(parts))]:
        fit = nacre.Moments().fit(X)
        kind = "a shard" if name != "their sum" else "all rows"
        rows.append((name, kind, float(fit.mean_[0]), float(np.sqrt(fit.var_[0]))))
    says = (
        "Means and deviations of three shards, and of all rows: made from the three, never from "
        "the rows again."
    )
    return bands("A sum of shards", says, rows, "mean ± deviation of a column")


def histogram() -> Picture:
    """Buckets that grow with the numbers in them."""
    X = _draw().lognormal(sigma=1.1, size=(20_000, 1))
    found = nacre.Histogram(relative_error=0.1).fit(X).bars(0)
    data = {"lower": found.lower, "upper": found.upper, "rows": found.weight}
    log = {"type": "log", "domain": [0.02, 60], "nice": False, "clamp": True}
    x = number("lower", "a column's numbers", scale=log)
    x["axis"] = {**x["axis"], "values": [0.03, 0.1, 0.3, 1, 3, 10, 30]}
    encoding = {
        "x": x,
        "x2": {"field": "upper"},
        "y": number("rows", "rows in a bucket", stack=None),
    }
    layer = [{"mark": "rect", "encoding": {"color": _first(), "y2": {"datum": 0}}}]
    says = (
        f"{len(found.weight)} buckets for 20,000 numbers from {X.min():.2g} to {X.max():.2g}, each "
        "as wide as a fixed part of the numbers in it: on a log scale all are alike."
    )
    return Picture("Buckets", says, data, spec(data, layer=layer, encoding=encoding, height=260))


def _first(name: str = "rows") -> dict[str, Any]:
    """The first colour of the clusters, without a legend."""
    return {"datum": name, "type": "nominal", "legend": None}


def quantiles() -> Picture:
    """The share of rows up to a number, and where three shares are reached."""
    X = np.sort(_draw(3).gamma(2.0, 2.0, 400)).round(3)
    fit = nacre.Quantiles(q=(0.25, 0.5, 0.75)).fit(X[:, None])
    found = fit.quantiles_.ravel()
    data = {"number": X, "share": np.arange(1, len(X) + 1) / len(X)}
    marks = [
        {"number": float(v), "share": q, "text": f"{q:.0%} at {v:.3g}"}
        for q, v in zip((0.25, 0.5, 0.75), found, strict=True)
    ]
    share = number("share", "share of the rows")
    share["axis"] = {**share["axis"], "format": ".0%"}
    encoding = {"x": number("number", "a column's numbers"), "y": share}
    text = {"type": "text", "align": "left", "dx": 10, "dy": 8, "fontSize": 12, "style": "ink"}
    layer = [
        {"mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2, "style": "line"}},
        {
            "data": {"values": marks},
            "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
            "encoding": {"color": _first()},
        },
        {"data": {"values": marks}, "mark": text, "encoding": {"text": {"field": "text"}}},
    ]
    says = (
        "The share of the rows up to each number, and three quantiles: "
        + ", ".join(str(one["text"]) for one in marks)
        + "; each is the number of a row, found by counting."
    )
    return Picture("Quantiles", says, data, spec(data, layer=layer, encoding=encoding, height=280))


def sample() -> Picture:
    """A draw from a crowd, and a balanced one."""
    n = np.array([900, 80, 20])
    y = np.repeat(np.array(["common", "rare", "rarest"]), n)
    X = np.arange(1000.0)[:, None]
    names = ["all rows", "a sample", "balanced"]
    plain = nacre.Sample(90, random_state=1).fit(X, y).sample_
    even = nacre.Sample(90, balanced="y", random_state=1).fit(X, y).sample_
    drawn = [y, *(y[one.ids["position"].astype(int)] for one in (plain, even))]
    rows = [
        (names[i], kind, float((of == kind).mean()), int((of == kind).sum()))
        for i, of in enumerate(drawn)
        for kind in ("common", "rare", "rarest")
    ]
    which, kind, share, count = zip(*rows, strict=True)
    data = {"of": list(which), "class": list(kind), "share": np.array(share), "n": np.array(count)}
    axis = {"domain": False, "ticks": False, "grid": False, "format": ".0%"}
    encoding = {
        "y": listed("of", names, {**BARE, "labelLimit": 190, "labelPadding": 8}),
        "x": {"field": "share", "type": "quantitative", "title": None, "axis": axis},
        "color": kinds("class", ["common", "rare", "rarest"]),
        "order": {"field": "class"},
    }
    layer = [{"mark": {"type": "bar", "height": {"band": 0.6}}}]
    told = {name: (of == "rarest").sum() for name, of in zip(names, drawn, strict=True)}
    says = (
        f"Of 1,000 rows 20 are of the rarest class; a draw of 90 has {told[names[1]]} of them, a "
        f"balanced one {told[names[2]]}."
    )
    return Picture("Draws", says, data, spec(data, layer=layer, encoding=encoding, height=140))


def scale() -> Picture:
    """Three columns before and after."""
    X = _draw().normal(size=(2_000, 3)) * [1.5, 4.0, 0.4] + [3.0, -6.0, 9.0]
    after = nacre.Scale().fit_transform(X)
    rows = []
    for when, of in (("as they are", X), ("scaled", after)):
        rows += [
            (f"{name}, {when}", when, float(of[:, i].mean()), float(of[:, i].std()))
            for i, name in enumerate("abc")
        ]
    rows = [(name, kind, round(mean, 6) + 0.0, spread) for name, kind, mean, spread in rows]
    says = "Three columns, each on a measure of its own; scaled, all have mean 0 and deviation 1."
    return bands("Scaled", says, rows, "mean ± deviation")


def robust() -> Picture:
    """What a few far rows do to a scale by mean and deviation, and to one by quantiles."""
    X = np.concatenate([_draw().normal(10, 1, (150, 1)), np.full((8, 1), 60.0)])
    names = ["Scale", "RobustScale"]
    parts = [nacre.Scale().fit_transform(X), nacre.RobustScale().fit_transform(X)]
    good = np.arange(len(X)) < 150
    data = {
        "by": [name for name in names for _ in range(len(X))],
        "value": np.concatenate(parts).ravel().round(4),
        "what": ["sound" if one else "broken" for _ in names for one in good],
    }
    spread = [float(part[good].std()) for part in parts]
    scale_of = {"domain": [-4, 7], "nice": False, "clamp": True}
    encoding = {
        "y": listed("by", names, {**BARE, "labelLimit": 190, "labelPadding": 8}),
        "x": number("value", "after scaling; what lies beyond 7 is drawn there", scale=scale_of),
        "color": kinds("what", ["sound", "broken"]),
    }
    layer = [{"mark": {"type": "tick", "thickness": 2, "bandSize": 26, "opacity": 0.55}}]
    says = (
        "150 sound rows and 8 broken ones. By mean and deviation the sound rows are squeezed to a "
        f"deviation of {spread[0]:.2f}; by median and quartiles they keep {spread[1]:.2f}."
    )
    return Picture("Far rows", says, data, spec(data, layer=layer, encoding=encoding, height=110))


def clip() -> Picture:
    """Numbers by rank, before and after."""
    X = np.sort(_draw(5).standard_t(2, size=400))[:, None]
    fit = nacre.Clip(lower=0.02, upper=0.98).fit(X)
    after = fit.transform(X).ravel()
    data = {
        "rank": np.tile(np.arange(len(X)) / len(X), 2),
        "value": np.concatenate([X.ravel(), after]).round(4),
        "what": ["as it is"] * len(X) + ["clipped"] * len(X),
    }
    rank = number("rank", "share of the rows below")
    rank["axis"] = {**rank["axis"], "format": ".0%"}
    encoding = {
        "x": rank,
        "y": number("value", "a column's numbers"),
        "color": kinds("what", ["as it is", "clipped"]),
        "strokeWidth": {
            "field": "what",
            "type": "nominal",
            "scale": {"range": [2, 4]},
            "legend": None,
        },
    }
    says = (
        f"A column's numbers by rank. 2 % at each end are moved onto {after[0]:.2f} and "
        f"{after[-1]:.2f}; the others stay."
    )
    layer = [{"mark": {"type": "line"}}]
    return Picture("Clipped", says, data, spec(data, layer=layer, encoding=encoding, height=260))


def onehot() -> Picture:
    """A column of texts becomes columns of 0 and 1."""
    frame = pd.DataFrame({"city": ["Rome", "Oslo", "Bonn", "Oslo", "Rome"], "n": [4, 7, 1, 2, 9]})
    fit = nacre.OneHot().fit(frame)
    values = np.asarray(fit.transform(frame), float)
    texts = [[f"{value:g}" for value in row] for row in values]
    colours = values.copy()
    colours[:, -1] = 0
    rows = [f"{i + 1}: {city}" for i, city in enumerate(frame["city"])]
    says = "Five rows: the column of cities becomes one column for each city; numbers stay."
    return cells("Columns", says, list(fit.get_feature_names_out()), rows, colours, texts)


def hashing() -> Picture:
    """Texts fall into columns, with a sign."""
    cities = ["Rome", "Oslo", "Bonn", "Rome", "Lima", "Kyiv"]
    frame = pd.DataFrame({"city": cities, "day": ["Mon", "Tue", "Mon", "Tue", "Mon", "Tue"]})
    values = nacre.Hashing(n_features=10).fit_transform(frame).toarray()
    rows = [f"{city}, {day}" for city, day in zip(frame["city"], frame["day"], strict=True)]
    texts = [[f"{value:+g}" if value else "" for value in row] for row in values]
    says = (
        "Six rows of two texts in ten columns: a text always falls into the same column, with the "
        "same sign; two that meet are added."
    )
    names = [str(i) for i in range(10)]
    return cells("Hashed", says, names, rows, np.clip(values, -1, 1), texts, least_width=420)


def dedup() -> Picture:
    """Rows in order; those that repeat an earlier one."""
    cities = ["Rome", "Oslo", "Rome", "Bonn", "Oslo", "Rome", "Lima", "Bonn"]
    frame = pd.DataFrame({"city": cities})
    kept = nacre.Dedup().fit(frame).select(frame)
    names = [str(i + 1) for i in range(len(cities))]
    texts = [cities, ["goes on" if one else "repeats" for one in kept]]
    values = [[0.0] * len(cities), [-0.5 if one else 0.5 for one in kept]]
    first = int(kept.sum())
    says = f"Eight rows: {first} are the first of their kind and go on; the others repeat one."
    return cells("Repeats", says, names, ["row", "select"], values, texts, least_width=520)


def impute() -> Picture:
    """A column with gaps, and what fills them."""
    n = 60
    truth = np.round(_draw(8).gamma(1.5, 3.0, n), 3)
    gap = _draw(9).random(n) < 0.2
    X = np.where(gap, np.nan, truth)[:, None]
    fills = {s: float(nacre.Impute(s).fit(X).statistics_[0]) for s in ("mean", "median")}
    at = np.flatnonzero(gap)
    names = ["known", *(f"filled with the {s}, {v:.2f}" for s, v in fills.items())]
    data = {
        "row": np.concatenate([np.flatnonzero(~gap), at, at]),
        "value": np.concatenate([truth[~gap], *(np.full(len(at), v) for v in fills.values())]),
        "what": [names[0]] * int((~gap).sum()) + [name for name in names[1:] for _ in at],
    }
    encoding = {
        "x": number("row", "row"),
        "y": number("value", "a column's numbers"),
        "color": kinds("what", names, columns=1),
        "shape": kinds("what", names, columns=1),
    }
    layer = [{"mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.95}}]
    says = (
        f"A column with {len(at)} gaps. The mean, {fills['mean']:.2f}, follows the few large "
        f"numbers; the median is {fills['median']:.2f}."
    )
    return Picture("Filled", says, data, spec(data, layer=layer, encoding=encoding, height=240))


def chain() -> Picture:
    """The passes of a chain, stage after stage."""
    corners = _draw().normal(size=(8, 6)) * 4
    X = corners[_draw(1).integers(0, 8, 20_000)] + _draw(2).normal(size=(20_000, 6))
    X[_draw(3).random(X.shape) < 0.03] = np.nan
    km = nacre.KMeans(8, init="random", algorithm="lloyd")
    pipe = nacre.chain(nacre.Impute(), nacre.Scale(), nacre.PCA(4), km).fit(X)
    passes = describe(pipe)["passes"]
    what = {
        "Filled": "Impute: means",
        "Scaled": "Scale: deviations",
        "Components": "PCA: directions",
        "Seeding": "KMeans: a sample",
    }
    turns = [Pass(what.get(p["phase"], "moving centres"), p["n_rows"], p["loss"]) for p in passes]
    return losses(turns, "squared distance to the centre, per row")


PICTURES: dict[str, Callable[[], Picture]] = {
    **folders.PICTURES,
    "chain": chain,
    "clip": clip,
    "dedup": dedup,
    "hashing": hashing,
    "histogram": histogram,
    "impute": impute,
    "kmeans": kmeans,
    "micro": micro,
    "moments": moments,
    "onehot": onehot,
    "pca": pca,
    "quantiles": quantiles,
    "robustscale": robust,
    "sample": sample,
    "scale": scale,
}
