"""Histogram and Quantiles: beside NumPy, on all kinds of columns, weighted, and over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre import Histogram, Quantiles, errors
from nacre.kinds import Array
from nacre.learn.count import quantiles
from nacre.source.read import read

SHARES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.999, 1.0)
SEEDS = st.integers(0, 9_999)

KINDS: dict[str, Any] = {
    "normal": lambda draw, n: draw.normal(size=n),
    "far": lambda draw, n: 1e9 + draw.normal(size=n),
    "skewed": lambda draw, n: np.exp(20 * draw.normal(size=n)),
    "sizes": lambda draw, n: draw.normal(size=n) * 10.0 ** draw.integers(-320, 149, n),
    "whole": lambda draw, n: np.floor(1e6 * draw.random(n)) - 5e5,
    "ties": lambda draw, n: draw.choice([-0.3, 0.0, 12.99], n),
    "zeros": lambda draw, n: np.where(draw.random(n) < 0.95, 0.0, draw.normal(size=n)),
    "constant": lambda draw, n: np.full(n, 0.1),
}


def columns(seed: int, n: int) -> Array:
    """(n, 8): one column of each kind."""
    draw = np.random.default_rng(seed)
    return np.column_stack([make(draw, n) for make in KINDS.values()])


@given(SEEDS, st.integers(1, 300), st.sampled_from([np.float32, np.float64]))
def test_quantiles_are_numpys(seed: int, n: int, dtype: type) -> None:
    with np.errstate(over="ignore", under="ignore"):
        X = columns(seed, n).astype(dtype)
    X = np.clip(X, -1e17, 1e17)
    found = Quantiles(SHARES).fit(X)
    with np.errstate(under="ignore"):
        np.testing.assert_array_equal(
            found.quantiles_, np.quantile(X.astype(np.float64), SHARES, axis=0)
        )
    assert not found.doubt_.any()
    assert len(found._record.jobs[-1].turns) <= 3


@given(SEEDS, st.integers(1, 200))
def test_histograms_are_near(seed: int, n: int) -> None:
    X = columns(seed, n)
    found = Histogram(0.004).fit(X)
    low, high = (np.quantile(X, SHARES, axis=0, method=m) for m in ("lower", "higher"))
    least, most = (
        np.where(edge < 0, edge * (1 + s), edge * (1 - s))
        for edge, s in ((low, 0.004), (high, -0.004))
    )
    tiny = 1e-310
    got = found.quantile(SHARES)
    assert (least - tiny <= got).all()
    assert (got <= most + tiny).all()
    assert np.array_equal(found.min_, X.min(axis=0))
    assert np.array_equal(found.max_, X.max(axis=0))
    assert np.array_equal(found.quantile(1.0), X.max(axis=0))


def test_what_is_missing_counts_nowhere() -> None:
    X = columns(3, 400)
    X[np.random.default_rng(0).random(X.shape) < 0.4] = np.nan
    X[:, 1] = np.nan
    want = np.nanquantile(X[:, [0, 2, 5]], SHARES, axis=0)
    found = Quantiles(SHARES).fit(X)
    np.testing.assert_array_equal(found.quantiles_[:, [0, 2, 5]], want)
    assert not found.quantiles_[:, 1].any()
    near = Histogram().fit(X)
    assert np.isnan(near.quantile(0.5)[1])
    assert np.isnan(near.cdf(0.0)[1])
    assert (near.min_[1], near.max_[1]) == (np.inf, -np.inf)


@given(SEEDS)
def test_weights_are_repetition(seed: int) -> None:
    X, times = columns(seed, 60), np.random.default_rng(seed).integers(0, 5, 60)
    for learner in (Quantiles(SHARES), Histogram()):
        weighted = learner.fit(X, sample_weight=times).state_
        repeated = learner.fit(np.repeat(X, times, axis=0)).state_
        assert weighted.told.weight == repeated.told.weight
        assert np.array_equal(weighted.told.counts.values, repeated.told.counts.values)
    weighted, repeated = Quantiles(SHARES), Quantiles(SHARES)
    np.testing.assert_array_equal(
        weighted.fit(X, sample_weight=times).quantiles_,
        repeated.fit(np.repeat(X, times, axis=0)).quantiles_,
    )
    np.testing.assert_array_equal(
        Histogram().fit(X, sample_weight=times).quantile(SHARES),
        Histogram().fit(np.repeat(X, times, axis=0)).quantile(SHARES),
    )


@given(SEEDS, st.integers(1, 80))
def test_equal_shares_as_weights_change_nothing(seed: int, n: int) -> None:
    X = columns(seed, n)
    plain, shared = Quantiles(SHARES).fit(X), Quantiles(SHARES)
    shared.fit(X, sample_weight=np.full(n, 1 / n))
    np.testing.assert_allclose(shared.quantiles_, plain.quantiles_, rtol=1e-9, atol=1e-300)


def test_rows_of_weight_zero_are_not_there() -> None:
    X, weight = columns(1, 200), np.repeat([1.0, 0.0], 100)
    found = Quantiles(SHARES).fit(X, sample_weight=weight)
    assert np.array_equal(found.quantiles_, np.quantile(X[:100], SHARES, axis=0))
    near, few = Histogram().fit(X, sample_weight=weight), Histogram().fit(X[:100])
    assert np.array_equal(near.max_, few.max_)
    assert np.array_equal(near.quantile(SHARES), few.quantile(SHARES))


@given(SEEDS)
def test_shares_of_whole_numbers_are_exact(seed: int) -> None:
    X = np.random.default_rng(seed).integers(-9, 10, (30, 2)).astype(float)
    found = Histogram().fit(X)
    for x in range(-10, 11):
        np.testing.assert_allclose(found.cdf(x), (x >= X).mean(axis=0))
    assert (found.cdf(found.max_) == 1).all()
    assert not found.cdf(X.min() - 0.001).any()


def test_a_column_that_is_not_there() -> None:
    found = Histogram().fit(columns(0, 9))
    assert np.array_equal(found.bars(-1).weight, found.bars(len(KINDS) - 1).weight)
    with pytest.raises(errors.BadParameter, match="column"):
        found.bars(len(KINDS))
    with pytest.raises(errors.BadParameter, match="one for each column"):
        found.cdf([1.0, 2.0])


def test_many_passes_where_there_is_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "MOST_STEPS", 1)
    monkeypatch.setattr(quantiles, "LEAST_STEPS", 4)
    X = columns(5, 4_000)
    found = Quantiles(SHARES).fit(X)
    np.testing.assert_array_equal(found.quantiles_, np.quantile(X, SHARES, axis=0))
    assert len(found._record.jobs[-1].turns) > 3
    assert len(found.state_.told.steps.keys) < 4 * 16 * X.shape[1]


def test_later_rows_move_quantiles_within_the_bound() -> None:
    X = 50 + columns(7, 3_000)[:, :1]
    found = Quantiles((0.1, 0.5, 0.9))
    for at, part in enumerate(np.split(X + np.repeat(np.arange(3.0), 1_000)[:, None], 3)):
        found.partial_fit(part)
        seen = (X + np.repeat(np.arange(3.0), 1_000)[:, None])[: 1_000 * (at + 1)]
        want = np.quantile(seen, (0.1, 0.5, 0.9), axis=0)
        assert found.state_.told.base == found.state_.model.base
        assert (np.abs(found.quantiles_ - want) <= want / 256).all()
        assert (np.abs(found.quantiles_ - want) <= found.doubt_ + 1e-12).all()
    assert found.state_.told.n_rows == 3_000


def test_later_rows_that_move_nothing_keep_it_exact() -> None:
    X = columns(8, 999)[:, :1]
    found = Quantiles((0.5,)).fit(X)
    found.partial_fit(np.concatenate([X[:400] * 0 + 100, X[:400] * 0 - 100]))
    assert found.quantiles_[0] == np.median(X)
    assert not found.doubt_.any()


def test_histograms_add_up_over_time() -> None:
    X = columns(9, 500)
    parts, whole = Histogram(), Histogram().fit(X)
    for part in np.array_split(X, 4):
        parts.partial_fit(part)
    assert np.array_equal(parts.state_.told.counts.keys, whole.state_.told.counts.keys)
    assert np.array_equal(parts.state_.told.counts.values, whole.state_.told.counts.values)
    assert np.array_equal(parts.quantile(SHARES), whole.quantile(SHARES))
    half = whole.state_.told.scale(0.5)
    assert half.counts.values.sum() == 0.5 * whole.state_.told.counts.values.sum()


def test_shares_and_bars() -> None:
    x = np.sort(np.random.default_rng(0).lognormal(size=5_000))
    found = Histogram().fit(x[:, None])
    for value in (x[0] / 2, *x[[100, 2_500, 4_900]], x[-1] * 2):
        assert abs(found.cdf(value)[0] - (x <= value).mean()) < 0.01
    bars = found.bars(0)
    assert bars.weight.sum() == 5_000
    assert (bars.lower <= bars.upper).all()
    assert (bars.upper[:-1] < bars.lower[1:]).all()


def test_the_same_bits_on_any_engine_and_plan(tmp_path: Any) -> None:
    X = columns(2, 3_000)
    want = Quantiles(SHARES).fit(X, engine="serial")
    assert want.fit(X, engine="threads:3").state_.digest == want.state_.digest
    cut = Quantiles(SHARES).fit(read(X, shard_rows=311))
    assert np.array_equal(cut.quantiles_, want.quantiles_)
    want.save(tmp_path / "model")
    import nacre

    assert nacre.load(tmp_path / "model").state_.digest == want.state_.digest


@pytest.mark.parametrize(
    ("learner", "name"),
    [
        (Quantiles(()), "q"),
        (Quantiles((0.5, 1.5)), "q"),
        (Quantiles("half"), "q"),
        (Quantiles(0.5), "q"),
        (Histogram(0.0), "relative_error"),
        (Histogram("small"), "relative_error"),
    ],
)
def test_bad_parameters_are_named(learner: Any, name: str) -> None:
    with pytest.raises(errors.BadParameter, match=name):
        learner.fit(np.zeros((5, 2)))


def test_a_share_that_is_none() -> None:
    with pytest.raises(errors.BadParameter, match="0 to 1"):
        Histogram().fit(np.ones((3, 1))).quantile(1.1)
