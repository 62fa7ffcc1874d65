"""Numbered sources: which offsets of a stream a model has, as runs.

A stream numbers its rows, so what was absorbed of it is a set of integers that is nearly one run:
10 million batches that follow each other are two numbers. What comes again is left out, gaps may
be filled later.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from nacre.errors import BadInput, BadParameter, Conflict, CorruptState

MOST_GAPS = 10_000
MOST_OFFSET = (1 << 63) - 1
_SHOWN = 5  # runs that a message names
_STREAM = r"[A-Za-z0-9][A-Za-z0-9._:+%-]{0,199}"
_ID = re.compile(rf"({_STREAM})@(0|[1-9][0-9]{{0,18}})", re.ASCII)

Run = tuple[int, int]  # half-open: the first offset, and the one after the last


def id_of(stream: str, first: int) -> str:
    """The id of the batch of a stream that begins at an offset.

    The name of a stream has no "/", "@" or space, so whatever lies in a folder below the root has
    another id; what could have the same one is refused by `check_named`.

    >>> id_of("orders:3", 120)
    'orders:3@120'

    Raises:
        BadParameter: a name or an offset that no stream may have.
    """
    if type(stream) is not str or not re.fullmatch(_STREAM, stream, re.ASCII):
        raise BadParameter(
            got=f"the stream {stream!r:.80}",
            wanted="1 to 200 letters, digits and . _ : + % -, a letter or digit first",
            do="Write other letters as %20 and so on.",
        )
    if type(first) is not int or not 0 <= first < MOST_OFFSET:
        _bad(f"offset {first!r:.40}")
    return f"{stream}@{first}"


def of_id(id: str) -> tuple[str, int] | None:
    """Stream and first offset of an id; None for that of a file, a table or an array.

    >>> of_id("orders:3@120"), of_id("2026/orders@120"), of_id("orders.parquet")
    (('orders:3', 120), None, None)
    """
    found = _ID.fullmatch(id)
    if found is None or int(found[2]) >= MOST_OFFSET:
        return None
    return found[1], int(found[2])


def check_named(id: str) -> None:
    """Raise BadInput where the id of a file, a table or an array looks like that of a stream."""
    if of_id(id) is not None:
        raise BadInput(
            got=f"the id {id!r:.80}, as batches of streams have",
            wanted="a name of another form",
            do="Pass id=, or put the file into a folder below the root.",
        )


@dataclass(frozen=True)
class Runs:
    """A set of offsets, int64 and not negative, as runs that do not touch each other. Immutable.

    >>> runs, new, n_known = Runs().add(0, 100)[0].add(50, 150)
    >>> runs, new, n_known
    (Runs(starts=(0,), stops=(150,)), ((100, 150),), 50)

    Attributes:
        starts: sorted first offsets.
        stops: of each run the offset after its last.
    """

    starts: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Runs:
        """The union of any runs.

        >>> Runs.of([(5, 9), (0, 3), (2, 5)])
        Runs(starts=(0,), stops=(9,))

        Raises:
            BadInput: one that is empty or out of range.
        """
        starts: list[int] = []
        stops: list[int] = []
        for start, stop in sorted(runs):
            _check(start, stop)
            if stops and start <= stops[-1]:
                stops[-1] = max(stop, stops[-1])
            else:
                starts.append(start)
                stops.append(stop)
        return cls(tuple(starts), tuple(stops))

    def __len__(self) -> int:
        """How many runs."""
        return len(self.starts)

    def __iter__(self) -> Iterator[Run]:
        return zip(self.starts, self.stops, strict=True)

    def __contains__(self, offset: int) -> bool:
        at = bisect.bisect_right(self.starts, offset) - 1
        return at >= 0 and offset < self.stops[at]

    @property
    def n_offsets(self) -> int:
        """How many offsets."""
        return sum(self.stops) - sum(self.starts)

    def add(self, start: int, stop: int) -> tuple[Runs, tuple[Run, ...], int]:
        """With one more run: the set, the parts of the run that are new, how many offsets are not.

        Raises:
            BadInput: a run that is empty or out of range.
            Conflict: more than 10,000 gaps would stand open; what is before the first run is none.
        """
        new = self.missing(start, stop)
        covered = stop - start - sum(b - a for a, b in new)
        if not new:
            return self, new, covered
        low = bisect.bisect_left(self.stops, start)  # runs that touch it melt into it
        high = bisect.bisect_right(self.starts, stop)
        if low < high:
            start, stop = min(start, self.starts[low]), max(stop, self.stops[high - 1])
        runs = Runs(
            (*self.starts[:low], start, *self.starts[high:]),
            (*self.stops[:low], stop, *self.stops[high:]),
        )
        runs._check_gaps()
        return runs, new, covered

    def missing(self, start: int, stop: int) -> tuple[Run, ...]:
        """The parts of a run that are not in the set.

        >>> Runs.of([(0, 3), (5, 9)]).missing(2, 12)
        ((3, 5), (9, 12))

        Raises:
            BadInput: a run that is empty or out of range.
        """
        _check(start, stop)
        low = bisect.bisect_right(self.stops, start)
        high = bisect.bisect_left(self.starts, stop)
        edges = [start, *_flat(self.starts[low:high], self.stops[low:high]), stop]
        return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)

    @property
    def gaps(self) -> tuple[Run, ...]:
        """The runs that are missing between the first offset and the last."""
        return tuple(zip(self.stops[:-1], self.starts[1:], strict=True))

    def __or__(self, other: Runs) -> Runs:
        """All offsets of both.

        Raises:
            Conflict: more than 10,000 gaps would stand open.
        """
        runs = Runs.of([*self, *other])
        runs._check_gaps()
        return runs

    def __sub__(self, other: Runs) -> Runs:
        """The offsets of this one alone."""
        left = [part for start, stop in self for part in other.missing(start, stop)]
        return Runs(tuple(a for a, _ in left), tuple(b for _, b in left))

    def minus(self, start: int, stop: int, absorbed: Iterable[Run]) -> tuple[Runs, list[Run]]:
        """Without a run of offsets that was absorbed as whole runs: the set, and which they are.

        Args:
            start, stop: what goes.
            absorbed: the runs as they were absorbed, one for each batch of the stream.

        Raises:
            BadInput: a run that is empty or out of range.
            Conflict: a batch is in it with some of its offsets only; or more than 10,000 gaps
                would stand open.
        """
        _check(start, stop)
        inside = sorted((a, b) for a, b in absorbed if a < stop and start < b)
        cut = [(a, b) for a, b in inside if a < start or stop < b]
        if cut:
            raise Conflict(
                got=f"offsets {start:,} to {stop - 1:,}, a part only of what came as {shown(cut)}",
                wanted="whole runs as they were absorbed, because each is one sum",
                do=f"Ask for {min(start, cut[0][0])} to {max(stop, cut[-1][1]) - 1}.",
            )
        runs = self - Runs.of(inside)
        runs._check_gaps()
        return runs, inside

    def _check_gaps(self) -> None:
        if len(self) - 1 > MOST_GAPS:
            raise Conflict(
                got=f"{len(self) - 1:,} open gaps: {shown(self.gaps)}",
                wanted=f"at most {MOST_GAPS:,}",
                do="Absorb what is missing, the oldest first, before you go on.",
            )

    @property
    def deltas(self) -> tuple[int, ...]:
        """The set in small numbers: how far to the next run, how long it is, and so on.

        >>> Runs.of([(1_000_000, 1_000_100), (1_000_103, 1_000_200)]).deltas
        (1000000, 100, 3, 97)
        """
        edges = [0, *_flat(self.starts, self.stops)]
        return tuple(b - a for a, b in itertools.pairwise(edges))

    @classmethod
    def of_deltas(cls, deltas: Sequence[int]) -> Runs:
        """The set of such numbers.

        Raises:
            CorruptState: numbers that no set has.
        """
        wrong = len(deltas) % 2 or any(type(step) is not int for step in deltas)
        if wrong or min(deltas[:1], default=0) < 0 or min(deltas[1:], default=1) < 1:
            _corrupt(f"{len(deltas):,} numbers for runs", "pairs of a way and a length")
        edges = list(itertools.accumulate(deltas))
        if max(edges[-1:], default=0) > MOST_OFFSET or len(edges) // 2 - 1 > MOST_GAPS:
            _corrupt(f"{len(edges) // 2:,} runs up to {edges[-1]}", "int64, and few gaps")
        return cls(tuple(edges[::2]), tuple(edges[1::2]))


def shown(runs: Sequence[Run]) -> str:
    """The first runs, in words.

    >>> shown([(0, 3), (5, 6)])
    '0 to 2, 5'
    """
    texts = [f"{a} to {b - 1}" if b - a > 1 else f"{a}" for a, b in runs[:_SHOWN]]
    more = f" and {len(runs) - _SHOWN:,} more" if len(runs) > _SHOWN else ""
    return ", ".join(texts) + more


def _flat(starts: Sequence[int], stops: Sequence[int]) -> Iterable[int]:
    return itertools.chain.from_iterable(zip(starts, stops, strict=True))


def _check(start: int, stop: int) -> None:
    if type(start) is not int or type(stop) is not int or not 0 <= start < stop <= MOST_OFFSET:
        _bad(f"offsets from {start!r:.40} up to {stop!r:.40}")


def _bad(got: str) -> NoReturn:
    raise BadInput(
        got=got,
        wanted="integers from 0 up to 2**63 - 1, the first below the one after the last",
        do="Pass the offsets that the stream gave to its rows.",
    )


def _corrupt(got: str, wanted: str) -> NoReturn:
    raise CorruptState(got=got, wanted=wanted, do="Restore the file from a copy, or make it again.")
