"""Parquet files: a file is a batch, and its shards are cut by row number, whatever its row groups.

A reader holds a path and where the row groups begin, so that it travels to workers as a few bytes;
each opens the file itself. A thread that reads shard after shard goes on in the file where it
stopped: a row group of a million rows is decoded once, not once for each of its shards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nacre.contract import Array, Batch, Run
from nacre.errors import BadInput, BadParameter, NotFound
from nacre.source.arrow import Picked, columns_of
from nacre.source.bad import Judge
from nacre.source.columns import Column, features, listed
from nacre.source.paths import File, files_of
from nacre.source.plan import RowPlan, cut
from nacre.source.terms import Need, Read
from nacre.source.times import event_times

CHUNK_VALUES = 1 << 18  # decoded at once: few calls for narrow files, little memory for wide ones
LEAST_CHUNK = 4096  # rows
PAGE = 1 << 20  # bytes that an open column takes at most: a page, as most writers cut them,
DICTIONARY = 9 << 18  # and with a dictionary; measured: 2.1 MB of a column of random float32
BUFFERED = 1 << 22  # bytes of compressed pages in memory, shared by the columns
AT_ONCE = 8  # files whose metadata are read at a time; remote ones are mostly waited for


Make = Callable[[Any], Any]  # a record batch -> something of a length that can be cut


class Outline(NamedTuple):
    """What the plan needs of a file.

    Attributes:
        columns: all there are.
        starts: the first row of each row group, then the number of rows.
        open: bytes that reading a column takes at a time, by its path.
    """

    columns: list[Column]
    starts: Array
    open: dict[str, int]


@dataclass(frozen=True, eq=False)
class ParquetReader:
    """One Parquet file.

    Attributes:
        file: where it lies.
        starts: (g + 1,) int64, the first row of each row group, then the number of rows.
        reading: bytes that reading takes meanwhile.
        picked: the columns that are read.
        judge: what is done with bad values.
        places: where each thread goes on; shared by the readers of a plan.
    """

    file: File
    starts: Array
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
        with self.rows(first, stop, self.picked.piece) as rows:
            for start in range(first, max(stop, first + 1), batch_rows):
                n = max(0, min(start + batch_rows, stop) - start)
                pieces = list(rows.take(n))
                where = f"{self.where} rows {start} to {max(start, start + n - 1)}"
                batch = self.picked.batch(pieces, Run(origin, start), where)
                yield self.judge(batch, self.picked.original(pieces))

    @contextmanager
    def rows(self, first: int, stop: int, made: Make | None = None) -> Iterator[Rows]:
        """The file from row `first` on, read ahead until row `stop`.

        Where this thread stands in it, or opened anew; what is not at its end stays open for the
        next shard that this thread reads.

        Args:
            made: what each record batch is made into, by the thread that runs ahead.
        """
        group = int(np.searchsorted(self.starts, first, "right")) - 1
        rows = self.places.taken(self.file, int(self.starts[group]), first)
        if rows is None:
            decoded = chunks(self.file, self.starts, self.picked.names, group, made or _as_is)
            rows = Rows(self.where, int(self.starts[group]), decoded, self.places.ahead)
        try:
            rows.until = stop
            for _ in rows.take(first - rows.at):
                pass
            yield rows
        except BaseException:
            rows.close()
            pa.default_memory_pool().release_unused()  # who stops early, for a head, reads no more
            raise
        if rows.at == self.n_rows:
            rows.close()
        else:
            self.places.leave(self.file, rows)


class Rows:
    """The rows of a file from one row on, forward only, decoded by a thread that runs ahead.

    Measured on 2 cores, 5,000,000 x 16 float32, learning about as costly as decoding: running ahead
    makes `serial` 1.25 to 1.55 times as fast, `threads:2` 0.93 to 1.07 times: it overlaps anyway.

    Attributes:
        at: the row that comes next.
        until: no row after this one is decoded ahead.
    """

    def __init__(self, where: str, at: int, chunks: Generator[Any], ahead: Executor) -> None:
        self.where, self.at, self.until = where, at, 0
        self._chunks, self._ahead = chunks, ahead
        self._rest: Any = ()  # decoded, and not yet taken
        self._coming: Future[Any] | None = None

    def take(self, n: int) -> Iterator[Any]:
        """The next n rows, in pieces: record batches, or what they were made into.

        Raises:
            BadInput: the file is damaged.
        """
        while n > 0:
            if len(self._rest) == 0:
                self._rest = self._next()
            piece = self._rest[:n]
            self._rest = self._rest[n:]
            self.at, n = self.at + len(piece), n - len(piece)
            yield piece

    def _next(self) -> Any:
        coming, self._coming = self._coming or self._decode(), None
        chunk = coming.result()
        if chunk is None:
            raise _damaged(self.where, f"no row {self.at}")
        if self.at + len(chunk) < self.until:
            self._coming = self._decode()
        return chunk

    def _decode(self) -> Future[Any]:
        # always there: Arrow's allocator keeps memory for each thread that it has served
        return self._ahead.submit(next, self._chunks, None)

    def close(self) -> None:
        """Close the file, after what is under way."""
        if self._coming is not None and not self._coming.cancel():
            wait([self._coming])
        self._chunks.close()


def _as_is(batch: Any) -> Any:
    return batch


def chunk_rows(names: Sequence[str]) -> int:
    """Rows that are decoded at once."""
    return max(LEAST_CHUNK, min(CHUNK_VALUES // len(names), 1 << 16))


def chunks(file: File, starts: Array, names: list[str], group: int, made: Make) -> Generator[Any]:
    """What is made of the rows from the beginning of a row group to the end of the file."""
    local = file.system is None
    buffer_size = max(1 << 14, BUFFERED // len(names)) if local else 0
    with opened(file, buffer_size=buffer_size, pre_buffer=not local) as parquet:
        _check_same(parquet.metadata, starts, group, file.where)
        groups = list(range(group, len(starts) - 1))
        # a request to a remote store takes long, so a row group is fetched in few of them
        for run in [groups] if local else [[group] for group in groups]:
            batches = parquet.iter_batches(chunk_rows(names), run, names, use_threads=False)
            yield from map(made, batches)


class Places(threading.local):
    """Where each thread goes on: in the file that it read last. Travels empty.

    Attributes:
        ahead: the thread that decodes for this one.
    """

    file: File | None = None
    rows: Rows | None = None

    def __init__(self) -> None:
        self.ahead = ThreadPoolExecutor(1, thread_name_prefix="nacre-ahead")

    def taken(self, file: File, least: int, most: int) -> Rows | None:
        """This thread's open rows of the file, if the next of them is one of these."""
        rows, self.rows = self.rows, None
        if rows is None or (self.file == file and least <= rows.at <= most):
            return rows
        rows.close()
        return None

    def leave(self, file: File, rows: Rows) -> None:
        """Keep them for the next shard that this thread reads, instead of others."""
        if self.rows is not None:
            self.rows.close()
        self.file, self.rows = file, rows

    def __reduce__(self) -> tuple[Any, ...]:
        return Places, ()


