"""An engine on which everything goes wrong that may: tasks are doubled, lost, retried and shuffled.

A learner whose sum is canonical has the same bits on it. It is the cheapest cluster to fail on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nacre.canon import hash01
from nacre.contract import Task
from nacre.engine.held import Held
from nacre.engine.local import Streaming, cut_as
from nacre.engine.tree import Span
from nacre.errors import NacreError


@dataclass(eq=False)
class Chaos(Streaming):
    """Doubles 1 % of the tasks, loses 1 % (at least one of each a pass), retries, shuffles all.

    Args:
        seed: which ones, and in which order.
    """

    seed: int = 0
    passes: int = field(default=0, init=False)
    n_workers = 1

    def hold_shards(self, shards: list[Any]) -> Held:
        """Hold shards that are in memory."""
        return Held(shards)

    def stream(
        self, task: Task, newest: Callable[[], Any], held: Held, *, leaves: bool = False
    ) -> Iterator[tuple[Span, dict[Span, Any]]]:
        """Every leaf, in a random order; some come twice, some only at the second try."""
        self.passes += 1
        view = newest().view
        blocks = held.blocks(view, self.n_workers, leaves=True)
        doubled, lost = self._picked(blocks, "doubled"), self._picked(blocks, "lost")
        todo = [(block, block in lost) for block in self._shuffled(blocks + doubled)]
        todo += [(block, False) for block in self._shuffled(lost + lost)]  # both retries arrive
        failed: dict[Span, Exception] = {}
        for block, is_lost in todo:
            if failed and block > min(failed):
                continue
            try:
                nodes = held.work(task, cut_as(view, newest()), block)
            except NacreError as error:
                failed[block] = error
            else:
                if not is_lost:
                    yield block, nodes
        if failed:
            raise failed[min(failed)]

    def close(self) -> None:
        """Nothing to let go of."""

    def _chance(self, blocks: list[Span], purpose: str) -> Any:
        return hash01(self.seed, np.arange(len(blocks)), f"chaos {purpose} {self.passes}")

    def _picked(self, blocks: list[Span], purpose: str) -> list[Span]:
        chance = self._chance(blocks, purpose)
        some = chance < max(0.01, float(chance.min()) + 1e-12)
        return [block for block, one in zip(blocks, some, strict=True) if one]

    def _shuffled(self, blocks: list[Span]) -> list[Span]:
        return [blocks[i] for i in np.argsort(self._chance(blocks, f"order {len(blocks)}"))]
