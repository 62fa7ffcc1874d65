"""Who works on which block: runs of shards side by side, and failures in their order."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import EVERYTHING
from nacre.engine.local import handed_out, side_by_side
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads, following
from nacre.engine.tree import Span
from nacre.errors import BadParameter
from nacre.source.read import plan_of, read
from tests.engine.learners import Failing, Mean


def blocks(n: int) -> list[Span]:
    return [(i, i + 1) for i in range(n)]


@given(n=st.integers(0, 40), workers=st.integers(1, 9))
def test_every_block_is_handed_out_once_in_runs(n: int, workers: int) -> None:
    order = side_by_side(blocks(n), workers)
    assert sorted(order) == blocks(n)
    assert side_by_side(blocks(n), 1) == blocks(n)
    if n >= workers:
        length = -(-n // workers)
        assert [block[0] % length for block in order[: n // length]] == [0] * (n // length)


@given(
    stop=st.none() | st.integers(0, 5),
    starts=st.lists(st.integers(0, 9), min_size=1, unique=True),
    others=st.lists(st.integers(0, 9), max_size=3),
)
def test_a_thread_goes_on_where_it_stopped(
    stop: int | None, starts: list[int], others: list[int]
) -> None:
    taken = starts[following(starts, stop, others)]
    if stop in starts:
        assert taken == stop
    elif set(starts) - set(others):
        assert taken not in others


@given(
    n=st.integers(1, 12),
    workers=st.integers(1, 4),
    failing=st.sets(st.integers(0, 11), min_size=1, max_size=4),
)
def test_of_several_failures_that_of_the_lowest_block_is_raised(
    n: int, workers: int, failing: set[int]
) -> None:
    """Also where a later block fails before the lower one is begun; none behind it is begun."""
    begun: list[int] = []

    def submit(block: Span) -> Future[Any]:
        future: Future[Any] = Future()
        begun.append(block[0])
        if block[0] in failing:
            future.set_exception(ValueError(block[0]))
        else:
            future.set_result(block[0])
        return future

    lowest, stream = min(failing), handed_out(side_by_side(blocks(n), workers), submit, 2)
    if lowest >= n:
        assert len(list(stream)) == n
        return
    with pytest.raises(ValueError, match=f"^{lowest}$") as raised:
        list(stream)
    assert raised.value.args == (lowest,)
    assert set(range(lowest)) <= set(begun)


def test_a_closed_engine_leaves_no_block_waiting() -> None:
    engine = Threads(1)
    held = engine.hold(plan_of([[1.0], [2.0]]))
    go = threading.Event()
    first = engine.submit(lambda model, rows: go.wait(5), EVERYTHING, held, (0, 1))
    second = engine.submit(Mean().observe_shard, EVERYTHING, held, (0, 1))
    threading.Timer(0.05, go.set).start()
    engine.close()
    assert first.done()
    with pytest.raises(BadParameter, match="closed meanwhile"):
        second.result(0)
    with pytest.raises(BadParameter, match="closed meanwhile"):
        engine.submit(Mean().observe_shard, EVERYTHING, held, (0, 1))
    assert Serial().n_workers == 1


def test_who_waits_for_an_engine_that_is_closed_is_told() -> None:
    engine, go = Threads(1), threading.Event()
    held = engine.hold(plan_of(read([[float(i)] for i in range(40)], shard_rows=1)))

    def task(model: Any, rows: Any) -> int:
        threading.Thread(target=engine.close).start()
        return int(go.wait(0.2))

    with pytest.raises(BadParameter, match="closed meanwhile"):
        list(engine.stream(task, lambda: EVERYTHING, held, leaves=True))


@pytest.mark.parametrize("make", [Serial, lambda: Threads(2)])
def test_a_failure_lets_go_of_the_rows_that_were_held(make: Any) -> None:
    engine = make()
    held = engine.hold(plan_of([[1.0], [2.0]]))
    gone, task = weakref.ref(held), Failing(BadParameter(got="", wanted="", do=""), (0,))
    gc.disable()
    try:
        with pytest.raises(BadParameter, match="row 0"):
            engine.reduce(task, lambda: EVERYTHING, held)
        del held
        assert gone() is None
    finally:
        gc.enable()
        engine.close()
