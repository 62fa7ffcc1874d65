"""Followers for tests: what they heard, and one in a process of its own that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nacre.live.follow import Bad, Follower, Listener, Pace, Part, Source
from nacre.live.model import Absorbed, Live

AT_ONCE = Pace(every=0.05, rows=500)


class Heard(Listener):
    """What a follower did.

    Attributes:
        names: what was absorbed, one list for each commit.
        bad: what was set aside.
        events: in their order.
        on: event -> called when it happens.
    """

    def __init__(self, **on: Callable[[], Any]) -> None:
        self.names: list[tuple[str, ...]] = []
        self.bad: list[Bad] = []
        self.events: list[str] = []
        self.on = on

    def took(self, part: Part, done: Absorbed) -> None:
        if done.n_batches:
            self.names.append(part.names)
        self._happened("took")

    def set_aside(self, bad: Bad) -> None:
        self.bad.append(bad)
        self._happened("set_aside")

    def away(self, error: BaseException, seconds: float) -> None:
        self._happened("away")

    def back(self) -> None:
        self._happened("back")

    def idle(self, n_waiting: int) -> None:
        self._happened("idle")

    def _happened(self, event: str) -> None:
        self.events.append(event)
        self.on.get(event, lambda: None)()


def follower(live: Live, source: Source, pace: Pace = AT_ONCE, **on: Callable[[], Any]) -> Any:
    """A follower whose listener is a Heard."""
    return Follower(live, source, pace, Heard(**on), engine="serial")


CHILD = """
import sys
import nacre
from nacre.live.follow import Follower, Listener, Pace
from tests.live.following import source

class Loud(Listener):
    def took(self, part, done):
        print(done.n_rows, flush=True)

live = nacre.open(sys.argv[2])
pace = Pace(every=0.05, rows=int(sys.argv[3]))
Follower(live, source(sys.argv[1]), pace, Loud(), engine="serial").run()
"""


def source(where: str) -> Source:
    """What is followed, as the command line has it."""
    if where.startswith("redis://"):
        from nacre.live.follow_redis import RedisStream

        return RedisStream(where)
    from nacre.live import follow_folder

    follow_folder.MOST_TOGETHER = 7  # many commits, so that there is something to kill
    follow_folder.Seen.together = 7
    return follow_folder.Folder(where, settle=0)


@contextmanager
def child(where: str, model: Path, rows: int = 500) -> Iterator[Any]:
    """A process that follows; it says how many rows it took, each time. It is killed at the end."""
    command = [sys.executable, "-c", CHILD, where, str(model), str(rows)]
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def heard_rows(process: Any, wanted: int) -> int:
    """Rows that a child has said to have taken, once they are that many, or it ends."""
    n_rows = 0
    for line in process.stdout:
        n_rows += int(line)
        if n_rows >= wanted:
            break
    return n_rows
