"""The rows of two classes at each score: a sum, in buckets as fine as there is room for.

The weight of both classes is kept for each different score: exact while there are at most 2**17
different ones. Beyond, neighbouring scores share a bucket: low bits of the number are cut off
(kernel/buckets.py), as few as it takes. How many is a matter of the set of all scores, so it
depends neither on shards nor on order.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.errors import BadInput, BadParameter
from nacre.estimator import Estimator
from nacre.evaluate.asked import Asked, distinct, truth
from nacre.evaluate.contingency import Label
from nacre.kernel import buckets
from nacre.kinds import Kind, of

MOST_SCORES = 1 << 17  # different scores, or buckets of them: 3 MB
LEVEL_BITS = 63  # of a score: so many cut off leave its sign alone


@dataclass(frozen=True, eq=False)
class Tally:
    """The weight of each of two classes at each score, or in each bucket of scores.

    Attributes:
        most: buckets that there may be.
        labels: of the classes that are there, in order: none, one or two.
        shift: bits that are cut off the level of a score; 0: none.
        keys: (m,) int64, rising with the scores.
        weights: (2, m) float64, a row for each label; that of a label that is not there is 0.
    """

    most: int
    labels: tuple[Label, ...]
    shift: int
    keys: Array
    weights: Array


def joined(a: Tally, b: Tally) -> Tally:
    """The sum of two tallies, in buckets as fine as they can be.

    Raises:
        BadInput: more than two labels, or numbers and texts.
    """
    labels = _two(a.labels, b.labels)
    shift = max(a.shift, b.shift)
    one, other = (_coarser(_arranged(tally, labels), shift) for tally in (a, b))
    found = [
        buckets.merged(one.keys, mine, other.keys, more)
        for mine, more in zip(one.weights, other.weights, strict=True)
    ]
    keys, weights = found[0][0], np.stack([sums for _, sums in found])
    return _fitting(Tally(a.most, labels, shift, keys, weights))


TALLY = Kind("TALLY", joined, lambda a, factor: replace(a, weights=a.weights * float(factor)))


def _two(a: tuple[Label, ...], b: tuple[Label, ...]) -> tuple[Label, ...]:
    """The labels of both, in order."""
    found = sorted({*a, *b}, key=lambda label: (isinstance(label, str), label))
    if len(found) > 2 or len({isinstance(label, str) for label in found}) > 1:
        raise BadInput(
            got=f"labels {', '.join(map(repr, found[:3]))}",
            wanted="two classes",
            do="Say which label counts, positive=...: all others are then one class.",
        )
    return tuple(found)


def _arranged(tally: Tally, labels: tuple[Label, ...]) -> Tally:
    """The tally with its weights in the rows that its labels have among others."""
    if tally.labels == labels[: len(tally.labels)]:
        return tally
    return replace(tally, weights=tally.weights[::-1])  # its one label is the second of the two


def _fitting(tally: Tally) -> Tally:
    """The tally in the finest buckets of which there are not too many."""
    if len(tally.keys) <= tally.most:
        return tally
    shifts = range(tally.shift, LEVEL_BITS + 1)
    few = bisect.bisect_left(
        shifts, True, key=lambda shift: _n_different(_cut(tally, shift)) <= tally.most
    )
    return _coarser(tally, shifts[few])


def _coarser(tally: Tally, shift: int) -> Tally:
    """The same in wider buckets."""
    if shift == tally.shift:
        return tally
    keys, weights = _summed(_cut(tally, shift), tally.weights)
    return replace(tally, shift=shift, keys=keys, weights=weights)


def _summed(keys: Array, weights: Array) -> tuple[Array, Array]:
    """Rising keys, each once, and the sums (2, m) of the weights (2, n) of each."""
    found = [buckets.summed(keys, some) for some in weights]
    return found[0][0], np.stack([sums for _, sums in found])


def _cut(tally: Tally, shift: int) -> Array:
    """(m,) the keys with more bits cut off; equal ones stand together."""
    sizes = (np.abs(tally.keys) - 1) >> (shift - tally.shift)
    return np.where(tally.keys == 0, 0, np.sign(tally.keys) * (1 + sizes))


def _n_different(keys: Array) -> int:
    return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))


@dataclass(frozen=True, eq=False)
class Scored(Model):
    """Looks at the scores of rows and at their classes.

    Attributes:
        asked: says the score.
        positive: the label that counts, all others being one class; None: there are two.
        most: different scores that are told apart.
    """

    frame: ClassVar[tuple[str, ...]] = ("asked", "positive", "most")
    last_look: ClassVar[bool] = True
    asked: Any
    positive: Label | None
    most: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores(Summary):
    """The tally of rows."""

    tally: Tally = of(TALLY)


@dataclass(eq=False, repr=False)
class Scoring(Estimator):
    """Count the rows of two classes at each score.

    Args:
        asked: says the score of a row.
        positive: the label that counts, all others being one class; None: there are two.
        most: different scores that are told apart; of more, neighbours share a bucket.
    """

    asked: Any
    positive: Label | None = None
    most: int = MOST_SCORES

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing to look for but scores."""
        return Scored(self.asked, self.positive, self.most)

    def observe(self, model: Scored, batch: Batch) -> Summary:
        """The tally of a batch."""
        scores, labels, weight = _scores(model.asked, batch), truth(batch), batch.weights
        if model.positive is not None:
            labels = _is(labels, model.positive)
        there = weight > 0
        tally = tallied(scores[there], labels[there], weight[there], model.most)
        return Scores.told(model, batch, tally=tally)

    def advance(self, model: Scored, told: Scores) -> Model:
        """Nothing moves: the sum is the answer."""
        return cast(Model, model)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: the sum is the answer."""
        return {}


def tallied(scores: Array, labels: Array, weight: Array, most: int = MOST_SCORES) -> Tally:
    """The tally of rows: scores (n,) float64, labels (n,) int64 or texts, weight (n,) above 0."""
    known = _two(distinct(labels)[:3], ())
    keys = buckets.buckets_of(buckets.levels(scores), 0)
    order = np.argsort(keys, kind="stable")
    second = labels[order] == known[-1] if len(known) == 2 else np.zeros(len(order), bool)
    weights = np.where([~second, second], weight[order], 0.0)
    return _fitting(Tally(most, known, 0, *_summed(keys[order], weights)))


def _is(labels: Array, positive: Label) -> Array:
    """(n,) int64: 1 where a label is the one that counts, else 0."""
    if (labels.dtype.kind == "O") is not isinstance(positive, str):
        return np.zeros(len(labels), np.int64)
    return (labels == positive).astype(np.int64)


def _scores(asked: Asked, batch: Batch) -> Array:
    """(n,) float64."""
    values = np.asarray(asked.values(batch))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        raise BadParameter(
            got=f"scores of shape {values.shape} and type {values.dtype}",
            wanted="one number for each row, the greater the likelier positive",
            do="Say what is asked for, want=..., or pass the scores.",
        )
    values = values.astype(np.float64)
    if np.isnan(values).any():
        raise BadInput(
            got=f"score NaN in row {int(batch.ids['position'][np.argmax(np.isnan(values))])}",
            wanted="a number for each row",
            do="Leave such rows out, or fill what is missing.",
            where=batch.where,
        )
    return values
