"""Parquet files: a file is a batch, and its shards are cut by row number, whatever its row groups.

A reader holds a path and where the row groups begin, so that it travels to workers as a few bytes;
each opens the file itself. Who reads a shard goes on in the file where the shard before it ended,
whoever read that: a row group of a million rows is decoded once, not once for each of its shards.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from nacre.contract import Array, Batch, Run
from nacre.kernel.interleave import interleave
from nacre.source.arrow import Picked
from nacre.source.bad import Judge
from nacre.source.columns import listed
from nacre.source.decoded import Chunk, Places, Rows, chunk
from nacre.source.footer import (
    Stamp,
    check_rows,
    check_stamp,
    opened,
    rewritten,
    stamp_of,
)
from nacre.source.paths import File

CHUNK_VALUES = 1 << 20  # decoded at once: few calls for narrow files, little memory for wide ones
LEAST_CHUNK = 4096  # rows
BUFFERED = 1 << 22  # bytes of compressed pages in memory, shared by the columns
AT_ONCE = 8  # files whose metadata are read at a time; remote ones are mostly waited for
GOOD = 1e30  # values whose squares sum up to less are no bad ones


Make = Callable[[Any], Any]  # a record batch -> something of a length that can be cut


@dataclass(frozen=True, eq=False)
class ParquetReader:
    """One Parquet file.

    Attributes:
        file: where it lies.
        starts: (g + 1,) int64, the first row of each row group, then the number of rows.
        stamp: which writing of it the plan was made of.
        reading: bytes that reading takes meanwhile.
        picked: the columns that are read.
        judge: what is done with bad values.
        places: where readers go on; shared by those of a plan.
    """

    file: File
    starts: Array
    stamp: Stamp
    reading: int
    picked: Picked
    judge: Judge
    places: Places

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.starts[-1])

    @property
    def where(self) -> str:
        """Path or URI."""
        return self.file.where

    def read(self, first: int, stop: int, batch_rows: int, origin: int) -> Iterator[Batch]:
        """Rows first to stop, decoded as they are asked for.

        Raises:
            BadInput: a file that is damaged or no longer the one of the plan; a bad value.
        """
        with self.rows(first, stop, partial(laid, self.picked)) as rows:
            for start in range(first, max(stop, first + 1), batch_rows):
                n = max(0, min(start + batch_rows, stop) - start)
                yield self._batch(list(rows.take(n)), Run(origin, start), n)

    def _batch(self, chunks: list[Chunk], names: Run, n: int) -> Batch:
        """n rows, judged. Plain columns are laid row by row and looked at in one go."""
        where = f"{self.where} rows {names.first} to {max(names.first, names.first + n - 1)}"
        if not chunks or any(chunk.starts is None for chunk in chunks):
            pieces = [self.picked.piece(chunk.source) for chunk in chunks]
            batch = self.picked.batch(pieces, names, where)
            return self.judge(batch, self.picked.original(pieces))
        X, at, squares = np.empty((n, len(self.picked.features)), self.picked.dtype), 0, 0.0
        for part in chunks:
            squares += interleave(part.starts, part.first, X[at : at + len(part)])
            at += len(part)
        weight, y = self._beside(chunks)
        batch = Batch(X, names, weight, y, where=where)
        return batch if squares < GOOD and weight is None else self.judge(batch)

    def _beside(self, chunks: list[Chunk]) -> tuple[Array | None, Array | None]:
        """Weight and y of rows."""
        if self.picked.weight is None and self.picked.y is None:
            return None, None
        bare = replace(self.picked, features=())
        batch = bare.batch([bare.piece(chunk.source) for chunk in chunks], Run(0, 0), "")
        return batch.weight, batch.y

    @contextmanager
    def rows(self, first: int, stop: int, made: Make | None = None) -> Iterator[Rows]:
        """The file from row `first` on, read ahead until row `stop`.

        Where a reader before stood in it, or opened anew; what is not at its end stays open for
        whoever reads the next shard.

        Args:
            made: what each record batch is made into, by the thread that decodes.

        Raises:
            BadInput: it is not the file of the plan any more.
        """
        group = int(np.searchsorted(self.starts, first, "right")) - 1
        begins = int(self.starts[group])

        def anew() -> Rows:
            decoded = chunks(self.file, self.starts, self.stamp, group, self.picked.names, made)
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
            pa.default_memory_pool().release_unused()  # who stops early, for a head, reads no more
            raise
        if rows.at == self.n_rows:
            self.places.drop(rows)
        else:
            self.places.leave(rows)


def laid(picked: Picked, batch: Any) -> Chunk:
    """A record batch, ready to be laid row by row where its columns are plain."""
    if picked.holds is not None:
        return Chunk(batch, None, 0, len(batch))
    return chunk(batch, picked.features, picked.dtype)


def chunks(
    file: File, starts: Array, stamp: Stamp, group: int, names: list[str], made: Make | None
) -> Generator[Any]:
    """What is made of the rows from the beginning of a row group to the end of the file.

    Raises:
        BadInput: it is not the file that the row groups and the stamp were read of.
    """
    local = file.system is None
    buffer_size = max(1 << 14, BUFFERED // len(names)) if local else 0
    with opened(file, buffer_size=buffer_size, pre_buffer=not local) as parquet:
        check_rows(parquet.metadata, starts, group, file.where)
        _check_columns(names, parquet.schema_arrow.names, file.where)
        check_stamp(stamp_of(file), stamp, file.where)
        groups = list(range(group, len(starts) - 1))
        # a request to a remote store takes long, so a row group is fetched in few of them
        for run in [groups] if local else [[group] for group in groups]:
            batches = parquet.iter_batches(chunk_rows(names), run, names, use_threads=False)
            yield from batches if made is None else map(made, batches)


def _check_columns(names: Sequence[str], there: Sequence[str], where: str) -> None:
    lost = [name for name in names if name not in there]
    if lost:
        raise rewritten(f"no column {listed(lost)}", "the columns", where)


def chunk_rows(names: Sequence[str]) -> int:
    """Rows that are decoded at once."""
    return max(LEAST_CHUNK, min(CHUNK_VALUES // len(names), 1 << 16))
