"""How the commands speak: data and reports to stdout, messages to stderr, one JSON object on wish.

What comes from outside (names of columns and files) is escaped: it cannot move the cursor, change
colours or reverse the direction of a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TextIO

MOST_COLUMNS = 4096  # cells of a line where no terminal limits it


class ReaderLeft(Exception):
    """Nobody reads what is written: `nacre show model/ | head`."""


@dataclass(frozen=True)
class Terminal:
    """Where a verb speaks, and how much of it.

    Attributes:
        json: one object on stdout instead of a report.
        quiet: errors alone on stderr, and no report.
        verbose: more lines on stderr.
        debug: tracebacks.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False

    @cached_property
    def out(self) -> Any:
        """The rich console of stdout."""
        return _console(sys.stdout)

    @cached_property
    def err(self) -> Any:
        """The rich console of stderr."""
        return _console(sys.stderr)

    @property
    def is_animated(self) -> bool:
        """Whether a bar may move: on a terminal that can, and nobody asked for silence."""
        still = self.json or self.quiet or self.err.is_dumb_terminal
        return bool(self.err.is_terminal and not still)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Something that moves while there is nothing to tell yet."""
        if not self.is_animated:
            yield
            return
        with self.err.status(what):
            yield

    def data(self, lines: Iterable[str], answer: Mapping[str, Any]) -> None:
        """What was asked for: lines for people, or under --json the one object.

        Args:
            lines: with the markup of rich; what is foreign in them escaped by `shown`.
            answer: the object.
        """
        if self.json:
            self.write(answer)
            return
        for line in lines:
            self.out.print(line, soft_wrap=True)

    def report(self, lines: Iterable[str], answer: Mapping[str, Any]) -> None:
        """What a verb did: as `data`, but -q leaves the lines out."""
        self.data(() if self.quiet else lines, answer)

    def say(self, line: str, *, wish: bool = True) -> None:
        """A message on stderr, unless -q; `wish` False leaves it out."""
        if wish and not self.quiet:
            self.err.print(line, soft_wrap=True)

    def write(self, answer: Mapping[str, Any]) -> None:
        """One JSON object, and the end of the line; NaN and infinities are null."""
        try:
            print(json.dumps(_strict(answer), ensure_ascii=True, allow_nan=False), flush=True)
        except BrokenPipeError:
            raise ReaderLeft from None


def _console(file: TextIO) -> Any:
    from rich.console import Console

    class Honest(Console):
        def on_broken_pipe(self) -> None:
            raise ReaderLeft from None

    console = Honest(file=file, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = MOST_COLUMNS
    return console


def shown(text: Any) -> str:
    """Foreign text for a line: nothing in it is a control character, or markup of rich.

    >>> print(shown("a\\x1b[31m\\nb"), shown("[red]"))
    a\\x1b[31m\\nb \\[red]
    """
    from rich.markup import escape

    return escape(plain(text))


def plain(text: Any) -> str:
    """The same without the escapes of rich: for what prints no markup.

    >>> print(plain("left\\u202eright"), plain("naïve"))
    left\\u202eright naïve
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in _valid(str(text))
    )


def _valid(text: str) -> str:
    """File names that are no UTF-8 come as lone surrogates, which nothing can print."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def aligned(rows: Sequence[Sequence[str]], right: Iterable[int] = (), indent: int = 2) -> list[str]:
    """Rows as lines whose columns stand below each other.

    >>> aligned([("a", "1"), ("long", "22")], right=[1])
    ['  a      1', '  long  22']

    Args:
        rows: cells, with markup of rich.
        right: numbers of the columns that end below each other.
        indent: blanks before each line.
    """
    from rich.text import Text

    if not rows:
        return []
    cells = [[Text.from_markup(cell).cell_len for cell in row] for row in rows]
    widths = [max(column) for column in zip(*cells, strict=True)]
    at_right = set(right)
    lines = []
    for row, lengths in zip(rows, cells, strict=True):
        padded = [
            " " * (width - length) + cell if at in at_right else cell + " " * (width - length)
            for at, (cell, length, width) in enumerate(zip(row, lengths, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(padded)).rstrip())
    return lines


def number(value: float | None) -> str:
    """A number as people write it: four digits that count, thousands apart.

    >>> number(336776), number(0.123456), number(1234.5678), number(-2.0), number(None)
    ('336,776', '0.1235', '1,235', '-2', '-')
    """
    if value is None or value != value:
        return "-"
    if value == int(value) if abs(value) < 1e15 else False:
        return f"{int(value):,}"
    if 1e-3 <= abs(value) < 1e15:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:.3g}"


def seconds(value: float) -> str:
    """A time as people say it.

    >>> seconds(0.042), seconds(4.21), seconds(75), seconds(7300)
    ('0.04 s', '4.2 s', '1 min 15 s', '2 h 1 min')
    """
    if value < 60:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(n_bytes: float) -> str:
    """Bytes as people say them.

    >>> size(512), size(15_300_000), size(24e9)
    ('512 bytes', '15.3 MB', '24 GB')
    """
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"


def counted(n: int, one: str, many: str = "") -> str:
    """A number and its noun.

    >>> counted(1, "row"), counted(2000, "row"), counted(2, "box", "boxes")
    ('1 row', '2,000 rows', '2 boxes')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        return _strict(value.tolist())
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return None
    return value
