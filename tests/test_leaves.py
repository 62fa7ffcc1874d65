"""What each batch says: beside a fit, after it, and of later rows; its fold is the sum over all."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nacre
from nacre import drive, fitting
from nacre.canon import digest, hash64, pack
from nacre.contract import Summary
from nacre.engine.batches import Batches, ByBatch
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.engine.tree import fold
from nacre.errors import BadInput, BadParameter, LearnerFailed, OutOfMemory
from nacre.estimator import Estimator, bare
from nacre.fitting import Limits, fit_plan, leaves_of
from nacre.last_pass import LastPass, weigh
from nacre.laws import Case, Chaos
from nacre.laws.journey import plan_of as plan_of_case
from nacre.source.read import plan_of, read
from tests.cases import CASES
from tests.laws.nested import Nested
from tests.spike.plans import plan_of as plan_of_rows
from tests.spike.sgd import LinearSGD
from tests.test_fitting import FiveMethods

DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(3_000, 4)) * 10.0 ** DRAW.integers(-3, 4, (3_000, 4))
Y = np.random.default_rng(0).normal(size=(3_000, 4))
EXACT = [case for case in CASES if case.learner.grade["time"] != "heuristic"]


def folded(plan: Any, said: dict[str, Summary]) -> Summary:
    """The sum over batches under their keys in a ledger."""
    times = {name: span.last for name, span in plan.times.items()}
    total: Summary = fold(
        {pack(times.get(name, 0), hash64(name), 0): told for name, told in said.items()}
    )
    return total


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
@pytest.mark.parametrize("n_batches", [1, 5])
def test_what_the_batches_say_is_what_is_told(case: Case, n_batches: int) -> None:
    plan = plan_of_case(case, 0, n_batches=n_batches)
    for engine in (Serial(), Chaos(2)):
        with LastPass() as said:
            by_batch = ByBatch(engine, Batches.of(plan), said)
            state = drive.fit(bare_of(case.learner), by_batch, plan)
            found = dict(said)
        assert sorted(found) == sorted(plan.ids)
        assert said_bits(folded(plan, found)) == said_bits(state.told)


def bare_of(learner: Any) -> Any:
    return bare(learner) if isinstance(learner, Estimator) else learner


def said_bits(summary: Summary) -> tuple[str, str]:
    return summary.base, digest(summary)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=6),
    shard_rows=st.integers(1, 300),
    seed=st.integers(0, 9),
    engine=st.sampled_from(["serial", "threads:1", "threads:3", None]),
)
def test_leaves_of_any_cut_fold_to_the_sum(
    sizes: list[int], shard_rows: int, seed: int, engine: str | None
) -> None:
    draw = np.random.default_rng(seed)
    ends = np.cumsum([0, *sizes])
    plan = parts([X[a:b] for a, b in itertools.pairwise(ends)], shard_rows, draw)
    fitted = nacre.PCA(2).fit(X)
    said = dict(leaves_of(fitted, plan, fitted.state_.model, engine=engine))
    worker = Threads(2)
    try:
        model = fitted.state_.model
        want = worker.reduce(bare(fitted).observe_shard, lambda: model, worker.hold(plan))
    finally:
        worker.close()
    assert digest(folded(plan, said)) == digest(want)
    assert {name: told.n_rows for name, told in said.items()} == {
        name: reader.n_rows for name, reader in plan.ids.items()
    }


def parts(rows: list[Any], shard_rows: int, draw: Any) -> Any:
    """Arrays as batches of one plan, with times of which some are equal."""
    from nacre.source.arrays import array_reader
    from nacre.source.plan import cut
    from nacre.source.times import Span

    readers = {f"part {i}": array_reader(part)[0] for i, part in enumerate(rows)}
    times = {name: Span(*[int(draw.integers(-2, 3))] * 2) for name in readers}
    return cut(readers, array_reader(X)[1], times=times, shard_rows=shard_rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five files, the last one empty, with times that are not in the order of their names."""
    ends = [0, 700, 701, 1_900, 3_000, 3_000]
    times = np.datetime64("2013-01-01", "s") + np.arange(3_000)
    for i, (a, b) in enumerate(itertools.pairwise(ends)):
        columns = {f"x{j}": X[a:b, j] for j in range(4)} | {"when": times[3_000 - b : 3_000 - a]}
        pq.write_table(pa.table(columns), tmp_path / f"{i}.parquet", row_group_size=300)
    return tmp_path


