"""What an answer over time really covers, said beside it: plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nacre.store.ledger import Leaf

if TYPE_CHECKING:
    from nacre.evolve.leaves import Leaves


@dataclass(frozen=True)
class Missing:
    """A batch that a selection should hold, and does not.

    Attributes:
        id: of the batch.
        why: it is not there.
    """

    id: str
    why: str


@dataclass(frozen=True)
class Covered:
    """The span that an answer really covers.

    Attributes:
        first, last: event times of the first and the last event, ns since 1970; None: none given.
        absorbed_first, absorbed: moments at which the first and the last batch were absorbed.
        n_batches, n_rows: in it.
        missing: what should be in it and is not, and why.
        folds: sums of many batches in it, by what they are called.
        beside: ids of batches that came too late for the fold they belong in: the sum is that of
            all rows at `rounding`, no longer in bits.
    """

    first: int | None
    last: int | None
    absorbed_first: int | None
    absorbed: int | None
    n_batches: int
    n_rows: int
    missing: tuple[Missing, ...] = ()
    folds: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def covered_by(leaves: Leaves) -> Covered:
    """What leaves cover."""
    missing = tuple(Missing(leaf.id, "what it said is no longer kept") for leaf in leaves.gone)
    if not len(leaves):
        return Covered(None, None, None, None, 0, 0, missing)
    times, firsts, absorbed = (leaves.fact(name) for name in ("time", "first", "absorbed"))
    told = np.where(firsts != 0, firsts, times)[(times != 0) | (firsts != 0)]
    begun = min([int(absorbed.min()), *(fold.absorbed_first for fold in leaves.folds)])
    return Covered(
        first=int(told.min()) if leaves.timed else None,
        last=int(times.max()) if leaves.timed else None,
        absorbed_first=begun,
        absorbed=int(absorbed.max()),
        n_batches=int(leaves.fact("n_batches").sum()),
        n_rows=int(leaves.fact("n_rows").sum()),
        missing=missing,
        folds=tuple(fold.name for fold in leaves.folds),
        beside=tuple(leaf.id for leaf in _beside(leaves)),
    )


def _beside(leaves: Leaves) -> Iterator[Leaf]:
    whole = [fold for fold in leaves.folds if fold.whole]
    for unit in leaves if whole else ():
        if isinstance(unit, Leaf) and any(fold.holds(unit.key) for fold in whole):
            yield unit
