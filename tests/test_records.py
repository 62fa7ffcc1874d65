"""Records: a value is what it is, whatever holds it; rows are cut and sent as arrays are."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre import canon
from nacre.kinds import Array
from nacre.records import Records, array_hashes, kind_of, number_bits, text_hashes

TEXTS = st.lists(st.none() | st.text(max_size=12), min_size=1, max_size=9)
NUMBERS = st.lists(st.none() | st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=9)
HOLDERS = [pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(21, 2)]


def as_texts(values: list[str | None], how: int) -> Any:
    """A column of texts as one of the ways in which sources give it."""
    kind = (pa.string(), pa.large_string(), pa.string_view())[how % 3]
    column = pa.array(values, kind)
    if how >= 3:
        column = pa.array(["not there", *values], pa.string()).dictionary_encode()[1:]
    return column


@settings(max_examples=40)
@given(values=TEXTS, how=st.integers(0, 3), other=st.integers(0, 3))
def test_a_text_is_what_it_is(values: list[str | None], how: int, other: int) -> None:
    a, b = (Records.of({"x": as_texts(values, one)}) for one in (how, other))
    assert canon.digest(a) == canon.digest(b)
    np.testing.assert_array_equal(a.hashes(), b.hashes())
    np.testing.assert_array_equal(a.column_hashes(0), text_hashes(values))
    codes, texts = a.codes(0)
    assert [texts[code] for code in codes] == values
    present = {value for value in values if value is not None}
    assert list(texts) == sorted(present) + [None] * (None in values)
    same = np.equal.outer(a.hashes(), a.hashes())
    assert same.tolist() == [[x == y for y in values] for x in values]


@settings(max_examples=40)
@given(values=NUMBERS, data=st.data())
def test_a_number_is_what_it_is(values: list[int | None], data: Any) -> None:
    a, b = (
        Records.of({"x": pa.array(values, pa.int64()).cast(data.draw(st.sampled_from(HOLDERS)))})
        for _ in range(2)
    )
    assert canon.digest(a) == canon.digest(b)
    np.testing.assert_array_equal(a.hashes(), b.hashes())
    plain = np.array([np.nan if value is None else value for value in values])
    np.testing.assert_array_equal(a.numbers(0), plain)
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(array_hashes(plain[:, None].astype(dtype)), a.hashes())
    same = np.equal.outer(a.hashes(), a.hashes())
    assert same.tolist() == [[x == y for y in values] for x in values]


@settings(max_examples=40)
@given(st.lists(st.floats(allow_nan=False) | st.integers(-(2**63), 2**64 - 1), max_size=9))
def test_the_bits_of_numbers_tell_them_apart(values: list[float]) -> None:
    exact = [value for value in values if value in (np.inf, -np.inf) or float(value) == value]
    bits, what = number_bits(np.array(exact, np.float64))
    names = list(zip(bits.tolist(), what.tolist(), strict=True))
    assert [[a == b for b in names] for a in names] == [[a == b for b in exact] for a in exact]
    for value, name in zip(exact, names, strict=True):
        for dtype in (np.int64, np.uint64):
            if float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
                one = number_bits(np.array([int(value)], dtype))
                assert (int(one[0][0]), int(one[1][0])) == name


def test_hashes_are_those_of_all_days() -> None:
    rows = Records.of({"a": ["Rome", None, ""], "b": [1.0, 0.5, None], "c": [True, None, False]})
    assert rows.hashes().tolist() == HASHES
    assert rows.hashes(seed=1)[0] == 5926182959040941019
    assert text_hashes(["1"])[0] != Records.of({"n": [1]}).column_hashes(0)[0]


HASHES = [6851067229821354214, 17433779840879775220, 18032979829523596655]


def mixed(n: int) -> Records:
    """Rows of every kind."""
    at = np.arange(n)
    return Records.of(
        {
            "city": pa.array([("Rome", "Oslo", None)[i % 3] for i in at], pa.string()),
            "kind": pa.array([f"k{i % 5}" for i in at]).dictionary_encode(),
            "x": at / 4,
            "n": pa.array(at % 7, pa.int8()),
            "ok": at % 2 == 0,
            "day": pa.array(at.tolist(), pa.date32()),
        }
    )


@settings(max_examples=40)
@given(data=st.data(), n=st.integers(1, 30))
def test_rows_are_cut_as_those_of_arrays(data: Any, n: int) -> None:
    rows, place = mixed(n), np.arange(n)
    at: Any = data.draw(
        st.slices(n).filter(lambda s: s.step in (None, 1))
        | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
        | st.lists(st.integers(0, n - 1), max_size=9).map(lambda found: np.array(found, int))
    )
    some = rows[at]
    assert some.shape == (len(place[at]), 6)
    np.testing.assert_array_equal(some.hashes(), rows.hashes()[at])
    np.testing.assert_array_equal(some.numbers(2), rows.numbers(2)[at])
    for protocol in (4, 5):
        back = pickle.loads(pickle.dumps(some, protocol))
        assert canon.digest(back) == canon.digest(some)
    cut = data.draw(st.integers(0, n))
    assert canon.digest(Records.joined([rows[:cut], rows[cut:]])) == canon.digest(rows)
    assert canon.digest(Records.of(dict(zip(rows.names, rows.table().columns, strict=True)))) == (
        canon.digest(rows)
    )


def test_a_slice_travels_without_the_rest() -> None:
    assert len(pickle.dumps(mixed(100_000)[:10], 5)) < 10_000


def test_pieces_of_other_types_are_joined_by_value() -> None:
    kinds: list[tuple[Any, Any]] = [
        (pa.array([1, 2], pa.int8()), pa.array([3], pa.int64())),
        (pa.array([1, 2], pa.int32()), pa.array([0.5])),
        (pa.array([1], pa.uint64()), pa.array([-2], pa.int8())),
        (pa.array(["a", "b"]), pa.array(["b"]).dictionary_encode()),
    ]
    for a, b in kinds:
        parts = [Records.of({"x": column}) for column in (a, b)]
        whole = Records.joined(parts)
        np.testing.assert_array_equal(
            whole.hashes(), np.concatenate([part.hashes() for part in parts])
        )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_counted_in_their_unit(unit: str) -> None:
    moments = pa.array([0, 86_400, None], pa.timestamp("s"))
    seconds = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    rows = Records.cast(["t"], [unit], [moments], "float64")
    np.testing.assert_array_equal(rows.numbers(0), [0, 86_400 * seconds, np.nan])
    days = Records.cast(["t"], [unit], [pa.array([0, 1, None], pa.date32())], "float64")
    assert canon.digest(days) == canon.digest(rows)
    with pytest.raises(pa.ArrowInvalid):
        Records.cast(["t"], ["s"], [pa.array([1], pa.timestamp("ms"))], "float64")


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        (pa.time32("s"), "s"),
        (pa.time64("us"), "us"),
        (pa.duration("ms"), "ms"),
        (pa.date64(), "ms"),
        (pa.timestamp("ns", "Europe/Rome"), "ns"),
        (pa.dictionary(pa.int8(), pa.int64()), ""),
        (pa.float16(), ""),
        (pa.list_(pa.int8()), None),
        (pa.binary(), None),
    ],
    ids=str,
)
def test_what_a_type_holds(kind: Any, holds: str | None) -> None:
    assert kind_of(kind) == holds
    if holds is not None:
        column: Any = pa.array([1], pa.int32())
        if pa.types.is_float16(kind) or pa.types.is_dictionary(kind):
            column = column.cast(pa.int64() if pa.types.is_dictionary(kind) else pa.float16())
            column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column
        else:
            wide = kind not in (pa.time32("s"), pa.date32())
            column = column.cast(pa.int64() if wide else pa.int32()).cast(kind)
        numbers: Array = Records.of({"x": column}).numbers(0)
        assert numbers.tolist() == [1.0]
