"""The log: one winner for each number, and nobody loses a commit that others have built on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import BadParameter, CorruptState, Fenced, NewerFormat, NotFound
from nacre.store.commits import HEAD, Log, _check, name_of
from nacre.store.place import Place, place_of


class Paused:
    """A place on which something happens just before or after an object is created."""

    def __init__(self, place: Place, *, before: Any = None, after: Any = None) -> None:
        self._place, self._before, self._after = place, before, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._place, name)

    def create(self, name: str, *parts: bytes) -> bool:
        before, self._before = self._before, None
        if before:
            before()
        created = self._place.create(name, *parts)
        after, self._after = self._after, None
        if after:
            after()
        return created


@pytest.fixture(params=["local", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    uri = str(tmp_path) if request.param == "local" else f"memory://{os.urandom(8).hex()}"
    place = place_of(uri, make=True)
    yield place
    place.close()


def filled(place: Place, n: int) -> Log:
    """A log with commits 1 to n, each of its own number."""
    log = Log(place)
    for number in range(1, n + 1):
        log.append(number, b"%d" % number)
    return log


def test_names_of_commits() -> None:
    assert name_of(1) == "commits/00000000/0000000001"
    assert name_of(64) == "commits/00000001/0000000064"
    assert sorted(map(name_of, (9, 10, 63, 64, 6400, 99))) == list(
        map(name_of, (9, 10, 63, 64, 99, 6400))
    )


def test_a_log_says_what_it_was_told(place: Place) -> None:
    log = Log(place)
    assert log.newest() == log.settled() == 0
    assert log.numbers() == []
    log.append(1, b"one", b"", b" more")
    for number in range(2, 131):
        log.append(number, b"%d" % number)
    for other in (log, Log(place)):
        assert other.newest() == other.settled() == 130
        assert other.numbers() == list(range(1, 131))
        assert other.read(1) == b"one more"
        assert other.read(130) == b"130"
    assert place.read_at(name_of(1), 8, 3) == b"one"  # counted from the end
    with pytest.raises(NotFound):
        log.read(131)


def test_the_latest_is_found_though_it_is_collected_meanwhile(place: Place) -> None:
    assert Log(place).latest() == (0, b"")
    log = filled(place, 3)
    assert log.latest() == (3, b"3")

    class Slow(Paused):
        def read(self, name: str) -> bytes:
            if log.newest() == 3:
                log.append(4, b"4")
                log.remove([1, 2, 3])
            return self._place.read(name)

    assert Log(Slow(place)).latest() == (4, b"4")


def test_who_comes_second_is_fenced_and_changes_nothing(place: Place) -> None:
    first, second = filled(place, 3), Log(place)
    first.append(4, b"mine")
    for number in (1, 3, 4):
        with pytest.raises(Fenced, match="another writer") as told:
            second.append(number, b"other")
        assert told.value.where == place.where
    assert [first.read(n) for n in first.numbers()] == [b"1", b"2", b"3", b"mine"]
    second.append(5, b"other")
    assert first.read(5) == b"other"


def test_the_same_bytes_have_committed(place: Place) -> None:
    log = filled(place, 3)
    for again in (log, Log(place)):
        again.append(3, b"", b"3")
    log.append(4, b"4")
    log.append(3, b"3")
    assert log.numbers() == [1, 2, 3, 4]


def test_an_answer_that_was_lost(place: Place) -> None:
    filled(place, 2)

    class Lost(Paused):
        def create(self, name: str, *parts: bytes) -> bool:
            assert self._place.create(name, *parts)
            return self._place.create(name, *parts)  # a client tries again by itself

    Log(Lost(place)).append(3, b"3")
    assert Log(place).read(3) == b"3"


def test_a_number_after_none_is_no_commit(place: Place) -> None:
    log = filled(place, 2)
    with pytest.raises(Fenced):
        log.append(4, b"")
    for number in (0, -1, 64 * 10**8):
        with pytest.raises(BadParameter):
            log.append(number, b"")
    assert log.numbers() == [1, 2]


def test_collecting(place: Place) -> None:
    log = filled(place, 130)
    log.remove([*range(1, 100), 101])
    assert log.numbers() == [100, *range(102, 131)]
    assert place.names("commits") == ["00000001", "00000002"]
    with pytest.raises(NotFound):
        log.read(1)
    for numbers in ([130], [102, 131]):
        with pytest.raises(BadParameter, match="below the newest"):
            log.remove(numbers)
    assert log.numbers() == [100, *range(102, 131)]
    log.remove([])
    log.append(131, b"131")


@pytest.mark.parametrize("n_more", [1, 2, 70])
@pytest.mark.parametrize("known", [True, False])
def test_a_writer_that_slept_finds_its_number_collected(
    known: bool, n_more: int, place: Place
) -> None:
    filled(place, 3)

    def meanwhile() -> None:
        other = Log(place)
        for number in range(4, 4 + n_more + 1):
            other.append(number, b"other %d" % number)
        other.remove(range(1, 4 + n_more))

    sleeper = Log(Paused(place, before=meanwhile))
    if known:
        sleeper.read(3)
    with pytest.raises(Fenced):
        sleeper.append(4, b"late")
    assert Log(place).numbers() == [4 + n_more]
    with pytest.raises(Fenced):
        sleeper.append(4, b"late")
    assert Log(place).numbers() == [4 + n_more]


def test_one_whose_neighbour_was_kept_is_withdrawn(place: Place) -> None:
    filled(place, 3)

    def meanwhile() -> None:
        other = Log(place)
        for number in range(4, 8):
            other.append(number, b"other")
        other.remove([4, 6])  # 5 stays: the last one of its day, say

    with pytest.raises(Fenced):
        Log(Paused(place, before=meanwhile)).append(4, b"late")
    assert Log(place).numbers() == [1, 2, 3, 5, 7]


@pytest.mark.parametrize("n_more", [1, 2, 70])
def test_a_commit_that_another_has_built_on_is_never_withdrawn(n_more: int, place: Place) -> None:
    filled(place, 3)

    def meanwhile() -> None:
        other = Log(place)
        for number in range(5, 5 + n_more):
            other.append(number, b"other")

    slow = Log(Paused(place, after=meanwhile))
    slow.append(4, b"first")  # it was there before the others: no error
    assert Log(place).read(4) == b"first"
    with pytest.raises(Fenced):
        slow.append(5, b"late")


def test_one_that_others_built_on_and_collected_has_committed(place: Place) -> None:
    filled(place, 3)

    def meanwhile() -> None:
        other = Log(place)
        other.append(5, b"with all that 4 says")
        other.remove([1, 2, 3, 4])

    Log(Paused(place, after=meanwhile)).append(4, b"first")
    assert Log(place).numbers() == [5]


@given(st.data())
def test_any_damage_of_a_head_is_found(data: Any) -> None:
    place = place_of(f"memory://{os.urandom(8).hex()}", make=True)
    log = filled(place, 2)
    whole = bytearray(place.read(name_of(2)))
    at = data.draw(st.integers(0, HEAD - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.sampled_from([len(whole), at]))
    place.put(name_of(2), bytes(whole[:cut]))
    for ask in (lambda: Log(place).read(2), lambda: Log(place).append(3, b"")):
        with pytest.raises(CorruptState) as told:
            ask()
        assert told.value.where.endswith(name_of(2))
    assert log.newest() == 2


def test_a_newer_format_is_named(place: Place) -> None:
    filled(place, 1)
    head, rest = place.read(name_of(1))[:HEAD], place.read(name_of(1))[HEAD:]
    head = head[:8] + (2).to_bytes(8, "little") + head[16:]
    place.put(name_of(1), head[:48] + _check(head) + rest)
    with pytest.raises(NewerFormat, match="format 2"):
        Log(place).read(1)


def test_what_is_no_commit_is_left_alone(place: Place) -> None:
    log = filled(place, 2)
    junk = ("0000000003.bak", "3", "0000000064", "0000000000", "readme")
    for name in junk:
        place.put(f"commits/00000000/{name}", b"")
    place.put("commits/other/0000000009", b"")
    place.put("commits/file", b"")
    assert Log(place).numbers() == [1, 2]
    log.append(3, b"3")
    assert Log(place).newest() == 3
