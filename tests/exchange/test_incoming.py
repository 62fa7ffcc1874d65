"""A fitted estimator of scikit-learn comes in: it answers as before, and goes on learning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.cluster import DBSCAN, KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

import nacre
from nacre import errors
from nacre.contract import Array
from nacre.estimator import bare
from nacre.store.describe import describe
from tests.exchange.rows import DTYPES, EPS, SEEDS, groups, holed

N = 120
FEW = groups(0, 20)
THEIRS: dict[str, Any] = {
    "kmeans": KMeans(3, n_init=1, random_state=0),
    "minibatch": MiniBatchKMeans(3, n_init=1, max_iter=2, random_state=0),
    "pca": PCA(2),
    "pca-all": PCA(),
    "pca-share": PCA(0.8),
    "pca-whiten": PCA(3, whiten=True),
    "pca-steps": IncrementalPCA(2),
    "scale": StandardScaler(),
    "scale-nothing": StandardScaler(with_mean=False, with_std=False),
    "scale-mean": StandardScaler(with_std=False),
    "robust": RobustScaler(unit_variance=True),
    "robust-centre": RobustScaler(with_scaling=False),
    "robust-range": RobustScaler(with_centering=False, quantile_range=(10.0, 80.0)),
    "impute": SimpleImputer(),
    "impute-median": SimpleImputer(strategy="median"),
    "impute-constant": SimpleImputer(strategy="constant", fill_value=2),
    "pipeline": make_pipeline(
        SimpleImputer(), make_pipeline(StandardScaler(), "passthrough", PCA(3)), KMeans(3, n_init=1)
    ),
    "pipeline-transform": make_pipeline(RobustScaler(), PCA(2)),
}


def fitted(name: str, X: Array) -> tuple[Any, Any]:
    """Theirs and ours."""
    theirs = clone(THEIRS[name]).fit(X)
    return theirs, nacre.from_sklearn(theirs, n_rows=len(X), dtype=str(X.dtype))


def close(got: Array, want: Array, dtype: str, at: float) -> None:
    np.testing.assert_allclose(got, want, rtol=40 * EPS[dtype], atol=40 * EPS[dtype] * at)


@pytest.mark.parametrize("name", THEIRS)
@settings(max_examples=8)
@given(SEEDS, DTYPES, st.floats(-5, 5))
def test_it_answers_as_theirs_does(name: str, seed: int, dtype: str, far: float) -> None:
    X = groups(seed, N, far=far, dtype=dtype)
    theirs, ours = fitted(name, X)
    new = groups(seed + 1, 50, far=far, dtype=dtype)
    new = holed(new, seed) if name.startswith(("impute", "pipeline")) and "tr" not in name else new
    if hasattr(theirs, "transform"):
        close(ours.transform(new), theirs.transform(new), dtype, float(np.nanmax(np.abs(new))))
    if hasattr(theirs, "predict"):
        assert (ours.predict(new) == theirs.predict(new)).mean() > 0.95  # near ties


@pytest.mark.parametrize("name", THEIRS)
def test_what_comes_in_is_a_state_as_any_other(name: str, tmp_path: Path) -> None:
    X = groups(1)
    _, ours = fitted(name, X)
    state = ours.state_
    assert state.told.base == state.model.base
    assert state.complete
    assert state.told.n_skipped == 0
    if name != "minibatch":  # it keeps how many rows it drew
        assert state.told.n_rows == N
    ours.save(tmp_path / "model")
    again = nacre.load(tmp_path / "model")
    assert again.state_.digest == state.digest
    told = describe(tmp_path / "model")
    assert told["ended"].startswith("fitted by scikit-learn")
    assert [entry["note"] for entry in told["ledger"]] == [told["ended"]]


@pytest.mark.parametrize("name", THEIRS)
def test_it_is_shown_on_the_command_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nacre.cli.options import Speech
    from nacre.cli.show import show

    fitted(name, groups(1))[1].save(tmp_path / "model")
    assert show([str(tmp_path / "model")], speech=Speech()) == 0
    assert "fitted by scikit-learn" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", [name for name in THEIRS if "pipeline" not in name])
def test_advancing_by_what_is_told_gives_the_model(name: str) -> None:
    """The model and its summary say the same, as far as a summary of it can."""
    theirs, ours = fitted(name, groups(2))
    learner, old = bare(ours), ours.state_
    model = learner.advance(learner.resume(old.model), old.told)
    near = 1 / 128 if "median" in name or "robust" in name else 1e-9  # buckets, there
    for field in ("centres", "mean", "scale", "variance", "noise", "centre", "fill"):
        if field == "noise" and name == "pca-steps":
            continue  # theirs is that of the last batch
        if getattr(old.model, field, None) is not None:
            at = np.abs(old.model.centre).max() if "robust" in name else 0.0
            got, want = getattr(model, field), getattr(old.model, field)
            np.testing.assert_allclose(got, want, rtol=near, atol=near * at + 1e-12)
    if hasattr(theirs, "components_"):
        np.testing.assert_allclose(model.components, old.model.components, atol=1e-9)


@given(SEEDS, st.booleans(), st.booleans(), st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_scaling_goes_on_as_theirs_does(
    seed: int, with_mean: bool, with_std: bool, sizes: list[int]
) -> None:
    theirs = StandardScaler(with_mean=with_mean, with_std=with_std).fit(groups(seed, 70, far=3))
    ours = nacre.from_sklearn(theirs)
    for at, n in enumerate(sizes):
        more = groups(seed + at, n, far=3)
        weight = np.random.default_rng(at).uniform(0.5, 2, n)
        theirs.partial_fit(more, sample_weight=weight)
        ours.partial_fit(more, sample_weight=weight)
    if with_mean or with_std:  # else theirs counts rows, whatever they weigh
        assert ours.state_.told.weight == pytest.approx(float(theirs.n_samples_seen_))
    X = groups(seed, 9)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-10, atol=1e-10)
    if with_std:
        np.testing.assert_allclose(ours.var_, theirs.var_, rtol=1e-10)
    else:
        assert np.isnan(ours.var_).all()  # nobody kept it


@given(SEEDS, st.integers(2, 30))
def test_all_components_go_on_as_if_all_rows_had_been_ours(seed: int, n: int) -> None:
    X, more = groups(seed, 60), groups(seed, n)
    ours = nacre.from_sklearn(PCA().fit(X)).partial_fit(more)
    want = nacre.PCA().fit(np.concatenate([X, more]))
    top = want.explained_variance_[0]
    np.testing.assert_allclose(ours.mean_, want.mean_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        ours.get_covariance(), want.get_covariance(), rtol=1e-8, atol=1e-10 * top
    )


@given(SEEDS, st.integers(1, 3))
def test_some_components_keep_the_variance_of_all_columns(seed: int, k: int) -> None:
    X = groups(seed)
    for theirs in (PCA(k).fit(X), IncrementalPCA(k).fit(X)):
        told = nacre.from_sklearn(theirs).state_.told.moments
        np.testing.assert_allclose(np.trace(told.m2) / (N - 1), X.var(axis=0, ddof=1).sum())


def test_wide_rows_keep_no_covariance() -> None:
    X = np.random.default_rng(0).normal(size=(30, 8_100)).astype(np.float32) + 3
    theirs = PCA(4, svd_solver="full").fit(X)
    ours = nacre.from_sklearn(theirs)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-3)
    learner, old = bare(ours), ours.state_
    again = learner.advance(learner.resume(old.model), old.told)
    np.testing.assert_allclose(again.variance, old.model.variance, rtol=1e-5)
    np.testing.assert_allclose(again.components, old.model.components, atol=1e-5)
    assert ours.partial_fit(X).state_.told.n_rows == 60


def test_mini_batches_go_on_at_the_rate_they_had() -> None:
    X = groups(3, 600)
    theirs = MiniBatchKMeans(3, n_init=1, random_state=0, reassignment_ratio=0).partial_fit(X)
    ours = nacre.from_sklearn(theirs)
    more = groups(3, 300)
    theirs.partial_fit(more)
    ours.partial_fit(more)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-9)


def test_labels_that_were_not_made_leave_the_error_open() -> None:
    theirs = MiniBatchKMeans(2, n_init=1, max_iter=2, compute_labels=False).fit(groups(0))
    ours = nacre.from_sklearn(theirs)
    assert np.isnan(ours.inertia_)
    assert np.isfinite(ours.partial_fit(groups(1)).cluster_centers_).all()


def test_figures_come_along() -> None:
    X = groups(4)
    theirs = KMeans(3, n_init=1).fit(X)
    ours = nacre.from_sklearn(theirs)
    assert ours.inertia_ == pytest.approx(theirs.inertia_)
    assert ours.n_clusters_ == 3
    assert ours.state_.told.weights.tolist() == np.bincount(theirs.labels_).tolist()
    with pytest.raises(errors.UnknownName, match="after from_sklearn"):
        _ = ours.labels_
    pca = PCA(2).fit(X)
    ours = nacre.from_sklearn(pca)
    for name in ("explained_variance_ratio_", "singular_values_", "noise_variance_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(pca, name), rtol=1e-9)
    np.testing.assert_allclose(ours.score_samples(X), pca.score_samples(X), rtol=1e-6)


def test_a_fit_may_begin_there() -> None:
    X = groups(5, 400)
    theirs = KMeans(3, n_init=3, random_state=0).fit(X)
    start = nacre.from_sklearn(theirs).state_
    warm = nacre.KMeans(3).fit(X, start=start)
    assert warm.inertia_ <= theirs.inertia_ * (1 + 1e-9)
    assert len(warm._record.jobs[0].turns) <= 2
    assert warm._record.jobs[0].start == start.digest
    pipe = make_pipeline(StandardScaler(), KMeans(3, n_init=3, random_state=0)).fit(X)
    ours = nacre.from_sklearn(pipe)
    again = nacre.chain(nacre.Scale(), nacre.KMeans(3)).fit(X, start=ours.state_)
    assert (again.labels_ == pipe.predict(X)).all()


def test_names_of_columns_come_along() -> None:
    import pandas as pd

    frame = pd.DataFrame(groups(0), columns=["a", "b", "c", "d"])
    pipe = nacre.from_sklearn(make_pipeline(StandardScaler(), KMeans(2, n_init=1)).fit(frame))
    assert list(pipe.feature_names_in_) == ["a", "b", "c", "d"]
    assert pipe.state_.schema.names == ("a", "b", "c", "d")
    with pytest.raises(errors.BadInput):
        pipe.predict(frame.rename(columns={"a": "z"}))


def test_rows_are_counted_by_whoever_kept_them() -> None:
    X = groups(0, 70)
    for last in (StandardScaler(), PCA(2), IncrementalPCA(2), KMeans(2, n_init=1)):
        pipe = make_pipeline(SimpleImputer(), last).fit(X)
        filling = nacre.from_sklearn(pipe)
        assert filling.state_.told.n_rows == 70
    for alone in (SimpleImputer(), RobustScaler()):
        with pytest.raises(errors.BadParameter, match=r"n_rows=len\(X\)"):
            nacre.from_sklearn(alone.fit(X))


def test_nothing_of_theirs_is_shared() -> None:
    theirs = StandardScaler().fit(groups(0))
    nacre.from_sklearn(theirs)
    theirs.partial_fit(groups(1))  # which writes into its arrays
    kmeans = KMeans(2, n_init=1).fit(groups(0))
    ours = nacre.from_sklearn(kmeans)
    kmeans.cluster_centers_ *= 2
    assert not np.allclose(ours.cluster_centers_, kmeans.cluster_centers_)


def test_a_pipeline_in_it_may_do_nothing() -> None:
    X = groups(0)
    pipe = make_pipeline(make_pipeline("passthrough"), StandardScaler()).fit(X)
    np.testing.assert_allclose(nacre.from_sklearn(pipe).transform(X), pipe.transform(X))


class Own(StandardScaler):
    """What a subclass does nobody knows."""


@pytest.mark.parametrize(
    "stranger",
    [
        3,
        None,
        "StandardScaler",
        DBSCAN(),
        Own().fit(groups(0)),
        make_pipeline(Own()).fit(groups(0)),
        make_pipeline("passthrough"),
        nacre.Scale().fit(groups(0)),
    ],
    ids=repr,
)
def test_strangers_are_named(stranger: Any) -> None:
    with pytest.raises(errors.BadType, match="Pipeline"):
        nacre.from_sklearn(stranger)


@pytest.mark.parametrize("name", [name for name in THEIRS if name != "pipeline"])
def test_not_fitted(name: str) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        nacre.from_sklearn(clone(THEIRS[name]), n_rows=5)


def nan_in_one_column(of: Any) -> None:
    X = groups(0)
    X[:5, 1] = np.nan
    of.fit(X)


@pytest.mark.parametrize(
    ("of", "change", "says"),
    [
        (StandardScaler(), lambda of: delattr(of, "var_"), "no attribute var_"),
        (StandardScaler(), lambda of: delattr(of, "n_samples_seen_"), "no attribute n_samples"),
        (StandardScaler(), lambda of: setattr(of, "mean_", np.zeros(3)), r"shape \(3,\)"),
        (StandardScaler(), lambda of: setattr(of, "mean_", "abcd"), "mean_="),
        (StandardScaler(), nan_in_one_column, "another n_samples_seen_ in each column"),
        (KMeans(2, n_init=1), lambda of: delattr(of, "labels_"), "no attribute labels_"),
        (KMeans(2, n_init=1), lambda of: setattr(of, "labels_", of.labels_ + 1), "outside its"),
        (KMeans(2, n_init=1), lambda of: setattr(of, "labels_", []), "without any weight"),
        (
            KMeans(2, n_init=1),
            lambda of: setattr(of, "cluster_centers_", of.cluster_centers_ * np.nan),
            "cluster_centers_ of shape",
        ),
        (
            KMeans(2, n_init=1),
            lambda of: setattr(of, "cluster_centers_", of.cluster_centers_.astype("f2")),
            "of float16",
        ),
        (
            MiniBatchKMeans(2, n_init=1, max_iter=2),
            lambda of: delattr(of, "_counts"),
            "no attribute _counts",
        ),
        (PCA(2), lambda of: setattr(of, "n_samples_", 0), "0 rows"),
        (PCA(2), lambda of: setattr(of, "noise_variance_", -1.0), "noise_variance_=-1"),
        (PCA(2), lambda of: setattr(of, "feature_names_in_", ["a"]), "1 names"),
        (RobustScaler(), lambda of: setattr(of, "scale_", np.ones((2, 2))), "scale_ of shape"),
        (RobustScaler(), lambda of: setattr(of, "scale_", of.scale_ * 0), "scale_ of 0 or less"),
        (RobustScaler(), lambda of: setattr(of, "center_", None), "center_="),
        (StandardScaler(), lambda of: setattr(of, "mean_", None), "mean_="),
        (StandardScaler(), lambda of: setattr(of, "mean_", of.mean_ + 1e160), "at most 1e.150"),
        (StandardScaler(), lambda of: setattr(of, "var_", -of.var_), "var_ down to"),
        (PCA(2), lambda of: setattr(of, "mean_", of.mean_ - 1e160), "at most 1e.150"),
        (PCA(2), lambda of: setattr(of, "components_", of.components_ * 1e99), "of length 1"),
        (PCA(), lambda of: setattr(of, "explained_variance_", -np.ones(4)), "variance_ down to -1"),
        (RobustScaler(), lambda of: setattr(of, "center_", of.center_ + 1e160), "at most 1e.150"),
        (SimpleImputer(), lambda of: setattr(of, "statistics_", np.full(4, 1e160)), "at most"),
        (SimpleImputer(), lambda of: setattr(of, "statistics_", np.full(4, np.inf)), "infinity"),
        (KMeans(2, n_init=1), lambda of: setattr(of, "n_iter_", 1e300), "n_iter_=1e.300"),
        (make_pipeline(StandardScaler()), lambda of: setattr(of, "steps", None), "steps that"),
        (make_pipeline(StandardScaler()), lambda of: setattr(of, "steps", [3]), "steps that"),
    ],
)
def test_attributes_that_do_not_fit_are_named(
    of: Any, change: Callable[[Any], None], says: str
) -> None:
    broken = clone(of).fit(groups(0))
    change(broken)
    with pytest.raises(errors.BadInput, match=says):
        nacre.from_sklearn(broken, n_rows=N)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_centres_beyond_what_rows_may_hold_are_refused(dtype: str) -> None:
    """Cast to float32 they would be infinite, and every row nearest to the first."""
    theirs = KMeans(2, n_init=1).fit(groups(0))
    theirs.cluster_centers_ *= 1e160
    with pytest.raises(errors.BadInput, match=f"cluster_centers_ up to .* for rows of {dtype}"):
        nacre.from_sklearn(theirs, dtype=dtype)


JUNK = [None, "x", np.nan, -1, 0, 2.5, [], {}, object(), np.ones(3), np.ones((2, 2)), [[1], [2, 3]]]


@pytest.mark.parametrize("name", [name for name in THEIRS if "pipeline" not in name])
@settings(max_examples=40)
@given(st.data())
def test_whatever_an_attribute_holds_an_error_is_ours(name: str, data: st.DataObject) -> None:
    broken = clone(THEIRS[name]).fit(FEW)
    attribute = data.draw(st.sampled_from(sorted(vars(broken))))
    setattr(broken, attribute, data.draw(st.sampled_from(JUNK)))
    try:
        ours = nacre.from_sklearn(broken, n_rows=5)
    except (errors.NacreError, NotFittedError):
        return
    assert ours.state_.told.base == ours.state_.model.base


def test_attributes_are_all_that_is_read() -> None:
    theirs = StandardScaler().fit(groups(0))
    empty = object.__new__(StandardScaler)
    vars(empty).update(vars(theirs))
    want = nacre.from_sklearn(theirs).state_.digest
    assert nacre.from_sklearn(empty).state_.digest == want


def test_stages_that_do_not_follow_each_other() -> None:
    pipe = make_pipeline(PCA(2), KMeans(2, n_init=1)).fit(groups(0))
    pipe.steps[1] = ("kmeans", KMeans(2, n_init=1).fit(groups(0)))
    with pytest.raises(errors.BadInput, match="4 columns; wanted the 2"):
        nacre.from_sklearn(pipe)


def test_two_dtypes_are_asked_about() -> None:
    X = groups(0)
    pipe = make_pipeline(PCA(2).fit(X), KMeans(2, n_init=1).fit(X[:, :2].astype(np.float32)))
    with pytest.raises(errors.BadParameter, match="float32 and in float64"):
        nacre.from_sklearn(pipe)
    assert nacre.from_sklearn(pipe, dtype="float32").state_.schema.dtype == "float32"


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (SimpleImputer(strategy="most_frequent"), "strategy='most_frequent'"),
        (SimpleImputer(missing_values=0), "missing_values=0"),
        (SimpleImputer(add_indicator=True), "add_indicator=True"),
    ],
)
def test_what_nacre_does_not_do_is_named(of: Any, says: str) -> None:
    with pytest.raises(errors.BadParameter, match=says):
        nacre.from_sklearn(of.fit(groups(0)), n_rows=N)


def test_a_column_that_theirs_drops_is_refused() -> None:
    X = groups(0)
    X[:, 2] = np.nan
    with pytest.warns(UserWarning, match="Skipping features"):
        SimpleImputer().fit_transform(X)
    theirs = SimpleImputer().fit(X)
    with pytest.raises(errors.BadInput, match="statistics_"):
        nacre.from_sklearn(theirs, n_rows=N)
    kept = SimpleImputer(keep_empty_features=True).fit(X)
    ours = nacre.from_sklearn(kept, n_rows=N)
    np.testing.assert_array_equal(ours.transform(X), kept.transform(X))


@pytest.mark.parametrize(
    "wrong", [{"n_rows": 0}, {"n_rows": 2.5}, {"n_rows": 10**400}, {"dtype": "int8"}]
)
def test_options_are_checked(wrong: Any) -> None:
    with pytest.raises(errors.BadParameter):
        nacre.from_sklearn(StandardScaler().fit(groups(0)), **wrong)
