"""A live model that is killed, or lied to by its disk, in the middle of absorbing small arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import nacre
from nacre.errors import DiskFull, Unavailable
from tests.faults.writing import ACKNOWLEDGED, ERROR, FOREIGN


def rows(batch: int) -> Any:
    """Those of a batch."""
    return np.random.default_rng(batch).normal(size=(40, 3))


def begun(path: Path | str) -> nacre.Live:
    """A live model that is made there."""
    return nacre.open(path, learner=nacre.PCA(n_components=2))


def absorb(live: nacre.Live, batch: int) -> None:
    """Take in a batch, unless it is known."""
    live.absorb(rows(batch), id=f"batch-{batch}", engine="serial")


def lived_with(n: int) -> Callable[[Path], None]:
    """Makes a live model with batches 1 to n."""

    def fill(root: Path) -> None:
        with begun(root) as live:
            for batch in range(1, n + 1):
                absorb(live, batch)

    return fill


def write(root: Path, batches: Sequence[int], notes: memoryview) -> None:
    """Absorb batches, each tried twice; `notes` says what a user would have seen."""
    live: nacre.Live | None = None
    for batch in batches:
        for _ in range(2):
            try:
                live = live or nacre.open(root)
                absorb(live, batch)
                notes[batch] |= ACKNOWLEDGED
                break
            except (DiskFull, Unavailable):
                notes[batch] |= ERROR
                live = None
            except BaseException:
                notes[batch] |= FOREIGN
                raise


@functools.cache
def expected(batches: frozenset[int]) -> str:
    """The digest of a model that has absorbed these batches and never met a fault."""
    with begun(f"memory://{hash(batches)}") as live:
        for batch in sorted(batches):
            absorb(live, batch)
        return live.state.digest


def check(root: Path, before: Iterable[int], notes: memoryview) -> None:
    """Raise AssertionError unless the live model is as it must be, whatever happened."""
    assert not any(notes[batch] & FOREIGN for batch in range(len(notes))), "an error not of ours"
    noted = {batch for batch in range(1, len(notes)) if notes[batch] & ACKNOWLEDGED}
    with nacre.open(root) as live:
        now = sorted(int(line.id.removeprefix("batch-")) for line in live.ledger)
        assert len(set(now)) == len(now), f"twice: {now}"
        assert set(now) >= {*before, *noted}, f"acknowledged {noted}, there {now[-4:]}"
        assert live.state.digest == expected(frozenset(now)), "other bits"


def recover(root: Path, batches: Iterable[int]) -> None:
    """Go on after a fault: all batches are absorbed, each once."""
    with nacre.open(root) as live:
        for batch in batches:
            absorb(live, batch)
    notes = memoryview(bytearray(max(batches) + 1))
    for batch in batches:
        notes[batch] = ACKNOWLEDGED
    check(root, (), notes)
