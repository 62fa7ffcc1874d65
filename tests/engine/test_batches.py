"""One sum for each batch: whole, once, and such that their fold is the sum over all shards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.canon import hash64, pack
from nacre.contract import WHOLE, Batch, View
from nacre.engine.batches import Batches, Gathered, sums
from nacre.engine.held import Held
from nacre.engine.processes import Processes
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.engine.tree import Trie, fold
from nacre.errors import BadParameter, MissingShards
from nacre.laws import Chaos
from nacre.laws.engine import PLAIN
from nacre.laws.journey import always
from tests.spike.plans import plan_of

DRAW = np.random.default_rng(0)
WIDE = DRAW.normal(size=300) * 10.0 ** DRAW.integers(-8, 8, 300)  # floats whose sum tells its order


def total(model: Any, batches: Iterable[Batch]) -> float:
    return float(sum(batch.X.sum() for batch in batches))


@dataclass
class Known:
    """A plan of shards that are keys alone."""

    sizes: dict[str, int]
    times: dict[str, int]

    @property
    def ids(self) -> dict[str, int]:
        return self.sizes

    @property
    def shards(self) -> list[Any]:
        keys = sorted(
            pack(self.times[name], hash64(name), i)
            for name, n in self.sizes.items()
            for i in range(n)
        )
        return [type("Shard", (), {"key": key}) for key in keys]


moments = st.integers(-(2**63) + 1, 2**63 - 1) | st.just(0)
plans = st.dictionaries(
    st.text("ab/", min_size=1, max_size=4), st.integers(1, 9), min_size=1, max_size=12
).flatmap(
    lambda sizes: st.builds(
        Known,
        st.just(sizes),
        st.fixed_dictionaries(
            dict.fromkeys(sizes, st.integers(-(2**63) + 1, 2**63 - 1) | st.just(0))
        ),
    )
)


@given(plan=plans, seed=st.integers(0, 99), data=st.data())
def test_batches_are_whole_once_and_their_fold_is_the_sum(
    plan: Known, seed: int, data: st.DataObject
) -> None:
    batches, found = Batches.of(plan), {}
    keys = batches.trie.keys
    blocks = [
        block
        for span in batches.spans
        for block in batches.trie.below(span).blocks(data.draw(st.integers(1, 9)))
    ]
    blocks += random.Random(seed).choices(blocks, k=3)  # some come twice
    random.Random(seed).shuffle(blocks)
    gathered = Gathered(batches)
    for start, stop in blocks:
        node = fold({keys[i]: WIDE[i % 300] for i in range(start, stop)})
        for at, told in gathered.put({(start, stop): node}):
            assert at not in found
            found[at] = told
    gathered.check()
    by_key = {pack(plan.times[n], hash64(n), 0): found[at] for at, n in enumerate(batches.names)}
    assert sorted(batches.names) == sorted(plan.sizes)
    assert fold(by_key).hex() == fold({key: WIDE[i % 300] for i, key in enumerate(keys)}).hex()
    assert not gathered.open


def test_a_batch_that_is_not_whole_is_named_and_a_sum_over_two_is_refused() -> None:
    batches = Batches(Trie([1, 2, 8, 9]), ["a", "b"], [(0, 2), (2, 4)])
    gathered = Gathered(batches)
    assert [*gathered.put({(0, 2): 1.0, (2, 3): 2.0})] == [(0, 1.0)]
    with pytest.raises(MissingShards, match=r"\(3, 4\)"):
        gathered.check()
    with pytest.raises(MissingShards, match="shards 0 to 3"):
        list(Gathered(batches).put({(0, 4): 1.0}))


ENGINES: dict[str, Callable[[], Any]] = {
    "serial": Serial,
    "threads": lambda: Threads(3),
    "processes": lambda: Processes(2),
    "chaos": lambda: Chaos(1),
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("n_files", [1, 7])
def test_every_engine_gives_the_sums_of_batches(name: str, n_files: int) -> None:
    plan, engine = plan_of(WIDE[:, None], rows=11, n_files=n_files), ENGINES[name]()
    batches = Batches.of(plan)
    try:
        held = engine.hold(plan)
        found = dict(sums(engine, total, always(PLAIN), held, batches))
        want = engine.reduce(total, always(PLAIN), held)
    finally:
        engine.close()
    assert len(found) == n_files
    keys = [plan.shards[start].key for start, _ in batches.spans]
    assert fold({key: found[at] for at, key in enumerate(keys)}).hex() == want.hex()


class Foreign:
    """An engine that holds shards in its own way, and adds where it likes."""

    def __init__(self) -> None:
        self.inner = Serial()

    def hold(self, plan: Any) -> tuple[Any]:
        return (self.inner.hold(plan),)

    def stream(self, task: Any, newest: Any, held: tuple[Any], *, leaves: bool = False) -> Any:
        return self.inner.stream(task, newest, held[0], leaves=leaves)


def test_an_engine_of_others_is_asked_for_every_shard() -> None:
    plan, engine = plan_of(WIDE[:, None], rows=4, n_files=7), Foreign()
    batches = Batches.of(plan)
    found = dict(sums(engine, total, always(PLAIN), engine.hold(plan), batches))  # type: ignore[arg-type]
    serial = Serial()
    want = dict(sums(serial, total, always(PLAIN), serial.hold(plan), batches))
    assert {at: told.hex() for at, told in found.items()} == {
        at: told.hex() for at, told in want.items()
    }


def test_blocks_end_where_batches_do_and_are_added_where_they_are_worked_on() -> None:
    plan = plan_of(WIDE[:, None], rows=2, n_files=3)  # 50 shards each
    batches, held = Batches.of(plan), Held(list(plan.shards))
    apart = held.cut_at(batches.spans)
    assert apart.cache is held.cache
    blocks = apart.blocks(WHOLE, 2, leaves=False)
    assert [i for block in blocks for i in range(*block)] == list(range(150))
    inside = [any(a <= block[0] and block[1] <= b for a, b in batches.spans) for block in blocks]
    assert all(inside)
    assert len(blocks) < 75, "most are sums of several shards"
    assert len(apart.blocks(WHOLE, 2, leaves=True)) == 150


def test_batches_are_handed_out_before_the_pass_is_over() -> None:
    read: list[str] = []

    def task(model: Any, batches: Iterable[Batch]) -> float:
        rows = list(batches)
        read.append(rows[0].where)
        return total(model, rows)

    plan, engine = plan_of(WIDE[:, None], rows=10, n_files=5), Serial()
    came = sums(engine, task, always(PLAIN), engine.hold(plan), Batches.of(plan))
    next(came)
    assert len(read) == 6, "the shards of one batch"


@dataclass(frozen=True)
class Walking:
    """Wants its rows in runs, or placed anew."""

    view: View


@pytest.mark.parametrize("view", [View(walks=2), View(layout="groups")], ids=repr)
def test_rows_that_should_lie_otherwise_have_no_batches(view: View) -> None:
    plan, engine = plan_of(WIDE[:, None], rows=11), Serial()
    came = sums(engine, total, lambda: Walking(view), engine.hold(plan), Batches.of(plan))
    with pytest.raises(BadParameter, match="running summary"):
        next(came)
