"""Sums over ranges of keyed leaves, each made once: in memory, and behind it in a store.

A sum is named by what it is of: how many leaves, the first and the last key, and a hash of all
keys and of the digests of all bytes. The hash is additive, so the names of all ranges of a sorted
list follow from its running sums; and equal sets of leaves have one name, in whatever list they
stand: today's, last month's, that of a window. So nothing here goes out of date. What is behind is
a cache: it is checked when it is read, and made anew where it is missing or damaged.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nacre.contract import Array, Summary
from nacre.engine.tree import Span, part
from nacre.errors import CorruptState, NacreError, NotFound

LARGE = 64  # leaves, from which a sum is worth a file; and additions, from which a call writes
FOLDER = "cache"
_HASHED = 32  # bytes of SHA-256 before what is stored
_PLAIN = frozenset((str, int, float, bool, type(None)))

Name = tuple[str, int, int, int, bytes]  # salt, first key, last key, how many leaves, their hash


class Place(Protocol):
    """Where sums lie behind: a place of a store."""

    def put(self, name: str, data: bytes) -> None:
        """Write, replacing what stands there."""

    def read(self, name: str) -> bytes:
        """All bytes."""

    def names(self, folder: str = "") -> list[str]:
        """What lies directly below a folder."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove what is there."""


@dataclass(frozen=True)
class Behind:
    """A folder of sums in a store.

    Attributes:
        place: of the store.
        pack, unpack: a summary as bytes, and back; `unpack` checks them.
    """

    place: Place
    pack: Callable[[Summary], bytes]
    unpack: Callable[[bytes], Summary]

    def read(self, name: Name) -> Summary | None:
        """The sum of that name; None where it is not there.

        Raises:
            CorruptState: it is damaged, or another one.
        """
        try:
            data = self.place.read(file_of(name))
        except NotFound:
            return None
        if data[:_HASHED] != _seal(name, data[_HASHED:]):
            raise CorruptState(
                got=f"other bytes in {file_of(name)}",
                wanted="the sum of that name",
                do="Nothing: it is made anew.",
            )
        return self.unpack(data[_HASHED:])

    def write(self, name: Name, value: Summary) -> None:
        """Store a sum under its name."""
        data = self.pack(value)
        self.place.put(file_of(name), _seal(name, data) + data)


def file_of(name: Name) -> str:
    """Where a sum lies.

    >>> file_of(("", 0, 9, 64, b"hash"))
    'cache/5e173b9d19fe854fa286b19d5044908d'
    """
    return f"{FOLDER}/{hashlib.sha256(repr(name).encode()).hexdigest()[:32]}"


def _seal(name: Name, data: bytes) -> bytes:
    sha256 = hashlib.sha256(repr(name).encode())
    sha256.update(data)
    return sha256.digest()


@dataclass(frozen=True, eq=False)
class Tree:
    """Sorted keys with what is summed over them: the trie of the keys says who joins whom.

    Attributes:
        keys: sorted, each once.
        marks: (n + 1, 2) uint64, running sums of the hashes of the leaves.
        leaf: position -> its summary; it is kept by whoever gives it.
        join: (start, cut, stop, left, right) -> their sum.
        salt: what the sums depend on beside the leaves; empty for plain sums, which alone are
            read from behind.
        stores: whether they are stored behind: not those of a selection, or each window that is
            ever asked for would leave files.
    """

    keys: Sequence[int]
    marks: Array
    leaf: Callable[[int], Summary]
    join: Callable[[int, int, int, Summary, Summary], Summary]
    salt: str = ""
    stores: bool = True

    def name(self, start: int, stop: int) -> Name:
        """Of the sum over keys[start:stop]."""
        content = (self.marks[stop] - self.marks[start]).tobytes()
        return self.salt, self.keys[start], self.keys[stop - 1], stop - start, content

    def large(self) -> Iterator[Span]:
        """The subtrees of at least LARGE leaves, each after those in it."""
        todo, found = [(0, len(self.keys))], []
        while todo:
            start, stop = todo.pop()
            if stop - start >= LARGE:
                found.append((start, stop))
                cut = part(self.keys, start, stop)
                todo += [(start, cut), (cut, stop)]
        return reversed(found)


