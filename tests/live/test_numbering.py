"""Clusters keep their numbers from version to version, and no sum knows of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nacre
from nacre.contract import Array
from nacre.errors import CorruptState, NeedsRefit, NotFound
from nacre.live import numbering
from nacre.store.life import Numbering
from tests.live.lives import memory, opened

PLACES = {
    "north": (0.0, 10.0),
    "east": (10.0, 0.0),
    "south": (0.0, -10.0),
    "west": (-10.0, 0.0),
    "far": (30.0, 30.0),
}
DAY = 86_400 * 10**9


def rows(*names: str, seed: int = 0, n: int = 80) -> Array:
    """(n, 2) of each place, close to it."""
    random = np.random.default_rng([seed, 3])
    return np.concatenate([random.normal(PLACES[name], 0.3, size=(n, 2)) for name in names])


def at(*names: str) -> Array:
    """The places themselves, as rows."""
    return np.array([PLACES[name] for name in names])


def living(where: str | None = None, **options: Any) -> Any:
    return opened(where or memory(), nacre.Micro(nacre.KMeans("auto"), n_micro=200), **options)


def kept(live: Any) -> Numbering:
    """What its newest commit carries."""
    found = live._version.commit.numbering
    assert isinstance(found, Numbering)
    return found


@pytest.mark.parametrize("chained", [False, True], ids=["alone", "chained"])
def test_others_keep_their_numbers_while_some_come_and_go(chained: bool) -> None:
    micro = nacre.Micro(nacre.KMeans("auto", random_state=1))
    live = opened(learner=nacre.chain(nacre.Scale(), micro) if chained else micro, forget="last 2")
    all_of_them = ["north", "east", "south", "west"]
    live.absorb(rows(*all_of_them), id="0", time=0)
    first = dict(zip(all_of_them, live.predict(at(*all_of_them)).tolist(), strict=True))
    assert sorted(first.values()) == [0, 1, 2, 3]

    for day in (1, 2):  # the west dies
        live.absorb(rows("north", "east", "south", seed=day), id=str(day), time=day * DAY)
    left = ["north", "east", "south"]
    assert live.predict(at(*left)).tolist() == [first[name] for name in left]
    assert sorted(live.cluster_numbers_) == sorted(first[name] for name in left)

    for day in (3, 4):  # another is born where none was: never under the number of the dead one
        live.absorb(rows(*left, "far", seed=day), id=str(day), time=day * DAY)
        assert live.predict(at(*left)).tolist() == [first[name] for name in left]
        assert live.predict(at("far")).tolist() == [4]

    for day in (5, 6):  # the north dies, the far one stays
        live.absorb(rows("east", "south", "far", seed=day), id=str(day), time=day * DAY)
    assert live.predict(at("east", "south", "far")).tolist() == [first["east"], first["south"], 4]


def test_what_became_of_clusters_is_told() -> None:
    live = living()
    live.absorb(rows("north", "east", n=300), id="0")
    begun = live.history()
    before = next(begun).moment
    for number in range(1, 4):
        live.absorb(rows("north", "east", "west", seed=number, n=300), id=str(number))
    said = live.lineage()
    assert said.by_cells
    (north, west) = live.predict(at("north", "west")).tolist()
    assert north in {one.number for one in said.kept}
    assert west in said.born or any(west in one.into for one in said.split)
    assert str(live.lineage(since=before)) == str(said)
    assert str(live.lineage(since=live._version.commit.act.moment)) == "Nothing moved."
    with pytest.raises(NotFound, match="no batch"):
        live.lineage(since=before - DAY)


@given(order=st.permutations(range(4)))
def test_no_order_of_centres_matters(order: list[int]) -> None:
    """The model's own order may be any: the table follows it."""
    live = opened(learner=nacre.Micro(nacre.KMeans(4)))
    live.absorb(rows("north", "east", "south", "west"), id="0")
    face = live.model
    old = numbering.read(live._shelf, kept(live))
    found = numbering.clusters_of(face)
    assert found is not None
    other = numbering.Clusters(found.centres[order], found.scale, found.weights[order], None)
    assert old.goes_on(2, other).numbers.tolist() == old.numbers[order].tolist()


