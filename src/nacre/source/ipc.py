"""Arrow IPC files and streams (`.arrow`, `.feather`, `.ipc`): record batches are stitched.

Files of this machine are mapped: what is not compressed is neither copied nor held. What comes out
of a file is validated before anything is computed with it, since Arrow itself takes it at its word.
Format: https://arrow.apache.org/docs/format/Columnar.html.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from nacre.contract import Array
from nacre.source.arrow import columns_of
from nacre.source.columns import Column
from nacre.source.opening import Stamp, check_stamp, damaged, opened, rewritten, stamp_of
from nacre.source.paths import File

WHAT = "Arrow IPC"
MAGIC = b"ARROW1"


@dataclass(frozen=True, eq=False)
class IpcGroups:
    """An Arrow IPC file or stream.

    Attributes:
        schema, columns: as Arrow has them, and as the plan does.
        starts: (g + 1,) int64, the first row of each record batch, then the number of rows.
        stamp: when this was read.
        mapped: whether its columns lie in the mapped file as they are computed with.
    """

    what: ClassVar[str] = WHAT
    schema: Any
    columns: list[Column]
    starts: Array
    stamp: Stamp
    mapped: bool

    def reading(self, names: list[str]) -> int:
        """Bytes of the largest record batch, where it is unpacked or fetched."""
        largest = int(np.diff(self.starts).max(initial=0))
        return 0 if self.mapped else 2 * largest * len(names) * 8

    def chunks(self, file: File, group: int, names: list[str]) -> Generator[Any]:
        """Record batches from one on to the end of the file.

        Raises:
            BadInput: it is damaged, or not the file of the plan any more.
        """
        with _batches(file, group, None if self.mapped else names) as (_, batches):
            check_stamp(stamp_of(file), self.stamp, file.where)
            sizes = np.diff(self.starts)[group:]
            at = -1
            for at, batch in enumerate(batches):
                if at >= len(sizes) or len(batch) != sizes[at]:
                    raise rewritten(f"a record batch of {len(batch)} rows", "the ones", file.where)
                batch.validate(full=True)
                yield batch
            if at + 1 < len(sizes):
                raise damaged(file.where, WHAT, f"{at + 1} record batches of {len(sizes)}")

    def empty(self, file: File, names: list[str]) -> Any:
        """A table of these columns without rows."""
        return self.schema.empty_table().select(names)


def outline(file: File) -> IpcGroups:
    """What an Arrow IPC file or stream says of itself.

    Raises:
        NotFound: it is not there.
        BadInput: it is none, cut short, damaged, or may not be read.
    """
    mapped = file.system is None and _is_mapped(file)
    with _batches(file, 0, None if mapped else []) as (schema, batches):
        stamp, columns, sizes = stamp_of(file), columns_of(schema), [0]
        for batch in batches:
            batch.validate()
            sizes.append(len(batch))
    return IpcGroups(schema, columns, np.cumsum(sizes, dtype=np.int64), stamp, mapped)


def _is_mapped(file: File) -> bool:
    """Whether the first record batch lies in the mapped file as it is: it is not compressed."""
    with opened(file, WHAT) as data, pa.memory_map(file.path) as source:
        is_file, _ = _schema(data, file.where)
        whole = source.read_buffer()
        source.seek(0)
        if is_file:
            found = pa.ipc.open_file(source)
            batches = [found.get_batch(0)] if found.num_record_batches else []
        else:
            batches = [*itertools.islice(pa.ipc.open_stream(source), 1)]
        buffers = [buf for b in batches for column in b.columns for buf in column.buffers() if buf]
        ends = whole.address + whole.size
        return all(whole.address <= buf.address <= ends for buf in buffers if buf.size)


@contextmanager
def _batches(
    file: File, group: int, names: list[str] | None
) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema and the record batches from one on.

    Args:
        names: the columns that are unpacked, none: the first; None: all, as they are mapped.
    """
    with opened(file, WHAT) as data:
        is_file, schema = _schema(data, file.where)
        fields = None
        if names is not None and len(schema):  # what is read is then copied, mapped or not
            fields = sorted(map(schema.get_field_index, names)) or [0]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        local = file.system is None
        with pa.memory_map(file.path) if local else pa.PythonFile(data, "r") as source:
            if is_file:
                whole = pa.ipc.open_file(source, options=options)
                there = range(group, whole.num_record_batches)
                yield schema, (whole.get_batch(i) for i in there)
            else:
                stream = pa.ipc.open_stream(source, options=options)
                yield schema, (batch for i, batch in enumerate(stream) if i >= group)


def _schema(data: Any, where: str) -> tuple[bool, Any]:
    """Whether it is a file, not a stream, and its schema."""
    start = data.read(len(MAGIC))
    if not start:
        raise damaged(where, WHAT, "0 bytes")
    data.seek(0)
    is_file = start == MAGIC
    schema = (pa.ipc.open_file if is_file else pa.ipc.open_stream)(pa.PythonFile(data, "r")).schema
    data.seek(0)
    return is_file, schema
