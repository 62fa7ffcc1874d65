"""Arrow IPC files and streams: record batches leave no trace, and no file is taken at its word."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.errors import BadInput, BadType, NotFound
from nacre.source.read import plan_of, read
from nacre.writing import predict_to
from tests.source.adapters import columns, table
from tests.source.learners import Means
from tests.source.refusal import refused


def rows(n: int = 20_000) -> Any:
    return np.random.default_rng(0).standard_normal((n, 4)).astype("float32")


def written(
    path: Path, X: Any, sizes: list[int], *, stream: bool = False, packed: str | None = None
) -> Path:
    whole = table(columns(X)) if isinstance(X, np.ndarray) else X
    options = pa.ipc.IpcWriteOptions(compression=packed)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(path, whole.schema, options=options) as file:
        at, i = 0, 0
        while at < len(whole):
            size = sizes[i % len(sizes)]
            file.write_table(whole.slice(at, size))
            at, i = at + size, i + 1
    return path


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 300),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    shard_rows=st.integers(1, 200),
    stream=st.booleans(),
    packed=st.sampled_from([None, "lz4", "zstd"]),
    order=st.randoms(),
)
def test_record_batches_are_stitched(
    n: int,
    sizes: list[int],
    shard_rows: int,
    stream: bool,
    packed: str | None,
    order: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    X = rows(n)
    path = tmp_path_factory.mktemp("ipc") / "rows.feather"
    plan = plan_of(
        read(written(path, X, sizes, stream=stream, packed=packed), shard_rows=shard_rows)
    )
    shards = pickle.loads(pickle.dumps(list(plan.shards)))
    order.shuffle(shards)
    for shard in shards:
        got = np.concatenate([batch.X for batch in shard.read()])
        np.testing.assert_array_equal(got, X[shard.first : shard.stop])


@pytest.mark.parametrize("stream", [False, True])
def test_files_elsewhere(stream: bool, tmp_path: Path) -> None:
    X = rows(900)
    path = written(tmp_path / "rows.arrow", X, [100], stream=stream)
    system = fsspec.filesystem("memory")
    system.pipe("/ipc/rows.arrow", path.read_bytes())
    fitted = Means().fit(read("memory://ipc/rows.arrow", id="x", shard_rows=200))
    assert fitted.state_.digest == Means().fit(read(X, id="x", shard_rows=200)).state_.digest
    system.rm("/ipc", recursive=True)


def test_what_is_mapped_takes_no_memory(tmp_path: Path) -> None:
    plain = plan_of(written(tmp_path / "plain.arrow", rows(), [10_000]))
    packed = plan_of(written(tmp_path / "packed.arrow", rows(), [10_000], packed="zstd"))
    assert plain.shards[0].reading == 0
    assert packed.shards[0].reading >= 10_000 * 4 * 8


def test_columns_that_pass_through(tmp_path: Path) -> None:
    whole = table(columns(rows(50))).append_column("name", pa.array([f"r{i}" for i in range(50)]))
    path = written(tmp_path / "rows.arrow", whole, [7])
    means = Means().fit(read(path, columns=["a", "b"]))
    predict_to(means, path, tmp_path / "out", keep=["name"])
    (part,) = (tmp_path / "out").glob("*.parquet")
    import pyarrow.parquet as pq

    assert pq.read_table(part)["name"].to_pylist() == [f"r{i}" for i in range(50)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", ["empty", "cut", "half", "other", "zeros"])
def test_damaged_files(stream: bool, how: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.arrow", rows(500), [100], stream=stream)
    data = path.read_bytes()
    changed = {
        "empty": b"",
        "cut": data[:20],
        "half": data[: len(data) // 2],
        "other": b"a,b\n1,2\n" * 9,
        "zeros": data[:8] + bytes(400) + data[408:],
    }
    path.write_bytes(changed[how])
    refused(BadInput, lambda: Means().fit(path), "cut short or damaged", str(path))


@pytest.mark.parametrize("seed", range(30))
def test_bytes_that_were_changed_are_an_error_or_other_rows(seed: int, tmp_path: Path) -> None:
    """Never the end of the process."""
    texts = pa.array([f"text {i}" for i in range(200)])
    whole = table(columns(rows(200))).append_column("t", texts)
    path = written(tmp_path / "rows.arrow", whole, [50], stream=bool(seed % 2))
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(seed)
    data[rng.integers(0, len(data), 8)] = rng.integers(0, 256, 8)
    path.write_bytes(data.tobytes())
    told = f"rows {seed}"
    try:
        told = str(Means().fit(read(path, columns=["a", "b"])).state_.told.n_rows)
    except (BadInput, BadType) as error:
        told = str(error)
    assert told != f"rows {seed}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.arrow")
    refused(BadInput, lambda: plan_of(tmp_path / "pipe.arrow"), "a pipe")
    refused(NotFound, lambda: plan_of(tmp_path / "none.feather"), "no file")
    path = written(tmp_path / "rows.arrow", rows(50), [50])
    shard = plan_of(path).shards[0]
    written(path, rows(60), [30])
    refused(BadInput, lambda: list(shard.read()), "when the plan was made", str(path))
