"""One answer everywhere: the digest of a fit depends on the rows and the plan, on nothing else."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_info

import nacre
from nacre.contract import Batch
from nacre.engine.processes import Processes
from nacre.laws import Chaos
from nacre.learn.reduce.pca import PCA

LEARNERS: dict[str, Callable[[], Any]] = {
    "KMeans": lambda: nacre.KMeans(12, random_state=3),
    "PCA": lambda: nacre.PCA(4, whiten=True),
    "Scale": lambda: nacre.Scale(),
    "chain": lambda: nacre.chain(nacre.Scale(), nacre.PCA(4), nacre.KMeans(12, random_state=3)),
}
N, D, SHARD = 40_000, 6, 2_048
NAMES = [f"x{t}" for t in range(D)]


def rows() -> Any:
    draw = np.random.default_rng(5)
    label = draw.integers(0, 15, N)
    X = draw.normal(size=(15, D))[label] * 4 + draw.normal(size=(N, D))
    return X.astype(np.float32)


X = rows()


@pytest.fixture(scope="module")
def three_processes() -> Iterator[Any]:
    with Processes(3) as engine:
        yield engine


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    data = nacre.read(X, shard_rows=SHARD)
    return {
        name: make().fit(data, engine="serial").state_.digest for name, make in LEARNERS.items()
    }


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("engine", ["threads:1", "threads:2", "threads:3", "threads:8"])
@pytest.mark.parametrize("memory", ["1GB", "1MB"])
def test_threads(name: str, engine: str, memory: str, wanted: dict[str, str]) -> None:
    fitted = LEARNERS[name]().fit(nacre.read(X, shard_rows=SHARD), engine=engine, memory=memory)
    assert fitted.state_.digest == wanted[name]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("engine", ["processes:1", "processes:2"])
def test_processes(name: str, engine: str, wanted: dict[str, str]) -> None:
    fitted = LEARNERS[name]().fit(nacre.read(X, shard_rows=SHARD), engine=engine)
    assert fitted.state_.digest == wanted[name]


@pytest.mark.parametrize("name", LEARNERS)
def test_three_processes_with_little_memory(
    name: str, three_processes: Any, wanted: dict[str, str]
) -> None:
    three_processes.memory = 100_000
    fitted = LEARNERS[name]().fit(nacre.read(X, shard_rows=SHARD), engine=three_processes)
    assert fitted.state_.digest == wanted[name]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("seed", range(3))
def test_chaos(name: str, seed: int, wanted: dict[str, str]) -> None:
    fitted = LEARNERS[name]().fit(nacre.read(X, shard_rows=SHARD), engine=Chaos(seed))
    assert fitted.state_.digest == wanted[name]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("row_group", [1_000, 2_048, 7_777, N])
def test_a_parquet_file_and_an_array_of_the_same_rows_and_id(
    name: str, row_group: int, tmp_path: Path, wanted: dict[str, str]
) -> None:
    path = tmp_path / "any.parquet"
    pq.write_table(pa.table(dict(zip(NAMES, X.T, strict=True))), path, row_group_size=row_group)
    data = nacre.read(path, id="", shard_rows=SHARD)
    assert LEARNERS[name]().fit(data).state_.digest == wanted[name]


@pytest.mark.parametrize("name", LEARNERS)
def test_twelve_files_in_any_order_of_listing(name: str, tmp_path: Path) -> None:
    paths = []
    for month, part in enumerate(np.array_split(X, 12)):
        paths.append(tmp_path / f"2013-{month + 1:02}.parquet")
        pq.write_table(pa.table(dict(zip(NAMES, part.T, strict=True))), paths[-1])
    digests = set()
    for seed, engine in itertools.product(range(2), ["serial", "threads:3"]):
        shuffled = random.Random(seed).sample(paths, 12)
        digests.add(LEARNERS[name]().fit(shuffled, engine=engine).state_.digest)
    digests.add(LEARNERS[name]().fit(str(tmp_path)).state_.digest)
    digests.add(LEARNERS[name]().fit(str(tmp_path / "*.parquet"), memory="1MB").state_.digest)
    assert len(digests) == 1


def test_predictions_come_in_reading_order(tmp_path: Path) -> None:
    for at, part in enumerate(np.array_split(X, 12)):
        pq.write_table(
            pa.table(dict(zip(NAMES, part.T, strict=True))), tmp_path / f"{at:02}.parquet"
        )
    km = nacre.KMeans(12, random_state=3).fit(nacre.read(tmp_path, shard_rows=1_000))
    assert (
        km.predict(str(tmp_path)).tolist()
        == km.predict(pa.table(dict(zip(NAMES, X.T, strict=True)))).tolist()
    )


class Watching(PCA):
    """Says how many threads BLAS has while it observes and advances."""

    seen: list[int]

    def observe(self, model: Any, batch: Batch) -> Any:
        Watching.seen += blas_threads()
        return super().observe(model, batch)

    def advance(self, model: Any, told: Any) -> Any:
        Watching.seen += blas_threads()
        if Watching.fails:
            raise ValueError("planted")
        return super().advance(model, told)

    fails = False


def blas_threads() -> list[int]:
    return [int(lib["num_threads"]) for lib in threadpool_info() if lib["user_api"] == "blas"]


@pytest.mark.parametrize("fails", [False, True])
def test_blas_has_one_thread_in_observe_and_advance_and_is_set_back(fails: bool) -> None:
    before = blas_threads()
    Watching.seen, Watching.fails = [], fails
    try:
        Watching(2).fit(X[:9_000])
    except ValueError:
        assert fails
    assert set(Watching.seen) == {1}
    assert blas_threads() == before


def test_blas_has_one_thread_in_a_later_call_of_partial_fit() -> None:
    before, Watching.fails = blas_threads(), False
    learner = Watching(2).partial_fit(X[:500])
    Watching.seen = []
    learner.partial_fit(X[500:900])
    assert set(Watching.seen) == {1}
    assert len(Watching.seen) == 2 * len(before)  # in observe, and in advance
    assert blas_threads() == before


FIT = """
import numpy as np, sys
sys.path.insert(0, sys.argv[1])
import nacre
from tests.test_same_bits import rows
X = rows()
wide = np.concatenate([X, X[::-1] * 0.5, X * X], axis=1)
near = np.round(wide)  # equal distances, on purpose
for data in (wide, near, near.astype(float)):
    print(nacre.KMeans(40, random_state=1, max_iter=6).fit(data).state_.digest)
"""


def fit_under(**env: str) -> str:
    root = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", FIT, str(root)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_kmeans_has_the_same_bits_on_every_cpu(tmp_path: Path) -> None:
    """Over 5 s: each kind of CPU is a process, and one of them compiles for any x86-64."""
    want = fit_under()
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    kinds = {"Sandybridge": "avx", "Haswell": "avx2", "SkylakeX": "avx512f"}
    for kind, flag in kinds.items():
        if f" {flag} " in flags:
            assert fit_under(OPENBLAS_CORETYPE=kind) == want, kind
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert fit_under(**generic, NUMBA_CACHE_DIR=str(tmp_path)) == want
