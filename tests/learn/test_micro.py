"""Micro: cells that stand still, k-means on them, and how far that is from k-means of the rows."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

import nacre
from nacre import PCA, KMeans, Micro, Scale, chain, errors
from nacre.canon import digest
from nacre.cli.words import knowledge
from nacre.contract import Array, Batch, Run
from nacre.engine.tree import fold
from nacre.estimator import bare
from nacre.forms import as_csr
from nacre.learn.cluster.cells import Grains, nearest_to
from nacre.learn.cluster.micro import cells_of, micro_centres

seeds = st.integers(0, 2**32 - 1)


def groups(n: int, k: int = 5, d: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """(n, d) float64 in k round groups that touch, and which group each row is of."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, k, n)
    corners = 5.0 * draw.normal(size=(k, d))
    return corners[label] + draw.normal(size=(n, d)), label


def error(X: Array, centres: Array) -> float:
    """The inertia of rows."""
    return float(((X[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1).sum())


def of_cells(micro: Micro, centres: Array) -> float:
    """The inertia of rows where cells go to a centre as a whole."""
    cells = micro.cells_
    grains = Grains(cells.means, cells.weights, cells.errors)
    return float(nearest_to(centres, grains).sse.sum()) + micro.micro_inertia_


def test_it_finds_the_groups_and_answers_as_its_inner_learner() -> None:
    X, label = groups(4_000, seed=3)
    micro = Micro(KMeans(5)).fit(X)
    assert adjusted_rand_score(label, micro.labels_) > 0.97
    assert micro.predict(X).tolist() == micro.labels_.tolist()
    far = ((X[:9, None] - micro.cluster_centers_[None]) ** 2).sum(axis=2) ** 0.5
    np.testing.assert_allclose(micro.transform(X[:9]), far)
    assert micro.get_feature_names_out().tolist() == [f"micro{j}" for j in range(5)]
    assert (micro.n_clusters_, len(micro.cells_.keys)) == (5, 100)
    assert micro.score(X) == -micro.inertia_
    assert micro.cluster_weights_.sum() == 4_000
    assert "cluster 4" in micro.plot().says


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n_micro=st.integers(4, 60))
def test_the_inertia_of_cells_bounds_that_of_rows_from_both_sides(seed: int, n_micro: int) -> None:
    X, _ = groups(400, 4, 2, seed=seed)
    micro = Micro(KMeans(4), n_micro).fit(X)
    within = micro.micro_inertia_
    others = np.random.default_rng(seed).normal(size=(4, 2)) * 5
    for centres in (micro.cluster_centers_, others):
        rows, cells = error(X, centres), of_cells(micro, centres)
        assert rows <= cells * (1 + 1e-9)
        assert abs((cells - within) ** 0.5 - rows**0.5) <= within**0.5 * (1 + 1e-9)
    assert micro.inertia_ == pytest.approx(of_cells(micro, micro.cluster_centers_))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_it_is_within_the_bound_of_a_refit_and_mostly_equal(seed: int, metric: str) -> None:
    X, _ = groups(5_000, 6, 4, seed=seed)
    micro, refit = Micro(KMeans(6, metric=metric)).fit(X), KMeans(6, metric=metric).fit(X)
    within, best = micro.micro_inertia_, refit.inertia_
    assert micro.inertia_ <= within + (within**0.5 + best**0.5) ** 2
    far = micro.transform(X).min(axis=1)
    rows = float((far**2 if metric == "euclidean" else far).sum())
    assert rows <= micro.inertia_ * (1 + 1e-9)
    assert rows <= 1.01 * best


def leaves(micro: Micro, X: Array, edges: list[int]) -> dict[int, Any]:
    """What parts of rows say under the frame of a model, by their keys."""
    parts = itertools.pairwise(edges)
    learner, model = bare(micro), micro.state_.model.framed()
    return {a: learner.observe(model, Batch(X[a:b], Run(7, a))) for a, b in parts}


def test_absorbed_in_any_order_it_is_one_pass_under_the_frame() -> None:
    X, _ = groups(3_000)
    january = Micro(KMeans(5)).fit(X[:1_000])
    later = leaves(january, X, [0, 1_000, 1_700, 1_710, 3_000])
    told = fold(later)
    model = bare(january).advance(january.state_.model, told)
    swapped = fold(dict(reversed(later.items())))
    assert digest(swapped) == digest(told)
    assert digest(bare(january).advance(model, swapped)) == digest(model)
    whole = Micro(KMeans(5)).fit(X, start=january.state_)
    assert whole.state_.model.base == january.state_.model.base == told.base
    np.testing.assert_allclose(told.cells.mean, whole.state_.told.cells.mean, rtol=1e-9)
    np.testing.assert_allclose(model.inner.centres, whole.cluster_centers_, rtol=1e-9)
    without = fold({key: leaf for key, leaf in later.items() if key != 1_000})
    never = np.concatenate([X[:1_000], X[1_700:]])
    seen = Micro(KMeans(5)).fit(never, start=january.state_)
    np.testing.assert_allclose(without.cells.m2, seen.state_.told.cells.m2, atol=1e-9)


def test_what_was_fitted_before_does_not_matter_and_the_frame_stays() -> None:
    X, _ = groups(3_000)
    micro = Micro(KMeans(5)).fit(X[:1_000])
    base = micro.state_.model.base
    micro.partial_fit(X[1_000:])
    state = micro.state_
    assert state.model.base == base == state.told.base
    assert state.told.n_rows == 3_000
    learner = bare(micro)
    assert digest(learner.advance(learner.resume(state.model), state.told)) == digest(state.model)
    half = learner.advance(state.model, state.told.scale(0.5))
    np.testing.assert_allclose(half.inner.centres, state.model.inner.centres, atol=1e-3)


def test_clusters_are_numbered_by_their_first_cell() -> None:
    X, _ = groups(2_000)
    cells = Micro(KMeans(5)).fit(X).cells_
    first = [int(np.flatnonzero(cells.labels == j)[0]) for j in range(5)]
    assert first == sorted(first)
    assert (np.diff(cells.keys) > 0).all()


def test_given_centres_keep_their_numbers() -> None:
    X, _ = groups(2_000)
    first = Micro(KMeans(5)).fit(X).cluster_centers_
    begun = first[::-1] + 0.1
    again = Micro(KMeans(5, init=begun)).fit(X)
    np.testing.assert_allclose(again.cluster_centers_, first[::-1], atol=0.2)


@pytest.mark.parametrize("init", ["random", "k-means||"])
def test_every_start_leads_to_the_groups(init: str) -> None:
    X, label = groups(3_000, seed=3)
    assert adjusted_rand_score(label, Micro(KMeans(5, init=init)).fit_predict(X)) > 0.95


def test_auto_finds_how_many_there_are() -> None:
    X, label = groups(4_000, 6, 4, seed=4)
    micro = Micro(KMeans("auto")).fit(X)
    assert micro.n_clusters_ == 6
    assert adjusted_rand_score(label, micro.labels_) > 0.97


def test_few_rows_and_equal_rows() -> None:
    X, _ = groups(30)
    few = Micro(KMeans(5)).fit(X)
    assert len(few.cells_.keys) <= 30
    assert few.inertia_ == pytest.approx(KMeans(5).fit(X).inertia_, rel=0.1)
    equal = Micro(KMeans(3)).fit(np.repeat(X[:2], 10, axis=0))
    assert sorted(set(equal.labels_.tolist())) == [0, 1]
    assert equal.cluster_centers_.shape == (3, 3)
    assert equal.inertia_ == 0
    with pytest.raises(errors.BadInput, match="n_clusters=3"):
        Micro(KMeans(3)).fit(X[:2])
    with pytest.raises(errors.BadInput, match="weight"):
        Micro(KMeans(3)).fit(X, sample_weight=np.zeros(30))


def test_rows_without_weight_make_no_cell_and_the_sample_is_taken_wider() -> None:
    X, _ = groups(30_000, d=2)
    weight = np.zeros(30_000)
    weight[:40] = 1
    micro = Micro(KMeans(5)).fit(X, sample_weight=weight)
    assert micro.cells_.weights.sum() == 40
    assert len(micro.cells_.keys) == len(micro.state_.model.centres) == 40


def test_a_window_of_fewer_cells_than_clusters_has_clusters_for_these() -> None:
    X, _ = groups(2_000)
    micro = Micro(KMeans(5)).fit(X)
    model = micro.state_.model
    told: Any = micro.observe(model, Batch(X[:2]))
    some: Any = micro.advance(model, told)
    found = micro.answer(some, Batch(X[:2]), ("predict",))["predict"]
    assert len(some.inner.centres) == 5
    assert set(found.tolist()) == set(range(len(told.cells.keys)))
    with pytest.raises(errors.BadInput):
        micro.advance(model, micro.observe(model, Batch(X[:0])))


def test_a_small_group_far_away_has_a_cell_of_its_own() -> None:
    X, _ = groups(5_000, d=2)
    X[:5] = [300.0, 300.0]
    centres = micro_centres(X, np.ones(5_000), X.mean(axis=0), 40, "test")
    assert np.abs(centres - 300).sum(axis=1).min() < 1
    assert len(centres) <= 40


def test_cosine_leaves_rows_without_direction_out() -> None:
    X, _ = groups(2_000)
    X[::7] = 0
    micro = Micro(KMeans(4, metric="cosine")).fit(X)
    assert (micro.labels_[::7] == -1).all()
    assert micro.state_.told.n_rows == 2_000
    assert micro.cells_.weights.sum() == 2_000 - len(X[::7])
    np.testing.assert_allclose(np.linalg.norm(micro.cluster_centers_, axis=1), 1.0)
    refit = KMeans(4, metric="cosine").fit(X)
    assert micro.inertia_ <= 1.05 * refit.inertia_


def test_sparse_rows_are_clustered_as_dense_ones() -> None:
    X = np.where(np.random.default_rng(0).random((1_500, 12)) < 0.3, groups(1_500, d=12)[0], 0.0)
    dense, thin = Micro(KMeans(4)).fit(X), Micro(KMeans(4)).fit(as_csr(X))
    np.testing.assert_allclose(thin.cluster_centers_, dense.cluster_centers_, atol=1e-9)
    assert thin.inertia_ == pytest.approx(dense.inertia_)


@pytest.mark.parametrize(
    "learner",
    [
        Micro(),
        Micro(PCA(2)),
        Micro(KMeans),
        Micro(KMeans(3, metric="manhattan")),
        Micro(KMeans(0)),
        Micro(KMeans(5), n_micro=4),
        Micro(KMeans(5), random_state=0.5),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_what_cannot_be_fitted_on_cells_is_named(learner: Any) -> None:
    with pytest.raises(errors.BadParameter) as caught:
        learner.fit(groups(50)[0])
    assert "state_" not in vars(learner)
    assert caught.value.wanted


def test_a_start_of_another_metric_or_learner_is_refused() -> None:
    X, _ = groups(500)
    state = Micro(KMeans(3)).fit(X).state_
    for other in (Micro(KMeans(3, metric="cosine")), KMeans(3)):
        with pytest.raises(errors.BadParameter, match="start"):
            other.fit(X, start=state)
    with pytest.raises(errors.BadParameter, match="start"):
        Micro(KMeans(3)).fit(X, start=KMeans(3).fit(X).state_)


def test_parameters_of_the_inner_learner_are_reached_by_name(tmp_path: Path) -> None:
    X, _ = groups(1_000)
    pipe = chain(Scale(), Micro(KMeans(8), random_state=3))
    pipe.set_params(micro__inner__n_clusters=4, micro__n_micro=40)
    again = clone(pipe)
    assert again.get_params()["micro__inner__n_clusters"] == 4
    fitted = again.fit(X)
    assert fitted.labels_.tolist() == fitted.predict(X).tolist()
    assert set(fitted.labels_.tolist()) == set(range(4))
    fitted.save(tmp_path / "model")
    back = nacre.load(tmp_path / "model")
    assert back.state_.digest == fitted.state_.digest
    assert back.predict(X).tolist() == fitted.labels_.tolist()
    assert back.get_params()["micro__inner__n_clusters"] == 4
    thawed = cells_of(back.state_.model.running, back.state_.told)
    assert len(thawed.keys) == 40


def test_the_command_line_tells_its_clusters_as_those_of_kmeans() -> None:
    X, _ = groups(2_000)
    micro = chain(Scale(), Micro(KMeans(4))).fit(X)
    refit = chain(Scale(), KMeans(4, init=micro.state_.model.running.inner.centres)).fit(X)
    got, want = knowledge(micro)["clusters"], knowledge(refit)["clusters"]
    assert sum(one["weight"] for one in got) == 2_000
    for one, other in zip(got, want, strict=True):
        assert one["weight"] == pytest.approx(other["weight"], rel=0.1)
        assert {c["column"] for c in one["columns"]} == {"x0", "x1", "x2"}


def test_scikit_learn_predicts_the_same() -> None:
    X, _ = groups(1_000)
    micro = Micro(KMeans(4)).fit(X)
    theirs = micro.to_sklearn()
    assert theirs.predict(X).tolist() == micro.labels_.tolist()
    assert theirs.inertia_ == micro.inertia_
