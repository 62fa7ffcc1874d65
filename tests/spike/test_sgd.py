from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nacre import drive
from nacre.contract import Array, Batch, Engine, State
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.errors import BadInput, BadParameter, OtherBase
from nacre.laws.chaos import Chaos
from nacre.source.plan import RowPlan
from tests.spike import plans
from tests.spike.cases_iterative import lines
from tests.spike.sgd import LinearSGD, Walked

ENGINES: list[Callable[[], Any]] = [
    Serial,
    *(lambda n=n: Threads(n) for n in (1, 2, 3)),
    lambda: Chaos(0),
]


def plan_of(X: Array, y: Array | None, rows: int = 512, weight: Array | None = None) -> RowPlan:
    return plans.plan_of(X, weight, y, rows=rows, batch_rows=256)


def fit(learner: LinearSGD, n: int = 4096, shard_rows: int = 512, engine: Any = None) -> State:
    return drive.fit(learner, engine or Serial(), plan_of(*lines(0, n), shard_rows))


def least_squares(X: Array, y: Array, weight: Array | float = 1.0) -> Array:
    root = np.sqrt(weight * np.ones(len(X)))
    ones = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
    return np.linalg.lstsq(ones * root[:, None], y * root, rcond=None)[0]


def test_least_squares_is_found_and_told_measures_it() -> None:
    X, y = lines(0, 4096)
    state = fit(LinearSGD())
    assert np.allclose(state.model.weights, least_squares(X, y), atol=1e-3)
    error = LinearSGD().answer(state.model, Batch(X), ("predict",))["predict"] - y
    assert state.told.base == state.model.base
    assert state.told.loss == pytest.approx((error**2).sum(), rel=1e-5)  # answers are float32
    assert state.complete
    assert not state.told.delta.any(), "the last pass walks nowhere"


def test_rounds_are_as_many_as_asked_for() -> None:
    class Watch(drive.Pace):
        def __init__(self) -> None:
            self.rates: list[float] = []

        def turned(self, model: Any, told: Any, new: Any) -> None:
            self.rates.append(model.rate)

    known = plan_of(*lines(0, 1024))
    for plan in (known, replace(known, n_rows=None)):
        watch = Watch()
        drive.fit(LinearSGD(n_rounds=7, rate=0.1, decay=0.5), Serial(), plan, pace=watch)
        assert [rate for rate in watch.rates if rate] == [0.1 * 0.5**i for i in range(7)]


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_same_bits_on_threads(n_workers: int) -> None:
    engine = Threads(n_workers)
    assert fit(LinearSGD(), engine=engine).digest == fit(LinearSGD()).digest
    engine.close()


def test_same_bits_where_the_walks_have_the_same_rows() -> None:
    assert fit(LinearSGD(), 4096, 512).digest == fit(LinearSGD(), 4096, 1024).digest


def test_same_bits_where_a_walk_has_three_shards_or_one() -> None:
    learner = LinearSGD(n_walks=7, n_rounds=3)
    assert fit(learner, 7 * 768, 256).digest == fit(learner, 7 * 768, 768).digest


def test_one_walk_is_plain_sgd() -> None:
    X, y = lines(1, 1000)
    rows, at = np.column_stack([X, np.ones(1000)]).astype(np.float64), np.zeros(4)
    for start in range(0, 1000, 256):  # batches, then steps in them
        for a in range(start, min(start + 256, 1000), 64):
            b = min(a + 64, start + 256, 1000)
            at = at - 0.1 * rows[a:b].T @ (rows[a:b] @ at - y[a:b]) / (b - a)
    model = LinearSGD(n_walks=1).start(Batch(X, y=y), 1000)
    told = Serial().reduce(
        LinearSGD().observe_shard, lambda: model, Serial().hold(plan_of(X, y, 300))
    )
    assert not np.allclose(told.delta / told.weight, 0)
    plain = drive.fit(LinearSGD(n_walks=1, n_rounds=1), Serial(), plan_of(X, y, 1024))
    assert np.allclose(plain.model.weights, at, rtol=1e-12)


def test_equal_walks_are_one_walk_and_all_weights_move() -> None:
    X, y = lines(2, 512)
    four = plan_of(np.tile(X, (4, 1)), np.tile(y, 4))
    learner = LinearSGD(n_rounds=1)
    many = drive.fit(learner, Serial(), four).model.weights
    one = drive.fit(learner, Serial(), plan_of(X, y)).model.weights
    assert np.allclose(many, one, rtol=1e-12)
    assert np.all(many != 0)


