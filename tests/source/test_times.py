"""Event times: one for all, by id, or found in the id."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.canon import unpack
from nacre.errors import BadInput, BadParameter
from nacre.source.read import plan_of, read
from nacre.source.times import event_times, nanoseconds
from tests.source.adapters import columns, parquet
from tests.source.learners import Means
from tests.source.refusal import refused

SECOND = 10**9
DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (7, 7),
        (np.int64(-7), -7),
        ("1970", 0),
        ("1970-02", 31 * DAY),
        ("1970-01-02", DAY),
        ("19700102", DAY),
        ("1970-01-02T00:00:01.5", DAY + SECOND * 3 // 2),
        ("1970-01-02T01:00:00+01:00", DAY),
        ("1969-12-31T23:59:59Z", -SECOND),
        (date(1970, 1, 2), DAY),
        (datetime(1970, 1, 2), DAY),
        (datetime(1970, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))), DAY),
        (np.datetime64("1970-01-02", "D"), DAY),
        (np.datetime64("1970-01-02T00:00:00.000000001", "ns"), DAY + 1),
    ],
    ids=repr,
)
def test_what_is_a_time(time: Any, expected: int) -> None:
    assert nanoseconds(time) == expected


@pytest.mark.parametrize(
    "time",
    ["yesterday", "3000-01-01", "1500-01-01", 1.5, True, 2**63, np.datetime64("NaT"), b"1970", ""],
    ids=repr,
)
def test_what_is_no_time(time: Any) -> None:
    refused(BadParameter, lambda: nanoseconds(time), "time=", "ISO")


@given(st.datetimes(datetime(1680, 1, 1), datetime(2260, 1, 1)))
def test_datetimes_keep_their_microseconds(time: datetime) -> None:
    exact = (time - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1000
    assert nanoseconds(time) == nanoseconds(time.isoformat()) == exact
    assert nanoseconds(time.replace(tzinfo=UTC)) == exact


def test_times_by_id_and_in_ids() -> None:
    ids = ["2013-01/a", "2013-02/b"]
    expected = {name: nanoseconds(name[:7]) for name in ids}
    assert event_times(r"(\d{4}-\d{2})", ids) == expected
    assert event_times(re.compile(r"^([^/]+)/"), ids) == expected
    assert event_times({"2013-01/a": "2013-01", "2013-02/b": "2013-02", "c": 0}, ids) == expected
    assert event_times(None, ids) == {}
    assert event_times("2013", ids) == dict.fromkeys(ids, nanoseconds("2013"))


def test_ids_without_a_time() -> None:
    refused(BadInput, lambda: event_times({"a": 0}, ["a", "b"]), "no time for 'b'")
    refused(BadInput, lambda: event_times(r"(\d{4})", ["a"]), "no time in the id 'a'")
    refused(BadParameter, lambda: event_times(r"(a", ["a"]), "unterminated")
    refused(BadParameter, lambda: event_times(r"(a)(b)", ["ab"]), "2 groups")
    refused(BadParameter, lambda: event_times(r"([a-z]+)", ["late"]), "'late'")


def test_the_time_is_part_of_the_key_and_orders_the_shards(tmp_path: Path) -> None:
    X = np.arange(8, dtype="float32").reshape(4, 2)
    for name, part in (("2014", X[:2]), ("2013", X[2:])):
        parquet(columns(part), tmp_path).rename(tmp_path / f"{name}.parquet")
    plan = plan_of(read(tmp_path, time=r"(\d{4})"))
    assert [unpack(shard.key)[0] for shard in plan.shards] == [
        nanoseconds("2013"),
        nanoseconds("2014"),
    ]
    assert plan.head().X.tolist() == [*X[2:].tolist(), *X[:2].tolist()]
    assert [next(plan.shards[i].read()).X[0, 0] for i in plan.reading_order] == [4, 0]
    means = Means().fit(read(tmp_path, time=r"(\d{4})"))
    np.testing.assert_array_equal(means.predict(tmp_path), np.r_[X[2:], X[:2]].sum(axis=1))


def test_an_array_has_a_time_too() -> None:
    plan = plan_of(read(np.ones((3, 1)), time="2013", shard_rows=2))
    assert [unpack(shard.key)[0] for shard in plan.shards] == [nanoseconds("2013")] * 2
