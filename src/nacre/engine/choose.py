"""An engine from its name: "serial", "threads", "threads:4", "processes:2"."""

from __future__ import annotations

import atexit
from typing import Any

from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.errors import BadParameter

KINDS = ("serial", "threads", "processes")
VERBS = ("hold", "stream", "reduce", "regroup", "close")
_open: dict[int | None, Any] = {}  # engines of processes: their workers live between fits


def engine_of(name: Any, memory: int | None = None) -> Any:
    """The engine of a name (None: threads), its workers kept between fits; an engine as it is.

    Raises:
        BadParameter: no such engine.
    """
    kind, n_workers = check(name)
    if kind == "serial":
        return Serial(memory)
    if kind == "threads":
        return Threads(n_workers, memory)
    return _processes(n_workers, memory) if kind else name


def check(name: Any) -> tuple[str, int | None]:
    """(kind, number of workers) of an engine's name; kind "" for an engine, which is none.

    >>> check("threads:4"), check(None)
    (('threads', 4), ('threads', None))

    Raises:
        BadParameter: no such engine.
    """
    if name is not None and not isinstance(name, str):
        if all(hasattr(name, verb) for verb in VERBS):
            return "", None
        raise _unknown(name)
    kind, colon, count = (name or "threads").partition(":")
    if kind not in KINDS or (colon and not (count.isdigit() and int(count) > 0)):
        raise _unknown(name)
    return kind, int(count) if count else None


def _processes(n_workers: int | None, memory: int | None) -> Any:
    if n_workers not in _open:
        from nacre.engine.processes import Processes

        _open[n_workers] = Processes(n_workers)
        atexit.register(_open[n_workers].close)
    _open[n_workers].memory = memory
    return _open[n_workers]


def _unknown(name: Any) -> BadParameter:
    return BadParameter(
        got=f"engine={name!r}",
        wanted='"serial", "threads:N" or "processes:N"',
        do="Name one of these, or pass an engine of your own.",
    )
