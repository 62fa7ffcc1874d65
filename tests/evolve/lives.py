"""Small lives to try things on: batches with two clocks, and what each of them says."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nacre.contract import Array, Summary
from nacre.engine.tree import fold
from nacre.errors import NotFound
from nacre.evolve.fold import Fold, Unit
from nacre.evolve.folding import fold_of
from nacre.evolve.leaves import Leaves
from nacre.evolve.sums import Sums
from nacre.kinds import MAX, SUM, no_rows, of
from nacre.store.ledger import Leaf, Lies

FAR = 2**62
NONE = no_rows(np.empty(0, np.int64))


@dataclass(frozen=True, eq=False, kw_only=True)
class Said(Summary):
    """A sum whose bits depend on who is added to whom."""

    mixed: Array = of(SUM)


@dataclass(frozen=True, eq=False, kw_only=True)
class Largest(Summary):
    """A summary that no factor scales."""

    most: Array = of(MAX)


def said(name: str) -> Said:
    """Numbers of 16 decades and both signs."""
    rnd = random.Random(name)
    mixed = np.array([rnd.gauss(0, 1) * 10.0 ** rnd.randint(-8, 8) for _ in range(3)])
    n = rnd.randint(1, 9)
    common = {"base": "b" * 32, "weight": float(n), "n_rows": n, "n_skipped": 0}
    return Said(**common, bad_rows=NONE, mixed=mixed)  # type: ignore[arg-type]


def largest(at: int) -> Largest:
    """What no factor scales."""
    return Largest(
        base="b" * 32, weight=1.0, n_rows=1, n_skipped=0, bad_rows=NONE, most=np.array([at])
    )


@dataclass
class Life:
    """Where summaries lie: what `fetch` finds, and how often it was asked."""

    told: dict[str, Summary] = field(default_factory=dict)
    n_fetched: int = 0

    def fetch(self, unit: Unit) -> Summary:
        self.n_fetched += 1
        assert unit.lies is not None
        return self.told[unit.lies.sha256]

    def lies(self, told: Summary, name: str, n_bytes: int = 100) -> Lies:
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        self.told[sha256] = told
        return Lies("blobs/x", n_bytes, n_bytes, sha256)

    def leaf(
        self, name: str, time: int, absorbed: int, told: Summary | None = None, **more: Any
    ) -> Leaf:
        told = said(f"{name} {absorbed}") if told is None else told
        lies = self.lies(told, f"{name} {absorbed}")
        return Leaf(name, time, time, told.n_rows, 0, "", absorbed, lies=lies, **more)

    def leaves(self, lines: Iterable[Leaf], sums: Sums | None = None) -> Leaves:
        return Leaves.of(lines, self.fetch, sums or Sums())

    def sum_of(self, units: Iterable[Unit]) -> Summary:
        """The canonical sum, made from nothing."""
        total: Summary = fold({unit.key: self.fetch(unit) for unit in units})
        return total

    def folded(self, leaves: Leaves, some: Leaves) -> tuple[Leaves, Fold]:
        """Leaves with some of them folded, as a store would."""
        name = f"fold of {[unit.key for unit in some.units]} {len(self.told)}"
        one = fold_of(some, self.lies(some.total(), name, 150))
        return leaves.folded(some, one), one


class Shelf:
    """A place in memory; `fails` says which of its verbs raise."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fails: Exception | None = None
        self.n_read = 0

    def put(self, name: str, data: bytes) -> None:
        if self.fails is not None:
            raise self.fails
        self.files[name] = data

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise NotFound(got=name, wanted="a file", do="Look elsewhere.")
        self.n_read += 1
        return self.files[name]

    def names(self, folder: str = "") -> list[str]:
        inside = (name.removeprefix(f"{folder}/") for name in self.files)
        return sorted(name for name in inside if "/" not in name)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.files.pop(name, None)


times = st.integers(1, 12) | st.integers(-3, -1) | st.sampled_from([-FAR, FAR])


@st.composite
def lines_of(draw: Any, life: Life, *, timed: bool = True, most: int = 24) -> list[Leaf]:
    """Lines of a ledger, absorbed one after another; some batches were replaced, some twice."""
    lines: list[Leaf] = []
    clock = _moments(draw)
    for at in range(draw(st.integers(1, most))):
        name, time = f"part-{at}", draw(times) if timed else 0
        versions = draw(st.sampled_from([1, 1, 1, 2, 3]))
        moments = list(itertools.islice(clock, versions))
        for begun, ended in itertools.pairwise([*moments, None]):
            assert begun is not None
            lines.append(replace(life.leaf(name, time, begun), ended=ended))
    order: list[Leaf] = draw(st.permutations(lines))
    return order


def _moments(draw: Any) -> Iterator[int]:
    now = 1000
    while True:
        now += draw(st.integers(1, 3))
        yield now


def alive(lines: Iterable[Leaf]) -> list[Leaf]:
    return [line for line in lines if line.ended is None]
