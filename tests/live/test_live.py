"""What a live model promises: absorbed once, in any order, and again from its store."""

from __future__ import annotations

import functools
import shutil
import threading
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
    BadType,
    CannotForget,
    Conflict,
    CorruptState,
    DiskFull,
    Erased,
    Fenced,
    NeedsRefit,
    NotFound,
    Occupied,
    Unavailable,
    UnknownName,
)
from nacre.live import collecting
from tests.live.lives import batch, files, is_sum_of, line_of, memory, opened

DAY = 86_400 * 10**9


@pytest.fixture(params=["memory", "disk"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a live model."""
    return memory() if request.param == "memory" else str(tmp_path / "live")


@given(order=st.permutations(range(6)), again=st.lists(st.integers(0, 5), max_size=4))
def test_absorbed_once_in_any_order(order: list[int], again: list[int]) -> None:
    live = opened(learner=nacre.PCA(2))
    live.absorb(batch(99), id="first")
    for number in [*order, *again]:
        live.absorb(batch(number), id=f"b{number}")
    is_sum_of(live, {"first": batch(99)} | {f"b{n}": batch(n) for n in range(6)})


def test_the_first_batch_is_a_fit_and_makes_the_frame(where: str) -> None:
    live = opened(where, nacre.PCA(2))
    done = live.absorb(batch(0), id="monday")
    plain = nacre.PCA(2).fit(nacre.read(batch(0), id="monday"))
    assert (done.version, done.n_batches, done.n_rows, done.n_known) == (1, 1, 40, 0)
    assert live.state.digest == plain.state_.digest
    np.testing.assert_array_equal(live.components_, plain.components_)
    np.testing.assert_array_equal(live.transform(batch(1)), plain.transform(batch(1)))


def test_a_batch_again_changes_nothing(where: str) -> None:
    live = opened(where)
    live.absorb(batch(0))
    before = live.state.digest, live.version
    done = live.absorb(batch(0))
    assert (done.n_batches, done.n_rows, done.n_known, done.n_known_rows) == (0, 0, 1, 40)
    assert "an id of their own" in done.note
    assert (live.state.digest, live.version) == before
    twice = live.absorb(batch(0), id="on purpose")
    assert (twice.n_batches, twice.note) == (1, "")


def test_opened_again_it_is_the_same(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    for number in range(70):  # past a checkpoint
        live.absorb(batch(number), id=f"b{number}")
    again = opened(tmp_path / "live", None)
    rows = {f"b{number}": batch(number) for number in range(70)}
    is_sum_of(again, rows)
    assert again.state.digest == live.state.digest
    assert [act.number for act in again.history()] == list(range(1, 71))
    assert again.verify().problems == ()
    assert again.absorb(batch(3), id="b3").n_known == 1
    again.absorb(batch(70), id="b70")
    is_sum_of(again, rows | {"b70": batch(70)})


def test_a_copied_store_is_a_live_model(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    live.absorb(batch(0), id="a")
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    copy = nacre.open(tmp_path / "copy")
    copy.absorb(batch(1), id="b")
    live.absorb(batch(1), id="b")
    assert copy.state.digest == live.state.digest


def test_other_content_is_a_conflict_that_names_replace(where: str) -> None:
    live = opened(where)
    live.absorb(batch(0), id="monday")
    live.absorb(batch(1), id="tuesday")
    before = live.state.digest
    with pytest.raises(Conflict, match=r"replace\('monday'"):
        live.absorb(batch(2), id="monday")
    assert live.state.digest == before
    live.replace("monday", batch(2))
    is_sum_of(live, {"monday": batch(2), "tuesday": batch(1)})
    assert [line.ended is None for line in live.ledger.lines("monday")] == [False, True]
    assert live.replace("monday", batch(2)).n_known == 1
    with pytest.raises(NotFound, match="no batch 'sunday'"):
        live.replace("sunday", batch(3))
    is_sum_of(nacre.open(where), {"monday": batch(2), "tuesday": batch(1)})


def test_files_have_the_ids_that_they_had_in_the_first_fit(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    paths = files(data, 4)
    live = opened(tmp_path / "live", nacre.PCA(2))
    live.absorb([paths[0], paths[1]], time=r"(\d{4}-\d{2})")
    live.absorb(data / "2026-03.parquet", time=r"(\d{4}-\d{2})")
    done = live.absorb(data, time=r"(\d{4}-\d{2})")
    assert (done.n_batches, done.n_known) == (1, 3)
    plain = nacre.PCA(2).fit(nacre.read(data, time=r"(\d{4}-\d{2})"))
    assert live.state.digest == plain.state_.digest
    assert {line.id for line in live.ledger} == {path.name for path in paths}
    paths[2].write_bytes(paths[3].read_bytes())
    with pytest.raises(Conflict, match=r"2026-03\.parquet"):
        live.absorb(data)


def test_windows_and_earlier_times(where: str) -> None:
    live = opened(where)
    moments = []
    for day in range(8):
        live.absorb(batch(day), id=f"day {day}", time=day * DAY + 1)
        moments.append(line_of(live, f"day {day}").absorbed)
    live.replace("day 2", batch(50), time=2 * DAY + 1)
    rows = {f"day {day}": batch(day) for day in range(8)} | {"day 2": batch(50)}

    def same(model: Any, days: list[int], rows: dict[str, Any] = rows) -> None:
        plain = opened()
        plain.absorb(batch(0), id="day 0", time=1)
        other = opened()
        for day in days:
            other.absorb(rows[f"day {day}"], id=f"day {day}", time=day * DAY + 1)
        np.testing.assert_array_equal(model.mean_, other.mean_)
        np.testing.assert_array_equal(model.scale_, other.scale_)
        assert model.covered_.n_batches == len(days)

    same(live.window("3d"), [5, 6, 7])
    same(live.window("3d", until=5 * DAY + 1), [3, 4, 5])
    same(live.window("3d", until="1970-01-04"), [0, 1, 2])
    same(live.as_of(3 * DAY + 1), [0, 1, 2, 3])
    same(live.at(moments[4]), [0, 1, 2, 3, 4], {f"day {day}": batch(day) for day in range(8)})
    same(live.model, list(range(8)))
    with pytest.raises(NotFound, match="no batch in"):
        live.window("1d", until=20 * DAY)
    with pytest.raises(NotFound, match="no batch in the moment"):
        live.at(moments[0] - 1)
    with pytest.raises(BadParameter, match="months"):
        live.window("3 months")
    assert live.model.covered_.first == 1
    assert live.model.covered_.last == 7 * DAY + 1


def test_what_old_batches_count_is_a_matter_of_reading(where: str) -> None:
    live = opened(where)
    for day in range(6):
        live.absorb(batch(day), id=f"day {day}", time=(day + 1) * DAY)
    whole = live.model.mean_
    faded = nacre.open(where, forget="1d") if "memory" not in where else opened(where, forget="1d")
    weights = 0.5 ** np.arange(5, -1, -1)
    means = np.stack([batch(day).mean(axis=0) for day in range(6)])
    np.testing.assert_allclose(faded.mean_, np.average(means, axis=0, weights=weights), rtol=1e-12)
    last = opened(where, forget="last 2")
    np.testing.assert_allclose(last.mean_, means[4:].mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(opened(where).mean_, whole)


def test_old_leaves_are_folded_and_the_sum_keeps_its_bits(tmp_path: Path) -> None:
    rows = {f"day {day}": batch(day) for day in range(140)}
    live = opened(tmp_path / "live", retain="50 batches")
    plain = opened()
    for day, X in enumerate(rows.values()):
        for one in (live, plain):
            one.absorb(X, id=f"day {day}", time=(day + 1) * DAY)
    assert live.state.digest == plain.state.digest
    again = nacre.open(tmp_path / "live")
    assert again.state.digest == plain.state.digest
    assert again._version.commit.folds
    assert len(again.ledger) == 140
    assert again.absorb(rows["day 3"], id="day 3", time=4 * DAY).n_known == 1
    with pytest.raises(nacre.errors.Folded, match="batches of 1970"):
        again.as_of(10 * DAY)
    np.testing.assert_array_equal(again.window("20d").mean_, plain.window("20d").mean_)
    assert again.verify().problems == ()


def test_a_second_writer_fences_the_first(tmp_path: Path) -> None:
    first = opened(tmp_path / "live")
    first.absorb(batch(0), id="a")
    second = nacre.open(tmp_path / "live")
    second.absorb(batch(1), id="b")
    before = second.state.digest
    with pytest.raises(Fenced, match="Open the live model again"):
        first.absorb(batch(2), id="c")
    assert nacre.open(tmp_path / "live").state.digest == before
    first.reopen()
    assert first.absorb(batch(1), id="b").n_known == 1
    first.absorb(batch(2), id="c")
    is_sum_of(first, {"a": batch(0), "b": batch(1), "c": batch(2)})
    assert [act.epoch for act in first.history()] == [1, 2, 3]


def test_threads_share_commits(where: str) -> None:
    live = opened(where)
    live.absorb(batch(0), id="b0")
    failed: list[BaseException] = []

    def absorb(number: int) -> None:
        try:
            for one in range(number, 61, 10):
                live.absorb(batch(one), id=f"b{one}")
                live.absorb(batch(one), id=f"b{one}")
        except BaseException as error:  # told to the test
            failed.append(error)

    threads = [threading.Thread(target=absorb, args=(number,)) for number in range(1, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    is_sum_of(live, {f"b{number}": batch(number) for number in range(61)})
    is_sum_of(opened(where), {f"b{number}": batch(number) for number in range(61)})


def test_an_error_of_one_thread_is_its_own(where: str) -> None:
    live = opened(where)
    live.absorb(batch(0), id="a")
    with pytest.raises(Conflict):
        live.absorb(batch(1), id="a")
    live.absorb(batch(1), id="b")
    is_sum_of(live, {"a": batch(0), "b": batch(1)})


@given(
    runs=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=6),
    learner=st.sampled_from([nacre.Scale, nacre.KMeans]),
)
def test_numbered_rows_count_once(runs: list[tuple[int, int]], learner: Any) -> None:
    stream = batch(0, 80)
    live = opened(learner=learner(3) if learner is nacre.KMeans else learner())
    seen: set[int] = set()
    for first, n in runs if learner is nacre.Scale else [(0, 20), *runs]:
        fresh = set(range(first, first + n)) - seen
        done = live.absorb(stream[first : first + n], id=("orders", first))
        assert (done.n_rows, done.n_known_rows) == (len(fresh), n - len(fresh))
        seen |= fresh
    at = sorted(seen)
    told = live.state.told
    assert told.n_rows == len(at)
    if learner is nacre.Scale:
        np.testing.assert_allclose(live.mean_, stream[at].mean(axis=0), rtol=1e-9, atol=1e-12)


def test_a_learner_whose_frame_moves_keeps_one_running_sum(where: str) -> None:
    live = opened(where, nacre.KMeans(3, random_state=0))
    plain = nacre.KMeans(3, random_state=0)
    moments = []
    for number in range(5):
        live.absorb(batch(number), id=f"b{number}")
        moments.append(line_of(live, f"b{number}").absorbed)
    plain.fit(nacre.read(batch(0), id="b0"))
    for number in range(1, 5):
        plain.partial_fit(batch(number))
    np.testing.assert_allclose(live.cluster_centers_, plain.cluster_centers_)
    again = (
        nacre.open(where)
        if "memory" not in where
        else opened(where, nacre.KMeans(3, random_state=0))
    )
    assert again.state.digest == live.state.digest
    assert again.absorb(batch(2), id="b2").n_known == 1
    for verb in (
        lambda: live.window("1d"),
        lambda: live.as_of(0),
        lambda: live.replace("b1", batch(9)),
    ):
        with pytest.raises(NeedsRefit, match=r"Micro\(KMeans"):
            verb()
    then = live.at(moments[2])
    assert then.state_.told.n_rows == 3 * 40
    assert live.verify().problems == ()


def test_a_running_sum_forgets_by_its_clock(where: str) -> None:
    order = [0, 1, 2, 3]
    late = [0, 3, 1, 2]
    weights = 0.5 ** np.array([3, 2, 1, 0])
    means = np.stack([batch(day).mean(axis=0) for day in order])
    wanted = np.average(means, axis=0, weights=weights)
    for days in (order, late):
        live = opened(learner=nacre.KMeans(1), forget="1d")
        for day in days:
            live.absorb(batch(day), id=f"{day}", time=(day + 1) * DAY)
        np.testing.assert_allclose(live.cluster_centers_[0], wanted, rtol=1e-9)
    by_rows = opened(learner=nacre.KMeans(1), forget="40 rows")
    for day in order:
        by_rows.absorb(batch(day), id=f"{day}")
    np.testing.assert_allclose(by_rows.cluster_centers_[0], wanted, rtol=1e-9)
    live = opened(where, nacre.KMeans(1), forget="1d")
    live.absorb(batch(0), id="a")
    with pytest.raises(BadParameter, match="half-life 1d"):
        opened(where, nacre.KMeans(1), forget="2d")


def test_a_running_sum_says_when_it_cannot_forget(where: str) -> None:
    live = opened(where, nacre.KMeans(2), forget="last 3")
    with pytest.raises(CannotForget, match="Micro"):
        live.absorb(batch(0), id="a")
    assert live.version == 0


def test_another_learner_than_the_store_has(tmp_path: Path) -> None:
    opened(tmp_path / "live", nacre.PCA(2)).absorb(batch(0), id="a")
    with pytest.raises(BadParameter, match=r"(?s)got Scale .*wanted PCA"):
        nacre.open(tmp_path / "live", nacre.Scale())
    with pytest.raises(BadParameter, match=r"(?s)n_components=3.*n_components=2"):
        nacre.open(tmp_path / "live", nacre.PCA(3))
    assert nacre.open(tmp_path / "live", nacre.PCA(2)).version == 1


def test_nothing_is_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        nacre.open(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no live model"):
        nacre.open(tmp_path / "empty")
    live = opened(tmp_path / "live")
    assert "nothing absorbed yet" in repr(live)
    with pytest.raises(NotFound, match="absorbed nothing"):
        live.transform(batch(0))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(Occupied, match=r"holds mine\.txt"):
        opened(tmp_path / "notes")


BAD: list[tuple[Any, dict[str, Any], type[Exception]]] = [
    (np.full((3, 3), np.nan), {}, BadInput),
    (batch(1, d=4), {}, BadInput),
    (np.zeros((0, 3)), {}, BadInput),
    (np.array([["a", "b", "c"]]), {}, BadInput),
    ("nothing.parquet", {}, NotFound),
    (batch(1), {"id": 7}, BadParameter),
    (batch(1), {"id": "orders@7"}, BadInput),
    (batch(1), {"id": ("or ders", 7)}, BadParameter),
    (batch(1), {"id": ("orders", -1)}, BadInput),
    (batch(1), {"time": "yesterday"}, BadParameter),
    (batch(1), {"principal": 5}, BadParameter),
    (nacre.read(batch(1), id="x"), {"id": "y"}, BadParameter),
    (object(), {}, BadType),
]


@pytest.mark.parametrize(("data", "options", "error"), BAD)
def test_bad_input_changes_nothing(
    data: Any, options: dict[str, Any], error: type[Exception], where: str
) -> None:
    live = opened(where)
    live.absorb(batch(0), id="a")
    before = live.state.digest, live.version, len(live.ledger)
    with pytest.raises(error):
        live.absorb(data, **options)
    with pytest.raises(error):
        live.replace("a", data, **{k: v for k, v in options.items() if k != "id"}) if (
            "id" not in options
        ) else live.absorb(data, **options)
    assert (live.state.digest, live.version, len(live.ledger)) == before
    live.absorb(batch(1), id="b")


def test_names_that_it_does_not_have() -> None:
    live = opened()
    live.absorb(batch(0), id="a")
    with pytest.raises(UnknownName, match=r"live\.predikt"):
        _ = live.predikt
    with pytest.raises(AttributeError):
        _ = live.cluster_centers_


def test_a_saved_model_begins_to_live(tmp_path: Path) -> None:
    fitted = nacre.Scale().fit(nacre.read(batch(0), id="a"))
    fitted.save(tmp_path / "model")
    live = nacre.open(tmp_path / "model")
    assert live.state.digest == fitted.state_.digest
    live.absorb(batch(1), id="b")
    is_sum_of(live, {"a": batch(0), "b": batch(1)})
    assert not (tmp_path / "model" / "manifest.json").exists()
    assert nacre.load(tmp_path / "model").state_.digest == live.state.digest
    assert live.verify().strays == ()
    with pytest.raises(Occupied, match="a live model"):
        fitted.save(tmp_path / "model")


def test_a_saved_sum_of_many_files_does_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    files(data, 2)
    nacre.Scale().fit(data).save(tmp_path / "model")
    with pytest.raises(NeedsRefit, match="one sum of 2 batches"):
        nacre.open(tmp_path / "model")
    assert nacre.load(tmp_path / "model").mean_.shape == (3,)


def test_fitted_anew_the_ledger_begins_anew_and_the_history_goes_on(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    live.absorb(batch(0), id="a")
    live.absorb(batch(1), id="b")
    live.fit(batch(2), id="c")
    is_sum_of(live, {"c": batch(2)})
    assert [act.what for act in nacre.open(tmp_path / "live").history()] == [
        "begin",
        "absorb",
        "begin",
    ]


def problems_of(folder: Path) -> tuple[str, ...]:
    """What opening and verifying a live model say."""
    try:
        return nacre.open(folder).verify().problems
    except CorruptState as error:
        return (error.message,)


def test_damage_is_named(tmp_path: Path) -> None:
    """2 s: each object is damaged in three places, and all is read each time."""
    folder = tmp_path / "live"
    live = opened(folder)
    for number in range(66):
        live.absorb(batch(number), id=f"b{number}")
    commits = sorted(folder.glob("commits/*/*"))
    for path in [*commits[:1], *commits[-3:], *sorted(folder.glob("blobs/*"))]:
        data = path.read_bytes()
        for at in (0, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            found = problems_of(folder)
            assert any(path.name in problem for problem in found), (path, at, found)
        path.write_bytes(data)
    assert problems_of(folder) == ()


def test_old_commits_are_collected(tmp_path: Path) -> None:
    live = opened(tmp_path / "live")
    rows = {f"b{number}": batch(number) for number in range(200)}
    for name, X in rows.items():
        live.absorb(X, id=name)
    middle = line_of(live, "b100").absorbed
    then = live.at(middle).mean_
    done = live.collect(young="1ns")
    assert done.n_commits == 191
    assert [int(path.name) for path in sorted((tmp_path / "live").rglob("commits/*/*"))] == list(
        range(192, 201)
    )
    again = nacre.open(tmp_path / "live")
    is_sum_of(again, rows)
    assert again.verify().problems == ()
    assert again.verify().strays == ()
    assert len(list(again.history())) == 200
    np.testing.assert_array_equal(again.at(middle).mean_, then)
    again.absorb(batch(200), id="b200")
    is_sum_of(again, rows | {"b200": batch(200)})


def test_numbered_runs_are_erased_as_they_came(where: str) -> None:
    stream = batch(0, 60)
    live = opened(where)
    live.absorb(batch(9), id="first")
    for first in (0, 20, 40):
        live.absorb(stream[first : first + 20], id=("orders", first))
    live.erase("orders@20")
    assert live.state.told.n_rows == 40 + 40
    with pytest.raises(Erased):
        live.absorb(stream[20:40], id=("orders", 20))
    assert live.absorb(stream[20:40], id=("orders", 20), again=True).n_rows == 20
    assert live.absorb(stream, id=("orders", 0)).n_known_rows == 60


def test_after_an_error_the_same_again_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = opened(tmp_path / "live")
    live.absorb(batch(0), id="b0")
    real = live._shelf.log.append

    def lost(*arguments: Any) -> None:
        real(*arguments)
        raise Unavailable(got="no answer", wanted="one", do="Look again.")

    def failed(*arguments: Any) -> None:
        raise DiskFull(got="no room", wanted="some", do="Make some.")

    for number, fails in enumerate((lost, failed, lost), start=1):
        with monkeypatch.context() as patched:
            patched.setattr(live._shelf.log, "append", fails)
            with pytest.raises((Unavailable, DiskFull)):
                live.absorb(batch(number), id=f"b{number}")
        done = live.absorb(batch(number), id=f"b{number}")
        assert done.n_batches + done.n_known == 1
        is_sum_of(live, {f"b{n}": batch(n) for n in range(number + 1)})
    is_sum_of(nacre.open(tmp_path / "live"), {f"b{n}": batch(n) for n in range(4)})


def test_old_commits_are_collected_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nacre.live.collecting.due", lambda version: version.number == 128)
    soon = functools.partial(collecting.collect, young=1)
    monkeypatch.setattr("nacre.live.collecting.collect", soon)
    live = opened(tmp_path / "live")
    rows = {f"b{number}": batch(number) for number in range(130)}
    for name, X in rows.items():
        live.absorb(X, id=name)
    assert len(list((tmp_path / "live").glob("commits/*/*"))) < 130
    is_sum_of(nacre.open(tmp_path / "live"), rows)
