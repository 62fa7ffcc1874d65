"""k-means: the quality of its clusters, its schedule, its repairs, its limits."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.metrics import adjusted_rand_score

from nacre import KMeans, errors
from nacre.contract import WHOLE, Batch
from nacre.kinds import Rows
from nacre.learn.cluster.kmeans import Centres, Lloyd, lloyd
from nacre.learn.cluster.sampled import by_value
from nacre.learn.cluster.steps import moved


def groups(n: int, k: int, d: int = 8, seed: int = 0) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    label = draw.integers(0, k, n)
    X = draw.normal(size=(k, d))[label] * 10 + draw.normal(size=(n, d))
    return X.astype(np.float32), label


def test_finds_groups_that_are_there() -> None:
    X, label = groups(20_000, 12)
    km = KMeans(12, random_state=0).fit(X)
    assert adjusted_rand_score(label, km.labels_) > 0.999
    assert km.labels_.tolist() == km.predict(X).tolist()
    assert km.inertia_ == pytest.approx(
        ((X.astype(float) - km.cluster_centers_[km.labels_]) ** 2).sum(), rel=1e-6
    )


def test_is_as_good_as_scikit_learn() -> None:
    X = np.random.default_rng(1).normal(size=(8_000, 6)).astype(np.float32)
    ours = [KMeans(20, random_state=s).fit(X).inertia_ for s in range(3)]
    theirs = [TheirKMeans(20, n_init=1, random_state=s).fit(X).inertia_ for s in range(3)]
    assert np.median(ours) <= 1.01 * min(ours + theirs)


@given(
    st.integers(1, 10**10),
    st.integers(1, 10**7),
    st.integers(1, 20_000),
    st.sampled_from([0.0, 1e-9, 5e-4, 0.1, 5.0]),
    st.sampled_from(["euclidean", "manhattan"]),
    st.sampled_from(["nested", "lloyd"]),
)
def test_a_sample_is_as_large_as_is_said(
    n: int, d: int, k: int, tol: float, metric: str, algorithm: str
) -> None:
    """What docs/kmeans.md says of samples and parts, for any shape of the data."""
    n, k = max(n, k), min(n, k)
    learner = KMeans(k, tol=tol, metric=metric, algorithm=algorithm)
    seeding: Any = learner.start(Batch(np.broadcast_to(np.float32(0), (1, d))), n)
    assert 0 < seeding.share <= seeding.most <= 1.0
    assert seeding.view.part is None or seeding.most <= 0.5
    if seeding.share < 1.0:
        few = max(10_000, 50 * k, (1 << 18) // d)
        more = min(n // 128, 2 * k / max(tol, 1e-6)) if seeding.descends else 0
        size = max(20 * k, min(max(few, more), (1 << 22) // d))
        assert seeding.share * n == pytest.approx(size, abs=1)
    if seeding.most > seeding.share:  # a part is four times the one before, while that says little
        assert seeding.most / 4 * n < k / max(tol, 1e-6) + 1
    begun: Any = learner._on_parts(Centres(np.zeros((k, 1)), np.zeros(1)), seeding, seeding.share)
    shares = []
    while begun.view != WHOLE:
        shares.append(begun.view.part[1])
        begun = Centres(begun.centres, begun.shift, view=begun.view, most=begun.most)
        begun = learner._on_parts(begun, seeding, shares[-1])
    assert shares == sorted(set(shares))
    assert all(seeding.share < share <= 1.001 * seeding.most for share in shares)


def test_nested_and_lloyd_from_the_same_seeds_end_near_each_other() -> None:
    X, _ = groups(120_000, 20, seed=3)
    nested, plain = KMeans(20, random_state=0), KMeans(20, algorithm="lloyd", random_state=0)
    assert nested.fit(X).inertia_ <= 1.01 * plain.fit(X).inertia_


def test_lloyd_from_given_centres_is_scikit_learns() -> None:
    X, _ = groups(3_000, 5, seed=4)
    X = X.astype(np.float64)
    start = X[:5]
    ours = KMeans(5, init=start, algorithm="lloyd", max_iter=7, tol=0).fit(X)
    theirs = TheirKMeans(5, init=start, n_init=1, max_iter=7, tol=0, algorithm="lloyd").fit(X)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-9)


@given(seed=st.integers(0, 999), k=st.integers(1, 9))
def test_inertia_never_rises_where_nothing_is_repaired(seed: int, k: int) -> None:
    X = np.random.default_rng(seed).normal(size=(200, 3))
    centres, last = X[:k], np.inf
    for _ in range(6):
        model = Centres(centres, np.zeros(3))
        told = lloyd(model, Batch(X))
        assert told.errors.sum() <= last * (1 + 1e-12) or (told.weights == 0).any()
        centres, last = moved(model, told), float(told.errors.sum())


def test_empty_clusters_go_where_the_error_is() -> None:
    X = np.concatenate([np.zeros((50, 2)), [[9.0, 9.0]], [[-9.0, 9.0]], [[0.1, 0.0]]])
    far_away = np.array([[0.0, 0.0], [1e3, 1e3], [2e3, 2e3]])
    model = Centres(far_away, np.zeros(2))
    centres = moved(model, lloyd(model, Batch(X)))
    assert {tuple(row) for row in centres.tolist()} >= {(9.0, 9.0), (-9.0, 9.0)}


def test_more_empty_clusters_than_far_rows_split_the_worst() -> None:
    X = np.random.default_rng(0).normal(size=(2_000, 2))
    model = Centres(np.concatenate([np.zeros((1, 2)), np.full((99, 2), 1e6)]), np.zeros(2))
    told = lloyd(model, Batch(X))
    none = Rows(told.far.ids[:0], tuple(c[:0] for c in told.far.columns))
    without = Lloyd(**{**vars(told), "far": none})
    centres = moved(model, without)
    assert len(np.unique(centres, axis=0)) == 100
    assert np.abs(centres).max() < 10


def test_fewer_distinct_rows_than_clusters() -> None:
    X = np.repeat(np.array([[0.0], [1.0], [5.0]]), 10, axis=0)
    km = KMeans(5).fit(X)
    assert km.inertia_ == 0
    assert len(set(km.labels_.tolist())) == 3
    assert np.isfinite(km.cluster_centers_).all()
    assert KMeans(2).fit(np.ones((4, 3))).labels_.tolist() == [0, 0, 0, 0]


@given(seed=st.integers(0, 99))
def test_weights_are_repetition_through_the_whole_fit(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X, times = draw.normal(size=(60, 2)), draw.integers(0, 4, 60)
    weighted = KMeans(4, random_state=seed).fit(X, sample_weight=times)
    repeated = KMeans(4, random_state=seed).fit(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, rtol=1e-9)


def test_candidates_are_ordered_by_value_and_merged() -> None:
    rows = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0], [3.0, 3.0], [0.0, -0.0], [0.0, 0.0]])
    weight = np.array([1.0, 2.0, 3.0, 0.0, 1.0, 1.0])
    values, total = by_value(rows, weight)
    again, same = by_value(rows[::-1], weight[::-1])
    assert values.tolist() == again.tolist()
    assert total.tolist() == same.tolist()
    assert dict(zip(map(tuple, values.tolist()), total.tolist(), strict=True)) == {
        (1.0, 2.0): 4.0,
        (0.0, 5.0): 2.0,
        (0.0, 0.0): 2.0,
    }


def test_far_from_zero_float32_rows_are_clustered_as_near_it() -> None:
    X, label = groups(5_000, 6, seed=5)
    km = KMeans(6, random_state=0).fit(X + np.float32(1e4))
    assert adjusted_rand_score(label, km.labels_) > 0.999


def test_limits_keep_the_last_complete_pass_and_say_so() -> None:
    X = np.random.default_rng(0).normal(size=(40_000, 4)).astype(np.float32)
    with pytest.warns(RuntimeWarning, match=r"max_passes=2.*pass 2 is kept"):
        km = KMeans(30, tol=0, random_state=0).fit(X, max_passes=2)
    assert not km.state_.complete
    assert km.state_.told.base == km.state_.model.base
    assert len(km.predict(X)) == len(X)
    with pytest.raises(errors.UnknownName, match="predict"):
        _ = km.labels_


def test_stopped_before_a_model_can_answer_says_the_phase() -> None:
    km = KMeans(3)
    with pytest.raises(errors.Stopped, match="Seeding"):
        km.fit(np.random.default_rng(0).normal(size=(100, 2)), max_passes=1)
    assert not hasattr(km, "state_")


def test_a_fit_on_enough_passes_is_complete_and_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        km = KMeans(3).fit(np.random.default_rng(0).normal(size=(100, 2)), max_passes=500)
    assert km.state_.complete


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"n_clusters": 0}, "n_clusters"),
        ({"n_clusters": 2.5}, "n_clusters"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1}, "tol"),
        ({"tol": float("nan")}, "tol"),
        ({"algorithm": "elkan"}, "algorithm"),
        ({"init": "k-means"}, "init"),
        ({"init": np.zeros((3, 9))}, "init"),
        ({"random_state": "a"}, "random_state"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, Any], name: str) -> None:
    with pytest.raises(errors.BadParameter, match=name):
        KMeans(**{"n_clusters": 3, **parameters}).fit(np.zeros((10, 2)))


def test_more_clusters_than_rows() -> None:
    with pytest.raises(ValueError, match="n_samples=3 should be >= n_clusters=4"):
        KMeans(4).fit(np.zeros((3, 2)))


def test_partial_fit_follows_rows_that_move() -> None:
    draw = np.random.default_rng(0)
    km = KMeans(2, random_state=0)
    for step in range(40):
        centre = np.array([[0.0, 0.0], [10.0 + step / 4, 0.0]])
        km.partial_fit(centre[draw.integers(0, 2, 100)] + draw.normal(size=(100, 2)))
    right = km.cluster_centers_[:, 0].max()
    assert 13 < right < 18  # a running mean of 10 to 20


def test_a_fit_that_max_iter_ended_says_so() -> None:
    X = np.random.default_rng(0).normal(size=(2_000, 3))
    assert (
        KMeans(9, init="random", algorithm="lloyd", max_iter=2, tol=0).fit(X)._record.jobs[-1].ended
        == "max_iter"
    )
    assert KMeans(9).fit(X)._record.jobs[-1].ended == "converged"


def test_what_was_fitted_is_read_only() -> None:
    km = KMeans(3).fit(np.random.default_rng(0).normal(size=(100, 2)))
    for array in (km.cluster_centers_, km.labels_, km.state_.told.sums):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1


def test_score_is_minus_the_inertia_of_other_rows() -> None:
    X = np.random.default_rng(0).normal(size=(200, 2))
    km = KMeans(3).fit(X)
    assert km.score(X) == -km.inertia_
    assert km.score(X[:50], sample_weight=np.full(50, 2.0)) == pytest.approx(2 * km.score(X[:50]))


@pytest.mark.parametrize("init", [np.full((3, 2), np.nan), [["a"] * 2] * 3, "k-means", 7])
def test_start_centres_are_finite_numbers(init: Any) -> None:
    with pytest.raises(errors.BadParameter, match="init"):
        KMeans(3, init=init).fit(np.zeros((10, 2)))


@pytest.mark.parametrize("limit", [{"max_passes": 0}, {"max_passes": True}, {"max_seconds": -1}])
def test_limits_are_positive(limit: dict[str, Any]) -> None:
    with pytest.raises(errors.BadParameter, match=next(iter(limit))):
        KMeans(3).fit(np.zeros((10, 2)), **limit)
