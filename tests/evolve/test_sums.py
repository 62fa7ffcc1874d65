"""The cache of sums: few additions, few reads, and the same bits whatever happens to it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.contract import Summary
from nacre.errors import DiskFull, NotFound, Unavailable
from nacre.evolve import sums
from nacre.evolve.folding import members
from nacre.evolve.leaves import Leaves
from nacre.evolve.sums import Behind, Sums
from nacre.laws.compare import same_bits
from nacre.store.format import from_bytes, register, to_bytes
from nacre.store.ledger import Leaf
from tests.evolve.lives import Life, Said, Shelf

register("tests.evolve", Said)
N = 1000


def grown(life: Life, n: int = N) -> list[Leaf]:
    return [life.leaf(f"day-{at:04}", at + 1, 2000 + at) for at in range(n)]


def opened(
    life: Life, lines: list[Leaf], shelf: Shelf | None = None, most: int = 1 << 28
) -> Leaves:
    """Leaves as a process sees them that has just begun."""
    behind = Behind(shelf, to_bytes, from_bytes) if shelf else None
    return life.leaves(lines, Sums(most, behind))


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each addition."""
    count: list[int] = []
    plus = Summary.__add__

    def counted(self: Any, other: Any) -> Any:
        count.append(1)
        return plus(self, other)

    monkeypatch.setattr(Summary, "__add__", counted)
    return count


class TestInMemory:
    def test_one_more_leaf_costs_a_few_additions(self, added: list[int]) -> None:
        life = Life()
        lines = grown(life)
        leaves = opened(life, lines)
        leaves.total()
        assert len(added) == N - 1
        late = life.leaf("late", 500, 9000)
        for line in (life.leaf("new", N + 1, 9001), late, life.leaf("first", -7, 9002)):
            leaves = leaves.put(line)
            before = len(added), life.n_fetched
            leaves.total()
            assert len(added) - before[0] <= 12
            assert life.n_fetched - before[1] == 1
        before = len(added), life.n_fetched
        leaves.without(late).total()
        assert len(added) - before[0] <= 12
        assert life.n_fetched == before[1]
        leaves.window(90, until=777).total()
        leaves.alive_at(2300).total()
        leaves.as_of(600).total()
        assert len(added) - before[0] <= 60
        again = len(added)
        leaves.window(90, until=777).total()
        assert len(added) == again

    def test_half_lives_are_chosen_at_read_time(self, added: list[int]) -> None:
        life = Life()
        leaves = opened(life, grown(life))
        leaves.faded(30)
        before = len(added)
        leaves.put(life.leaf("new", N + 1, 9001)).faded(30)
        assert len(added) - before <= 12
        leaves.faded(31)
        assert len(added) - before > N

    def test_no_more_bytes_than_allowed(self) -> None:
        life = Life()
        lines = grown(life, 200)
        leaves = opened(life, lines, most=20_000)
        same_bits(leaves.total(), life.sum_of(lines), "with little room")
        assert 10_000 < leaves.sums.n_bytes <= 20_000
        none = opened(life, lines, most=0)
        same_bits(none.total(), life.sum_of(lines), "without room")
        assert none.sums.n_bytes == 0

    @given(st.lists(st.integers(0, 40), min_size=1, unique=True), st.integers(0, 99))
    def test_a_name_says_what_is_summed(self, times: list[int], seed: int) -> None:
        life = Life()
        lines = [life.leaf(f"{t}", t, 10 + t) for t in times]
        rnd = random.Random(seed)
        some = [opened(life, rnd.sample(lines, rnd.randint(1, len(lines)))) for _ in range(20)]
        named = {leaves.tree.name(0, len(leaves)): tuple(leaves.keys) for leaves in some}
        assert len(named) == len({tuple(leaves.keys) for leaves in some})
        for leaves in some:
            at = leaves.take(np.array([rnd.random() < 0.5 for _ in leaves.keys], bool))
            if len(at):
                fresh = opened(life, members(at))
                assert fresh.tree.name(0, len(at)) == at.tree.name(0, len(at))


