"""What a live model is at one number: read from its store, and never changed."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nacre.canon import digest
from nacre.contract import Batch, Model, Schema, State, Summary
from nacre.errors import BadParameter, CorruptState, NacreError, NewerFormat, NotFound
from nacre.estimator import Estimator, bare
from nacre.evolve.covered import Covered
from nacre.evolve.fold import Unit
from nacre.evolve.leaves import Leaves
from nacre.evolve.runs import Runs
from nacre.evolve.sums import Behind, Sums
from nacre.store import format as stored
from nacre.store import life
from nacre.store.commits import Log
from nacre.store.commits import name_of as name_of_commit
from nacre.store.container import corrupt
from nacre.store.describe import name_of, plain
from nacre.store.ledger import Lies
from nacre.store.levels import Ledger
from nacre.store.life import Commit, Frame, Kept, Named
from nacre.store.place import Place

BLOBS = "blobs"


def blob(sha256: str) -> str:
    """The name of a blob in a store."""
    return f"{BLOBS}/{sha256}"


def whole(kept: Kept | Named) -> Lies:
    """All of a blob that is named by the hash of its bytes."""
    return Lies(blob(kept.sha256), kept.n_bytes, kept.n_bytes, kept.sha256)


@dataclass(frozen=True, eq=False)
class Grounds:
    """What all batches are observed against.

    Attributes:
        frame: where it is stored.
        learner: hyper-parameters.
        schema: of the rows.
        model: of which `observe` and `advance` read the frame alone.
    """

    frame: Frame
    learner: Any
    schema: Schema
    model: Model

    @functools.cached_property
    def bare(self) -> Any:
        """The learner as workers get it."""
        return bare(self.learner)

    def state(self, told: Summary) -> State:
        """What a sum says: the model follows from it and the frame, whatever was there before."""
        model = self.bare.advance(self.bare.resume(self.model), told)
        return State(self.schema, model, self.bare.carry(told, self.model, model))


@dataclass(frozen=True, eq=False)
class Shelf:
    """The store of a live model, as its versions read it.

    Attributes:
        place, log: where it lies.
        sums: of leaves that were added before.
    """

    place: Place
    log: Log
    sums: Sums

    def summary(self, leaf: Unit) -> Summary:
        """What a batch said.

        Raises:
            CorruptState: its bytes are missing or damaged.
        """
        assert leaf.lies is not None, "leaves without bytes are in no sum of their own"
        summary: Summary = stored.from_bytes(self.bytes_of(leaf.lies), "summary")
        return summary

    def bytes_of(self, lies: Lies) -> bytes:
        """A run of an object, which has its hash.

        Raises:
            CorruptState: it is missing or damaged.
        """
        try:
            data = self.place.read_at(lies.object, lies.from_end, lies.n_bytes)
        except NotFound as error:
            raise _lost(error.where or lies.object) from None
        if hashlib.sha256(data).hexdigest() != lies.sha256:
            try:
                corrupt(f"{lies.n_bytes:,} bytes of another SHA-256", f"{lies.sha256[:16]}…")
            except CorruptState as error:
                raise error.at(f"{self.place.where}/{lies.object}") from None
        return data

    def value(self, kept: Kept, kind: str) -> Any:
        """The value of a blob."""
        return stored.from_bytes(self.bytes_of(whole(kept)), kind)

    def keep(self, data: bytes) -> Kept:
        """Make a blob of bytes, for good."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.place.create(blob(sha256), data)
        return Kept(sha256, len(data))


def sums_of(place: Place) -> Sums:
    """Sums in memory, and the large ones in a store."""
    return Sums(behind=Behind(place, stored.to_bytes, _summary))


def _summary(data: bytes) -> Summary:
    summary: Summary = stored.from_bytes(data, "summary")
    return summary


def _lost(where: str) -> CorruptState:
    return CorruptState(
        got="no such object",
        wanted="all that the commit names",
        do="Reopen, for others may have gone on and collected it; else restore it from a copy.",
        where=where,
    )


