"""Live models that learned apart become one: the union of their leaves.

Under one frame a batch that several have absorbed counts once, so the result is what one model
would be that had absorbed all of it, to the bit, in whatever order they are named. Under other
frames the leaves of the lighter ones are expressed against the heaviest one's, as far as the
learner can.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nacre.errors import BadParameter, Conflict, NeedsRefit, NotFound
from nacre.evolve.fold import Fold
from nacre.evolve.runs import Runs, of_id
from nacre.live import numbering
from nacre.live.model import Live
from nacre.live.opening import open as opened
from nacre.live.opening import shelf_of
from nacre.live.tombs import is_tomb, tomb_of
from nacre.live.version import Grounds, Shelf, Version, blob, check_same, whole
from nacre.live.writer import Writer
from nacre.store import format as stored
from nacre.store import life
from nacre.store.ledger import Leaf, Lies
from nacre.store.life import Position
from nacre.store.place import place_of

_merged = itertools.count()


def merge(
    *models: str | os.PathLike[str] | Live, into: str | os.PathLike[str] | None = None
) -> Live:
    """One live model of several that learned apart; these stay as they are.

    >>> import numpy as np
    >>> from nacre.learn.count.moments import Moments
    >>> paris, tokyo = (opened(f"memory://{city}", Moments()) for city in ("paris", "tokyo"))
    >>> _ = paris.absorb(np.array([[1.0]]), id="a"), tokyo.absorb(np.array([[3.0]]), id="b")
    >>> merge(paris, tokyo).mean_
    array([2.])

    Args:
        models: live models, or where they are. Their learners are equal.
        into: where the result is to live, a place without a live model. Default: in memory.

    Raises:
        Conflict: two contents of one id, overlapping runs of a stream, or sums of old batches that
            are not the same; all of it is named, and nothing is merged.
        NeedsRefit: a running sum, or a frame that leaves cannot be carried to.
        BadParameter: other learners, columns, or a place that has a live model.
    """
    lives = [one if isinstance(one, Live) else opened(one) for one in models]
    if not lives:
        raise BadParameter(got="nothing to merge", wanted="live models", do="Name some.")
    versions = [live._version for live in lives]
    heavy = _heaviest(versions)
    for version in versions:
        _check_alike(heavy, version)
    united = Union.of(versions, heavy)
    uri = f"memory://merged-{next(_merged)}" if into is None else os.fspath(into)
    place = place_of(uri, make=True)
    shelf = shelf_of(place)
    if shelf.log.newest():
        raise BadParameter(
            got=f"into={uri!r}, which has a live model",
            wanted="a new place",
            do="Name that model among those to merge, and another place.",
        )
    where = " and ".join(live._shelf.place.where for live in lives[:3])
    _write(shelf, heavy, united, where + (", ..." if lives[3:] else ""))
    return opened(uri)


def _heaviest(versions: Sequence[Version]) -> Version:
    """Whose frame the result has: of equals that of the least base."""
    return min(versions, key=lambda one: (-one.commit.weight, one.grounds.frame.base))


def _check_alike(heavy: Version, other: Version) -> None:
    where = other.shelf.place.where
    check_same(heavy.grounds.learner, other.grounds.learner, where)
    mine, theirs = heavy.grounds.schema, other.grounds.schema
    for what in ("names", "n_columns", "dtype", "units"):
        if getattr(mine, what) != getattr(theirs, what):
            raise BadParameter(
                got=f"{what} {getattr(theirs, what)} in {where}",
                wanted=f"{getattr(mine, what)}, as in {heavy.shelf.place.where}",
                do="Merge models of the same columns.",
            )
    if not other.keeps_leaves:
        raise NeedsRefit(
            got=f"the running sum in {where}",
            wanted="models that keep batches apart",
            do="Use Micro(...): centres that moved apart have no common meaning.",
        )


At = tuple[str, str, int]  # id, content, moment of absorbing: one line of one ledger


@dataclass(eq=False)
class Union:
    """The lines of several ledgers, and whose leaves they are.

    Attributes:
        lines: those that stand.
        whose: the version that a line's leaf is read from.
        folds: sums of old batches, with the version that each is read from.
        positions: how far streams were followed, by the model that was followed furthest.
    """

    lines: dict[At, Leaf] = field(default_factory=dict)
    whose: dict[At, Version] = field(default_factory=dict)
    folds: list[tuple[Fold, Version]] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)

    @classmethod
    def of(cls, versions: Sequence[Version], heavy: Version) -> Union:
        """Of versions in any order.

        Raises:
            Conflict: what they say of a batch does not agree.
        """
        union = cls()
        for version in sorted(versions, key=lambda one: one is not heavy):
            union._fold(version)
        for version in versions:
            for line in version.ledger:
                union._put(line, version)
        for version in versions:
            union._end(version)
            union._go_on(version)
        union._once()
        union.streams()
        return union

    def _put(self, line: Leaf, version: Version) -> None:
        """A line that several have is one: ended where one of them ended it."""
        at = line.id, line.content, line.absorbed
        there = self.lines.get(at)
        if there is None or _weight(line) < _weight(there):
            self.lines[at], self.whose[at] = line, version

    def _go_on(self, version: Version) -> None:
        for stream, position in version.commit.positions.items():
            there = self.positions.get(stream, position)
            self.positions[stream] = max(there, position, key=lambda one: (one.offset, one.mark))

    def _fold(self, version: Version) -> None:
        where = version.shelf.place.where
        for fold in version.commit.folds:
            if any(one.lies.sha256 == fold.lies.sha256 for one, _ in self.folds):
                continue
            for one, other in self.folds:
                if one.holds(fold.key) or fold.holds(one.key):
                    raise Conflict(
                        got=f"{fold.name} in {where}, folded otherwise than {one.name} in "
                        f"{other.shelf.place.where}",
                        wanted="sums of the same batches",
                        do="Fit again on their sources.",
                    )
            self.folds.append((fold, version))

    def _end(self, version: Version) -> None:
        """What one has replaced or erased ends, whenever another absorbed it: their clocks are not
        one. What came back to it after that stands.
        """
        lines = list(version.ledger)
        alive = {(line.id, line.content) for line in lines if line.ended is None}
        contents = {content for _, content in alive}
        ends = {(line.id, line.content): line.ended for line in lines if line.ended is not None}
        buried = {line.content: line.ended for line in lines if is_tomb(line)}
        for at, line in list(self.lines.items()):
            name = line.id, line.content
            gone = buried.get(line.content) if line.content not in contents else None
            if is_tomb(line):
                continue
            if gone is not None:
                self.lines[at] = tomb_of(line, gone)
            elif line.ended is None and name in ends and name not in alive:
                self.lines[at] = replace(line, ended=ends[name])

    def _once(self) -> None:
        """Of each id one line is alive: of equal ones the folded, then the first.

        Raises:
            Conflict: two have other contents.
        """
        alive: dict[str, At] = {}
        for at, line in sorted(self.lines.items(), key=lambda item: _weight(item[1])):
            if line.ended is not None:
                continue
            first = alive.setdefault(line.id, at)
            if first[1] != at[1]:
                raise Conflict(
                    got=f"two contents of {line.id!r}: {first[1][:21]}… in "
                    f"{self.whose[first].shelf.place.where}, {at[1][:21]}… in "
                    f"{self.whose[at].shelf.place.where}",
                    wanted="one content under an id",
                    do="Replace it in one of them, then merge.",
                )
            if first != at:
                del self.lines[at]

    def streams(self) -> dict[str, tuple[int, ...]]:
        """The offsets of streams.

        Raises:
            Conflict: runs of one stream overlap and are not the same.
        """
        found: dict[str, Runs] = {}
        for line in self.lines.values():
            run = of_id(line.id)
            if run is None or line.ended is not None:
                continue
            stream, first = run
            runs, _, n_known = found.get(stream, Runs()).add(first, first + line.n_rows)
            if n_known:
                raise Conflict(
                    got=f"{n_known:,} offsets of {line.id!r} ({line.n_rows:,} rows) that stand in "
                    "another run, too",
                    wanted="runs of a stream that are the same or apart",
                    do="Erase one of them first.",
                )
            found[stream] = runs
        return {stream: runs.deltas for stream, runs in sorted(found.items())}


def _weight(line: Leaf) -> tuple[bool, bool, bool, int, str]:
    """Of equal lines the least stands: a tomb, one that ended, one that is folded, the first."""
    alive = line.ended is None
    return not is_tomb(line), alive, line.lies is not None, line.absorbed, line.content


def _write(shelf: Shelf, heavy: Version, united: Union, note: str) -> None:
    """The first commit of the result."""
    grounds = heavy.grounds
    for kept in (grounds.frame.learner, grounds.frame.schema, grounds.frame.model):
        shelf.keep(heavy.shelf.bytes_of(whole(kept)))
    datas = {at: _leaf_of(united, at, grounds) for at, line in united.lines.items() if line.lies}
    places = _kept(shelf, datas)
    lines = [replace(line, lies=places.get(at)) for at, line in united.lines.items()]
    folds = []
    for fold, version in united.folds:
        data = _carried(version, fold.lies, grounds)
        folds.append(replace(fold, lies=whole(shelf.keep(data))))
    Writer(shelf, None, None).unite(
        grounds,
        list(_apart_in_time(lines)),
        note,
        folds=tuple(folds),
        root=heavy.commit.root,
        retain=heavy.commit.retain,
        streams=united.streams(),
        positions=united.positions,
        numbering=numbering.taken_over(shelf, heavy),
    )


def _leaf_of(united: Union, at: At, grounds: Grounds) -> bytes:
    line = united.lines[at]
    if line.lies is None:
        raise NotFound(got=f"no leaf of {line.id!r}", wanted="its bytes", do="Look for damage.")
    return _carried(united.whose[at], line.lies, grounds)


def _carried(version: Version, lies: Lies, grounds: Grounds) -> bytes:
    """The bytes of a summary under a frame.

    Raises:
        NeedsRefit: the learner cannot carry it there.
    """
    data = version.shelf.bytes_of(lies)
    old = version.grounds.model
    if old.base == grounds.model.base:
        return data
    told = stored.from_bytes(data, "summary")
    return stored.to_bytes(grounds.bare.carry(told, old, grounds.model))


def _kept(shelf: Shelf, datas: Mapping[At, bytes]) -> dict[At, Lies]:
    """Bytes in packs, and where they lie there."""
    places: dict[At, Lies] = {}
    for names in _packs(datas):
        parts = [datas[name] for name in names]
        kept = shelf.keep(b"".join(parts))
        places |= zip(names, life.laid(blob(kept.sha256), parts), strict=True)
    return places


def _packs(datas: Mapping[At, bytes], most: int = 64 << 20) -> Iterator[list[At]]:
    names: list[At] = []
    size = 0
    for name in sorted(datas):
        names.append(name)
        size += len(datas[name])
        if size >= most:
            yield names
            names, size = [], 0
    if names:
        yield names


def _apart_in_time(lines: Sequence[Leaf]) -> Iterator[Leaf]:
    """No two lines have one moment of absorbing: what came apart may have come at once."""
    last = -1
    for line in sorted(lines, key=lambda one: (one.absorbed, one.id, one.content)):
        moment = max(line.absorbed, last + 1)
        last = moment
        ended = None if line.ended is None else max(line.ended, moment)
        yield replace(line, absorbed=moment, ended=ended)
