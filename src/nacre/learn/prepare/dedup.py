"""Rows that repeat an earlier one.

A row is known by 80 bits of a hash of its values, and by its id. The sum keeps, of the rows that
are equal, the hash and the id of the first: 16 bytes for each different row, 32 at the moment when
the two halves of all rows are joined, and never a row itself. Of N different rows two have one hash
with a chance of at most N² / 2^81: 4e-13 for a million, 4e-9 for a hundred million; a row is then
taken for a repetition that it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from nacre import forms
from nacre.contract import Array, Batch, Grade, Model, Run, Summary
from nacre.errors import BadInput
from nacre.estimator import Estimator, Incremental, Selects
from nacre.kernel.hashing import find_firsts, merge_firsts
from nacre.kinds import Kind, of
from nacre.learn.prepare.columns import check_columns, positions
from nacre.records import array_hashes

HASH_BITS = np.uint64(48)  # above them in `low` stands the rest of the hash, in them the id
POSITION_BITS = np.uint64(32)
MOST_POSITIONS, MOST_ORIGINS = 1 << 32, 1 << 16
NOTHING = np.empty(0, np.uint64)


@dataclass(frozen=True, eq=False)
class Firsts:
    """The first of each set of equal rows.

    Attributes:
        n: rows in all.
        origins: (o,) uint64, sorted: the batches that they are of.
        high: (m,) uint64, sorted: 64 bits of each hash.
        low: (m,) uint64: 16 more bits, 16 of the number of the row's origin, 32 of its position.
    """

    n: int
    origins: Array
    high: Array
    low: Array


def joined(a: Firsts, b: Firsts) -> Firsts:
    """The firsts of both: of equal rows the one of the lower id.

    Raises:
        BadInput: more batches than there are numbers for.
    """
    origins = np.union1d(a.origins, b.origins)
    if len(origins) > MOST_ORIGINS:
        raise BadInput(
            got=f"{len(origins)} files or arrays", wanted=f"at most {MOST_ORIGINS}", do="Join some."
        )
    lists = a.high, _renumbered(a, origins), b.high, _renumbered(b, origins)
    most = len(a.high) + len(b.high)
    high, low = np.empty(most, np.uint64), np.empty(most, np.uint64)
    n = merge_firsts(*lists, high, low)  # what lies behind is never touched, and takes no memory
    return Firsts(a.n + b.n, origins, high[:n], low[:n])


def _renumbered(firsts: Firsts, origins: Array) -> Array:
    """`low` with the numbers that the origins have among more of them; their order stays."""
    if len(firsts.origins) == len(origins):
        return firsts.low
    steps = np.searchsorted(origins, firsts.origins) - np.arange(len(firsts.origins))
    number = (firsts.low >> POSITION_BITS) & np.uint64(MOST_ORIGINS - 1)
    return firsts.low + (steps[number.astype(np.int64)].astype(np.uint64) << POSITION_BITS)


FIRSTS = Kind("FIRSTS", joined, exact=True, rows=True)


@dataclass(frozen=True, eq=False)
class Distinct(Model):
    """The columns that count, by position, and the first of each set of equal rows."""

    frame: ClassVar[tuple[str, ...]] = ("d", "columns")
    last_look: ClassVar[bool] = True
    d: int
    columns: tuple[int, ...]
    firsts: Firsts | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Repeats(Summary):
    """The first of each set of equal rows, and how many rows there were."""

    firsts: Firsts = of(FIRSTS)


@dataclass(eq=False, repr=False)
class Dedup(Selects, Incremental, Estimator):
    """Find the rows that repeat an earlier one: equal values in all columns, or in some.

    Earlier is by id: the order of reading within a file or an array; among files that of the hashes
    of their ids, which is the same on every machine. Rows of weight 0 are not there.

    >>> Dedup().fit(np.array([[1.0], [2.0], [1.0]])).select(np.array([[1.0], [2.0], [1.0]]))
    array([1., 1., 0.])

    Args:
        columns: names or positions of those that count; all, if not said.
    """

    columns: Any = None

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("select",)
    takes: ClassVar[Sequence[str]] = ("nan", "records")

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        check_columns(self.columns)

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but which columns count."""
        return Distinct(head.X.shape[1], positions(head.X, self.columns))

    def observe(self, model: Distinct, batch: Batch) -> Summary:
        """The hash and the id of each row that none before it in the batch equals."""
        there = batch if batch.weight is None else batch.take(batch.weight > 0)
        return Repeats.told(model, batch, firsts=firsts_of(there, model.columns))

    def observe_shard(self, model: Distinct, batches: Iterable[Batch]) -> Summary:
        """The left sum of `observe`; its firsts, which any order joins to the same, in pairs."""
        told: list[Any] = [self.observe(model, batch) for batch in batches]
        found = [one.firsts for one in told]
        while len(found) > 1:
            pairs = [joined(*found[at : at + 2]) for at in range(0, len(found) - 1, 2)]
            found = pairs + found[2 * len(pairs) :]
        none = firsts_of(Batch(np.empty((0, 1))), ())
        total: Repeats = reduce(lambda a, b: a + b, (replace(one, firsts=none) for one in told))
        return replace(total, firsts=found[0])

    def advance(self, model: Distinct, told: Repeats) -> Model:
        """The firsts are the model."""
        return replace(model, firsts=told.firsts)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """select: 0 for a row that equals one of the fit, unless it is that one itself; else 1."""
        firsts, (high, rest) = model.firsts, hashes_of(batch.X, model.columns)
        at = np.empty(len(batch), np.int64)
        find_firsts(firsts.high, firsts.low, high, rest, at)
        found = np.flatnonzero(at >= 0)
        ids, known = batch.ids_of(found), firsts.low[at[found]]
        number = ((known >> POSITION_BITS) & np.uint64(MOST_ORIGINS - 1)).astype(np.int64)
        same = firsts.origins[number] == ids["origin"]
        same &= (known & np.uint64(MOST_POSITIONS - 1)) == ids["position"]
        factor = np.ones(len(batch))
        factor[found[~same]] = 0.0
        return {"select": factor}

    def n_selected(self, model: Any, n: int | None) -> int | None:
        """As many rows as are different."""
        return len(model.firsts.high)

    @property
    def n_duplicates_(self) -> int:
        """How many of the rows of the fit repeat an earlier one."""
        firsts = self._model().firsts
        return int(firsts.n - len(firsts.high))


