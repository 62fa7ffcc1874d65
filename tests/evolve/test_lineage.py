"""Lasting numbers, and who became whom: on made clusters, and on a made life of a Micro."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre import KMeans, Micro, errors
from nacre.contract import Array, Batch
from nacre.evolve.lineage import (
    FAR,
    Merged,
    Shared,
    Split,
    Version,
    flows,
    lineage,
    matched,
    named,
)
from nacre.learn.cluster.micro import cells_of, inertia

seeds = st.integers(0, 2**32 - 1)
NOBODY = np.empty((0, 2))


@given(seed=seeds, k=st.integers(0, 8), m=st.integers(0, 8), scale=st.sampled_from([0.0, 0.3, 2.0]))
def test_numbers_are_used_once_and_fresh_ones_are_fresh(
    seed: int, k: int, m: int, scale: float
) -> None:
    draw = np.random.default_rng(seed)
    old, new = draw.normal(size=(k, 2)), draw.normal(size=(m, 2))
    new[: min(k, m) // 2] = old[: min(k, m) // 2]
    numbers = draw.choice(30, k, replace=False)
    found = matched(old, numbers, new, 30, scale)
    assert len(set(found.tolist())) == m
    fresh = sorted(n for n in found.tolist() if n >= 30)
    assert fresh == list(range(30, 30 + len(fresh)))
    for number, centre in zip(found.tolist(), new, strict=True):
        if number < 30:
            (before,) = old[numbers == number]
            assert np.linalg.norm(before - centre) <= FAR * scale * (1 + 1e-12)
    near = ((old[:, None] - new[None]) ** 2).sum(axis=2) <= (FAR * scale) ** 2
    lost = ~np.isin(numbers, found)
    assert not near[lost][:, found >= 30].any()  # else they would have been matched


@given(seed=seeds, k=st.integers(1, 9), m=st.integers(1, 9))
def test_the_order_of_clusters_is_nothing(seed: int, k: int, m: int) -> None:
    draw = np.random.default_rng(seed)
    old, new = draw.normal(size=(k, 3)), draw.normal(size=(m, 3))
    numbers, mine, theirs = draw.permutation(20)[:k], draw.permutation(k), draw.permutation(m)
    found = matched(old, numbers, new, 20, 1.0)
    assert matched(old[mine], numbers[mine], new, 20, 1.0).tolist() == found.tolist()
    assert matched(old, numbers, new[theirs], 20, 1.0).tolist() == found[theirs].tolist()
    a = Version(numbers, old, draw.random(k), 1.0)
    b = Version(found, new, draw.random(m), 1.0)
    told = lineage(a, b)
    swapped = Version(found[theirs], new[theirs], b.weights[theirs], 1.0)
    assert lineage(a, swapped) == told
    assert str(lineage(Version(numbers[mine], old[mine], a.weights[mine], 1.0), b)) == str(told)


@given(seed=seeds, k=st.integers(1, 8))
def test_slow_movers_keep_their_numbers(seed: int, k: int) -> None:
    draw = np.random.default_rng(seed)
    centres: Array = 20.0 * np.arange(k)[:, None] * np.ones(2)
    numbers: Array = np.arange(k)
    start = matched(NOBODY, np.empty(0), centres, 0, 1.0)
    assert start.tolist() == numbers.tolist()
    for _ in range(5):
        order = draw.permutation(k)
        moved = centres + draw.uniform(-1, 1, centres.shape)
        found = matched(centres, numbers, moved[order], k, 1.0)
        assert found.tolist() == numbers[order].tolist()
        centres, numbers = moved[order], found


def test_the_sum_of_squares_decides_not_the_nearest_alone() -> None:
    old, new = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    assert matched(old, np.array([0, 1]), new, 2, scale=1.0).tolist() == [0, 1]


def test_a_dead_number_does_not_come_back() -> None:
    here, there = np.array([[0.0], [50.0]]), np.array([[0.0]])
    first = matched(NOBODY[:, :1], np.empty(0), here, 0, 1.0)
    second = matched(here, first, there, 2, 1.0)
    third = matched(there, second, here, 2, 1.0)
    assert (first.tolist(), second.tolist(), third.tolist()) == ([0, 1], [0], [0, 2])


def test_labels_become_numbers() -> None:
    labels = np.array([[1, -1], [0, 1]], np.int32)
    assert named(labels, np.array([7, 3])).tolist() == [[3, -1], [7, 3]]
    assert named(np.array([-1]), np.empty(0)).tolist() == [-1]


@pytest.mark.parametrize(
    ("numbers", "next_number", "d"), [([0, 0], 2, 2), ([0, 5], 5, 2), ([0], 2, 2), ([0, 1], 2, 3)]
)
def test_what_is_no_history_is_refused(numbers: list[int], next_number: int, d: int) -> None:
    with pytest.raises(errors.BadInput):
        matched(np.zeros((2, 2)), np.array(numbers), np.zeros((1, d)), next_number, 1.0)


def version(numbers: list[int], places: list[float], cells: Any = None) -> Version:
    centres = np.array(places)[:, None]
    weights: Array = np.ones(len(numbers))
    if cells is not None:
        weights = np.bincount(cells.labels, cells.weights, len(numbers))
    return Version(np.array(numbers), centres, weights, 1.0, cells)


def shared(labels: list[int], weights: list[float], keys: list[int] | None = None) -> Shared:
    keys = list(range(len(labels))) if keys is None else keys
    return Shared("base", np.array(keys), np.array(labels), np.array(weights))


def test_by_centres_the_nearest_tell() -> None:
    old = version([0, 1, 2, 3], [0.0, 10.0, 11.5, 30.0])
    new = version([0, 4, 2, 5], [-1.0, 1.0, 11.0, 50.0])
    found = lineage(old, new)
    assert not found.by_cells
    assert found.split == (Split(0, (0, 4)),)
    assert found.merged == (Merged((1, 2), 2),)
    assert (found.born, found.died) == ((5,), (3,))
    assert [(one.number, one.distance) for one in found.moved] == [(0, 1.0), (2, 0.5)]
    assert str(found).splitlines() == [
        "0 split into 0 and 4.",
        "1 and 2 merged into 2.",
        "5 was born.",
        "3 died.",
        "0 moved by 1.",
        "2 moved by 0.5.",
    ]
    assert str(lineage(old, old)) == "Nothing moved."


def test_by_cells_the_rows_tell() -> None:
    places = [0.0, 0.0]
    old = version([0, 1], places, shared([0, 0, 0, 1, 1], [4.0, 4.0, 4.0, 5.0, 5.0]))
    new = version([0, 1, 2], [0.0] * 3, shared([0, 2, 2, 1, 1], [4.0, 4.0, 4.0, 5.0, 5.0]))
    assert flows(old, new).tolist() == [[4.0, 0.0, 8.0], [0.0, 10.0, 0.0]]
    found = lineage(old, new)
    assert found.by_cells
    assert found.split == (Split(0, (0, 2)),)
    assert lineage(new, old).merged == (Merged((0, 2), 0),)
    grown = shared([0, 2, 2, 1, 1], [40.0, 40.0, 40.0, 50.0, 50.0])
    assert lineage(old, version([0, 1, 2], [0.0] * 3, grown)).split == found.split


def test_a_cluster_of_new_rows_is_born_and_one_without_its_rows_dies() -> None:
    old = version([0, 1], [0.0, 9.0], shared([0, 0, 1], [50.0, 1.0, 50.0]))
    new = version([0, 2], [0.0, 20.0], shared([0, 1], [60.0, 80.0], [0, 1]))
    found = lineage(old, new)
    assert (found.split, found.merged, found.born, found.died) == ((), (), (2,), (1,))


def life(frame: Any, X: Array, k: int, numbers: Array | None = None) -> Version:
    """The clusters of rows under a frame; numbered from 0, or as given."""
    learner = Micro(KMeans(k))
    told: Any = learner.observe(frame, Batch(X))
    model: Any = learner.advance(frame, told)
    cells = cells_of(model, told)
    own = Shared(told.base, cells.keys, cells.labels, cells.weights)
    scale = float(np.sqrt(inertia(model, told) / told.weight))
    weights = np.bincount(cells.labels, cells.weights, k)
    return Version(
        np.arange(k) if numbers is None else numbers, model.inner.centres, weights, scale, own
    )


def test_a_made_life_has_the_lineage_that_was_made() -> None:
    """A splits, B and C merge, D is forgotten, E comes, F stays."""
    draw = np.random.default_rng(0)

    def group(x: float, y: float, n: int = 400, wide: float = 1.0) -> Array:
        return np.array([x, y]) + draw.normal(size=(n, 2)) * [wide, 1.0]

    stay = [group(0, 0, wide=2.5), group(30, -2), group(30, 2), group(60, 30)]
    gone, come = group(0, 40), group(30, 40)
    lumps = [group(-6, 0, 1_500), group(6, 0, 1_500), group(30, 0, 3_000)]
    first, second = np.concatenate([*stay, gone]), np.concatenate([*stay, *lumps, come])
    frame = Micro(KMeans(8)).fit(np.concatenate([first, second])).state_.model
    old = life(frame, first, 5)
    new = life(frame, second, 5)
    numbers = matched(old.centres, old.numbers, new.centres, 5, old.scale)
    new = Version(numbers, new.centres, new.weights, new.scale, new.cells)

    def at(version: Version, x: float, y: float) -> int:
        far = ((version.centres - [x, y]) ** 2).sum(axis=1)
        return int(version.numbers[far.argmin()])

    a, b, c = at(old, 0, 0), at(old, 30, -2), at(old, 30, 2)
    found = lineage(old, new)
    assert found.by_cells
    assert [one.number for one in found.split] == [a]
    assert set(found.split[0].into) == {at(new, -6, 0), at(new, 6, 0)}
    assert found.merged == (Merged(tuple(sorted((b, c))), at(new, 30, 0)),)
    assert found.born == (at(new, 30, 40),)
    assert found.died == (at(old, 0, 40),)
    assert at(new, 60, 30) == at(old, 60, 30)
    assert at(old, 60, 30) not in {one.number for one in found.moved}
