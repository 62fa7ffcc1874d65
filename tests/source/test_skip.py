"""Under bad="skip" bad rows are left out, counted, and the first of them remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nacre.canon import hash64
from nacre.contract import Batch
from nacre.errors import BadInput
from nacre.source.bad import WEIGHT, Judge, is_clean
from nacre.source.read import plan_of, read
from tests.source.adapters import ALL, ARRAYS, FILES, Adapter, columns
from tests.source.learners import Means

N = 9_000  # more than a batch
BAD = {17: (2, np.nan), 4_000: (0, np.inf), 8_500: (3, 1e19)}


def rows() -> Any:
    X = np.random.default_rng(1).standard_normal((N, 4)).astype("float32")
    for row, (column, value) in BAD.items():
        X[row, column] = value
    return X


@pytest.mark.parametrize("adapter", ALL)
def test_bad_rows_are_left_out_and_counted(adapter: Adapter, tmp_path: Path) -> None:
    X = rows()
    data = read(adapter(columns(X), tmp_path), bad="skip", id="day", shard_rows=5_000)
    told = Means().fit(data, engine="serial").state_.told
    good = np.delete(X, list(BAD), axis=0).astype(float)
    np.testing.assert_allclose(told.moments.mean, good.mean(axis=0), rtol=1e-9)
    assert (told.n_rows, told.n_skipped) == (N - 3, 3)
    assert told.bad_rows.ids["position"].tolist() == list(BAD)
    assert set(told.bad_rows.ids["origin"].tolist()) == {hash64("day")}
    assert told.bad_rows.columns[0].tolist() == [column for column, _ in BAD.values()]


@pytest.mark.parametrize("adapter", ALL)
def test_skipping_has_the_bits_of_weight_nothing(adapter: Adapter, tmp_path: Path) -> None:
    """Rows that are left out leave the others where they are: ids, and so samples, do not move."""
    data = read(adapter(columns(rows()), tmp_path), bad="skip")
    (batch, *_) = plan_of(data).shards[0].read()
    assert 17 not in batch.ids["position"]
    assert batch.ids["position"][17] == 18


@pytest.mark.parametrize("adapter", ALL)
@pytest.mark.parametrize("weight", [np.nan, -1.0, np.inf])
def test_bad_weights_are_skipped_too(adapter: Adapter, weight: float, tmp_path: Path) -> None:
    X, w = np.ones((30, 2), "float32"), np.ones(30)
    w[11] = weight
    if adapter in ARRAYS:
        data = read(adapter(columns(X), tmp_path), weight=w, bad="skip")
    else:
        data = read(adapter({**columns(X), "w": w}, tmp_path), weight="w", bad="skip")
    told = Means().fit(data).state_.told
    assert (told.n_rows, told.n_skipped, told.weight) == (29, 1, 29)
    assert told.bad_rows.ids["position"].tolist() == [11]
    assert told.bad_rows.columns[0].tolist() == [WEIGHT]


@pytest.mark.parametrize("adapter", FILES)
def test_a_source_of_bad_rows_alone_is_empty(adapter: Adapter, tmp_path: Path) -> None:
    data = read(adapter(columns(np.full((10, 2), np.nan, "float32")), tmp_path), bad="skip")
    with pytest.raises(BadInput, match="0 rows, 10 left out as bad"):
        Means().fit(data)
    assert len(plan_of(data).head()) == 0


def test_the_first_eight_are_remembered() -> None:
    X = np.append(np.full((30, 1), np.nan), [[1.0]], axis=0)
    told = Means().fit(read(X, bad="skip", shard_rows=7)).state_.told
    assert told.n_skipped == 30
    assert told.bad_rows.ids["position"].tolist() == list(range(8))


FLOATS = st.sampled_from([0.0, 1.0, -5.0, 9e17, -1e18, 1e18, 2e18, 1e150, np.nan, np.inf, -np.inf])


@given(
    X=arrays.arrays(np.float64, st.tuples(st.integers(0, 9), st.integers(1, 3)), elements=FLOATS),
    dtype=st.sampled_from(["float32", "float64"]),
    takes_nan=st.booleans(),
)
def test_what_is_clean_is_what_has_no_bad_row(X: Any, dtype: str, takes_nan: bool) -> None:
    with np.errstate(over="ignore"):
        cast = X.astype(dtype)
    limit = 1e18 if dtype == "float32" else 1e150
    bad = ~(np.abs(cast.astype(float)) < np.float64(np.dtype(dtype).type(limit)))
    bad &= ~np.isnan(X) if takes_nan else True
    assert is_clean(cast, takes_nan) == (not bad.any())
    assert is_clean(X, takes_nan, dtype) == (not bad.any())
    told = Judge("skip", takes_nan)(Batch(cast))
    assert told.n_skipped == bad.any(axis=1).sum()
    np.testing.assert_array_equal(told.X, cast[~bad.any(axis=1)])


def test_integers_can_be_too_large_for_float32_alone() -> None:
    X = np.array([[2**62]])
    assert is_clean(X)
    assert not is_clean(X, dtype="float32")
    assert is_clean(X // 8, dtype="float32")
