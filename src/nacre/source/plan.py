"""How data is cut: batches by id, shards by row number. The same rows under the same id give the
same plan.

A batch (a file, an array) has an id; its shards are cut every `shard_rows` rows and read in batches
of `batch_rows`; their keys (event time, hash of the id, number) fix the sum (engine/tree.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nacre import forms
from nacre.canon import feed, hash64, pack
from nacre.contract import Array, Batch, Schema
from nacre.errors import BadInput, SameId
from nacre.source.times import Span

SHARD_ROWS = 131_072
BATCH_ROWS = 8_192
SHARD_VALUES = 1 << 22  # numbers in a shard of wide rows: enough shards for all workers
HEAD_ROWS = 1_024


class Reader(Protocol):
    """One batch of a source: it knows how many rows it has and reads any run of them."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def where(self) -> str:
        """The source, for messages."""

    @property
    def reading(self) -> int:
        """Bytes that reading takes meanwhile, beside the batches that it gives."""

    def read(self, first: int, stop: int, batch_rows: int, origin: int) -> Iterator[Batch]:
        """Rows first to stop in batches of `batch_rows`; one empty batch where there are none."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A shard: rows first to stop of one batch."""

    key: int
    reader: Reader
    origin: int
    first: int
    stop: int
    batch_rows: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.first

    @property
    def reading(self) -> int:
        """Bytes that reading it takes meanwhile."""
        return self.reader.reading

    @property
    def where(self) -> str:
        """Source and rows, for messages."""
        return f"{self.reader.where} rows {self.first} to {max(self.first, self.stop - 1)}"

    def read(self) -> Iterator[Batch]:
        """Its rows in batches."""
        return self.reader.read(self.first, self.stop, self.batch_rows, self.origin)


@dataclass(frozen=True, eq=False)
class RowPlan:
    """Shards in key order.

    Attributes:
        shards: the cuts.
        schema: of the columns.
        n_rows: in all; None where nobody knows.
        ids: batch id -> reader, by id.
        shard_rows, batch_rows: the constants that cut it.
        in_memory: whether the rows lie in this process's memory.
        times: batch id -> its first and its last event, of each batch that has a time.
    """

    shards: Sequence[Cut]
    schema: Schema
    n_rows: int | None
    ids: Mapping[str, Reader]
    shard_rows: int
    batch_rows: int
    in_memory: bool = False
    times: Mapping[str, Span] = field(default_factory=dict)

    @property
    def reading_order(self) -> list[int]:
        """The positions of the shards in the order of reading: by batch id, then by row."""
        place = {hash64(name): at for at, name in enumerate(self.ids)}
        return sorted(
            range(len(self.shards)),
            key=lambda i: (place[self.shards[i].origin], self.shards[i].first),
        )

    def head(self) -> Batch:
        """The first 1,024 good rows in key order, across batches."""
        found: list[Batch] = []
        for shard in self.shards:
            few = shard.reader.read(shard.first, shard.stop, HEAD_ROWS, shard.origin)
            for batch in few:
                found.append(batch.take(slice(0, HEAD_ROWS - sum(map(len, found)))))
                if sum(map(len, found)) == HEAD_ROWS:
                    return _stacked(found)
        return _stacked(found)


def cut(
    readers: Mapping[str, Reader],
    schema: Schema,
    *,
    times: Mapping[str, Span] | None = None,
    shard_rows: int | None = None,
    batch_rows: int = BATCH_ROWS,
    in_memory: bool = False,
) -> RowPlan:
    """The plan of batches given by id.

    `times`: their first and last events, int64 ns; the last is in the keys, 0 where there is none.
    Shards are of `shard_rows`, else of as many as rows of that width should have.

    Raises:
        SameId: the hashes of two ids agree.
        BadInput: there is no batch.
    """
    if not readers:
        raise BadInput(got="no batch", wanted="at least one file or array", do="Check the path.")
    shard_rows = shard_rows or rows_per_shard(schema.n_columns)
    origins: dict[int, str] = {}
    shards = []
    for name in sorted(readers):
        reader, origin = readers[name], hash64(name)
        if origin in origins:
            raise SameId(
                got=f"{name!r} and {origins[origin]!r} under one hash",
                wanted="ids whose hashes differ",
                do="Rename one of them.",
            )
        origins[origin] = name
        time = times[name].last if times and name in times else 0
        for number, first in enumerate(range(0, max(reader.n_rows, 1), shard_rows)):
            stop = min(first + shard_rows, reader.n_rows)
            shards.append(Cut(pack(time, origin, number), reader, origin, first, stop, batch_rows))
    shards.sort(key=lambda shard: shard.key)
    n_rows = sum(reader.n_rows for reader in readers.values())
    ids, by_id = dict(sorted(readers.items())), dict(sorted((times or {}).items()))
    return RowPlan(shards, schema, n_rows, ids, shard_rows, batch_rows, in_memory, by_id)


def rows_per_shard(n_columns: int) -> int:
    """Rows of a shard where nobody says: 131,072, of more than 32 columns fewer.

    >>> rows_per_shard(32), rows_per_shard(128), rows_per_shard(10_000)
    (131072, 32768, 8192)
    """
    fit = SHARD_VALUES // max(n_columns, 1)
    return min(SHARD_ROWS, max(BATCH_ROWS, 1 << (fit.bit_length() - 1 if fit else 0)))


def content(reader: Reader) -> str:
    """Digest of a batch's rows as learning sees them: the same for an array and a frame."""
    sink = hashlib.sha256()
    for batch in reader.read(0, reader.n_rows, BATCH_ROWS, 0):
        feed(sink, (batch.X, batch.weight, _hashable(batch.y)))
    return sink.hexdigest()[:32]


def _hashable(y: Array | None) -> Array | None:
    return y.astype(str) if y is not None and y.dtype.hasobject else y


def _stacked(batches: list[Batch]) -> Batch:
    def column(name: str) -> Array:
        values = [getattr(batch, name) for batch in batches]
        return None if values[0] is None else forms.joined(values)

    return Batch(column("X"), column("ids"), column("weight"), column("y"))
