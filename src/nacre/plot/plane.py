"""Where the rows lie: a plane cut into bins, each in the colour of the cluster most of it is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nacre.kinds import Array
from nacre.plot.picture import Picture, colour, spec

N_BINS = (84, 52)
COLUMNS = {"expr": "width > 480 ? 4 : 2"}
LABEL = (20, 2.4)  # bins that a label takes, on a small screen
EDGE = 0.002  # share of the rows at each end of an axis that may lie outside


class Bins(NamedTuple):
    """The bins of a plane that hold rows.

    Attributes:
        corner: (m, 2) their lower corners; width (2,).
        counts: (m, k) rows of each cluster.
        n_outside: rows that lie outside the frame.
    """

    corner: Array
    width: Array
    counts: Array
    n_outside: int


def binned(points: Array, labels: Array, k: int) -> Bins:
    """Rows counted by bin and cluster; the frame leaves the outermost 0.2 % of each end out.

    >>> square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> binned(square, np.array([0, 0, 1, 1]), k=2).counts.tolist()
    [[1, 0], [1, 0], [0, 1], [0, 1]]

    Args:
        points: (n, 2) floats, at least one row.
        labels: (n,) integers; a row with a label outside 0..k-1 is left out.
    """
    known = (labels >= 0) & (labels < k)
    points, labels = points[known], labels[known]
    low, high = np.quantile(points, [EDGE, 1 - EDGE], axis=0, method="closest_observation")
    low, high = low.astype(np.float64), high.astype(np.float64)
    width = np.where(high > low, high - low, 1.0) / N_BINS
    inside = ((points >= low) & (points <= high)).all(axis=1)
    at = np.minimum(((points[inside] - low) / width).astype(np.int64), np.array(N_BINS) - 1)
    cells = (at[:, 0] * N_BINS[1] + at[:, 1]) * k + labels[inside]
    counts = np.bincount(cells, minlength=N_BINS[0] * N_BINS[1] * k).reshape(-1, k)
    full = np.flatnonzero(counts.sum(axis=1))
    corner = low + np.column_stack(np.divmod(full, N_BINS[1])) * width
    return Bins(corner, width, counts[full], int(len(points) - inside.sum()))


def projection(
    points: Array, labels: Array, names: Sequence[str], axes: Sequence[str] = ("", "")
) -> Picture:
    """Where the clusters lie in a plane: bins, the paler the fewer rows they hold.

    Args:
        points, labels: as `binned` takes them; the first two components, say.
        names: (k,) of the clusters.
        axes: what the two axes are.
    """
    bins = binned(points, labels, len(names))
    rows, most = bins.counts.sum(axis=1), bins.counts.argmax(axis=1)
    digits = np.ceil(-np.log10(bins.width)).astype(int) + 2
    ends = [np.round(bins.corner[:, i] + bins.width[i], digits[i]) for i in (0, 1)]
    data = {
        "x": np.round(bins.corner[:, 0], digits[0]),
        "x2": ends[0],
        "y": np.round(bins.corner[:, 1], digits[1]),
        "y2": ends[1],
        "rows": rows,
        "cluster": most,
        "name": [names[j] for j in most],
        "share": np.round(bins.counts.max(axis=1) / rows, 3),
    }
    share = bins.n_outside / max(bins.n_outside + int(rows.sum()), 1)
    says = (
        f"A plane of {len(rows):,} bins, each in the colour of the cluster that most of its rows "
        f"are in, paler where rows are few. {bins.n_outside:,} rows ({share:.1%}) lie outside."
    )
    layer = [_bins(names, int(rows.max()), axes), *_labels(names, bins)]
    return Picture("Where they lie", says, data, spec(data, layer=layer, height=420))


def _bins(names: Sequence[str], most: int, axes: Sequence[str]) -> dict[str, Any]:
    frame = {"zero": False, "nice": False}
    bare = {"grid": False, "domain": False, "ticks": False, "labels": False, "titlePadding": 10}
    legend = {"orient": "top", "title": None, "columns": COLUMNS, "symbolType": "square"}

    def along(field: str, title: str) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "title": title or None,
            "scale": frame,
            "axis": bare,
        }

    return {
        "mark": {"type": "rect", "strokeWidth": 0},
        "encoding": {
            "x": along("x", axes[0]),
            "x2": {"field": "x2"},
            "y": along("y", axes[1]),
            "y2": {"field": "y2"},
            "color": {**colour(names), "legend": legend},
            "opacity": {
                "field": "rows",
                "type": "quantitative",
                "scale": {"type": "log", "domain": [1, max(most, 2)], "range": [0.22, 1]},
                "legend": None,
            },
            "tooltip": [
                {"field": "name", "title": "most are"},
                {"field": "share", "title": "share of them", "format": ".0%"},
                {"field": "rows", "format": ","},
            ],
        },
    }


def _labels(names: Sequence[str], bins: Bins) -> list[dict[str, Any]]:
    """The clusters' names, each in the middle of the bins that are its own."""
    most, rows = bins.counts.argmax(axis=1), bins.counts.max(axis=1)
    middle = {
        j: np.average(bins.corner[most == j], axis=0, weights=rows[most == j]) + bins.width / 2
        for j in range(len(names))
        if (most == j).any()
    }
    edge = bins.width * LABEL / 2
    low, high = bins.corner.min(axis=0) + edge, bins.corner.max(axis=0) + bins.width - edge
    middle = {j: np.clip(place, low, high) for j, place in middle.items()}
    places = _apart(middle, bins.width * LABEL)
    values = [{"x": x, "y": y, "name": names[j]} for j, (x, y) in places.items()]
    mark = {"type": "text", "fontSize": 12.5, "fontWeight": 600}
    encoding = {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
        "text": {"field": "name"},
    }
    halo = {**mark, "style": "halo", "strokeWidth": 4, "strokeJoin": "round"}
    return [
        {"data": {"values": values}, "mark": one, "encoding": encoding}
        for one in (halo, {**mark, "style": "ink"})
    ]


def _apart(middle: dict[int, Array], size: Array) -> dict[int, tuple[float, float]]:
    """Places of labels that do not lie upon each other: moved up until they are free."""
    places: dict[int, tuple[float, float]] = {}
    for j in sorted(middle, key=lambda j: float(middle[j][1])):
        x, y = middle[j]
        for other_x, other_y in sorted(places.values(), key=lambda place: place[1]):
            if abs(x - other_x) < size[0] and abs(y - other_y) < size[1]:
                y = other_y + size[1]
        places[j] = float(x), float(y)
    return places
