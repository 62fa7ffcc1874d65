"""BLAS on one thread: the bits of a product depend on how many threads share it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

_lock = threading.RLock()
_depth = 0
_limit = contextlib.ExitStack()
_found: tuple[frozenset[str], Any] = frozenset(), None  # modules at the last search, and libraries


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """BLAS of this process on one thread; set back afterwards, also after an error.

    The setting is the process's: overlapping uses share it, and the last to leave sets it back.
    A library that is imported within the block is limited from the next one on.
    """
    global _depth, _limit
    with _lock:
        if _depth == 0:
            _limit = contextlib.ExitStack()
            _limit.enter_context(_libraries().limit(limits=1, user_api="blas"))
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _limit.close()


def _libraries() -> Any:
    """Those of this process. The search takes milliseconds: again only after an import, which is
    how any of them comes.
    """
    from threadpoolctl import ThreadpoolController

    global _found
    modules = frozenset(sys.modules)
    if modules != _found[0]:
        _found = modules, ThreadpoolController()
    return _found[1]
