"""An engine from its name: "serial", "threads", "threads:4", "processes:2"."""

from __future__ import annotations

import atexit
from typing import Any

from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.errors import BadParameter

_open: dict[tuple[str, int | None], Any] = {}  # workers live between fits


def engine_of(name: Any, memory: int | None = None) -> Any:
    """The engine of a name, with its workers kept between fits; an engine is returned as it is.

    Raises:
        BadParameter: no such engine.
    """
    if name is not None and not isinstance(name, str):
        if all(hasattr(name, verb) for verb in ("hold", "stream", "reduce", "regroup", "close")):
            return name
        raise _unknown(name)
    kind, _, count = (name or "threads").partition(":")
    if (count and (not count.isdigit() or int(count) < 1)) or kind not in (
        "serial",
        "threads",
        "processes",
    ):
        raise _unknown(name)
    n_workers = int(count) if count else None
    if kind == "serial":
        return Serial(memory)
    if kind == "threads":
        return Threads(n_workers, memory)
    key = (kind, n_workers)
    if key not in _open:
        from nacre.engine.processes import Processes

        _open[key] = Processes(n_workers)
        atexit.register(_open[key].close)
    _open[key].memory = memory
    return _open[key]


def _unknown(name: Any) -> BadParameter:
    return BadParameter(
        got=f"engine={name!r}",
        wanted='"serial", "threads:N" or "processes:N"',
        do="Name one of these, or pass an engine of your own.",
    )
