"""Exact quantiles of columns, in two or three passes and little room, whatever the number of rows.

The first pass counts in log-linear buckets (histogram.py), which tells the bucket that a quantile
lies in. Later passes look into that bucket alone: they cut it into steps, up to single numbers
where few rows are left (the bracketing of Munro and Paterson 1980). The buckets of all rows are
counted in every pass, so that later rows can move a quantile: it is then known within 1/256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.estimator import Estimator, Incremental
from nacre.kernel import buckets
from nacre.kernel.buckets import MANTISSA, room_of
from nacre.kinds import COUNT, KeyedSums, of
from nacre.learn.count.histogram import (
    COUNTS,
    EVER,
    ROUNDING,
    column_of,
    counted,
    lerp,
    ranks,
    shares_of,
    unit_of,
    weighted,
)
from nacre.learn.count.moments import NO_WEIGHT

SHIFT = MANTISSA - 7  # a bucket's middle is within 1/256 of the numbers in it
MOST_STEPS = 1 << 20  # sums inside brackets, about, of all columns together
LEAST_STEPS = 64  # of each bracket, however many there are

NOTHING = KeyedSums(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, eq=False)
class Search(Model):
    """Looks for quantiles: the brackets that rows are compared with, and what is known.

    Attributes:
        d: number of columns.
        shares: (q,) float64 in [0, 1].
        brackets: (d, b, 3) int64: first and last level, and the bits that a step takes off them;
            last < first where a column needs fewer. A bracket lies in one bucket.
        quantiles: (d, q) float64, 0 for a column without a number; None before the first pass.
        doubt: (d, q) float64: what each may be off by, 0 where it is exact.
    """

    frame: ClassVar[tuple[str, ...]] = ("d", "shares", "brackets")
    d: int
    shares: Array
    brackets: Array
    quantiles: Array | None = None
    doubt: Array | None = None

    @property
    def can_answer(self) -> bool:
        """After a pass."""
        return self.quantiles is not None


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranked(Summary):
    """The weight in each bucket, and in the buckets of brackets the weight in each step.

    Attributes:
        counts: as in Counted.
        steps: keys (bracket, step), weights (m,) float64; see kernel/buckets.
        most: (d, b, 2): greatest of minus the numbers in a bracket, and of the numbers.
        n_weighted: rows of weight above 0.
    """

    counts: KeyedSums = of(COUNTS)
    steps: KeyedSums = of(COUNTS)
    most: Array = of(EVER)
    n_weighted: int = of(COUNT)

    @property
    def unit(self) -> float:
        """The weight that counts as one row."""
        return unit_of(self.weight, self.n_weighted)


Found = TypeVar("Found", bound=Search)


class ByQuantiles(Estimator):
    """A learner that starts by `searching` and advances by `narrowed`: its passes and its grade."""

    grade: ClassVar[Mapping[str, Grade]] = {
        "space": "bits",
        "time": "bounded",
        "erasure": "bounded",
    }
    takes: ClassVar[Sequence[str]] = ("nan",)

    def observe(self, model: Any, batch: Batch) -> Summary:
        """Weights in buckets, and in the steps of brackets; nothing where nothing is in doubt."""
        return ranked(model, batch)

    def carry(self, told: Any, old: Any, new: Any) -> Summary:
        """The buckets stay as they are; steps are counted anew."""
        return carried(told, old, new)


@dataclass(eq=False, repr=False)
class Quantiles(Incremental, ByQuantiles):
    """Find quantiles of each column exactly, as `numpy.nanquantile` has them, out of core.

    Two passes as a rule, a few more for very many rows. After `partial_fit` a quantile that has
    moved is known within 1/256 of itself. A column without a number has 0.

    >>> Quantiles(q=(0.5, 0.9)).fit(np.arange(11.0)[:, None]).quantiles_.ravel()
    array([5., 9.])

    Args:
        q: shares of the weight, from 0 to 1.
    """

    q: tuple[float, ...] | list[float] = (0.25, 0.5, 0.75)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        shares_of(self.q)

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width."""
        return Search(*searching(head, self.q))

    def advance(self, model: Search, told: Ranked) -> Model:
        """Narrower brackets, until each holds one number."""
        return narrowed(model, told)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: the model is the answer."""
        return {}

    @property
    def quantiles_(self) -> Array:
        """(len(q), d) float64, as `numpy.quantile(X, q, axis=0)` has them."""
        return self._model().quantiles.T

    @property
    def doubt_(self) -> Array:
        """(len(q), d) what each quantile may be off by: 0 after a whole fit."""
        return self._model().doubt.T


def searching(head: Batch, shares: Any) -> tuple[int, Array, Array]:
    """Width, shares and brackets of a search that begins."""
    d = head.X.shape[1]
    return d, np.asarray(shares, np.float64), np.zeros((d, 0, 3), np.int64)


def ranked(model: Search, batch: Batch) -> Ranked:
    """What a batch says to a search; nothing where no quantile is looked for."""
    brackets = model.brackets
    nowhere = np.full((*brackets.shape[:2], 2), -np.inf)
    n, counts, steps, most = weighted(batch), NOTHING, NOTHING, nowhere
    if len(model.shares):
        counts = counted(batch, SHIFT)
    if brackets.shape[1]:
        weight = NO_WEIGHT if batch.weight is None else batch.weight
        keys, sums, most = buckets.bracket_sums(batch.X, weight, SHIFT, brackets)
        steps = KeyedSums(keys, sums)
    return Ranked.told(model, batch, counts=counts, steps=steps, most=most, n_weighted=n)


def carried(told: Any, old: Search, new: Search) -> Ranked:
    """What rows said to other brackets: their buckets are counted, their steps are not."""
    if old.base == new.base:
        return cast(Ranked, told)
    nowhere = np.full((*new.brackets.shape[:2], 2), -np.inf)
    return cast(Ranked, replace(told, base=new.base, steps=NOTHING, most=nowhere))


class Spans(NamedTuple):
    """Where order statistics lie.

    Attributes:
        first, last: levels (d, 2 q): the span that holds each; one level where it is known.
        weight: (d, 2 q) of the rows in the span.
        fraction: (d, q) as in Ranks.
    """

    first: Array
    last: Array
    weight: Array
    fraction: Array


def narrowed(model: Found, told: Ranked) -> Found:
    """The search with what a pass has told: quantiles, and new brackets where some are in doubt."""
    spans = _spans(model, told)
    ends = buckets.middles(spans.first, spans.last)
    quantiles = lerp(ends.T, spans.fraction.T).T
    half = (buckets.numbers(spans.last) - buckets.numbers(spans.first)) / 2
    doubt = np.maximum(*np.split(half, 2, axis=1))
    found = replace(model, quantiles=quantiles, doubt=doubt)
    if (spans.first == spans.last).all():
        return found
    return replace(found, brackets=_brackets(spans, told.unit))


def _spans(model: Search, told: Ranked) -> Spans:
    q = len(model.shares)
    first, last = np.zeros((2, model.d, 2 * q), np.int64)
    spans = Spans(first, last, np.zeros((model.d, 2 * q)), np.zeros((model.d, q)))
    for t in range(model.d):
        found, sums = column_of(told.counts, t)
        if not len(found):
            continue
        at = ranks(float(sums.sum()), told.unit, model.shares)
        total = np.cumsum(sums)
        places = np.minimum(np.searchsorted(total, at.targets, "right"), len(found) - 1)
        spans.fraction[t], spans.weight[t] = at.fraction, sums[places]
        spans.first[t], spans.last[t] = buckets.levels_in(found[places], SHIFT)
        rest = at.targets - (total - sums)[places]
        for bracket in _brackets_of(model, told, t):
            _narrow(spans, t, bracket, rest, sums[places])
    return spans


class Bracket(NamedTuple):
    """A bracket, and what rows say to it.

    Attributes:
        low, high: its first and last level; a step takes `bits` bits off them.
        steps, sums: (m,) steps that hold rows, and their weights.
        least, most: the extremes of the numbers inside.
    """

    low: int
    high: int
    bits: int
    steps: Array
    sums: Array
    least: float
    most: float

    @property
    def above(self) -> int:
        """The step that stands for all above the bracket."""
        return 2 + ((self.high - self.low) >> self.bits)

    def places(self, rest: Array) -> Array:
        """Positions in `steps` where weight `rest` (m,) lies before; rounding leaves no bracket."""
        total = np.cumsum(self.sums)
        found = np.minimum(np.searchsorted(total, rest, "right"), len(total) - 1)
        inside = np.flatnonzero((self.steps > 0) & (self.steps < self.above))
        if not len(inside):
            return found
        loose = ROUNDING * total[-1]
        low, high = (total - self.sums)[inside[0]] - loose, total[inside[-1]] + loose
        near = (low <= rest) & (rest <= high)
        return np.where(near, np.clip(found, inside[0], inside[-1]), found)


def _brackets_of(model: Search, told: Ranked, column: int) -> list[Bracket]:
    d, b = model.brackets.shape[:2]
    room = room_of(d * b)
    found = []
    for s, (low, high, bits) in enumerate(model.brackets[column].tolist()):
        number = column * b + s
        start, stop = np.searchsorted(told.steps.keys, [number << room, (number + 1) << room])
        steps = told.steps.keys[start:stop] & ((1 << room) - 1)
        least, most = -told.most[column, s, 0], told.most[column, s, 1]
        sums = told.steps.values[start:stop]
        found.append(Bracket(low, high, bits, steps, sums, float(least), float(most)))
    return found


def _narrow(spans: Spans, column: int, bracket: Bracket, rest: Array, whole: Array) -> None:
    """Narrow the spans of a column where a bracket knows more.

    Args:
        spans: written into.
        column: whose spans.
        bracket: of the column.
        rest: (2 q,) weight of the bucket's rows that lie before each order statistic.
        whole: (2 q,) weight of the buckets.
    """
    first, last, weight = spans.first[column], spans.last[column], spans.weight[column]
    low, high, bits = bracket.low, bracket.high, bracket.bits
    here = np.flatnonzero((first <= low) & (low <= high) & (high <= last))
    if not len(here) or bracket.sums.sum() < whole[here[0]] * (1 - ROUNDING):
        return  # rows of an earlier frame are in the bucket, and in no step
    at = bracket.places(rest[here])
    step = bracket.steps[at]
    start = low + ((step - 1) << bits)
    stop = np.minimum(start + ((1 << bits) - 1), high)
    start = np.where(step == 0, first[here], np.where(step == bracket.above, high + 1, start))
    stop = np.where(step == 0, low - 1, np.where(step == bracket.above, last[here], stop))
    if bracket.least == bracket.most:
        inside = (step > 0) & (step < bracket.above)
        level = buckets.levels(np.array(bracket.least))
        start, stop = np.where(inside, level, start), np.where(inside, level, stop)
    first[here], last[here], weight[here] = start, stop, bracket.sums[at]


def _brackets(spans: Spans, unit: float) -> Array:
    """(d, b, 3) brackets around all spans, those of one number too: each pass measures them all."""
    found = [_distinct(*rows) for rows in zip(spans.first, spans.last, spans.weight, strict=True)]
    d, b = len(found), max(map(len, found))
    most, room = max(MOST_STEPS // (d * b), LEAST_STEPS), room_of(d * b)
    brackets = np.tile(np.array([1, 0, 0]), (d, b, 1))
    for t, column in enumerate(found):
        for s, ((first, last), weight) in enumerate(column.items()):
            width = (last - first).bit_length()
            few = weight / unit <= most  # so few rows have no more steps than that
            bits = 0 if few else width - most.bit_length() + 1
            brackets[t, s] = first, last, max(bits, width + 2 - room, 0)
    return brackets


def _distinct(first: Array, last: Array, weight: Array) -> dict[tuple[int, int], float]:
    """(first, last) -> weight of the spans of a column; zero is known without a bracket."""
    rows = zip(first.tolist(), last.tolist(), weight.tolist(), strict=True)
    return dict(sorted({(low, high): w for low, high, w in rows if (low, high) != (0, 0)}.items()))
