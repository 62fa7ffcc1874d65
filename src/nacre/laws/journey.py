"""What the laws are tried on: rows of a case, its fit pass by pass, batches as a pass sees them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ParamSpec

import numpy as np

from nacre import drive
from nacre.canon import hash01
from nacre.contract import EVERYTHING, Array, Batch, Engine, Model, Run, Schema, State
from nacre.engine.local import Group, Place, grouped
from nacre.engine.serial import Serial
from nacre.engine.tree import fold
from nacre.laws.case import Case
from nacre.laws.compare import UNIT, LawBroken
from nacre.source.arrays import ArrayReader
from nacre.source.bad import Judge
from nacre.source.plan import Reader, RowPlan, cut

Law = Callable[[Case, int], None]
Given = ParamSpec("Given")

N_ROWS = 1024
SHARD_ROWS = 64
BATCH_ROWS = 32


def law(check: Callable[Given, None]) -> Callable[Given, None]:
    """A function (..., case, seed) as a law: any error breaks it; so does a case without rows."""

    @functools.wraps(check)
    def checked(*given: Given.args, **more: Given.kwargs) -> None:
        case, seed = given[-2:]
        try:
            rows_of(case, seed, 3)  # type: ignore[arg-type]
            check(*given, **more)
        except LawBroken:
            raise
        except Exception as error:
            who = type(error).__name__
            raise LawBroken(f"{check.__name__}: the law met {who}: {error}") from error

    return checked


def rows_of(case: Case, seed: int, n: int) -> tuple[Array, Array | None]:
    """The case's rows in C order; LawBroken where they are not what Case promises."""
    X, y = case.rows(seed, n)
    if np.ndim(X) != 2 or len(X) != n or X.dtype.name not in UNIT:
        what = f"{type(X).__name__} of shape {np.shape(X)}"
        raise LawBroken(f"{case.name}: asked for {n} float rows, its generator gave {what}")
    if y is not None and len(y) != n:
        raise LawBroken(f"{case.name}: {n} rows with {len(y)} labels")
    return np.ascontiguousarray(X), y


def unit_of(case: Case, seed: int) -> float:
    """What rounding is for the case's rows."""
    return UNIT[rows_of(case, seed, 1)[0].dtype.name]


def plan_of(
    case: Case,
    seed: int,
    n: int = N_ROWS,
    *,
    shard_rows: int = SHARD_ROWS,
    batch_rows: int = BATCH_ROWS,
    n_batches: int = 1,
) -> RowPlan:
    """The case's rows as a plan: one array, or `n_batches` arrays with ids of their own."""
    X, y = rows_of(case, seed, n)
    edges = np.linspace(0, n, n_batches + 1).astype(int)
    readers = {}
    for a, b in itertools.pairwise(edges):
        reader = reader_of(case, X[a:b], None if y is None else y[a:b])
        readers[f"part-{a:06}" if n_batches > 1 else ""] = reader
    schema = Schema(None, X.shape[1], X.dtype.name)
    return cut(readers, schema, shard_rows=shard_rows, batch_rows=batch_rows)


def reader_of(case: Case, X: Array, y: Array | None, judge: Judge | None = None) -> Reader:
    """Rows in the case's form as a source."""
    return ArrayReader(case.form(X), X.dtype.name, None, y, judge=judge)


def fitted(case: Case, plan: RowPlan, engine: Engine | None = None, **more: Any) -> State:
    """The state of a whole fit."""
    return drive.fit(case.learner, engine or Serial(), plan, **more)


@functools.lru_cache(maxsize=64)
def fitted_serially(case: Case, seed: int, n_batches: int = 1) -> tuple[RowPlan, State]:
    """A plan of the case, and the state of a whole fit on the serial engine."""
    plan = plan_of(case, seed, n_batches=n_batches)
    return plan, fitted(case, plan)


@dataclass
class Diary(drive.Pace):
    """Writes down every pass."""

    turns: list[tuple[Any, Any]]

    def turned(self, model: Model, told: Any, new: Model) -> None:
        """One more."""
        self.turns.append((model, told))


