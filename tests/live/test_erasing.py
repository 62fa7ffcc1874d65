"""Erased batches are as if they had never been: in no sum, at no time, in no file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nacre
from nacre.errors import (
    BadInput,
    BadParameter,
    Conflict,
    Erased,
    Folded,
    NeedsRefit,
    NotFound,
    Unavailable,
)
from nacre.kinds import MomentSums
from nacre.live import erasing
from tests.live.lives import batch, bytes_of, is_sum_of, line_of, opened

DAY = 86_400 * 10**9


def fill(live: Any, n: int, first: int = 0) -> dict[str, Any]:
    """Absorb n batches; what they were."""
    rows = {f"b{number}": batch(number) for number in range(first, first + n)}
    for name, X in rows.items():
        live.absorb(X, id=name, principal=f"feed-{int(name[1:]) % 3}")
    return rows


@given(gone=st.sets(st.integers(0, 9), min_size=1, max_size=9))
def test_as_if_it_had_never_been(gone: set[int]) -> None:
    live, never = opened(learner=nacre.PCA(2)), opened(learner=nacre.PCA(2))
    rows = fill(live, 10)
    receipt = live.erase([f"b{number}" for number in sorted(gone)])
    left = {name: X for name, X in rows.items() if int(name[1:]) not in gone}
    for name, X in left.items():
        never.absorb(X, id=name)
    assert live.state.digest == never.state.digest
    is_sum_of(live, left)
    assert receipt.grade == "bits"
    assert receipt.n_rows == 40 * len(gone)
    assert receipt.after == live._version.commit.act.digest


@pytest.mark.parametrize("n", [5, 70, 140])
def test_no_file_holds_a_trace(n: int, tmp_path: Path) -> None:
    """The canary: sums of a batch are bytes that nothing else has."""
    folder = tmp_path / "live"
    live = opened(folder)
    rows = fill(live, n)
    number = min(n - 1, 66)
    data = bytes_of(live, f"b{number}")
    told = live._shelf.summary(line_of(live, f"b{number}"))
    (moments,) = (value for value in vars(told).values() if isinstance(value, MomentSums))
    canaries = [data, moments.mean.tobytes(), moments.m2.tobytes(), moments.mean[:1].tobytes()]
    held = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert all(any(canary in one for one in held) for canary in canaries)
    live.window("1000000d")  # sums that are kept
    live.erase(f"b{number}")
    for path in folder.rglob("*"):
        if path.is_file():
            found = path.read_bytes()
            assert not any(canary in found for canary in canaries), path
    del rows[f"b{number}"]
    again = nacre.open(folder)
    is_sum_of(again, rows)
    checked = again.verify()
    assert (checked.problems, checked.strays) == ((), ())
    assert len(list(again.history())) == n + 1
    fill(again, 70, first=200)
    is_sum_of(nacre.open(folder), rows | {f"b{m}": batch(m) for m in range(200, 270)})


def test_it_does_not_come_back_by_itself(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    rows = fill(live, 4)
    live.erase("b2")
    for one in (live, nacre.open(tmp_path / "live")):
        with pytest.raises(Erased, match="again=True"):
            one.absorb(batch(2), id="b2")
        with pytest.raises(Erased, match="rows that were"):
            one.absorb(batch(2), id="under another name")
        with pytest.raises(Erased):
            one.absorb(batch(77), id="b2")
        with pytest.raises(NotFound):
            one.erase("b2")
        with pytest.raises(NotFound):
            one.replace("b2", batch(5))
    live.reopen()
    live.absorb(batch(2), id="b2", again=True)
    is_sum_of(live, rows)
    assert live.absorb(batch(2), id="b2").n_known == 1
    with pytest.raises(Conflict):
        live.absorb(batch(3), id="b2", again=True)


def test_nor_when_it_begins_anew(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    fill(live, 4)
    live.erase("b2")
    live.fit(batch(9), id="b9")
    for one in (live, nacre.open(tmp_path / "live")):
        with pytest.raises(Erased):
            one.absorb(batch(2), id="b2")
        with pytest.raises(Erased, match="rows that were"):
            one.absorb(batch(2), id="x")
    is_sum_of(live, {"b9": batch(9)})
    live.fit(batch(2), id="b2")  # said outright
    is_sum_of(live, {"b2": batch(2)})
    assert live.absorb(batch(2), id="b2").n_known == 1


def test_an_earlier_moment_names_what_is_missing(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    fill(live, 4)
    moment = line_of(live, "b3").absorbed
    live.erase("b2")
    then = live.at(moment)
    assert then.covered_.n_batches == 3
    assert [one.id for one in then.covered_.missing] == ["b2"]
    assert live.model.covered_.missing == ()


def test_what_was_replaced_goes_too(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    rows = fill(live, 3)
    old = bytes_of(live, "b1")
    live.replace("b1", batch(50))
    live.erase("b1")
    del rows["b1"]
    is_sum_of(live, rows)
    for path in (tmp_path / "live").rglob("*"):
        assert not path.is_file() or old not in path.read_bytes()
    with pytest.raises(Erased, match="rows that were"):
        live.absorb(batch(50), id="x")


def test_all_of_one_principal() -> None:
    live = opened()
    rows = fill(live, 9)
    receipt = live.erase(principal="feed-1")
    assert receipt.ids == ("b1", "b4", "b7")
    is_sum_of(live, {name: X for name, X in rows.items() if int(name[1:]) % 3 != 1})
    for ids in ([], ["b0"]):
        with pytest.raises(NotFound, match="feed-1"):
            live.erase(ids, principal="feed-1")
    assert live.receipts() == [receipt]
    assert receipt.after in receipt.check


def test_what_the_frame_was_made_from_is_named() -> None:
    live = opened(learner=nacre.chain(nacre.Scale(), nacre.PCA(2)))
    fill(live, 3)
    before = live.state.digest, live.version
    assert live.origins == ["b0"]
    with pytest.raises(NeedsRefit, match="'b0' to erase, which the frame was made from"):
        live.erase(["b1", "b0"])
    assert (live.state.digest, live.version) == before
    live.erase("b1")
    plain = opened(learner=nacre.PCA(2))
    fill(plain, 2)
    assert plain.origins == []
    plain.erase("b0")
    is_sum_of(plain, {"b1": batch(1)})


def test_what_cannot_be_erased(tmp_path: Path) -> None:
    live = opened()
    fill(live, 2)
    before = live.state.digest, live.version
    with pytest.raises(NotFound, match="no batch 'b7'"):
        live.erase(["b0", "b7"])
    with pytest.raises(BadInput, match="all batches"):
        live.erase(["b0", "b1"])
    with pytest.raises(BadParameter, match="nothing to erase"):
        live.erase()
    with pytest.raises(BadInput, match="begin with 'erased:'"):
        live.absorb(batch(3), id="erased:x")
    assert (live.state.digest, live.version) == before
    running = opened(learner=nacre.KMeans(2))
    fill(running, 2)
    with pytest.raises(NeedsRefit, match="Micro"):
        running.erase("b1")
    folded = opened(tmp_path / "live", retain="10 batches")
    for day in range(70):
        folded.absorb(batch(day), id=f"b{day}", time=(day + 1) * DAY)
    with pytest.raises(Folded):
        folded.erase("b3")
    folded.erase("b69")


def test_after_a_crash_the_next_that_opens_it_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "live"
    live = opened(folder)
    rows = fill(live, 70)
    data = bytes_of(live, "b5")

    def dies(version: Any) -> None:
        raise Unavailable(got="no disk", wanted="one", do="Mend it.")

    with monkeypatch.context() as patched:
        patched.setattr("nacre.live.writer.finish", dies)
        with pytest.raises(Unavailable):
            live.erase("b5")
        with pytest.warns(RuntimeWarning, match="still there"):
            reader = nacre.open(folder)
        del rows["b5"]
        is_sum_of(reader, rows)
        reader.absorb(batch(100), id="b100")  # what is to go is still told
    rows["b100"] = batch(100)
    assert any(data in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    again = nacre.open(folder)
    is_sum_of(again, rows)
    assert not any(data in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert [receipt.ids for receipt in again.receipts()] == [("b5",)]
    assert again.verify().strays == ()
    again.absorb(batch(101), id="b101")
    assert again._version.commit.doomed == ()


def test_a_receipt_that_was_changed_is_named(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    fill(live, 3)
    live.erase("b1")
    (path,) = (tmp_path / "live" / erasing.RECEIPTS).iterdir()
    told = json.loads(path.read_text())
    assert told["ids"] == ["b1"]
    os.chmod(path, 0o644)
    path.write_text("[]")
    with pytest.raises(nacre.errors.CorruptState, match="receipts"):
        live.receipts()
    np.testing.assert_equal(live.state.told.n_rows, 80)
