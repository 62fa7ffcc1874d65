"""The engine of threads: the default, because kernels and BLAS release the interpreter's lock."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from nacre.contract import Task
from nacre.engine.held import Cache, Held
from nacre.engine.local import Local
from nacre.engine.tree import Span


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False)
class Threads(Local):
    """Work on as many blocks at once as there are workers.

    Args:
        n_workers: threads; None: one per core.
        memory: bytes that decoded rows may take between passes; None: all.
    """

    n_workers: int | None = None  # type: ignore[assignment]  # a number once made
    memory: int | None = None
    shares_memory = True

    def __post_init__(self) -> None:
        self.n_workers = self.n_workers or cores()
        self.pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="nacre")

    def hold_shards(self, shards: list[Any]) -> Held:
        """Hold shards that are in memory."""
        return Held(shards, Cache(self.memory))

    def submit(self, task: Task, model: Any, held: Held, block: Span) -> Future[Any]:
        """Queue it."""
        return self.pool.submit(held.work, task, model, block)

    def close(self) -> None:
        """Let the threads end."""
        self.pool.shutdown(wait=True, cancel_futures=True)
