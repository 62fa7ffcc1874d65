"""Spans of time: what a text says, and what says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import BadParameter
from nacre.evolve.spans import UNITS, moment, span, spelled


@given(st.integers(1, 10**6), st.sampled_from(sorted(UNITS)))
def test_what_is_spelled_is_read(number: int, unit: str) -> None:
    assert span(f"{number}{unit}") == span(f" {number} {unit} ") == number * UNITS[unit]
    assert span(spelled(number * UNITS[unit])) == number * UNITS[unit]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2 weeks", 14 * UNITS["d"]),
        ("1 day", UNITS["d"]),
        ("0.1s", 10**8),
        ("1.5minutes", 90 * UNITS["s"]),
        ("0.3 us", 300),
    ],
)
def test_words_and_parts(text: str, ns: int) -> None:
    assert span(text) == ns


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "0.1ns", "-3d", "1e3s", "9 fortnights", 90])
def test_what_says_nothing(text: str) -> None:
    with pytest.raises(BadParameter, match='Write "90d", "12h", "30min" or "2w"'):
        span(text)


@pytest.mark.parametrize("text", ["3 months", "1y", "5m", "2 years"])
def test_months_and_years_are_no_spans(text: str) -> None:
    with pytest.raises(BadParameter, match="differ in length"):
        span(text)


def test_moments() -> None:
    assert moment(-1) == "1969-12-31T23:59:59.999999999"
    assert moment(20 * UNITS["s"]) == "1970-01-01T00:00:20"
