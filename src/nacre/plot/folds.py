"""How a learner does on rows that it has not seen: fold by fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from nacre.kinds import Array
from nacre.plot.picture import BARE, Picture, listed, spec
from nacre.plot.words import number

STEP = 30  # pixels of a fold
ROOM = 0.18  # of the scores' range, on either side: for the text beside a point


def by_fold(scores: Array, n_rows: Array, measure: str, better: str) -> Picture:
    """The score of each fold as a point, and their mean as a line.

    >>> by_fold(np.array([2.0, 3.0]), np.array([50, 50]), "loss", "lower").says
    'Points of the loss of 2 folds, from 2 to 3, on average 2.5; lower is better.'

    Args:
        scores: (folds,) float64; NaN where it is not defined.
        n_rows: (folds,) rows that were scored.
        measure: what the scores are.
        better: "higher" or "lower".
    """
    some = scores[np.isfinite(scores)]
    known = some if len(some) else np.zeros(1)
    mean = float(known.mean())
    names = [f"fold {at}" for at in range(len(scores))]
    data = {
        "name": names,
        "score": scores,
        "rows": n_rows,
        "text": ["undefined" if np.isnan(one) else number(one) for one in scores.tolist()],
    }
    ends = f"from {number(float(known.min()))} to {number(float(known.max()))}"
    told = f"{ends}, on average {number(mean)}" if len(some) else "none of them defined"
    says = f"Points of the {measure} of {len(scores)} folds, {told}"
    rows = listed("name", names, {**BARE, "labelPadding": 8})
    layer = _layer(known, rows, f"{measure}, {better} is better")
    return Picture(
        "On rows that it has not seen",
        f"{says}; {better} is better.",
        data,
        spec(data, layer=layer, height=STEP * len(scores)),
    )


def _layer(known: Array, rows: dict[str, Any], title: str) -> list[dict[str, Any]]:
    least, most, mean = float(known.min()), float(known.max()), float(known.mean())
    room = (most - least) * ROOM or max(abs(mean), 1.0) * ROOM
    scale = {"domain": [least - room, most + room], "nice": False}
    axis = {"tickCount": 5, "domain": False, "ticks": False}
    x = {"field": "score", "type": "quantitative", "title": title, "axis": axis, "scale": scale}
    tooltip = [
        {"field": "name", "title": "fold"},
        {"field": "rows", "format": ","},
        {"field": "text", "title": "score"},
    ]
    rule = {"type": "rule", "style": "line", "strokeDash": [3, 3], "strokeWidth": 1}
    point = {"type": "point", "style": "ink", "filled": True, "size": 90, "opacity": 1}
    text = {"type": "text", "style": "ink", "align": "left", "dx": 10, "fontSize": 12}
    words = {"type": "text", "style": "quiet", "y": -8, "fontSize": 11, "text": "mean"}
    of_mean = {"data": {"values": [{"score": mean}]}, "encoding": {"x": x}}
    return [
        {**of_mean, "mark": rule},
        {**of_mean, "mark": words},
        {"mark": point, "encoding": {"x": x, "y": rows, "tooltip": tooltip}},
        {"mark": text, "encoding": {"x": x, "y": rows, "text": {"field": "text"}}},
    ]
