"""What a learner supplies to be judged: itself, and rows that suit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nacre.contract import Array, Learner

MakeRows = Callable[[int, int], tuple[Array, Array | None]]


def as_it_is(X: Array) -> Array:
    """The rows themselves."""
    return X


@dataclass(frozen=True, eq=False)
class Case:
    """A learner with small hyper-parameters, and a generator of rows for it.

    Attributes:
        name: as test ids show it.
        learner: bare hyper-parameters.
        rows: (seed, n) -> X (n, d) float32 or float64, y (n,) or None; n may be 0 or 1, and the
            same seed with a larger n begins with the same rows.
        form: X -> the same rows as the learner is given them: CSR, say, `nacre.forms.as_csr`.
    """

    name: str
    learner: Learner
    rows: MakeRows
    form: Callable[[Array], Array] = as_it_is
