"""Scores of clusters: scikit-learn's on small data, sums everywhere, and what is not defined."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

import nacre
from nacre import evaluate, forms
from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, NacreError
from nacre.evaluate.asked import rows_of, run
from nacre.evaluate.clusters import Clusters, known_labels
from nacre.evaluate.scored import ClusterScores

SEEDS = st.integers(0, 2**32 - 1)
FIGURES = ("silhouette", "silhouette_squared", "calinski_harabasz", "davies_bouldin", "inertia")


def blobs(seed: int, n: int = 90, dtype: type = np.float64) -> tuple[Array, Array]:
    """(n, d) rows of 2 to 6 clusters, some far from 0, one of them of a single row."""
    draw = np.random.default_rng(seed)
    k, d = int(draw.integers(2, 7)), int(draw.integers(1, 8))
    labels = np.append(np.arange(k), draw.integers(0, max(k - 1, 1), n - k))
    X = draw.normal(size=(k, d))[labels] * draw.uniform(0, 4) + draw.normal(size=(n, d))
    return (X + draw.choice([0.0, 100.0])).astype(dtype), labels


def of_peers(X: Array, labels: Array, metric: str = "euclidean") -> dict[str, float]:
    """The same by scikit-learn, in float64, and not far from 0, where its distances cancel."""
    X = X.astype(np.float64)
    X = X if metric == "cosine" else X - X.mean(axis=0)
    square = "sqeuclidean" if metric == "euclidean" else metric
    unit = X if metric == "euclidean" else X / np.linalg.norm(X, axis=1, keepdims=True)
    unit = unit - unit.mean(axis=0)
    means = np.array([unit[labels == j].mean(axis=0) for j in range(labels.max() + 1)])
    return {
        "silhouette": metrics.silhouette_score(X, labels, metric=metric),
        "silhouette_squared": metrics.silhouette_score(X, labels, metric=square),
        "calinski_harabasz": metrics.calinski_harabasz_score(unit, labels),
        "davies_bouldin": metrics.davies_bouldin_score(unit, labels),
        "inertia": ((unit - means[labels]) ** 2).sum(),
    }


def figures(scores: ClusterScores) -> dict[str, float]:
    return {name: getattr(scores, name) for name in FIGURES}


def same(got: dict[str, float], wanted: dict[str, float], rtol: float = 1e-9) -> None:
    for name in FIGURES:
        off = max(rtol, 1e-7) if name == "davies_bouldin" else rtol  # theirs expand |x - mean|²
        np.testing.assert_allclose(got[name], wanted[name], rtol=off, atol=off, err_msg=name)


class TestAsScikitLearn:
    @given(seed=SEEDS)
    def test_scores(self, seed: int) -> None:
        X, labels = blobs(seed)
        scores = evaluate.clusters(labels, X)
        same(figures(scores), of_peers(X, labels))
        assert scores.silhouette_error == 0
        assert (scores.n_sampled, scores.n_rows, scores.weight) == (90, 90, 90.0)

    @given(seed=SEEDS)
    def test_float32(self, seed: int) -> None:
        X, labels = blobs(seed, dtype=np.float32)
        same(figures(evaluate.clusters(labels, X)), of_peers(X, labels), rtol=2e-6)

    @given(seed=SEEDS)
    def test_cosine(self, seed: int) -> None:
        X, labels = blobs(seed)
        scores = evaluate.clusters(labels, X, metric="cosine", sample=7)
        same(figures(scores), of_peers(X, labels, "cosine"))
        assert (scores.n_sampled, scores.silhouette_error, scores.metric) == (90, 0, "cosine")

    @given(seed=SEEDS)
    def test_by_cluster(self, seed: int) -> None:
        X, labels = blobs(seed)
        table = evaluate.clusters(np.char.add("c", labels.astype(str)), X).table
        single = metrics.silhouette_samples(X, labels)
        apart = metrics.pairwise_distances(X, metric="sqeuclidean")
        for j, label in enumerate(table["label"].tolist()):
            mine = labels == j
            assert (label, table["weight"][j]) == (f"c{j}", mine.sum())
            np.testing.assert_allclose(table["silhouette"][j], single[mine].mean(), atol=1e-9)
            others = [apart[mine][:, labels == i].mean() for i in range(labels.max() + 1)]
            others[j] = np.inf
            assert table["nearest"][j] == f"c{np.argmin(others)}"

    @given(seed=SEEDS)
    def test_a_weight_is_so_many_rows(self, seed: int) -> None:
        X, labels = blobs(seed)
        weight = np.random.default_rng(seed).integers(0, 4, len(X)).astype(float)
        weight[: labels.max() + 1] = 1  # one row of each cluster is there
        some = np.repeat(np.arange(len(X)), weight.astype(int))
        scores = evaluate.clusters(labels, X, weight)
        same(figures(scores), of_peers(X[some], labels[some]))

    def test_shares_are_no_rows(self) -> None:
        X, labels = blobs(0)
        shares = evaluate.clusters(labels, X, np.full(90, 1 / 90))
        rows = evaluate.clusters(labels, X)
        for name in FIGURES[:-1]:
            assert getattr(shares, name) == pytest.approx(getattr(rows, name))

    def test_great_weights(self) -> None:
        X, labels = blobs(1)
        great, some = (evaluate.clusters(labels, X, np.full(90, w)) for w in (1e149, 1e9))
        assert great.calinski_harabasz / some.calinski_harabasz == pytest.approx(1e140)
        for name in ("silhouette", "silhouette_squared", "davies_bouldin"):
            assert getattr(great, name) == pytest.approx(getattr(some, name))

    @given(seed=SEEDS)
    def test_sparse_rows(self, seed: int) -> None:
        X, labels = blobs(seed)
        X = np.where(np.abs(X) < 0.5, 0.0, X)
        same(figures(evaluate.clusters(labels, forms.as_csr(X))), of_peers(X, labels))

    def test_sparse_rows_are_made_dense_some_at_a_time(self) -> None:
        draw = np.random.default_rng(0)
        X = np.zeros((40, 40_000))  # more than DENSE numbers
        X[draw.integers(0, 40, 4_000), draw.integers(0, 40_000, 4_000)] = 1.0
        labels = draw.integers(0, 3, 40)
        scores = evaluate.clusters(labels, forms.as_csr(X), sample=90)
        same(figures(scores), of_peers(X, labels))

    @pytest.mark.parametrize("scale", [1e-30, 1e15])
    def test_any_scale(self, scale: float) -> None:
        X, labels = blobs(1, dtype=np.float32)
        wanted = evaluate.clusters(labels, X)
        got = evaluate.clusters(labels, X * np.float32(scale))
        assert got.silhouette == pytest.approx(wanted.silhouette, rel=1e-5)
        assert got.davies_bouldin == pytest.approx(wanted.davies_bouldin, rel=1e-5)

    def test_a_row_far_from_all_that_were_drawn(self) -> None:
        X, labels = blobs(1, dtype=np.float32)
        X = X * np.float32(1e-20)
        X[50] = 1e15
        for seed in range(3):
            at = np.random.default_rng(seed).permutation(len(X))
            scores = evaluate.clusters(labels[at], X[at], sample=5)
            assert np.isfinite([*figures(scores).values(), *scores.sample.value]).all()


class TestSample:
    @pytest.mark.parametrize("weights", [(1,), (1, 1, 1, 10)])
    def test_the_error_is_that_of_the_estimate(self, weights: tuple[int, ...]) -> None:
        off, errors, plain = [], [], []
        for seed in range(6):
            draw = np.random.default_rng(seed)
            X, labels = blobs(seed, 2_000)
            labels[labels == labels.max()] = 0  # a cluster of one row would surprise any sample
            weight = draw.choice(weights, len(X))
            truth = evaluate.clusters(labels, X, weight)
            for _ in range(20):
                at = draw.permutation(len(X))  # other positions, another sample
                scores = evaluate.clusters(labels[at], X[at], weight[at], sample=300)
                off.append(scores.silhouette - truth.silhouette)
                errors.append(scores.silhouette_error)
                plain.append(truth.sample.value.std() / np.sqrt(300))
        assert 0.8 < np.sqrt(np.mean(np.divide(off, errors) ** 2)) < 1.4
        assert np.mean(errors) < np.mean(plain) / 4  # the squared ones, known of all, do the rest

    def test_a_sampled_silhouette_is_exact(self) -> None:
        X, labels = blobs(4, 500)
        scores = evaluate.clusters(labels, X, sample=50)
        exact = metrics.silhouette_samples(X, labels)
        assert len(scores.sample.value) == scores.n_sampled == 50
        nearest = np.abs(exact - scores.sample.value[:, None]).min(axis=1)
        assert nearest.max() < 1e-12

    def test_a_cluster_without_a_sampled_row(self) -> None:
        X, labels = blobs(0, 2_000)
        table = evaluate.clusters(labels, X, sample=12).table
        single = int(labels.max())
        assert np.isnan(table["silhouette"][single])
        assert table["silhouette_squared"][single] == 0


class TestOneSumEverywhere:
    @pytest.mark.parametrize("engine", ["threads:3", "processes:2"])
    def test_engines(self, engine: str) -> None:
        X, labels = blobs(6, 5_000)
        read = nacre.read(X, shard_rows=700)
        chain = nacre.chain(nacre.Scale(), nacre.KMeans(4, random_state=0)).fit(X)
        for found in (chain, labels, np.array([f"c{j}" for j in labels], object)):
            asked, plan = rows_of(found, read)
            evaluator = Clusters(asked, known=known_labels(found), sample=200)
            one = run(evaluator, plan, "serial")
            assert run(evaluator, plan, engine).digest == one.digest

    def test_out_of_core_is_in_memory(self, tmp_path: Path) -> None:
        X, labels = blobs(7, 3_000)
        columns = {f"x{j}": column for j, column in enumerate(X.T)}
        names = np.array(list("abcdefg"))[labels]
        pl.DataFrame({**columns, "to": names}).write_parquet(tmp_path / "rows.parquet")
        there = nacre.read(tmp_path / "rows.parquet", dtype="float64", id="", shard_rows=500)
        filed = evaluate.clusters("to", there, sample=300, memory="100MB")
        held = evaluate.clusters(names, nacre.read(X, shard_rows=500), sample=300)
        assert figures(filed) == figures(held)
        assert filed.silhouette_error == held.silhouette_error
        assert {n: c.tolist() for n, c in filed.table.items()} == {
            n: c.tolist() for n, c in held.table.items()
        }

    def test_more_means_than_there_is_room_for_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.modules["nacre.evaluate.clusters"], "MEANS", 100)
        with pytest.raises(BadInput, match="51 clusters of 2 columns"):
            evaluate.clusters(np.arange(51), np.zeros((51, 2)))
        assert evaluate.clusters(np.arange(60) // 2, np.ones((60, 2))).n_clusters == 30

    def test_labels_that_are_known_save_a_pass(self) -> None:
        X, _ = blobs(8, 400)
        km = nacre.KMeans(3, random_state=0).fit(X)
        same(figures(evaluate.clusters(km, X)), figures(evaluate.clusters(km.labels_, X)), 1e-12)
        assert known_labels(km) == (0, 1, 2)
        assert known_labels(nacre.chain(nacre.Scale(), km).fit(X)) == (0, 1, 2)

    def test_bad_rows_are_left_out(self) -> None:
        X, labels = blobs(9)
        spoiled = X.copy()
        spoiled[4] = np.nan
        scores = evaluate.clusters(labels, nacre.read(spoiled, bad="skip"))
        there = np.arange(len(X)) != 4
        assert (scores.n_rows, scores.n_skipped) == (89, 1)
        assert scores.silhouette == evaluate.clusters(labels[there], X[there]).silhouette


class TestWhereClustersWereMade:
    def test_a_chain_is_judged_where_its_last_stage_looks(self) -> None:
        X, _ = blobs(10, 300)
        chain = nacre.chain(nacre.Scale(), nacre.KMeans(3, random_state=0)).fit(X)
        scaled = nacre.Scale().fit(X).transform(X)
        same(figures(evaluate.clusters(chain, X)), of_peers(scaled, chain.labels_))

    def test_by_the_metric_of_the_model(self) -> None:
        X = np.random.default_rng(0).normal(size=(300, 4))
        X[7] = 0.0
        km = nacre.KMeans(3, metric="cosine", random_state=0).fit(X)
        scores, there = evaluate.clusters(km, X), np.arange(len(X)) != 7
        same(figures(scores), of_peers(X[there], km.labels_[there], "cosine"))
        assert (scores.n_left_out, scores.weight) == (1, 299.0)
        assert evaluate.clusters(km, X, metric="euclidean").metric == "euclidean"

    def test_rows_in_no_cluster_are_left_out(self) -> None:
        X, labels = blobs(12)
        labels[20:30] = -1
        there = labels >= 0
        for found in (labels, labels.astype(float)):
            scores = evaluate.clusters(found, X)
            same(figures(scores), figures(evaluate.clusters(labels[there], X[there])), 1e-12)
            assert (scores.n_rows, scores.n_left_out, scores.weight) == (90, 10, 80.0)
            assert "10 of them in no cluster" in str(scores)


class TestWhatIsNotDefined:
    @pytest.mark.parametrize("labels", [np.zeros(9, int), np.arange(9)], ids=["one", "all"])
    @pytest.mark.parametrize("metric", ["euclidean", "cosine"])
    def test_one_cluster_or_as_many_as_rows(self, labels: Array, metric: str) -> None:
        X = np.random.default_rng(0).normal(size=(9, 2))
        scores = evaluate.clusters(labels, X, metric=metric)
        assert all(np.isnan(getattr(scores, name)) for name in FIGURES[:-1])
        assert np.isnan(scores.silhouette_error)
        assert np.isnan(scores.table["silhouette"]).all()
        assert "undefined" in str(scores)
        assert scores.inertia >= 0

    @pytest.mark.parametrize(
        ("found", "more", "sentence"),
        [
            (np.full(20, -1), {}, "no row in a cluster"),
            (np.linspace(0, 1, 20), {}, "label 0.05"),
            (np.arange(19), {}, "y of shape"),
            (np.zeros((20, 2)), {}, "labels of shape"),
            (7, {}, "found=int"),
            (np.arange(20) % 2, {"sample": 0}, "sample=0"),
            (np.arange(20) % 2, {"metric": "manhattan"}, "metric='manhattan'"),
            (np.arange(20) % 2, {"sample_weight": np.zeros(20)}, "weight"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, found: Any, more: Any, sentence: str) -> None:
        with pytest.raises(NacreError, match=sentence):
            evaluate.clusters(found, np.random.default_rng(0).normal(size=(20, 2)), **more)

    def test_columns_of_the_fit(self) -> None:
        km = nacre.KMeans(2).fit(np.random.default_rng(0).normal(size=(20, 2)))
        with pytest.raises(BadInput, match="3 features"):
            evaluate.clusters(km, np.zeros((20, 3)))
        with pytest.raises(BadParameter, match="answers"):
            evaluate.clusters(nacre.Scale().fit(np.zeros((3, 2))), np.zeros((20, 2)))

    def test_a_missing_text(self) -> None:
        data = pl.DataFrame({"x": [1.0, 2.0, 3.0], "to": ["a", None, "b"]})
        with pytest.raises(BadInput, match="a missing label"):
            evaluate.clusters("to", data)


def test_equal_rows() -> None:
    labels = np.arange(20) % 2
    scores = evaluate.clusters(labels, np.ones((20, 3)))
    assert (scores.silhouette, scores.silhouette_squared, scores.davies_bouldin) == (0, 0, 0)
    assert scores.calinski_harabasz == 1.0  # as scikit-learn has it


def test_many_clusters_print_short_and_sample_less() -> None:
    draw = np.random.default_rng(0)
    X, labels = draw.normal(size=(3_000, 2)), np.arange(3_000) // 2
    scores = evaluate.clusters(labels, X, sample=3_000)
    assert scores.n_sampled == 2**22 // 1_500
    assert "and 1,470 more" in str(scores)
    assert scores.davies_bouldin == pytest.approx(metrics.davies_bouldin_score(X, labels))
    assert scores.silhouette_squared == pytest.approx(
        metrics.silhouette_score(X, labels, metric="sqeuclidean")
    )
