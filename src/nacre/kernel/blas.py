"""BLAS on one thread: the bits of a product depend on how many threads share it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_lock = threading.RLock()
_depth = 0
_limit = contextlib.ExitStack()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """BLAS of this process on one thread; set back afterwards, also after an error.

    The setting is the process's: overlapping uses share it, and the last to leave sets it back.
    """
    from threadpoolctl import threadpool_limits

    global _depth, _limit
    with _lock:
        if _depth == 0:
            _limit = contextlib.ExitStack()
            _limit.enter_context(threadpool_limits(1, user_api="blas"))
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _limit.close()
