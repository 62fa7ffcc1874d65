"""Threads for the driver's own work: while it advances a model, the workers of its machine rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_pool: ContextVar[ThreadPoolExecutor | None] = ContextVar("crew", default=None)


@contextmanager
def crew(n: int) -> Iterator[None]:
    """Have `spread` work on n threads within a block."""
    with ThreadPoolExecutor(n, thread_name_prefix="nacre-crew") as pool:
        token = _pool.set(pool if n > 1 else None)
        try:
            yield
        finally:
            _pool.reset(token)


def spread(task: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """What `task` gives for each item, in their order: the items alone decide, not the threads.

    >>> with crew(2):
    ...     spread(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    pool = _pool.get()
    return list(map(task, items) if pool is None or len(items) < 2 else pool.map(task, items))
