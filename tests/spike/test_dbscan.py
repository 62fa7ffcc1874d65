from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import cluster
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from nacre import drive
from nacre.contract import Array, Batch, Engine, Run, State, View
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.engine.tree import Span
from nacre.errors import BadInput, CannotForget
from tests.spike.dbscan import DBSCAN, Cells, Connections, Labels, Strips
from tests.spike.plans import plan_of


class Backwards(Serial):
    """Blocks arrive from right to left."""

    def stream(
        self, task: Any, newest: Callable[[], Any], held: Any, *, leaves: bool = False
    ) -> Iterator[tuple[Span, dict[Span, Any]]]:
        yield from reversed(list(super().stream(task, newest, held, leaves=leaves)))


class Watch(drive.Pace):
    """The passes of a fit."""

    def __init__(self) -> None:
        self.turns: list[tuple[Any, Any]] = []

    def turned(self, model: Any, told: Any, new: Any) -> None:
        self.turns.append((model, told))


def fit(learner: DBSCAN, plan: Any, engine: Engine | None = None) -> State:
    return drive.fit(learner, engine or Serial(), plan)


def predict(learner: DBSCAN, state: State, X: Array) -> Array:
    return learner.answer(state.model, Batch(X), ("predict",))["predict"]


def moons(n: int = 1500) -> Array:
    X: Array = make_moons(n, noise=0.06, random_state=0)[0]
    return X


def blobs(n: int = 1500) -> Array:
    X: Array = make_blobs(n, centers=5, cluster_std=0.6, random_state=3)[0]
    return X


def naive(X: Array, weight: Array, eps: float, min_samples: float) -> tuple[Array, Array]:
    """(core, label) by brute force; a cluster is named by its least core row."""
    X = X.astype(np.float64)
    apart = X[:, None] - X[None]
    squared = apart[..., 0] * apart[..., 0] + apart[..., 1] * apart[..., 1]
    close = squared <= eps * eps
    core = (np.where(close, weight, 0.0).sum(axis=1) >= min_samples) & (weight > 0)
    name = np.arange(len(X))
    joined = close & core & core[:, None]
    for _ in range(len(X)):
        name = np.where(core, np.where(joined, name, len(X)).min(axis=1, initial=len(X)), -1)
    reach = np.where(close & core, squared, np.inf)
    label = np.full(len(X), -1)
    some = np.isfinite(reach).any(axis=1)
    if some.any():
        label[some] = name[reach[some].argmin(axis=1)]
    return core, label


def same_partition(a: Array, b: Array) -> bool:
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize(
    ("X", "eps", "min_samples"), [(moons(), 0.1, 8), (blobs(), 0.5, 10), (blobs(), 0.25, 7)]
)
def test_equals_scikit_learn(X: Array, eps: float, min_samples: int) -> None:
    learner = DBSCAN(eps, min_samples)
    state = fit(learner, plan_of(X))
    label = predict(learner, state, X)
    wanted = cluster.DBSCAN(eps=eps, min_samples=min_samples).fit(X)
    core = wanted.core_sample_indices_
    assert adjusted_rand_score(wanted.labels_[core], label[core]) == 1.0
    assert np.array_equal(wanted.labels_ < 0, label < 0)
    sizes = np.bincount(label + 1, minlength=len(state.told.sizes))
    assert np.array_equal(state.told.sizes, sizes)
    assert label.max() == wanted.labels_.max() > 0


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 3)), max_size=40),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 20),
)
def test_equals_brute_force_on_ties_duplicates_and_weights(
    rows: list[tuple[int, int, int]], min_samples: int, n_groups: int, shard_rows: int
) -> None:
    X = np.array([row[:2] for row in rows], np.float32).reshape(-1, 2) * np.float32(0.1)
    weight = np.array([row[2] for row in rows], np.float64)
    learner = DBSCAN(0.2, min_samples, n_groups)
    state = fit(learner, plan_of(X, weight, rows=shard_rows))
    core, wanted = naive(X, weight, learner.eps, min_samples)
    label = predict(learner, state, X)
    assert same_partition(label, wanted)
    assert state.told.sizes.sum() == state.told.weight == weight.sum()
    assert np.array_equal(state.told.sizes, np.bincount(label + 1, weight, len(state.told.sizes)))
    held = {i for rows in state.model.cores.held.values() for i in rows.ids.tolist()}
    assert len(held) == core.sum()


