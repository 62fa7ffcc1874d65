"""A live model beside a dictionary of rows: whatever is done to both, they say the same.

The dictionary is what a user thinks of: id -> rows, and which there were at which moment. What it
says is summed anew, batch by batch, under the frame of the live model; so bits are compared.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import nacre
from nacre.canon import digest, hash64, pack
from nacre.contract import Summary
from nacre.engine.tree import fold
from nacre.errors import (
    Conflict,
    CorruptState,
    DiskFull,
    Erased,
    Fenced,
    Folded,
    NewerFormat,
    NotFound,
    Unavailable,
)
from nacre.evolve import sums
from nacre.fitting import leaves_of
from nacre.live import collecting, writer
from nacre.live.model import Live
from nacre.source.read import plan_of, read
from nacre.store import commits
from nacre.store.place_memory import MemoryPlace
from tests.live.lives import batch, memory
from tests.store.crashing import at_step, on_memory

DAY = 86_400 * 10**9  # ns
YEARS = 3_650 * DAY
START = 20_000 * DAY
STREAM = batch(77, 120)
SEGMENT = 8  # commits to a checkpoint, so that there are some
BEGUN = 14  # commits of a live model that is soon at one

ids = st.integers(0, 9).map(lambda number: f"b{number}")
editions = st.integers(0, 2)
times = st.integers(1, 40)  # days
PARTS = 10_000
parts = st.integers(0, PARTS - 1)  # of what is there, by its share


@dataclass(frozen=True)
class Kept:
    """A batch as a user knows it; times are in days."""

    id: str
    rows: tuple[Any, ...]  # what makes them, so that they are hashed by it
    time: int

    @functools.cached_property
    def X(self) -> Any:  # noqa: N802
        """(n, 3)."""
        kind, *arguments = self.rows
        return batch(arguments[0], 12) if kind == "batch" else STREAM[slice(*arguments)]

    def key(self) -> int:
        """Its place in the trie."""
        return pack(self.time * DAY, hash64(self.id), 0)


def edition(id: str, number: int) -> tuple[Any, ...]:
    """What a batch may say under an id."""
    return "batch", 10 * number + int(id[1:])


class Died(BaseException):
    """The process ends here."""


class Clock:
    """In the place of the module `time`, where commits are made."""

    def __init__(self) -> None:
        self.now, self.ahead = START, 0

    def time_ns(self) -> int:
        self.now += 1_000_000
        return self.now + self.ahead


class Drawn:
    """In the place of the module `os`, where names of writers and marks of commits are drawn."""

    def __init__(self) -> None:
        self.n = 0

    def urandom(self, n: int) -> bytes:
        self.n += 1
        return hashlib.sha256(b"%d" % self.n).digest()[:n]


@functools.cache
def template(disk: bool, timed: bool) -> Any:
    """A live model that is soon at a checkpoint: a directory, or the objects of one in memory."""
    where = tempfile.mkdtemp(dir=on_memory()) if disk else memory()
    with mock.patch.object(writer, "time", Clock()), nacre.open(where, nacre.PCA(2)) as live:
        for number in range(BEGUN):
            one = old(number, timed)
            live.absorb(one.X, one.id, one.time * DAY)
    return Path(where) if disk else MemoryPlace._all[where]._folders


def old(number: int, timed: bool) -> Kept:
    """A batch of the template."""
    return Kept(f"old{number}", ("batch", 1000 + number), number % 9 + 1 if timed else 0)


class Life(RuleBasedStateMachine):
    """A live model and a dictionary."""

    disk = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.rows: dict[str, Kept] = {}
        self.erased: set[Any] = set()  # ids, and what makes rows
        self.covered: set[int] = set()  # offsets of the stream
        self.then: list[tuple[int, dict[str, Kept]]] = []
        self.gone: set[Kept] = set()
        self.said: dict[tuple[Any, ...], Summary] = {}
        self.folder = tempfile.TemporaryDirectory(dir=on_memory()) if self.disk else None
        self.names, self.steps = itertools.count(), itertools.count()
        self.exit = contextlib.ExitStack()
        self.exit.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "the clock is")
        self._have(writer, "time", self.clock)
        for module in (commits, writer, collecting):
            self._have(module, "SEGMENT", SEGMENT)
        for module in (commits, writer):
            self._have(module, "os", Drawn())
        self._have(sums, "LARGE", 4)

    def _have(self, module: Any, name: str, value: Any) -> None:
        self.exit.enter_context(mock.patch.object(module, name, value))

    # where it lies

    def _new_place(self) -> str:
        return os.path.join(self.folder.name, str(next(self.names))) if self.folder else memory()

    def _copied(self, source: Any) -> str:
        where = self._new_place()
        if self.disk:
            shutil.copytree(source, where)
        else:
            place = MemoryPlace.at(where, make=True)
            place._folders = copy.deepcopy(source)
        return where

    def _source(self) -> Any:
        return self.where if self.disk else MemoryPlace._all[self.where]._folders

    def _objects(self) -> dict[str, Callable[[bytes | None], bytes]]:
        """Name -> a function that reads an object, and writes another in its place."""
        return dict(_files(Path(self.where)) if self.disk else _held(self._source()))

    # rules

    @initialize(begun=st.booleans(), timed=st.booleans(), large=st.booleans())
    def begin(self, begun: bool, timed: bool, large: bool) -> None:
        self.timed = timed
        if begun:
            self.where = self._copied(template(self.disk, timed))
            self.live = nacre.open(self.where)
            self.rows = {f"old{n}": old(n, timed) for n in range(BEGUN)}
        else:
            self.where = self._new_place()
            self.live = nacre.open(self.where, nacre.PCA(2))
            first = Kept("first", ("batch", 99), 1 if timed else 0)
            self._absorb(self.live, first)
            self.rows[first.id] = first
        if large:
            self._have(writer, "MOST_INLINE", 10)
        self._note()

    @rule(id=ids, number=editions, day=times, again=st.booleans())
    def absorb(self, id: str, number: int, day: int, again: bool) -> None:
        one = Kept(id, edition(id, number), day if self.timed else 0)
        self._tell(one, again)

    @rule(which=parts)
    def repeat(self, which: int) -> None:
        named = [one for one in self.rows.values() if one.rows[0] == "batch"]
        if named:
            one = named[which * len(named) // PARTS]
            before = self.live.version, self.live.state.digest
            done = self._absorb(self.live, one)
            assert (done.n_batches, done.n_known) == (0, 1)
            assert (self.live.version, self.live.state.digest) == before

    @rule(id=ids, number=editions, day=times)
    def replace(self, id: str, number: int, day: int) -> None:
        one = Kept(id, edition(id, number), day if self.timed else 0)
        before = self.live.version
        try:
            done = self.live.replace(id, one.X, time=one.time * DAY)
        except NotFound:
            assert id not in self.rows
        except Erased:
            assert one.rows in self.erased
        except Folded:
            assert self.live._version.commit.folds
        else:
            assert id in self.rows
            if self.rows[id].rows == one.rows:
                assert (done.n_known, self.live.version) == (1, before)
            else:
                self.rows[id] = one
        self._note()

    @rule(start=st.integers(0, 100), n=st.integers(1, 20), again=st.booleans())
    def absorb_run(self, start: int, n: int, again: bool) -> None:
        fresh = [at for at in range(start, start + n) if at not in self.covered]
        runs = _runs(fresh)
        try:
            done = self.live.absorb(
                STREAM[start : start + n],
                ("s", start),
                DAY if self.timed else None,
                again=again,
            )
        except Erased:
            assert not again
            assert any(f"s@{a}" in self.erased or ("run", a, b) in self.erased for a, b in runs)
            return
        assert (done.n_rows, done.n_known_rows) == (len(fresh), n - len(fresh))
        self.covered |= set(fresh)
        for a, b in runs:
            self.rows[f"s@{a}"] = Kept(f"s@{a}", ("run", a, b), 1 if self.timed else 0)
        self._note()

    @rule(which=st.lists(parts, min_size=1, max_size=3))
    def erase(self, which: list[int]) -> None:
        names = sorted(set(self.rows) - set(self.live.origins))
        some = sorted({names[at * len(names) // PARTS] for at in which if names})
        if not some or len(some) == len(self.rows):
            return
        try:
            receipt = self.live.erase(some)
        except Folded:
            assert self.live._version.commit.folds
            return
        assert receipt.n_rows == sum(len(self.rows[name].X) for name in some)
        for name in some:
            one = self.rows.pop(name)
            then = {before.get(name, one) for _, before in self.then}
            self.gone |= then | {one}
            self.erased |= {name} | {was.rows for was in then | {one}}
            if one.rows[0] == "run":
                self.covered -= set(range(*one.rows[1:]))
        self._note()

    @rule()
    def restart(self) -> None:
        self.live.close()
        self.live = nacre.open(self.where)

    @rule()
    def collect(self) -> None:
        self.live.collect("1ns")

    @rule(ahead=st.sampled_from([-YEARS, -DAY - 1, 0, DAY + 1, YEARS]))
    def jump(self, ahead: int) -> None:
        self.clock.ahead = ahead

    @rule(id=ids, number=editions, go=st.booleans())
    def copied(self, id: str, number: int, go: bool) -> None:
        """A copy is a live model of its own; both absorb the same and agree."""
        other = nacre.open(self._copied(self._source()))
        assert other.state.digest == self.live.state.digest
        one = Kept(id, edition(id, number), 3 if self.timed else 0)
        self._tell(one, False)
        with contextlib.suppress(Conflict, Erased):
            self._absorb(other, one)
        assert other.state.digest == self.live.state.digest
        if go:
            self.live.close()
            self.live, self.where = other, other._shelf.place.where
            self.then = []  # its clock is another one
            self._note()

    @rule(id=ids, number=editions, mine=ids)
    def second_writer(self, id: str, number: int, mine: str) -> None:
        before = self.live
        self.live = nacre.open(self.where)
        version = self.live.version
        self._tell(Kept(id, edition(id, number), 5 if self.timed else 0), False)
        went_on, other = self.live.version > version, self.live
        one = Kept(mine, edition(mine, 3), 6 if self.timed else 0)
        if went_on and mine not in self.rows and not {mine, one.rows} & self.erased:
            with contextlib.suppress(Fenced):
                self._absorb(before, one)
                raise AssertionError("two writers")
            assert nacre.open(self.where).state.digest == other.state.digest
        before.reopen()
        other.close()
        self.live = before
        assert self.live.version == other.version

    @rule(
        id=ids,
        number=editions,
        at=st.integers(1, 40),
        kind=st.sampled_from(["before", "after", "dies before", "dies after", "step", "dies"]),
        replace=st.booleans(),
    )
    def crash(self, id: str, number: int, at: int, kind: str, replace: bool) -> None:
        """A disk fails, or a process ends, in an absorb; the outcome is the old or the new."""
        one = Kept(id, edition(id, number), 7 if self.timed else 0)
        old = dict(self.rows)
        new = old | {id: one}
        known = id in old
        told = None
        with self._failing(kind, at):
            try:
                if replace and known:
                    told = self.live.replace(id, one.X, time=one.time * DAY)
                else:
                    told = self._absorb(self.live, one)
            except (DiskFull, Unavailable, Died, Conflict, Erased, Folded):
                pass
        with contextlib.suppress(Exception):
            self.live.close()
        self.live = nacre.open(self.where)
        alive = self._alive()
        acknowledged = told is not None and told.n_batches == 1
        assert alive == _lengths(new if alive.get(id) and self._is(one) else old)
        assert not acknowledged or self._is(one)
        if self._is(one) and (not known or replace):
            self.rows = new if old.get(id, one).rows != one.rows or not known else old
        self._note()

    @rule(which=parts, where=parts, bit=st.integers(0, 7))
    def corrupt(self, which: int, where: int, bit: int) -> None:
        """A byte is another one: it is named, or nothing of what is now needs it."""
        objects = self._objects()
        name = sorted(objects)[which * len(objects) // PARTS]
        whole = objects[name](None)
        at = where * len(whole) // PARTS
        objects[name](whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        try:
            again = nacre.open(self.where)
            problems = again.verify().problems
            if not any(name in problem for problem in problems):
                assert not name.startswith("commits/"), (name, at, problems)
                assert again.state.digest == self.live.state.digest
                assert list(again.ledger) == list(self.live.ledger)
                assert list(again.history()) == list(self.live.history())
        except (CorruptState, NewerFormat) as error:
            if name not in error.where:
                raise AssertionError(f"{name}, byte {at}: not named") from error
        finally:
            objects[name](whole)

    @rule(span=st.integers(1, 50), until=st.none() | st.integers(1, 45))
    def window(self, span: int, until: int | None) -> None:
        if not self.timed:
            return
        newest = max(one.time for one in self.rows.values())
        end = newest if until is None else until
        some = {id: one for id, one in self.rows.items() if end - span < one.time <= end}
        moment = None if until is None else until * DAY
        self._same(lambda: self.live.window(f"{span}d", moment), some)

    @rule(day=st.integers(0, 45))
    def as_of(self, day: int) -> None:
        if self.timed:
            some = {id: one for id, one in self.rows.items() if one.time <= day}
            self._same(lambda: self.live.as_of(day * DAY), some)

    @rule(which=parts)
    def at(self, which: int) -> None:
        moment, rows = self.then[which * len(self.then) // PARTS]
        some = {id: one for id, one in rows.items() if one not in self.gone}
        self._same(lambda: self.live.at(moment), some)

    # what has to hold

    @invariant()
    def it_is_the_sum_of_the_rows(self) -> None:
        if hasattr(self, "live"):
            assert self._alive() == _lengths(self.rows)
            commit = self.live._version.commit
            assert commit.n_batches == len(self.rows)
            assert commit.n_rows == sum(len(one.X) for one in self.rows.values())
            assert commit.act.digest == digest(self.live._version.told)
            assert commit.act.digest == digest(self._sum(self.rows))

    @invariant()
    def it_is_whole(self) -> None:
        """At every fifth step, because all is read."""
        if hasattr(self, "live") and next(self.steps) % 5 == 0:
            assert self.live.verify().problems == ()

    def teardown(self) -> None:
        try:
            if hasattr(self, "live"):
                again = nacre.open(self.where)
                assert again.verify().problems == ()
                assert digest(again._version.told) == digest(self._sum(self.rows))
                moments = [act.moment for act in again.history()]
                assert moments == sorted(set(moments))
                again.close()
                self.live.close()
        finally:
            self.exit.close()
            if self.folder:
                self.folder.cleanup()

    # within

    def _absorb(self, live: Live, one: Kept, again: bool = False) -> Any:
        return live.absorb(one.X, one.id, one.time * DAY, engine="serial", again=again)

    def _tell(self, one: Kept, again: bool) -> None:
        """Absorb a batch, and put it into the dictionary where it belongs there."""
        before = self.live.version
        there = self.rows.get(one.id)
        try:
            done = self._absorb(self.live, one, again)
        except Conflict:
            assert there is not None
            assert there.rows != one.rows
        except Erased:
            assert not again
            assert {one.id, one.rows} & self.erased
        else:
            if there is None:
                self.rows[one.id] = one
                assert (done.n_batches, done.version) == (1, before + 1)
            else:
                assert there.rows == one.rows
                assert (done.n_known, self.live.version) == (1, before)
        self._note()

    def _note(self) -> None:
        """What there is at this moment."""
        moment = self.live._version.commit.act.moment
        if not self.then or self.then[-1][0] < moment:
            self.then.append((moment, dict(self.rows)))

    def _alive(self) -> dict[str, int]:
        return {line.id: line.n_rows for line in self.live.ledger.alive()}

    def _is(self, one: Kept) -> bool:
        line = self.live.ledger.find(one.id)
        if line is None or line.ended is not None:
            return False
        return digest(self.live._shelf.summary(line)) == digest(self._says(one))

    def _says(self, one: Kept) -> Summary:
        grounds = self.live._version.grounds
        name = one.id, one.rows, grounds.frame.base
        if name not in self.said:
            plan = plan_of(read(one.X, id="any"), takes=grounds.bare.takes, schema=grounds.schema)
            ((_, self.said[name]),) = leaves_of(grounds.learner, plan, grounds.model)
        return self.said[name]

    def _sum(self, rows: Mapping[str, Kept]) -> Summary:
        leaves: dict[int, Any] = {one.key(): self._says(one) for one in rows.values()}
        told: Summary = fold(leaves)
        return told

    def _same(self, ask: Callable[[], Any], some: Mapping[str, Kept]) -> None:
        try:
            model = ask()
        except NotFound:
            assert not some
        else:
            assert digest(model.state_.told) == digest(self._sum(some))
            assert model.covered_.n_batches == len(some)
            assert model.covered_.n_rows == sum(len(one.X) for one in some.values())

    @contextlib.contextmanager
    def _failing(self, kind: str, at: int) -> Iterator[None]:
        """A step of the commit path fails, or is the last of a process."""
        how: type[BaseException] = Died if "dies" in kind else Unavailable
        if kind in ("step", "dies") and self.disk:

            def act(now: int, name: str, step: Callable[..., Any]) -> Any:
                if now == at or (now > at and kind == "dies"):
                    raise Died if kind == "dies" else OSError(5, "Input/output error")
                return step()

            with at_step(act):
                yield
            return
        place = self.live._shelf.place
        real = place.create

        def create(name: str, *parts: bytes) -> bool:
            if not name.startswith("commits/"):
                return real(name, *parts)
            if "before" not in kind:
                real(name, *parts)
            raise how() if how is Died else Unavailable(got="x", wanted="y", do="z")

        place.create = create  # type: ignore[method-assign]
        try:
            yield
        finally:
            place.create = real  # type: ignore[method-assign]


class LifeOnDisk(Life):
    """The same in a directory."""

    disk = True


def lived(machine: type[Life], n: int, n_steps: int) -> None:
    """Live n lives of so many steps."""
    how = settings(
        max_examples=n,
        stateful_step_count=n_steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)


def _lengths(rows: Mapping[str, Kept]) -> dict[str, int]:
    return {id: len(one.X) for id, one in rows.items()}


def _runs(offsets: Iterable[int]) -> list[tuple[int, int]]:
    """Offsets, rising, as half-open runs."""
    found: list[tuple[int, int]] = []
    for at in offsets:
        if found and found[-1][1] == at:
            found[-1] = found[-1][0], at + 1
        else:
            found.append((at, at + 1))
    return found


def _files(root: Path) -> Iterator[tuple[str, Callable[[bytes | None], bytes]]]:
    def through(path: Path, data: bytes | None) -> bytes:
        if data is not None:
            path.write_bytes(data)
        return path.read_bytes()

    for path in root.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(root)), functools.partial(through, path)


def _held(folders: dict[str, Any]) -> Iterator[tuple[str, Callable[[bytes | None], bytes]]]:
    def through(folder: dict[str, bytes], name: str, data: bytes | None) -> bytes:
        if data is not None:
            folder[name] = data
        return folder[name]

    for folder, inside in folders.items():
        for name, data in inside.items():
            if data is not None:
                yield f"{folder}/{name}", functools.partial(through, inside, name)
