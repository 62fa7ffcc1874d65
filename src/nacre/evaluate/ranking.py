"""How well scores rank the rows of one class above the others: ROC, precision and recall.

One pass sums the rows of both classes by their scores (tally.py); where scores share a bucket, what
the buckets can hide is told beside each figure.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput, BadParameter
from nacre.estimator import Estimator, require
from nacre.evaluate.asked import Asked, pairs_of, plain, run
from nacre.evaluate.contingency import Label
from nacre.evaluate.lines import aligned
from nacre.evaluate.tally import Scores, Scoring, Tally
from nacre.kernel import buckets


class RocCurve(NamedTuple):
    """Rates by falling threshold, as `sklearn.metrics.roc_curve` has them; all arrays are (m + 1,).

    Attributes:
        fpr, tpr: of the rows of the other class, and of the positive ones, the share whose score is
            at or above the threshold.
        thresholds: the first is inf: no row.
    """

    fpr: Array
    tpr: Array
    thresholds: Array


class PrecisionRecallCurve(NamedTuple):
    """As `sklearn.metrics.precision_recall_curve` has it, by rising threshold.

    Attributes:
        precision: (m + 1,) of the rows at or above a threshold, the share that is positive; at last
            1, above all thresholds.
        recall: (m + 1,) of the positive rows, the share at or above it; at last 0.
        thresholds: (m,).
    """

    precision: Array
    recall: Array
    thresholds: Array


@dataclass(frozen=True, eq=False)
class Ranking:
    """How well scores rank positive rows above the others.

    Attributes:
        roc_auc: the chance that of a positive row and another the positive one has the greater
            score; ties count half.
        roc_auc_doubt: what it may be off by, because scores shared buckets; 0 where none did.
        average_precision: the mean precision over the positive rows, each at its own score.
        average_precision_doubt: what it may be off by.
        positive: the label that counts.
        tally: the weight of both classes at each score, the positive one's last.
        n_rows, weight: rows that were ranked, and their weight.
        positive_weight: the weight of the positive ones; a ranking by chance has this share of the
            weight as its average precision.
        n_skipped: bad rows that were left out.
    """

    roc_auc: float
    roc_auc_doubt: float
    average_precision: float
    average_precision_doubt: float
    positive: Label
    tally: Tally
    n_rows: int
    weight: float
    positive_weight: float
    n_skipped: int

    @functools.cached_property
    def roc(self) -> RocCurve:
        """The rates at each threshold."""
        negative, positive = self._above
        fpr, tpr = (np.append(0.0, sums / sums[-1]) for sums in (negative, positive))
        return RocCurve(fpr, tpr, np.append(np.inf, self._thresholds))

    @functools.cached_property
    def precision_recall(self) -> PrecisionRecallCurve:
        """Precision and recall at each threshold."""
        negative, positive = self._above
        precision, recall = positive / (positive + negative), positive / positive[-1]
        precision, recall = np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0)
        return PrecisionRecallCurve(precision, recall, self._thresholds[::-1])

    @property
    def table(self) -> dict[str, Array]:
        """A row for each threshold, from the highest: threshold, fpr, tpr, precision."""
        fpr, tpr, thresholds = (column[1:] for column in self.roc)
        precision = self.precision_recall.precision[-2::-1]
        return {"threshold": thresholds, "fpr": fpr, "tpr": tpr, "precision": precision}

    @property
    def _above(self) -> Array:
        """(2, m) the weight of each class at or above each threshold, from the highest."""
        return np.cumsum(self.tally.weights[:, ::-1], axis=1)

    @property
    def _thresholds(self) -> Array:
        """(m,) the least score of each bucket, from the highest."""
        least, _ = buckets.levels_in(self.tally.keys, self.tally.shift)
        return buckets.numbers(least)[::-1]

    def plot(self, curve: str = "roc") -> Any:
        """The curve "roc" or "precision_recall" as a `nacre.plot` picture."""
        from nacre.plot import ranking as pictures

        require(curve in ("roc", "precision_recall"), "curve", curve, '"roc" or "precision_recall"')
        if curve == "roc":
            return pictures.roc(self.roc.fpr, self.roc.tpr, self.roc_auc)
        precision, recall, _ = self.precision_recall
        share = self.positive_weight / self.weight
        return pictures.precision_recall(precision, recall, self.average_precision, share)

    def __str__(self) -> str:
        share = self.positive_weight / self.weight
        head = f"{self.n_rows:,} rows, {share:.2%} of them {self.positive!r}"
        names = ("roc_auc", "average_precision")
        rows = [(name, getattr(self, name), self._within(name)) for name in names]
        return "\n".join([head, *aligned(rows)])

    def _within(self, name: str) -> str:
        doubt = getattr(self, f"{name}_doubt")
        return f"± {doubt:.1g}" if doubt else ""


def ranking(
    found: Any,
    data: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    *,
    positive: Any = None,
    want: str = "predict",
    engine: Any = None,
    memory: int | str | None = None,
) -> Ranking:
    """See how well scores rank the rows of one class above all others.

    One pass; the figures are those of `sklearn.metrics`, exactly while there are at most 131,072
    different scores, and else within a doubt that is told.

    >>> ranking([0.1, 0.4, 0.35, 0.8], y=[0, 0, 1, 1]).roc_auc
    0.75

    Args:
        found: what gives the scores, the greater the likelier positive: a fitted learner; or the
            scores themselves: an array (n,), or the name of a column of the data.
        data: as `fit` takes it; left out where both are arrays.
        y: the classes: an array (n,), or the name of a column; ints, bools or texts.
        sample_weight: (n,) at least 0; a row of weight 3 counts as three rows.
        positive: the label that counts; all others are then one class. If not said there are two
            labels, and it is the greater.
        want: what a learner is asked for: one number a row.
        engine, memory: as `fit` takes them.

    Raises:
        BadInput: scores or labels that are missing, one class alone, more than two labels where
            `positive` is not said, another number of rows.
        BadParameter: `found` is none of these, or the learner does not answer `want` by one number.
    """
    asked, plan = _planned(found, data, y, sample_weight, want)
    counts = None if positive is None else plain(np.array([positive])).tolist()[0]
    told: Scores = run(Scoring(asked, counts), plan, engine, memory).told
    return ranked(told, counts)


def _planned(found: Any, data: Any, y: Any, weight: Any, want: str) -> tuple[Asked, Any]:
    """What says the scores, and the plan of the rows."""
    from nacre.source.read import plan_of

    if isinstance(found, Estimator | str) or data is not None or y is None:
        return pairs_of(found, data, y, weight, want=want)
    scores = np.asarray(found)
    if scores.ndim != 1 or scores.dtype.kind not in "fiub":
        raise BadParameter(
            got=f"found of shape {scores.shape} and type {scores.dtype}",
            wanted="a fitted learner, scores (n,), or the name of a column",
            do="Pass what is evaluated first, then the data.",
        )
    return Asked(None, None, "X"), plan_of(scores[:, None], y=y, weight=weight)


def ranked(told: Scores, positive: Label | None) -> Ranking:
    """The figures of a tally.

    Raises:
        BadInput: one class alone.
    """
    tally = told.tally
    if len(tally.labels) < 2:
        raise _one_class(tally, positive)
    # a power of two changes no bit, and keeps products of weights in range
    negative, found = np.ldexp(tally.weights, -int(np.frexp(tally.weights.max())[1]))
    total = math.fsum(found)
    below, pairs = np.cumsum(negative) - negative, total * math.fsum(negative)
    exact = tally.shift == 0
    precision, doubt = _precision(negative[::-1], found[::-1], exact)
    return Ranking(
        roc_auc=math.fsum(found * (below + negative / 2)) / pairs,
        roc_auc_doubt=0.0 if exact else math.fsum(found * negative) / 2 / pairs,
        average_precision=precision,
        average_precision_doubt=doubt,
        positive=tally.labels[1] if positive is None else positive,
        tally=tally,
        n_rows=told.n_rows,
        weight=told.weight,
        positive_weight=math.fsum(tally.weights[1]),
        n_skipped=told.n_skipped,
    )


def _precision(negative: Array, positive: Array, exact: bool) -> tuple[float, float]:
    """Mean precision over positive rows, by falling score, and what it may be off by.

    Where scores share a bucket it is at most what it would be if the positive rows of each bucket
    were first and had one score; at least, if they were last, one by one: the integral over them of
    t / (t + f), with the weight t of all positive rows so far, and that of all others, f, down to
    the bucket's end. The mean lies halfway.
    """
    above, others, total = np.cumsum(positive), np.cumsum(negative), math.fsum(positive)
    if exact:
        return math.fsum(positive * (above / (above + others))) / total, 0.0
    first = above + others - negative
    most = positive * np.divide(above, first, out=np.zeros(len(first)), where=first > 0)
    last = above + others - positive
    inside = np.divide(positive, last, out=np.zeros(len(last)), where=last > 0)
    least = positive - others * np.log1p(inside)
    high, low = math.fsum(most) / total, math.fsum(least) / total
    return (high + low) / 2, (high - low) / 2


def _one_class(tally: Tally, positive: Label | None) -> BadInput:
    if positive is None:
        got = f"label {tally.labels[0]!r} alone"
    else:
        got = f"{'no other label than' if tally.labels == (1,) else 'no row of label'} {positive!r}"
    return BadInput(
        got=got,
        wanted="rows of the class that counts, and others",
        do="Check y and positive; of one class there is no ranking.",
    )
