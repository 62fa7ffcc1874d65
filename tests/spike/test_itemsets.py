from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre import drive
from nacre.contract import Array, Batch, State
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.errors import BadInput
from tests.spike.cases_density import baskets
from tests.spike.itemsets import Count, Itemsets, Look, Track
from tests.spike.plans import plan_of

Found = dict[tuple[int, ...], float]


@dataclass
class Watch(drive.Pace):
    """The models of a fit, and the last State."""

    models: list[Any] = field(default_factory=list)

    def turned(self, model: Any, told: Any, new: Any) -> None:
        self.models.append(model)


def fit(learner: Itemsets, plan: Any, watch: Watch | None = None) -> State:
    return drive.fit(learner, Serial(), plan, pace=watch)


def found(state: State) -> Found:
    """Set of items -> weight of the rows that hold it."""
    counts = dict(zip(state.model.sets.tolist(), state.told.counts.tolist(), strict=True))
    sets = state.model.frequent.tolist()
    return {tuple(i for i in range(64) if s >> i & 1): counts[s] for s in sets}


def exact(X: Array, weight: Array, support: float) -> Found:
    """By brute force over all sets of items."""
    n_items = X.shape[1]
    every = itertools.chain.from_iterable(
        itertools.combinations(range(n_items), k) for k in range(1, n_items + 1)
    )
    counts = {s: float(weight[(X[:, s] != 0).all(axis=1)].sum()) for s in every}
    return {s: c for s, c in counts.items() if c > 0 and c >= support * weight.sum() - 1e-6}


@given(
    st.lists(st.tuples(st.lists(st.booleans(), min_size=5, max_size=5), st.integers(0, 3))),
    st.sampled_from([0.05, 0.2, 0.5, 1.0]),
    st.integers(1, 30),
    st.integers(1, 20),
)
def test_equals_brute_force(
    rows: list[tuple[list[bool], int]], support: float, n_sample: int, shard_rows: int
) -> None:
    X = np.array([row for row, _ in rows], np.float64).reshape(-1, 5)
    weight = np.array([w for _, w in rows], np.float64)
    state = fit(Itemsets(support, n_sample), plan_of(X, weight, rows=shard_rows))
    assert found(state) == exact(X, weight, support)


def test_two_passes_and_what_each_row_holds() -> None:
    X, _ = baskets(0, 3000)
    learner, watch = Itemsets(), Watch()
    state = fit(learner, plan_of(X), watch)
    assert [type(model) for model in watch.models[:2]] == [Look, Track]
    assert {model.base for model in watch.models[1:]} == {state.model.base}
    wanted = exact(X, np.ones(len(X)), learner.min_support)
    assert found(state) == wanted
    assert max(map(len, wanted)) >= 3
    holds = learner.answer(state.model, Batch(X[:50]), ("transform",))["transform"]
    columns = [(X[:50][:, s] != 0).all(axis=1) for s in found(state)]
    assert np.array_equal(holds, np.stack(columns, axis=1))


def test_a_crossed_border_takes_more_passes_and_the_same_sets_are_found() -> None:
    X, _ = baskets(0, 3000)
    watch = Watch()
    state = fit(Itemsets(n_sample=1), plan_of(X), watch)
    tracked = [len(model.sets) for model in watch.models if isinstance(model, Track)]
    assert len(set(tracked)) > 1
    assert tracked == sorted(tracked)
    assert found(state) == found(fit(Itemsets(), plan_of(X)))


def test_same_digest_on_every_engine_and_same_sample_for_every_shard_size() -> None:
    X, _ = baskets(1, 2000)
    weight = np.random.default_rng(0).random(2000)
    for weights in (None, weight):
        wanted = fit(Itemsets(), plan_of(X, weights))
        with_threads = drive.fit(Itemsets(), Threads(3), plan_of(X, weights))
        assert with_threads.digest == wanted.digest
        other = fit(Itemsets(), plan_of(X, weights, rows=300))
        assert other.model.base == wanted.model.base
        assert np.array_equal(other.model.frequent, wanted.model.frequent)
    assert fit(Itemsets(), plan_of(X)).digest == fit(Itemsets(), plan_of(X, rows=300)).digest


def test_an_unknown_number_of_rows_is_counted_first() -> None:
    X, _ = baskets(0, 1000)
    plan, watch = plan_of(X), Watch()
    state = fit(Itemsets(), replace(plan, n_rows=None), watch)
    assert [type(model) for model in watch.models[:3]] == [Count, Look, Track]
    assert state.digest == fit(Itemsets(), plan).digest


@pytest.mark.parametrize(
    ("X", "wanted"),
    [
        (np.empty((0, 3)), {}),
        (np.zeros((1, 3)), {}),
        (np.array([[1.0, 0, 1]]), {(0,): 1.0, (2,): 1.0, (0, 2): 1.0}),
        (np.ones((9, 2), np.float32), {(0,): 9.0, (1,): 9.0, (0, 1): 9.0}),
    ],
)
def test_tiny(X: Array, wanted: Found) -> None:
    learner = Itemsets()
    state = fit(learner, plan_of(X))
    assert found(state) == wanted
    holds = learner.answer(state.model, Batch(X), ("transform",))["transform"]
    assert holds.shape == (len(X), len(wanted))


def test_all_64_columns_are_taken_and_no_more() -> None:
    X = np.zeros((5, 64))
    X[:, [0, 63]] = 1
    assert found(fit(Itemsets(), plan_of(X))) == {(0,): 5.0, (63,): 5.0, (0, 63): 5.0}
    with pytest.raises(BadInput, match="65 columns"):
        fit(Itemsets(), plan_of(np.zeros((5, 65))))
