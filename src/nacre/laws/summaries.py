"""What summaries owe: `+` and `scale` as their kinds say, and bytes that come back."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from nacre import canon
from nacre.contract import Model, Summary
from nacre.errors import CannotForget, OtherBase
from nacre.kinds import COUNT, Table
from nacre.laws.case import Case
from nacre.laws.compare import LawBroken, same_bits, same_sum
from nacre.laws.journey import batches_of, draw, largest_seen, law, phases, unit_of
from nacre.store import format as stored

OTHER_BASE = "0" * 32


@law
def bases_agree(case: Case, seed: int) -> None:
    """Summaries of other bases are not added, a model is not advanced by one; errors name both."""
    for model, told in phases(case, seed):
        foreign = replace(told, base=OTHER_BASE)
        for what in (
            lambda t=told, f=foreign: t + f,
            lambda t=told, f=foreign: f + t,
            lambda m=model, f=foreign: case.learner.advance(m, f),
        ):
            _refused(what, type(told).__name__)


def _refused(what: Any, name: str) -> None:
    try:
        what()
    except OtherBase as error:
        if OTHER_BASE[:8] not in str(error):
            raise LawBroken(f"the error does not name the base: {error}") from error
    else:
        raise LawBroken(f"{name} of another base was taken")


@law
def commutative(case: Case, seed: int) -> None:
    """a + b and b + a have the same bits."""
    for a, b, _ in _triples(case, seed):
        same_bits(a + b, b + a, "a + b = b + a")


@law
def associative(case: Case, seed: int) -> None:
    """(a + b) + c = a + (b + c): exact kinds in bits, others but for rounding."""
    for a, b, c in _triples(case, seed):
        same_sum((a + b) + c, a + (b + c), (a, b, c), unit_of(case, seed), "(a + b) + c")


@law
def idempotent_kinds(case: Case, seed: int) -> None:
    """A field of an idempotent kind joined with itself stays as it is."""
    for a, b, _ in _triples(case, seed):
        both = a + b
        for name, kind in both.kinds().items():
            if kind.idempotent:
                value = getattr(both, name)
                same_bits(kind.join(value, value), value, f"{name}: a + a = a")


@law
def zero_is_identity(case: Case, seed: int) -> None:
    """The summary of no rows added on either side changes no bit."""
    for model, _ in phases(case, seed):
        some, none = batches_of(case, seed, draw(seed, "zero", 1, 120), 0)
        a, zero = (case.learner.observe(model, largest_seen(case, model, b)) for b in (some, none))
        if zero.n_rows or zero.weight:
            raise LawBroken(f"the summary of no rows has {zero.n_rows} rows, weight {zero.weight}")
        same_bits(a + zero, a, "a + 0 = a")
        same_bits(zero + a, a, "0 + a = a")
        same_bits(zero + zero, zero, "0 + 0 = 0")


@law
def scale_laws(case: Case, seed: int) -> None:
    """scale(1) is identity, scale(2) says a + a, scale(x) of scale(y) scale(xy); or it refuses."""
    unit, x, y = unit_of(case, seed), 0.25, 1.5
    for a, b, _ in _triples(case, seed):
        if any(kind.scale is None for kind in a.kinds().values()):
            try:
                a.scale(x)
            except CannotForget:
                continue
            raise LawBroken(f"{type(a).__name__} has a kind without scale and was scaled")
        same_bits(a.scale(1), a, "scale(1)")
        same_sum(a.scale(x).scale(y), a.scale(x * y), (a,), unit, "scale(x) of scale(y)")
        same_sum((a + b).scale(x), a.scale(x) + b.scale(x), (a, b), unit, "scale(a + b)")
        read = [name for name, kind in a.kinds().items() if kind is COUNT]
        twice = replace(a + a, **{name: getattr(a, name) for name in read})  # what was read stays
        same_sum(a.scale(2), twice, (a, a), unit, "scale(2) and a + a")


@law
def operands_unchanged(case: Case, seed: int) -> None:
    """`+` and `scale` change neither operand."""
    for a, b, _ in _triples(case, seed):
        before = canon.digest(a, b)
        _ = a + b, b + a
        if all(kind.scale for kind in a.kinds().values()):
            a.scale(0.5)
        if canon.digest(a, b) != before:
            raise LawBroken(f"{type(a).__name__}: adding or scaling changed an operand")


@law
def round_trips(case: Case, seed: int) -> None:
    """All comes back from the bytes of store and wire, bit for bit, and answers as before."""
    batch, want = batches_of(case, seed, 60)[0], tuple(case.learner.answers)
    for model, told in phases(case, seed):
        same_bits(_through_store(told), told, "bytes of the store")
        same_bits(_through_wire(told), told, "bytes of the wire")
        for back in (_with_tables(_through_store(model), model), _through_wire(model)):
            same_bits(back, model, "a model that came back")
            if model.can_answer and model is phases(case, seed)[-1][0]:
                same_bits(
                    case.learner.answer(back, batch, want),
                    case.learner.answer(model, batch, want),
                    "answers of a model that came back",
                )


def _through_store(value: Any) -> Any:
    return stored.from_bytes(stored.to_bytes(value))


def _with_tables(back: Any, model: Any) -> Any:
    """A model that came back, with the parts of its tables, which are files of their own."""
    for table, original in zip(tables_of(back), tables_of(model), strict=True):
        held = {name: _through_store(original.held[name]) for _, name in table.parts}
        for name, rows in held.items():
            same_bits(canon.digest(rows), name, "the name of a part of a table, and its digest")
        object.__setattr__(table, "held", held)
    return back


def tables_of(value: Any) -> Iterator[Table]:
    """All tables in a model."""
    if isinstance(value, Table):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from tables_of(item)
    elif isinstance(value, Model):
        for field in fields(value):  # type: ignore[arg-type]  # models are dataclasses
            yield from tables_of(getattr(value, field.name))


def _through_wire(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def _triples(case: Case, seed: int) -> list[tuple[Summary, Summary, Summary]]:
    found = []
    sizes = [draw(seed, f"size {i}", 1, 70) for i in range(3)]
    for model, _ in phases(case, seed):
        seen = (largest_seen(case, model, batch) for batch in batches_of(case, seed, *sizes))
        a, b, c = (case.learner.observe(model, batch) for batch in seen)
        found.append((a, b, c))
    return found