@pytest.mark.parametrize("weighted", [False, True])
def test_same_digest_on_every_engine_and_order(weighted: bool) -> None:
    X = moons(900).astype(np.float32)
    weight = np.random.default_rng(0).random(900) * 2 if weighted else None
    learner = DBSCAN(0.12, 8)
    plan = plan_of(X, weight, n_files=3)
    wanted = fit(learner, plan).digest
    for engine in (Threads(3), Backwards(), Serial(memory=0)):
        assert fit(learner, plan, engine).digest == wanted
        engine.close()


def test_labels_do_not_know_the_shards_nor_the_strips() -> None:
    X = moons(900)
    wanted = predict(DBSCAN(), fit(DBSCAN(), plan_of(X)), X)
    for learner, rows in ((DBSCAN(), 400), (DBSCAN(n_groups=1), 97), (DBSCAN(n_groups=9), 50)):
        state = fit(learner, plan_of(X, rows=rows))
        assert np.array_equal(predict(learner, state, X), wanted)
    assert fit(DBSCAN(), plan_of(X)).digest == fit(DBSCAN(), plan_of(X, rows=400)).digest


def test_three_passes_and_one_shuffle() -> None:
    class Counting(Serial):
        n_shuffles = 0

        def regroup(self, place: Any, newest: Any, held: Any) -> Any:
            self.n_shuffles += 1
            return super().regroup(place, newest, held)

    engine, watch = Counting(), Watch()
    state = drive.fit(DBSCAN(), engine, plan_of(moons(600)), pace=watch)
    phases = [type(model) for model in (*(m for m, _ in watch.turns[:2]), state.model)]
    assert phases == [Cells, Strips, Labels]
    assert engine.n_shuffles == 1
    assert state.model.view == View()
    again = drive.fit(DBSCAN(), engine, plan_of(moons(600)), model=state.model)
    assert again.digest == state.digest


def test_halo_is_small_and_groups_are_balanced() -> None:
    X, watch = moons(3000), Watch()
    learner = DBSCAN(0.05, 8, n_groups=4)
    model = drive.fit(learner, Serial(), plan_of(X), pace=watch).model
    groups = [rows for _, rows in learner.place(watch.turns[1][0], Batch(X, Run(1, 0)))]
    own = [rows.counted[0] for rows in groups]
    assert sum(own) == 3000
    assert max(own) < 1.3 * min(own)
    assert sum(map(len, groups)) < 1.4 * 3000
    assert sum(len(rows.ids) for rows in model.cores.held.values()) < 1.4 * 3000


def test_a_race_is_a_fit_for_who_stands_still_as_soon_as_it_can_answer() -> None:
    plan = plan_of(moons(600))
    assert drive.race(DBSCAN(), Threads(2), plan, max_rounds=3).digest == fit(DBSCAN(), plan).digest


def test_new_rows_join_the_nearest_core_row() -> None:
    X = np.array([[0.0, 0], [0.01, 0], [1, 0], [1.01, 0]])
    learner = DBSCAN(0.1, 2)
    state = fit(learner, plan_of(X))
    new = np.array([[-0.1, 0], [0.05, 0.05], [0.5, 0], [1.1, 0], [1e6, -1e6]])
    assert predict(learner, state, new).tolist() == [0, 0, -1, 1, -1]


@pytest.mark.parametrize(
    ("X", "wanted"),
    [
        (np.empty((0, 2)), []),
        (np.zeros((1, 2)), [-1]),
        (np.zeros((30, 2)), [0] * 30),
        (np.arange(20.0).reshape(10, 2), [-1] * 10),
    ],
)
def test_tiny(X: Array, wanted: list[int]) -> None:
    learner = DBSCAN()
    state = fit(learner, plan_of(X))
    assert predict(learner, state, X).tolist() == wanted
    assert state.told.sizes.sum() == len(X)


def test_a_row_of_weight_zero_is_no_core_row() -> None:
    X = np.array([[0.0, 0], [0.1, 0], [0.2, 0]])
    weight = np.array([2.0, 0, 2])
    state = fit(DBSCAN(0.11, 2), plan_of(X, weight))
    assert state.told.sizes.tolist() == [0, 2, 2]


def test_refuses_other_widths_rows_far_off_and_forgetting_by_a_factor() -> None:
    with pytest.raises(BadInput, match="3 columns"):
        fit(DBSCAN(), plan_of(np.zeros((4, 3))))
    with pytest.raises(BadInput, match="rows 0 to 3"):
        fit(DBSCAN(eps=1e-9), plan_of(np.ones((4, 2))))
    watch = Watch()
    drive.fit(DBSCAN(), Serial(), plan_of(moons(200)), pace=watch)
    told = watch.turns[1][1]
    assert isinstance(told, Connections)
    with pytest.raises(CannotForget, match="FOREST"):
        replace(told).scale(0.5)
