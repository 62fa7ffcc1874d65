"""Folding: the sum of everything keeps its bits; what is folded is known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import BadParameter, Folded
from nacre.evolve.fold import Fold
from nacre.evolve.folding import Retain, foldable, members
from nacre.evolve.leaves import Leaves
from nacre.evolve.spans import UNITS
from nacre.laws.compare import UNIT, same_bits, same_sum
from nacre.store.ledger import Leaf
from tests.evolve.lives import Life, alive, lines_of, times

EQUAL = UNIT["float64"]
retains = st.builds(Retain, st.just("batches"), st.integers(1, 12)) | st.builds(
    Retain, st.just("span"), st.integers(1, 12)
)


def folded(life: Life, leaves: Leaves, retain: Retain) -> Leaves:
    """As a store folds, again and again."""
    for some in foldable(leaves, retain):
        leaves, _ = life.folded(leaves, some)
    return leaves


def days(life: Life, n: int, first: int = 1) -> list[Leaf]:
    return [life.leaf(f"day-{at}", at * UNITS["d"], 10 + at) for at in range(first, first + n)]


class TestInTime:
    @given(st.data(), st.lists(retains, min_size=1, max_size=4))
    def test_whatever_is_folded_the_total_keeps_its_bits(
        self, data: Any, policies: list[Retain]
    ) -> None:
        life = Life()
        one_each = {line.time: line for line in alive(data.draw(lines_of(life)))}
        lines = [one_each[time] for time in sorted(one_each)]
        leaves = life.leaves([])
        wanted: list[Leaf] = []
        for at, line in enumerate(lines):  # in the order of time: none comes late
            leaves, wanted = leaves.put(line), [*wanted, line]
            if data.draw(st.booleans()):
                leaves = folded(life, leaves, policies[at % len(policies)])
                same_bits(leaves.total(), life.sum_of(wanted), "folded")
                assert leaves.covered.n_batches == len(wanted)
                assert leaves.covered.n_rows == sum(leaf.n_rows for leaf in wanted)
                assert leaves.covered.beside == ()
                assert leaves.covered.first == min(leaf.time for leaf in wanted)
                assert leaves.covered.absorbed_first == min(leaf.absorbed for leaf in wanted)
        apart = [line for line in wanted if not leaves.fold_of(line)]
        assert [*leaves.without(*apart).folds] == [*leaves.folds]
        again = Leaves.of(
            [replace(a, lies=None) if leaves.fold_of(a) else a for a in wanted],
            life.fetch,
            leaves.sums,
            leaves.folds,
        )
        assert (again.keys, again.covered) == (leaves.keys, leaves.covered)

    @given(st.data(), retains)
    def test_a_selection_is_right_or_names_the_fold(self, data: Any, retain: Retain) -> None:
        life = Life()
        lines = alive(data.draw(lines_of(life)))
        plain = life.leaves(lines)
        leaves = folded(life, plain, retain)
        asked = data.draw(times)
        moment = data.draw(st.integers(990, 1080))
        several: list[Callable[[Leaves], Leaves]] = [
            lambda one: one.as_of(asked),
            lambda one: one.between(asked, None),
            lambda one: one.window(3, until=asked),
            lambda one: one.alive_at(moment),
            lambda one: one.last(abs(asked) % 20 + 1),
        ]
        for ask in several:
            try:
                got, wanted = ask(leaves), ask(plain)
            except Folded as error:
                named = [fold.name in str(error) for fold in leaves.folds]
                assert any(named)
                continue
            assert (got.covered.n_batches, got.covered.n_rows) == (
                wanted.covered.n_batches,
                wanted.covered.n_rows,
            )
            if len(wanted):
                same_sum(got.total(), wanted.total(), self.terms(life, lines), EQUAL, "a part")

    @staticmethod
    def terms(life: Life, lines: list[Leaf]) -> list[Any]:
        return [life.fetch(leaf) for leaf in lines]

    @given(st.data(), retains)
    def test_what_comes_late_stands_beside(self, data: Any, retain: Retain) -> None:
        life = Life()
        lines = alive(data.draw(lines_of(life)))
        some = data.draw(st.integers(1, len(lines)))
        leaves = folded(life, life.leaves(lines[:some]), retain)
        late = [line.id for line in lines[some:] if leaves.fold_of(line)]
        leaves = leaves.put(*lines[some:])
        assert sorted(leaves.covered.beside) == sorted(late)
        terms, wanted = self.terms(life, lines), life.sum_of(lines)
        if late:
            same_sum(leaves.total(), wanted, terms, EQUAL, "with late ones beside it")
        else:
            same_bits(leaves.total(), wanted, "none came late")
        leaves = folded(life, leaves, retain)
        same_sum(leaves.total(), wanted, terms, EQUAL, "folded in later")

    def test_bytes_and_messages(self) -> None:
        life = Life()
        lines = days(life, 16)
        leaves = folded(life, life.leaves(lines), Retain.of(400))
        n_folds = len(leaves.folds)
        assert [type(unit) for unit in leaves][:n_folds] == [Fold] * n_folds
        assert {line.id for line in lines[-4:]} < {leaf.id for leaf in members(leaves)}
        assert all(fold.whole for fold in leaves.folds)
        asked: list[Callable[[], Any]] = [
            lambda: leaves.as_of(2 * UNITS["d"]),
            lambda: leaves.without(lines[0]),
            lambda: leaves.without(replace(lines[1], lies=None)),
            lambda: leaves.put(replace(lines[0], absorbed=99)),
            lambda: leaves.alive_at(12),
            lambda: leaves.last(14),
        ]
        for refused in asked:
            with pytest.raises(Folded, match=r"batches of 1970-01-0. to 1970-01-"):
                refused()
        inside = [replace(line, lies=None) for line in lines if leaves.fold_of(line)]
        assert leaves.put(*inside).keys == leaves.keys
        assert len(leaves.last(4)) == 4
        assert leaves.covered.folds == tuple(fold.name for fold in leaves.folds)

    def test_the_last_ones_of_one_time_are_not_found_in_a_fold(self) -> None:
        life = Life()
        leaves = life.leaves([life.leaf(f"{at}", 7, 10 + at) for at in range(6)])
        pair = next(run for run in (leaves.run(at, at + 2) for at in range(5)) if self.apart(run))
        leaves, fold = life.folded(leaves, pair)
        n = 16 - fold.absorbed_first  # as many were absorbed since the older of the two
        for some in range(16 - fold.absorbed, n):
            with pytest.raises(Folded, match="2 batches"):
                leaves.last(some)
        assert leaves.last(n).covered.n_batches == n

    @staticmethod
    def apart(run: Leaves) -> bool:
        """Whether others were absorbed between the two."""
        first, last = sorted(unit.absorbed for unit in run)
        return last - first > 1

    def test_members_are_the_leaves_whose_bytes_may_go(self) -> None:
        life = Life()
        leaves = life.leaves(days(life, 16))
        (first, *_) = foldable(leaves, Retain("batches", 4))
        assert members(first) == first.units
        leaves, _ = life.folded(leaves, first)
        leaves = leaves.put(life.leaf("late", UNITS["d"] * 2, 99))
        (both, *_) = foldable(leaves, Retain("batches", 4))
        assert [leaf.id for leaf in members(both)] == ["late"]

    def test_what_is_folded_fades_with_the_newest_in_it(self) -> None:
        life = Life()
        leaves = life.leaves(days(life, 8))
        leaves, fold = life.folded(leaves, leaves.run(0, 4))
        alone = leaves.run(0, 1).faded(UNITS["d"])
        same_bits(alone, life.fetch(fold), "of age 0 where nothing is newer")


class TestWithoutTimes:
    @given(st.data(), retains)
    def test_old_ones_fold_into_one_at_rounding(self, data: Any, retain: Retain) -> None:
        life = Life()
        lines = alive(data.draw(lines_of(life, timed=False)))
        lines.sort(key=lambda leaf: leaf.absorbed)
        leaves = life.leaves([])
        for line in lines:
            leaves = folded(life, leaves.put(line), retain)
            assert len(leaves.folds) <= 1
        told = [life.fetch(leaf) for leaf in lines]
        same_sum(leaves.total(), life.sum_of(lines), told, EQUAL, "folded")
        assert leaves.covered.n_batches == len(lines)
        assert leaves.covered.beside == ()
        if leaves.folds:
            (fold,) = leaves.folds
            assert not fold.whole
            n = fold.n_batches
            assert (fold.absorbed_first, fold.absorbed) == (
                lines[0].absorbed,
                lines[n - 1].absorbed,
            )
            same_bits(leaves.as_of(fold.absorbed).total(), life.fetch(fold), "just the fold")
            with pytest.raises(Folded, match="absorbed 1970-01-01"):
                leaves.between(fold.absorbed_first, None)


class TestRetain:
    @pytest.mark.parametrize(
        ("text", "retain"),
        [
            (None, Retain()),
            ("all", Retain()),
            ("10GB", Retain("bytes", 10**10)),
            (5000, Retain("bytes", 5000)),
            ("1000 batches", Retain("batches", 1000)),
            ("365d", Retain("span", 365 * UNITS["d"])),
        ],
    )
    def test_what_a_text_says(self, text: Any, retain: Retain) -> None:
        assert Retain.of(text) == retain == Retain.of(retain)

    @pytest.mark.parametrize("text", ["", "some", "0 batches", "3 months", -5, 0, 1.5, True])
    def test_what_says_nothing(self, text: Any) -> None:
        with pytest.raises(BadParameter) as caught:
            Retain.of(text)
        assert caught.value.got == f"retain={text!r}"

    def test_all_is_kept(self) -> None:
        life = Life()
        assert foldable(life.leaves(days(life, 9)), Retain()) == []
        assert foldable(life.leaves([]), Retain("batches", 1)) == []
