"""Histograms of columns whose buckets no data decides, so that they add up: over shards, batches
and years, to the same bits.

The buckets are log-linear, as in HdrHistogram and DDSketch (Masson, Rim and Lee 2019): exponent and
first bits of the mantissa, so a number differs from the middle of its bucket by a bounded part of
itself, whatever its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.estimator import Estimator, Incremental, require
from nacre.kernel import buckets
from nacre.kernel.buckets import COLUMN, MANTISSA
from nacre.kinds import COUNT, KEYED, KeyedSums, Kind, of
from nacre.learn.count.moments import NO_WEIGHT


def _joined(a: KeyedSums, b: KeyedSums) -> KeyedSums:
    return KeyedSums(*buckets.merged(a.keys, a.values, b.keys, b.values))


COUNTS = replace(KEYED, join=_joined)  # the same sum, many times faster
ROUNDING = 1e-9  # what sums of weights in another order may differ by, as a part of them
EVER = Kind("EVER", np.maximum, lambda a, factor: a, idempotent=True, exact=True)  # of all seen


@dataclass(frozen=True, eq=False)
class Buckets(Model):
    """Buckets for d columns: `shift` bits of a number's level are cut off; see kernel/buckets."""

    frame: ClassVar[tuple[str, ...]] = ("d", "shift")
    d: int
    shift: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Counted(Summary):
    """The weight in each bucket of each column, and how far the columns reach.

    Attributes:
        counts: keys column * COLUMN + bucket + COLUMN // 2, weights (m,) float64.
        most: (d, 2): the greatest of minus the numbers, and of the numbers; -inf without any.
        n_weighted: rows of weight above 0.
    """

    counts: KeyedSums = of(COUNTS)
    most: Array = of(EVER)
    n_weighted: int = of(COUNT)


class Bars(NamedTuple):
    """The buckets of a column that hold something, by rising numbers.

    Attributes:
        lower, upper: (m,) the least and the greatest number of each bucket.
        weight: (m,) of the rows in it.
    """

    lower: Array
    upper: Array
    weight: Array


