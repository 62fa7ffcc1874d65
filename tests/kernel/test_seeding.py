"""Greedy k-means++: the same seeds as its definition in NumPy, and what follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.kernel import seeding
from nacre.kernel.seeding import greedy_seeds, squared_to
from tests.kernel.test_assign import some_data, true_squares

SEEDS = st.integers(0, 2**32 - 1)


def true_seeds(rows: Any, weight: Any, k: int, draws: Any) -> list[int]:
    """Twin of `greedy_seeds`; np.cumsum adds in row order."""
    d2, mass, seeds = np.full(len(rows), np.inf), weight, list[int]()
    while len(seeds) < k and mass.sum() > 0:
        reached = np.cumsum(mass)
        found = reached.searchsorted(draws[len(seeds)] * reached[-1], side="right")
        found = sorted(set(found if seeds else found[:1]))
        lowered = np.minimum(d2, true_squares(rows, rows[found]).T)
        best = int(np.cumsum(weight * lowered, axis=1)[:, -1].argmin())
        seeds, d2, mass = [*seeds, int(found[best])], lowered[best], weight * lowered[best]
    return seeds


@given(seed=SEEDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_definition(dtype: Any, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = some_data(draw, dtype)[0].astype(float)
    weight = draw.choice([0.0, 0.5, 1.0, 2.0], len(rows))
    draws = draw.random((12, draw.integers(1, 6)))
    got = greedy_seeds(rows, weight, 12, draws)
    assert got.dtype == np.int64
    assert got.tolist() == true_seeds(rows, weight, 12, draws)


@given(seed=SEEDS)
def test_squared_to_has_the_bits_of_the_definition(seed: int) -> None:
    draw = np.random.default_rng(seed)
    for dtype in (np.float32, np.float64):
        rows, centres = some_data(draw, dtype)
        out = np.empty(len(rows))
        squared_to(np.ascontiguousarray(rows.T), centres[0].astype(float), out)
        assert np.array_equal(out, true_squares(rows, centres[:1])[:, 0])


def test_rows_that_fit_float32_give_the_seeds_of_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((2500, 9), dtype=np.float32).astype(float)
    weight, draws = draw.random(2500), draw.random((30, 5))
    thin = greedy_seeds(rows, weight, 30, draws)
    assert seeding._turn(rows).dtype == np.float32
    monkeypatch.setattr(seeding, "_turn", lambda rows: np.ascontiguousarray(rows.T))
    assert np.array_equal(greedy_seeds(rows, weight, 30, draws), thin)


def test_fewer_seeds_than_asked_where_fewer_rows_are_distinct() -> None:
    rows = np.repeat(np.arange(5.0)[:, None], 7, axis=0)
    draws = np.random.default_rng(1).random((9, 3))
    seeds = greedy_seeds(rows, np.ones(35), 9, draws)
    assert sorted(rows[seeds, 0]) == [0, 1, 2, 3, 4]
    weight = (rows[:, 0] != 2).astype(float)
    assert sorted(rows[greedy_seeds(rows, weight, 9, draws), 0]) == [0, 1, 3, 4]
    assert len(greedy_seeds(rows, np.zeros(35), 9, draws)) == 0
    assert len(greedy_seeds(rows[:0], np.ones(0), 9, draws)) == 0
    assert len(greedy_seeds(rows, np.ones(35), 0, draws[:0])) == 0


def test_every_blob_gets_a_seed() -> None:
    draw = np.random.default_rng(2)
    blob = draw.integers(0, 20, 3000)
    rows = 100 * draw.normal(size=(20, 8))[blob] + draw.normal(size=(3000, 8))
    seeds = greedy_seeds(rows, np.ones(3000), 20, draw.random((20, 4)))
    assert len(set(blob[seeds])) == 20


def test_a_weight_of_two_is_two_rows() -> None:
    draw = np.random.default_rng(3)
    rows, twice = draw.normal(size=(200, 6)), draw.integers(1, 4, 200)
    draws = draw.random((15, 4))
    weighted = greedy_seeds(rows, twice.astype(float), 15, draws)
    repeated = greedy_seeds(np.repeat(rows, twice, axis=0), np.ones(twice.sum()), 15, draws)
    assert np.array_equal(rows[weighted], np.repeat(rows, twice, axis=0)[repeated])


def test_of_equally_good_candidates_the_first_row_stays() -> None:
    rows = np.array([[0.0], [1.0], [-1.0]])
    for order in ([0.2, 0.7], [0.7, 0.2]):
        assert greedy_seeds(rows, np.ones(3), 2, np.array([[0.0, 0.0], order])).tolist() == [0, 1]


def test_a_draw_falls_on_the_row_whose_share_begins_there() -> None:
    assert seeding._draw(np.ones(4), np.array([0.25, 0.75, 0.25])).tolist() == [1, 3]
    assert seeding._draw(np.array([0.0, 2.0, 0.0, 2.0]), np.array([0.0, 0.5])).tolist() == [1, 3]


def test_a_draw_never_falls_past_the_last_row_that_counts() -> None:
    tiny = np.array([0.0, 5e-324, 0.0])
    assert seeding._draw(tiny, np.array([1 - 2.0**-53])).tolist() == [1]
    assert seeding._draw(np.array([1.0, 1.0, 0.0]), np.array([1 - 2.0**-53])).tolist() == [1]


def test_inputs_stay_as_they_are() -> None:
    draw = np.random.default_rng(4)
    inputs = draw.normal(size=(50, 3)), draw.random(50), draw.random((5, 3))
    before = [array.tobytes() for array in inputs]
    greedy_seeds(inputs[0], inputs[1], 5, inputs[2])
    assert [array.tobytes() for array in inputs] == before
