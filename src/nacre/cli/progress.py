"""Bars on a terminal: a fit's passes, and answers as they are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nacre.cli.terminal import Terminal, number, seconds
from nacre.cli.words import phase
from nacre.fitting import Limits, Watch

Told = Callable[[int, int], None]  # rows that are there, rows in all


class Passes(Watch):
    """Watches a fit for a terminal: a bar for each pass, and under -v a line.

    Attributes:
        terminal: where it is told.
        bar: of rich, or None where nothing may move.
    """

    def __init__(self, learner: Any, limits: Limits, terminal: Terminal, bar: Any) -> None:
        super().__init__(learner, limits)
        self.terminal, self.bar = terminal, bar
        self.task = None if bar is None else bar.add_task("reading", total=1.0, says="")
        self.n_rows, self.at, self.share = 0, 0, 0.0
        self.looks_for = self.rate = self.loss = ""

    def holds(self, n_rows: int) -> None:
        """The rows are known."""
        self.n_rows = n_rows

    def begins(self, model: Any) -> None:
        """A pass begins."""
        self.at, self.share, self.pass_began = self.at + 1, 0.0, time.monotonic()
        self.looks_for = phase(model)
        if self.bar is not None:
            self.bar.reset(self.task, description=f"pass {self.at}: {self.looks_for}")
        self._move()

    def arrived(self, share: float) -> None:
        """A block of rows has been gone through."""
        self.share += share
        spent = max(time.monotonic() - self.pass_began, 1e-9)
        self.rate = rate(self.share * self.n_rows / spent)
        self._move()

    def turned(self, model: Any, told: Any, new: Any) -> None:
        """A pass has ended."""
        loss = self.learner.loss(told)
        self.loss = "" if loss is None else f"loss {number(loss)}"
        took = seconds(time.monotonic() - self.pass_began)
        line = f"pass {self.at}: {self.looks_for}, {told.n_rows:,} rows in {took}"
        says = ", ".join(text for text in (line, self.rate, self.loss) if text)
        self.terminal.say(f"[dim]{says}[/]", wish=self.terminal.verbose)
        self._move()
        super().turned(model, told, new)

    def _move(self) -> None:
        if self.bar is None:
            return
        spent, left = time.monotonic() - self.pass_began, ""
        if self.share and (rest := spent / self.share * (1 - self.share)) >= 1:
            left = f"{seconds(rest)} left of the pass"
        says = "  ".join(text for text in (self.rate, self.loss, left) if text)
        self.bar.update(self.task, completed=min(self.share, 1.0), says=says)


def rate(rows_per_second: float) -> str:
    """How fast rows go by; two digits, for the others change all the time.

    >>> rate(1_234_567), rate(840), rate(52_100)
    ('1.2 M rows/s', '840 rows/s', '52 k rows/s')
    """
    for unit, scale in ((" M", 1e6), (" k", 1e3), ("", 1.0)):
        if rows_per_second >= scale or scale == 1.0:
            return f"{number(float(f'{rows_per_second / scale:.2g}'))}{unit} rows/s"
    raise AssertionError("the last scale takes all")


@contextmanager
def bar(terminal: Terminal) -> Iterator[Any]:
    """A bar of rich on stderr, gone at the end; None where nothing may move."""
    if not terminal.is_animated:
        yield None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("[dim]{task.fields[says]}[/]"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=terminal.err, transient=True) as progress:
        yield progress


def writing(progress: Any) -> Told:
    """Tells a bar how many rows of answers are there."""
    if progress is None:
        return lambda n_rows, n_rows_in_all: None
    task = progress.add_task("answering", total=None, says="")
    began: list[tuple[float, int]] = []

    def told(n_rows: int, n_rows_in_all: int) -> None:
        began.append((time.monotonic(), n_rows))
        spent, done = max(time.monotonic() - began[0][0], 1e-9), n_rows - began[0][1]
        says = f"{n_rows:,} of {n_rows_in_all:,} rows"
        if done:
            left = seconds(spent / done * (n_rows_in_all - n_rows))
            says += f"  {rate(done / spent)}  {left} left"
        progress.update(task, completed=n_rows, total=max(n_rows_in_all, 1), says=says)

    return told
