"""The comparison of sums forgives rounding, and nothing else: not in the smallest column either."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Array, Summary
from nacre.kinds import KEYED, MOMENTS, SUM, KeyedSums, MomentSums, of
from nacre.laws import LawBroken
from nacre.laws.compare import UNIT, same_bits, same_numbers, same_sum

FORMS = ("column", "pairs", "total", "groups")
SCALES = np.array([1e6, 1.0, 1e-6])


@dataclass(frozen=True, eq=False, kw_only=True)
class Told(Summary):
    sums: Array = of(SUM)
    cells: KeyedSums = of(KEYED)
    moments: MomentSums = of(MOMENTS)


def moments(X: Array, form: str) -> MomentSums:
    mean = X.mean(axis=0) if len(X) else np.zeros(3)
    apart = X - mean
    if form == "pairs":
        return MomentSums(float(len(X)), mean, apart.T @ apart)
    if form == "column":
        return MomentSums(float(len(X)), mean, (apart**2).sum(axis=0))
    if form == "total":
        return MomentSums(float(len(X)), mean, float((apart**2).sum()))
    n, mean = np.array([len(X), 0.0]), np.stack([mean, np.zeros(3)])
    return MomentSums(n, mean, np.array([(apart**2).sum(), 0.0]))


def told(X: Array, form: str) -> Told:
    keys, at = np.unique(np.sign(X[:, 0]).astype(np.int64), return_inverse=True)
    cells = KeyedSums(keys, np.bincount(at, X[:, 2], len(keys)))
    common = {"base": "b", "weight": float(len(X)), "n_rows": len(X), "n_skipped": 0}
    none: Any = ()
    values = {"sums": X.sum(axis=0), "cells": cells, "moments": moments(X, form)}
    return Told(**common, bad_rows=none, **values)  # type: ignore[arg-type]


def rows(seed: int, far: float) -> Array:
    return (np.random.default_rng(seed).normal(size=(60, 3)) + far) * SCALES


@given(
    seed=st.integers(0, 2**32 - 1),
    cut=st.integers(1, 59),
    form=st.sampled_from(FORMS),
    far=st.sampled_from([0.0, 1.0, 1e6]),
)
def test_rounding_is_forgiven(seed: int, cut: int, form: str, far: float) -> None:
    X = rows(seed, far)
    a, b, whole = (told(part, form) for part in (X[:cut], X[cut:], X))
    moved = MOMENTS.join(a.moments, b.moments), KEYED.join(a.cells, b.cells)
    got = replace(whole, sums=a.sums + b.sums, moments=moved[0], cells=moved[1])
    terms = [told(X[i : i + 1], form) for i in range(len(X))]
    same_sum(got, whole, terms, UNIT["float64"], "cut")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("unit", UNIT.values(), ids=UNIT)
@pytest.mark.parametrize("column", range(3))
def test_an_error_in_one_column_is_not(form: str, unit: float, column: int) -> None:
    X = rows(0, 1.0)
    whole, terms = told(X, form), [told(X[i : i + 1], form) for i in range(len(X))]
    off = np.where(np.arange(3) == column, 1 + 20 * unit, 1.0)
    moments = whole.moments
    wrong = [
        replace(whole, sums=whole.sums * off),
        replace(whole, moments=replace(moments, mean=moments.mean * off)),
    ]
    if form in ("column", "pairs"):
        wrong.append(replace(whole, moments=replace(moments, m2=moments.m2 * off)))
    for got in wrong:
        with pytest.raises(LawBroken, match=rf"{column}\]: .* rounding allows"):
            same_sum(got, whole, terms, unit, "off")


def test_a_key_more_is_no_rounding() -> None:
    whole = told(rows(0, 0.0), "column")
    more = KeyedSums(np.array([-1, 0, 1]), np.insert(whole.cells.values, 1, 0.0))
    with pytest.raises(LawBroken, match=r"cells.keys"):
        same_sum(replace(whole, cells=more), whole, [whole], 1e-9, "one key more")


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, 2.0])),
        (np.array([1.0, np.inf]), np.array([1.0, 2.0])),
        (np.ones((2, 2)), np.ones(2)),
        (np.array([[1e6, 1e-6]]), np.array([[1e6, 2e-6]])),
        ((1, "a"), (1, "b")),
        ((1, 2.0), (1,)),
        (np.array([1, 2]), np.array([1, 3])),
        ({"a": 1.0}, {"b": 1.0}),
        (None, 1.0),
    ],
)
def test_what_is_no_rounding(got: Any, wanted: Any) -> None:
    with pytest.raises(LawBroken):
        same_numbers(got, wanted, UNIT["float32"], "numbers")
    with pytest.raises(LawBroken):
        same_bits(got, wanted, "bits")


def test_numbers_are_equal_but_for_rounding_by_column() -> None:
    a = np.array([[1e6, 1e-6, np.inf], [-1e6, 0.0, np.nan]])
    same_numbers(a * (1 + 1e-12), a, UNIT["float64"], "numbers")
    with pytest.raises(LawBroken, match=r"differs in bits"):
        same_bits(a * (1 + 1e-12), a, "bits")
