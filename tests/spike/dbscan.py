"""Grid DBSCAN in 2-D, exact however it is sharded (Ester et al. 1996; Wang, Gu and Shun 2020).

A border row joins its nearest core row (tie: the lowest id); a row of weight 0 is never core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nacre.contract import Array, Batch, Learner, Model, Summary, View
from nacre.kinds import FOREST, KEYED, SUM, UNION, KeyedSums, Rows, Table, of, spanning_forest
from tests.spike import grid


@dataclass(frozen=True, eq=False)
class Cells(Model):
    eps: float
    frame = ("eps",)
    can_answer = False


@dataclass(frozen=True, eq=False)
class Strips(Model):
    """Which rows are core, and which cells they connect; strip g begins at column cuts[g - 1]."""

    eps: float
    min_samples: float
    cuts: Array
    frame = ("eps", "min_samples", "cuts")
    can_answer = False

    @property
    def view(self) -> View:
        return View(layout=grid.layout(self.eps, self.cuts))


@dataclass(frozen=True, eq=False)
class Labels(Model):
    """The core rows in and around each strip, columns (X, label): what answers need."""

    eps: float
    cuts: Array
    n_clusters: int
    cores: Table
    frame = ("eps", "cuts", "n_clusters", "cores")


@dataclass(frozen=True, eq=False, kw_only=True)
class Weights(Summary):
    cells: KeyedSums = of(KEYED)


@dataclass(frozen=True, eq=False, kw_only=True)
class Connections(Summary):
    edges: Array = of(FOREST)  # between cells that core rows connect
    cores: Rows = of(UNION)  # columns (X,)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sizes(Summary):
    sizes: Array = of(SUM)  # weight of the noise, then of each cluster


@dataclass(eq=False)
class DBSCAN(Learner):
    """Clusters are what core rows connect; a core row has `min_samples` of weight within `eps`."""

    eps: float = 0.1
    min_samples: float = 8
    n_groups: int = 4
    grade = {"space": "bits", "time": "heuristic", "erasure": "heuristic"}  # noqa: RUF012
    answers = ("predict",)

    def start(self, head: Batch, n: int | None) -> Cells:
        return Cells(self.eps)

    def observe(self, model: Any, batch: Batch) -> Summary:
        if isinstance(model, Labels):
            at = self.answer(model, batch, ("predict",))["predict"] + 1
            sizes = np.bincount(at, batch.weights, model.n_clusters + 1)
            return Sizes.told(model, batch, sizes=sizes)
        cell, weight = grid.cells_of(model.eps, batch.X), batch.weights
        if isinstance(model, Cells):
            return Weights.told(model, batch, cells=grid.by_key(cell, weight))
        own = np.ones(len(batch), bool) if batch.own is None else batch.own
        i, j = grid.near(batch.X, batch.X, model.eps)
        core = (np.bincount(i, weight[j], len(batch)) >= model.min_samples) & (weight > 0)
        edges = np.stack([cell[i], cell[j]], axis=1)[core[i] & core[j] & own[i]]
        cores = Rows(batch.ids, (batch.X,)).take(core & own)
        return Connections.told(model, batch, edges=spanning_forest(edges), cores=cores)

    def advance(self, model: Any, told: Any) -> Model:
        if isinstance(model, Cells):
            return Strips(self.eps, self.min_samples, grid.balanced(told.cells, self.n_groups))
        if isinstance(model, Labels):
            return model
        cells = grid.cells_of(model.eps, told.cores.columns[0])
        label = grid.components(cells, told.edges)
        cores = Rows(told.cores.ids, (*told.cores.columns, label))
        strips = {g: cores.take(rows) for g, rows, _ in grid.strips(cells, model.cuts)}
        n_clusters = int(label.max(initial=-1)) + 1
        return Labels(model.eps, model.cuts, n_clusters, Table.of(model.view.layout, strips))

    def place(self, model: Strips, batch: Batch) -> Iterator[tuple[int, Batch]]:
        for strip, at, own in grid.strips(grid.cells_of(model.eps, batch.X), model.cuts):
            yield strip, replace(batch.take(at), own=own)

    def answer(self, model: Labels, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        label = np.full(len(batch), -1)
        for strip, at, own in grid.strips(grid.cells_of(model.eps, batch.X), model.cuts):
            cores, mine = model.cores.rows(strip), at[own]
            if cores is not None:
                X, of_core = cores.columns
                label[mine] = grid.nearest(batch.X[mine], X, of_core, model.eps)
        return dict.fromkeys(want, label)
