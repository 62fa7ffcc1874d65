"""Fits on parts of the rows: of a learner that stays unfitted, whole or not at all."""

from __future__ import annotations

from typing import Any

from nacre.contract import Plan, State
from nacre.errors import BadInput, BadParameter, Stopped
from nacre.estimator import Estimator, bare, require


def plan_for(learner: Any, data: Any, y: Any, weight: Any) -> Any:
    """The plan that a fit of this learner would have; the learner is left as it is.

    Raises:
        BadInput, BadType: data, labels or weights that do not fit.
        BadParameter: it is no learner, or has a hyper-parameter outside its range.
    """
    from nacre.source.terms import Read

    require(isinstance(learner, Estimator), "learner", type(learner).__name__, "a learner")
    learner.check_parameters()
    named = any(isinstance(column, str) for column in (y, weight))
    data = Read(data) if named and not isinstance(data, Read) else data
    return learner._plan(data, y, weight, reset=True)


def check_predicts(learner: Estimator) -> None:
    """Raise BadParameter for a learner that predicts no labels."""
    if "predict" not in learner.answers:
        raise BadParameter(
            got=f"{type(learner).__name__}, which answers {list(learner.answers)}",
            wanted="a learner that predicts labels",
            do="Pass one that finds clusters.",
        )


def fit_of(
    learner: Estimator, plan: Plan, what: str, engine: Any, memory: int | str | None
) -> State:
    """What a learner fits on a part of the rows.

    Args:
        what: which fit it is, for messages: "fit 3 of 10".

    Raises:
        BadInput: no rows, or too few for the learner.
        Stopped: the fit was ended early.
    """
    from nacre.fitting import fit_plan

    if not plan.n_rows:
        raise BadInput(
            got=f"no rows for {what}",
            wanted="rows in every part",
            do="Cut the data into fewer parts, or pass more rows.",
        )
    state = fit_plan(learner, plan, engine=engine, memory=memory).state
    if not state.complete:
        raise Stopped(got=f"the end in {what}", wanted="every fit to its end", do="Run it again.")
    return state


def reseeded(learner: Estimator, number: int) -> Any:
    """The hyper-parameters with another `random_state`, wherever there is one.

    >>> from nacre.learn.cluster.kmeans import KMeans
    >>> reseeded(KMeans(3, random_state=7), 2).random_state
    9
    """
    one = bare(learner)
    seeds = {
        name: int(value or 0) + number
        for name, value in one.get_params().items()
        if name.rpartition("__")[2] == "random_state"
    }
    return one.set_params(**seeds)
