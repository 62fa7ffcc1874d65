"""Buckets are what the bits of numbers say; sums in them are NumPy's, bit for bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.kernel import buckets
from nacre.kernel.buckets import COLUMN
from nacre.kinds import KEYED, Array, KeyedSums

SEEDS = st.integers(0, 2**32 - 1)
NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1)
SHIFT = 45


def rows(seed: int, dtype: type = np.float64) -> tuple[Array, Array]:
    """(n, d) numbers of all signs and sizes, close or wide, ties, gaps; a weight (n,) or empty."""
    draw = np.random.default_rng(seed)
    n, d = int(draw.integers(0, 80)), int(draw.integers(1, 5))
    X = draw.normal(size=(n, d)) * 10.0 ** draw.choice([0, 30], (n, d)) * draw.choice([0, 1, -1], d)
    X = np.where(draw.random((n, d)) < 0.3, np.round(X), X)
    X[draw.random((n, d)) < 0.1] = np.nan
    weight = draw.choice([0.0, 0.1, 1.0, 3.0], n) if draw.random() < 0.5 else np.empty(0)
    return X.astype(dtype), weight


def dictionary(keys: Any, weights: Any) -> dict[int, float]:
    """Twin of all sums: key -> weight, added in order."""
    found: dict[int, float] = {}
    for key, weight in zip(keys, weights, strict=True):
        if weight > 0:
            found[int(key)] = found.get(int(key), 0.0) + float(weight)
    return dict(sorted(found.items()))


def true_bucket_sums(X: Array, weight: Array, shift: int) -> dict[int, float]:
    """Twin of `bucket_sums`."""
    n, d = X.shape
    w = np.repeat(weight if weight.size else np.ones(n), d)
    values, columns = X.astype(np.float64).ravel(), np.tile(np.arange(d), n)
    known = ~np.isnan(values)
    found = buckets.buckets_of(buckets.levels(np.where(known, values, 0.0)), shift)
    return dictionary((columns * COLUMN + COLUMN // 2 + found)[known], w[known])


@given(NUMBERS)
def test_levels_order_numbers_and_lead_back(values: list[float]) -> None:
    x = np.array(values)
    levels = buckets.levels(x)
    assert np.array_equal(buckets.numbers(levels), x)
    assert np.array_equal(levels[:, None] < levels, x[:, None] < x)
    assert [buckets.level_of(value) for value in values] == levels.tolist()


@given(NUMBERS, st.integers(36, 51))
def test_a_bucket_holds_its_numbers_and_is_narrow(values: list[float], shift: int) -> None:
    levels = buckets.levels(np.array(values))
    found = buckets.buckets_of(levels, shift)
    assert [buckets.bucket_of(level, shift) for level in levels] == found.tolist()
    first, last = buckets.levels_in(found, shift)
    assert ((first <= levels) & (levels <= last)).all()
    for ends in (first, last):
        assert np.array_equal(buckets.buckets_of(ends, shift), found)
    for value, middle in zip(values, buckets.middles(first, last), strict=True):
        assert abs(middle - value) <= max(abs(value), 2.3e-308) * 2.0 ** (shift - 53)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("roomy", [0, 10**9], ids=["sorted", "table"])
@given(seed=SEEDS)
def test_sums_in_buckets(seed: int, dtype: type, roomy: int) -> None:
    X, weight = rows(seed, dtype)
    shift = SHIFT if roomy == 0 else 51  # a table for all sizes is large
    before, buckets.ROOMY = buckets.ROOMY, roomy
    try:
        keys, sums = buckets.bucket_sums(X, weight, shift)
    finally:
        buckets.ROOMY = before
    assert (keys.dtype, sums.dtype) == (np.int64, np.float64)
    assert list(zip(keys, sums, strict=True)) == list(true_bucket_sums(X, weight, shift).items())


def brackets_near(X: Array, seed: int) -> Array:
    """(d, 2, 3): a bracket inside the bucket of a number of each column, and one of nothing."""
    draw = np.random.default_rng([seed, 1])
    found = np.tile(np.array([1, 0, 0]), (X.shape[1], 2, 1))
    for t, column in enumerate(X.T.astype(np.float64)):
        known = column[np.isfinite(column) & (column != 0)]
        if len(known):
            first, last = buckets.levels_in(
                buckets.buckets_of(buckets.levels(known[:1]), SHIFT), SHIFT
            )
            low, high = sorted(draw.integers(first[0], last[0], 2, endpoint=True).tolist())
            found[t, 0] = low, high, int(draw.integers(0, 44))
    return found


@given(SEEDS)
def test_sums_in_brackets(seed: int) -> None:
    X, weight = rows(seed)
    brackets = brackets_near(X, seed)
    keys, sums, most = buckets.bracket_sums(X, weight, SHIFT, brackets)
    d, b = brackets.shape[:2]
    room, w = buckets.room_of(d * b), weight if weight.size else np.ones(len(X))
    found, weights = [], []
    extremes = np.full((d, b, 2), -np.inf)
    for i, t in np.argwhere(~np.isnan(X)):
        level = int(buckets.levels(X[i, t]))
        low, high, bits = (int(value) for value in brackets[t, 0])
        home = buckets.bucket_of(low, SHIFT) if low <= high else None
        if buckets.bucket_of(level, SHIFT) == home and w[i] > 0:
            step = 1 + ((min(max(level, low - 1), high + 1) - low) >> bits)
            step = 0 if level < low else 2 + ((high - low) >> bits) if level > high else step
            found.append((int(t) * b << room) | step)
            weights.append(w[i])
            if low <= level <= high:
                extremes[t, 0] = np.maximum(extremes[t, 0], [-X[i, t], X[i, t]])
    assert dict(zip(keys.tolist(), sums.tolist(), strict=True)) == dictionary(found, weights)
    assert np.array_equal(most, extremes)


@given(SEEDS, SEEDS)
def test_merging_is_the_join_of_its_kind(seed: int, other: int) -> None:
    a, b = (KeyedSums(*buckets.bucket_sums(*rows(s), 51)) for s in (seed, other))
    keys, sums = buckets.merged(a.keys, a.values, b.keys, b.values)
    joined = KEYED.join(a, b)
    assert np.array_equal(keys, joined.keys)
    assert np.array_equal(sums, joined.values)


def test_many_columns_are_as_few() -> None:
    X, weight = np.random.default_rng(0).normal(size=(50, 3 * buckets.WIDE + 5)), np.empty(0)
    keys, sums = buckets.bucket_sums(X, weight, 51)
    assert dict(zip(keys, sums, strict=True)) == true_bucket_sums(X, weight, 51)
    assert (np.diff(keys) > 0).all()


@pytest.mark.parametrize("n", [0, 1, 7, 8, 1 << 20])
def test_a_key_has_room_for_bracket_and_step(n: int) -> None:
    assert buckets.room_of(n) == 63 - math.ceil(math.log2(n + 1))
