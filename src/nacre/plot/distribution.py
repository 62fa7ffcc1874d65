"""How the numbers of a column lie: a histogram of its buckets, or a line through its quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from nacre.kinds import Array
from nacre.plot.losses import ABOVE, HEIGHT
from nacre.plot.picture import Picture, printable, spec
from nacre.plot.words import number

N_BARS = 48
EDGE = 0.005  # share of the rows that a histogram leaves out at either end
ONE = {"field": "column", "type": "nominal", "legend": None}  # the first colour of the theme


def histogram(name: str, lower: Array, upper: Array, weight: Array) -> Picture:
    """Bars of equal width; the frame leaves the outermost 0.5 % of each end out.

    >>> ends = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    >>> histogram("x", *ends, np.array([1.0, 3.0])).data["share"].max()
    np.float64(0.75)

    Args:
        name: of the column.
        lower, upper, weight: (m,) rising, of the buckets: a bucket's weight lies evenly in it.
    """
    below = np.cumsum(weight)
    first, last = np.searchsorted(below, below[-1] * np.array([EDGE, 1 - EDGE]))
    low, high = float(lower[first]), float(upper[last])
    edges = np.linspace(low, high, N_BARS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    ends = np.stack([lower, upper], axis=1).ravel()
    reached = np.stack([below - weight, below], axis=1).ravel() / below[-1]
    at = edges.copy()
    at[0], at[-1] = np.nextafter(edges[0], -np.inf), np.nextafter(edges[-1], np.inf)
    share = np.diff(np.interp(at, ends, reached))
    data = {"low": edges[:-1], "high": edges[1:], "share": share, "column": [name] * len(share)}
    outside = max(1.0 - float(share.sum()), 0.0)
    return Picture(
        f"The distribution of {name}",
        f"A histogram of {name} from {number(low)} to {number(high)}; "
        f"{outside:.1%} of the rows lie outside.",
        data,
        spec(data, layer=[_bars(name)], height=HEIGHT),
    )


def quantiles(name: str, share: Array, value: Array) -> Picture:
    """The quantiles of a column as points, and a line through them.

    >>> quantiles("x", np.array([0.25, 0.75]), np.array([1.0, 3.0])).says
    'A rising line of 2 quantiles of x, from 1 to 3.'

    Args:
        name: of the column.
        share: (q,) of the weight that lies below each.
        value: (q,) the quantiles.
    """
    order = np.argsort(share, kind="stable")
    share, value = np.asarray(share)[order], np.asarray(value)[order]
    data = {"share": share, "value": value, "column": [name] * len(order)}
    ends = f"from {number(value[0])} to {number(value[-1])}"
    encoding = {"x": _values("value", name), "y": _share("share", "share of the rows below")}
    return Picture(
        f"The distribution of {name}",
        f"A rising line of {len(order)} quantiles of {name}, {ends}.",
        data,
        spec(data, layer=_curve(name), encoding=encoding, height=HEIGHT),
    )


def _values(field: str, name: str) -> dict[str, Any]:
    scale = {"zero": False, "nice": False}
    axis = {"grid": False}
    kind = {"type": "quantitative", "title": printable(name)}
    return {"field": field, **kind, "scale": scale, "axis": axis}


def _share(field: str, title: str) -> dict[str, Any]:
    axis = {"domain": False, "ticks": False, "tickCount": 5, "format": ".1~%", **ABOVE}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis}


def _bars(name: str) -> dict[str, Any]:
    tooltip = [
        {"field": "low", "title": "from", "format": ",.4~g"},
        {"field": "high", "title": "to", "format": ",.4~g"},
        {"field": "share", "format": ".2%"},
    ]
    return {
        "mark": {"type": "bar", "cornerRadiusEnd": 2, "binSpacing": 1},
        "encoding": {
            "x": _values("low", name),
            "x2": {"field": "high"},
            "y": _share("share", "share of the rows"),
            "y2": {"datum": 0},
            "color": ONE,
            "tooltip": tooltip,
        },
    }


def _curve(name: str) -> list[dict[str, Any]]:
    tooltip = [
        {"field": "share", "format": ".2~%"},
        {"field": "value", "title": printable(name), "format": ",.6~g"},
    ]
    point = {"type": "point", "filled": True, "size": 80, "opacity": 1}
    coloured = {"color": ONE, "tooltip": tooltip}
    return [
        {"mark": {"type": "line", "style": "line", "strokeWidth": 1.5}},
        {"mark": point, "encoding": coloured},
    ]
