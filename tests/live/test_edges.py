"""The worst moments: a checkpoint, a fold, an interrupt, a name that no ledger could keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nacre
from nacre.errors import (
    BadInput,
    BadParameter,
    Erased,
    Fenced,
    Folded,
    NacreError,
    NotFound,
    Unavailable,
)
from nacre.live import writer
from nacre.live.requests import Request
from nacre.live.taking import Source
from nacre.store import life
from tests.live.lives import batch, is_sum_of, memory, opened

DAY = 86_400 * 10**9


def filled(live: nacre.Live, n: int, first: int = 0, *, timed: bool = False) -> dict[str, Any]:
    """Absorb n batches, one a day; what they were."""
    rows = {f"b{number}": batch(number) for number in range(first, first + n)}
    for day, (name, X) in enumerate(rows.items()):
        live.absorb(X, name, (first + day + 2) * DAY if timed else None)
    return rows


def same_again(where: str, n_rows: int) -> None:
    """Opened again it has these rows, and the sum that was committed."""
    again = opened(where)
    assert again.state.told.n_rows == n_rows
    assert again.verify().problems == ()


def test_a_late_batch_in_the_commit_that_folds() -> None:
    where = memory()
    live = opened(where, retain="10 batches")
    filled(live, 63, timed=True)
    live.absorb(batch(99), "late", DAY)
    assert live.version == 64
    same_again(where, 64 * 40)
    filled(live, 64, 100, timed=True)
    same_again(where, 128 * 40)


@pytest.mark.parametrize("retain", ["10 batches", 1])
def test_old_batches_without_times_are_folded(retain: str | int) -> None:
    where = memory()
    live = opened(where, retain=retain)
    filled(live, 130)
    assert live._version.commit.folds
    same_again(where, 130 * 40)


def test_what_is_folded_cannot_be_replaced() -> None:
    live = opened(retain="10 batches")
    filled(live, 70, timed=True)
    before = live.state.digest
    with pytest.raises(Folded, match="the batch 'b3'"):
        live.replace("b3", batch(99))
    assert live.state.digest == before
    live.replace("b68", batch(99), time=70 * DAY)
    assert live.state.told.n_rows == 70 * 40


def test_blobs_that_a_checkpoint_took_over_are_not_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = memory()
    live = opened(where)
    monkeypatch.setattr(writer, "MOST_INLINE", 10)  # every leaf is a blob
    rows = filled(live, 70)
    live.replace("b3", batch(99))  # its old line stands in a commit again
    rows |= {"b3": batch(99)} | filled(live, 64, 70)
    assert live.collect("1ns").n_commits > 60
    assert live.verify().problems == ()
    is_sum_of(opened(where), rows)


def test_packs_that_a_replaced_line_names_are_not_collected() -> None:
    where = memory()
    live = opened(where)
    rows = filled(live, 70)
    live.replace("b3", batch(99))
    rows |= {"b3": batch(99)} | filled(live, 64, 70)
    live.collect("1ns")
    assert live.verify().problems == ()
    is_sum_of(opened(where), rows)


def test_an_interrupt_acknowledges_nothing_to_other_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = opened()
    live.absorb(batch(0), "a")
    mine, theirs = (
        Request(live._taken(Source(batch(number), f"b{number}"))[0]) for number in (1, 2)
    )
    live._writer._waiting.append(theirs)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(live._shelf.log, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            live._writer.submit(mine)
    assert theirs.done
    assert isinstance(theirs.error, Unavailable)
    is_sum_of(live, {"a": batch(0)})


def test_rows_that_were_observed_before_a_new_beginning() -> None:
    live = opened(learner=nacre.chain(nacre.Scale(), nacre.PCA(2)))
    live.absorb(batch(0), "a")
    late = Request(live._taken(Source(batch(1), "b"))[0])
    live.fit(batch(2, 70) * 100, "c")
    with pytest.raises(Fenced, match="began anew"):
        live._writer.submit(late)
    assert [line.id for line in live.ledger] == ["c"]


def test_a_run_that_was_cut_short_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    live, X = opened(learner=nacre.KMeans(2, random_state=0)), batch(0, 80)
    live.absorb(X[:20], ("orders", 0))
    live.absorb(X[40:50], ("orders", 40))
    learn = live._writer.learn
    done: list[Any] = []

    def once(*arguments: Any, **more: Any) -> Any:
        if done:
            raise Unavailable(got="a disk that fails", wanted="one that does not", do="Repeat.")
        done.append(learn(*arguments, **more))
        return done[0]

    with monkeypatch.context() as patch:
        patch.setattr(live._writer, "learn", once)
        with pytest.raises(Unavailable):
            live.absorb(X[20:60], ("orders", 20))
    again = live.absorb(X[20:60], ("orders", 20))
    assert (again.n_rows, again.n_known_rows) == (10, 30)
    assert live.state.told.n_rows == 60


@pytest.mark.parametrize(
    "id",
    [
        *(("a",), ("a", 1, 2), (["a"], 0), ("a", "5"), ("a", -1), ("a b", 1), ("a", 1.0)),
        *("\udc80", "x" * 5000, 7),
    ],
)
def test_an_id_that_no_ledger_could_keep(id: Any) -> None:
    live = opened()
    live.absorb(batch(0), "a")
    with pytest.raises((BadParameter, BadInput)):
        live.absorb(batch(1), id)
    with pytest.raises((BadParameter, BadInput)):
        live.absorb(batch(1), principal=id)
    with pytest.raises((BadParameter, NotFound)):
        live.replace(id, batch(1))
    with pytest.raises(BadParameter):
        live.replace(None, batch(1))  # type: ignore[arg-type]
    is_sum_of(live, {"a": batch(0)})


def test_offsets_may_be_numbers_of_numpy() -> None:
    int_of_numpy: Any = np.int64(5)
    live = opened()
    live.absorb(batch(0), ("orders", int_of_numpy))
    assert live.absorb(batch(0), ("orders", 5)).n_known_rows == 40


def test_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    import os

    live = opened()
    live.absorb(batch(0, d=1), "a")
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\x80.csv")
    Path(path).write_text("c0\n1.0\n")
    with pytest.raises(NacreError):
        live.absorb(path)
    is_sum_of(live, {"a": batch(0, d=1)})


def test_a_commit_that_nobody_could_read_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    live = opened()
    rows = filled(live, 2)
    monkeypatch.setattr(life, "MOST_TEXT", 2500)
    with pytest.raises(BadInput, match="nobody could read it"):
        filled(live, 9, 2)
    monkeypatch.undo()
    again = opened(live._shelf.place.where)
    assert rows.keys() <= {line.id for line in again.ledger}
    assert again.verify().problems == ()


def test_many_lines_are_packed_before_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_RECENT", 3)
    where = memory()
    live = opened(where)
    rows = filled(live, 20)
    assert len(live._version.commit.recent) <= 5
    is_sum_of(opened(where), rows)
    assert opened(where).verify().problems == ()


def test_a_clock_before_1970(monkeypatch: pytest.MonkeyPatch) -> None:
    where = memory()
    monkeypatch.setattr("nacre.live.writer.time.time_ns", lambda: -5)
    opened(where).absorb(batch(0), "a")
    is_sum_of(opened(where), {"a": batch(0)})


def test_an_erased_content_does_not_come_back_as_a_correction() -> None:
    live = opened(learner=nacre.PCA(2))
    filled(live, 3)
    live.erase("b1")
    with pytest.raises(Erased):
        live.replace("b2", batch(1))
    is_sum_of(live, {"b0": batch(0), "b2": batch(2)})


def test_what_a_live_model_answers_is_listed() -> None:
    live = opened()
    assert {"absorb", "transform", "window"} <= set(dir(live))
    assert not hasattr(live, "predict")
