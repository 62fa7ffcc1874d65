"""Where face, source, engine and drive meet: warm starts, kept answers, engines of others,
settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nacre
from nacre import drive, errors
from nacre.contract import Batch, Summary
from nacre.engine.serial import Serial
from nacre.estimator import bare
from nacre.learn.cluster.kmeans import KMeans
from tests.spike.plans import plan_of
from tests.spike.sgd import LinearSGD

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3_000, 4)) + 6 * DRAW.integers(0, 3, 3_000)[:, None]


def test_a_warm_start_goes_on_and_counts_anew() -> None:
    first = nacre.KMeans(5, init="random", algorithm="lloyd", max_iter=1).fit(X)
    second = nacre.KMeans(5, random_state=0, max_iter=50).fit(X, start=first.state_)
    assert second.inertia_ < first.inertia_
    stands = nacre.KMeans(5, random_state=0).fit(X, start=second.state_)
    assert stands.inertia_ <= second.inertia_
    pca = nacre.PCA(2).fit(X)
    assert nacre.PCA(2).fit(X, start=pca.state_).state_.digest == pca.state_.digest


def test_a_chain_starts_at_its_last_stage() -> None:
    made = nacre.chain(nacre.Scale(), nacre.KMeans(4, max_iter=1)).fit(X)
    more = nacre.chain(nacre.Scale(), nacre.KMeans(4)).fit(X, start=made.state_)
    assert more.state_.told.errors.sum() <= made.state_.told.errors.sum()


@pytest.mark.parametrize(
    ("learner", "rows", "start", "says"),
    [
        (nacre.KMeans(3), X[:, :2], nacre.KMeans(3).fit(X), "columns"),
        (nacre.KMeans(3), X.astype("f4"), nacre.KMeans(3).fit(X), "dtype"),
        (nacre.KMeans(5), X, nacre.KMeans(3).fit(X), "centres"),
        (nacre.KMeans(3), X, nacre.PCA(2).fit(X), "KMeans"),
        (nacre.chain(nacre.Scale(), nacre.KMeans(3)), X, nacre.KMeans(3).fit(X), "Chain"),
        (
            nacre.chain(nacre.Scale(), nacre.KMeans(3)),
            X,
            nacre.chain(nacre.Scale(), nacre.KMeans(4)).fit(X),
            "centres",
        ),
    ],
    ids=["width", "dtype", "k", "learner", "not a chain", "stage"],
)
def test_a_start_that_does_not_fit_is_refused(
    learner: Any, rows: Any, start: Any, says: str
) -> None:
    with pytest.raises(errors.BadParameter, match=says):
        learner.fit(rows, start=start.state_)
    assert not hasattr(learner, "state_")


def test_a_start_is_a_state() -> None:
    with pytest.raises(errors.BadParameter, match="state_"):
        nacre.KMeans(3).fit(X, start=nacre.KMeans(3).fit(X))


@pytest.mark.parametrize("engine", ["serial", "threads:3", "processes:2"])
def test_rows_that_are_left_out_have_a_blank_answer_on_any_engine(engine: str) -> None:
    bad = X.copy()
    bad[[0, 7, 2_999], 1] = np.nan
    data = nacre.read(bad, bad="skip", shard_rows=500)
    km = nacre.KMeans(3, random_state=0).fit(data, engine=engine)
    assert km.labels_.shape == (3_000,)
    assert np.flatnonzero(km.labels_ == -1).tolist() == [0, 7, 2_999]
    assert km.predict(data, engine=engine).tolist() == km.labels_.tolist()
    assert np.isnan(km.transform(data)).any(axis=1).sum() == 3


class Walking(KMeans):
    """Walks its shard: what a batch says depends on those before it."""

    def observe_shard(self, model: Any, batches: Iterable[Batch]) -> Summary:
        whole = super().observe_shard(model, batches)
        Walking.walked += 1
        return whole

    walked = 0


def test_a_learner_that_walks_its_shard_does_so_also_where_answers_are_kept() -> None:
    km = Walking(3, random_state=0).fit(X, engine="threads:2")
    assert Walking.walked > 0
    assert km.labels_.tolist() == km.predict(X).tolist()


class FiveMethods:
    """An engine with what the contract asks for and nothing else."""

    def __init__(self) -> None:
        self.inner = Serial()

    def hold(self, plan: Any) -> Any:
        return self.inner.hold(plan)

    def stream(
        self, task: Any, newest: Callable[[], Any], held: Any, *, leaves: bool = False
    ) -> Iterator[Any]:
        return self.inner.stream(task, newest, held, leaves=leaves)

    def reduce(self, task: Any, newest: Callable[[], Any], held: Any) -> Any:
        return self.inner.reduce(task, newest, held)

    def regroup(self, place: Any, newest: Callable[[], Any], held: Any) -> Any:
        return self.inner.regroup(place, newest, held)

    def close(self) -> None:
        pass


def test_the_five_methods_of_the_contract_are_an_engine() -> None:
    want = nacre.KMeans(3, random_state=0).fit(X, engine="serial")
    got = nacre.KMeans(3, random_state=0).fit(X, engine=FiveMethods())
    assert got.state_.digest == want.state_.digest
    assert got.labels_.tolist() == want.labels_.tolist()


@pytest.mark.parametrize(
    ("learn", "says"),
    [
        (lambda: nacre.KMeans(3).partial_fit(X), "partial_fit"),
        (lambda: nacre.KMeans(3).fit(nacre.read(X)).partial_fit(X), "partial_fit"),
    ],
)
def test_labels_that_are_not_there_say_why(learn: Callable[[], Any], says: str) -> None:
    with pytest.raises(errors.UnknownName, match=says):
        _ = learn().labels_


def test_a_chain_names_and_frames_what_it_transforms() -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd"))
    made = nacre.chain(nacre.Scale(), nacre.PCA(2)).set_output(transform="pandas").fit(frame)
    assert list(made.transform(frame).columns) == ["pca0", "pca1"]
    assert list(
        nacre.chain(nacre.Scale(), nacre.Scale()).fit(frame).get_feature_names_out()
    ) == list("abcd")
    assert not hasattr(nacre.chain(nacre.Scale(), nacre.Moments()), "set_output")


class Enough(drive.Pace):
    """Ends after so many questions."""

    def __init__(self, most: int) -> None:
        self.left = most

    def handing_out(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise drive.EndOfTime


def test_a_race_that_is_ended_measures_what_it_has() -> None:
    y = X @ np.arange(4.0)
    state = drive.race(LinearSGD(), Serial(), plan_of(X, y=y), max_rounds=50, pace=Enough(9))
    assert state.told.base == state.model.base
    km = nacre.KMeans(3)
    with pytest.raises(errors.Stopped, match="Seeding"):
        drive.race(km, Serial(), plan_of(X, y=y), max_rounds=5, pace=Enough(0))


def test_use_holds_for_a_block_and_for_the_process() -> None:
    with nacre.use(engine="serial", memory="1MB"):
        inner = nacre.KMeans(3, random_state=0).fit(X)
    outer = nacre.KMeans(3, random_state=0).fit(X)
    assert inner._record.jobs[-1].engine == "serial"
    assert outer._record.jobs[-1].engine == "threads"
    assert inner.state_.digest == outer.state_.digest
    for wrong in ({"engine": "nonsense"}, {"engine": "threads:0"}, {"memory": "-3"}, {"memory": 0}):
        with pytest.raises(errors.BadParameter):
            nacre.use(**wrong)
    assert nacre.KMeans(3, random_state=0).fit(X)._record.jobs[-1].engine == "threads"


class Keeping(Serial):
    """Tells of each pass whether it was said to be the last, and what is kept after it."""

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[tuple[bool, int]] = []

    def reduce(self, task: Any, newest: Callable[[], Any], held: Any) -> Any:
        told = super().reduce(task, newest, held)
        self.passes.append((getattr(newest(), "last_look", False), held.cache.size))
        return told


@pytest.mark.parametrize(
    ("learner", "passes"),
    [
        (nacre.Moments(), [(True, 0)]),
        (nacre.Scale(), [(True, 0)]),
        (nacre.Impute(), [(True, 0)]),
        (nacre.OneHot(columns=[0]), [(True, 0)]),
        (nacre.Dedup(), [(True, 0)]),
        (nacre.PCA(2), [(True, 0)]),
        (nacre.chain(nacre.Scale(), nacre.PCA(2)), [(False, 96_000)] * 2),
        (nacre.RobustScale(), [(False, 96_000)] * 2),
        (nacre.KMeans(3, init="random", algorithm="lloyd", max_iter=1), [(False, 96_000)] * 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_who_looks_once_keeps_no_rows(
    learner: Any, passes: list[tuple[bool, int]], tmp_path: Path
) -> None:
    numbers = np.round(X, 1)  # few enough to be categories
    names = [f"x{at}" for at in range(4)]
    path = str(tmp_path / "rows.parquet")
    pq.write_table(pa.table(dict(zip(names, numbers.T, strict=True))), path)
    plan = learner._plan(nacre.read(path, dtype="float64"), None, None, reset=True)
    engine = Keeping()
    drive.fit(bare(learner), engine, plan)
    assert engine.passes[-len(passes) :] == passes
    assert not any(last for last, _ in engine.passes[:-1])
