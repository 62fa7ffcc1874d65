"""The engine of processes: for learners that hold the interpreter's lock, and for what may crash.

Shards go to a worker once, and their large arrays not at all (engine/shared.py); a model goes to a
worker once; a block prefers the worker that had it in the pass before, whose cache has its rows.
Several threads may use one engine at once. For POSIX systems.
"""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from nacre.contract import Task, View
from nacre.engine.cache import Cache
from nacre.engine.held import Held
from nacre.engine.local import Local
from nacre.engine.pool import Job, Pool
from nacre.engine.shared import Parcel, pack
from nacre.engine.tree import Span
from nacre.engine.worker import Shards
from nacre.errors import BadParameter
from nacre.kernel.kernel_class import kernel_class
from nacre.settings import cores

WORKER = 100_000_000  # bytes of interpreter, numba and Arrow in a worker; 110 to 150 MB measured


class Processes(Local):
    """Work on as many blocks at once as there are workers, each a process of its own.

    Workers start when first needed and live between passes and fits, until the engine is closed or
    lost. One that dies is replaced, and its block is run again.

    Args:
        n_workers: processes; None: one per core.
        memory: bytes that all workers together may take, themselves included; None: no limit.

    >>> with Processes(2) as engine:
    ...     engine.n_workers
    2
    """

    def __init__(self, n_workers: int | None = None, memory: int | None = None) -> None:
        self.n_workers, self.memory = n_workers or cores(), memory
        self._pool: Pool | None = None
        self._held: weakref.WeakSet[Parcel] = weakref.WeakSet()
        self._lock = threading.RLock()

    @property
    def pool(self) -> Pool:
        """The workers; others after `close`, and in a forked child."""
        with self._lock:
            if self._pool is None or self._pool.pid != os.getpid():
                self._pool = Pool(self.n_workers)
                weakref.finalize(self, self._pool.end).atexit = False
            return self._pool

    def hold_shards(self, shards: list[Any]) -> Apart:
        """Pack the shards; a worker gets them with its first block.

        Raises:
            BadType: a shard does not pickle.
            OutOfMemory: there is no room to share their arrays, or to read one of them.
        """
        share = None if self.memory is None else self.memory // self.n_workers - WORKER
        least = min(2, self.memory or 0)  # below 2 is a single pass, whose reading has no limit
        limit = None if share is None else max(least, share)
        for shard in shards:
            Cache(limit).check(shard)
        parcel = pack(Shards(shards, limit))
        self._held.add(parcel)
        return Apart([Outline(shard.key, shard.where) for shard in shards], parcel=parcel)

    def submit(self, task: Task, model: Any, held: Apart, block: Span) -> Future[Any]:
        """Queue it."""
        letter, where = held.letter(task, model), held.name(block, model.view)
        with self._lock:
            if held.parcel not in self._held:
                raise BadParameter(
                    got="shards that the engine held before it was closed",
                    wanted="shards that it holds",
                    do="Hold the plan again.",
                )
            return self.pool.submit(Job(held.parcel, letter, block, where, held.homes))

    def differing(self) -> dict[int, str]:
        """Worker that has worked -> its kernel class, where that is not this process's."""
        seats = [] if self._pool is None else self._pool.seats
        said = {seat.index: seat.kernel_class for seat in seats if seat.kernel_class}
        return {index: text for index, text in said.items() if text != kernel_class()}

    def close(self) -> None:
        """Let the workers end, after what they are at, and let go of the shards that are held."""
        with self._lock:
            pool, self._pool = self._pool, None
            held, self._held = self._held, weakref.WeakSet()
        if pool is not None:
            pool.close()
        for parcel in list(held):
            parcel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class Outline(NamedTuple):
    """What the parent keeps of a shard."""

    key: int
    where: str


@dataclass
class Apart(Held):
    """Shards whose rows lie with the workers.

    Attributes:
        parcel: the shards, for workers that have not got them yet.
        homes: block -> index of the worker that had it last.
        latest: the task and model that were sent last, and their parcel.
    """

    parcel: Parcel = field(kw_only=True)
    homes: dict[Span, int] = field(default_factory=dict)
    latest: tuple[Any, Any, Parcel] | None = None

    def letter(self, task: Task, model: Any) -> Parcel:
        """The parcel of a task and its model, packed once while they stay the same objects."""
        latest = self.latest
        if latest is None or latest[0] is not task or latest[1] is not model:
            self.latest = latest = (task, model, pack((task, model)))
        return latest[2]

    def name(self, block: Span, view: View) -> str:
        """The shards of a block, for messages."""
        runs = self.leaves(view)[1]
        first, last = self.shards[runs[block[0]].start], self.shards[runs[block[1] - 1].stop - 1]
        return str(first.where if first is last else f"{first.where} to {last.where}")
