"""Event times from a column: what a batch's first and last event are, and which rows are none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.canon import hash64, unpack
from nacre.errors import BadInput, BadParameter, BadType
from nacre.source.footer import _bounds, bounds
from nacre.source.paths import File
from nacre.source.read import plan_of, read
from nacre.source.spans import DAY, Events
from nacre.source.times import Span, column_in, event_spans, nanoseconds
from tests.source.adapters import FILES, FRAMES, Adapter, batch_reader, packed_text, table
from tests.source.learners import Means
from tests.source.refusal import refused

X = np.arange(24, dtype="float32").reshape(12, 2)
DAYS = np.array([f"2013-02-{day:02}" for day in (9, 3, 4, 28, 5, 6, 7, 8, 2, 10, 11, 12)])
WHEN = DAYS.astype("M8[ns]")
SPAN = Span(nanoseconds("2013-02-02"), nanoseconds("2013-02-28"))


def rows(when: Any) -> dict[str, Any]:
    return {"a": X[:, 0], "when": when, "b": X[:, 1]}


@pytest.mark.parametrize("adapter", [*FRAMES, *FILES, packed_text], ids=lambda a: a.__name__)
def test_the_column_is_no_feature_and_its_maximum_is_the_time(
    adapter: Adapter, tmp_path: Path
) -> None:
    plan = plan_of(read(adapter(rows(WHEN), tmp_path), time="when", id="x", shard_rows=5))
    assert dict(plan.times) == {"x": SPAN}
    assert plan.schema.names == ("a", "b")
    assert [unpack(s.key) for s in plan.shards] == [(SPAN.last, hash64("x"), i) for i in range(3)]
    np.testing.assert_array_equal(np.vstack([b.X for s in plan.shards for b in s.read()]), X)


@pytest.mark.parametrize("adapter", [batch_reader, packed_text], ids=lambda a: a.__name__)
def test_the_sum_is_that_of_rows_whose_time_is_said(adapter: Adapter, tmp_path: Path) -> None:
    said = read(X, id="x", time=SPAN.last, shard_rows=5)
    given = read(adapter(rows(WHEN), tmp_path), id="x", time="when", shard_rows=5, dtype="float32")
    want, got = Means().fit(said), Means().fit(given)
    assert got.state_.told.moments.mean.tobytes() == want.state_.told.moments.mean.tobytes()


ONE = nanoseconds("2013-02-01T10:00:00")
WRITTEN: dict[str, Any] = {
    "s": pa.array([ONE // 10**9], pa.timestamp("s")),
    "ms": pa.array([ONE // 10**6], pa.timestamp("ms", "Asia/Tokyo")),
    "us": pa.array([ONE // 10**3], pa.timestamp("us")),
    "ns": pa.array([ONE], pa.timestamp("ns", "UTC")),
    "int64": pa.array([ONE]),
    "uint64": pa.array([ONE], pa.uint64()),
    "text": pa.array(["2013-02-01T10:00:00"]),
    "zones": pa.array(["2013-02-01T12:00:00+02:00"], pa.large_string()),
    "view": pa.array(["2013-02-01 10:00"], pa.string_view()),
    "dictionary": pa.array(["2013-02-01T10:00:00Z"]).dictionary_encode(),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_time_is_one_however_it_is_written(name: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.0], "t": WRITTEN[name]}), tmp_path / "a.parquet")
    assert plan_of(read(tmp_path, time="t")).times == {"a.parquet": Span(ONE, ONE)}
    assert plan_of(read(pa.table({"a": [1.0], "t": WRITTEN[name]}), time="t")).times[""].last == ONE


def test_files_of_one_plan_may_write_their_times_otherwise(tmp_path: Path) -> None:
    for kind, times in WRITTEN.items():
        pq.write_table(pa.table({"a": [1.0], "t": times}), tmp_path / f"{kind}.parquet")
    assert set(plan_of(read(tmp_path, time="t")).times.values()) == {Span(ONE, ONE)}
    texts = {"a": "2013-02-01T10:00:00", "b": "2013-02-01 10:00:00.000Z", "c": str(ONE)}
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(f"x,t\n1,{text}\n")
    assert set(plan_of(read(str(tmp_path / "*.csv"), time="t")).times.values()) == {Span(ONE, ONE)}


def test_text_further_down_may_have_fractions_zones_or_only_a_month() -> None:
    events = Events("t", "")
    events.take(pa.chunked_array([["2013-02-02", "2013-02-01T10:00:00.000000001"], ["2014"]]))
    events.take(pa.array(["2013-03", "2013-02-01T10:00:00+02:00", "2013-02-02T00:00"]))
    assert events.span == (nanoseconds("2013-02-01T08"), nanoseconds("2014"))


@given(
    times=st.lists(st.datetimes(datetime(1680, 1, 1), datetime(2260, 1, 1)), min_size=1),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_first_and_last_are_the_least_and_the_largest(times: list[datetime], unit: str) -> None:
    whole = [time.replace(microsecond=0, tzinfo=UTC) for time in times]
    ns = [nanoseconds(time) for time in whole]
    for column in (
        pa.array(whole, pa.timestamp(unit, "UTC")),
        pa.array([time.isoformat() for time in whole]),
    ):
        events = Events("t", "")
        events.take(column)
        assert events.span == (min(ns), max(ns))


def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The columns that are scanned from now on."""
    names: list[str] = []
    take = Events.take

    def told(self: Events, times: Any, there: Any = None) -> None:
        names.append(self.column)
        take(self, times, there)

    monkeypatch.setattr(Events, "take", told)
    return names


