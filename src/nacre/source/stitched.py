"""Files of columns: a file is a batch, and its rows are stitched from the groups that it is written
in (row groups, record batches, blocks of text), so that shards are cut by row number alone.

A format says where its groups begin and decodes them one after another; all else stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from nacre.contract import Array, Batch, Run
from nacre.kernel.interleave import interleave
from nacre.source.arrow import Picked
from nacre.source.bad import Judge, left_out
from nacre.source.columns import Column
from nacre.source.decoded import Chunk, Places, Rows, chunk
from nacre.source.opening import Stamp, check_stamp, stamp_of
from nacre.source.paths import File

Constants = dict[str, Any]  # name -> the value of all rows of a file, as an Arrow scalar
Make = Callable[[Any], Any]  # a record batch -> something of a length that can be cut

GOOD = 1e30  # values whose squares sum up to less are no bad ones
LOST = "\0lost"  # a column of bools that a format adds: rows that could not be read


class Groups(Protocol):
    """What a file says of itself, and its rows; `what` names its format in messages."""

    what: ClassVar[str]

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
class StitchedReader:
    """One file of columns.

    Attributes:
        file: where it lies.
        groups: how it is read.
        constants: columns that have one value in all of its rows, and are not in the file.
        reading: bytes that reading takes meanwhile.
        picked: the columns that are read.
        judge: what is done with bad values.
        places: where readers go on; shared by those of a plan.
    """

    file: File
    groups: Groups
    constants: Constants
    reading: int
    picked: Picked
    judge: Judge
    places: Places

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.groups.starts[-1])

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
        """n rows, judged; those that could not be read are left out, and counted."""
        where = f"{self.where} rows {names.first} to {max(names.first, names.first + n - 1)}"
        if any(_has_lost(chunk.whole) for chunk in chunks):
            return self._left(chunks, names, where)
        if not chunks or any(chunk.starts is None for chunk in chunks):
            pieces = [self.picked.piece(chunk.source) for chunk in chunks]
            batch = self.picked.batch(pieces, names, where)
            return self.judge(batch, self.picked.original(pieces))
        return self._laid(chunks, names, n, where)

    def _laid(self, chunks: list[Chunk], names: Run, n: int, where: str) -> Batch:
        """n rows of plain columns, laid row by row and looked at in one go."""
        X, at, squares = np.empty((n, len(self.picked.features)), self.picked.dtype), 0, 0.0
        for part in chunks:
            squares += interleave(part.starts, part.first, X[at : at + len(part)])
            at += len(part)
        weight, y = self._beside(chunks)
        batch = Batch(X, names, weight, y, where=where)
        return batch if squares < GOOD and weight is None else self.judge(batch)

    def _left(self, chunks: list[Chunk], names: Run, where: str) -> Batch:
        """The rows that could be read, judged; with the others counted."""
        batch = self.picked.batch([self.picked.piece(c.source) for c in chunks], names, where)
        return left_out(
            batch, np.concatenate([_lost(chunk.source) for chunk in chunks]), self.judge
        )

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
        starts = self.groups.starts
        group = max(0, int(np.searchsorted(starts, first, "right")) - 1)
        begins = int(starts[group])

        def anew() -> Rows:
            names = self.picked.names
            decoded = _decoded(self.file, self.groups, self.constants, names, group, made)
            return Rows(self.file, self.groups.what, begins, decoded, self.places.crew)

        rows = self.places.taken(self.file, begins, first, anew)
        try:
            rows.until = stop
            for _ in rows.take(first - rows.at):
                pass
            yield rows
            if self.file.system is None:
                check_stamp(stamp_of(self.file), self.groups.stamp, self.where)
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
