"""Accuracy, precision and recall: scikit-learn's, without its NaN and its warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics

import nacre
from nacre.errors import BadInput, BadParameter
from nacre.evaluate.classes import ClassScores, classes

ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-1, 5), st.floats(0.01, 9.0)), min_size=1, max_size=50
)


@settings(max_examples=60)
@given(ROWS)
@example([(0, 1, 1.0)])  # the one label is wrong
@example([(2, 2, 1.0)])
@example([(0, 0, 1.0), (0, 1, 2.0)])  # a class that nobody found
@example([(0, 1, 1.0), (2, 1, 2.0)])  # classes that no row has
def test_scores_are_those_of_scikit_learn(rows: list[tuple[int, int, float]]) -> None:
    found, true, weight = (np.array(column) for column in zip(*rows, strict=True))
    got = classes(found, y=true, sample_weight=weight)
    there = {"sample_weight": weight}
    by_class = metrics.precision_recall_fscore_support(true, found, zero_division=0, **there)
    mine = got.precision, got.recall, got.f1, got.support
    np.testing.assert_allclose(mine, by_class, rtol=1e-12, atol=1e-15)
    for name in ("macro", "micro", "weighted"):
        peer = metrics.precision_recall_fscore_support(
            true, found, average=name, zero_division=0, **there
        )
        assert getattr(got, name) == pytest.approx(peer[:3], rel=1e-12, abs=1e-15)
    assert got.accuracy == pytest.approx(metrics.accuracy_score(true, found, **there))
    at = [[got.labels.index(x) for x in side.tolist()] for side in (true, found)]
    confusion = np.zeros((len(got.labels), len(got.labels)))
    np.add.at(confusion, tuple(map(np.array, at)), weight)
    np.testing.assert_allclose(got.confusion, confusion, rtol=1e-12)
    known = confusion.sum(axis=1) > 0
    recalls = confusion.diagonal()[known] / confusion.sum(axis=1)[known]
    assert got.balanced_accuracy == pytest.approx(recalls.mean())  # theirs warns of other labels


def test_what_would_divide_by_0_is_0() -> None:
    got = classes(["a", "a", "c"], y=["a", "b", "a"])
    assert got.labels == ("a", "b", "c")
    assert got.precision.tolist() == [0.5, 0.0, 0.0]
    assert got.recall.tolist() == [0.5, 0.0, 0.0]
    assert got.f1.tolist() == [0.5, 0.0, 0.0]
    assert got.balanced_accuracy == 0.25  # of the classes that rows have


@settings(max_examples=30)
@given(ROWS, st.data())
def test_a_row_of_weight_3_is_three_rows(
    rows: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    n = len(rows)
    times = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    found, true = (np.array(column) for column in list(zip(*rows, strict=True))[:2])
    got = classes(found, y=true, sample_weight=times)
    wanted = classes(np.repeat(found, times), y=np.repeat(true, times))
    assert got.labels == wanted.labels
    np.testing.assert_allclose(got.confusion, wanted.confusion)
    assert (got.accuracy, *got.macro) == pytest.approx((wanted.accuracy, *wanted.macro))


def test_columns_of_files_are_compared(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    kinds = np.array(["ham", "spam"], object)
    found, true = kinds[draw.integers(0, 2, 900)], kinds[draw.integers(0, 2, 900)]
    for at in range(3):
        rows = slice(300 * at, 300 * at + 300)
        table = pa.table({"said": pa.array(found[rows]), "is": pa.array(true[rows])})
        pq.write_table(table, tmp_path / f"{at}.parquet")
    got, wanted = classes("said", str(tmp_path), "is"), classes(found, y=true)
    np.testing.assert_array_equal(got.confusion, wanted.confusion)
    assert got.labels == ("ham", "spam")


def test_a_learner_is_asked() -> None:
    X = np.array([[0.0], [0.1], [5.0], [5.1]])
    km = nacre.KMeans(2, random_state=0).fit(X)
    labels = km.predict(X)
    assert classes(km, X, y=labels).accuracy == 1.0
    assert classes(km, X, y=1 - labels).accuracy == 0.0


@pytest.mark.parametrize(
    ("found", "y"), [([0, 1], ["no", "yes"]), (["0", "1"], [0, 1]), ([0, 1], ["0", "1"])]
)
def test_numbers_are_no_texts(found: Any, y: Any) -> None:
    with pytest.raises(BadInput, match="labels that can be the same"):
        classes(found, y=y)


def many(k: int) -> ClassScores:
    labels = np.arange(2 * k) // 2
    return classes(labels, y=labels)


def test_a_matrix_has_few_classes() -> None:
    with pytest.raises(BadParameter, match="matrix of 4,097 x 4,097"):
        _ = many(4_097).confusion
    assert len(many(4_097).contingency.keys) == 4_097


def test_it_reads_as_a_table() -> None:
    lines = str(classes(["a", "a", "c"], y=["a", "b", "a"])).splitlines()
    assert lines[0] == "3 rows, 3 classes"
    assert lines[4].split() == ["label", "precision", "recall", "f1", "support"]
    assert lines[5].split() == ["a", "0.5000", "0.5000", "0.5000", "2"]
    assert lines[-1].split() == ["weighted", "0.3333", "0.3333", "0.3333"]
    assert "60 more" in str(many(100))
    assert len(many(100).table["label"]) == 100
