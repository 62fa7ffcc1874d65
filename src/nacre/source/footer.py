"""What a Parquet file says of itself, and what of that can be true.

A footer is a claim: rows, sizes and places that nobody has seen yet. What a plan is made of, and
what memory is set aside by, is looked at here before anything is cut or allocated.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from nacre.contract import Array
from nacre.source import thrift
from nacre.source.arrow import columns_of
from nacre.source.columns import Column
from nacre.source.opening import Stamp, damaged, explained, rewritten, stamp_of
from nacre.source.paths import File

WHAT = "Parquet"
PAGE = 1 << 20  # bytes that an open column takes: a page, as most writers cut them,
DICTIONARY = 9 << 18  # and with a dictionary; measured: 2.1 MB of a column of random float32
PAGE_HEADER = 32  # bytes that hold the kind and the sizes of a page
I32 = 0x15  # the next field, which is an i32 of Thrift's compact protocol
ROWS_PER_BYTE = 1 << 17  # of a file at most: more than any writer packs, and a plan stays small


class Outline(NamedTuple):
    """What the plan needs of a file.

    Attributes:
        columns: all there are.
        starts: the first row of each row group, then the number of rows.
        open: bytes that reading a column takes at a time, by its path.
        stamp: when the metadata were read.
    """

    columns: list[Column]
    starts: Array
    open: dict[str, int]
    stamp: Stamp


class ColumnChunk(NamedTuple):
    """A column of a row group: bytes from `first` on, `packed` of them, that unpack to `size`.

    Attributes:
        pages: where its dictionary, if it has one, and its data begin.
    """

    path: str
    first: int
    packed: int
    size: int
    pages: tuple[int, ...]


class RowGroup(NamedTuple):
    """A row group."""

    n_rows: int
    size: int
    columns: list[ColumnChunk]


def outline(file: File) -> Outline:
    """What the plan needs of a file.

    Raises:
        NotFound: it is not there.
        BadInput: it is no Parquet, may not be read, or says of itself what cannot be.
    """
    with opened(file) as parquet:
        stamp = stamp_of(file)
        groups = _groups(file, parquet.metadata, stamp.size)
        starts = np.cumsum([0, *(group.n_rows for group in groups)], dtype=np.int64)
        return Outline(columns_of(parquet.schema_arrow), starts, _open_bytes(file, groups), stamp)


def bounds(file: File, name: str) -> list[tuple[int, int]] | None:
    """The least and the largest whole number of a column in each row group that has rows, as the
    statistics say; None where they do not say it exactly of each, or not that no value is missing.

    Raises:
        NotFound, BadInput, Unavailable: as opening.explained.
    """
    with explained(file, WHAT):
        told = footer(file)[:-8]
    try:
        groups = [group for group in thrift.struct(told).get(4, []) if group[3]]
        chunks = [chunk[3] for group in groups for chunk in group[1]]
        found = [_bounds(chunk) for chunk in chunks if chunk[3] == [name.encode()]]
    except (thrift.Damaged, KeyError, TypeError, AttributeError):
        return None
    exact = [pair for pair in found if pair is not None]
    return exact if len(exact) == len(groups) else None


def _bounds(told: dict[int, Any]) -> tuple[int, int] | None:
    """Of a struct ColumnMetaData (parquet.thrift), by its Statistics."""
    stats, size = told.get(12, {}), {1: 4, 2: 8}.get(told[1])  # bytes of an INT32, an INT64
    least, most = stats.get(6, b""), stats.get(5, b"")
    exact = stats.get(7, True) and stats.get(8, True) and stats.get(3) == 0
    if not exact or len(least) != size or len(most) != size:
        return None
    pair = tuple(int.from_bytes(value, "little", signed=True) for value in (least, most))
    return (pair[0], pair[1]) if pair[0] <= pair[1] else None


@contextmanager
def opened(file: File, **options: Any) -> Iterator[Any]:
    """An open pyarrow ParquetFile; what goes wrong with it is an error of ours.

    Raises:
        NotFound, BadInput, Unavailable: as opening.explained.
    """
    with explained(file, WHAT), ExitStack() as stack:
        source = file.source()
        if file.system is not None:
            stack.enter_context(source)
        yield stack.enter_context(pq.ParquetFile(source, **options))


def check_rows(metadata: Any, starts: Array, group: int, where: str) -> None:
    """Raise BadInput for another number of rows, or of row groups, than the plan was made of."""
    n_groups = len(starts) - 1
    size = metadata.row_group(group).num_rows if group < metadata.num_row_groups else 0
    now = metadata.num_rows, metadata.num_row_groups, size
    then = int(starts[-1]), n_groups, int(starts[group + 1] - starts[group]) if n_groups else 0
    if now != then:
        raise rewritten(
            f"{now[0]} rows in {now[1]} row groups", f"the {then[0]} in {then[1]}", where
        )


def _groups(file: File, metadata: Any, size: int) -> list[RowGroup]:
    """The row groups of a file of `size` bytes (0: not known).

    Raises:
        BadInput: numbers that cannot be true.
    """
    try:
        groups = [_group(group) for group in thrift.struct(footer(file)[:-8]).get(4, [])]
    except (thrift.Damaged, KeyError, TypeError, AttributeError, ValueError):
        raise damaged(file.where, WHAT, "row groups that are none") from None
    rows = [group.n_rows for group in groups]
    if min(rows, default=0) < 0 or sum(rows) != metadata.num_rows:
        raise damaged(
            file.where, WHAT, f"{metadata.num_rows} rows in all, in row groups {sum(rows)}"
        )
    if size and sum(rows) > size * ROWS_PER_BYTE:
        raise damaged(file.where, WHAT, f"{sum(rows)} rows in {size} bytes")
    if len(groups) != metadata.num_row_groups:
        raise damaged(file.where, WHAT, f"{metadata.num_row_groups} row groups, {len(groups)} told")
    for number, group in enumerate(groups):
        if len(group.columns) != metadata.num_columns:
            raise damaged(file.where, WHAT, f"row group {number} of {len(group.columns)} columns")
        for column in group.columns:
            _check_column(column, number, size, file.where)
    return groups


def _check_column(column: ColumnChunk, number: int, size: int, where: str) -> None:
    first, last = column.first, column.first + column.packed
    end = max(last, *column.pages)
    if not (0 <= first <= last and (not size or end <= size) and column.size >= 0):
        told = f"bytes {first} to {end} of {size}"
        raise damaged(where, WHAT, f"row group {number}, column {column.path!r}: {told}")


def footer(file: File) -> bytes:
    """The metadata as they are written, with the last 8 bytes, which hold their length."""
    tail = _tail(file, 1 << 16)
    length = 8 + int.from_bytes(tail[-8:-4], "little")
    if length > len(tail):
        tail = _tail(file, length)
    return tail[-length:]


def _tail(file: File, length: int) -> bytes:
    if file.system is not None:
        return bytes(file.system.tail(file.path, length))
    with open(file.path, "rb") as data:
        size = data.seek(0, os.SEEK_END)
        data.seek(max(0, size - length))
        return data.read(length)


def _group(told: dict[int, Any]) -> RowGroup:
    """Of a struct RowGroup (parquet.thrift)."""
    return RowGroup(int(told[3]), int(told[2]), [_column(chunk[3]) for chunk in told[1]])


def _column(told: dict[int, Any]) -> ColumnChunk:
    """Of a struct ColumnMetaData (parquet.thrift)."""
    pages = tuple(int(told[field]) for field in (11, 9) if field in told)
    path = b".".join(told[3]).decode("utf-8", "backslashreplace")
    return ColumnChunk(path, min(pages), int(told[7]), int(told[6]), pages)


def _open_bytes(file: File, groups: list[RowGroup]) -> dict[str, int]:
    """Bytes that each column takes while it is open, at most, in the largest row groups."""
    taken: dict[str, int] = {}
    for largest in ("n_rows", "size"):
        group = max(groups, key=lambda group: int(getattr(group, largest)), default=None)
        columns = [] if group is None else group.columns
        for column, first in zip(columns, _first_pages(file, columns), strict=True):
            if first > max(column.size, PAGE):
                raise damaged(file.where, WHAT, f"a page of {first} bytes in {column.path!r}")
            usual = DICTIONARY if len(column.pages) > 1 else PAGE
            now = min(column.size, max(usual, first))
            taken[column.path] = max(taken.get(column.path, 0), now)
    return taken


def _first_pages(file: File, columns: list[ColumnChunk]) -> list[int]:
    """Bytes that the first page of each column unpacks to, and its dictionary; as its header says.

    Some writers cut no pages: then a whole column of a row group is unpacked at once.
    """
    if file.system is not None:
        return [0] * len(columns)
    with open(file.path, "rb", buffering=0) as pages:
        heads = [
            [os.pread(pages.fileno(), PAGE_HEADER, at) for at in column.pages] for column in columns
        ]
    return [sum(map(page_size, head)) for head in heads]


def page_size(head: bytes) -> int:
    """Bytes that a page unpacks to, by the beginning of its header; 0 where it is none.

    Its first fields are the page's kind and its unpacked size (parquet.thrift, PageHeader).

    >>> page_size(bytes([0x15, 0x04, 0x15, 0x80, 0x10, 0x15, 0x02]) + bytes(9))
    1024
    """
    try:
        at, sizes = 0, []
        for _ in range(2):
            if head[at] != I32:
                return 0
            value, at = thrift.integer(head, at + 1)
            sizes.append(value)
    except IndexError:
        return 0
    return max(0, sizes[1])
