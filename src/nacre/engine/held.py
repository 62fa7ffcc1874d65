"""What an engine holds of a plan: its shards, how a view groups them into leaves, and decoded rows
that fit.

Rows are kept as the plan cut them, so a view only leaves rows out inside batches, whose borders do
not move; a leaf without rows is still a leaf. What is kept is a cache: dropping it changes no bit.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nacre.contract import Batch, Shard, Task, View
from nacre.engine.failure import located
from nacre.engine.tree import Partial, Span, Trie

MOST_IN_BLOCK = 64  # shards; measured: more ships few sums less, and loses balance


@dataclass
class Cache:
    """Decoded batches of shards, up to `limit` bytes (None: all), less what reading them takes.

    Whole shards are kept under their number; rows that a part chose, under (number, part), and only
    for the latest part, because nested parts grow. The first that fit are kept: passes go round in
    circles, so that whoever made room for the latest would never find anything.

    Attributes:
        size: bytes kept, those of shards that are being read included.
        reading, most: bytes that reading takes now, and took at most (pages, dictionaries).
    """

    limit: int | None = None
    size: int = 0
    reading: int = 0
    most: int = 0
    kept: dict[Any, list[Batch]] = field(default_factory=dict)
    part: Any = None
    lock: Any = field(default_factory=threading.Lock)

    def batches(self, number: int, shard: Shard, view: View) -> Iterator[Batch]:
        """The batches of a shard under a view, from the cache where they are in it."""
        with self.lock:
            if self.part != view.part:
                self._forget_parts()
                self.part = view.part
        if view.part is None:
            return self._through(number, self._read(shard))
        return self._through((number, view.part), self._chosen(number, shard, view.part))

    def _chosen(self, number: int, shard: Shard, part: tuple[float, float, str]) -> Iterator[Batch]:
        low, high, purpose = part
        batches = self._read(shard)
        # under a limit a part's rows come first; else what a later pass wants is decoded once
        if self.limit is None or number in self.kept:
            batches = self._through(number, batches)
        for batch in batches:
            chance = batch.hash01(purpose)
            yield batch.take((chance >= low) & (chance < high))

    def _read(self, shard: Shard) -> Iterator[Batch]:
        need = getattr(shard, "reading", 0)
        self._reads(need)
        try:
            yield from shard.read()
        finally:
            self._reads(-need)

    def _reads(self, change: int) -> None:
        with self.lock:
            self.reading += change
            self.most = max(self.most, self.reading)

    def _through(self, key: Any, batches: Iterator[Batch]) -> Iterator[Batch]:
        known = self.kept.get(key)
        if known is not None:
            yield from known
            return
        kept: list[Batch] | None = []
        size = 0
        try:
            for batch in batches:
                yield batch
                more = weigh(batch)
                if kept is not None and self._room(more):
                    kept.append(batch)
                    size += more
                else:
                    kept, size = None, self._give_back(size)
        except BaseException:
            self._give_back(size)
            raise
        if kept is not None and self.kept.setdefault(key, kept) is not kept:
            self._give_back(size)  # another worker had the same shard

    def _room(self, size: int) -> bool:
        with self.lock:
            if self.limit is not None and self.size + self.most + size > self.limit:
                return False
            self.size += size
            return True

    def _give_back(self, size: int) -> int:
        with self.lock:
            self.size -= size
        return 0

    def _forget_parts(self) -> None:
        for key in [key for key in self.kept if isinstance(key, tuple)]:
            self.size -= sum(weigh(batch) for batch in self.kept.pop(key))


def weigh(batch: Batch) -> int:
    """Bytes that keeping a batch takes: none for a view of rows that are in memory anyway."""
    arrays: tuple[Any, ...] = (batch.X, batch.weight, batch.y, batch.names)
    return sum(a.nbytes for a in arrays if hasattr(a, "nbytes") and a.base is None)


@dataclass
class Held:
    """Shards in key order, and the cache of this process."""

    shards: list[Any]
    cache: Cache = field(default_factory=Cache)
    tries: dict[int | None, tuple[Trie, list[range]]] = field(default_factory=dict)

    def leaves(self, view: View) -> tuple[Trie, list[range]]:
        """The trie of a view and the shards of each leaf: one, or under `walks` a run of equal
        length; at most as many as shards.
        """
        if view.walks not in self.tries:
            self.tries[view.walks] = self._cut(view)
        return self.tries[view.walks]

    def _cut(self, view: View) -> tuple[Trie, list[range]]:
        n = len(self.shards)
        if view.walks is None:
            return Trie(shard.key for shard in self.shards), [range(i, i + 1) for i in range(n)]
        cuts = sorted({round(walk * n / view.walks) for walk in range(view.walks + 1)})
        runs = [range(a, b) for a, b in itertools.pairwise(cuts)]
        numbered = Trie(range(len(runs)))  # so the sum of K walks has one shape for any shards
        return numbered, runs

    def blocks(self, view: View, n_workers: int, leaves: bool) -> list[Span]:
        """The units of placement, left to right: single leaves, or about four for each worker."""
        trie, runs = self.leaves(view)
        return trie.blocks(
            1 if leaves else max(1, min(MOST_IN_BLOCK, len(runs) // (4 * n_workers)))
        )

    def work(self, task: Task, model: Any, block: Span) -> dict[Span, Any]:
        """The sums of a block of leaves, worked left to right and joined as soon as they can be."""
        trie, runs = self.leaves(model.view)
        partial = Partial(trie.below(block))
        for leaf in range(*block):
            names = [self.shards[i].where for i in runs[leaf]]
            with located(names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"):
                partial.put((leaf, leaf + 1), task(model, self._walk(runs[leaf], model.view)))
        return partial.nodes

    def _walk(self, run: range, view: View) -> Iterator[Batch]:
        for number in run:
            yield from self.cache.batches(number, self.shards[number], view)