@dataclass(frozen=True, eq=False)
class Version:
    """A live model at one number.

    Attributes:
        commit: what its store says.
        grounds: what its batches were observed against.
        shelf: where it lies.
        ledger: its lines.
    """

    commit: Commit
    grounds: Grounds
    shelf: Shelf
    ledger: Ledger

    @property
    def number(self) -> int:
        """Of the commit."""
        return self.commit.act.number

    @property
    def keeps_leaves(self) -> bool:
        """Whether batches stay apart."""
        return self.commit.running is None

    @functools.cached_property
    def leaves(self) -> Leaves:
        """What every batch said that is alive."""
        return Leaves.of(self.ledger, self.shelf.summary, self.shelf.sums, self.commit.folds)

    @property
    def covered(self) -> Covered | None:
        """What is in the sum, where batches stay apart."""
        return self.leaves.covered if self.keeps_leaves else None

    @property
    def n_bytes_of_leaves(self) -> int:
        """What the batches that stay apart take; of a running model its sum."""
        running = self.commit.running
        return int(self.leaves.n_bytes.sum()) if running is None else running.n_bytes

    def runs(self, stream: str) -> Runs:
        """The offsets of a stream that were absorbed."""
        return Runs.of_deltas(self.commit.streams.get(stream, ()))

    @functools.cached_property
    def state(self) -> State:
        """What is known now.

        Raises:
            CorruptState: the sum of the leaves is another one than that which was committed.
        """
        running = self.commit.running
        if running is not None:
            state: State = stored.from_bytes(self.shelf.bytes_of(running), "state")
            return state
        return self.grounds.state(self.told)

    @functools.cached_property
    def told(self) -> Summary:
        """The sum of all leaves."""
        told: Summary = self.leaves.total()
        found = digest(told)
        if found != self.commit.act.digest:  # a sum in the cache may be another one: add anew
            told = replace(self.leaves, sums=Sums()).total()
            found = digest(told)
            with suppress(NacreError):
                self.shelf.sums.forget()
        if found != self.commit.act.digest:
            try:
                corrupt(f"leaves whose sum is {found[:8]}", f"{self.commit.act.digest[:8]}")
            except CorruptState as error:
                raise error.at(self.shelf.place.where) from None
        return told


def newest(shelf: Shelf, grounds: Grounds | None = None) -> Version | None:
    """The newest version; None where there is none."""
    number, data = shelf.log.latest()
    return _read(shelf, number, data, grounds) if number else None


def opened(shelf: Shelf, number: int, grounds: Grounds | None = None) -> Version:
    """The version of a number; `grounds` are taken over where they are still the same.

    Raises:
        CorruptState, NewerFormat: it cannot be read.
        NotFound: it was collected.
    """
    return _read(shelf, number, shelf.log.read(number), grounds)


def _read(shelf: Shelf, number: int, data: bytes, grounds: Grounds | None) -> Version:
    try:
        commit = life.read(data)
        if commit.act.number != number:
            corrupt(f"commit {commit.act.number}", f"{number}, as its name says")
        if grounds is None or grounds.frame != commit.frame:
            grounds = _grounds(shelf, commit.frame)
    except (CorruptState, NewerFormat) as error:
        raise error.at(f"{shelf.place.where}/{name_of_commit(number)}") from None
    return Version(commit, grounds, shelf, Ledger(shelf.place, commit.segments, commit.recent))


def _grounds(shelf: Shelf, frame: Frame) -> Grounds:
    value: Callable[[Kept, str], Any] = shelf.value
    learner, model = value(frame.learner, "learner"), value(frame.model, "model")
    if not isinstance(learner, Estimator) or model.base != frame.base:
        corrupt("a frame of another learner or base", "what the commit says")
    return Grounds(frame, learner, value(frame.schema, "schema"), model)


def says_of_rows(learner: Estimator, schema: Schema, model: Model) -> bool:
    """Whether a frame says anything of the rows that it was made from.

    It does not where a row of zeros makes the same.
    """
    if schema.units is not None:
        return True
    try:
        zeros = Batch(np.zeros((1, schema.n_columns), schema.dtype))
        neutral = bare(learner).start(zeros, None)
    except Exception:  # a learner that cannot start from so little depends on what it sees
        return True
    return bool(neutral.base != model.base)


def name(learner: Estimator) -> str:
    """ "KMeans", "chain(Scale, KMeans)"."""
    return name_of(plain(stored.encode(learner)[1]["value"]))


def check_same(kept: Estimator, given: Estimator, where: str) -> None:
    """Raise BadParameter for another learner, or other hyper-parameters, than were kept."""
    mine, theirs = (plain(stored.encode(bare(learner))[1]["value"]) for learner in (given, kept))
    if mine == theirs:
        return
    if name(given) != name(kept):
        got, wanted = name(given), name(kept)
    else:
        got, wanted = (", ".join(_parameters(one)) for one in (given, kept))
    raise BadParameter(
        got=f"{got} for the live model in {where}",
        wanted=f"{wanted}, as it began",
        do="Open it without learner=, or choose another path.",
    )


def _parameters(learner: Estimator) -> Iterator[str]:
    yield from (f"{key}={value!r}" for key, value in sorted(learner.get_params().items()))
