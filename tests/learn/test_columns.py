"""Moments, Scale, Impute and PCA: right against NumPy, also far from 0, badly scaled, weighted,
tiny.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from nacre import PCA, Impute, Moments, Scale, errors

seeds = st.integers(0, 9_999)


def rows(seed: int, n: int, d: int, offset: float = 0.0) -> Any:
    draw = np.random.default_rng(seed)
    scale = 10.0 ** draw.integers(-3, 4, d)
    return (draw.normal(size=(n, d)) @ draw.normal(size=(d, d)) + offset) * scale


@given(seeds, st.integers(2, 200), st.integers(1, 6), st.sampled_from([0.0, 1e6]))
def test_moments_are_numpys(seed: int, n: int, d: int, offset: float) -> None:
    X = rows(seed, n, d, offset)
    full, diagonal = Moments(covariance=True).fit(X), Moments().fit(X)
    np.testing.assert_allclose(diagonal.mean_, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(diagonal.var_, X.var(axis=0), rtol=1e-6)
    want = np.atleast_2d(np.cov(X.T))
    size = np.sqrt(np.outer(np.diag(want), np.diag(want)))
    assert (np.abs(full.covariance_ - want) <= 1e-6 * size).all()


@given(seeds)
def test_weights_are_repetition(seed: int) -> None:
    X = rows(seed, 40, 3)
    times = np.random.default_rng(seed).integers(0, 4, 40)
    times[0] = 2
    for learner in (Moments(covariance=True), Scale(), PCA(2)):
        weighted = learner.fit(X, sample_weight=times).state_.told.moments
        repeated = learner.fit(np.repeat(X, times, axis=0)).state_.told.moments
        assert weighted.n == repeated.n
        np.testing.assert_allclose(
            weighted.m2, repeated.m2, rtol=1e-9, atol=1e-9 * weighted.m2.max()
        )


def test_float32_rows_ten_thousand_deviations_away() -> None:
    draw = np.random.default_rng(0)
    turn = np.linalg.qr(draw.normal(size=(20, 20)))[0]
    Y = (draw.normal(size=(50_000, 20)) / np.arange(1, 21)) @ turn
    X = (Y + 1e4).astype(np.float32)
    exact = X.astype(np.float64) - X.astype(np.float64).mean(axis=0)
    truth = np.linalg.eigh(exact.T @ exact)[1][:, ::-1][:, :4]
    assert subspace_angles(truth, PCA(4).fit(X).components_.T.astype(float)).max() < 1e-4
    np.testing.assert_allclose(Scale().fit(X).scale_, exact.std(axis=0), rtol=1e-6)


@given(seeds, st.integers(1, 12), st.integers(1, 6))
def test_pca_is_the_eigenvectors(seed: int, n: int, d: int) -> None:
    X = np.random.default_rng(seed).normal(size=(n, d))
    pca = PCA().fit(X)
    k = pca.n_components_
    assert k == min(n, d)
    rank = int((pca.explained_variance_ > 0).sum())
    assert rank <= min(n - 1, d)
    C = pca.components_
    np.testing.assert_allclose(C[:rank] @ C[:rank].T, np.eye(rank), atol=1e-9)
    assert not C[rank:].any()
    want = np.linalg.eigvalsh(np.atleast_2d(np.cov(X.T)))[::-1][:rank] if n > 1 else np.empty(0)
    np.testing.assert_allclose(pca.explained_variance_[:rank], want, rtol=1e-6, atol=1e-12)
    if k == d and rank == d:
        np.testing.assert_allclose(pca.inverse_transform(pca.transform(X)), X, atol=1e-8)
    largest = C[np.arange(rank), np.abs(C[:rank]).argmax(axis=1)]
    assert (largest > 0).all()


def test_whitened_rows_have_unit_variance_and_no_nan_beyond_the_rank() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(500, 2)) @ draw.normal(size=(2, 5)) * 100
    Z = PCA(4, whiten=True).fit_transform(X)
    np.testing.assert_allclose(Z[:, :2].var(axis=0, ddof=1), 1, rtol=1e-9)
    assert not Z[:, 2:].any()
    back = PCA(2, whiten=True).fit(X)
    np.testing.assert_allclose(back.inverse_transform(back.transform(X)), X, atol=1e-6)


def test_scale_of_constant_columns_and_back() -> None:
    X = np.column_stack([np.full(9, 1e8), np.arange(9.0), np.full(9, 0.1)])
    scale = Scale().fit(X)
    Z = scale.transform(X)
    assert scale.scale_[[0, 2]].tolist() == [1, 1]
    np.testing.assert_allclose(Z[:, 1].std(), 1)
    np.testing.assert_allclose(scale.inverse_transform(Z), X)
    assert Scale(with_mean=False, with_std=False).fit_transform(X).tolist() == X.tolist()


def test_impute_fills_with_means_of_what_is_there() -> None:
    X = np.array([[1.0, np.nan, np.nan], [np.nan, 4.0, np.nan], [3.0, 8.0, np.nan]])
    impute = Impute().fit(X)
    assert impute.statistics_.tolist() == [2.0, 6.0, 0.0]
    assert impute.transform(X)[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert Impute("constant", -1.0).fit_transform(X)[0].tolist() == [1.0, -1.0, -1.0]
    weighted = Impute().fit(X, sample_weight=[3, 1, 1])
    assert weighted.statistics_.tolist() == [1.5, 6.0, 0.0]


def test_impute_still_refuses_inf() -> None:
    with pytest.raises(errors.BadInput, match="inf"):
        Impute().fit(np.array([[np.nan], [np.inf]]))


@pytest.mark.parametrize(
    ("learner", "name"),
    [
        (PCA(0), "n_components"),
        (PCA(9), "n_components"),
        (PCA(1.5), "n_components"),
        (PCA(1, whiten="yes"), "whiten"),  # type: ignore[arg-type]
        (Scale(with_mean=1), "with_mean"),  # type: ignore[arg-type]
        (Impute("mode"), "strategy"),
        (Impute(fill_value=np.inf), "fill_value"),
        (Moments("yes"), "covariance"),
    ],
    ids=lambda value: repr(value) if isinstance(value, str) else type(value).__name__,
)
def test_bad_parameters_are_named(learner: Any, name: str) -> None:
    with pytest.raises(errors.BadParameter, match=name):
        learner.fit(np.zeros((5, 3)))


def test_covariance_needs_to_be_asked_for() -> None:
    with pytest.raises(errors.UnknownName, match="covariance=True"):
        _ = Moments().fit(np.zeros((5, 3))).covariance_
