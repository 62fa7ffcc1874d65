"""What holds for a process, or for a block of code: the engine and the memory of its fits."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any

from nacre.errors import BadParameter

_settings: dict[str, Any] = {"engine": None, "memory": None}
CONTAINER = tuple(  # of cgroups, version 2 and 1: limit, use
    (f"/sys/fs/cgroup/{limit}", f"/sys/fs/cgroup/{used}")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class use:  # noqa: N801 - reads as a verb
    """Set engine and memory for the process, or in a `with` for its block.

    >>> with use(engine="serial", memory="1GB"):
    ...     current("engine"), current("memory")
    ('serial', 1000000000)
    >>> current("engine") is None
    True
    """

    def __init__(self, *, engine: Any = ..., memory: Any = ...) -> None:
        from nacre.engine.choose import check

        self._before = dict(_settings)
        chosen = {}
        if engine is not ...:
            check(engine)
            chosen["engine"] = engine
        if memory is not ...:
            chosen["memory"] = in_bytes(memory)
        _settings.update(chosen)

    def __enter__(self) -> use:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _settings.update(self._before)


def current(name: str) -> Any:
    """The setting as it stands."""
    return _settings[name]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available() -> int | None:
    """Bytes that this process could still take, of machine and container; None: unknown."""
    found = [
        int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if "MemAvailable" in line
    ]
    for limit, used in CONTAINER:
        numbers = [*_lines(limit)[:1], *_lines(used)[:1]]
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            found.append(max(0, int(numbers[0]) - int(numbers[1])))
    return min(found, default=None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def in_bytes(memory: int | str | None) -> int | None:
    """Bytes of 1_000_000, "500MB", "1.5 GB"; None for no limit.

    >>> in_bytes("500MB")
    500000000

    Raises:
        BadParameter: not a size.
    """
    if memory is None or (isinstance(memory, int) and not isinstance(memory, bool) and memory > 0):
        return memory
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", str(memory), re.IGNORECASE)
    if not found or float(found[1]) == 0:
        raise BadParameter(
            got=f"memory={memory!r}",
            wanted="a size",
            do='Write bytes, or text such as "500MB", "2GB".',
        )
    return int(float(found[1]) * _UNITS[found[2].lower()])
