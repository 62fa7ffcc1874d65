"""Segments: what is found is what was written, and no wrong byte is taken for a right one."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import BadInput, CorruptState
from nacre.kinds import Array
from nacre.store import pages, segments
from nacre.store.ledger import Leaf, Lies
from nacre.store.life import Named
from nacre.store.pages import Line, leaf_of, line_of, packed, unpacked
from nacre.store.place import place_of
from nacre.store.place_memory import MemoryPlace
from nacre.store.segments import Segment, order, write, written
from tests.store.crashing import outcome
from tests.store.lines import FEW, LEAF, Counting, many, small

ONE = next(many(1))


def hashes(lines: list[Line]) -> Array:
    return np.array([line.hash for line in lines], np.uint64)


def somewhere() -> MemoryPlace:
    return MemoryPlace("memory://somewhere")


def newest(leaves: Sequence[Leaf]) -> dict[str, list[Leaf]]:
    """Id -> its lines, the last one of each moment, sorted by moment."""
    found: dict[str, dict[int, Leaf]] = defaultdict(dict)
    for leaf in leaves:
        found[leaf.id][leaf.absorbed] = leaf
    return {id: [by[at] for at in sorted(by)] for id, by in found.items()}


def told(place: MemoryPlace, named: Named, ids: Sequence[str]) -> list[Any]:
    """What reading it all, each id and every byte gives, or the errors."""
    whole = outcome(lambda: list(Segment(place, named)))
    found = outcome(lambda: [Segment(place, named).find(id) for id in ids])
    checked = outcome(lambda: Segment(place, named).checked().named)
    return [whole, found, checked]


@given(LEAF)
def test_a_line_comes_back(leaf: Leaf) -> None:
    line = line_of(leaf)
    assert leaf_of(line) == leaf
    assert unpacked(packed([line]), hashes([line])) == [line]


def test_a_line_has_every_field() -> None:
    assert len(fields(Leaf)) == 10
    assert len(fields(Lies)) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"n_rows": 1 << 63},
        {"n_rows": -1},
        {"ended": -1},
        {"time": 1.5},
        {"id": "\ud800"},
        {"content": f"file:{'AB' * 32}"},
        {"content": "file:ab"},
        {"content": "none"},
        {"content": f"rows:{'ab' * 32}"},
        {"lies": Lies("a", -1, 0, "ab" * 32)},
        {"lies": Lies("a", 0, 0, "ab")},
    ],
    ids=lambda change: " ".join(f"{name}={value!r:.20}" for name, value in change.items()),
)
def test_a_line_that_could_not_be_read_again_is_not_written(change: dict[str, Any]) -> None:
    place = somewhere()
    with pytest.raises(BadInput, match="cannot be written"):
        write(place, [replace(ONE, **change)])
    assert place.names("blobs") == []


def test_ids_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_BODY", 1000)
    with pytest.raises(BadInput, match="shorter ids"):
        write(somewhere(), [replace(ONE, id="x" * 1000)])


@given(st.lists(LEAF | FEW, max_size=60), st.sampled_from([1, 3, 1 << 64]), st.integers(1, 5))
def test_a_segment_is_a_dictionary(leaves: list[Leaf], n_hashes: int, page: int) -> None:
    with small(page, 3, n_hashes):
        place, wanted = somewhere(), newest(leaves)
        segment = Segment(place, write(place, leaves))
        for id in {*wanted, "a", "", "none"}:
            assert segment.find(id) == wanted.get(id, [])
        lines = [line for lines in wanted.values() for line in lines]
        assert list(segment) == sorted(lines, key=lambda leaf: order(line_of(leaf)))
        assert len(segment) == segment.n_new == len(lines)
        assert segment.checked() is segment
        assert write(somewhere(), sorted(lines, key=lambda leaf: leaf.n_rows)) == segment.named


def test_a_line_is_found_by_three_reads() -> None:
    place, leaves = Counting(), list(many(10_000))
    named = write(place, leaves)
    assert named.n_bytes / len(leaves) < 130
    for leaf in leaves[::1000]:
        place.n_reads = place.n_bytes = 0
        assert Segment(place, named).find(leaf.id) == [leaf]
        assert place.n_reads <= 4  # a hash that a page begins with may be in the one before
        assert place.n_bytes < 100_000
    place.n_reads = 0
    segment = Segment(place, named)
    assert not segment.find("none")
    assert place.n_reads == 2
    for node in range(3):
        segment._node(node)
    place.n_reads = 0
    assert not segment.find("neither")
    assert place.n_reads == 0


def test_lines_of_summaries_that_lie_everywhere_take_150_bytes() -> None:
    leaves = list(many(5_000, packs=5_000))
    assert write(somewhere(), leaves).n_bytes / len(leaves) < 151


LEAVES = list(many(100))


def of_leaves() -> tuple[MemoryPlace, Named, bytes]:
    place = somewhere()
    named = write(place, LEAVES)
    return place, named, place.read(f"blobs/{named.sha256}")


def check_found(place: MemoryPlace, named: Named, data: bytes) -> None:
    """Other bytes are named; what was not read of them may be as it was."""
    place.put(f"blobs/{named.sha256}", data)
    ids = [leaf.id for leaf in LEAVES[::40]]
    whole, found, checked = told(place, named, ids)
    assert isinstance(checked, CorruptState)
    for one, right in ((whole, None), (found, [[leaf] for leaf in LEAVES[::40]])):
        if isinstance(one, CorruptState):
            assert f"blobs/{named.sha256}" in one.where
        else:
            assert one == right or {leaf.id for leaf in one} == {leaf.id for leaf in LEAVES}
    assert f"blobs/{named.sha256}" in checked.where


def test_every_byte_of_a_small_segment_is_checked() -> None:
    place = somewhere()
    named = write(place, LEAVES[:3])
    name = f"blobs/{named.sha256}"
    data = place.read(name)
    for at in range(len(data)):
        place.put(name, data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        for one in told(place, named, [LEAVES[0].id]):
            assert isinstance(one, CorruptState), at
            assert name in one.where


def test_every_64th_byte_of_a_segment_is_checked() -> None:
    with small(16, 4):
        place, named, data = of_leaves()
        for at in range(0, len(data), 64):
            check_found(place, named, data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])


def test_other_lengths_are_found() -> None:
    with small(16, 4):
        place, named, data = of_leaves()
        for at in range(0, len(data), 256):
            for other in (data[:at], data[at + 1 :], data[:at] + b"junk" + data[at:]):
                check_found(place, named, other)
        for other in (data + b"\0", b"\0" + data, data + data):
            check_found(place, named, other)


def test_what_was_read_already_is_checked_again() -> None:
    place, named, data = of_leaves()
    segment = Segment(place, named)
    assert len(list(segment)) == len(LEAVES)
    for at in (0, len(data) - 200, len(data) - 1):  # page, node, root
        place.put(f"blobs/{named.sha256}", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(CorruptState, match=named.sha256):
            segment.checked()


def test_pages_that_were_swapped_are_found() -> None:
    with small(16, 4):
        place, named, data = of_leaves()
        segment = Segment(place, named)
        entries = [entry for number in range(2) for entry in segment._node(number).entries]
        cut = [data[int(one["at"]) : int(one["at"] + one["n_bytes"])] for one in entries]
        rest = data[sum(map(len, cut)) :]
        for i in range(6):
            swapped = [*cut[:i], cut[i + 1], cut[i], *cut[i + 2 :]]
            check_found(place, named, b"".join(swapped) + rest)


def test_another_segment_under_its_name_is_found() -> None:
    place, named, data = of_leaves()
    other = write(place, [replace(leaf, n_rows=leaf.n_rows + 1) for leaf in LEAVES])
    check_found(place, named, place.read(f"blobs/{other.sha256}"))
    place.put(f"blobs/{named.sha256}", data)
    for lie in (replace(named, n_lines=101), replace(named, n_bytes=5), replace(other, n_lines=1)):
        assert all(isinstance(one, CorruptState) for one in told(place, lie, [LEAVES[0].id])), lie


def test_a_segment_that_is_missing_is_damage() -> None:
    place, named, _ = of_leaves()
    place.remove([f"blobs/{named.sha256}"])
    for one in told(place, named, [LEAVES[0].id]):
        assert isinstance(one, CorruptState)
        assert "no such file" in one.got
        assert named.sha256 in one.where


def test_what_stands_under_its_name_already_is_looked_at() -> None:
    place, named, data = of_leaves()
    assert write(place, reversed(LEAVES)) == named
    place.put(f"blobs/{named.sha256}", data[:-500] + data[-499:])
    with pytest.raises(CorruptState, match=named.sha256):
        write(place, LEAVES)


def test_a_segment_lies_in_a_directory_too(tmp_path: Path) -> None:
    place = place_of(tmp_path, make=True)
    named = write(place, LEAVES)
    segment = Segment(place, named).checked()
    assert [segment.find(leaf.id) for leaf in LEAVES] == [[leaf] for leaf in LEAVES]
    file = tmp_path / "blobs" / named.sha256
    assert file.stat().st_size == named.n_bytes
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CorruptState, match=str(file)):
        Segment(place, named).find(LEAVES[0].id)
    file.unlink()
    with pytest.raises(CorruptState, match=str(file)):
        segment.checked()
    place.close()


def forged(page: Callable[[bytes], bytes]) -> tuple[MemoryPlace, Named]:
    """A segment whose one page is another, under hashes that are right."""
    place = somewhere()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "packed", lambda lines: page(packed(lines)))
        return place, write(place, LEAVES[:2])


def body(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A change of what is compressed in a page of two lines."""
    return lambda page: page[:128] + zlib.compress(change(zlib.decompress(page[128:])))


