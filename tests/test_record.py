"""What a fit remembers of its data: enough to say what is in the model, and nothing kept alive."""

from __future__ import annotations

import copy
import gc
import hashlib
import pickle
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nacre
from nacre import record
from nacre.canon import hash64
from nacre.source.plan import content
from nacre.source.read import plan_of
from nacre.store.describe import describe
from nacre.store.ledger import Entry


def rows(n: int = 60) -> Any:
    """(n, 2) float64."""
    return np.arange(2.0 * n).reshape(n, 2) % 7


def ledger(estimator: Any) -> list[Entry]:
    """The batches of an estimator, looked at now."""
    found: list[Entry] = estimator._record.ledger()
    return found


def only(estimator: Any) -> Entry:
    """Its one batch."""
    (entry,) = ledger(estimator)
    return entry


def written(path: Path, X: Any) -> Path:
    """A Parquet file of two columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), path)
    return path


def test_an_array_that_is_still_there_is_digested_as_learning_saw_it() -> None:
    X = rows()
    (reader,) = plan_of(X).ids.values()
    entry = only(nacre.Scale().fit(X))
    assert entry == Entry("", 0, f"{hash64(''):016x}", 60, 0, f"rows:{content(reader)}")


def test_no_array_is_kept_alive() -> None:
    X, weight = rows(), np.ones(60)
    alive = weakref.ref(X), weakref.ref(weight)
    scale = nacre.Scale().fit(X, sample_weight=weight)
    assert only(scale).content
    del X, weight
    gc.collect()
    assert [ref() for ref in alive] == [None, None]
    assert (only(scale).content, only(scale).note) == ("", "no longer in memory")


def test_an_array_that_was_changed_in_place_is_said_to_be() -> None:
    X = rows()
    scale = nacre.Scale().fit(X)
    before = only(scale).content
    X -= X.mean(axis=0)
    assert only(scale) == Entry("", 0, f"{hash64(''):016x}", 60, 0, note="changed since the fit")
    assert before


def test_weights_are_part_of_the_content() -> None:
    X, weight = rows(), np.full(60, 2.0)
    weighted, plain = nacre.Scale().fit(X, sample_weight=weight), nacre.Scale().fit(X)
    assert only(weighted).content != only(plain).content != ""
    weight[:] = 3
    assert only(weighted).note == "changed since the fit"


def test_lists_are_digested_at_once() -> None:
    X = rows()
    assert only(nacre.Scale().fit(X.tolist())).content == only(nacre.Scale().fit(X)).content


def test_frames_are_digested_as_arrays_are() -> None:
    import pandas as pd
    import polars as pl

    X = rows()
    wanted = only(nacre.Scale().fit(X)).content
    names = ["a", "b"]
    frames = (
        pd.DataFrame(X, columns=names),
        pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}),
        pl.DataFrame(X, schema=names),
        pa.table({"a": X[:, 0], "b": X[:, 1]}),
    )
    for frame in frames:
        scale = nacre.Scale().fit(frame)
        assert only(scale).content == wanted
        assert only(scale).content == wanted  # as often as it is asked for
    asked = nacre.read(frames[0], id="today", time="1970-01-01T00:00:01Z")
    entry = only(nacre.Scale().fit(asked))
    assert (entry.id, entry.time, entry.content) == ("today", 10**9, wanted)


def test_a_stream_that_is_there_once_is_no_obstacle() -> None:
    X = rows()
    table = pa.table({"a": X[:, 0], "b": X[:, 1]})
    reader = table.to_reader()
    entry = only(nacre.Scale().fit(reader))
    assert entry.content == ""
    assert entry.note


def test_bad_rows_that_were_left_out_are_counted() -> None:
    X = rows()
    X[3, 1] = np.nan
    entry = only(nacre.Scale().fit(nacre.read(X, bad="skip")))
    assert (entry.n_rows, entry.n_skipped) == (60, 1)
    assert entry.content


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    path = written(tmp_path / "2013" / "01.parquet", rows())
    entry = only(nacre.Scale().fit(nacre.read(path, root=tmp_path, time=r"(\d{4})")))
    assert entry.id == "2013/01.parquet"
    assert entry.time == 1_356_998_400_000_000_000
    assert entry.content == f"file:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert entry.n_bytes == path.stat().st_size


def test_a_file_that_was_changed_or_removed_is_said_to_be(tmp_path: Path) -> None:
    for name in "abc":
        written(tmp_path / f"{name}.parquet", rows())
    scale = nacre.Scale().fit(tmp_path)
    (tmp_path / "a.parquet").unlink()
    written(tmp_path / "b.parquet", rows(70))
    notes = {entry.id[0]: (entry.note, bool(entry.content)) for entry in ledger(scale)}
    assert notes["a"] == ("no longer there", False)
    assert notes["b"] == ("changed since the fit", False)
    assert notes["c"] == ("", True)


def test_a_file_that_cannot_be_read_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = nacre.Scale().fit(written(tmp_path / "a.parquet", rows()))
    (tmp_path / "a.parquet").unlink()
    (tmp_path / "a.parquet").mkdir()
    monkeypatch.setattr(record, "stamp", lambda file: scale._record.batches[0].again.stamp)
    assert only(scale).note.startswith("cannot be read: IsADirectoryError")


def test_of_several_files_bad_rows_are_counted_together(tmp_path: Path) -> None:
    X = rows()
    written(tmp_path / "a.parquet", X)
    X[3, 1] = np.inf
    written(tmp_path / "b.parquet", X)
    scale = nacre.Scale().fit(nacre.read(tmp_path, bad="skip"))
    assert [entry.n_skipped for entry in ledger(scale)] == [None, None]
    assert describe(scale)["n_skipped"] == 1
    assert [e.n_skipped for e in ledger(nacre.Scale().fit(tmp_path / "a.parquet"))] == [0]


def test_a_file_of_another_system_is_its_bytes_too(tmp_path: Path) -> None:
    import fsspec

    data = written(tmp_path / "a.parquet", rows()).read_bytes()
    system = fsspec.filesystem("memory")
    system.pipe("/record/a.parquet", data)
    try:
        scale = nacre.Scale().fit("memory://record/a.parquet")
        assert only(scale).content == f"file:{hashlib.sha256(data).hexdigest()}"
        system.pipe("/record/a.parquet", data + b" ")
        assert only(scale).note == "changed since the fit"
        system.rm("/record/a.parquet")
        assert only(scale).note == "no longer there"
    finally:
        if system.exists("/record"):
            system.rm("/record", recursive=True)


def test_later_batches_are_known_by_their_content() -> None:
    X = rows()
    scale = nacre.Scale().partial_fit(X).partial_fit(X[:10]).partial_fit(X[10:20])
    assert [entry.n_rows for entry in ledger(scale)] == [60, 10, 10]
    assert all(entry.content == f"rows:{entry.id}" for entry in ledger(scale))
    first, later = scale._record.jobs
    assert (first.what, first.n_rows, first.n_calls) == ("fit", 60, 1)
    assert (later.what, later.n_rows, later.n_calls) == ("partial_fit", 20, 2)


def test_later_files_are_their_bytes(tmp_path: Path) -> None:
    a, b = (written(tmp_path / f"{name}.parquet", rows()) for name in "ab")
    scale = nacre.Scale().fit(a).partial_fit(b)
    assert [entry.content[:5] for entry in ledger(scale)] == ["file:", "file:"]


def test_later_arrays_with_an_id_are_looked_at_when_asked_for() -> None:
    X = rows()
    scale = nacre.Scale().fit(X).partial_fit(nacre.read(X, id="more"))
    first, more = ledger(scale)
    assert (more.id, more.content) == ("more", first.content)


def test_very_many_later_batches_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_LATER", 3)
    scale = nacre.Scale().fit(rows())
    for n in range(10, 15):
        scale.partial_fit(rows(n))
    assert [entry.n_rows for entry in ledger(scale)] == [60, 10, 11, 12]
    told = describe(scale)
    assert (told["n_batches"], len(told["ledger"])) == (6, 4)
    assert (told["n_rows"], scale._record.n_rows_unlisted) == (120, 27)


def test_a_failed_partial_fit_is_not_remembered() -> None:
    scale = nacre.Scale().fit(rows())
    before = scale._record
    with pytest.raises(nacre.errors.BadInput):
        scale.partial_fit(np.full((2, 2), np.nan))
    assert scale._record is before


def test_copies_learn_on_apart() -> None:
    X = rows()
    one = nacre.Scale().fit(X)
    other = copy.copy(one).partial_fit(X[:5])
    assert (len(ledger(one)), len(ledger(other))) == (1, 2)


def test_a_copy_still_knows_and_a_pickle_knows_files_alone(tmp_path: Path) -> None:
    X = rows()
    scale = nacre.Scale().fit(X)
    assert only(copy.deepcopy(scale)).content == only(scale).content
    assert only(pickle.loads(pickle.dumps(scale))).note == "no longer in memory"
    scale = nacre.Scale().fit(written(tmp_path / "a.parquet", X))
    assert only(pickle.loads(pickle.dumps(scale))).content == only(scale).content


def test_where_a_model_was_saved_and_learned_on_is_told_job_by_job(tmp_path: Path) -> None:
    X = rows()
    nacre.Scale().fit(X).partial_fit(X[:5]).save(tmp_path)
    scale = nacre.load(tmp_path).partial_fit(X[5:9]).partial_fit(X[9:13])
    jobs = scale._record.jobs
    assert [job.what for job in jobs] == ["fit", "partial_fit", "partial_fit"]
    assert [bool(job.kernel_class) for job in jobs] == [True, True, False]
    scale.save(tmp_path)
    again = nacre.load(tmp_path)
    assert [(job.n_calls, bool(job.kernel_class)) for job in again._record.jobs] == [
        (1, True),
        (1, True),
        (2, True),
    ]
    assert [entry.n_rows for entry in ledger(again)] == [60, 5, 4, 4]


def test_a_fit_that_began_at_a_state_says_so() -> None:
    X = rows()
    first = nacre.KMeans(2).fit(X)
    second = nacre.KMeans(2).fit(X, start=first.state_)
    assert second._record.jobs[0].start == first.state_.digest
