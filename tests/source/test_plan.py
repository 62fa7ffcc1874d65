"""Plans and what they promise: cut by the data alone, light, fit to travel, closed when done."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from nacre.engine.processes import Processes
from nacre.errors import BadInput, BadParameter, SameId
from nacre.source import parquet as module
from nacre.source.plan import SHARD_ROWS
from nacre.source.read import Read, plan_of, read
from tests.source.adapters import ALL, FILES, Adapter, columns, parquet, table
from tests.source.learners import Means
from tests.source.refusal import refused


def rows(n: int = 1_000) -> Any:
    return np.random.default_rng(3).standard_normal((n, 4)).astype("float32")


@pytest.mark.parametrize("adapter", ALL)
def test_shards_travel(adapter: Adapter, tmp_path: Path) -> None:
    X = rows()
    plan = plan_of(read(adapter(columns(X), tmp_path), shard_rows=300))
    here = [batch.X for shard in plan.shards for batch in shard.read()]
    travelled = pickle.loads(pickle.dumps(plan.shards))
    there = [batch.X for shard in travelled for batch in shard.read()]
    np.testing.assert_array_equal(np.concatenate(here), np.concatenate(there))
    if adapter in FILES:
        assert len(pickle.dumps(plan.shards)) < 2_000


def test_shards_are_read_in_worker_processes(tmp_path: Path) -> None:
    X = rows()
    digest = Means().fit(read(X, id="rows", shard_rows=300), engine="serial").state_.digest
    with Processes(2) as engine:
        for adapter in ALL:
            data = read(adapter(columns(X), tmp_path), id="rows", shard_rows=300)
            assert Means().fit(data, engine=engine).state_.digest == digest
        X[777, 3] = np.nan
        bad = read(parquet(columns(X), tmp_path), shard_rows=300)
        refused(BadInput, lambda: Means().fit(bad, engine=engine), "NaN in row 777, column 'd'")


def test_reading_order_is_by_id_then_by_row(tmp_path: Path) -> None:
    X = rows(100)
    for i in range(4):
        parquet(columns(X[25 * i : 25 * i + 25]), tmp_path).rename(tmp_path / f"{i}.parquet")
    plan = plan_of(read(tmp_path, shard_rows=10))
    read_rows = [batch.X for i in plan.reading_order for batch in plan.shards[i].read()]
    np.testing.assert_array_equal(np.concatenate(read_rows), X)
    assert list(plan.ids) == ["0.parquet", "1.parquet", "2.parquet", "3.parquet"]
    assert sorted(shard.key for shard in plan.shards) == [shard.key for shard in plan.shards]
    assert plan.n_rows == 100


def test_the_head_goes_across_files(tmp_path: Path) -> None:
    X = rows(3_000)
    for i in range(6):
        parquet(columns(X[500 * i : 500 * i + 500]), tmp_path).rename(tmp_path / f"{i}.parquet")
    plan = plan_of(tmp_path)
    head = plan.head()
    in_key_order = np.concatenate([batch.X for shard in plan.shards for batch in shard.read()])
    assert len(head) == 1_024
    np.testing.assert_array_equal(head.X, in_key_order[:1_024])


def test_two_ids_of_one_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("a", "b"):
        parquet(columns(rows()), tmp_path).rename(tmp_path / f"{name}.parquet")
    monkeypatch.setattr("nacre.source.plan.hash64", lambda name: 7)
    refused(SameId, lambda: plan_of(tmp_path), "'b.parquet' and 'a.parquet' under one hash")


class Counted:
    """How many rows are decoded, and how many files are open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        plain = pq.ParquetFile.iter_batches

        def counting(file: Any, *given: Any, **options: Any) -> Any:
            for batch in plain(file, *given, **options):
                self.rows += len(batch)
                yield batch

        monkeypatch.setattr(pq.ParquetFile, "iter_batches", counting)


def open_files(path: Any) -> int:
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum(os.path.exists(link) and os.path.realpath(link) == str(path) for link in links)


def test_a_large_row_group_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(table(columns(rows(50_000))), path, row_group_size=50_000)
    monkeypatch.setattr(module, "CHUNK_VALUES", 0)
    monkeypatch.setattr(module, "LEAST_CHUNK", 1_024)
    counted = Counted(monkeypatch)
    plan = plan_of(read(path, shard_rows=5_000))
    for shard in plan.shards:
        for _ in shard.read():
            pass
    assert counted.rows == 50_000
    assert open_files(path) == 0


