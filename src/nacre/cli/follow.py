"""`nacre follow`: absorb what comes, as it comes, each row once and for good."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from typer import Argument, Option

from nacre import __version__
from nacre.cli.failing import PARTIAL
from nacre.cli.fit import Reading, listed
from nacre.cli.interrupt import twice_at_once
from nacre.cli.living import Into, living
from nacre.cli.nearest import no_assignments
from nacre.cli.options import Group, Running, Speech, spread
from nacre.cli.terminal import Terminal, counted, seconds, shown

if TYPE_CHECKING:
    from nacre.live.follow import Bad, Pace, Part, Source

WHAT = "A directory, a glob in quotes, a URI of files; or redis://host:6379/0/KEY."
STOPPING = "Stopping as soon as this batch is in; once more stops at once."
STOPPED = "Stopped; what was said to be absorbed is in the model."


@dataclass(frozen=True)
class Following(Group):
    """When what comes is absorbed."""

    panel: ClassVar[str] = "Following"

    every: Annotated[
        str, Option("--every", metavar="TIME", help="Between two looks: 5s, 250ms, 2min.")
    ] = "5s"
    settle: Annotated[
        str, Option("--settle", metavar="TIME", help="That a file must have stood still.")
    ] = "2s"
    rows: Annotated[
        int, Option("--rows", metavar="N", help="Of a stream: absorb as soon as there are N.")
    ] = 8_192
    name: Annotated[
        str | None,
        Option("--name", metavar="NAME", help="What the ledger calls a stream; else its key."),
    ] = None
    once: Annotated[bool, Option("--once", help="Absorb what is there, and end.")] = False

    @property
    def pace(self) -> Pace:
        """When what has come is absorbed."""
        from nacre.live.follow import Pace, seconds_of

        return Pace(seconds_of(self.every), self.rows)

    def source(self, where: str, reading: Reading) -> Source:
        """What is followed."""
        from nacre.live.follow import seconds_of

        if where.startswith(("redis://", "rediss://")):
            from nacre.live.follow_redis import RedisStream

            return RedisStream(where, self.name, listed(reading.columns))
        from nacre.live.follow_folder import Folder

        return Folder(where, reading.of, seconds_of(self.settle))


def follow(
    where: Annotated[str, Argument(metavar="WHERE", help=WHAT, callback=no_assignments)],
    *,
    into: Into,
    following: Following,
    reading: Reading,
    running: Running,
    speech: Speech,
) -> int:
    """Absorb what comes, as it comes, each row once and for good.

    Files are absorbed when they are complete, entries of a stream as they arrive. Stop it, kill it
    or move it, and start it again: it goes on where the model stands.

    Example: nacre follow flights/ -m model/
    """
    from nacre.live.follow import Follower

    running.check()
    pace, terminal = following.pace, speech.terminal
    source = following.source(where, reading)
    with living(into.model) as live, telling(terminal, source.where, into.model) as teller:
        how = {"engine": running.engine, "memory": running.memory, "principal": into.principal}
        follower = Follower(live, source, pace, teller, **how)
        try:
            with _until_told(follower.stop, terminal):
                follower.once() if following.once else follower.run()
        finally:
            source.close()
        version = live.version
    told = {"event": "ended", "verb": "follow", "nacre": __version__, "model": into.model}
    terminal.report(teller.lines(version), {**told, **teller.counts(), "version": version})
    return PARTIAL if teller.n_set_aside or teller.n_skipped else 0


app = typer.Typer(add_completion=False)
app.command("follow")(spread(follow, without={"dtype", "id", "image_size", "image_mode"}))


@dataclass
class Teller:
    """Says what a follower does: one line that changes on a terminal, else a line for each event,
    and under --json an object.
    """

    terminal: Terminal
    where: str
    model: str
    status: Any = None
    n_batches: int = 0
    n_rows: int = 0
    n_skipped: int = 0
    n_set_aside: int = 0
    version: int = field(default=0)

    def took(self, part: Part, done: Any) -> None:
        """Rows were absorbed."""
        self.n_batches += done.n_batches
        self.n_rows += done.n_rows
        self.n_skipped += done.n_skipped
        self.version = done.version
        if done.n_batches:
            what = f"{counted(done.n_rows, 'row')} of {_named(part, done.n_batches)}"
            some = {"n_batches": done.n_batches, "n_rows": done.n_rows, "n_skipped": done.n_skipped}
            more = {"names": part.names, "version": done.version, **some}
            self._tell("absorbed", f"{what}: version {done.version}", more)
        self._show("")

    def set_aside(self, bad: Bad) -> None:
        """Something is not absorbed; on a terminal it stays to be read."""
        self.n_set_aside += 1
        text = f"[yellow]set aside[/]  {shown(bad.name)}: {shown(bad.why)}"
        self.terminal.say(text, wish=not self.terminal.json)
        self._object("set_aside", {"name": bad.name, "why": bad.why})

    def away(self, error: BaseException, wait: float) -> None:
        """Something does not answer."""
        text = f"away: {error}; tried again in {seconds(wait)}"
        self._tell("away", shown(text), {"why": str(error), "seconds": wait})
        self._show(shown(text))

    def back(self) -> None:
        """It answers again."""
        self._tell("back", "back", {})
        self._show("")

    def idle(self, n_waiting: int) -> None:
        """All is absorbed that is complete."""
        self._show(f"{counted(n_waiting, 'file')} still being written" if n_waiting else "")

    def counts(self) -> dict[str, int]:
        """What was done in all."""
        names = ("n_batches", "n_rows", "n_skipped", "n_set_aside")
        return {name: getattr(self, name) for name in names}

    def lines(self, version: int) -> Iterator[str]:
        """The report at the end."""
        rows, batches = counted(self.n_rows, "row"), counted(self.n_batches, "batch", "batches")
        yield f"Absorbed [bold]{rows}[/] in {batches} into {shown(self.model)}"
        if self.n_skipped:
            yield f"  [yellow]{counted(self.n_skipped, 'row')} left out[/], because of bad values"
        if self.n_set_aside:
            yield f"  [yellow]{self.n_set_aside:,} set aside[/], and named"
        yield f"  version {version}"

    def _tell(self, event: str, line: str, more: dict[str, Any]) -> None:
        self.terminal.say(line, wish=self.status is None and not self.terminal.json)
        self._object(event, more)

    def _object(self, event: str, more: dict[str, Any]) -> None:
        if self.terminal.json:
            self.terminal.write({"event": event, **more})

    def _show(self, says: str) -> None:
        if self.status is not None:
            parts = [f"following {shown(self.where)}: {counted(self.n_rows, 'row')}"]
            parts += [f"version {self.version}"] if self.version else []
            parts += [f"{self.n_set_aside:,} set aside"] if self.n_set_aside else []
            self.status.update("  ".join([*parts, says] if says else parts))


@contextmanager
def telling(terminal: Terminal, where: str, model: str) -> Iterator[Teller]:
    """Says what a follower does, on a terminal in one line."""
    if not terminal.is_animated:
        yield Teller(terminal, where, model)
        return
    with terminal.err.status(f"following {shown(where)}") as status:
        yield Teller(terminal, where, model, status)


@contextmanager
def _until_told(stop: threading.Event, terminal: Terminal) -> Iterator[None]:
    """SIGTERM or Ctrl-C: what is under way is finished. Ctrl-C again ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(number: int, frame: Any) -> None:
        stop.set()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with twice_at_once(terminal, STOPPING, STOPPED):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _named(part: Part, n_batches: int) -> str:
    first, last = shown(part.names[0]), shown(part.names[-1])
    if part.id is not None:
        return f"{first} to {last}"
    return first if len(part.names) == 1 else counted(n_batches, "file")
