"""Every learner is a scikit-learn estimator: all its checks, no expected failure, and its tools."""

from __future__ import annotations

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # read once, by scipy's import: else one check would skip

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from nacre import (
    PCA,
    Chain,
    Clip,
    Dedup,
    Hashing,
    Histogram,
    Impute,
    KMeans,
    Micro,
    Moments,
    OneHot,
    Quantiles,
    RobustScale,
    Sample,
    Scale,
    chain,
    errors,
)

LEARNERS = [
    KMeans(),
    KMeans(n_clusters=3, algorithm="lloyd", init="random"),
    KMeans(n_clusters=3, metric="cosine", init="k-means||"),
    KMeans(n_clusters=3, metric="manhattan"),
    Micro(KMeans(n_clusters=3)),
    Micro(KMeans(n_clusters=2, metric="cosine"), n_micro=9),
    PCA(),
    PCA(n_components=1, whiten=True),
    Moments(),
    Moments(covariance=True),
    Scale(),
    Scale(with_mean=False, with_std=False),
    Impute(),
    Impute(strategy="constant"),
    Impute(strategy="median"),
    RobustScale(with_scaling=False, quantile_range=(5.0, 50.0), unit_variance=True),
    Clip(),
    Histogram(),
    Quantiles(),
    Sample(),
    Sample(size=200, balanced=0),
    OneHot(unknown="ignore"),
    OneHot(unknown="other", max_categories=3),
    Hashing(64),
    Dedup(),
    chain(Scale(), PCA()),
    chain(Sample(size=30), RobustScale(), KMeans(n_clusters=2)),
    chain(Impute(), Scale(), PCA(n_components=1), KMeans(n_clusters=3)),
]


@parametrize_with_checks(LEARNERS)  # type: ignore[untyped-decorator]
def test_scikit_learns_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def blobs(n: int = 300, d: int = 4) -> Any:
    draw = np.random.default_rng(0)
    return draw.normal(size=(n, d)) + 8 * draw.integers(0, 3, n)[:, None]


def test_in_a_pipeline_and_a_grid_search() -> None:
    X = blobs()
    pipe = Pipeline([("scale", Scale()), ("pca", PCA(2)), ("kmeans", KMeans(3, random_state=0))])
    labels = pipe.fit_predict(X)
    assert labels.tolist() == pipe.predict(X).tolist()
    assert len(set(labels.tolist())) == 3

    def minus_inertia(estimator: Any, rows: Any, y: Any = None) -> float:
        return -float(estimator.named_steps["kmeans"].inertia_)

    search = GridSearchCV(
        make_pipeline(Scale(), KMeans()),
        {"kmeans__n_clusters": [2, 3, 9]},
        scoring=minus_inertia,
        cv=3,
    )
    assert search.fit(X).best_params_ == {"kmeans__n_clusters": 9}


def test_a_chain_in_a_grid_search_reaches_its_stages() -> None:
    search = GridSearchCV(
        chain(Scale(), KMeans()),
        {"kmeans__n_clusters": [2, 3], "scale__with_mean": [True, False]},
        scoring=lambda estimator, rows, y=None: -estimator.loss(estimator.state_.told),
        cv=2,
    )
    assert search.fit(blobs()).best_params_["kmeans__n_clusters"] == 3


def test_clone_copies_hyper_parameters_alone() -> None:
    km = KMeans(3, random_state=1).fit(blobs())
    again = clone(km)
    assert again.get_params() == km.get_params()
    assert not hasattr(again, "state_")
    stages = clone(chain(Scale(), km))
    assert isinstance(stages, Chain)
    assert stages.get_params()["kmeans__random_state"] == 1


def test_set_output_gives_frames_with_names() -> None:
    import pandas as pd

    frame = pd.DataFrame(blobs(), columns=["a", "b", "c", "d"])
    out = PCA(2).set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns) == ["pca0", "pca1"]
    assert list(Scale().set_output(transform="pandas").fit_transform(frame).columns) == list("abcd")
    distances = KMeans(3).set_output(transform="polars").fit(frame).transform(frame)
    assert distances.columns == ["kmeans0", "kmeans1", "kmeans2"]


@pytest.mark.parametrize("learner", [KMeans(3), PCA(2), Scale(), Moments(), Impute()], ids=repr)
def test_partial_fit_keeps_told_and_model_at_one_base(learner: Any) -> None:
    X = blobs()
    learner = clone(learner)
    for start in range(0, 300, 100):
        learner.partial_fit(X[start : start + 100])
        assert learner.state_.told.base == learner.state_.model.base
    assert learner.state_.told.n_rows == 300


@pytest.mark.parametrize("learner", [PCA(2), Scale(), Moments(covariance=True), Impute()], ids=repr)
def test_partial_fit_of_exact_learners_is_a_fit(learner: Any) -> None:
    X = blobs()
    parts, whole = clone(learner), clone(learner).fit(X)
    for start in range(0, 300, 77):
        parts.partial_fit(X[start : start + 77])
    got, want = parts.state_.told.moments, whole.state_.told.moments
    np.testing.assert_allclose(got.mean, want.mean, rtol=1e-12)
    np.testing.assert_allclose(got.m2, want.m2, rtol=1e-9, atol=1e-9)


def test_an_error_changes_nothing() -> None:
    km = KMeans(3, random_state=0).fit(blobs())
    before = dict(vars(km))
    digest = km.state_.digest
    for bad in (np.full((5, 4), np.nan), [["a"] * 4], np.zeros((0, 4)), np.zeros((2, 4)) * 1j):
        for verb in (km.fit, km.partial_fit, km.predict):
            with pytest.raises((ValueError, TypeError)):
                verb(bad)
    for verb in (km.partial_fit, km.predict):
        with pytest.raises(errors.BadInput, match="3 features"):
            verb(np.zeros((5, 3)))
    assert vars(km) == before
    assert km.state_.digest == digest


def test_predicting_changes_nothing() -> None:
    km = KMeans(3, random_state=0).fit(blobs())
    before = km.state_.digest, dict(vars(km))
    km.predict(blobs(50))
    km.transform(blobs(50))
    assert (km.state_.digest, dict(vars(km))) == before
