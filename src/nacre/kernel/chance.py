"""What two labellings that know nothing of each other share by chance."""

from __future__ import annotations

import math
from typing import Any

import numba

Array = Any  # ndarray; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever

MANY = 1e4  # rows that a pair is expected to share, from which its moments tell enough
NOTHING = 1e-20  # of the likeliest number of rows; what is less likely adds nothing


@strict
def expected_information(a: Array, n_a: Array, b: Array, n_b: Array, n: float) -> float:
    """The expected mutual information of labellings of given sizes, in nats.

    The rows that label i and label j share are hypergeometric (Vinh, Epps and Bailey 2010, theorem
    1). Their chances are made by ratios, from the likeliest number outwards, and divided by their
    sum: factorials of many rows would lose all digits. A pair that is expected to share more than
    `MANY` rows is told by four moments; what is left out is below 1e-8 / n of a pair.

    Args:
        a, b: (r,), (c,) float64 whole sizes of labels, above 0.
        n_a, n_b: how many labels have each size.
        n: rows.
    """
    total = 0.0
    for i in range(len(a)):
        for j in range(len(b)):
            mean = a[i] / n * b[j]
            of_pair = moments(a[i], b[j], n) if mean > MANY else outwards(a[i], b[j], n)
            total += n_a[i] * n_b[j] * of_pair
    return total / n


@strict
def outwards(a: float, b: float, n: float) -> float:
    """E[k log(k n / (a b))] of a hypergeometric k, by its chances."""
    mean = a / n * b
    low, high = max(0.0, a + b - n), min(a, b)
    middle = min(max(math.floor((a + 1) / (n + 2) * (b + 1)), low), high)
    chances, total = 1.0, 0.0
    if middle > 0:
        total = middle * math.log(middle / mean)
    k, chance = middle, 1.0
    while k < high and chance > NOTHING:
        chance *= (a - k) / (k + 1) * ((b - k) / (n - a - b + k + 1))
        k += 1
        chances += chance
        total += chance * k * math.log(k / mean)
    k, chance = middle, 1.0
    while k > low and chance > NOTHING:
        chance *= k / (a - k + 1) * ((n - a - b + k) / (b - k + 1))
        k -= 1
        chances += chance
        if k > 0:
            total += chance * k * math.log(k / mean)
    return total / chances


@strict
def moments(a: float, b: float, n: float) -> float:
    """The same by the variance, the third and the fourth moment of k about its mean."""
    mean = a / n * b
    variance = mean * ((n - a) / n) * ((n - b) / (n - 1))
    third = variance * ((n - 2 * a) / n) * ((n - 2 * b) / (n - 2))
    return (
        variance / (2 * mean)
        - third / (6 * mean * mean)
        + 3 * variance * variance / (12 * mean * mean * mean)
    )
