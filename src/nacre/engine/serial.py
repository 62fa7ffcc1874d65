"""The engine of one thread: the plainest there is, and what the others are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nacre.contract import Task
from nacre.engine.cache import Cache
from nacre.engine.held import Held
from nacre.engine.local import Streaming, cut_as
from nacre.engine.tree import Span


@dataclass(eq=False)
class Serial(Streaming):
    """Work block by block in the caller's thread.

    Args:
        memory: bytes that decoded rows may take between passes; None: all.
    """

    memory: int | None = None
    n_workers = 1
    shares_memory = True

    def hold_shards(self, shards: list[Any]) -> Held:
        """Hold shards that are in memory."""
        return Held(shards, Cache.within(self.memory))

    def stream(
        self, task: Task, newest: Callable[[], Any], held: Held, *, leaves: bool = False
    ) -> Iterator[tuple[Span, dict[Span, Any]]]:
        """(span, {span: result}) of each block, from left to right."""
        view = newest().view
        for block in held.blocks(view, self.n_workers, leaves):
            yield block, held.work(task, cut_as(view, newest()), block)

    def close(self) -> None:
        """Nothing to let go of."""
