"""Which labels stand beside which: a table of shares, in colours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from nacre.kinds import Array
from nacre.plot.picture import BARE, Picture, listed, printable, spec

MOST_LABELS = 16  # of a side; the lightest of more are shown as one
END_FROM = 0.7  # share from which the text in a cell is that for the ends of the colours
STEP = 30  # pixels of a row
WIDE = 52  # pixels that a column needs, at least
NAMES = 150  # pixels of the names beside the rows
CORNER: dict[str, Any] = {  # where the title of the rows stands: above their names
    "titleAngle": 0,
    "titleAlign": "right",
    "titleAnchor": "start",
    "titleBaseline": "bottom",
    "titleX": -8,
    "titleY": -6,
}
LETTER = 6.2  # pixels of one, about


class Table(Protocol):
    """What is shown of a contingency table; see `nacre.evaluate`."""

    @property
    def found(self) -> Sequence[Any]:
        """(r,) labels."""

    @property
    def true(self) -> Sequence[Any]:
        """(c,) labels."""

    @property
    def row(self) -> Array:
        """(m,) the place of each pair's found label."""

    @property
    def column(self) -> Array:
        """(m,) the place of each pair's known label."""

    @property
    def weights(self) -> Array:
        """(m,) float64."""


class Side(NamedTuple):
    """The labels of one side as they are shown.

    Attributes:
        names: in their order, each different.
        place: (r,) int64: that of each label among the names.
    """

    names: list[str]
    place: Array


def contingency(table: Table) -> Picture:
    """Where the rows of each found label come from: its share of each known one.

    Known labels stand by their weight; found ones below those that they hold most of.
    """
    of_true = np.bincount(table.column, table.weights, len(table.true))
    across = _side(table.true, of_true, np.argsort(-of_true, kind="stable"))
    matrix = np.zeros((len(table.found), len(across.names)))
    np.add.at(matrix, (table.row, across.place[table.column]), table.weights)
    of_found = matrix.sum(axis=1)
    down = _side(table.found, of_found, np.lexsort((-of_found, matrix.argmax(axis=1))))
    return _picture(
        "Which labels meet",
        f"A table: a row for each of {len(table.found):,} found labels, a column for each of "
        f"{len(table.true):,} known ones; the colour is the share of the row.",
        _sums(table.row, table.column, table.weights, down, across),
        (down, across),
        ("found", "known label"),
    )


def confusion(labels: Sequence[Any], table: Table) -> Picture:
    """What the rows of each class were taken for: its share of each found label.

    Args:
        labels: (k,) all classes, in their order.
        table: of them.
    """
    at = {label: place for place, label in enumerate(labels)}
    found, true = (np.array([at[x] for x in side], int) for side in (table.found, table.true))
    rows, columns = true[table.column], found[table.row]
    weight = np.bincount(rows, table.weights, len(labels))
    weight += np.bincount(columns, table.weights, len(labels))
    side = _side(labels, weight, np.arange(len(labels)))
    right = float(table.weights[rows == columns].sum() / table.weights.sum())
    return _picture(
        "What is taken for what",
        f"A table: a row for each of {len(labels):,} classes, a column for each label that was "
        f"found; the colour is the share of the row. {right:.1%} lie on the diagonal.",
        _sums(rows, columns, table.weights, side, side),
        (side, side),
        ("class", "found label"),
    )


def _side(labels: Sequence[Any], weight: Array, order: Array) -> Side:
    """The heaviest labels in an order, the others as one at the end."""
    heavy = np.zeros(len(labels), bool)
    n_own = len(labels) if len(labels) <= MOST_LABELS else MOST_LABELS - 1
    heavy[np.argsort(-weight, kind="stable")[:n_own]] = True
    shown = [int(at) for at in order if heavy[at]]
    place = np.full(len(labels), len(shown))
    place[shown] = np.arange(len(shown))
    names = [printable(" ".join(str(labels[at]).split())) or "(blank)" for at in shown]
    rest = ["others"] if len(labels) > n_own else []
    return Side(_apart([*names, *rest]), place)


