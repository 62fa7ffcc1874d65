"""The hashing trick: columns of any kind as sparse rows of a fixed width, without a fit.

Weinberger, Dasgupta, Langford, Smola and Attenberg (2009), "Feature hashing for large scale
multitask learning": a feature goes to column h(feature) mod n_features with the sign of another
bit of its hash, so that features that meet cancel on average: the expected product of two hashed
rows is that of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nacre import canon, forms
from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.estimator import Estimator, Incremental, Transforms, is_count, require
from nacre.learn.prepare.columns import holds_texts, numbers_of

MOST_FEATURES = 1 << 31  # so that columns are numbered by int32
SIGN, BELOW = np.uint64(63), np.uint64(2**63 - 1)  # the highest bit, and all others


@dataclass(frozen=True, eq=False)
class Width(Model):
    """How wide hashed rows are, and the names of the columns that come in (d,)."""

    frame: ClassVar[tuple[str, ...]] = ("d", "names", "n_features")
    last_look: ClassVar[bool] = True
    d: int
    names: tuple[str, ...]
    n_features: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Passed(Summary):
    """How many rows there were: nothing of them is learned."""


@dataclass(eq=False, repr=False)
class Hashing(Transforms, Incremental, Estimator):
    """Hash columns of texts and numbers into sparse rows of `n_features` columns.

    A text is the feature "name=value" of value 1, also where it is missing; a number, a bool or a
    time is the feature "name" of that value.

    >>> rows = Hashing(n_features=1024).fit_transform([["Rome", 1.5], ["Oslo", 2.5]])
    >>> rows.shape, rows.nnz
    ((2, 1024), 4)

    Args:
        n_features: columns of the hashed rows.
    """

    n_features: int = 262_144

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("transform",)
    takes: ClassVar[Sequence[str]] = ("records",)
    gives: ClassVar[Sequence[str]] = ("sparse",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        good = is_count(self.n_features) and self.n_features <= MOST_FEATURES
        require(good, "n_features", self.n_features, f"an int from 1 to {MOST_FEATURES}")

    def start(self, head: Batch, n: int | None) -> Model:
        """All is known."""
        d = head.X.shape[1]
        names = head.X.names if forms.is_records(head.X) else tuple(f"x{at}" for at in range(d))
        return Width(d, names, int(self.n_features))

    def observe(self, model: Width, batch: Batch) -> Summary:
        """Nothing is learned of the rows."""
        return Passed.told(model, batch)

    def advance(self, model: Width, told: Passed) -> Model:
        """It stands still."""
        return model

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: CSR (n, n_features) in the dtype of the rows."""
        n, d = batch.X.shape
        hashes, values = np.empty((n, d), np.uint64), np.ones((n, d), batch.X.dtype)
        for at, name in enumerate(model.names):
            salt = np.uint64(canon.hash64(name))
            if holds_texts(batch.X, at):
                hashes[:, at] = canon.mix(batch.X.column_hashes(at) ^ salt)
            else:
                hashes[:, at] = canon.mix(salt)
                values[:, at] = numbers_of(batch.X, at)
        values[hashes >> SIGN > 0] *= -1
        columns = (hashes & BELOW) % np.uint64(model.n_features)
        starts = np.arange(0, n * d + 1, d)
        rows = forms.csr(values.ravel(), columns.ravel(), starts, model.n_features)
        return {"transform": forms.as_csr(rows)}

    @property
    def _n_features_out(self) -> int:
        return int(self._model().n_features)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """(n_features,) names: hashing0, hashing1, ..."""
        return np.asarray([f"hashing{at}" for at in range(self._n_features_out)], dtype=object)
