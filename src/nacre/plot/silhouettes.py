"""How well each cluster is set apart: the silhouettes of its rows, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nacre.kinds import Array
from nacre.plot.picture import BARE, Picture, colour, listed, spec

BARS = 16  # of a cluster, each the mean of so many rows in order
STEP = 40  # pixels of a cluster; without its padding 2 for each bar
PADDING = 0.2  # of a cluster, between it and the next
OVERLAP = 1.3  # bars, so that nothing shines through
ROOM = 1.18  # where the axis ends: the text behind the bars must fit
MOST = 30  # clusters that are drawn
FIRST = {"filter": "datum.bar === 0"}


def silhouettes(
    names: Sequence[str], place: Array, values: Array, weights: Array, means: Array, mean: float
) -> Picture:
    """The silhouettes of the rows of each cluster, from its best to its worst.

    >>> picture = silhouettes(["a"], np.zeros(2, int), np.array([0.4, 0.8]), np.ones(2),
    ...                       np.array([0.6]), 0.6)
    >>> picture.says
    'Bars of the silhouettes of the rows of each cluster: a 0.60; of all rows 0.60.'

    Args:
        names: (k,) of the clusters.
        place: (m,) int64, the cluster of each row that is drawn.
        values: (m,) their silhouettes, from -1 to 1.
        weights: (m,) how much each row counts.
        means: (k,) of the clusters, NaN where nobody knows.
        mean: of all rows.
    """
    order = np.argsort(-means, kind="stable")  # those that nobody knows last
    known = order[~np.isnan(means[order])]
    shown = order if len(order) <= MOST else known[-MOST:] if len(known) else order[:MOST]
    profiles = [_profile(values[place == j], weights[place == j]) for j in shown]
    data = {
        "name": [names[j] for j in shown for _ in range(BARS)],
        "bar": [at for _ in shown for at in range(BARS)],
        "silhouette": np.concatenate(profiles),
        "mean": np.repeat(means[shown], BARS),
        "mean_of_all": np.full(BARS * len(shown), mean),
        "text": [_text(means[j]) for j in shown for _ in range(BARS)],
    }
    told = [f"{names[j]} {_text(means[j])}" for j in shown]
    few = (
        f"the {len(shown)} lowest of {len(order)} clusters" if len(order) > MOST else "each cluster"
    )
    return Picture(
        "How well they are set apart",
        f"Bars of the silhouettes of the rows of {few}: {', '.join(told)}; "
        f"of all rows {_text(mean)}.",
        data,
        spec(
            data,
            layer=_layer([str(names[j]) for j in shown], names, values),
            height=STEP * len(shown),
        ),
    )


def _profile(values: Array, weights: Array) -> Array:
    """(BARS,) means of values in falling order, of equal parts of their weight; NaN of none."""
    if not len(values):
        return np.full(BARS, np.nan)
    order = np.argsort(-values, kind="stable")
    edges = np.concatenate([[0.0], np.cumsum(weights[order])])
    sums = np.concatenate([[0.0], np.cumsum(weights[order] * values[order])])
    cuts = np.linspace(0.0, edges[-1], BARS + 1)
    found: Array = np.diff(np.interp(cuts, edges, sums)) / np.diff(cuts)
    return found


def _text(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.2f}"


def _layer(shown: Sequence[str], names: Sequence[str], values: Array) -> list[dict[str, Any]]:
    y = listed("name", shown, {**BARE, "labelLimit": 190, "labelPadding": 8})
    y["scale"] = {**y["scale"], "paddingInner": PADDING, "paddingOuter": PADDING / 2}
    within = {"field": "bar", "type": "ordinal", "scale": {"paddingInner": 0, "paddingOuter": 0}}
    tooltip = [
        {"field": "name", "title": "cluster"},
        {"field": "silhouette", "format": ".3f"},
        {"field": "mean", "title": "mean of its rows", "format": ".3f"},
    ]
    bars = {
        "x": _values(float(np.nanmin(values, initial=0.0))),
        "y": y,
        "yOffset": within,
        "color": colour(names),
        "tooltip": tooltip,
    }
    one = {"aggregate": [{"op": "count", "as": "n"}], "groupby": ["mean_of_all"]}
    rule = {"type": "rule", "style": "line", "strokeDash": [4, 3], "strokeWidth": 1.5}
    text = {"type": "text", "style": "ink", "align": "left", "fontSize": 12}
    return [
        {"mark": {"type": "bar", "height": {"band": OVERLAP}}, "encoding": bars},
        {
            "transform": [one],
            "mark": rule,
            "encoding": {"x": {"field": "mean_of_all", "type": "quantitative"}},
        },
        {
            "transform": [FIRST],
            "mark": text,
            "encoding": {"x": {"datum": 1.04}, "y": y, "text": {"field": "text"}},
        },
    ]


def _values(least: float) -> dict[str, Any]:
    scale = {"domain": [min(least, 0.0), ROOM], "nice": False}
    axis = {"values": [-1, -0.5, 0, 0.5, 1], "domain": False, "ticks": False}
    title = "silhouette: 1 far from others, 0 on a border, below 0 nearer to others"
    return {
        "field": "silhouette",
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": axis,
    }
