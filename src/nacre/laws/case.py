"""What a learner supplies to be judged: itself, and rows that suit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nacre.contract import Array, Learner

MakeRows = Callable[[int, int], tuple[Array, Array | None]]


@dataclass(frozen=True, eq=False)
class Case:
    """A learner with small hyper-parameters, and a generator of rows for it.

    Attributes:
        name: as test ids show it.
        learner: bare hyper-parameters.
        rows: (seed, n) -> X (n, d) float32 or float64, y (n,) or None; n may be 0 or 1, and the
            same seed with a larger n begins with the same rows.
    """

    name: str
    learner: Learner
    rows: MakeRows
