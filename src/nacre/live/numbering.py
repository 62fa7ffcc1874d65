"""Clusters keep their numbers: a table, cluster -> lasting number, beside the sum.

History decides the numbers, the sum does not: the table stands in the manifest, outside the state
and its digest. It is matched when a model is made, against the newest one that a commit carries, so
all who read one version agree; and the next commit carries the newest that was made. An absorb
fits nothing for its sake: what was made by somebody who only reads is left in the cache, where a
writer looks for it when it begins and at checkpoints.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from nacre.canon import digest
from nacre.contract import Array, State
from nacre.errors import BadInput, CorruptState, NacreError, NotFound
from nacre.evolve import lineage
from nacre.evolve.lineage import STIRRED, matched
from nacre.live.packing import acts_of
from nacre.live.taking import face_of
from nacre.live.version import Grounds, Shelf, Version, opened
from nacre.store import manifest as manifests
from nacre.store.container import corrupt
from nacre.store.ledger import Lies
from nacre.store.life import Act, Commit, Named, Numbering
from nacre.store.place import Place

FOLDER = "numbers"
HINT = "cache/numbers"
_HASHED = 64


@dataclass(frozen=True, eq=False)
class Table:
    """The lasting numbers of the clusters of a model.

    Attributes:
        number: of the commit that the model is of.
        numbers: (k,) int64, none twice.
        following: the least number that no cluster ever had.
        scale: how wide the clusters are.
        centres: (k, d) float64.
    """

    number: int
    numbers: Array
    following: int
    scale: float
    centres: Array

    def goes_on(self, number: int, found: Clusters) -> Table:
        """The table of a later model of the same space."""
        scale = max(self.scale, found.scale)
        numbers = matched(self.centres, self.numbers, found.centres, self.following, scale)
        return found.table(number, numbers, self.following)

    def begins_anew(self, number: int, found: Clusters) -> Table:
        """The table of a model of another space: no number of before is used again."""
        return found.table(number, self.following + np.arange(len(found.centres)), self.following)

    def much_the_same(self, other: Table) -> bool:
        """Whether a version matched against either has the same numbers, as far as can be said."""
        if self.following != other.following or not np.array_equal(self.numbers, other.numbers):
            return False
        apart = np.sqrt(((self.centres - other.centres) ** 2).sum(axis=1))
        return bool((apart <= STIRRED * other.scale).all())


@dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of a fitted model, as they are told apart.

    Attributes:
        centres: (k, d) float64, in the space of the last stage.
        scale: root of the mean squared distance of rows to their centre.
        weights: (k,) of their rows.
        cells: the cells that they consist of, or None.
    """

    centres: Array
    scale: float
    weights: Array
    cells: lineage.Shared | None

    def table(self, number: int, numbers: Array, following: int) -> Table:
        """Their table under these numbers."""
        numbers = np.asarray(numbers, np.int64)
        least = max(following, int(numbers.max(initial=-1)) + 1)
        return Table(number, numbers, least, self.scale, self.centres)


def has_clusters(learner: Any) -> bool:
    """Whether a learner numbers clusters: by itself, or as the last stage of a chain."""
    last = getattr(learner, "stages", (learner,))[-1]
    return hasattr(type(last), "cluster_centers_")


def clusters_of(face: Any) -> Clusters | None:
    """The clusters of a fitted learner; None where it has none."""
    if not has_clusters(face):
        return None
    stage = face.fitted_stage(-1) if hasattr(face, "stages") else face
    told = face.state_.told
    centres = np.asarray(stage.cluster_centers_, np.float64)
    inner = getattr(stage, "inner", stage)
    square = stage.inertia_ * (2.0 if inner.metric == "cosine" else 1.0)
    scale = math.sqrt(square / told.weight) if told.weight > 0 else 0.0
    if not hasattr(stage, "cells_"):
        return Clusters(centres, scale, np.asarray(told.weights, np.float64), None)
    own = stage.cells_
    some = own.weights > 0
    cells = lineage.Shared(told.base, own.keys[some], own.labels[some], own.weights[some])
    return Clusters(centres, scale, stage.cluster_weights_, cells)


def named(face: Any, table: Table | None) -> Any:
    """A fitted learner whose predictions are lasting numbers."""
    if table is not None:
        face._take_numbers(table.numbers)
    return face


