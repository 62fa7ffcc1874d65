"""Windows and visits are sums over leaves: in bits those of a pass over just these rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre import canon
from nacre.contract import Batch, Learner, Run, Summary
from nacre.engine.tree import fold
from nacre.errors import BadParameter, Conflict, NotFound
from nacre.evolve.covered import Covered, Missing
from nacre.evolve.folding import members
from nacre.evolve.leaves import Leaves
from nacre.evolve.sums import Sums
from nacre.laws.compare import same_bits
from nacre.learn.count.histogram import Histogram
from nacre.learn.prepare.scale import Scale
from nacre.learn.reduce.pca import PCA
from nacre.store.ledger import Leaf
from tests.evolve.lives import Life, alive, lines_of, times

limits = times | st.integers(990, 1080)


def same_sum_of(life: Life, got: Leaves, wanted: Iterable[Leaf], what: str) -> None:
    """The sum of some leaves, and all that is said of it, made from nothing."""
    wanted = list(wanted)
    assert {unit.lies for unit in got} == {leaf.lies for leaf in wanted}, what
    if not wanted:
        with pytest.raises(NotFound, match="no batch"):
            got.total()
        return
    same_bits(got.total(), life.sum_of(wanted), what)
    timed = any(leaf.time for leaf in wanted)
    assert got.covered == Covered(
        first=min(leaf.time for leaf in wanted) if timed else None,
        last=max(leaf.time for leaf in wanted) if timed else None,
        absorbed_first=min(leaf.absorbed for leaf in wanted),
        absorbed=max(leaf.absorbed for leaf in wanted),
        n_batches=len(wanted),
        n_rows=sum(leaf.n_rows for leaf in wanted),
    )


class TestSelections:
    @given(st.data())
    def test_any_order_and_grouping_of_put_is_the_canonical_sum(self, data: Any) -> None:
        life = Life()
        lines = data.draw(lines_of(life))
        leaves = life.leaves([])
        while lines:
            n = data.draw(st.integers(1, len(lines)))
            some, lines = lines[:n], lines[n:]
            begun = sorted(some, key=lambda leaf: leaf.ended is None)  # as a commit puts them
            leaves = leaves.put(*begun)
            if len(leaves) and data.draw(st.booleans()):
                same_bits(leaves.total(), life.sum_of(leaves.units), "on the way")
        again = life.leaves([*members(leaves), *leaves.past])
        assert again.keys == leaves.keys == sorted(leaves.keys)
        assert np.array_equal(np.diff(again.marks, axis=0), np.diff(leaves.marks, axis=0))
        assert np.array_equal(again.facts, leaves.facts)
        assert again.past == leaves.past
        same_sum_of(life, leaves, members(leaves), "all")

    @given(st.data(), st.booleans())
    def test_windows_and_visits_are_sums_over_the_batches_concerned(
        self, data: Any, timed: bool
    ) -> None:
        life = Life()
        lines = data.draw(lines_of(life, timed=timed))
        leaves, now = life.leaves(lines), alive(lines)
        clock = {leaf.lies: leaf.time if timed else leaf.absorbed for leaf in now}
        for low, high in data.draw(st.lists(st.tuples(limits, limits), min_size=1, max_size=4)):
            within = (leaf for leaf in now if low < clock[leaf.lies] <= high)
            same_sum_of(life, leaves.between(low, high), within, f"between {low} and {high}")
            if low > 0:
                newest = max(clock.values())
                for until in (None, high):
                    end = newest if until is None else until
                    within = (leaf for leaf in now if end - low < clock[leaf.lies] <= end)
                    same_sum_of(life, leaves.window(low, until), within, f"window {low}, {until}")
            before = (leaf for leaf in now if clock[leaf.lies] <= high)
            same_sum_of(life, leaves.as_of(high), before, f"as of {high}")
            n = abs(low) % len(now) + 1
            ranked = sorted(now, key=lambda leaf: (leaf.time, leaf.absorbed))
            same_sum_of(life, leaves.last(n), ranked[-n:], f"last {n}")
            then = (a for a in lines if a.absorbed <= high and (a.ended is None or high < a.ended))
            same_sum_of(life, leaves.alive_at(high), then, f"at {high}")
        gone = data.draw(st.sets(st.sampled_from(range(len(now)))))
        rest = leaves.without(*(now[at] for at in gone))
        same_sum_of(life, rest, (leaf for at, leaf in enumerate(now) if at not in gone), "without")
        same_sum_of(life, leaves, now, "the leaves that were asked")

    @given(st.data(), st.booleans())
    def test_selections_of_selections(self, data: Any, timed: bool) -> None:
        life = Life()
        leaves = life.leaves(data.draw(lines_of(life, timed=timed)))
        for _ in range(3):
            leaves = leaves.last(data.draw(st.integers(1, 9))) if len(leaves) else leaves
            mask = np.array([data.draw(st.booleans()) for _ in leaves.keys], bool)
            leaves = leaves.take(mask)
            same_sum_of(life, leaves, members(leaves), "some of some")


@functools.cache
def model_of(name: str) -> tuple[Learner, Any]:
    learner: Any = {"PCA": PCA(2), "Scale": Scale(), "Histogram": Histogram()}[name]
    return learner, learner.start(Batch(rows(0, 64)), None)


def rows(seed: int, n: int) -> Any:
    return np.random.default_rng(seed).normal(size=(n, 3)) * [1.0, 1e3, 1e-3] + [0.0, 5.0, 1e4]


@functools.lru_cache(256)
def observed(name: str, seed: int) -> Summary:
    learner, model = model_of(name)
    return learner.observe(model, Batch(rows(seed, 1 + seed % 7), Run(seed, 0)))


@pytest.mark.parametrize("name", ["PCA", "Scale", "Histogram"])
@given(st.data())
def test_what_learners_are_told_is_that_of_the_rows_concerned(name: str, data: Any) -> None:
    life = Life()
    n = data.draw(st.integers(2, 15))
    when = data.draw(st.lists(times, min_size=n, max_size=n))
    lines = [life.leaf(f"{i}", t, 5 + i, observed(name, i)) for i, t in enumerate(when)]
    leaves = life.leaves([])
    for line in data.draw(st.permutations(lines)):
        leaves = leaves.put(line)
        leaves.know(line, life.fetch(line))
        life.n_fetched = 0
        leaves.total()
        assert life.n_fetched == 0  # what was just made is known
    limit = data.draw(times)
    some = [i for i in range(n) if when[i] <= limit]
    if some:
        wanted = fold({lines[i].key: observed(name, i) for i in some})
        same_bits(leaves.as_of(limit).total(), wanted, "as of")
        learner, model = model_of(name)
        same_bits(
            learner.advance(model, leaves.as_of(limit).total()),
            learner.advance(model, wanted),
            "the model",
        )
    at = data.draw(st.integers(0, n - 1))
    wanted = fold({leaf.key: observed(name, i) for i, leaf in enumerate(lines) if i != at})
    same_bits(leaves.without(lines[at]).total(), wanted, "never seen")


class TestPut:
    def test_a_line_of_the_same_leaf_takes_the_place_of_the_one_before(self) -> None:
        life = Life()
        old, other = life.leaf("a", 1, 10), life.leaf("b", 2, 11)
        leaves = life.leaves([old, other])
        assert old.lies is not None
        moved = replace(old, lies=replace(old.lies, object="blobs/pack"))
        assert leaves.put(moved).units == [moved, other]
        same_bits(leaves.put(moved).total(), leaves.total(), "bytes moved")
        ended = replace(old, ended=12)
        assert leaves.put(ended).units == [other]
        assert leaves.put(ended).past == leaves.put(ended, replace(ended, lies=None), ended).past
        assert leaves.units == [old, other]

    def test_two_batches_cannot_have_one_key(self) -> None:
        life = Life()
        old, new = life.leaf("a", 1, 10), life.leaf("a", 1, 12)
        leaves = life.leaves([old])
        for act in (
            functools.partial(leaves.put, new),
            functools.partial(life.leaves, [old, new]),
        ):
            with pytest.raises(Conflict, match="'a' where 'a' is"):
                act()
        swapped = leaves.put(replace(old, ended=12), new)
        assert swapped.units == [new]
        same_bits(swapped.alive_at(11).total(), leaves.total(), "before it was replaced")

    def test_what_lies_nowhere_is_missing_and_named(self) -> None:
        life = Life()
        lost = replace(life.leaf("lost", 1, 10), lies=None)
        was = replace(life.leaf("was", 2, 11), lies=None, ended=12)
        leaves = life.leaves([lost, was, life.leaf("here", 3, 13)])
        why = "what it said is no longer kept"
        assert leaves.covered.missing == (Missing("lost", why),)
        assert leaves.alive_at(11).covered.missing == (Missing("was", why), Missing("lost", why))
        assert leaves.as_of(1).covered.missing == (Missing("lost", why),)
        assert leaves.between(1, 3).covered.missing == ()
        assert leaves.without(lost).covered.missing == ()
        assert life.leaves([]).put(lost, was).alive_at(11).covered.missing[0].id == "was"

    def test_a_batch_that_is_not_there_cannot_be_dropped(self) -> None:
        life = Life()
        leaves = life.leaves([life.leaf("a", 1, 10)])
        for line in (life.leaf("b", 1, 10), life.leaf("a", 1, 11)):
            with pytest.raises(NotFound, match=f"the batch '{line.id}'"):
                leaves.without(line)

    @given(st.data())
    def test_what_was_replaced_can_be_dropped_too(self, data: Any) -> None:
        life = Life()
        lines = data.draw(lines_of(life))
        drop = data.draw(st.sampled_from(lines))
        leaves, rest = life.leaves(lines).without(drop), [one for one in lines if one is not drop]
        at = data.draw(st.integers(1000, 1080))
        then = [a for a in rest if a.absorbed <= at and (a.ended is None or at < a.ended)]
        same_sum_of(life, leaves.alive_at(at), then, "at")


@pytest.mark.parametrize("wrong", [0, -1])
def test_spans_and_numbers_are_above_0(wrong: int) -> None:
    life = Life()
    leaves = life.leaves([life.leaf("a", 1, 10)])
    for act in (leaves.window, leaves.last, leaves.faded):
        with pytest.raises(BadParameter):
            act(wrong)


def test_no_leaves() -> None:
    leaves = Leaves.of([], Life().fetch, Sums())
    none: list[Callable[[], Leaves]] = [
        lambda: leaves.window(5),
        lambda: leaves.between(1, 2),
        lambda: leaves.alive_at(3),
        lambda: leaves.last(2),
    ]
    for act in none:
        assert len(act()) == 0
        assert act().covered == Covered(None, None, None, None, 0, 0)
    with pytest.raises(NotFound):
        leaves.faded(1.0)
    assert leaves.newest is None
    assert canon.digest(leaves.keys) == canon.digest([])
