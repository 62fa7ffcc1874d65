"""Every damaged byte is found and named (I7, D4), and no header is believed (F1)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nacre.errors import BadType, CorruptState, NacreError, NewerFormat
from nacre.store import container
from nacre.store.checks import spelled
from nacre.store.container import PREFIX, opened, packed, sealed
from nacre.store.format import encode, from_bytes, to_bytes
from tests.store.values import Halves, Holds, small_state

SMALL = to_bytes(Halves(np.array([1.5, -2.0]), 0.25, ("a",)))


def outcome(data: bytes) -> Any:
    """The value, or the one of the two errors that it may raise."""
    try:
        return from_bytes(data)
    except (CorruptState, NewerFormat) as error:
        return error


def damaged(data: bytes) -> Iterator[bytes]:
    """Bits flipped, bytes 0 or 255, doubled, left out; cut to every length; junk at both ends."""
    for at, byte in enumerate(data):
        for other in {*(byte ^ (1 << bit) for bit in range(8)), 0, 255} - {byte}:
            yield data[:at] + bytes([other]) + data[at + 1 :]
        yield data[:at]
        yield data[:at] + data[at + 1 :]
        yield data[: at + 1] + data[at:]
    for junk in (b"\0", b" ", b"junk", data, bytes(4096)):
        yield data + junk
        yield junk + data


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
stored = st.dictionaries(
    names.filter(lambda name: name != container.TREE),
    st.sampled_from(sorted(container.NATIVE)).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    max_size=6,
)


@given(stored, names)
def test_the_payload_is_what_the_safetensors_library_writes(
    held: dict[str, Any], text: str
) -> None:
    from safetensors.numpy import save

    tree = text.encode()
    theirs = save({**held, container.TREE: np.frombuffer(tree, np.uint8)})
    assert packed(held, tree)[PREFIX.size :] == theirs


def test_any_damage_to_a_file_is_found() -> None:
    n = 0
    for other in damaged(SMALL):
        if other != SMALL:  # a byte left out of two equal ones
            assert isinstance(outcome(other), CorruptState)
            n += 1
    assert n > 10 * len(SMALL)


def test_damage_to_a_state_is_found_at_every_byte() -> None:
    data = to_bytes(small_state())
    for at in range(len(data)):
        bit = 1 << at % 8
        with pytest.raises(CorruptState):
            from_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])


def test_two_files_swapped_in_half_and_an_emptied_page_are_found() -> None:
    big = to_bytes(Halves(np.arange(2000.0), 0.5))
    other = to_bytes(Halves(np.arange(2000.0) + 1, 0.5))
    assert len(big) == len(other)
    for damage in (big[:8000] + other[8000:], big[:4096] + bytes(4096) + big[8192:]):
        with pytest.raises(CorruptState, match="SHA-256"):
            from_bytes(damage)


def test_damage_under_a_right_hash_is_an_error_or_the_one_file_of_another_value() -> None:
    payload = SMALL[PREFIX.size :]
    n_read = 0
    for other in map(sealed, damaged(payload)):
        value = outcome(other)
        if not isinstance(value, NacreError):
            assert to_bytes(value) == other
            n_read += 1
    assert 16 * 8 < n_read < 16 * 8 + len(payload)  # any bit of the two cuts, and few letters


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    assert isinstance(outcome(data), CorruptState)
    assert isinstance(outcome(sealed(data)), CorruptState)
    assert isinstance(outcome(sealed(len(data).to_bytes(8, "little") + data)), CorruptState)


def test_a_later_format_is_named_and_its_damage_too() -> None:
    later = PREFIX.pack(container.MAGIC, 2, 4, b"")[:32]
    whole = later + container._hash(later, b"what") + b"what"
    with pytest.raises(NewerFormat, match="format 2"):
        from_bytes(whole)
    with pytest.raises(CorruptState, match="SHA-256"):
        from_bytes(whole[:-1] + b"!")


def test_format_0_never_was() -> None:
    start = PREFIX.pack(container.MAGIC, 0, 0, b"")[:32]
    with pytest.raises(CorruptState, match="format 0"):
        from_bytes(start + container._hash(start, b""))


def headed(header: Any, body: bytes) -> bytes:
    """A sealed container with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return sealed(len(text).to_bytes(8, "little") + text + body)


def told(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """SMALL with another header."""
    payload = SMALL[PREFIX.size :]
    end = 8 + int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8:end])
    return headed(change(header) or header, payload[end:])


def entry(**change: Any) -> Callable[[dict[str, Any]], Any]:
    """Another entry for the cuts, two float64 at the start of the body."""
    return lambda header: header["model.cuts"].update(change)


