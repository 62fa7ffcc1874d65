"""The memory that is set is the memory that is taken: by what is kept, and all in all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nacre.contract import Batch, Run, View
from nacre.engine.cache import Cache
from nacre.source.read import plan_of, read
from tests.source.adapters import ARRAYS, columns, table
from tests.source.learners import Means

N, D = 3_200_000, 16
MB = 10**6
WHOLE = View()


@dataclass(frozen=True)
class Shard:
    """A shard that counts how often it is read."""

    key: int
    log: list[int]
    rows: int = 100
    where: str = "a shard"
    reading: int = 0

    def read(self) -> Iterator[Batch]:
        self.log.append(self.key)
        for start in range(0, self.rows, 50):
            yield Batch(np.full((50, 1), self.key, float), Run(self.key, start))


def passed(cache: Cache, shards: list[Shard], view: View = WHOLE) -> list[Any]:
    return [np.concatenate([b.X for b in cache.batches(i, s, view)]) for i, s in enumerate(shards)]


def test_what_fits_is_kept_and_the_first_comes_first() -> None:
    log: list[int] = []
    shards = [Shard(key, log) for key in range(4)]
    cache = Cache(2 * 800)
    first, second = passed(cache, shards), passed(cache, shards)
    assert log == [0, 1, 2, 3, 2, 3]
    assert cache.size == 1_600
    np.testing.assert_array_equal(first, second)


def test_what_reading_takes_is_not_there_for_keeping() -> None:
    log: list[int] = []
    shards = [Shard(key, log, reading=800) for key in range(4)]
    cache = Cache(2 * 800)
    passed(cache, shards)
    passed(cache, shards)
    assert log == [0, 1, 2, 3, 1, 2, 3]
    assert (cache.size, cache.reading, cache.most) == (800, 0, 800)


def test_shards_that_are_read_side_by_side_share_the_room() -> None:
    log: list[int] = []
    cache = Cache(1_000)
    a, b = (cache.batches(i, Shard(i, log), View()) for i in range(2))
    for _ in range(2):
        next(a), next(b)
        assert cache.size <= 1_000
    assert [next(a, None), next(b, None)] == [None, None]
    assert len(cache.kept) == 1
    assert cache.size == 800


def test_a_reader_that_stops_gives_its_room_back() -> None:
    cache = Cache()
    batches = cache.batches(0, Shard(0, [], reading=5), View())
    next(batches)
    next(batches)
    assert (cache.size, cache.reading) == (400, 5)
    batches.close()  # type: ignore[attr-defined]
    assert (cache.size, cache.reading, cache.kept) == (0, 0, {})


def test_two_readers_of_one_shard_keep_it_once() -> None:
    cache = Cache()
    a, b = (cache.batches(0, Shard(0, []), View()) for _ in range(2))
    for _ in zip(a, b, strict=True):
        pass
    assert cache.size == 800


def test_without_a_limit_nothing_is_decoded_twice() -> None:
    log: list[int] = []
    shards = [Shard(key, log) for key in range(3)]
    cache = Cache()
    for view in (View(part=(0.0, 0.1, "x")), View(part=(0.0, 0.2, "x")), View()):
        passed(cache, shards, view)
    assert log == [0, 1, 2]


def test_rows_in_memory_take_no_room(tmp_path: Path) -> None:
    cache = Cache(0)
    X = np.ones((100, 4), "float32")
    for adapter in ARRAYS[:1] + ARRAYS[-1:]:
        plan = plan_of(read(adapter(columns(X), tmp_path)))
        list(cache.batches(0, plan.shards[0], View()))
        assert len(cache.kept) == 1
        assert cache.size == 0
        cache.kept.clear()


def test_reading_is_estimated_from_pages_and_dictionaries(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((300_000, 4), dtype=np.float32)
    for use_dictionary in (False, True):
        path = tmp_path / f"{use_dictionary}.parquet"
        pq.write_table(table(columns(X)), path, use_dictionary=use_dictionary)
        pool = pa.default_memory_pool()
        before, taken = pool.bytes_allocated(), 0
        shard = plan_of(path).shards[0]
        for _ in shard.read():
            taken = max(taken, pool.bytes_allocated() - before)
        assert 0.1 * shard.reading < taken < shard.reading


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """205 MB of float32 rows in row groups of a million."""
    path = tmp_path_factory.mktemp("large") / "rows.parquet"
    schema = pa.schema([(f"c{j}", pa.float32()) for j in range(D)])
    X = np.random.default_rng(0).standard_normal((D, 400_000), dtype=np.float32)
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for _ in range(4):
            writer.write_table(pa.table([*np.tile(X, 2)], schema=schema))
    return path


@pytest.fixture(scope="module")
def digest(large: Path) -> str:
    return Means().fit(large, engine="serial", memory="1MB").state_.digest


def small_file(folder: Path) -> Path:
    """A few rows, which warm a process up."""
    pq.write_table(table(columns(np.ones((10, 4), "float32"))), folder / "small.parquet")
    return folder / "small.parquet"


WORK = """
import sys
from nacre.source.read import read
from tests.source.learners import Means
path, small, engine, memory = sys.argv[1:]
Means().fit(read(small, shard_rows=1), engine=engine)  # every worker has a part of it
print("ready", flush=True)
input()
print(Means().fit(path, engine=engine, memory=memory or None).state_.digest, flush=True)
"""


def taken(process: Any) -> int:
    """PSS of a process and its children but for files, which others share or do not."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            lines = Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()
        except (OSError, psutil.Error):
            continue  # it has just ended
        sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
        total += sizes["Pss:"] - sizes["Pss_File:"]
    return total


def growth(path: Path, small: Path, engine: str, memory: str) -> tuple[int, str]:
    """By how many bytes a fit lets a process and its workers grow at most, and the fit's digest."""
    command = [sys.executable, "-c", WORK, str(path), str(small), engine, memory]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        process = psutil.Process(child.pid)
        before = most = taken(process)
        child.stdin.write("\n")
        child.stdin.flush()
        with ThreadPoolExecutor(1) as pool:
            digest = pool.submit(child.stdout.readline)
            while not digest.done():
                most = max(most, taken(process))
                time.sleep(0.01)
    assert child.returncode == 0
    return most - before, digest.result().strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc/PID/smaps_rollup")
@pytest.mark.parametrize(
    ("engine", "most"),
    [("serial", 120), ("threads:2", 140), ("processes:2", 150)],
)
def test_a_fit_takes_the_memory_that_is_set(
    engine: str, most: int, large: Path, digest: str, tmp_path: Path
) -> None:
    small = small_file(tmp_path)
    grown, same = growth(large, small, engine, "100MB")
    assert grown < most * MB
    assert same == digest


def test_without_a_limit_it_takes_what_the_rows_take(large: Path, tmp_path: Path) -> None:
    """So the bounds above bind."""
    assert growth(large, small_file(tmp_path), "serial", "")[0] > 200 * MB
