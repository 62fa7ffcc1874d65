"""What a whole fit, its state and its answers owe: the same, wherever, however cut."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from nacre import forms
from nacre.contract import Array, State
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.errors import BadInput, NacreError, NeedsRefit
from nacre.estimator import Estimator
from nacre.laws.case import Case
from nacre.laws.chaos import Chaos
from nacre.laws.compare import LawBroken, same_bits, same_numbers, same_sum
from nacre.laws.journey import (
    BATCH_ROWS,
    SHARD_ROWS,
    batches_of,
    draw,
    fitted,
    fitted_serially,
    law,
    leaves_of,
    phases,
    plan_of,
    reader_of,
    rows_of,
    unit_of,
)
from nacre.laws.passes import finite, unread
from nacre.source.bad import Judge
from nacre.source.plan import RowPlan, cut

AXES = ("space", "time", "erasure")
GRADES = ("bits", "rounding", "bounded", "heuristic")
METHODS = ("predict", "transform", "select")


@law
def supplies_rows(case: Case, seed: int) -> None:
    """The case's generator gives n rows for any n, the same again, and more begin with fewer."""
    X, y = rows_of(case, seed, 50)
    for n in (0, 1, 50):
        some, labels = rows_of(case, seed, n)
        same_bits((some, labels), (X[:n], None if y is None else y[:n]), f"{n} rows of 50")


@law
def declares_itself(case: Case, seed: int) -> None:
    """A learner says its grades, and what it answers; the methods exist for exactly these."""
    learner = case.learner
    grade = getattr(learner, "grade", {})
    for axis in AXES:
        if grade.get(axis) not in GRADES:
            raise LawBroken(f"grade[{axis!r}] is {grade.get(axis)!r}, not one of {GRADES}")
    for name in METHODS:
        if isinstance(learner, Estimator) and (name in learner.answers) != hasattr(learner, name):
            raise LawBroken(f"answers are {learner.answers}, but method {name} does not fit that")


@law
def told_measures_the_model(case: Case, seed: int) -> None:
    """After a fit told.base == model.base, and observing all rows again gives told, bit for bit."""
    plan, state = fitted_serially(case, seed)
    same_bits(state.told.base, state.model.base, "the base of told and of the model")
    again = fitted(case, plan, model=state.model)
    same_bits(again.told, state.told, "a fit that starts at its own end")


@law
def resumes(case: Case, seed: int) -> None:
    """A fitted model takes its own summary again; where time is of grade bits, to the same bits."""
    learner, (model, told) = case.learner, phases(case, seed)[-1]
    again = learner.advance(learner.resume(model), told)
    if learner.grade["time"] == "bits":
        same_bits(again, model, "advance of the resumed model by its own summary")


@law
def carries_or_refuses(case: Case, seed: int) -> None:
    """carry to the same base changes nothing; to another base it is at that base, or NeedsRefit."""
    steps = phases(case, seed)
    for model, told in steps:
        same_bits(case.learner.carry(told, model, model), told, "carry to the same frame")
        new = steps[-1][0]
        if model.base != new.base:
            try:
                carried = case.learner.carry(told, model, new)
            except NeedsRefit:
                continue
            same_bits(carried.base, new.base, "the base of what was carried")


@law
def answers_row_by_row(case: Case, seed: int) -> None:
    """An answer reads the model and each row alone: any cut, no hyper-parameters, the same."""
    model, learner, want = phases(case, seed)[-1][0], case.learner, tuple(case.learner.answers)
    n, at, unit = 90, draw(seed, "answer", 0, 91), unit_of(case, seed)
    (whole,) = batches_of(case, seed, n)
    answers = learner.answer(model, whole, want)
    same_bits(sorted(answers), sorted(want), "what was answered, and what was asked")
    same_bits(unread(learner).answer(model, whole, want), answers, "answer reads the model alone")
    parts = [learner.answer(model, part, want) for part in batches_of(case, seed, at, n - at)]
    for name in want:
        if answers[name].shape[0] != n:
            raise LawBroken(f"{name}: {answers[name].shape[0]} answers to {n} rows")
        finite(answers[name], name)
        joined = forms.joined([part[name] for part in parts])
        same_numbers(joined, answers[name], unit, f"{name} of rows cut at {at}")


