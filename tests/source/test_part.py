"""Parts of a plan: disjoint, whole together, chosen by ids alone, and fit to travel."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Batch
from nacre.engine.processes import Processes
from nacre.fitting import fit_plan
from nacre.forms import as_csr
from nacre.source.part import part_of_rows, part_of_shards
from nacre.source.plan import RowPlan
from nacre.source.read import plan_of, read
from tests.source.adapters import columns, parquet
from tests.source.learners import Means


def rows(n: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).standard_normal((n, 4))


def batches(plan: RowPlan) -> list[Batch]:
    return [batch for shard in plan.shards for batch in shard.read()]


def positions(plan: RowPlan) -> list[int]:
    """Of one array: which of its rows there are, in their order."""
    return [int(p) for batch in batches(plan) for p in batch.ids["position"]]


def files(folder: Path, X: Any, n: int = 6) -> list[Path]:
    """The rows in n files, none of the size of another."""
    ends = np.cumsum(np.arange(1, n + 1)) * (2 * len(X)) // (n * (n + 1))
    return [
        parquet(columns(some), folder).rename(folder / f"{i}.parquet")
        for i, some in enumerate(np.split(X, ends[:-1]))
    ]


@given(
    n=st.integers(1, 400),
    shard_rows=st.integers(1, 150),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    seed=st.integers(0, 9),
)
def test_a_part_and_the_others_are_all_rows_once(
    n: int, shard_rows: int, cuts: list[float], seed: int
) -> None:
    X, (low, high) = rows(n), cuts
    plan = plan_of(read(X, shard_rows=shard_rows))
    some = part_of_rows(plan, low, high, f"part {seed}")
    others = part_of_rows(plan, low, high, f"part {seed}", outside=True)
    assert sorted(positions(some) + positions(others)) == list(range(n))
    for part in (some, others):
        assert part.n_rows == len(positions(part)) == sum(shard.rows for shard in part.shards)
        assert [s.key for s in part.shards] == [s.key for s in plan.shards]
        for batch in batches(part):
            np.testing.assert_array_equal(batch.X, X[batch.ids["position"].astype(int)])
    drawn = np.concatenate([batch.hash01(f"part {seed}") for batch in batches(plan)])
    assert len(positions(some)) == np.count_nonzero((drawn >= low) & (drawn < high))


def test_shards_choose_nothing() -> None:
    X = rows(2_000)
    found = {
        tuple(sorted(positions(part_of_rows(plan_of(read(X, shard_rows=r)), 0.2, 0.5, "some"))))
        for r in (7, 300, 5_000)
    }
    assert len(found) == 1


def test_a_part_of_a_part_is_in_both() -> None:
    plan = plan_of(read(rows(900), shard_rows=400))
    one, other = (0.0, 0.5, "one"), (0.3, 0.8, "other")
    both = part_of_rows(part_of_rows(plan, *one), *other, outside=True)
    outside = part_of_rows(plan, *other, outside=True)
    expected = {*positions(part_of_rows(plan, *one))} & {*positions(outside)}
    assert {*positions(both)} == expected
    assert both.n_rows == len(expected)


def test_weights_and_labels_come_along() -> None:
    X, weight, y = rows(500), np.arange(500.0), np.arange(500) % 3
    plan = part_of_rows(plan_of(X, y=y, weight=weight), 0.0, 0.3, "some")
    for batch in batches(plan):
        np.testing.assert_array_equal(batch.weight, batch.ids["position"])
        np.testing.assert_array_equal(batch.y, batch.ids["position"] % 3)


def test_sparse_rows_too() -> None:
    X = rows(300)
    some = part_of_rows(plan_of(as_csr(X), takes=("sparse",)), 0.0, 0.5, "some")
    for batch in batches(some):
        np.testing.assert_array_equal(batch.X.toarray(), X[batch.ids["position"].astype(int)])


def test_borders_of_batches_do_not_move() -> None:
    plan = plan_of(read(rows(30_000), shard_rows=10_000))
    some = part_of_rows(plan, 0.0, 1e-4, "few")
    assert [batch.where for batch in batches(some)] == [batch.where for batch in batches(plan)]
    assert 0 in [len(batch) for batch in batches(some)]


def test_what_is_skipped_is_told() -> None:
    X = rows(100)
    X[[3, 70], 1] = np.nan
    plan = plan_of(read(X, bad="skip", shard_rows=40))
    some = part_of_rows(plan, 0.0, 0.5, "some")
    assert sum(batch.n_skipped for batch in batches(some)) == 2


def test_the_first_rows_are_those_of_the_part() -> None:
    X = rows(5_000)
    some = part_of_rows(plan_of(read(X, shard_rows=700)), 0.5, 0.9, "some")
    head = some.head()
    assert head.ids["position"].tolist() == positions(some)[:1_024]


def test_some_files_are_a_plan_of_these_files(tmp_path: Path) -> None:
    paths = files(tmp_path, rows(2_000))
    whole = plan_of(read(tmp_path, shard_rows=100))
    for chosen in ([0, 3, 5], [4], [1, 2]):
        alone = plan_of(read([paths[i] for i in chosen], root=tmp_path, shard_rows=100))
        part = part_of_shards(whole, {shard.key for shard in alone.shards})
        assert [shard.key for shard in part.shards] == [shard.key for shard in alone.shards]
        assert part.n_rows == alone.n_rows
        means = fit_plan(Means(), part).state
        assert means.digest == fit_plan(Means(), alone).state.digest


@pytest.mark.parametrize("of_files", [True, False])
def test_parts_are_read_in_worker_processes(of_files: bool, tmp_path: Path) -> None:
    X = rows(3_000)
    if of_files:
        files(tmp_path, X)
    plan = plan_of(read(tmp_path if of_files else X, shard_rows=200))
    parts = [part_of_rows(plan, 0.1, 0.6, "some", outside=outside) for outside in (True, False)]
    parts.append(part_of_shards(plan, {shard.key for shard in plan.shards[::3]}))
    with Processes(2) as engine:
        for part in parts:
            travelled = pickle.loads(pickle.dumps(part.shards))
            assert [shard.rows for shard in travelled] == [shard.rows for shard in part.shards]
            digest = fit_plan(Means(), part, engine="serial").state.digest
            assert fit_plan(Means(), part, engine="threads:3").state.digest == digest
            assert fit_plan(Means(), part, engine=engine).state.digest == digest
