"""Sparse rows: sums in the order of the columns, the labels of dense rows, whatever the layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.forms import as_csr
from nacre.kernel import sparse

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def some_data(seed: int, dtype: type) -> tuple[Array, Array]:
    """Dense rows with many zeros, some rows with nothing else, and centres."""
    draw = np.random.default_rng(seed)
    n, d, k = draw.integers(1, 80), draw.integers(1, 40), draw.integers(1, 30)
    X = draw.normal(size=(n, d)) * (draw.random((n, d)) < 0.3)
    return X.astype(dtype), draw.normal(size=(k, d)).astype(dtype)


def true_squares(X: Array, centres: Array) -> Array:
    """Twin of the kernels, (n, k): |x|² + |c|² - 2 x·c, each added up column by column."""
    X, centres = X.astype(float), centres.astype(float)
    own, squares = np.zeros(len(X)), np.zeros(len(centres))
    products = np.zeros((len(X), len(centres)))
    for t in range(X.shape[1]):  # a zero adds nothing, to no bit
        own += X[:, t] * X[:, t]
        squares += centres[:, t] * centres[:, t]
        products += X[:, t, None] * centres[:, t]
    return np.maximum((own[:, None] + squares) + -2.0 * products, 0)


@DTYPES
@given(seed=SEEDS)
def test_nearest_has_the_bits_of_its_twin(dtype: type, seed: int) -> None:
    X, centres = some_data(seed, dtype)
    wanted = true_squares(X, centres)
    labels, d2 = sparse.nearest(as_csr(X), sparse.turned(centres))
    assert np.array_equal(labels, wanted.argmin(axis=1))
    assert np.array_equal(d2, wanted.min(axis=1))
    far = sparse.distances(as_csr(X), sparse.turned(centres))
    assert np.array_equal(far, np.sqrt(wanted).astype(dtype))


@DTYPES
@given(seed=SEEDS)
def test_tally_adds_up_in_row_order(dtype: type, seed: int) -> None:
    X, centres = some_data(seed, dtype)
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, len(centres), len(X)).astype(np.int32)
    weight = draw.choice([0.0, 0.5, 3.0], len(X))
    weights, sums = np.zeros(len(centres)), np.zeros(centres.shape)
    np.add.at(weights, labels, weight)
    np.add.at(sums, labels, weight[:, None] * X.astype(float))
    got = sparse.tally(as_csr(X), weight, labels, len(centres))
    assert np.array_equal(got[0], weights)
    assert np.array_equal(got[1], sums)


@given(seed=SEEDS)
def test_lower_is_what_one_centre_more_would_leave(seed: int) -> None:
    X, centres = some_data(seed, np.float64)
    draw = np.random.default_rng(seed)
    weight, d2 = draw.random(len(X)), draw.random(len(X)) * 5
    lowered, cost = sparse.lower(as_csr(X), weight, d2, sparse.turned(centres))
    wanted = np.minimum(true_squares(X, centres).T, d2)
    assert np.array_equal(lowered, wanted)
    np.testing.assert_allclose(cost, wanted @ weight, rtol=1e-12)


def test_more_centres_than_a_tile_holds() -> None:
    draw = np.random.default_rng(1)
    X = draw.normal(size=(50, 30)) * (draw.random((50, 30)) < 0.2)
    centres = draw.normal(size=(sparse.TILE + 77, 30))
    labels, d2 = sparse.nearest(as_csr(X), sparse.turned(centres))
    wanted = true_squares(X, centres)
    assert np.array_equal(labels, wanted.argmin(axis=1))
    assert np.array_equal(d2, wanted.min(axis=1))


def test_no_rows_and_another_width() -> None:
    X = as_csr(np.zeros((3, 4)))
    assert sparse.nearest(X[:0], sparse.turned(np.ones((2, 4))))[0].shape == (0,)
    with pytest.raises(ValueError, match="rows of 4 columns"):
        sparse.nearest(X, sparse.turned(np.ones((2, 5))))
