"""One HTML page that holds all it needs: it opens offline, and loads nothing from anywhere.

Everything that comes from data is escaped, and what no one should see (control characters, marks
that turn a line round) is shown as a box. The policy in the page's head forbids the browser to
fetch anything, so a mistake here stays a blank, not a request.
"""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

from nacre.errors import MissingExtra
from nacre.plot.picture import Picture, printable
from nacre.plot.theme import DARK, LIGHT
from nacre.plot.words import Apart

MOST_ROWS = 200  # of a picture's numbers, beyond which they are not spelled out below it


@dataclass(frozen=True)
class Fact:
    """A number worth a glance, and what it is."""

    name: str
    value: str


@dataclass(frozen=True)
class Card:
    """A cluster on the page.

    Attributes:
        number: its number, which is also that of its colour.
        name, share, size: a heading, "32.3%", "108,620 flights".
        apart: what sets it apart; lacks: what it has no values of.
        examples: rows, each in a line.
    """

    number: int
    name: str
    share: str
    size: str
    apart: Sequence[Apart]
    lacks: Sequence[str] = ()
    examples: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page: a heading, a sentence, and a picture, cards or commands."""

    title: str
    says: str
    picture: Picture | None = None
    cards: Sequence[Card] = ()
    commands: Sequence[str] = ()


def page(
    title: str,
    lede: str,
    *,
    facts: Sequence[Fact],
    sections: Sequence[Section],
    notes: Sequence[str] = (),
) -> str:
    """The whole page, as text.

    Args:
        title, lede: a heading, and the sentence below it.
        facts: a row of numbers.
        sections: in their order.
        notes: small print.

    Raises:
        MissingExtra: vl-convert, which carries Vega, is not installed.
    """
    body = "\n".join(_section(at, section) for at, section in enumerate(sections))
    specs = {_id(at): dict(s.picture.spec) for at, s in enumerate(sections) if s.picture}
    themes = {"light": LIGHT.config, "dark": DARK.config}
    return Template(_file("page.html")).substitute(
        title=_text(title),
        lede=_text(lede),
        facts="\n".join(
            f"<div><dt>{_text(f.name)}</dt><dd>{_text(f.value)}</dd></div>" for f in facts
        ),
        body=body,
        notes="\n".join(f"<p>{_text(note)}</p>" for note in notes),
        style=_file("page.css") + _colours(),
        pictures=_json({"themes": themes, "specs": specs}),
        library=library(),
        script=_file("page.js"),
    )


@functools.cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed, as one script that needs no other.

    Raises:
        MissingExtra: vl-convert, which carries them, is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise MissingExtra(
            got="no vl-convert-python", wanted="vl-convert-python", do="pip install 'nacre[plot]'"
        ) from None
    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the default
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _section(at: int, section: Section) -> str:
    parts = [f"<h2>{_text(section.title)}</h2>", f"<p>{_text(section.says)}</p>"]
    if section.picture:
        parts.append(_figure(_id(at), section.picture))
    if section.cards:
        parts.append(f'<ul class="cards">{"".join(map(_card, section.cards))}</ul>')
    if section.commands:
        lines = "\n".join(map(_text, section.commands))
        parts.append(f'<pre tabindex="0"><code>{lines}</code></pre>')
    return f"<section>{''.join(parts)}</section>"


def _figure(name: str, picture: Picture) -> str:
    inner = f' style="min-width:{picture.least_width}px"' if picture.least_width else ""
    return (
        f'<figure><div class="scrolls" tabindex="0" role="img" aria-label="{_text(picture.says)}">'
        f'<div class="picture" id="{name}"{inner}></div></div>{_numbers(picture)}</figure>'
    )


def _numbers(picture: Picture) -> str:
    """The data below a picture, folded."""
    rows = list(zip(*picture.data.values(), strict=True))
    if len(rows) > MOST_ROWS:
        return ""
    head = "".join(f'<th scope="col">{_text(name.replace("_", " "))}</th>' for name in picture.data)
    body = "".join(f"<tr>{''.join(f'<td>{_value(v)}</td>' for v in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<details><summary>The numbers</summary><div class="scrolls">{table}</div></details>'


def _value(value: Any) -> str:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else _text(value)


def _card(card: Card) -> str:
    apart = "".join(
        f'<li>{_text(one.says)} <span class="of-all">({_text(one.of_all)})</span></li>'
        for one in card.apart
    )
    if card.lacks:
        apart += f'<li class="of-all">no {_text(", ".join(card.lacks))}</li>'
    examples = "".join(f"<li>{_text(example)}</li>" for example in card.examples)
    colour = f"--colour:var(--cluster-{card.number % len(LIGHT.clusters)})"
    return (
        f'<li class="card" style="{colour}"><div class="who"><h3>{_text(card.name)}</h3>'
        f"<p><b>{_text(card.share)}</b> {_text(card.size)}</p></div>"
        f'<ul class="apart">{apart}</ul><ul class="examples">{examples}</ul></li>'
    )


def _colours() -> str:
    def of(colours: Sequence[str]) -> str:
        return ":root{" + "".join(f"--cluster-{i}:{c};" for i, c in enumerate(colours)) + "}"

    dark = f"@media (prefers-color-scheme: dark){{{of(DARK.clusters)}}}"
    return of(LIGHT.clusters) + dark


def _id(at: int) -> str:
    return f"picture-{at}"


def _file(name: str) -> str:
    return (resources.files("nacre.plot") / name).read_text(encoding="utf-8")


def _text(text: Any) -> str:
    """Text for HTML, also within an attribute; nothing in it acts.

    >>> _text('<b title="x">&\\u202e')
    '&lt;b title=&quot;x&quot;&gt;&amp;\\ufffd'
    """
    return html.escape(printable(str(text)))


def _json(value: Any) -> str:
    """JSON for a script element: no character in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