def test_windows_and_earlier_times_carry_the_numbers(tmp_path: Path) -> None:
    live = living(str(tmp_path / "live"))
    live.absorb(rows("north", "east", "south"), id="0", time=0)
    names = live.predict(at("north", "east", "south")).tolist()
    live.absorb(rows("south", "west", seed=1), id="1", time=10 * DAY)
    (west,) = live.predict(at("west")).tolist()
    assert west not in names
    week = live.window("7d")
    assert week.predict(at("south", "west")).tolist() == [names[2], west]
    assert week.cluster_numbers_.tolist() == sorted(
        [names[2], west], key=list(week.cluster_numbers_).index
    )
    assert live.as_of(5 * DAY).predict(at("north", "east", "south")).tolist() == names
    first = next(live.history()).moment
    assert live.at(first).predict(at("north", "east", "south")).tolist() == names
    again = nacre.open(tmp_path / "live")
    assert again.window("7d").predict(at("south", "west")).tolist() == [names[2], west]
    assert nacre.load(tmp_path / "live").predict(at("west")).tolist() == [west]


def test_two_readers_agree_and_a_writer_goes_on_from_what_they_saw(tmp_path: Path) -> None:
    writer = living(str(tmp_path / "live"))
    writer.absorb(rows("north", "east"), id="0")
    writer.absorb(rows("north", "east", "far", seed=1), id="1")  # nobody has asked yet
    one, other = nacre.open(tmp_path / "live"), nacre.open(tmp_path / "live")
    seen = one.predict(at("north", "east", "far"))
    np.testing.assert_array_equal(other.predict(at("north", "east", "far")), seen)
    number = seen[2]
    assert kept(writer).number == 1
    later = nacre.open(tmp_path / "live")
    later.absorb(rows("north", "east", seed=2), id="2")  # its first commit takes over what was seen
    assert kept(later).number == 2
    assert number in kept(later).numbers
    assert later.predict(at("far")).tolist() == [number]


def test_an_absorb_fits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    live = living()
    live.absorb(rows("north", "east"), id="0")
    asked = []
    advance = nacre.Micro.advance

    def counted(self: Any, model: Any, told: Any) -> Any:
        asked.append(model)
        return advance(self, model, told)

    monkeypatch.setattr(nacre.Micro, "advance", counted)
    for number in range(70):  # past a checkpoint
        live.absorb(rows("north", "east", seed=number), id=f"b{number}")
    assert not asked
    assert kept(live).number == 1
    assert live.predict(at("north")) is not None
    assert asked


def test_no_sum_knows_of_numbers() -> None:
    """Two that were looked at differently, and one pass over all, have one state."""
    looked, not_looked = living(), living()
    for number in range(5):
        X = rows("north", "east", *["far"][: number % 2], seed=number)
        for live in (looked, not_looked):
            live.absorb(X, id=f"b{number}")
        looked.predict(X)
    assert looked.state.digest == not_looked.state.digest
    assert looked.version == not_looked.version
    acts = [[act.digest for act in live.history()] for live in (looked, not_looked)]
    assert acts[0] == acts[1]
    assert not hasattr(looked.state, "numbers")


def test_a_table_that_says_nothing_new_is_not_written_again(tmp_path: Path) -> None:
    live = living(str(tmp_path / "live"))
    live.absorb(rows("north", "east"), id="0")
    for number in range(1, 6):
        live.absorb(rows("north", "east", seed=number), id=f"b{number}")
        live.predict(at("north"))
    assert len(os.listdir(tmp_path / "live" / "numbers")) == 1


def test_what_is_erased_is_in_no_table(tmp_path: Path) -> None:
    live = living(str(tmp_path / "live"))
    live.absorb(rows("north", "east"), id="0")
    live.absorb(rows("north", "east", "far", seed=1), id="1")
    (number,) = live.predict(at("far")).tolist()
    live.absorb(rows("north", "east", seed=2), id="2")
    old = numbering.read(live._shelf, kept(live))
    far = old.centres[old.numbers.tolist().index(number)]
    names = live.predict(at("north", "east")).tolist()
    live.erase("1")
    held = [path.read_bytes() for path in (tmp_path / "live").rglob("*") if path.is_file()]
    assert not any(far.tobytes() in data for data in held)
    assert live.predict(at("north", "east")).tolist() == names
    assert nacre.open(tmp_path / "live").predict(at("north", "east")).tolist() == names
    checked = live.verify()
    assert (checked.problems, checked.strays) == ((), ())
    live.absorb(rows("north", "east", "far", seed=4), id="again")
    assert live.predict(at("far")).item() not in {number, *names}  # it is another one, who knows


