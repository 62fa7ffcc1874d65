"""The bank of half-lives: it forgets as much as the rows ask for, and counts none twice."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre import KMeans, Micro
from nacre.contract import Array, Batch, Run
from nacre.errors import BadParameter, CannotForget
from nacre.evolve.bank import MEMORIES, Bank, Judged, half_lives
from nacre.evolve.forget import faded_by
from nacre.laws.compare import UNIT, same_bits, same_sum
from nacre.learn.cluster.micro import inertia
from tests.evolve.lives import Life, largest

FIRST, STEP = 500, 100
LADDER = half_lives(STEP)
losses = st.lists(st.floats(0, 1e6), min_size=3, max_size=3)


def drifting(kind: str, n: int = 8_000) -> Array:
    """(n, 3): three groups that stand still, go their ways, or jump twice."""
    draw = np.random.default_rng(5)
    label, passed = draw.integers(0, 3, n), np.arange(n) / n
    centres, ways = 9 * np.eye(3), draw.normal(size=(3, 3))
    there = centres[label] + draw.normal(size=(n, 3))
    match kind:
        case "gradual":
            there += 20 * ways[label] * passed[:, None]
        case "abrupt":
            there += 3 * ways[label] * np.floor(3 * passed)[:, None]
    return there


def begun(learner: Any, X: Array) -> Bank:
    state = learner.fit(X[:FIRST]).state_
    bare = type(learner)(**learner.get_params(deep=False))
    return Bank.begun(bare, state.model, state.told, FIRST, LADDER)


def said(bank: Bank, rows: Array, at: int) -> Callable[[Any], Any]:
    return lambda model: bank.learner.observe(model, Batch(rows, Run(1, at)))


def cost(model: Any, told: Any) -> float:
    """Of KMeans, whose sums hold the errors; of Micro, from cells."""
    return float(told.errors.sum()) if hasattr(told, "errors") else inertia(model, told)


def lived(learner: Any, X: Array) -> tuple[Array, Bank]:
    """Of each batch the loss of every half-life and, last, of the one that was chosen."""
    bank, tests = begun(learner, X), []

    def noted(model: Any, told: Any) -> float:
        found.append(cost(model, told))
        return found[-1]

    for at in range(FIRST, len(X), STEP):
        rows, chosen = X[at : at + STEP], bank.judged.chosen
        found: list[float] = []
        bank = bank.learn(said(bank, rows, at), noted, at + len(rows))
        tests.append([*found[::2], found[2 * chosen]])
    return np.array(tests), bank


@pytest.mark.parametrize("kind", ["none", "gradual", "abrupt"])
@pytest.mark.parametrize("learner", [KMeans(3), Micro(KMeans(3))], ids=["moves", "stands"])
def test_as_good_as_the_best_that_is_fixed(kind: str, learner: Any) -> None:
    tests, bank = lived(learner, drifting(kind))
    *fixed, automatic = tests.mean(axis=0)
    assert automatic <= 1.02 * min(fixed)
    if kind == "none":
        assert bank.judged.half_life >= 6_400
    else:
        assert bank.judged.half_life <= 1_600
        assert automatic < 0.8 * fixed[-1]


class TestSums:
    def test_each_batch_counts_by_its_age_however_late_it_comes(self) -> None:
        X = drifting("gradual", 1_500)
        ages = {600: 300, 900: 0, 700: 200}
        bank = begun(Micro(KMeans(3)), X)
        frame, first = bank.members[0].model, bank.members[0].running.told
        told, judged = [first], []
        for clock in ages:
            observe = said(bank, X[clock - STEP : clock], clock)
            told.append(observe(frame))
            judged.append(bank.judged)
            bank = bank.learn(observe, cost, clock)
        assert [one.n_batches for one in judged] == [0, 1, 2]
        assert bank.judged.n_batches == 2, "a late batch is no test"
        for member, half_life in zip(bank.members, LADDER, strict=True):
            scaled = [
                faded_by(one, age, None if half_life == math.inf else half_life)
                for one, age in zip(told, (900 - FIRST, *ages.values()), strict=True)
            ]
            wanted = functools.reduce(lambda a, b: a + b, scaled)
            same_sum(member.running.told, wanted, scaled, UNIT["float64"], f"{half_life}")

    def test_made_anew_from_the_same_sums(self) -> None:
        _, bank = lived(Micro(KMeans(3)), drifting("abrupt", 1_500))
        sums = [member.running.told for member in bank.members]
        clock = bank.members[0].running.clock
        again = Bank.summed(bank.learner, bank.members[0].model, sums, clock, bank.judged)
        same_bits(again.chosen.model, bank.chosen.model, "what answers")
        assert again.judged == bank.judged

    def test_made_anew_from_leaves(self) -> None:
        X, life = drifting("gradual", 1_000), Life()
        bank = begun(Micro(KMeans(3)), X)
        frame = bank.members[0].model
        lines = [life.leaf("first", 1, 1, bank.members[0].running.told)]
        for at in range(FIRST, len(X), STEP):
            observe = said(bank, X[at : at + STEP], at)
            lines.append(life.leaf(f"{at}", at, at, observe(frame)))
            bank = bank.learn(observe, cost, at + STEP)
        leaves = life.leaves(lines)
        sums = [
            leaves.total() if half_life == math.inf else leaves.faded(half_life, "rows")
            for half_life in LADDER
        ]
        again = Bank.summed(bank.learner, frame, sums, len(X), bank.judged)
        for one, other in zip(again.members, bank.members, strict=True):
            told = one.running.told
            same_sum(told, other.running.told, [told], UNIT["float64"], "as leaf by leaf")

    def test_a_frame_that_stands_is_asked_once(self) -> None:
        X = drifting("none", 1_000)
        asked = []
        for learner in (Micro(KMeans(3)), KMeans(3)):
            bank = begun(learner, X)
            seen: list[str] = []

            def observe(model: Any, bank: Bank = bank, seen: list[str] = seen) -> Any:
                seen.append(model.base)
                return said(bank, X[FIRST : FIRST + STEP], 0)(model)

            bank.learn(observe, cost, FIRST + STEP)
            assert len(seen) == len(set(seen))
            asked.append(len(seen))
        assert asked[0] == 1 < asked[1]

    def test_what_no_factor_scales_is_refused(self) -> None:
        nothing: Any = None
        with pytest.raises(CannotForget, match="MAX"):
            Bank.begun(nothing, nothing, largest(1), 0, LADDER)


class TestJudged:
    def test_nothing_is_forgotten_before_there_is_a_reason(self) -> None:
        judged = Judged.begun((1.0, 4.0, math.inf))
        assert judged.half_life == math.inf
        for _ in range(5):
            judged = judged.judge((2.0, 2.0, 2.0), (2.0, 2.0, 2.0))
        assert judged.half_life == math.inf

    def test_500_quiet_batches_cost_one_when_it_jumps(self) -> None:
        judged = Judged.begun((1.0, math.inf))
        for _ in range(500):
            judged = judged.judge((1.1, 1.0), (1.0, 1.0))
        judged = judged.judge((30.0, 30.0), (1.0, 29.0))
        judged = judged.judge((1.1, 25.0), (1.0, 25.0))
        assert judged.half_life == 1.0, "by all that was lost before, inf is ahead still"
        assert judged.losses[-1][0] > judged.losses[-1][1]

    @given(st.lists(st.tuples(losses, losses), max_size=20), st.sampled_from([1e-3, 7.0, 1e3]))
    def test_the_unit_of_losses_does_not_matter(self, tests: Any, unit: float) -> None:
        one = other = Judged.begun((1.0, 4.0, math.inf))
        for before, after in tests:
            whole = [[float(round(x)) for x in part] for part in (before, after)]
            one = one.judge(*whole)
            other = other.judge(*([x * 2.0 ** round(math.log2(unit)) for x in p] for p in whole))
            assert one.choices == other.choices

    @given(st.integers(0, 2), st.sampled_from([math.inf, math.nan]))
    def test_a_loss_that_is_no_number_says_nothing(self, at: int, bad: float) -> None:
        judged = Judged.begun((1.0, 4.0, math.inf)).judge((1.0, 2.0, 3.0), (1.0, 1.0, 1.0))
        told = [1.0, 1.0, 1.0]
        told[at] = bad
        assert judged.judge(told, (1.0, 1.0, 1.0)) == judged == judged.judge((1.0,) * 3, told)

    def test_it_chooses_its_own_memory(self) -> None:
        judged, spent = Judged.begun((1.0, math.inf)), 0.0
        for at in range(400):
            test = (1.0, 2.0) if at // 20 % 2 else (2.0, 1.0)
            spent += test[judged.chosen]
            judged = judged.judge(test, test)
        assert judged.memory < math.inf
        assert judged.memory in MEMORIES
        assert spent < 450, "whichever is fixed costs 600"


@pytest.mark.parametrize(("shortest", "longest"), [(0, None), (-1, 5), (9, 3), (math.inf, None)])
def test_half_lives_that_are_none(shortest: float, longest: float | None) -> None:
    with pytest.raises(BadParameter):
        half_lives(shortest, longest)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_half_lives_rise_in_equal_ratios(shortest: float, factor: float) -> None:
    found = np.log(half_lives(shortest, shortest * factor))
    assert len(found) == 8
    assert np.allclose(np.diff(found), math.log(factor) / 7, atol=1e-9)
