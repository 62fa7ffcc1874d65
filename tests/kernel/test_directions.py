"""Rows over their lengths, and columns by group, against NumPy twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.forms import as_csr
from nacre.kernel.directions import directions, sparse_directions
from nacre.kernel.groups import group_moments

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
@given(seed=SEEDS)
def test_directions_have_length_1_at_any_scale(dtype: type, seed: int) -> None:
    draw = np.random.default_rng(seed)
    X: Array = draw.normal(size=(40, 6)) * (draw.random((40, 6)) < 0.6)
    low, high = (-35, 17) if dtype == np.float32 else (-290, 149)
    X = (X * 10.0 ** draw.integers(low, high, (40, 1))).astype(dtype)
    unit, flat = directions(X)
    assert np.array_equal(flat, ~X.any(axis=1))
    exact = X.astype(np.longdouble)
    length = np.sqrt((exact**2).sum(axis=1, keepdims=True))
    wanted = np.divide(exact, length, out=np.zeros_like(exact), where=length > 0)
    assert np.abs(unit - wanted).max() < (1e-7 if dtype == np.float32 else 1e-15)
    rows = as_csr(X)
    assert np.array_equal(sparse_directions(rows.data, rows.indptr)[0], as_csr(unit).data)


@DTYPES
@given(seed=SEEDS)
def test_powers_of_two_change_no_bit_of_a_direction(dtype: type, seed: int) -> None:
    X: Array = np.random.default_rng(seed).normal(size=(20, 5)).astype(dtype)
    assert np.array_equal(directions(X)[0], directions(X * dtype(2.0**20))[0])


@DTYPES
@given(seed=SEEDS)
def test_group_moments_are_those_of_each_group(dtype: type, seed: int) -> None:
    draw = np.random.default_rng(seed)
    X: Array = (draw.normal(size=(60, 3)) + 100).astype(dtype)
    labels, weight = draw.integers(-1, 4, 60).astype(np.int32), draw.choice([0.0, 1.0, 2.5], 60)
    n, mean, m2 = group_moments(X, weight, labels, 5)
    for j in range(5):
        mine, w = X[labels == j].astype(float), weight[labels == j]
        assert n[j] == w.sum()
        if w.sum():
            wanted = np.average(mine, axis=0, weights=w)
            np.testing.assert_allclose(mean[j], wanted, rtol=1e-12)
            np.testing.assert_allclose(m2[j], w @ (mine - wanted) ** 2, rtol=1e-9, atol=1e-9)
        else:
            assert not mean[j].any()
            assert not m2[j].any()
