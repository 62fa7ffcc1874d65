"""The laws of an engine, functions (engine, case, seed): one answer, errors that arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nacre import drive, errors
from nacre.contract import Batch, Engine, Model, View
from nacre.engine.serial import Serial
from nacre.engine.tree import Partial
from nacre.errors import NacreError
from nacre.laws.case import Case
from nacre.laws.compare import LawBroken, same_bits, same_numbers
from nacre.laws.journey import (
    always,
    fitted,
    fitted_serially,
    law,
    phases,
    plan_of,
    rows_of,
    unit_of,
)

EngineLaw = Callable[[Engine, Case, int], None]


@dataclass(frozen=True, eq=False)
class Plain(Model):
    """A model without a frame, for tasks that do not look at it."""


WALKS = View(walks=2)


@dataclass(frozen=True, eq=False)
class Walking(Model):
    """A model whose shards are walked in two runs."""

    view: View = WALKS


PLAIN = Plain()


@dataclass(frozen=True)
class Failing:
    """A task that raises an error of a given class in the shards that begin at given rows."""

    kind: type[Exception]
    first_rows: tuple[int, ...]

    def __call__(self, model: Model, batches: Iterable[Batch]) -> dict[str, int]:
        """Raise, or say nothing."""
        for batch in batches:
            first = int(batch.ids["position"][0])
            if first in self.first_rows:
                if issubclass(self.kind, NacreError):
                    raise self.kind(got=f"row {first}", wanted="no failure", do="Nothing.")
                raise self.kind(f"row {first}")
        return {}


def n_own_rows(model: Model, batches: Iterable[Batch]) -> int:
    """A task that counts."""
    return sum(batch.counted[0] for batch in batches)


FINE = Failing(errors.BadInput, ())


@law
def same_bits_as_serial(engine: Engine, case: Case, seed: int) -> None:
    """The digest of a fit is that of the serial engine, for one batch and for several."""
    for n_batches in (1, 4):
        plan, want = fitted_serially(case, seed, n_batches)
        got = fitted(case, plan, engine)
        what = f"{type(engine).__name__} and Serial, {n_batches} batches"
        same_bits((got.model, got.told), (want.model, want.told), what)


@law
def reduce_is_the_total_of_stream(engine: Engine, case: Case, seed: int) -> None:
    """reduce = Partial of stream, of blocks and of leaves, in bits, in every phase."""
    plan = plan_of(case, seed)
    task = case.learner.observe_shard
    for model, told in phases(case, seed):
        if not model.view.layout:
            held, newest = engine.hold(plan), always(model)
            total = engine.reduce(task, newest, held)
            same_bits(total, told, "the total, and what the fit was told")
            for leaves in (False, True):
                partial = Partial(Serial().hold(plan).leaves(model.view)[0])
                for _, nodes in engine.stream(task, newest, held, leaves=leaves):
                    partial.merge(nodes)
                same_bits(partial.total(), total, f"Partial of stream, leaves={leaves}")


@law
def regroups_as_serial(engine: Engine, case: Case, seed: int) -> None:
    """Groups hold all rows, and say what the serial engine's say, for every model with a layout."""
    plan = plan_of(case, seed)
    for model, told in phases(case, seed):
        if model.view.layout:
            groups = engine.regroup(case.learner.place, always(model), engine.hold(plan))
            stream = engine.stream(n_own_rows, always(PLAIN), groups, leaves=True)
            n_own = sum({span: nodes[span] for span, nodes in stream}.values())
            same_bits(n_own, plan.n_rows, "own rows of the groups, whatever part is looked at")
            got = engine.reduce(case.learner.observe_shard, always(model), groups)
            same_bits(got, told, f"what the groups of {type(engine).__name__} say")


@law
def answers_in_reading_order(engine: Engine, case: Case, seed: int) -> None:
    """Each row is answered once, in the order of reading, whatever that of keys and of work."""
    model, want = phases(case, seed)[-1][0], tuple(case.learner.answers)
    X, y = rows_of(case, seed, 900)
    plan = plan_of(case, seed, 900, n_batches=5)
    got = drive.answer(case.learner, engine, plan, model, want)
    wanted = case.learner.answer(model, Batch(case.form(X), y=y), want)
    same_numbers(got, wanted, unit_of(case, seed), "answers, and those to all rows at once")


