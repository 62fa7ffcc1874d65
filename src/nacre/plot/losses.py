"""How a model was learned: the loss, pass by pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nacre.plot.picture import Picture, spec
from nacre.plot.words import number

A_PART, ALL = "a part of the rows", "all rows"
ABOVE = {  # a title of the upright axis that one reads without turning one's head
    "titleAngle": 0,
    "titleAlign": "left",
    "titleAnchor": "end",
    "titleBaseline": "bottom",
    "titleX": -30,
    "titleY": -10,
}
HEIGHT = 260
MOST_TICKS = 14


class Pass(NamedTuple):
    """One pass over the data.

    Attributes:
        what: what it looked for: "means and deviations".
        n_rows: how many rows it looked at.
        loss: what it measured, lower is better; None where there is nothing to measure yet.
    """

    what: str
    n_rows: int
    loss: float | None


def losses(passes: Sequence[Pass], unit: str = "loss") -> Picture:
    """The loss of each pass: a line for those over a part of the rows, another for those over all.

    >>> losses([Pass("choosing first centres", 50, None), Pass("moving centres", 90, 2.5)]).says
    'A line of the loss in each of 2 passes, from 2.5 to 2.5.'

    Args:
        passes: in their order.
        unit: what the loss is.
    """
    n_all = max((one.n_rows for one in passes), default=0)
    data = {
        "pass": np.arange(1, len(passes) + 1),
        "what": [one.what for one in passes],
        "rows": np.array([one.n_rows for one in passes]),
        "loss": np.array([np.nan if one.loss is None else one.loss for one in passes]),
        "looked_at": [ALL if one.n_rows == n_all else A_PART for one in passes],
    }
    known = [one.loss for one in passes if one.loss is not None]
    ends = f", from {number(known[0])} to {number(known[-1])}" if known else ""
    return Picture(
        "How it was learned",
        f"A line of the {unit} in each of {len(passes)} passes{ends}.",
        data,
        spec(data, layer=_layer(unit), encoding={"x": _turns(len(passes))}, height=HEIGHT),
    )


def _turns(n: int) -> dict[str, Any]:
    axis = {"tickCount": min(n, MOST_TICKS), "tickMinStep": 1, "format": "d", "grid": False}
    scale = {"domain": [0.5, n + 0.5], "nice": False}
    return {"field": "pass", "type": "quantitative", "axis": axis, "scale": scale}


def _layer(unit: str) -> list[dict[str, Any]]:
    """What passes without a loss looked for, as text; lines; and points upon them."""
    text = {"type": "text", "style": "quiet", "angle": 270, "align": "left", "fontSize": 11}
    known = [{"filter": "isValid(datum.loss)"}]
    return [
        {
            "transform": [{"filter": "!isValid(datum.loss)"}],
            "mark": {**text, "dx": 6},
            "encoding": {"text": {"field": "what"}, "y": {"value": HEIGHT}},
        },
        {
            "transform": known,
            "mark": {"type": "line", "style": "line", "strokeWidth": 1.5},
            "encoding": {"y": _loss(unit), "detail": {"field": "looked_at"}},
        },
        {
            "transform": known,
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"y": _loss(unit), **_looked_at(), "tooltip": _tooltip(unit)},
        },
    ]


def _loss(unit: str) -> dict[str, Any]:
    axis = {"domain": False, "ticks": False, "tickCount": 5, **ABOVE}
    scale = {"zero": False, "padding": 12}
    return {"field": "loss", "type": "quantitative", "title": unit, "scale": scale, "axis": axis}


def _looked_at() -> dict[str, Any]:
    of = {
        "field": "looked_at",
        "type": "nominal",
        "legend": {"title": None, "orient": "bottom"},
    }
    domain = [A_PART, ALL]
    return {
        "shape": {**of, "scale": {"domain": domain, "range": ["circle", "square"]}},
        "color": {**of, "scale": {"domain": domain}},
    }


def _tooltip(unit: str) -> list[dict[str, Any]]:
    return [
        {"field": "pass"},
        {"field": "what", "title": "looked for"},
        {"field": "rows", "format": ","},
        {"field": "loss", "title": unit, "format": ".4f"},
    ]
