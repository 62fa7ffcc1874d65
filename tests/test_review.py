"""What reviewers broke, so that it stays mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nacre
from nacre import errors, writing
from nacre.engine.threads import Threads
from nacre.kernel import assign

DRAW = np.random.default_rng(0)
Y = DRAW.normal(size=(400, 2)) * [1.0, 2.0] + 3


@pytest.mark.parametrize("share", [1e-3, 1 / 400, 1.0, 1e16])
def test_weights_may_be_shares(share: float) -> None:
    weight = np.full(400, share)
    np.testing.assert_allclose(nacre.Moments().fit(Y, sample_weight=weight).var_, Y.var(axis=0))
    np.testing.assert_allclose(nacre.Scale().fit(Y, sample_weight=weight).scale_, Y.std(axis=0))
    components = nacre.PCA().fit(Y, sample_weight=weight).components_
    np.testing.assert_allclose(components, nacre.PCA().fit(Y).components_, atol=1e-9)


def test_data_very_far_from_zero_keeps_its_variance() -> None:
    X = DRAW.normal(size=(20_000, 1)) + 1e10
    exact = float(np.var(X - X[0]))
    assert nacre.Moments().fit(X).var_[0] == pytest.approx(exact, rel=1e-9)
    assert nacre.Moments(covariance=True).fit(X).var_[0] == pytest.approx(exact, rel=1e-9)


def test_a_few_weighted_rows_among_very_many() -> None:
    X = DRAW.normal(size=(60_000, 2))
    weight = np.zeros(60_000)
    at = DRAW.choice(60_000, 20, replace=False)
    weight[at] = 1
    km = nacre.KMeans(3, random_state=0).fit(X, sample_weight=weight)
    alone = nacre.KMeans(3, random_state=0).fit(X[at])
    assert km.inertia_ == pytest.approx(alone.inertia_)


@pytest.mark.parametrize("learner", [nacre.Scale(), nacre.PCA(), nacre.Moments(), nacre.KMeans(2)])
def test_a_fit_on_no_good_row_is_refused(learner: object) -> None:
    data = nacre.read(np.full((50, 2), np.nan), bad="skip")
    with pytest.raises(errors.BadInput):
        learner.fit(data)  # type: ignore[attr-defined]
    assert not hasattr(learner, "state_")


def test_more_rows_for_a_model_of_a_part_are_refused() -> None:
    X = DRAW.normal(size=(100_000, 32)).astype(np.float32)
    with pytest.warns(RuntimeWarning, match="pass 2 is kept"):
        km = nacre.KMeans(20, random_state=0).fit(X, max_passes=2)
    before = km.state_.digest
    with pytest.raises(errors.NeedsRefit, match="part"):
        km.partial_fit(X[:1_000])
    assert km.state_.digest == before


def test_memory_is_not_said_to_an_engine_that_is_made() -> None:
    with pytest.raises(errors.BadParameter, match="memory"):
        nacre.KMeans(2).fit(Y, engine=Threads(1), memory="1MB")


def test_nothing_of_another_width_comes_to_compiled_code() -> None:
    X, centres = np.zeros((5, 3)), np.zeros((2, 3))
    for rows, near, shift in (
        (X[:, :2], centres, np.zeros(2)),
        (X, centres[:0], np.zeros(3)),
        (X, centres, np.zeros(2)),
    ):
        with pytest.raises(ValueError, match="columns"):
            assign.nearest(np.ascontiguousarray(rows), near, shift)
    with pytest.raises(ValueError, match="columns"):
        assign.distances(X, np.zeros((2, 9)))


def test_answers_to_columns_in_another_order_are_other_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": Y[:, 0], "y": Y[:, 1]}), path)
    km = nacre.KMeans(3, random_state=0).fit(Y.astype(np.float32))
    writing.predict_to(km, nacre.read(path, columns=["x", "y"]), tmp_path / "out")
    again = writing.predict_to(km, nacre.read(path, columns=["x", "y"]), tmp_path / "out")
    assert again.n_written == 0
    for other in (
        nacre.read(path, columns=["y", "x"]),
        nacre.read(path, columns=["x", "y"], bad="skip"),
        nacre.read(path, columns=["x", "y"], shard_rows=100),
    ):
        with pytest.raises(errors.Occupied):
            writing.predict_to(km, other, tmp_path / "out")


def test_covariance_and_singular_values_of_shares_agree_with_the_variances() -> None:
    weight = np.full(400, 1 / 400)
    moments = nacre.Moments(covariance=True).fit(Y, sample_weight=weight)
    np.testing.assert_allclose(np.diag(moments.covariance_), Y.var(axis=0))
    pca = nacre.PCA().fit(Y, sample_weight=weight)
    np.testing.assert_allclose(pca.singular_values_**2, pca.explained_variance_)
