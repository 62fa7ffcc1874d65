"""Where face, source, engine and drive meet: one fit, one answer, with its limits and its report.

Only the methods of an estimator and the command line come here; nothing below knows of it.
"""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from nacre import drive
from nacre.contract import Array, Batch, Model, State, Summary, Task
from nacre.engine.batches import Batches, ByBatch, sums
from nacre.engine.choose import engine_of
from nacre.engine.failure import located
from nacre.engine.local import Local, Streaming
from nacre.engine.serial import Serial
from nacre.engine.tree import Span
from nacre.errors import BadInput, BadParameter
from nacre.estimator import Estimator, bare, is_count, require
from nacre.kernel.blas import one_thread
from nacre.kernel.crew import crew
from nacre.kernel.kernel_class import kernel_class
from nacre.last_pass import LastPass
from nacre.settings import available, current, in_bytes
from nacre.store.ledger import Turn

NOTHING = 1  # byte: what a single pass keeps of decoded rows
SMALL = 16_384  # rows: below, handing work out costs more than it saves


@dataclass(frozen=True)
class Limits:
    """When to stop early: seconds, passes; None: never."""

    max_seconds: float | None = None
    max_passes: int | None = None

    def __post_init__(self) -> None:
        seconds, passes = self.max_seconds, self.max_passes
        positive = isinstance(seconds, Real) and seconds > 0
        require(seconds is None or positive, "max_seconds", seconds, "a number above 0")
        require(passes is None or is_count(passes), "max_passes", passes, "an int, at least 1")


@dataclass
class Report:
    """What a fit did, where, and why it ended."""

    turns: list[Turn] = field(default_factory=list)
    ended: str = "converged"
    seconds: float = 0.0
    engine: str = ""
    n_workers: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Fitted:
    """A state, the answers to rows in memory, and the report."""

    state: State
    answers: dict[str, Array]
    report: Report


class Watch(drive.Pace):
    """Keeps limits and the report. Ctrl-C once ends the fit by its last pass, twice at once."""

    def __init__(self, learner: Estimator, limits: Limits) -> None:
        self.learner, self.limits, self.report = learner, limits, Report()
        self.began = self.turned_at = time.monotonic()
        self.interrupted = False

    def holds(self, n_rows: int) -> None:
        """Told how many rows an engine holds for the fit."""

    def arrived(self, share: float) -> None:
        """Told of each block that comes back: the share of the pass's leaves that it holds."""

    def handing_out(self) -> None:
        """Between blocks."""
        spent = time.monotonic() - self.began
        if self.interrupted:
            self._end("Ctrl-C")
        if self.limits.max_seconds is not None and spent >= self.limits.max_seconds:
            self._end(f"max_seconds={self.limits.max_seconds:g}")

    def turned(self, model: Model, told: Any, new: Model) -> None:
        """After a pass."""
        now = time.monotonic()
        loss = self.learner.loss(told)
        phase = type(getattr(model, "running", model)).__name__  # of a chain, its running stage's
        turn = Turn(phase, told.n_rows, told.weight, now - self.turned_at, loss)
        self.report.turns.append(turn)
        self.turned_at = now
        limit = self.limits.max_passes
        if limit is not None and len(self.report.turns) >= limit and new.base != model.base:
            self._end(f"max_passes={limit}")

    def _end(self, why: str) -> None:
        self.report.ended = why
        raise drive.EndOfTime


_watch: ContextVar[Callable[[Estimator, Limits], Watch]] = ContextVar("watch", default=Watch)


@contextmanager
def watching(make: Callable[[Estimator, Limits], Watch]) -> Iterator[None]:
    """Have the fits of a block watched by what `make(learner, limits)` gives."""
    token = _watch.set(make)
    try:
        yield
    finally:
        _watch.reset(token)


class Watched(Streaming):
    """An engine that tells a watch what it holds and what comes back; its sums are its own."""

    def __init__(self, engine: Streaming, watch: Watch) -> None:
        self.engine, self.watch = engine, watch

    def stream(
        self, task: Task, newest: Callable[[], Any], held: Any, *, leaves: bool = False
    ) -> Iterator[tuple[Span, dict[Span, Any]]]:
        """(span, {span: result}) of each block as it finishes."""
        n_leaves = len(held.leaves(newest().view)[1])
        for span, nodes in self.engine.stream(task, newest, held, leaves=leaves):
            self.watch.arrived((span[1] - span[0]) / n_leaves)
            yield span, nodes

    def hold_shards(self, shards: list[Any]) -> Any:
        """Hold shards, and say how many rows they have."""
        self.watch.holds(sum(shard.rows for shard in shards))
        return self.engine.hold_shards(shards)

    def regroup(self, place: Any, newest: Callable[[], Any], held: Any) -> Any:
        """Rows as `place` says."""
        return self.engine.regroup(place, newest, held)


