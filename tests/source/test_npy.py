"""Arrays in files: the same rows as in memory, never read whole, and nothing in them executed."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.errors import BadInput, BadType, NotFound, OutOfMemory
from nacre.record import FileBytes, Seen, seen_by
from nacre.source.npy import outline_npy
from nacre.source.read import plan_of, read
from nacre.writing import predict_to
from tests.source.learners import Means, Patient
from tests.source.refusal import refused

Save = Callable[[Path, Array], Path]


def npy(folder: Path, X: Array) -> Path:
    np.save(folder / "rows.npy", X)
    return folder / "rows.npy"


def npz(folder: Path, X: Array) -> Path:
    np.savez(folder / "rows.npz", X=X)
    return folder / "rows.npz"


def packed(folder: Path, X: Array) -> Path:
    np.savez_compressed(folder / "rows.npz", X=X)
    return folder / "rows.npz"


SAVES: list[Save] = [npy, npz, packed]
KINDS = ["float32", "float64", ">f4", "float16", "int16", "uint8", "bool"]


def rows(kind: str = "float32", n: int = 20_000, d: int = 4) -> Any:
    return (np.random.default_rng(0).standard_normal((n, d)) * 50).astype(kind)


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_the_array_in_it(save: Save, kind: str, tmp_path: Path) -> None:
    X = rows(kind)
    of_file = Means().fit(read(save(tmp_path, X), id="rows", shard_rows=3_000), engine="threads:2")
    of_array = Means().fit(read(X, id="rows", shard_rows=3_000), engine="serial")
    assert of_file.state_.digest == of_array.state_.digest
    assert of_file.state_.schema.dtype == of_array.state_.schema.dtype


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("shape", [(20_000, 4), (3, 50_000), (1, 7), (7, 1)])
def test_fortran_order(save: Save, shape: tuple[int, int], tmp_path: Path) -> None:
    X = np.asfortranarray(rows(n=shape[0], d=shape[1]))
    of_file = Means().fit(read(save(tmp_path, X), id="x", shard_rows=3_000), engine="threads:2")
    of_array = Means().fit(read(X, id="x", shard_rows=3_000))
    assert of_file.state_.digest == of_array.state_.digest


def test_packed_columns_are_unpacked_whole_where_there_is_room(tmp_path: Path) -> None:
    """So their memory counts as taken by reading; those of rows in C order take that of a batch."""
    X = rows(n=50_000)
    taken = {order: plan_of(packed(tmp_path, np.array(X, order=order))) for order in ("C", "F")}
    more = taken["F"].shards[0].reading - taken["C"].shards[0].reading
    assert more == X.nbytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 300)
        plan_of(packed(tmp_path, X))
        refused(
            OutOfMemory,
            lambda: plan_of(packed(tmp_path, np.asfortranarray(X))),
            "Fortran order",
            "np.ascontiguousarray(X)",
        )


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 300),
    shard_rows=st.integers(1, 200),
    save=st.sampled_from(SAVES),
    lies=st.sampled_from(["C", "F"]),
    order=st.randoms(),
)
def test_shards_in_any_order(
    n: int,
    shard_rows: int,
    save: Save,
    lies: Any,
    order: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    X = np.array(rows(n=n), order=lies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nacre.source.npy.PIECE", 100)
        path = save(tmp_path_factory.mktemp("npy"), X)
        plan = plan_of(read(path, shard_rows=shard_rows))
        shards = pickle.loads(pickle.dumps(list(plan.shards)))
        order.shuffle(shards)
        for shard in shards:
            got = np.concatenate([batch.X for batch in shard.read()])
            np.testing.assert_array_equal(got, X[shard.first : shard.stop])


def test_several_files_and_columns(tmp_path: Path) -> None:
    X = rows(n=100)
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", X[i * 30 : i * 30 + 30])
    for data in (tmp_path, f"{tmp_path}/*.npy"):
        plan = plan_of(read(data, columns=[2, 0]))
        assert list(plan.ids) == ["0.npy", "1.npy", "2.npy"]
        assert plan.n_rows == 90
    got = [batch.X for i in plan.reading_order for batch in plan.shards[i].read()]
    np.testing.assert_array_equal(np.concatenate(got), X[:90, [2, 0]])
    np.save(tmp_path / "3.npy", X[:, :2])
    refused(BadInput, lambda: plan_of(tmp_path), "2 columns", "0.npy has 4", "3.npy")
    np.save(tmp_path / "3.npy", X.astype(float))
    assert plan_of(tmp_path).schema.dtype == "float64"


def test_a_fit_reads_what_it_needs_and_later_data_is_checked(tmp_path: Path) -> None:
    means = Means().fit(npy(tmp_path, rows()))
    np.testing.assert_array_equal(means.predict(npy(tmp_path, rows())), rows().sum(axis=1))
    refused(BadInput, lambda: means.predict(npy(tmp_path, rows(d=3))), "X has 3 features")
    refused(BadInput, lambda: plan_of(read(npy(tmp_path, rows()), columns=[7])), "with 4 columns")
    refused(BadInput, lambda: plan_of(read(npy(tmp_path, rows()), columns=["a"])), "positions")
    refused(BadInput, lambda: plan_of(npy(tmp_path, rows(n=0))), "minimum of 1 is required")


def test_bad_values_are_named_with_their_file(tmp_path: Path) -> None:
    X = rows()
    X[12_345, 2] = np.nan
    path = npy(tmp_path, X)
    refused(BadInput, lambda: Means().fit(path), "NaN in row 12345, column 2", "rows.npy")
    assert Means().fit(read(path, bad="skip")).state_.told.n_skipped == 1
    assert Patient().fit(path).state_.told.n_rows == 20_000


@pytest.mark.parametrize("compressed", [False, True])
def test_members_beside_the_rows(compressed: bool, tmp_path: Path) -> None:
    X, w = rows(n=50), np.arange(50.0)
    path = tmp_path / "rows.npz"
    (np.savez_compressed if compressed else np.savez)(path, X=X, y=w % 3, w=w)
    plan = plan_of(read(path, y="y", weight="w"))
    np.testing.assert_array_equal(plan.head().y, w % 3)
    np.testing.assert_array_equal(plan.head().weight, w)
    refused(BadInput, lambda: plan_of(read(path, y="z")), "'z'", "'X', 'y', 'w'")
    refused(BadInput, lambda: plan_of(read(path, y="X")), "the arrays ['X', 'y', 'w']")
    refused(BadInput, lambda: plan_of(read(npy(tmp_path, X), y="y")), "have no names", "np.savez")


def test_which_member(tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    np.savez(path, a=rows(n=3), b=rows(n=5))
    assert plan_of(f"{path}#b").n_rows == 5
    refused(BadInput, lambda: plan_of(path), "['a', 'b']", "two.npz#a")
    refused(BadInput, lambda: plan_of(f"{path}#c"), "'c'")
    refused(BadInput, lambda: plan_of([f"{path}#a", str(path)]), "Read them apart")


BAD: list[tuple[str, Callable[[Any], Any], Any, str]] = [
    ("pickles", lambda X: X.astype(object), BadType, "pickled objects"),
    ("records", lambda X: np.zeros(3, [("a", "f4")]), BadType, "an array of"),
    ("texts", lambda X: X.astype(str), BadType, "an array of"),
    ("one axis", lambda X: X[:, 0], BadInput, "Expected 2D array"),
    ("three axes", lambda X: X[None], BadInput, "(1, 20, 4)"),
    ("no columns", lambda X: X[:, :0], BadInput, "at least one column"),
]


@pytest.mark.parametrize(("name", "change", "kind", "text"), BAD, ids=[bad[0] for bad in BAD])
@pytest.mark.parametrize("save", [npy, packed])
def test_arrays_that_are_no_rows(
    save: Save, name: str, change: Any, kind: Any, text: str, tmp_path: Path
) -> None:
    path = save(tmp_path, change(rows(n=20)))
    refused(kind, lambda: plan_of(path), text, str(path))


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    trap = np.empty((1, 1), object)
    trap[0, 0] = Trap()
    for save in SAVES:
        path = save(tmp_path, trap)
        refused(BadType, lambda path=path: plan_of(path), "ever executed")  # type: ignore[misc]
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Trap()))
    refused(BadInput, lambda: plan_of(tmp_path / "raw.npy"), "no NumPy")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("how", ["empty", "cut", "half", "other"])
def test_damaged_files(save: Save, how: str, tmp_path: Path) -> None:
    path = save(tmp_path, rows(n=500))
    data = path.read_bytes()
    changed = {
        "empty": b"",
        "cut": data[:20],
        "half": data[: len(data) // 2],
        "other": b"a,b\n" * 9,
    }
    path.write_bytes(changed[how])
    refused(BadInput, lambda: plan_of(path), "cut short or damaged", str(path))


@pytest.mark.parametrize("order", ["C", "F"])
def test_zeros_inside_a_packed_member(order: Any, tmp_path: Path) -> None:
    path = packed(tmp_path, np.array(rows(), order=order))
    data = bytearray(path.read_bytes())
    data[100_000:101_000] = bytes(1000)
    path.write_bytes(bytes(data))
    refused(BadInput, lambda: Means().fit(path), "damaged", "rows.npz")


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """What unpacks to much is read as a stream; what says of itself what cannot be is refused."""
    header = npy(tmp_path, np.zeros((1, 1 << 16), "float32")).read_bytes()[:128]
    with zipfile.ZipFile(tmp_path / "wide.npz", "w", zipfile.ZIP_DEFLATED) as members:
        text = header.replace(b"(1, 65536)", b"(1, %d)" % (1 << 41))
        members.writestr("X.npy", text[:128])
    refused(BadInput, lambda: plan_of(tmp_path / "wide.npz"), "damaged", "bytes")
    with zipfile.ZipFile(tmp_path / "lie.npz", "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("X.npy", header + bytes(1 << 18))
    told = (128 + (1 << 18)).to_bytes(4, "little")
    data = (tmp_path / "lie.npz").read_bytes()
    assert data.count(told) == 2
    (tmp_path / "lie.npz").write_bytes(data.replace(told, (1 << 31).to_bytes(4, "little")))
    refused(BadInput, lambda: plan_of(tmp_path / "lie.npz"), "decompression bomb")
    many = np.lib.format.open_memmap(tmp_path / "sparse.npy", "w+", "float64", (100, 1))
    del many
    with (tmp_path / "sparse.npy").open("r+b") as file:
        head = file.read(128).replace(b"(100, 1)", b"(100, %d)" % (1 << 32))
        file.seek(0)
        file.write(head[:128])
        file.truncate(128 + 100 * 8 * (1 << 32))  # a file with holes takes no room
    refused(OutOfMemory, lambda: plan_of(tmp_path / "sparse.npy"), "4,294,967,296 columns")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    refused(BadInput, lambda: plan_of(tmp_path / "pipe.npy"), "a pipe")
    refused(NotFound, lambda: plan_of(tmp_path / "none.npy"), "no file")
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "1.npy", rows(n=3))
    np.savez(tmp_path / "a" / "2.npz", rows(n=3))
    refused(BadInput, lambda: plan_of(tmp_path / "a"), "npy, npz", "one format at a time")


def test_a_file_that_was_written_anew_since_the_plan(tmp_path: Path) -> None:
    for save in SAVES:
        shard = plan_of(save(tmp_path, rows(n=50))).shards[0]
        save(tmp_path, rows(n=40))
        refused(BadInput, lambda shard=shard: list(shard.read()), "when the plan was made")  # type: ignore[misc]


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_files_elsewhere(save: Save, order: Any, tmp_path: Path) -> None:
    X = rows(n=900)
    path = save(tmp_path, np.array(X, order=order))
    system = fsspec.filesystem("memory")
    system.pipe(f"/bucket/{path.name}", path.read_bytes())
    fitted = Means().fit(read(f"memory://bucket/{path.name}", id="x", shard_rows=200))
    assert fitted.state_.digest == Means().fit(read(X, id="x", shard_rows=200)).state_.digest
    system.rm("/bucket", recursive=True)


def test_only_the_header_is_read_for_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "holes.npy"
    np.lib.format.open_memmap(path, "w+", "float32", (40_000_000, 32))
    assert outline_npy.__module__ == "nacre.source.npy"
    plan = plan_of(path)
    assert plan.n_rows == 40_000_000
    assert plan.head().X.shape == (1024, 32)


@pytest.mark.parametrize("save", SAVES)
def test_the_record_of_a_fit_names_the_bytes_of_the_file(save: Save, tmp_path: Path) -> None:
    path = save(tmp_path, rows(n=50))
    (seen,) = seen_by(plan_of(path), path)
    assert isinstance(seen, Seen)
    assert isinstance(seen.again, FileBytes)
    digest, n_bytes = seen.again.content()
    assert digest.startswith("file:")
    assert n_bytes == path.stat().st_size


def test_predictions_of_a_file_go_on_where_they_were(tmp_path: Path) -> None:
    path = npy(tmp_path, rows(n=50))
    fitted = Means().fit(path)
    assert predict_to(fitted, path, tmp_path / "out").n_written == 1
    assert predict_to(fitted, path, tmp_path / "out").n_written == 0
