"""A picture: a Vega-Lite chart, the numbers in it, and a sentence that says it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nacre.errors import MissingExtra
from nacre.kinds import Array
from nacre.plot.theme import LIGHT

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nobody fetches it

BARE = {"domain": False, "ticks": False}  # an axis of names alone
FIT = {"type": "fit-x", "contains": "padding"}


@dataclass(frozen=True, eq=False)
class Picture:
    """A chart that takes the width of the place where it stands.

    Attributes:
        title: what it is.
        says: what is seen, in a sentence: for those who do not see it.
        data: column -> values (n,): the numbers that it shows.
        spec: Vega-Lite; colours and type come from a theme.
        least_width: below so many pixels it is better scrolled than squeezed.
    """

    title: str
    says: str
    data: Mapping[str, Array] = field(repr=False)
    spec: Mapping[str, Any] = field(repr=False)
    least_width: int = 0

    @property
    def chart(self) -> Any:
        """The chart as Altair's, to change, combine or save.

        Raises:
            MissingExtra: Altair is not installed.
        """
        try:
            import altair
        except ImportError:
            raise MissingExtra(
                got="no altair", wanted="altair", do="pip install 'nacre[plot]'"
            ) from None
        return altair.Chart.from_dict({**self.spec, "config": LIGHT.config})

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.chart._repr_mimebundle_(**options)


def spec(data: Mapping[str, Array], **parts: Any) -> dict[str, Any]:
    """A chart of inline data; NaN and infinity become null.

    Args:
        data: column -> values (n,).
        parts: of Vega-Lite: `layer`, `mark`, `encoding`, `height`.
    """
    rows = zip(*data.values(), strict=True)
    values = [dict(zip(data, map(_plain, row), strict=True)) for row in rows]
    common = {"$schema": SCHEMA, "width": "container", "autosize": FIT}
    return {**common, "data": {"values": values}, **parts}


def listed(field: str, values: Sequence[str], axis: Mapping[str, Any]) -> dict[str, Any]:
    """A position for each value, in their order.

    By a domain, not a sort: of a sort Vega makes an expression, which not every text survives.
    """
    scale = {"domain": [printable(value) for value in values]}
    return {"field": field, "type": "nominal", "title": None, "scale": scale, "axis": axis}


def colour(names: Sequence[str]) -> dict[str, Any]:
    """The colours of clusters, by their numbers: the same in every picture; without a legend.

    Args:
        names: (k,) of the clusters, which the field `name` holds.
    """
    scale = {"domain": [printable(name) for name in names]}
    return {"field": "name", "type": "nominal", "scale": scale, "legend": None}


def printable(text: str) -> str:
    """A text without what no one should see; Vega's expressions and SVG take no such characters.

    >>> printable("a\\x00b")
    'a\ufffdb'
    """
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str):
        return printable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
