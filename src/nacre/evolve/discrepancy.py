"""Are two sets of rows alike as a whole? Mean random features tell, and they add up.

The distance between the mean features of a kernel is zero only where the distributions are equal
(maximum mean discrepancy: Gretton et al. 2012). With random Fourier features the mean is a short
vector, a sum like any other: it joins over shards and batches, fades, and is windowed and erased.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar, Self

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array, Batch, Model, Summary
from nacre.errors import BadInput
from nacre.kinds import MOMENTS, MomentSums, of


@dataclass(frozen=True, eq=False)
class Waves(Model):
    """Random Fourier features of a Gaussian kernel (Rahimi & Recht 2007).

    Attributes:
        directions: (d, D) over the width of the kernel.
        phases: (D,).
    """

    frame: ClassVar[tuple[str, ...]] = ("directions", "phases")
    directions: Array
    phases: Array

    @classmethod
    def of(cls, rows: Array, n_waves: int = 512, purpose: str = "waves 0") -> Self:
        """Waves as wide as the median distance in some rows (n, d); addressed, never drawn."""
        X = np.asarray(rows, np.float64)[:500]
        apart = ((X[:, None] - X[None]) ** 2).sum(axis=2)[np.triu_indices(len(X), 1)]
        width = math.sqrt(float(np.median(apart))) if len(apart) else 0.0
        d = X.shape[1]
        one, two = (
            hash01(0, np.arange(d * n_waves), f"{purpose} {part}").reshape(d, n_waves)
            for part in ("radius", "angle")
        )
        normal = np.sqrt(-2 * np.log1p(-one)) * np.cos(2 * np.pi * two)
        phases = 2 * np.pi * hash01(0, np.arange(n_waves), f"{purpose} phase")
        return cls(normal / (width or 1.0), phases)


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedded(Summary):
    """The mean of the features of rows and their squared deviations: it adds up, and it fades."""

    waves: MomentSums = of(MOMENTS)


def embedded(model: Waves, batch: Batch) -> Embedded:
    """What the rows (n, d) of a batch say to waves."""
    n_waves = len(model.phases)
    phi = math.sqrt(2 / n_waves) * np.cos(np.asarray(batch.X) @ model.directions + model.phases)
    weight = batch.weights
    total = np.float64(weight.sum())
    mean = weight @ phi / total if total > 0 else np.zeros(n_waves)
    return Embedded.told(model, batch, waves=MomentSums(total, mean, weight @ (phi - mean) ** 2))


@dataclass(frozen=True)
class Discrepancy:
    """How far two sets of rows are apart as a whole: maximum mean discrepancy (Gretton 2012).

    Attributes:
        squared: of the distance of their mean features, less what chance gives; never below 0.
        times_chance: the squared distance over what chance gives on average.
        alarm: it is more than chance gives in a part `delta` of all cases.
    """

    squared: float
    times_chance: float
    alarm: bool


def discrepancy(before: Embedded, now: Embedded, delta: float = 0.01) -> Discrepancy:
    """Compare two sums.

    By chance alone the squared distance is a weighted sum of chi-squares of mean t = tr(cov) (1/n +
    1/m). Whatever the weights, its tail is at most that of one (Szekely & Bakirov 2003, for delta
    below 0.2), so the alarm is beyond t times the quantile of one chi-square.

    Raises:
        BadInput: fewer than two rows on a side.
        OtherBase: sums of other waves.
    """
    both = (before + now).waves  # which refuses other waves
    one, two = before.waves, now.waves
    n, m = float(one.n), float(two.n)
    if not min(n, m) > 1:
        raise BadInput(
            got=f"{n:g} and {m:g} rows", wanted="at least 2 of each", do="Wait for more rows."
        )
    spread = float((one.m2 + two.m2).sum()) / (float(both.n) - 2 if both.n > 2 else 1.0)
    by_chance = spread * (1 / n + 1 / m)
    squared = float(((one.mean - two.mean) ** 2).sum())
    limit = NormalDist().inv_cdf(1 - delta / 2) ** 2
    times = squared / by_chance if by_chance > 0 else math.inf if squared > 0 else 0.0
    return Discrepancy(max(0.0, squared - by_chance), times, times > limit)
