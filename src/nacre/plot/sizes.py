"""How big the clusters are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nacre.plot.picture import BARE, Picture, colour, listed, spec
from nacre.plot.profile import Profile

ROOM = 1.32  # of the longest bar: the text behind it must fit on a phone too
STEP = 30  # pixels of a bar


def sizes(of: Profile, names: Sequence[str]) -> Picture:
    """How many rows each cluster has: bars, the largest first.

    >>> import numpy as np
    >>> from nacre.plot.profile import profile
    >>> picture = sizes(profile([(np.zeros((4, 1)), np.array([1, 1, 0, 1]))], k=2), ["a", "b"])
    >>> picture.data["name"], picture.data["rows"].tolist()
    (['b', 'a'], [3, 1])

    Args:
        of: k clusters.
        names: (k,) of the clusters.
    """
    order = of.by_size
    data = {
        "cluster": order,
        "name": [names[j] for j in order],
        "rows": of.n[order],
        "share": of.share[order],
        "text": [f"{share:.1%}" for share in of.share[order]],
    }
    told = [f"{name} {text}" for name, text in zip(data["name"], data["text"], strict=True)]
    names_axis = {**BARE, "labelLimit": 190, "labelPadding": 8}
    encoding = {
        "x": _length(int(of.n.max(initial=1))),
        "y": listed("name", data["name"], names_axis),
    }
    return Picture(
        "How big they are",
        f"Bars of the clusters' shares: {', '.join(told)}.",
        data,
        spec(data, layer=_layer(names), encoding=encoding, height=STEP * len(order)),
    )


def _layer(names: Sequence[str]) -> list[dict[str, Any]]:
    bar = {"type": "bar", "cornerRadiusEnd": 3, "height": {"band": 0.68}}
    text = {"type": "text", "style": "ink", "align": "left", "dx": 6, "fontSize": 12}
    tooltip = [
        {"field": "name", "title": "cluster"},
        {"field": "rows", "format": ","},
        {"field": "share", "format": ".2%"},
    ]
    return [
        {"mark": bar, "encoding": {"color": colour(names), "tooltip": tooltip}},
        {"mark": text, "encoding": {"text": {"field": "text"}}},
    ]


def _length(most: int) -> dict[str, Any]:
    scale = {"domain": [0, most * ROOM]}
    return {"field": "rows", "type": "quantitative", "axis": None, "scale": scale}
