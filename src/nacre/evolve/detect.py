"""Did it change, and since when? Detectors over a sequence of batch statistics, in order of time.

None sees a row: each is given what a batch says (how many rows, their mean and squared deviation;
a histogram; a mean of random features), which sums of leaves have anyway. All states are values:
`after` gives the next one. What moved, how much and since when is a `Drift`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput, BadParameter

PER_LEVEL = 5  # buckets of one size in ADWIN's window, before the two oldest become one
LEAST_BATCHES = 30  # that Page-Hinkley takes a standard deviation from before it judges
HALF = 0.5  # of a row, in every bin: no share is 0
WATCH, ACT = 0.1, 0.25  # of population stability, as it is commonly read


@dataclass(frozen=True)
class Reading:
    """What a batch says of one number.

    Attributes:
        at: when: an event time, or the number of the batch.
        n: rows, or what else counts as independent.
        mean: of them.
        m2: their sum of squared deviations from the mean.
    """

    at: int
    n: float
    mean: float
    m2: float = 0.0

    def joined(self, newer: Reading) -> Reading:
        """Both as one, as old as this one. The distance of the means counts squared."""
        n = self.n + newer.n
        apart = newer.mean - self.mean
        mean = (self.n * self.mean + newer.n * newer.mean) / n
        return Reading(self.at, n, mean, self.m2 + newer.m2 + apart**2 * self.n * newer.n / n)


@dataclass(frozen=True)
class Adwin:
    """A window that grows while its mean stands still, and loses its old part when it does not.

    ADWIN2 (Bifet & Gavalda 2007) on batches: buckets hold readings, five of each size; every
    border between two of them is looked at. It drops old buckets while the means of some older and
    newer part differ by more than chance allows, at `delta`. The bound is scale free: where the
    paper has a range of 1, the standard deviation of the window stands.

    Attributes:
        levels: buckets from the newest level to the oldest, in each from the oldest on.
        delta: how often, at most, a window is cut by chance; about.
        since: where the window begins since it was last cut; None: it never was.
        shift: how far the mean moved there.

    >>> found = Adwin()
    >>> for at in range(60):
    ...     found = found.after(Reading(at, 100, float(at >= 40), 100.0))
    >>> found.since, round(found.shift)
    (40, 1)
    """

    levels: tuple[tuple[Reading, ...], ...] = ()
    delta: float = 0.002
    since: int | None = None
    shift: float = 0.0

    @property
    def buckets(self) -> tuple[Reading, ...]:
        """All, from the oldest on."""
        return tuple(bucket for level in reversed(self.levels) for bucket in level)

    @property
    def window(self) -> Reading | None:
        """The rows that it takes for alike; None before the first."""
        return _together(self.buckets) if self.levels else None

    def after(self, reading: Reading) -> Self:
        """With one more reading; `since` is set anew where the window was cut.

        Raises:
            BadInput: numbers that are not finite, or no rows.
        """
        _check(reading)
        new = replace(self, levels=_compressed(self.levels, reading))
        if (cut := new._border()) is not None:
            older, newer = _together(new.buckets[:cut]), _together(new.buckets[cut:])
            new = replace(new, since=newer.at, shift=newer.mean - older.mean)
        while new._border() is not None:
            new = new._without_oldest()
        return new

    def _border(self) -> int | None:
        """Before which bucket the means differ most beyond chance; None: nowhere."""
        buckets = self.buckets
        if len(buckets) < 2:
            return None
        whole = _together(buckets)
        if whole.m2 <= 0:
            return None
        variance = whole.m2 / whole.n
        logs = math.log(2 * math.log(max(whole.n, 3.0)) / self.delta)
        n = np.array([bucket.n for bucket in buckets])
        sums = n * np.array([bucket.mean - whole.mean for bucket in buckets])
        left, right = np.cumsum(n)[:-1], np.cumsum(n[::-1])[::-1][1:]
        of_left = np.cumsum(sums)[:-1]
        m = 1 / left + 1 / right
        apart = np.abs(of_left / left - (sums.sum() - of_left) / right)
        chance = np.sqrt(2 * m * variance * logs) + 2 / 3 * m * logs * math.sqrt(variance)
        at = int(np.argmax(apart / chance))
        return at + 1 if apart[at] > chance[at] else None

    def _without_oldest(self) -> Self:
        *rest, oldest = self.levels
        return replace(self, levels=(*rest, oldest[1:]) if len(oldest) > 1 else tuple(rest))


def _compressed(
    levels: tuple[tuple[Reading, ...], ...], newest: Reading
) -> tuple[tuple[Reading, ...], ...]:
    made: list[tuple[Reading, ...]] = []
    moving = newest
    for level in levels:
        full = (*level, moving)
        if len(full) <= PER_LEVEL:
            return (*made, full, *levels[len(made) + 1 :])
        moving = full[0].joined(full[1])
        made.append(full[2:])
    return (*made, (moving,))


def _together(readings: Sequence[Reading]) -> Reading:
    whole = readings[0]
    for reading in readings[1:]:
        whole = whole.joined(reading)
    return whole


def _check(reading: Reading) -> None:
    told = (reading.n, reading.mean, reading.m2)
    if not all(map(math.isfinite, told)) or reading.n <= 0 or reading.m2 < 0:
        raise BadInput(
            got=f"a reading of n={reading.n}, mean={reading.mean}, m2={reading.m2}",
            wanted="finite numbers of at least one row",
            do="Leave batches without rows out.",
        )


@dataclass(frozen=True)
class PageHinkley:
    """Sums of what lies beyond the mean, up and down: an alarm when one of them is too large.

    Page's test (1954) of both sides, of numbers standardised by the mean and deviation of all
    before them: so its constants are in standard deviations of a batch's number.

    Attributes:
        n, mean, m2: of the numbers so far.
        up, down: sums of what lay more than `slack` beyond the mean, at least 0.
        up_since, down_since: when they last were 0.
        slack: what is no drift, in standard deviations.
        limit: of the sums, beyond which there is.
        alarm: of the newest number: "up", "down" or "".
        since: when what raised the alarm began.
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    up: float = 0.0
    down: float = 0.0
    up_since: int | None = None
    down_since: int | None = None
    slack: float = 0.5
    limit: float = 10.0
    alarm: Literal["up", "down", ""] = ""
    since: int | None = None

    def after(self, at: int, x: float) -> Self:
        """With one more number; after an alarm it begins anew with this one.

        Raises:
            BadInput: a number that is not finite.
        """
        _check(Reading(at, 1, x))
        if self.alarm:
            return type(self)(slack=self.slack, limit=self.limit).after(at, x)
        known = self._known(x)
        if self.n < LEAST_BATCHES:
            return known
        spread = math.sqrt(self.m2 / (self.n - 1))
        far = x - self.mean
        z = far / spread if spread > 0 else math.copysign(math.inf, far) if far else 0.0
        up, down = max(0.0, self.up + z - self.slack), max(0.0, self.down - z - self.slack)
        up_since = (self.up_since if self.up > 0 else at) if up > 0 else None
        down_since = (self.down_since if self.down > 0 else at) if down > 0 else None
        known = replace(known, up=up, down=down, up_since=up_since, down_since=down_since)
        if max(up, down) <= self.limit:
            return known
        if up >= down:
            return replace(known, alarm="up", since=up_since)
        return replace(known, alarm="down", since=down_since)

    def _known(self, x: float) -> Self:
        """With one more number in mean and deviation."""
        new = Reading(0, 1, x)
        if self.n:
            new = Reading(0, self.n, self.mean, self.m2).joined(new)
        return replace(self, n=self.n + 1, mean=new.mean, m2=new.m2)


