"""Columns laid row by row, and the twin in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.kernel.interleave import addresses, interleave


def laid(columns: list[Array], first: int, n: int) -> tuple[Array, float]:
    """The twin."""
    rows = np.stack(columns, axis=1)[first : first + n]
    return rows, float((rows.astype(np.float64) ** 2).sum())


@given(
    n=st.integers(0, 70),
    d=st.integers(1, 41),
    first=st.integers(0, 9),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_rows_are_those_of_numpy(n: int, d: int, first: int, dtype: str) -> None:
    draw = np.random.default_rng(d)
    columns = [draw.normal(size=first + n).astype(dtype) for _ in range(d)]
    out = np.full((n + 2, d), 7, dtype)
    squares = interleave(addresses(columns), first, out[1 : n + 1])
    rows, total = laid(columns, first, n)
    np.testing.assert_array_equal(out[1 : n + 1], rows)
    np.testing.assert_array_equal(out[[0, n + 1]], 7)
    assert squares == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e16])
@pytest.mark.parametrize("at", [0, 15, 16, 36])
@pytest.mark.parametrize("column", [0, 17, 26])
def test_no_bad_value_passes_for_a_good_one(value: float, at: int, column: int) -> None:
    columns = [np.ones(37, np.float32) for _ in range(27)]
    columns[column][at] = value
    out = np.empty((37, 27), np.float32)
    assert not interleave(addresses(columns), 0, out) < 1e30
    np.testing.assert_array_equal(out, np.stack(columns, axis=1))
