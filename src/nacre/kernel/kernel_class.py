"""What decides the bits of float sums on a machine: libraries, and what the CPU lets them do.

Two machines of one kernel class give the same bits for every learner. On machines of two classes
those that are of grade `bits` still do; what BLAS sums (PCA) agrees to rounding.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numpy as np
import threadpoolctl

WIDTHS = {"avx512f": 512, "sve": 512, "avx2": 256, "avx": 256, "sse2": 128, "neon": 128}  # bits
OVERRIDES = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES")


@functools.cache
def kernel_class() -> str:
    """One line of text, the same in every process of equal machines: of a worker, of a state.

    >>> kernel_class().split()[0]
    'numpy'
    """
    numba = _version("numba")
    said = [f"{name}={os.environ[name]}" for name in OVERRIDES if os.environ.get(name)]
    compiled = f"numba {numba}, llvm {'.'.join(map(str, llvm.llvm_version_info))}"
    parts = [f"numpy {np.__version__}", blas(threadpoolctl.threadpool_info()), compiled]
    return "; ".join([*parts, f"{llvm.get_host_cpu_name()}, {vector_width()} bit", *said])


def blas(loaded: Sequence[Mapping[str, Any]]) -> str:
    """The BLAS that NumPy calls: library, version, and the core type whose kernels it chose.

    Args:
        loaded: the libraries of this process, as threadpoolctl tells them. SciPy may have brought
            its own, which computes nothing here.

    >>> blas([{"user_api": "openmp"}]) == blas([])
    True
    """
    found = [one for one in loaded if one.get("user_api") == "blas"]
    own = [one for one in found if "numpy" in one["filepath"]]
    others = [one for one in found if "scipy" not in one["filepath"]]
    if chosen := sorted(own or others, key=lambda one: str(one["filepath"])):
        one = chosen[0]
        return f"{one['internal_api']} {one['version']} {one.get('architecture', '')}".strip()
    built: Any = np.show_config(mode="dicts")
    built = built.get("Build Dependencies", {}).get("blas", {})
    return f"{built.get('name', 'no blas')} {built.get('version', '')}".strip()


def vector_width() -> int:
    """Bits of the widest vectors of this CPU."""
    there = llvm.get_host_cpu_features()
    return max((bits for name, bits in WIDTHS.items() if there.get(name)), default=64)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
