"""The loops: fit (over space), answer (one pass) and race (asynchronous). Decisions only; the world
is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre import canon, forms
from nacre.contract import (
    EVERYTHING,
    Array,
    Batch,
    Engine,
    Learner,
    Model,
    Plan,
    State,
    Task,
)
from nacre.errors import LearnerFailed, Stopped
from nacre.kernel.blas import one_thread


class Pace:
    """What a caller may want of a loop: to watch it, to end it. This one does neither."""

    def begins(self, model: Model) -> None:
        """Told before each pass what it looks for."""

    def handing_out(self) -> None:
        """Asked before each block; raises EndOfTime to drop the pass that has begun."""

    def turned(self, model: Model, told: Any, new: Model) -> None:
        """Told after each pass and its advance; raises EndOfTime to keep `model`."""


class EndOfTime(Exception):
    """The caller wants no more passes. Never leaves the drive."""


def fit(
    learner: Learner,
    engine: Engine,
    plan: Plan,
    *,
    model: Model | None = None,
    pace: Pace | None = None,
    observe: Task | None = None,
) -> State:
    """Pass after pass until the frame stands still.

    Args:
        learner: bare hyper-parameters.
        engine: where the work runs.
        plan: the shards.
        model: where to begin instead of `learner.start`.
        pace: watches and may end the loop early; then the last complete pass is kept.
        observe: the task of a pass, where it does more than `learner.observe_shard`.

    Raises:
        Stopped: ended before there was a model that can answer.
    """
    pace = pace or Pace()
    task = observe or learner.observe_shard
    kept: State | None = None
    with one_thread():
        layouts = Layouts(learner, engine, engine.hold(plan))
        model = model or learner.start(plan.head(), plan.n_rows)
        try:
            while True:
                pace.begins(model)
                newest = _paced(model if observe else model.framed(), pace)
                told = engine.reduce(task, newest, layouts.of(model, newest))
                new = learner.advance(model, told)
                kept = State(plan.schema, model, told, complete=False)
                if new.base == model.base:
                    kept = _ended(State(plan.schema, new, told))
                pace.turned(model, told, new)
                if new.base == model.base:  # the last pass measured the model that is kept
                    return kept
                model = new
        except EndOfTime:
            if kept is None or not kept.model.can_answer:
                raise _stopped(model) from None
            return kept


def answer(
    learner: Learner, engine: Engine, plan: Plan, model: Model, want: Sequence[str]
) -> dict[str, Array]:
    """Columns (n, ...) of answers to all rows, in reading order; blank where a row was left out:
    -1, NaN, and in CSR answers NaN in the first column.
    """
    first, n = {}, 0
    for i in plan.reading_order:
        first[i] = n - plan.shards[i].first
        n += plan.shards[i].rows
    columns: dict[str, Array] = {}
    sparse: dict[str, list[tuple[Array, Array]]] = {}
    for i, at, answers in answer_shards(learner, engine, plan, model, want):
        for name, values in answers.items():
            if forms.is_sparse(values):
                sparse.setdefault(name, []).append((first[i] + at, values))
                continue
            if name not in columns:
                columns[name] = blank(n, values)
            columns[name][first[i] + at] = values
    for name, parts in sparse.items():
        columns[name] = forms.scattered(n, *zip(*parts, strict=True))
    return columns


def answer_shards(
    learner: Learner, engine: Engine, plan: Plan, model: Model, want: Sequence[str]
) -> Iterator[tuple[int, Array, dict[str, Array]]]:
    """Number of a shard, the positions in its batch of the rows that have an answer, and the
    answers (m, ...) by name: one shard after another, as they finish.
    """
    task, seen = Answering(learner, model, tuple(want)), set()
    with one_thread():
        for span, nodes in engine.stream(task, lambda: EVERYTHING, engine.hold(plan), leaves=True):
            if span not in seen:
                yield span[0], *nodes[span]
            seen.add(span)


@dataclass(frozen=True, eq=False)
class Answering:
    """The task of a pass that answers to the rows that are there, and says which they are."""

    learner: Learner
    model: Model
    want: tuple[str, ...]

    def __call__(
        self, everything: Model, batches: Iterable[Batch]
    ) -> tuple[Array, dict[str, Array]]:
        """Positions (m,) int64, and the columns of a leaf."""
        at, parts = [], []
        for batch in batches:
            at.append(positions(batch))
            parts.append(self.learner.answer(self.model, batch, self.want))
        columns = {name: forms.joined([part[name] for part in parts]) for name in self.want}
        return np.concatenate(at), columns


def positions(batch: Batch) -> Array:
    """(n,) int64: where its rows stand in the batch that they came in."""
    positions: Array = canon.placed(batch.names, len(batch))[1]
    return positions.astype(np.int64)


def blank(n: int, like: Array) -> Array:
    """(n, ...) answers like those given: -1 where they are integers, else NaN, until they come."""
    nothing = -1 if like.dtype.kind in "iu" else np.nan
    return np.full((n, *like.shape[1:]), nothing, like.dtype)


def race(
    learner: Learner,
    engine: Engine,
    plan: Plan,
    *,
    max_rounds: int,
    model: Model | None = None,
    pace: Pace | None = None,
) -> State:
    """Asynchronous: advance as each leaf arrives, whatever model it was observed against; promises
    no bits.

    Phases before there is a model that can answer are passes of `fit`. What is staler than the
    model's `recent` bases is dropped: in a race age is scheduling. A last pass measures the model
    that is kept.
    """
    pace = pace or Pace()
    with one_thread():
        layouts = Layouts(learner, engine, engine.hold(plan))
        now: Model = model or learner.start(plan.head(), plan.n_rows)

        def as_it_is() -> Model:
            return now.framed()

        def newest() -> Model:
            pace.handing_out()
            return now.framed()

        try:
            while not now.can_answer:
                told = engine.reduce(learner.observe_shard, newest, layouts.of(now, newest))
                now = learner.advance(now, told)
            for _ in range(max_rounds):
                base, held = now.base, layouts.of(now, newest)
                seen: set[Any] = set()
                for span, nodes in engine.stream(learner.observe_shard, newest, held, leaves=True):
                    told = nodes[span]
                    if span not in seen and told.base in (now.base, *now.recent):
                        now = learner.advance(now, told)
                    seen.add(span)
                if now.base == base:
                    break
        except EndOfTime:
            if not now.can_answer:
                raise _stopped(now) from None
        told = engine.reduce(learner.observe_shard, as_it_is, layouts.of(now, as_it_is))
        still = learner.advance(now, told).base == now.base
        return State(plan.schema, now, told, complete=still)


def _stopped(model: Model) -> Stopped:
    return Stopped(
        got=f"the end in phase {type(model).__name__}",
        wanted="a model that can answer",
        do="Allow more passes or seconds.",
    )


def _ended(state: State) -> State:
    view = state.model.view
    if view.part is not None or view.layout:
        raise LearnerFailed(
            got=f"a fit that ends under part {view.part}, layout {view.layout!r}",
            wanted="the whole view, as the data is cut: later rows come so",
            do="End with a model whose view is whole.",
        )
    return state


class Layouts:
    """The data as each model's view wants it to lie: regrouped when the layout changes."""

    def __init__(self, learner: Learner, engine: Engine, as_cut: Any) -> None:
        self.learner, self.engine, self.as_cut = learner, engine, as_cut
        self.layout, self.held = "", as_cut

    def of(self, model: Model, newest: Callable[[], Model]) -> Any:
        """The held shards for the next pass."""
        layout = model.view.layout
        if layout != self.layout:
            self.held = self.as_cut
            if layout:
                self.held = self.engine.regroup(self.learner.place, newest, self.as_cut)
            self.layout = layout
        return self.held


def _paced(model: Model, pace: Pace) -> Callable[[], Model]:
    def newest() -> Model:
        pace.handing_out()
        return model

    return newest
