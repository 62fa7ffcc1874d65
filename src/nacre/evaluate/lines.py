"""Scores as lines that a person reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def aligned(rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows of cells as lines: the first column begins at the left, the others end at the right.

    >>> aligned([("", "weight"), ("rand", 0.5)])
    ['      weight', 'rand  0.5000']
    """
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in cells
    ]


def shown(cell: object) -> str:
    """A score with four digits, a whole number with its thousands apart, a text as it is.

    >>> shown(0.12345), shown(-1e-9), shown(1234567), shown(float("nan"))
    ('0.1235', '0.0000', '1,234,567', 'undefined')
    """
    if isinstance(cell, float):
        return "undefined" if math.isnan(cell) else f"{round(cell, 4) + 0.0:.4f}"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return " ".join(str(cell).split()) if cell != "" else ""