@law
def same_bits_anywhere(case: Case, seed: int) -> None:
    """One digest, whoever does the work, in whatever order, however often, with room or without."""
    plan, want = fitted_serially(case, seed, draw(seed, "batches", 1, 6))
    for engine in (Threads(3), Chaos(seed), Serial(memory=0)):
        try:
            same_bits(_bits_of(fitted(case, plan, engine)), _bits_of(want), type(engine).__name__)
        finally:
            engine.close()


@law
def shard_size_is_nothing(case: Case, seed: int) -> None:
    """Another shard size: the same samples and seeds, in bits, and the same answers at rounding."""
    unit, learner, want = unit_of(case, seed), case.learner, tuple(case.learner.answers)
    small, large = phases(case, seed), phases(case, seed, 2 * SHARD_ROWS)
    what = f"shards of {SHARD_ROWS} and of {2 * SHARD_ROWS} rows"
    same_bits(len(large), len(small), f"phases, {what}")
    for (model, told), (other, told_other) in zip(small, large, strict=True):
        if other.base == model.base:
            same_sum(told_other, told, leaves_of(case, seed, model), unit, what)
    (batch,) = batches_of(case, seed, 90)
    got, wanted = (learner.answer(steps[-1][0], batch, want) for steps in (large, small))
    same_numbers(got, wanted, unit, f"answers, {what}")


@law
def few_rows(case: Case, seed: int) -> None:
    """A fit on no row, one row, or equal rows ends in a finite model or in a NacreError."""
    X, y = rows_of(case, seed, 40)
    for rows in (slice(0, 0), slice(0, 1), np.zeros(40, int)):
        some = X[rows], None if y is None else y[rows]
        few = replace(case, rows=functools.partial(_first_of, *some))
        try:
            state = fitted(few, plan_of(few, seed, len(some[0])))
        except NacreError:
            continue
        finite(state.model, f"the model of {len(X[rows])} rows")


def _first_of(X: Array, y: Array | None, seed: int, n: int) -> tuple[Array, Array | None]:
    return X[:n], None if y is None else y[:n]


@law
def rows_need_not_be_counted(case: Case, seed: int) -> None:
    """A fit also ends where the plan does not know how many rows there are."""
    plan = plan_of(case, seed)
    state = fitted(case, replace(plan, n_rows=None))
    same_bits(state.told.base, state.model.base, "the base of told and of the model")
    finite(state.model, "the model")


@law
def bad_rows_change_nothing(case: Case, seed: int) -> None:
    """A bad row ends the next fit with an error that names it; the state before keeps its bits."""
    _, state = fitted_serially(case, seed)
    before = state.digest
    plan, position = _spoiled(case, seed)
    try:
        fitted(case, plan, model=state.model)
    except BadInput as error:
        if f"row {position}" not in str(error):
            raise LawBroken(f"the error does not name row {position}: {error}") from error
    else:
        raise LawBroken(f"row {position} is bad, and was learned from")
    same_bits(State(state.schema, state.model, state.told).digest, before, "the state before")


def _spoiled(case: Case, seed: int) -> tuple[RowPlan, int]:
    """A plan of the case's rows with one that is infinite, which no learner takes; and which."""
    X, y = rows_of(case, seed, 400)
    position = draw(seed, "bad row", 0, len(X))
    X = X.copy()
    X[position, 0] = np.inf
    reader = reader_of(case, X, y, Judge("error", "nan" in case.learner.takes))
    plan = plan_of(case, seed, 400)
    return cut({"": reader}, plan.schema, shard_rows=SHARD_ROWS, batch_rows=BATCH_ROWS), position


def _bits_of(state: Any) -> tuple[Any, Any]:
    return state.model, state.told
