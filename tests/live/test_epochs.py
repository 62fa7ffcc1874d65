"""An epoch is a plain fit of the ledger's files; what cannot be read again is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nacre
from nacre.errors import BadInput, Conflict, NeedsRefit, NotFound
from tests.live.lives import batch, files, line_of, opened


def kept(folder: Path, n: int = 5) -> list[Path]:
    """Files, one a month, below a folder of their own."""
    folder.mkdir()
    return files(folder, n)


def table(X: Any) -> pa.Table:
    """Rows with the columns of the files."""
    return pa.table({f"c{i}": column for i, column in enumerate(np.asarray(X).T)})


def plain(learner: Any, data: Any, **told: Any) -> str:
    """The digest of a plain fit."""
    digest: str = learner.fit(nacre.read(data, **told)).state_.digest
    return digest


LEARNERS: dict[str, Callable[[], Any]] = {
    "scale": lambda: nacre.Scale(),
    "micro": lambda: nacre.Micro(nacre.KMeans(3, random_state=0)),
    "chain": lambda: nacre.chain(nacre.Scale(), nacre.PCA(2), nacre.Micro(nacre.KMeans(2))),
    "running": lambda: nacre.KMeans(3, random_state=0),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_it_is_a_plain_fit_of_the_same_files(name: str, tmp_path: Path) -> None:
    paths = kept(tmp_path / "data")
    live = opened(tmp_path / "live", LEARNERS[name]())
    for path in (paths[2], paths[0], paths[4], paths[1], paths[3]):
        live.absorb(path)
    version, lines = live.version, {line.id: line for line in live.ledger.alive()}
    done = live.refresh()
    assert (done.version, done.n_batches, done.n_rows) == (version + 1, 5, 250)
    assert live.state.digest == plain(LEARNERS[name](), paths, root=tmp_path / "data")
    again = nacre.open(tmp_path / "live")
    assert again.state.digest == live.state.digest
    assert [act.what for act in again.history()] == ["begin", *["absorb"] * 4, "epoch"]
    same = {line.id: (line.absorbed, line.content, line.n_rows) for line in again.ledger.alive()}
    assert same == {id: (one.absorbed, one.content, one.n_rows) for id, one in lines.items()}
    assert again.absorb(paths[0]).n_known == 1
    assert again.origins == sorted(lines) or name == "scale"
    checked = again.verify()
    assert checked.problems == ()
    assert len(live._version.commit.readings) == 1


def test_it_goes_on_under_the_new_frame(tmp_path: Path) -> None:
    paths = kept(tmp_path / "data", 6)
    live = opened(tmp_path / "live", LEARNERS["micro"]())
    for path in paths[:4]:
        live.absorb(path, time=r"(\d{4}-\d{2})")
    base = live._version.commit.frame.base
    live.refresh()
    assert live._version.commit.frame.base != base
    live.absorb(paths[4:], time=r"(\d{4}-\d{2})")
    fitted = LEARNERS["micro"]().fit(nacre.read(paths[:4], time=r"(\d{4}-\d{2})"))
    whole = LEARNERS["micro"]().fit(
        nacre.read(paths, time=r"(\d{4}-\d{2})"), start=fitted.state_, max_passes=1
    )
    assert live.state.told.n_rows == 300
    assert live.state.digest == whole.state_.digest
    window = live.window("59d")
    assert window.covered_.n_batches == 2
    live.refresh()
    assert live.state.digest == plain(LEARNERS["micro"](), paths, time=r"(\d{4}-\d{2})")
    assert live.absorb(paths).n_known == 6


def test_before_it_everything_is_as_it_was(tmp_path: Path) -> None:
    paths = kept(tmp_path / "data")
    live = opened(tmp_path / "live", LEARNERS["micro"]())
    states = {}
    for path in paths:
        live.absorb(path)
        states[live._version.commit.act.moment] = live.state.digest, live.predict(table(batch(7)))
    live.refresh()
    for moment, (digest, labels) in states.items():
        then = nacre.open(tmp_path / "live").at(moment)
        assert then.state_.digest == digest
        np.testing.assert_array_equal(then.predict(table(batch(7))), labels)
    now = live.at(live._version.commit.act.moment)
    assert now.state_.digest == live.state.digest
    with pytest.raises(NotFound):
        live.at(min(states) - 1)
    live.collect(young="1ns")
    last = max(states)
    assert live.at(last).state_.digest == states[last][0]  # the last of the old epoch stays


def test_files_are_read_again_as_they_were(tmp_path: Path) -> None:
    """Columns, weights, bad rows, types, times: all that nacre.read was told."""
    data = tmp_path / "data"
    data.mkdir()
    paths = []
    for number in range(3):
        X = batch(number, 60, 4)
        X[number, 1] = np.nan
        table = {name: X[:, at] for at, name in enumerate("abcd")}
        table |= {"w": np.full(60, number + 1.0), "when": np.arange(60) + 1000 * number}
        table["when"] = pa.array(table["when"] * 10**9, pa.timestamp("ns"))
        paths.append(data / f"{number}.parquet")
        pq.write_table(pa.table(table), paths[-1])
    told: dict[str, Any] = {"columns": ["c", "b"], "weight": "w", "bad": "skip", "time": "when"}
    told["dtype"] = "float64"
    live = opened(tmp_path / "live", nacre.PCA(2))
    for path in paths:
        live.absorb(nacre.read(path, **told))
    before = live.state.digest
    nacre.open(tmp_path / "live").refresh()
    live.reopen()
    assert live.state.digest == before == plain(nacre.PCA(2), paths, root=data, **told)
    assert (live.state.told.n_skipped, live.state.told.weight) == (3, 59 * 6)
    assert [line.time for line in live.ledger.alive()] != [0, 0, 0]


def test_what_was_read_in_several_ways_is_read_so_again(tmp_path: Path) -> None:
    paths = kept(tmp_path / "data", 4)
    text = tmp_path / "data" / "more.csv"
    text.write_text("c2;c0;c1\n" + "\n".join(f"{i};{i * i % 7};{i % 5}" for i in range(40)))
    live = opened(tmp_path / "live", nacre.PCA(2))
    live.absorb(paths[0])
    live.absorb(nacre.read(text, delimiter=";"))
    live.absorb(paths[1])
    live.absorb(paths[2], id="alone", time="2026-03-03")
    live.absorb(paths[3])
    before = live.state.digest
    assert len(live._version.commit.readings) == 5
    live.refresh()
    assert live.state.digest == before  # the frame of PCA says nothing of rows
    assert live.absorb(paths[2], id="alone", time="2026-03-03").n_known == 1


def test_a_source_that_is_gone_or_other_is_named(tmp_path: Path) -> None:
    paths = kept(tmp_path / "data")
    live = opened(tmp_path / "live", LEARNERS["micro"]())
    live.absorb(tmp_path / "data")
    before = live.version, live.state.digest
    bytes_of = paths[1].read_bytes()
    paths[1].unlink()
    with pytest.raises(NotFound, match=r"'2026-02\.parquet' whose sources cannot be read again"):
        live.refresh()
    pq.write_table(pq.read_table(paths[0]), paths[1])
    with pytest.raises(Conflict, match=r"'2026-02\.parquet', changed since"):
        live.refresh()
    assert (live.version, live.state.digest) == before
    assert nacre.open(tmp_path / "live").state.digest == before[1]
    paths[1].write_bytes(bytes_of)
    assert live.refresh().n_batches == 5


def test_rows_in_memory_are_gone() -> None:
    live = opened(learner=LEARNERS["micro"]())
    live.absorb(batch(0), id="a")
    live.absorb(batch(1), id="b")
    with pytest.raises(NotFound, match="'a', 'b' whose sources cannot be read again"):
        live.refresh()
    assert live.version == 2


def test_replaced_and_erased_batches_stay_so(tmp_path: Path) -> None:
    paths = kept(tmp_path / "data", 5)
    live = opened(tmp_path / "live", LEARNERS["micro"]())
    live.absorb(paths[0])
    live.absorb(paths[1])
    live.absorb(paths[2])
    live.erase("2026-02.parquet")
    live.replace("2026-03.parquet", paths[3])
    live.refresh()
    found = {line.id: line.content for line in live.ledger.alive()}
    assert len(found) == 2
    with pytest.raises(nacre.errors.Erased):
        live.absorb(paths[1])
    assert live.state.told.n_rows == 100


def test_clusters_keep_their_numbers_through_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    places = np.array([[0.0, 9.0], [9.0, 0.0], [-9.0, -9.0]])
    random = np.random.default_rng(3)
    live = opened(tmp_path / "live", nacre.Micro(nacre.KMeans(3, random_state=4)))
    for number in range(4):
        X = np.concatenate([random.normal(place, 0.3, (50, 2)) for place in places])
        pq.write_table(table(X), data / f"{number}.parquet")
        live.absorb(data / f"{number}.parquet")
    names = live.predict(table(places)).tolist()
    live.refresh()
    assert live.predict(table(places)).tolist() == names
    assert live.lineage(since=next(live.history()).moment).kept


@pytest.mark.parametrize("name", ["micro", "chain"])
@pytest.mark.parametrize("n_large", [0, 1])
def test_what_the_frame_was_made_from_is_erased_by_an_epoch(
    name: str, n_large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had never been seen, and no file holds a trace: of rows, sums or centres."""
    if n_large:  # leaves that are blobs of their own
        monkeypatch.setattr("nacre.live.writer.MOST_INLINE", 100)
    paths = kept(tmp_path / "data", 6)
    live = opened(tmp_path / "live", LEARNERS[name]())
    live.absorb(paths[:2], principal="feed")
    for path in paths[2:]:
        live.absorb(path)
    live.predict(table(batch(9)))
    live.window("1000d")
    told: Any = live._shelf.summary(line_of(live, "2026-01.parquet"))
    model = live.state.model
    model = getattr(model, "running", model)
    canaries = [told.cells.mean.tobytes(), told.cells.mean[:1].tobytes()]
    canaries += [model.centres.tobytes(), model.inner.centres.astype(float).tobytes()]
    folder = tmp_path / "live"
    held = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert all(any(canary in one for one in held) for canary in canaries)
    before = live._version.commit.act

    receipt = live.erase("2026-01.parquet")
    assert (receipt.ids, receipt.n_rows, receipt.grade) == (("2026-01.parquet",), 50, "bits")
    assert receipt.before == before.digest
    assert live.state.digest == plain(LEARNERS[name](), paths[1:], root=tmp_path / "data")
    for path in folder.rglob("*"):
        if path.is_file():
            found = path.read_bytes()
            assert not any(canary in found for canary in canaries), path
    again = nacre.open(folder)
    assert again.state.digest == live.state.digest
    checked = again.verify()
    assert (checked.problems, checked.strays) == ((), ())
    assert receipt == again.receipts()[0]
    assert [act.what for act in again.history()][-2:] == ["absorb", "erase"]
    assert again.origins == sorted(path.name for path in paths[1:])
    assert line_of(again, "2026-02.parquet").principal == "feed"
    with pytest.raises(nacre.errors.Erased):
        again.absorb(paths[0])
    with pytest.raises(NotFound):
        again.at(before.moment)
    assert again.lineage() is not None
    assert again.absorb(paths[0], again=True).n_batches == 1
    assert again.state.told.n_rows == 300
    again.erase("2026-02.parquet")
    assert again.verify().problems == ()


