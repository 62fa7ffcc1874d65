"""How much to forget, chosen by itself: half-lives side by side, and the one that predicts best.

A bank keeps one running sum for each half-life, and a model of each. A batch is first a test of all
models, then they learn it. What the tests cost decides which half-life is used next. Losses are
forgotten as well, or an old season would decide: how fast, is itself chosen by what it cost
(Herbster & Warmuth 1998 track the best expert; here the trackers compete, each with its memory).

A test comes a batch late: rows that jump cost every model the same, and who has adapted shows a
batch later. So each model is also asked about the newest batch once it has learned it, as if the
next batch were like it: one imagined test, dropped when the true one is there. On rows that stand
still this favours short half-lives by less than a batch, which is soon outweighed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from nacre.contract import Model, Summary
from nacre.errors import BadParameter
from nacre.evolve.forget import Running, refuse_to_fade

N_HALF_LIVES = 8
RATIO = 4.0  # from one half-life to the next, where no longest is said
MEMORIES = (1.0, 4.0, 16.0, 64.0, math.inf)  # half-lives of losses, in batches
EQUAL = 1e-9  # of a loss, by which another must be less: else the longer memory stays

Observe = Callable[[Any], Summary]  # a model -> what the batch says to it
Cost = Callable[[Any, Any], float]  # a model, and what a batch said to it -> the batch's loss


def half_lives(shortest: float, longest: float | None = None) -> tuple[float, ...]:
    """Eight half-lives in equal ratios.

    >>> half_lives(100)
    (100.0, 400.0, 1600.0, 6400.0, 25600.0, 102400.0, 409600.0, inf)
    >>> [round(h) for h in half_lives(100, 12_800)]
    [100, 200, 400, 800, 1600, 3200, 6400, 12800]

    Args:
        shortest: in rows, mostly those of a batch: a batch is aged as a whole.
        longest: None: each is four times the one before, and the last forgets nothing.

    Raises:
        BadParameter: a shortest that is not above 0, or a longest below it.
    """
    if not 0 < shortest < math.inf or (longest is not None and not longest >= shortest):
        raise BadParameter(
            got=f"half-lives from {shortest} to {longest}",
            wanted="a shortest above 0, and a longest that is not shorter",
            do="Begin with the rows of a batch.",
        )
    if longest is None or longest == math.inf:
        finite = (shortest * RATIO**at for at in range(N_HALF_LIVES - 1))
        return (*map(float, finite), math.inf)
    ratio = longest / shortest
    return tuple(shortest * ratio ** (at / (N_HALF_LIVES - 1)) for at in range(N_HALF_LIVES))


@dataclass(frozen=True)
class Judged:
    """What tests have said of half-lives: plain values, to be kept beside a sum.

    Attributes:
        half_lives: rising.
        losses: of each memory, the loss of each half-life, faded.
        again: the loss of each half-life on the newest batch, learned already.
        costs: of each memory, what the half-lives that it chose have cost.
        n_batches: that were tests.

    >>> judged = Judged.begun((100.0, math.inf))
    >>> judged.half_life
    inf
    >>> judged.judge((9.0, 9.0), (1.0, 8.0)).half_life  # it jumped: the first has adapted
    100.0
    """

    half_lives: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    again: tuple[float, ...]
    costs: tuple[float, ...]
    n_batches: int = 0

    @classmethod
    def begun(cls, half_lives: Sequence[float]) -> Self:
        """Before any test: the longest is chosen."""
        nothing = (0.0,) * len(half_lives)
        return cls(tuple(half_lives), (nothing,) * len(MEMORIES), nothing, (0.0,) * len(MEMORIES))

    @property
    def choices(self) -> tuple[int, ...]:
        """Of each memory, the position of the half-life that it would use next."""
        return tuple(
            _least([loss + more for loss, more in zip(losses, self.again, strict=True)])
            for losses in self.losses
        )

    @property
    def memory(self) -> float:
        """How long losses are remembered, in batches: the memory whose choices cost least."""
        return MEMORIES[_least(self.costs)]

    @property
    def chosen(self) -> int:
        """The position of the half-life to use."""
        return self.choices[_least(self.costs)]

    @property
    def half_life(self) -> float:
        """The half-life to use; inf: nothing is forgotten."""
        return self.half_lives[self.chosen]

    def judge(self, before: Sequence[float], after: Sequence[float]) -> Self:
        """After one more test. Losses that are not all finite say nothing, and change nothing.

        Args:
            before: of each half-life, the loss of a batch that it had not seen, in all its rows.
            after: the same batch's, once it had learned it.
        """
        if not all(map(math.isfinite, (*before, *after))):
            return self
        costs = tuple(
            cost + before[chosen] for cost, chosen in zip(self.costs, self.choices, strict=True)
        )
        losses = tuple(
            tuple(loss * 0.5 ** (1 / memory) + new for loss, new in zip(old, before, strict=True))
            for memory, old in zip(MEMORIES, self.losses, strict=True)
        )
        return replace(
            self, losses=losses, again=tuple(after), costs=costs, n_batches=self.n_batches + 1
        )


def _least(values: Sequence[float]) -> int:
    """The position of the least value; of equals the last."""
    limit = min(values) * (1 + EQUAL)
    return max(at for at, value in enumerate(values) if value <= limit)


@dataclass(frozen=True, eq=False)
class Member:
    """One half-life.

    Attributes:
        model: of the sum; all that is asked of it is answered so.
        running: the sum.
    """

    model: Any
    running: Running


@dataclass(frozen=True, eq=False)
class Bank:
    """Running sums of several half-lives, and which of them predicts best.

    Frames may stand still (all members share what a batch says) or move (each has its own).

    Attributes:
        learner: bare hyper-parameters.
        members: by rising half-life.
        judged: what tests have said.
    """

    learner: Any
    members: tuple[Member, ...]
    judged: Judged

    @classmethod
    def begun(
        cls, learner: Any, model: Model, told: Summary, clock: int, half_lives: Sequence[float]
    ) -> Self:
        """After a fit: every half-life has learned the same.

        Args:
            learner, model, told: of the fit, learner bare.
            clock: the newest event, or how many rows there were: half-lives count in its units.
            half_lives: rising; inf forgets nothing.

        Raises:
            CannotForget: a field of a kind that no factor scales.
        """
        return cls.summed(learner, model, [told] * len(half_lives), clock, Judged.begun(half_lives))

    @classmethod
    def summed(
        cls, learner: Any, model: Model, sums: Sequence[Summary], clock: int, judged: Judged
    ) -> Self:
        """With sums made anew, of leaves by `Leaves.faded`; what tests said is as it was.

        Args:
            learner: bare.
            model: whose frame the sums were observed against.
            sums: one for each half-life.
            clock: what the sums were scaled at.
            judged: of the same half-lives.
        """
        refuse_to_fade(sums[0])
        made = []
        for told, half_life in zip(sums, judged.half_lives, strict=True):
            after = learner.advance(learner.resume(model), told)
            kept = learner.carry(told, model, after)
            made.append(Member(after, Running(kept, clock, _none_if_never(half_life))))
        return cls(learner, tuple(made), judged)

    @property
    def chosen(self) -> Member:
        """The member to answer with."""
        return self.members[self.judged.chosen]

    def learn(self, observe: Observe, cost: Cost, at: int) -> Self:
        """Test all models on a batch, then add it to all sums.

        A late batch is scaled by its age in each sum, and is no test: it says nothing of what
        comes next.

        Args:
            observe: what the batch says to a model; asked once for each frame.
            cost: of a model and what the batch said to it, the loss in all rows.
            at: the last event of the batch, or how many rows there are with it.
        """
        known: dict[str, Summary] = {}

        def said(model: Any) -> Summary:
            if model.base not in known:
                known[model.base] = observe(model)
            return known[model.base]

        late = at < self.members[0].running.clock
        members, before, after = [], [], []
        for member in self.members:
            new = self._with(member, said(member.model), at)
            members.append(new)
            if not late:
                before.append(cost(member.model, said(member.model)))
                after.append(cost(new.model, said(new.model)))
        judged = self.judged if late else self.judged.judge(before, after)
        return replace(self, members=tuple(members), judged=judged)

    def _with(self, member: Member, told: Summary, at: int) -> Member:
        running, learner = member.running.absorb(told, at), self.learner
        model = learner.advance(learner.resume(member.model), running.told)
        kept = learner.carry(running.told, member.model, model)
        return Member(model, replace(running, told=kept))


def _none_if_never(half_life: float) -> float | None:
    return None if half_life == math.inf else half_life
