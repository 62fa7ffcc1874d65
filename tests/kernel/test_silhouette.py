"""Sums of distances to means and to points, against NumPy twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.kernel.silhouette import to_means, to_points

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def drawn(seed: int, n: int, d: int, dtype: type) -> tuple[Array, Array, Array, int]:
    """Rows far from 0, weights, labels with -1 among them, and how many clusters."""
    draw = np.random.default_rng(seed)
    k = int(draw.integers(1, 6))
    X: Array = (draw.normal(size=(n, d)) + 300).astype(dtype)
    return X, draw.choice([0.0, 1.0, 2.5], n), draw.integers(-1, k, n), k


def squares(X: Array, points: Array) -> Array:
    """(n, m) squared distances, as they are defined."""
    apart = X.astype(np.float64)[:, None] - points.astype(np.float64)
    return (apart * apart).sum(axis=2)


@DTYPES
@given(seed=SEEDS)
def test_silhouettes_by_means_are_those_that_are_defined(dtype: type, seed: int) -> None:
    X, weight, labels, k = drawn(seed, 50, 7, dtype)
    draw = np.random.default_rng(seed)
    means, spread = X[:k] + draw.normal(size=(k, 7)), draw.random(k)
    own = draw.choice([0.0, 1.0, 1.2], k)
    scores, lengths = np.zeros(k), np.zeros(k)
    to_means(X, weight, labels, np.ascontiguousarray(means.T), spread, own, scores, lengths)
    d2 = squares(X, means)
    for j in range(k):
        mine = (labels == j) & (weight > 0)
        w, far = weight[mine], d2[mine] + spread
        a, b = far[:, j] * own[j], np.delete(far, j, axis=1).min(axis=1, initial=np.inf)
        value = (b - a) / np.maximum(a, b) if own[j] and k > 1 else np.zeros(len(w))
        np.testing.assert_allclose(scores[j], w @ value, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(lengths[j], w @ np.sqrt(d2[mine, j]), rtol=1e-9)


@DTYPES
@pytest.mark.parametrize(("d", "m"), [(1, 5), (7, 1030), (66, 130), (131, 3)])
@given(seed=SEEDS)
def test_sums_of_distances_to_points(dtype: type, d: int, m: int, seed: int) -> None:
    X, weight, labels, k = drawn(seed, 30, d, dtype)
    draw = np.random.default_rng(seed)
    points: Array = np.concatenate([X[:2], draw.normal(size=(m - 2, d)) + 300]).astype(dtype)[:m]
    scale = dtype(2.0 ** draw.integers(-9, 9))
    sums = np.zeros((k, m))
    to_points(X, weight, labels, np.ascontiguousarray((points * scale).T), scale, sums)
    far = np.sqrt(squares(X, points))
    there = labels >= 0
    wanted = np.zeros((k, m))
    np.add.at(wanted, labels[there], weight[there, None] * far[there])
    np.testing.assert_allclose(
        sums / float(scale), wanted, rtol=1e-6 if dtype is np.float32 else 1e-12
    )


@DTYPES
def test_equal_rows_are_0_apart_however_far_from_0(dtype: type) -> None:
    X: Array = np.full((3, 9), 1e7, dtype)
    sums = np.zeros((1, 3))
    to_points(X, np.ones(3), np.zeros(3, np.int64), np.ascontiguousarray(X.T), dtype(1), sums)
    assert not sums.any()
