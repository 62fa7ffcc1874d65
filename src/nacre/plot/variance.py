"""What principal components hold: the share of the variance of each, and of all up to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from nacre.kinds import Array
from nacre.plot.losses import ABOVE, HEIGHT
from nacre.plot.picture import Picture, spec

MOST_TICKS = 14
HALF = 0.36  # of the width of a bar
EACH, TOGETHER = "each", "together"


def variance(share: Array) -> Picture:
    """Bars of the share of each component, and a line of the shares of all up to it.

    >>> variance(np.array([0.5, 0.25])).says
    'Bars of the variance that each of 2 components holds, from 50.0% to 25.0%; together 75.0%.'

    Args:
        share: (k,) of the variance of all columns.
    """
    k = len(share)
    number, together = np.arange(1, k + 1), np.cumsum(share)
    data = {
        "component": number,
        "low": number - HALF,
        "high": number + HALF,
        "share": np.asarray(share, np.float64),
        "together": together,
        "bar": [EACH] * k,
        "line": [TOGETHER] * k,
    }
    ends = f"from {share[0]:.1%} to {share[-1]:.1%}" if k > 1 else f"{share[0]:.1%}"
    return Picture(
        "What the components hold",
        f"Bars of the variance that each of {k} components holds, {ends}; "
        f"together {float(together[-1]):.1%}.",
        data,
        spec(data, layer=_layer(k), height=HEIGHT),
    )


def _components(field: str, k: int) -> dict[str, Any]:
    axis = {"tickCount": min(k, MOST_TICKS), "tickMinStep": 1, "format": "d", "grid": False}
    scale = {"domain": [0.5, k + 0.5], "nice": False}
    kind = {"type": "quantitative", "title": "component"}
    return {"field": field, **kind, "axis": axis, "scale": scale}


def _share() -> dict[str, Any]:
    axis = {"domain": False, "ticks": False, "tickCount": 5, "format": ".0%", **ABOVE}
    title = "share of the variance"
    return {"type": "quantitative", "title": title, "scale": {"domain": [0, 1]}, "axis": axis}


def _layer(k: int) -> list[dict[str, Any]]:
    tooltip = [
        {"field": "component"},
        {"field": "share", "format": ".2%"},
        {"field": "together", "format": ".2%"},
    ]
    legend = {"title": None, "orient": "bottom"}
    kinds = {"type": "nominal", "scale": {"domain": [EACH, TOGETHER]}, "legend": legend}
    bar = {"type": "bar", "cornerRadiusEnd": 3}
    line = {"type": "line", "strokeWidth": 1.5, "point": {"filled": True, "size": 50}}
    wide = {"x": _components("low", k), "x2": {"field": "high"}, "y2": {"datum": 0}}
    parts = (
        (bar, "bar", {**wide, "y": {"field": "share"}}),
        (line, "line", {"x": _components("component", k), "y": {"field": "together"}}),
    )
    return [
        {
            "mark": mark,
            "encoding": {
                **where,
                "y": {**_share(), **where["y"]},
                "color": {"field": what, **kinds},
                "tooltip": tooltip,
            },
        }
        for mark, what, where in parts
    ]
