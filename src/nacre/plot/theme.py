"""Colours and type of the pictures, for light and for dark pages.

Of eight clusters any two differ for every kind of colour vision: at least 0.1 in Oklab, also under
the three dichromacies (Machado et al. 2009), and 3:1 against the page, as WCAG 2.2 asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FONT = 'ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


@dataclass(frozen=True)
class Theme:
    """One set of colours.

    Attributes:
        clusters: one for each, taken anew from the first beyond the eighth.
        diverging: from far below the mean, by the mean, to far above it.
        ink, quiet, line, page: text, its lesser kind, rules, the ground.
        on_middle, on_ends: text on the middle and on the ends of `diverging`.
    """

    clusters: tuple[str, ...]
    diverging: tuple[str, ...]
    ink: str
    quiet: str
    line: str
    page: str
    on_middle: str
    on_ends: str

    @property
    def config(self) -> dict[str, Any]:
        """What Vega-Lite makes of it."""
        return {
            "background": "transparent",
            "font": FONT,
            "view": {"stroke": None},
            "axis": {
                "labelColor": self.ink,
                "titleColor": self.quiet,
                "titleFontWeight": "normal",
                "labelFontSize": 12,
                "titleFontSize": 12,
                "gridColor": self.line,
                "domainColor": self.line,
                "tickColor": self.line,
            },
            "legend": {
                "labelColor": self.ink,
                "titleColor": self.quiet,
                "titleFontWeight": "normal",
                "labelFontSize": 12,
                "titleFontSize": 12,
            },
            "range": {
                "category": list(self.clusters),
                "diverging": list(self.diverging),
            },
            "style": {
                "ink": {"color": self.ink},
                "quiet": {"color": self.quiet},
                "on-middle": {"color": self.on_middle},
                "on-ends": {"color": self.on_ends},
                "halo": {"color": "transparent", "stroke": self.page},
                "line": {"color": self.quiet},
                "empty": {"color": "transparent", "stroke": self.line},
            },
        }


LIGHT = Theme(
    clusters=(
        "#4159d4",
        "#dd7b2b",
        "#57a292",
        "#9b527d",
        "#ac77fa",
        "#646904",
        "#72130b",
        "#173f65",
    ),
    diverging=("#153c78", "#6f9ed6", "#f2f0ec", "#e08f45", "#803305"),
    ink="#1f2328",
    quiet="#5c6570",
    line="#e2dfd9",
    page="#ffffff",
    on_middle="#0b0d10",
    on_ends="#ffffff",
)
DARK = Theme(
    clusters=(
        "#429afe",
        "#ffc57e",
        "#307e6f",
        "#da87ab",
        "#9052c0",
        "#91ac2e",
        "#c34517",
        "#9cdafe",
    ),
    diverging=("#8cc0ff", "#2b4f7e", "#262a32", "#74461a", "#ffbb77"),
    ink="#e8e6e1",
    quiet="#a3abb6",
    line="#343a44",
    page="#1b1e24",
    on_middle="#f6f4f0",
    on_ends="#0b0d10",
)
