"""Samples that no order and no cut of the rows changes: the rows whose own numbers are least.

A row's number is a hash of its id (canon.hash01), made exponential at the rate of its weight. The
k least of these are a draw without replacement, one row after the other, each by weight among those
left (Efraimidis and Spirakis 2006). The k least of two parts are the k least of their k least each,
so the sample of a sum is a sum of samples, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nacre.canon import hash64
from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.errors import BadInput, UnknownName
from nacre.estimator import Estimator, Incremental, Selects, is_count, require
from nacre.kernel import buckets
from nacre.kernel.exponential import chances, exponentials
from nacre.kinds import COUNT, KEYED, SUM, KeyedSums, Kind, Rows, by_id, of
from nacre.learn.count.histogram import unit_of, weighted

CELL = buckets.MANTISSA - 3  # bits of a level that a cell of numbers leaves off: 8 in each octave
MISSING = buckets.COLUMN  # the cell of NaN: no number has this bucket


@dataclass(frozen=True, eq=False)
class Least:
    """The rows with the least keys of each cell.

    Attributes:
        quotas: (c,) int64: rows of each cell, at most.
        rows: columns cell (m,) int64, key (m,) float64, weight (m,), X (m, d); by cell, key and id.
    """

    quotas: Array
    rows: Rows


def least(quotas: Array, rows: Rows) -> Least:
    """The rows, once each and in the order of their ids, that the quotas leave."""
    cell, key = rows.columns[:2]
    order = np.lexsort((key, cell))  # stable: of equals the lowest id
    cells = cell[order]
    rank = np.arange(len(cells)) - np.searchsorted(cells, cells)
    return Least(quotas, rows.take(order[rank < quotas[cells]]))


LEAST_OF_CELLS = Kind(
    "LEAST(quotas)",
    lambda a, b: least(a.quotas, by_id(a.rows, b.rows)),
    idempotent=True,
    exact=True,
    rows=True,
)


@dataclass(frozen=True, eq=False)
class Cells(Model):
    """Looks for the cells that rows lie in, and their weights."""

    frame: ClassVar[tuple[str, ...]] = ("d", "balanced")
    d: int
    balanced: str | int | None

    @property
    def can_answer(self) -> bool:
        """Not yet."""
        return False


@dataclass(frozen=True, eq=False, kw_only=True)
class CellWeights(Summary):
    """The weight of each cell, by its key; n_weighted: rows of weight above 0."""

    weights: KeyedSums = of(KEYED)
    n_weighted: int = of(COUNT)


@dataclass(frozen=True, eq=False)
class Drawing(Model):
    """Draws: who may be how many.

    Attributes:
        d: number of columns.
        purpose: what rows are hashed for; it names the seed.
        balanced: what the cells are made of, None for a single one.
        cells: (c,) int64 keys, sorted; rows of no such key share one cell more, the last.
        quotas: (c + 1,) int64 rows of each cell.
        limit: (c + 1,) a row whose key is below is in the sample; inf where all are. None before
            the pass.
        factor: (c + 1,) of the weight of a row as heavy as `heaviest` (c + 1,) of the sample.
    """

    frame: ClassVar[tuple[str, ...]] = ("d", "purpose", "balanced", "cells", "quotas")
    d: int
    purpose: str
    balanced: str | int | None
    cells: Array
    quotas: Array
    limit: Array | None = None
    factor: Array | None = None
    heaviest: Array | None = None

    @property
    def can_answer(self) -> bool:
        """After a pass."""
        return self.limit is not None


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawn(Summary):
    """The rows that are drawn, one more of each cell than its quota; (c + 1,) weights of cells."""

    least: Least = of(LEAST_OF_CELLS)
    weights: Array = of(SUM)


class Sampled(NamedTuple):
    """A sample.

    Attributes:
        X: (m, d) rows.
        ids: (m,) records (origin, position): for an array, position is the number of the row.
        weight: (m,) float64: how much each row stands for.
    """

    X: Array
    ids: Array
    weight: Array


@dataclass(eq=False, repr=False)
class Sample(Selects, Incremental, Estimator):
    """Draw rows, by weight and without replacement: one sample, however the rows are cut.

    Without `balanced` each row stands for as much weight as it had chances to be drawn for, and all
    together for all rows. With it each class, or each cell of a column, gives about the same number
    of rows, and rows count as one each, so that what is rare is seen as well as what is frequent.

    In a chain the stages behind it learn from the sample: `chain(Sample(10_000), KMeans(8))`.

    >>> sample = Sample(size=5).fit(np.arange(10.0)[:, None]).sample_
    >>> len(sample.X), float(sample.weight.sum())
    (5, 10.0)

    Args:
        size: rows in the sample; all, where there are fewer.
        balanced: None, "y" (the classes that `fit` is given), or a column's position: numbers that
            are within an eighth of an octave of each other are then one cell.
        random_state: an int, or None for 0.
    """

    size: int = 10_000
    balanced: str | int | None = None
    random_state: int | None = None

    answers: ClassVar[Sequence[str]] = ("select",)
    takes: ClassVar[Sequence[str]] = ("nan",)

    @property
    def grade(self) -> Mapping[str, Grade]:  # type: ignore[override]  # of this very sample
        """Later rows do not move the quotas of cells."""
        time: Grade = "bits" if self.balanced is None else "heuristic"
        return {"space": "bits", "time": time, "erasure": time}

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        require(is_count(self.size), "size", self.size, "an int, at least 1")
        known = self.balanced is None or self.balanced == "y" or is_count(self.balanced, 0)
        require(known, "balanced", self.balanced, 'None, "y" or the position of a column')
        seed = self.random_state
        known = seed is None or (isinstance(seed, Integral) and not isinstance(seed, bool))
        require(known, "random_state", seed, "an int or None")

    def start(self, head: Batch, n: int | None) -> Model:
        """Look for the cells, or draw at once where there is one."""
        d = head.X.shape[1]
        if self.balanced is None:
            return self._drawing(d, np.empty(0, np.int64), np.array([self.size]))
        return Cells(d, self._cells_of(d))

    def observe(self, model: Any, batch: Batch) -> Summary:
        """The weights of cells, or the least rows of each."""
        if isinstance(model, Cells):
            keys, inverse = np.unique(_keys(model.balanced, batch), return_inverse=True)
            sums = np.bincount(inverse, batch.weights, len(keys)).astype(np.float64)
            held = sums > 0
            weights, n_weighted = KeyedSums(keys[held], sums[held]), weighted(batch)
            return CellWeights.told(model, batch, weights=weights, n_weighted=n_weighted)
        cell, weight, n = _places(model, batch), batch.weights, len(model.quotas)
        rows = Rows(batch.ids, (cell, _draws(model, batch), weight, batch.X))
        few = least(model.quotas + 1, rows.take(weight > 0))
        sums = np.bincount(cell, weight, n).astype(np.float64)
        return Drawn.told(model, batch, least=few, weights=sums)

    def advance(self, model: Any, told: Any) -> Model:
        """Quotas of cells; then the key that ends each cell's part of the sample."""
        if isinstance(model, Cells):
            unit = unit_of(told.weight, told.n_weighted)
            keys, weights = told.weights.keys, told.weights.values / unit
            if len(keys) > self.size:
                raise BadInput(
                    got=f"{len(keys)} cells for a sample of {self.size} rows",
                    wanted="at least a row for each",
                    do="Raise size, or balance by something that has fewer values.",
                )
            return self._drawing(model.d, keys, quotas(weights, self.size))
        return ended(model, told)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """select: (n,) float64, the factor of a row's weight; 0 where it is not in the sample."""
        cell, weight, factor = _places(model, batch), batch.weights, np.zeros(len(batch))
        drawn = np.flatnonzero((_draws(model, batch) < model.limit[cell]) & (weight > 0))
        factor[drawn] = _factors(model, cell[drawn], weight[drawn])
        return {"select": factor}

    def n_selected(self, model: Any, n: int | None) -> int | None:
        """As many as the quotas allow."""
        most = int(model.quotas[: max(len(model.cells), 1)].sum())
        return most if n is None else min(n, most)

    @property
    def sample_(self) -> Sampled:
        """The rows of the sample, with their ids and what each stands for, by cell and key."""
        rows = self._rows()
        cell, _, weight, X = rows.columns
        return Sampled(X, rows.ids, weight * _factors(self._model(), cell, weight))

    @property
    def drawn_from_(self) -> Array:
        """(m,) int64: the cell of each row of the sample."""
        return self._rows().columns[0]

    def _rows(self) -> Rows:
        model = self._model()
        if self.state_.told is None:
            raise UnknownName(
                got="sample_ of a stage that others follow",
                wanted="a Sample alone, or the last stage: models hold no rows",
                do="Ask the chain which rows it learned from: select(data).",
            )
        return least(model.quotas, self.state_.told.least.rows).rows

    def _drawing(self, d: int, cells: Array, quotas: Array) -> Drawing:
        return Drawing(d, f"sample {self.random_state or 0}", self._cells_of(d), cells, quotas)

    def _cells_of(self, d: int) -> str | int | None:
        """What the cells are made of; a position as a plain int, as a model holds it."""
        if self.balanced is None or isinstance(self.balanced, str):
            return self.balanced
        require(self.balanced < d, "balanced", self.balanced, f"a column of {d}")
        return int(self.balanced)


