"""k-medians: the centres of `KMeans(metric="manhattan")`, each the medians of its rows' columns.

A median is no sum, but it can be found by sums (ALGORITHMS: histogram bracketing): each column of
each cluster has a bracket around its centre, cut into N_CELLS cells; a pass adds up the weight and
the values in each cell, below and above. The median lies in the cell where half of the weight is
reached, and the centre moves to the mean of that cell's rows. Then the bracket closes in: it is as
wide as the centre's last step says it must be, and at least two cells of the one before. So a pass
makes Lloyd's step and an eighth of the bracket at once, and a bracket that missed its median opens.

So a centre is at most a cell (`Medians.steps`) from a lower median of its rows, the least value
that half of the weight reaches; and it is that value where all rows of the cell are equal, as in
data of whole numbers. With `tol=0` passes go on while the inertia falls, and cells close in to
2^-24 (float32) or 2^-45 (float64) of a column's range.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from nacre.contract import WHOLE, Array, Batch, Model, Summary, View
from nacre.kernel.manhattan import cell_sums, nearest
from nacre.kinds import LEAST, SUM, Rows, of
from nacre.learn.cluster.repair import N_FAR, far_rows, repaired

N_CELLS = 16  # between the two outer ones; measured: 32 need twice the memory and save no pass
WIDENED = 4.0  # standard errors of a median that a bracket found on fewer rows must hold


@dataclass(frozen=True, eq=False)
class Medians(Model):
    """The centres (k, d), in the dtype of the rows, each with the brackets of its columns.

    Attributes:
        centres: (k, d).
        lows, steps: (k, d) float64: where the cells of a column begin, and how wide one is.
        finest: (d,) float64: the least that `steps` may be.
        n_iter, inertia, view, most: as of `Centres`.
    """

    frame: ClassVar[tuple[str, ...]] = ("centres", "lows", "steps", "finest")
    metric: ClassVar[str] = "manhattan"
    centres: Array
    lows: Array
    steps: Array
    finest: Array
    n_iter: int = 0
    inertia: float = np.inf
    view: View = WHOLE
    most: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Absolute(Summary):
    """What rows say to medians: (k,) weights, (k,) sums of absolute differences, cells, far rows.

    cells is (k, d, N_CELLS + 2, 2) float64: sums of weight, and of weight * value. far is as
    Lloyd's.
    """

    weights: Array = of(SUM)
    errors: Array = of(SUM)
    cells: Array = of(SUM)
    far: Rows = of(LEAST(N_FAR))


def around(centres: Array, low: Array, high: Array) -> Medians:
    """Centres whose brackets are as wide as the rows lie apart.

    Args:
        centres: (k, d) of the rows' dtype.
        low, high: (d,) the least and greatest value of some rows.
    """
    low, high = low.astype(np.float64), high.astype(np.float64)
    fine = 2.0**-24 if centres.dtype == np.float32 else 2.0**-45
    finest = np.maximum((high - low) * fine, 1e-200)
    middle = (low + high) / 2
    half = np.maximum(high - low, finest) + np.abs(centres.astype(np.float64) - middle)
    return bracketed(Medians(centres, half, half, finest), centres, half)


def bracketed(model: Medians, centres: Array, half: Array) -> Medians:
    """The model with these centres, in the middle of brackets of half width `half` (k, d)."""
    steps = np.maximum(2.0 * half / N_CELLS, model.finest)
    lows = centres.astype(np.float64) - steps * (N_CELLS / 2)
    return replace(model, centres=centres, lows=lows, steps=steps)


def observed(model: Medians, batch: Batch) -> tuple[Absolute, Array]:
    """What a batch says to medians, and the labels (n,) int32 of its rows."""
    labels, d1, _ = nearest(batch.X, model.centres)
    weight, k = batch.weights, len(model.centres)
    told = Absolute.told(
        model,
        batch,
        weights=np.bincount(labels, weight, k),
        errors=np.bincount(labels, weight * d1, k),
        cells=cell_sums(batch.X, weight, labels, model.lows, model.steps, N_CELLS),
        far=far_rows(batch, weight * d1, labels),
    )
    return told, labels


def moved(model: Medians, told: Absolute) -> Medians:
    """Centres at the medians, as far as the cells show them, and brackets that close in on them.

    A median outside its bracket is approached as far as the bracket goes: that is known to be
    downhill, beyond is not.
    """
    at, old = _median_cells(told.cells), model.centres.astype(np.float64)
    cell = np.take_along_axis(told.cells, at[..., None, None], axis=2)[:, :, 0]
    half = model.steps * (N_CELLS / 2)
    centres = np.divide(cell[..., 1], cell[..., 0], out=old.copy(), where=cell[..., 0] > 0)
    centres = np.clip(centres, old - half, old + half)
    fine = (model.steps <= model.finest) & (np.abs(centres - old) <= model.finest)
    centres = np.where(fine, old, centres)  # as near as it gets: so that a fit can stand still
    new = repaired(centres, told, power=1).astype(model.centres.dtype)
    step = np.abs(new.astype(np.float64) - old)
    usual = np.sqrt((step * step).mean(axis=1, keepdims=True))  # of all columns of a cluster
    wide = np.maximum(model.steps, 2.0 * np.maximum(step, usual))
    return bracketed(model, new, np.where(_found(at), wide, 2.0 * wide))


def all_found(told: Absolute) -> bool:
    """Whether every median lies inside its bracket."""
    return bool(_found(_median_cells(told.cells)[told.weights > 0]).all())


def widened(model: Medians, told: Absolute) -> Medians:
    """The model for more rows than told: brackets that hold what the medians may move by.

    A median of n rows is about 1.6 / sqrt(n) mean absolute deviations from that of all of them.
    """
    weight, sums = told.cells[..., 0], told.cells[..., 1]
    mean = np.divide(sums, weight, out=np.zeros_like(sums), where=weight > 0)
    apart = np.abs(mean - model.centres.astype(np.float64)[..., None])
    n = np.maximum(told.weights, 1.0)[:, None]
    error = 1.6 * (apart * weight).sum(axis=2) / n / np.sqrt(n)
    half = model.steps * (N_CELLS / 2)
    return bracketed(model, model.centres, np.maximum(half, WIDENED * error))


def of_sample(rows: Array, weight: Array, seeds: Array, n_iter: int) -> Medians:
    """Medians after some iterations on a sample that lies in memory, ready for all rows.

    Args:
        rows: (m, d) float; weight: (m,) float64.
        seeds: (k, d) of the rows' dtype.
        n_iter: how many; with 0 the brackets are as wide as the sample.
    """
    model = around(seeds, rows.min(axis=0), rows.max(axis=0))
    told = None
    for _ in range(n_iter):
        told, _ = observed(model, Batch(rows, weight=weight))
        model = moved(model, told)
    return model if told is None else widened(model, told)


def carried(told: Absolute, new: Medians) -> Absolute:
    """What was told to other brackets, as if all rows of a cell stood at its mean."""
    weight, sums = told.cells[..., 0], told.cells[..., 1]
    mean = np.divide(sums, weight, out=np.zeros_like(sums), where=weight > 0)
    place = np.floor((mean - new.lows[..., None]) / new.steps[..., None]) + 1
    at = np.clip(place, 0, N_CELLS + 1).astype(np.intp)
    cells = np.zeros_like(told.cells)
    j, t, _ = np.indices(at.shape, sparse=True)
    np.add.at(cells, (j, t, at), told.cells)
    return replace(told, base=new.base, cells=cells, far=told.far.take(slice(0, 0)))


def _median_cells(cells: Array) -> Array:
    """(k, d) the cell in which half of the weight is reached; 0 where there is none."""
    reached = cells[..., 0].cumsum(axis=2)
    return np.argmax(reached >= reached[..., -1:] / 2, axis=2)


def _found(at: Array) -> Array:
    """Whether cells are inside the bracket."""
    return (at > 0) & (at <= N_CELLS)
