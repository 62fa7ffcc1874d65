"""A part of the rows of a plan: whole shards, or rows by the hash of their ids.

The ids of the rows, the keys of the shards and the borders of the batches stay what they are. So a
plan of some of the files is the plan that reading these files alone would have given, and a part by
hash is the same whatever the order of the files and wherever shards begin.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array, Batch
from nacre.source.plan import Cut, Reader, RowPlan

COUNTED = 1 << 14  # rows whose hashes are counted at a time: they stay in the cache


@dataclass(frozen=True)
class Chance:
    """Which rows are in a part: those with low <= hash01(id, purpose) < high, or all but those.

    Attributes:
        low, high: a share of [0, 1).
        purpose: the use and its seed.
        outside: the part is all other rows.
    """

    low: float
    high: float
    purpose: str
    outside: bool = False

    def holds(self, chance: Array) -> Array:
        """(n,) bool: which of these numbers are in it."""
        inside: Array = (chance >= self.low) & (chance < self.high)
        return ~inside if self.outside else inside


@dataclass(frozen=True, eq=False)
class PartReader:
    """Reads the rows of a batch that are in a part."""

    reader: Reader
    chance: Chance

    @property
    def n_rows(self) -> int:
        """Number of rows of the batch."""
        return self.reader.n_rows

    @property
    def where(self) -> str:
        """The source, for messages."""
        return self.reader.where

    @property
    def reading(self) -> int:
        """Bytes that reading takes meanwhile."""
        return self.reader.reading

    def holds(self, origin: int, positions: Array) -> Array:
        """(n,) bool: which rows of the batch are in the part, by their ids: nothing is read."""
        held = self.chance.holds(hash01(origin, positions, self.chance.purpose))
        inner = self.reader  # a part of a part
        return held & inner.holds(origin, positions) if isinstance(inner, PartReader) else held

    def read(self, first: int, stop: int, batch_rows: int, origin: int) -> Iterator[Batch]:
        """Of rows first to stop those in the part; what was skipped stays told."""
        for batch in self.reader.read(first, stop, batch_rows, origin):
            yield batch.take(self.chance.holds(batch.hash01(self.chance.purpose)))


@dataclass(frozen=True, eq=False)
class CutPart(Cut):
    """A shard of which some rows are in a part; a batch of it without any is still a batch."""

    n_in_part: int

    @property
    def rows(self) -> int:
        """Number of rows in the part."""
        return self.n_in_part


def part_of_rows(
    plan: RowPlan, low: float, high: float, purpose: str, *, outside: bool = False
) -> RowPlan:
    """The rows with low <= hash01(id, purpose) < high; `outside`: all others.

    What answers in row order needs the whole plan: a part is for learning, and for sums.

    >>> from nacre.source.read import plan_of
    >>> plan = plan_of(np.arange(8.0)[:, None])
    >>> some = part_of_rows(plan, 0.0, 0.5, "half")
    >>> rest = part_of_rows(plan, 0.0, 0.5, "half", outside=True)
    >>> some.n_rows + rest.n_rows
    8
    """
    chance = Chance(low, high, purpose, outside)
    readers = {id(shard.reader): PartReader(shard.reader, chance) for shard in plan.shards}
    return _less(plan, [_cut(shard, readers[id(shard.reader)]) for shard in plan.shards])


def _cut(shard: Cut, reader: PartReader) -> CutPart:
    """The rows of a shard that are in a part, counted."""
    n = 0
    for start in range(shard.first, shard.stop, COUNTED):
        positions = np.arange(start, min(start + COUNTED, shard.stop), dtype=np.uint64)
        n += int(np.count_nonzero(reader.holds(shard.origin, positions)))
    key, origin, ends = shard.key, shard.origin, (shard.first, shard.stop)
    return CutPart(key, reader, origin, *ends, shard.batch_rows, n_in_part=n)


def part_of_shards(plan: RowPlan, keys: Collection[int]) -> RowPlan:
    """The shards with these keys, at least one.

    >>> from nacre.source.read import plan_of, read
    >>> plan = plan_of(read(np.arange(8.0)[:, None], shard_rows=3))
    >>> part_of_shards(plan, [plan.shards[-1].key]).n_rows
    2
    """
    return _less(plan, [shard for shard in plan.shards if shard.key in keys])


def _less(plan: RowPlan, shards: Sequence[Cut]) -> RowPlan:
    """A plan of these shards; no fit on it keeps answers, as not every row would have one."""
    n_rows = sum(shard.rows for shard in shards)
    return replace(plan, shards=shards, n_rows=n_rows, in_memory=False)
