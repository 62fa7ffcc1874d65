"""Frequent itemsets: mine a sample, count its sets and their border exactly (Toivonen, VLDB 1996).

The border of some sets: the other sets whose proper subsets are all among them. When the border of
what is frequent has been counted, nothing else can be frequent; until then there is one more pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nacre.contract import Array, Batch, Learner, Model, Summary, View
from nacre.kinds import SUM, UNION, Rows, of
from tests.spike import sets

DELTA = 1e-3  # chance that the sample misses a given frequent set


@dataclass(frozen=True, eq=False)
class Count(Model):
    """How many rows are there? Asked where the plan does not know."""

    can_answer = False


@dataclass(frozen=True, eq=False)
class Look(Model):
    """What do some rows look like?"""

    share: float
    purpose: str
    frame = ("share", "purpose")
    can_answer = False

    @property
    def view(self) -> View:
        return View(part=(0.0, self.share, self.purpose))


@dataclass(frozen=True, eq=False)
class Track(Model):
    """How much weight holds these sets? `sets` and `frequent` are sorted, (m,) uint64."""

    sets: Array
    frequent: Array | None = None
    frame = ("sets",)

    @property
    def can_answer(self) -> bool:
        return self.frequent is not None


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(Summary):
    rows: Rows = of(UNION)  # columns (X, weight)


@dataclass(frozen=True, eq=False, kw_only=True)
class Counts(Summary):
    counts: Array = of(SUM)  # (m,) float64 weight of the rows that hold each set


@dataclass(eq=False)
class Itemsets(Learner):
    """All sets of items that at least `min_support` of the weight holds, exactly."""

    min_support: float = 0.2
    n_sample: int = 400
    random_state: int = 0
    grade = {"space": "bits", "time": "bits", "erasure": "bits"}  # noqa: RUF012
    answers = ("transform",)

    def start(self, head: Batch, n: int | None) -> Model:
        return Count() if n is None else self._look(n)

    def _look(self, n: int) -> Look:
        return Look(min(1.0, self.n_sample / max(n, 1)), f"itemsets sample {self.random_state}")

    def observe(self, model: Any, batch: Batch) -> Summary:
        weight = batch.weights
        if isinstance(model, Count):
            return Summary.told(model, batch)
        if isinstance(model, Look):
            return Sample.told(model, batch, rows=Rows(batch.ids, (batch.X, weight)))
        counts = sets.counted(sets.packed(batch.X), weight, model.sets)
        return Counts.told(model, batch, counts=counts)

    def advance(self, model: Count | Look | Track, told: Any) -> Model:
        if isinstance(model, Count):
            return self._look(told.n_rows)
        if isinstance(model, Look):
            X, weight = told.rows.columns
            chance = np.sqrt(np.log(1 / DELTA) / (2 * max(len(X), 1)))
            lowered = max(self.min_support - chance, self.min_support / 2)
            return Track(sets.mined(X, weight, lowered))
        frequent = model.sets[sets.enough(told.counts, self.min_support * told.weight)]
        missing = np.setdiff1d(sets.border(frequent, sets.items(model.sets)), model.sets)
        if len(missing):
            return Track(np.union1d(model.sets, missing))
        return replace(model, frequent=frequent)

    def answer(self, model: Track, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        rows = sets.packed(batch.X)
        return dict.fromkeys(want, (rows[:, None] & model.frequent) == model.frequent)
