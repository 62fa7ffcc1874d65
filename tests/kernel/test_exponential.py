"""Logarithms and chances are those of the C library, but for the last bits."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from nacre.kernel import exponential


@given(st.floats(2.0**-53, 1.0))
@example(1.0)
@example(math.sqrt(0.5))
def test_minus_log(u: float) -> None:
    assert math.isclose(exponential.minus_log(u), -math.log(u), rel_tol=1e-14, abs_tol=1e-16)
    assert exponential.minus_log(u) >= 0


@given(st.floats(0.0, 800.0) | st.floats(0.0, 1e-6))
@example(math.inf)
@example(math.log(2))
def test_chance(x: float) -> None:
    assert math.isclose(exponential.chance(x), -math.expm1(-x), rel_tol=1e-14)
    assert 0 <= exponential.chance(x) <= 1


@given(st.integers(0, 2**32 - 1))
def test_whole_arrays(seed: int) -> None:
    draw = np.random.default_rng(seed)
    u, rate, keys, chances = draw.random(30), draw.exponential(size=30), np.empty(30), np.empty(30)
    exponential.exponentials(u, rate, keys)
    exponential.chances(keys * rate, chances)
    np.testing.assert_allclose(keys, -np.log1p(-u) / rate, rtol=1e-13)
    np.testing.assert_allclose(chances, u, rtol=1e-13)