def of_now(version: Version, face: Any) -> Table | None:
    """The table of the model of a version; made once, and left for whoever commits next."""
    if "table" not in version.__dict__:
        table = of(version, face)
        version.__dict__["table"] = table
        kept = version.commit.numbering
        if table is not None and (kept is None or kept.number < version.number):
            with suppress(NacreError):  # a cache; the place may be read-only
                version.shelf.place.put(HINT, _hinted(table, version.commit.act))
    found: Table | None = version.__dict__["table"]
    return found


def of(version: Version, face: Any) -> Table | None:
    """The table of a model of some batches of a version: matched against the newest it knows."""
    found = clusters_of(face)
    if found is None:
        return None
    kept, number = version.commit.numbering, version.number
    if kept is None:
        return found.table(number, np.arange(len(found.centres)), 0)
    if not version.keeps_leaves and len(kept.numbers) == len(found.centres):
        return found.table(number, np.array(kept.numbers, np.int64), kept.following)
    return read(version.shelf, kept).goes_on(number, found)


def of_past(version: Version, ns: int, face: Any) -> Table | None:
    """The table of the model as it stood at a moment: by the commit of then, if it is there, else
    by the next one that is.
    """
    if not has_clusters(face):
        return None
    number = _number_at(version, ns)
    later = (n for n in version.shelf.log.numbers() if n >= number)
    with suppress(NotFound, CorruptState):  # collected meanwhile, or never needed but for this
        there = opened(version.shelf, next(later, version.number), version.grounds)
        if there.grounds.frame.base == version.grounds.frame.base:
            return of(there, face)
    return of(version, face)


def taken_over(shelf: Shelf, heavy: Version) -> Numbering | None:
    """What the first commit of a store carries that goes on from a version of another."""
    kept = heavy.commit.numbering
    table = None if kept is None else newest(heavy, read(heavy.shelf, kept))
    return keep(shelf, 1, table and replace(table, number=0))


def begun(before: Version | None, number: int, grounds: Grounds, state: State) -> Table | None:
    """The table of a fit that begins anew: numbers go on where the space is the same."""
    face = face_of(grounds.learner, state)
    found = clusters_of(face) if state.model.can_answer else None
    kept = None if before is None else before.commit.numbering
    if found is None:
        return None
    if before is None or kept is None:
        return found.table(number, np.arange(len(found.centres)), 0)
    old = newest(before, read(before.shelf, kept))
    if _space(before.grounds) == _space(grounds):
        return old.goes_on(number, found)
    return old.begins_anew(number, found)


def erased(version: Version, number: int, told: Any) -> Table | None:
    """The table after an erasure: of a model without what was erased, so that no centre of before
    stays.
    """
    kept = version.commit.numbering
    if kept is None:
        return None
    old = newest(version, read(version.shelf, kept))
    try:
        found = clusters_of(face_of(version.grounds.learner, version.grounds.state(told)))
    except BadInput:  # no weight is left
        found = None
    if found is None:
        none = np.empty((0, old.centres.shape[1]))
        return Table(number, np.empty(0, np.int64), old.following, 0.0, none)
    return old.goes_on(number, found)


def carried(version: Version, number: int, *, looks: bool) -> Numbering | None:
    """What commit `number`, the next after a version, carries.

    Args:
        looks: also for what others have made, in the cache.
    """
    kept = version.commit.numbering
    if kept is None or not version.keeps_leaves:
        return kept
    made: Table | None = version.__dict__.get("table")
    if made is None and looks:
        made = _found(version)
    if made is None or made.number <= kept.number:
        return kept
    same = made.much_the_same(read(version.shelf, kept))
    return kept if same else keep(version.shelf, number, made)


def newest(version: Version, kept: Table) -> Table:
    """Of a version: that which was made, or the one that its commit carries."""
    made: Table | None = version.__dict__.get("table")
    return kept if made is None else made


def keep(shelf: Shelf, number: int, table: Table | None) -> Numbering | None:
    """Store the centres of a table for commit `number`, durably.

    The name says which commit brought it, so which ones refer to it can be told from numbers alone.
    """
    if table is None:
        return None
    data = _bytes(table)
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{FOLDER}/{number:010d}-{sha256[:16]}"
    shelf.place.create(name, data)
    return _numbering(table, Lies(name, len(data), len(data), sha256))


@functools.lru_cache(maxsize=32)
def read(shelf: Shelf, kept: Numbering) -> Table:
    """The table that a commit carries.

    Raises:
        CorruptState: its centres are missing or damaged.
    """
    data = shelf.bytes_of(kept.centres)
    if len(data) != 8 * kept.n_columns * len(kept.numbers):
        corrupt(f"{len(data):,} bytes of centres", f"{len(kept.numbers)} of {kept.n_columns}")
    return _table(kept, data)