TIMES = pa.array(WHEN)


@pytest.mark.parametrize(
    ("times", "options", "is_read"),
    [
        (TIMES, {}, False),
        (TIMES.cast(pa.timestamp("s")), {"row_group_size": 5}, False),
        (TIMES.cast(pa.date32()), {"row_group_size": 1}, False),
        (TIMES.cast(pa.int64()), {"version": "1.0"}, False),
        (TIMES, {"write_statistics": False}, True),
        (TIMES, {"use_deprecated_int96_timestamps": True}, True),
        (TIMES.cast(pa.int64()).cast(pa.uint64()), {}, True),
        (pa.array(DAYS), {}, True),
    ],
    ids=["ns", "groups", "days", "numbers", "no statistics", "int96", "unsigned", "texts"],
)
def test_statistics_of_parquet_are_read_where_they_are_exact(
    times: Any, options: Any, is_read: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = scanned(monkeypatch)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": X[:, 0], "t": times}), path, **options)
    assert plan_of(read(path, time="t")).times["a.parquet"] == SPAN
    assert bool(names) == is_read


def test_years_out_of_reach_do_not_wrap_around_in_int96(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    far = pa.array([ODD, datetime(9999, 12, 31)], pa.timestamp("us"))
    data = pa.table({"a": [1.0, 2.0], "t": far})
    pq.write_table(data, path, use_deprecated_int96_timestamps=True)
    refused(BadInput, lambda: plan_of(read(path, time="t")), "9999", "row 1", "a.parquet")


def test_statistics_that_cannot_be_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": X[:, 0], "t": TIMES}), path)
    found = bounds(File(str(path)), "t")
    assert found == [SPAN]
    least, most = (n.to_bytes(8, "little") for n in found[0])
    data = path.read_bytes()
    at = data.rindex(b"PAR1") - int.from_bytes(data[-8:-4], "little") - 4
    names = scanned(monkeypatch)
    turned = data[at:].replace(least, b"?" * 8).replace(most, least).replace(b"?" * 8, most)
    path.write_bytes(data[:at] + turned)
    assert plan_of(read(path, time="t")).times["a.parquet"] == SPAN
    assert set(names) == {"t"}


ENDS = {5: bytes(7) + b"\1", 6: bytes(8)}  # the largest and the least, of 8 bytes


@pytest.mark.parametrize(
    ("told", "is_good"),
    [
        ({3: 0}, True),
        ({3: 0, 7: True, 8: True}, True),
        ({}, False),
        ({3: 1}, False),
        ({3: 0, 7: False}, False),
        ({3: 0, 8: False}, False),
        ({3: 0, 5: bytes(4)}, False),
        ({3: 0, 6: b""}, False),
    ],
)
def test_statistics_are_exact_and_know_of_no_nulls(told: dict[int, Any], is_good: bool) -> None:
    found = _bounds({1: 2, 12: ENDS | told})
    assert found == ((0, 1 << 56) if is_good else None)


ODD = datetime(2013, 2, 1)
FAR = pa.array([0, 1, 2**34], pa.timestamp("s"))
BAD: list[tuple[Any, str]] = [
    (pa.array([ODD, ODD, None]), "no time in row 2 of column 't'"),
    (pa.array([None, None, ODD]), "no time in row 0"),
    (pa.nulls(3, pa.timestamp("ns")), "no time in row 0"),
    (pa.nulls(3), "no time in row 0"),
    (FAR, "outside of the years in row 2"),
    (pa.array([0, -(2**36), 0], pa.timestamp("s")), "outside of the years in row 1"),
    (pa.array([date(2013, 1, 1), date(3000, 1, 1)]), "3000-01-01, outside of the years in row 1"),
    (pa.array([0, 2**63], pa.uint64()), "outside of the years in row 1"),
    (pa.array(["2013", "2014", "soon"]), "'soon', which is no time"),
    (pa.array(["2013", "3014-01-01"]), "row 1"),
    (pa.array(["2013-02-01", None]), "no time in row 1"),
]


@pytest.mark.parametrize(("column", "says"), BAD, ids=[says for _, says in BAD])
@pytest.mark.parametrize("where", ["a.parquet", "the frame"])
def test_a_row_without_a_time_is_named(column: Any, says: str, where: str, tmp_path: Path) -> None:
    data = pa.table({"a": X[: len(column), 0], "t": column})
    path = tmp_path / "a.parquet"
    pq.write_table(data, path, row_group_size=2)
    given = path if where == "a.parquet" else data
    refused(BadInput, lambda: plan_of(read(given, time="t")), says, where)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["2013", "", "2014"], "no time in row 1 of column 't'"),
        (["", "", ""], "no time in row 0"),
        (["2013-02-01", "NaT", "2014-02-01"], "'NaT', which is no time"),
        (["2013-02-01", "2013-02-02", "3013-02-03"], "'3013-02-03'"),
        (["1.5", "2.5", "3"], "'1.5', which is no time"),
        (["2013-02-01", "soon", "2014"], "in row 1 of column 't'"),
    ],
)
def test_a_line_of_text_without_a_time_is_named(
    texts: list[str], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,t\n" + "".join(f"1,{text}\n" for text in texts))
    refused(BadInput, lambda: plan_of(read(path, time="t")), says, "a.csv")


@pytest.mark.parametrize(
    "column",
    [pa.array([1.5]), pa.array([True]), pa.array([1], pa.time64("us")), pa.array([[1]])],
    ids=lambda column: str(column.type),
)
def test_columns_that_hold_no_times(column: Any, tmp_path: Path) -> None:
    data = pa.table({"a": [1.0], "t": column})
    refused(BadType, lambda: plan_of(read(data, time="t")), str(column.type), "time=", "the frame")
    pq.write_table(data, tmp_path / "a.parquet")
    refused(BadType, lambda: plan_of(read(tmp_path, time="t")), "time=", "a.parquet")


def test_frames_of_pandas_in_all_their_types() -> None:
    stamps = pd.Series(pd.to_datetime(["2013-02-01", "2013-02-02"]))
    span = Span(nanoseconds("2013-02-01"), nanoseconds("2013-02-02"))
    series = {
        "datetime64[s]": stamps.astype("datetime64[s]"),
        "zone": stamps.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        "arrow": stamps.astype("timestamp[ns][pyarrow]"),
        "objects": stamps.dt.date,
        "texts": stamps.astype(str),
        "numbers": stamps.astype("datetime64[ns]").astype("int64"),
        "Int64": stamps.astype("datetime64[ns]").astype("int64").astype("Int64"),
    }
    for name, times in series.items():
        frame = pd.DataFrame({"a": [1.0, 2.0], "t": times})
        plan = plan_of(read(frame, time="t"))
        assert (dict(plan.times), plan.schema.names) == ({"": span}, ("a",)), name
    gap = pd.DataFrame({"a": [1.0, 2.0], "t": [stamps[0], pd.NaT]})
    refused(BadInput, lambda: plan_of(read(gap, time="t")), "row 1", "the frame")
    mixed = pd.DataFrame({"a": [1.0, 2.0], "t": pd.Series(["2013", 3], dtype=object)})
    refused(BadType, lambda: plan_of(read(mixed, time="t")), "to_datetime")
    period = pd.DataFrame({"a": [1.0], "t": pd.period_range("2013", periods=1, freq="D")})
    refused(BadType, lambda: plan_of(read(period, time="t")), "period", "time=")


def test_a_lazy_frame_takes_the_column_along() -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "t": [date(2013, 2, 2), ODD.date()]})
    plan = plan_of(read(frame.lazy(), columns=["a"], time="t"))
    assert plan.times[""] == (nanoseconds("2013-02-01"), nanoseconds("2013-02-02"))
    refused(BadInput, lambda: plan_of(read(frame.lazy(), columns=["a"], time="u")), "'u'")


