"""The pictures of the pages, drawn anew at each build by `nacre.plot`; equal bytes each time."""

from __future__ import annotations

import functools
import html
from typing import Any

import vl_convert

from docs.hooks import drawn
from nacre.plot.picture import Picture
from nacre.plot.theme import DARK, LIGHT

WIDE, NARROW = 660, 330
PADDING = {"left": 16, "right": 16, "top": 6, "bottom": 6}  # readers' fonts may be wider than ours
THEMES = {"light": LIGHT, "dark": DARK}


@functools.cache
def picture(name: str) -> Picture:
    """The picture of a name; a page asks for it by `<!-- site: picture NAME -->`.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in drawn.PICTURES:
        raise ValueError(f"got picture {name}; wanted one of {sorted(drawn.PICTURES)}")
    return drawn.PICTURES[name]()


@functools.cache
def files(name: str) -> dict[str, str]:
    """Path on the site -> SVG: for light and dark pages, and for wide and narrow ones."""
    return {
        _uri(name, theme, size): svg(picture(name), THEMES[theme].config, width)
        for theme in THEMES
        for size, width in _widths(picture(name)).items()
    }


def svg(of: Picture, config: dict[str, Any], width: int) -> str:
    """A picture of a given width in pixels, in the colours of a theme."""
    legend = {**config["legend"], "labelLimit": 400, "columnPadding": 28}
    spec = {**of.spec, "width": width, "padding": PADDING}
    spec["config"] = {**config, "legend": legend, "aria": False}  # the page says what is seen
    found: str = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    return found


def figure(name: str, way: str) -> str:
    """A picture on a page; `way` leads from the page to the top of the site."""
    of = picture(name)
    title = html.escape(of.title, quote=True)
    images = "\n".join(
        f'<img src="{way}{_uri(name, theme, size)}#only-{theme}" class="{size}" alt="{title}">'
        for theme in THEMES
        for size in _widths(of)
    )
    caption = f"<figcaption>{html.escape(of.says)}</figcaption>"
    return f'<figure class="drawn">\n<div class="scrolls">\n{images}\n</div>\n{caption}\n</figure>'


def _widths(of: Picture) -> dict[str, int]:
    return {"wide": max(WIDE, of.least_width), "narrow": max(NARROW, of.least_width)}


def _uri(name: str, theme: str, size: str) -> str:
    return f"pictures/{name}.{size}.{theme}.svg"