def plan_of_files(asked: Read, need: Need) -> RowPlan:
    """The plan of Parquet files. Their metadata are read here, once.

    Raises:
        NotFound, SameId: as files_of.
        BadInput: a file that is no Parquet, or lacks columns that the first one has.
        BadType: a column that holds no numbers.
        BadParameter: options that files do not take.
    """
    _check(asked)
    files = _named(files_of(asked.data, asked.root), asked.id)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outlines = dict(zip(files, pool.map(outline, files.values()), strict=True))
    names = _features(files, outlines, asked, need)
    dtype = need.dtype(asked, "float32")
    picked, places = Picked(names, dtype, asked.weight, asked.y), Places()

    def reader(file: File, found: Outline) -> ParquetReader:
        opened = sum(found.open.get(name, PAGE) for name in picked.names)
        ahead = 3 * chunk_rows(picked.names) * len(picked.names) * 12
        reading = (BUFFERED + opened + ahead) * 4 // 3  # what allocators keep for later
        return ParquetReader(file, found.starts, reading, picked, asked.judge(need, names), places)

    readers = {name: reader(file, outlines[name]) for name, file in files.items()}
    return cut(
        readers,
        need.schema_of(names, len(names), dtype),
        times=event_times(asked.time, files),
        shard_rows=asked.rows_per_shard,
    )


