"""BLAS on one thread: the bits of a product depend on how many threads share it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

_lock = threading.RLock()
_depth = 0
_before: list[tuple[Any, int]] = []  # libraries and their threads, while there is a limit
_found: tuple[Any, list[Any]] = None, []  # what told of the modules at the last search; libraries


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """BLAS of this process on one thread; set back afterwards, also after an error.

    The setting is the process's: overlapping uses share it, and the last to leave sets it back.
    A library that is imported within the block is limited from the next one on.
    """
    global _depth, _before
    with _lock:
        if _depth == 0:
            before = [(library, library.num_threads) for library in _libraries()]
            _before = [(library, n) for library, n in before if n != 1]
            _set([(library, 1) for library, _ in _before])
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _set(_before)


def _set(threads: list[tuple[Any, int]]) -> None:
    for library, n in threads:
        _free(library)
        library.set_num_threads(n)
        _free(library)


def _free(library: Any) -> None:
    """threadpoolctl 3.8 heeds one thread of Python, the first to come; here they take turns."""
    free = getattr(library, "clear_controlling_thread", None)
    if free is not None:
        free(force=True)


def _libraries() -> list[Any]:
    """The BLAS of this process. The search takes milliseconds: again only after an import, which is
    how any of them comes, and which makes another module the last one.
    """
    from threadpoolctl import ThreadpoolController

    global _found
    modules = len(sys.modules), next(reversed(sys.modules), "")
    if modules != _found[0]:
        found = ThreadpoolController().select(user_api="blas")
        _found = modules, list(found.lib_controllers)
    return _found[1]
