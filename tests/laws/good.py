"""A learner and an engine that keep every law, small enough to plant one fault in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary, View
from nacre.errors import BadInput
from nacre.estimator import Estimator, Incremental, Predicts
from nacre.kinds import (
    KEYED,
    LEAST,
    MAX,
    MOMENTS,
    SUM,
    UNION,
    KeyedSums,
    MomentSums,
    Rows,
    Table,
    of,
)
from nacre.laws import Case
from nacre.store.format import register

REACH = 0.25


@dataclass(frozen=True, eq=False)
class Look(Model):
    """Looks at a sample, to find where to cut."""

    share: float
    frame = ("share",)
    can_answer = False

    @property
    def view(self) -> View:
        return View(part=(0.0, self.share, "good sample"))


@dataclass(frozen=True, eq=False)
class Sides(Model):
    """Rows lie on the sides of `cut`, those within REACH of it on both."""

    cut: float
    frame = ("cut",)
    can_answer = False

    @property
    def view(self) -> View:
        return View(part=(0.0, 0.9, "good pairs"), layout=f"sides of {self.cut.hex()}")


@dataclass(frozen=True, eq=False)
class Known(Model):
    """The cut, the first rows of each side as a table, and, once measured, the middle (d,)."""

    cut: float
    rows: Table
    middle: Array | None = None
    frame = ("cut", "rows")


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(Summary):
    rows: Rows = of(UNION)  # columns (X, weight)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs(Summary):
    near: float = of(SUM)  # weight of the pairs of rows within REACH in column 0
    most: Array = of(MAX)  # (d,)
    nearest: Rows = of(LEAST(4))  # columns (distance from the cut, X)


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured(Summary):
    moments: MomentSums = of(MOMENTS)
    sums: Array = of(SUM)  # (2, d) of the rows of each side
    cells: KeyedSums = of(KEYED)  # weight by whole number of column 0


@dataclass(eq=False, repr=False)
class Good(Predicts, Incremental, Estimator):
    """The rows near the cut, and the middle of all."""

    share: float = 0.5

    grade: ClassVar[Mapping[str, Grade]] = {
        "space": "rounding",
        "time": "bits",
        "erasure": "heuristic",
    }
    answers: ClassVar[Sequence[str]] = ("predict",)
    says: ClassVar[type[Measured]] = Measured

    def start(self, head: Batch, n: int | None) -> Model:
        return Look(self.share)

    def observe(self, model: Any, batch: Batch) -> Summary:
        if isinstance(model, Look):
            return Sample.told(model, batch, rows=Rows(batch.ids, (batch.X, batch.weights)))
        return self.pairs(model, batch) if isinstance(model, Sides) else self.measured(model, batch)

    def pairs(self, model: Sides, batch: Batch) -> Pairs:
        own = np.ones(len(batch), bool) if batch.own is None else batch.own
        X, weight = batch.X[own], batch.weights
        close = np.abs(X[:, None, 0] - batch.X[None, :, 0]) <= REACH
        away = np.abs(X[:, 0] - model.cut)
        first = np.argsort(away, kind="stable")[:4]
        nearest = Rows(batch.ids[own][first], (away[first], X[first]))
        near, most = float(weight[own] @ close @ weight), heaviest(X, weight[own])
        return Pairs.told(model, batch, near=near, most=most, nearest=nearest)

    def measured(self, model: Known, batch: Batch) -> Measured:
        X, weight = batch.X, batch.weights
        sides = (X[:, 0] < model.cut, X[:, 0] >= model.cut)
        return self.says.told(
            model,
            batch,
            moments=moments(X, weight),
            sums=np.stack([(weight * side) @ X for side in sides]),
            cells=by_cell(X, weight),
        )

    def advance(self, model: Any, told: Any) -> Model:
        if isinstance(model, Look):
            X, weight = told.rows.columns
            if not weight.any():
                raise BadInput(got="no row of weight", wanted="one", do="Pass rows.")
            return Sides(float(weight @ X[:, 0] / weight.sum()))
        if isinstance(model, Sides):
            away = told.nearest.columns[1][:, 0] >= model.cut
            groups = {side: told.nearest.take(away == side) for side in (0, 1)}
            return Known(model.cut, Table.of(model.view.layout, groups))
        return Known(model.cut, model.rows, told.moments.mean)

    def place(self, model: Sides, batch: Batch) -> Iterator[tuple[int, Batch]]:
        right = batch.X[:, 0] >= model.cut
        close = np.abs(batch.X[:, 0] - model.cut) <= REACH
        for side in (0, 1):
            at = (right == side) | close
            yield side, replace(batch.take(at), own=right[at] == side)

    def answer(self, model: Known, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        shown = [model.rows.rows(side) for side in (0, 1)]
        least = sum(len(rows.ids) for rows in shown if rows is not None)
        away = np.abs(batch.X - model.middle).sum(axis=1)
        return dict.fromkeys(want, (away + least).astype(batch.X.dtype))


def heaviest(X: Array, weight: Array) -> Array:
    return X[weight > 0].max(axis=0, initial=-np.inf)


def moments(X: Array, weight: Array) -> MomentSums:
    n = float(weight.sum())
    mean = weight @ X / (n or 1.0)
    return MomentSums(n, mean, weight @ (X - mean) ** 2)


def by_cell(X: Array, weight: Array) -> KeyedSums:
    keys, at = np.unique(np.floor(X[weight > 0, 0]).astype(np.int64), return_inverse=True)
    return KeyedSums(keys, np.bincount(at, weight[weight > 0], len(keys)))


def rows(seed: int, n: int) -> tuple[Array, None]:
    """(n, 3) float64, column 1 far from 0 and column 2 small."""
    drawn = np.random.default_rng([seed, 9]).normal(size=(n, 3))
    return drawn * [1.0, 1.0, 1e-6] + [0.0, 1e5, 0.0], None


GOOD = Case("good", Good(), rows)

register("tests.good", Good, Look, Sides, Known, Sample, Pairs, Measured)
