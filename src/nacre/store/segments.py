"""Segments of a ledger: lines that never change, sorted by the hash of the id, in one blob.

    pages, 128 lines each | nodes, for 32 pages each: the hashes of all lines, where each page lies
    | root: the first hash of each node, and where it lies

Where bytes lie stands beside their SHA-256, and a segment is named by the SHA-256 of its root: so
every byte has a hash that is checked when it is read. A line is found by reading a root, a node and
a page, and that it is not there by a root and a node. How many there are of each follows from how
many lines there are.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from nacre.canon import hash64
from nacre.errors import NacreError, NotFound
from nacre.kinds import Array
from nacre.store.container import corrupt
from nacre.store.ledger import Leaf
from nacre.store.life import Named
from nacre.store.pages import Line, leaf_of, line_of, packed, paged, unpacked
from nacre.store.place import Place, located

BLOBS = "blobs"
PAGE = 128  # lines of a page
FAN = 32  # pages of a node
MOST_NODES = 256  # of a segment that are kept once read: a million lines, 9 MB
_MAGIC = b"NACRELE\x01"
_HEAD = struct.Struct("<8sQQ")  # of the root: magic, lines, those that no older segment has
_ENTRY = np.dtype([("first", "<u8"), ("at", "<u8"), ("n_bytes", "<u8"), ("sha256", "V32")])

Entry = tuple[int, int, int, bytes]  # an item of that dtype
order = itemgetter(0, 1, 2)  # of lines: hash of the id, moment of absorbing, id


def write(place: Place, leaves: Iterable[Leaf]) -> Named:
    """Write a segment; of leaves of one id and one moment the last one is written.

    Raises:
        BadInput: a leaf that could not be read again.
        DiskFull, Unavailable: it cannot be written.
    """
    lines = {order(line): line for line in map(line_of, leaves)}
    return written(place, (lines[at] for at in sorted(lines)), len(lines))


def written(place: Place, lines: Iterator[Line], n_new: int) -> Named:
    """Write a segment of lines that are sorted already, each once.

    Args:
        place: where; what is written is held in memory, compressed.
        lines: they are taken one by one.
        n_new: how many of them no older segment has.
    """
    parts: list[bytes] = []
    entries: list[Entry] = []
    hashes: list[bytes] = []
    at = n_lines = 0

    def put(first: int, part: bytes) -> Entry:
        nonlocal at
        parts.append(part)
        at += len(part)
        return first, at - len(part), len(part), hashlib.sha256(part).digest()

    for page in paged(lines, PAGE):
        entries.append(put(page[0].hash, packed(page)))
        hashes.append(np.array([line.hash for line in page], "<u8").tobytes())
        n_lines += len(page)
    nodes = []
    for pages in (slice(number, number + FAN) for number in range(0, len(entries), FAN)):
        node = b"".join((*hashes[pages], np.array(entries[pages], _ENTRY).tobytes()))
        nodes.append(put(entries[pages.start][0], node))
    root = _HEAD.pack(_MAGIC, n_lines, n_new) + np.array(nodes, _ENTRY).tobytes()
    named = Named(hashlib.sha256(root).hexdigest(), n_lines, at + len(root))
    if not place.create(f"{BLOBS}/{named.sha256}", *parts, root):
        Segment(place, named).checked()  # written by one whose commit failed: is it whole?
    return named


class Node(NamedTuple):
    """What a node says: (n,) hashes of its lines, and an entry for each of its pages."""

    hashes: Array
    entries: Array
    viewed: memoryview


class Segment:
    """A segment where it lies. Nothing is read before it is asked for; nodes are kept once read.

    Args:
        place: of the store.
        named: as `write` gave it.
    """

    def __init__(self, place: Place, named: Named) -> None:
        self.place, self.named = place, named
        self.object = f"{BLOBS}/{named.sha256}"
        self._n_pages = -(-named.n_lines // PAGE)
        self._n_nodes = -(-self._n_pages // FAN)
        self._n_root = _HEAD.size + self._n_nodes * _ENTRY.itemsize
        self._nodes: dict[int, Node] = {}

    def __len__(self) -> int:
        return self.named.n_lines

    @property
    def n_new(self) -> int:
        """How many of its lines no older segment has."""
        with self._told():
            return self._root[0]

    def find(self, id: str) -> list[Leaf]:
        """All lines of an id, the one that was absorbed first being the first.

        Raises:
            CorruptState: the segment is damaged where it was read.
        """
        return self.of(hash64(id), id)

    def of(self, hashed: int, id: str) -> list[Leaf]:
        """The same, where the hash of the id is known."""
        with self._told():
            return [leaf_of(line) for line in self._of(hashed, id.encode())]

    def __iter__(self) -> Iterator[Leaf]:
        """All leaves, sorted by the hashes of their ids, then by their moments of absorbing."""
        for number in range(self._n_pages):
            with self._told():
                leaves = [leaf_of(line) for line in self._page(number)]
            yield from leaves

    def lines(self) -> Iterator[Line]:
        """The same as lines, a page in memory at a time."""
        for number in range(self._n_pages):
            with self._told():
                page = self._page(number)
            yield from page

    def checked(self) -> Segment:
        """The segment itself, when every byte of it is right.

        Raises:
            CorruptState: it is not; the file is named.
        """
        Segment(self.place, self.named)._check()  # what was read before may have changed since
        return self

    def _check(self) -> None:
        with self._told():
            self._check_size()
            end, before = 0, (-1, 0, b"")
            for number in range(self._n_pages):
                entry = self._node(number // FAN).entries[number % FAN]
                end = _followed(entry, end)
                page = self._page(number)
                before = _check_lines(entry, page, before)
            for number, entry in enumerate(self._root[1]):
                end = _followed(entry, end)
                if self._node(number).hashes[0] != entry["first"]:
                    corrupt("an entry with another hash", "that of the first line below it")
            if end + self._n_root != self.named.n_bytes:
                corrupt(f"a root behind byte {end}", "one that tells of all bytes before it")

    def _check_size(self) -> None:
        if (size := self.place.size(self.object)) != self.named.n_bytes:
            corrupt(f"{size:,} bytes", f"{self.named.n_bytes:,}, as the ledger says")

    def _of(self, hashed: int, id: bytes) -> list[Line]:
        found: list[Line] = []
        start, stop = _run(self._firsts, hashed)
        for node in range(max(0, start - 1), stop):  # it may end the one that begins below it
            first, end = _run(self._node(node).viewed, hashed)
            for page in range(first // PAGE, -(-end // PAGE)) if first < end else ():
                at = page * PAGE
                lines = self._page(node * FAN + page, max(0, first - at), end - at)
                found += [line for line in lines if line.id == id]
        return found

    @functools.cached_property
    def _root(self) -> tuple[int, Array]:
        """Lines that no older segment has, and the entries of the nodes."""
        if self._n_root > self.named.n_bytes:
            corrupt(f"{self.named.n_bytes} bytes for {len(self)} lines", f"{self._n_root} at least")
        data = self._bytes(self.named.n_bytes - self._n_root, self._n_root, self.named.sha256)
        magic, n_lines, n_new = _HEAD.unpack_from(data)
        if (magic, n_lines) != (_MAGIC, len(self)) or n_new > n_lines:
            corrupt(f"the root {data[: _HEAD.size]!r}", f"{_MAGIC!r}, {len(self)} lines")
        return n_new, np.frombuffer(data, _ENTRY, self._n_nodes, _HEAD.size)

    @functools.cached_property
    def _firsts(self) -> memoryview:
        return _viewed(self._root[1]["first"])

    def _node(self, number: int) -> Node:
        node = self._nodes.get(number)
        if node is None:
            data = self._below(self._root[1][number])
            n_lines = min(FAN * PAGE, len(self) - number * FAN * PAGE)
            n_pages = -(-n_lines // PAGE)
            if len(data) != 8 * n_lines + n_pages * _ENTRY.itemsize:
                corrupt(f"a node of {len(data)} bytes", f"{n_lines} hashes, {n_pages} entries")
            hashes = np.frombuffer(data, "<u8", n_lines)
            entries = np.frombuffer(data, _ENTRY, n_pages, 8 * n_lines)
            node = Node(hashes, entries, _viewed(hashes))
            if len(self._nodes) >= MOST_NODES:
                self._nodes = {}
            self._nodes[number] = node
        return node

    def _page(self, number: int, start: int = 0, stop: int | None = None) -> list[Line]:
        """Lines of a page."""
        node, at = self._node(number // FAN), number % FAN
        data = self._below(node.entries[at])
        return unpacked(data, node.hashes[at * PAGE : (at + 1) * PAGE], start, stop)

    def _below(self, entry: Any) -> bytes:
        return self._bytes(int(entry["at"]), int(entry["n_bytes"]), entry["sha256"].item().hex())

    def _bytes(self, at: int, n_bytes: int, sha256: str) -> bytes:
        """A run of the blob, which has its hash."""
        if at + n_bytes > self.named.n_bytes:
            corrupt(f"bytes up to {at + n_bytes:,}", f"{self.named.n_bytes:,} at most")
        data = self.place.read_at(self.object, self.named.n_bytes - at, n_bytes)
        if hashlib.sha256(data).hexdigest() != sha256:
            corrupt(f"other bytes from {at:,} to {at + n_bytes:,}", "those of their SHA-256")
        return data

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Damage with its place; a segment that is missing is damage."""
        where = f"{self.place.where}/{self.object}"
        try:
            yield
        except NotFound:
            with located(where):
                corrupt("no such file", "all segments of the ledger")
        except NacreError as error:
            raise error.at(where) from None