def test_without_the_other_sources_it_is_refused(tmp_path: Path) -> None:
    paths = kept(tmp_path / "data", 3)
    live = opened(tmp_path / "live", LEARNERS["micro"]())
    for path in paths:
        live.absorb(path)
    before = live.version, live.state.digest
    paths[1].unlink()
    with pytest.raises(NeedsRefit, match=r"frame needs '2026-02\.parquet' whose sources"):
        live.erase("2026-01.parquet")
    live.reopen()
    assert (live.version, live.state.digest) == before
    live.erase("2026-02.parquet")  # whose source need not be there
    live.erase("2026-01.parquet")
    assert live.state.digest == plain(LEARNERS["micro"](), paths[2:], root=tmp_path / "data")
    with pytest.raises(BadInput, match="no batch to begin again with"):
        live.erase("2026-03.parquet")


def test_a_crash_before_all_is_gone_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = kept(tmp_path / "data", 3)
    live = opened(tmp_path / "live", LEARNERS["micro"]())
    for path in paths:
        live.absorb(path)
    with monkeypatch.context() as patch:
        patch.setattr("nacre.live.writer.finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            live.erase("2026-01.parquet")
    again = nacre.open(tmp_path / "live")
    assert again.state.digest == plain(LEARNERS["micro"](), paths[1:], root=tmp_path / "data")
    checked = again.verify()
    assert (checked.problems, checked.strays) == ((), ())
    assert len(again.receipts()) == 1


def interrupt(version: Any) -> None:
    raise KeyboardInterrupt
