"""k-means||: first centres for many clusters, found among all rows in a few passes.

Bahmani, Moseley, Vattani, Kumar & Vassilvitskii, Scalable k-means++ (VLDB 2012). A round takes
about l = 2 k rows, each with a probability that is proportional to its cost under the candidates so
far; then a pass weighs the candidates by the rows that are nearest to each, and k-means++ chooses
among them. What one pass of the paper draws after another has measured the total cost, here needs
one pass: the rows of least

    key = hash01(id, round) / (weight * cost)

are those that the paper's coins, tossed at falling odds, take first (Ohlsson, Sequential Poisson
sampling, 1998). The l least of all rows are a LEAST, so they merge, whoever saw them; a key is a
quotient of two numbers, so it has the same bits on every CPU, which a logarithm has not. A sample
tells beforehand about how small the keys will be, so that few rows travel that do not stay.

The paper begins with one row and needs about five rounds; beginning with k rows, chosen by their
hashes, two are enough (so do Spark's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.canon import hash01
from nacre.contract import Array, Batch, Model, Summary
from nacre.kinds import LEAST, SUM, Rows, of
from nacre.learn.cluster.metric import closest, dense, placed

N_ROUNDS = 2
OVERSAMPLING = 2  # l, in numbers of clusters: the paper's choice, and Spark's
MOST = 1 << 16  # rows that a round can take
SLACK = 1.5  # so many times l rows are expected to come: a sample's estimate errs


@dataclass(frozen=True, eq=False)
class Candidates(Model):
    """Looks for rows that are far from all candidates; after the last round, weighs them.

    Attributes:
        candidates: (m, d), in the dtype of the rows as the metric looks at them.
        shift: (d,), near the mean of the rows.
        metric, seed: of the learner.
        n_wanted: how many rows this round takes, l; 0 where the candidates are weighed.
        threshold: only rows whose key is below it are told.
        round: 0 for the first.
        sample: columns X (s, d) and weight (s,) of the rows that the threshold is judged by.
        seeding: the phase before, which says what comes after.
    """

    frame: ClassVar[tuple[str, ...]] = (
        "candidates",
        "shift",
        "metric",
        "seed",
        "n_wanted",
        "threshold",
        "round",
    )
    candidates: Array
    shift: Array
    metric: str
    seed: int
    n_wanted: int
    threshold: float
    round: int = 0
    seeding: Any = None
    sample: tuple[Array, Array] | None = None

    @property
    def can_answer(self) -> bool:
        """Not yet."""
        return False


@dataclass(frozen=True, eq=False, kw_only=True)
class Found(Summary):
    """What a round finds: the total cost, and the rows of least key: columns key, row."""

    cost: float = of(SUM)
    rows: Rows = of(LEAST(MOST))


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighed(Summary):
    """The weight of the rows that are nearest to each candidate, (m,)."""

    weights: Array = of(SUM)


def begun(
    metric: str, rows: Array, weight: Array, shift: Array, *, k: int, seed: int, seeding: Any
) -> Candidates:
    """The first candidates: k rows of a sample.

    Args:
        metric: of METRICS.
        rows: (s, d) the sample, as the metric looks at rows.
        weight: (s,) above 0.
        shift: (d,) near their mean, in their dtype.
        k: number of clusters.
        seed: of the learner.
        seeding: the phase before.
    """
    n_wanted = min(OVERSAMPLING * k, MOST)
    order = np.argsort(hash01(seed, np.arange(rows.shape[0]), "k-means|| start"), kind="stable")
    model = Candidates(
        dense(rows[np.sort(order[:k])]),
        shift,
        metric,
        seed,
        n_wanted,
        math.inf,
        seeding=seeding,
        sample=(rows, weight),
    )
    return replace(model, threshold=_threshold(model))


def observed(model: Candidates, batch: Batch) -> Found | Weighed:
    """What a batch says to the candidates."""
    seen, _ = placed(model.metric, batch)
    labels, cost = closest(model.metric, seen.X, model.candidates, model.shift)
    weight = seen.weights
    if not model.n_wanted:
        weights = np.bincount(labels, weight, len(model.candidates))
        return Weighed.told(model, batch, weights=weights)
    cost = cost * weight
    with np.errstate(divide="ignore", invalid="ignore"):
        key = seen.hash01(f"k-means|| {model.seed} round {model.round}") / cost
    taken = np.flatnonzero((cost > 0) & (key < model.threshold))
    taken = taken[np.argsort(key[taken], kind="stable")]
    rows = Rows(seen.ids_of(taken), (key[taken], dense(seen.X[taken])))
    return Found.told(model, batch, cost=float(cost.sum()), rows=rows)


def oversampled(model: Candidates, told: Found) -> Candidates:
    """The candidates with the rows that a round found; the next round, or the weighing."""
    found = told.rows.columns[1][: model.n_wanted]
    candidates = np.concatenate([model.candidates, found])
    new = replace(model, candidates=candidates, round=model.round + 1)
    if new.round == N_ROUNDS:
        return replace(new, n_wanted=0, threshold=0.0, sample=None)
    return replace(new, threshold=_threshold(new))


def _threshold(model: Candidates) -> float:
    """Below which about SLACK * l of all keys are, as the sample's costs have it."""
    assert model.sample is not None, "until the last round"
    rows, weight = model.sample
    _, cost = closest(model.metric, rows, model.candidates, model.shift)
    total = float((cost * weight).sum()) / model.seeding.share
    return SLACK * model.n_wanted / total if total > 0 else math.inf
