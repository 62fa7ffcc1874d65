"""A learner that only the tests of the store know, and a small state of it.

`PYTHONPATH=src python -m tests.store.values` writes the golden file of the present format anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np

from nacre import canon
from nacre.contract import Array, Batch, Grade, Learner, Model, Schema, State, Summary, View
from nacre.kinds import (
    FOREST,
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
    spanning_forest,
)
from nacre.store.container import FORMAT
from nacre.store.format import register, to_bytes

WHOLE = View()
GOLDEN = Path(__file__).parents[1] / "golden" / f"state-{FORMAT}.nacre"


@dataclass(frozen=True, eq=False)
class Halves(Model):
    """Cuts (m,), and one thing of each sort that a model may hold."""

    frame: ClassVar[tuple[str, ...]] = ("cuts", "tol")
    cuts: Array
    tol: float
    names: tuple[str, ...] = ()
    sizes: Mapping[str, int] | None = None
    order: list[tuple[int, float]] | None = None
    side: Literal["left", "right"] = "left"
    table: Table | None = None
    inner: Halves | None = None
    view: View = WHOLE
    cache: Any = canon.passing(default=None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Everything(Summary):
    """A field of every kind."""

    sums: Array = of(SUM)
    most: Array = of(MAX)
    moments: MomentSums = of(MOMENTS)
    counts: KeyedSums = of(KEYED)
    near: Rows = of(LEAST(4))
    seen: Rows = of(UNION)
    forest: Array = of(FOREST)


@dataclass(frozen=True, eq=False)
class Holds(Model):
    """Anything at all."""

    value: Any


@dataclass(eq=False, repr=False)
class Halving(Learner):
    """Hyper-parameters; it looks at rows, and cuts nothing."""

    n_cuts: int = 2
    init: str | Array = "middle"
    stages: tuple[Learner, ...] = ()
    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits"}

    def start(self, head: Batch, n: int | None) -> Model:
        return Halves(np.zeros(self.n_cuts), 0.0)

    def observe(self, model: Any, batch: Batch) -> Summary:
        return everything(model.base)

    def advance(self, model: Any, told: Any) -> Model:
        return cast(Model, model)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        return {}


@dataclass(frozen=True, eq=False)
class Stranger(Model):
    """Not registered."""

    value: Any = None


register("tests", Halves, Everything, Holds, Halving)


def ids(n: int, origin: int = 7) -> Array:
    """(n,) ids of one origin."""
    made = np.zeros(n, canon.ID)
    made["origin"], made["position"] = origin, np.arange(n)
    return made


def rows(n: int) -> Rows:
    """n rows: a value and a row of two columns."""
    return Rows(ids(n), (np.linspace(-1, 1, n), np.arange(2 * n, dtype=np.float32).reshape(n, 2)))


def everything(base: str) -> Everything:
    """A summary against a base, of small fixed numbers."""
    return Everything(
        base=base,
        weight=2.5,
        n_rows=3,
        n_skipped=1,
        bad_rows=Rows(ids(1, 2**64 - 1), (np.array([4]),)),
        sums=np.array([[0.1, -0.0], [math.inf, 5e-324]]),
        most=np.array([3, -4], np.int32),
        moments=MomentSums(np.float64(3), np.array([1.0, 2.0]), np.eye(2)),
        counts=KeyedSums(np.array([1, 5]), np.array([2.0, 0.5])),
        near=rows(2),
        seen=rows(0),
        forest=spanning_forest(np.array([[1, 2], [2, 3], [1, 3]])),
    )


def small_state() -> State:
    """A state with one thing of each sort that a file may hold."""
    inner = Halves(np.array([], np.float16), math.nan, view=View((0.0, 0.25, "seeds 0"), "", 3))
    model = Halves(
        cuts=np.array([1.5, 2.5]),
        tol=1e-4,
        names=("a", "größe", "\x00", "日本"),
        sizes={"b.c": -1, "a": 1 << 200},
        order=[(1, 0.1)],
        side="right",
        table=Table("strips", ((3, "aa" * 16),), {}),
        inner=inner,
        cache=object(),
    )
    categories = (None, ("x", "y"))
    schema = Schema(("a", "b"), 2, "float32", units=("m", ""), categories=categories)
    return State(schema, model, everything(model.base))


if __name__ == "__main__":
    GOLDEN.write_bytes(to_bytes(small_state()))
