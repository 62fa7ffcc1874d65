"""Cross-validation: folds are all rows once, a score is that of a fit by hand, anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score

import nacre
from nacre.contract import Array, Plan
from nacre.errors import BadInput, BadParameter
from nacre.evaluate.agreement import agreement
from nacre.evaluate.clusters import clusters
from nacre.evaluate.folds import CrossValidation, cross_validate, dealt_shards, parts
from nacre.evaluate.measures import MEASURES
from nacre.learn.chain import chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.prepare.scale import Scale
from nacre.source.plan import RowPlan
from nacre.source.read import plan_of, read
from tests.source.refusal import refused

CENTRES = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 7.0]])
NAMES = np.array(["left", "right", "up"])


def groups(n: int = 900, seed: int = 0) -> tuple[Array, Array]:
    """(n, 2): three groups that touch each other; (n,) which."""
    draw = np.random.default_rng(seed)
    at = draw.integers(0, 3, n)
    return CENTRES[at] + draw.normal(size=(n, 2)) * 1.5, at


def files(folder: Path, X: Array, at: Array, n: int = 7) -> list[Path]:
    """The rows in n files of different sizes, with their group as `kind`."""
    ends = np.cumsum(np.arange(1, n + 1)) * (2 * len(X)) // (n * (n + 1))
    for i, rows in enumerate(np.split(np.arange(len(X)), ends[:-1])):
        columns = {"a": X[rows, 0], "b": X[rows, 1], "kind": NAMES[at[rows]]}
        pq.write_table(pa.table(columns), folder / f"{i}.parquet")
    return sorted(folder.glob("*.parquet"))


def rows_of(plan: Plan) -> list[tuple[int, int]]:
    """(origin, position) of all rows."""
    return [pair for shard in plan.shards for b in shard.read() for pair in b.ids.tolist()]


def figures(found: CrossValidation) -> tuple[Any, ...]:
    """All that a result says, to be compared bit by bit."""
    columns = [np.asarray(column).tolist() for column in found.table.values()]
    return columns, found.by, [state.digest for state in found.states]


@given(
    n=st.integers(40, 400),
    folds=st.integers(2, 6),
    shard_rows=st.integers(1, 60),
    by=st.sampled_from(["rows", "shards"]),
    seed=st.integers(0, 9),
)
def test_every_row_is_left_out_once(
    n: int, folds: int, shard_rows: int, by: str, seed: int
) -> None:
    plan = plan_of(read(groups(n)[0], shard_rows=shard_rows))
    if (by == "shards" and len(plan.shards) < folds) or n < 20 * folds:
        return
    cut = parts(plan, folds, by, seed)
    every = sorted(rows_of(plan))
    assert sorted(pair for _, fold in cut for pair in rows_of(fold)) == every
    for others, fold in cut:
        assert sorted([*rows_of(others), *rows_of(fold)]) == every
        assert (others.n_rows, fold.n_rows) == (len(rows_of(others)), len(rows_of(fold)))
    if by == "shards":
        whole = [{(s.origin, s.first) for s in fold.shards} for _, fold in cut]
        assert sum(map(len, whole)) == len(plan.shards)
        sizes = [fold.n_rows or 0 for _, fold in cut]
        assert max(sizes) - min(sizes) <= max(shard.rows for shard in plan.shards)


def test_folds_are_chosen_by_names_alone(tmp_path: Path) -> None:
    paths = files(tmp_path, *groups())
    plan = plan_of(read(paths, ["a", "b"], shard_rows=40))
    back = plan_of(read(paths[::-1], ["a", "b"], shard_rows=40))
    assert dealt_shards(plan.shards, 4, 1) == dealt_shards(back.shards, 4, 1)
    assert dealt_shards(plan.shards, 4, 1) != dealt_shards(plan.shards, 4, 2)
    for cuts in (40, 300):
        other = plan_of(read(paths, ["a", "b"], shard_rows=cuts))
        for at in range(3):
            folds = (parts(some, 3, "rows", 0)[at][1] for some in (plan, other))
            assert len({tuple(sorted(rows_of(fold))) for fold in folds}) == 1


def test_a_fold_of_files_is_a_fit_on_the_others(tmp_path: Path) -> None:
    """To the bit: the parts keep ids and keys, so they are the plans of these files alone."""
    paths = files(tmp_path, *groups())
    learner = chain(Scale(), KMeans(3, random_state=2))
    found = cross_validate(learner, read(paths, ["a", "b"]), folds=3)
    assert found.by == "shards"
    plan = plan_of(read(paths, ["a", "b"]))
    for at, own in enumerate(dealt_shards(plan.shards, 3, 0)):
        fold = [str(p) for p, s in _shards(paths, plan) if s.key in own]
        others = [str(p) for p, s in _shards(paths, plan) if s.key not in own]
        mine = chain(Scale(), KMeans(3, random_state=2)).fit(read(others, ["a", "b"]))
        assert found.states[at].digest == mine.state_.digest
        n_rows = sum(pq.read_metadata(path).num_rows for path in fold)
        assert found.n_rows[at] == found.weight[at] == n_rows
        assert found.n_fitted[at] == 900 - n_rows
        assert found.losses[at] == mine.loss(mine.state_.told)
        heard = mine.loss(mine._told(read(fold, ["a", "b"]), None))
        assert found.scores[at] == heard
        for name in ("silhouette", "silhouette_squared", "adjusted_rand", "purity"):
            data = read(paths, ["a", "b"], y="kind")
            scores = cross_validate(learner, data, folds=3, measure=name).scores
            judged: Any = clusters(mine, fold) if "sil" in name else agreement(mine, fold, "kind")
            assert scores[at] == pytest.approx(getattr(judged, name), rel=1e-12)


def _shards(paths: list[Path], plan: RowPlan) -> list[tuple[Path, Any]]:
    """Each file, and its only shard."""
    return [(path, plan.shards[at]) for path, at in zip(paths, plan.reading_order, strict=True)]


def test_a_fold_of_rows_is_a_fit_on_the_others() -> None:
    (X, at), start = groups(), CENTRES + 0.5
    weight = np.arange(len(X)) % 3 + 1.0
    learner = KMeans(3, init=start, algorithm="lloyd", tol=0)
    found = cross_validate(learner, X, at, weight, folds=4, measure="davies_bouldin")
    heard = cross_validate(learner, X, at, weight, folds=4)
    agreed = cross_validate(learner, X, at, folds=4, measure="adjusted_rand")
    assert found.by == "rows"
    chance = next(plan_of(X).shards[0].read()).hash01("folds 0")
    for fold in range(4):
        out = (chance >= fold / 4) & (chance < (fold + 1) / 4)
        mine = KMeans(3, init=start, algorithm="lloyd", tol=0)
        mine.fit(X[~out], sample_weight=weight[~out])
        model = found.states[fold].model
        np.testing.assert_allclose(model.centres, mine.cluster_centers_, rtol=1e-9)
        labels, w = mine.predict(X[out]), weight[out].astype(int)
        by_hand = davies_bouldin_score(X[out].repeat(w, axis=0), labels.repeat(w))
        assert found.scores[fold] == pytest.approx(by_hand)
        assert found.n_rows[fold] == out.sum()
        assert found.weight[fold] == weight[out].sum()
        near = ((X[out] - mine.cluster_centers_[labels]) ** 2).sum(axis=1)
        assert heard.scores[fold] == pytest.approx(np.average(near, weights=weight[out]))
        plain = KMeans(3, init=start, algorithm="lloyd", tol=0).fit(X[~out])
        agrees = adjusted_rand_score(at[out], plain.predict(X[out]))
        assert agreed.scores[fold] == pytest.approx(agrees)


@pytest.mark.parametrize("by", ["shards", "rows"])
def test_the_same_wherever_it_runs(by: str, tmp_path: Path) -> None:
    """Takes as long as worker processes take to start."""
    paths = [str(path) for path in files(tmp_path, *groups(8_000))]
    learner = chain(Scale(), KMeans(4, max_iter=5))

    def found(data: list[str], **how: Any) -> tuple[Any, ...]:
        asked = read(data, ["a", "b"], y="kind")
        scored = cross_validate(learner, asked, folds=2, by=by, measure="silhouette", **how)
        return figures(scored)

    first = found(paths, engine="serial")
    for engine in ("threads:3", "processes:2")[: 1 + (by == "rows")]:
        assert found(paths, engine=engine) == first
    assert found(paths[::-1], engine="serial") == first
    assert found(paths, memory="1MB") == first
    assert found(paths, random_state=1) != first


def test_shards_keep_neighbours_together() -> None:
    """Rows that come in runs: drawn one by one, each has its like on the other side."""
    draw = np.random.default_rng(0)
    X = np.repeat(draw.normal(size=(40, 8)) * 10, 50, axis=0) + draw.normal(size=(2_000, 8)) * 0.1
    data = read(X, shard_rows=50)
    found = {by: cross_validate(KMeans(40), data, folds=4, by=by).mean for by in ("rows", "shards")}
    assert found["shards"] > 100 * found["rows"]
    assert cross_validate(KMeans(8), data, folds=4).by == "shards"
    assert cross_validate(KMeans(8), X, folds=4).by == "rows"


def test_the_learner_stays_as_it_is() -> None:
    X, _ = groups(300)
    stages, fitted = chain(Scale(), KMeans(3)), KMeans(3).fit(X)
    before, state = dict(vars(stages)), fitted.state_
    cross_validate(stages, X, folds=2)
    cross_validate(fitted, X, folds=2)
    assert vars(stages) == before
    assert fitted.state_ is state


@pytest.mark.parametrize("by", ["shards", "rows"])
def test_bad_rows_are_counted_once(by: str) -> None:
    X, _ = groups(600)
    X[[3, 250], 1] = np.nan
    found = cross_validate(KMeans(3), read(X, bad="skip", shard_rows=100), folds=3, by=by)
    assert found.n_rows.sum() == 598
    assert found.n_skipped == 2


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_a_figure(name: str) -> None:
    X, at = groups(400)
    found = cross_validate(KMeans(3), X, at, folds=2, measure=name)
    assert np.isfinite(found.scores).all()
    assert found.measure == name
    assert found.greater_is_better == (name not in ("loss", "davies_bouldin"))


def test_what_it_says() -> None:
    found = cross_validate(KMeans(3), groups()[0], folds=3)
    head, _, names, *folds = str(found).splitlines()
    assert head.startswith("3 folds of rows: loss ")
    assert head.endswith("(lower is better)")
    assert names.split() == list(found.table)
    assert len(folds) == 3
    assert found.deviation == pytest.approx(np.std(found.scores, ddof=1))
    assert "lower is better" in found.plot().says


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"folds": 1}, "folds=1"),
        ({"folds": 2.0}, "folds=2.0"),
        ({"by": "files"}, "by='files'"),
        ({"measure": "silouette"}, "Did you mean 'silhouette'?"),
        ({"measure": ["silhouette"]}, "wanted one of loss"),
        ({"random_state": 0.5}, "random_state=0.5"),
    ],
    ids=repr,
)
def test_options_outside_their_range(options: dict[str, Any], text: str) -> None:
    refused(BadParameter, lambda: cross_validate(KMeans(3), groups(50)[0], **options), text)


def test_what_cannot_be_asked() -> None:
    X, _ = groups(60)
    refused(BadInput, lambda: cross_validate(KMeans(2), X, by="shards"), "1 shard for 5 folds")
    refused(BadInput, lambda: cross_validate(KMeans(2), X[:3]), "3 rows for 5 folds")
    refused(BadInput, lambda: cross_validate(KMeans(2), X, measure="rand"), "and no y")
    refused(BadInput, lambda: cross_validate(KMeans(50), X, folds=2), "for 50 clusters")
    refused(BadParameter, lambda: cross_validate(nacre.Moments(), X), "Moments, which measures no")
    refused(BadParameter, lambda: cross_validate(KMeans, X), "learner='ABCMeta'")  # type: ignore[arg-type]
    refused(
        BadParameter,
        lambda: cross_validate(nacre.Scale(), X, measure="silhouette"),
        "Scale, which answers",
    )
