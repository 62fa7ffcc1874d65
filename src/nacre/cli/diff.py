"""`nacre diff`: what a model has learned from one version or moment to another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from typer import Argument

from nacre import __version__
from nacre.cli.living import MODEL, lived, second
from nacre.cli.options import Speech, spread
from nacre.cli.terminal import aligned, counted, shown

MOST_IDS = 8  # on a line; --json and -v have them all
WHEN = "A version, such as 12, or a moment, such as 2013-05-03 or 2013-05-03T12:00."


def diff(
    model: Annotated[str, Argument(metavar="MODEL", help=MODEL)],
    before: Annotated[str, Argument(metavar="A", help=WHEN)],
    after: Annotated[str, Argument(metavar="B", help=WHEN)],
    *,
    speech: Speech,
) -> int:
    """Say what a model has learned from one version or moment to another.

    Which batches came, went, or took the place of others; how rows and digest changed; and of a
    model that finds clusters what became of them.

    Examples: nacre diff model/ 3 12, nacre diff model/ 2013-05-03 2013-06-03
    """
    terminal = speech.terminal
    with terminal.waiting("comparing"), lived(model) as live:
        acts = list(live.history())
        sides = [Side.of(live, found(acts, text)) for text in (before, after)]
        told = {"verb": "diff", "nacre": __version__, "model": model, **compared(live, *sides)}
        lines = list(_lines(told, sides, speech.verbose))
    terminal.data(lines, told)
    return 0


app = typer.Typer(add_completion=False)
app.command("diff")(spread(diff))


@dataclass(frozen=True, eq=False)
class Side:
    """A model as it stood at a moment.

    Attributes:
        act: the last that was done by then.
        moment: ns since 1970.
        learner: as fitted then.
    """

    act: Any
    moment: int
    learner: Any

    @classmethod
    def of(cls, live: Any, when: tuple[Any, int]) -> Side:
        """As the live model was."""
        act, moment = when
        return cls(act, moment, live.at(moment))

    @property
    def plain(self) -> dict[str, Any]:
        """In plain values."""
        state = self.learner.state_
        return {
            "version": self.act.number,
            "moment": self.moment,
            "digest": state.digest,
            "n_rows": int(state.told.n_rows),
            "weight": float(state.told.weight),
        }


def found(acts: Sequence[Any], text: str) -> tuple[Any, int]:
    """The act that a text names, by its number or as the last one of a moment; and the moment.

    Raises:
        NotFound: no version has this number, or none is so old.
        BadParameter: the text is neither.
    """
    from nacre.errors import BadParameter, NotFound
    from nacre.source.times import nanoseconds

    reach = f"{acts[0].number} to {acts[-1].number}, or a moment from {second(acts[0].moment)} on"
    if text.isdecimal():
        by_number = {act.number: act for act in acts}
        if int(text) not in by_number:
            do = "nacre show MODEL -v lists what was done."
            raise NotFound(got=f"no version {text}", wanted=f"one from {reach}", do=do)
        act = by_number[int(text)]
        return act, act.moment
    try:
        moment = nanoseconds(text)
    except BadParameter:
        raise BadParameter(
            got=f"{text!r}, which is no version and no moment",
            wanted=f"one from {reach}",
            do="Write 12, or 2013-05-03, or 2013-05-03T12:00.",
        ) from None
    there = [act for act in acts if act.moment <= moment]
    if not there:
        raise NotFound(
            got=f"nothing absorbed by {text}", wanted=f"one from {reach}", do="Name a later moment."
        )
    return there[-1], moment


def compared(live: Any, before: Side, after: Side) -> dict[str, Any]:
    """What is other in two sides, in plain values."""
    at_first, at_last = (
        {leaf.id: leaf for leaf in live.ledger if _is_alive(leaf, side.moment)}
        for side in (before, after)
    )
    both = at_first.keys() & at_last.keys()
    replaced = sorted(id for id in both if at_first[id].absorbed != at_last[id].absorbed)
    return {
        "before": {**before.plain, "n_batches": len(at_first)},
        "after": {**after.plain, "n_batches": len(at_last)},
        "same": before.plain["digest"] == after.plain["digest"],
        "came": sorted(at_last.keys() - both),
        "went": sorted(at_first.keys() - both),
        "replaced": replaced,
        "clusters": _clusters(before.learner, after.learner),
    }


def _is_alive(leaf: Any, moment: int) -> bool:
    return leaf.absorbed <= moment and (leaf.ended is None or leaf.ended > moment)


def _clusters(before: Any, after: Any) -> dict[str, Any] | None:
    """What became of the clusters, numbered as before; None where there are none to compare."""
    import numpy as np

    from nacre.evolve.lineage import lineage, matched

    old = _version(before, None)
    if old is None or not old.scale:
        return None
    k = len(old.centres)
    new = _version(after, lambda centres: matched(old.centres, np.arange(k), centres, k, old.scale))
    became = lineage(old, new)
    return {**asdict(became), "moved": list(map(asdict, became.moved)), "says": str(became)}


def _version(learner: Any, numbered: Callable[[Any], Any] | None) -> Any:
    """The clusters that the last stage has found, if any, under numbers by their centres."""
    import numpy as np

    from nacre.cli.words import knowledge
    from nacre.evolve.lineage import Shared, Version

    stages = getattr(learner, "stages", ())
    last = learner.fitted_stage(len(stages) - 1) if stages else learner
    clusters = knowledge(learner).get("clusters")
    if clusters is None:
        return None
    weights, centres = np.array([one["weight"] for one in clusters]), last.cluster_centers_
    apart = last.inertia_ / max(float(weights.sum()), 1e-300)
    scale = apart if getattr(last, "metric", "") == "manhattan" else math.sqrt(apart)
    numbers = np.arange(len(centres)) if numbered is None else numbered(centres)
    own, base = getattr(last, "cells_", None), last.state_.told.base
    cells = None if own is None else Shared(base, own.keys, own.labels, own.weights)
    return Version(numbers, centres, weights, scale, cells)


def _lines(told: dict[str, Any], sides: Sequence[Side], verbose: bool) -> Iterator[str]:
    begin, end = (f"{side.act.number} ({second(side.moment)})" for side in sides)
    yield f"{shown(told['model'])} from version {begin} to {end}"
    if told["same"] and not any(told[name] for name in ("came", "went", "replaced")):
        yield "  the same in every bit"
        return
    before, after = told["before"], told["after"]
    names = {"batches": "n_batches", "rows": "n_rows"}
    rows = [(name, f"{before[key]:,}", f"{after[key]:,}") for name, key in names.items()]
    yield from aligned([*rows, ("digest", before["digest"][:8], after["digest"][:8])])
    for name in ("came", "went", "replaced"):
        ids = told[name]
        if ids:
            most = len(ids) if verbose else MOST_IDS
            more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
            listed = ", ".join(map(shown, ids[:most]))
            yield f"{counted(len(ids), 'batch', 'batches')} {name}: {listed}{more}"
    if told["clusters"] is not None:
        yield "Clusters, by their numbers in the first of the two:"
        yield from (f"  {shown(line)}" for line in told["clusters"]["says"].splitlines())
