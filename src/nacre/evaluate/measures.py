"""Scores by name, of what a fitted learner says of the rows of a plan."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from nacre.contract import Plan
from nacre.errors import BadParameter
from nacre.evaluate.agreement import scored as agreed
from nacre.evaluate.asked import Asked
from nacre.evaluate.classes import judged
from nacre.evaluate.clusters import scores_by
from nacre.evaluate.contingency import counted_by
from nacre.evaluate.heard import heard


class Scored(NamedTuple):
    """A score of some rows, how many they are, their weight, and bad rows left out."""

    score: float
    n_rows: int
    weight: float
    n_skipped: int


@dataclass(frozen=True)
class Measure:
    """A score of what a fitted learner says.

    Attributes:
        name: of the score, in what `judge` gives.
        judge: (what says the labels, plan, engine, memory) -> its scores.
        greater_is_better: or a smaller figure is.
        needs_y: it compares with labels that are known.
    """

    name: str
    judge: Callable[..., Any]
    greater_is_better: bool = True
    needs_y: bool = False

    def score(self, asked: Asked, plan: Plan, engine: Any, memory: int | str | None) -> Scored:
        """The score of the rows of a plan."""
        told = self.judge(asked, plan, engine, memory)
        return Scored(getattr(told, self.name), told.n_rows, told.weight, told.n_skipped)


def measure_of(name: Any) -> Measure:
    """The measure of a name.

    Raises:
        BadParameter: there is none; the nearest is named.
    """
    if not isinstance(name, str) or name not in MEASURES:
        near = difflib.get_close_matches(str(name), MEASURES, n=1)
        raise BadParameter(
            got=f"measure={name!r}",
            wanted=f"one of {', '.join(MEASURES)}",
            do=f"Did you mean {near[0]!r}?" if near else "Name one of these.",
        )
    return MEASURES[name]


def _of_clusters(asked: Asked, plan: Plan, engine: Any, memory: int | str | None) -> Any:
    return scores_by(asked, plan, engine=engine, memory=memory)


def _of_agreement(asked: Asked, plan: Plan, engine: Any, memory: int | str | None) -> Any:
    return agreed(counted_by(asked, plan, engine, memory))


def _of_classes(asked: Asked, plan: Plan, engine: Any, memory: int | str | None) -> Any:
    return judged(counted_by(asked, plan, engine, memory))


MEASURES = {
    one.name: one
    for one in (
        Measure("loss", heard, greater_is_better=False),
        Measure("silhouette", _of_clusters),
        Measure("silhouette_squared", _of_clusters),
        Measure("calinski_harabasz", _of_clusters),
        Measure("davies_bouldin", _of_clusters, greater_is_better=False),
        Measure("adjusted_rand", _of_agreement, needs_y=True),
        Measure("rand", _of_agreement, needs_y=True),
        Measure("fowlkes_mallows", _of_agreement, needs_y=True),
        Measure("normalized_mutual_info", _of_agreement, needs_y=True),
        Measure("adjusted_mutual_info", _of_agreement, needs_y=True),
        Measure("homogeneity", _of_agreement, needs_y=True),
        Measure("completeness", _of_agreement, needs_y=True),
        Measure("v_measure", _of_agreement, needs_y=True),
        Measure("purity", _of_agreement, needs_y=True),
        Measure("accuracy", _of_classes, needs_y=True),
        Measure("balanced_accuracy", _of_classes, needs_y=True),
    )
}