def test_records_leave_the_column_out_too() -> None:
    frame = pd.DataFrame({"kind": ["x", "y"], "t": pd.to_datetime(["2013", "2014"])})
    plan = plan_of(read(frame, time="t"), takes=("records",))
    assert (plan.schema.names, plan.times[""].first) == (("kind",), nanoseconds("2013"))


ARRAYS: list[tuple[Callable[[Path], Any], str]] = [
    (lambda folder: X, "an array"),
    (lambda folder: X.tolist(), "an array"),
    (lambda folder: saved(folder), "arrays"),
    (lambda folder: np.array([["x", "y"]], object), "an array"),
]


def saved(folder: Path) -> Path:
    np.save(folder / "x.npy", X)
    return folder / "x.npy"


@pytest.mark.parametrize(("make", "what"), ARRAYS)
def test_arrays_have_no_names(make: Callable[[Path], Any], what: str, tmp_path: Path) -> None:
    data = read(make(tmp_path), time="3")
    refused(BadParameter, lambda: plan_of(data, takes=("records",)), "time='3'", what, "Pass a fr")


def test_a_column_that_is_not_there_or_asked_for_twice() -> None:
    data = table(rows(WHEN))
    refused(BadInput, lambda: plan_of(read(data, time="then")), "time='then'", "'a', 'when', 'b'")
    refused(
        BadInput, lambda: plan_of(read(data.to_pandas(), time="then")), "time='then'", "no column"
    )
    refused(BadParameter, lambda: read(data, ["a", "when"], time="when"), "no features")


