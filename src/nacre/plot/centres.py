"""What the clusters have on average, beside all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nacre.plot.picture import BARE, Picture, listed, spec
from nacre.plot.profile import Profile
from nacre.plot.words import Feature

MOST_APART = 3.0  # standard deviations at which the colours end
END_FROM = 2.1  # from which the text in a cell is that for the ends of the colours
STEP = 46  # pixels of a row
WIDE = 74  # pixels that a column needs, at least
NAMES = 150  # pixels of the clusters' names
TWO_LINES = r"split(replace(datum.label, ' ', '\n'), '\n')"  # at the first blank
KNOWN, UNKNOWN = {"filter": "isValid(datum.deviation)"}, {"filter": "!isValid(datum.deviation)"}


def centres(of: Profile, features: Sequence[Feature], names: Sequence[str]) -> Picture:
    """What each cluster has on average: a heat map of its deviations, with the means as text.

    Args:
        of: k clusters, d columns.
        features: (d,) of the columns.
        names: (k,) of the clusters.
    """
    cells = [(j, i) for j in of.by_size for i in range(len(features))]
    mean, deviation, of_all = of.mean, of.deviation, of.of_all.mean
    data = {
        "cluster": [j for j, _ in cells],
        "name": [names[j] for j, _ in cells],
        "feature": [features[i].name for _, i in cells],
        "mean": np.array([mean[cell] for cell in cells]),
        "mean_of_all": np.array([of_all[i] for _, i in cells]),
        "deviation": np.array([deviation[cell] for cell in cells]),
        "text": [_shown(features[i], mean[j, i]) for j, i in cells],
        "text_of_all": [_shown(features[i], of_all[i]) for _, i in cells],
    }
    encoding = {
        "x": _columns([feature.name for feature in features]),
        "y": _rows([names[j] for j in of.by_size]),
    }
    return Picture(
        "What sets them apart",
        "A heat map: a row for each cluster, a column for each measure; the colour is how far the "
        "cluster's mean lies from that of all rows, in standard deviations.",
        data,
        spec(data, layer=_layer(), encoding=encoding, height=STEP * len(of.n)),
        least_width=NAMES + WIDE * len(features),
    )


def _shown(feature: Feature, mean: float) -> str:
    return "none" if np.isnan(mean) else feature.show(float(mean))


def _columns(titles: Sequence[str]) -> dict[str, Any]:
    axis = {
        **BARE,
        "orient": "top",
        "labelAngle": 0,
        "labelExpr": TWO_LINES,
        "labelLimit": 110,
        "labelLineHeight": 15,
        "labelBaseline": "line-bottom",
        "labelPadding": 6,
        "offset": 16,  # for the second line
    }
    return listed("feature", titles, axis)


def _rows(order: Sequence[str]) -> dict[str, Any]:
    axis = {**BARE, "labelLimit": NAMES, "labelPadding": 8}
    return listed("name", order, axis)


def _layer() -> list[dict[str, Any]]:
    cell = {"type": "rect", "cornerRadius": 4, "width": {"band": 0.95}, "height": {"band": 0.92}}
    empty = {**cell, "style": "empty", "strokeDash": [3, 3]}
    none = {"type": "text", "style": "quiet", "fontSize": 11, "text": "none"}
    far = f"abs(datum.deviation) >= {END_FROM}"
    return [
        {"transform": [UNKNOWN], "mark": empty},
        {"transform": [UNKNOWN], "mark": none},
        {
            "transform": [KNOWN],
            "mark": cell,
            "encoding": {"color": _deviation(), "tooltip": _tooltip()},
        },
        *_text("on-middle", f"!({far})"),
        *_text("on-ends", far),
    ]


def _deviation() -> dict[str, Any]:
    ends = [-MOST_APART, 0, MOST_APART]
    legend = {
        "title": "standard deviations below or above the average",
        "titleLimit": 320,
        "orient": "bottom",
        "gradientLength": 220,
        "gradientThickness": 8,
        "values": ends,
        "format": "d",
        "labelExpr": "datum.value > 0 ? '+' + datum.label : datum.label",
    }
    scale = {"domain": ends, "range": "diverging", "clamp": True, "interpolate": "lab"}
    return {"field": "deviation", "type": "quantitative", "scale": scale, "legend": legend}


def _tooltip() -> list[dict[str, Any]]:
    return [
        {"field": "name", "title": "cluster"},
        {"field": "feature", "title": "measure"},
        {"field": "text", "title": "mean"},
        {"field": "text_of_all", "title": "of all rows"},
        {"field": "deviation", "title": "deviations", "format": "+.2f"},
    ]


def _text(style: str, when: str) -> list[dict[str, Any]]:
    """The mean, and below it the deviation, in the cells of which `when` holds."""
    some = [KNOWN, {"filter": when}]
    mark = {"type": "text", "style": style}
    below = {"field": "deviation", "type": "quantitative", "format": "+.1f"}
    return [
        {
            "transform": some,
            "mark": {**mark, "fontSize": 12.5, "fontWeight": 600, "dy": -6},
            "encoding": {"text": {"field": "text"}},
        },
        {
            "transform": some,
            "mark": {**mark, "fontSize": 10.5, "dy": 9},
            "encoding": {"text": below},
        },
    ]
