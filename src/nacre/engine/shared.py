"""Large arrays that several processes read: made once, mapped by all, sent by none.

An object is pickled into a Parcel. Its large arrays go into one file without a name, in shared
memory or, where that has too little room, among the temporary files; arrays that lie in a file
already stay there. Who opens the parcel is handed the open files themselves and maps them,
read-only. A file without a name cannot leak: the last process that has it open takes it along, even
where all are killed. (The segments of `multiprocessing.shared_memory` have names, which outlive a
kill, and a process that tracks them and warns.)
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import mmap
import os
import pickle
import tempfile
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre.errors import BadType, OutOfMemory

Array = Any
LARGE = 1 << 20  # bytes; below, a copy costs less than a mapping
SHARED_MEMORY = "/dev/shm"
ALIGNED = 64  # bytes, a cache line: where arrays begin

_tokens = itertools.count()


class Parcel:
    """A pickled object and the open files in which its large arrays lie.

    Attributes:
        token: its number, unique in this process.
        data: the pickle.
        cuts: (start, stop) of each array that was copied, in the last of the files.
        files: descriptors.
        close: closes the files, once; the end of the parcel or of the interpreter does so too.
    """

    def __init__(self, data: bytes, cuts: list[tuple[int, int]], files: list[int]) -> None:
        self.token, self.data, self.cuts, self.files = next(_tokens), data, cuts, files
        self.close = weakref.finalize(self, _close, files)


@dataclass(frozen=True)
class Arrived:
    """A parcel in another process: its pickle and cuts, and maps of its files."""

    data: bytes
    cuts: list[tuple[int, int]]
    maps: list[mmap.mmap]

    @classmethod
    def of(cls, data: bytes, cuts: list[tuple[int, int]], files: list[int]) -> Arrived:
        """Map the files and close them."""
        try:
            return cls(data, cuts, [mmap.mmap(f, 0, access=mmap.ACCESS_READ) for f in files])
        finally:
            _close(files)

    def open(self, meet: Callable[[str], None]) -> Any:
        """The object, its large arrays read-only; `meet` hears of modules before they are used."""
        return _Unpacker(self, meet).load()


def pack(value: Any) -> Parcel:
    """Pickle `value`, its arrays of 1 MiB and more apart.

    Raises:
        BadType: it does not pickle.
        OutOfMemory: there is no room for its arrays.
    """
    stream, large = io.BytesIO(), list[memoryview]()
    packer = _Packer(stream, large)
    with contextlib.ExitStack() as failing:
        failing.callback(lambda: _close(packer.files.values()))
        try:
            packer.dump(value)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise BadType(
                got=f"what cannot be sent to another process ({error})",
                wanted="objects of classes at the top level of a module, with fields that pickle",
                do="Move the class to the top of a module, or use engine='threads'.",
            ) from error
        cuts = _cuts(large)
        written = [_written(large, cuts)] if large else []
        failing.pop_all()
    return Parcel(stream.getvalue(), cuts, [*packer.files.values(), *written])


def free(directory: str) -> int:
    """Bytes that can be written below a directory; none where there is no such directory."""
    try:
        room = os.statvfs(directory)
    except OSError:
        return 0
    return room.f_bavail * room.f_frsize


class _Packer(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, large: list[memoryview]) -> None:
        super().__init__(stream, protocol=5, buffer_callback=functools.partial(_apart, large))
        self.files: dict[str, int] = {}

    def persistent_id(self, value: Any) -> Any:
        """Where a large memory-mapped array lies in which file."""
        if not _is_large(value) or (mapped := _mapped(value)) is None:
            return None
        name = str(mapped.filename)
        if name not in self.files:
            try:
                self.files[name] = os.open(name, os.O_RDONLY)
            except OSError:  # unlinked since; the map lives, so its rows can be copied
                return None
        offset = mapped.offset + value.ctypes.data - mapped.ctypes.data
        return list(self.files).index(name), offset, value.dtype, value.shape, value.strides

    def reducer_override(self, value: Any) -> Any:
        """Pickle hands contiguous arrays to `_apart`, so others are made contiguous."""
        if not _is_large(value) or (type(value) is np.ndarray and value.flags.forc):
            return NotImplemented
        plain = np.asarray(value)
        return (plain if plain.flags.forc else np.ascontiguousarray(plain)).__reduce_ex__(5)


class _Unpacker(pickle.Unpickler):
    def __init__(self, parcel: Arrived, meet: Callable[[str], None]) -> None:
        parts = [memoryview(parcel.maps[-1])[start:stop] for start, stop in parcel.cuts]
        super().__init__(io.BytesIO(parcel.data), buffers=parts)
        self.maps, self.meet = parcel.maps, meet

    def persistent_load(self, pid: Any) -> Array:
        number, offset, dtype, shape, strides = pid
        return np.ndarray(shape, dtype, self.maps[number], offset, strides)

    def find_class(self, module: str, name: str) -> Any:
        self.meet(module)
        return super().find_class(module, name)


def _is_large(value: Any) -> bool:
    kind = type(value)  # subclasses but memmap pickle in their own ways
    return (kind is np.ndarray or kind is np.memmap) and (
        value.nbytes >= LARGE and not value.dtype.hasobject
    )


def _mapped(array: Array) -> Any:
    """The map of a whole file that an array is a view of; None where writes to it stay private."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return array if array.filename is not None and array.mode != "c" else None
        array = array.base
    return None


def _apart(large: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    """Put a large buffer aside; True, which leaves it in the pickle, for a small one."""
    raw = buffer.raw()
    if raw.nbytes >= LARGE:
        large.append(raw)
    return raw.nbytes < LARGE


def _cuts(large: list[memoryview]) -> list[tuple[int, int]]:
    lengths = (-(-raw.nbytes // ALIGNED) * ALIGNED for raw in large)
    starts = itertools.accumulate(lengths, initial=0)
    return [(start, start + raw.nbytes) for start, raw in zip(starts, large, strict=False)]


def _written(large: list[memoryview], cuts: list[tuple[int, int]]) -> int:
    """A descriptor of a new file without a name that holds the buffers at their cuts."""
    size, places = cuts[-1][1], (SHARED_MEMORY, tempfile.gettempdir())
    for directory in places:
        if size < free(directory):
            with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=directory) as file:
                for raw, (start, _) in zip(large, cuts, strict=True):
                    file.seek(start)
                    file.write(raw)
                file.flush()
                return os.dup(file.fileno())
    raise OutOfMemory(
        got=f"{size} bytes of arrays to share between processes",
        wanted=f"that much room in {' or '.join(places)}",
        do="Free some, set TMPDIR, or use engine='threads', which shares without a copy.",
    )


def _close(files: Iterable[int]) -> None:
    for file in files:
        os.close(file)
