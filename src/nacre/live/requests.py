"""What threads want committed, and what of it is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nacre.errors import Fenced, NotFound
from nacre.evolve.runs import Runs, of_id
from nacre.live.numbered import After, position_of
from nacre.live.taking import Taken, same_content
from nacre.live.tombs import check_not_erased, is_tomb
from nacre.live.version import Version
from nacre.store.ledger import Leaf
from nacre.store.life import Position, Reading

MOST_AT_ONCE = 1_024  # requests in one commit


@dataclass(eq=False)
class Request:
    """What a thread wants committed, and what became of it.

    Attributes:
        taken: batches.
        instead: id of the batch whose place the one that was taken gets; None for new ones.
        again: whether erased ones may come back.
        after: the batch is what comes next of a stream.
        reading: how the files of it were read.
        known: ids that turned out to be in the ledger.
        lines: what stands in the ledger now.
        overtaken: another thread has absorbed some of its offsets meanwhile; nothing was changed.
        error: why it was refused.
        done: whether it was looked at.
    """

    taken: Sequence[Taken]
    instead: str | None = None
    again: bool = False
    after: After | None = None
    reading: Reading | None = None
    known: list[str] = field(default_factory=list)
    lines: list[Leaf] = field(default_factory=list)
    overtaken: bool = False
    error: Exception | None = None
    done: bool = False


class News:
    """What of a group of requests is new to a version.

    Attributes:
        fresh: batches.
        ended: lines whose place they take.
        streams: the offsets of streams after it; positions: how far they were followed.
    """

    def __init__(self, version: Version) -> None:
        self.version = version
        self.fresh: list[Taken] = []
        self.ended: list[Leaf] = []
        self.streams: dict[str, Runs] = {}
        self.positions: dict[str, Position] = {}
        self._lines: dict[str, Leaf] = {}

    def take(self, request: Request, now: int) -> None:
        """All of a request, or nothing of it.

        Raises:
            Conflict: an id that the ledger has with other content.
            NotFound: no batch whose place could be taken.
            Folded: that batch is part of a larger sum.
            Erased: what would take its place was erased.
            Fenced: the model has begun anew since the batches were observed.
        """
        self._check_base(request)
        if request.instead is not None:
            new = self._instead(request, request.instead, now)
        elif request.after is not None:
            new = self._next(request, request.after)
        else:
            new = self._added(request)
        for taken in new:
            line = replace(taken.leaf, absorbed=now + len(self.fresh))
            self.fresh.append(replace(taken, leaf=line))
            self._lines[line.id] = line
            request.lines.append(line)

    def _check_base(self, request: Request) -> None:
        base = self.version.commit.frame.base
        if any(taken.summary.base != base for taken in request.taken):
            raise Fenced(
                got="batches that were observed before the model began anew",
                wanted="batches under its frame of now",
                do="Absorb them again.",
                where=self.version.shelf.place.where,
            )

    def _instead(self, request: Request, id: str, now: int) -> list[Taken]:
        old = self.version.ledger.find(id)
        if old is None or old.ended is not None:
            raise NotFound(
                got=f"no batch {id!r}",
                wanted="the id of a batch in the ledger",
                do="Absorb it; the ledger lists what is there.",
            )
        (new,) = request.taken
        if new.leaf.content == old.content:
            request.known.append(old.id)
            return []
        check_not_erased(self.version.ledger, id, new.leaf.content)
        if old.lies is None and (fold := self.version.leaves.fold_of(old)):
            fold.refuse(f"the batch {id!r}")
        self.ended.append(replace(old, ended=now))
        return [new]

    def _next(self, request: Request, after: After) -> list[Taken]:
        stands = self.positions.get(after.stream, position_of(self.version.commit, after.stream))
        runs = self.streams.get(after.stream) or self.version.runs(after.stream)
        after.check(stands, runs, self.version.shelf.place.where)
        new = self._added(request)
        self.positions[after.stream] = after.until(sum(one.leaf.n_rows for one in new))
        return new

    def _added(self, request: Request) -> list[Taken]:
        fresh, known, streams = [], [], dict(self.streams)
        for taken in request.taken:
            id = taken.leaf.id
            if run := of_id(id):
                stream, first = run
                runs = streams.get(stream) or self.version.runs(stream)
                streams[stream], _, n_known = runs.add(first, first + taken.leaf.n_rows)
                if n_known:
                    request.overtaken = True
                    return []
            line = self._lines.get(id) or self.version.ledger.find(id)
            if not request.again:
                check_not_erased(self.version.ledger, id, taken.leaf.content)
            if line is None or is_tomb(line):
                fresh.append(taken)
            else:
                same_content(line, taken.leaf.content)
                known.append(id)
        request.known += known
        self.streams = streams
        return fresh


def together(waiting: Sequence[Request]) -> list[Request]:
    """Those of the first requests that may be one commit: a replacement stands alone."""
    if waiting[0].instead is not None:
        return list(waiting[:1])
    group: list[Request] = []
    for request in waiting[:MOST_AT_ONCE]:
        if request.instead is not None:
            break
        group.append(request)
    return group
