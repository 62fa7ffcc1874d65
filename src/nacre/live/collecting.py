"""Which old commits are kept, and removing the others with what only they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from nacre.errors import NacreError
from nacre.live import numbering
from nacre.live.checking import named
from nacre.live.version import Shelf, Version, opened
from nacre.live.views import acts
from nacre.store.commits import SEGMENT, name_of
from nacre.store.life import BEGINNINGS, Act
from nacre.store.segments import Segment

DAY = 86_400 * 10**9  # ns
YOUNG = 7 * DAY  # all are kept that are at most so much older than the newest
RUNNING = 100  # the last ones of a running model are its only past


@dataclass(frozen=True)
class Collected:
    """What was removed."""

    n_commits: int
    n_blobs: int
    n_bytes: int


def kept(history: Sequence[Act], *, young: int = YOUNG, running: bool = False) -> set[int]:
    """The numbers of the commits that stay.

    Those since the last checkpoint; those of the last days before the newest, by the moments of the
    commits, not by the clock; the last of each day; the last before a new beginning; of a running
    model the last hundred. And whatever of its own checkpoint's commits such a one needs.
    """
    newest = history[-1]
    stay = {newest.number}
    for act, after in pairwise(history):
        last_of_day = act.moment // DAY != after.moment // DAY
        if newest.moment - act.moment <= young or last_of_day or after.what in BEGINNINGS:
            stay.add(act.number)
    if running:
        return stay | {act.number for act in history[-RUNNING:]}
    return {number for one in stay for number in range(max(one // SEGMENT * SEGMENT, 1), one + 1)}


def collect(version: Version, *, young: int = YOUNG) -> Collected:
    """Remove the commits that need not stay, and blobs that only they name.

    Where batches are kept apart, `at` sums them and needs no old commit.
    """
    shelf, history = version.shelf, list(acts(version))
    stay = kept(history, young=young, running=not version.keeps_leaves)
    there = shelf.log.numbers()
    gone = [number for number in there if number not in stay and number < version.number]
    if not gone:
        return Collected(0, 0, 0)
    before = _named(shelf, _telling(gone, history))
    left = _telling(sorted(set(there) - set(gone)), history)
    alone = before - _named(shelf, left) - named(version.commit)
    blobs = sorted(alone - _in_lines(version, left)) if alone else []
    there = sorted(set(there) - set(gone))
    blobs += numbering.unused(numbering.tables(shelf.place), there)
    n_bytes = sum(shelf.place.size(name) for name in (*map(name_of, gone), *blobs))
    shelf.log.remove(gone)
    shelf.place.remove(blobs)
    return Collected(len(gone), len(blobs), n_bytes)


def _in_lines(version: Version, numbers: Iterable[int]) -> set[str]:
    """What lines in segments name: they outlive the commits that they came in."""
    shelf = version.shelf
    segments = {one for number in numbers for one in opened(shelf, number).commit.segments}
    lines = (line for one in segments for line in Segment(shelf.place, one))
    return {line.lies.object for line in lines if line.lies is not None}


def due(version: Version, *, young: int = YOUNG) -> bool:
    """Whether so much may be removed that looking for it is worth while; asked at checkpoints."""
    if version.number // SEGMENT % 16:
        return False
    numbers = version.shelf.log.numbers()
    try:
        oldest = opened(version.shelf, numbers[0]).commit.act
    except NacreError:
        return False
    return version.commit.act.moment - oldest.moment > young


def tidy(version: Version) -> None:
    """Collect at a checkpoint, where it is worth while; an absorb does not fail for it."""
    if version.number % SEGMENT == 0:
        with suppress(NacreError):
            if due(version):
                collect(version)


def _telling(numbers: Sequence[int], history: Sequence[Act]) -> list[int]:
    """Of commits that name the same blobs one: those between two checkpoints or beginnings do."""
    begun = {act.number for act in history if act.what in BEGINNINGS}
    last: dict[tuple[int, int], int] = {}
    for number in sorted(numbers):
        last[number // SEGMENT, sum(b <= number for b in begun)] = number
    return sorted(last.values())


def named_by(shelf: Shelf, history: Sequence[Act]) -> set[str]:
    """The blobs that the commits which are there name, but those that lines in segments name."""
    return _named(shelf, _telling(shelf.log.numbers(), history))


def _named(shelf: Shelf, numbers: Iterable[int]) -> set[str]:
    return {name for number in numbers for name in named(opened(shelf, number).commit)}
