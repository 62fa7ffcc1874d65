"""Small fitted learners that the tests of the store save.

`PYTHONPATH=src python -m tests.store.models` writes the golden models of the present format anew.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

import nacre
from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.estimator import Estimator, Predicts
from nacre.record import Record
from nacre.store.format import register
from nacre.store.manifest import FORMAT
from tests.spike import cases_density as cases_density  # registers what a DBSCAN is made of
from tests.spike.dbscan import DBSCAN

GOLDEN = Path(__file__).parents[1] / "golden"
SAVED = "2026-01-01T00:00:00Z"
HOLES = np.array([[0.5, np.nan, 1.0], [np.nan, 2.0, 0.25], [1.5, 4.0, 8.0], [0.5, 2.0, 1.0]])


def rows(n: int = 240) -> Array:
    """(n, 3) float32: three clusters far apart, on a grid, so that any machine agrees on them."""
    at = np.arange(n)
    near = np.stack([at % 5, at % 7, at % 3], axis=1) / 16
    return np.float32(near + 8 * (at % 3)[:, None])


MAKERS: Mapping[str, Callable[[], Any]] = {
    "chain": lambda: nacre.chain(nacre.Scale(), nacre.PCA(2), nacre.KMeans(3)),
    "impute": lambda: nacre.Impute(),
    "kmeans": lambda: nacre.KMeans(3, random_state=7),
    "moments": lambda: nacre.Moments(),
    "pca": lambda: nacre.PCA(2, whiten=True),
    "scale": lambda: nacre.Scale(with_mean=False),
}


@functools.cache
def fitted(name: str) -> Any:
    """A learner of MAKERS, fitted on one thread."""
    X = HOLES if name == "impute" else rows()
    return MAKERS[name]().fit(X, engine="serial")


def answers(estimator: Any, X: Array) -> dict[str, Array]:
    """What it answers to rows."""
    return {name: getattr(estimator, name)(X) for name in estimator.answers}


@dataclass(eq=False, repr=False)
class Density(Predicts, Estimator):
    """DBSCAN of the spike with the face of an estimator: a model with a table."""

    eps: float = 1.0
    grade: ClassVar[Mapping[str, Grade]] = DBSCAN.grade
    answers = ("predict",)

    @property
    def _inner(self) -> DBSCAN:
        return DBSCAN(self.eps, 3, 2)

    def start(self, head: Batch, n: int | None) -> Model:
        """As the spike."""
        return cast(Model, self._inner.start(head, n))

    def observe(self, model: Any, batch: Batch) -> Summary:
        """As the spike."""
        return self._inner.observe(model, batch)

    def advance(self, model: Any, told: Any) -> Model:
        """As the spike."""
        return self._inner.advance(model, told)

    def place(self, model: Any, batch: Batch) -> Any:
        """As the spike."""
        return self._inner.place(model, batch)

    def answer(self, model: Any, batch: Batch, want: Any) -> dict[str, Array]:
        """As the spike."""
        return self._inner.answer(model, batch, want)


register("tests.density", Density)


@functools.cache
def dense() -> Any:
    """A fitted Density."""
    return Density().fit(rows()[:, :2], engine="serial")


def golden(name: str) -> Path:
    """The directory of a golden model of the present format."""
    return GOLDEN / f"{name}-{FORMAT}"


def _written(name: str) -> None:
    """Save a model as if it were on a day and a machine that are nobody's."""
    from nacre.store import local

    X = rows()
    estimator = MAKERS[name]().fit(X, engine="serial")
    record: Record = estimator._record
    still = replace(record.jobs[0], seconds=1.0, versions={"nacre": "0.1"}, kernel_class="golden")
    turns = tuple(replace(turn, seconds=0.25) for turn in still.turns)
    ledger = tuple(record.ledger())
    estimator._record = replace(record, batches=ledger, jobs=(replace(still, turns=turns),))
    local.now = lambda: SAVED
    shutil.rmtree(golden(name), ignore_errors=True)
    estimator.save(golden(name))


if __name__ == "__main__":
    for each in ("chain", "kmeans"):
        _written(each)
