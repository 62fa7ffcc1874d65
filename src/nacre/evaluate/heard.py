"""The loss of rows that a fitted learner has not seen: what they say to its model, which only
listens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from nacre.contract import Array, Batch, Grade, Model, Plan, Summary
from nacre.errors import BadParameter
from nacre.estimator import Estimator
from nacre.evaluate.asked import Asked, run


@dataclass(frozen=True, eq=False)
class Frozen(Model):
    """A fitted model that learns no more."""

    frame: ClassVar[tuple[str, ...]] = ("asked",)
    last_look: ClassVar[bool] = True
    asked: Asked


@dataclass(eq=False, repr=False)
class Hearing(Estimator):
    """Hear what rows say to a model that was fitted on others.

    Args:
        asked: the learner and its model.
    """

    asked: Any

    @property
    def grade(self) -> Mapping[str, Grade]:  # type: ignore[override]  # of this very learner
        """In space as the learner; what is added up in another order agrees but for rounding."""
        space = self.asked.learner.grade["space"]
        return {"space": space, "time": "rounding", "erasure": "rounding"}

    def start(self, head: Batch, n: int | None) -> Frozen:
        """It is fitted already."""
        return Frozen(self.asked)

    def observe(self, model: Frozen, batch: Batch) -> Summary:
        """What the learner hears, under the name of this model."""
        asked = model.asked
        told: Summary = asked.learner.observe(asked.model, batch)
        return replace(told, base=model.base)

    def advance(self, model: Frozen, told: Summary) -> Frozen:
        """It learns nothing."""
        return model

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: what was heard is the answer."""
        return {}

    def loss(self, told: Any) -> float | None:
        """As the learner has it."""
        loss: float | None = self.asked.learner.loss(told)
        return loss


class Heard(NamedTuple):
    """The loss of some rows per unit of weight, how many they are, their weight, bad rows left out.

    The loss is NaN where the learner measures none.
    """

    loss: float
    n_rows: int
    weight: float
    n_skipped: int


def heard(asked: Asked, plan: Plan, engine: Any, memory: int | str | None) -> Heard:
    """What the rows of a plan say to a fitted learner: one pass."""
    evaluator = Hearing(asked)
    told = run(evaluator, plan, engine, memory).told
    loss = evaluator.loss(told)
    return Heard(
        float("nan") if loss is None else float(loss), told.n_rows, told.weight, told.n_skipped
    )


def check_loss(learner: Any, told: Any) -> None:
    """Raise BadParameter for a learner that measures no loss.

    Args:
        learner: bare hyper-parameters.
        told: what its own rows told its model.
    """
    if learner.loss(told) is None:
        raise BadParameter(
            got=f"{type(learner).__name__}, which measures no loss",
            wanted="a learner with a loss, or the name of a score",
            do='Name one, such as measure="silhouette".',
        )
