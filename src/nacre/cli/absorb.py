"""`nacre absorb`: take new files into a model, each once and for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer
from typer import Argument

from nacre import __version__
from nacre.cli.failing import PARTIAL
from nacre.cli.fit import DATA, Reading
from nacre.cli.living import Into, living, settled
from nacre.cli.nearest import no_assignments
from nacre.cli.options import Running, Speech, spread
from nacre.cli.terminal import counted, shown


def absorb(
    data: Annotated[list[str], Argument(metavar="DATA", help=DATA, callback=no_assignments)],
    *,
    into: Into,
    reading: Reading,
    running: Running,
    speech: Speech,
) -> int:
    """Take new files into a model, each once and for good.

    What the model has absorbed already is recognised and changes nothing, so the same command may
    be run again, after a crash too. When it returns, all is on disk.

    Example: nacre absorb "flights/*.parquet" -m model/
    """
    running.check()
    terminal = speech.terminal
    with terminal.waiting("absorbing"), living(into.model) as live:
        rows = reading.of(data)
        how = {"engine": running.engine, "memory": running.memory}
        done = settled(live, lambda: live.absorb(rows, principal=into.principal, **how))
    terminal.report(_lines(done, into.model), answer("absorb", into.model, done))
    return PARTIAL if done.n_skipped else 0


app = typer.Typer(add_completion=False)
app.command("absorb")(spread(absorb, without={"dtype"}))


def answer(verb: str, model: str, done: Any) -> dict[str, Any]:
    """The object of a verb that took rows in."""
    told = asdict(done)
    told["digest_of_sum"] = told.pop("digest")  # that of the model is another: `nacre show` has it
    return {"verb": verb, "nacre": __version__, "model": model, **told}


def _lines(done: Any, model: str) -> Iterator[str]:
    if done.n_batches:
        rows, files = counted(done.n_rows, "row"), counted(done.n_batches, "file")
        yield f"Absorbed [bold]{rows}[/] of {files} into {shown(model)}"
    else:
        yield f"Nothing new for {shown(model)}"
    if done.n_known:
        rows, files = counted(done.n_known_rows, "row"), counted(done.n_known, "file")
        yield f"  {rows} of {files} were absorbed before, and changed nothing"
    yield from after(done)


def after(done: Any) -> Iterator[str]:
    """What was left out, and where the model stands."""
    if done.n_skipped:
        yield f"  [yellow]{counted(done.n_skipped, 'row')} left out[/], because of bad values"
    yield f"  version {done.version}"
