"""What rows do to directions is its definition in NumPy: dense and sparse, far from 0, weighted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.forms import as_csr
from nacre.kernel.action import Acted, dense_action, rows_together, sparse_action
from nacre.kinds import Array

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def true_action(X: Array, weight: Array, basis: Array, centre: Array) -> Acted:
    """Twin of both, in float64."""
    apart = X.astype(np.float64) - centre
    w = (weight if weight.size else np.ones(len(X)))[:, None]
    squares = float((w * apart**2).sum())
    return Acted((w * apart).sum(axis=0), squares, (w * apart).T @ (apart @ basis))


def rows(seed: int, dtype: type, offset: float = 0.0) -> tuple[Array, Array, Array, Array]:
    """X, weight (or empty), basis and centre; half of the values are 0 where there is no offset."""
    draw = np.random.default_rng(seed)
    n, d = int(draw.choice([0, 1, int(draw.integers(2, 700))])), int(draw.integers(1, 12))
    X = draw.normal(size=(n, d)) * (draw.random((n, d)) < 0.5) + offset
    weight = draw.choice([0.0, 0.5, 1.0, 3.0], n) if draw.random() < 0.5 else np.empty(0)
    basis = np.linalg.qr(draw.normal(size=(d, int(draw.integers(1, d + 1)))))[0]
    centre = (offset + 0.1 * draw.normal(size=d)).astype(dtype).astype(np.float64)
    return X.astype(dtype), weight, basis, centre


def agree(got: Acted, wanted: Acted, unit: float) -> None:
    """Equal but for rounding, which is a share of the squares of all rows."""
    assert got.sums.dtype == got.actions.dtype == np.float64
    np.testing.assert_allclose(got.squares, wanted.squares, rtol=unit)
    assert np.abs(got.actions - wanted.actions).max(initial=0) <= unit * wanted.squares
    assert np.abs(got.sums - wanted.sums).max() <= unit * (1 + np.abs(wanted.sums).max())


@DTYPES
@pytest.mark.parametrize("offset", [0.0, 1e4])
@given(seed=SEEDS)
def test_dense_rows(dtype: type, offset: float, seed: int) -> None:
    X, weight, basis, centre = rows(seed, dtype, offset)
    unit = 16 * float(np.finfo(dtype).eps)
    agree(dense_action(X, weight, basis, centre), true_action(X, weight, basis, centre), unit)


@DTYPES
@given(seed=SEEDS)
def test_sparse_rows_are_summed_in_float64(dtype: type, seed: int) -> None:
    X, weight, basis, centre = rows(seed, dtype)
    got = sparse_action(as_csr(X), weight, basis, centre)
    agree(got, true_action(X, weight, basis, centre), 1e-12)


@pytest.mark.parametrize("power", [-84, 57])
@given(seed=SEEDS)
def test_float32_neither_overflows_nor_vanishes(power: int, seed: int) -> None:
    X, weight, basis, _ = rows(seed, np.float32)
    near = dense_action(X, weight, basis, np.zeros(X.shape[1]))
    got = dense_action(np.ldexp(X, power), weight, basis, np.zeros(X.shape[1]))
    again = Acted(
        np.ldexp(got.sums, -power),
        float(np.ldexp(got.squares, -2 * power)),
        np.ldexp(got.actions, -2 * power),
    )
    agree(again, near, 1e-6)


def test_blocks_of_rows_do_not_outgrow_a_cache_nor_fall_too_short_for_blas() -> None:
    assert rows_together(1) == rows_together(512) == 2048
    assert rows_together(100_000) == 256
