"""Moments of many small cells, beside NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.canon import digest
from nacre.forms import as_csr
from nacre.kernel.cells import Array, Cells, merged, moments, sparse_moments
from nacre.kinds import KEYED_MOMENTS, KeyedMoments

seeds = st.integers(0, 2**32 - 1)


def made(seed: int, far: float = 0.0) -> tuple[Array, Array, Array, int]:
    """Rows, weights of which some are 0, labels, and how many cells there may be."""
    draw = np.random.default_rng(seed)
    n, m = int(draw.integers(0, 60)), int(draw.integers(1, 30))
    X = draw.normal(size=(n, draw.integers(1, 9))) + far
    weight = draw.random(n) * (draw.random(n) < 0.8)
    return X, weight, draw.integers(0, m, n).astype(np.int32), m


def twin(X: Array, weight: Array, labels: Array) -> Cells:
    keys = np.unique(labels[weight > 0])
    n = np.array([weight[labels == j].sum() for j in keys])
    mean = np.array([np.average(X[labels == j], 0, weight[labels == j]) for j in keys])
    mean = mean.reshape(len(keys), X.shape[1])
    each = ((X - mean[np.minimum(np.searchsorted(keys, labels), len(keys) - 1)]) ** 2).sum(axis=1)
    m2 = np.array([(weight * each)[labels == j].sum() for j in keys])
    return Cells(keys, n, mean, m2)


def near(got: Cells, want: Cells, far: float = 0.0) -> None:
    assert got.keys.tolist() == want.keys.tolist()
    for a, b in zip(got[1:], want[1:], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * (1 + far))


@given(seed=seeds, far=st.sampled_from([0.0, 1e6]))
def test_moments_are_those_that_numpy_finds(seed: int, far: float) -> None:
    X, weight, labels, m = made(seed, far)
    points = np.random.default_rng(seed).normal(size=(m, X.shape[1])) + far
    want = twin(X, weight, labels) if (weight > 0).any() else empty(X.shape[1])
    near(moments(X, weight, labels, points), want, far)
    ones = np.ones(len(X))
    whole = moments(X, None, labels, points)
    assert digest(*whole) == digest(*moments(X, ones, labels, points))


@given(seed=seeds)
def test_sparse_rows_say_the_same(seed: int) -> None:
    X, weight, labels, m = made(seed)
    X = np.where(np.abs(X) < 0.7, 0.0, X)
    want = twin(X, weight, labels) if (weight > 0).any() else empty(X.shape[1])
    near(sparse_moments(as_csr(X), weight, labels, m), want)
    ones = np.ones(len(X))
    whole = sparse_moments(as_csr(X), None, labels, m)
    assert digest(*whole) == digest(*sparse_moments(as_csr(X), ones, labels, m))


def empty(d: int) -> Cells:
    return Cells(np.empty(0, np.int64), np.empty(0), np.empty((0, d)), np.empty(0))


@given(seed=seeds)
def test_sums_join_as_the_kind_says_and_commute_in_bits(seed: int) -> None:
    X, weight, labels, m = made(seed)
    points, half = np.zeros((m, X.shape[1])), len(X) // 2
    a, b = (
        moments(X[some], weight[some], labels[some], points)
        for some in (slice(0, half), slice(half, None))
    )
    both = merged(a, b)
    assert digest(*both) == digest(*merged(b, a))
    want = KEYED_MOMENTS.join(KeyedMoments(*a), KeyedMoments(*b))
    near(both, Cells(want.keys, want.n, want.mean, want.m2))
    near(both, moments(X, weight, labels, points))
    alone = merged(a, empty(X.shape[1]))
    assert digest(*alone) == digest(*a)


def test_equal_rows_far_from_0_have_no_error() -> None:
    X = np.full((1_000, 3), 1e8 + 0.1)
    assert moments(X, None, np.zeros(1_000, np.int32), X[:1] + 1).m2[0] == pytest.approx(
        0, abs=1e-9
    )