@pytest.mark.parametrize(
    "engine",
    ["serial", "threads:3", "processes:2", FiveMethods()],
    ids=lambda engine: engine if isinstance(engine, str) else type(engine).__name__,
)
@pytest.mark.parametrize(
    "learner",
    [nacre.PCA(2), nacre.chain(nacre.Scale(), nacre.PCA(2)), nacre.KMeans(3, max_iter=4)],
    ids=lambda learner: type(learner).__name__,
)
def test_a_fit_on_files_gives_its_leaves_without_another_pass(
    learner: Any, engine: Any, folder: Path
) -> None:
    plan = plan_of(read(folder, time="when", shard_rows=256, dtype="float64"))
    want = fit_plan(learner, plan, engine="serial")
    found: dict[str, Any] = {}
    done = fit_plan(learner, plan, engine=engine, leaves=found.__setitem__)
    assert done.state.digest == want.state.digest
    assert len(done.report.turns) == len(want.report.turns)
    assert digest(folded(plan, found)) == digest(done.state.told)
    assert found["4.parquet"].n_rows == 0
    again = dict(leaves_of(learner, plan, done.state.model, engine=engine))
    assert {name: digest(told) for name, told in again.items()} == {
        name: digest(told) for name, told in found.items()
    }


@pytest.mark.parametrize(("max_passes", "looked_at", "n_more"), [(4, 0.27, 1), (8, 1, 0)])
def test_a_fit_that_was_stopped_has_the_leaves_of_the_model_that_is_kept(
    max_passes: int, looked_at: float, n_more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: list[Any] = []
    measure = fitting._measure
    monkeypatch.setattr(fitting, "_measure", lambda *a: more.append(measure(*a)))
    plan, limits = plan_of_rows(Y, rows=128, n_files=4), Limits(max_passes=max_passes)
    found: dict[str, Any] = {}
    with pytest.warns(RuntimeWarning, match="stopped"):
        state = fit_plan(
            Nested(7, max_iter=20), plan, limits=limits, leaves=found.__setitem__
        ).state
    part = state.model.view.part
    assert (part[1] if part else 1) == pytest.approx(looked_at, abs=0.01)
    assert digest(folded(plan, found)) == digest(state.told)
    assert len(more) == n_more


def test_rows_without_weight_have_no_leaves() -> None:
    given: list[str] = []
    plan = plan_of(read(np.full((3, 2), np.nan), bad="skip"))
    with pytest.raises(BadInput, match="no row with weight"):
        fit_plan(nacre.Scale(), plan, leaves=lambda name, told: given.append(name))
    assert given == []


def test_a_bad_row_is_named_where_no_engine_is_asked() -> None:
    fitted = nacre.Scale().fit(X)
    bad = pa.table({"a": [*range(7), np.nan]})
    with pytest.raises(BadInput, match="row 7"):
        dict(leaves_of(fitted, plan_of(bad), fitted.state_.model))
    with pytest.raises(LearnerFailed, match=r"rows 0 to 2999: .* planted"):
        dict(leaves_of(Failing(), plan_of_rows(X, rows=5_000), fitted.state_.model))


class Failing(nacre.Scale):
    """Fails at the first row."""

    def observe(self, model: Any, batch: Any) -> Any:
        raise ZeroDivisionError("planted")


def test_a_model_that_walks_has_no_leaves() -> None:
    plan, learner = plan_of_rows(Y, rows=128, y=Y @ np.ones(4)), LinearSGD()
    model = drive.fit(learner, Serial(), plan).model
    with pytest.raises(BadParameter, match="running summary"):
        dict(leaves_of(learner, plan, model, engine="serial"))  # type: ignore[arg-type]


def summaries(n: int) -> list[tuple[str, Summary]]:
    fitted = nacre.PCA(2).fit(X)
    plan = plan_of_rows(X, rows=300, n_files=n)
    return list(leaves_of(fitted, plan, fitted.state_.model))


@pytest.mark.parametrize("most", [0, 700, 10**9])
def test_sums_beyond_the_limit_lie_in_a_file_and_come_back_bit_for_bit(most: int) -> None:
    said = summaries(6)
    with LastPass(most) as kept:
        assert (kept.base, len(kept), kept.written) == ("", 0, 0)
        for passed in (said[:2], said):
            kept.begins(said[0][1].base)
            for name, told in passed:
                kept.take(name, told)
            kept.ends()
        kept.begins("cut short")
        kept.take(*said[0])
        assert kept.base == said[0][1].base
        assert [(name, digest(told)) for name, told in kept] == [
            (name, digest(told)) for name, told in said
        ]
        assert [name for name, _ in kept] == [name for name, _ in said], "a second time"
        assert (kept.written > 0) == (most < weigh([told for _, told in said]))
    assert len(kept) == 0


def test_no_room_for_the_file_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    ((name, told),) = summaries(1)
    with LastPass(0) as kept, pytest.raises(OutOfMemory, match="TMPDIR"):
        kept.take(name, told)
