"""Models come back from disk as they were: every learner, its past, its tables."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import re
import stat
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import nacre
from nacre import canon
from nacre.errors import (
    BadParameter,
    BadType,
    CorruptState,
    NewerFormat,
    NotFound,
    Occupied,
    UnknownName,
)
from nacre.kinds import Rows
from nacre.store import format as stored
from nacre.store import local
from nacre.store import manifest as manifests
from tests.store.models import HOLES, MAKERS, answers, dense, fitted, rows


def tree(path: Path) -> dict[str, bytes]:
    """File below a directory -> its bytes."""
    files = (found for found in path.rglob("*") if found.is_file())
    return {str(found.relative_to(path)): found.read_bytes() for found in files}


def manifest(path: Path) -> manifests.Manifest:
    """The manifest of a model."""
    return manifests.read((path / manifests.NAME).read_bytes())


@pytest.mark.parametrize("name", MAKERS)
def test_a_learner_comes_back_and_works_on(name: str, tmp_path: Path) -> None:
    before, X = fitted(name), HOLES if name == "impute" else rows()[::7]
    nacre.save(before, tmp_path / "model")
    after = nacre.load(tmp_path / "model")
    assert type(after) is type(before)
    assert canon.digest(after) == canon.digest(before)  # its hyper-parameters
    assert after.state_.digest == before.state_.digest
    assert after.n_features_in_ == before.n_features_in_
    for want, column in answers(before, X).items():
        assert np.array_equal(answers(after, X)[want], column)
    if hasattr(before, "partial_fit"):
        again = copy.deepcopy(before).partial_fit(X)
        assert after.partial_fit(X).state_.digest == again.state_.digest
    assert clone(after).fit(X).n_features_in_ == before.n_features_in_


def test_the_method_saves_what_the_function_saves(tmp_path: Path) -> None:
    fitted("pca").save(str(tmp_path / "a"))
    nacre.save(fitted("pca"), tmp_path / "b")
    assert os.listdir(tmp_path / "a" / "blobs") == os.listdir(tmp_path / "b" / "blobs")


def test_names_of_columns_come_back(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(rows(), columns=["a", "b", "c"])
    nacre.Scale().fit(frame).save(tmp_path)
    scale = nacre.load(tmp_path)
    assert list(scale.feature_names_in_) == ["a", "b", "c"]
    assert list(scale.set_output(transform="pandas").transform(frame).columns) == ["a", "b", "c"]
    with pytest.raises(nacre.errors.BadInput, match="feature names"):
        scale.transform(frame.rename(columns={"a": "z"}))


def test_labels_are_answers_and_not_stored(tmp_path: Path) -> None:
    fitted("kmeans").save(tmp_path)
    with pytest.raises(UnknownName, match=r"loading.*Call predict\(data\)"):
        _ = nacre.load(tmp_path).labels_


def test_a_fit_that_was_stopped_is_still_incomplete(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(400, 2))
    with pytest.warns(RuntimeWarning, match="max_passes"):
        stopped = nacre.KMeans(8, algorithm="lloyd").fit(X, max_passes=2)
    stopped.save(tmp_path)
    assert not nacre.load(tmp_path).state_.complete
    assert manifest(tmp_path).jobs[0].ended == "max_passes=2"


def test_centres_that_were_given_are_hyper_parameters(tmp_path: Path) -> None:
    centres = rows()[:3]
    nacre.KMeans(3, init=centres).fit(rows()).save(tmp_path)
    assert np.array_equal(nacre.load(tmp_path).init, centres)


def test_the_same_fit_gives_the_same_blobs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        MAKERS["chain"]().fit(rows(), engine="serial").save(tmp_path / name)
    assert os.listdir(tmp_path / "a" / "blobs") == os.listdir(tmp_path / "b" / "blobs")


def test_a_loaded_model_saves_the_same_model(tmp_path: Path) -> None:
    fitted("chain").save(tmp_path / "a")
    nacre.load(tmp_path / "a").save(tmp_path / "b")
    a, b = manifest(tmp_path / "a"), manifest(tmp_path / "b")
    assert dataclasses.replace(a, saved=b.saved) == b


def test_the_manifest_tells_where_a_model_comes_from(tmp_path: Path) -> None:
    from nacre.kernel.kernel_class import kernel_class

    X = rows()
    km = nacre.KMeans(3, random_state=7).fit(X, engine="threads:2", memory="1GB")
    km.save(tmp_path)
    (job,), (entry,) = manifest(tmp_path).jobs, manifest(tmp_path).ledger
    assert (job.what, job.engine, job.n_workers, job.memory) == ("fit", "threads", 2, 10**9)
    assert (job.ended, job.complete, job.n_rows) == ("converged", True, 240)
    assert (job.shard_rows, job.batch_rows, job.dtype) == (131_072, 8_192, "float32")
    assert job.turns[0].phase == "Seeding"
    assert job.turns[-1].loss == pytest.approx(km.inertia_ / 240)
    assert job.random_state == {"random_state": 7}
    assert job.kernel_class == kernel_class()
    assert job.versions["numpy"] == np.__version__
    assert {"nacre", "python", "numba", "scikit-learn"} <= job.versions.keys()
    assert (entry.id, entry.time, entry.n_rows, entry.n_skipped) == ("", 0, 240, 0)
    assert entry.origin == f"{canon.hash64(''):016x}"
    assert entry.content.startswith("rows:")


def test_blobs_are_named_by_their_bytes_and_readable_by_others(tmp_path: Path) -> None:
    import hashlib

    from safetensors.numpy import load

    fitted("pca").save(tmp_path)
    for blob in manifest(tmp_path).blobs:
        data = (tmp_path / "blobs" / blob.sha256).read_bytes()
        assert hashlib.sha256(data).hexdigest() == blob.sha256
        if blob.kind == "state":
            assert "state.model.components" in load(data[64:])


def test_saving_over_a_model_replaces_it_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    fitted("kmeans").save(tmp_path)
    (tmp_path / "blobs" / ".0123.part").write_bytes(b"left by a crash")
    (tmp_path / "notes.txt").write_text("of the user")
    fitted("pca").save(tmp_path)
    assert type(nacre.load(tmp_path)).__name__ == "PCA"
    names = {blob.sha256 for blob in manifest(tmp_path).blobs}
    assert set(os.listdir(tmp_path / "blobs")) == names
    assert set(os.listdir(tmp_path)) == {"blobs", "manifest.json", "notes.txt"}


@pytest.mark.parametrize("dtype", ["V2000000000", "<script>alert(1)</script>", "object"])
def test_rows_are_never_cast_to_what_a_file_makes_up(dtype: str, tmp_path: Path) -> None:
    learner = nacre.Scale().fit(rows())
    schema = dataclasses.replace(learner.state_.schema, dtype=dtype)
    learner.state_ = dataclasses.replace(learner.state_, schema=schema)
    learner.save(tmp_path / "forged")
    with pytest.raises(CorruptState, match="float32 or float64"):
        nacre.load(tmp_path / "forged")


def test_what_a_crash_left_before_the_first_model_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ("ab" * 32)).write_bytes(b"?")
    with pytest.raises(NotFound, match=r"no manifest\.json"):
        nacre.load(tmp_path)
    fitted("pca").save(tmp_path)
    assert len(os.listdir(tmp_path / "blobs")) == 2


def test_a_damaged_blob_is_mended_by_saving_again(tmp_path: Path) -> None:
    fitted("pca").save(tmp_path)
    blob = tmp_path / "blobs" / manifest(tmp_path).blob("state").sha256
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-1] + b"?")
    fitted("pca").save(tmp_path)
    assert blob.read_bytes() == whole


@pytest.mark.parametrize("inside", ["data.csv", "blobs/data.csv", ".git", "blobs/../x"])
def test_a_directory_that_holds_something_else_is_left_alone(inside: str, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / inside).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(Occupied, match="a directory that holds"):
        fitted("pca").save(tmp_path)
    assert tree(tmp_path) == before


def test_a_manifest_of_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(CorruptState, match=r"no whole manifest.*Save elsewhere"):
        fitted("pca").save(tmp_path)
    assert (tmp_path / "manifest.json").read_text() == '{"name": "a web page"}'


@pytest.mark.parametrize("path", ["", "s3://bucket/model", "a\0b", "file:///tmp/x"])
def test_a_path_is_of_this_machine(path: str) -> None:
    with pytest.raises(BadParameter, match="a directory on this machine"):
        fitted("pca").save(path)
    with pytest.raises(BadParameter, match="a directory on this machine"):
        nacre.load(path)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_text("x")
    with pytest.raises(Occupied, match="wanted a directory"):
        fitted("pca").save(path)
    with pytest.raises(NotFound, match="wanted the directory of a model"):
        nacre.load(path)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="got no such file"):
        nacre.load(tmp_path / "none")
    with pytest.raises(NotFound, match=r"no manifest\.json"):
        nacre.load(tmp_path)


def test_directories_above_are_made(tmp_path: Path) -> None:
    fitted("pca").save(tmp_path / "a" / "b" / "c")
    assert nacre.load(tmp_path / "a" / "b" / "c").n_components == 2


def test_a_path_may_lead_through_a_link_and_nothing_inside_may(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    fitted("pca").save(real)
    link.symlink_to(real)
    assert nacre.load(link).n_components == 2
    fitted("scale").save(link)
    blob = real / "blobs" / manifest(real).blob("state").sha256
    for inner in (blob, real / "blobs", real / "manifest.json"):
        moved = tmp_path / "moved"
        inner.rename(moved)
        inner.symlink_to(moved)
        with pytest.raises(CorruptState, match=inner.name):
            nacre.load(real)
        inner.unlink()
        moved.rename(inner)
    assert type(nacre.load(real)).__name__ == "Scale"


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    fitted("pca").save(tmp_path)
    (tmp_path / "manifest.json").unlink()
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(CorruptState, match=r"manifest\.json"):
        nacre.load(tmp_path)


def test_files_are_as_the_user_wants_new_files_to_be(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        fitted("pca").save(tmp_path / "model")
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "model").rglob("*")}
    assert modes.pop("blobs") == 0o750
    assert set(modes.values()) == {0o640}


def test_only_a_fitted_learner_is_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        nacre.PCA().save(tmp_path / "a")
    for other in (fitted("pca").state_, 3, None):
        with pytest.raises(BadType, match="wanted a fitted learner"):
            nacre.save(other, tmp_path / "a")
    assert not (tmp_path / "a").exists()


class Mine(nacre.PCA):
    """Not registered."""


def test_a_learner_of_others_must_be_registered(tmp_path: Path) -> None:
    with pytest.raises(BadType, match=r"register\(prefix, Mine\)"):
        Mine(2).fit(rows()).save(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_loading_a_learner_that_is_not_registered_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense().save(tmp_path)
    monkeypatch.delitem(stored._classes, "tests.density.Density/1")
    with pytest.raises(NewerFormat, match=r"import the module first that calls .*register") as told:
        nacre.load(tmp_path)
    assert told.value.where.startswith(str(tmp_path / "blobs"))


def test_tables_are_read_when_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = rows()[:, :2]
    dense().save(tmp_path)
    assert len(manifest(tmp_path).tables) == 2
    read: list[str] = []
    from_disk = local.Parts._read

    def noted(parts: local.Parts, name: str, blob: manifests.Blob) -> Rows:
        read.append(name)
        return from_disk(parts, name, blob)

    monkeypatch.setattr(local.Parts, "_read", noted)
    after = nacre.load(tmp_path)
    assert after.state_.digest == dense().state_.digest
    assert read == []
    assert np.array_equal(after.predict(X), dense().predict(X))
    assert len(read) == 2
    after.predict(X)
    assert len(read) == 2
    assert np.array_equal(pickle.loads(pickle.dumps(after)).predict(X), dense().predict(X))


def test_parts_are_let_go_of_beyond_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MOST_HELD", 1)
    dense().save(tmp_path)
    after = nacre.load(tmp_path)
    parts = after.state_.model.cores.held
    assert {canon.digest(parts[name]) for name in parts} == set(parts)
    assert len(parts) == 2
    assert parts._held == {}


def test_a_model_with_tables_is_saved_over_itself(tmp_path: Path) -> None:
    dense().save(tmp_path)
    names = set(os.listdir(tmp_path / "blobs"))
    nacre.load(tmp_path).save(tmp_path)
    assert set(os.listdir(tmp_path / "blobs")) == names


def test_a_table_without_its_rows_is_not_saved(tmp_path: Path) -> None:
    model = dense().state_.model
    torn = copy.copy(dense())
    bare = dataclasses.replace(model, cores=dataclasses.replace(model.cores, held={}))
    torn.state_ = dataclasses.replace(dense().state_, model=bare)
    with pytest.raises(NotFound, match="no rows for part"):
        torn.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_part_that_is_gone_is_named(tmp_path: Path) -> None:
    dense().save(tmp_path)
    after = nacre.load(tmp_path)
    blob = next(iter(manifest(tmp_path).tables.values()))
    (tmp_path / "blobs" / blob).unlink()
    with pytest.raises(CorruptState, match=blob):
        after.predict(rows()[:, :2], engine="serial")


def test_a_reader_sees_the_old_model_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted("pca").save(tmp_path)
    read = local._manifest
    turns = iter([lambda: fitted("scale").save(tmp_path)])

    def meanwhile(*arguments: Any) -> Any:
        found = read(*arguments)
        next(turns, lambda: None)()  # saved between the manifest and its blobs
        return found

    monkeypatch.setattr(local, "_manifest", meanwhile)
    assert type(nacre.load(tmp_path)).__name__ == "Scale"


def test_two_threads_that_save_leave_one_whole_model(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    saved = [fitted(name) for name in ("pca", "scale", "moments", "kmeans")] * 5
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda estimator: estimator.save(tmp_path), saved))
    last = nacre.load(tmp_path)
    assert last.state_.digest in {estimator.state_.digest for estimator in saved}
    assert len(os.listdir(tmp_path / "blobs")) == 2


def test_the_page_of_the_store_says_what_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # where its class is defined
    for block in blocks:
        exec(compile(block, "store.md", "exec"), vars(module))
    assert {path.name for path in tmp_path.iterdir()} == {"model", "gentle"}
