from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from nacre import drive
from nacre.contract import Array, Batch, Engine, State
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.errors import BadInput
from tests.spike.cases_iterative import CENTRES, MIXTURE_CASE
from tests.spike.mixture import Init, Mixture, Residuals, Theta
from tests.spike.plans import plan_of


class Watch(drive.Pace):
    """The passes of a fit: (model, told, new)."""

    def __init__(self) -> None:
        self.turns: list[tuple[Any, Any, Any]] = []

    def turned(self, model: Any, told: Any, new: Any) -> None:
        self.turns.append((model, told, new))


def blobs(seed: int, n: int, d: int = 3) -> Array:
    drawn = np.random.default_rng(seed).normal(size=(n, d + 1))
    return CENTRES[np.digitize(drawn[:, 0], [-0.5, 0.5]), :d] + drawn[:, 1:]


def fit(learner: Mixture, X: Array, engine: Engine | None = None, **more: Any) -> State:
    return drive.fit(learner, engine or Serial(), plan_of(X), **more)


def reference(theta: Theta, Z: Array, n_passes: int) -> Theta:
    """EM as the textbook has it, from E[z^2] - E[z]^2: good enough for rows about 0 and 1 apart."""
    weights, means, variances = theta.weights, theta.means, theta.variances
    (k, d), n = means.shape, len(Z)
    psi = Z.var(axis=0) * k ** (-2 / d)
    for _ in range(n_passes):
        apart = Z[:, None] - means
        density = weights * np.exp(-((apart**2) / variances).sum(2) / 2)
        r = density / np.sqrt(variances).prod(1)
        r /= r.sum(axis=1, keepdims=True)
        N = r.sum(axis=0)[:, None]
        weights, means = N[:, 0] / n, r.T @ Z / N
        variances = (r.T @ Z**2 - N * means**2 + psi) / (N + d + 2)
    return Theta(weights, means, variances)


@given(
    scale=st.lists(st.integers(-6, 6), min_size=3, max_size=3),
    offset=st.lists(st.integers(-1, 6), min_size=3, max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
@settings(max_examples=15)
def test_bad_condition_changes_nothing(
    scale: list[int], offset: list[int], dtype: type, seed: int
) -> None:
    unit, middle = 10.0 ** np.array(scale), 10.0 ** np.array(offset)
    X = ((blobs(seed, 600) + middle) * unit).astype(dtype)
    watch = Watch()
    state = fit(Mixture(max_iter=8, tol=1e-9, n_sample=100), X, pace=watch)
    first = watch.turns[0][2]
    start = replace(first, means=first.means / unit - middle, variances=first.variances / unit**2)
    want = reference(start, X / unit - middle, state.model.n_passes)
    assert np.allclose(state.model.means / unit - middle, want.means, rtol=0, atol=1e-6)
    assert np.allclose(state.model.variances / unit**2, want.variances, rtol=1e-6)
    assert np.allclose(state.model.weights, want.weights, rtol=1e-6)


def test_the_extremes_together() -> None:
    unit, middle = np.array([1e-6, 1.0, 1e6]), np.array([1e6, 1e6, 0.0])
    plain, far = blobs(0, 900), blobs(0, 900) * unit + middle * unit
    near, state = fit(Mixture(), plain), fit(Mixture(), far)
    assert np.allclose((state.model.means / unit - middle), near.model.means, atol=1e-6)
    assert np.allclose(state.model.variances / unit**2, near.model.variances, rtol=1e-6)
    change = 900 * np.log(unit).sum()
    assert state.told.log_p == pytest.approx(near.told.log_p - change, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_as_likely_as_scikit_learn_says(seed: int, d: int) -> None:
    X = blobs(seed, 1500, d)
    peer = GaussianMixture(3, covariance_type="diag", n_init=3, random_state=0).fit(X)
    state = fit(Mixture(random_state=seed), X)
    assert state.told.log_p / state.told.weight >= peer.score(X) - 0.01


def test_told_measures_the_model_that_is_kept() -> None:
    X, watch = blobs(3, 1000), Watch()
    state = fit(Mixture(n_sample=200), X, pace=watch)
    answer = Mixture().answer(state.model, Batch(X), ("score_samples", "predict", "predict_proba"))
    assert state.told.base == state.model.base
    assert state.told.log_p == pytest.approx(answer["score_samples"].sum(), rel=1e-12)
    assert np.array_equal(answer["predict"], answer["predict_proba"].argmax(1))
    assert np.allclose(answer["predict_proba"].sum(1), 1)
    assert [type(model) for model, _, _ in watch.turns][:2] == [Init, Theta]
    scores = [told.log_p for _, told, _ in watch.turns[1:]]
    assert sorted(scores) == scores, "EM climbs"
    assert watch.turns[0][1].n_rows < 300 < watch.turns[1][1].n_rows == 1000


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_same_bits_on_threads(n_workers: int) -> None:
    X, _ = MIXTURE_CASE.rows(0, 2000)
    engine = Threads(n_workers)
    assert fit(Mixture(), X, engine).digest == fit(Mixture(), X).digest
    engine.close()


def test_rows_that_are_counted_first_give_the_same_fit() -> None:
    X = blobs(0, 1000)
    unknown = replace(plan_of(X), n_rows=None)
    learner = Mixture(n_sample=200)
    assert drive.fit(learner, Serial(), unknown).digest == fit(learner, X).digest


def test_rows_of_weight_0_are_not_there() -> None:
    X, junk = blobs(0, 700), np.random.default_rng(1).random(700) < 0.3
    X[junk] = 50.0
    weighted = drive.fit(Mixture(), Serial(), plan_of(X, np.where(junk, 0.0, 1.0)))
    alone = fit(Mixture(), X[~junk])
    assert np.allclose(weighted.model.means, alone.model.means, atol=1e-9)
    assert weighted.told.weight == alone.told.weight
    assert weighted.told.n_rows == 700


def test_a_dead_component_takes_half_of_the_widest() -> None:
    X, good = blobs(0, 900), fit(Mixture(), blobs(0, 900))
    means = np.array([[0.0, 0, 0], [3, 3, 0], [1e4, 1e4, 1e4]])
    lost = Theta(np.full(3, 1 / 3), means, np.full((3, 3), 9.0))
    learner = Mixture()
    told = learner.observe(lost, Batch(X))
    assert isinstance(told, Residuals)
    assert told.N[2] == 0
    assert np.abs(learner.advance(lost, told).means).max() < 10
    found = drive.fit(learner, Serial(), plan_of(X), model=lost)
    assert found.told.log_p == pytest.approx(good.told.log_p, abs=0.01 * 900)


def test_a_column_that_does_not_vary() -> None:
    X = np.column_stack([blobs(0, 400), np.full(400, 1e6), np.zeros(400)])
    state = fit(Mixture(), X)
    assert np.isfinite(state.told.log_p)
    assert np.allclose(state.model.means[:, 3:], [1e6, 0])
    found = Mixture().answer(state.model, Batch(X), ("predict",))["predict"]
    plain = Mixture().answer(fit(Mixture(), X[:, :3]).model, Batch(X[:, :3]), ("predict",))
    assert len(set(zip(found.tolist(), plain["predict"].tolist(), strict=True))) == 3


def test_nothing_to_learn_from() -> None:
    with pytest.raises(BadInput, match="weight 0"):
        drive.fit(Mixture(), Serial(), plan_of(blobs(0, 50), np.zeros(50)))
