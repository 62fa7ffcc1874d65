"""Event times: when a batch happened, int64 ns since 1970 in UTC, known when the plan is made.

`time=` is one time for all (int ns, an ISO text, a datetime), a mapping from batch id to time, a
pattern with one group that finds the time in the id (a compiled one, or a text with a parenthesis,
which no ISO time has), or the name of a column of times: any other text (spans.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np

from nacre.errors import BadInput, BadParameter

WIDEST = 1 << 63
_FAR = np.timedelta64(WIDEST // 10**9, "s")  # an int64 of ns reaches from 1677 to 2262


class Span(NamedTuple):
    """Of its rows the first event and the last, ns since 1970; the last is the batch's own time."""

    first: int
    last: int


def column_in(time: Any) -> str | None:
    """The name of the column that `time=` names; None where it is a time, or tells times by id.

    >>> column_in("departure"), column_in("2013-02"), column_in(r"(\\d{4})")
    ('departure', None, None)
    """
    if not isinstance(time, str) or not time or "(" in time:
        return None
    return time if isinstance(_parsed(time), str) else None


def event_spans(time: Any, ids: Iterable[str], what: str = "rows without names") -> dict[str, Span]:
    """Batch id -> its first and its last event, which are one; of a Span, those.

    Args:
        time: as `nacre.read` takes it.
        ids: of the batches.
        what: they are of, where columns have no names.

    Raises:
        BadParameter: no time, or a column of what has none.
        BadInput: an id for which there is none.
    """
    if isinstance(time, Span):
        return dict.fromkeys(ids, time)
    if column_in(time) is not None:
        raise BadParameter(
            got=f"time={time!r}, which is no time, and could be a column, of {what}",
            wanted="a column of a frame or of files with named columns; else ns since 1970, an ISO "
            "text, a datetime, a pattern, or {id: time}",
            do="Pass a frame of pandas, polars or pyarrow, or say the time itself.",
        )
    return {name: Span(at, at) for name, at in event_times(time, ids).items()}


def event_times(time: Any, ids: Iterable[str]) -> dict[str, int]:
    """Batch id -> its event time.

    >>> event_times(r"(\\d{4}-\\d{2})", ["flights/2013-02.parquet"])
    {'flights/2013-02.parquet': 1359676800000000000}

    Raises:
        BadParameter: no time.
        BadInput: an id for which there is none.
    """
    if time is None:
        return {}
    if isinstance(time, Mapping):
        return {name: nanoseconds(_told(time, name)) for name in ids}
    if isinstance(time, re.Pattern) or (isinstance(time, str) and "(" in time):
        pattern = _pattern(time)
        return {name: nanoseconds(_found(pattern, name)) for name in ids}
    return dict.fromkeys(ids, nanoseconds(time))


def nanoseconds(time: Any) -> int:
    """A time as ns since 1970: an int, an ISO text, a date, a datetime (UTC if it has no zone).

    >>> nanoseconds("1970-01-01T00:00:01Z"), nanoseconds("1970-02"), nanoseconds(5)
    (1000000000, 2678400000000000, 5)

    Raises:
        BadParameter: none of these, or outside of the years 1678 to 2261.
    """
    if isinstance(time, str):
        time = _parsed(time)
    if isinstance(time, datetime):
        time = np.datetime64(
            (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None), "us"
        )
    elif isinstance(time, date):
        time = np.datetime64(time, "D")
    if isinstance(time, np.datetime64) and abs(time - np.datetime64(0, "s")) < _FAR:
        time = time.astype("datetime64[ns]").astype(np.int64)
    if (
        isinstance(time, int | np.integer)
        and not isinstance(time, bool)
        and abs(int(time)) < WIDEST
    ):
        return int(time)
    raise BadParameter(
        got=f"time={time!r}",
        wanted="ns since 1970, an ISO text or a datetime between the years 1678 and 2261",
        do='Write for example time="2013-02-01", or a pattern: time=r"(\\d{4}-\\d{2})".',
    )


def _parsed(text: str) -> Any:
    try:
        if re.fullmatch(r"\d{4}(-\d{2})?", text):  # a year, a month: fromisoformat knows neither
            return np.datetime64(text)
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def _told(times: Mapping[str, Any], name: str) -> Any:
    if name not in times:
        raise BadInput(
            got=f"no time for {name!r}",
            wanted="a time for every id",
            do="Add it to time={id: time}; an id is a file's path below root.",
        )
    return times[name]


def _pattern(time: Any) -> re.Pattern[str]:
    try:
        pattern = re.compile(time)
    except re.error as error:
        raise BadParameter(
            got=f"time={time!r}: {error}", wanted="a pattern", do="Correct the pattern."
        ) from None
    if pattern.groups != 1:
        raise BadParameter(
            got=f"time={time!r} with {pattern.groups} groups",
            wanted="one group, which is the time",
            do="Write the other groups as (?:...).",
        )
    return pattern


def _found(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.search(name)
    if match is None or match[1] is None:
        raise BadInput(
            got=f"no time in the id {name!r}",
            wanted=f"one that {pattern.pattern!r} finds",
            do="Correct the pattern, or give time={id: time}.",
        )
    return match[1]
