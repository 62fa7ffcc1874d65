from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.engine import shared
from nacre.engine.shared import LARGE, Arrived, Parcel, pack
from nacre.errors import BadType, OutOfMemory
from nacre.kinds import Array


def opened(parcel: Parcel) -> Any:
    """What another process finds in a parcel."""
    files = [os.dup(file) for file in parcel.files]
    return Arrived.of(parcel.data, parcel.cuts, files).open(lambda module: None)


def n_open() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def large(dtype: str, seed: int = 0) -> Array:
    n = 2 * LARGE // np.dtype(dtype).itemsize
    return (np.arange(n) + seed).astype(dtype).reshape(-1, 16)


VIEWS: dict[str, Callable[[Array], Array]] = {
    "C": lambda X: X,
    "F": np.asfortranarray,
    "transposed": lambda X: X.T,
    "rows": lambda X: X[3:-1],
    "every other row": lambda X: X[::2],
    "reversed": lambda X: X[::-1, ::-1],
    "one column of many": lambda X: np.repeat(X.reshape(-1, 1), 3, 1)[:, 1],
}


@given(
    dtype=st.sampled_from(["<f4", ">f8", "<i8", "<c16", "S16"]),
    view=st.sampled_from(sorted(VIEWS)),
    mapped=st.booleans(),
)
def test_arrays_arrive_as_they_were(
    dtype: str, view: str, mapped: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    X = large(dtype)
    if mapped:
        path = tmp_path_factory.mktemp("mapped") / "X.npy"
        np.save(path, X)
        X = np.load(path, mmap_mode="r")
    X = VIEWS[view](X)
    parcel = pack({"X": [X]})
    got = opened(parcel)["X"][0]
    assert got.dtype == X.dtype
    assert got.flags.f_contiguous or not X.flags.f_contiguous
    assert got.flags.c_contiguous or not X.flags.c_contiguous
    assert got.tobytes() == X.tobytes()
    assert not got.flags.writeable
    assert len(parcel.data) < 2000


def test_mapped_files_are_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", large("<f4"))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    parcel = pack([X, X[10:], np.asarray(X)[:, ::2], X.T])
    assert parcel.cuts == []
    assert [os.fstat(file).st_size for file in parcel.files] == [2 * LARGE + 128]
    (tmp_path / "X.npy").unlink()
    assert np.array_equal(opened(parcel)[2], X[:, ::2])


def test_a_mapped_file_that_is_gone_is_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", large("<f4"))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    (tmp_path / "X.npy").unlink()
    assert np.array_equal(opened(pack(X)), X)


def test_private_writes_to_a_mapped_file_arrive(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", large("<f4"))
    X = np.load(tmp_path / "X.npy", mmap_mode="c")
    X[0] = 7
    assert np.array_equal(opened(pack(X))[0], np.full(16, 7, np.float32))


def test_small_arrays_and_objects_stay_in_the_pickle() -> None:
    objects = np.array([{"a": 1}] * LARGE)
    parcel = pack([np.arange(10), objects])
    assert parcel.files == []
    assert opened(parcel)[1][5] == {"a": 1}
    assert opened(parcel)[0].flags.writeable


def test_an_array_that_stands_twice_is_copied_once() -> None:
    X = large("<f4")
    parcel = pack([X, {"again": X}])
    assert len(parcel.cuts) == 1
    first, second = opened(parcel)
    assert second["again"] is first


def test_many_arrays_take_one_file() -> None:
    arrays = [large("<f4", seed) for seed in range(3)] + [large("S16")[:-1]]
    parcel = pack(arrays)
    assert len(parcel.files) == 1
    assert all(np.array_equal(a, b) for a, b in zip(opened(parcel), arrays, strict=True))


def test_files_have_no_name_and_close_with_the_parcel() -> None:
    before, names = n_open(), os.listdir("/dev/shm")
    parcel = pack(large("<f4"))
    assert n_open() == before + 1
    assert os.listdir("/dev/shm") == names
    assert os.fstat(parcel.files[0]).st_nlink == 0
    assert os.fstat(parcel.files[0]).st_mode & 0o777 == 0o600
    del parcel
    assert n_open() == before


def test_a_parcel_is_closed_once() -> None:
    parcel = pack(large("<f4"))
    parcel.close()
    before = n_open()
    parcel.close()
    del parcel
    assert n_open() == before


def test_where_shared_memory_is_small_a_temporary_file_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    in_memory = os.stat("/dev/shm").st_dev
    X = large("<f4")
    parcel = pack(X)
    assert os.fstat(parcel.files[0]).st_dev == in_memory
    monkeypatch.setattr(shared, "free", lambda where: 1000 if where == "/dev/shm" else 10**9)
    parcel = pack(X)
    assert os.fstat(parcel.files[0]).st_dev == os.stat(tmp_path).st_dev != in_memory
    assert np.array_equal(opened(parcel), X)
    assert list(tmp_path.iterdir()) == []


def test_without_room_it_says_where_room_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    before = n_open()
    monkeypatch.setattr(shared, "free", lambda where: 1000)
    with pytest.raises(OutOfMemory, match=f"{2 * LARGE} bytes .* /dev/shm or .* TMPDIR"):
        pack(large("<f4"))
    assert n_open() == before


def test_room_that_is_gone_when_it_is_written_to_is_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = n_open()
    monkeypatch.setattr(shared, "SHARED_MEMORY", "/dev/null")
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    monkeypatch.setattr(shared, "free", lambda where: 10**12)
    with pytest.raises(OutOfMemory):
        pack(large("<f4"))
    assert n_open() == before


def test_no_room_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert shared.free(str(tmp_path / "none")) == 0
    assert shared.free(str(tmp_path)) > 0


@pytest.mark.parametrize("value", [lambda: None, threading.Lock()], ids=["lambda", "lock"])
def test_what_does_not_pickle_is_named(value: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", large("<f4"))
    before = n_open()
    with pytest.raises(BadType, match="cannot be sent to another process"):
        pack([np.load(tmp_path / "X.npy", mmap_mode="r"), value])
    assert n_open() == before


def test_modules_are_met_before_their_classes_are_looked_up() -> None:
    met: list[str] = []
    parcel = pack(Path("a"))
    Arrived.of(parcel.data, parcel.cuts, []).open(met.append)
    assert met == [type(Path()).__module__]
