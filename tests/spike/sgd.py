"""Linear regression by local SGD: K walks from one start, then the weighted mean of their ends.

Stich, "Local SGD converges fast and communicates little" (ICLR 2019). Under `drive.race` a summary
is taken as it comes, damped by 0.5 for each advance since its start (ALGORITHMS 7.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nacre.contract import Array, Batch, Learner, Model, Summary, View
from nacre.errors import BadInput, BadParameter
from nacre.kinds import SUM, of

WHOLE = View()


@dataclass(frozen=True, eq=False)
class Theta(Model):
    """Where the walks begin, and how fast they go. A rate of 0 walks nowhere: it measures.

    Attributes:
        weights: (d + 1,) float64, the last is the intercept.
        rate, step_rows: of each step: its length, and the rows of a batch that it reads.
        n: rows of a round; None where unknown: then each advance is a round.
        seen: rows that came back so far.
        recent: bases of the models before it, the latest first.
    """

    weights: Array
    rate: float
    step_rows: int
    n: int | None
    seen: int = 0
    recent: tuple[str, ...] = ()
    view: View = WHOLE
    frame = ("weights", "rate", "step_rows")


@dataclass(frozen=True, eq=False, kw_only=True)
class Walked(Summary):
    """Where walks led: delta (d + 1,) times weight; and the squared errors at their start."""

    delta: Array = of(SUM)
    loss: float = of(SUM)


@dataclass(eq=False)
class LinearSGD(Learner):
    """Least squares: `n_rounds` rounds of `n_walks` walks, slower by `decay` each round."""

    n_walks: int = 4
    rate: float = 0.1
    n_rounds: int = 20
    decay: float = 0.85
    step_rows: int = 64
    patience: int = 8
    grade = {"space": "heuristic", "time": "heuristic", "erasure": "heuristic"}  # noqa: RUF012
    answers = ("predict",)

    def start(self, head: Batch, n: int | None) -> Theta:
        if head.y is None:
            raise BadInput(got="rows without y", wanted="a y for each row", do="Pass y.")
        weights, view = np.zeros(head.X.shape[1] + 1), View(walks=self.n_walks)
        return Theta(weights, self.rate, self.step_rows, n, view=view)

    def observe(self, model: Theta, batch: Batch) -> Walked:
        return self.observe_shard(model, [batch])

    def observe_shard(self, model: Theta, batches: Iterable[Batch]) -> Walked:
        at, counts, loss = model.weights, None, 0.0
        for batch in batches:
            here = Summary.told(model, batch)
            counts = here if counts is None else counts + here
            X, y, weight = columns(batch)
            with np.errstate(over="ignore", invalid="ignore"):  # `advance` looks at the weights
                loss += float(weight @ (X @ model.weights - y) ** 2)
                for start in range(0, len(X) if model.rate else 0, model.step_rows):
                    rows = slice(start, start + model.step_rows)
                    at = at - model.rate * gradient(at, X[rows], y[rows], weight[rows])
        assert counts is not None, "a leaf has at least one batch"
        return Walked(**vars(counts), delta=counts.weight * (at - model.weights), loss=loss)

    def advance(self, model: Theta, told: Walked) -> Theta:
        if model.rate == 0:
            return model
        recent = (model.base, *model.recent)
        step = told.delta / (told.weight or 1.0)
        weights = model.weights + 0.5 ** recent.index(told.base) * step
        if not np.isfinite(weights).all():
            wanted = "finite weights"
            raise BadParameter(got=f"rate={self.rate:g}", wanted=wanted, do="Scale the columns.")
        seen = model.seen + (told.n_rows if model.n else 1)
        n_rounds = seen // (model.n or 1)
        rate = self.rate * self.decay**n_rounds if n_rounds < self.n_rounds else 0.0
        return replace(model, weights=weights, rate=rate, seen=seen, recent=recent[: self.patience])

    def resume(self, model: Theta) -> Theta:
        return replace(model, rate=self.rate, seen=0, recent=(model.base,))

    def answer(self, model: Theta, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        lines = batch.X @ model.weights[:-1] + model.weights[-1]
        return dict.fromkeys(want, lines.astype(batch.X.dtype))


def columns(batch: Batch) -> tuple[Array, Array, Array]:
    """X with a column of ones, (n, d + 1); y and weight (n,): all float64."""
    if batch.y is None:
        raise BadInput(got="rows without y", wanted="a y for each row", do="Pass y.")
    X = np.column_stack([batch.X, np.ones(len(batch))]).astype(np.float64)
    return X, np.asarray(batch.y, np.float64), batch.weights


def gradient(at: Array, X: Array, y: Array, weight: Array) -> Array:
    """Of half the weighted mean of squared errors; 0 where nothing weighs."""
    return ((X @ at - y) * weight) @ X / (weight.sum() or 1.0)