@dataclass(eq=False, repr=False)
class Histogram(Incremental, Estimator):
    """Count the numbers of each column in log-linear buckets: quantiles and shares from one pass.

    The buckets are fixed beforehand, so histograms add up exactly, over shards and over time. Each
    number is known within `relative_error` of itself (within 1e-310 where it is below 2.2e-308),
    and a quantile is such a number, or lies between two. NaN counts nowhere.

    >>> h = Histogram().fit(np.arange(1.0, 1001.0)[:, None])
    >>> float(h.quantile(0.0)[0]), abs(float(h.quantile(0.5)[0]) / 500.5 - 1) < 0.004
    (1.0, True)

    Args:
        relative_error: a bucket's middle is at most this part away from each number in it; at least
            2**-17. Half of it doubles the room that a histogram takes.
    """

    relative_error: float = 0.004

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    takes: ClassVar[Sequence[str]] = ("nan",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        error = self.relative_error
        inside = isinstance(error, Real) and 2.0**-17 <= error <= 0.25
        require(inside, "relative_error", error, "a number from 2**-17 to 0.25")

    def start(self, head: Batch, n: int | None) -> Model:
        """The buckets, from the error alone."""
        bits = math.ceil(-math.log2(self.relative_error)) - 1
        return Buckets(head.X.shape[1], MANTISSA - bits)

    def observe(self, model: Buckets, batch: Batch) -> Summary:
        """Weights in buckets."""
        counts, most = counted(batch, model.shift), reaching(batch)
        return Counted.told(model, batch, counts=counts, most=most, n_weighted=weighted(batch))

    def advance(self, model: Buckets, told: Counted) -> Model:
        """Nothing moves: the sum is the answer."""
        return cast(Model, model)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: the sum is the answer."""
        return {}

    def quantile(self, q: Any) -> Array:
        """The numbers below which shares q of the weight lie: (d,), or (len(q), d) of several.

        Between two rows it lies on the line between them, as `numpy.quantile` has it. NaN for a
        column without a number.

        Raises:
            BadParameter: a share outside 0 to 1.
        """
        shares = shares_of(np.atleast_1d(q))
        told = self._counted()
        found = [self._quantiles(told, t, shares) for t in range(self._model().d)]
        columns = np.array(found).reshape(-1, len(shares)).T
        return columns if np.ndim(q) else columns[0]

    def cdf(self, x: Any) -> Array:
        """(d,): the share of each column's weight at or below x, a number or one for each column.

        The bucket that holds x counts as a whole, so what is equal to x is in. NaN for a column
        without a number.

        Raises:
            BadParameter: neither a number nor one for each column.
        """
        d, wanted = self._model().d, np.asarray(x, np.float64)
        require(wanted.shape in ((), (1,), (d,)), "x", x, f"a number, or {d}, one for each column")
        asked = zip(range(d), np.broadcast_to(wanted, d), self.min_, strict=True)
        return np.array([_share(self.bars(t), value, least) for t, value, least in asked])

    def bars(self, column: int) -> Bars:
        """The buckets of a column that hold something.

        Raises:
            BadParameter: a column that is not there.
        """
        d = self._model().d
        require(-d <= column < d, "column", column, f"a position from 0 to {d - 1}")
        found, weight = column_of(self._counted().counts, column % d)
        first, last = buckets.levels_in(found, self._model().shift)
        return Bars(buckets.numbers(first), buckets.numbers(last), weight)

    @property
    def min_(self) -> Array:
        """(d,) the least number of each column, exactly; inf without any."""
        return -self._counted().most[:, 0]

    @property
    def max_(self) -> Array:
        """(d,) the greatest number of each column, exactly; -inf without any."""
        return self._counted().most[:, 1]

    def _counted(self) -> Counted:
        self._check_fitted()
        told: Counted = self.state_.told
        return told

    def _quantiles(self, told: Counted, column: int, shares: Array) -> Array:
        found, sums = column_of(told.counts, column)
        if not len(found):
            return np.full(len(shares), np.nan)
        low, high = -told.most[column, 0], told.most[column, 1]
        at = ranks(sums.sum(), unit_of(told.weight, told.n_weighted), shares)
        places = np.minimum(np.searchsorted(np.cumsum(sums), at.targets, "right"), len(found) - 1)
        first, last = buckets.levels_in(found[places], self._model().shift)
        between = np.clip(buckets.middles(first, last), low, high)
        return np.where(shares == 0, low, np.where(shares == 1, high, lerp(between, at.fraction)))


def counted(batch: Batch, shift: int) -> KeyedSums:
    """The weight in each bucket of each column of a batch."""
    weight = NO_WEIGHT if batch.weight is None else batch.weight
    return KeyedSums(*buckets.bucket_sums(batch.X, weight, shift))


def reaching(batch: Batch) -> Array:
    """(d, 2): the greatest of minus the numbers of rows with weight, and of the numbers."""
    X = batch.X if batch.weight is None else batch.X[batch.weight > 0]
    low = np.fmin.reduce(X, axis=0, initial=np.inf)
    high = np.fmax.reduce(X, axis=0, initial=-np.inf)
    return np.stack([-low, high], axis=1).astype(np.float64) + 0.0  # one zero, of the two there are


def column_of(counts: KeyedSums, column: int) -> tuple[Array, Array]:
    """Buckets (m,), rising, and their weights (m,)."""
    start, stop = np.searchsorted(counts.keys, [column * COLUMN, (column + 1) * COLUMN])
    return counts.keys[start:stop] - (column * COLUMN + COLUMN // 2), counts.values[start:stop]


def shares_of(q: Any) -> Array:
    """Shares (q,) float64 as a user gave them.

    Raises:
        BadParameter: none, or one outside 0 to 1.
    """
    try:
        shares = np.asarray(q, np.float64)
    except (TypeError, ValueError):
        shares = np.empty(0)
    inside = shares.ndim == 1 and len(shares) > 0 and bool(((shares >= 0) & (shares <= 1)).all())
    require(inside, "q", q, "numbers from 0 to 1")
    return shares


class Ranks(NamedTuple):
    """Where quantiles lie among rows in order.

    Attributes:
        targets: (2 q,) weight below the row before each quantile, then below the row after it; to
            the middle of the row, so that rounding moves none.
        fraction: (q,) of the way from the one to the other.
    """

    targets: Array
    fraction: Array


def ranks(total: float, unit: float, shares: Array) -> Ranks:
    """The places of quantiles, as Hyndman and Fan's (1996) definition 7 has them, which is NumPy's.

    >>> ranks(5.0, 1.0, np.array([0.5, 0.6]))
    Ranks(targets=array([2.5, 2.5, 3.5, 3.5]), fraction=array([0. , 0.4]))

    Args:
        total: weight of all rows.
        unit: the weight that counts as one row.
        shares: (q,) from 0 to 1.
    """
    n = max(total / unit, 1.0)
    if abs(n - round(n)) < ROUNDING * n:  # shares add up to 1 but for rounding
        n = float(round(n))
    at = (n - 1.0) * shares
    before = np.floor(at)
    after = np.minimum(before + 1.0, np.ceil(n) - 1.0)
    return Ranks(unit * (np.concatenate([before, after]) + 0.5), at - before)


def weighted(batch: Batch) -> int:
    """How many rows have a weight above 0: the others are not there."""
    return len(batch) if batch.weight is None else int(np.count_nonzero(batch.weight > 0))


def unit_of(weight: float, n_weighted: int) -> float:
    """The weight that counts as one row: 1, less where weights are shares, which count no rows.

    >>> unit_of(6.0, 3), unit_of(1.0, 4)
    (1.0, 0.25)
    """
    return min(1.0, weight / n_weighted) if weight > 0 else 1.0


def lerp(ends: Array, fraction: Array) -> Array:
    """(q,) on the lines from ends[:q] to ends[q:]; from the nearer end, as NumPy does it."""
    low, high = ends[: len(fraction)], ends[len(fraction) :]
    apart = high - low
    return np.where(fraction < 0.5, low + apart * fraction, high - apart * (1 - fraction))


def _share(bars: Bars, x: float, least: float) -> float:
    if not len(bars.weight) or math.isnan(x):
        return math.nan
    below = bars.weight[bars.lower <= x].sum() if x >= least else 0.0
    return float(below / bars.weight.sum())
