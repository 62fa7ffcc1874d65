"""A ledger in levels: a dictionary of lines, whatever was merged; few lines are written again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import CorruptState
from nacre.store.ledger import Leaf
from nacre.store.levels import Ledger, Levels, merged, without
from nacre.store.life import Named
from nacre.store.pages import line_of
from nacre.store.place_memory import MemoryPlace
from nacre.store.segments import Segment, order, write, written
from tests.store.lines import FEW, Counting, many, small

PLAIN = dict[tuple[str, int], Leaf]
batches = st.lists(st.lists(FEW, max_size=6), max_size=8)


def somewhere() -> MemoryPlace:
    return MemoryPlace("memory://somewhere")


def check_ledger(ledger: Ledger, plain: PLAIN) -> None:
    """A ledger has the lines of a dictionary, however it is asked."""
    lines = sorted(plain.values(), key=lambda leaf: order(line_of(leaf)))
    assert list(ledger) == lines
    assert list(ledger.alive()) == [leaf for leaf in lines if leaf.ended is None]
    assert len(ledger) == len(lines)
    for id in "abcdefghi":
        wanted = [plain[id, at] for at in range(6) if (id, at) in plain]
        assert ledger.lines(id) == wanted
        assert ledger.find(id) == (wanted[-1] if wanted else None)


def put(plain: PLAIN, leaves: Sequence[Leaf]) -> None:
    plain.update({(leaf.id, leaf.absorbed): leaf for leaf in leaves})


@given(batches, st.sampled_from([3, 1 << 64]))
def test_a_ledger_is_a_dictionary(given_: list[list[Leaf]], n_hashes: int) -> None:
    with small(2, 2, n_hashes):
        place, plain = somewhere(), PLAIN()
        ledger = Ledger(place)
        for leaves in given_:
            before, wanted = ledger, dict(plain)
            put(plain, leaves)
            ledger = ledger.with_lines(*leaves)
            check_ledger(ledger, plain)
            check_ledger(before, wanted)
            check_ledger(Ledger(place, before.segments, [*before.recent, *leaves]), plain)
            named = merged(place, ledger.segments, ledger.recent)
            assert named == ledger.merged()
            ledger = Ledger(place, named).checked()
            assert not ledger.recent
            check_ledger(ledger, plain)


@given(batches, st.lists(FEW, max_size=3), st.sets(st.sampled_from("abcdefgh")))
def test_ids_leave_no_line(given_: list[list[Leaf]], recent: list[Leaf], gone: set[str]) -> None:
    with small(2, 2):
        place, plain = somewhere(), PLAIN()
        named = [write_after(place, plain, leaves) for leaves in given_]
        left = without(place, named, gone)
        kept = {at: leaf for at, leaf in plain.items() if at[0] not in gone}
        check_ledger(Ledger(place, left).checked(), kept)
        put(kept, recent)
        check_ledger(Ledger(place, merged(place, left, recent)).checked(), kept)
        ids = {leaf.id for one in left for leaf in Segment(place, one)}
        assert not ids & gone
        for before in named:
            if not any(leaf.id in gone for leaf in Segment(place, before)):
                assert before in left


def write_after(place: MemoryPlace, plain: PLAIN, leaves: list[Leaf]) -> Named:
    """A segment that was merged with none of the older ones."""
    again = {(leaf.id, leaf.absorbed) for leaf in leaves} & set(plain)
    one = {(leaf.id, leaf.absorbed): leaf for leaf in leaves}
    put(plain, leaves)
    lines = sorted(map(line_of, one.values()), key=order)
    return written(place, iter(lines), len(lines) - len(again))


def test_lines_are_written_few_times() -> None:
    place, n, n_written = somewhere(), 300, 0
    named: list[Named] = []
    for leaf in many(n):
        before = set(named)
        named = merged(place, named, [leaf])
        n_written += sum(one.n_lines for one in set(named) - before)
        assert all(2 * b.n_lines < a.n_lines for a, b in itertools.pairwise(named))
    assert sum(one.n_lines for one in named) == n
    assert len(named) <= math.log2(n) + 1
    assert n_written <= n * (math.log2(n) + 1)


def test_walking_through_it_reads_one_page_of_each_segment_at_a_time() -> None:
    place = Counting()
    named = [write(place, many(500, seed=seed)) for seed in range(3)]
    walk = iter(Ledger(place, named))
    next(walk)
    assert place.n_reads == 3 * 3  # root, node, page
    assert sum(1 for _ in walk) == 1499
    assert place.n_reads == 3 * (2 + 4)


def test_nothing_new_writes_nothing() -> None:
    place = somewhere()
    named = merged(place, [], many(5))
    assert merged(place, named, []) == named
    assert place.names("blobs") == [named[0].sha256]


def test_what_was_found_is_not_read_again() -> None:
    place, leaves = somewhere(), list(many(10))
    ledger = Ledger(place, [write(place, leaves)])
    assert ledger.find(leaves[3].id) == leaves[3]
    assert ledger.find("none") is None
    place.remove([f"blobs/{ledger.segments[0].sha256}"])
    later = ledger.with_lines(leaves[0])
    assert later.find(leaves[3].id) == leaves[3]
    assert later.find("none") is None
    with pytest.raises(CorruptState, match=r"blobs/[0-9a-f]{64}"):
        later.find(leaves[4].id)


def test_a_damaged_segment_is_named_and_nothing_is_merged_of_it() -> None:
    place = somewhere()
    named = merged(place, [], many(300))
    name = f"blobs/{named[0].sha256}"
    data = place.read(name)
    place.put(name, b"\0" + data[1:])
    with pytest.raises(CorruptState, match=name):
        Ledger(place, named).checked()
    with pytest.raises(CorruptState, match=name):
        merged(place, named, many(200, seed=1))
    assert place.names("blobs") == [named[0].sha256]


def test_levels_keep_the_newest_line_of_each_moment() -> None:
    place = somewhere()
    (leaf,) = many(1)
    ended = replace(leaf, ended=leaf.absorbed + 1)
    again = replace(leaf, absorbed=leaf.absorbed + 1)
    levels = Levels(place, [write(place, [leaf]), write(place, [ended, again])])
    assert levels.lines(leaf.id) == (ended, again)
    assert levels.has(again)
    assert not levels.has(replace(leaf, absorbed=0))


def test_few_of_what_was_found_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.store.levels.MOST_FOUND", 3)
    place = somewhere()
    levels = Levels(place, merged(place, [], many(20)))
    for leaf in many(20):
        assert levels.lines(leaf.id) == (leaf,)
        assert len(levels._found) <= 3
