"""What an engine holds of a plan: its shards, how a view groups them into leaves, and decoded rows
that fit.

Rows are kept as the plan cut them, so a view only leaves rows out inside batches, whose borders do
not move; a leaf without rows is still a leaf.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from nacre.contract import Batch, Task, View
from nacre.engine.cache import Cache
from nacre.engine.failure import located
from nacre.engine.tree import Partial, Span, Trie

MOST_IN_BLOCK = 64  # shards; measured: more ships few sums less, and loses balance


@dataclass
class Held:
    """Shards in key order, and the cache of this process.

    Attributes:
        cuts: subtrees that no block goes beyond; none: blocks lie anywhere.

    Raises:
        OutOfMemory: reading one of the shards takes more than there is.
    """

    shards: list[Any]
    cache: Cache = field(default_factory=Cache)
    tries: dict[int | None, tuple[Trie, list[range]]] = field(default_factory=dict)
    cuts: Sequence[Span] = ()

    def __post_init__(self) -> None:
        for shard in self.shards:
            self.cache.check(shard)

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
        most = 1 if leaves else max(1, min(MOST_IN_BLOCK, len(runs) // (4 * n_workers)))
        if not self.cuts:
            return trie.blocks(most)
        return [block for span in self.cuts for block in trie.below(span).blocks(most)]

    def cut_at(self, cuts: Sequence[Span]) -> Self:
        """The same shards, with what is kept of them, in blocks that lie within these subtrees, for
        views that leave shards as they are.
        """
        apart = copy.copy(self)
        apart.cuts = cuts
        return apart

    def work(self, task: Task, model: Any, block: Span) -> dict[Span, Any]:
        """The sums of a block of leaves, worked left to right and joined as soon as they can be."""
        trie, runs = self.leaves(model.view)
        partial = Partial(trie.below(block))
        for leaf in range(*block):
            names = [self.shards[i].where for i in runs[leaf]]
            where = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
            rows = self._walk(runs[leaf], model)
            # closed, so that who waits to read waits for no reader that an error keeps alive
            with located(where), contextlib.closing(rows) as batches:
                partial.put((leaf, leaf + 1), task(model, batches))
        return partial.nodes

    def _walk(self, run: range, model: Any) -> Generator[Batch]:
        keep = not getattr(model, "last_look", False)  # a model need not say
        for number in run:
            yield from self.cache.batches(number, self.shards[number], model.view, keep)
