"""Digests are of values; random numbers are of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.canon import digest, feed, hash01, hash64, later, pack, passing, told_fields, unpack

arrays = st.builds(
    lambda seed, shape, dtype: np.asarray(
        np.random.default_rng(seed).normal(size=shape) * 100, dtype
    ),
    st.integers(0, 999),
    st.lists(st.integers(0, 4), min_size=1, max_size=3),
    st.sampled_from(["f4", "f8", "i4", "i8", "u1"]),
)


@given(arrays)
def test_layout_and_byte_order_do_not_matter(array: Any) -> None:
    strided = np.repeat(array, 2, axis=0)[::2]
    for same in (np.asfortranarray(array), array.astype(array.dtype.newbyteorder(">")), strided):
        assert digest(same) == digest(array)


@given(arrays)
def test_values_shape_and_dtype_matter(array: Any) -> None:
    assert digest(array.reshape((*array.shape, 1))) != digest(array)
    assert digest(array.astype("f2")) != digest(array)
    if array.size:
        other = array.copy()
        other.flat[0] = other.flat[0] + 1 if other.dtype != "u1" else other.flat[0] ^ 1
        assert digest(other) != digest(array)


def test_texts_and_tuples_do_not_run_into_each_other() -> None:
    pairs = [
        (("ab", "c"), ("a", "bc")),
        ((1, 2), (12,)),
        (1, 1.0),
        (None, "None;"),
        ((), ""),
        (True, 1),
    ]
    for a, b in pairs:
        assert digest(a) != digest(b)
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


@dataclass
class Told:
    x: int
    aside: Any = passing(default=None)


def test_fields_marked_passing_are_left_out() -> None:
    assert digest(Told(1, "a")) == digest(Told(1, "b"))
    assert digest(Told(2)) != digest(Told(1))


@dataclass(frozen=True)
class Grown:
    a: int
    since: Any = later(0.0)  # noqa: RUF009


def test_fields_that_came_later_are_left_out_while_they_have_their_default() -> None:
    for default in (0.0, np.float64(0.0)):
        assert told_fields(Grown(1, default)) == ["a"]
    for other in (0, False, 1.0, np.zeros(3), np.zeros(1), (), None):
        assert told_fields(Grown(1, other)) == ["a", "since"]
        assert digest(Grown(1, other)) != digest(Grown(1))


def test_what_has_no_canonical_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match="function"):
        digest(feed)
    with pytest.raises(TypeError, match="Python objects"):
        digest(np.array([None, "a"]))


def test_a_digest_stays_what_it_is() -> None:
    """Stored models name their parts by digest, so it must never change."""
    value = (1, 2.5, "three", None, True, np.arange(6, dtype="f4").reshape(2, 3), {"k": [1]})
    assert digest(value) == "6eafb6c0f48d56ca9e0143aa8d7491a0"
    assert hash64("flights/2013-01.parquet") == 18364782215203721953
    assert hash01(7, 11, "kmeans seeds 0") == 0.947089394130808


def test_hash01_is_uniform_and_other_for_each_origin_position_and_purpose() -> None:
    u = hash01(1, np.arange(100_000), "a")
    assert 0 <= u.min() < 1e-3
    assert 1 - 1e-3 < u.max() < 1
    counts = np.histogram(u, 50, (0, 1))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 100  # chi squared, 49 degrees
    for other in (hash01(2, np.arange(100_000), "a"), hash01(1, np.arange(100_000), "b")):
        assert abs(np.corrcoef(u, other)[0, 1]) < 0.02
        assert not np.intersect1d(u, other).size


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_keys_come_back_and_sort_as_their_parts(time: int, origin: int, number: int) -> None:
    assert unpack(pack(time, origin, number)) == (time, origin, number)
    assert pack(time, origin, number) >= pack(-(2**63), 0, 0)
    if time < 2**63 - 1:
        assert pack(time, origin, number) < pack(time + 1, 0, 0)
