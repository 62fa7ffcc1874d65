"""Files of columns: a file is a batch, and its rows are stitched from the groups that it is written
in (row groups, record batches, blocks of text), so that shards are cut by row number alone.

A format says where its groups begin and decodes them one after another; all else stands here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from nacre.contract import Array, Batch, Run
from nacre.kinds import LEAST
from nacre.kinds import Rows as RowsTold
from nacre.source.bad import N_FIRST, UNREAD
from nacre.source.columns import Column
from nacre.source.decoded import Chunk, Rows
from nacre.source.footer import PAGE, Outline, Stamp, check_stamp, opened, stamp_of
from nacre.source.parquet import BUFFERED, Make, ParquetReader, chunk_rows, chunks
from nacre.source.paths import File

Constants = dict[str, Any]  # name -> the value of all rows of a file, as an Arrow scalar


class Groups(Protocol):
    """What a file says of itself, and its rows."""

    @property
    def columns(self) -> list[Column]:
        """All there are."""

    @property
    def starts(self) -> Array:
        """(g + 1,) int64: the first row of each group, then the number of rows."""

    @property
    def stamp(self) -> Stamp:
        """When this was found out."""

    def reading(self, names: list[str]) -> int:
        """Bytes that reading these columns takes at a time."""

    def chunks(self, file: File, group: int, names: list[str]) -> Generator[Any]:
        """Record batches from the beginning of a group to the end of the file."""

    def empty(self, file: File, names: list[str]) -> Any:
        """A table of these columns without rows."""


@dataclass(frozen=True, eq=False)
class StitchedReader(ParquetReader):
    """One file of columns.

    Attributes:
        groups: how it is read.
        constants: columns that have one value in all of its rows, and are not in the file.
    """

    groups: Groups
    constants: Constants

    def _batch(self, chunks: list[Chunk], names: Run, n: int) -> Batch:
        """n rows, judged; those that could not be read are left out, and counted."""
        if not any(_has_lost(chunk.whole) for chunk in chunks):
            return super()._batch(chunks, names, n)
        where = f"{self.where} rows {names.first} to {max(names.first, names.first + n - 1)}"
        batch = self.picked.batch([self.picked.piece(c.source) for c in chunks], names, where)
        lost = np.concatenate([_lost(chunk.source) for chunk in chunks])
        kept, at = self.judge(batch.take(~lost)), np.flatnonzero(lost)[:N_FIRST]
        told = RowsTold(batch.ids[at], (np.full(len(at), UNREAD),))
        n_skipped = kept.n_skipped + int(lost.sum())
        return replace(kept, n_skipped=n_skipped, bad_rows=LEAST(N_FIRST).join(kept.bad_rows, told))

    @contextmanager
    def rows(self, first: int, stop: int, made: Make | None = None) -> Iterator[Rows]:
        """The file from row `first` on, read ahead until row `stop`; as of ParquetReader."""
        group = max(0, int(np.searchsorted(self.starts, first, "right")) - 1)
        begins = int(self.starts[group])

        def anew() -> Rows:
            names = self.picked.names
            decoded = _decoded(self.file, self.groups, self.constants, names, group, made)
            return Rows(self.file, begins, decoded, self.places.crew)

        rows = self.places.taken(self.file, begins, first, anew)
        try:
            rows.until = stop
            for _ in rows.take(first - rows.at):
                pass
            yield rows
            if self.file.system is None:
                check_stamp(stamp_of(self.file), self.stamp, self.where)
        except BaseException:
            self.places.drop(rows)
            pa.default_memory_pool().release_unused()
            raise
        if rows.at == self.n_rows:
            self.places.drop(rows)
        else:
            self.places.leave(rows)


def _has_lost(batch: Any) -> bool:
    return bool(batch.schema.get_field_index(LOST) >= 0)


def _lost(batch: Any) -> Array:
    if not _has_lost(batch):
        return np.zeros(len(batch), bool)
    return np.asarray(batch.column(LOST).to_numpy(zero_copy_only=False), bool)


def _decoded(
    file: File,
    groups: Groups,
    constants: Constants,
    names: list[str],
    group: int,
    made: Make | None,
) -> Generator[Any]:
    """What is made of the rows from the beginning of a group on. No reader stands in it: it would
    lead back to the places, and files would stay open until memory is swept.
    """
    inside = [name for name in names if name not in constants]
    inside = inside or [groups.columns[0].name]  # of a file there must be rows to count
    with closing(groups.chunks(file, group, inside)) as batches:
        for batch in batches:
            whole = _completed(batch, names, constants) if constants else batch
            yield whole if made is None else made(whole)


def _completed(batch: Any, names: Sequence[str], constants: Constants) -> Any:
    """A record batch with the columns that its file has not."""
    columns = [
        pa.repeat(constants[name], len(batch)) if name in constants else batch.column(name)
        for name in names
    ]
    more = [LOST] if _has_lost(batch) else []
    columns += [batch.column(name) for name in more]
    return pa.RecordBatch.from_arrays(columns, names=[*names, *more])


LOST = "\0lost"  # a column of bools that a format adds: rows that could not be read


@dataclass(frozen=True, eq=False)
class ParquetGroups:
    """A Parquet file."""

    outline: Outline

    @property
    def columns(self) -> list[Column]:
        """All there are."""
        return self.outline.columns

    @property
    def starts(self) -> Array:
        """(g + 1,) int64, of the row groups."""
        return self.outline.starts

    @property
    def stamp(self) -> Stamp:
        """When the metadata were read."""
        return self.outline.stamp

    def reading(self, names: list[str]) -> int:
        """Bytes of open pages, and of what is decoded ahead."""
        pages = sum(self.outline.open.get(name, PAGE) for name in names)
        ahead = 2 * chunk_rows(names) * len(names) * 8
        return (BUFFERED + pages + ahead) * 4 // 3  # what allocators keep for later

    def chunks(self, file: File, group: int, names: list[str]) -> Generator[Any]:
        """Record batches from the beginning of a row group to the end of the file."""
        return chunks(file, self.starts, self.stamp, group, names, None)

    def empty(self, file: File, names: list[str]) -> Any:
        """A table of these columns without rows."""
        with opened(file) as parquet:
            return parquet.schema_arrow.empty_table().select(names)