@functools.lru_cache(maxsize=256)
def phases(case: Case, seed: int, shard_rows: int = SHARD_ROWS) -> tuple[tuple[Any, Any], ...]:
    """(model, told) of the first pass of every phase of a fit, and of the last pass."""
    diary = Diary([])
    state = fitted(case, plan_of(case, seed, shard_rows=shard_rows), pace=diary)
    first: dict[Any, tuple[Any, Any]] = {}
    for model, told in [*diary.turns, (state.model, state.told)]:
        what = (_made_of(model), model.view.layout, model.view.part is None)
        first.setdefault(what, (model, told))
    before = [(model, told) for model, told in first.values() if model.base != state.model.base]
    return (*before, (state.model, state.told))


def _made_of(model: Any) -> tuple[Any, ...]:
    """The types of a model and of the models in it: what a phase is known by."""
    if isinstance(model, tuple):
        return tuple(itertools.chain(*map(_made_of, model)))
    if not isinstance(model, Model):
        return ()
    inner = (getattr(model, field.name) for field in fields(model))  # type: ignore[arg-type]
    return type(model), *itertools.chain(*map(_made_of, inner))


def always(model: Model) -> Callable[[], Any]:
    """A `newest` that gives one model."""
    return lambda: model


def measured(case: Case, seed: int, model: Model) -> Any:
    """What all rows say to a model, observed anew."""
    return fold(dict(enumerate(leaves_of(case, seed, model))))


def leaves_of(case: Case, seed: int, model: Model) -> list[Any]:
    """What each shard, walk or group says to a model, observed anew."""
    engine, newest = Serial(), always(model)
    layouts = drive.Layouts(case.learner, engine, engine.hold(plan_of(case, seed)))
    held = layouts.of(model, newest)
    stream = engine.stream(case.learner.observe_shard, newest, held, leaves=True)
    return [nodes[span] for span, nodes in stream]


def batches_of(case: Case, seed: int, *sizes: int) -> list[Batch]:
    """Consecutive batches of the case's rows, of these sizes."""
    X, y = rows_of(case, seed, sum(sizes))
    whole = Batch(case.form(X), Run(7, 0), y=y, where="a law")
    edges = np.cumsum([0, *sizes])
    return [whole.take(slice(a, b)) for a, b in itertools.pairwise(edges)]


def as_seen(case: Case, model: Model, batches: Sequence[Batch]) -> list[Batch]:
    """Batches as a pass of the model sees them: as they are; under a layout in whole groups."""
    if not model.view.layout:
        return list(batches)
    return [group.batch for group in groups_of(case, model, batches)]


def groups_of(case: Case, model: Model, batches: Sequence[Batch]) -> list[Group]:
    """The groups that `place` makes of batches, each placed alone, as on different workers."""
    placed = [Place(case.learner.place, model)(EVERYTHING, [batch]) for batch in batches]
    return grouped(placed, model.view.layout)


def largest_seen(case: Case, model: Model, batch: Batch) -> Batch:
    """One batch as a pass sees it: under a layout the largest group."""
    return max(as_seen(case, model, [batch]), key=len)


def sum_of(case: Case, model: Any, batches: Sequence[Batch]) -> Any:
    """What batches say to a model, through its groups where it has a layout."""
    told = [case.learner.observe(model, batch) for batch in as_seen(case, model, batches)]
    return functools.reduce(lambda a, b: a + b, told)


def terms_of(case: Case, model: Any, batch: Batch) -> list[Any]:
    """What each row says alone; under a layout, what each group does: there it has neighbours."""
    if model.view.layout:
        alone = as_seen(case, model, [batch])
    else:
        alone = [batch.take(slice(at, at + 1)) for at in range(len(batch))]
    return [case.learner.observe(model, rows) for rows in alone]


def draw(seed: int, purpose: str, low: int, high: int) -> int:
    """An integer in [low, high), addressed."""
    return low + int(float(hash01(seed, 0, purpose)) * (high - low))