class TestBehind:
    def test_another_process_reads_few_leaves(self) -> None:
        life, shelf = Life(), Shelf()
        lines = grown(life)
        wanted = opened(life, lines, shelf).total()
        assert len(shelf.files) > N // 64
        life.n_fetched = 0
        same_bits(opened(life, lines, shelf).total(), wanted, "from behind")
        assert life.n_fetched == 0
        opened(life, lines, shelf).window(500, until=900).total()
        assert life.n_fetched < 130

    def test_a_selection_leaves_nothing_behind(self) -> None:
        life, shelf = Life(), Shelf()
        lines = [life.leaf(f"{at}", 0, 2000 + at) for at in range(300)]  # scattered in the trie
        leaves = opened(life, lines, shelf)
        for at in range(2100, 2300, 50):
            leaves.as_of(at).total()
        assert shelf.files == {}
        leaves.total()
        there = set(shelf.files)
        leaves.alive_at(2200).total()
        assert set(shelf.files) == there

    def test_what_a_few_additions_make_is_not_stored(self) -> None:
        life, shelf = Life(), Shelf()
        lines = grown(life, 400)
        leaves = opened(life, lines[:300], shelf)
        leaves.total()
        there = set(shelf.files)
        for line in lines[300:]:
            leaves = leaves.put(line)
            leaves.total()
        assert set(shelf.files) == there
        leaves.settle()
        life.n_fetched = 0
        opened(life, lines, shelf).total()
        assert life.n_fetched == 0
        assert not there <= set(shelf.files)
        assert len(shelf.files) == len(list(leaves.tree.large()))

    @settings(max_examples=25)
    @given(st.data())
    def test_whatever_happens_to_it_the_bits_are_the_same(self, data: Any) -> None:
        life, shelf = Life(), Shelf()
        lines = grown(life, 200)
        wanted = opened(life, lines, shelf).total()
        whole = dict(shelf.files)
        for _ in range(data.draw(st.integers(1, 6))):
            name = data.draw(st.sampled_from(sorted(whole)))
            other = data.draw(st.sampled_from(sorted(whole)))
            at = data.draw(st.integers(0, len(whole[name]) - 1))
            bit = 1 << data.draw(st.integers(0, 7))
            flipped = bytearray(whole[name])
            flipped[at] ^= bit
            damage = [bytes(flipped), whole[name][:at], whole[name] + b"x", whole[other], b""]
            shelf.files[name] = data.draw(st.sampled_from(damage))
        same_bits(opened(life, lines, shelf).total(), wanted, "damaged")
        asked = data.draw(st.integers(1, 200))
        same_bits(opened(life, lines, shelf).as_of(asked).total(),
                  life.sum_of(lines[:asked]), "a part of it")  # fmt: skip
        opened(life, lines, shelf).settle()
        assert shelf.files.keys() == whole.keys()

    def test_a_damaged_sum_is_made_anew(self) -> None:
        life, shelf = Life(), Shelf()
        lines = grown(life)
        leaves = opened(life, lines, shelf)
        leaves.total()
        whole = dict(shelf.files)
        root = sums.file_of(leaves.tree.name(0, N))
        shelf.files[root] = b"x" + whole[root][1:]
        opened(life, lines, shelf).total()
        assert shelf.files == whole
        del shelf.files[root]
        opened(life, lines, shelf).settle()
        assert shelf.files == whole

    @pytest.mark.parametrize("error", [DiskFull, Unavailable])
    def test_a_disk_that_takes_nothing_fails_no_sum(self, error: Any) -> None:
        life, shelf = Life(), Shelf()
        shelf.fails = error(got="a full disk", wanted="room", do="Make room.")
        lines = grown(life, 200)
        same_bits(opened(life, lines, shelf).total(), life.sum_of(lines), "no room behind")
        assert shelf.files == {}

    def test_after_forgetting_nothing_is_left(self) -> None:
        life, shelf = Life(), Shelf()
        lines = grown(life)
        leaves = opened(life, lines, shelf)
        leaves.total()
        shelf.files["commits/1"] = b"stays"
        leaves.sums.forget()
        assert (leaves.sums.n_bytes, list(shelf.files)) == (0, ["commits/1"])
        rest = leaves.without(lines[70])
        same_bits(rest.total(), life.sum_of([*lines[:70], *lines[71:]]), "after it")

    def test_without_anything_behind(self) -> None:
        life = Life()
        leaves = opened(life, grown(life, 70))
        leaves.settle()
        leaves.sums.forget()
        assert leaves.sums.n_bytes == 0

    def test_a_leaf_that_cannot_be_read_is_told(self) -> None:
        life = Life()
        lines = grown(life, 3)

        def fetch(unit: Any) -> Summary:
            raise NotFound(got=unit.id, wanted="its bytes", do="Restore it.")

        with pytest.raises(NotFound, match="day-0000"):
            Leaves.of(lines, fetch, Sums()).total()