LIES = {
    "too short for digests": lambda page: page[:100],
    "no zlib": lambda page: page[:128] + b"junk",
    "half of zlib": lambda page: page[:-9],
    "more behind zlib": lambda page: page + b"\0",
    "a bomb": lambda page: page[:128] + zlib.compress(bytes(pages.MOST_BODY + 1)),
    "numbers that are missing": body(lambda data: data[:99]),
    "a text that is missing": body(lambda data: data[:-1]),
    "a letter too much": body(lambda data: data + b"x"),
    "no UTF-8": body(lambda data: data[:-1] + b"\xff"),
    "all texts empty": body(lambda data: data[:154]),
    "fewer rows than none": body(lambda data: data[: 23 * 2] + b"\xff\xff" + data[24 * 2 :]),
    "an unknown content": body(lambda data: data[: 64 * 2] + b"\3\3" + data[65 * 2 :]),
    "a digest of no content": body(lambda data: data[: 64 * 2] + b"\0\0" + data[65 * 2 :]),
    "a summary that lies nowhere": body(
        lambda data: data[: 48 * 2] + b"\xff" * 16 + data[56 * 2 :]
    ),
}


@pytest.mark.parametrize("page", LIES.values(), ids=LIES)
def test_a_lie_under_a_right_hash_is_found(page: Callable[[bytes], bytes]) -> None:
    place, named = forged(page)
    whole, found, checked = told(place, named, [leaf.id for leaf in LEAVES[:2]])
    assert isinstance(whole, CorruptState)
    assert isinstance(found, CorruptState)
    assert isinstance(checked, CorruptState)


