"""A directory of answers: whole parts or none, one job, and a manifest that counts."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import CorruptState, DiskFull, Occupied, Unavailable
from nacre.store.parts import Job, Part, Parts, read_manifest, spelled

JOB = Job("0" * 32, "KMeans", "predict", ("id",), {"a.parquet": "one", "b.parquet": "two"})
PARTS = {
    30: Part(0, "a.parquet", 0, 4),
    10: Part(1, "a.parquet", 4, 6),
    20: Part(2, "b.parquet", 0, 0),
}


def columns(part: Part) -> dict[str, Any]:
    return {"predict": pa.array(np.arange(part.first, part.stop, dtype=np.int32))}


def all_written(parts: Parts) -> dict[str, Any]:
    with parts.open() as missing:
        for part in missing.values():
            parts.write(part, columns(part))
        return parts.finish()


def test_parts_are_there_in_order_and_counted(tmp_path: Path) -> None:
    manifest = all_written(Parts(tmp_path / "new" / "labels", JOB, PARTS))
    assert manifest["rows"] == 6
    assert manifest == read_manifest(tmp_path / "new" / "labels")
    names = [part["name"] for part in manifest["parts"]]
    assert names == sorted(names)
    rows = [pq.read_metadata(tmp_path / "new" / "labels" / name).num_rows for name in names]
    assert rows == [4, 2, 0]


def test_what_is_there_is_not_missing(tmp_path: Path) -> None:
    parts = Parts(tmp_path, JOB, PARTS)
    with parts.open() as missing:
        assert missing == PARTS
        parts.write(PARTS[10], columns(PARTS[10]), 1)
    with parts.open() as missing:
        assert missing.keys() == {30, 20}
        with pytest.raises(CorruptState, match="no whole part part-000000"):
            parts.finish()
    assert all_written(parts)["skipped"] == 1
    assert read_manifest(tmp_path) is not None
    with parts.open() as missing:
        assert missing == {}


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_disk_that_fails_leaves_no_half_part(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    parts = Parts(tmp_path, JOB, PARTS)
    with parts.open():
        monkeypatch.setattr(os, call, full)
        with pytest.raises(DiskFull):
            parts.write(PARTS[30], columns(PARTS[30]))
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Job("1" * 32, "KMeans", "predict", ("id",), JOB.data), "KMeans 11111111"),
        (Job("0" * 32, "KMeans", "transform", ("id",), JOB.data), "transform beside id"),
        (Job("0" * 32, "KMeans", "predict", (), JOB.data), "predict alone"),
        (Job("0" * 32, "KMeans", "predict", ("id",), {"c.parquet": "x"}), "'c.parquet'"),
        (
            Job("0" * 32, "KMeans", "predict", ("id",), {**JOB.data, "b.parquet": "three"}),
            "'b.parquet'",
        ),
    ],
)
def test_another_job_is_refused_with_both_names(other: Job, named: str, tmp_path: Path) -> None:
    all_written(Parts(tmp_path, JOB, PARTS))
    with pytest.raises(Occupied) as refused, Parts(tmp_path, other, PARTS).open():
        pass
    assert named in refused.value.message
    assert {part.name(JOB) for part in PARTS.values()}.isdisjoint(
        part.name(other) for part in PARTS.values()
    )


def test_it_is_refused_without_a_manifest_too(tmp_path: Path) -> None:
    parts = Parts(tmp_path, JOB, PARTS)
    with parts.open():
        parts.write(PARTS[30], columns(PARTS[30]))
    other = Job("0" * 32, "KMeans", "predict", ("id",), {"c.parquet": "x"})
    with pytest.raises(Occupied, match="other data"), Parts(tmp_path, other, PARTS).open():
        pass


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    parts = Parts(tmp_path, JOB, PARTS)
    with parts.open(), pytest.raises(Unavailable, match="another process"), parts.open():
        pass
    with parts.open() as missing:
        assert missing == PARTS


@given(
    n=st.integers(0, 12),
    k=st.integers(1, 3),
    lost=st.sets(st.integers(0, 11)),
)
def test_answers_stand_at_their_rows(n: int, k: int, lost: set[int]) -> None:
    at = np.array([i for i in range(n) if i not in lost], np.int64)
    values = np.arange(len(at) * k, dtype=np.float32).reshape(len(at), k)
    names = [f"c{j}" for j in range(k)]
    found = pa.table(spelled(values, at, n, names))
    assert found.column_names == names
    wanted = dict(zip(at.tolist(), values.tolist(), strict=True))
    rows = [list(row.values()) for row in found.to_pylist()]
    assert rows == [wanted.get(i, [None] * k) for i in range(n)]
