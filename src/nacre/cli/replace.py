"""`nacre replace`: put a corrected file in the place of one that a model has absorbed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer import Argument

from nacre.cli.absorb import after, answer
from nacre.cli.failing import PARTIAL
from nacre.cli.fit import DATA, Reading
from nacre.cli.living import Into, living, settled
from nacre.cli.options import Running, Speech, spread
from nacre.cli.terminal import counted, shown


def replace(
    batch: Annotated[
        str, Argument(metavar="ID", help="Of the file that was wrong, as nacre ledger lists it.")
    ],
    data: Annotated[str, Argument(metavar="DATA", help=DATA)],
    *,
    into: Into,
    reading: Reading,
    running: Running,
    speech: Speech,
) -> int:
    """Put a corrected file in the place of one that a model has absorbed.

    The model is then as if it had never seen the old one; what it was before stays known, see nacre
    show --at.

    Example: nacre replace 2013-02.parquet corrected/2013-02.parquet -m model/
    """
    running.check()
    terminal = speech.terminal
    with terminal.waiting("replacing"), living(into.model) as live:
        rows = reading.of([data])
        how = {"engine": running.engine, "memory": running.memory}
        work = {"principal": into.principal, **how}
        done = settled(live, lambda: live.replace(batch, rows, **work))
    told = {**answer("replace", into.model, done), "id": batch}
    terminal.report(_lines(done, batch, into.model), told)
    return PARTIAL if done.n_skipped else 0


app = typer.Typer(add_completion=False)
app.command("replace")(spread(replace, without={"dtype", "id"}))


def _lines(done: Any, id: str, model: str) -> Iterator[str]:
    if done.n_batches:
        rows = counted(done.n_rows, "row")
        yield f"[bold]{rows}[/] stand in the place of {shown(id)} in {shown(model)}"
    else:
        yield f"Nothing new: {shown(id)} in {shown(model)} has this very content"
    yield from after(done)
