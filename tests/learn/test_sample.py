"""Sample: as many rows as asked for, the same ones however cut, by chance and by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre import Histogram, KMeans, Moments, Sample, Scale, canon, chain, errors
from nacre.contract import Array, Batch
from nacre.learn.count.sample import LEAST_OF_CELLS, quotas
from nacre.source.read import read

SEEDS = st.integers(0, 9_999)


def positions(sample: Sample) -> list[int]:
    """Which rows are in a sample, sorted."""
    return sorted(sample.sample_.ids["position"].tolist())


@given(SEEDS, st.integers(1, 400), st.integers(1, 90))
def test_it_holds_as_many_rows_as_asked_for(seed: int, n: int, size: int) -> None:
    X = np.random.default_rng(seed).normal(size=(n, 2))
    found = Sample(size, random_state=seed).fit(X)
    sample = found.sample_
    assert len(sample.X) == len(set(positions(found))) == min(n, size)
    np.testing.assert_array_equal(sample.X, X[sample.ids["position"].astype(int)])
    np.testing.assert_allclose(sample.weight, n / min(n, size))
    factor = found.select(X)
    assert np.flatnonzero(factor).tolist() == positions(found)
    np.testing.assert_allclose(factor[factor > 0], n / min(n, size))


@given(SEEDS, st.integers(2, 12))
def test_a_sample_joined_with_itself_is_itself(seed: int, n: int) -> None:
    learner, rows = Sample(9, random_state=seed), Batch(np.arange(n * 1.0)[:, None])
    least = learner.observe(learner.start(rows, n), rows).least  # type: ignore[attr-defined]
    assert canon.digest(LEAST_OF_CELLS.join(least, least)) == canon.digest(least)


def test_the_same_rows_however_they_are_cut() -> None:
    X = np.random.default_rng(0).normal(size=(3_000, 2))
    want = Sample(200).fit(X, engine="serial")
    assert Sample(200).fit(X, engine="threads:3").state_.digest == want.state_.digest
    cut = Sample(200).fit(read(X, shard_rows=77))
    assert positions(cut) == positions(want)
    assert positions(Sample(200, random_state=1).fit(X)) != positions(want)
    assert positions(Sample(100).fit(X)) == sorted(want.sample_.ids["position"][:100].tolist())


def test_each_row_has_the_same_chance() -> None:
    rows = Batch(np.zeros((50, 1)))
    counts = np.zeros(50)
    for seed in range(400):
        learner = Sample(10, random_state=seed)
        model = learner.start(rows, 50)
        model = learner.advance(model, learner.observe(model, rows))
        counts += learner.answer(model, rows, ("select",))["select"] > 0
    z = (counts - 80) / np.sqrt(400 * 0.2 * 0.8)
    assert abs(z).max() < 4.5
    assert 0.4 < z.var() < 1.9


def test_heavy_rows_have_more_chances_and_sums_are_estimated_well() -> None:
    draw = np.random.default_rng(0)
    weight = draw.lognormal(sigma=1.5, size=4_000)
    X = (draw.normal(size=(4_000, 1)) + 5) * np.sqrt(weight)[:, None]
    truth = float(weight @ X[:, 0])
    estimates, totals = [], []
    for seed in range(40):
        sample = Sample(300, random_state=seed).fit(X, sample_weight=weight).sample_
        estimates.append(float(sample.weight @ sample.X[:, 0]))
        totals.append(sample.weight.sum())
    np.testing.assert_allclose(totals, weight.sum())
    error = (np.array(estimates) - truth) / truth
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(40)
    assert error.std() < 0.1


def test_rows_of_weight_zero_are_not_drawn() -> None:
    weight = np.repeat([0.0, 2.0], 50)
    found = Sample(80).fit(np.arange(100.0)[:, None], sample_weight=weight)
    assert positions(found) == list(range(50, 100))
    np.testing.assert_array_equal(found.sample_.weight, 2.0)


@pytest.mark.parametrize("labels", [["a", "bb", "c"], [0, 1, 2], [0.5, 1.0, -3.0]], ids=repr)
def test_classes_are_seen_alike(labels: list[Any]) -> None:
    y = np.array(labels)[np.repeat([0, 1, 2], [9_000, 950, 50])]
    y = y[np.random.default_rng(0).permutation(len(y))]
    X = np.arange(10_000.0)[:, None]
    found = Sample(300, balanced="y").fit(X, y)
    drawn = y[positions(found)]
    assert sorted((drawn == label).sum() for label in labels) == [50, 125, 125]
    np.testing.assert_array_equal(found.sample_.weight, 1.0)
    assert set(np.unique(found.select(read(X, y=y)))) == {0.0, 1.0}


def test_a_mask_as_weights_leaves_the_sample_full() -> None:
    y, weight = np.repeat(["a", "b"], 1_000), np.ones(2_000)
    weight[30:1_000] = 0.0
    found = Sample(100, balanced="y").fit(np.arange(2_000.0)[:, None], y, sample_weight=weight)
    drawn = y[positions(found)]
    assert ((drawn == "a").sum(), (drawn == "b").sum()) == (30, 70)


def test_a_column_can_make_the_cells() -> None:
    x = np.random.default_rng(0).lognormal(sigma=2, size=20_000)
    x[::1_000] = np.nan
    found = Sample(3_000, balanced=0).fit(x[:, None])
    drawn = found.sample_.X[:, 0]
    assert len(drawn) == 3_000
    assert np.isnan(drawn).sum() == 20
    before = np.histogram(np.log2(x), bins=[-3, -2, -1, 0, 1, 2, 3])[0]
    after = np.histogram(np.log2(drawn), bins=[-3, -2, -1, 0, 1, 2, 3])[0]
    assert before.max() / before.min() > 1.4
    assert after.max() / after.min() < 1.2


def test_a_column_by_an_integer_of_numpy() -> None:
    X = np.random.default_rng(0).integers(1, 4, (90, 1)).astype(float)
    first: Any = np.int64(0)
    plain, numpys = (Sample(9, balanced=at).fit(X) for at in (0, first))
    assert numpys.state_.digest == plain.state_.digest
    with pytest.raises(errors.BadParameter, match="balanced"):
        Sample(9, balanced=first + 1).fit(X)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.integers(9, 200))
def test_quotas_fill_the_sample_evenly(counts: list[int], size: int) -> None:
    found = quotas(np.array(counts, float), size)[:-1]
    assert (found <= counts).all()
    assert found.sum() == min(size, sum(counts))
    rest = found[found < counts]
    assert not len(rest) or found.max() - rest.min() <= 1


def test_later_rows_join_the_sample() -> None:
    X = np.arange(600.0)[:, None]
    found = Sample(50).fit(X[:300])
    found.partial_fit(X[300:])
    assert len(found.sample_.X) == 50
    assert found.sample_.weight.sum() == pytest.approx(600)
    assert (found.sample_.X >= 300).any()
    assert found.state_.told.base == found.state_.model.base


def test_in_a_chain_later_stages_learn_from_the_sample() -> None:
    X = np.random.default_rng(0).normal(size=(2_000, 3)) * 5 + 1
    sample = Sample(400).fit(X)
    whole = chain(Sample(400), Scale(), KMeans(3, random_state=0)).fit(X)
    scale = Scale().fit(sample.sample_.X)
    np.testing.assert_allclose(whole.fitted_stage(1).mean_, scale.mean_)
    assert len(whole.labels_) == len(X)
    assert np.array_equal(whole.predict(X), whole.labels_)
    assert np.array_equal(whole.select(X), sample.select(X))
    with pytest.raises(errors.UnknownName, match="select"):
        _ = whole.fitted_stage(0).sample_
    assert whole.state_.told.n_rows == 400
    assert whole.state_.told.weight == pytest.approx(2_000)
    twice = chain(Sample(400), Sample(50, random_state=1), Moments()).fit(X)
    assert twice.state_.told.n_rows == (twice.select(X) > 0).sum() == 50
    nested = chain(chain(Sample(400), Scale()), KMeans(3, random_state=0)).fit(X)
    assert np.array_equal(nested.labels_, whole.labels_)


def test_a_balanced_sample_before_a_stage_that_needs_rare_rows() -> None:
    draw = np.random.default_rng(0)
    y = draw.random(5_000) < 0.01
    X = draw.normal(size=(5_000, 2)) + 20 * y[:, None]
    middle = chain(Sample(200, balanced="y"), Histogram()).fit(X, y)
    rare: Array = middle.fitted_stage(-1).cdf(10.0)
    assert (abs(1 - rare - y.sum() / 200) < 0.02).all()


@pytest.mark.parametrize(
    ("learner", "error", "says"),
    [
        (Sample(0), errors.BadParameter, "size"),
        (Sample(balanced="z"), errors.BadParameter, "balanced"),
        (Sample(balanced=-1), errors.BadParameter, "balanced"),
        (Sample(balanced=2), errors.BadParameter, "column of 2"),
        (Sample(random_state="one"), errors.BadParameter, "random_state"),  # type: ignore[arg-type]
        (Sample(balanced="y"), errors.BadInput, "no y"),
        (Sample(3, balanced=0), errors.BadInput, "cells for a sample of 3"),
    ],
    ids=repr,
)
def test_what_cannot_be_drawn_is_said(learner: Sample, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        learner.fit(np.random.default_rng(0).normal(size=(99, 2)))
