"""Real workers; two engines serve the whole module, because each worker takes a while to start."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre import drive, errors
from nacre.contract import Batch, Schema
from nacre.engine.local import Group, side_by_side
from nacre.engine.processes import WORKER, Processes
from nacre.engine.serial import Serial
from nacre.engine.shared import Arrived
from nacre.errors import (
    BadInput,
    BadParameter,
    BadType,
    LearnerFailed,
    NacreError,
    OutOfMemory,
    WorkerLost,
)
from nacre.kinds import Array
from nacre.source.arrays import ArrayReader, learning_dtype
from nacre.source.plan import RowPlan, cut
from tests.engine.learners import (
    Centre,
    Closed,
    Dying,
    Failing,
    Halves,
    Mean,
    Surroundings,
    Unsendable,
)

MODEL = Centre(np.zeros(4))


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[int, Processes]]:
    """By number of workers; one of them with little memory."""
    engines = {1: Processes(1), 2: Processes(2), 3: Processes(3, memory=600_000_000)}
    yield engines
    for engine in engines.values():
        engine.close()


@pytest.fixture
def engine(engines: dict[int, Processes]) -> Processes:
    return engines[2]


def rows(n: int, d: int = 4, dtype: str = "f8") -> Array:
    return np.random.default_rng(0).standard_normal((n, d)).astype(dtype)


def plan_of(X: Array, shard_rows: int = 100, batch_rows: int = 40, **more: Any) -> RowPlan:
    reader, schema = ArrayReader(X, learning_dtype(X), **more), Schema(None, X.shape[1], "")
    return cut({"": reader}, schema, shard_rows=shard_rows, batch_rows=batch_rows)


def ran(engine: Any, task: Any, held: Any, model: Any = MODEL, leaves: bool = True) -> list[Any]:
    """The results of all leaves, or blocks, in order."""
    parts = dict(engine.stream(task, lambda: model, held, leaves=leaves))
    return [result for block in sorted(parts) for result in parts[block].values()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def soon(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def workers(engine: Processes) -> list[int]:
    """Their process numbers; it sees to it that all have begun."""
    held = engine.hold(plan_of(rows(400)))

    def begun() -> set[int]:
        return {one["pid"] for one in ran(engine, Surroundings(0.02), held)}

    assert soon(lambda: len(begun()) == engine.n_workers)
    return [seat.child.pid for seat in engine.pool.seats if seat.child]


# One answer


@settings(max_examples=15)
@given(
    n=st.integers(0, 2000),
    n_workers=st.sampled_from([1, 2, 3]),
    learner=st.sampled_from([Mean(), Halves()]),
    dtype=st.sampled_from(["f4", "f8", "i4"]),
    order=st.sampled_from("CF"),
)
def test_same_bits_as_serial(
    engines: dict[int, Processes], n: int, n_workers: int, learner: Mean, dtype: str, order: Any
) -> None:
    plan = plan_of(np.asarray(rows(n, dtype=dtype), order=order))
    want = drive.fit(learner, Serial(), plan).digest
    assert drive.fit(learner, engines[n_workers], plan).digest == want


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("learner", [Mean(), Halves()])
def test_same_bits_of_large_arrays(
    engines: dict[int, Processes], learner: Mean, mapped: bool, order: Any, tmp_path: Path
) -> None:
    X = np.asarray(rows(100_000, dtype="f4"), order=order)
    if mapped:
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    plan = plan_of(X, 5_000, 2_000, weight=np.ones(200_000)[::2], y=np.arange(100_000) % 3)
    want = drive.fit(learner, Serial(), plan).digest
    assert [drive.fit(learner, e, plan).digest for e in engines.values()] == [want] * 3


def test_several_threads_may_use_one_engine(engine: Processes) -> None:
    plans = [plan_of(rows(n)) for n in (300, 1700, 900, 1200)]
    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(lambda plan: drive.fit(Halves(), engine, plan).digest, plans))
    assert got == [drive.fit(Halves(), Serial(), plan).digest for plan in plans]


# What a worker has, and what it costs


def test_workers_are_bare_and_read_shared_memory(engine: Processes) -> None:
    held = engine.hold(plan_of(rows(50_000), 5_000, 5_000))
    told = ran(engine, Surroundings(), held)
    assert not any(one["writeable"] for one in told)
    assert all(one["shared"] for one in told)
    assert {one["is worker"] for one in told} == {"1"}
    assert {one["threads"] for one in told} == {"1"}
    assert "NACRE_WORKER" not in os.environ
    modules = {module for one in told for module in one["modules"]}
    assert {"numpy", "nacre"} <= modules
    assert not {"sklearn", "scipy", "pyarrow", "numba", "pytest"} & modules


def test_workers_live_between_fits(engine: Processes) -> None:
    before = workers(engine)
    drive.fit(Halves(), engine, plan_of(rows(500)))
    assert workers(engine) == before
    assert os.getpid() not in before


def test_a_pass_sends_no_rows_and_a_model_once(engine: Processes) -> None:
    def sent() -> int:
        return sum(seat.n_sent for seat in engine.pool.seats)

    before = sent()
    held = engine.hold(plan_of(rows(50_000), 500, 500))
    ran(engine, Surroundings(), held)
    assert sent() - before < 50_000  # two workers, 100 blocks of 16 kB
    model, before = Centre(np.zeros(10_000)), sent()
    ran(engine, Surroundings(), held, model)
    assert sent() - before < 2 * 80_000 + 30_000


@pytest.mark.parametrize("order", [[0, 1], [1, 0, 0, 1]])
def test_a_block_goes_to_the_worker_that_had_it(engine: Processes, order: list[int]) -> None:
    held, pids = engine.hold(plan_of(rows(1600))), workers(engine)
    blocks = held.blocks(MODEL.view, 2, True)
    at = {block: i for i, block in enumerate(side_by_side(blocks, 2))}  # in order of handing out
    homes = [order[at[block] % len(order)] for block in blocks]

    def n_at_home() -> int:
        held.homes |= dict(zip(blocks, homes, strict=True))
        told = ran(engine, Surroundings(0.01), held)
        return sum(pids[home] == one["pid"] for home, one in zip(homes, told, strict=True))

    assert soon(lambda: n_at_home() >= 14)  # where the machine is busy, the other worker helps out


def test_rows_are_let_go_with_what_is_held(engine: Processes) -> None:
    def mapped() -> int:
        maps = [f"/proc/{seat.child.pid}/maps" for seat in engine.pool.seats if seat.child]
        return sum(Path(one).read_text().count("(deleted)") for one in maps)

    before, n_files = mapped(), len(os.listdir("/proc/self/fd"))
    held = engine.hold(plan_of(rows(50_000), 5_000))
    ran(engine, Surroundings(0.01), held)
    assert mapped() > before
    del held
    gc.collect()
    assert soon(lambda: mapped() <= before)
    assert len(os.listdir("/proc/self/fd")) <= n_files


def test_workers_share_the_memory_for_decoded_rows(engines: dict[int, Processes]) -> None:
    parcel = engines[3].hold(plan_of(rows(400))).parcel
    held = Arrived.of(parcel.data, parcel.cuts, []).open(lambda module: None)
    assert held.cache.limit == 200_000_000 - WORKER
    parcel = engines[2].hold(plan_of(rows(400))).parcel
    held = Arrived.of(parcel.data, parcel.cuts, []).open(lambda module: None)
    assert held.cache.limit is None


def test_little_memory_is_a_limit_to_reading_too() -> None:
    shard = Group(0, Batch(rows(10)), "a shard")
    object.__setattr__(shard, "reading", 3 * 10**9)
    Processes(2, memory=1).hold_shards([shard])  # a single pass
    for memory in (2, 150_000_000, 10**9):
        with pytest.raises(OutOfMemory, match="3,000 MB"):
            Processes(2, memory=memory).hold_shards([shard])


# Failures


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_lost_worker_changes_no_bit(
    engine: Processes, times: int, how: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(rows(1000))
    task = Dying(Mean(), 400, times, tmp_path, how)
    got = engine.reduce(task, lambda: MODEL, engine.hold(plan))
    want = Serial().reduce(Mean().observe_shard, lambda: MODEL, Serial().hold(plan))
    assert len(list(tmp_path.iterdir())) == times
    assert got.moments.mean.tobytes() == want.moments.mean.tobytes()
    assert got.distance == want.distance


def test_three_lost_workers_name_the_rows(engine: Processes, tmp_path: Path) -> None:
    held = engine.hold(plan_of(rows(1000)))
    task = Dying(Mean(), 400, 3, tmp_path)
    with pytest.raises(WorkerLost, match="SIGKILL, SIGKILL, SIGKILL") as caught:
        ran(engine, task, held)
    assert caught.value.where == "the array rows 400 to 499"
    assert len(ran(engine, task, held)) == 10


def kill_workers(engine: Processes) -> None:
    workers(engine)
    children = [seat.child for seat in engine.pool.seats if seat.child]
    for child in children:
        child.kill()
    assert soon(lambda: all(child.poll() is not None for child in children))


def test_a_worker_that_dies_idle_is_not_held_against_a_block(
    engine: Processes, tmp_path: Path
) -> None:
    held = engine.hold(plan_of(rows(100)))
    kill_workers(engine)
    assert len(ran(engine, Dying(Mean(), 0, 2, tmp_path), held)) == 1


def test_a_worker_that_dies_idle_forgets_without_a_word(engine: Processes) -> None:
    held = engine.hold(plan_of(rows(400)))
    ran(engine, Surroundings(0.01), held)
    kill_workers(engine)
    del held
    gc.collect()
    assert len(ran(engine, Surroundings(), engine.hold(plan_of(rows(400))))) == 4


def test_workers_are_deaf_to_interrupts(engine: Processes) -> None:
    held, pids = engine.hold(plan_of(rows(1000))), workers(engine)
    for pid in pids:  # idle
        os.kill(pid, signal.SIGINT)
    timers = [threading.Timer(0.05, os.kill, (pid, signal.SIGINT)) for pid in pids]
    for timer in timers:
        timer.start()
    assert {one["pid"] for one in ran(engine, Surroundings(0.02), held)} == set(pids)
    for timer in timers:
        timer.join()


def test_a_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.engine.pool.GRACE", 0.02)
    with Processes(1) as engine:
        (pid,) = workers(engine)
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)


ERRORS = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, NacreError)]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_arrives_as_itself(engine: Processes, kind: type[NacreError]) -> None:
    held = engine.hold(plan_of(rows(400)))
    fields = dict(got="", wanted="peace", do="Nothing.", says="As they say.")
    with pytest.raises(kind) as caught:
        ran(engine, Failing(kind(**fields), (200,)), held)
    where = "the array rows 200 to 299"
    assert type(caught.value) is kind
    assert caught.value.fields() == {**fields, "got": "row 200", "where": where}


def test_other_errors_arrive_with_what_the_worker_saw(engine: Processes) -> None:
    held = engine.hold(plan_of(rows(400)))
    with pytest.raises(LearnerFailed, match=r"rows 300 to 399: got KeyError: 'x'") as caught:
        ran(engine, Failing(KeyError("x"), (300,)), held)
    assert "raise self.error" in caught.value.__notes__[0]
    with pytest.raises(LearnerFailed, match="Closed"):
        ran(engine, Failing(Closed, (0,)), held)


def test_even_what_leaves_arrives(engine: Processes) -> None:
    held = engine.hold(plan_of(rows(400)))
    with pytest.raises(SystemExit, match="9"):
        ran(engine, Failing(SystemExit(9), (0,)), held)
    with pytest.raises(LearnerFailed, match="lambda"):
        ran(engine, Unsendable(), held)


def test_what_cannot_be_sent_is_named(engine: Processes) -> None:
    held = engine.hold(plan_of(rows(400)))
    with pytest.raises(BadType, match="lambda"):
        ran(engine, lambda model, batches: None, held)
    with pytest.raises(BadType, match="cannot be sent"):
        engine.hold_shards([*plan_of(rows(10)).shards, threading.Lock()])


def test_what_a_worker_cannot_import_is_named(
    engine: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = types.ModuleType("nowhere_else")
    here.Lost = type("Lost", (Failing,), {"__module__": "nowhere_else"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nowhere_else", here)
    held = engine.hold(plan_of(rows(400)))
    for _ in range(2):
        with pytest.raises(BadType, match="No module named 'nowhere_else'"):
            ran(engine, here.Lost(ValueError(), ()), held)


def test_workers_find_modules_where_the_parent_does_by_then(
    engine: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = engine.hold(plan_of(rows(400)))
    ran(engine, Failing(ValueError(), ()), held)
    (tmp_path / "found_late.py").write_text(
        "def task(model, batches):\n    return len(list(batches))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("found_late")
    assert ran(engine, module.task, held) == [3] * 4


def test_the_lowest_failure_is_raised(engines: dict[int, Processes]) -> None:
    for engine in engines.values():
        held = engine.hold(plan_of(rows(1000)))
        for late in (0.0, 0.05):
            with pytest.raises(BadInput, match="row 300"):
                ran(
                    engine, Failing(BadInput(got="", wanted="", do=""), (300, 400, 900), late), held
                )


# The end of a pass, and of an engine


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_two_blocks_a_worker_are_handed_out_ahead(
    engines: dict[int, Processes], n_workers: int
) -> None:
    engine, arrived = engines[n_workers], 0
    asked: list[Centre] = []
    held = engine.hold(plan_of(rows(2000)))

    def newest() -> Centre:
        asked.append(Centre(np.full(4, len(asked))))
        return asked[-1]

    for _ in engine.stream(Mean().observe_shard, newest, held, leaves=True):
        arrived += 1
        assert len(asked) - 1 - arrived <= 2 * n_workers  # the first asks for the view
    assert arrived == 20


def test_each_block_is_observed_against_the_model_it_was_handed_out_with(engine: Processes) -> None:
    asked: list[str] = []

    def newest() -> Centre:
        model = Centre(np.full(4, float(len(asked))))
        asked.append(model.base)
        return model

    held = engine.hold(plan_of(rows(800)))
    parts = dict(engine.stream(Mean().observe_shard, newest, held, leaves=True))
    handed_out = side_by_side(sorted(parts), engine.n_workers)
    bases = [told.base for block in handed_out for told in parts[block].values()]
    assert bases == asked[1:]


def test_a_pass_may_be_left(engine: Processes) -> None:
    held = engine.hold(plan_of(rows(1000)))
    for _ in engine.stream(Mean().observe_shard, lambda: MODEL, held, leaves=True):
        break
    asked: list[int] = []

    def newest() -> Centre:
        asked.append(1)
        if len(asked) > 4:
            raise drive.EndOfTime
        return MODEL

    with pytest.raises(drive.EndOfTime):
        list(engine.stream(Mean().observe_shard, newest, held, leaves=True))
    assert len(ran(engine, Surroundings(), held)) == 10


def test_an_interrupt_leaves_the_engine_of_use(engine: Processes) -> None:
    held = engine.hold(plan_of(rows(1000)))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ran(engine, Surroundings(1.0), held)  # ten seconds of work, of which two are awaited
    timer.join()
    assert len(ran(engine, Surroundings(), held)) == 10


def test_a_closed_engine_has_neither_workers_nor_rows_and_can_begin_again() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Processes(2) as engine:
        engine.close()
        held = engine.hold(plan_of(rows(50_000), 10_000))
        pids = workers(engine)
        engine.close()
        engine.close()
        assert not any(alive(pid) for pid in pids)
        assert len(os.listdir("/proc/self/fd")) <= before
        with pytest.raises(BadParameter, match="Hold the plan again"):
            ran(engine, Surroundings(), held)
        assert len(ran(engine, Surroundings(), engine.hold(plan_of(rows(400))))) == 4
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_pass_on_an_engine_that_is_closed_fails() -> None:
    with Processes(1) as engine:
        passing = engine.stream(
            Surroundings(0.05), lambda: MODEL, engine.hold(plan_of(rows(400))), leaves=True
        )
        next(passing)
        closing = threading.Thread(target=engine.close)
        closing.start()
        with pytest.raises(BadParameter, match="closed"):
            list(passing)
        closing.join()


def test_a_lost_engine_lets_its_workers_end() -> None:
    engine = Processes(1)
    (one,) = ran(engine, Surroundings(), engine.hold(plan_of(rows(100))))
    assert alive(one["pid"])
    del engine
    gc.collect()
    assert soon(lambda: not alive(one["pid"]))
