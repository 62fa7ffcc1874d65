"""Mean random features: they add up, and tell distributions apart that columns do not."""

from __future__ import annotations

import numpy as np
import pytest

from nacre.contract import Array, Batch, Run
from nacre.errors import BadInput, OtherBase
from nacre.evolve.discrepancy import Embedded, Waves, discrepancy, embedded
from nacre.laws.compare import UNIT, same_bits, same_sum


def rows(n: int, seed: int, correlation: float = 0.0) -> Array:
    draw = np.random.default_rng(seed)
    return draw.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], n)


WAVES = Waves.of(rows(300, 0), 128)


def told(X: Array, at: int = 0) -> Embedded:
    return embedded(WAVES, Batch(X, Run(1, at)))


def test_they_add_up_and_fade() -> None:
    X = rows(300, 1)
    parts = [told(X[a : a + 100], a) for a in (0, 100, 200)]
    same_sum(parts[0] + parts[1] + parts[2], told(X), parts, UNIT["float64"], "three batches")
    half = parts[0].scale(0.5)
    same_bits(half.waves.mean, parts[0].waves.mean, "a mean does not fade")
    assert half.waves.n == 50
    empty = told(X[:0])
    same_bits((parts[0] + empty).waves, parts[0].waves, "no rows")


def test_false_alarms_are_as_rare_as_said() -> None:
    found = [discrepancy(told(rows(150, 2 * s)), told(rows(90, 2 * s + 1))) for s in range(2, 202)]
    assert sum(one.alarm for one in found) <= 4  # 200 at delta = 0.01
    assert np.mean([one.times_chance for one in found]) == pytest.approx(1, abs=0.1)


def test_what_no_column_shows_is_found() -> None:
    before, now = rows(400, 3, 0.8), rows(400, 4, -0.8)
    assert np.abs(before.mean(axis=0) - now.mean(axis=0)).max() < 0.2
    found = discrepancy(told(before), told(now))
    assert found.alarm
    assert found.squared > 0.05
    assert not discrepancy(told(before), told(rows(400, 5, 0.8))).alarm


def test_a_shift_is_found_with_few_rows() -> None:
    assert all(discrepancy(told(rows(400, s)), told(rows(50, s + 50) + 1)).alarm for s in range(20))


def test_waves_are_addressed() -> None:
    X = rows(50, 6)
    same_bits(Waves.of(X), Waves.of(X), "of the same rows")
    other = embedded(Waves.of(X, 128, "waves 1"), Batch(X))
    with pytest.raises(OtherBase):
        discrepancy(told(X), other)
    with pytest.raises(BadInput):
        discrepancy(told(X), told(X[:1]))
