"""How often each label that was found stands beside each that was given: one pass, a sparse sum.

The scores of agreement.py and classes.py are made from this table alone, so they cost nothing more
for more rows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Plan, Summary
from nacre.errors import BadInput
from nacre.estimator import Estimator
from nacre.evaluate.asked import LABELS, MOST, Asked, distinct, pairs_of, places, run, truth
from nacre.kernel import buckets
from nacre.kinds import COUNT, Kind, of
from nacre.learn.count.histogram import unit_of, weighted

Label = int | str


@dataclass(frozen=True, eq=False)
class Contingency:
    """The weight of each pair of labels that is there.

    Attributes:
        found: (r,) the labels that were found, in order: ints or texts.
        true: (c,) the labels that were given.
        keys: (m,) int64, sorted: place of the one in `found` * c + place of the other in `true`.
        weights: (m,) float64, above 0.
    """

    found: tuple[Label, ...]
    true: tuple[Label, ...]
    keys: Array
    weights: Array

    @property
    def row(self) -> Array:
        """(m,) int64: the place of each pair's found label."""
        return self.keys // max(len(self.true), 1)

    @property
    def column(self) -> Array:
        """(m,) int64: the place of each pair's given label."""
        return self.keys % max(len(self.true), 1)

    @functools.cached_property
    def of_found(self) -> Array:
        """(r,) the weight of each label that was found."""
        return np.bincount(self.row, self.weights, len(self.found))

    @functools.cached_property
    def of_true(self) -> Array:
        """(c,) the weight of each label that was given."""
        return np.bincount(self.column, self.weights, len(self.true))

    @property
    def table(self) -> dict[str, Any]:
        """A row for each pair, as columns: found, true, weight, share of the found label."""
        row, column = self.row, self.column
        return {
            "found": [self.found[at] for at in row],
            "true": [self.true[at] for at in column],
            "weight": self.weights,
            "share": self.weights / self.of_found[row],
        }


def joined(a: Contingency, b: Contingency) -> Contingency:
    """The sum of two tables.

    Raises:
        BadInput: too many labels or pairs, or numbers and texts in one column.
    """
    found, true = LABELS.join(a.found, b.found), LABELS.join(a.true, b.true)
    one, other = (_moved(table, found, true) for table in (a, b))
    keys, weights = buckets.merged(one, a.weights, other, b.weights)
    return _few(Contingency(found, true, keys, weights))


def _moved(table: Contingency, found: tuple[Label, ...], true: tuple[Label, ...]) -> Array:
    """The keys among more labels; their order stays."""
    row, column = table.row, table.column
    if len(found) > len(table.found):
        row = _moves(table.found, found)[row]
    if len(true) > len(table.true):
        column = _moves(table.true, true)[column]
    return row * len(true) + column


def _moves(labels: tuple[Label, ...], among: tuple[Label, ...]) -> Array:
    made = np.array(labels, object if labels and isinstance(labels[0], str) else np.int64)
    return places(made, among)


def _few(table: Contingency) -> Contingency:
    if len(table.keys) > MOST:
        raise BadInput(
            got=f"more than {MOST:,} different pairs of labels",
            wanted="labels, which many rows share",
            do="Name the columns that hold the labels.",
        )
    return table


CONTINGENCY = Kind(
    "CONTINGENCY", joined, lambda a, factor: replace(a, weights=a.weights * float(factor))
)


@dataclass(frozen=True, eq=False)
class Beside(Model):
    """Looks at the labels of rows in pairs.

    Attributes:
        asked: says the label that was found; the other one is the y of the row.
    """

    frame: ClassVar[tuple[str, ...]] = ("asked",)
    last_look: ClassVar[bool] = True
    asked: Any


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs(Summary):
    """The table of labels; n_weighted: rows of weight above 0."""

    table: Contingency = of(CONTINGENCY)
    n_weighted: int = of(COUNT)


@dataclass(eq=False, repr=False)
class Pairing(Estimator):
    """Count the pairs of labels.

    Args:
        asked: says the label that was found.
    """

    asked: Any

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing to look for but pairs."""
        return Beside(self.asked)

    def observe(self, model: Beside, batch: Batch) -> Summary:
        """The table of a batch."""
        table = tabled(model.asked.labels(batch), truth(batch), batch.weights)
        return Pairs.told(model, batch, table=table, n_weighted=weighted(batch))

    def advance(self, model: Beside, told: Pairs) -> Model:
        """Nothing moves: the sum is the answer."""
        return cast(Model, model)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: the sum is the answer."""
        return {}


def tabled(found: Array, true: Array, weight: Array) -> Contingency:
    """The table of rows.

    >>> table = tabled(np.array([0, 0, 1]), np.array([7, 7, 7]), np.ones(3))
    >>> table.found, table.true, table.keys.tolist(), table.weights.tolist()
    ((0, 1), (7,), [0, 1], [2.0, 1.0])

    Args:
        found, true: (n,) int64, or texts as objects.
        weight: (n,) float64; rows of weight 0 are not there.
    """
    if not weight.all():
        there = weight > 0
        found, true, weight = found[there], true[there], weight[there]
    rows, columns = distinct(found), distinct(true)
    at = places(found, rows) * len(columns) + places(true, columns)
    return Contingency(rows, columns, *buckets.summed(at, np.ascontiguousarray(weight)))


class Counted(NamedTuple):
    """What a pass over labels has told.

    Attributes:
        table: of the labels.
        unit: the weight that counts as one row.
        n_rows, weight, n_skipped: as a summary has them.
    """

    table: Contingency
    unit: float
    n_rows: int
    weight: float
    n_skipped: int


def counted(
    found: Any, data: Any, y: Any, sample_weight: Any, engine: Any, memory: int | str | None
) -> Counted:
    """The table of the labels of some data, by one pass; see `agreement`."""
    return counted_by(*pairs_of(found, data, y, sample_weight), engine, memory)


def counted_by(asked: Asked, plan: Plan, engine: Any, memory: int | str | None) -> Counted:
    """The table of what is said of the rows of a plan, beside the y of these."""
    told: Pairs = run(Pairing(asked), plan, engine, memory).told
    unit = unit_of(told.weight, told.n_weighted)
    return Counted(told.table, unit, told.n_rows, told.weight, told.n_skipped)