def firsts_of(batch: Batch, columns: Sequence[int]) -> Firsts:
    """The firsts of a batch.

    Raises:
        BadInput: a row beyond the 4,294,967,296th of a file.
    """
    origins, number, position = _ids(batch)
    if len(position) and position.max() >= MOST_POSITIONS:
        raise BadInput(
            got=f"row {int(position.max())}",
            wanted=f"at most {MOST_POSITIONS} rows in a file",
            do="Cut the file into several.",
            where=batch.where,
        )
    high, rest = hashes_of(batch.X, columns)
    low = (rest << HASH_BITS) | (number << POSITION_BITS) | position
    order = np.argsort(high)
    if (high[order[1:]] == high[order[:-1]]).any():
        order = np.lexsort((low, high))
    high, low = high[order], low[order]
    first = np.ones(len(order), bool)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] >> HASH_BITS != low[:-1] >> HASH_BITS)
    return Firsts(len(batch), origins, high[first], low[first])


def _ids(batch: Batch) -> tuple[Array, Array, Array]:
    """The origins (o,) of rows, and of each row the number of its origin and its position."""
    ids = batch.ids
    if isinstance(batch.names, Run) and len(ids):
        origins, number = ids["origin"][:1].copy(), np.zeros(len(ids), np.int64)
    else:
        origins, number = np.unique(ids["origin"], return_inverse=True)
    return origins, number.astype(np.uint64), ids["position"].astype(np.uint64)


def hashes_of(X: Array, columns: Sequence[int]) -> tuple[Array, Array]:
    """(n,) uint64 twice: 64 bits of the hash of each row, and 16 more."""
    made = X.hashes if forms.is_records(X) else lambda *given: array_hashes(X, *given)
    return made(columns, 0), made(columns, 1) >> HASH_BITS