def _apart(names: list[str]) -> list[str]:
    """Names of which none is there twice.

    >>> _apart(["a", "a", "a (2)"])
    ['a', 'a (2)', 'a (2) (2)']
    """
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name} ({i})" for i in itertools.count(2))
        found[name if name not in found else next(n for n in numbered if n not in found)] = None
    return list(found)


def _sums(rows: Array, columns: Array, weights: Array, down: Side, across: Side) -> Array:
    sums = np.zeros((len(down.names), len(across.names)))
    np.add.at(sums, (down.place[rows], across.place[columns]), weights)
    return sums


def _picture(
    title: str, says: str, sums: Array, sides: tuple[Side, Side], axes: tuple[str, str]
) -> Picture:
    down, across = sides
    whole = sums.sum(axis=1, keepdims=True)
    share = np.divide(sums, whole, out=np.zeros_like(sums), where=whole > 0)
    cells = [(i, j) for i in range(len(down.names)) for j in range(len(across.names))]
    data = {
        "row": [down.names[i] for i, _ in cells],
        "column": [across.names[j] for _, j in cells],
        "weight": np.array([sums[cell] for cell in cells]),
        "share": np.array([share[cell] for cell in cells]),
        "text": [_percent(share[cell]) for cell in cells],
    }
    encoding = {"x": _across(across.names, axes[1]), "y": _down(down.names, axes[0])}
    chart = spec(data, layer=_layer(*axes), encoding=encoding, height=STEP * len(down.names))
    return Picture(title, says, data, chart, least_width=NAMES + WIDE * len(across.names))


def _percent(share: float) -> str:
    """What stands in a cell: nothing where there is hardly anything.

    >>> _percent(0.001), _percent(0.123), _percent(0.9999), _percent(1.0)
    ('', '12%', '99%', '100%')
    """
    if share < 0.005:
        return ""
    return f"{min(round(100 * share), 99 if share < 1 else 100)}%"


def _across(names: Sequence[str], title: str) -> dict[str, Any]:
    longest = max(map(len, names)) * LETTER
    turned: dict[str, Any] = (
        {"labelAngle": -45, "labelAlign": "left"} if longest > WIDE else {"labelAngle": 0}
    )
    axis = {**BARE, "orient": "top", "labelLimit": 110, "labelPadding": 6, **turned}
    return {**listed("column", names, axis), "title": title}


def _down(names: Sequence[str], title: str) -> dict[str, Any]:
    axis = {**BARE, "labelLimit": NAMES, "labelPadding": 8, **CORNER}
    return {**listed("row", names, axis), "title": title}


def _layer(row: str, column: str) -> list[dict[str, Any]]:
    cell = {"type": "rect", "cornerRadius": 3, "width": {"band": 0.94}, "height": {"band": 0.92}}
    tooltip = [
        {"field": "row", "title": row},
        {"field": "column", "title": column},
        {"field": "weight", "title": "rows", "format": ",.6~g"},
        {"field": "share", "format": ".2%"},
    ]
    return [
        {"mark": cell, "encoding": {"color": _share(), "tooltip": tooltip}},
        _text("on-middle", f"datum.share < {END_FROM}"),
        _text("on-ends", f"datum.share >= {END_FROM}"),
    ]


def _text(style: str, when: str) -> dict[str, Any]:
    return {
        "transform": [{"filter": when}],
        "mark": {"type": "text", "fontSize": 11.5, "style": style},
        "encoding": {"text": {"field": "text"}},
    }


def _share() -> dict[str, Any]:
    """The blue half of the diverging colours: from the middle, none, to the end, all."""
    scale = {"domain": [1, 0, -1], "range": "diverging", "clamp": True, "interpolate": "lab"}
    return {"field": "share", "type": "quantitative", "scale": scale, "legend": None}
