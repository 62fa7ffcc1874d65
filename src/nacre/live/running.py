"""A model whose frame moves with every batch: one running sum, which goes on with it."""

from __future__ import annotations

from typing import Any

from nacre.contract import State, Summary
from nacre.evolve.forget import Policy
from nacre.fitting import observe_plan
from nacre.live.taking import Began, News
from nacre.live.version import Version
from nacre.store.life import Commit


def begun(policy: Policy, first: Began) -> dict[str, Any]:
    """Fields of the first commit of a running model.

    Raises:
        CannotForget: a policy that it cannot follow.
    """
    told = first.state.told
    by_rows = policy.what == "half-life" and policy.unit == "rows"
    clock = int(told.n_rows) if by_rows else max(line.time for line in first.lines)
    policy.running(told, clock)
    return {"forget": str(policy), "clock": clock}


def learned(face: Any, version: Version, new: News) -> tuple[State, int]:
    """The state after more batches, and its clock.

    A late batch is scaled by its own age, never what was learned before it.
    """
    old, learner, plan = version.state, version.grounds.bare, new.plan
    policy = Policy.of(version.commit.forget)
    more = observe_plan(face, plan, old.model)
    told, clock = _joined(policy, old.told, version.commit, plan, more)
    model = learner.advance(learner.resume(old.model), told)
    return State(old.schema, model, learner.carry(told, old.model, model)), clock


def _joined(
    policy: Policy, told: Summary, commit: Commit, plan: Any, more: Summary
) -> tuple[Summary, int]:
    if policy.what == "half-life" and policy.unit == "rows":
        at = commit.clock + int(more.n_rows)
    else:
        at = max((span.last for span in plan.times.values()), default=0)
    after = policy.running(told, commit.clock).absorb(more, at)
    return after.told, after.clock
