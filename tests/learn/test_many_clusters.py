"""k-means|| seeding, the number of clusters, sparse rows, and what sets clusters apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score

from nacre import KMeans, errors
from nacre.contract import Array, Batch
from nacre.forms import as_csr
from nacre.learn.cluster import counting, curve, kmeans, parallel
from nacre.learn.cluster.sampled import Seeding


def groups(n: int, k: int, d: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """(n, d) float64 in k round groups, well apart."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, k, n)
    corners = np.array(np.meshgrid(*[[-8.0, 0.0, 8.0]] * d)).reshape(d, -1).T
    return corners[draw.permutation(len(corners))[:k]][label] + draw.normal(size=(n, d)), label


def told_by(model: parallel.Candidates, X: Array) -> Any:
    """What rows say to candidates, or to those that are weighed."""
    return parallel.observed(model, Batch(X))


def begun(X: Array, k: int) -> parallel.Candidates:
    """Candidates for k clusters, by a sample of every fifth row."""
    seeding = Seeding(X.shape[1], X.dtype.str, 0.2, "test", len(X))
    some = X[::5]
    mean = some.mean(axis=0)
    return parallel.begun("euclidean", some, np.ones(len(some)), mean, k=k, seed=0, seeding=seeding)


def test_a_round_takes_rows_as_often_as_they_are_far() -> None:
    X, label = groups(20_000, 2)
    X[label == 1][:, 0] += 1
    model = begun(X, 40)
    told = told_by(model, X)
    taken = parallel.oversampled(model, told).candidates[40:]
    assert len(taken) == model.n_wanted == 80
    far = ((X[:, None] - model.candidates[None]) ** 2).sum(axis=2).min(axis=1)
    chance = far / far.sum()
    expected = 80 * (chance * far).sum()  # the cost of a row that is drawn by its cost
    squares = ((taken[:, None] - model.candidates[None]) ** 2).sum(axis=2).min(axis=1)
    assert squares.sum() == pytest.approx(expected, rel=0.35)
    assert squares.mean() > 1.3 * far.mean()
    assert told.cost == pytest.approx(far.sum())


def test_small_clusters_that_a_sample_misses_are_found() -> None:
    X, _ = groups(30_000, 5)
    tiny = 120 * np.eye(4)[:3]
    X = np.concatenate([X, np.repeat(tiny, 10, axis=0)])
    found = KMeans(8, init="k-means||", random_state=1).fit(X).cluster_centers_
    assert all(np.abs(found - one).sum(axis=1).min() < 1 for one in tiny)


