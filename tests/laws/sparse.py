"""The least learner that takes CSR rows, and answers with such: it keeps every law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from nacre import forms
from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.estimator import Estimator, Incremental, OneToOneFeatureMixin, Transforms
from nacre.kinds import SUM, of
from nacre.laws import Case
from nacre.store.format import register


@dataclass(frozen=True, eq=False)
class Shared(Model):
    """The sum of each column's sizes (d,), once it is known."""

    d: int
    sums: Array | None = None
    frame = ("d",)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sizes(Summary):
    sums: Array = of(SUM)  # (d,)


@dataclass(eq=False, repr=False)
class Shares(OneToOneFeatureMixin, Transforms, Incremental, Estimator):
    """Each value as its share of what its column holds; dense rows stay dense, CSR rows CSR."""

    grade: ClassVar[Mapping[str, Grade]] = {
        "space": "rounding",
        "time": "rounding",
        "erasure": "rounding",
    }
    answers: ClassVar[Sequence[str]] = ("transform",)
    takes: ClassVar[Sequence[str]] = ("sparse",)

    def start(self, head: Batch, n: int | None) -> Model:
        return Shared(head.X.shape[1])

    def observe(self, model: Shared, batch: Batch) -> Summary:
        return Sizes.told(model, batch, sums=batch.weights @ abs(batch.X).astype(np.float64))

    def advance(self, model: Shared, told: Sizes) -> Model:
        return replace(model, sums=told.sums)

    def answer(self, model: Shared, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        X, sums = batch.X, np.asarray(model.sums)
        factor = np.divide(1, sums, out=np.ones(model.d), where=sums != 0)
        if not forms.is_sparse(X):
            return {"transform": (X * factor).astype(X.dtype)}
        shares = X.copy()
        shares.data = (X.data * factor[X.indices]).astype(X.dtype)
        return {"transform": shares}


def holes(seed: int, n: int) -> tuple[Array, None]:
    """(n, 6) float64, three of four values 0, and a column of nothing else."""
    drawn = np.random.default_rng([seed, 12]).normal(size=(n, 13))
    X = np.where(np.abs(drawn[:, 6:12]) > 1.15, drawn[:, :6], 0.0)
    X[:, 4] = 0
    return X, None


SPARSE = Case("sparse", Shares(), holes, forms.as_csr)

register("tests.sparse", Shares, Shared, Sizes)
