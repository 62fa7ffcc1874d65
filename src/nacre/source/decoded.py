"""The rows of a column file from one row on, decoded forward only, and where readers stopped in it.

Who reads a shard goes on where the one before it ended, whichever thread read that: what is decoded
in large pieces is then decoded once. A piece is decoded ahead, by another thread, only while there
are more cores than readers; measured on two cores, it makes one reader 1.2 to 1.5 times as fast,
and two slower, because each waits for the interpreter's lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nacre.contract import Array
from nacre.settings import cores
from nacre.source.opening import damaged
from nacre.source.paths import File

KINDS = {"float32": pa.types.is_float32, "float64": pa.types.is_float64}


@dataclass(frozen=True, eq=False)
class Chunk:
    """Decoded rows.

    Attributes:
        whole: the record batch that they are in.
        starts: (d,) uint64, the addresses of the columns' first values, where each column is of the
            dtype of learning and has no null; else None.
        first, n: the rows of it.
    """

    whole: Any
    starts: Array | None
    first: int
    n: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, rows: slice) -> Chunk:
        start, stop, _ = rows.indices(self.n)
        return Chunk(self.whole, self.starts, self.first + start, max(0, stop - start))

    @property
    def source(self) -> Any:
        """The rows as a record batch."""
        return self.whole.slice(self.first, self.n)


def chunk(batch: Any, names: tuple[str, ...], dtype: str) -> Chunk:
    """All rows of a record batch; `starts` where the columns of these names can be laid at once."""
    columns = [batch.column(name) for name in names]
    is_kind = KINDS[dtype]
    plain = all(is_kind(column.type) and not column.null_count for column in columns)
    if not plain or len(batch) == 0:
        return Chunk(batch, None, 0, len(batch))
    size = np.dtype(dtype).itemsize
    starts = [column.buffers()[1].address + size * column.offset for column in columns]
    return Chunk(batch, np.array(starts, np.uint64), 0, len(batch))


class Rows:
    """The rows of a file from row `at` on.

    Attributes:
        file: it; `what` names its format in messages.
        at: the row that comes next.
        until: no row after this one is decoded ahead.
    """

    def __init__(self, file: File, what: str, at: int, chunks: Generator[Any], crew: Crew) -> None:
        self.file, self.what, self.at, self.until = file, what, at, 0
        self._chunks, self._crew = chunks, crew
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
        coming, self._coming = self._coming, None
        chunk = next(self._chunks, None) if coming is None else coming.result()
        if chunk is None:
            raise damaged(self.file.where, self.what, f"no row {self.at}")
        if self.at + len(chunk) < self.until and self._crew.has_a_core:
            self._coming = self._crew.ahead.submit(next, self._chunks, None)
        return chunk

    def close(self) -> None:
        """Close the file, after what is under way."""
        if self._coming is not None and not self._coming.cancel():
            wait([self._coming])
        self._chunks.close()


class Crew:
    """Who reads now, and the threads that decode ahead.

    Attributes:
        busy: readers at work; most: at one time so far.
    """

    def __init__(self, most: int) -> None:
        self.busy, self.most = 0, most
        self.ahead = ThreadPoolExecutor(reading_cores(), thread_name_prefix="nacre-ahead")

    @property
    def has_a_core(self) -> bool:
        """Whether a core has nothing to do while all readers read."""
        return self.busy < reading_cores()


class Places:
    """Where readers stopped in files, for whoever goes on there. Travels empty.

    At most as many files are open as were read at one time, or `least`. No rows lead back here, so
    that files are closed as soon as a plan is let go.
    """

    def __init__(self, least: int = 1) -> None:
        self.least, self.crew = least, Crew(least)
        self.left: list[Rows] = []
        self.lock = threading.Lock()

    def taken(self, file: File, least: int, most: int, make: Callable[[], Rows]) -> Rows:
        """Rows of the file whose next one is between these, as near to `most` as there are; else
        what `make` makes. They are to be left, or dropped.
        """
        with self.lock:
            self.crew.busy += 1
            self.crew.most = max(self.crew.most, self.crew.busy)
            fitting = [rows for rows in self.left if rows.file == file and least <= rows.at <= most]
            found = max(fitting, key=lambda rows: rows.at, default=None)
            if found is not None:
                self.left.remove(found)
            n_over = max(0, len(self.left) + self.crew.busy - self.crew.most)
            over, self.left = self.left[:n_over], self.left[n_over:]
        for rows in over:
            rows.close()
        return make() if found is None else found

    def leave(self, rows: Rows) -> None:
        """Keep them for who reads on."""
        with self.lock:
            self.crew.busy -= 1
            self.left.append(rows)

    def drop(self, rows: Rows | None) -> None:
        """Close them."""
        with self.lock:
            self.crew.busy -= 1
        if rows is not None:
            rows.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Places, (self.least,)


def reading_cores() -> int:
    """Cores that readers of this process may keep busy: one in a worker, which is not alone."""
    return 1 if "NACRE_WORKER" in os.environ else cores()