def test_candidates_weigh_what_is_nearest_to_them() -> None:
    X, _ = groups(3_000, 3)
    model = begun(X, 4)
    while model.n_wanted:
        model = parallel.oversampled(model, told_by(model, X))
    told = told_by(model, X)
    nearest = ((X[:, None] - model.candidates[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert told.weights.tolist() == np.bincount(nearest, minlength=20).tolist()


def test_micro_clusters_join_to_what_one_pass_over_all_says() -> None:
    X, _ = groups(2_000, 3)
    model = counting.frozen("euclidean", X[::4], np.ones(500), X.mean(axis=0), seed=0)
    whole = counting.observed(model, Batch(X))
    parts = counting.observed(model, Batch(X[:700])) + counting.observed(model, Batch(X[700:]))
    means, weights, errors = counting.weighted(whole.moments)
    np.testing.assert_allclose(parts.moments.mean, whole.moments.mean, atol=1e-12)
    np.testing.assert_allclose(parts.moments.m2, whole.moments.m2, atol=1e-9)
    np.testing.assert_allclose(weights @ means, X.sum(axis=0))
    between = weights @ ((means - X.mean(axis=0)) ** 2).sum(axis=1)
    assert errors.sum() + between == pytest.approx(((X - X.mean(axis=0)) ** 2).sum())
    sparse = counting.observed(model, Batch(as_csr(X))).moments
    np.testing.assert_allclose(sparse.m2, whole.moments.m2, atol=1e-9)


def test_ward_merges_what_costs_least() -> None:
    from scipy.cluster.hierarchy import fcluster, linkage

    X = np.random.default_rng(0).normal(size=(60, 3))
    tree = linkage(X, "ward")
    for k, labels in enumerate(curve.ward(X, np.ones(60), 12), 1):
        wanted = fcluster(tree, k, "maxclust")
        assert adjusted_rand_score(wanted, labels) == 1
    twice = curve.ward(X[:30], np.full(30, 2.0), 5)[-1]
    same = curve.ward(np.repeat(X[:30], 2, axis=0), np.ones(60), 5)[-1]
    assert adjusted_rand_score(np.repeat(twice, 2), same) == 1


@pytest.mark.parametrize("k", [2, 7, 20])
def test_auto_finds_as_many_groups_as_there_are(k: int) -> None:
    X, label = groups(6_000, k, seed=k)
    km = KMeans("auto").fit(X)
    assert km.n_clusters_ == k == len(km.cluster_centers_)
    assert adjusted_rand_score(label, km.labels_) > 0.99
    assert km.k_curve_.chosen == k
    assert km.k_curve_.k.tolist() == list(range(1, 51))
    assert (np.diff(km.k_curve_.inertia) < 0).mean() > 0.9


def test_auto_says_1_where_there_is_nothing_and_takes_few_rows() -> None:
    draw = np.random.default_rng(0)
    assert KMeans("auto").fit(draw.random((4_000, 3))).n_clusters_ == 1
    assert KMeans("auto").fit(draw.normal(size=(4_000, 8))).n_clusters_ == 1
    for few in (np.ones((1, 2)), np.ones((30, 2)), draw.normal(size=(25, 2))):
        assert KMeans("auto").fit(few).n_clusters_ <= 2
    with pytest.raises(errors.UnknownName, match="auto"):
        _ = KMeans(2).fit(draw.random((50, 2))).k_curve_


def test_sparse_rows_are_clustered_as_dense_ones_are() -> None:
    draw = np.random.default_rng(0)
    X, label = groups(1_500, 5, d=3)
    wide = np.zeros((1_500, 90), np.float32)
    wide[:, draw.permutation(90)[:3]] = X
    wide[draw.integers(0, 1_500, 3_000), draw.integers(0, 90, 3_000)] += 0.1
    for metric in ("euclidean", "cosine"):
        given = wide[:5] + np.float32(0.01)
        dense = KMeans(5, given, metric=metric).fit(wide)
        sparse = KMeans(5, given, metric=metric).fit(as_csr(wide))
        np.testing.assert_allclose(
            sparse.cluster_centers_, dense.cluster_centers_, rtol=1e-4, atol=1e-6
        )
        assert sparse.inertia_ == pytest.approx(dense.inertia_, rel=1e-6)
        assert sparse.labels_.tolist() == sparse.predict(as_csr(wide)).tolist()
        np.testing.assert_allclose(
            sparse.transform(as_csr(wide[:20])), dense.transform(wide[:20]), atol=1e-5
        )
    assert adjusted_rand_score(label, KMeans(5).fit(as_csr(wide)).labels_) > 0.95
    with pytest.raises((TypeError, ValueError), match=r"[Ss]parse"):
        KMeans(5, metric="manhattan").fit(as_csr(wide))


def test_few_clusters_of_sparse_rows_descend_on_a_sample() -> None:
    """As dense ones do, of which the first sample is large enough for few clusters."""
    draw = np.random.default_rng(0)
    X = as_csr(np.where(draw.random((60_000, 20)) < 0.7, 0, draw.normal(size=(60_000, 20))))
    km = KMeans(3).fit(X)
    n_rows = [turn.n_rows for turn in km._record.jobs[0].turns]
    assert n_rows.count(60_000) <= 3 < len(n_rows)
    assert KMeans(3, algorithm="lloyd").fit(X).inertia_ > 0.999 * km.inertia_


def test_sparse_rows_have_one_digest_for_any_engine() -> None:
    X = as_csr(np.where(np.random.default_rng(0).random((3_000, 40)) < 0.9, 0, 1.5))
    fits = [KMeans(4).fit(X, engine=engine) for engine in ("serial", "threads:3")]
    assert fits[0].state_.digest == fits[1].state_.digest


def test_an_explanation_says_where_a_cluster_is_apart() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(600, 4))
    X[:, 1] += 100
    X[:200, 2] += 30
    X[200:300, 3] -= 50
    km = KMeans(3).fit(X)
    told = km.explain(X)
    of = told[km.labels_[0]]
    first = of.features[0]
    assert (first.name, of.weight, of.share) == ("x2", 200, pytest.approx(1 / 3))
    assert first.mean == pytest.approx(X[:200, 2].mean())
    assert first.deviation == pytest.approx(X[:200, 2].std())
    assert first.mean_of_all == pytest.approx(X[:, 2].mean())
    assert first.apart == pytest.approx((first.mean - first.mean_of_all) / X[:, 2].std())
    assert sum(feature.share for feature in of.features) == pytest.approx(1)
    assert told[km.labels_[200]].features[0].name == "x3"
    assert "x2" in str(told)
    assert len(told.table["name"]) == 12
    sparse = km.explain(as_csr(X))[km.labels_[0]].features[0]
    assert sparse.name == first.name
    assert sparse.deviation == pytest.approx(first.deviation, rel=1e-6)


def test_an_explanation_counts_weights_and_says_nothing_of_clusters_without_rows() -> None:
    X = np.repeat(np.array([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]]), 4, axis=0)
    km = KMeans(3).fit(X)
    weight = np.repeat([0.0, 0.5, 1.0], 4)
    told = km.explain(X, sample_weight=weight)
    assert [told[km.labels_[at]].weight for at in (0, 4, 8)] == [0.0, 2.0, 4.0]
    empty, other = told[km.labels_[0]].features[0], told[km.labels_[4]].features[0]
    assert np.isnan([empty.mean, empty.deviation]).all()
    assert (empty.apart, empty.share) == (0.0, 0.0)
    assert other.mean_of_all == pytest.approx((0.5 * 1 + 1.0 * 5) / 1.5)


def test_deviations_of_sparse_rows_far_from_0_are_those_of_dense_ones() -> None:
    X, _ = groups(300, 3, seed=2)
    X = X + 1e8
    X[::7, 1] = 0.0
    km = KMeans(3).fit(X)
    dense, sparse = (km.explain(rows).table["deviation"] for rows in (X, as_csr(X)))
    np.testing.assert_allclose(np.sort(sparse), np.sort(dense), rtol=1e-6)


@pytest.mark.parametrize("seed", [-1, 2**70])
def test_any_int_is_a_random_state(seed: int) -> None:
    X, _ = groups(300, 3, seed=1)
    for km in (KMeans("auto", random_state=seed), KMeans(3, init="k-means||", random_state=seed)):
        assert km.fit(X).n_clusters_ == 3


def test_a_curve_of_real_groups_peaks_where_other_criteria_do() -> None:
    X, _ = groups(3_000, 6, seed=9)
    gap = KMeans("auto").fit(X).k_curve_.gap
    scores = [calinski_harabasz_score(X, KMeans(k).fit(X).labels_) for k in range(2, 10)]
    assert int(np.argmax(gap[:9])) + 1 == int(np.argmax(scores)) + 2


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_max_iter_counts_iterations_over_parts_too(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kmeans, "LEAST_SAMPLE", 200)
    monkeypatch.setattr(kmeans, "LEAST_VALUES", 1)
    X = np.random.default_rng(0).normal(size=(8_000, 6))
    found = [KMeans(4, max_iter=m, tol=1e-6, metric=metric).fit(X) for m in (1, 3, 300)]
    assert [km.n_iter_ for km in found[:2]] == [1, 3]
    assert found[2].n_iter_ > 3
    for km in found:  # all rows were looked at, under the centres that are kept
        assert km.inertia_ == pytest.approx(-km.score(X))
        assert km.labels_.shape == (8_000,)
