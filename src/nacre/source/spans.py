"""Event times of rows: the first and the last in a column, as a file says of itself, or by one
scan of that column before the plan is made.

A column holds timestamps of any unit (in UTC where they have no zone), dates, whole numbers of ns
since 1970, or ISO texts. Every row must have one: a row without would be in no window.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, BadType
from nacre.source.footer import bounds, opened
from nacre.source.opening import check_stamp, stamp_of
from nacre.source.parquet import ParquetGroups
from nacre.source.paths import File
from nacre.source.stitched import LOST, Groups
from nacre.source.times import WIDEST, Span, nanoseconds

DAY = 86_400 * 10**9
UNITS = {"s": 10**9, "ms": 10**6, "us": 1_000, "ns": 1}
WRITTEN = {"milliseconds": 10**6, "microseconds": 1_000, "nanoseconds": 1}  # units of Parquet
WANTED = "timestamps, dates, whole numbers of ns since 1970, or ISO texts"


@dataclass
class Events:
    """The first and the last event of the rows of one batch, as they are met.

    Attributes:
        column: its name; where: the source: both for messages.
        rows: how many were met.
        span: of these.
    """

    column: str
    where: str
    rows: int = 0
    span: Span | None = None

    def take(self, times: Any, there: Array | None = None) -> None:
        """Meet the next rows.

        Args:
            times: their column, of Arrow.
            there: (n,) bool: False for rows that could not be read, and are left out.

        Raises:
            BadInput: a row without a time, or with one that cannot be read.
            BadType: a column that holds none.
        """
        if isinstance(times, pa.ChunkedArray):
            for chunk in times.chunks:
                self.take(chunk)
            return
        rows = np.arange(self.rows, self.rows + len(times))
        self.rows += len(times)
        if there is not None:
            rows, times = rows[there], times.filter(pa.array(there))
        if len(times):
            self._widen(times, rows)

    def _widen(self, times: Any, rows: Array) -> None:
        if pa.types.is_dictionary(times.type):
            times = times.dictionary_decode()
        if times.null_count:
            at = int(pc.index(times.is_null(), True).as_py())
            self._refuse("no time", int(rows[at]))
        numbers, unit = self._numbers(times, rows)
        ends = pc.min_max(numbers).as_py()
        for end in (ends["min"], ends["max"]):
            if abs(end * unit) >= WIDEST:
                at = int(pc.index(numbers, pa.scalar(end, numbers.type)).as_py())
                self._refuse(f"{_shown(times[at])}, outside of the years", int(rows[at]))
        self._join(Span(ends["min"] * unit, ends["max"] * unit))

    def _join(self, more: Span) -> None:
        if self.span is not None:
            more = Span(min(self.span.first, more.first), max(self.span.last, more.last))
        self.span = more

    def _numbers(self, times: Any, rows: Array) -> tuple[Any, int]:
        """Whole numbers, as an Arrow array, and how many ns one of them is."""
        kind = times.type
        if pa.types.is_integer(kind):
            return times, 1
        if pa.types.is_timestamp(kind):
            return times.cast(pa.int64()), UNITS[kind.unit]
        if pa.types.is_date32(kind):
            return times.cast(pa.int32()), DAY
        if pa.types.is_date64(kind):
            return times.cast(pa.int64()), UNITS["ms"]
        if any(test(kind) for test in _TEXTS):
            return self._parsed(times, rows), 1
        raise BadType(
            got=f"column {self.column!r} of type {kind} as time=",
            wanted=WANTED,
            do="Cast it, or name another column.",
            where=self.where,
        )

    def _parsed(self, texts: Any, rows: Array) -> Any:
        """ISO texts as int64 ns: by Arrow where all are written out, with zones or all without."""
        texts = texts.cast(pa.large_string())
        for kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
            try:
                return texts.cast(kind).cast(pa.int64())
            except pa.ArrowInvalid:
                continue
        found = []
        for row, text in zip(rows, texts.to_pylist(), strict=True):
            try:
                found.append(nanoseconds(text))
            except BadParameter:
                self._refuse(f"{text[:40]!r}, which is no time or outside of the years", int(row))
        return pa.array(found, pa.int64())

    def _refuse(self, what: str, row: int) -> NoReturn:
        raise BadInput(
            got=f"{what} in row {row} of column {self.column!r}",
            wanted=f"a time in every row, between the years 1678 and 2261: {WANTED}",
            do="Correct the rows, or say the time otherwise: nacre.read(data, time=...).",
            where=self.where,
        )


_TEXTS: list[Callable[[Any], bool]] = [
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
]


def _shown(value: Any) -> str:
    """A value as it stands in the column; Python has no dates beyond the year 9999."""
    try:
        return str(value)
    except (ValueError, OverflowError):
        return f"{value.value} since 1970"


def in_table(column: Any, name: str, where: str) -> Span | None:
    """The events of rows in memory; None where there are no rows.

    Raises:
        BadInput, BadType: as Events.take.
    """
    events = Events(name, where)
    events.take(column)
    return events.span


def in_pandas(column: Any, name: str) -> Span | None:
    """The events of the rows of a pandas frame.

    Raises:
        BadInput, BadType: as Events.take.
    """
    try:
        times = pa.array(column, from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise BadType(
            got=f"column {name!r} of type {column.dtype} as time= ({error})",
            wanted=WANTED,
            do="Convert it: pandas.to_datetime(column).",
            where="the frame",
        ) from None
    return in_table(times, name, "the frame")


def in_path(value: Any, name: str, where: str) -> Span:
    """The events of a file that its path tells: of `day=2024-03-01/x.parquet` that day.

    Raises:
        BadInput: what stands there is no ISO text.
    """
    text = "" if value.as_py() is None else str(value.as_py())
    try:
        at = nanoseconds(text)
    except BadParameter:
        raise BadInput(
            got=f"{name}={text} in the path, which is no time",
            wanted="an ISO text: a year, a month, a day, ...",
            do='Find it in the ids by a pattern: nacre.read(data, time=r"(...)").',
            where=where,
        ) from None
    return Span(at, at)


def in_file(file: File, groups: Groups, name: str) -> Span | None:
    """The events of the rows of a file; None where there are no rows.

    Raises:
        BadInput: a row without a time, a damaged file, or not the one that was looked at.
        BadType: a column that holds no times.
        NotFound, Unavailable: as opening.explained.
    """
    if not len(groups.starts) or not groups.starts[-1]:
        return None
    if isinstance(groups, ParquetGroups):
        leaf = _leaf(file, name)
        told = None if leaf is None else _told(file, leaf)
        check_stamp(stamp_of(file), groups.stamp, file.where)
        if told is not None:
            return told
        if leaf is not None and leaf.physical_type == "INT96":
            _check_years(file, name)
    events = Events(name, file.where)
    with closing(groups.chunks(file, 0, [name])) as batches:
        for batch in batches:
            lost = batch.schema.get_field_index(LOST)
            there = None if lost < 0 else ~_bools(batch.column(lost))
            events.take(batch.column(name), there)
    return events.span


def _leaf(file: File, name: str) -> Any:
    """What a Parquet file says of a column that holds one value in each row; None of others."""
    with opened(file) as parquet:
        columns = (parquet.schema.column(at) for at in range(len(parquet.schema)))
        plain = (c for c in columns if not c.max_repetition_level and c.max_definition_level <= 1)
        return next((column for column in plain if column.path == name), None)


def _told(file: File, leaf: Any) -> Span | None:
    """As the statistics of a Parquet file say; None where they do not, or not exactly."""
    unit = _unit_of(leaf)
    pairs = bounds(file, leaf.path) if unit else None
    if not pairs:
        return None
    span = Span(min(a for a, _ in pairs) * unit, max(b for _, b in pairs) * unit)
    return span if max(-span.first, span.last) < WIDEST else None  # the scan names the row


def _check_years(file: File, name: str) -> None:
    """Meet times of INT96 in microseconds: in ns, Arrow lets years out of reach wrap around."""
    events = Events(name, file.where)
    with opened(file, coerce_int96_timestamp_unit="us") as parquet:
        for batch in parquet.iter_batches(columns=[name], use_threads=False):
            events.take(batch.column(0))


def _unit_of(column: Any) -> int:
    """How many ns a number in a column of Parquet is; 0 where statistics are no times."""
    kind = column.logical_type
    if kind.type == "TIMESTAMP":
        return next((n for unit, n in WRITTEN.items() if f'"{unit}"' in kind.to_json()), 0)
    if kind.type == "DATE":
        return DAY
    whole = kind.type == "NONE" or (kind.type == "INT" and '"isSigned":true' in kind.to_json())
    return int(whole and column.physical_type in ("INT32", "INT64"))


def _bools(column: Any) -> Array:
    return np.asarray(column.to_numpy(zero_copy_only=False), bool)