def outline(file: File) -> Outline:
    """What the plan needs of a file.

    Raises:
        NotFound: it is not there.
        BadInput: it is no Parquet, or may not be read.
    """
    with opened(file) as parquet:
        metadata = parquet.metadata
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        rows = [group.num_rows for group in groups]
        largest = [groups[int(np.argmax(rows))]] if groups else []
        starts = np.cumsum([0, *rows], dtype=np.int64)
        return Outline(columns_of(parquet.schema_arrow), starts, _open_bytes(largest))


def _open_bytes(groups: list[Any]) -> dict[str, int]:
    columns = [group.column(j) for group in groups for j in range(group.num_columns)]
    most = {True: DICTIONARY, False: PAGE}
    return {
        column.path_in_schema: min(column.total_uncompressed_size, most[column.has_dictionary_page])
        for column in columns
    }


@contextmanager
def opened(file: File, **options: Any) -> Iterator[Any]:
    """An open pyarrow ParquetFile; what goes wrong with it is an error of ours.

    Raises:
        NotFound: it is not there.
        BadInput: it may not be read, is empty, no Parquet, cut short or damaged.
    """
    try:
        with ExitStack() as stack:
            source = file.source()
            if file.system is not None:
                stack.enter_context(source)
            yield stack.enter_context(pq.ParquetFile(source, **options))
    except FileNotFoundError:
        raise NotFound(
            got=f"no file {file.where}", wanted="a Parquet file", do="Check the path."
        ) from None
    except PermissionError:
        raise BadInput(
            got="a file that may not be read",
            wanted="one that may",
            do="Change its permissions.",
            where=file.where,
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file.where, str(error).partition("\n")[0]) from None


def _check_same(metadata: Any, starts: Array, group: int, where: str) -> None:
    """Raise BadInput for a file that was written anew since the plan was made."""
    n_groups = len(starts) - 1
    size = metadata.row_group(group).num_rows if group < metadata.num_row_groups else 0
    now = metadata.num_rows, metadata.num_row_groups, size
    then = int(starts[-1]), n_groups, int(starts[group + 1] - starts[group]) if n_groups else 0
    if now != then:
        raise BadInput(
            got=f"{now[0]} rows in {now[1]} row groups",
            wanted=f"the {then[0]} in {then[1]} that there were when the plan was made",
            do="Write files under a new name, and fit again.",
            where=where,
        )


def _damaged(where: str, why: str) -> BadInput:
    return BadInput(
        got=f"a file that is no Parquet, cut short or damaged ({why})",
        wanted="a whole Parquet file",
        do="Write it anew, or leave it out.",
        where=where,
    )


def _check(asked: Read) -> None:
    for name in ("weight", "y"):
        if not isinstance(getattr(asked, name), str | None):
            raise BadParameter(
                got=f"{name} as an array beside files",
                wanted=f"{name} as a column of the files",
                do=f'Name it: nacre.read(data, {name}="...").',
            )


def _named(files: dict[str, File], name: str | None) -> dict[str, File]:
    if name is None:
        return files
    if len(files) > 1:
        raise BadParameter(
            got=f"id={name!r} for {len(files)} files",
            wanted="an id for one file",
            do="Leave it out; root= says what the ids of files are relative to.",
        )
    return {name: next(iter(files.values()))}


def _features(
    files: Mapping[str, File], outlines: Mapping[str, Outline], asked: Read, need: Need
) -> tuple[str, ...]:
    """The features, of which the first file decides; every other file must have them."""
    first = next(iter(files))
    names = features(outlines[first].columns, asked, need.schema, files[first].where, pick=True)
    free = asked.columns is None and (need.schema is None or need.schema.names is None)
    same = replace(asked, columns=names)
    for name, file in files.items():
        there = outlines[name].columns
        features(there, same, need.schema, file.where, pick=True)
        if free:
            _no_more(there, {*names, asked.weight, asked.y}, file, files[first])
    return names


def _no_more(there: list[Column], known: set[Any], file: File, first: File) -> None:
    more = [column.name for column in there if not column.is_index and column.name not in known]
    if more:
        raise BadInput(
            got=f"column {listed(more)}, which {first.where} has not",
            wanted="the same columns in every file",
            do="Name those to learn from: nacre.read(data, columns=[...]).",
            where=file.where,
        )
