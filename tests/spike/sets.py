"""Sets of at most 64 items as uint64, one bit for each: arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput


def packed(X: Array) -> Array:
    """(n,) uint64: bit i is set where X[:, i] is not 0; BadInput for more than 64 columns."""
    if X.shape[1] > 64:
        raise BadInput(got=f"{X.shape[1]} columns", wanted="at most 64", do="Leave rare items out.")
    bits = np.zeros((len(X), 8), np.uint8)
    some = np.packbits(X != 0, axis=1, bitorder="little")
    bits[:, : some.shape[1]] = some
    return bits.view("<u8")[:, 0]


def items(sets: Array) -> Array:
    """The sets of one item."""
    return sets[np.bitwise_count(sets) == 1]


def counted(rows: Array, weight: Array, sets: Array) -> Array:
    """(m,) float64 weight of the rows that hold each set: never more than a subset of it has."""
    return np.array([np.where(rows & s == s, weight, 0.0).sum() for s in sets], np.float64)


def enough(counts: Array, least: float) -> Array:
    """Whether counts are frequent; by the slack the rounding of sums decides nothing."""
    return (counts > 0) & (counts >= least * (1 - 1e-9))


def border(sets: Array, items: Array) -> Array:
    """The sets that are not among `sets`, but all their proper subsets are; sorted (m,) uint64."""
    known, single = set(sets.tolist()), items.tolist()
    larger = {s | item for s in known for item in single if not s & item}
    least = {s for s in larger if all(s ^ item in known for item in single if s & item)}
    return np.array(sorted(least.union(single) - known), np.uint64)


def mined(X: Array, weight: Array, support: float) -> Array:
    """The sets that are frequent in these rows, and their border: sorted (m,) uint64."""
    rows, least = packed(X), support * weight.sum()
    single = np.uint64(1) << np.arange(X.shape[1], dtype=np.uint64)
    frequent = tracked = np.empty(0, np.uint64)
    while len(new := np.setdiff1d(border(frequent, single), tracked)):
        tracked = np.union1d(tracked, new)
        frequent = np.union1d(frequent, new[enough(counted(rows, weight, new), least)])
    return tracked
