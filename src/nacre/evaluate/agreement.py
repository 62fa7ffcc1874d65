"""How far labels that were found agree with labels that are known: whatever they are called.

All scores come from one contingency table (contingency.py). Counts of pairs of rows are sums of
exact integers, so they neither overflow nor lose what is left when large numbers nearly cancel;
informations are float64 sums that are rounded once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from nacre.contract import Array
from nacre.evaluate.contingency import Contingency, Counted, counted
from nacre.evaluate.lines import aligned
from nacre.kernel.chance import expected_information

MOST_SIZES = 1 << 20  # pairs of sizes of labels that chance is reckoned for
ROUNDING = 1e-9  # what a sum of weights may differ from a whole number by, as a part of it


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two labellings of the same rows agree. 1 is the best of all scores.

    Attributes:
        adjusted_rand: of the pairs of rows, how many are treated alike, with chance at 0 (Hubert
            and Arabie 1985).
        rand: the share of the pairs of rows that are together in both or apart in both.
        fowlkes_mallows: of the pairs that are together in one, how many are in the other: the
            geometric mean of the two. 0 where no two rows are together in both.
        normalized_mutual_info: what the labels tell of each other, over the mean of their
            entropies; the same number as `v_measure` (Becker 2011).
        adjusted_mutual_info: the same with chance at 0 (Vinh, Epps and Bailey 2010). NaN where the
            weights are not counts of rows, or labels have more than 2**20 pairs of sizes.
        homogeneity: whether a label that was found has rows of one known label alone.
        completeness: whether the rows of a known label are found under one label.
        v_measure: the harmonic mean of these two (Rosenberg and Hirschberg 2007).
        purity: the share of the rows whose known label is the commonest of their found one; it
            rises with the number of found labels.
        contingency: the weight of each pair of labels.
        n_rows, weight: rows that were compared, and their weight.
        n_skipped: bad rows that were left out.
    """

    adjusted_rand: float
    rand: float
    fowlkes_mallows: float
    normalized_mutual_info: float
    adjusted_mutual_info: float
    homogeneity: float
    completeness: float
    v_measure: float
    purity: float
    contingency: Contingency
    n_rows: int
    weight: float
    n_skipped: int

    @property
    def scores(self) -> dict[str, float]:
        """Name -> score."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if name not in _NO_SCORES}

    @property
    def table(self) -> dict[str, Any]:
        """A row for each pair of labels, as columns: found, true, weight, share of the found."""
        return self.contingency.table

    def plot(self) -> Any:
        """The contingency table as a `nacre.plot` picture: which label went where."""
        from nacre.plot.contingency import contingency

        return contingency(self.contingency)

    def __str__(self) -> str:
        table = self.contingency
        n_labels = f"labels: {len(table.found):,} found, {len(table.true):,} known"
        head = f"{self.n_rows:,} rows, {n_labels}"
        return "\n".join([head, *aligned(self.scores.items())])


_NO_SCORES = ("contingency", "n_rows", "weight", "n_skipped")


def agreement(
    found: Any,
    data: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    *,
    engine: Any = None,
    memory: int | str | None = None,
) -> Agreement:
    """Compare labels that were found with labels that are known, whatever either are called.

    One pass; the scores are those of `sklearn.metrics`, and only the table of labels is held.

    >>> print(agreement([0, 0, 1, 1], y=["cat", "cat", "dog", "cat"]).adjusted_rand)
    0.0

    Args:
        found: a fitted learner that predicts; or the labels: an array (n,), or the name of a column
            of the data. -1, "in no cluster", is a label as any other.
        data: as `fit` takes it; left out where both are arrays.
        y: the known labels: an array (n,), or the name of a column; ints, bools or texts.
        sample_weight: (n,) at least 0; a row of weight 3 counts as three rows.
        engine, memory: as `fit` takes them.

    Raises:
        BadInput: labels that are missing, too many, no labels, or of another number of rows.
        BadParameter: `found` is neither of these, or a learner that does not predict.
    """
    return scored(counted(found, data, y, sample_weight, engine, memory))


def scored(told: Counted) -> Agreement:
    """The scores of a table."""
    table = told.table
    pairs, shared = pair_counts(table, told.unit), information(table)
    homogeneity, completeness = shared.of(shared.true), shared.of(shared.found)
    one_label = len(table.found) == len(table.true) == 1
    mean = (shared.true + shared.found) / 2
    best = np.zeros(len(table.found))
    np.maximum.at(best, table.row, table.weights)
    return Agreement(
        adjusted_rand=pairs.adjusted_rand,
        rand=pairs.rand,
        fowlkes_mallows=pairs.fowlkes_mallows,
        normalized_mutual_info=1.0 if one_label else shared.of(mean),
        adjusted_mutual_info=_adjusted(table, shared, told.unit),
        homogeneity=homogeneity,
        completeness=completeness,
        v_measure=_harmonic(homogeneity, completeness),
        purity=math.fsum(best) / math.fsum(table.weights),
        contingency=table,
        n_rows=told.n_rows,
        weight=told.weight,
        n_skipped=told.n_skipped,
    )


class PairCounts(NamedTuple):
    """Ordered pairs of different rows, as exact integers on a common scale.

    Attributes:
        together, apart: in both labellings.
        split, merged: together in the known one alone, in the found one alone.
    """

    together: int
    apart: int
    split: int
    merged: int

    @property
    def rand(self) -> float:
        """The share of pairs that are treated alike."""
        return _part(self.together + self.apart, sum(self))

    @property
    def adjusted_rand(self) -> float:
        """The same with chance at 0."""
        together, apart, split, merged = self
        if split == merged == 0:
            return 1.0
        below = (together + split) * (split + apart) + (together + merged) * (merged + apart)
        return _part(2 * (together * apart - split * merged), below)

    @property
    def fowlkes_mallows(self) -> float:
        """Geometric mean of precision and recall of the pairs that are together."""
        together, _, split, merged = self
        if together <= 0:
            return 0.0
        return math.sqrt(together / (together + split)) * math.sqrt(together / (together + merged))


def _part(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def pair_counts(table: Contingency, unit: float = 1.0) -> PairCounts:
    """The pairs of rows of a table; a weight stands for weight / unit rows.

    >>> table = Contingency((0, 1), (0, 1), np.arange(4), np.array([2.0, 1.0, 1.0, 2.0]))
    >>> round(pair_counts(table).rand, 4)  # 14 ordered pairs of 30
    0.4667
    """
    *weights, one = integers(np.append(table.weights, unit))
    found, true = [0] * len(table.found), [0] * len(table.true)
    for row, column, weight in zip(table.row, table.column, weights, strict=True):
        found[row] += weight
        true[column] += weight
    total = sum(weights)
    same, of_found, of_true = (sum(w * w for w in some) for some in (weights, found, true))
    split, merged = of_true - same, of_found - same
    return PairCounts(same - one * total, total * total - split - merged - same, split, merged)


def integers(values: Array) -> list[int]:
    """Exact integers in the ratios of positive float64 numbers.

    >>> integers(np.array([0.5, 3.0]))[1] // integers(np.array([0.5, 3.0]))[0]
    6
    """
    fraction, exponent = np.frexp(values)
    whole, up = (fraction * 2.0**53).astype(np.int64), exponent - exponent.min()
    return [w << e for w, e in zip(whole.tolist(), up.tolist(), strict=True)]


class Information(NamedTuple):
    """In nats: what two labellings share, and the entropy of each."""

    mutual: float
    true: float
    found: float

    def of(self, entropy: float) -> float:
        """The part of an entropy that is shared; 1 of none."""
        return min(self.mutual / entropy, 1.0) if entropy > 0 else 1.0


def information(table: Contingency) -> Information:
    """What the labels of a table tell of each other."""
    found, true, total = table.of_found, table.of_true, math.fsum(table.weights)
    entropies = [_sum(part, np.log(total / part), total) for part in (true, found)]
    if len(found) == 1 or len(true) == 1:
        return Information(0.0, *entropies)
    ratio = (table.weights / found[table.row]) * (total / true[table.column])
    return Information(max(_sum(table.weights, np.log(ratio), total), 0.0), *entropies)


def _sum(weights: Array, logs: Array, total: float) -> float:
    return math.fsum(weights / total * logs)


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def _adjusted(table: Contingency, shared: Information, unit: float) -> float:
    """Adjusted mutual information; NaN where chance is not reckoned."""
    r, c = len(table.found), len(table.true)
    if r == c == len(table.keys):
        return 1.0  # one name for another
    if r == 1 or c == 1:
        return 0.0
    found, true = _sizes(table.of_found / unit), _sizes(table.of_true / unit)
    if found is None or true is None or len(found[0]) * len(true[0]) > MOST_SIZES:
        return math.nan
    chance = expected_information(*found, *true, float((found[0] * found[1]).sum()))
    over = (shared.true + shared.found) / 2 - chance
    return (shared.mutual - chance) / max(over, np.finfo(np.float64).eps)


def _sizes(counts: Array) -> tuple[Array, Array] | None:
    """Different numbers of rows, and how many labels have each; None where they are no counts."""
    whole = np.rint(counts)
    if (np.abs(counts - whole) > ROUNDING * counts).any() or (whole < 1).any():
        return None
    sizes, n_labels = np.unique(whole, return_counts=True)
    return sizes, n_labels
