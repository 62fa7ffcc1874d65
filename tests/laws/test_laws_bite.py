"""Every law catches something: a good learner or engine with one fault planted breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from nacre.canon import passing
from nacre.contract import Array, Batch, Model, Summary
from nacre.engine.serial import Serial
from nacre.errors import BadInput, NacreError
from nacre.kinds import SUM, Kind, MomentSums, of
from nacre.laws import ENGINE_LAWS, LEARNER_LAWS, Case, LawBroken
from nacre.laws.engine import PLAIN
from nacre.laws.summaries import OTHER_BASE
from nacre.learn.prepare.scale import Scale
from nacre.store.format import register
from tests.laws import good
from tests.laws.good import GOOD, Good, Known, Look, Measured, Sample, Sides

LEARNERS: dict[str, list[Case]] = {name: [] for name in LEARNER_LAWS}
ENGINES: dict[str, list[Any]] = {name: [] for name in ENGINE_LAWS}


def breaks(*laws: str) -> Callable[[Any], Any]:
    """Plant a fault: in a learner, an engine, a summary or a generator of rows."""

    def planted(mutant: Any) -> Any:
        for name in laws:
            if name in ENGINES:
                ENGINES[name].append(mutant)
            else:
                LEARNERS[name].append(_case(mutant))
        return mutant

    return planted


def _case(mutant: Any) -> Case:
    if not isinstance(mutant, type):
        return Case(mutant.__name__, Good(), mutant)
    if issubclass(mutant, Summary):
        mutant = type(mutant.__name__, (Good,), {"says": mutant})
    return Case(mutant.__name__, mutant(), good.rows)


def added(told: Summary, values: Any) -> Summary:
    """A summary with something added to its sums, where it has them."""
    return replace(told, sums=told.sums + values) if isinstance(told, Measured) else told


# Generators of rows


@breaks("supplies_rows")
def other_rows_for_other_numbers(seed: int, n: int) -> tuple[Array, None]:
    return good.rows(seed + n, n)


# What a learner declares


@breaks("declares_itself")
class HasNoTimeGrade(Good):
    grade = {"space": "bits", "erasure": "bits"}  # noqa: RUF012


@breaks("declares_itself")
class HidesItsAnswer(Good):
    answers = ()


# Summaries


@breaks("bases_agree")
@dataclass(frozen=True, eq=False, kw_only=True)
class AddsAnything(Measured):
    def __add__(self, other: Any) -> Any:
        return super().__add__(replace(other, base=self.base))


class KnowsAll(Known):
    recent = (OTHER_BASE,)


@breaks("bases_agree")
class AdvancesByAnything(Good):
    def advance(self, model: Any, told: Any) -> Model:
        new = super().advance(model, told)
        return KnowsAll(**vars(new)) if isinstance(new, Known) else new


@breaks("commutative")
@dataclass(frozen=True, eq=False, kw_only=True)
class KeepsTheFirst(Measured):
    sums: Array = of(Kind("SUM", lambda a, b: a))


@breaks("commutative")
@dataclass(frozen=True, eq=False, kw_only=True)
class KeepsTheKeysOfOneSide(Measured):
    cells: Any = of(Kind("KEYED", lambda a, b: a))


@breaks("associative")
@dataclass(frozen=True, eq=False, kw_only=True)
class AveragesTwoByTwo(Measured):
    sums: Array = of(Kind("SUM", lambda a, b: (a + b) / 2))


@breaks("idempotent_kinds")
@dataclass(frozen=True, eq=False, kw_only=True)
class CallsASumIdempotent(Measured):
    sums: Array = of(replace(SUM, idempotent=True))


@breaks("scale_laws")
@dataclass(frozen=True, eq=False, kw_only=True)
class ScalesTwice(Measured):
    sums: Array = of(replace(SUM, scale=lambda a, factor: a * factor * factor))


@breaks("scale_laws")
@dataclass(frozen=True, eq=False, kw_only=True)
class ScalesWhatCannotBe(Measured):
    sums: Array = of(replace(SUM, scale=None))

    def scale(self, factor: float) -> Any:
        return replace(self, weight=self.weight * factor)


@breaks("operands_unchanged")
@dataclass(frozen=True, eq=False, kw_only=True)
class AddsInPlace(Measured):
    sums: Array = of(replace(SUM, join=lambda a, b: np.add(a, b, out=a)))


@breaks("zero_is_identity")
class SaysSomethingOfNoRows(Good):
    def observe(self, model: Any, batch: Batch) -> Summary:
        return added(super().observe(model, batch), 0.0 if len(batch) else 1.0)


@dataclass(frozen=True, eq=False)
class HalfStored(Known):
    extra: float = passing(default=0.0)


register("tests.bite", HalfStored)


@breaks("round_trips")
class AnswersFromWhatIsNotStored(Good):
    def advance(self, model: Any, told: Any) -> Model:
        new = super().advance(model, told)
        return HalfStored(new.cut, new.rows, new.middle, 1.0) if isinstance(new, Known) else new

    def answer(self, model: Any, batch: Batch, want: Any) -> dict[str, Array]:
        return {name: a + model.extra for name, a in super().answer(model, batch, want).items()}


# Passes


@breaks("frame_is_all")
class ObservesByHyperParameters(Good):
    def observe(self, model: Any, batch: Batch) -> Summary:
        return added(super().observe(model, batch), self.share)


@breaks("frame_is_all")
class ObservesByTheWholeModel(Good):
    def observe(self, model: Any, batch: Batch) -> Summary:
        return added(super().observe(model, batch), getattr(model, "middle", None) is None)


@breaks("frame_is_all")
class PlacesByHyperParameters(Good):
    def place(self, model: Sides, batch: Batch) -> Iterator[tuple[int, Batch]]:
        return super().place(replace(model, cut=model.cut * self.share), batch)


@breaks("split_invariant")
class LooksAtBatches(Good):
    def observe(self, model: Any, batch: Batch) -> Summary:
        return added(super().observe(model, batch), 1e-9)  # much, beside the column of 1e-6


@breaks("split_invariant")
class LosesWhatLiesFarFromZero(Good):
    def measured(self, model: Known, batch: Batch) -> Measured:
        told, X = super().measured(model, batch), batch.X
        n, mean = told.moments.n, told.moments.mean
        return replace(told, moments=MomentSums(n, mean, batch.weights @ X**2 - n * mean**2))


@breaks("places_each_row_once")
class PlacesWithoutSayingWhoOwns(Good):
    def place(self, model: Sides, batch: Batch) -> Iterator[tuple[int, Batch]]:
        for side, rows in super().place(model, batch):
            yield side, replace(rows, own=None)


@breaks("split_invariant", "places_each_row_once")
class PlacesByPosition(Good):
    def place(self, model: Sides, batch: Batch) -> Iterator[tuple[int, Batch]]:
        for side in (0, 1):
            yield side, batch.take(np.arange(len(batch)) % 2 == side)


@breaks("weight_is_repetition")
class CountsRowsInCells(Good):
    def measured(self, model: Known, batch: Batch) -> Measured:
        cells = good.by_cell(batch.X, np.ones(len(batch)))
        return replace(super().measured(model, batch), cells=cells)


@breaks("tiny_batches")
class DividesByNoRows(Good):
    def measured(self, model: Known, batch: Batch) -> Measured:
        told = super().measured(model, batch)
        with np.errstate(all="ignore"):
            return replace(told, sums=told.sums + np.float64(0.0) / (told.n_rows - 1))


@breaks("inputs_unchanged")
class CentresRowsInPlace(Good):
    def observe(self, model: Any, batch: Batch) -> Summary:
        np.subtract(batch.X, 1.0, out=batch.X)
        return super().observe(model, batch)


@breaks("inputs_unchanged")
class EmptiesItsSummary(Good):
    def advance(self, model: Any, told: Any) -> Model:
        new = super().advance(model, told)
        if isinstance(told, Measured):
            told.sums[:] = 0.0
        return new


# Fits


@breaks("told_measures_the_model", "same_bits_anywhere")
class Remembers(Good):
    calls = 0

    def observe(self, model: Any, batch: Batch) -> Summary:
        Remembers.calls += 1
        return added(super().observe(model, batch), float(Remembers.calls))


@breaks("resumes")
class StartsWarm(Good):
    def advance(self, model: Any, told: Any) -> Model:
        new: Any = super().advance(model, told)
        warm = isinstance(model, Known) and model.middle is not None
        return replace(new, middle=(new.middle + model.middle + 1) / 2) if warm else new  # type: ignore[no-any-return]

    def resume(self, model: Any) -> Any:
        return model


@breaks("carries_or_refuses")
class CarriesNothingAnywhere(Good):
    def carry(self, told: Any, old: Any, new: Any) -> Any:
        return told


@breaks("carries_or_refuses")
class LosesOnTheWayHome(Good):
    def carry(self, told: Any, old: Any, new: Any) -> Any:
        return replace(added(told, 1.0), base=new.base)


@breaks("answers_row_by_row")
class AnswersBatches(Good):
    def answer(self, model: Any, batch: Batch, want: Any) -> dict[str, Array]:
        return {name: a - a.mean() for name, a in super().answer(model, batch, want).items()}


@breaks("answers_row_by_row")
class AnswersByHyperParameters(Good):
    def answer(self, model: Any, batch: Batch, want: Any) -> dict[str, Array]:
        return {name: a * self.share for name, a in super().answer(model, batch, want).items()}


@breaks("shard_size_is_nothing")
class SamplesByShard(Good):
    def observe_shard(self, model: Any, batches: Iterable[Batch]) -> Summary:
        told = super().observe_shard(model, batches)
        return replace(told, rows=told.rows.take(slice(9))) if isinstance(told, Sample) else told


@breaks("few_rows")
class DividesByNoWeight(Good):
    def advance(self, model: Any, told: Any) -> Model:
        if isinstance(model, Look) and not told.weight:
            return Sides(float("nan"))
        return super().advance(model, told)


@breaks("rows_need_not_be_counted")
class NeedsTheNumberOfRows(Good):
    def start(self, head: Batch, n: Any) -> Model:
        return Look(min(1.0, 500 / n))


@breaks("bad_rows_change_nothing")
class SwallowsErrors(Good):
    def observe_shard(self, model: Any, batches: Iterable[Batch]) -> Summary:
        def fine() -> Iterator[Batch]:
            try:
                yield from batches
            except BadInput:
                yield Batch(np.empty((0, 3)))

        return super().observe_shard(model, fine())


# Faces


@breaks("partial_fit_measures")
class LosesTheBase(Good):
    def partial_fit(self, data: Any, y: Any = None, sample_weight: Any = None) -> Any:
        super().partial_fit(data, y)
        self.state_ = replace(self.state_, told=replace(self.state_.told, base=OTHER_BASE))
        return self


@breaks("partial_fit_measures")
class ForgetsTheOldRows(Scale):
    def partial_fit(self, data: Any, y: Any = None, sample_weight: Any = None) -> Any:
        self.__dict__.pop("state_", None)
        return super().partial_fit(data, y)


@breaks("bad_batches_change_nothing")
class CountsBeforeItChecks(Good):
    def partial_fit(self, data: Any, y: Any = None, sample_weight: Any = None) -> Any:
        self.n_batches_ = getattr(self, "n_batches_", 0) + 1
        return super().partial_fit(data, y)


@breaks("bad_batches_change_nothing")
class PredictsAnything(Good):
    def predict(self, data: Any, **options: Any) -> Array:
        try:
            return super().predict(data)
        except NacreError:
            return np.zeros(len(data))


@breaks("answering_changes_nothing")
class KeepsWhatItWasAsked(Good):
    def predict(self, data: Any, **options: Any) -> Array:
        self.asked_ = data
        return super().predict(data)


# Engines


@breaks("same_bits_as_serial", "reduce_is_the_total_of_stream")
class AddsAsTheyCome(Serial):
    def reduce(self, task: Any, newest: Any, held: Any) -> Any:
        came = list(self.stream(task, newest, held, leaves=True))
        total = came[-1][1][came[-1][0]]
        for span, nodes in reversed(came[:-1]):
            total = total + nodes[span]
        return total


@breaks("reduce_is_the_total_of_stream")
class LosesOne(Serial):
    def stream(self, *given: Any, **options: Any) -> Iterator[Any]:
        yield from list(super().stream(*given, **options))[1:]


@breaks("regroups_as_serial")
class MovesHalosIn(Serial):
    def regroup(self, place: Any, newest: Any, held: Any) -> Any:
        def owned(model: Any, batch: Batch) -> Iterator[tuple[int, Batch]]:
            for number, rows in place(model, batch):
                yield number, replace(rows, own=None)

        return super().regroup(owned, newest, held)


@breaks("answers_in_reading_order")
class NamesThemAsTheyCome(Serial):
    def stream(self, *given: Any, **options: Any) -> Iterator[Any]:
        came = list(super().stream(*given, **options))
        for (span, _), (_, nodes) in zip(came, reversed(came), strict=True):
            yield span, dict(zip([span], nodes.values(), strict=False))


@breaks("every_error_survives")
class WrapsErrors(Serial):
    def stream(self, *given: Any, **options: Any) -> Iterator[Any]:
        try:
            yield from super().stream(*given, **options)
        except NacreError as error:
            raise NacreError(got=str(error), wanted="no error", do="See above.") from error


@breaks("lowest_failure_wins")
class BeginsAtTheEnd(Serial):
    def stream(self, task: Any, newest: Any, held: Any, *, leaves: bool = False) -> Iterator[Any]:
        for block in reversed(held.blocks(newest().view, 1, leaves)):
            yield block, held.work(task, newest(), block)


@breaks("can_be_ended")
class AsksOnce(Serial):
    def stream(self, task: Any, newest: Any, held: Any, *, leaves: bool = False) -> Iterator[Any]:
        model = newest()
        return super().stream(task, lambda: model, held, leaves=leaves)


@breaks("few_are_in_flight")
class HandsOutFive(Serial):
    def stream(self, task: Any, newest: Any, held: Any, *, leaves: bool = False) -> Iterator[Any]:
        blocks = held.blocks(newest().view, 1, leaves)
        for at in range(0, len(blocks), 5):
            five = [(block, newest()) for block in blocks[at : at + 5]]
            yield from ((block, held.work(task, model, block)) for block, model in five)


@breaks("few_are_in_flight")
class DoesNotSayItsWorkers(Serial):
    n_workers = None  # type: ignore[assignment]

    def stream(self, task: Any, newest: Any, held: Any, *, leaves: bool = False) -> Iterator[Any]:
        return Serial().stream(task, newest, held, leaves=leaves)


@breaks("a_stream_has_one_cut")
class CutsOnce(Serial):
    def stream(self, task: Any, newest: Any, held: Any, *, leaves: bool = False) -> Iterator[Any]:
        for block in held.blocks(newest().view, 1, leaves):
            newest()
            yield block, held.work(task, PLAIN, block)


# The tests


def test_every_law_has_a_mutant() -> None:
    assert [name for name, mutants in [*LEARNERS.items(), *ENGINES.items()] if not mutants] == []


@pytest.mark.parametrize("name", LEARNER_LAWS)
@pytest.mark.parametrize("seed", range(3))
def test_the_good_learner_passes(name: str, seed: int) -> None:
    LEARNER_LAWS[name](GOOD, seed)


@pytest.mark.parametrize("name", ENGINE_LAWS)
def test_the_good_engine_passes(name: str) -> None:
    ENGINE_LAWS[name](Serial(), GOOD, 0)


PLANTED = [(name, case) for name, cases in LEARNERS.items() for case in cases]
BUILT = [(name, engine) for name, engines in ENGINES.items() for engine in engines]


@pytest.mark.parametrize(("name", "case"), PLANTED, ids=[f"{n}-{c.name}" for n, c in PLANTED])
def test_a_law_catches_a_learner(name: str, case: Case) -> None:
    with pytest.raises(LawBroken):
        LEARNER_LAWS[name](case, 0)


@pytest.mark.parametrize(("name", "engine"), BUILT, ids=[f"{n}-{e.__name__}" for n, e in BUILT])
def test_a_law_catches_an_engine(name: str, engine: Callable[[], Any]) -> None:
    with pytest.raises(LawBroken):
        ENGINE_LAWS[name](engine(), GOOD, 0)


def no_rows(seed: int, n: int) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize(
    "rows",
    [
        no_rows,
        lambda seed, n: None,
        lambda seed, n: (None, None),
        lambda seed, n: (np.zeros((n + 1, 2)), None),
        lambda seed, n: (np.zeros(n), None),
        lambda seed, n: (np.zeros((n, 2), int), None),
        lambda seed, n: (np.zeros((n, 2)), np.zeros(n + 1)),
    ],
)
def test_no_law_passes_by_absence(rows: Any) -> None:
    case = Case("no rows", Good(), rows)
    for name in LEARNER_LAWS:
        with pytest.raises(LawBroken, match=r"no rows|NotImplemented|TypeError"):
            LEARNER_LAWS[name](case, 0)
    for name in ENGINE_LAWS:
        with pytest.raises(LawBroken, match=r"no rows|NotImplemented|TypeError"):
            ENGINE_LAWS[name](Serial(), case, 0)
