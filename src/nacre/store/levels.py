"""The ledger of a live model: segments, from the oldest to the newest, and lines since then.

A line says all there is to know of one batch, from one moment of absorbing on; a later line of the
same id and moment takes its place. Segments are merged by size, as in a log-structured merge-tree
(O'Neil et al. 1996): a line is written again when the segment that it is in has at least doubled
or been taken into one that was twice as large, so O(log n) times.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence

from nacre.canon import hash64
from nacre.store.ledger import Leaf
from nacre.store.life import Named
from nacre.store.pages import Line, leaf_of, line_of
from nacre.store.place import Place
from nacre.store.segments import Segment, order, written

MOST_FOUND = 4096  # ids whose lines are kept once found


class Levels:
    """Segments, from the oldest to the newest, and what was found in them."""

    def __init__(self, place: Place, named: Sequence[Named]) -> None:
        self.place = place
        self.segments = tuple(Segment(place, one) for one in named)
        self._found: dict[str, tuple[Leaf, ...]] = {}

    def lines(self, id: str) -> tuple[Leaf, ...]:
        """The lines of an id, the newest of each moment, sorted by moment."""
        found = self._found.get(id)
        if found is None:
            hashed, by_moment = hash64(id), dict[int, Leaf]()
            for one in self.segments:
                by_moment.update({leaf.absorbed: leaf for leaf in one.of(hashed, id)})
            found = tuple(by_moment[moment] for moment in sorted(by_moment))
            if len(self._found) >= MOST_FOUND:
                self._found = {}
            self._found[id] = found
        return found

    def has(self, leaf: Leaf) -> bool:
        """Whether there is a line of the same id and moment."""
        return any(line.absorbed == leaf.absorbed for line in self.lines(leaf.id))


class Ledger:
    """Every batch that was absorbed, alive or ended. Immutable; segments are read when asked for.

    >>> from nacre.store.place import place_of
    >>> place = place_of("memory://doctest-ledger", make=True)
    >>> ledger = Ledger(place).with_lines(Leaf("a.csv", 0, 0, 100, 0, "", absorbed=1))
    >>> written = Ledger(place, ledger.merged())
    >>> written.find("a.csv").n_rows, written.find("b.csv"), len(written)
    (100, None, 1)

    Args:
        place: where the segments lie.
        segments: from the oldest to the newest.
        recent: lines that are newer than all segments, in the order in which they were written.
    """

    def __init__(
        self, place: Place, segments: Sequence[Named] = (), recent: Iterable[Leaf] = ()
    ) -> None:
        self._levels = Levels(place, segments)
        self._recent = _put({}, recent)

    def with_lines(self, *leaves: Leaf) -> Ledger:
        """The same ledger with more lines; what was found in the segments is kept."""
        ledger = object.__new__(Ledger)
        ledger._levels = self._levels
        ledger._recent = _put(self._recent, leaves)
        return ledger

    @property
    def segments(self) -> tuple[Named, ...]:
        """The segments, from the oldest to the newest."""
        return tuple(one.named for one in self._levels.segments)

    @property
    def recent(self) -> tuple[Leaf, ...]:
        """The lines that no segment has yet, by id."""
        return tuple(leaf for leaves in self._recent.values() for leaf in leaves.values())

    def lines(self, id: str) -> list[Leaf]:
        """The lines of an id, one for each moment of absorbing, in their order.

        Raises:
            CorruptState: a segment is damaged where it was read; it is named.
        """
        found = {leaf.absorbed: leaf for leaf in self._levels.lines(id)}
        found.update(self._recent.get(id, {}))
        return [found[moment] for moment in sorted(found)]

    def find(self, id: str) -> Leaf | None:
        """The line of an id that was absorbed last, alive or ended; None where there is none.

        Raises:
            CorruptState: a segment is damaged where it was read; it is named.
        """
        lines = self.lines(id)
        return lines[-1] if lines else None

    def __iter__(self) -> Iterator[Leaf]:
        """All lines, one for each id and moment, sorted by the hashes of the ids, then by moment.

        One page of each segment is in memory at a time.
        """
        streams = [one.lines() for one in self._levels.segments]
        for line in _woven([*streams, _lines(self.recent)]):
            yield leaf_of(line)

    def alive(self) -> Iterator[Leaf]:
        """The lines of batches whose place no other has taken, in the same order."""
        return (leaf for leaf in self if leaf.ended is None)

    def __len__(self) -> int:
        """How many lines there are, one for each id and moment."""
        return sum(one.n_new for one in self._levels.segments) + self._n_new()

    def _n_new(self) -> int:
        return sum(not self._levels.has(leaf) for leaf in self.recent)

    def merged(self) -> list[Named]:
        """Segments with all lines: a new one of what is recent and of those it was merged with.

        Raises:
            CorruptState: a segment that is merged is damaged; it is named.
            DiskFull, Unavailable: the new one cannot be written.
        """
        if not self._recent:
            return list(self.segments)
        older, recent = list(self._levels.segments), self.recent
        taken: list[Segment] = []
        n = len(recent)
        while older and 2 * n >= len(older[-1]):
            n += len(older[-1])
            taken.insert(0, older.pop())
        n_new = self._n_new() + sum(one.n_new for one in taken)
        lines = _woven([*(one.lines() for one in taken), _lines(recent)])
        return [*(one.named for one in older), written(self._levels.place, lines, n_new)]

    def checked(self) -> Ledger:
        """The ledger itself, when every byte of its segments is right.

        Raises:
            CorruptState: it is not; the file is named.
        """
        for one in self._levels.segments:
            one.checked()
        return self


def merged(place: Place, named: Sequence[Named], recent: Iterable[Leaf]) -> list[Named]:
    """Segments, from the oldest to the newest, that have the lines of others and recent ones.

    Raises:
        CorruptState: a segment that is merged is damaged; it is named.
        DiskFull, Unavailable: the new one cannot be written.
    """
    return Ledger(place, named, recent).merged()


def without(place: Place, named: Sequence[Named], ids: Collection[str]) -> list[Named]:
    """The same segments without any line of some ids; those that have none stay as they are.

    Raises:
        CorruptState: a segment that was read is damaged; it is named.
        DiskFull, Unavailable: a new one cannot be written.
    """
    left: list[Named] = []
    gone = {id.encode() for id in ids}
    seen: set[tuple[str, int]] = set()
    for one in (Segment(place, name) for name in named):
        dropped = {(leaf.id, leaf.absorbed) for id in ids for leaf in one.find(id)}
        if not dropped:
            left.append(one.named)
        elif len(dropped) < len(one):
            lines = (line for line in one.lines() if line.id not in gone)
            left.append(written(place, lines, one.n_new - len(dropped - seen)))
        seen |= dropped
    return left


def _put(before: dict[str, dict[int, Leaf]], leaves: Iterable[Leaf]) -> dict[str, dict[int, Leaf]]:
    """Id -> moment -> line, with more lines."""
    after = dict(before)
    for leaf in leaves:
        after[leaf.id] = {**after.get(leaf.id, {}), leaf.absorbed: leaf}
    return after


def _lines(leaves: Iterable[Leaf]) -> Iterator[Line]:
    return iter(sorted(map(line_of, leaves), key=order))


def _woven(streams: Sequence[Iterator[Line]]) -> Iterator[Line]:
    """Lines of sorted streams in their order; of equal ones the line of the last stream."""
    last: Line | None = None
    for line in heapq.merge(*streams, key=order):
        if last is not None and order(last) != order(line):
            yield last
        last = line
    if last is not None:
        yield last
