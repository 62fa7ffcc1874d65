"""One sum in the place of many batches, which cannot be told apart any more: a plain value."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, NoReturn

from nacre.canon import unpack
from nacre.errors import Folded
from nacre.evolve.spans import moment
from nacre.store.ledger import Count, Leaf, Lies

FACTS = ("time", "first", "absorbed", "n_rows", "n_batches", "n_bytes")  # of a unit, int64
Key = Annotated[str, "[0-9a-f]{40}"]


@dataclass(frozen=True)
class Fold:
    """The sum of batches that were folded: a leaf that stands where they stood.

    Attributes:
        first_key, last_key: of its batches, 40 hexadecimal digits.
        whole: it is all of a subtree of the trie, so the sum of everything keeps its bits; else it
            is of batches that lay scattered.
        first: of the first event, ns since 1970, or 0.
        n_batches, n_rows, n_skipped: of its batches.
        absorbed_first, absorbed: the first and the last moment of absorbing.
        lies: where the sum lies.
    """

    first_key: Key
    last_key: Key
    whole: bool
    first: int
    n_batches: Count
    n_rows: Count
    n_skipped: Count
    absorbed_first: Count
    absorbed: Count
    lies: Lies

    @property
    def key(self) -> int:
        """Its place in the trie: that of the first of its batches."""
        return int(self.first_key, 16)

    @property
    def last(self) -> int:
        """The key of the last of its batches."""
        return int(self.last_key, 16)

    @property
    def time(self) -> int:
        """Of its last event, ns since 1970, or 0."""
        return unpack(self.last)[0]

    @property
    def begins(self) -> tuple[int, int]:
        """Event time and moment of absorbing that none of its batches is older than."""
        return unpack(self.key)[0], self.absorbed_first

    def holds(self, key: int) -> bool:
        """Whether a batch of that key belongs within: in it, or beside it where it came late."""
        if not self.whole:
            return self.key <= key <= self.last
        depth = (self.key ^ self.last).bit_length()
        return key >> depth == self.key >> depth

    @property
    def name(self) -> str:
        """What it is called in messages."""
        if self.time or self.first:
            first, last, what = unpack(self.key)[0], self.time, "of"
        else:
            first, last, what = self.absorbed_first, self.absorbed, "absorbed"
        return f"the {self.n_batches:,} batches {what} {moment(first)} to {moment(last)}"

    def refuse(self, what: str) -> NoReturn:
        """Raise Folded: its batches cannot be told apart for `what`."""
        raise Folded(
            got=f"{what}, within {self.name}, which are folded into one sum",
            wanted="a span that holds all of them or none",
            do="Choose such a span, or fit on their sources; keep leaves longer with retain=.",
        )


Unit = Leaf | Fold  # what one summary is of


def folds_among(units: Iterable[Unit]) -> tuple[Fold, ...]:
    """The folds."""
    return tuple(unit for unit in units if isinstance(unit, Fold))


def mark_of(unit: Unit) -> tuple[int, int]:
    """Two 64-bit hashes of a key and of the digest under it."""
    if unit.lies is None:  # its callers took care
        raise AssertionError(f"{unit} lies nowhere")
    told = unit.key.to_bytes(20, "big") + bytes.fromhex(unit.lies.sha256)
    found = hashlib.blake2b(told, digest_size=16).digest()
    return int.from_bytes(found[:8], "big"), int.from_bytes(found[8:], "big")


def facts_of(unit: Unit) -> tuple[int, int, int, int, int, int]:
    """FACTS of a unit."""
    n_batches = unit.n_batches if isinstance(unit, Fold) else 1
    n_bytes = unit.lies.n_bytes if unit.lies else 0
    return unit.time, unit.first, unit.absorbed, unit.n_rows, n_batches, n_bytes
