"""BLAS on one thread, and no search for its libraries where none can have come."""

from __future__ import annotations

import subprocess
import sys
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
