"""Dedup: the rows that pandas calls duplicated, from every source and in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import nacre
from nacre import Dedup, Moments, chain
from nacre.contract import Batch
from nacre.errors import BadInput, BadParameter
from nacre.kinds import Array
from nacre.learn.prepare.dedup import MOST_POSITIONS, firsts_of, joined

VALUES = st.sampled_from([0.0, -0.0, 1.0, 0.5, np.nan, 1e9])
TABLES = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=VALUES
)


@settings(max_examples=20)
@given(X=TABLES, columns=st.none() | st.just([0]), shard_rows=st.integers(1, 20))
def test_it_finds_what_pandas_finds(X: Array, columns: Any, shard_rows: int) -> None:
    want = pd.DataFrame(X).duplicated(subset=columns).to_numpy()
    found = Dedup(columns=columns).fit(nacre.read(X, shard_rows=shard_rows))
    np.testing.assert_array_equal(found.select(X) == 0, want)
    assert found.n_duplicates_ == want.sum()


def frame(n: int = 3_000) -> Any:
    draw = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "name": draw.choice(np.array(["Ann", "Bob", "Cleo", None]), n),
            "born": draw.integers(1950, 1990, n),
            "seen": pd.to_datetime(draw.integers(0, 99, n), unit="D"),
        }
    )


def test_rows_of_texts_and_times_in_files(tmp_path: Path) -> None:
    rows = frame()
    for at in range(3):
        rows[1000 * at : 1000 * (at + 1)].to_parquet(tmp_path / f"{at}.parquet", index=False)
    for columns, engine in ((None, "threads:2"), (["name", "born"], "processes:2")):
        whole = Dedup(columns=columns).fit(rows)
        want = rows.duplicated(subset=columns)
        np.testing.assert_array_equal(whole.select(rows) == 0, want)
        parts = Dedup(columns=columns).fit(tmp_path, engine=engine)
        kept = parts.select(tmp_path)
        assert parts.n_duplicates_ == whole.n_duplicates_ == want.sum() == (kept == 0).sum()
        assert not rows[kept == 1].duplicated(subset=columns).any()


def test_later_rows_and_earlier_ones_are_one_set() -> None:
    rows = frame(600)
    parts = {name: nacre.read(rows[at : at + 200], id=name) for at, name in ((0, "a"), (200, "b"))}
    found = Dedup().fit(rows[400:])
    for part in parts.values():
        found.partial_fit(part)
    assert found.n_duplicates_ == rows.duplicated().sum()
    factors = [found.select(part) for part in (*parts.values(), rows[400:])]
    kept = rows[np.concatenate(factors) == 1]
    assert not kept.duplicated().any()
    assert len(kept) == len(rows.drop_duplicates())
    new = pd.DataFrame({"name": ["Dora"], "born": [1], "seen": rows.seen[:1]})
    assert found.select(new).tolist() == [1.0]


def test_a_chain_learns_from_each_row_once() -> None:
    X = np.random.default_rng(1).integers(0, 5, (2_000, 3)).astype(float)
    once = np.unique(X, axis=0)
    found = chain(Dedup(), Moments()).fit(X)
    assert found.state_.told.n_rows == len(once)
    np.testing.assert_allclose(found.fitted_stage(1).mean_, once.mean(axis=0))


def test_rows_of_weight_0_are_not_there() -> None:
    X = np.array([[1.0], [1.0], [2.0]])
    found = Dedup().fit(X, sample_weight=[0.0, 1.0, 1.0])
    assert found.n_duplicates_ == 0
    assert found.select(X).tolist() == [0.0, 1.0, 1.0]


def test_it_takes_as_many_bytes_as_it_says() -> None:
    n = 400_000
    X = np.random.default_rng(2).random((n, 1))
    Dedup().fit(X[:10])
    tracemalloc.start()
    found = Dedup().fit(X, engine="serial")
    now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.state_.model.firsts.high) == n
    assert now < 17 * n
    assert most < 32 * n + 6_000_000  # and some batches


def test_what_does_not_fit_into_an_id() -> None:
    ids = np.zeros(1, [("origin", "<u8"), ("position", "<u8")])
    ids["position"] = MOST_POSITIONS
    with pytest.raises(BadInput, match="at most 4294967296 rows in a file"):
        firsts_of(Batch(np.ones((1, 1)), ids), (0,))
    many = firsts_of(Batch(np.ones((1, 1))), (0,))
    object.__setattr__(many, "origins", np.arange(65_537, dtype=np.uint64))
    with pytest.raises(BadInput, match="at most 65536"):
        joined(many, many)


@pytest.mark.parametrize("columns", ["name", [], [0, 0], [1.5]])
def test_columns_outside_their_range(columns: Any) -> None:
    with pytest.raises(BadParameter, match="columns"):
        Dedup(columns=columns).fit(np.ones((2, 2)))
    with pytest.raises(BadParameter, match="no 'x'"):
        Dedup(columns=["x"]).fit(np.ones((2, 2)))
