"""Agreement: scikit-learn's figures on small data, exact ones on large; labels of every kind."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.exceptions import NotFittedError

import nacre
from nacre.contract import Array
from nacre.errors import BadInput, BadParameter
from nacre.evaluate import asked, contingency
from nacre.evaluate.agreement import Agreement, agreement, integers, pair_counts, scored
from nacre.evaluate.contingency import Contingency, Counted, joined, tabled

PEERS: dict[str, Callable[[Any, Any], float]] = {
    "adjusted_rand": metrics.adjusted_rand_score,
    "rand": metrics.rand_score,
    "fowlkes_mallows": metrics.fowlkes_mallows_score,
    "normalized_mutual_info": metrics.normalized_mutual_info_score,
    "adjusted_mutual_info": metrics.adjusted_mutual_info_score,
    "homogeneity": metrics.homogeneity_score,
    "completeness": metrics.completeness_score,
    "v_measure": metrics.v_measure_score,
}
PAIRS = st.lists(st.tuples(st.integers(-1, 5), st.integers(-3, 4)), min_size=1, max_size=60)


def same(got: Agreement, wanted: Agreement) -> None:
    assert got.scores == pytest.approx(wanted.scores, abs=1e-12, nan_ok=True)


def groups(n: int = 3_000) -> tuple[Array, Array]:
    """(n, 2) rows in three groups, and the names of these."""
    rng = np.random.default_rng(0)
    at = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 2)) + np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 3.0]])[at]
    return X, np.array(["Gentoo", "Adélie", "Chinstrap"], object)[at]


@settings(max_examples=60)
@given(PAIRS)
@example([(0, 0)])  # one row
@example([(0, 0), (0, 0)])  # one label on both sides
@example([(0, 0), (0, 1)])  # one label found
@example([(0, 0), (1, 0)])  # one label known
@example([(0, 0), (1, 1), (2, 2)])  # all are alone, on both sides
@example([(0, 0), (1, 0), (2, 0)])  # all are alone
@example([(0, 5), (0, 5), (1, 0), (-1, 3)])  # the same under other names
@example([(i, j) for i in range(3) for j in range(3)])  # each meets each
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    found, true = zip(*pairs, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of as many labels as rows
        wanted = {name: score(list(true), list(found)) for name, score in PEERS.items()}
    assert agreement(list(found), y=list(true)).scores | wanted == pytest.approx(
        agreement(list(found), y=list(true)).scores, abs=1e-10
    )


def test_purity_is_the_share_of_the_commonest_label() -> None:
    assert agreement([0, 0, 0, 1, 1], y=["a", "a", "b", "b", "b"]).purity == 0.8


@given(PAIRS.map(lambda pairs: pairs * 2), st.data())
def test_a_row_of_weight_3_is_three_rows(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    n = len(pairs)
    times = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    found, true = np.array(pairs).T
    repeated = agreement(np.repeat(found, times), y=np.repeat(true, times))
    same(agreement(found, y=true, sample_weight=times), repeated)
    shares = np.array(times) / (sum(times) * 1.0)
    rows = np.array(times) > 0
    if set(times) <= {0, 1}:  # weights that are shares say how much a row is of all of them
        same(agreement(found[rows], y=true[rows], sample_weight=shares[rows]), repeated)


def test_weights_that_count_no_rows_have_no_chance() -> None:
    got = agreement([0, 0, 1, 1], y=[0, 1, 1, 1], sample_weight=[1.5, 2.0, 1.0, 1.0])
    assert math.isnan(got.adjusted_mutual_info)
    assert "undefined" in str(got)
    assert all(math.isfinite(v) for name, v in got.scores.items() if "adjusted_m" not in name)


def exact(cells: Array) -> tuple[Fraction, Fraction]:
    """Rand index and adjusted Rand index of a table (r, c) of Python's integers."""
    both, of_found, of_true, of_all = (
        Fraction(sum(int(w) * (int(w) - 1) for w in np.ravel(part)))
        for part in (cells, cells.sum(axis=1), cells.sum(axis=0), cells.sum())
    )
    rand = 1 + (2 * both - of_found - of_true) / of_all
    by_chance = of_found * of_true / of_all
    return rand, (both - by_chance) / ((of_found + of_true) / 2 - by_chance)


