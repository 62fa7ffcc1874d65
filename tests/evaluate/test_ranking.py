"""ROC and precision-recall: scikit-learn's while scores are told apart, and else within a doubt."""

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
from nacre.contract import Array, Batch
from nacre.errors import BadInput, BadParameter
from nacre.evaluate.ranking import ranked, ranking
from nacre.evaluate.tally import Scored, Scores, Tally, joined, tallied
from nacre.kernel import buckets

SCORES = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e100, 1e100),
    st.sampled_from([0.0, -0.0, 5e-324, 1 / 3]),
)
ROWS = st.lists(st.tuples(SCORES, st.booleans(), st.floats(0.01, 9.0)), min_size=2, max_size=60)
BOTH = ROWS.filter(lambda rows: len({y for _, y, _ in rows}) == 2)


def columns(rows: list[tuple[float, bool, float]]) -> tuple[Array, Array, Array]:
    scores, y, weight = (np.array(column) for column in zip(*rows, strict=True))
    return scores, y, weight


@settings(max_examples=60)
@given(BOTH)
@example([(0.0, True, 1.0), (-0.0, False, 1.0)])  # one score
@example([(0.0, True, 1.0), (1.0, False, 1.0)])  # all wrong
@example([(1.0, True, 1.0), (0.0, False, 1.0)])  # all right
def test_figures_are_those_of_scikit_learn(rows: list[tuple[float, bool, float]]) -> None:
    scores, y, weight = columns(rows)
    there: dict[str, Any] = {"sample_weight": weight}
    got = ranking(scores, y=y, sample_weight=weight)
    assert got.roc_auc == pytest.approx(metrics.roc_auc_score(y, scores, **there), abs=1e-12)
    mean = metrics.average_precision_score(y, scores, **there)
    assert got.average_precision == pytest.approx(mean, abs=1e-12)
    assert got.roc_auc_doubt == got.average_precision_doubt == 0
    rates = metrics.roc_curve(y, scores, drop_intermediate=False, **there)
    for mine, theirs in zip(got.roc, rates, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    for mine, theirs in zip(
        got.precision_recall, metrics.precision_recall_curve(y, scores, **there), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def tally_of(rows: list[tuple[float, bool, float]], most: int) -> Tally:
    scores, y, weight = columns(rows)
    return tallied(scores, y.astype(np.int64), weight, most)


def told(rows: list[tuple[float, bool, float]], most: int) -> Scores:
    scores, _, weight = columns(rows)
    batch = Batch(scores[:, None], weight=weight)
    return Scores.told(Scored(None, None, most), batch, tally=tally_of(rows, most))


@settings(max_examples=150)
@given(BOTH, st.integers(3, 20))
@example([(s, s % 3 == 0, 1.0) for s in map(float, range(1, 60))], 5)
@example([(1.0 + s / 64, s < 50, 1.0) for s in map(float, range(60))], 3)
@example([(1.0 + s / 64, s >= 50, 1.0) for s in map(float, range(60))], 3)
def test_buckets_hide_no_more_than_is_told(
    rows: list[tuple[float, bool, float]], most: int
) -> None:
    got, exact = (ranked(told(rows, few), None) for few in (most, len(rows)))
    assert len(got.tally.keys) <= most
    assert exact.tally.shift == 0
    for name in ("roc_auc", "average_precision"):
        doubt = getattr(got, f"{name}_doubt")
        assert abs(getattr(got, name) - getattr(exact, name)) <= doubt + 1e-12
        assert doubt == 0 or got.tally.shift > 0


@settings(max_examples=60)
@given(ROWS, ROWS, ROWS, st.integers(3, 9))
def test_buckets_are_those_of_all_rows_however_they_are_added(
    a: list[Any], b: list[Any], c: list[Any], most: int
) -> None:
    one, two, three, whole = (tally_of(rows, most) for rows in (a, b, c, a + b + c))
    for got in (joined(joined(one, two), three), joined(one, joined(three, two))):
        assert (got.shift, got.labels) == (whole.shift, whole.labels)
        np.testing.assert_array_equal(got.keys, whole.keys)
        np.testing.assert_allclose(got.weights, whole.weights, rtol=1e-12)
    if whole.shift:  # one bit less would be too many
        finer = np.unique(
            buckets.buckets_of(buckets.levels(columns(a + b + c)[0]), whole.shift - 1)
        )
        assert len(finer) > most


def test_many_scores_are_ranked_within_their_doubt() -> None:
    draw = np.random.default_rng(0)
    y = draw.random(300_000) < 0.02
    scores = np.exp(3 * draw.normal(size=len(y))) * (1 + 4 * y)
    got = ranking(scores, y=y)
    area, mean = metrics.roc_auc_score(y, scores), metrics.average_precision_score(y, scores)
    assert abs(got.roc_auc - area) <= got.roc_auc_doubt < 1e-4
    assert abs(got.average_precision - mean) <= got.average_precision_doubt < 2e-3
    assert got.tally.shift > 0
    assert "±" in str(got)


@pytest.mark.parametrize("unit", [1e-200, 1e-9, 1e149])
def test_the_unit_of_weights_is_free(unit: float) -> None:
    y, weight = [0, 1, 1, 0, 1], np.array([1.0, 2.0, 0.5, 4.0, 0.25])
    got, one = (ranking([1, 3, 2, 2, 0], y=y, sample_weight=weight * by) for by in (unit, 1.0))
    assert got.roc_auc == pytest.approx(one.roc_auc)
    assert got.average_precision == pytest.approx(one.average_precision)
    assert got.positive_weight == pytest.approx(2.75 * unit)
    np.testing.assert_allclose(got.roc.tpr, one.roc.tpr)


@pytest.mark.parametrize(
    ("y", "positive", "counts"),
    [
        ([0, 0, 1, 1], None, 1),
        ([-1, -1, 1, 1], None, 1),
        ([1, 1, 2, 2], None, 2),
        ([False, False, True, True], None, 1),
        ([False, False, True, True], True, True),
        ([0.0, 0.0, 1.0, 1.0], 1, 1),
        (["ham", "ham", "spam", "spam"], None, "spam"),
        (["spam", "spam", "ham", "ham"], "ham", "ham"),
        (["dos", "probe", "normal", "normal"], "normal", "normal"),
    ],
)
def test_one_class_counts(y: list[Any], positive: Any, counts: Any) -> None:
    got = ranking([0.1, 0.4, 0.35, 0.8], y=y, positive=positive)
    assert (got.roc_auc, got.positive) == (0.75, counts)
    assert got.positive_weight == 2.0


def test_a_learner_is_asked(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    y = draw.random(2_000) < 0.1
    X = draw.normal(size=(2_000, 3)) * [5.0, 1.0, 1.0] + 4.0 * y[:, None]
    pca = nacre.PCA(1).fit(X)
    scores = pca.transform(X)[:, 0]
    wanted = ranking(scores, y=y)
    for engine in ("serial", "processes:2"):
        assert ranking(pca, X, y, want="transform", engine=engine).roc_auc == wanted.roc_auc
    names = pa.array(np.where(y, "odd", "even"))
    table = pa.table({"score": scores, "kind": names, "times": np.ones(2_000)})
    pq.write_table(table, tmp_path / "a.parquet")
    got = ranking("score", tmp_path / "a.parquet", "kind", "times")
    assert (got.roc_auc, got.average_precision) == (wanted.roc_auc, wanted.average_precision)
    assert got.positive == "odd"


def test_a_table_has_a_row_for_each_threshold() -> None:
    got = ranking([1.0, 2.0, 3.0], y=[0, 1, 1])
    assert {name: column.tolist() for name, column in got.table.items()} == {
        "threshold": [3.0, 2.0, 1.0],
        "fpr": [0.0, 0.0, 1.0],
        "tpr": [0.5, 1.0, 1.0],
        "precision": [1.0, 1.0, 2 / 3],
    }


FOUR = [0.1, 0.4, 0.35, 0.8]


@pytest.mark.parametrize(
    ("given", "more", "says"),
    [
        ((FOUR,), {}, "no y"),
        ((FOUR, None, [0, 1]), {}, "y of shape"),
        ((FOUR, None, [0, 0, 0, 0]), {}, "label 0 alone"),
        ((FOUR, None, [0, 1, 2, 1]), {}, "wanted two classes"),
        ((FOUR, None, [0, 1, 2, 1]), {"positive": 3}, "no row of label 3"),
        ((FOUR, None, [0, 1, 2, 1]), {"positive": "1"}, "no row of label '1'"),
        ((FOUR, None, [1, 1, 1, 1]), {"positive": 1}, "no other label than 1"),
        ((FOUR, None, [0, 1, None, 1]), {}, "a missing label"),
        ((FOUR, None, [0, 1, 0, 1]), {"positive": 0.5}, "label 0.5"),
        (([0.1, np.nan, 0.3, 0.4], None, [0, 1, 0, 1]), {}, "NaN in row 1"),
        (([0.1, np.inf, 0.3, 0.4], None, [0, 1, 0, 1]), {}, "inf in row 1"),
        ((FOUR, None, [0, 1, 0, 1], [1, 0, 1, 0]), {}, "label 0 alone"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    given: tuple[Any, ...], more: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        ranking(*given, **more)


def test_what_gives_no_scores_is_refused(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    with pytest.raises(BadParameter, match="answers 'predict'"):
        ranking(nacre.PCA(1).fit(X), X, y)
    with pytest.raises(BadParameter, match=r"scores of shape \(40, 2\)"):
        ranking(nacre.PCA(2).fit(X), X, y, want="transform")
    with pytest.raises(BadParameter, match="found of shape"):
        ranking(["a", "b"], y=[0, 1])
    pq.write_table(pa.table({"score": ["high", "low"], "y": [0, 1]}), tmp_path / "a.parquet")
    with pytest.raises(BadParameter, match="scores of shape"):
        ranking("score", tmp_path / "a.parquet", "y")
    with pytest.raises(BadParameter, match="curve='area'"):
        ranking(FOUR, y=[0, 0, 1, 1]).plot("area")


def test_two_tallies_of_more_than_two_labels_are_refused() -> None:
    one, other = (
        Tally(9, labels, 0, np.zeros(1, np.int64), np.ones((2, 1)))
        for labels in (("a", "b"), ("a", "c"))
    )
    with pytest.raises(BadInput, match="labels 'a', 'b', 'c'"):
        joined(one, other)
