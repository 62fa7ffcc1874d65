"""Damage of any file of a model is found and named; no other exception, and never a wrong model."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nacre
from nacre.errors import CorruptState, NacreError
from nacre.store import format as stored
from nacre.store import manifest as manifests
from nacre.store.container import PREFIX, sealed
from nacre.store.manifest import Blob, Manifest, spelled
from tests.store.crashing import outcome
from tests.store.models import dense, fitted, rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a table: files of every sort."""
    path = tmp_path_factory.mktemp("damage") / "model"
    dense().save(path)
    return path


def files(model: Path) -> list[Path]:
    """Every file of a model."""
    return sorted(path for path in model.rglob("*") if path.is_file())


def damages(whole: bytes) -> Iterator[bytes]:
    """A flipped bit every few bytes, cuts, an emptied page, more at the end."""
    for at in [*range(0, len(whole), 41), len(whole) - 1]:
        yield whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
    for n in [0, 1, 63, 64, len(whole) // 2, len(whole) - 1]:
        yield whole[:n]
    yield bytes(len(whole))
    yield whole[:100] + bytes(100) + whole[200:]
    yield whole + b"\n"


def test_every_damage_names_the_file(model: Path) -> None:
    found = files(model)
    assert len(found) == 5
    n_tried = 0
    for path in found:
        whole = path.read_bytes()
        for damaged in damages(whole):
            if damaged != whole:
                path.write_bytes(damaged)
                with pytest.raises(CorruptState) as told:
                    nacre.load(model)
                assert told.value.where == str(path)
                assert told.value.exit_code == 6
                n_tried += 1
        path.write_bytes(whole)
    assert n_tried > 200
    assert nacre.load(model).state_.digest == dense().state_.digest


def test_a_missing_blob_is_named(model: Path) -> None:
    for path in files(model / "blobs"):
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises(CorruptState, match="no such file") as told:
            nacre.load(model)
        assert told.value.where == str(path)
        path.write_bytes(whole)


def test_swapped_files_are_found(model: Path) -> None:
    a, b = files(model / "blobs")[:2]
    bytes_a, bytes_b = a.read_bytes(), b.read_bytes()
    a.write_bytes(bytes_b)
    b.write_bytes(bytes_a)
    with pytest.raises(CorruptState, match=r"SHA-256|more than"):
        nacre.load(model)
    a.write_bytes(bytes_a)
    b.write_bytes(bytes_b)


def test_a_directory_in_the_place_of_a_file_is_found(model: Path) -> None:
    for path in files(model):
        whole = path.read_bytes()
        path.unlink()
        path.mkdir()
        with pytest.raises(CorruptState) as told:
            nacre.load(model)
        assert told.value.where == str(path)
        path.rmdir()
        path.write_bytes(whole)


def test_a_model_without_its_blobs_is_damaged(tmp_path: Path) -> None:
    fitted("pca").save(tmp_path)
    (tmp_path / "blobs").rename(tmp_path / "moved")
    with pytest.raises(CorruptState, match="blobs"):
        nacre.load(tmp_path)
    (tmp_path / "blobs").write_bytes(b"")
    with pytest.raises(CorruptState, match="blobs"):
        nacre.load(tmp_path)


def forged(path: Path, change: Callable[[Manifest], Manifest], *blobs: bytes) -> Path:
    """A model whose manifest was changed under a right hash, with more blobs."""
    fitted("pca").save(path)
    manifest = manifests.read((path / manifests.NAME).read_bytes())
    (path / manifests.NAME).write_bytes(spelled(change(manifest)))
    for data in blobs:
        (path / "blobs" / hashlib.sha256(data).hexdigest()).write_bytes(data)
    return path


def blob(kind: str, data: bytes) -> Blob:
    """Of these bytes."""
    return Blob(hashlib.sha256(data).hexdigest(), kind, len(data))


OTHER = stored.to_bytes(fitted("scale").state_)
KMEANS = stored.to_bytes(fitted("kmeans"))


def other(kind: str, data: bytes) -> Callable[[Manifest], Manifest]:
    """Another blob in the place of the one of its kind."""

    def change(m: Manifest) -> Manifest:
        rest = [one for one in m.blobs if one.kind != kind]
        return replace(m, blobs=tuple([*rest, blob(kind, data)]))

    return change


FORGED: dict[str, tuple[Callable[[Manifest], Manifest], tuple[bytes, ...]]] = {
    "another state": (other("state", OTHER), (OTHER,)),
    "another learner": (other("learner", KMEANS), (KMEANS,)),
    "a state in the learner's place": (other("learner", OTHER), (OTHER,)),
    "no state": (lambda m: replace(m, blobs=m.blobs[:1]), ()),
    "two of each": (lambda m: replace(m, blobs=m.blobs * 2), ()),
    "no blob": (lambda m: replace(m, blobs=()), ()),
    "another digest": (lambda m: replace(m, state=replace(m.state, digest="0" * 32)), ()),
    "another base": (lambda m: replace(m, state=replace(m.state, base="0" * 32)), ()),
    "another count": (lambda m: replace(m, state=replace(m.state, n_rows=1)), ()),
    "incomplete": (lambda m: replace(m, state=replace(m.state, complete=False)), ()),
    "another schema": (lambda m: replace(m, schema=m.learner), ()),
    "a table that is not there": (lambda m: replace(m, tables={"0" * 32: "0" * 64}), ()),
    "a blob without a use": (
        lambda m: replace(m, blobs=(*m.blobs, blob("rows", OTHER))),
        (OTHER,),
    ),
    "a part that no table names": (
        lambda m: replace(
            m,
            blobs=(*m.blobs, blob("rows", OTHER)),
            tables={"0" * 32: blob("rows", OTHER).sha256},
        ),
        (OTHER,),
    ),
    "a size that is not its own": (
        lambda m: replace(m, blobs=tuple(replace(b, n_bytes=b.n_bytes + 1) for b in m.blobs)),
        (),
    ),
    "a size beyond all": (
        lambda m: replace(m, blobs=tuple(replace(b, n_bytes=(1 << 63) - 1) for b in m.blobs)),
        (),
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_model_is_refused(name: str, tmp_path: Path) -> None:
    change, blobs = FORGED[name]
    with pytest.raises(CorruptState) as told:
        nacre.load(forged(tmp_path, change, *blobs))
    assert told.value.where.startswith(str(tmp_path))


def test_a_learner_without_a_face_is_refused(tmp_path: Path) -> None:
    from tests.store.values import Halving

    data = stored.to_bytes(Halving())
    with pytest.raises(CorruptState, match="hyper-parameters of a Halving"):
        nacre.load(forged(tmp_path, other("learner", data), data))


def test_rows_of_another_digest_are_found_when_they_are_read(tmp_path: Path) -> None:
    dense().save(tmp_path)
    path = tmp_path / manifests.NAME
    manifest = manifests.read(path.read_bytes())
    (one, first), (two, second) = manifest.tables.items()
    path.write_bytes(spelled(replace(manifest, tables={one: second, two: first})))
    after = nacre.load(tmp_path)
    with pytest.raises(CorruptState, match="rows of digest"):
        after.predict(rows()[:, :2], engine="serial")


def same_state(model: Any) -> bool:
    """Whether a model is the one that was saved."""
    return bool(model.state_.digest == fitted("pca").state_.digest)


@given(st.data())
def test_a_state_that_was_damaged_under_right_hashes_raises_nothing_else(data: Any) -> None:
    whole = bytearray(stored.to_bytes(fitted("pca").state_))
    at = data.draw(st.integers(64, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    again = sealed(bytes(whole[PREFIX.size :]))
    with tempfile.TemporaryDirectory() as path:
        told = outcome(lambda: nacre.load(forged(Path(path), other("state", again), again)))
    assert told.exit_code == 6 if isinstance(told, NacreError) else same_state(told)
