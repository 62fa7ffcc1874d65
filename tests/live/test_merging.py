"""Models that learned apart become one: each batch once, in whatever order."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nacre
from nacre.errors import BadParameter, Conflict, NeedsRefit
from tests.live.lives import batch, is_sum_of, memory, opened

DAY = 86_400 * 10**9


def lived(numbers: Any, learner: Any = None, **options: Any) -> Any:
    """A live model that has absorbed some batches."""
    live = opened(learner=learner or nacre.PCA(2), **options)
    for number in numbers:
        live.absorb(batch(number), id=f"b{number}", time=(number + 1) * DAY)
    return live


def rows(*numbers: int) -> dict[str, Any]:
    """What they were."""
    return {f"b{number}": batch(number) for number in numbers}


@given(
    parts=st.lists(
        st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True), min_size=1, max_size=4
    ),
    data=st.data(),
)
def test_each_batch_once_in_any_order(parts: list[list[int]], data: st.DataObject) -> None:
    lives = [lived(part) for part in parts]
    numbers = sorted({number for part in parts for number in part})
    whole = lived(numbers)
    merged = nacre.merge(*data.draw(st.permutations(lives)))
    assert merged.state.digest == whole.state.digest
    assert {line.id for line in merged.ledger.alive()} == rows(*numbers).keys()
    if len(lives) > 2:
        nested = nacre.merge(nacre.merge(*lives[:2]), *lives[2:])
        assert nested.state.digest == whole.state.digest
    window = merged.window("4d")
    np.testing.assert_array_equal(window.mean_, whole.window("4d").mean_)


def test_a_copy_merged_back_changes_nothing(tmp_path: Path) -> None:
    live = opened(tmp_path / "a")
    for number in range(70):
        live.absorb(batch(number), id=f"b{number}")
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    copy = nacre.open(tmp_path / "copy")
    copy.absorb(batch(70), id="b70")
    merged = nacre.merge(tmp_path / "a", copy, into=tmp_path / "c")
    is_sum_of(merged, rows(*range(71)))
    again = nacre.open(tmp_path / "c")
    assert again.verify().problems == again.verify().strays == ()
    assert [act.what for act in again.history()] == ["merge"]
    again.absorb(batch(71), id="b71")
    is_sum_of(again, rows(*range(72)))
    same = nacre.merge(tmp_path / "a", tmp_path / "a")
    assert same.state.digest == live.state.digest


def test_a_replacement_wins_and_a_tomb_wins(tmp_path: Path) -> None:
    live = opened(tmp_path / "a")
    for number in range(4):
        live.absorb(batch(number), id=f"b{number}")
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    live.replace("b1", batch(50))
    live.erase("b2")
    other = opened()  # absorbed by itself, not as a copy
    for number in (1, 2, 3):
        other.absorb(batch(number), id=f"b{number}")
    for one in (nacre.open(tmp_path / "copy"), other):
        for order in itertools.permutations([live, one]):
            merged = nacre.merge(*order)
            assert {line.id for line in merged.ledger.alive()} == {"b0", "b1", "b3"}
            assert merged.state.digest == live.state.digest
            with pytest.raises(nacre.errors.Erased):
                merged.absorb(batch(2), id="b2")
    live.absorb(batch(2), id="b2", again=True)
    assert nacre.merge(nacre.open(tmp_path / "copy"), live).state.digest == live.state.digest


def test_two_contents_of_one_id_are_named() -> None:
    one, other = lived([1, 2]), lived([1])
    other.absorb(batch(9), id="b2", time=3 * DAY)
    with pytest.raises(Conflict, match="two contents of 'b2'"):
        nacre.merge(one, other)
    assert one.version == other.version == 2


def test_runs_of_a_stream() -> None:
    stream = batch(0, 90)
    lives = []
    for first in (0, 30, 60):
        live = opened()
        live.absorb(stream[first : first + 30], id=("orders", first))
        lives.append(live)
    merged = nacre.merge(*lives, lives[0])
    assert merged.state.told.n_rows == 90
    assert merged.absorb(stream, id=("orders", 0)).n_known_rows == 90
    across = opened()
    across.absorb(stream[20:40], id=("orders", 20))
    with pytest.raises(Conflict, match="another run"):
        nacre.merge(lives[0], across)


def test_folded_parts_count_once(tmp_path: Path) -> None:
    live = opened(tmp_path / "a", retain="20 batches")
    for number in range(70):
        live.absorb(batch(number), id=f"b{number}", time=(number + 1) * DAY)
    assert live._version.commit.folds
    beside = lived([2, 3, 65, 66, 90], nacre.Scale())  # some stand in the fold of the other
    for order in itertools.permutations([live, beside]):
        merged = nacre.merge(*order)
        assert merged.state.told.n_rows == 71 * 40
        np.testing.assert_allclose(
            merged.mean_, np.concatenate([batch(n) for n in [*range(70), 90]]).mean(axis=0)
        )
    other = opened(retain="30 batches")
    for number in range(70):
        other.absorb(batch(number), id=f"b{number}", time=(number + 1) * DAY)
    with pytest.raises(Conflict, match="folded otherwise"):
        nacre.merge(live, other)


def test_other_frames_are_carried_to_the_heaviest() -> None:
    def cities(seed: int, n: int) -> Any:
        draw = np.random.default_rng(seed)
        middles = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
        return middles[draw.integers(0, 4, n)] + draw.normal(size=(n, 2))

    lives = []
    for seed, n in ((1, 400), (2, 900), (3, 500)):
        live = opened(learner=nacre.Micro(nacre.KMeans(4, random_state=0)))
        live.absorb(cities(seed, n), id=f"city {seed}")
        lives.append(live)
    digests = set()
    for order in itertools.permutations(lives):
        merged = nacre.merge(*order)
        digests.add(merged.state.digest)
        assert merged.state.told.n_rows == 1800
        assert merged._version.grounds.frame.base == lives[1]._version.grounds.frame.base
    assert len(digests) == 1
    together = np.concatenate([cities(1, 400), cities(2, 900), cities(3, 500)])
    plain = nacre.KMeans(4, random_state=0).fit(together)
    found = merged.cluster_centers_

    def cost(centres: Any) -> float:
        return float(((together[:, None] - centres) ** 2).sum(axis=2).min(axis=1).sum())

    assert cost(found) <= 1.01 * cost(plain.cluster_centers_)
    merged.absorb(cities(4, 100), id="city 4")


def test_what_cannot_be_merged(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="nothing to merge"):
        nacre.merge()
    with pytest.raises(BadParameter, match="Scale"):
        nacre.merge(lived([1]), lived([1], nacre.Scale()))
    wide = opened(learner=nacre.PCA(2))
    wide.absorb(batch(1, d=4), id="x")
    with pytest.raises(BadParameter, match="n_columns"):
        nacre.merge(lived([1]), wide)
    with pytest.raises(NeedsRefit, match="running sum"):
        nacre.merge(lived([1], nacre.KMeans(2)), lived([2], nacre.KMeans(2)))
    taken = memory()
    opened(taken).absorb(batch(0), id="a")
    with pytest.raises(BadParameter, match="has a live model"):
        nacre.merge(lived([1], nacre.Scale()), into=taken)
    chains = [lived([number], nacre.chain(nacre.Scale(), nacre.PCA(2))) for number in (1, 2)]
    with pytest.raises(NeedsRefit, match="base"):
        nacre.merge(*chains, into=tmp_path / "c")
    assert nacre.open(tmp_path / "c", nacre.Scale()).version == 0
