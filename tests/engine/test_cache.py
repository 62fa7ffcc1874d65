"""What is kept of decoded rows: never other rows than a reader gives, and the right ones first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Batch, Run, View
from nacre.engine.cache import SPARED, Cache
from nacre.errors import OutOfMemory

ROWS, BATCH = 200, 40
D = 16
SHARD = ROWS * (D + 1) * 8  # bytes


@dataclass(frozen=True)
class Shard:
    """A shard that counts how often it is read."""

    key: int
    log: list[int] = field(default_factory=list)
    rows: int = ROWS
    where: str = "a shard"
    reading: int = 0

    def read(self) -> Iterator[Batch]:
        self.log.append(self.key)
        for start in range(0, self.rows, BATCH):
            X = np.full((BATCH, D), float(start))
            X[:, 0] = np.arange(BATCH)
            yield Batch(X, Run(self.key, start), weight=X[:, 0] + 1, n_skipped=start)


def passed(cache: Cache, shards: list[Shard], view: View) -> list[list[Batch]]:
    return [list(cache.batches(i, shard, view)) for i, shard in enumerate(shards)]


def told(passes: list[list[Batch]]) -> Any:
    return [
        [(b.X.tobytes(), b.ids.tobytes(), b.weights.tobytes(), b.n_skipped) for b in batches]
        for batches in passes
    ]


def part(low: float, high: float, purpose: str = "x") -> View:
    return View(part=(low, high, purpose))


views = st.one_of(
    st.just(View()),
    st.builds(
        lambda a, b, purpose: part(min(a, b), max(a, b), purpose),
        st.sampled_from([0.0, 0.1, 0.3, 1.0]),
        st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]),
        st.sampled_from("xy"),
    ),
)


def taken(batch: Batch) -> int:
    ids = 0 if isinstance(batch.names, Run) else batch.ids.nbytes
    return int(batch.X.nbytes + batch.weights.nbytes + ids)


def test_a_share_of_the_memory_is_not_for_rows() -> None:
    """It is left to what the rows say: sums, and samples of k-means."""
    enough = 3 * SHARD * SPARED // (SPARED - 1) + SPARED
    for memory, n_kept in ((3 * SHARD, 2), (enough, 3)):
        cache = Cache.within(memory)
        passed(cache, [Shard(i) for i in range(4)], View())
        assert len(cache.kept) == n_kept
    assert Cache.within(None).limit is None


@given(
    limit=st.none() | st.integers(0, 5 * SHARD),
    reading=st.sampled_from([0, SHARD]),
    large=st.sampled_from([1, 1 << 22]),
    walks=st.lists(views, min_size=1, max_size=8),
)
def test_whatever_is_kept_the_rows_are_those_of_a_reader(
    limit: int | None, reading: int, large: int, walks: list[View]
) -> None:
    cache, shards = Cache(limit), [Shard(key, reading=reading) for key in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nacre.engine.cache.LARGE", large)
        for view in walks:
            assert told(passed(cache, shards, view)) == told(passed(Cache(0), shards, view))
            kept = [*cache.kept.values(), *cache.chosen.values()]
            assert cache.size == sum(taken(batch) for one in kept for batch in one.batches)
            assert limit is None or cache.size == 0 or cache.size + cache.most <= limit


def test_the_rows_of_a_large_shard_are_kept_in_one_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.engine.cache.LARGE", SHARD // 2)
    cache = Cache()
    given = passed(cache, [Shard(0)], View())
    kept = cache.kept[0].batches
    assert told([kept]) == told(given)
    assert {id(batch.X.base) for batch in kept} == {id(kept[0].X.base)}
    assert kept[0].X.base.shape == (ROWS, D)
    assert not np.shares_memory(kept[0].X, given[0][0].X)


def test_where_all_fits_all_is_read_once_whatever_is_looked_at() -> None:
    log: list[int] = []
    shards, cache = [Shard(key, log) for key in range(3)], Cache(100 * SHARD)
    for view in (part(0.0, 0.1), part(0.0, 0.2), part(0.5, 1.0, "y"), View(), part(0.0, 0.1)):
        passed(cache, shards, view)
    assert log == [0, 1, 2]


def test_a_part_is_read_once_and_so_are_the_parts_inside_it() -> None:
    log: list[int] = []
    shards, cache = [Shard(key, log) for key in range(8)], Cache(3 * SHARD)
    for view in (part(0.0, 0.2), part(0.0, 0.2), part(0.0, 0.1), part(0.05, 0.2), part(0.0, 0.2)):
        passed(cache, shards, view)
    assert log == [*range(8)]
    assert len(cache.chosen) == 8


def test_chosen_rows_push_whole_shards_out_the_latest_first() -> None:
    log: list[int] = []
    shards, cache = [Shard(key, log) for key in range(4)], Cache(3 * SHARD)
    passed(cache, shards, View())
    assert [*cache.kept] == [0, 1, 2]
    for _ in range(2):
        passed(cache, shards, part(0.0, 0.2))
    assert log == [0, 1, 2, 3, 2, 3]  # 2 made room, and was read again for its rows
    assert 0 in cache.kept
    assert len(cache.chosen) == 4


def test_a_part_that_does_not_fit_gives_way_to_a_smaller_one_inside_it() -> None:
    log: list[int] = []
    shards, cache = [Shard(key, log) for key in range(4)], Cache(3 * SHARD)
    passed(cache, shards, part(0.0, 0.9))
    assert len(cache.chosen) < 4
    passed(cache, shards, part(0.0, 0.4))
    n_read = len(log)
    for view in (part(0.0, 0.4), part(0.1, 0.3)):
        passed(cache, shards, view)
    assert len(log) == n_read
    assert len(cache.chosen) == 4


@pytest.mark.parametrize(("high", "stays"), [(0.05, True), (0.6, False)])
def test_the_whole_view_pushes_a_part_out_unless_it_takes_little(high: float, stays: bool) -> None:
    shards, cache = [Shard(key) for key in range(6)], Cache(3 * SHARD)
    passed(cache, shards, part(0.0, high))
    assert len(cache.chosen) > 2
    n_chosen = len(cache.chosen)
    passed(cache, shards, View())
    assert (len(cache.chosen) == n_chosen) is stays
    assert len(cache.kept) >= 2


def test_readers_wait_where_all_at_once_would_take_too_much() -> None:
    shards, cache = [Shard(key, reading=2 * 10**8) for key in range(6)], Cache(3 * 10**8)
    with ThreadPoolExecutor(3) as pool:
        reads = [pool.submit(list, cache.batches(i, s, View())) for i, s in enumerate(shards)]
        assert [len(read.result(5)) for read in reads] == [ROWS // BATCH] * 6
    assert (cache.reading, cache.most) == (0, 2 * 10**8)


def test_a_shard_that_takes_more_than_there_is_is_not_read() -> None:
    log: list[int] = []
    heavy = Shard(0, log, reading=3 * 10**9)
    with pytest.raises(OutOfMemory, match="3,000 MB to unpack at a time") as raised:
        list(Cache(10**9).batches(0, heavy, View()))
    assert raised.value.where == "a shard"
    assert log == []
    for cache in (Cache(), Cache(1), Cache(4 * 10**9)):  # no limit, a single pass, room for it
        assert len(list(cache.batches(0, heavy, View()))) == ROWS // BATCH
    list(Cache(10).batches(0, Shard(0, log, reading=10**8), View()))


def test_rows_of_a_part_that_is_looked_at_no_more_are_not_those_of_the_next() -> None:
    cache, shards = Cache(), [Shard(0), Shard(1)]
    late = cache.batches(0, shards[0], part(0.0, 0.5))
    never = cache.batches(1, shards[1], part(0.0, 0.5))  # not even begun when the view moves on
    next(late)
    list(cache.batches(1, shards[1], part(0.5, 1.0)))
    list(late), list(never)
    assert told(passed(cache, shards, part(0.5, 1.0))) == told(
        passed(Cache(0), shards, part(0.5, 1.0))
    )
    kept = [*cache.kept.values(), *cache.chosen.values()]
    assert cache.size == sum(one.size for one in kept)
    assert cache.part_size == sum(one.size for one in cache.chosen.values())


def test_who_takes_more_to_read_than_any_before_finds_room() -> None:
    cache = Cache(5 * SHARD)
    passed(cache, [Shard(key) for key in range(4)], View())
    assert cache.size == 4 * SHARD
    next(cache.batches(4, Shard(4, reading=3 * SHARD), View()))
    assert (cache.size, cache.most, [*cache.kept]) == (2 * SHARD, 3 * SHARD, [0, 1])
