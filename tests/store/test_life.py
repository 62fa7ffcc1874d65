"""A commit of a live model says all or nothing: one text for each, and no bit of it can change."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import CorruptState, NewerFormat
from nacre.store import life
from nacre.store.commits import name_of
from nacre.store.ledger import Leaf, Lies
from nacre.store.life import Act, Commit, Frame, Kept, Named

HASH = "ab" * 32
ACT = Act(7, 5, "absorb", "monday", 1, 10, 0, "0123456789abcdef", 2, "cd" * 16)
FRAME = Frame(Kept(HASH, 3), Kept(HASH, 4), Kept(HASH, 5), "ef" * 16)
BARE = Commit(ACT, FRAME, "/data", 3, 30, 1, 30.5, acts=(ACT,))
LEAVES = (b"what monday said", b"", b"what tuesday said")


def with_leaves(*datas: bytes) -> tuple[Commit, bytes]:
    """A commit with leaves, and all its bytes."""
    places = life.laid(name_of(7), datas)
    lines = [
        Leaf(f"day {at}", at, at, 10, 0, f"file:{HASH}", absorbed=at, lies=lies)
        for at, lies in enumerate(places)
    ]
    elsewhere = Lies("blobs/" + HASH, 9, 9, HASH)
    old = Leaf("old", 0, 0, 1, 0, "", absorbed=99, ended=100, principal="feed", lies=elsewhere)
    commit = replace(BARE, recent=(old, *lines))
    return commit, life.spelled(commit) + b"".join(datas)


WHOLE = with_leaves(*LEAVES)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_what_is_spelled_is_read(datas: list[bytes]) -> None:
    commit, data = with_leaves(*datas)
    assert life.read(data) == commit
    for leaf, part in zip(commit.recent[1:], datas, strict=True):
        assert leaf.lies is not None
        assert life.run_of(data, leaf.lies) == part


def test_lines_that_were_spelled_before_are_spelled_alike() -> None:
    spelling = life.Spelling()
    commit, _ = WHOLE
    for number in range(7, 10):
        again = replace(commit, act=replace(ACT, number=number))
        assert spelling.text(again) == life.spelled(again)


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_found(bit: int) -> None:
    _, data = WHOLE
    for at in range(len(data)):
        harmed = bytearray(data)
        harmed[at] ^= 1 << bit
        with pytest.raises((CorruptState, NewerFormat)):
            life.read(bytes(harmed))


@given(st.data())
def test_no_other_length_is_taken(draw: st.DataObject) -> None:
    _, data = WHOLE
    shorter = data[: draw.draw(st.integers(0, len(data) - 1))]
    longer = data + draw.draw(st.binary(min_size=1, max_size=9))
    for harmed in (shorter, longer):
        with pytest.raises(CorruptState):
            life.read(harmed)


def sealed(text: str) -> bytes:
    """A text with the hash that it should end with: made by somebody who knows how."""
    data = text.encode()
    return data + f'"sha256": "{hashlib.sha256(data).hexdigest()}"\n}}\n'.encode()


def forged(old: str, new: str) -> bytes:
    """The bare commit with another word in it, and the hash that it should have."""
    text = life.spelled(BARE).decode()
    assert old in text
    return sealed(text[: text.index('"sha256": ')].replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"n_rows": 30', '"n_rows": -1'),
        ('"n_rows": 30', '"n_rows": 30.0'),
        ('"n_rows": 30', '"n_rows": true'),
        ('"weight": 30.5', '"weight": NaN'),
        ('"weight": 30.5', '"weight":  30.5'),
        ('"what":"absorb"', '"what":"explode"'),
        ('"root": "/data"', '"root": "/data",\n"more": 1'),
        ('"nacre_format": 1', '"nacre_format": 0'),
    ],
)
def test_what_was_made_to_harm_is_refused(old: str, new: str) -> None:
    if "nacre_format" in old:
        with pytest.raises(NewerFormat):
            life.read(forged(old, '"nacre_format": 2'))
        return
    with pytest.raises(CorruptState):
        life.read(forged(old, new))


def test_lines_and_back() -> None:
    acts = [replace(ACT, number=number) for number in range(1, 4)]
    assert life.read_lines(Act, life.lines_of(acts)) == acts
    wrong: list[Any] = [b"[]\n", b"{\n", b'{"number": 1}\n', b"\xff"]
    for data in wrong:
        with pytest.raises(CorruptState):
            life.read_lines(Act, data)


def test_a_commit_is_short() -> None:
    lines = tuple(
        Leaf(f"2026/11/20/feed/part-{n:05d}.parquet", 0, 0, 10, 0, f"file:{HASH}", absorbed=n)
        for n in range(63)
    )
    commit = replace(BARE, recent=lines, segments=(Named(HASH, 1_000_000, 150_000_000),) * 3)
    assert len(life.spelled(commit)) < 32_000
