"""A saved model: the object that `fit` and `show` give of it, and how it was learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nacre import __version__
from nacre.cli.terminal import counted, number
from nacre.cli.words import passes
from nacre.store.describe import describe


def model_of(path: str) -> dict[str, Any]:
    """What there is to know of a saved model but its content: the object of `fit` and `show`."""
    return {"nacre": __version__, "kind": "model", "model": path, **describe(path)}


def learned(told: Mapping[str, Any], name: str) -> Iterator[str]:
    """From how much a model was learned, and how that went.

    Args:
        told: what `model_of` gave.
        name: of the learner.
    """
    data = f"{told['n_rows']:,} rows of {counted(told['n_batches'], 'file')}"
    yield f"[bold]{name}[/] learned from {data}, {counted(told['n_columns'], 'column')}"
    loss = "" if told["loss"] is None else f"; loss {number(told['loss'])} per row"
    yield f"  {passes(len(told['passes']), told['seconds'], told['ended'])}{loss}"
    if not told["complete"]:
        yield "  [yellow]not to the end[/]: it is the model of the last whole pass"
    if told["n_skipped"]:
        yield f"  [yellow]{counted(told['n_skipped'], 'row')} left out[/], because of bad values"
