"""RobustScale and Clip beside scikit-learn and NumPy, Impute by median; far, constant, gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import RobustScaler

from nacre import Clip, Impute, KMeans, RobustScale, Scale, chain, errors
from nacre.kinds import Array

SEEDS = st.integers(0, 9_999)


def columns(seed: int, n: int, gaps: float = 0.0) -> Array:
    """(n, 4): near and far, skewed, few values; some missing."""
    draw = np.random.default_rng(seed)
    X = draw.normal([0.0, 1e6, 0.0, 0.0], size=(n, 4))
    X[:, 2], X[:, 3] = np.exp(5 * X[:, 2]), np.round(X[:, 3])
    X[1:][draw.random((n - 1, 4)) < gaps] = np.nan
    return X


@given(SEEDS, st.integers(2, 200), st.booleans(), st.sampled_from([(25.0, 75.0), (1.0, 60.0)]))
def test_robust_scale_is_scikit_learns(
    seed: int, n: int, unit: bool, percentiles: tuple[float, float]
) -> None:
    X = columns(seed, n, gaps=0.2)
    X[1] = X[0] + 1  # two numbers in each column, at least
    options: Any = {"quantile_range": percentiles, "unit_variance": unit}
    ours, theirs = RobustScale(**options).fit(X), RobustScaler(**options).fit(X)
    np.testing.assert_allclose(ours.center_, theirs.center_, rtol=1e-14)
    np.testing.assert_allclose(ours.scale_, theirs.scale_, rtol=1e-12)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-9, atol=1e-9)
    back = ours.inverse_transform(ours.transform(X))
    np.testing.assert_allclose(back, X, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("constant", [0.0, -5.5, 1e-300, 1e100])
def test_robust_scale_of_a_constant_column(constant: float) -> None:
    X = np.column_stack([np.full(50, constant), np.arange(50.0)])
    scale = RobustScale().fit(X)
    assert (scale.center_[0], scale.scale_[0]) == (constant, 1.0)
    assert not scale.transform(X)[:, 0].any()


def test_far_rows_change_nothing_and_become_no_infinity() -> None:
    X = np.random.default_rng(0).normal(size=(1_000, 2)).astype(np.float32) * np.float32(1e-30)
    plain = RobustScale().fit(X)
    X[::50] = 1e17
    found = RobustScale().fit(X)
    np.testing.assert_allclose(found.scale_, plain.scale_, rtol=0.1)
    Z = found.transform(X)
    assert Z.dtype == np.float32
    assert np.isfinite(Z).all()
    assert Z.max() == np.finfo(np.float32).max


def test_robust_scale_after_more_rows_is_within_the_bound() -> None:
    X = 100 + columns(4, 2_000)[:, :1]
    found = RobustScale().fit(X[:1_000]).partial_fit(X[1_000:] + 1)
    seen = np.concatenate([X[:1_000], X[1_000:] + 1])
    low, middle, high = np.quantile(seen, (0.25, 0.5, 0.75), axis=0)
    assert abs(found.center_ - middle) <= middle / 256
    assert abs(found.scale_ - (high - low)) <= (high + low) / 256


@given(SEEDS, st.sampled_from([np.float32, np.float64]))
def test_clip_is_numpys(seed: int, dtype: type) -> None:
    X = columns(seed, 150, gaps=0.1).astype(dtype)
    low, high = np.nanquantile(X.astype(np.float64), (0.05, 0.9), axis=0)
    found = Clip(0.05, 0.9).fit(X)
    np.testing.assert_array_equal((found.lower_, found.upper_), (low, high))
    np.testing.assert_array_equal(
        found.transform(X), np.clip(X, low.astype(dtype), high.astype(dtype))
    )
    above = Clip(0.05, None).fit(X)
    np.testing.assert_array_equal(above.transform(X), np.maximum(X, low.astype(dtype)))
    assert (above.upper_ == np.inf).all()


def test_clip_to_given_bounds_is_one_pass() -> None:
    X = columns(0, 100).astype(np.float32)
    found = Clip(bounds=[0.0, 1e300]).fit(X)
    assert np.array_equal(found.transform(X), np.maximum(X, 0))
    assert len(found._record.jobs[-1].turns) == 1
    assert len(found.state_.told.counts.keys) == 0


@given(SEEDS, st.integers(1, 120))
def test_impute_by_median_is_scikit_learns(seed: int, n: int) -> None:
    X = columns(seed, n, gaps=0.4)
    found = Impute("median").fit(X)
    want = SimpleImputer(strategy="median").fit(X)
    np.testing.assert_allclose(found.statistics_, want.statistics_, rtol=1e-14)
    np.testing.assert_allclose(found.transform(X), want.transform(X), rtol=1e-14)


def test_a_column_without_a_number_is_filled_with_0() -> None:
    X = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    for strategy in ("mean", "median"):
        assert Impute(strategy).fit(X).statistics_.tolist() == [0.0, 1.5]


def test_grades_are_those_of_the_strategy() -> None:
    assert Impute("mean").grade["time"] == "bits"
    assert Impute("median").grade["time"] == "bounded"
    assert chain(Impute("median"), Scale()).grade["time"] == "bounded"


def test_a_constant_that_the_rows_cannot_hold() -> None:
    X = np.array([[1.0], [np.nan]], np.float32)
    with pytest.raises(errors.BadParameter, match="float32"):
        Impute("constant", 1e300).fit(X)
    assert Impute("constant", 1e300).fit_transform(X.astype(np.float64))[1, 0] == 1e300


@pytest.mark.parametrize("learner", [Scale(), RobustScale()], ids=repr)
def test_integers_come_back_as_numbers(learner: Any) -> None:
    learner.fit(np.array([[0.5], [1.0], [2.0], [7.5]]))
    whole = np.array([[0], [1], [-1]])
    back = learner.inverse_transform(whole)
    assert back.dtype == np.float64
    np.testing.assert_array_equal(back, learner.inverse_transform(whole.astype(np.float64)))
    assert learner.inverse_transform(whole.astype(np.float32)).dtype == np.float32
    with pytest.raises(errors.BadInput, match="shape"):
        learner.inverse_transform(np.zeros((3, 2)))


def test_before_k_means() -> None:
    X = np.repeat(np.arange(3.0), 100)[:, None] * [10.0, 1e-6]
    X[7] = [1e9, 1e9]
    pipe = chain(Clip(), RobustScale(), KMeans(3, random_state=0)).fit(X)
    assert len(set(pipe.labels_[[0, 150, 250]].tolist())) == 3


@pytest.mark.parametrize(
    ("learner", "name"),
    [
        (RobustScale(quantile_range=(75.0, 25.0)), "quantile_range"),
        (RobustScale(quantile_range=(0.0, 75.0), unit_variance=True), "quantile_range"),
        (RobustScale(quantile_range=[1.0]), "quantile_range"),
        (RobustScale(with_scaling=1), "with_scaling"),  # type: ignore[arg-type]
        (Clip(0.9, 0.1), "lower"),
        (Clip(-0.1), "lower"),
        (Clip(upper=2), "upper"),
        (Clip(bounds=(1.0, 0.0)), "bounds"),
        (Clip(bounds=(0.0, np.nan)), "bounds"),
        (Impute("mode"), "strategy"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named(learner: Any, name: str) -> None:
    with pytest.raises(errors.BadParameter, match=name):
        learner.fit(np.zeros((5, 3)))