def hashed_as(line: Line, hashed: int) -> Line:
    return line._replace(hash=hashed)


def test_lines_in_a_wrong_order_are_found() -> None:
    lines = sorted(map(line_of, LEAVES[:9]), key=order)
    with small(2, 2):
        for wrong in (
            [lines[1], lines[0], *lines[2:]],
            [lines[0], lines[0], *lines[1:]],
            [*lines[:4], lines[5], lines[4]],
            [hashed_as(lines[0], lines[0].hash - 1), *lines[1:]],
        ):
            place = somewhere()
            named = written(place, iter(wrong), len(wrong))
            with pytest.raises(CorruptState, match="in a wrong place"):
                Segment(place, named).checked()
    place = somewhere()
    with pytest.raises(CorruptState, match="the root"):
        Segment(place, written(place, iter(lines), 10)).checked()


@given(st.binary(max_size=300), st.integers(1, 500), st.booleans())
def test_no_root_raises_anything_else(data: bytes, n_lines: int, magic: bool) -> None:
    root = data.ljust(24 + 56 * -(-n_lines // (32 * 128)))
    if magic:
        root = segments._HEAD.pack(segments._MAGIC, n_lines, 0) + root[24:]
    place, name = somewhere(), hashlib.sha256(root).hexdigest()
    place.create(f"blobs/{name}", data, root)
    for one in told(place, Named(name, n_lines, len(data) + len(root)), ["a"]):
        assert isinstance(one, CorruptState)


def test_numbers_lie_as_the_table_says() -> None:
    lines = sorted(map(line_of, LEAVES[:5]), key=order)
    assert unpacked(packed(lines), hashes(lines), 1, 3) == lines[1:3]
    numbers = np.frombuffer(lines[0].numbers, pages._TABLE)[0]
    leaf = leaf_of(lines[0])
    assert numbers["time"] == leaf.time
    assert numbers["object"] == len(leaf.lies.object) if leaf.lies else 0
