"""Forgetting: by age or by dropping, whatever comes late; never the history twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Summary
from nacre.errors import BadParameter, CannotForget
from nacre.evolve.forget import Policy, Running, faded_by
from nacre.evolve.spans import UNITS
from nacre.laws.compare import UNIT, same_bits, same_sum
from tests.evolve.lives import Life, alive, largest, lines_of, said
from tests.evolve.test_leaves import observed

EQUAL = UNIT["float64"]
half_lives = st.sampled_from([0.5, 1.0, 3.0, 1e3, 1e12, 1e19])


def leaf_by_leaf(told: list[Summary], ages: list[int], half_life: float) -> Summary:
    total = None
    for one, age in zip(told, ages, strict=True):
        scaled = faded_by(one, age, half_life)
        total = scaled if total is None else total + scaled
    assert total is not None
    return total


class TestLeaves:
    @given(st.data(), st.booleans(), half_lives)
    def test_as_if_scaled_leaf_by_leaf(self, data: Any, timed: bool, half_life: float) -> None:
        life = Life()
        lines = data.draw(lines_of(life, timed=timed))
        leaves, now = life.leaves(lines), alive(lines)
        told = [life.fetch(leaf) for leaf in now]
        clock = [leaf.time if timed else leaf.absorbed for leaf in now]
        ages = [max(clock) - at for at in clock]
        wanted = leaf_by_leaf(told, ages, half_life)
        same_sum(leaves.faded(half_life), wanted, told, EQUAL, "half-life in time")
        ranked = sorted(now, key=lambda leaf: (leaf.time, leaf.absorbed))
        newer = {one.lies: sum(a.n_rows for a in ranked[at + 1 :]) for at, one in enumerate(ranked)}
        wanted = leaf_by_leaf(told, [newer[leaf.lies] for leaf in now], half_life)
        same_sum(leaves.faded(half_life, "rows"), wanted, told, EQUAL, "half-life in rows")

    @given(st.data(), half_lives)
    def test_late_data_in_any_order_gives_the_same_bits(self, data: Any, half_life: float) -> None:
        life = Life()
        lines = alive(data.draw(lines_of(life)))
        leaves = life.leaves([])
        for line in lines:
            leaves = leaves.put(line)
            leaves.faded(half_life)
            leaves.faded(half_life, "rows")
        for unit in ("time", "rows"):
            got, wanted = (one.faded(half_life, unit) for one in (leaves, life.leaves(lines)))
            same_bits(got, wanted, f"{unit}, with sums of earlier states at hand")

    @given(st.data(), half_lives)
    def test_one_age_is_none(self, data: Any, half_life: float) -> None:
        life = Life()
        lines = [life.leaf(f"{at}", 7, 10 + at) for at in range(data.draw(st.integers(1, 9)))]
        leaves = life.leaves(lines)
        same_bits(leaves.faded(half_life), leaves.total(), "all at one time")

    @pytest.mark.parametrize("name", ["PCA", "Scale", "Histogram"])
    @given(st.data(), half_lives)
    def test_what_learners_are_told(self, name: str, data: Any, half_life: float) -> None:
        life = Life()
        when = data.draw(st.lists(st.integers(-3, 40), min_size=1, max_size=9))
        told = [observed(name, at) for at in range(len(when))]
        lines = [life.leaf(f"{at}", t, 9 + at, told[at]) for at, t in enumerate(when)]
        timed = any(when)
        ages = [max(when) - t if timed else len(when) - 1 - at for at, t in enumerate(when)]
        wanted = leaf_by_leaf(told, ages, half_life)
        same_sum(life.leaves(lines).faded(half_life), wanted, told, EQUAL, name)

    def test_nothing_overflows(self) -> None:
        life = Life()
        lines = [life.leaf("old", -(2**62), 1), life.leaf("new", 2**62, 2)]
        leaves = life.leaves(lines)
        told = leaves.faded(1e-300)
        same_bits(told.mixed, life.fetch(lines[1]).mixed, "what is very old is 0")  # type: ignore[attr-defined]

    def test_absorbed_again_at_another_moment(self) -> None:
        life = Life()
        a, b, c = (life.leaf(name, 0, at) for name, at in (("a", 10), ("b", 12), ("c", 17)))
        leaves = life.leaves([a, b, c])
        leaves.faded(2.0)
        again = replace(a, absorbed=15)
        got = leaves.without(a).put(again).faded(2.0)
        fresh = Life(life.told)
        same_bits(got, fresh.leaves([again, b, c]).faded(2.0), "its age is another now")

    def test_what_no_factor_scales_is_refused_before_any_work(self) -> None:
        life = Life()
        lines = [life.leaf(f"{at}", at, 10 + at, largest(at)) for at in range(99)]
        with pytest.raises(CannotForget, match=r"Largest\.most, of kind MAX"):
            life.leaves(lines).faded(3.0)
        assert life.n_fetched == 1


class TestRunning:
    @given(st.lists(st.integers(-50, 50), min_size=1, max_size=8), half_lives | st.none())
    def test_each_batch_is_as_old_as_it_is(self, when: list[int], half_life: float | None) -> None:
        told = [said(f"{at}") for at in range(len(when))]
        running = Running(told[0], when[0], half_life)
        for one, at in zip(told[1:], when[1:], strict=True):
            running = running.absorb(one, at)
        assert running.clock == max(when)
        ages = [max(when) - at for at in when]
        wanted = leaf_by_leaf(list(told), ages, half_life or float("inf"))
        same_sum(running.told, wanted, told, EQUAL, "late ones too")

    @given(st.integers(0, 9), st.integers(0, 9), half_lives)
    def test_ages_add_up(self, a: int, b: int, half_life: float) -> None:
        one = said("one")
        twice = faded_by(faded_by(one, a, half_life), b, half_life)
        same_sum(twice, faded_by(one, a + b, half_life), [one], EQUAL, "a, then b")
        assert faded_by(one, 0, half_life) is one

    def test_one_that_changes_nothing_else(self) -> None:
        first, late = said("first"), said("late")
        running = Running(first, 100, 10.0)
        told = running.absorb(late, 90).told
        same_bits(told, first + late.scale(0.5), "late: the history stays as it is")
        same_bits(running.told, first, "the one before")
        told = running.absorb(late, 110).told
        same_bits(told, first.scale(0.5) + late, "in time: the history ages once")
        with pytest.raises(CannotForget):
            Running(largest(3), 1, 2.0).absorb(largest(4), 1)


class TestPolicy:
    @pytest.mark.parametrize(
        ("text", "policy"),
        [
            (None, Policy()),
            ("never", Policy()),
            ("90d", Policy("half-life", 90 * UNITS["d"])),
            ("half-life 12 h", Policy("half-life", 12 * UNITS["h"])),
            ("1000000 rows", Policy("half-life", 10**6, "rows")),
            ("half-life 1_000 rows", Policy("half-life", 1000, "rows")),
            ("last 90d", Policy("window", 90 * UNITS["d"])),
            ("last 30", Policy("last", 30)),
            ("last 1 batch", Policy("last", 1)),
        ],
    )
    def test_what_a_text_says(self, text: str | None, policy: Policy) -> None:
        assert Policy.of(text) == policy == Policy.of(str(policy)) == Policy.of(policy)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "sometimes", "half-life", "last", "last week", "90", "0d", "0 rows", "last 0"),
            *("last 5 rows", "3 months", "last 3 months", "window 3d", "auto", 90, 0.5, "rows"),
        ],
    )
    def test_what_says_nothing(self, text: Any) -> None:
        with pytest.raises(BadParameter) as caught:
            Policy.of(text)
        assert caught.value.got == f"forget={text!r}"

    @given(st.data(), st.booleans())
    def test_it_asks_the_leaves(self, data: Any, timed: bool) -> None:
        life = Life()
        leaves = life.leaves(data.draw(lines_of(life, timed=timed)))
        for policy, wanted in [
            (Policy(), leaves.total()),
            (Policy("window", 3), leaves.window(3).total()),
            (Policy("last", 2), leaves.last(2).total()),
            (Policy("half-life", 3), leaves.faded(3)),
            (Policy("half-life", 3, "rows"), leaves.faded(3, "rows")),
        ]:
            same_bits(policy.told(leaves), wanted, str(policy))
        assert Policy("half-life", 3).kept(leaves) is leaves
        assert len(Policy("last", 2).kept(leaves)) == min(2, len(leaves))

    def test_a_running_summary_keeps_no_batches_apart(self) -> None:
        told = said("one")
        for text in ("last 90d", "last 30"):
            with pytest.raises(CannotForget, match="Micro"):
                Policy.of(text).running(told, 5)
        for policy, half_life in ((Policy.of("2 rows"), 2.0), (Policy(), None)):
            running = policy.running(told, 5)
            assert (running.told, running.clock, running.half_life) == (told, 5, half_life)
        with pytest.raises(CannotForget, match=r"MAX.*Micro"):
            Policy.of("2 rows").running(largest(1), 5)