@pytest.mark.parametrize("schema", ["error", "ignore", "pad"])
def test_a_file_without_the_column_is_named(schema: Any, tmp_path: Path) -> None:
    data = table(rows(WHEN))
    pq.write_table(data, tmp_path / "a.parquet")
    pq.write_table(data.drop_columns("when"), tmp_path / "b.parquet")
    lost = read(tmp_path, time="when", schema=schema)
    refused(BadInput, lambda: plan_of(lost), "time='when'", "b.parquet")


@pytest.mark.parametrize("schema", ["error", "ignore", "pad"])
def test_later_data_has_its_own_times(schema: Any, tmp_path: Path) -> None:
    means = Means().fit(read(table(rows(WHEN)), time="when"))
    pq.write_table(table(rows(WHEN[:3]) | {"a": X[:3, 0], "b": X[:3, 1]}), tmp_path / "a.parquet")
    for data in (tmp_path, pq.read_table(tmp_path / "a.parquet").to_pandas()):
        later = read(data, time="when", schema=schema)
        plan = plan_of(later, schema=means.state_.schema)
        assert plan.schema.names == ("a", "b")
        assert list(plan.times.values()) == [(nanoseconds("2013-02-03"), nanoseconds("2013-02-09"))]
        assert len(means.predict(later)) == 3


def test_a_time_that_stands_in_the_path(tmp_path: Path) -> None:
    for day in ("2013-02-01", "2013-02-03"):
        (tmp_path / f"day={day}").mkdir()
        pq.write_table(pa.table({"a": [1.0]}), tmp_path / f"day={day}" / "x.parquet")
    plan = plan_of(read(tmp_path, time="day"))
    assert [span.last for span in plan.times.values()] == [
        nanoseconds("2013-02-01"),
        nanoseconds("2013-02-03"),
    ]
    (tmp_path / "day=soon").mkdir()
    pq.write_table(pa.table({"a": [1.0]}), tmp_path / "day=soon" / "x.parquet")
    refused(BadInput, lambda: plan_of(read(tmp_path, time="day")), "day=soon", "x.parquet")


def test_rows_that_cannot_be_read_have_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,t\n1,2013\nragged\n2,2014-02\n")
    plan = plan_of(read(path, time="t", bad="skip"))
    assert plan.times["a.csv"] == (nanoseconds("2013"), nanoseconds("2014-02"))


def test_a_file_without_rows_has_no_time(tmp_path: Path) -> None:
    pq.write_table(table(rows(WHEN)), tmp_path / "a.parquet")
    pq.write_table(table(rows(WHEN)).slice(0, 0), tmp_path / "b.parquet")
    plan = plan_of(read(tmp_path, time="when"))
    assert plan.times == {"a.parquet": SPAN}
    assert [unpack(shard.key)[0] for shard in plan.shards] == [0, SPAN.last]


@pytest.mark.parametrize(
    ("time", "column"),
    [
        ("when", "when"),
        ("day 2", "day 2"),
        ("2013", None),
        ("2013-02", None),
        ("20130201", None),
        ("3000-01-01", None),
        (r"(\d{4})", None),
        ("", None),
        (5, None),
        (None, None),
        ({"a": "when"}, None),
    ],
)
def test_which_text_is_a_column(time: Any, column: str | None) -> None:
    assert column_in(time) == column
    assert read(X, time=time).time_column == column


def test_what_is_said_of_all_is_first_and_last() -> None:
    assert event_spans("2013", ["a"]) == {"a": Span(*[nanoseconds("2013")] * 2)}
    assert event_spans({"a": 1, "b": 2}, ["a", "b"]) == {"a": (1, 1), "b": (2, 2)}
    assert event_spans(r"(\d)", ["2013/a"][:0]) == {} == event_spans(None, ["a"])
    assert plan_of(read(X, time=7)).times == {"": (7, 7)}
    assert not plan_of(X).times


def test_days_are_86400_seconds() -> None:
    assert timedelta(days=1) == timedelta(microseconds=DAY // 1_000)
