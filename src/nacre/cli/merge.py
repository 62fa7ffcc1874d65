"""`nacre merge`: one model of several that learned apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from typer import Argument, Option

from nacre.cli.living import MODEL
from nacre.cli.models import model_of
from nacre.cli.options import Speech, spread
from nacre.cli.terminal import counted, shown


def merge(
    models: Annotated[list[str], Argument(metavar="MODEL...", help=MODEL)],
    *,
    output: Annotated[
        str, Option("--output", "-o", metavar="DIR", help="Where the result is to live: a new one.")
    ],
    speech: Speech,
) -> int:
    """Make one model of several that learned apart; they stay as they are.

    A batch that several have counts once. What one has erased or replaced no other brings back.

    Example: nacre merge paris/ tokyo/ -o both/
    """
    import nacre

    terminal = speech.terminal
    with terminal.waiting("merging"):
        nacre.merge(*models, into=output).close()
        told = {"verb": "merge", **model_of(output), "models": models}
    terminal.report(_lines(told), told)
    return 0


app = typer.Typer(add_completion=False)
app.command("merge")(spread(merge))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    of = counted(len(told["models"]), "model")
    batches, rows = counted(told["n_batches"], "batch", "batches"), counted(told["n_rows"], "row")
    yield f"Merged [bold]{of}[/]: {batches} of {rows}"
    yield f"Model {told['digest'][:8]} is in {shown(told['model'])}."