def _run(hashes: memoryview, hashed: int) -> tuple[int, int]:
    """Where a hash begins among sorted ones, and where it ends."""
    start = bisect.bisect_left(hashes, hashed)
    if start == len(hashes) or hashes[start] != hashed:
        return start, start
    return start, bisect.bisect_right(hashes, hashed, start)


def _viewed(hashes: Array) -> memoryview:
    """Hashes that are fast to look at one by one."""
    return np.ascontiguousarray(hashes, np.uint64).data


def _followed(entry: Any, end: int) -> int:
    """Where the bytes of an entry end, which begin where others ended."""
    if int(entry["at"]) != end:
        corrupt(f"bytes from {int(entry['at']):,}", f"from {end:,}, where those before them end")
    return end + int(entry["n_bytes"])


def _check_lines(
    entry: Any, page: list[Line], before: tuple[int, int, bytes]
) -> tuple[int, int, bytes]:
    """The order of the last line; all are in order, and each is written in the one way."""
    if page[0].hash != int(entry["first"]):
        corrupt("an entry with another hash", "that of the first line of its page")
    for line in page:
        if order(line) <= before or line != line_of(leaf_of(line)):
            corrupt(f"the id {line.id!r:.80} in a wrong place", "lines sorted by hashes of ids")
        before = order(line)
    return before
