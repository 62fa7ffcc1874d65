"""The profile is what NumPy says of each cluster's rows, however they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.kinds import Array
from nacre.plot.profile import Profile, profile, typical


@st.composite
def clustered(draw: st.DrawFn) -> tuple[Array, Array, int]:
    """Rows with gaps, labels of which some belong to no cluster, and k; a cluster may be empty."""
    seed, n, k = draw(st.integers(0, 9999)), draw(st.integers(1, 60)), draw(st.integers(1, 5))
    rng = np.random.default_rng(seed)
    X = rng.normal(100, 5, (n, 3))
    X[rng.random((n, 3)) < draw(st.sampled_from([0, 0.2, 1]))] = np.nan
    return X, rng.integers(-1, k + 1, n), k


@given(clustered())
def test_means_are_those_of_the_rows_that_have_a_value(rows: tuple[Array, Array, int]) -> None:
    X, labels, k = rows
    of = profile([(X, labels)], k)
    for j in range(k):
        own = X[labels == j]
        assert of.n[j] == len(own)
        for i in range(3):
            known = own[~np.isnan(own[:, i]), i]
            expected = known.mean() if len(known) else np.nan
            np.testing.assert_allclose(of.mean[j, i], expected, rtol=1e-12)


@given(clustered())
def test_all_rows_are_those_of_the_clusters(rows: tuple[Array, Array, int]) -> None:
    X, labels, k = rows
    of = profile([(X, labels)], k)
    inside = X[(labels >= 0) & (labels < k)]
    for i in range(3):
        known = inside[~np.isnan(inside[:, i]), i]
        if len(known):
            np.testing.assert_allclose(of.of_all.mean[i], known.mean(), rtol=1e-12)
            np.testing.assert_allclose(of.spread[i], known.std() or 1.0, rtol=1e-9)


@given(clustered(), st.integers(0, 60))
def test_parts_give_what_the_whole_gives(rows: tuple[Array, Array, int], cut: int) -> None:
    X, labels, k = rows
    whole = profile([(X, labels)], k)
    parts = profile([(X[:cut], labels[:cut]), (X[cut:], labels[cut:])], k)
    assert np.array_equal(whole.n, parts.n)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(parts.deviation, whole.deviation, rtol=1e-6, atol=1e-9)


@given(clustered())
def test_typical_rows_are_the_nearest_of_their_own_cluster(
    rows: tuple[Array, Array, int],
) -> None:
    X, labels, k = rows
    of = profile([(X, labels)], k)
    apart = np.array([np.nansum(((X - of.mean[j]) / of.spread) ** 2, axis=1) for j in range(k)])
    for j, found in enumerate(typical(X, labels, of)):
        own = np.flatnonzero(labels == j)
        assert len(found) == min(2, len(own))
        assert set(found) <= set(own)
        assert sorted(apart[j, own])[: len(found)] == pytest.approx(apart[j, found].tolist())


def test_typical_rows_have_keys_of_their_own() -> None:
    X = np.array([[0.0], [3.0], [4.0], [9.0]])
    of = profile([(X, np.zeros(4, int))], k=1)
    keys = np.array(["a", "b", "b", "a"])
    assert typical(X, np.zeros(4, int), of, keys=keys, most=3) == [[2, 0]]


def test_of_equals_the_earlier_row_and_the_lower_number_come_first() -> None:
    X, labels = np.ones((4, 1)), np.array([1, 0, 1, 0])
    of = profile([(X, labels)], k=2)
    assert typical(X, labels, of) == [[1, 3], [0, 2]]
    assert of.by_size == [0, 1]


def test_nothing_has_a_profile_too() -> None:
    of = profile([], k=2)
    assert of.n.tolist() == [0, 0]
    assert of.share.tolist() == [0.0, 0.0]
    assert isinstance(of, Profile)
