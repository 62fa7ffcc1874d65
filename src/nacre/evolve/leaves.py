"""A live model's leaves: one summary per batch under its key, and what is asked of them over time.

Two clocks: the event time stands in the key, the moment of absorbing in the leaf's line. A window
and `as_of` are ranges of keys, `alive_at` goes by the moment of absorbing. Each is a set of leaves
again, so its sum is canonical: that of a pass over just these rows. Nothing is ever subtracted.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from nacre import canon
from nacre.canon import pack
from nacre.contract import Array, Summary
from nacre.errors import BadParameter, Conflict, NotFound
from nacre.evolve.covered import Covered, covered_by
from nacre.evolve.fold import FACTS, Fold, Unit, facts_of, folds_among, mark_of
from nacre.evolve.forget import Unit as OfClock
from nacre.evolve.forget import faded_by, refuse_to_fade
from nacre.evolve.spans import moment
from nacre.evolve.sums import Sums, Tree
from nacre.store.ledger import Leaf

Fetch = Callable[[Unit], Summary]


@dataclass(frozen=True, eq=False)
class Leaves:
    """Keyed leaves; `put` and the like give others and change nothing. Iterates in key order.

    Attributes:
        keys: sorted, each once.
        units: the leaves and folds under them.
        marks: (n + 1, 2) uint64, running sums of the hash of each key and of the digest under it.
        facts: (n, 6) int64, see FACTS.
        past: leaves that were alive once, by moment of absorbing: others took their place.
        gone: lines of leaves whose summary is nowhere, by moment of absorbing.
        fetch: a unit -> its summary, from where it lies.
        sums: what is summed already; shared by all that come of these.
        stores: whether their large sums are stored behind; those of a selection are not.
    """

    keys: list[int]
    units: list[Unit]
    marks: Array
    facts: Array
    past: tuple[Leaf, ...]
    gone: tuple[Leaf, ...]
    fetch: Fetch = field(repr=False)
    sums: Sums = field(repr=False)
    stores: bool = True

    @classmethod
    def of(
        cls, leaves: Iterable[Leaf], fetch: Fetch, sums: Sums, folds: Iterable[Fold] = ()
    ) -> Self:
        """The leaves of the lines of a ledger, in any order, and of the folds of a live model.

        Raises:
            Conflict: two leaves that are alive have one key.
        """
        folds = tuple(folds)
        units: list[Unit] = [*folds]
        past: list[Leaf] = []
        gone: list[Leaf] = []
        for leaf in leaves:
            if leaf.ended is not None:
                past.append(leaf)
            elif leaf.lies is not None:
                units.append(leaf)
            elif not any(fold.holds(leaf.key) for fold in folds):
                gone.append(leaf)
        units.sort(key=lambda unit: unit.key)
        keys = [unit.key for unit in units]
        for at in range(1, len(keys)):
            if keys[at] == keys[at - 1]:
                _refuse(units[at - 1], units[at])
        marks = np.zeros((len(keys) + 1, 2), np.uint64)
        if keys:
            hashes = np.array([mark_of(unit) for unit in units], np.uint64)
            np.cumsum(hashes, axis=0, out=marks[1:])
        facts = np.array([facts_of(unit) for unit in units], np.int64).reshape(
            len(keys), len(FACTS)
        )
        past.sort(key=_when)
        gone.sort(key=_when)
        return cls(keys, units, marks, facts, tuple(past), tuple(gone), fetch, sums)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units)

    def put(self, *lines: Leaf) -> Self:
        """With more lines of the ledger; a line of the same leaf takes the place of the one before.

        A leaf that has ended goes to the past. O(n) copying, however little it is.

        Raises:
            Conflict: another leaf that is alive has the key.
            Folded: the key is that of a fold.
        """
        new = self
        fresh: dict[int, Leaf] = {}
        for line in lines:
            at, there = new._at(line.key)
            there = there or fresh.get(line.key)
            if isinstance(there, Leaf) and there.absorbed == line.absorbed:
                new = new if fresh.pop(line.key, None) else new._less(at)
                there = None
            new = new._not_aside(line)
            if line.ended is not None:
                new = replace(new, past=_with(new.past, line))
            elif line.lies is None and not new.fold_of(line):
                new = replace(new, gone=_with(new.gone, line))
            elif line.lies is not None:
                if isinstance(there, Fold):
                    there.refuse(f"the batch {line.id!r} again")
                if there is not None:
                    _refuse(there, line)
                fresh[line.key] = line
        return new._more(*fresh.values())

    def know(self, leaf: Unit, told: Summary) -> None:
        """Keep what a leaf says, which was just made, so that it need not be fetched."""
        marks = np.array([(0, 0), mark_of(leaf)], np.uint64)
        self.sums.keep(replace(self.tree, keys=[leaf.key], marks=marks).name(0, 1), told)

    def without(self, *lines: Leaf) -> Self:
        """Less some leaves, alive or past: as if they had never been.

        Raises:
            Folded: one that is folded into a larger sum.
            NotFound: one that is not there.
        """
        new = self
        for line in lines:
            at, there = new._at(line.key)
            if isinstance(there, Leaf) and there.absorbed == line.absorbed:
                new = new._less(at)
                continue
            before, new = new, new._not_aside(line)
            if new is not before:
                continue
            if fold := new.fold_of(line):
                fold.refuse(f"the batch {line.id!r}")
            do = "Name one that the ledger lists."
            raise NotFound(got=f"the batch {line.id!r}", wanted="one that is there", do=do)
        return new

    def _at(self, key: int) -> tuple[int, Unit | None]:
        """Where a key stands, or would; and what is there."""
        at = bisect.bisect_left(self.keys, key)
        return at, self.units[at] if at < len(self) and self.keys[at] == key else None

    def _more(self, *units: Unit) -> Self:
        """With units under keys that are free."""
        if len(units) == 1:
            return self._one_more(units[0])
        if not units:
            return self
        new = sorted(units, key=lambda unit: unit.key)
        at = [bisect.bisect_left(self.keys, unit.key) for unit in new]
        keys, all_units = self.keys.copy(), self.units.copy()
        for moved, (place, unit) in enumerate(zip(at, new, strict=True)):
            keys.insert(place + moved, unit.key)
            all_units.insert(place + moved, unit)
        hashes = np.array([mark_of(unit) for unit in new], np.uint64)
        marks = np.zeros((len(keys) + 1, 2), np.uint64)
        np.cumsum(np.insert(np.diff(self.marks, axis=0), at, hashes, axis=0), axis=0, out=marks[1:])
        facts = np.insert(self.facts, at, [facts_of(unit) for unit in new], axis=0)
        return replace(self, keys=keys, units=all_units, marks=marks, facts=facts)

    def _one_more(self, unit: Unit) -> Self:
        at = bisect.bisect_left(self.keys, unit.key)
        mark = np.array(mark_of(unit), np.uint64)
        return replace(
            self,
            keys=[*self.keys[:at], unit.key, *self.keys[at:]],
            units=[*self.units[:at], unit, *self.units[at:]],
            marks=np.concatenate([self.marks[: at + 1], self.marks[at:] + mark]),
            facts=np.concatenate([self.facts[:at], [facts_of(unit)], self.facts[at:]]),
        )

    def _less(self, at: int) -> Self:
        mark = self.marks[at + 1] - self.marks[at]
        return replace(
            self,
            keys=[*self.keys[:at], *self.keys[at + 1 :]],
            units=[*self.units[:at], *self.units[at + 1 :]],
            marks=np.concatenate([self.marks[: at + 1], self.marks[at + 2 :] - mark]),
            facts=np.concatenate([self.facts[:at], self.facts[at + 1 :]]),
        )

    def _not_aside(self, line: Leaf) -> Self:
        """Without the line of that leaf among the past and the gone; itself if it is not there."""
        past, gone = _less(self.past, line), _less(self.gone, line)
        if past is self.past and gone is self.gone:
            return self
        return replace(self, past=past, gone=gone)

    def run(self, start: int, stop: int) -> Self:
        """The leaves at the positions start to stop."""
        within = slice(start, stop)
        return replace(
            self,
            keys=self.keys[within],
            units=self.units[within],
            marks=self.marks[start : stop + 1],
            facts=self.facts[within],
            past=(),
            gone=(),
            stores=False,
        )

    def take(self, mask: Array) -> Self:
        """The leaves under the mask (n,)."""
        at = np.flatnonzero(mask).tolist()
        if not at or at[-1] - at[0] == len(at) - 1:
            return self.run(at[0], at[-1] + 1) if at else self.run(0, 0)
        marks = np.zeros((len(at) + 1, 2), np.uint64)
        np.cumsum(np.diff(self.marks, axis=0)[at], axis=0, out=marks[1:])
        return replace(
            self,
            keys=[self.keys[i] for i in at],
            units=[self.units[i] for i in at],
            marks=marks,
            facts=self.facts[at],
            past=(),
            gone=(),
            stores=False,
        )

    @functools.cached_property
    def folds(self) -> tuple[Fold, ...]:
        """The folds among them."""
        one_each = len(self.facts) == int(self.fact("n_batches").sum())
        return () if one_each else folds_among(self.units)

    def fold_of(self, leaf: Leaf) -> Fold | None:
        """The fold that a batch belongs in: it is in it, or came too late and stands beside it."""
        return next((fold for fold in self.folds if fold.holds(leaf.key)), None)

    def fact(self, name: str) -> Array:
        """(n,) int64: one of FACTS, of each."""
        return self.facts[:, FACTS.index(name)]

    @property
    def n_bytes(self) -> Array:
        """(n,) int64: of each in the store."""
        return self.fact("n_bytes")

    @functools.cached_property
    def timed(self) -> bool:
        """Whether event times are known; else windows go by the moment of absorbing."""
        return bool(self.fact("time").any())

    @property
    def clock(self) -> Array:
        """(n,) int64: when, by event time or else by moment of absorbing."""
        return self.fact("time" if self.timed else "absorbed")

    @functools.cached_property
    def order(self) -> Array:
        """(n,): positions from the oldest to the newest, by event, then by moment of absorbing."""
        return np.lexsort((self.fact("absorbed"), self.fact("time")))

    @property
    def newest(self) -> int | None:
        """The newest event, or moment of absorbing where there are no event times."""
        return int(self.clock.max()) if len(self) else None

    @functools.cached_property
    def tree(self) -> Tree:
        """What is summed over them."""
        return Tree(
            self.keys, self.marks, self._told, lambda *at: at[3] + at[4], stores=self.stores
        )

    def _told(self, at: int) -> Summary:
        name = self.tree.name(at, at + 1)
        found = self.sums.known(name)
        if found is None:
            found = self.fetch(self.units[at])
            self.sums.keep(name, found)
        return found

    def total(self) -> Summary:
        """The canonical sum: that of engine.tree.fold over key -> summary, bit for bit.

        Raises:
            NotFound: there are no leaves.
        """
        if not self.keys:
            do = "Widen the span, or absorb some."
            raise NotFound(got="no batch", wanted="at least one to sum", do=do)
        return self.sums.total(self.tree)

    def settle(self) -> None:
        """Store large sums behind, and remove from there what is of other leaves."""
        self.sums.settle(self.tree)

    @functools.cached_property
    def covered(self) -> Covered:
        """What they cover."""
        return covered_by(self)

    def between(self, after: int | None, until: int | None) -> Self:
        """The batches whose last event lies in (after, until]; None: no limit on that side.

        By moment of absorbing where there are no event times. What was corrected counts as it is
        now.

        Args:
            after, until: ns since 1970.

        Raises:
            Folded: a limit lies within a fold, which is named.
        """
        lowest, highest = -(1 << 63) - 1, 1 << 63
        low, high = lowest if after is None else after, highest if until is None else until
        for fold in self.folds:
            first = canon.unpack(fold.key)[0] if self.timed else fold.absorbed_first
            last = fold.time if self.timed else fold.absorbed
            for limit in (low, high):
                if first <= limit < last:
                    fold.refuse(f"a limit at {moment(limit)}")
        if self.timed:
            start, stop = (bisect.bisect_left(self.keys, pack(t + 1, 0, 0)) for t in (low, high))
            found = self.run(start, max(start, stop))
        else:
            found = self.take((self.clock > low) & (self.clock <= high))
        gone = (leaf.time if self.timed else leaf.absorbed for leaf in self.gone)
        kept = zip(self.gone, gone, strict=True)
        return replace(found, gone=tuple(leaf for leaf, when in kept if low < when <= high))

    def window(self, span: int, until: int | None = None) -> Self:
        """The batches whose last event lies in (until - span, until].

        Args:
            span: ns.
            until: ns since 1970; None: the newest event, never the clock.

        Raises:
            BadParameter: no span.
            Folded: a limit lies within a fold.
        """
        if span <= 0:
            raise BadParameter(
                got=f"a span of {span} ns", wanted="more than nothing", do='Write "90d", say.'
            )
        end = until if until is not None else self.newest
        return self if end is None else self.between(end - span, end)

    def as_of(self, time: int) -> Self:
        """What the data up to an event time says, corrections included."""
        return self.between(None, time)

    def alive_at(self, moment_: int) -> Self:
        """The leaves that were alive at a moment: absorbed by then, not yet replaced.

        Raises:
            Folded: some of the batches of a fold were absorbed by then, and others not.
        """
        for fold in self.folds:
            if fold.absorbed_first <= moment_ < fold.absorbed:
                fold.refuse(f"the moment {moment(moment_)}")
        found = self.take(self.fact("absorbed") <= moment_)
        then = [leaf for leaf in self.past if _was_alive(leaf, moment_)]
        found = found._more(*(leaf for leaf in then if leaf.lies is not None))
        lost = [leaf for leaf in then if leaf.lies is None]
        lost += [leaf for leaf in self.gone if leaf.absorbed <= moment_]
        return replace(found, gone=tuple(lost))

    def last(self, n: int) -> Self:
        """The last n batches, by event time, then by moment of absorbing.

        Raises:
            BadParameter: n is not at least 1.
            Folded: some of them, not all, are in a fold.
        """
        if n < 1:
            raise BadParameter(got=f"the last {n} batches", wanted="at least 1", do="Ask for more.")
        order = self.order[::-1]
        before = np.cumsum(self.fact("n_batches")[order]) - self.fact("n_batches")[order]
        taken = int((before < n).sum())
        mask = np.zeros(len(self), bool)
        mask[order[:taken]] = True
        found = self.take(mask)
        left_out = [
            (unit.time, unit.absorbed) for unit in (self.units[i] for i in order[taken:][:1])
        ]
        for fold in folds_among(self.units[i] for i in order[:taken][::-1]) if self.folds else ():
            if found.covered.n_batches > n or any(when > fold.begins for when in left_out):
                fold.refuse(f"the last {n:,} batches")
        return found

    def faded(self, half_life: float, unit: OfClock = "time") -> Summary:
        """The sum with each leaf scaled by its age: by half for each half-life.

        Of two siblings the older is scaled by the difference of their ages, so what was summed once
        is scaled again as a whole, and nothing overflows; equal to scaling leaf by leaf at
        `rounding`. The newest leaf has age 0. A fold is as old as the newest batch in it.

        Args:
            half_life: ns, or rows.
            unit: "time": the age is the time to the newest event (or moment of absorbing, where
                there are no event times); "rows": how many rows are newer.

        Raises:
            BadParameter: no half-life.
            CannotForget: a field of a kind that no factor scales; before any other work.
            NotFound: there are no leaves.
        """
        if not half_life > 0:
            do = "Write a span or a number of rows."
            raise BadParameter(got=f"a half-life of {half_life}", wanted="more than 0", do=do)
        if not self.keys:
            return self.total()
        refuse_to_fade(self._told(len(self) - 1))
        clock = self.clock if unit == "time" else self._rows_before()
        hashes = np.diff(self.marks, axis=0) ^ canon.mix(clock.astype(np.uint64))[:, None]
        marks = np.zeros_like(self.marks)
        np.cumsum(canon.mix(hashes), axis=0, out=marks[1:])

        def join(start: int, cut: int, stop: int, left: Summary, right: Summary) -> Summary:
            then, now = (int(clock[a:b].max()) for a, b in ((start, cut), (cut, stop)))
            return faded_by(left, now - then, half_life) + faded_by(right, then - now, half_life)

        tree = replace(self.tree, marks=marks, join=join, salt=f"{unit} {float(half_life).hex()}")
        return self.sums.total(tree)

    def _rows_before(self) -> Array:
        """(n,) int64: the rows up to the end of each leaf, from the oldest on."""
        clock = np.empty(len(self), np.int64)
        clock[self.order] = np.cumsum(self.fact("n_rows")[self.order])
        return clock

    def folded(self, some: Leaves, fold: Fold) -> Self:
        """With one sum in the place of some leaves; their lines stay in the ledger."""
        inside = set(some.keys)
        kept = self.take(np.array([key not in inside for key in self.keys], bool))
        return replace(kept._more(fold), past=self.past, gone=self.gone, stores=self.stores)


def _when(leaf: Leaf) -> tuple[int, str]:
    return leaf.absorbed, leaf.id


def _less(lines: tuple[Leaf, ...], line: Leaf) -> tuple[Leaf, ...]:
    at = bisect.bisect_left(lines, _when(line), key=_when)
    same = at < len(lines) and _when(lines[at]) == _when(line)
    return (*lines[:at], *lines[at + 1 :]) if same else lines


def _with(lines: tuple[Leaf, ...], line: Leaf) -> tuple[Leaf, ...]:
    at = bisect.bisect_left(lines, _when(line), key=_when)
    return (*lines[:at], line, *lines[at:])


def _was_alive(leaf: Leaf, moment_: int) -> bool:
    return leaf.absorbed <= moment_ and (leaf.ended is None or moment_ < leaf.ended)


def _refuse(there: Unit, new: Unit) -> None:
    names = [unit.id if isinstance(unit, Leaf) else unit.name for unit in (there, new)]
    raise Conflict(
        got=f"the batch {names[1]!r} where {names[0]!r} is",
        wanted="one batch under a key",
        do="Give the line of the old one with the moment at which it ended first.",
    )
