"""The engine of one thread: the plainest there is, and what the others are compared with."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from nacre.contract import Task
from nacre.engine.cache import Cache
from nacre.engine.held import Held
from nacre.engine.local import Local
from nacre.engine.tree import Span


@dataclass(eq=False)
class Serial(Local):
    """Work block by block in the caller's thread.

    Args:
        memory: bytes that decoded rows may take between passes; None: all.
    """

    memory: int | None = None
    n_workers = 1
    ahead = 1
    shares_memory = True

    def hold_shards(self, shards: list[Any]) -> Held:
        """Hold shards that are in memory."""
        return Held(shards, Cache.within(self.memory))

    def submit(self, task: Task, model: Any, held: Held, block: Span) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(held.work(task, model, block))
        except Exception as error:
            return _failed(error)
        return future

    def close(self) -> None:
        """Nothing to let go of."""


def _failed(error: Exception) -> Future[Any]:
    """Made out of sight of the error's traceback, in a circle with which rows would stay held."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