def test_a_running_model_keeps_the_order_of_its_centres(tmp_path: Path) -> None:
    live = opened(tmp_path / "live", nacre.KMeans(3, random_state=0))
    live.absorb(rows("north", "east", "south"), id="0")
    names = live.predict(at("north", "east", "south")).tolist()
    for number in range(1, 4):
        live.absorb(rows("north", "east", "south", seed=number), id=f"b{number}")
    assert live.cluster_numbers_.tolist() == [0, 1, 2]
    assert nacre.open(tmp_path / "live").predict(at("north", "east", "south")).tolist() == names
    assert live.lineage().kept[0].number == 0
    live.fit(rows("south", "far", "east", n=100), id="anew")  # the north is gone, the far one new
    assert live.predict(at("south", "east", "far")).tolist() == [names[2], names[1], 3]


def test_a_new_beginning_in_another_space_uses_no_number_again() -> None:
    learner = nacre.chain(nacre.Scale(), nacre.Micro(nacre.KMeans(2)))
    live = opened(learner=learner)
    live.absorb(rows("north", "east"), id="0")
    assert sorted(live.cluster_numbers_) == [0, 1]
    live.fit(5 * rows("north", "east", seed=1), id="1")
    assert sorted(live.cluster_numbers_) == [2, 3]


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    live = living(str(tmp_path / "live"))
    live.absorb(rows("north", "east"), id="0")
    live.absorb(rows("north", "east", seed=1), id="1")
    (path,) = (tmp_path / "live" / "numbers").iterdir()
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    again = nacre.open(tmp_path / "live")
    with pytest.raises(CorruptState, match="numbers/"):
        again.predict(at("north"))
    assert again.state.digest == live.state.digest
    assert any("numbers/" in problem for problem in again.verify().problems)
    assert again.absorb(rows("north", "east", seed=2), id="2").n_batches == 1


@pytest.mark.parametrize("damage", [b"", b"{}", b"0" * 64 + b"{}\n"])
def test_what_is_in_the_cache_need_not_be_whole(damage: bytes, tmp_path: Path) -> None:
    live = living(str(tmp_path / "live"))
    live.absorb(rows("north", "east"), id="0")
    live.absorb(rows("north", "east", "far", seed=1), id="1")
    nacre.open(tmp_path / "live").predict(at("north"))
    (tmp_path / "live" / "cache" / "numbers").write_bytes(damage)
    later = nacre.open(tmp_path / "live")
    later.absorb(rows("north", "east", seed=2), id="2")
    assert kept(later).number == 1


def test_tables_of_commits_that_are_gone_are_collected(tmp_path: Path) -> None:
    live = living(str(tmp_path / "live"))
    names = ["north", "east", "south", "west", "far"]
    for number in range(1, 6):  # a cluster more each day: a table each
        live.absorb(rows(*names[:number], seed=number), id=f"b{number}")
        live.predict(at("north"))
    tables = tmp_path / "live" / "numbers"
    assert len(list(tables.iterdir())) > 2
    for number in range(130):
        live.absorb(rows("north", seed=number, n=2), id=f"c{number}")
    live.collect(young="1ns")
    assert len(list(tables.iterdir())) == 1
    assert live.verify().problems == ()
    live.at(next(live.history()).moment).predict(at("north"))


def test_clusters_alone_have_a_lineage() -> None:
    live = opened(learner=nacre.PCA(2))
    live.absorb(rows("north", "east"), id="0")
    with pytest.raises(NeedsRefit, match="numbers no clusters"):
        live.lineage()
    assert live._version.commit.numbering is None
    assert not hasattr(live.model, "cluster_numbers_")


def test_answers_in_files_and_later_fits(tmp_path: Path) -> None:
    """What is written is what is predicted; a copy that learns on numbers its clusters anew."""
    import pyarrow.parquet as pq

    from nacre.writing import predict_to

    live = opened(learner=nacre.Micro(nacre.KMeans(2)))
    live.absorb(rows("north", "east"), id="0")
    live.fit(rows("far", "south"), id="1")
    X = rows("far", "south", seed=2)
    model = live.model
    assert set(model.predict(X)) == {2, 3}
    predict_to(model, X, tmp_path / "answers")
    (path,) = (tmp_path / "answers").glob("*.parquet")
    np.testing.assert_array_equal(pq.read_table(path)["predict"].to_numpy(), model.predict(X))
    assert model.predict(nacre.read([[np.nan, 0.0]], bad="skip")).tolist() == [-1]
    model.partial_fit(X)
    assert not hasattr(model, "cluster_numbers_")
    assert set(model.predict(X)) == {0, 1}
