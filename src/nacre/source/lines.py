"""Lines of text (`.txt`): each is a row of one column, `text`; blocks of them are stitched."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from nacre.contract import Array
from nacre.errors import BadInput
from nacre.source.arrow import columns_of
from nacre.source.columns import Column
from nacre.source.delimited import BLOCK, BOM, LONGEST, text_of
from nacre.source.opening import Stamp, check_stamp, damaged, rewritten, stamp_of
from nacre.source.paths import File
from nacre.source.stitched import LOST

WHAT = "text"
SCHEMA = pa.schema([("text", pa.string())])


@dataclass(frozen=True, eq=False)
class LineGroups:
    """A file of lines.

    Attributes:
        starts: (g + 1,) int64, the first line of each block, then the number of lines.
        offsets: (g + 1,) int64, the bytes where blocks begin, then the end; of what is unpacked.
        stamp: when this was found out.
        skip: lines that are not UTF-8 are left out, not an error.
    """

    what: ClassVar[str] = WHAT
    starts: Array
    offsets: Array
    stamp: Stamp
    skip: bool

    @property
    def columns(self) -> list[Column]:
        """The one."""
        return columns_of(SCHEMA)

    def reading(self, names: list[str]) -> int:
        """Bytes of a block, as text and as a column."""
        return 3 * int(np.diff(self.offsets).max(initial=0))

    def chunks(self, file: File, group: int, names: list[str]) -> Generator[Any]:
        """Record batches from the beginning of a block to the end of the file.

        Raises:
            BadInput: a line that is not UTF-8; not the file of the plan any more.
        """
        with text_of(file, WHAT) as data:
            check_stamp(stamp_of(file), self.stamp, file.where)
            data.seek(int(self.offsets[group]))
            for block in range(group, len(self.starts) - 1):
                n = int(self.starts[block + 1] - self.starts[block])
                text = data.read(int(self.offsets[block + 1] - self.offsets[block]))
                found = [line.removesuffix(b"\r") for line in text.split(b"\n")][:n]
                if len(found) != n:
                    raise rewritten(f"{len(found)} lines", f"the {n}", file.where)
                yield self._batch(found, int(self.starts[block]), file.where)

    def _batch(self, found: list[bytes], first: int, where: str) -> Any:
        raw = pa.array(found, pa.binary())
        try:
            return pa.RecordBatch.from_arrays([raw.cast(pa.string())], schema=SCHEMA)
        except pa.ArrowInvalid:
            bad = np.array([not _is_utf8(line) for line in found])
        if not self.skip:
            raise BadInput(
                got=f"bytes in row {first + int(bad.argmax())} that are not UTF-8",
                wanted="text in UTF-8",
                do='Correct the file, or leave such rows out with nacre.read(data, bad="skip").',
                where=where,
            )
        texts = [None if lost else line for line, lost in zip(found, bad, strict=True)]
        good = pa.array(texts, pa.binary()).cast(pa.string())
        return pa.RecordBatch.from_arrays([good, pa.array(bad)], names=["text", LOST])

    def empty(self, file: File, names: list[str]) -> Any:
        """A table of the column without rows."""
        return SCHEMA.empty_table().select(names)


def outline(file: File, skip: bool) -> LineGroups:
    """The borders of lines; the file is read once.

    Raises:
        NotFound: it is not there.
        BadInput: it is no text, or a line is endless.
    """
    with text_of(file, WHAT) as data:
        stamp = stamp_of(file)
        head = data.read(4)
        if b"\0" in head:
            raise damaged(file.where, WHAT, "not in UTF-8")
        begin = len(BOM) if head.startswith(BOM) else 0
        data.seek(begin)
        starts, offsets = [0], [begin]
        for text in _blocks(data, file.where):
            starts.append(starts[-1] + text.count(b"\n") + (not text.endswith(b"\n")))
            offsets.append(offsets[-1] + len(text))
    return LineGroups(np.array(starts), np.array(offsets), stamp, skip)


def _blocks(data: Any, where: str) -> Iterator[bytes]:
    rest = b""
    while more := data.read(BLOCK):
        text = rest + more
        end = text.rfind(b"\n") + 1
        if not end and len(text) > LONGEST:
            raise damaged(where, WHAT, f"a line takes over {LONGEST} bytes")
        rest = text[end:]
        if end:
            yield text[:end]
    if rest:
        yield rest


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
