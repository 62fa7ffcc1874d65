"""Whether clusters come again when other rows are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nacre.kinds import Array
from nacre.plot.picture import BARE, Picture, colour, listed, spec

STEP = 34  # pixels of a cluster
NAMES = 190  # pixels of their names
MARKS = 96  # pixels below: the axis and its title


def recovered(names: Sequence[str], jaccard: Array, *, stable: float, doubtful: float) -> Picture:
    """How well each cluster comes again: a point for each fit on other rows, and their mean.

    >>> recovered(["a", "b"], np.array([[0.9, 0.5], [1.0, 0.3]]), stable=0.75, doubtful=0.6).says
    'Points of the Jaccard index of 2 clusters in 2 fits, from 0 to 1. On average: a 0.95, b 0.40.'

    Args:
        names: (k,) of the clusters.
        jaccard: (n_fits, k) the greatest Jaccard index of each cluster in each fit.
        stable, doubtful: means from which a cluster is called stable, and at least doubtful.
    """
    n_fits, k = jaccard.shape
    mean = jaccard.mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    data = {
        "name": [names[j] for j in order for _ in range(n_fits)],
        "fit": np.tile(np.arange(1, n_fits + 1), k),
        "jaccard": jaccard[:, order].T.ravel(),
        "mean": np.repeat(mean[order], n_fits),
    }
    told = ", ".join(f"{names[j]} {mean[j]:.2f}" for j in order)
    lines = {doubtful: f"doubtful from {doubtful:g}", stable: f"stable from {stable:g}"}
    rows = listed("name", [names[j] for j in order], {**BARE, "labelLimit": NAMES})
    layer = [*_lines(lines), *_points(names, rows)]
    return Picture(
        "Whether they come again",
        f"Points of the Jaccard index of {k} clusters in {n_fits} fits, from 0 to 1. "
        f"On average: {told}.",
        data,
        spec(data, layer=layer, height=max(STEP * k, 2 * STEP)),
        least_width=NAMES + 260,
    )


def _index() -> dict[str, Any]:
    axis = {"tickCount": 5, "format": ".1f", "domain": False, "ticks": False}
    title = "Jaccard index with the nearest cluster of each fit"
    scale = {"domain": [0, 1], "nice": False}
    return {
        "field": "jaccard",
        "type": "quantitative",
        "title": title,
        "axis": axis,
        "scale": scale,
    }


def _lines(at: dict[float, str]) -> list[dict[str, Any]]:
    """Where the verdict changes, with its words above."""
    drawn = []
    for x, text in at.items():
        one = {"data": {"values": [{"jaccard": x, "text": text}]}}
        place = {"x": _index()}
        rule = {"type": "rule", "style": "line", "strokeDash": [3, 3], "strokeWidth": 1}
        words = {
            "type": "text",
            "style": "quiet",
            "align": "right" if x == min(at) else "left",
            "dx": -4 if x == min(at) else 4,
            "y": -8,
            "fontSize": 11,
        }
        drawn.append({**one, "mark": rule, "encoding": place})
        drawn.append({**one, "mark": words, "encoding": {**place, "text": {"field": "text"}}})
    return drawn


def _points(names: Sequence[str], rows: dict[str, Any]) -> list[dict[str, Any]]:
    tooltip = [
        {"field": "name", "title": "cluster"},
        {"field": "fit"},
        {"field": "jaccard", "title": "Jaccard index", "format": ".3f"},
        {"field": "mean", "title": "on average", "format": ".3f"},
    ]
    point = {"type": "point", "filled": True, "size": 46, "opacity": 0.8}
    mean = {"type": "tick", "style": "ink", "thickness": 3, "size": STEP * 0.62}
    of_mean = {**_index(), "field": "mean"}
    of_fit = {"x": _index(), "y": rows, "color": colour(names), "tooltip": tooltip}
    of_all = {"x": of_mean, "y": rows, "tooltip": tooltip[:1] + tooltip[3:]}
    return [{"mark": point, "encoding": of_fit}, {"mark": mean, "encoding": of_all}]
