"""Spans of time as text: "90d", "12h", "30min", "2w"; and moments as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np

from nacre.errors import BadParameter

SECOND = 10**9
UNITS = {  # ns, the longest first
    "w": 7 * 86_400 * SECOND,
    "d": 86_400 * SECOND,
    "h": 3_600 * SECOND,
    "min": 60 * SECOND,
    "s": SECOND,
    "ms": SECOND // 1_000,
    "us": SECOND // 1_000_000,
    "ns": 1,
}
_LONG = {"week": "w", "day": "d", "hour": "h", "minute": "min", "second": "s"}
_WORDS = {
    **UNITS,
    **{name + plural: UNITS[unit] for name, unit in _LONG.items() for plural in ("", "s")},
}
_UNEVEN = {"m", "mo", "month", "months", "y", "year", "years"}
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.ASCII)


def span(text: str) -> int:
    """The ns of a span.

    >>> span("90d"), span("1.5 h")
    (7776000000000000, 5400000000000)

    Raises:
        BadParameter: no span, none longer than nothing, or one of uneven length.
    """
    found = _TEXT.fullmatch(str(text))
    unit = found[2] if found else ""
    if unit in _UNEVEN:
        raise BadParameter(
            got=f"a span of {text!r}",
            wanted=f"one of {', '.join(UNITS)}",
            do='Months and years differ in length, and "m" may mean minutes: write days or "min".',
        )
    ns = int(Fraction(found[1]) * _WORDS[unit]) if found and unit in _WORDS else 0
    if ns < 1:
        raise BadParameter(
            got=f"a span of {text!r}",
            wanted=f"a number and one of {', '.join(UNITS)}",
            do='Write "90d", "12h", "30min" or "2w".',
        )
    return ns


def spelled(ns: int) -> str:
    """The text of a span.

    >>> spelled(7_776_000_000_000_000), spelled(90 * 10**9)
    ('90d', '90s')
    """
    unit = next(unit for unit, width in UNITS.items() if unit != "w" and ns % width == 0)
    return f"{ns // UNITS[unit]}{unit}"


def moment(ns: int) -> str:
    """A moment as people write it, in UTC.

    >>> moment(1_359_676_800_000_000_000), moment(1_500_000_000)
    ('2013-02-01', '1970-01-01T00:00:01.5')
    """
    text = str(np.datetime64(ns, "ns"))
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.removesuffix("T00:00:00")
