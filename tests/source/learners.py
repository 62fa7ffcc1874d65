"""A learner as small as can be, with every face that a source meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.estimator import Estimator, Incremental, Predicts
from nacre.kinds import MOMENTS, MomentSums, of


@dataclass(frozen=True, eq=False)
class Looking(Model):
    """Nothing is known, and nothing needs to be."""

    frame: ClassVar[tuple[str, ...]] = ("d",)
    d: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen(Summary):
    """Moments of the columns."""

    moments: MomentSums = of(MOMENTS)


@dataclass(eq=False, repr=False)
class Means(Predicts, Incremental, Estimator):
    """Means of columns; it predicts the sum of a row."""

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("predict",)

    def start(self, head: Batch, n: int | None) -> Model:
        return Looking(head.X.shape[1])

    def observe(self, model: Looking, batch: Batch) -> Summary:
        w, X = batch.weights, batch.X.astype(np.float64)
        n = float(w.sum())
        mean = (w[:, None] * X).sum(axis=0) / n if n else np.zeros(model.d)
        m2 = (w[:, None] * (X - mean) ** 2).sum(axis=0) if n else np.zeros(model.d)
        return Seen.told(model, batch, moments=MomentSums(n, mean, m2))

    def advance(self, model: Looking, told: Seen) -> Model:
        return model

    def answer(self, model: Looking, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        return {"predict": batch.X.sum(axis=1)}

    @property
    def mean_(self) -> Array:
        return self.state_.told.moments.mean


@dataclass(eq=False, repr=False)
class Patient(Means):
    """It takes NaN, and means what is there."""

    takes: ClassVar[Sequence[str]] = ("nan",)

    def observe(self, model: Looking, batch: Batch) -> Summary:
        return super().observe(model, Batch(np.nan_to_num(batch.X), batch.names))
