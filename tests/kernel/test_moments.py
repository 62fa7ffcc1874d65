"""Column sums are their definition in NumPy, in row order and bit for bit; products nearly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.kernel import moments
from nacre.kinds import Array

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class Block(NamedTuple):
    """X (n, d) of a dtype, a weight (n,) or empty, and a mean (d,) near that of X."""

    X: Array
    weight: Array
    mean: Array

    @property
    def w(self) -> Array:
        """(n, 1) float64, ones where no weight is given."""
        return (self.weight if self.weight.size else np.ones(len(self.X)))[:, None]

    @property
    def wide(self) -> Array:
        """X in float64."""
        return self.X.astype(np.float64)


def block(seed: int, dtype: type, gaps: float = 0.0, most: int = 60) -> Block:
    """A block of rows: none, one or some; about 0 or 1e6 away from it; weighted or not."""
    draw = np.random.default_rng(seed)
    n, d = int(draw.choice([0, 1, int(draw.integers(2, most))])), int(draw.integers(1, 9))
    middle = draw.choice([0.0, 1e6]) * draw.normal(size=d)
    X = middle + draw.normal(size=(n, d))
    X[draw.random((n, d)) < gaps] = np.nan
    weight = draw.choice([0.0, 0.5, 1.0, 3.0], n) if draw.random() < 0.5 else np.empty(0)
    return Block(X.astype(dtype), weight, middle + 0.1 * draw.normal(size=d))


def in_order(terms: Array, begin: Array) -> Array:
    """begin (d,) + terms (n, d), row after row: np.cumsum adds so, np.sum by pairs."""
    return np.cumsum(np.vstack([begin, terms]), axis=0)[-1]


def true_deviation_sums(b: Block, mean: Array, begin: Array) -> Array:
    """Twin of `deviation_sums`."""
    return in_order(b.w * (b.wide - mean), begin)


def true_square_sums(b: Block, begin: Array) -> Array:
    """Twin of `square_sums`."""
    apart = b.wide - b.mean
    return in_order(b.w * apart * apart, begin)


def true_known_sums(b: Block, counts: Array, sums: Array) -> tuple[Array, Array]:
    """Twin of `known_sums`; where a value is missing 0 is added, which changes no bit."""
    known = ~np.isnan(b.X)
    return in_order(b.w * known, counts), in_order(np.where(known, b.w * b.wide, 0.0), sums)


def true_known_square_sums(b: Block, begin: Array) -> Array:
    """Twin of `known_square_sums`."""
    apart = b.wide - b.mean
    return in_order(np.where(np.isnan(b.X), 0.0, b.w * apart * apart), begin)


def true_products(b: Block, pivot: Array) -> tuple[Array, Array]:
    """Twin of `products`, all in float64."""
    apart = b.wide - pivot
    return (b.w * apart).sum(axis=0), (b.w * apart).T @ apart


@DTYPES
@given(seed=SEEDS)
def test_deviation_sums(dtype: type, seed: int) -> None:
    b = block(seed, dtype)
    begin = np.arange(b.X.shape[1], dtype=np.float64)
    for mean in (np.zeros(b.X.shape[1]), b.mean):
        got = begin.copy()
        moments.deviation_sums(b.X, b.weight, mean, got)
        assert np.array_equal(got, true_deviation_sums(b, mean, begin))


@DTYPES
@given(seed=SEEDS)
def test_square_sums(dtype: type, seed: int) -> None:
    b = block(seed, dtype)
    begin = np.arange(b.X.shape[1], dtype=np.float64)
    got = begin.copy()
    moments.square_sums(b.X, b.weight, b.mean, got)
    assert np.array_equal(got, true_square_sums(b, begin))


@DTYPES
@given(seed=SEEDS)
def test_known_sums(dtype: type, seed: int) -> None:
    b = block(seed, dtype, gaps=0.3)
    begin = np.arange(b.X.shape[1], dtype=np.float64)
    counts, sums = begin.copy(), begin.copy()
    moments.known_sums(b.X, b.weight, counts, sums)
    true_counts, true_sums = true_known_sums(b, begin, begin)
    assert np.array_equal(counts, true_counts)
    assert np.array_equal(sums, true_sums)


@DTYPES
@given(seed=SEEDS)
def test_known_square_sums(dtype: type, seed: int) -> None:
    b = block(seed, dtype, gaps=0.3)
    begin = np.arange(b.X.shape[1], dtype=np.float64)
    got = begin.copy()
    moments.known_square_sums(b.X, b.weight, b.mean, got)
    assert np.array_equal(got, true_known_square_sums(b, begin))


@DTYPES
@given(seed=SEEDS)
def test_without_gaps_known_is_all(dtype: type, seed: int) -> None:
    b = block(seed, dtype)
    d = b.X.shape[1]
    some, counts, known, squares, known_squares = (np.zeros(d) for _ in range(5))
    moments.deviation_sums(b.X, b.weight, np.zeros(d), some)
    moments.known_sums(b.X, b.weight, counts, known)
    moments.square_sums(b.X, b.weight, b.mean, squares)
    moments.known_square_sums(b.X, b.weight, b.mean, known_squares)
    assert np.array_equal(known, some)
    assert np.array_equal(known_squares, squares)
    assert (counts == b.w.sum()).all()


@DTYPES
@given(seed=SEEDS)
def test_centred(dtype: type, seed: int) -> None:
    b = block(seed, dtype)
    pivot, d = b.mean.astype(dtype), b.X.shape[1]
    begin = np.arange(d, dtype=np.float64)
    out, sums, largest = np.full_like(b.X, np.nan), begin.copy(), np.ones(d, dtype)
    moments.centred(b.X, b.weight, pivot, out, sums, largest)
    apart = b.X - pivot
    wanted = (np.sqrt(b.w) * apart).astype(dtype)
    assert np.array_equal(out, wanted)
    assert np.array_equal(sums, in_order(b.w * apart.astype(np.float64), begin))
    assert np.array_equal(largest, np.abs(wanted).max(axis=0, initial=1.0))


@DTYPES
@given(seed=SEEDS)
def test_products(dtype: type, seed: int) -> None:
    b = block(seed, dtype, most=3 * moments.PRODUCT_ROWS)
    pivot = moments.pivot_of(b.X, b.weight)
    sums, got = moments.products(b.X, b.weight, pivot)
    true_sums, wanted = true_products(b, pivot)
    deviation = np.sqrt(np.diag(wanted))
    unit = 64 * np.finfo(dtype).eps
    assert got.dtype == sums.dtype == np.float64
    assert np.array_equal(got, got.T)
    assert (np.abs(got - wanted) <= unit * deviation[:, None] * deviation + 1e-300).all()
    assert (np.abs(sums - true_sums) <= unit * np.sqrt(b.w.sum()) * deviation + 1e-300).all()


@pytest.mark.parametrize("power", [-140, -84, 57])
@given(seed=SEEDS)
def test_products_of_float32_neither_overflow_nor_vanish(power: int, seed: int) -> None:
    """Columns at both ends of float32: to the bit the products of the same rows near 1."""
    draw = np.random.default_rng(seed)
    X = np.round(draw.normal(size=(50, 4)) * 64).astype(np.float32)  # exact below the least normal
    weight = draw.choice([0.25, 1.0, 4.0], 50) if seed % 2 else np.empty(0)
    scale = np.array([0, power, 0, power])
    extreme = np.ldexp(X, scale)
    sums, got = moments.products(extreme, weight, np.zeros(4, np.float32))
    near_sums, near = moments.products(X, weight, np.zeros(4, np.float32))
    assert np.array_equal(got, np.ldexp(near, scale[:, None] + scale))
    assert np.array_equal(sums, np.ldexp(near_sums, scale))


@DTYPES
@given(seed=SEEDS)
def test_the_pivot_is_near_the_mean_of_rows_with_weight(dtype: type, seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 200))
    X: Array = (1e3 + draw.normal(size=(n, 3))).astype(dtype)
    weight = draw.choice([0.0, 1.0], n)
    X[weight == 0] = 1e15  # what has no weight may be anything
    pivot = moments.pivot_of(X, weight)
    assert pivot.dtype == dtype
    assert np.abs(pivot - 1e3 * (weight.sum() > 0)).max() < 6


@DTYPES
def test_far_from_0_nothing_cancels(dtype: type) -> None:
    draw = np.random.default_rng(4)
    X: Array = (1e6 + draw.normal(size=(5_000, 3))).astype(dtype)
    mean, squares = X.astype(np.float64).mean(axis=0), np.zeros(3)
    moments.square_sums(X, np.empty(0), mean, squares)
    wanted = X.astype(np.float64).var(axis=0) * len(X)
    assert np.allclose(squares, wanted, rtol=1e-10)
    pivot = moments.pivot_of(X, np.empty(0))
    sums, products = moments.products(X, np.empty(0), pivot)
    products -= np.outer(sums, sums) / len(X)
    assert np.allclose(np.diag(products), wanted, rtol=1e-5)


def test_no_rows_add_nothing() -> None:
    X: Array = np.empty((0, 2))
    sums = np.array([3.0, 4.0])
    moments.deviation_sums(X, np.empty(0), np.zeros(2), sums)
    moments.known_square_sums(X, np.empty(0), np.zeros(2), sums)
    assert sums.tolist() == [3.0, 4.0]
    no_sums, products = moments.products(X, np.empty(0), moments.pivot_of(X, np.empty(0)))
    assert not no_sums.any()
    assert np.array_equal(products, np.zeros((2, 2)))