@given(st.lists(st.integers(1, 10**11), min_size=6, max_size=12), st.integers(2, 4))
def test_pairs_of_a_million_million_rows_are_counted_exactly(sizes: list[int], c: int) -> None:
    cells: Array = np.array([*sizes, *[0] * (12 - len(sizes))], object).reshape(-1, c)
    keys = np.flatnonzero(cells.ravel())
    labels = tuple(range(len(cells))), tuple(range(c))
    got = pair_counts(Contingency(*labels, keys, np.array(sizes, np.float64)))
    assert (got.rand, got.adjusted_rand) == tuple(map(float, exact(cells)))


def test_little_is_left_of_large_numbers() -> None:
    """One row of 10**12 apart: what is left of the pairs is their 10**-12th part."""
    n = 10.0**12
    alike = Contingency((0, 1), (0, 1), np.array([0, 3]), np.array([n - 1, 1.0]))
    other = Contingency((0, 1), (0, 1), np.array([0, 1, 2]), np.array([n - 2, 1.0, 1.0]))
    assert pair_counts(alike).adjusted_rand == 1.0
    assert pair_counts(other).adjusted_rand == pytest.approx(-1.0 / (n - 1), rel=1e-12)


def test_many_rows_and_many_labels_are_scored() -> None:
    keys = np.arange(200 * 200)
    weights = np.random.default_rng(0).integers(1, 10**8, len(keys)).astype(np.float64)
    labels = tuple(range(200))
    told = Counted(Contingency(labels, labels, keys, weights), 1.0, 0, 0.0, 0)
    got = scored(told)
    assert got.adjusted_mutual_info == pytest.approx(got.v_measure, rel=1e-4)
    assert all(0 <= value <= 1 for value in got.scores.values())


def test_labels_of_too_many_sizes_have_no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    found, true = np.repeat([0, 1, 2], [1, 2, 3]), np.array([0, 0, 1, 1, 1, 1])
    assert not math.isnan(agreement(found, y=true).adjusted_mutual_info)
    monkeypatch.setitem(scored.__globals__, "MOST_SIZES", 5)  # three sizes with two
    assert math.isnan(agreement(found, y=true).adjusted_mutual_info)


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=8))
def test_weights_become_integers_in_the_same_ratios(values: list[float]) -> None:
    whole = integers(np.array(values))
    first = Fraction(values[0])
    assert [Fraction(w, whole[0]) for w in whole] == [Fraction(v) / first for v in values]


def table_of(pairs: list[tuple[int, int]]) -> Contingency:
    found, true = np.array(pairs).T
    return tabled(found, true, np.ones(len(pairs)))


@settings(max_examples=30)
@given(PAIRS, PAIRS)
def test_a_table_is_a_sum(some: list[tuple[int, int]], more: list[tuple[int, int]]) -> None:
    got, whole = joined(table_of(some), table_of(more)), table_of(some + more)
    assert (got.found, got.true) == (whole.found, whole.true)
    np.testing.assert_array_equal(got.keys, whole.keys)
    np.testing.assert_array_equal(got.weights, whole.weights)
    assert whole.of_found.sum() == whole.of_true.sum() == len(some) + len(more)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 1, 0], np.uint8),
        np.array([0.0, 1.0, 1.0, 0.0]),
        np.array([False, True, True, False]),
        np.array([0, 1.0, True, 0], object),
        np.array(["no", "yes", "yes", "no"]),
        np.array(["no", "yes", "yes", "no"], object),
        [2**60, 2**60 + 1, 2**60 + 1, 2**60],
    ],
)
def test_labels_are_ints_bools_or_texts(labels: Any) -> None:
    got = agreement([5, 3, 3, 5], y=labels)
    assert set(got.scores.values()) == {1.0}
    assert got.contingency.found == (3, 5)


def test_a_learner_is_asked(tmp_path: Path) -> None:
    X, species = groups()
    km = nacre.chain(nacre.Scale(), nacre.KMeans(3, random_state=0)).fit(X)
    wanted = agreement(km.predict(X), y=species)
    assert wanted.adjusted_rand > 0.8
    same(agreement(km, X, species), wanted)
    same(agreement(km, nacre.read(X, y=species)), wanted)
    same(agreement(km, X, species, engine="processes:2"), wanted)
    assert agreement(km, X, species, np.r_[0.0, np.ones(len(X) - 1)]).weight == len(X) - 1


