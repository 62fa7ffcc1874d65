"""The kernel class: one text for what decides the bits of float sums."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from nacre.kernel.kernel_class import OVERRIDES, blas, kernel_class, vector_width

CODE = "from nacre.kernel.kernel_class import kernel_class; print(kernel_class())"


def elsewhere(before: str = "pass", **environment: str) -> str:
    """What a fresh process says."""
    plain = {name: value for name, value in os.environ.items() if name not in OVERRIDES}
    command = [sys.executable, "-c", f"{before}; {CODE}"]
    run = subprocess.run(
        command, env={**plain, **environment}, check=True, capture_output=True, text=True
    )
    return run.stdout.strip()


def test_it_is_one_line_that_names_all_that_decides() -> None:
    said = kernel_class()
    assert "\n" not in said
    for part in ("numpy ", "numba ", "llvm ", f"{vector_width()} bit"):
        assert part in said
    assert vector_width() in (64, 128, 256, 512)


def test_another_process_says_the_same_whatever_it_has_loaded() -> None:
    assert elsewhere() == kernel_class() == elsewhere("import scipy.linalg, numba")


def test_what_the_user_forbids_the_cpu_counts() -> None:
    assert elsewhere(NUMBA_CPU_NAME="generic") != kernel_class()


def one(**told: Any) -> dict[str, Any]:
    """A library as threadpoolctl tells of it."""
    return {"user_api": "blas", "internal_api": "openblas", "version": "0.3", **told}


@pytest.mark.parametrize("order", [1, -1])
def test_the_blas_of_numpy_counts_and_scipys_does_not(order: int) -> None:
    own = one(filepath="/env/numpy.libs/libopenblas.so", architecture="Haswell")
    other = one(filepath="/env/scipy.libs/libopenblas.so", architecture="Zen", version="0.2")
    openmp = {"user_api": "openmp", "filepath": "/env/numpy/libgomp.so"}
    assert blas([own, other, openmp][::order]) == "openblas 0.3 Haswell"


def test_a_blas_of_the_system_counts() -> None:
    found = one(filepath="/usr/lib/libmkl_rt.so", internal_api="mkl", version="2025.1")
    assert blas([found]) == "mkl 2025.1"


def test_a_blas_that_cannot_be_seen_is_the_one_numpy_was_built_with() -> None:
    import numpy as np

    built: Any = np.show_config(mode="dicts")
    assert blas([]).startswith(built["Build Dependencies"]["blas"]["name"])