LIES = {
    "a header that is longer than the file": sealed((1 << 62).to_bytes(8, "little")),
    "a header that is too long": sealed((17 << 20).to_bytes(8, "little") + bytes(17 << 20)),
    "a header cut off": sealed(b"\x05\0\0"),
    "no JSON": headed(b"{'tree'}", b""),
    "no text": headed(b"\xff\xfe", b""),
    "deep JSON": headed(b'{"a":' * 100_000, b""),
    "deep entries": headed(b'{"tree":' + b"[" * 900 + b"]" * 900 + b"}", b""),
    "an integer without end": headed(b'{"tree":' + b"9" * 100_000 + b"}", b""),
    "a list": headed([], b""),
    "nothing": headed({}, b""),
    "an entry that is no table": told(lambda header: header.update(tree=3)),
    "metadata": told(lambda header: header.update(__metadata__={"a": "b"})),
    "an entry with more": told(entry(more=1)),
    "a dtype that is a list": told(entry(dtype=["F64"])),
    "another dtype of the same width": told(entry(dtype="I64")),
    "another dtype": told(entry(dtype="F32")),
    "a dtype never heard of": told(entry(dtype="O")),
    "another shape of the same size": told(entry(shape=[2, 1])),
    "a negative axis": told(entry(shape=[-2])),
    "two negative axes": told(entry(shape=[-2, -1])),
    "an axis that is a text": told(entry(shape=["2"])),
    "an axis that is a float": told(entry(shape=[2.0])),
    "a bool for an axis": told(entry(shape=[2, True])),
    "a huge axis": told(entry(shape=[1 << 64])),
    "an axis that overflows": told(entry(shape=[(1 << 62) + 2, 4])),
    "many axes": told(entry(shape=[2] + [1] * 40)),
    "no rows of a huge width": told(entry(shape=[0, 1 << 62, 8], data_offsets=[0, 0])),
    "a shape that is a number": told(entry(shape=2)),
    "offsets behind the end": told(entry(data_offsets=[1 << 40, (1 << 40) + 16])),
    "offsets before the start": told(entry(data_offsets=[-16, 0])),
    "offsets the wrong way": told(entry(data_offsets=[16, 0])),
    "one offset": told(entry(data_offsets=[0])),
    "offsets that are floats": told(entry(data_offsets=[0.0, 16.0])),
    "an overlap": told(lambda header: header.update(twin=header["model.cuts"])),
    "no tree": told(lambda header: header.pop("tree") and None),
    "an array under another name": told(lambda h: h.update({"model.cutz": h.pop("model.cuts")})),
    "an array that no field names": packed(
        {"model.cuts": np.zeros(2), "more": np.zeros(2)}, opened(SMALL).text
    ),
    "an empty array that no field names": packed(
        {"model.cuts": np.zeros(2), "more": np.zeros(0)}, opened(SMALL).text
    ),
    "an array that is missing": packed({}, opened(SMALL).text),
    "a tree of floats": headed(
        {"tree": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_not_believed(name: str) -> None:
    assert isinstance(outcome(LIES[name]), CorruptState)


def test_the_header_that_those_lies_change_is_believed() -> None:
    assert from_bytes(told(lambda header: header)).cuts.tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    ("array", "byte", "message"),
    [
        (np.array([True, False]), 2, "0x2 in model.value"),
        (np.array(["ab"]), 0xFF, "0xff.* in model.value"),
    ],
)
def test_bytes_that_numpy_cannot_stand_are_refused(array: Any, byte: int, message: str) -> None:
    arrays, tree = encode(Holds(array))
    raw = arrays["model.value"].view(np.uint8).copy()
    raw[:] = byte
    arrays["model.value"] = raw.view(array.dtype)
    data = packed(arrays, spelled(tree))
    with pytest.raises(CorruptState, match=message):
        from_bytes(data)


def test_names_without_end_are_not_written() -> None:
    names = {f"{number:0>1000}": np.zeros(0) for number in range(17_000)}
    with pytest.raises(BadType, match="headers"):
        packed(names, b"{}")
    with pytest.raises(BadType, match="texts"):
        packed({}, bytes((16 << 20) + 1))


def test_the_order_of_names_changes_no_byte() -> None:
    arrays, _ = encode(small_state())
    names = list(arrays)
    first = packed(arrays, b"{}")
    for seed in range(20):
        random.Random(seed).shuffle(names)
        assert packed({name: arrays[name] for name in names}, b"{}") == first
