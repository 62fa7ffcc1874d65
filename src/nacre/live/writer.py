"""One commit after another: how batches become part of a live model, for good.

Many threads may ask at once: whoever comes first commits for all that wait. A commit is one object
under the next number; if somebody else has taken that number, nothing was changed, and the writer
is fenced until it reads the store again.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from nacre.canon import digest
from nacre.contract import State, Summary
from nacre.errors import BadInput, DiskFull, NacreError, Unavailable
from nacre.evolve.folding import Retain
from nacre.evolve.leaves import Leaves
from nacre.live import numbering
from nacre.live.collecting import tidy
from nacre.live.erasing import erased, finish, without_runs
from nacre.live.packing import Packed, at_rest, folded
from nacre.live.reading import longer
from nacre.live.requests import News, Request, together
from nacre.live.taking import Began, Taken
from nacre.live.tombs import TOMB, is_tomb
from nacre.live.version import Grounds, Shelf, Version, newest, whole
from nacre.store import format as stored
from nacre.store import life
from nacre.store.commits import SEGMENT, name_of
from nacre.store.ledger import Leaf
from nacre.store.levels import Ledger
from nacre.store.life import Act, Commit, Reading

MOST_INLINE = 1 << 20  # bytes of a leaf that stands in its commit; a larger one is a blob
MOST_RECENT = 10_000  # lines in commits; more are packed before a checkpoint
MUCH = 10 * 10**9  # bytes of leaves, from which on every commit asks what to retain
DAY = 86_400 * 10**9  # ns


@dataclass(frozen=True, eq=False)
class Step:
    """What the next commit changes.

    Attributes:
        what: as in Act.
        lines: of new batches, and `ended` those whose place they take.
        told: the sum after it.
        datas: the bytes that stand in the commit, one after another.
        more: other fields of the commit.
    """

    what: str
    lines: Sequence[Leaf]
    told: Summary
    datas: Sequence[bytes]
    ended: Sequence[Leaf] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


class Writer:
    """Commits to one live model; for threads.

    Attributes:
        shelf: where it lies.
        version: the newest that this writer knows; None while there is none.
        retain: how many leaves are kept apart; None: as it was.
        busy: held while a commit is made.
        unfinished: an erasure could not be finished: the next commit still says what is to go.
    """

    def __init__(self, shelf: Shelf, version: Version | None, retain: Retain | None) -> None:
        self.shelf, self.version, self.retain = shelf, version, retain
        self.name = os.urandom(8).hex()
        self.epoch = 0  # of this writer, from its first commit on
        self.busy = threading.RLock()
        self.unfinished = False
        self._unsure = False
        self._asking = threading.Lock()
        self._waiting: list[Request] = []
        self._spelling = life.Spelling()

    def submit(self, request: Request) -> Request:
        """Commit a request, together with others that wait; it says what became of it.

        Raises:
            Fenced: somebody else has committed; nothing was changed.
            Conflict: an id that the ledger has with other content.
            NotFound: no batch whose place could be taken.
            DiskFull, Unavailable: it may be committed or not; the same again is safe.
        """
        with self._asking:
            self._waiting.append(request)
        with self.busy:
            while not request.done:
                self._commit_some()
        if request.error is not None:
            raise request.error
        return request

    def _commit_some(self) -> None:
        with self._asking:
            group = together(self._waiting)
            del self._waiting[: len(group)]
        try:
            self._commit(group)
        except Exception as error:
            for request in group:
                request.error = request.error or _own(error)
        except BaseException:  # Ctrl-C in the thread that commits for others too
            for request in group:
                request.error = request.error or _interrupted(self.shelf.place.where)
            raise
        finally:
            for request in group:
                request.done = True

    def _adopt(self) -> None:
        """After an error of the disk: go on from our own commit, where it was made after all."""
        if self._unsure and self.version is not None:
            self.shelf.log.settled()
            found = newest(self.shelf, self.version.grounds)
            if found is not None and found.commit.act.writer == self.name:
                self.version = found
        self._unsure = False

    def _commit(self, group: Sequence[Request]) -> None:
        self._adopt()
        version, now = self._known(), self._moment()
        _ = version.told  # which looks: no sum but the one that was committed goes on
        news = News(version)
        for request in group:
            try:
                news.take(request, now)
            except NacreError as error:
                request.error = error
        if not news.fresh:
            return
        lines, datas = self._laid(version.number + 1, news.fresh)
        leaves = version.leaves.put(*news.ended, *lines)
        for line, taken in zip(lines, news.fresh, strict=True):
            leaves.know(line, taken.summary)
        _say_if_much(leaves, version.commit)
        told = leaves.total()
        what = "replace" if news.ended else "absorb"
        streams = {name: runs.deltas for name, runs in news.streams.items()}
        more: dict[str, Any] = {}
        if streams:
            more["streams"] = {**version.commit.streams, **streams}
        if news.positions:
            more["positions"] = {**version.commit.positions, **news.positions}
        for request in group:
            before = more.get("readings", version.commit.readings)
            more["readings"] = longer(before, request.reading, request.lines)
        step = Step(what, lines, told, datas, news.ended, more)
        after = self._next(version, step, leaves)
        for request in group:
            committed = {line.id: line for line in lines}
            request.lines = [committed[line.id] for line in request.lines]
        self.version = after
        tidy(after)

    def _laid(self, number: int, fresh: Sequence[Taken]) -> tuple[list[Leaf], list[bytes]]:
        """The lines with the places of their bytes, and the bytes that stand in the commit."""
        inline = [taken.data for taken in fresh if len(taken.data) <= MOST_INLINE]
        places = iter(life.laid(name_of(number), inline))
        lines = []
        for taken in fresh:
            if len(taken.data) <= MOST_INLINE:
                lies = next(places)
            else:
                lies = whole(self.shelf.keep(taken.data))
            lines.append(replace(taken.leaf, lies=lies))
        return lines, inline

    def begin(
        self, grounds: Grounds, first: Began, more: Mapping[str, Any], what: str = "begin"
    ) -> list[Leaf]:
        """Commit a fit: the ledger begins anew with its batches, the history goes on.

        Args:
            first: lines that say when they were absorbed keep that.
            more: other fields of the commit.
            what: as in Act.

        Raises:
            Fenced: somebody else has committed meanwhile.
        """
        now, before = self._moment(), self.version and self.version.commit
        number = before.act.number + 1 if before else 1
        rest = Packed((), before.history, (), before.acts) if before else Packed((), ())
        dated = [
            replace(line, absorbed=line.absorbed or now + at) for at, line in enumerate(first.lines)
        ]
        told, buried = first.state.told, first.buried
        if self.version is not None:  # what was erased stays so, but for what this fit names
            mine = {name for line in dated for name in (line.id, TOMB + line.content)}
            tombs = (line for line in self.version.ledger if is_tomb(line))
            buried = (*(line for line in tombs if line.id not in mine), *buried)
        if first.taken:
            fresh = zip(first.taken, dated, strict=True)
            lines, datas = self._laid(number, [replace(one, leaf=line) for one, line in fresh])
            running = None
        else:
            lines, datas = dated, [stored.to_bytes(first.state)]
            (running,) = life.laid(name_of(number), datas)
        act = self._act(number, what, first.erased or lines, told)
        known: dict[str, Any] = {
            "retain": str(self.retain or Retain()),
            "readings": longer((), first.reading, lines),
        }
        act = replace(act, moment=max(act.moment, now))
        commit = Commit(
            act,
            grounds.frame,
            first.root,
            *_counts(len(lines), told),
            running=running,
            recent=(*buried, *lines),
            since=0 if what == "begin" else act.moment,
            **(known | {**more}),
        )
        if commit.frame.made_until:
            frame = replace(commit.frame, made_until=lines[-1].absorbed)
            grounds = replace(grounds, frame=frame)
            commit = replace(commit, frame=frame)
        if number % SEGMENT == 0:
            rest = at_rest(self.shelf, rest)
        table = numbering.begun(self.version, number, grounds, first.state)
        commit = replace(
            commit,
            numbering=numbering.keep(self.shelf, number, table),
            history=rest.history,
            acts=(*rest.acts, commit.act),
        )
        self.version = self._append(commit, grounds, datas)
        return lines

    def unite(self, grounds: Grounds, lines: Sequence[Leaf], note: str, **more: Any) -> None:
        """The first commit of a place: lines whose leaves lie in blobs there.

        Args:
            note: where they come from.
            more: other fields of the commit.
        """
        ledger = Ledger(self.shelf.place, Ledger(self.shelf.place, (), lines).merged())
        leaves = Leaves.of(ledger, self.shelf.summary, self.shelf.sums, more["folds"])
        told, alive = leaves.total(), list(ledger.alive())
        act = replace(self._act(1, "merge", alive, told), moment=self._moment(), note=note)
        counts = _counts(len(alive), told)
        commit = Commit(
            act, grounds.frame, more.pop("root"), *counts, segments=ledger.segments, **more
        )
        self.version = self._append(replace(commit, acts=(act,)), grounds, ())

    def learn(
        self, fresh: Sequence[Leaf], state: State, reading: Reading | None = None, **more: Any
    ) -> list[Leaf]:
        """Commit the next state of a running model; call it while `busy` is held."""
        version, now = self._known(), self._moment()
        lines = [replace(line, absorbed=now + at) for at, line in enumerate(fresh)]
        data = stored.to_bytes(state)
        (running,) = life.laid(name_of(version.number + 1), [data])
        more |= {"running": running, "readings": longer(version.commit.readings, reading, lines)}
        self.version = self._next(version, Step("absorb", lines, state.told, [data], (), more))
        tidy(self.version)
        return lines

    def erase(self, lines: Sequence[Leaf]) -> Version:
        """Commit without some batches, then remove every trace of them.

        Args:
            lines: of the version that this writer knows; the frame was made from none of them.

        Raises:
            Folded, BadInput: nothing was changed.
            Fenced: somebody else has committed; nothing was changed.
            Unavailable: they are in no sum any more, but their bytes are still there; the next that
                opens the live model goes on.
        """
        with self.busy:
            version, now = self._known(), self._moment()
            found = erased(version, lines, now)
            n_gone = sum(line.ended is None for line in lines)
            number = version.number + 1
            act = replace(self._act(number, "erase", lines, found.told), moment=now)
            counts: Any = _counts(version.commit.n_batches - n_gone, found.told)
            table = numbering.erased(version, number, found.told)
            commit = replace(
                version.commit,
                act=act,
                numbering=numbering.keep(self.shelf, number, table),
                recent=(),
                segments=found.rest.segments,
                history=found.rest.history,
                acts=(act,),
                streams=without_runs(version, lines),
                doomed=found.doomed,
                receipt=replace(found.receipt, number=number),
                **dict(zip(COUNTED, counts, strict=True)),
            )
            after = self._append(commit, version.grounds, ())
            after.__dict__.update(told=found.told)
            return self._finished(after)

    def erase_anew(self, grounds: Grounds, first: Began, more: Mapping[str, Any]) -> Version:
        """Commit a fit without some batches, then remove every trace of them; see `begin`."""
        with self.busy:
            self.begin(grounds, first, more, "erase")
            return self._finished(self._known())

    def _finished(self, after: Version) -> Version:
        self.version, self.unfinished = after, True
        finish(after)
        self.unfinished = False
        return after

    def finish_erasure(self) -> None:
        """Finish what a crash has left of an erasure; say so where it cannot be done."""
        version = self._known()
        try:
            self.unfinished = version.commit.receipt is not None
            finish(version)
            self.unfinished = False
        except (Unavailable, DiskFull) as error:
            warnings.warn(
                f"batches that were erased are in no sum, but their bytes are still there: {error}",
                RuntimeWarning,
                stacklevel=5,
            )

    def _next(self, version: Version, step: Step, leaves: Leaves | None = None) -> Version:
        """Commit the next number; `leaves` are those after it."""
        before, number, told = version.commit, version.number + 1, step.told
        ended = {(line.id, line.absorbed) for line in step.ended}
        recent = [line for line in before.recent if (line.id, line.absorbed) not in ended]
        rest = Packed(before.segments, before.history, (*recent, *step.ended), before.acts)
        more, retain = dict(step.more), self.retain or Retain.of(before.retain)
        if number % SEGMENT == 0:
            if leaves is not None and retain.unit != "all":
                rest, leaves = folded(self.shelf, rest, leaves, retain, step.lines)
                more["folds"], told = leaves.folds, leaves.total()
            rest = at_rest(self.shelf, rest)
            if leaves is not None:
                with suppress(NacreError):  # a cache
                    leaves.settle()
        elif len(rest.recent) > MOST_RECENT:
            rest = at_rest(self.shelf, rest)
        if leaves is not None:
            leaves = leaves.put(*rest.moved)
        act = self._act(number, step.what, step.lines, told)
        looks = self.epoch == 0 or number % SEGMENT == 0
        n_batches = before.n_batches + len(step.lines) - len(step.ended)
        counts = dict(zip(COUNTED, _counts(n_batches, told), strict=True))
        commit = replace(
            before,
            act=act,
            segments=rest.segments,
            recent=(*rest.recent, *step.lines),
            history=rest.history,
            acts=(*rest.acts, act),
            retain=str(retain),
            numbering=numbering.carried(version, number, looks=looks),
            doomed=before.doomed if self.unfinished else (),
            receipt=before.receipt if self.unfinished else None,
            **{**counts, **more},
        )
        after = self._append(commit, version.grounds, step.datas, version.ledger)
        if leaves is not None:  # as if asked for: they are known
            after.__dict__.update(leaves=leaves, told=told)
        return after

    def _append(
        self,
        commit: Commit,
        grounds: Grounds,
        datas: Sequence[bytes],
        before: Ledger | None = None,
    ) -> Version:
        text = self._spelling.text(commit)
        if len(text) > life.MOST_TEXT:
            raise BadInput(
                got=f"a commit of {len(text):,} bytes, for {len(commit.recent):,} batches",
                wanted=f"at most {life.MOST_TEXT:,}, or nobody could read it",
                do="Absorb fewer batches at a time.",
            )
        try:
            self.shelf.log.append(commit.act.number, text, *datas)
        except (DiskFull, Unavailable):
            self._unsure = True
            raise
        self.epoch = commit.act.epoch
        if before is not None and before.segments == commit.segments:
            ledger = before.with_lines(*commit.recent)
        else:
            ledger = Ledger(self.shelf.place, commit.segments, commit.recent)
        return Version(commit, grounds, self.shelf, ledger)

    def _act(self, number: int, what: str, lines: Sequence[Leaf], told: Summary) -> Act:
        more = f" and {len(lines) - 1:,} more" if len(lines) > 1 else ""
        epoch = self.epoch or 1 + (self.version.commit.act.epoch if self.version else 0)
        n_rows, n_skipped = (sum(getattr(line, name) for line in lines) for name in READ)
        return Act(
            number,
            lines[-1].absorbed,
            what,
            lines[0].id + more,
            len(lines),
            n_rows,
            n_skipped,
            self.name,
            epoch,
            digest(told),
        )

    def _known(self) -> Version:
        assert self.version is not None, "a live model begins with a fit"
        return self.version

    def _moment(self) -> int:
        """Now, ns since 1970, but after all that was committed."""
        now = max(time.time_ns(), 1)
        if self.version is None:
            return now
        after = self.version.commit.act.moment + 1
        if abs(now - after) > DAY and now < after:
            warnings.warn(
                f"the clock is {(after - now) / DAY:.1f} days behind the last commit; what is "
                "absorbed now is written down as absorbed right after it",
                RuntimeWarning,
                stacklevel=6,
            )
        return max(now, after)


READ = ("n_rows", "n_skipped")
COUNTED = ("n_batches", *READ, "weight")


def _own(error: Exception) -> Exception:
    """The same error for another thread: a raised one carries the frames of the first."""
    return type(error)(**error.fields()) if isinstance(error, NacreError) else error


def _interrupted(where: str) -> Unavailable:
    return Unavailable(
        got="a commit in which another thread was interrupted",
        wanted="to know whether it was made",
        do="Reopen and absorb again; what is known already is recognised.",
        where=where,
    )


def _counts(n_batches: int, told: Summary) -> tuple[int, int, int, float]:
    return n_batches, int(told.n_rows), int(told.n_skipped), float(told.weight)


def _say_if_much(leaves: Leaves, before: Commit) -> None:
    total = int(leaves.n_bytes.sum())
    if total >= MUCH and before.retain == "all":
        warnings.warn(
            f"the leaves take {total / 1e9:.1f} GB, and nothing is folded by itself: open the live "
            'model with retain="365d" (or "1000 batches", "5GB"), or make room',
            RuntimeWarning,
            stacklevel=6,
        )
