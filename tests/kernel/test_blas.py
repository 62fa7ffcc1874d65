"""BLAS on one thread, and no search for its libraries where none can have come."""

from __future__ import annotations

import subprocess
import sys
import threading
import types

import pytest
import threadpoolctl

from nacre.kernel import blas

LATER = """
import numpy
from threadpoolctl import threadpool_info
from nacre.kernel.blas import one_thread

def threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

with one_thread():
    n_before = len(threads())
import scipy.linalg
outside = threads()
with one_thread():
    assert set(threads()) == {1}, threads()
assert threads() == outside
print(n_before, len(outside))
"""


def test_a_library_that_comes_later_is_limited_too() -> None:
    run = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    n_before, n_after = map(int, run.stdout.split())
    assert 1 <= n_before <= n_after


def threads() -> list[int]:
    found = threadpoolctl.threadpool_info()
    return [int(library["num_threads"]) for library in found if library["user_api"] == "blas"]


def test_who_enters_first_and_leaves_first_leaves_the_limit_to_the_last() -> None:
    """Each in a thread of its own, and the first of them stays alive."""
    first_in, last_in, first_out, end = (threading.Event() for _ in range(4))
    inside: list[int] = []

    def first() -> None:
        with blas.one_thread():
            first_in.set()
            last_in.wait(5)
        first_out.set()
        end.wait(5)

    def last() -> None:
        first_in.wait(5)
        with blas.one_thread():
            last_in.set()
            first_out.wait(5)
            inside.extend(threads())

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        both = [threading.Thread(target=work) for work in (first, last)]
        for thread in both:
            thread.start()
        both[1].join()
        after = threads()
        end.set()
        both[0].join()
    assert set(inside) == {1}
    assert after == before


def test_libraries_are_searched_only_after_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[threadpoolctl.ThreadpoolController] = []

    class Counted(threadpoolctl.ThreadpoolController):
        def __init__(self) -> None:
            super().__init__()
            searched.append(self)

    with blas.one_thread():
        pass
    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", Counted)
    for _ in range(3):
        with blas.one_thread(), blas.one_thread():
            pass
    assert len(searched) == 0
    monkeypatch.setitem(sys.modules, "a_module_that_comes_later", types.ModuleType("later"))
    for _ in range(2):
        with blas.one_thread():
            pass
    assert len(searched) == 1
