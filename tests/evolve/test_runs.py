"""Runs of offsets behave as sets of integers, few gaps stand open, and ids cannot be mistaken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import BadInput, BadParameter, Conflict, CorruptState
from nacre.evolve import runs as module
from nacre.evolve.runs import MOST_OFFSET, Run, Runs, check_named, id_of, of_id
from tests.store.crashing import outcome

run = st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda pair: (pair[0], sum(pair)))
many = st.lists(run, max_size=20)


def offsets(runs: Any) -> set[int]:
    return {offset for start, stop in runs for offset in range(start, stop)}


def check_whole(runs: Runs) -> None:
    """Sorted runs, none of them empty, none that touch."""
    edges = [edge for one in runs for edge in one]
    assert edges == sorted(set(edges))


@given(many)
def test_adding_runs_is_the_union_and_tells_what_is_new(parts: list[Run]) -> None:
    runs, plain = Runs(), set[int]()
    for start, stop in parts:
        before = runs
        runs, new, covered = before.add(start, stop)
        check_whole(runs)
        assert offsets(new) == set(range(start, stop)) - plain
        assert covered == len(plain & set(range(start, stop)))
        assert offsets(before) == plain
        plain |= set(range(start, stop))
        assert offsets(runs) == plain
    assert runs == Runs.of(parts)
    assert runs.n_offsets == len(plain)
    assert {offset for offset in range(80) if offset in runs} == plain


@given(many, many, run)
def test_the_algebra_is_that_of_sets(a: list[Run], b: list[Run], one: Run) -> None:
    left, right = Runs.of(a), Runs.of(b)
    for found, wanted in (
        (left | right, offsets(a) | offsets(b)),
        (left - right, offsets(a) - offsets(b)),
        (Runs.of(left.missing(*one)), set(range(*one)) - offsets(a)),
    ):
        check_whole(found)
        assert offsets(found) == wanted
    everything = set(range(min(offsets(a), default=0), max(offsets(a), default=-1) + 1))
    assert offsets(left.gaps) == everything - offsets(a)


@given(many, run)
def test_whole_runs_are_erased_and_parts_are_refused(parts: list[Run], gone: Run) -> None:
    runs, absorbed = Runs(), list[Run]()
    for start, stop in parts:
        runs, new, _ = runs.add(start, stop)
        absorbed += new  # each a batch of its own
    cut = [
        one for one in absorbed if 0 < len(set(range(*one)) - set(range(*gone))) < one[1] - one[0]
    ]
    told = outcome(lambda: runs.minus(*gone, absorbed))
    if cut:
        assert isinstance(told, Conflict)
        assert str(min(cut)[0]) in told.got
        assert outcome(lambda: runs.minus(*_asked(told), absorbed))[1]
    else:
        left, erased = told
        assert offsets(left) == offsets(runs) - set(range(*gone))
        assert erased == sorted(one for one in absorbed if set(range(*one)) & set(range(*gone)))


def _asked(told: Conflict) -> Run:
    """The offsets that the message says to ask for."""
    _, _, first, _, last = told.do.rstrip(".").split()
    return int(first), int(last) + 1


@given(many)
def test_they_come_back_from_small_numbers(parts: list[Run]) -> None:
    runs = Runs.of(parts)
    assert Runs.of_deltas(tuple(json.loads(json.dumps(runs.deltas)))) == runs


@given(st.lists(st.one_of(st.integers(-3, 40), st.just(1 << 62), st.none()), max_size=8))
def test_other_numbers_are_damage(deltas: list[Any]) -> None:
    told = outcome(lambda: Runs.of_deltas(tuple(deltas)))
    if not isinstance(told, CorruptState):
        check_whole(told)
        assert list(told.deltas) == deltas


def test_ten_million_batches_that_follow_each_other_are_two_numbers() -> None:
    runs = Runs()
    for number in range(0, 10_000_000, 100_000):  # of a hundred offsets each
        for part in (number, number + 50_000):
            runs, _, _ = runs.add(part * 100, (part + 50_000) * 100)
    assert runs.deltas == (0, 1_000_000_000)
    ragged = Runs.of((at * 1000, at * 1000 + 990) for at in range(10_000))
    assert len(json.dumps(ragged.deltas)) < 100_000


def test_one_gap_too_many_is_refused_and_named() -> None:
    runs = Runs.of((2 * at, 2 * at + 1) for at in range(module.MOST_GAPS + 1))
    assert len(runs.gaps) == module.MOST_GAPS
    after = 2 * len(runs)
    with pytest.raises(Conflict, match="got 10,001 open gaps: 1, 3, 5, 7, 9 and 9,996 more"):
        runs.add(after, after + 1)
    with pytest.raises(Conflict, match="open gaps"):
        _ = runs | Runs.of([(after, after + 1)])
    filled, new, covered = runs.add(0, 5)
    assert (new, covered) == (((1, 2), (3, 4)), 3)
    assert filled.add(after, after + 1)[0].gaps[-1] == (after - 1, after)
    two = Runs.of([(0, 9), *((100 + 2 * at, 101 + 2 * at) for at in range(module.MOST_GAPS))])
    with pytest.raises(Conflict, match="open gaps"):
        two.minus(3, 6, [(0, 3), (3, 6), (6, 9)])


@pytest.mark.parametrize(
    ("start", "stop"), [(3, 3), (4, 3), (-1, 3), (0, MOST_OFFSET + 1), (0.0, 3), (False, 3)]
)
def test_no_other_run_is_taken(start: Any, stop: Any) -> None:
    for work in (Runs().add, Runs().missing, lambda a, b: Runs().minus(a, b, [])):
        with pytest.raises(BadInput, match="offsets from"):
            work(start, stop)


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:+%-]{0,20}", fullmatch=True)


@given(names, st.integers(0, MOST_OFFSET - 1))
def test_an_id_tells_of_stream_and_offset(stream: str, first: int) -> None:
    assert of_id(id_of(stream, first)) == (stream, first)
    assert of_id(f"folder/{id_of(stream, first)}") is None
    with pytest.raises(BadInput, match="as batches of streams have"):
        check_named(id_of(stream, first))


@given(st.text(max_size=12), st.integers(-3, 3))
def test_no_two_streams_make_one_id(stream: str, first: int) -> None:
    told = outcome(lambda: id_of(stream, first))
    if isinstance(told, str):
        assert of_id(told) == (stream, first)
    else:
        assert isinstance(told, BadParameter | BadInput)


@pytest.mark.parametrize(
    "id", ["", "a.parquet", "2026/a@12", "a@", "@12", "a@012", "a@b@12", "a@1\n", "a@٣", "a@-1"]
)
def test_other_ids_are_those_of_files_tables_and_arrays(id: str) -> None:
    assert of_id(id) is None
    check_named(id)


def test_an_offset_beyond_int64_is_no_streams() -> None:
    assert of_id(f"a@{MOST_OFFSET}") is None


@pytest.mark.parametrize("stream", ["", "a/b", "a@1", "a b", "-a", "é", "x" * 201, 5, None])
def test_a_bad_name_is_refused(stream: Any) -> None:
    with pytest.raises(BadParameter, match="the stream"):
        id_of(stream, 0)
