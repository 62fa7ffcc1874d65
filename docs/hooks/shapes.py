"""What several pictures of the pages are made of: axes, bands of values, boxes and arrows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nacre.plot.picture import BARE, Picture, listed, spec

STEP = 34  # pixels of a row
LINE = 15  # pixels of a line of text in a box


class Box(NamedTuple):
    """A box of a diagram: its left end, its height above the ground, its width; a heading, lines.

    Lengths across are shares of the width, from 0 to 100; those upwards are pixels.
    """

    x: float
    y: float
    width: float
    title: str
    lines: Sequence[str] = ()
    loud: bool = False

    @property
    def height(self) -> float:
        """Pixels that its text needs."""
        return 20 + LINE * (1 + len(self.lines))

    @property
    def middle(self) -> tuple[float, float]:
        """Where its middle lies."""
        return self.x + self.width / 2, self.y + self.height / 2


class Arrow(NamedTuple):
    """An arrow between two points of a diagram, with what it carries beside its middle."""

    x: float
    y: float
    x2: float
    y2: float
    says: str = ""


def number(field: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    """A position by a number, without anything that is not needed to read it."""
    axis = {"domain": False, "ticks": False, "grid": False, "labelFlush": True}
    found = {"field": field, "type": "quantitative", "title": title, "axis": axis}
    return {**found, **more}


def bare(field: str, **more: Any) -> dict[str, Any]:
    """A position by a number whose size says nothing."""
    return {"field": field, "type": "quantitative", "axis": None, **more}


def kinds(field: str, names: Sequence[str], **legend: Any) -> dict[str, Any]:
    """Colours of a few kinds of things, with a legend below."""
    below = {"title": None, "orient": "bottom", **legend}
    return {"field": field, "type": "nominal", "scale": {"domain": list(names)}, "legend": below}


def bands(title: str, says: str, rows: Sequence[tuple[str, str, float, float]], of: str) -> Picture:
    """A mean and a deviation to both sides, in a row each.

    Args:
        title, says: of the picture.
        rows: name, kind, mean, deviation.
        of: what is counted along the axis.
    """
    names, which, mean, deviation = zip(*rows, strict=True)
    low, high = np.subtract(mean, deviation), np.add(mean, deviation)
    data = {
        "row": list(names),
        "kind": list(which),
        "mean": np.array(mean),
        "low": low,
        "high": high,
        "text": [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, deviation, strict=True)],
    }
    colour = kinds("kind", list(dict.fromkeys(which)))
    layer = [
        {
            "mark": {"type": "bar", "height": 12, "cornerRadius": 6, "opacity": 0.35},
            "encoding": {"x": number("low", of), "x2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {"x": number("mean", of), "color": colour},
        },
        {
            "mark": {"type": "text", "style": "quiet", "dy": -13, "fontSize": 11},
            "encoding": {"x": number("mean", of), "text": {"field": "text"}},
        },
    ]
    y = listed("row", list(names), {**BARE, "labelLimit": 190, "labelPadding": 8})
    drawn = spec(data, layer=layer, encoding={"y": y}, height=(STEP + 6) * len(names))
    return Picture(title, says, data, drawn)


def cells(
    title: str,
    says: str,
    columns: Sequence[str],
    rows: Sequence[str],
    values: Any,
    texts: Sequence[Sequence[str]],
    least_width: int = 0,
) -> Picture:
    """A table whose cells have colours: values (rows, columns) from -1 to 1, and a text in each."""
    at = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
    data = {
        "row": [rows[i] for i, _ in at],
        "column": [columns[j] for _, j in at],
        "value": np.array([float(values[i][j]) for i, j in at]),
        "text": [texts[i][j] for i, j in at],
    }
    mark = {"type": "rect", "cornerRadius": 4, "width": {"band": 0.94}, "height": {"band": 0.88}}
    scale = {"domain": [-1, 0, 1], "range": "diverging", "interpolate": "lab"}
    colour = {"field": "value", "type": "quantitative", "scale": scale, "legend": None}
    far = "abs(datum.value) >= 0.7"
    layer = [
        {"mark": mark, "encoding": {"color": colour}},
        _written("on-middle", f"!({far})"),
        _written("on-ends", far),
    ]
    top = {**BARE, "orient": "top", "labelAngle": 0, "labelLimit": 110}
    encoding = {
        "x": listed("column", columns, top),
        "y": listed("row", rows, {**BARE, "labelLimit": 190, "labelPadding": 8}),
    }
    drawn = spec(data, layer=layer, encoding=encoding, height=STEP * len(rows))
    return Picture(title, says, data, drawn, least_width)


def _written(style: str, when: str) -> dict[str, Any]:
    """The text of the cells of which `when` holds."""
    return {
        "transform": [{"filter": when}],
        "mark": {"type": "text", "fontSize": 11.5, "style": style},
        "encoding": {"text": {"field": "text"}},
    }


def diagram(
    title: str, says: str, boxes: Sequence[Box], arrows: Sequence[Arrow], height: int
) -> Picture:
    """Boxes and arrows; too small for reading below 600 pixels, where it is scrolled."""
    layer = [*_arrows(arrows, height), *_boxes(boxes, height)]
    data = {"box": [box.title for box in boxes], "says": [" ".join(box.lines) for box in boxes]}
    drawn = spec({}, layer=layer, height=height)
    return Picture(title, says, data, drawn, least_width=600)


def _place(field: str, most: float) -> dict[str, Any]:
    return bare(field, scale={"domain": [0, most], "nice": False, "zero": True})


def _boxes(boxes: Sequence[Box], height: int) -> list[dict[str, Any]]:
    def values(loud: bool) -> dict[str, Any]:
        rows = [
            {"x": b.x, "x2": b.x + b.width, "y": b.y, "y2": b.y + b.height}
            for b in boxes
            if b.loud == loud
        ]
        return {"values": rows}

    frame = {
        "x": _place("x", 100),
        "x2": {"field": "x2"},
        "y": _place("y", height),
        "y2": {"field": "y2"},
    }
    mark = {"type": "rect", "cornerRadius": 7, "style": "halo", "strokeWidth": 0}
    titles = [
        {"x": b.middle[0], "y": b.y + b.height - 10 - LINE / 2, "text": b.title} for b in boxes
    ]
    lines = [
        {"x": b.middle[0], "y": b.y + b.height - 10 - LINE * (i + 1.5), "text": line}
        for b in boxes
        for i, line in enumerate(b.lines)
    ]
    return [
        {
            "data": values(loud),
            "mark": {**mark, "style": "line", "strokeWidth": 1.4, "filled": True, **look},
            "encoding": frame,
        }
        for loud, look in ((False, {"fillOpacity": 0.1}), (True, {"fillOpacity": 0.28}))
    ] + [
        {
            "data": {"values": rows},
            "mark": {"type": "text", "style": style, "baseline": "middle", **look},
            "encoding": {
                "x": _place("x", 100),
                "y": _place("y", height),
                "text": {"field": "text"},
            },
        }
        for rows, style, look in (
            (titles, "ink", {"fontSize": 13, "fontWeight": 600}),
            (lines, "quiet", {"fontSize": 11}),
        )
    ]


def _arrows(arrows: Sequence[Arrow], height: int) -> list[dict[str, Any]]:
    rows = [a._asdict() for a in arrows]
    ends = [{"x": a.x2, "y": a.y2, "angle": _angle(a)} for a in arrows]
    said = [
        {"x": (a.x + a.x2) / 2, "y": (a.y + a.y2) / 2 + (9 if a.y == a.y2 else -18), "says": a.says}
        for a in arrows
        if a.says
    ]
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "style": "line", "strokeWidth": 1.4},
            "encoding": {
                "x": _place("x", 100),
                "x2": {"field": "x2"},
                "y": _place("y", height),
                "y2": {"field": "y2"},
            },
        },
        {
            "data": {"values": ends},
            "mark": {
                "type": "point",
                "shape": "triangle-right",
                "filled": True,
                "size": 70,
                "opacity": 1,
                "style": "line",
            },
            "encoding": {
                "x": _place("x", 100),
                "y": _place("y", height),
                "angle": {"field": "angle", "type": "quantitative", "scale": None},
            },
        },
        {
            "data": {"values": said},
            "mark": {"type": "text", "style": "quiet", "fontSize": 11},
            "encoding": {
                "x": _place("x", 100),
                "y": _place("y", height),
                "text": {"field": "says"},
            },
        },
    ]


def _angle(a: Arrow) -> float:
    """Degrees clockwise from the right; a picture is 6.6 pixels wide for each share."""
    return float(np.degrees(np.arctan2(a.y - a.y2, (a.x2 - a.x) * 6.6)))
