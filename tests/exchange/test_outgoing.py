"""A learner goes out to scikit-learn, and answers as before."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

import nacre
from nacre import errors
from tests.exchange.rows import DTYPES, EPS, LEARNERS, SEEDS, groups, holed

TAKES_NAN = ("impute", "impute-median", "impute-constant", "robust", "robust-scaling", "chain")


def made(name: str, seed: int, dtype: str, far: float = 0.0) -> tuple[Any, Any, Any]:
    """A fitted learner, its like in scikit-learn, and new rows."""
    ours = clone(LEARNERS[name]).fit(groups(seed, far=far, dtype=dtype))
    new = groups(seed + 1, 50, far=far, dtype=dtype)
    return ours, ours.to_sklearn(), holed(new, seed) if name in TAKES_NAN else new


@pytest.mark.parametrize("name", LEARNERS)
@settings(max_examples=8)
@given(SEEDS, DTYPES, st.floats(-5, 5))
def test_theirs_answers_as_ours_does(name: str, seed: int, dtype: str, far: float) -> None:
    ours, theirs, new = made(name, seed, dtype, far)
    if "transform" in ours.answers:
        want = ours.transform(new)
        got = theirs.transform(new)
        at = float(np.nanmax(np.abs(new))) if "scale" not in name else 10.0
        np.testing.assert_allclose(got, want, rtol=1e2 * EPS[dtype], atol=1e2 * EPS[dtype] * at)
        assert got.dtype == want.dtype
    if "predict" in ours.answers:
        assert (theirs.predict(new) == ours.predict(new)).mean() > 0.95  # near ties


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "clip-low"])
def test_there_and_back(name: str) -> None:
    """What comes back answers in the same bits, as far as a stage has a way back."""
    ours, theirs, new = made(name, 3, "float64")
    if "clip" in name or "select" in name:
        with pytest.raises(errors.BadType, match="FunctionTransformer"):
            nacre.from_sklearn(theirs, n_rows=120)
        return
    if name == "kmeans":
        assert theirs.labels_.tolist() == ours.labels_.tolist()
    if name == "chain":
        theirs[-1].labels_ = ours.labels_
    again = nacre.from_sklearn(theirs, n_rows=120)
    answer = "predict" if "predict" in ours.answers else "transform"
    np.testing.assert_allclose(
        getattr(again, answer)(new), getattr(ours, answer)(new), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", LEARNERS)
def test_theirs_is_an_estimator_as_any_other(name: str) -> None:
    ours, theirs, new = made(name, 4, "float64")
    again = pickle.loads(pickle.dumps(theirs))
    if hasattr(theirs, "transform"):
        np.testing.assert_array_equal(again.transform(new), theirs.transform(new))
    assert type(clone(theirs)) is type(theirs)
    assert isinstance(theirs, Pipeline) == name.startswith("chain")
    assert theirs.n_features_in_ == ours.n_features_in_ == 4


def test_a_scaler_goes_on_over_there() -> None:
    X, more = groups(0), groups(1)
    theirs = nacre.Scale().fit(X).to_sklearn().partial_fit(more)
    both = nacre.Scale().fit(np.concatenate([X, more]))
    np.testing.assert_allclose(theirs.scale_, both.scale_, rtol=1e-12)
    assert theirs.n_samples_seen_ == 240


@pytest.mark.parametrize("share", [1.0, 1e-3])
def test_rows_count_by_weight_over_there(share: float) -> None:
    X, weight = groups(0), share * np.random.default_rng(0).uniform(0, 3, 120)
    ours = nacre.PCA(2).fit(X, sample_weight=weight)
    theirs = ours.to_sklearn()
    np.testing.assert_allclose(theirs.singular_values_, ours.singular_values_)
    assert theirs.n_samples_ == ours.state_.told.weight
    again = nacre.from_sklearn(theirs)
    assert again.state_.told.weight == ours.state_.told.weight
    np.testing.assert_allclose(again.singular_values_, ours.singular_values_)


class Own(nacre.Scale):
    """What a subclass does nobody knows."""

    def answer(self, model: Any, batch: Any, want: Any) -> dict[str, Any]:
        return {"transform": 0 * batch.X}


@pytest.mark.parametrize("learner", [Own(), nacre.chain(Own(), nacre.KMeans(2))], ids=repr)
def test_a_subclass_has_no_counterpart(learner: Any, tmp_path: Path) -> None:
    learner.fit(groups(0))
    with pytest.raises(errors.BadParameter, match="Own, which scikit-learn"):
        learner.to_sklearn()
    with pytest.raises(errors.BadParameter, match="Own, which ONNX"):
        learner.to_onnx(tmp_path / "own.onnx")


def test_names_of_columns_go_along() -> None:
    import pandas as pd

    frame = pd.DataFrame(groups(0), columns=["a", "b", "c", "d"])
    for learner in (nacre.Scale(), nacre.chain(nacre.Scale(), nacre.KMeans(2))):
        theirs = learner.fit(frame).to_sklearn()
        assert list(theirs.feature_names_in_) == ["a", "b", "c", "d"]
        (theirs.predict if isinstance(theirs, Pipeline) else theirs.transform)(frame)
        with pytest.raises(ValueError, match="feature names"):
            (theirs.predict if isinstance(theirs, Pipeline) else theirs.transform)(
                frame[["b", "a", "c", "d"]]
            )


def test_a_stage_that_selects_rows_never_answers() -> None:
    theirs = clone(LEARNERS["chain-select"]).fit(groups(0)).to_sklearn()
    assert [name for name, _ in theirs.steps] == ["robustscale", "clip", "kmeans"]


def test_a_stage_of_many_is_known_by_what_it_does() -> None:
    X = groups(0)
    first = nacre.chain(nacre.Scale(), nacre.KMeans(2)).fit(X).to_sklearn()[0]
    alone = nacre.Scale().fit(X).to_sklearn()
    np.testing.assert_allclose(first.var_, alone.var_)
    assert first.n_samples_seen_ == alone.n_samples_seen_ == 120


@pytest.mark.parametrize(
    ("learner", "says"),
    [
        (nacre.KMeans(2, metric="cosine"), 'KMeans.metric="cosine".'),
        (nacre.KMeans(2, metric="manhattan"), 'KMeans.metric="manhattan".'),
        (nacre.Moments(), "Moments"),
        (nacre.Histogram(), "Histogram"),
        (nacre.Quantiles(), "Quantiles"),
        (nacre.Sample(20), "Sample"),
        (nacre.OneHot(max_categories=5), "OneHot"),
        (nacre.chain(nacre.Scale(), nacre.Histogram()), "Histogram"),
        (nacre.chain(nacre.Scale(), nacre.KMeans(2, metric="cosine")), "cosine"),
    ],
    ids=repr,
)
def test_what_has_no_counterpart_is_named(learner: Any, says: str) -> None:
    with pytest.raises(errors.BadParameter, match=f"{says}.*no counterpart"):
        learner.fit(groups(0)).to_sklearn()


@pytest.mark.parametrize("name", LEARNERS)
def test_not_fitted(name: str) -> None:
    with pytest.raises(NotFittedError):
        clone(LEARNERS[name]).to_sklearn()