@law
def every_error_survives(engine: Engine, case: Case, seed: int) -> None:
    """Each class of nacre.errors raised in a task arrives as itself, with fields and place."""
    held = engine.hold(plan_of(case, seed))
    for kind in [*error_classes(), ZeroDivisionError]:
        error = _failure(engine, held, Failing(kind, (128,)))
        wanted = kind if issubclass(kind, NacreError) else errors.LearnerFailed
        if type(error) is not wanted:
            raise LawBroken(f"{kind.__name__} arrived as {error!r}")
        if "row 128" not in error.got or "128" not in error.where:
            raise LawBroken(f"{kind.__name__} lost its fields or its place: {error.fields()}")


def error_classes() -> list[type[NacreError]]:
    """All classes of nacre.errors."""
    found = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, NacreError)]
    return sorted(found, key=lambda c: c.__name__)


@law
def lowest_failure_wins(engine: Engine, case: Case, seed: int) -> None:
    """Of several failing shards that of the lowest key is raised; the engine works on."""
    held = engine.hold(plan_of(case, seed))
    for first_rows in ((960, 192, 448), (0, 960)):
        error = _failure(engine, held, Failing(errors.BadInput, first_rows))
        if error is None or f"row {min(first_rows)}" not in error.got:
            raise LawBroken(f"failures at rows {first_rows}: raised {error!r}")
    _works(engine, held)


@law
def can_be_ended(engine: Engine, case: Case, seed: int) -> None:
    """What `newest` raises ends the pass, not the engine; a consumer that stops does no harm."""
    held = engine.hold(plan_of(case, seed))
    asked = []

    def newest() -> Model:
        asked.append(1)
        if len(asked) > 4:
            raise TimeoutError
        return PLAIN

    try:
        for _ in engine.stream(FINE, newest, held, leaves=True):
            pass
    except TimeoutError:
        pass
    else:
        raise LawBroken("newest raised, the stream went on")
    for _ in engine.stream(FINE, always(PLAIN), held, leaves=True):
        break
    _works(engine, held)


@law
def few_are_in_flight(engine: Engine, case: Case, seed: int) -> None:
    """At most two blocks per worker are handed out beyond those that came back."""
    held = engine.hold(plan_of(case, seed))
    n_workers = getattr(engine, "n_workers", None)
    if not isinstance(n_workers, int):
        raise LawBroken(f"{type(engine).__name__} does not say its n_workers: {n_workers!r}")
    asked = []

    def newest() -> Model:
        asked.append(1)
        return PLAIN

    stream = engine.stream(FINE, newest, held, leaves=True)
    for arrived, _ in enumerate(stream, start=1):
        if len(asked) - 1 - arrived > 2 * n_workers:  # one ask is for the view
            raise LawBroken(f"{len(asked) - 1} handed out, {arrived} back, {n_workers} workers")


@law
def a_stream_has_one_cut(engine: Engine, case: Case, seed: int) -> None:
    """A model that wants other walks than those that a stream was cut for ends it, by its name."""
    held = engine.hold(plan_of(case, seed))
    asked: list[Model] = []

    def newest() -> Model:
        asked.append(PLAIN if len(asked) < 3 else Walking())
        return asked[-1]

    try:
        for _ in engine.stream(FINE, newest, held, leaves=True):
            pass
    except errors.LearnerFailed:
        _works(engine, held)
    else:
        raise LawBroken("the model went over to walks, and the stream went on")


def _works(engine: Engine, held: Any) -> None:
    spans = [span for span, _ in engine.stream(FINE, always(PLAIN), held, leaves=True)]
    if len(set(spans)) != 16:
        raise LawBroken(f"afterwards {len(set(spans))} of 16 shards came back")


def _failure(engine: Engine, held: Any, task: Failing) -> Any:
    try:
        for _ in engine.stream(task, always(PLAIN), held, leaves=True):
            pass
    except NacreError as error:
        return error
    return None


ENGINE_LAWS: dict[str, EngineLaw] = {
    law.__name__: law
    for law in (
        same_bits_as_serial,
        reduce_is_the_total_of_stream,
        regroups_as_serial,
        answers_in_reading_order,
        every_error_survives,
        lowest_failure_wins,
        can_be_ended,
        few_are_in_flight,
        a_stream_has_one_cut,
    )
}
