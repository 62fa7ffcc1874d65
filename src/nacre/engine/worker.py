"""What runs in a worker of `processes`: it is told, works, answers, and ends with its parent."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from multiprocessing.spawn import prepare
from typing import Any, ClassVar, NamedTuple

from nacre.engine.cache import Cache
from nacre.engine.failure import located
from nacre.engine.held import Held
from nacre.engine.shared import Arrived
from nacre.engine.tree import Span
from nacre.errors import BadType, LearnerFailed, NacreError
from nacre.kernel.kernel_class import kernel_class

GRACE = 1.0  # seconds from the parent's end to that of a worker that is at work


class News(NamedTuple):
    """A parcel; its open files follow the order, one by one."""

    token: int
    data: bytes
    cuts: list[tuple[int, int]]
    n_files: int


class Order(NamedTuple):
    """What a worker is told.

    Attributes:
        gone: tokens of parcels to forget.
        news: parcels to keep.
        path: where modules are looked for, when there are news.
        work: tokens of the shards and of the task with its model, and the block; None: no work.
    """

    gone: list[int]
    news: list[News]
    path: list[str]
    work: tuple[int, int, Span] | None


@dataclass(frozen=True)
class Shards:
    """Shards on their way: they arrive as Held, with a cache of at most `limit` bytes."""

    shards: list[Any]
    limit: int | None

    def __reduce__(self) -> tuple[Any, ...]:
        return _held, (self.shards, self.limit)


def _held(shards: list[Any], limit: int | None) -> Held:
    return Held(shards, Cache(limit))


class Main:
    """The parent's main module, imported when a class of it is met; most learners live elsewhere.

    Attributes:
        found: how multiprocessing finds it; empty once imported, or where it is no file.
        under_way: its body runs; without a guard it would now start workers of its own.
    """

    found: ClassVar[dict[str, Any]] = {}
    under_way: ClassVar[bool] = False

    @classmethod
    def meet(cls, module: str) -> None:
        """Import it if this is its name."""
        if module in ("__main__", "__mp_main__") and cls.found and not cls.under_way:
            cls.under_way = True
            try:
                prepare(cls.found)
                cls.found = {}
            finally:
                cls.under_way = False


def main(socket: int, found: dict[str, Any]) -> None:
    """Serve the parent on a socket, by descriptor, until it hangs up; `found`: as Main has it."""
    faulthandler.enable()
    threading.Thread(target=_end_with_parent, args=(socket,), daemon=True).start()
    Main.found = found
    kept: dict[int, Any] = {}
    with contextlib.suppress(EOFError, OSError), Connection(socket) as wire:
        while True:
            order: Order = pickle.loads(wire.recv_bytes())
            _take(order, kept, wire)
            if order.work is not None:
                wire.send_bytes(outcome(_work, kept, *order.work))


def outcome(work: Callable[..., Any], *given: Any) -> bytes:
    """The pickle of (True, result, kernel class) or (False, error, traceback): all can travel."""
    try:
        with located(""):
            return pickle.dumps((True, work(*given), kernel_class()), 5)
    except BaseException as error:
        text = traceback.format_exc()
        with contextlib.suppress(Exception):
            data = pickle.dumps((False, error, text), 5)
            if type(pickle.loads(data)[1]) is type(error):
                return data
        stand_in = LearnerFailed(
            got=f"{type(error).__name__}: {error}",
            wanted="an error that pickles",
            do="Give its class fields that are keywords only, or a __reduce__.",
            where=getattr(error, "where", ""),
        )
        return pickle.dumps((False, stand_in, text), 5)


def _take(order: Order, kept: dict[int, Any], wire: Connection[Any, Any]) -> None:
    for token in order.gone:
        kept.pop(token, None)
    for new in order.news:
        sys.path[:] = order.path
        files = [recv_handle(wire) for _ in range(new.n_files)]
        kept[new.token] = Arrived.of(new.data, new.cuts, files)


def _work(kept: dict[int, Any], shards: int, letter: int, block: Span) -> dict[Span, Any]:
    task, model = _opened(kept, letter)
    done: dict[Span, Any] = _opened(kept, shards).work(task, model, block)
    return done


def _opened(kept: dict[int, Any], token: int) -> Any:
    if isinstance(kept[token], Arrived):
        try:
            kept[token] = kept[token].open(Main.meet)
        except NacreError:
            raise
        except Exception as error:
            raise BadType(
                got=f"what a worker cannot import ({type(error).__name__}: {error})",
                wanted="learners and sources whose classes a module has",
                do="Move the class out of the script or notebook, or use engine='threads'.",
            ) from error
    return kept[token]


def _end_with_parent(socket: int) -> None:
    """An idle worker reads the end of its socket; one at work does not look."""
    hung_up = select.poll()
    hung_up.register(socket, 0)
    hung_up.poll()
    time.sleep(GRACE)
    os._exit(1)
