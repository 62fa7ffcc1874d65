"""`nacre verify`: read every byte of a model on disk, and say what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from typer import Argument

from nacre import __version__
from nacre.cli.living import MODEL, is_saved, living
from nacre.cli.options import Speech, spread
from nacre.cli.terminal import counted, shown, size

DAMAGED = 6  # exit code


def verify(
    model: Annotated[str, Argument(metavar="MODEL", help=MODEL)],
    *,
    speech: Speech,
) -> int:
    """Read every byte of a model on disk, and say what is damaged or missing.

    Nothing is changed. The exit code is 6 where something is damaged.

    Example: nacre verify model/
    """
    terminal = speech.terminal
    with terminal.waiting("reading"):
        found = _saved(model) if is_saved(model) else _living(model)
    told = {"verb": "verify", "nacre": __version__, "model": model, **found}
    terminal.report(_lines(told, speech.verbose), told)
    for problem in found["problems"]:
        terminal.err.print(f"[bold red]damaged[/]  {shown(problem)}", soft_wrap=True)
    return DAMAGED if found["problems"] else 0


app = typer.Typer(add_completion=False)
app.command("verify")(spread(verify))


def _living(model: str) -> dict[str, Any]:
    with living(model) as live:
        return asdict(live.verify())


def _saved(model: str) -> dict[str, Any]:
    """A saved model is read whole by `load`, which raises for what is damaged."""
    from nacre.store.describe import describe
    from nacre.store.local import load

    load(model)
    told = describe(model)
    counts = {"n_bytes": told["n_bytes"], "n_batches": told["n_batches"]}
    return {"version": None, "n_objects": None, **counts, "problems": (), "strays": ()}


def _lines(told: Mapping[str, Any], verbose: bool) -> Iterator[str]:
    batches, where = counted(told["n_batches"], "batch", "batches"), shown(told["model"])
    read = f"{size(told['n_bytes'])} were read"
    if told["problems"]:
        n = counted(len(told["problems"]), "problem")
        yield f"[bold red]{where} is damaged[/]: {n}; {read}"
        yield "  what is named on stderr can be restored from a copy; the rest stands"
    else:
        version = "" if told["version"] is None else f" at version {told['version']:,}"
        yield f"[bold]{where} is whole[/]{version}: {batches}; {read}"
    if told["strays"]:
        n = counted(len(told["strays"]), "object")
        yield f"  beside it, harmless: {n}{'' if verbose else '; -v names them'}"
        yield from (f"    {shown(name)}" for name in told["strays"] if verbose)
