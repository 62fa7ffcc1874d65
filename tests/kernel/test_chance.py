"""What labellings share by chance: against exact fractions, and its two ways against each other."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.kernel.chance import MANY, expected_information, moments, outwards


def of_pair(a: int, b: int, n: int) -> float:
    """E[k log(k n / (a b))] by exact chances."""
    terms = [
        float(Fraction(math.comb(a, k) * math.comb(n - a, b - k), math.comb(n, b)))
        * (k * math.log(k * n / (a * b)))
        for k in range(max(1, a + b - n), min(a, b) + 1)
    ]
    return math.fsum(terms)


@given(st.integers(1, 200), st.data())
def test_chances_by_ratios_are_the_exact_ones(n: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    assert outwards(a, b, n) == pytest.approx(of_pair(a, b, n), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(
    ("a", "b", "n"), [(3e5, 5e5, 1e7), (9e6, 4e4, 1e7), (2.5e5, 5e6, 1e8), (9.9e6, 9.9e6, 1e7)]
)
def test_moments_tell_enough_of_many_rows(a: float, b: float, n: float) -> None:
    assert a * b / n > MANY
    assert moments(a, b, n) == pytest.approx(outwards(a, b, n), abs=1e-8)


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
)
def test_all_pairs_are_added(a: list[int], b: list[int]) -> None:
    n = max(sum(a), sum(b))
    found, true = [*a, n - sum(a)], [*b, n - sum(b)]  # of one sum
    exact = math.fsum(of_pair(x, y, n) for x in found if x for y in true if y) / n
    sizes = [np.unique([x for x in side if x], return_counts=True) for side in (found, true)]
    (u, n_u), (v, n_v) = ((size.astype(np.float64), times) for size, times in sizes)
    assert expected_information(u, n_u, v, n_v, float(n)) == pytest.approx(exact, abs=1e-12)
