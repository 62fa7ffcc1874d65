"""PCA beside its definition and beside scikit-learn: shares, likelihood, float32, wide, sparse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn import decomposition

import nacre
from nacre import PCA, Moments, errors
from nacre.forms import as_csr
from nacre.kinds import Array
from nacre.learn.reduce import krylov, pca
from nacre.learn.reduce.pca import Components, Settled

seeds = st.integers(0, 9_999)


def rows(seed: int, n: int, d: int, fall: float = 0.8) -> Array:
    """(n, d) float64: deviations fall by `fall` from one oblique direction to the next."""
    draw = np.random.default_rng(seed)
    turn = np.linalg.qr(draw.normal(size=(d, d)))[0]
    return (draw.normal(size=(n, d)) * fall ** np.arange(d)) @ turn


def holes(seed: int, n: int, d: int) -> Array:
    """(n, d) float64: one value in eight is there; more is in the first columns."""
    draw = np.random.default_rng(seed)
    return np.where(draw.random((n, d)) < 1 / 8, draw.random((n, d)) * 0.8 ** np.arange(d), 0.0)


def apart(ours: Any, truth: Any) -> float:
    """Radians between two subspaces, each (k, d) or a fitted PCA."""
    a, b = (np.asarray(getattr(x, "components_", x), np.float64).T for x in (ours, truth))
    return float(subspace_angles(a, b).max())


def by_numpy(X: Array, k: int) -> tuple[Array, Array]:
    """The truth: variances (k,), directions (k, d)."""
    values, vectors = np.linalg.eigh(np.cov(X.astype(np.float64).T))
    return values[::-1][:k], vectors[:, ::-1][:, :k].T


@given(seed=seeds, share=st.floats(0.01, 0.99))
def test_a_share_of_the_variance_takes_as_many_as_scikit_learn(seed: int, share: float) -> None:
    X = rows(seed, 60, 8)
    ours, theirs = PCA(share).fit(X), decomposition.PCA(share).fit(X)
    assert ours.n_components_ == theirs.n_components_
    np.testing.assert_allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_)
    assert ours.explained_variance_ratio_.sum() > share or ours.n_components_ == 8
    assert PCA(share, solver="krylov").fit(X).n_components_ == theirs.n_components_


@given(seed=seeds, k=st.integers(1, 6))
def test_likelihood_and_covariance_are_scikit_learns(seed: int, k: int) -> None:
    X, new = rows(seed, 50, 6) + 3, rows(seed + 1, 20, 6)
    ours, theirs = PCA(k).fit(X), decomposition.PCA(k, svd_solver="full").fit(X)
    np.testing.assert_allclose(ours.noise_variance_, theirs.noise_variance_, atol=1e-12)
    np.testing.assert_allclose(ours.get_covariance(), theirs.get_covariance(), atol=1e-9)
    np.testing.assert_allclose(ours.score_samples(new), theirs.score_samples(new), rtol=1e-7)
    np.testing.assert_allclose(ours.score(new), theirs.score(new), rtol=1e-7)
    sparse = PCA(k).fit(as_csr(X))
    np.testing.assert_allclose(sparse.score_samples(as_csr(new)), ours.score_samples(new), 1e-6)


def test_likelihood_where_a_direction_has_no_variance_is_finite() -> None:
    X = np.column_stack([np.arange(9.0), np.arange(9.0), np.zeros(9)])
    for k in (1, 3, None):
        assert np.isfinite(PCA(k).fit(X).score_samples(X)).all()
    assert np.isfinite(PCA(1).fit(X[:, 2:]).score(X[:, 2:]))


@pytest.mark.parametrize("solver", ["covariance", "krylov"])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_float32_rows_far_from_0(solver: str, offset: float) -> None:
    X = (rows(0, 20_000, 64, 0.9) + offset * np.random.default_rng(1).normal(size=64)).astype("f4")
    variance, directions = by_numpy(X, 6)
    ours = PCA(6, solver=solver, tol=1e-6).fit(X)
    assert apart(ours.state_.model.components, directions) < 1e-5
    np.testing.assert_allclose(ours.explained_variance_, variance, rtol=1e-5)
    np.testing.assert_allclose(ours.mean_, X.mean(axis=0, dtype=np.float64), rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("power", [-84, 57])
def test_float32_at_both_ends_of_its_range(power: int) -> None:
    X = (np.round(rows(0, 500, 5) * 1024) / 1024).astype(np.float32)
    extreme, square = np.ldexp(X, power), 2.0 ** (2 * power)
    assert np.array_equal(
        Moments(covariance=True).fit(extreme).covariance_,
        Moments(covariance=True).fit(X).covariance_ * square,
    )
    for solver in ("covariance", "krylov"):
        near, far = (PCA(3, solver=solver).fit(Y) for Y in (X, extreme))
        assert apart(near, far) < 1e-6
        np.testing.assert_allclose(far.explained_variance_ / square, near.explained_variance_, 1e-6)


@pytest.mark.parametrize("solver", ["covariance", "krylov"])
def test_float32_rounding_is_no_direction(solver: str) -> None:
    draw = np.random.default_rng(0)
    X = (draw.normal(size=(5_000, 3)) @ draw.normal(size=(3, 30))).astype(np.float32)
    ours = PCA(8, whiten=True, solver=solver).fit(X)
    assert (ours.explained_variance_ > 0).tolist() == [True] * 3 + [False] * 5
    assert not ours.components_[3:].any()
    assert np.abs(ours.transform(X)).max() < 10


@given(seed=seeds)
def test_krylov_finds_what_the_covariance_has(seed: int) -> None:
    X = rows(seed, 80, 40, 0.9)
    variance, directions = by_numpy(X, 4)
    ours = PCA(4, solver="krylov", random_state=seed).fit(X)
    assert ours.state_.model.converged
    assert apart(ours, directions) < 1e-3
    np.testing.assert_allclose(ours.explained_variance_, variance, rtol=1e-6)
    np.testing.assert_allclose(ours.explained_variance_ratio_, variance / X.var(0, ddof=1).sum())


@given(seed=seeds)
def test_sparse_rows_are_centred_and_never_made_dense(seed: int) -> None:
    X = holes(seed, 120, 40)
    ours, theirs = PCA(4).fit(as_csr(X)), decomposition.PCA(4, svd_solver="full").fit(X)
    assert isinstance(ours.state_.model, Settled)
    np.testing.assert_allclose(ours.mean_, X.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-5)
    again = ours.inverse_transform(ours.transform(as_csr(X)))
    wanted = theirs.inverse_transform(theirs.transform(X))
    assert np.linalg.norm(again - wanted) <= 0.01 * np.linalg.norm(X)


@pytest.mark.parametrize("k", [5, None])
def test_more_columns_than_rows(k: int | None) -> None:
    X = rows(0, 30, 500, 0.97)
    ours = PCA(k, solver="krylov").fit(X)
    theirs = decomposition.PCA(k).fit(X)
    assert ours.n_components_ == theirs.n_components_
    rank = min(k or 29, 29)
    got, wanted = ours.explained_variance_[:rank], theirs.explained_variance_[:rank]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert apart(ours.components_[:rank], theirs.components_[:rank]) < 1e-3


def test_auto_takes_the_solver_that_costs_less() -> None:
    draw = np.random.default_rng(0)
    narrow, wide, wider = (draw.normal(size=(12, d)).astype("f4") for d in (30, 2_500, 8_100))
    assert isinstance(PCA(2).fit(narrow).state_.model, Components)
    assert isinstance(PCA(2).fit(wide).state_.model, Settled)
    assert isinstance(PCA().fit(wider).state_.model, Settled)
    assert isinstance(PCA(0.5).start(nacre.contract.Batch(wide), None), Components)
    assert isinstance(PCA(100).start(nacre.contract.Batch(wide), None), Components)


def test_grade_is_that_of_the_solver() -> None:
    assert PCA().grade["time"] == PCA().fit(rows(0, 20, 3)).grade["time"] == "bits"
    assert PCA(solver="krylov").grade["time"] == "heuristic"
    assert PCA(2).fit(as_csr(holes(0, 20, 3))).grade["erasure"] == "heuristic"


@pytest.mark.parametrize(
    ("learner", "name"),
    [
        (PCA("mle"), "n_components"),
        (PCA(1.0), "n_components"),
        (PCA(0.0), "n_components"),
        (PCA(True), "n_components"),
        (PCA(float("nan")), "n_components"),
        (PCA(solver="arpack"), "solver"),
        (PCA(tol=0), "tol"),
        (PCA(tol=1.0), "tol"),
        (PCA(random_state=1.5), "random_state"),  # type: ignore[arg-type]
        (PCA(4, solver="krylov"), "n_components=4 for 3 columns"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named(learner: Any, name: str) -> None:
    with pytest.raises(errors.BadParameter, match=name):
        learner.fit(np.zeros((5, 3)))


def test_a_covariance_of_sparse_rows_is_refused() -> None:
    with pytest.raises(errors.BadParameter, match="sparse"):
        PCA(2, solver="covariance").fit(as_csr(np.eye(4)))


@pytest.mark.parametrize("k", [None, 0.9])
def test_all_directions_of_wide_rows_are_refused(k: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca, "WIDEST", 5)
    with pytest.raises(errors.BadParameter, match="6 in all"):
        PCA(k).fit(as_csr(rows(0, 6, 9)))
    assert PCA(k).fit(as_csr(rows(0, 5, 9))).n_components_ <= 5


def test_a_search_that_does_not_settle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(400, 300))  # no direction stands out
    monkeypatch.setattr(pca, "MOST_BLOCKS", 2)
    short = PCA(2, solver="krylov").fit(X)
    assert not short.state_.model.converged
    assert short.ended(short.state_.model) == "2 blocks"
    monkeypatch.setattr(pca, "MOST_BLOCKS", 60)  # beyond KEPT: the best go on
    whole = PCA(2, solver="krylov").fit(X)
    assert whole.state_.model.converged
    np.testing.assert_allclose(whole.explained_variance_, by_numpy(X, 2)[0], rtol=1e-6)
    assert (short.explained_variance_ < whole.explained_variance_).all()


def test_a_search_that_is_stopped_answers_with_what_it_has() -> None:
    X = rows(0, 200, 60, 0.97)
    with pytest.warns(RuntimeWarning, match="max_passes"):
        stopped = PCA(2, solver="krylov").fit(X, max_passes=3)
    assert stopped.transform(X).shape == (200, 2)
    with pytest.raises(errors.NeedsRefit):
        stopped.partial_fit(X)
    with pytest.raises(errors.Stopped):
        PCA(2, solver="krylov").fit(X, max_passes=1)


@pytest.mark.parametrize("form", [np.asarray, as_csr])
def test_later_rows_join_under_directions_that_stand_still(form: Any) -> None:
    X = rows(0, 300, 50)
    parts = PCA(3, solver="krylov").partial_fit(form(X[:100])).partial_fit(form(X[100:]))
    whole = PCA(3).fit(X)
    np.testing.assert_allclose(parts.mean_, whole.mean_, atol=1e-12)
    np.testing.assert_allclose(parts.state_.model.total, whole.state_.model.total)
    assert apart(parts, whole) < 0.01
    parts.partial_fit(form(np.zeros((1, 50)) - 5))
    np.testing.assert_allclose(parts.mean_, np.vstack([X, np.zeros(50) - 5]).mean(axis=0))


def test_dense_rows_may_follow_sparse_ones() -> None:
    X = (holes(0, 200, 30) + 1e3).astype(np.float32)
    parts = PCA(3).partial_fit(as_csr(X[:100])).partial_fit(X[100:])
    wide = X.astype(np.float64)
    np.testing.assert_allclose(parts.mean_, wide.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(parts.state_.model.total, wide.var(axis=0, ddof=1).sum(), rtol=1e-6)


def test_rows_that_are_all_one_have_no_direction() -> None:
    X = np.full((7, 5), 3.0)
    for form in (as_csr(X), as_csr(0 * X)):
        ours = PCA(2).fit(form)
        assert not ours.explained_variance_.any()
        assert not ours.transform(form).any()


def test_a_fit_of_blocks_comes_back_from_a_store(tmp_path: Path) -> None:
    X = as_csr(holes(0, 90, 30))
    ours = PCA(2, whiten=True).fit(X)
    ours.save(tmp_path / "model")
    again = nacre.load(tmp_path / "model")
    assert again.state_.digest == ours.state_.digest
    assert np.array_equal(again.transform(X), ours.transform(X))


@given(seed=seeds, d=st.integers(1, 30), width=st.integers(1, 12))
def test_blocks_are_orthonormal_and_new(seed: int, d: int, width: int) -> None:
    first = krylov.first_block(d, width, seed)
    np.testing.assert_allclose(first.T @ first, np.eye(min(d, width)), atol=1e-12)
    draw = np.random.default_rng(seed)
    matrix = np.cov(draw.normal(size=(4, d)).T).reshape(d, d)  # of rank 3 at most
    block = krylov.next_block(matrix @ first, first)
    np.testing.assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-9)
    np.testing.assert_allclose(first.T @ block, 0, atol=1e-9)
    assert block.shape[1] <= min(3, d - first.shape[1] if width < d else 0)


def test_rows_are_brought_back_from_integers_and_checked() -> None:
    pca = PCA(2).fit(np.random.default_rng(0).normal(size=(30, 3)) + 0.25)
    back = pca.inverse_transform([[1, 0]])
    np.testing.assert_array_equal(back, pca.inverse_transform(np.array([[1.0, 0.0]])))
    for wrong in (np.ones((2, 3)), np.ones(2)):
        with pytest.raises(errors.BadInput, match="shape"):
            pca.inverse_transform(wrong)


def test_what_is_rounding_stays_known_over_time() -> None:
    draw = np.random.default_rng(0)
    X = (100 * draw.normal(size=(200, 2)) @ draw.normal(size=(2, 6))).astype(np.float32)
    later = PCA().partial_fit(X[:100]).partial_fit(X[100:])
    assert later.state_.model.dtype == "float32"
    assert np.count_nonzero(later.explained_variance_) == 2