def _watched(engine: Any, watch: Watch) -> Any:
    """An engine of another making is left alone: it may have a sum of its own."""
    return Watched(engine, watch) if isinstance(engine, Streaming) else engine


@dataclass(frozen=True, eq=False)
class Measuring:
    """The task of a pass whose answers are kept: what is observed is answered on the way.

    The last pass measured the model that is kept, so what it wrote last are the answers.
    """

    learner: Any
    n_rows: int
    columns: dict[str, Array] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def __call__(self, model: Model, batches: Iterable[Batch]) -> Summary:
        total: Any = None
        for batch in batches:
            told, answers = self.learner.observe_answering(model, batch)
            for name, values in answers.items():
                if name not in self.columns:
                    with self.lock:  # the first to come makes room for all
                        self.columns.setdefault(name, drive.blank(self.n_rows, values))
                self.columns[name][drive.positions(batch)] = values
            total = told if total is None else total + told
        summary: Summary = total
        return summary


def fit_plan(
    learner: Estimator,
    plan: Any,
    *,
    engine: Any = None,
    memory: int | str | None = None,
    limits: Limits | None = None,
    start: State | None = None,
    leaves: Callable[[str, Any], Any] | None = None,
) -> Fitted:
    """Fit a learner on a plan; see Estimator.fit.

    `leaves` is given, one after another, id and summary of each batch under the model that is kept:
    their fold is `told`. They come from the last pass where it looked at all rows, else from one
    more.
    """
    watch = _watch.get()(learner, limits or Limits())
    report = watch.report
    pure = bare(learner)
    wanted = tuple(learner.keeps) if plan.in_memory else ()
    model = None if start is None else started(learner, plan, start)
    if memory is not None and engine is not None and not isinstance(engine, str):
        raise BadParameter(
            got=f"memory={memory!r} for an engine that is made",
            wanted="an engine by name",
            do="Give the engine its memory when you make it.",
        )
    limit = _limit(plan, memory)
    with (
        chosen(engine, limit) as worker,
        _interruptible(watch),
        crew(_resting(worker)),
        LastPass() as said,
    ):
        report.engine, report.n_workers = _place(worker)
        report.memory = limit
        on_the_way = wanted and learner.answers_on_the_way and _shares_memory(worker)
        measuring = Measuring(pure, plan.n_rows) if on_the_way else None
        seen = _watched(worker, watch)
        if leaves is not None:
            seen = ByBatch(seen, Batches.of(plan), said)
        state = drive.fit(pure, seen, plan, model=model, pace=watch, observe=measuring)
        kept = measuring.columns if measuring else {}
        if wanted and state.complete and not measuring:
            kept = drive.answer(pure, worker, plan, state.model, wanted)
        _say_who_differs(pure, worker)
        _check_weight(state.told)
        if leaves is not None:
            if said.base != state.told.base:
                _measure(pure, worker, plan, state.model, said)
            for name, summary in said:
                leaves(name, summary)
    report.seconds = time.monotonic() - watch.began
    if state.complete:
        report.ended = learner.ended(state.model)
    else:
        what = f"stopped by {report.ended}: the model of pass {len(report.turns)} is kept"
        warnings.warn(f"{type(learner).__name__}: {what}", RuntimeWarning, stacklevel=3)
    return Fitted(state, kept if state.complete else {}, report)


def _check_weight(told: Any) -> None:
    if not told.weight > 0:
        n = f"{told.n_rows} rows, {told.n_skipped} left out as bad"
        raise BadInput(
            got=f"no row with weight above 0 ({n})",
            wanted="rows to learn from",
            do="Check the data, the weights and what bad= leaves out.",
        )


def _say_who_differs(learner: Any, engine: Any) -> None:
    """Warn once a fit of workers whose float sums may have other bits, where that can matter."""
    if not isinstance(engine, Streaming) or learner.grade["space"] == "bits":
        return
    for worker, kernels in engine.differing().items():
        warnings.warn(
            f"worker {worker} is of another kernel class ({kernels}) than this process "
            f"({kernel_class()}): {type(learner).__name__} agrees but for rounding",
            RuntimeWarning,
            stacklevel=4,
        )


def started(learner: Estimator, plan: Any, start: State) -> Any:
    """The model of a state as one to go on from.

    Raises:
        BadParameter: it is of another learner, of other columns or of another dtype.
    """
    if not isinstance(start, State):
        raise BadParameter(
            got=f"start={type(start).__name__}", wanted="a State", do="Pass fitted.state_."
        )
    mine, theirs = plan.schema, start.schema
    for what, a, b in (
        ("columns", mine.n_columns, theirs.n_columns),
        ("names", mine.names or theirs.names, theirs.names or mine.names),
        ("dtype", mine.dtype, theirs.dtype),
    ):
        if a != b:
            raise BadParameter(
                got=f"start with {what} {b}",
                wanted=f"{what} {a}, as the data",
                do="Fit without start.",
            )
    learner.check_start(start.model)
    return bare(learner).resume(start.model)


