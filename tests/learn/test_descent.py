"""Descent on a sample: better than Lloyd alone, and the same whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.contract import Array, Batch
from nacre.kernel.assign import assign_sums
from nacre.kernel.crew import crew
from nacre.kernel.truth import merges
from nacre.learn.cluster.descent import Descent, Point, least_missed, swung, twins
from nacre.learn.cluster.kmeans import Centres, lloyd
from nacre.learn.cluster.steps import gain, moved, noise


def spread_groups(seed: int, n: int, d: int, n_groups: int) -> Array:
    """(n, d) float64: round groups of one width."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(n_groups, d)) * 6.0
    return centres[draw.integers(0, n_groups, n)] + draw.normal(size=(n, d))


def error(rows: Array, weight: Array, centres: Array) -> float:
    """Weighted squared error of rows to their nearest centres."""
    return float(assign_sums(rows, weight, centres, rows.mean(axis=0)).sse.sum())


def descended(rows: Array, weight: Array, seeds: Array, passes: int = 60) -> Array:
    """Centres from seeds."""
    return Descent(rows, weight, rows.mean(axis=0), passes).down(seeds, "test", 1e-6)


def test_breathing_finds_groups_that_lloyd_has_lost() -> None:
    rows = spread_groups(0, 3_000, 5, 24)
    seeds = rows[np.argsort(rows[:, 0])[:24]]  # all of them in one corner
    best = error(rows, np.ones(len(rows)), descended(rows, np.ones(len(rows)), seeds))
    lost = seeds
    for _ in range(60):
        told = assign_sums(rows, None, lost, rows.mean(axis=0))
        full = told.weights > 0
        lost[full] = told.sums[full] / told.weights[full, None]
    assert best < 0.6 * error(rows, np.ones(len(rows)), lost)
    assert best < 1.05 * 5 * len(rows)  # d for each row: the width of the groups themselves


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_never_ends_above_its_start(seed: int, k: int, d: int) -> None:
    draw = np.random.default_rng(seed)
    rows, weight = draw.normal(size=(60, d)).round(1), draw.integers(1, 4, 60) * 1.0
    seeds = rows[:k]
    found = descended(rows, weight, seeds)
    assert found.shape == seeds.shape
    assert np.isfinite(found).all()
    assert error(rows, weight, found) <= error(rows, weight, seeds) * (1 + 1e-12)


def test_threads_change_no_bit() -> None:
    rows = spread_groups(1, 5_000, 4, 9).astype(np.float32)
    alone = descended(rows, np.ones(len(rows)), rows[:9])
    with crew(3):
        assert np.array_equal(descended(rows, np.ones(len(rows)), rows[:9]), alone)


def test_looks_no_oftener_than_it_may() -> None:
    rows = spread_groups(2, 500, 3, 8)
    descent = Descent(rows, np.ones(500), rows.mean(axis=0), 7)
    descent.down(rows[:8], "test", 0.0)
    assert 0 <= descent.passes < 7


def test_equal_rows_are_as_good_as_one() -> None:
    rows = np.ones((40, 2))
    assert np.array_equal(descended(rows, np.ones(40), rows[:3]), rows[:3])


def test_merging_costs_what_ward_says() -> None:
    draw = np.random.default_rng(3)
    centres, weights = draw.normal(size=(7, 3)), np.array([2.0, 5, 5, 0, 1, 9, 3])
    costs, partners = np.empty(7), np.empty(7, np.int64)
    merges(np.ascontiguousarray(centres.T), weights, costs, partners)
    for i in range(7):
        heavier = [j for j in range(7) if (weights[j], -j) > (weights[i], -i)]
        ward = [
            weights[i]
            * weights[j]
            / (weights[i] + weights[j])
            * ((centres[i] - centres[j]) ** 2).sum()
            for j in heavier
        ]
        assert costs[i] == pytest.approx(min(ward, default=np.inf))
        assert not heavier or partners[i] == heavier[int(np.argmin(ward))]


def test_the_heaviest_is_never_taken_away_and_a_partner_stays() -> None:
    means = np.array([[0.0], [0.1], [5.0], [9.0]])
    at = Point(means, means, np.array([3.0, 4.0, 1.0, 8.0]), np.ones(4))
    assert least_missed(at, 1).tolist() == [0]
    assert 3 not in least_missed(at, 3)


def test_twins_stand_to_either_side_of_the_worst() -> None:
    means = np.array([[0.0, 0.0], [9.0, 9.0]])
    at = Point(means, means, np.array([4.0, 4.0]), np.array([1.0, 32.0]))
    centres = twins(at, 1, "test")
    assert np.array_equal(centres[0], means[0])
    assert np.allclose((centres[1] + centres[2]) / 2, means[1])
    assert not np.array_equal(centres[1], centres[2])


def test_momentum_goes_on_in_the_same_direction() -> None:
    last, means = np.zeros((1, 2)), np.array([[1.0, -1.0]])
    assert np.array_equal(swung(means, None), means)
    assert (swung(means, last) * means > means * means).all()


def test_gain_is_what_moving_takes_away() -> None:
    rows = spread_groups(4, 400, 3, 5)
    model = Centres(rows[:5].copy(), rows.mean(axis=0))
    told = lloyd(model, Batch(rows))
    means = moved(model, told)
    apart = sum(
        ((rows[told_row] - means[j]) ** 2).sum() for told_row, j in enumerate(_labels(rows, model))
    )
    assert gain(model, told) * 400 == pytest.approx(told.errors.sum() - apart)


def test_noise_is_the_squared_standard_error_of_all_means() -> None:
    rows = np.array([[0.0], [2.0], [10.0], [14.0], [30.0]])
    told = lloyd(Centres(np.array([[1.0], [12.0], [30.0]]), np.zeros(1)), Batch(rows))
    assert noise(told) == pytest.approx((2.0 / 1 + 8.0 / 1) / 5)


def _labels(rows: Array, model: Centres) -> list[int]:
    told = assign_sums(rows, None, model.centres, model.shift)
    return [int(j) for j in told.labels]
