"""Kinds join commutatively in bits; exact kinds have the same bits in any grouping; moments are
right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from nacre import canon
from nacre.kinds import (
    FIRST,
    FOREST,
    KEYED,
    KEYED_MOMENTS,
    LEAST,
    MAX,
    MOMENTS,
    SUM,
    UNION,
    KeyedMoments,
    KeyedSums,
    Kind,
    MomentSums,
    Rows,
    by_id,
    spanning_forest,
)

seeds = st.integers(0, 2**32 - 1)


def some_rows(draw: Any, n: int) -> Rows:
    """Rows in id order."""
    ids = np.zeros(n, canon.ID)
    ids["position"] = np.sort(draw.choice(30, n, replace=False))
    value = (ids["position"] * 7 % 5).astype(float)  # of one id always the same, with ties
    return Rows(ids, (value, np.stack([value, value], axis=1)))


def least_rows(draw: Any, m: int) -> Rows:
    """At most m rows in the order of (value, id)."""
    rows = some_rows(draw, draw.integers(0, 12))
    return rows.take(np.argsort(rows.columns[0], kind="stable")[:m])


def some_moments(draw: Any, form: str, n: int) -> MomentSums:
    X = draw.normal(size=(n, 3)) * 10.0 ** draw.integers(-3, 4)
    if form == "groups":
        label = draw.integers(0, 4, n)
        counts = np.bincount(label, minlength=4).astype(float)
        mean = np.stack(
            [X[label == j].mean(axis=0) if counts[j] else np.zeros(3) for j in range(4)]
        )
        m2 = np.array([((X[label == j] - mean[j]) ** 2).sum() for j in range(4)])
        return MomentSums(counts, mean, m2)
    mean = X.mean(axis=0) if n else np.zeros(3)
    Y = X - mean
    if form == "columns":
        return MomentSums(np.full(3, float(n)), mean, (Y**2).sum(axis=0))
    m2 = {"full": Y.T @ Y, "diagonal": (Y**2).sum(axis=0), "total": (Y**2).sum()}[form]
    return MomentSums(float(n), mean, m2)


def keyed_moments(draw: Any) -> KeyedMoments:
    """Moments of those of 4 groups that have rows, under numbers with gaps."""
    some = some_moments(draw, "groups", draw.integers(0, 9))
    held = np.flatnonzero(some.n)
    return KeyedMoments(3 * held, some.n[held], some.mean[held], some.m2[held])


MAKERS: dict[str, tuple[Kind, Any]] = {
    "SUM": (SUM, lambda draw: draw.normal(size=4)),
    "SUM int": (SUM, lambda draw: draw.integers(0, 9, 4)),
    "MAX": (MAX, lambda draw: draw.normal(size=4)),
    "KEYED": (
        KEYED,
        lambda draw: KeyedSums(
            np.sort(draw.choice(20, 6, replace=False)), draw.normal(size=(6, 2))
        ),
    ),
    "KEYED_MOMENTS": (KEYED_MOMENTS, keyed_moments),
    "LEAST": (LEAST(5), lambda draw: least_rows(draw, 5)),
    "UNION": (UNION, lambda draw: some_rows(draw, draw.integers(0, 12))),
    "FIRST": (FIRST, lambda draw: some_rows(draw, draw.integers(0, 8))),
    "FOREST": (
        FOREST,
        lambda draw: spanning_forest(draw.integers(0, 15, (draw.integers(0, 25), 2))),
    ),
    **{
        f"MOMENTS {form}": (
            MOMENTS,
            lambda draw, f=form: some_moments(draw, f, draw.integers(0, 9)),
        )
        for form in ("full", "diagonal", "total", "columns", "groups")
    },
}


@pytest.mark.parametrize("name", MAKERS)
@given(seed=seeds)
def test_joins_commute_in_bits_and_exact_kinds_associate(name: str, seed: int) -> None:
    kind, make = MAKERS[name]
    draw = np.random.default_rng(seed)
    a, b, c = make(draw), make(draw), make(draw)
    before = canon.digest(a, b)
    assert canon.digest(kind.join(a, b)) == canon.digest(kind.join(b, a))
    if kind.exact or name == "SUM int":
        left, right = kind.join(kind.join(a, b), c), kind.join(a, kind.join(b, c))
        assert canon.digest(left) == canon.digest(right)
    if kind.idempotent:
        assert canon.digest(kind.join(a, a)) == canon.digest(a)
        both = kind.join(a, b)
        assert canon.digest(kind.join(both, b)) == canon.digest(both)
    assert canon.digest(a, b) == before


@pytest.mark.parametrize("form", ["full", "diagonal", "total"])
@given(seed=seeds, n=st.integers(2, 40), cut=st.floats(0, 1))
def test_joined_moments_are_those_of_all_rows(form: str, seed: int, n: int, cut: float) -> None:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, 3)) + 1e4
    at = int(cut * n)

    def of(rows: Any) -> MomentSums:
        mean = rows.mean(axis=0) if len(rows) else np.zeros(3)
        Y = rows - mean
        return MomentSums(
            float(len(rows)),
            mean,
            {"full": Y.T @ Y, "diagonal": (Y**2).sum(axis=0), "total": (Y**2).sum()}[form],
        )

    got, want = MOMENTS.join(of(X[:at]), of(X[at:])), of(X)
    np.testing.assert_allclose(got.mean, want.mean, rtol=1e-12)
    np.testing.assert_allclose(got.m2, want.m2, rtol=1e-8, atol=1e-8)


def test_an_empty_side_of_moments_returns_the_other_bit_for_bit() -> None:
    some = MomentSums(3.0, np.array([0.1, 0.7]), np.array([1.0, 2.0]))
    none = MomentSums(0.0, np.zeros(2), np.zeros(2))
    assert canon.digest(MOMENTS.join(some, none)) == canon.digest(some)
    groups = MomentSums(np.array([0.0, 2.0]), np.array([[0.0], [0.3]]), np.array([0.0, 0.1]))
    other = MomentSums(np.array([4.0, 0.0]), np.array([[0.7], [0.0]]), np.array([0.5, 0.0]))
    joined = MOMENTS.join(groups, other)
    assert joined.mean.tolist() == [[0.7], [0.3]]
    assert joined.m2.tolist() == [0.5, 0.1]


@given(seed=seeds)
def test_keyed_moments_are_moments_of_the_groups_that_have_rows(seed: int) -> None:
    draw = np.random.default_rng(seed)
    a, b = keyed_moments(draw), keyed_moments(draw)
    joined, every = KEYED_MOMENTS.join(a, b), np.arange(12)
    want = MOMENTS.join(a.over(every), b.over(every))
    assert canon.digest(joined.over(every)) == canon.digest(want)
    assert joined.keys.tolist() == sorted({*a.keys.tolist(), *b.keys.tolist()})


def test_a_group_whose_weight_fades_away_is_left_out() -> None:
    some = KeyedMoments(np.array([1, 4]), np.array([5e-324, 2.0]), np.ones((2, 1)), np.ones(2))
    assert KEYED_MOMENTS.scale is not None
    faded = KEYED_MOMENTS.scale(some, 0.25)
    assert (faded.keys.tolist(), faded.n.tolist(), faded.m2.tolist()) == ([4], [0.5], [0.25])


@given(seed=seeds, n=st.integers(1, 30), m=st.integers(0, 60))
def test_a_spanning_forest_connects_what_the_edges_connect(seed: int, n: int, m: int) -> None:
    edges = np.random.default_rng(seed).integers(0, n, (m, 2))
    forest = spanning_forest(edges)

    def parts(e: Any) -> Any:
        return connected_components(
            coo_matrix((np.ones(len(e)), (e[:, 0], e[:, 1])), (n, n)), False
        )

    (count, labels), (_, of_forest) = parts(edges), parts(forest)
    assert len(forest) == n - count
    assert labels.tolist() == of_forest.tolist()


def test_least_keeps_the_lowest_id_of_equal_values() -> None:
    ids = np.array([(1, 5), (0, 9), (1, 2)], canon.ID)
    rows = Rows(ids, (np.zeros(3),))
    none = rows.take(slice(0, 0))
    assert LEAST(2).join(rows, none).ids.tolist() == [(0, 9), (1, 2)]


@given(seed=seeds, at=st.integers(0, 30), n=st.integers(0, 30))
def test_rows_one_after_the_other_are_joined_as_any_are(seed: int, at: int, n: int) -> None:
    rows = some_rows(np.random.default_rng(seed), n)
    a, b = rows.take(slice(0, at)), rows.take(slice(at, None))
    for joined in (UNION.join(a, b), UNION.join(b, a), by_id(b, a)):
        assert canon.digest(joined) == canon.digest(rows)
