"""What `observe` and `place` owe: they read the frame and the rows, however these are cut."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np

from nacre import canon, forms
from nacre.contract import Array, Batch, Learner, Run
from nacre.kinds import COUNT
from nacre.laws.case import Case
from nacre.laws.compare import LawBroken, parts, same_bits, same_sum
from nacre.laws.journey import (
    batches_of,
    draw,
    groups_of,
    largest_seen,
    law,
    measured,
    phases,
    sum_of,
    terms_of,
    unit_of,
)


class Unread:
    """Stands for a hyper-parameter that must not be read."""

    def __getattr__(self, name: str) -> Any:
        raise LawBroken(f"a hyper-parameter was read ({name})")

    def _read(self, *given: Any) -> Any:
        raise LawBroken("a hyper-parameter was read")

    __bool__ = __eq__ = __format__ = __str__ = __len__ = __hash__ = _read


def unread(learner: Learner) -> Any:
    """The learner without its hyper-parameters; of a chain, stage by stage."""
    found = copy.copy(learner)
    for field in dataclasses.fields(learner):  # type: ignore[arg-type]  # learners are dataclasses
        value = getattr(learner, field.name)
        if isinstance(value, tuple) and value and all(isinstance(v, Learner) for v in value):
            setattr(found, field.name, tuple(map(unread, value)))
        else:
            setattr(found, field.name, unread(value) if isinstance(value, Learner) else Unread())
    return found


@law
def frame_is_all(case: Case, seed: int) -> None:
    """Observing and placing with the frame alone, without hyper-parameters, gives the same bits."""
    bare = unread(case.learner)
    for model, _ in phases(case, seed):
        less = model.framed()
        if less.base != model.base:
            raise LawBroken(f"{type(model).__name__}: fields outside the frame change the base")
        for rows in batches_of(case, seed, 97, 0):
            batch = largest_seen(case, model, rows)
            want = case.learner.observe_shard(model, [batch])
            same_bits(bare.observe_shard(less, [batch]), want, f"observe reads only {model.frame}")
            if model.view.layout:
                placed = [_bits_of(n, b) for n, b in bare.place(less, rows)]
                groups = [_bits_of(n, b) for n, b in case.learner.place(model, rows)]
                same_bits(placed, groups, f"place reads only {model.frame}")


@law
def split_invariant(case: Case, seed: int) -> None:
    """Rows say the same however they are cut, where the space grade is bits or rounding."""
    if case.learner.grade["space"] not in ("bits", "rounding"):
        return
    n = 100
    cuts = sorted(draw(seed, f"cut {i}", 0, n + 1) for i in range(2))
    sizes = np.diff([0, *cuts, n]).tolist()
    (whole,) = batches_of(case, seed, n)
    for model, _ in phases(case, seed):
        if not model.view.walks:  # a walk is no sum
            got, want = (
                sum_of(case, model, cut) for cut in (batches_of(case, seed, *sizes), [whole])
            )
            terms = terms_of(case, model, whole)
            same_sum(got, want, terms, unit_of(case, seed), f"cut at {cuts}")


@law
def weight_is_repetition(case: Case, seed: int) -> None:
    """A row of weight 3 says what three rows say, but for rounding; rows and their count aside."""
    if case.learner.grade["space"] not in ("bits", "rounding"):
        return
    (batch,) = batches_of(case, seed, 80)
    times = np.array([draw(seed, f"times {i}", 0, 4) for i in range(len(batch))])
    weighted = replace(batch, weight=times.astype(np.float64))
    repeated = replace(batch.take(np.repeat(np.arange(len(batch)), times)), names=Run(7, 0))
    for model, _ in phases(case, seed):
        by_id = len(_learned_from(case, model, batch)) < len(batch)  # equal rows then differ
        if not model.view.walks and not by_id:
            got, want = (sum_of(case, model, [rows]) for rows in (weighted, repeated))
            terms = terms_of(case, model, repeated)
            got, want, *terms = (_without_rows(told, want) for told in (got, want, *terms))
            same_sum(got, want, terms, unit_of(case, seed), "weight = repetition")


def _without_rows(told: Any, of: Any) -> Any:
    """A summary with data rows and their numbers as another one has them."""
    aside = [name for name, kind in told.kinds().items() if kind.rows or kind is COUNT]
    return replace(told, **{name: getattr(of, name) for name in aside})


@law
def tiny_batches(case: Case, seed: int) -> None:
    """One row, the same row many times, all rows twice: observed, counted, finite."""
    one, some = batches_of(case, seed, 1, 40)
    many = some.take(np.zeros(30, int))
    twice = some.take(np.tile(np.arange(len(some)), 2))
    for model, _ in phases(case, seed):
        for rows in (one, many, twice):
            batch = largest_seen(case, model, rows)
            told = case.learner.observe(model, batch)
            counted = _learned_from(case, model, batch).counted
            same_bits((told.n_rows, told.weight), counted, "rows observed, and their weight")
            finite(told, "a summary of few rows")


def _learned_from(case: Case, model: Any, batch: Batch) -> Batch:
    """The rows that reach the stage that observes: in a chain those that no stage leaves out."""
    if not hasattr(case.learner, "seen"):
        return batch
    seen: Batch = case.learner.seen(model.done, batch)
    return seen


@law
def places_each_row_once(case: Case, seed: int) -> None:
    """Under a layout each row is own in exactly one group; the groups are the same for any cut."""
    n = 200
    cuts = sorted(draw(seed, f"place {i}", 0, n + 1) for i in range(2))
    (whole,) = batches_of(case, seed, n)
    halves = batches_of(case, seed, *np.diff([0, *cuts, n]).tolist())
    for model, _ in phases(case, seed):
        if model.view.layout:
            groups = [(g.key, g.batch) for g in groups_of(case, model, [whole])]
            own = [b.ids if b.own is None else b.ids[b.own] for _, b in groups]
            same_bits(np.sort(np.concatenate(own)), whole.ids, "own rows of all groups, sorted")
            other = [(g.key, g.batch) for g in groups_of(case, model, halves)]
            same_bits(
                [_bits_of(*group) for group in other],
                [_bits_of(*group) for group in groups],
                f"groups of rows cut at {cuts}",
            )


@law
def inputs_unchanged(case: Case, seed: int) -> None:
    """No function writes into what it is given: read-only rows do, and all keeps its bits."""
    learner, steps = case.learner, phases(case, seed)
    for model, _ in steps:
        told = measured(case, seed, model)
        batch = _read_only(largest_seen(case, model, batches_of(case, seed, 64)[0]))
        before = canon.digest(model, told, _bits_of(0, batch))
        learner.observe_shard(model, [batch])
        learner.advance(model, told)
        list(learner.place(model, batch)) if model.view.layout else None
        if model.can_answer and model is steps[-1][0]:
            learner.answer(model, batch, tuple(learner.answers))
        if canon.digest(model, told, _bits_of(0, batch)) != before:
            raise LawBroken(f"{type(model).__name__}: an input was changed")


def _read_only(batch: Batch) -> Batch:
    for array in (*forms.arrays_of(batch.X), batch.weight, batch.y, batch.own, batch.names):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return batch


def _bits_of(number: Any, batch: Batch) -> tuple[Any, ...]:
    return int(number), batch.X, batch.ids, batch.weight, batch.y, batch.own


def finite(value: Any, what: str) -> None:
    """Raise LawBroken where a value holds a NaN."""
    for path, leaf in parts(value):
        array: Array = np.asarray(leaf)
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise LawBroken(f"{what}: {path} is NaN")
