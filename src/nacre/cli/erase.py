"""`nacre erase`: have batches go as if a model had never seen them, with every trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from typer import Argument, Option

from nacre import __version__
from nacre.cli.living import MODEL, living, settled
from nacre.cli.options import Speech, spread
from nacre.cli.terminal import counted, shown
from nacre.errors import BadParameter


def erase(
    ids: Annotated[
        list[str] | None, Argument(metavar="[ID]...", help="Of batches, as nacre ledger has them.")
    ] = None,
    *,
    model: Annotated[str, Option("--model", "-m", metavar="MODEL", help=MODEL)],
    principal: Annotated[
        str | None, Option("--principal", metavar="NAME", help="All that came in this name.")
    ] = None,
    speech: Speech,
) -> int:
    """Have batches go as if the model had never seen them, with every byte that holds a trace.

    What was erased is not absorbed again by itself. A receipt stays in the model's directory.

    Examples: nacre erase 2013-03.parquet -m model/, nacre erase --principal feed-17 -m model/
    """
    if not ids and principal is None:
        raise BadParameter(
            got="nothing to erase", wanted="ids or --principal", do=f"See: nacre ledger {model}"
        )
    terminal = speech.terminal
    with terminal.waiting("erasing"), living(model) as live:
        receipt = settled(live, lambda: live.erase(list(ids or ()), principal=principal))
    told = {"verb": "erase", "nacre": __version__, "model": model, **asdict(receipt)}
    told |= {"check": receipt.check}
    terminal.report(_lines(told), told)
    return 0


app = typer.Typer(add_completion=False)
app.command("erase")(spread(erase))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    batches = counted(len(told["ids"]), "batch", "batches")
    rows, where = counted(told["n_rows"], "row"), shown(told["model"])
    yield f"Erased [bold]{batches}[/] of {rows} from {where}: no sum and no file holds a trace"
    yield from (f"  {shown(name)}" for name in told["ids"][:8])
    if len(told["ids"]) > 8:
        yield f"  and {len(told['ids']) - 8:,} more"
    yield (
        f"  the sum {told['before'][:8]} is now {told['after'][:8]}; the receipt is number "
        + str(told["number"])
    )