def unused(names: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """Tables that no commit of these refers to: each has the last one up to its own number.

    >>> unused(["0000000001-a", "0000000004-b", "0000000009-c"], [5, 6])
    ['numbers/0000000001-a', 'numbers/0000000009-c']
    """
    by_number: dict[int, list[str]] = {}
    for name in names:
        by_number.setdefault(int(name[:10]), []).append(name)
    bounds = [*sorted(by_number), math.inf]
    gone = [
        int(first)
        for first, end in pairwise(bounds)
        if not any(first <= number < end for number in numbers)
    ]
    return [f"{FOLDER}/{name}" for first in gone for name in by_number[first]]


def tables(place: Place) -> list[str]:
    """Names of the tables of a store, without their folder."""
    return [name for name in place.names(FOLDER) if name[:10].isdigit()]


def forgotten(place: Place, commit: Commit) -> None:
    """Remove all tables but that of a commit."""
    own = commit.numbering.centres.object if commit.numbering else ""
    there = [f"{FOLDER}/{name}" for name in place.names(FOLDER)]
    place.remove([*(name for name in there if name != own), HINT])


def compared(old: Any, new: Any) -> lineage.Lineage:
    """What became of the clusters of one model in another, both under lasting numbers."""
    return lineage.lineage(_described(old), _described(new))


def _described(face: Any) -> lineage.Version:
    found, numbers = clusters_of(face), face.cluster_numbers_
    assert found is not None, "it has numbers"
    return lineage.Version(numbers, found.centres, found.weights, found.scale, found.cells)


def _number_at(version: Version, ns: int) -> int:
    """The number of the newest commit not after a moment; at least that of the first."""
    recent = version.commit.acts
    if recent[0].moment <= ns:
        return max(act.number for act in recent if act.moment <= ns)
    older = (_moments(version.shelf, part) for part in reversed(version.commit.history))
    found = (number for acts in older for moment, number in acts if moment <= ns)
    return next(found, 1)


@functools.lru_cache(maxsize=32)
def _moments(shelf: Shelf, part: Named) -> list[tuple[int, int]]:
    """Moment and number of the commits of a part of the history, the newest first."""
    return [(act.moment, act.number) for act in reversed(acts_of(shelf, part))]


def _space(grounds: Grounds) -> str:
    """What the centres of a model are coordinates of: rows of these columns, or what stages that
    are done make of them.
    """
    done, last = getattr(grounds.model, "done", ()), getattr(grounds.model, "running", None)
    metric = getattr(grounds.model if last is None else last, "metric", "")
    return digest(list(done), metric, grounds.schema.n_columns)


def _numbering(table: Table, lies: Lies) -> Numbering:
    numbers, n_columns = tuple(table.numbers.tolist()), int(table.centres.shape[1])
    return Numbering(table.number, numbers, table.following, table.scale, n_columns, lies)


def _table(kept: Numbering, data: bytes) -> Table:
    centres = np.frombuffer(data, "<f8").reshape(len(kept.numbers), kept.n_columns)
    numbers = np.array(kept.numbers, np.int64)
    return Table(kept.number, numbers, kept.following, kept.scale, centres)


def _bytes(table: Table) -> bytes:
    return np.ascontiguousarray(table.centres, "<f8").tobytes()


def _hinted(table: Table, act: Act) -> bytes:
    data = _bytes(table)
    lies = Lies(HINT, len(data), len(data), hashlib.sha256(data).hexdigest())
    tree = {"digest": act.digest, "table": manifests.tree(_numbering(table, lies))}
    rest = json.dumps(tree).encode() + b"\n" + data
    return hashlib.sha256(rest).hexdigest().encode() + rest


def _found(version: Version) -> Table | None:
    """A newer table in the cache, of a version that this one goes on from; else None."""
    with suppress(NacreError, ValueError, KeyError, TypeError):
        data = version.shelf.place.read(HINT)
        if hashlib.sha256(data[_HASHED:]).hexdigest().encode() != data[:_HASHED]:
            return None
        text, _, rest = data[_HASHED:].partition(b"\n")
        tree = json.loads(text)
        kept: Numbering = manifests.built(Numbering, tree["table"], "table")
        acts = {act.number: act.digest for act in version.commit.acts}
        if acts.get(kept.number) == tree["digest"]:
            return _table(kept, rest)
    return None
