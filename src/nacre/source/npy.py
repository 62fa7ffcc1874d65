"""Arrays in files: `.npy`, which is mapped, and members of `.npz`: mapped too where they lie
unpacked, else unpacked as they are read. None is ever whole in memory but a packed one in Fortran
order, whose first row ends where its last column begins; and no pickle is read.

A file is a batch. Its rows are those of the array in it: the same dtype, the same shards, the same
bits. Format: numpy.lib.format, versions 1 to 3.
"""

from __future__ import annotations

import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput, BadType, NacreError, OutOfMemory
from nacre.source.arrays import ArrayReader, learning_dtype
from nacre.source.columns import listed, same_width
from nacre.source.decoded import Places, Rows
from nacre.source.memory import positions
from nacre.source.opening import Stamp, check_stamp, damaged, opened, stamp_of
from nacre.source.paths import File
from nacre.source.plan import BATCH_ROWS, RowPlan, cut
from nacre.source.terms import Need, Read
from nacre.source.times import event_spans
from nacre.source.weights import labels, weights

WHAT = "NumPy"
MOST_PACKED = 1_100  # deflate packs no better than 1,032 to 1
PIECE = 1 << 20  # bytes that are unpacked at a time
DAMAGE = (  # what zipfile and NumPy raise for it
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    KeyError,
    RuntimeError,  # encrypted, or a compression that zipfile has not
    ValueError,
)
_LOCAL_HEADER = 30  # bytes of a zip file's own header before a member's name


@dataclass(frozen=True)
class Layout:
    """How an array lies in a file.

    Attributes:
        dtype, shape: of the array.
        fortran: whether its columns lie one after another.
        offset: bytes before its first value: in the file, or in the member that is unpacked.
        member: the name of a member that must be unpacked; None: it lies in the file.
    """

    dtype: Any
    shape: tuple[int, ...]
    fortran: bool
    offset: int
    member: str | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return math.prod(self.shape) * int(self.dtype.itemsize)

    @property
    def whole(self) -> bool:
        """Whether no row can be read without all of them: columns that must be unpacked."""
        return self.member is not None and self.fortran


@dataclass(frozen=True, eq=False)
class StoredRows:
    """An array (n, d) in a file; rows are read when they are asked for.

    Attributes:
        file, layout, stamp: where it lies, how, and which writing of it the plan was made of.
        places: where readers of a packed member stopped.
    """

    file: File
    layout: Layout
    stamp: Stamp
    places: Places = field(default_factory=Places)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        return self.layout.shape

    @property
    def dtype(self) -> Any:
        """Of the values in the file."""
        return self.layout.dtype

    def __getitem__(self, rows: slice) -> Array:
        """Some consecutive rows, as they lie.

        Raises:
            BadInput: a file that is damaged, or was written anew since the plan was made.
        """
        if self.layout.member is not None:
            return self._unpacked(rows.start, rows.stop)
        with opened(self.file, WHAT) as data:
            check_stamp(stamp_of(self.file), self.stamp, self.file.where)
            if self.file.system is None and self.layout.nbytes:
                return _mapped(self.file.path, self.layout)[rows]
            return _fetched(data, self.layout, rows, self.file.where)

    def _unpacked(self, first: int, stop: int) -> Array:
        def anew() -> Rows:
            pieces = unpacked(self.file, self.layout, self.stamp)
            return Rows(self.file, WHAT, 0, pieces, self.places.crew)

        rows = self.places.taken(self.file, 0, first, anew)
        try:
            for _ in rows.take(first - rows.at):
                pass
            pieces = list(rows.take(stop - first))
        except BaseException:
            self.places.drop(rows)
            raise
        (self.places.drop if rows.at == self.shape[0] else self.places.leave)(rows)
        return np.concatenate([*pieces, np.empty((0, self.shape[1]), self.dtype)])


@dataclass(frozen=True, eq=False)
class FileArrayReader(ArrayReader):
    """A file that holds an array.

    Attributes:
        file: where it lies.
    """

    file: Any = None


