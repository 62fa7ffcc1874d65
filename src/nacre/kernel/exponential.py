"""Exponential numbers and their chances, by additions and products alone: the same bits everywhere.

The logarithm and the exponential of a C library or of SIMD code differ in the last bit from machine
to machine, and a last bit decides which row is in a sample.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb

Array = Any

LN2 = 0.6931471805599453
ROOT = 0.7071067811865476
TERMS = 12  # of the series of atanh at (1 - ROOT) / (1 + ROOT): below 2**-53
POWERS = 18  # of the series of exp at LN2: below 2**-53


@nb.njit(nogil=True, cache=True)
def minus_log(u: float) -> float:
    """-log(u) for u in (0, 1]."""
    part, power = math.frexp(u)
    if part < ROOT:
        part, power = 2.0 * part, power - 1
    s = (part - 1.0) / (part + 1.0)
    total = 0.0
    for k in range(TERMS - 1, -1, -1):  # log(part) = 2 (s + s^3 / 3 + s^5 / 5 + ...)
        total = total * s * s + 1.0 / (2 * k + 1)
    return -(2.0 * s * total + power * LN2)


@nb.njit(nogil=True, cache=True)
def chance(x: float) -> float:
    """1 - exp(-x), the chance that an exponential number is below x, for x of at least 0."""
    if x > 40.0:
        return 1.0
    halvings = int(x / LN2)
    rest = x - halvings * LN2
    total = 0.0
    for k in range(POWERS, 0, -1):  # 1 - exp(-r) = r (1 - r / 2 (1 - r / 3 (1 - ...)))
        total = rest / k * (1.0 - total)
    left = 1.0 - total
    for _ in range(halvings):
        left *= 0.5
    return total if halvings == 0 else 1.0 - left


@nb.njit(nogil=True, cache=True)
def exponentials(u: Array, rate: Array, out: Array) -> None:
    """out (n,) = -log(1 - u) / rate: exponential numbers of uniform ones u in [0, 1)."""
    for i in range(len(u)):
        out[i] = minus_log(1.0 - u[i]) / rate[i]


@nb.njit(nogil=True, cache=True)
def chances(x: Array, out: Array) -> None:
    """out (n,) = 1 - exp(-x)."""
    for i in range(len(x)):
        out[i] = chance(x[i])