class Sums:
    """The sums that are known, by name. Threads may share it."""

    def __init__(self, most_bytes: int = 256 << 20, behind: Behind | None = None) -> None:
        """`most_bytes`: of what is kept in memory; the longest unused goes first."""
        self.most_bytes, self.behind = most_bytes, behind
        self._kept: OrderedDict[Name, tuple[Summary, int]] = OrderedDict()
        self._n_bytes = 0
        self._there: set[str] | None = None  # files behind; None: not looked yet
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Of what is in memory, nearly."""
        return self._n_bytes

    def known(self, name: Name) -> Summary | None:
        """A sum that is in memory."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                return None
            self._kept.move_to_end(name)
            return found[0]

    def keep(self, name: Name, value: Summary) -> None:
        """Keep a sum in memory."""
        size = _size(value)
        with self._lock:
            self._n_bytes += size - self._kept.pop(name, (None, 0))[1]
            self._kept[name] = value, size
            while self._n_bytes > self.most_bytes:
                self._n_bytes -= self._kept.popitem(last=False)[1][1]

    def total(self, tree: Tree) -> Summary:
        """The sum over all leaves of a tree, at least one; what it took much work to make, or was
        damaged, is stored behind.
        """
        made: list[tuple[Name, Summary]] = []
        damaged: set[Name] = set()
        total = self._sum(tree, 0, len(tree.keys), made, damaged)
        if tree.stores and not tree.salt:
            cold = len(made) >= LARGE
            self._write([(n, v) for n, v in made if (cold and n[3] >= LARGE) or n in damaged])
        return total

    def _sum(
        self,
        tree: Tree,
        start: int,
        stop: int,
        made: list[tuple[Name, Summary]],
        damaged: set[Name],
    ) -> Summary:
        if stop - start == 1:
            return tree.leaf(start)
        name = tree.name(start, stop)
        found = self.known(name)
        if found is not None:
            return found
        if stop - start >= LARGE and not tree.salt:
            found = self._read(name, damaged)
        if found is None:
            cut = part(tree.keys, start, stop)
            left = self._sum(tree, start, cut, made, damaged)
            right = self._sum(tree, cut, stop, made, damaged)
            found = tree.join(start, cut, stop, left, right)
            made.append((name, found))
        self.keep(name, found)
        return found

    def _read(self, name: Name, damaged: set[Name]) -> Summary | None:
        if self.behind is None:
            return None
        try:
            if file_of(name) not in self._behind(self.behind):
                return None
            return self.behind.read(name)
        except NacreError:
            damaged.add(name)
            return None

    def _behind(self, behind: Behind) -> set[str]:
        """Which files lie behind: most sums are new, and need not be looked for one by one.

        Those that other processes add are not seen; they are made anew, as all that is missing.
        """
        if self._there is None:
            self._there = {f"{FOLDER}/{name}" for name in behind.place.names(FOLDER)}
        return self._there

    def _write(self, made: list[tuple[Name, Summary]]) -> None:
        if self.behind is not None:
            try:
                for name, value in made:
                    self.behind.write(name, value)
                    self._behind(self.behind).add(file_of(name))
            except (OSError, CorruptState):  # full, broken, a link: what is a cache fails nobody
                return

    def settle(self, tree: Tree) -> None:
        """Store behind what is large in a tree, and remove from behind all else.

        Sums that a few additions make are not stored when they are made, or each absorb would
        leave files that the next one does not need; a checkpoint settles.
        """
        if self.behind is None:
            return
        wanted = {file_of(tree.name(*span)): span for span in tree.large()}
        place = self.behind.place
        there = {f"{FOLDER}/{name}" for name in place.names(FOLDER)}
        for span in [span for file, span in wanted.items() if file not in there]:
            self._write([(tree.name(*span), self._sum(tree, *span, [], set()))])
        place.remove(sorted(there - wanted.keys()))
        self._there = None

    def forget(self) -> None:
        """Let go of all sums, in memory and behind: any of them may hold a leaf that is erased."""
        with self._lock:
            self._kept.clear()
            self._n_bytes = 0
            self._there = None
        if self.behind is not None:
            place = self.behind.place
            place.remove([f"{FOLDER}/{name}" for name in place.names(FOLDER)])


def _size(value: Any) -> int:
    """Bytes in memory, nearly."""
    total, todo = 0, [value]
    while todo:
        one = todo.pop()
        total += 50
        kind = type(one)
        if kind is np.ndarray:
            total += one.nbytes + 50
        elif kind is tuple:
            todo += one
        elif kind not in _PLAIN and hasattr(one, "__dict__"):
            todo += vars(one).values()
    return total