def test_weights_count() -> None:
    X, y = lines(0, 4096)
    weight = np.random.default_rng(0).choice([0.0, 1.0, 3.0], 4096)
    y = np.where(weight == 0, 1e3, y)
    state = drive.fit(LinearSGD(), Serial(), plan_of(X, y, weight=weight))
    assert np.allclose(state.model.weights, least_squares(X, y, weight), atol=2e-3)
    assert state.told.weight == weight.sum()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n_walks", [4, 8])
def test_a_race_reaches_least_squares(engine: Callable[[], Engine], n_walks: int) -> None:
    X, y = lines(0, 4096)
    learner, one = LinearSGD(n_walks=n_walks), engine()
    state = drive.race(learner, one, plan_of(X, y), max_rounds=learner.n_rounds)
    one.close()
    assert np.allclose(state.model.weights, least_squares(X, y), atol=1e-2)
    assert state.told.base == state.model.base
    assert state.complete


def test_a_race_drops_what_is_too_stale() -> None:
    class Behind(Serial):
        """Hands out four blocks before the first comes back."""

        def stream(
            self, task: Any, newest: Any, held: Any, *, leaves: bool = False
        ) -> Iterator[tuple[Any, dict[Any, Any]]]:
            waiting: deque[tuple[Any, Any]] = deque()
            for block in held.blocks(newest().view, 1, leaves):
                if len(waiting) == 4:
                    first, model = waiting.popleft()
                    yield first, held.work(task, model, first)
                waiting.append((block, newest()))
            for block, model in waiting:
                yield block, held.work(task, model, block)

    X, y = lines(0, 4096)
    for patience, kept in ((3, 8), (1, 4), (0, 2)):
        learner = LinearSGD(n_walks=8, patience=patience)
        state = drive.race(learner, Behind(), plan_of(X, y), max_rounds=10)
        assert state.model.seen == 10 * kept * 512
        assert state.told.base == state.model.base
        assert not state.complete


def test_a_fit_goes_on_where_one_ended() -> None:
    X, y = lines(0, 4096)
    learner, old = LinearSGD(), fit(LinearSGD())
    new = drive.fit(learner, Serial(), plan_of(X, y + X[:, 0]), model=learner.resume(old.model))
    assert np.allclose(new.model.weights, least_squares(X, y + X[:, 0]), atol=1e-3)
    assert np.allclose(new.model.weights - old.model.weights, [1, 0, 0, 0], atol=1e-3)


def test_stale_summaries_count_half_each_time_and_too_old_ones_are_refused() -> None:
    X, y = lines(0, 256)
    learner = LinearSGD(patience=2)
    models = [learner.start(Batch(X, y=y), 256)]
    told = learner.observe(models[0], Batch(X, y=y))
    for seed in (1, 2, 3):
        more, of_more = lines(seed, 256)
        newer = learner.observe(models[-1], Batch(more, y=of_more))
        models.append(learner.advance(models[-1], newer))
    for age, model in enumerate(models[:3]):
        moved = learner.advance(model, told).weights - model.weights
        assert np.allclose(moved, 0.5**age * told.delta / told.weight, rtol=1e-12)
    with pytest.raises(OtherBase):
        learner.advance(models[3], told)


def test_a_summary_says_what_was_read() -> None:
    X, y = lines(0, 100)
    learner = LinearSGD()
    model = learner.start(Batch(X, y=y), 100)
    parts = [Batch(X[at], y=y[at]) for at in (slice(0, 60), slice(60, 60), slice(60, 100))]
    told = learner.observe_shard(model, parts)
    assert isinstance(told, Walked)
    assert (told.n_rows, told.weight, told.base) == (100, 100.0, model.base)
    assert told.loss == pytest.approx(float(y @ y))


def test_bad_parameters_and_bad_rows_are_named() -> None:
    X, y = lines(0, 2048)
    with pytest.raises(BadParameter, match="rate=50"):
        drive.fit(LinearSGD(rate=50.0, n_rounds=200, decay=1.0), Serial(), plan_of(X, y))
    with pytest.raises(BadInput, match="rows without y"):
        drive.fit(LinearSGD(), Serial(), plan_of(X, None))
