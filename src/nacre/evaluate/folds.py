"""Cross-validation: a learner is judged by rows that it has not seen, in turn.

A fold is a part of the shards, so that neighbours stay together (what stands side by side in a file
is often alike, and rows drawn one by one would tell the fit what the others are); or a part of the
rows. Both are chosen by hashes, of a shard's key or of a row's id: so folds depend neither on the
order of the files nor on where the work runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np

from nacre.canon import hash64
from nacre.contract import Array, Plan, State
from nacre.errors import BadInput
from nacre.estimator import Estimator, bare, is_count, require
from nacre.evaluate.asked import Asked
from nacre.evaluate.heard import check_loss
from nacre.evaluate.lines import aligned
from nacre.evaluate.measures import Measure, measure_of
from nacre.evaluate.refits import check_predicts, fit_of, plan_for

LOSS = "loss"  # of the learner: the measure where none is named


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """How a learner does on rows that it has not seen.

    Attributes:
        measure: "loss", or the name of a score.
        greater_is_better: whether a greater figure is better; of a loss it is not.
        by: "shards" or "rows": what the folds were made of.
        scores: (folds,) float64: of each fold's rows, by a fit on all others.
        losses: (folds,) float64: what these fits measured on their own rows; NaN where the learner
            has no loss.
        n_rows, weight: (folds,) of the rows of each fold.
        n_fitted: (folds,) rows that were fitted on.
        n_skipped: bad rows left out.
        states: the fits, by fold.
    """

    measure: str
    greater_is_better: bool
    by: str
    scores: Array
    losses: Array
    n_rows: Array
    weight: Array
    n_fitted: Array
    n_skipped: int
    states: tuple[State, ...] = field(repr=False)

    @property
    def mean(self) -> float:
        """Of the scores, every fold counted once."""
        return float(self.scores.mean())

    @property
    def deviation(self) -> float:
        """Of the scores, from fold to fold (of one less than there are)."""
        return float(self.scores.std(ddof=1))

    @property
    def table(self) -> dict[str, Any]:
        """Columns with a row for each fold."""
        return {
            "fold": np.arange(len(self.scores)),
            "n_fitted": self.n_fitted,
            "n_rows": self.n_rows,
            "weight": self.weight,
            "score": self.scores,
            "loss_of_fit": self.losses,
        }

    def plot(self) -> Any:
        """The scores, fold by fold: a nacre.plot Picture."""
        from nacre.plot.folds import by_fold

        better = "higher" if self.greater_is_better else "lower"
        return by_fold(self.scores, self.n_rows, self.measure, better)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def cross_validate(
    learner: Estimator,
    data: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    folds: int = 5,
    by: str | None = None,
    measure: str | None = None,
    random_state: int | None = None,
    engine: Any = None,
    memory: int | str | None = None,
) -> CrossValidation:
    """Fit a learner on all folds but one, and score it on that one; for each fold in turn.

    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> from nacre.learn.cluster.kmeans import KMeans
    >>> found = cross_validate(KMeans(4), X, folds=3)
    >>> found.measure, found.by, found.scores.shape, bool(found.mean > found.losses.mean())
    ('loss', 'rows', (3,), True)

    Args:
        learner: unfitted, or fitted: its hyper-parameters are used, and it is not changed.
        data, y, sample_weight: as `fit` takes them.
        folds: at least 2.
        by: "shards" (whole ones: their rows stay together) or "rows"; None: shards where there are
            as many of them as folds, else rows.
        measure: None for the learner's own loss; or the name of a score, such as "silhouette" or
            "adjusted_rand" (which needs y).
        random_state: an int, or None for 0: which rows or shards are in which fold.
        engine, memory: as `fit` takes them.

    Raises:
        BadInput: data that cannot be learned from; fewer rows or shards than folds.
        BadParameter: a learner without a loss; a measure that is not there; a number outside its
            range.
        Stopped: a fit was ended early.
    """
    plan = plan_for(learner, data, y, sample_weight)
    known = _checked(folds, by, measure or LOSS, random_state, plan)
    if known.name != LOSS:
        check_predicts(learner)
    by = by or ("shards" if len(filled(plan)) >= folds else "rows")
    pure, states, scores = bare(learner), [], []
    cut = parts(plan, folds, by, int(random_state or 0))
    for at, (others, fold) in enumerate(cut):
        state = fit_of(pure, others, f"the fit without fold {at}", engine, memory)
        if known.name == LOSS:
            check_loss(pure, state.told)
        scores.append(known.score(Asked(pure, state.model), fold, engine, memory))
        states.append(state)
    losses = [pure.loss(state.told) for state in states]
    return CrossValidation(
        measure=known.name,
        greater_is_better=known.greater_is_better,
        by=by,
        scores=np.array([one.score for one in scores]),
        losses=np.array([np.nan if loss is None else loss for loss in losses]),
        n_rows=np.array([one.n_rows for one in scores]),
        weight=np.array([one.weight for one in scores]),
        n_fitted=np.array([state.told.n_rows for state in states]),
        n_skipped=(max if by == "rows" else sum)(one.n_skipped for one in scores),
        states=tuple(states),
    )


def filled(plan: Plan) -> list[Any]:
    """The shards that have rows."""
    return [shard for shard in plan.shards if shard.rows]


def parts(plan: Any, folds: int, by: str, seed: int) -> Sequence[tuple[Plan, Plan]]:
    """Of each fold all other rows, and its own.

    Raises:
        BadInput: fewer rows or shards than folds.
    """
    from nacre.source.part import part_of_rows, part_of_shards

    if by == "shards":
        every = {shard.key for shard in plan.shards}
        dealt = dealt_shards(filled(plan), folds, seed)
        return [(part_of_shards(plan, every - own), part_of_shards(plan, own)) for own in dealt]
    purpose, found = f"folds {seed}", []
    for at in range(folds):
        ends = at / folds, (at + 1) / folds, purpose
        found.append((part_of_rows(plan, *ends, outside=True), part_of_rows(plan, *ends)))
    if not all(fold.n_rows for _, fold in found):
        raise _too_few("row", int(plan.n_rows or 0), folds)
    return found


def dealt_shards(shards: Sequence[Any], folds: int, seed: int) -> list[set[int]]:
    """The keys of the shards of each fold: in the order of hashes, each to the one with least rows.

    Raises:
        BadInput: fewer shards than folds.
    """
    if len(shards) < folds:
        raise _too_few("shard", len(shards), folds)
    dealt: list[set[int]] = [set() for _ in range(folds)]
    n_rows = [0] * folds
    for shard in sorted(shards, key=lambda shard: hash64(f"folds {seed} {shard.key}")):
        least = n_rows.index(min(n_rows))
        dealt[least].add(shard.key)
        n_rows[least] += shard.rows
    return dealt


def _checked(folds: Any, by: Any, measure: Any, seed: Any, plan: Plan) -> Measure:
    """The measure of that name."""
    require(is_count(folds, 2), "folds", folds, "an int, at least 2")
    require(by in (None, "shards", "rows"), "by", by, '"shards", "rows" or None')
    known = seed is None or isinstance(seed, Integral)
    require(known, "random_state", seed, "an int, or None for 0")
    found = measure_of(measure)
    if found.needs_y and plan.head().y is None:
        raise BadInput(
            got=f"measure={measure!r}, and no y",
            wanted="a label for each row to compare with",
            do="Pass y, or name it.",
        )
    return found


def _too_few(what: str, n: int, folds: int) -> BadInput:
    return BadInput(
        got=f"{n:,} {what}{'' if n == 1 else 's'} for {folds} folds",
        wanted=f"{what}s in every fold",
        do="Ask for fewer folds.",
    )


def _lines(of: CrossValidation) -> list[str]:
    better = "higher" if of.greater_is_better else "lower"
    spread = f"{of.mean:.4f}, deviation {of.deviation:.4f}"
    columns = [column.tolist() for column in of.table.values()]
    cells = [
        (str(fold), n_fitted, n_rows, f"{weight:,.6g}", *scores)
        for fold, n_fitted, n_rows, weight, *scores in zip(*columns, strict=True)
    ]
    return [
        f"{len(of.scores)} folds of {of.by}: {of.measure} {spread} ({better} is better)",
        "",
        *aligned([tuple(of.table), *cells]),
    ]
