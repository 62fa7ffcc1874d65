"""Decoded rows that are kept between passes, as far as there is room. Dropping them changes no bit.

Two kinds of rows are kept: whole shards, and of each shard the rows that a part of the view chose.
What the view at hand looks at comes first: under a part, chosen rows push whole shards out, because
a part is small and is mostly looked at again, or a smaller one of the same purpose inside it; under
the whole view shards push out the rows of a part, unless those take little.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from nacre import forms
from nacre.contract import Batch, Shard, View
from nacre.errors import OutOfMemory

LITTLE = 8  # rows of a part that take this share of the room stay, whatever else wants it
SPARED = 8  # this share of the memory is left to sums and samples
LARGE = 1 << 22  # bytes from which NumPy asks for large pages
UNREFUSED = 1 << 28  # bytes that reading may take under any limit but is not there for keeping
Part = tuple[float, float, str]


class Kept(NamedTuple):
    """Batches of one shard, and the bytes that keeping them takes."""

    batches: list[Batch]
    size: int


@dataclass
class Cache:
    """Decoded batches of shards, up to `limit` bytes (None: all), less what reading them takes.

    The first shards that fit are kept: passes go round in circles, so that whoever made room for
    the latest would never find anything.

    Attributes:
        spared: bytes of these that are not for rows.
        size: bytes kept, those of shards that are being read included.
        reading, most: bytes that reading takes now, and took at most (pages, dictionaries).
        kept: whole shards, by number.
        part, chosen: the part whose rows are kept, and those, by number of the shard.
        part_size: bytes that they take.
        lacking: a shard's rows of the part found no room.
    """

    limit: int | None = None
    spared: int = 0
    size: int = 0
    reading: int = 0
    most: int = 0
    kept: dict[int, Kept] = field(default_factory=dict)
    part: Part | None = None
    chosen: dict[int, Kept] = field(default_factory=dict)
    part_size: int = 0
    lacking: bool = False
    lock: Any = field(default_factory=threading.Condition)

    @classmethod
    def within(cls, memory: int | None) -> Cache:
        """The rows' part of the memory of this process: the rest is for what they say."""
        return cls(memory, spared=(memory or 0) // SPARED)

    def batches(self, number: int, shard: Shard, view: View, keep: bool = True) -> Iterator[Batch]:
        """The batches of a shard under a view, from the cache where they are in it.

        Args:
            keep: whole shards may be looked at again, so those that are read are kept.

        Raises:
            OutOfMemory: reading the shard takes more than there is.
        """
        if view.part is None and not keep and number not in self.kept:
            return self._read(shard)
        if view.part is None:
            return self._whole(number, shard, self.chosen)
        with self.lock:
            self._turn_to(view.part)
            return self._of_part(number, shard, view.part)

    def check(self, shard: Shard) -> int:
        """Bytes that reading a shard takes meanwhile.

        Raises:
            OutOfMemory: more than there is.
        """
        need = int(getattr(shard, "reading", 0))
        if need > self._most:
            raise OutOfMemory(
                got=f"pages and dictionaries of {need / 1e6:,.0f} MB to unpack at a time",
                wanted=f"at most memory={self.limit}",
                do="Allow more memory, read fewer columns, or write the file with smaller pages.",
                where=shard.where,
            )
        return need

    @property
    def _most(self) -> float:
        if self.limit is None or self.limit <= 1:  # a single pass is given no room to keep
            return math.inf
        return max(self.limit, UNREFUSED)

    def _whole(self, number: int, shard: Shard, victims: dict[int, Kept]) -> Iterator[Batch]:
        known = self.kept.get(number)
        if known is not None:
            return iter(known.batches)
        return self._through(self.kept, number, self._read(shard), victims, shard.rows)

    def _of_part(self, number: int, shard: Shard, part: Part) -> Iterator[Batch]:
        known, inside = self.chosen.get(number), self.part
        if known is not None and inside == part:
            return iter(known.batches)
        if known is not None:
            return (chosen(batch, part) for batch in known.batches)
        rows = (chosen(batch, part) for batch in self._whole(number, shard, {}))
        if inside == part:
            return self._through(self.chosen, number, rows, self.kept, part=part)
        self.lacking = True
        return rows

    def _turn_to(self, part: Part) -> None:
        """Have the rows of this part, or of one around it, in `chosen` from now on."""
        old = self.part
        if old == part:
            return
        around = old is not None and old[2] == part[2] and old[0] <= part[0] and part[1] <= old[1]
        if around and not self.lacking:
            return
        self.size -= self.part_size
        if around:
            for number, kept in list(self.chosen.items()):
                batches = [chosen(batch, part) for batch in kept.batches]
                self.chosen[number] = Kept(batches, sum(map(weigh, batches)))
        else:
            self.chosen.clear()
        self.part_size = sum(kept.size for kept in self.chosen.values())
        self.size += self.part_size
        self.part, self.lacking = part, False

    def _read(self, shard: Shard) -> Iterator[Batch]:
        need = self.check(shard)
        with self.lock:
            self.lock.wait_for(lambda: self.reading == 0 or self.reading + need <= self._most)
            self.reading += need
            self.most = max(self.most, self.reading)
            while self._lacks(0) and (victims := self.kept or self.chosen):
                self._let_go(victims)
        try:
            yield from shard.read()
        finally:
            with self.lock:
                self.reading -= need
                self.lock.notify_all()

    def _through(
        self,
        place: dict[int, Kept],
        number: int,
        batches: Iterator[Batch],
        victims: dict[int, Kept],
        n_rows: int = 0,
        part: Part | None = None,
    ) -> Iterator[Batch]:
        """The batches, which stand in `place` once all have been given and all found room.

        Args:
            n_rows: where there are many of them, they are laid together.
            part: that they are of, where it is that of the cache.
        """
        kept: list[Batch] | None = []
        size, slab = 0, Slab(n_rows)
        try:
            for batch in batches:
                yield batch
                more = weigh(batch)
                if kept is not None and self._room(more, victims):
                    kept.append(slab.laid(batch))
                    size += more
                else:
                    kept, size = None, self._give_back(size)
        except BaseException:
            self._give_back(size)
            raise
        with self.lock:
            if kept is None:
                self.lacking = self.lacking or place is self.chosen
            elif number in place or (place is self.chosen and part != self.part):
                self.size -= size  # another worker had the same shard, or looks at another part
            else:
                place[number] = Kept(kept, size)
                self.part_size += size if place is self.chosen else 0

    def _room(self, size: int, victims: dict[int, Kept]) -> bool:
        """Whether there is room, made by letting go of others where that must be."""
        with self.lock:
            while self._lacks(size):
                if not victims or self._is_little(victims):
                    return False
                self._let_go(victims)
            self.size += size
            return True

    def _lacks(self, size: int) -> bool:
        return self.limit is not None and self.size + self.most + size > self.limit - self.spared

    def _let_go(self, victims: dict[int, Kept]) -> None:
        freed = victims.popitem()[1].size  # the latest: the first will stay
        self.size -= freed
        if victims is self.chosen:
            self.part_size, self.lacking = self.part_size - freed, True

    def _is_little(self, victims: dict[int, Kept]) -> bool:
        return victims is self.chosen and self.part_size * LITTLE <= (self.limit or 0)

    def _give_back(self, size: int) -> int:
        with self.lock:
            self.size -= size
        return 0


class Slab:
    """Room for the rows of a shard in one array: large ones come in large pages, which the system
    hands out several times as fast as the small pages of an array for each batch.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows, self.used = n_rows, 0
        self.rows: Any = None

    def laid(self, batch: Batch) -> Batch:
        """The batch with its rows here; itself where they lie in memory anyway, or are no array."""
        X, start = batch.X, self.used
        if not isinstance(X, np.ndarray) or X.base is not None or X.nbytes == 0:
            return batch
        if self.rows is None and X[:1].nbytes * self.n_rows >= LARGE:
            self.rows = np.empty((self.n_rows, *X.shape[1:]), X.dtype)
        if self.rows is None or start + len(X) > self.n_rows:
            return batch
        self.used = start + len(X)
        self.rows[start : self.used] = X
        return replace(batch, X=self.rows[start : self.used])


def chosen(batch: Batch, part: Part) -> Batch:
    """The rows of a batch that are in a part."""
    low, high, purpose = part
    chance = batch.hash01(purpose)
    return batch.take((chance >= low) & (chance < high))


def weigh(batch: Batch) -> int:
    """Bytes that keeping a batch takes: none for a view of rows that are in memory anyway."""
    return sum(map(forms.owned_bytes, (batch.X, batch.weight, batch.y, batch.names)))
