"""Event times: when a batch happened, int64 ns since 1970 in UTC, known when the plan is made.

`time=` is one time for all (int ns, an ISO text, a datetime), a mapping from batch id to time, or a
pattern with one group that finds the time in the id: a compiled one, or a text with a parenthesis,
which no ISO time has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from nacre.errors import BadInput, BadParameter

WIDEST = 1 << 63
_FAR = np.timedelta64(WIDEST // 10**9, "s")  # an int64 of ns reaches from 1677 to 2262


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
