"""Hashes and sorted lists of hashes are their definition in plain Python, bit for bit."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nacre.kernel.hashing import find_firsts, hash_numbers, hash_texts, merge_firsts
from nacre.kinds import Array

ALL = 2**64 - 1
SALTS = np.array([3, 5, 2**63 + 7, 11], np.uint64)


def mixed(x: int) -> int:
    """splitmix64's finaliser."""
    x = (x + 0x9E3779B97F4A7C15) & ALL
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & ALL
    return x ^ (x >> 31)


def hash_of_text(text: bytes, seed: int) -> int:
    """Twin of `hash_texts`."""
    h = mixed(seed ^ len(text))
    for at in range(0, len(text), 8):
        h = mixed(h ^ int.from_bytes(text[at : at + 8], "little"))
    return h


def hash_of_number(x: float) -> int:
    """Twin of `hash_numbers`."""
    if x != x:
        return mixed(int(SALTS[3]))
    if not x.is_integer() or not -(2.0**63) <= x < 2.0**64:
        return mixed(struct.unpack("<Q", struct.pack("<d", x))[0] ^ int(SALTS[1]))
    return mixed((int(x) & ALL) ^ int(SALTS[0 if x < 2.0**63 else 2]))


@settings(max_examples=50)
@given(texts=st.lists(st.binary(max_size=40), max_size=9), seed=st.integers(0, ALL))
def test_texts(texts: list[bytes], seed: int) -> None:
    starts = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    hashes = np.empty(len(texts), np.uint64)
    hash_texts(np.frombuffer(b"".join(texts), np.uint8), starts, np.uint64(seed), hashes)
    assert hashes.tolist() == [hash_of_text(text, seed) for text in texts]


EDGES = [0.0, -0.0, 1.5, 2.0**63, -(2.0**63), 2.0**64, 2.0**64 - 2048, 1e300, np.nan, np.inf]


@settings(max_examples=50)
@given(values=st.lists(st.floats() | st.sampled_from(EDGES) | st.integers(-99, 99), max_size=9))
def test_numbers(values: list[float]) -> None:
    x, hashes = np.array(values, np.float64), np.empty(len(values), np.uint64)
    hash_numbers(x, x.view(np.uint64), SALTS, hashes)
    assert hashes.tolist() == [hash_of_number(float(value)) for value in values]


def sorted_list(pairs: list[tuple[int, int, int]]) -> tuple[Array, Array]:
    """(high, low) in order, of equal (high, rest) the least alone; pairs are (high, rest, id)."""
    first: dict[tuple[int, int], int] = {}
    for high, rest, name in sorted(pairs):
        first.setdefault((high, rest), name)
    lows = [rest << 48 | name for (_, rest), name in first.items()]
    return np.array([high for high, _ in first], np.uint64), np.array(lows, np.uint64)


PAIRS = st.lists(
    st.tuples(st.sampled_from([0, 7, 8, ALL]), st.integers(0, 2), st.integers(0, 2**48 - 1)),
    max_size=9,
)


@settings(max_examples=50)
@given(a=PAIRS, b=PAIRS)
def test_two_lists_are_merged(a: list[tuple[int, int, int]], b: list[tuple[int, int, int]]) -> None:
    lists, want = (sorted_list(a), sorted_list(b)), sorted_list(a + b)
    high, low = np.zeros((2, len(lists[0][0]) + len(lists[1][0])), np.uint64)
    n = merge_firsts(*lists[0], *lists[1], high, low)
    np.testing.assert_array_equal((high[:n], low[:n]), want)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 99),
    m=st.integers(0, 300),
    some=arrays.arrays(np.uint64, st.integers(0, 9)),
)
def test_hashes_are_found(seed: int, m: int, some: Array) -> None:
    draw = np.random.default_rng(seed)
    high = np.sort(draw.integers(0, ALL, m, np.uint64, endpoint=True) >> np.uint64(seed % 60))
    low = np.sort(draw.integers(0, ALL, m, np.uint64, endpoint=True))
    known = set(zip(high.tolist(), (low >> np.uint64(48)).tolist(), strict=True))
    at = draw.integers(0, m, 20 * (m > 0))
    wanted = np.concatenate([high[at], some])
    rest = np.concatenate([low[at] >> np.uint64(48), some & np.uint64(65_535)])
    places = np.empty(len(wanted), np.int64)
    find_firsts(high, low, wanted, rest, places)
    for place, one, more in zip(places.tolist(), wanted.tolist(), rest.tolist(), strict=True):
        assert (place >= 0) == ((one, more) in known)
        if place >= 0:
            assert (int(high[place]), int(low[place]) >> 48) == (one, more)