def stability(before: Array, now: Array) -> float:
    """Population stability index of two histograms with the same bins: 0.1 watch, 0.25 act.

    sum (p - q) ln(p / q), half a row in each bin more, less what chance alone gives on average,
    (bins - 1) (1 / n + 1 / m); never below 0.

    >>> stability([500, 500], [500, 500]), round(stability([900, 100], [500, 500]), 2)
    (0.0, 0.87)

    Args:
        before, now: (b,) weights, as rows count.

    Raises:
        BadInput: other bins, weights that are below 0, or none at all.
    """
    p, q = np.asarray(before, np.float64), np.asarray(now, np.float64)
    if p.shape != q.shape or p.ndim != 1 or not min(p.sum(), q.sum()) > 0 or (p < 0).any():
        raise BadInput(
            got=f"histograms of shapes {p.shape} and {q.shape}",
            wanted="weights of the same bins, some of them above 0",
            do="Bring both to the bins of the first with equal_mass.",
        )
    held = (p > 0) | (q > 0)
    p, q = p[held], q[held]
    by_chance = (len(p) - 1) * (1 / p.sum() + 1 / q.sum())
    of_p, of_q = (p + HALF) / (p + HALF).sum(), (q + HALF) / (q + HALF).sum()
    apart = float(((of_p - of_q) * np.log(of_p / of_q)).sum())
    return max(0.0, apart - float(by_chance))


