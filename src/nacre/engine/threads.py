"""The engine of threads: the default, because kernels and BLAS release the interpreter's lock."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from nacre.contract import Task
from nacre.engine.cache import Cache
from nacre.engine.failure import closed_meanwhile
from nacre.engine.held import Held
from nacre.engine.local import Local
from nacre.engine.tree import Span
from nacre.settings import cores


@dataclass(eq=False)
class Job:
    """A block of work that waits for a thread."""

    block: Span
    work: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)


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
        self.waiting: list[Job] = []
        self.running: list[Span] = []
        self.closed = False
        self.lock = threading.Lock()
        self.here = threading.local()

    def hold_shards(self, shards: list[Any]) -> Held:
        """Hold shards that are in memory."""
        return Held(shards, Cache.within(self.memory))

    def submit(self, task: Task, model: Any, held: Held, block: Span) -> Future[Any]:
        """Queue it."""
        job = Job(block, functools.partial(held.work, task, model, block))
        with self.lock:
            if self.closed:
                raise closed_meanwhile()
            self.waiting.append(job)
            self.pool.submit(self._serve)
        return job.future

    def _serve(self) -> None:
        with self.lock:
            if not self.waiting:  # closed meanwhile
                return
            stops = [block[1] for block in self.running]
            starts = [job.block[0] for job in self.waiting]
            job = self.waiting.pop(following(starts, getattr(self.here, "stop", None), stops))
            self.running.append(job.block)
        try:
            if job.future.set_running_or_notify_cancel():
                job.future.set_result(job.work())
        except BaseException as error:
            job.future.set_exception(error)
        finally:
            self.here.stop = job.block[1]
            with self.lock:
                self.running.remove(job.block)
            del job  # an error's traceback has this frame: a circle would keep what is held

    def close(self) -> None:
        """Let the threads end; who waits for a block that no thread has begun is told."""
        with self.lock:
            self.closed, dropped, self.waiting = True, self.waiting, []
        for job in dropped:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(closed_meanwhile())
        self.pool.shutdown(wait=True)


def following(starts: Sequence[int], stop: int | None, others: Sequence[int]) -> int:
    """Which block a thread takes: that which starts where it stopped; else the first that does not
    start where another thread will stop; else the first.

    >>> following([3, 5, 7], 5, [3]), following([3, 5, 7], None, [3]), following([3], None, [3])
    (1, 1, 0)
    """
    return min(range(len(starts)), key=lambda i: (starts[i] != stop, starts[i] in others))