def written(folder: Path, n_files: int = 3) -> tuple[str, Array, Array]:
    """Files of found labels, known ones and others; and both as arrays."""
    X, species = groups()
    found = np.random.default_rng(1).integers(-1, 4, len(X))
    table = pa.table(
        {
            "x": X[:, 0],
            "cluster": found,
            "species": pa.array(species),
            "island": species == "Gentoo",
        }
    )
    size = len(X) // n_files
    for at in range(n_files):
        pq.write_table(table.slice(at * size, size), folder / f"part-{at}.parquet")
    return str(folder / "*.parquet"), found, species


@pytest.mark.parametrize("column", ["species", "island"])
def test_columns_of_files_are_compared(tmp_path: Path, column: str) -> None:
    files, found, species = written(tmp_path)
    known = species if column == "species" else species == "Gentoo"
    wanted = agreement(found, y=known)
    got = agreement("cluster", files, column)
    same(got, wanted)
    assert (got.n_rows, got.contingency.found) == (len(found), (-1, 0, 1, 2, 3))
    same(agreement("cluster", nacre.read(files, y=column)), wanted)
    back = agreement(column, files, "cluster")  # either side may be texts
    assert back.homogeneity == pytest.approx(got.completeness)


def test_a_learner_is_asked_of_files(tmp_path: Path) -> None:
    files, _, species = written(tmp_path)
    km = nacre.KMeans(3, random_state=0).fit(nacre.read(files, columns=["x"]))
    same(agreement(km, files, "species"), agreement(km.predict(files), y=species))


def test_rows_that_are_left_out_are_counted() -> None:
    X, species = groups(60)
    km = nacre.KMeans(3, random_state=0).fit(X)
    X[7] = np.nan
    got = agreement(km, nacre.read(X, y=species, bad="skip"))
    assert (got.n_rows, got.n_skipped, got.weight) == (59, 1, 59.0)


def test_a_table_has_a_row_for_each_pair() -> None:
    got = agreement(["b", "b", "a"], y=[1, 0, 0])
    assert got.table["found"] == ["a", "b", "b"]
    assert got.table["true"] == [0, 0, 1]
    assert got.table["share"].tolist() == [1.0, 0.5, 0.5]
    assert str(got).splitlines()[0] == "3 rows, labels: 2 found, 2 known"


LABELS = np.array([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((LABELS,), "no y"),
        ((LABELS, None, [0, 1]), "y of shape"),
        ((LABELS, None, [0, 1, None, 1]), "a missing label"),
        ((LABELS, None, [0.0, 1.0, np.nan, 1.0]), "a missing label"),
        ((LABELS, None, [0.0, 1.0, 0.5, 1.0]), "label 0.5"),
        ((LABELS, None, np.array(["a", 1, 0, "b"], object)), "labels of types"),
        ((np.array(["a", None, "b", "c"], object), None, LABELS), "a missing label"),
        ((LABELS, None, LABELS, [0, 0, 0, 0]), "weights that are all 0"),
        ((LABELS, None, LABELS, [1, 1, 1, -1]), "weight -1"),
        ((LABELS[:0], None, LABELS[:0]), "0 sample"),
        ((LABELS[:, None], None, LABELS), "labels of shape"),
    ],
)
def test_what_cannot_be_compared_is_refused(given: tuple[Any, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        agreement(*given)


def test_what_gives_no_labels_is_refused() -> None:
    X, species = groups(30)
    with pytest.raises(BadParameter, match="an array of labels, and data"):
        agreement(LABELS, X, LABELS)
    with pytest.raises(BadParameter, match="answers 'predict'"):
        agreement(nacre.Scale().fit(X), X, species)
    with pytest.raises(NotFittedError):
        agreement(nacre.KMeans(2), X, species)
    with pytest.raises(BadParameter, match="a fitted learner"):
        agreement(nacre.KMeans, X, species)


def test_a_column_that_holds_no_labels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MOST", 150)
    with pytest.raises(BadInput, match="more than 150 different labels"):
        agreement(np.arange(20_000) % 7, y=np.arange(20_000))
    monkeypatch.setattr(contingency, "MOST", 20)
    with pytest.raises(BadInput, match="more than 20 different pairs"):
        agreement(np.arange(20_000) % 7, y=np.arange(20_000) // 2_857)


def test_texts_and_numbers_in_one_column_are_refused() -> None:
    mixed = np.array([1]), np.array(["1"], object)
    with pytest.raises(BadInput, match="in one column"):
        joined(*(tabled(some, np.zeros(1, int), np.ones(1)) for some in mixed))
