"""How lines of a ledger lie in a page: what learning said of a batch, in about 100 bytes.

    digests of each line (64 n) | zlib of what is left:
    all first bytes of the numbers of the lines, all second ones, ... | ids | principals | objects

Digests are noise, which nothing makes smaller. Of numbers that are like each other most bytes are
the same, so they are laid side by side. A line is spelled in one way.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from nacre.canon import hash64
from nacre.errors import BadInput
from nacre.kinds import Array
from nacre.store.container import corrupt
from nacre.store.ledger import Leaf, Lies

MOST_BODY = 16 << 20  # bytes of numbers and texts of a page
_NONE = -1  # of a moment or a place that there is not
_CONTENTS = {"": 0, "file": 32, "rows": 16}  # what a content begins with -> bytes of its digest
_KINDS = list(_CONTENTS)
_N_DIGEST = 32
_N_PLAIN = 2 * _N_DIGEST  # bytes of a line that are not compressed
_NUMBERS = struct.Struct("<qqqqqqqqBIII")
_TABLE = np.dtype(
    [
        *((name, "<i8") for name in ("time", "first", "n_rows", "n_skipped")),
        *((name, "<i8") for name in ("absorbed", "ended", "from_end", "n_bytes")),
        ("content", "u1"),
        *((name, "<u4") for name in ("id", "principal", "object")),  # bytes of these texts
    ]
)


class Line(NamedTuple):
    """A leaf as it lies in a page; lines are sorted by the first three.

    Attributes:
        hash: of the id.
        absorbed: moment of absorbing.
        id, principal, object: UTF-8; of a leaf that lies nowhere there is no object.
        numbers: one item of the table.
        digests: of the content and of the summary, filled up with zeros.
    """

    hash: int
    absorbed: int
    id: bytes
    principal: bytes
    object: bytes
    numbers: bytes
    digests: bytes


def line_of(leaf: Leaf) -> Line:
    """A leaf as a line.

    Raises:
        BadInput: a leaf that could not be read again as it is.
    """
    try:
        line = _line(leaf)
        if leaf_of(line) == leaf:
            return line
    except (ValueError, KeyError, struct.error):  # damage is a ValueError too
        pass
    raise BadInput(
        got=f"a line of the ledger that cannot be written: {leaf!r:.200}",
        wanted="int64, UTF-8, digests in lower case",
        do="Absorb the batch under a plain id and time.",
    )


def _line(leaf: Leaf) -> Line:
    lies = leaf.lies
    kind, _, content = leaf.content.partition(":")
    texts = leaf.id.encode(), leaf.principal.encode(), lies.object.encode() if lies else b""
    numbers = _NUMBERS.pack(
        *(leaf.time, leaf.first, leaf.n_rows, leaf.n_skipped, leaf.absorbed),
        _NONE if leaf.ended is None else leaf.ended,
        *((lies.from_end, lies.n_bytes) if lies else (_NONE, 0)),
        _KINDS.index(kind),
        *map(len, texts),
    )
    digests = bytes.fromhex(content), bytes.fromhex(lies.sha256 if lies else "")
    filled = b"".join(digest.ljust(_N_DIGEST, b"\0") for digest in digests)
    return Line(hash64(leaf.id), leaf.absorbed, *texts, numbers, filled)


def leaf_of(line: Line) -> Leaf:
    """The leaf of a line.

    Raises:
        CorruptState: no leaf is written so.
    """
    (time, first, n_rows, n_skipped, absorbed, ended, from_end, n_bytes, kind, *_) = (
        _NUMBERS.unpack(line.numbers)
    )
    if min(n_rows, n_skipped, absorbed, n_bytes, ended + 1, from_end + 1) < 0 or kind > 2:
        corrupt(f"a line of {n_rows} rows and content {kind}", "counts and kinds that there are")
    content, summary = line.digests[:_N_DIGEST], line.digests[_N_DIGEST:]
    name = _KINDS[kind]
    n_digest = _CONTENTS[name]
    here = from_end != _NONE
    if any(content[n_digest:]) or (not here and (n_bytes or line.object or any(summary))):
        corrupt("digests of what there is not", "zeros in their place")
    try:
        return Leaf(
            line.id.decode(),
            time,
            first,
            n_rows,
            n_skipped,
            f"{name}:{content[:n_digest].hex()}" if kind else "",
            absorbed,
            None if ended == _NONE else ended,
            line.principal.decode(),
            Lies(line.object.decode(), from_end, n_bytes, summary.hex()) if here else None,
        )
    except UnicodeDecodeError:
        corrupt(f"the id {line.id!r:.80}, or another text", "UTF-8")


def packed(lines: Sequence[Line]) -> bytes:
    """The bytes of a page.

    Raises:
        BadInput: ids so long that no reader would take them.
    """
    table = np.frombuffer(b"".join(line.numbers for line in lines), np.uint8)
    texts = (map(attrgetter(name), lines) for name in ("id", "principal", "object"))
    body = table.reshape(len(lines), -1).T.tobytes() + b"".join(itertools.chain(*texts))
    if len(body) > MOST_BODY:
        raise BadInput(
            got=f"{len(body):,} bytes of ids and other texts for {len(lines)} batches",
            wanted=f"at most {MOST_BODY:,}",
            do="Give the batches shorter ids.",
        )
    return b"".join((*(line.digests for line in lines), zlib.compress(body)))


def unpacked(page: bytes, hashes: Array, start: int = 0, stop: int | None = None) -> list[Line]:
    """Lines of a page: from `start` up to `stop`, or to its end.

    Args:
        page: its bytes.
        hashes: (n,) uint64, of the ids of all its lines.
        start, stop: which lines.

    Raises:
        CorruptState: it is no such page.
    """
    n = len(hashes)
    body = _inflated(memoryview(page)[n * _N_PLAIN :])
    n_table = n * _TABLE.itemsize
    if len(body) < n_table:
        corrupt(f"{len(body)} bytes of numbers and texts", f"at least {n_table} for {n} lines")
    numbers = np.frombuffer(body, np.uint8, n_table).reshape(-1, n).T.tobytes()
    table = np.frombuffer(numbers, _TABLE)
    lengths = np.concatenate([table[name] for name in ("id", "principal", "object")])
    ends = [n_table, *(np.cumsum(lengths, dtype=np.int64) + n_table).tolist()]
    if ends[-1] != len(body):
        corrupt(f"{len(body)} bytes of numbers and texts", f"{ends[-1]}, as the numbers say")
    hashed, absorbed = hashes.tolist(), table["absorbed"].tolist()
    return [
        Line(
            hashed[i],
            absorbed[i],
            body[ends[i] : ends[i + 1]],
            body[ends[n + i] : ends[n + i + 1]],
            body[ends[2 * n + i] : ends[2 * n + i + 1]],
            numbers[i * _TABLE.itemsize : (i + 1) * _TABLE.itemsize],
            page[i * _N_PLAIN : (i + 1) * _N_PLAIN],
        )
        for i in range(n)[start:stop]
    ]


def _inflated(data: memoryview) -> bytes:
    inflating = zlib.decompressobj()
    try:
        body = inflating.decompress(data, MOST_BODY)
    except zlib.error as error:
        corrupt(f"{str(error)[:80]} in a page", "what zlib wrote")
    if not inflating.eof or inflating.unused_data:
        corrupt("a page that ends elsewhere", f"one of at most {MOST_BODY:,} bytes, whole")
    return body


def paged(lines: Iterator[Line], n: int) -> Iterator[list[Line]]:
    """Lines, n by n; the last ones may be fewer."""
    while page := list(itertools.islice(lines, n)):
        yield page
