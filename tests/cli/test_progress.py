"""Bars: they move on a terminal alone, and watching a fit changes no bit of it."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nacre as package
from nacre.cli.main import run
from nacre.cli.progress import rate, writing
from nacre.fitting import Limits, Watch, watching
from tests.cli.conftest import Nacre


class Screen(io.StringIO):
    """A terminal that remembers everything."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name in ("NO_COLOR", "CI", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Screen()


def fitted(screen: Screen, data: Path, out: Path, *more: str) -> int:
    options = ["--columns", "a,b,c", "--n-clusters", "3", "-o", str(out), *more]
    with redirect_stderr(screen):
        return run(["fit", "kmeans", str(data), *options])


def test_a_terminal_sees_passes(screen: Screen, data: Path, tmp_path: Path) -> None:
    assert fitted(screen, data, tmp_path / "model") == 0
    said = screen.getvalue()
    for text in ("moving centres", "100%", "rows/s", "loss"):
        assert text in said  # in the last frame; those before it come ten times a second
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")  # the cursor is back


def test_a_terminal_sees_answers(screen: Screen, model: Path, data: Path, tmp_path: Path) -> None:
    with redirect_stderr(screen):
        assert run(["predict", str(model), str(data), "-o", str(tmp_path / "labels")]) == 0
    assert "2,100 of 2,100 rows" in screen.getvalue()


@pytest.mark.parametrize("still", ["-q", "--json", "TERM=dumb", "NO_COLOR=1"])
def test_nothing_moves_where_it_should_not(
    still: str, screen: Screen, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, value = still.partition("=")
    if value:
        monkeypatch.setenv(name, value)
    assert fitted(screen, data, tmp_path / "model", *([] if value else [still])) == 0
    colours = "\x1b[3" in screen.getvalue()
    assert not colours
    assert ("rows/s" in screen.getvalue()) == (still == "NO_COLOR=1")


def test_nothing_moves_without_a_terminal(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    options = ["--columns", "a", "--n-clusters", 2, "-o", tmp_path / "model"]
    assert nacre("fit", "kmeans", data, *options).err.startswith("Next: ")


class Noting(Watch):
    """Notes all that it is told."""

    notes: list[tuple[str, Any]]

    def holds(self, n_rows: int) -> None:
        self.notes = [("holds", n_rows)]

    def begins(self, model: Any) -> None:
        self.notes.append(("begins", type(model).__name__))

    def arrived(self, share: float) -> None:
        self.notes.append(("arrived", share))


@pytest.mark.parametrize("engine", ["serial", "threads:2"])
def test_a_watched_fit_has_the_same_bits(engine: str) -> None:
    X = np.random.default_rng(0).normal(size=(600, 3))
    data = package.read(X, shard_rows=50)
    alone = package.KMeans(4, random_state=1).fit(data, engine=engine)
    seen: list[Noting] = []

    def noting(learner: Any, limits: Limits) -> Watch:
        seen.append(Noting(learner, limits))
        return seen[-1]

    with watching(noting):
        watched = package.KMeans(4, random_state=1).fit(data, engine=engine)
    assert watched.state_.digest == alone.state_.digest
    (watch,) = seen
    assert watch.notes[:2] == [("holds", 600), ("begins", "Seeding")]
    n_passes = sum(name == "begins" for name, _ in watch.notes)
    assert n_passes == len(watch.report.turns)
    shares = [value for name, value in watch.notes if name == "arrived"]
    assert sum(shares) == pytest.approx(n_passes)
    package.KMeans(4, random_state=1).fit(data, engine=engine)
    assert len(seen) == 1


def test_rates_have_two_digits() -> None:
    assert [rate(x) for x in (0.0, 999.0, 1e9)] == ["0 rows/s", "1,000 rows/s", "1,000 M rows/s"]


def test_no_bar_is_no_failure() -> None:
    writing(None)(1, 2)