def test_a_thread_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every second shard too: what lies between is passed over, not what lies before as well."""
    path = tmp_path / "rows.parquet"
    pq.write_table(table(columns(rows(50_000))), path, row_group_size=25_000)
    monkeypatch.setattr(module, "CHUNK_VALUES", 0)
    monkeypatch.setattr(module, "LEAST_CHUNK", 1_000)
    counted = Counted(monkeypatch)
    plan = plan_of(read(path, shard_rows=5_000))
    for shard in plan.shards[::2]:
        assert sum(len(batch) for batch in shard.read()) == 5_000
    assert counted.rows == 25_000 + 20_000
    for i in (8, 6, 0):
        list(plan.shards[i].read())
    assert counted.rows == 45_000 + 20_000 + 10_000 + 5_000


def test_only_the_row_groups_of_a_shard_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(table(columns(rows(50_000))), path, row_group_size=1_000)
    monkeypatch.setattr(module, "CHUNK_VALUES", 0)
    monkeypatch.setattr(module, "LEAST_CHUNK", 1_024)
    counted = Counted(monkeypatch)
    shard = plan_of(read(path, shard_rows=5_000)).shards[7]
    assert sum(len(batch) for batch in shard.read()) == 5_000
    assert counted.rows <= 6_024


def test_only_the_columns_that_are_wanted_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    plain = pq.ParquetFile.iter_batches

    def watched(file: Any, n: int, groups: Any, names: Any, **options: Any) -> Any:
        asked.append(names)
        return plain(file, n, groups, names, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    path = parquet({**columns(rows()), "w": np.ones(1_000)}, tmp_path)
    plan = plan_of(read(path, columns=["c", "a"], weight="w"))
    batch = next(plan.shards[0].read())
    np.testing.assert_array_equal(batch.X, rows()[:, [2, 0]])
    assert asked == [["c", "a", "w"]]


def test_files_are_closed(tmp_path: Path) -> None:
    """After the last row, after an error, without interest, and when a plan is let go."""
    X = rows(20_000)
    path = parquet(columns(X), tmp_path)
    plan = plan_of(read(path, shard_rows=5_000))
    assert open_files(path) == 0
    plan.head()
    assert open_files(path) == 0
    list(plan.shards[0].read())
    assert open_files(path) == 1
    list(plan.shards[2].read())
    assert open_files(path) == 1
    list(plan.shards[3].read())
    assert open_files(path) == 0
    list(plan.shards[0].read())
    del plan
    assert open_files(path) == 0
    X[6_000] = np.nan
    plan = plan_of(read(parquet(columns(X), tmp_path), shard_rows=5_000))
    with pytest.raises(BadInput):
        list(plan.shards[1].read())
    assert open_files(path) == 0


def test_threads_read_side_by_side(tmp_path: Path) -> None:
    X = rows(40_000)
    plan = plan_of(read(parquet(columns(X), tmp_path), shard_rows=2_000))
    found: dict[int, Any] = {}

    def work(start: int) -> None:
        for i in range(start, len(plan.shards), 3):
            found[i] = np.concatenate([batch.X for batch in plan.shards[i].read()])

    workers = [threading.Thread(target=work, args=(start,)) for start in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(np.concatenate([found[i] for i in sorted(found)]), X)


def test_reading_imports_no_pandas(tmp_path: Path) -> None:
    """pyarrow imports it for the least of things; it is half a second and 40 MB."""
    import pyarrow as pa

    whole = table(columns(rows()))
    whole = whole.append_column("e", pa.array([None if i % 3 else i for i in range(1_000)]))
    pq.write_table(whole, tmp_path / "rows.parquet")
    code = f"""
import sys
from nacre.source.read import plan_of, read
plan = plan_of(read({str(tmp_path)!r}, bad="skip"))
assert len(plan.head()) == 334
print("pandas" in sys.modules, "sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bad": "ignore"}, '"error" or "skip"'),
        ({"dtype": "int32"}, '"float32" or "float64"'),
        ({"dtype": "float31"}, '"float32" or "float64"'),
        ({"columns": "a"}, "a list"),
        ({"columns": []}, "names, or positions"),
        ({"columns": ["a", 1]}, "names, or positions"),
        ({"columns": [True]}, "names, or positions"),
        ({"columns": ["a", "a"]}, "each column once"),
        ({"columns": ["a", "w"], "weight": "w"}, "none of weight and y"),
        ({"id": 7}, "a text"),
        ({"shard_rows": 0}, "at least 1"),
        ({"shard_rows": 2.5}, "at least 1"),
        ({"shard_rows": True}, "at least 1"),
    ],
    ids=repr,
)
def test_options_outside_their_range(options: dict[str, Any], text: str) -> None:
    refused(BadParameter, lambda: read("data", **options), text)


def test_a_root_is_for_files() -> None:
    for data in (rows(), table(columns(rows()))):
        refused(BadParameter, lambda data=data: plan_of(read(data, root="x")), "files alone")  # type: ignore[misc]


def test_what_was_read_says_so() -> None:
    asked = read(rows(), columns=list(np.array([2, 1])), dtype=np.float32, shard_rows=100)
    assert Read.nacre_source
    assert asked.columns == (2, 1)
    assert asked.dtype == "float32"
    assert "array" not in repr(asked)
    assert len(plan_of(asked).shards) == 10
    assert plan_of(rows()).shard_rows == SHARD_ROWS
