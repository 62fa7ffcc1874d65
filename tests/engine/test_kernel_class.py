"""A worker on another kind of CPU is named, once a fit, where bits may depend on it."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest

import nacre
from nacre.engine import pool
from nacre.engine.processes import Processes
from nacre.kernel.kernel_class import kernel_class

X = np.random.default_rng(0).normal(size=(4_000, 6))


@pytest.fixture
def odd_worker(monkeypatch: pytest.MonkeyPatch) -> str:
    """The second worker that starts has the kernels of another core type."""
    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if " avx2 " not in cpu:
        pytest.skip("no CPU that has two core types of OpenBLAS")
    other = "Haswell" if "Haswell" not in kernel_class() else "Sandybridge"
    count, usual = itertools.count(), pool.environment

    def environment() -> dict[str, str]:
        return {**usual(), **({"OPENBLAS_CORETYPE": other} if next(count) == 1 else {})}

    monkeypatch.setattr(pool, "environment", environment)
    return other


def test_a_worker_of_another_core_type_is_named_and_counts_do_not_differ(odd_worker: str) -> None:
    data = nacre.read(X, shard_rows=100)
    with Processes(2) as engine:
        with pytest.warns(
            RuntimeWarning, match=rf"worker \d is of another kernel class.*{odd_worker}"
        ):
            pca = nacre.PCA(2).fit(data, engine=engine)
        assert [odd_worker in text for text in engine.differing().values()] == [True]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            km = nacre.KMeans(3).fit(data, engine=engine)
    assert km.state_.digest == nacre.KMeans(3).fit(data, engine="serial").state_.digest
    alone = nacre.PCA(2).fit(data, engine="serial")
    np.testing.assert_allclose(pca.components_, alone.components_, atol=1e-9)


def test_equal_workers_are_not_mentioned() -> None:
    with Processes(2) as engine, warnings.catch_warnings():
        warnings.simplefilter("error")
        nacre.PCA(2).fit(nacre.read(X, shard_rows=100), engine=engine)
        assert engine.differing() == {}