def equal_mass(
    before: tuple[Array, Array], now: tuple[Array, Array], n_bins: int = 10
) -> tuple[Array, Array]:
    """Two histograms in about `n_bins` bins that hold equal parts of the first.

    Args:
        before, now: buckets (m,), rising, and their weights (m,), as `Histogram` counts them.
        n_bins: at most.

    Returns:
        Weights (b,) of each.

    Raises:
        BadParameter: fewer than 2 bins.
    """
    if n_bins < 2:
        raise BadParameter(got=f"n_bins={n_bins}", wanted="at least 2", do="Take 10 to 20.")
    buckets, weights = before
    part = np.cumsum(weights) / weights.sum()
    ends = np.searchsorted(part, np.arange(1, n_bins) / n_bins)
    borders = np.unique(np.asarray(buckets)[np.minimum(ends, len(buckets) - 1)])
    found = []
    for keys, mass in (before, now):
        found.append(np.bincount(np.searchsorted(borders, keys), mass, len(borders) + 1))
    return found[0], found[1]


@dataclass(frozen=True)
class Moved:
    """One thing that moved.

    Attributes:
        what: "loss", "cluster 3", "column price".
        amount: how far its mean is from where it was, in standard deviations of the rows before.
        since: when it began, in the units of the readings.
    """

    what: str
    amount: float
    since: int


@dataclass(frozen=True)
class Drift:
    """What moved, how much, and since when; the farthest first. Empty: nothing did.

    Attributes:
        moved: what did.
        n_watched: how many things were looked at.
        n_batches: over how many batches, at most.
    """

    moved: tuple[Moved, ...]
    n_watched: int
    n_batches: int

    def __bool__(self) -> bool:
        return bool(self.moved)

    def __str__(self) -> str:
        if not self.moved:
            return f"Nothing moved: {self.n_watched} watched over {self.n_batches} batches."
        told = (f"{one.what} moved by {one.amount:+.2g} since {one.since}" for one in self.moved)
        return "; ".join(told) + "."


def drift(watched: Mapping[str, Iterable[Reading]], delta: float = 0.002) -> Drift:
    """What of several series moved, by ADWIN, each at its part of `delta`.

    Args:
        watched: what -> its readings, in order of time.
        delta: how often, at most, anything is reported that stood still; about.

    Raises:
        BadInput: a reading that is not finite.
    """
    moved, most = [], 0
    for what, readings in watched.items():
        found = Adwin(delta=delta / len(watched))
        seen = list(readings)
        most = max(most, len(seen))
        for reading in seen:
            found = found.after(reading)
        if found.since is not None and (past := [r for r in seen if r.at < found.since]):
            before, now = _together(past), _together([r for r in seen if r.at >= found.since])
            spread = math.sqrt(before.m2 / before.n)
            apart = now.mean - before.mean
            amount = apart / spread if spread > 0 else math.copysign(math.inf, apart)
            moved.append(Moved(what, amount, found.since))
    moved.sort(key=lambda one: -abs(one.amount))
    return Drift(tuple(moved), len(watched), most)
