"""`nacre ledger`: every batch that a model has absorbed, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from typer import Argument, Option

from nacre import __version__
from nacre.cli.living import MODEL, lived, second
from nacre.cli.options import Speech, spread
from nacre.cli.terminal import aligned, counted, shown

TOGETHER = 1_000  # lines whose columns stand below each other


def ledger(
    model: Annotated[str, Argument(metavar="MODEL", help=MODEL)],
    *,
    id: Annotated[
        str | None, Option("--id", metavar="ID", help="One batch, with those it took the place of.")
    ] = None,
    speech: Speech,
) -> int:
    """List every batch that a model has absorbed, the oldest first.

    Of each its id, rows, the time of its last event where it has one, the moment of absorbing, the
    hash of its content, and in whose name it came; also of those that were replaced, and that there
    were those that were erased.

    Example: nacre ledger model/ --id 2013-02.parquet
    """
    from nacre.live.tombs import batches_among

    terminal = speech.terminal
    with terminal.waiting("reading"), lived(model) as live:
        lines = live.ledger if id is None else _of(live.ledger, id)
        lines = sorted(batches_among(lines), key=lambda leaf: leaf.absorbed)
        batches = [_plain(leaf) for leaf in lines]
        told = {"verb": "ledger", "nacre": __version__, "model": model, "version": live.version}
    n_ended = sum(batch["ended"] is not None for batch in batches)
    told |= {"n_batches": len(batches) - n_ended, "n_ended": n_ended, "batches": batches}
    terminal.data(_lines(batches), told)
    ended = f"; {n_ended:,} more were replaced or erased" if n_ended else ""
    says = f"{counted(len(batches) - n_ended, 'batch', 'batches')}{ended}"
    terminal.say(says, wish=not terminal.json and id is None)
    return 0


app = typer.Typer(add_completion=False)
app.command("ledger")(spread(ledger))


def _of(ledger: Any, id: str) -> list[Any]:
    """The lines of one id.

    Raises:
        NotFound: there is none.
    """
    from nacre.errors import NotFound

    lines: list[Any] = ledger.lines(id)
    if not lines:
        raise NotFound(
            got=f"no batch {id!r}", wanted="an id that was absorbed", do="The ledger lists them."
        )
    return lines


def _plain(leaf: Any) -> dict[str, Any]:
    """A line in plain values; times are ns since 1970."""
    from nacre.live.tombs import is_tomb

    names = ("id", "n_rows", "n_skipped", "first", "time", "absorbed", "ended", "content")
    told = {name: getattr(leaf, name) for name in (*names, "principal")}
    return {**told, "erased": is_tomb(leaf)}


def _lines(batches: Sequence[dict[str, Any]]) -> Iterator[str]:
    head = [("id", "rows", "last event", "absorbed", "content", "")]
    for at in range(0, len(batches), TOGETHER):
        rows = [_cells(batch) for batch in batches[at : at + TOGETHER]]
        yield from aligned([*(head if at == 0 else ()), *rows], right=[1])


def _cells(batch: dict[str, Any]) -> tuple[str, ...]:
    from nacre.evolve.spans import moment

    notes = [f"{batch['n_skipped']:,} left out"] if batch["n_skipped"] else []
    notes += [f"from {shown(batch['principal'])}"] if batch["principal"] else []
    how = "erased" if batch["erased"] else "replaced"
    notes += [] if batch["ended"] is None else [f"{how} {second(batch['ended'])}"]
    event = moment(batch["time"]) if batch["time"] else "-"
    content = shown(batch["content"].partition(":")[2][:12])
    absorbed = second(batch["absorbed"])
    return shown(batch["id"]), f"{batch['n_rows']:,}", event, absorbed, content, "; ".join(notes)
