"""How many clusters there are: the gap over k, and the k that was chosen."""

from __future__ import annotations

from typing import Any

from nacre.kinds import Array
from nacre.plot.losses import ABOVE, HEIGHT
from nacre.plot.picture import Picture, spec

CHOSEN, OTHER = "chosen", "looked at"
MOST_TICKS = 14


def gaps(k: Array, gap: Array, chosen: int) -> Picture:
    """The gap of each number of clusters as a line, and the chosen one as a large point.

    >>> import numpy as np
    >>> gaps(np.array([1, 2, 3]), np.array([0.0, 0.5, 0.4]), 2).says
    'A line of the gap for 1 to 3 clusters; 2 is chosen.'

    Args:
        k: (q,) int, ascending.
        gap: (q,) float64: how much further the error falls with k clusters than in even rows.
        chosen: one of them.
    """
    data = {"k": k, "gap": gap, "what": [CHOSEN if one == chosen else OTHER for one in k]}
    return Picture(
        "How many clusters",
        f"A line of the gap for {k[0]} to {k[-1]} clusters; {chosen} is chosen.",
        data,
        spec(data, layer=_layer(), encoding={"x": _numbers(len(k)), "y": _gap()}, height=HEIGHT),
    )


def _numbers(n: int) -> dict[str, Any]:
    axis = {"tickCount": min(n, MOST_TICKS), "tickMinStep": 1, "format": "d", "grid": False}
    return {"field": "k", "type": "quantitative", "title": "clusters", "axis": axis}


def _gap() -> dict[str, Any]:
    axis = {"domain": False, "ticks": False, "tickCount": 5, **ABOVE}
    return {"field": "gap", "type": "quantitative", "title": "gap", "axis": axis}


def _layer() -> list[dict[str, Any]]:
    domain = [OTHER, CHOSEN]
    of = {"field": "what", "type": "nominal"}
    legend = {"title": None, "orient": "bottom"}
    looks = {
        "color": {**of, "scale": {"domain": domain}, "legend": legend},
        "size": {**of, "scale": {"domain": domain, "range": [20, 160]}, "legend": None},
    }
    tooltip = [{"field": "k", "title": "clusters"}, {"field": "gap", "format": ".3f"}]
    return [
        {"mark": {"type": "line", "style": "line", "strokeWidth": 1.5}},
        {
            "mark": {"type": "point", "filled": True, "opacity": 1},
            "encoding": {**looks, "tooltip": tooltip},
        },
    ]
