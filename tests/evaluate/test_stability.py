"""Stability: which clusters come again, against a plain reference; the same wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

import nacre
from nacre.contract import Array, Batch, Grade, Model
from nacre.errors import BadInput, BadParameter, Stopped
from nacre.estimator import bare
from nacre.evaluate.contingency import tabled
from nacre.evaluate.refits import reseeded
from nacre.evaluate.stability import Stability, best_jaccard, stability
from nacre.fitting import fit_plan
from nacre.learn.chain import chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.prepare.scale import Scale
from nacre.source.part import part_of_rows
from nacre.source.read import plan_of
from tests.source.learners import Looking, Means
from tests.source.refusal import refused

CENTRES = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 9.0]])


def groups(n: int = 900, seed: int = 0) -> Array:
    """(n, 2): three clear groups."""
    draw = np.random.default_rng(seed)
    return CENTRES[draw.integers(0, 3, n)] + draw.normal(size=(n, 2))


def figures(found: Stability) -> tuple[Any, ...]:
    """All that a result says, to be compared bit by bit."""
    arrays = (found.adjusted_rand, found.jaccard, found.labels, found.size)
    return *(a.tolist() for a in arrays), found.n_rows, found.weight, found.state.digest


@given(data=st.data(), n=st.integers(1, 60), weighted=st.booleans())
def test_jaccard_as_by_hand(data: Any, n: int, weighted: bool) -> None:
    labels = st.lists(st.integers(-1, 4), min_size=n, max_size=n)
    found, other = np.array(data.draw(labels)), np.array(data.draw(labels))
    copies = np.array(data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)))
    weight = copies.astype(float) if weighted else np.ones(n)
    table = tabled(found, other, weight)
    matrix = contingency_matrix(found.repeat(weight.astype(int)), other.repeat(weight.astype(int)))
    rows, columns = matrix.sum(axis=1)[:, None], matrix.sum(axis=0)
    index = matrix / (rows + columns - matrix)
    index[:, np.unique(other) == -1] = 0.0  # in no cluster
    assert table.found == tuple(np.unique(found).tolist())
    np.testing.assert_allclose(best_jaccard(table), index.max(axis=1), rtol=1e-12)


def test_the_figures_are_those_of_fits_by_hand() -> None:
    X, learner = groups(), KMeans(5, random_state=3)
    found = stability(learner, X, n_fits=3, share=0.4, random_state=7)
    whole = learner.fit(X).labels_
    assert found.state.digest == learner.state_.digest
    np.testing.assert_array_equal(found.size, np.bincount(whole))
    for at in range(3):
        part = part_of_rows(plan_of(X), 0.0, 0.4, f"stability 7 {at + 1}")
        other = KMeans(5, random_state=3 + at + 1)
        other.state_ = fit_plan(bare(other), part).state
        other.n_features_in_ = 2
        labels = other.predict(X)
        assert found.adjusted_rand[at] == pytest.approx(adjusted_rand_score(whole, labels))
        for j in range(5):
            own = whole == j
            best = max((own & (labels == i)).sum() / (own | (labels == i)).sum() for i in range(5))
            assert found.jaccard[at, j] == pytest.approx(best)


def test_clear_groups_are_stable_and_more_clusters_are_not() -> None:
    X = groups(2_000)
    three, seven = (stability(KMeans(k), X) for k in (3, 7))
    assert three.verdicts == ["stable"] * 3
    assert three.mean > 0.99
    assert seven.mean < 0.8
    assert seven.jaccard.mean() < 0.75
    assert "unstable" in seven.verdicts


def test_one_true_group_among_cut_ones() -> None:
    """A cluster is judged by itself: the small group far away is found again by every fit."""
    draw = np.random.default_rng(2)
    X = np.concatenate([draw.normal(size=(900, 2)) * 3, draw.normal(size=(100, 2)) + 60])
    learner = KMeans(4)
    found = stability(learner, X)
    assert found.state.digest == learner.fit(X).state_.digest
    far = int(learner.labels_[-1])
    verdicts = dict(zip(found.labels.tolist(), found.verdicts, strict=True))
    assert verdicts.pop(far) == "stable"
    assert found.jaccard[:, far].min() == 1.0
    assert set(verdicts.values()) & {"doubtful", "unstable"}


def test_the_same_wherever_it_runs(tmp_path: Path) -> None:
    X = groups(20_000)
    for at, some in enumerate(np.array_split(X, 4)):
        pq.write_table(pa.table({"a": some[:, 0], "b": some[:, 1]}), tmp_path / f"{at}.parquet")
    learner = chain(Scale(), KMeans(4, max_iter=5))
    paths = sorted(map(str, tmp_path.glob("*.parquet")))
    asked = {"n_fits": 2, "random_state": 5}
    first = figures(stability(learner, tmp_path, engine="serial", **asked))
    for engine in ("threads:3", "processes:2"):
        assert figures(stability(learner, tmp_path, engine=engine, **asked)) == first
    assert figures(stability(learner, paths[::-1], engine="serial", **asked)) == first
    assert figures(stability(learner, paths, memory="1MB", **asked)) == first
    other = figures(stability(learner, paths, n_fits=2, random_state=6))
    assert other[1] != first[1]


def test_a_row_of_weight_three_is_three_rows() -> None:
    X, learner = groups(300), KMeans(4, init=groups(4, seed=5), max_iter=1)
    weight = np.arange(300) % 3 + 1.0
    found = stability(learner, X, sample_weight=weight, n_fits=2)
    labels = bare(learner).fit(X, sample_weight=weight).labels_
    np.testing.assert_allclose(found.size, np.bincount(labels, weight))
    assert found.weight == weight.sum()
    assert found.table["share"].sum() == pytest.approx(1)


def test_the_learner_stays_as_it_is() -> None:
    X, learner, fitted = groups(), KMeans(3, random_state=4), KMeans(3).fit(groups(100))
    state = fitted.state_
    before = dict(vars(learner))
    stability(learner, X, n_fits=2)
    stability(fitted, X, n_fits=2)
    assert vars(learner) == before
    assert fitted.state_ is state
    stages = chain(Scale(), KMeans(3, random_state=4))
    assert reseeded(stages, 2).get_params()["kmeans__random_state"] == 6
    assert stages.get_params()["kmeans__random_state"] == 4


@dataclass(eq=False, repr=False)
class Signs(Means):
    """Labels by the sign of the first column, -1 where it is small."""

    labels: str = "numbers"
    answers: ClassVar[Sequence[str]] = ("predict",)
    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}

    def answer(self, model: Looking, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        x = batch.X[:, 0]
        if self.labels == "texts":
            return {"predict": np.where(x < 0, "left", "right").astype(object)}
        return {"predict": np.where(np.abs(x) < 0.5, -1, (x > 0).astype(int))}


def test_rows_in_no_cluster_are_told_apart() -> None:
    X = groups()
    found = stability(Signs(), X, n_fits=2)
    n_small = int((np.abs(X[:, 0]) < 0.5).sum())
    assert found.labels.tolist() == [0, 1]
    assert found.left_out == n_small > 0
    assert found.size.sum() + found.left_out == found.weight
    assert found.jaccard.tolist() == [[1.0, 1.0]] * 2


def test_labels_may_be_texts() -> None:
    found = stability(Signs(labels="texts"), groups(), n_fits=2)
    assert found.labels.tolist() == ["left", "right"]
    assert "left" in str(found)


def test_bad_rows_are_counted() -> None:
    X = groups(500)
    X[[3, 77], 1] = np.nan
    found = stability(KMeans(3), nacre.read(X, bad="skip"), n_fits=2)
    assert (found.n_rows, found.n_skipped) == (498, 2)


def test_what_it_says() -> None:
    found = stability(KMeans(3), groups(), n_fits=2)
    text = str(found).splitlines()
    assert text[0] == "3 clusters of 900 rows, in 2 fits on 50% of them"
    assert text[3].split() == ["cluster", "weight", "share", "jaccard", "least", "verdict"]
    assert len(text) == 4 + 3
    assert {len(column) for column in found.table.values()} == {3}
    picture = found.plot()
    assert picture.data["jaccard"].shape == (6,)
    assert "cluster 0 1.00" in picture.says


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_fits": 0}, "n_fits=0"),
        ({"n_fits": 2.5}, "n_fits=2.5"),
        ({"share": 0.0}, "share=0.0"),
        ({"share": 1.0}, "share=1.0"),
        ({"share": "half"}, "share='half'"),
        ({"random_state": 0.5}, "random_state=0.5"),
    ],
    ids=repr,
)
def test_numbers_outside_their_range(options: dict[str, Any], text: str) -> None:
    refused(BadParameter, lambda: stability(KMeans(3), groups(), **options), text)


def test_what_cannot_be_asked() -> None:
    X = groups()
    refused(BadParameter, lambda: stability(nacre.Scale(), X), "which answers ['transform']")
    refused(BadParameter, lambda: stability("kmeans", X), "learner='str'")  # type: ignore[arg-type]
    refused(BadParameter, lambda: stability(KMeans(0), X), "n_clusters=0")
    refused(BadInput, lambda: stability(KMeans(3), X[:4], share=0.01), "no rows for fit 1 of 10")
    refused(BadInput, lambda: stability(KMeans(3), X[:4]), "rows for 3 clusters")


@dataclass(eq=False, repr=False)
class Endless(Signs):
    """Ended early by Ctrl-C, in its second pass."""

    def advance(self, model: Looking, told: Any) -> Model:
        import signal

        signal.raise_signal(signal.SIGINT)
        return Looking(model.d + 1)


@pytest.mark.filterwarnings("ignore:.*stopped by Ctrl-C")
def test_ctrl_c_ends_it() -> None:
    refused(Stopped, lambda: stability(Endless(), groups()), "the fit on all rows")
