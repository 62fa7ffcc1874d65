"""Absolute differences: the filter has the bits of the definition; cells count what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.kernel import manhattan

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def true_sums(X: Array, centres: Array) -> Array:
    """Twin of the kernels' distances, (n, k): float64, column by column."""
    d1 = np.zeros((len(X), len(centres)))
    for t in range(X.shape[1]):
        d1 += np.abs(X[:, t, None].astype(float) - centres[None, :, t].astype(float))
    return d1


def some_data(seed: int, dtype: type) -> tuple[Array, Array]:
    """Rows and centres: spread, or on a grid with exact ties; off centre; with repetitions."""
    draw = np.random.default_rng(seed)
    n, d, k = draw.integers(1, 300), draw.integers(1, 23), draw.integers(1, 40)
    X, centres = draw.normal(size=(n, d)), draw.normal(size=(k, d))
    if draw.random() < 0.4:
        X, centres = np.round(X), np.round(2 * centres) / 2
    X[draw.integers(0, n, n // 4)] = centres[draw.integers(0, k)]
    scale, off = 10.0 ** draw.integers(-6, 7), 10.0 ** draw.integers(0, 4) * draw.integers(0, 2)
    return ((X + off) * scale).astype(dtype), ((centres + off) * scale).astype(dtype)


@DTYPES
@given(seed=SEEDS)
def test_labels_and_distances_have_the_bits_of_the_definition(dtype: type, seed: int) -> None:
    X, centres = some_data(seed, dtype)
    wanted = true_sums(X, centres)
    found = manhattan.nearest(X, centres)
    assert np.array_equal(found.labels, wanted.argmin(axis=1))
    assert np.array_equal(found.d1, wanted.min(axis=1))
    assert np.array_equal(manhattan.distances(X, centres), wanted.astype(dtype))


@given(seed=SEEDS)
def test_near_ties_are_left_open_and_then_decided(seed: int) -> None:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(30, 7)).astype(np.float32)
    i, j = draw.integers(0, 30, (2, 200))
    X = ((centres[i] + centres[j]) / 2).astype(np.float32)
    found = manhattan.nearest(X, centres)
    assert np.array_equal(found.labels, true_sums(X, centres).argmin(axis=1))
    assert found.n_near > 0


def test_few_rows_of_common_data_are_near() -> None:
    X: Array = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
    assert manhattan.nearest(X, X[:100]).n_near < 20


@DTYPES
@given(seed=SEEDS)
def test_cells_are_a_histogram_of_weight_and_of_values(dtype: type, seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, d, k, cells = draw.integers(0, 200), draw.integers(1, 5), draw.integers(1, 4), 6
    X: Array = draw.normal(size=(n, d)).astype(dtype)
    weight = draw.choice([0.0, 0.5, 2.0], n)
    labels = draw.integers(0, k, n).astype(np.int32)
    lows, steps = draw.normal(size=(k, d)) - 1, draw.random((k, d)) + 0.1
    place = np.floor((X.astype(float) - lows[labels]) * (1.0 / steps)[labels])
    at = np.clip(place + 1, 0, cells + 1).astype(int)
    wanted = np.zeros((k, d, cells + 2, 2))
    pair = np.stack([np.repeat(weight[:, None], d, 1), weight[:, None] * X.astype(float)], -1)
    np.add.at(wanted, (labels[:, None], np.arange(d), at), pair)
    got = manhattan.cell_sums(X, weight, labels, lows, steps, cells)
    np.testing.assert_array_equal(got, wanted)


@given(seed=SEEDS)
def test_lower_is_what_one_centre_more_would_leave(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X, centres = some_data(seed, np.float64)
    weight, d1 = draw.random(len(X)), draw.random(len(X)) * 5
    lowered, cost = np.empty((len(centres), len(X))), np.empty(len(centres))
    manhattan.lower(np.ascontiguousarray(X.T), weight, d1, centres, lowered, cost)
    wanted = np.minimum(true_sums(X, centres).T, d1)
    assert np.array_equal(lowered, wanted)
    np.testing.assert_allclose(cost, wanted @ weight, rtol=1e-12)


@pytest.mark.parametrize(("n", "k"), [(0, 1), (0, 9), (1, 1), (129, 1), (3, 200)])
def test_few_rows_few_centres(n: int, k: int) -> None:
    draw = np.random.default_rng(3)
    X, centres = (draw.normal(size=(m, 5)).astype(np.float32) for m in (n, k))
    assert np.array_equal(manhattan.nearest(X, centres).labels, true_sums(X, centres).argmin(1))


def test_another_width_is_refused() -> None:
    for verb in (manhattan.nearest, manhattan.distances):
        with pytest.raises(ValueError, match="rows of 3 columns"):
            verb(np.zeros((2, 3)), np.zeros((2, 4)))