def _resting(engine: Any) -> int:
    """Cores of this machine that the engine leaves alone while the driver advances the model."""
    return engine.n_workers if isinstance(engine, Local) else 1


def _shares_memory(engine: Any) -> bool:
    return bool(getattr(engine, "shares_memory", False))  # an engine of others need not say


def answer_plan(
    learner: Estimator,
    plan: Any,
    want: Sequence[str],
    *,
    engine: Any = None,
    memory: int | str | None = None,
) -> dict[str, Array]:
    """The answers to all rows of a plan, in row order."""
    pure = bare(learner)
    with chosen(_for(plan, engine), once(plan, memory)) as worker:
        return learner.numbered(drive.answer(pure, worker, plan, learner.state_.model, want))


def observe_plan(learner: Estimator, plan: Any, model: Model) -> Any:
    """What the rows of a plan say to a model, under the whole view."""
    pure, engine = bare(learner), _for(plan, None)
    if len(plan.shards) == 1 and isinstance(engine, Serial):
        return _alone(pure, model, plan.shards[0])
    with one_thread(), chosen(engine, once(plan, None)) as worker:
        return worker.reduce(pure.observe_shard, lambda: model, worker.hold(plan))


def _alone(learner: Any, model: Model, shard: Any) -> Summary:
    """What one shard says, in this thread."""
    with one_thread(), located(shard.where):
        told: Summary = learner.observe_shard(model, shard.read())
        return told


def leaves_of(
    learner: Estimator,
    plan: Any,
    model: Model,
    *,
    engine: Any = None,
    memory: int | str | None = None,
) -> Iterator[tuple[str, Any]]:
    """What each batch of a plan says to a model: (batch id, summary), as they are whole.

    A summary is the canonical sum of the batch's shards, so their fold under the keys of the
    batches is what one pass over the whole plan says. Few rows are looked at in this thread.

    Raises:
        BadParameter: the model wants rows to lie otherwise than the plan has cut them.
    """
    pure = bare(learner)
    batches = Batches.of(plan)
    if len(plan.shards) == len(batches.names) and isinstance(_for(plan, engine), Serial):
        for name, shard in zip(batches.names, plan.shards, strict=True):
            yield name, _alone(pure, model, shard)
        return
    with one_thread(), chosen(_for(plan, engine), once(plan, memory)) as worker:
        yield from _said(pure, worker, plan, model, batches)


def _said(
    learner: Any, engine: Any, plan: Any, model: Model, batches: Batches
) -> Iterator[tuple[str, Any]]:
    framed = model.framed()
    held = engine.hold(plan)
    for at, told in sums(engine, learner.observe_shard, lambda: framed, held, batches):
        yield batches.names[at], told


def _measure(learner: Any, engine: Any, plan: Any, model: Model, said: LastPass) -> None:
    """One more pass, for what each batch says to a model."""
    said.begins(model.base)
    with one_thread():
        for name, told in _said(learner, engine, plan, model, Batches.of(plan)):
            said.take(name, told)
    said.ends()


def _for(plan: Any, engine: Any) -> Any:
    """The engine for a single pass: of few rows this thread, where nobody named another."""
    small = engine is None and plan.n_rows is not None and plan.n_rows <= SMALL
    return Serial() if small else engine


@contextmanager
def chosen(engine: Any, memory: int | None) -> Iterator[Any]:
    """The engine named, else that of `nacre.use`, else threads; closed if it was made here."""
    name = current("engine") if engine is None else engine
    worker = engine_of(name, memory)
    try:
        yield worker
    finally:
        if worker is not name and _shares_memory(worker):
            worker.close()


def _limit(plan: Any, memory: int | str | None) -> int | None:
    """Bytes for a fit: as said, else as `nacre.use` has it, else half of what is there."""
    limit: int | None = current("memory") if memory is None else in_bytes(memory)
    there = None if plan.in_memory or limit is not None else available()
    return limit if there is None else there // 2


def once(plan: Any, memory: int | str | None) -> int | None:
    """Bytes for a single pass: rows that are read once need not be kept."""
    in_bytes(memory)  # said wrongly, it is refused all the same
    return None if plan.in_memory else NOTHING


def _place(worker: Any) -> tuple[str, int | None]:
    return type(worker).__name__.lower(), getattr(worker, "n_workers", None)


@contextmanager
def _interruptible(watch: Watch) -> Iterator[None]:
    """Ctrl-C once sets a flag, asked between blocks; Ctrl-C again is KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def once(number: int, frame: Any) -> None:
        watch.interrupted = True
        signal.signal(signal.SIGINT, before)

    try:
        signal.signal(signal.SIGINT, once)
        yield
    finally:
        signal.signal(signal.SIGINT, before)


__all__ = [
    "Fitted",
    "Limits",
    "Report",
    "Watch",
    "answer_plan",
    "fit_plan",
    "leaves_of",
    "observe_plan",
    "watching",
]
