"""k-means by cosine and by manhattan: against plain programs, and where a row has no direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, pairwise_distances

from nacre import KMeans, errors
from nacre.contract import Array, Batch
from nacre.learn.cluster import medians

SEEDS = st.integers(0, 999)


def groups(n: int, k: int, d: int = 6, seed: int = 0) -> tuple[Array, Array]:
    """(n, d) float32 in k groups that are as far apart by direction as by place."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, k, n)
    X = draw.normal(size=(k, d))[label] * 6 + draw.laplace(size=(n, d))
    return X.astype(np.float32), label


def spherical(X: Array, centres: Array, n_iter: int) -> Array:
    """Spherical k-means as it is written down."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    for _ in range(n_iter):
        labels = (unit @ centres.T).argmax(axis=1)
        sums = np.stack([unit[labels == j].sum(axis=0) for j in range(len(centres))])
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centres


def k_medians(X: Array, centres: Array) -> tuple[Array, float]:
    """k-medians as it is written down, until it stands still."""
    while True:
        labels = pairwise_distances(X, centres, metric="manhattan").argmin(axis=1)
        middles = [np.median(X[labels == j], axis=0) for j in range(len(centres))]
        if np.array_equal(middles, centres):
            return centres, float(np.abs(X - centres[labels]).sum())
        centres = np.array(middles)


def test_cosine_from_given_centres_is_spherical_k_means() -> None:
    X, _ = groups(2_000, 5)
    X = X.astype(np.float64)
    km = KMeans(5, X[:5], metric="cosine", algorithm="lloyd", max_iter=4, tol=0).fit(X)
    np.testing.assert_allclose(km.cluster_centers_, spherical(X, X[:5], 4), rtol=1e-9)


def test_cosine_figures_are_of_directions() -> None:
    X, label = groups(3_000, 6)
    km = KMeans(6, metric="cosine").fit(X)
    assert adjusted_rand_score(label, km.labels_) > 0.9
    np.testing.assert_allclose(np.linalg.norm(km.cluster_centers_, axis=1), 1, rtol=1e-6)
    far = pairwise_distances(X, km.cluster_centers_, metric="cosine")
    np.testing.assert_allclose(km.transform(X), far, atol=2e-6)
    assert km.inertia_ == pytest.approx(far.min(axis=1).sum(), rel=1e-4)
    assert km.score(X) == -km.inertia_
    scaled = KMeans(6, metric="cosine").fit(X * np.float32(8))
    assert scaled.state_.digest == km.state_.digest


def test_rows_without_a_direction_are_in_no_cluster() -> None:
    X, _ = groups(500, 3)
    X[::10] = 0
    km = KMeans(3, metric="cosine").fit(X)
    assert (km.labels_[::10] == -1).all()
    assert (np.delete(km.labels_, np.s_[::10]) >= 0).all()
    assert (km.predict(X[:1]), km.transform(X[:1]).tolist()) == (-1, [[1, 1, 1]])
    told = km.state_.told
    assert (told.n_rows, told.weight, told.weights.sum()) == (500, 500, 450)
    without = KMeans(3, metric="cosine").fit(X[X.any(axis=1)])
    assert without.inertia_ == pytest.approx(km.inertia_, rel=1e-3)
    with pytest.raises(errors.BadInput, match="not all 0"):
        KMeans(2, metric="cosine").fit(np.zeros((10, 2)))


def test_manhattan_finds_the_medians_of_a_plain_program() -> None:
    for whole in (False, True):
        X, label = groups(3_000, 4, d=3, seed=2)
        X = np.asarray(np.round(X)) if whole else X
        start = np.array([X[label == j][0] for j in range(4)])
        centres, inertia = k_medians(X, start)
        km = KMeans(4, start, metric="manhattan", algorithm="lloyd", tol=0, max_iter=80).fit(X)
        assert km.inertia_ <= inertia * (1 + 1e-3)
        gap = np.abs(km.cluster_centers_ - centres).max()
        assert gap == 0 if whole else gap < 1e-2


@given(seed=SEEDS, weighted=st.booleans())
@settings(max_examples=8)
def test_brackets_close_in_on_weighted_medians(seed: int, weighted: bool) -> None:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(200, 3)) * [1, 1e-3, 1e6]
    weight = draw.choice([0.5, 1.0, 2.0], 200) if weighted else np.ones(200)
    model = medians.around(X[:1], X.min(axis=0), X.max(axis=0))
    for _ in range(40):
        told, _ = medians.observed(model, Batch(X, weight=weight))
        model = medians.moved(model, told)
    order = np.argsort(X, axis=0)
    reached = np.cumsum(weight[order], axis=0)
    at = (reached < weight.sum() / 2).sum(axis=0)
    lower = np.take_along_axis(X, np.take_along_axis(order, at[None], 0), 0)
    assert medians.all_found(told)
    assert (np.abs(model.centres - lower) <= model.steps).all()
    assert (model.steps <= np.abs(X).max(axis=0) * 1e-9).all()


def test_manhattan_is_as_good_by_parts_as_on_all_rows() -> None:
    X, label = groups(60_000, 10, seed=3)
    km = KMeans(10, metric="manhattan").fit(X)
    plain = KMeans(10, metric="manhattan", algorithm="lloyd").fit(X)
    assert km.inertia_ <= 1.01 * plain.inertia_
    assert adjusted_rand_score(label, km.labels_) > 0.97
    far = pairwise_distances(X[:50], km.cluster_centers_, metric="manhattan")
    np.testing.assert_allclose(km.transform(X[:50]), far, rtol=1e-5)


def test_empty_medians_go_where_the_error_is() -> None:
    X = np.concatenate([np.zeros((50, 2)), [[9.0, 9.0]], [[-9.0, 9.0]], [[0.1, 0.0]]])
    far_away = np.array([[0.0, 0.0], [1e3, 1e3], [2e3, 2e3]])
    km = KMeans(3, far_away, metric="manhattan", algorithm="lloyd", tol=0).fit(X)
    assert {tuple(row) for row in km.cluster_centers_.tolist()} >= {(9.0, 9.0), (-9.0, 9.0)}


@pytest.mark.parametrize("metric", ["cosine", "manhattan"])
def test_partial_fit_and_start_go_on(metric: str) -> None:
    X, _ = groups(900, 3)
    km = KMeans(3, metric=metric)
    for start in range(0, 900, 300):
        km.partial_fit(X[start : start + 300])
        assert km.state_.told.base == km.state_.model.base
    assert km.state_.told.weight == 900
    again = KMeans(3, metric=metric).fit(X, start=km.state_)
    assert again.inertia_ <= -km.score(X) * 1.001
    with pytest.raises(errors.BadParameter, match="euclidean"):
        KMeans(3).fit(X, start=km.state_)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"metric": "l1"}, "metric"),
        ({"metric": None}, "metric"),
        ({"n_clusters": "best"}, "n_clusters"),
        ({"n_clusters": "auto", "metric": "manhattan"}, "metric"),
        ({"n_clusters": "auto", "init": np.zeros((3, 2))}, "init"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, Any], name: str) -> None:
    with pytest.raises(errors.BadParameter, match=name):
        KMeans(**{"n_clusters": 3, **parameters}).fit(np.zeros((10, 2)))
