"""`nacre score`: how good a model is on data: its loss, how its clusters are set apart, and how far
they agree with labels that are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer
from typer import Argument, Option

from nacre.cli.fit import DATA, Reading
from nacre.cli.nearest import no_assignments
from nacre.cli.options import Group, Running, Speech, spread


@dataclass(frozen=True)
class Judging(Group):
    """What is scored, and where it is drawn."""

    panel: ClassVar[str] = "Scores"

    y: Annotated[
        str | None,
        Option("--y", metavar="COLUMN", help="Column of known labels to compare clusters with."),
    ] = None
    sample: Annotated[
        int,
        Option("--sample", metavar="N", help="Rows whose silhouettes are exact: against all rows."),
    ] = 1000
    page: Annotated[
        str | None,
        Option("--page", metavar="FILE.html", help="Draw the scores on a page for any browser."),
    ] = None


def score(
    model: Annotated[str, Argument(metavar="MODEL", help="What nacre fit wrote.")],
    data: Annotated[list[str], Argument(metavar="DATA", help=DATA, callback=no_assignments)],
    *,
    judging: Judging,
    reading: Reading,
    running: Running,
    speech: Speech,
) -> int:
    """Say how good a model is on data.

    Its loss; of clusters how well they are set apart, one line for each; and with --y how far they
    agree with labels that are known.

    Example: nacre score model/ "flights/*.parquet" --y airline --page score.html
    """
    running.check()
    with speech.terminal.waiting("starting"):
        from nacre.cli.scoring import Scoring

    return Scoring(model, data, judging, reading, running, speech.terminal).run()


app = typer.Typer(add_completion=False)
app.command("score")(spread(score, without={"dtype", "id", "time"}))