def _mapped(path: str, layout: Layout) -> Array:
    order: Any = "F" if layout.fortran else "C"
    return np.memmap(path, layout.dtype, "r", layout.offset, layout.shape, order)


def _fetched(data: BinaryIO, layout: Layout, rows: slice, where: str) -> Array:
    """Rows of a file that cannot be mapped."""
    n, d = layout.shape
    n_rows, size = rows.stop - rows.start, layout.dtype.itemsize
    if not layout.fortran:
        data.seek(layout.offset + rows.start * d * size)
        flat = _exactly(data, n_rows * d * size, where)
        return np.frombuffer(flat, layout.dtype).reshape(n_rows, d)
    X = np.empty((n_rows, d), layout.dtype)
    for j in range(d):
        data.seek(layout.offset + (j * n + rows.start) * size)
        X[:, j] = np.frombuffer(_exactly(data, n_rows * size, where), layout.dtype)
    return X


def _exactly(data: Any, n_bytes: int, where: str) -> bytes:
    found: bytes = data.read(n_bytes)
    if len(found) != n_bytes:
        raise damaged(where, WHAT, f"{len(found)} bytes of {n_bytes}")
    return found


def unpacked(file: File, layout: Layout, stamp: Stamp) -> Generator[Array]:
    """The rows of a packed member, some at a time; all at once where its columns lie one by one.

    Raises:
        BadInput: it is damaged, or was written anew since the plan was made.
    """
    n, d = layout.shape
    if not layout.fortran:
        yield from _lines(file, layout, stamp, n, d)
        return
    columns, at = np.empty((d, n), layout.dtype), 0
    for some in _lines(file, layout, stamp, d, n):
        columns[at : at + len(some)] = some
        at += len(some)
    yield columns.T


