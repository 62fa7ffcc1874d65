"""A diagonal Gaussian mixture by EM: a sample says where to begin, residual statistics where to go.

Statistics relative to the broadcast means are well conditioned however far the data lies from 0
(ALGORITHMS 3.2-3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array, Batch, Learner, Model, Summary, View
from nacre.errors import BadInput
from nacre.kinds import SUM, UNION, Rows, of
from tests.spike.gaussians import far_apart, maximised, posterior, residuals, revived

WHOLE = View()
DEAD = 1e-3  # of an equal share


@dataclass(frozen=True, eq=False)
class Init(Model):
    """The view is the sample to look at; where it is the whole, the rows are only counted."""

    view: View = WHOLE
    can_answer = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(Summary):
    """The rows looked at: columns (X, weight)."""

    rows: Rows = of(UNION)


@dataclass(frozen=True, eq=False)
class Theta(Model):
    """Weights (k,), means and variances (k, d), float64; log p(x) per row as it was a pass ago."""

    weights: Array
    means: Array
    variances: Array
    n_passes: int = 0
    previous: float | None = None
    frame = ("weights", "means", "variances")


@dataclass(frozen=True, eq=False, kw_only=True)
class Residuals(Summary):
    """Sums of shares, N (k,), of residuals, A (k, d), of their squares, M (k, d), of log p(x)."""

    N: Array = of(SUM)
    A: Array = of(SUM)
    M: Array = of(SUM)
    log_p: float = of(SUM)


@dataclass(eq=False)
class Mixture(Learner):
    """`n_components` Gaussians; the fit ends when a pass gains less than `tol` a row."""

    n_components: int = 3
    n_sample: int = 2000
    max_iter: int = 50
    tol: float = 1e-4
    random_state: int = 0
    grade = {"space": "rounding", "time": "heuristic", "erasure": "heuristic"}  # noqa: RUF012
    answers = ("predict", "predict_proba", "score_samples")

    def start(self, head: Batch | None, n: int | None) -> Init:
        if n is None:
            return Init()
        share = min(1.0, self.n_sample / max(n, 1))
        return Init(View(part=(0.0, share, f"mixture sample {self.random_state}")))

    def observe(self, model: Init | Theta, batch: Batch) -> Sample | Residuals:
        weight = batch.weights
        if isinstance(model, Init):
            rows = Rows(batch.ids, (batch.X, weight)).take(slice(None if model.view.part else 0))
            return Sample.told(model, batch, rows=rows)
        log_p, r = posterior(model.weights, model.means, model.variances, batch.X)
        N, A, M = residuals(model.means, batch.X, r * weight[:, None])
        return Residuals.told(model, batch, N=N, A=A, M=M, log_p=float(weight @ log_p))

    def advance(self, model: Any, told: Any) -> Any:
        if isinstance(model, Init):
            return self.begun(told.rows) if model.view.part else self.start(None, told.n_rows)
        now = told.log_p / (told.weight or 1.0)
        gain = np.inf if model.previous is None else abs(now - model.previous)
        if gain < self.tol or model.n_passes == self.max_iter or not told.weight:
            return model
        weights, means, variances, unit = maximised(model.means, told.N, told.A, told.M)
        dead = (weights * len(weights) < DEAD) & (2 * model.n_passes < self.max_iter)
        for j in np.flatnonzero(dead):
            revived(weights, means, variances, unit, j)
        return Theta(weights, means, variances, model.n_passes + 1, None if dead.any() else now)

    def begun(self, rows: Rows) -> Theta:
        (X, weight), k = rows.columns, self.n_components
        if not weight.sum():
            raise BadInput(got=f"{len(X)} rows of weight 0", wanted="one", do="Check the weights.")
        sample, first = Batch(X, rows.ids, weight), X[:1].astype(float)
        _, centre, _, spread = maximised(first, *residuals(first, X, weight[:, None]))
        draws = hash01(self.random_state, np.arange(k), "mixture means")
        chosen = far_apart((X - centre) / np.sqrt(spread), weight, draws)
        theta = Theta(np.full(k, 1 / k), X[chosen].astype(float), np.tile(spread, (k, 1)))
        while (new := self.advance(theta, self.observe(theta, sample))).base != theta.base:
            theta = new
        return replace(theta, n_passes=0, previous=None)

    def answer(self, model: Theta, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        both = posterior(model.weights, model.means, model.variances, batch.X)
        log_p, r = (column.astype(batch.X.dtype) for column in both)
        told = {"predict": r.argmax(1), "predict_proba": r, "score_samples": log_p}
        return {name: told[name] for name in want}
