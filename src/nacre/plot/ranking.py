"""How well scores rank: the ROC curve, and precision against recall."""

from __future__ import annotations

from typing import Any

import numpy as np

from nacre.kinds import Array
from nacre.plot.losses import ABOVE
from nacre.plot.picture import Picture, spec

HEIGHT = 300
MOST_POINTS = 400


def roc(fpr: Array, tpr: Array, area: float) -> Picture:
    """The ROC curve, beside that of chance.

    >>> roc(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]), 1.0).says
    'A curve of the rates at each threshold; the area below it is 1.0000, by chance 0.5.'

    Args:
        fpr, tpr: (m,) from 0 to 1, both rising.
        area: below the curve.
    """
    at = thinned(fpr, tpr)
    data = _points(fpr=fpr[at], tpr=tpr[at])
    chance = [{"fpr": 0.0, "tpr": 0.0}, {"fpr": 1.0, "tpr": 1.0}]
    names = {"fpr": "share of the others", "tpr": "share of the positive rows"}
    return Picture(
        f"ROC curve, area {area:.3f}",
        f"A curve of the rates at each threshold; the area below it is {area:.4f}, by chance 0.5.",
        data,
        _chart(data, names, chance, "linear"),
    )


def precision_recall(precision: Array, recall: Array, mean: float, share: float) -> Picture:
    """Precision against recall, beside that of chance.

    Args:
        precision, recall: (m,) by rising threshold, so recall falls.
        mean: the average precision.
        share: of the rows that are positive: what chance has.
    """
    at = thinned(recall[::-1], precision[::-1])
    data = _points(recall=recall[::-1][at], precision=precision[::-1][at])
    chance = [{"recall": 0.0, "precision": share}, {"recall": 1.0, "precision": share}]
    return Picture(
        f"Precision and recall, average precision {mean:.3f}",
        f"A curve of the precision at each recall; its average is {mean:.4f}, by chance "
        f"{share:.4f}.",
        data,
        _chart(data, {"recall": "recall", "precision": "precision"}, chance, "step-before"),
    )


def thinned(x: Array, y: Array, most: int = MOST_POINTS) -> Array:
    """The positions of the points of a curve that are shown: evenly spaced along it, and its ends.

    >>> thinned(np.linspace(0, 1, 1001), np.linspace(0, 1, 1001), 3)
    array([   0,  500, 1000])
    """
    if len(x) <= most:
        return np.arange(len(x))
    way = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    return np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], most)).clip(0, len(x) - 1))


def _points(**columns: Array) -> dict[str, Any]:
    n = len(next(iter(columns.values())))
    return {**columns, "place": np.arange(n), "what": ["scores"] * n}


def _chart(
    data: dict[str, Any], names: dict[str, str], chance: list[dict[str, float]], shape: str
) -> dict[str, Any]:
    x, y = names
    curve = {"type": "line", "strokeWidth": 2, "interpolate": shape}
    dashed = {"type": "line", "style": "line", "strokeWidth": 1, "strokeDash": [4, 4]}
    along = {"field": "place", "type": "quantitative"}
    first = {"field": "what", "type": "nominal", "legend": None}  # of the clusters' colours
    tooltip = [{"field": name, "title": title, "format": ".3f"} for name, title in names.items()]
    point = {"type": "point", "opacity": 0, "size": 60}
    return spec(
        data,
        layer=[
            {"data": {"values": chance}, "mark": dashed},
            {"mark": curve, "encoding": {"order": along, "color": first}},
            {"mark": point, "encoding": {"tooltip": tooltip}},
        ],
        encoding={"x": _part(x, names[x]), "y": _part(y, names[y], **ABOVE)},
        height=HEIGHT,
    )


def _part(field: str, title: str, **more: Any) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "domain": False,
        "ticks": False,
        "tickCount": 5,
        "format": ".1f",
        "labelPadding": 6,
    }
    axis.update(more)
    scale = {"domain": [0, 1], "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}