def _lines(file: File, layout: Layout, stamp: Stamp, n: int, size: int) -> Generator[Array]:
    """The n rows, or columns, of `size` values in a packed member, some at a time."""
    some = max(1, PIECE // max(1, size * layout.dtype.itemsize))
    with zipped(file) as members, members.open(layout.member or "") as data:
        check_stamp(stamp_of(file), stamp, file.where)
        _exactly(data, layout.offset, file.where)
        for first in range(0, n, some):
            n_lines = min(some, n - first)
            flat = _exactly(data, n_lines * size * layout.dtype.itemsize, file.where)
            yield np.frombuffer(flat, layout.dtype).reshape(n_lines, size)


@contextmanager
def zipped(file: File) -> Iterator[zipfile.ZipFile]:
    """The members of a `.npz` file.

    Raises:
        NotFound, BadInput: as opening.opened; it is no zip file, or damaged.
    """
    with opened(file, "npz") as data:
        try:
            with zipfile.ZipFile(data) as members:
                yield members
        except DAMAGE as error:
            if isinstance(error, NacreError):
                raise
            why = str(error).partition("\n")[0]
            raise damaged(file.where, "npz", f"{type(error).__name__}: {why}") from None


def outline_npy(file: File) -> StoredRows:
    """The rows of a `.npy` file; only its header is read.

    Raises:
        NotFound, BadInput, BadType: no file, no array of numbers, or one that is cut short.
    """
    with opened(file, WHAT) as data:
        stamp = stamp_of(file)
        layout = _header(data, file.where)
        _check_size(layout, stamp.size, file.where)
    return StoredRows(file, layout, stamp)


def _header(data: Any, where: str) -> Layout:
    try:
        version = np.lib.format.read_magic(data)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(data)
        elif version in ((2, 0), (3, 0)):  # 3 differs in names of fields alone, which are refused
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(data)
        else:
            raise ValueError(f"version {version}")
    except (ValueError, EOFError, SyntaxError, OverflowError, tokenize.TokenError) as error:
        raise damaged(where, WHAT, str(error).partition("\n")[0]) from None
    if min(shape, default=0) < 0:
        raise damaged(where, WHAT, f"a shape of {shape}")
    if dtype.hasobject or dtype.kind not in "fiub":
        raise BadType(
            got="pickled objects" if dtype.hasobject else f"an array of {dtype}",
            wanted="an array of numbers; nothing in a file is ever executed",
            do="Save numbers: np.save(path, X.astype(float)).",
            where=where,
        )
    return Layout(dtype, tuple(map(int, shape)), bool(fortran), data.tell())


def _check_size(layout: Layout, size: int, where: str) -> None:
    there = size - layout.offset
    if size and layout.nbytes > there:
        raise damaged(where, WHAT, f"{layout.shape} of {layout.dtype} in {there} bytes")


def _check_rows(rows: StoredRows) -> None:
    """Raise for what is no table, or has rows that no memory has room for."""
    shape = rows.shape
    if len(shape) != 2 or shape[1] == 0:
        raise BadInput(
            says=f"Expected 2D array, got an array of shape {shape} instead.",
            got=f"an array of shape {shape}",
            wanted="rows by columns, at least one column",
            do="Save X.reshape(len(X), -1).",
            where=rows.file.where,
        )
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if rows.layout.whole and rows.layout.nbytes > there // 2:
        raise OutOfMemory(
            got=f"a compressed array in Fortran order: {rows.layout.nbytes:.1e} bytes at once",
            wanted=f"C order, or at most half of the {there:.1e} bytes of this machine",
            do="Save np.ascontiguousarray(X), or use np.savez, without compression.",
            where=rows.file.where,
        )
    if batch_bytes(rows) > there:
        raise OutOfMemory(
            got=f"rows of {shape[1]:,} columns: a batch takes {batch_bytes(rows):.1e} bytes",
            wanted=f"at most the {there:.1e} bytes of this machine",
            do="Save fewer columns, or sparse rows: scipy.sparse.save_npz.",
            where=rows.file.where,
        )


def batch_bytes(rows: StoredRows) -> int:
    """Bytes that a batch of rows takes as it is read, and all that must be unpacked for it."""
    n, d = rows.shape
    unpacked_whole = rows.layout.nbytes if rows.layout.whole else 0
    return min(n, BATCH_ROWS) * d * max(8, int(rows.dtype.itemsize)) + unpacked_whole


def outline_npz(file: File, member: str) -> StoredRows:
    """The array of a member of a `.npz` file.

    Raises:
        NotFound, BadInput, BadType: as outline_npy; what it says of its sizes cannot be.
    """
    with zipped(file) as members:
        stamp = stamp_of(file)
        told = members.getinfo(f"{member}.npy")
        _check_told(told, file.where)
        with members.open(told) as data:
            layout = _header(data, f"{file.where}#{member}")
        if layout.offset + layout.nbytes != told.file_size:
            said = f"{layout.shape} of {layout.dtype} in {told.file_size} bytes"
            raise damaged(file.where, "npz", said)
        if told.compress_type != zipfile.ZIP_STORED:
            fortran = layout.fortran and min(layout.shape, default=0) > 1
            packed = Layout(layout.dtype, layout.shape, fortran, layout.offset, told.filename)
            return StoredRows(file, packed, stamp)
    with opened(file, "npz") as raw:
        raw.seek(told.header_offset)
        head = _exactly(raw, _LOCAL_HEADER, file.where)
    names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    offset = told.header_offset + _LOCAL_HEADER + names + layout.offset
    moved = Layout(layout.dtype, layout.shape, layout.fortran, offset)
    _check_size(moved, stamp.size, file.where)
    return StoredRows(file, moved, stamp)


def _check_told(told: zipfile.ZipInfo, where: str) -> None:
    """Raise for a member that cannot unpack to what it says."""
    if told.flag_bits & 1:
        raise damaged(where, "npz", f"the member {told.filename!r} is encrypted")
    if told.file_size > told.compress_size * MOST_PACKED + (1 << 16):
        packed = f"{told.compress_size} bytes that unpack to {told.file_size}"
        raise damaged(where, "npz", f"a decompression bomb: {packed}")


def member_of(file: File, asked: str | None, special: tuple[str, ...]) -> str:
    """The member that holds the rows: the one that was asked for, `X`, or the only one.

    Raises:
        BadInput: there is no such member, or it is not clear which.
    """
    with zipped(file) as members:
        names = [name.removesuffix(".npy") for name in members.namelist()]
    free = [name for name in names if name not in special]
    wanted = asked or ("X" if "X" in free else free[0] if len(free) == 1 else None)
    if wanted is None or wanted not in names:
        raise BadInput(
            got=f"the arrays {names}",
            wanted=f"one named {asked!r}" if asked else "one named 'X', or one alone",
            do=f'Name it behind the path: "{file.where}#{names[0] if names else "X"}".',
            where=file.where,
        )
    return wanted


def beside(file: File, member: str | None, n_rows: int) -> Array | None:
    """A member with a value for each row, as np.savez writes y beside X.

    Raises:
        BadInput: there is none, or it has another length.
    """
    if member is None:
        return None
    stored = outline_npz(file, member_of(file, member, ()))
    if stored.shape != (n_rows,):
        raise BadInput(
            got=f"{member!r} of shape {stored.shape} for {n_rows} rows",
            wanted="one value for each row",
            do="Check the file.",
            where=file.where,
        )
    one = Layout(stored.dtype, (n_rows, 1), False, stored.layout.offset, stored.layout.member)
    return np.array(StoredRows(file, one, stored.stamp)[slice(0, n_rows)][:, 0])


def plan_of_arrays(
    asked: Read, need: Need, files: Mapping[str, File], member: str | None, packed: bool
) -> RowPlan:
    """The plan of `.npy` files, or (packed) of `.npz`; their headers are read here.

    Args:
        member: of `.npz`, where one was named.

    Raises:
        NotFound, BadInput, BadType: files that are none, or of another width than the first.
    """
    special = tuple(name for name in (asked.weight, asked.y) if name is not None)
    if special and not packed:
        raise BadInput(
            got=f"weight or y {listed(special)} of files whose columns have no names",
            wanted="an .npz file with arrays of these names, or a file of columns",
            do='Save them together: np.savez(path, X=X, y=y), and nacre.read(path, y="y").',
        )
    found = {
        name: outline_npz(file, member_of(file, member, special)) if packed else outline_npy(file)
        for name, file in files.items()
    }
    for rows in found.values():
        _check_rows(rows)
    first = next(iter(found.values()))
    d = first.shape[1]
    for rows in found.values():
        if rows.shape[1] != d:
            raise BadInput(
                got=f"{rows.shape[1]} columns, but {first.file.where} has {d}",
                wanted="the same width in every file",
                do="Leave it out.",
                where=rows.file.where,
            )
    columns = None if asked.columns is None else positions(asked.columns, d)
    n_columns = d if columns is None else len(columns)
    if need.schema is not None:
        same_width(need.schema, n_columns, first.file.where)
    narrow = all(learning_dtype(rows) == "float32" for rows in found.values())
    dtype = need.dtype(asked, "float32" if narrow else "float64")

    def reader(rows: StoredRows) -> FileArrayReader:
        n, where = rows.shape[0], rows.file.where
        weight = weights(beside(rows.file, asked.weight, n), n, asked.bad)
        y = labels(beside(rows.file, asked.y, n), n)
        judge = asked.judge(need)
        about = (dtype, weight, y, columns, judge, where, batch_bytes(rows))
        return FileArrayReader(rows, *about, file=rows.file)

    return cut(
        {name: reader(rows) for name, rows in found.items()},
        need.schema_of(None, n_columns, dtype),
        times=event_spans(asked.time, files, "arrays"),
        shard_rows=asked.shard_rows,
    )
