"""Readers go on where others stopped: nothing is decoded twice, and nothing stays open."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from nacre.contract import EVERYTHING
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.source import decoded, parquet, stitched
from nacre.source.plan import RowPlan
from nacre.source.read import plan_of, read
from tests.source.adapters import columns, table

N, GROUP, SHARD = 64_000, 9_000, 1_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Row groups that no block of shards begins with."""
    X = np.arange(4 * N, dtype=np.float32).reshape(N, 4)
    pq.write_table(table(columns(X)), tmp_path / "rows.parquet", row_group_size=GROUP)
    return tmp_path / "rows.parquet"


@pytest.fixture
def n_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each chunk that was decoded."""
    found: list[int] = []
    made = decoded.chunk

    def counted(batch: Any, *options: Any) -> Any:
        found.append(len(batch))
        return made(batch, *options)

    monkeypatch.setattr(stitched, "chunk", counted)
    monkeypatch.setattr(parquet, "CHUNK_VALUES", 0)
    monkeypatch.setattr(parquet, "LEAST_CHUNK", 500)
    return found


def passed(engine: Any, plan: RowPlan, task: Any) -> list[Any]:
    held = engine.hold(plan)
    parts = dict(engine.stream(task, lambda: EVERYTHING, held, leaves=True))
    return [part for span in sorted(parts) for part in parts[span].values()]


def first_column(model: Any, batches: Any) -> Any:
    return np.concatenate([batch.X[:, 0] for batch in batches])


def test_one_reader_decodes_each_row_once(path: Path, n_decoded: list[int]) -> None:
    parts = passed(Serial(1), plan_of(read(path, shard_rows=SHARD)), first_column)
    np.testing.assert_array_equal(np.concatenate(parts), 4 * np.arange(N))
    assert sum(n_decoded) == N


def test_two_readers_decode_little_twice(path: Path, n_decoded: list[int]) -> None:
    """Each walks a run of shards: only where the second begins, in a row group, is read again."""
    engine, in_turns = Threads(2, 1), threading.Barrier(2, timeout=20)

    def task(model: Any, batches: Any) -> Any:
        in_turns.wait()
        return first_column(model, batches)

    parts = passed(engine, plan_of(read(path, shard_rows=SHARD)), task)
    engine.close()
    np.testing.assert_array_equal(np.concatenate(parts), 4 * np.arange(N))
    assert N <= sum(n_decoded) <= N + GROUP


def test_readers_that_are_not_equally_fast_decode_little_twice(
    path: Path, n_decoded: list[int]
) -> None:
    engine, slow = Threads(2, 1), threading.local()
    ours = iter([True, False])

    def task(model: Any, batches: Any) -> Any:
        if not hasattr(slow, "reader"):
            slow.reader = next(ours)
        rows = first_column(model, batches)
        time.sleep(0.02 if slow.reader else 0)
        return rows

    parts = passed(engine, plan_of(read(path, shard_rows=SHARD)), task)
    engine.close()
    np.testing.assert_array_equal(np.concatenate(parts), 4 * np.arange(N))
    assert sum(n_decoded) < 2 * N  # where threads took turns, each decoded it all


def test_whoever_comes_goes_on_where_another_stopped(path: Path, n_decoded: list[int]) -> None:
    shards = plan_of(read(path, shard_rows=SHARD)).shards
    for shard in shards[:20]:
        reader = threading.Thread(target=list, args=(shard.read(),))
        reader.start()
        reader.join()
    assert sum(n_decoded) <= 20 * SHARD + 500


def test_as_many_files_are_open_as_are_read_at_one_time(path: Path) -> None:
    shards = plan_of(read(path, shard_rows=SHARD)).shards

    def n_open() -> int:
        links = [f"/proc/self/fd/{one}" for one in os.listdir("/proc/self/fd")]
        return sum(os.readlink(link) == str(path) for link in links if os.path.islink(link))

    for at in (40, 0, 20, 60):
        list(shards[at].read())
        assert n_open() == 1
    two = [shards[at].read() for at in (0, 30)]
    assert [len(next(one)) for one in two] == [SHARD] * 2
    assert n_open() == 2
    assert [len(list(one)) for one in two] == [0, 0]
    list(shards[50].read())
    assert n_open() == 2


def test_who_is_alone_has_the_next_rows_decoded_meanwhile(
    path: Path, n_decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    made = decoded.chunk

    def named(*given: Any) -> Any:
        names.append(threading.current_thread().name)
        return made(*given)

    monkeypatch.setattr(stitched, "chunk", named)
    for n_cores, ahead in ((2, True), (1, False)):
        monkeypatch.setattr(decoded, "reading_cores", lambda n=n_cores: n)
        names.clear()
        list(plan_of(read(path, shard_rows=10_000)).shards[0].read())
        assert any(name.startswith("nacre-ahead") for name in names) is ahead
