"""How often labels that were found are the labels that are known: accuracy, precision, recall.

All scores come from the contingency table of one pass (contingency.py). What would divide by 0 is 0
and no NaN: the precision of a class that nobody found, the recall of one that no row has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput, BadParameter
from nacre.evaluate.contingency import Contingency, Counted, Label, counted
from nacre.evaluate.lines import aligned

MOST_DENSE = 4_096  # classes of a matrix that has a cell for each pair of them
MOST_SHOWN = 40  # classes that a person is shown


class Mean(NamedTuple):
    """Precision, recall and F1 over all classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class ClassScores:
    """How often labels are right, over all rows and for each class. 1 is the best of all scores.

    Attributes:
        accuracy: the share of the rows whose label is right.
        balanced_accuracy: the mean recall of the classes that rows have.
        labels: (k,) the classes, in order: all labels that were found or are known.
        precision: (k,) of the rows that a label was found for, the share that it is right for.
        recall: (k,) of the rows of a class, the share that its label was found for.
        f1: (k,) the harmonic mean of the two.
        support: (k,) the weight of the rows of each class.
        macro: the means over classes; micro: over rows, where all three are the accuracy; weighted:
            over classes by their support.
        contingency: the weight of each pair of labels.
        n_rows, weight: rows that were compared, and their weight.
        n_skipped: bad rows that were left out.
    """

    accuracy: float
    balanced_accuracy: float
    labels: tuple[Label, ...]
    precision: Array
    recall: Array
    f1: Array
    support: Array
    macro: Mean
    micro: Mean
    weighted: Mean
    contingency: Contingency
    n_rows: int
    weight: float
    n_skipped: int

    @property
    def table(self) -> dict[str, Any]:
        """A row for each class, as columns: label, precision, recall, f1, support."""
        names = ("precision", "recall", "f1", "support")
        return {"label": list(self.labels), **{name: getattr(self, name) for name in names}}

    @property
    def confusion(self) -> Array:
        """(k, k) float64: the weight of the rows of class i, by row, that label j was found for.

        Raises:
            BadParameter: more than 4,096 classes; `contingency` holds the pairs that are there.
        """
        k, table = len(self.labels), self.contingency
        if k > MOST_DENSE:
            raise BadParameter(
                got=f"a matrix of {k:,} x {k:,}",
                wanted=f"at most {MOST_DENSE:,} classes",
                do="Read `contingency`, which holds the pairs that are there.",
            )
        matrix = np.zeros((k, k))
        found, true = (_places(labels, self.labels) for labels in (table.found, table.true))
        matrix[true[table.column], found[table.row]] = table.weights
        return matrix

    def plot(self) -> Any:
        """The confusion matrix as a `nacre.plot` picture."""
        from nacre.plot.contingency import confusion

        return confusion(self.labels, self.contingency)

    def __str__(self) -> str:
        head = f"{self.n_rows:,} rows, {len(self.labels):,} classes"
        of_all = [(n, getattr(self, n)) for n in ("accuracy", "balanced_accuracy")]
        means = [(n, *getattr(self, n), "") for n in ("macro", "micro", "weighted")]
        more = len(self.labels) - MOST_SHOWN
        rest = [(f"{more:,} more", "", "", "", "")] if more > 0 else []
        rows = [list(self.table), *self._shown(), *rest, *means]
        return "\n".join([head, *aligned(of_all), "", *aligned(rows)])

    def _shown(self) -> list[tuple[Any, ...]]:
        labels, *numbers, support = (column[:MOST_SHOWN] for column in self.table.values())
        weights = [f"{weight:,.6g}" for weight in support]
        lists = (column.tolist() for column in numbers)
        return list(zip(map(str, labels), *lists, weights, strict=True))


def classes(
    found: Any,
    data: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    *,
    engine: Any = None,
    memory: int | str | None = None,
) -> ClassScores:
    """Count how often labels that were found are right, for each class.

    One pass; the scores are those of `sklearn.metrics` with `zero_division=0`. Labels are compared
    as they are: to compare clusters, whose numbers mean nothing, use `agreement`.

    >>> classes(["cat", "cat", "dog"], y=["cat", "dog", "dog"]).precision
    array([0.5, 1. ])

    Args:
        found: a fitted learner that predicts; or the labels: an array (n,), or the name of a column
            of the data.
        data: as `fit` takes it; left out where both are arrays.
        y: the known labels: an array (n,), or the name of a column; ints, bools or texts.
        sample_weight: (n,) at least 0; a row of weight 3 counts as three rows.
        engine, memory: as `fit` takes them.

    Raises:
        BadInput: labels that are missing, too many, no labels, or of another number of rows;
            numbers on the one side and texts on the other.
        BadParameter: `found` is neither of these, or a learner that does not predict.
    """
    return judged(counted(found, data, y, sample_weight, engine, memory))


def judged(told: Counted) -> ClassScores:
    """The scores of a table.

    Raises:
        BadInput: numbers on the one side and texts on the other.
    """
    table = told.table
    labels = _together(table)
    k = len(labels)
    found, true = (_places(some, labels) for some in (table.found, table.true))
    right, of_found, support = np.zeros(k), np.zeros(k), np.zeros(k)
    hit = found[table.row] == true[table.column]
    right[true[table.column[hit]]] = table.weights[hit]
    of_found[found], support[true] = table.of_found, table.of_true
    precision, recall = _share(right, of_found), _share(right, support)
    f1 = _share(2 * right, of_found + support)
    accuracy = float(right.sum() / support.sum())
    scores = precision, recall, f1
    return ClassScores(
        accuracy=accuracy,
        balanced_accuracy=float(recall[support > 0].mean()),
        labels=labels,
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        macro=Mean(*(float(score.mean()) for score in scores)),
        micro=Mean(accuracy, accuracy, accuracy),
        weighted=Mean(*(float(score @ support / support.sum()) for score in scores)),
        contingency=table,
        n_rows=told.n_rows,
        weight=told.weight,
        n_skipped=told.n_skipped,
    )


def _together(table: Contingency) -> tuple[Label, ...]:
    if isinstance(table.found[0], str) is not isinstance(table.true[0], str):
        raise BadInput(
            got=f"labels {table.found[0]!r} that were found, and {table.true[0]!r} that are known",
            wanted="labels that can be the same: numbers on both sides, or texts",
            do="Name them alike, or compare clusters by agreement(...).",
        )
    return tuple(sorted({*table.found, *table.true}))


def _places(labels: tuple[Label, ...], among: tuple[Label, ...]) -> Array:
    place = {label: at for at, label in enumerate(among)}
    return np.array([place[label] for label in labels], np.int64)


def _share(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