def quotas(counts: Array, size: int) -> Array:
    """(c + 1,) rows of each cell: all of the small ones, an equal number of the others; one more.

    The last is for rows of no known cell, and as large as the largest.

    >>> quotas(np.array([100.0, 2.0, 50.0]), 13)
    array([6, 2, 5, 6])

    Args:
        counts: (c,) rows of each cell, above 0.
        size: rows in all, at least c.
    """
    left, found = size, np.zeros(len(counts), np.int64)
    order = np.argsort(counts, kind="stable")
    for at, cell in enumerate(order):
        found[cell] = min(int(np.ceil(counts[cell])), left // (len(order) - at))
        left -= found[cell]
    return np.append(found, found.max(initial=1))


def ended(model: Drawing, told: Drawn) -> Drawing:
    """The drawing with what its pass has told: where each cell's part of the sample ends.

    A row of weight w is drawn with the chance 1 - exp(-w limit), given the limit, and so stands for
    w over that (Horvitz and Thompson 1952); here so that they add up to the weight of the cell.
    """
    cell, key, weight, _ = told.least.rows.columns
    n = len(model.quotas)
    counts = np.bincount(cell, minlength=n)
    more = counts > model.quotas
    limit = np.full(n, np.inf)
    limit[more] = key[np.cumsum(counts)[more] - 1]
    drawn = key < limit[cell]
    cell, weight = cell[drawn], weight[drawn]
    heaviest = np.zeros(n)
    np.maximum.at(heaviest, cell, weight)
    found = replace(model, limit=limit, heaviest=heaviest, factor=np.ones(n))
    stands_for = np.bincount(cell, weight * _factors(found, cell, weight), n)
    whole = np.where(more, told.weights, stands_for)
    wanted = np.bincount(cell, minlength=n) if model.balanced is not None else whole
    factor = np.divide(wanted, stands_for, out=np.ones(n), where=stands_for > 0)
    return replace(found, factor=factor)


def _factors(model: Drawing, cell: Array, weight: Array) -> Array:
    """(n,) what the weights of rows are multiplied by; equal for rows of equal weight, exactly."""
    assert model.limit is not None, "a pass has told it"
    assert model.heaviest is not None
    assert model.factor is not None
    weight = np.where(weight > 0, weight, 1.0)
    heaviest = np.where(model.heaviest > 0, model.heaviest, 1.0)
    of_heaviest, of_row = np.empty(len(heaviest)), np.empty(len(weight))
    chances(heaviest * model.limit, of_heaviest)
    chances(weight * model.limit[cell], of_row)
    return model.factor[cell] * of_heaviest[cell] / np.maximum(of_row, np.finfo(np.float64).tiny)


def _draws(model: Drawing, batch: Batch) -> Array:
    """(n,) the numbers of rows; those of rows without weight mean nothing."""
    keys = np.empty(len(batch))
    rate = np.where(batch.weights > 0, batch.weights, 1.0)
    exponentials(batch.hash01(model.purpose), rate, keys)
    return keys


def _places(model: Drawing, batch: Batch) -> Array:
    """(n,) the number of each row's cell."""
    if model.balanced is None:
        return np.zeros(len(batch), np.int64)
    keys, last = _keys(model.balanced, batch), len(model.cells)
    at = np.searchsorted(model.cells, keys)
    known = np.append(model.cells, 0)[at] == keys
    return np.where(known & (at < last), at, last)


def _keys(balanced: str | int | None, batch: Batch) -> Array:
    """(n,) int64: what tells the cells of rows apart."""
    if isinstance(balanced, int):
        x = batch.X[:, balanced].astype(np.float64)
        found = buckets.buckets_of(buckets.levels(np.where(np.isnan(x), 0.0, x)), CELL)
        return np.where(np.isnan(x), MISSING, found)
    if batch.y is None:
        raise BadInput(
            got="no y for balanced='y'",
            wanted="a class for each row",
            do="Pass the classes to fit as y, or balance by the position of a column.",
        )
    y = np.asarray(batch.y)
    if y.dtype.kind == "O":
        y = np.array([_text(value) for value in y.tolist()], np.str_)
    values, inverse = np.unique(y, return_inverse=True)
    hashes = np.array([hash64(_text(value)) for value in values.tolist()], np.uint64)
    return hashes.view(np.int64)[inverse.reshape(-1)]


def _text(value: Any) -> str:
    """One text for a class, whatever the type of its label: 1, 1.0, True and "1" are one."""
    is_whole = isinstance(value, int | float) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)
