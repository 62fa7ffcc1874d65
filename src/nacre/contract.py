"""THE IDEA: a model is a sum of what its rows say.

The sum runs over keyed leaves: shards in space, batches in time.

    rows -> observe -> Summary + Summary + ... -> advance -> Model -> observe ...

A learner is four pure functions (`start`, `observe`, `advance`, `answer`) of its hyper-parameters.
An engine says where the work runs. A model says what to look for next: when `advance` returns a
model whose base stands still, the fit is done and the last summary measured the model that is kept.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, cast

import numpy as np

from nacre import canon
from nacre.errors import CannotForget, NeedsRefit, OtherBase
from nacre.kinds import COUNT, FIRST, SUM, Kind, Rows, no_rows, of
from nacre.kinds import Array as Array

Grade = Literal["bits", "rounding", "bounded", "heuristic"]


class Run(NamedTuple):
    """The ids of consecutive rows of one origin, from `first` on; spelled out on demand."""

    origin: int
    first: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows in memory.

    Attributes:
        X: (n, d) float32 or float64: an array; CSR or Records for learners that take them.
        names: who the rows are: a Run, or (n,) records (origin, position), unique for ever.
        weight: (n,) float64, at least 0; None counts each row once.
        y: (n,) or None.
        own: after a regroup (n,) bool, False for a halo copy; None: all rows are its own.
        n_skipped: bad rows that were left out of it.
        bad_rows: the first of them: ids, and the index of the bad column.
        where: source, shard and first row: for messages, never for arithmetic.
    """

    X: Array
    names: Run | Array = Run(0, 0)
    weight: Array | None = None
    y: Array | None = None
    own: Array | None = None
    n_skipped: int = 0
    bad_rows: Rows = no_rows(np.empty(0, np.int64))
    where: str = ""

    def __len__(self) -> int:
        return int(self.X.shape[0])

    @property
    def ids(self) -> Array:
        """(n,) records (origin, position)."""
        return self.ids_of(slice(None))

    def ids_of(self, at: Array) -> Array:
        """The ids of the rows at the positions or under the mask `at`."""
        if not isinstance(self.names, Run):
            return self.names[at]
        origin, positions = canon.placed(self.names, len(self))
        return canon.ids(origin, positions[at])

    def hash01(self, purpose: str) -> Array:
        """(n,) float64 in [0, 1): each row's own random number for a purpose."""
        return canon.hash01(*canon.placed(self.names, len(self)), purpose)

    def take(self, at: Array) -> Batch:
        """The rows at the positions or under the mask `at`; what was skipped stays told."""
        given = ((f, getattr(self, f)) for f in ("weight", "y", "own"))
        some: dict[str, Any] = {f: values[at] for f, values in given if values is not None}
        return replace(self, X=self.X[at], names=self.ids_of(at), **some)

    @property
    def weights(self) -> Array:
        """(n,) float64, ones where no weight is given."""
        return np.ones(len(self)) if self.weight is None else self.weight

    @property
    def counted(self) -> tuple[int, float]:
        """Number and total weight of its own rows."""
        mine = self.weights if self.own is None else self.weights[self.own]
        return len(mine), float(mine.sum())


@dataclass(frozen=True)
class View:
    """What of the data the next pass reads, and how it lies.

    Attributes:
        part: (a, b, purpose): only rows with a <= hash01(id, purpose) < b; None: all.
        layout: "" as the plan cut it, else what `place` cuts by; regrouped when it changes.
        walks: None, or K equal runs of the shards in key order, each walked by one replica.
    """

    part: tuple[float, float, str] | None = None
    layout: str = ""
    walks: int | None = None


WHOLE = View()


class Model:
    """What is known: a frozen dataclass of arrays, Models and Tables.

    `frame` names the fields that `observe`, `place` and `view` read: they read nothing else.
    `answer` reads the model only. A `view` that changes between passes is a field with a default.
    A model whose pass is the last of a fit may say so, `last_look = True`: engines keep no rows.
    """

    frame: ClassVar[tuple[str, ...]] = ()

    @property
    def view(self) -> View:
        """What the next pass reads."""
        return WHOLE

    @property
    def can_answer(self) -> bool:
        """Whether `answer` can be asked of it; seeds and samples cannot answer."""
        return True

    @property
    def recent(self) -> tuple[str, ...]:
        """Bases of earlier models whose summaries `advance` still takes (asynchronous learners)."""
        return ()

    @functools.cached_property
    def base(self) -> str:
        """Hash of type, view and frame: only summaries observed against it can be added."""
        return canon.digest(type(self).__name__, self.view, [getattr(self, f) for f in self.frame])

    def aside(self) -> dict[str, Any]:
        """Name -> default of each field outside the frame."""
        inside = (*self.frame, "view")
        return {f.name: f.default for f in fields(cast(Any, self)) if f.name not in inside}

    def framed(self) -> Self:
        """The model with all outside the frame None, a nested model framed: what engines carry."""
        values = ((f, getattr(self, f)) for f in self.aside())
        less: Any = {f: v.framed() if isinstance(v, Model) else None for f, v in values}
        return cast(Self, replace(cast(Any, self), **less))


@dataclass(frozen=True, eq=False)
class Everything(Model):
    """The whole view, for a pass whose task knows what it looks for."""


EVERYTHING = Everything()


@dataclass(frozen=True, eq=False, kw_only=True)
class Summary:
    """What some rows say. A subclass adds fields marked with kinds: `+` and `scale` follow.

    Values are born canonical: rows by id, keys sorted, dtypes the same for no rows as for many.

    Attributes:
        base: of the model that it was observed against.
        weight: sum of the weights of its rows.
        n_rows: rows read, however they are weighted or scaled later.
        n_skipped: bad rows left out; `bad_rows` names the first of them.
    """

    base: str
    weight: float = of(SUM)
    n_rows: int = of(COUNT)
    n_skipped: int = of(COUNT)
    bad_rows: Rows = of(FIRST)

    @classmethod
    def told(cls, model: Model, batch: Batch, **values: Any) -> Self:
        """The summary of a batch; what every summary holds is filled in here."""
        n, weight = batch.counted
        skipped: dict[str, Any] = {"n_skipped": batch.n_skipped, "bad_rows": batch.bad_rows}
        return cls(base=model.base, weight=weight, n_rows=n, **skipped, **values)

    @classmethod
    @functools.cache
    def kinds(cls) -> Mapping[str, Kind]:
        """Field name -> kind, for all fields that join."""
        return {f.name: f.metadata["kind"] for f in fields(cls) if f.name != "base"}

    def __add__(self, other: Self) -> Self:
        if type(self) is not type(other) or self.base != other.base:
            raise OtherBase(
                got=f"{type(other).__name__} of base {other.base[:8]}",
                wanted=f"{type(self).__name__} of base {self.base[:8]}",
                do="Observe all rows against one model, then add.",
            )
        joined = {f: k.join(getattr(self, f), getattr(other, f)) for f, k in self.kinds().items()}
        return type(self)(base=self.base, **joined)

    def scale(self, factor: float) -> Self:
        """The same summary with every row counted `factor` times."""
        if factor == 1:
            return self
        for name, kind in self.kinds().items():
            if kind.scale is None:
                raise CannotForget(
                    got=f"factor {factor:g} for {type(self).__name__}.{name}, of kind {kind.name}",
                    wanted="kinds that scale",
                    do="Forget by dropping leaves (window, erase), not by a factor.",
                )
        kinds = self.kinds().items()
        return replace(self, **{f: k.scale(getattr(self, f), factor) for f, k in kinds if k.scale})


@dataclass(frozen=True, eq=False)
class Schema:
    """The columns.

    Attributes:
        names: None where none were given.
        n_columns: how many there are.
        dtype: the one that learning sees.
        units: of records what each column holds: "" numbers, "bool", "text", or the unit that its
            times are counted in: "s", "ms", "us", "ns"; None where all are plain numbers.
        categories: of each column of texts, where the source tells them.
    """

    names: tuple[str, ...] | None
    n_columns: int
    dtype: str
    units: tuple[str, ...] | None = None
    categories: tuple[tuple[str, ...] | None, ...] | None = None


@dataclass(frozen=True, eq=False)
class State:
    """All that is fitted and all that is stored.

    `told` measured `model`: told.base == model.base, always. A fit that was stopped early has
    `complete` False, and the model of its last complete pass.
    """

    schema: Schema
    model: Any
    told: Any
    complete: bool = True

    @functools.cached_property
    def digest(self) -> str:
        """Hash of every field of model and told: two fits agree when their digests do."""
        return canon.digest(self.model, self.told)


class Learner(ABC):
    """Hyper-parameters and four pure functions; the engine carries only the bare hyper-parameters.

    Attributes:
        grade: "space" (distributed = one machine), "time" (absorbed = refit), "erasure" (erased =
            never seen) -> bits | rounding | bounded | heuristic. The laws test at that grade.
        answers: what `answer` can be asked for, by method: "predict", "transform".
        takes: what it is given beside rows of finite numbers: "nan" (which is a bad value
            otherwise), "sparse" (CSR rows), "records" (columns of their own types).
    """

    grade: ClassVar[Mapping[str, Grade]]
    answers: ClassVar[Sequence[str]] = ()
    takes: ClassVar[Sequence[str]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "advance" in cls.__dict__:
            cls.advance = _checked(cls.advance)  # type: ignore[method-assign]  # no learner can forget it

    @abstractmethod
    def start(self, head: Batch, n: int | None) -> Model:
        """The first model: head = the plan's first 1,024 rows by key, n = all its rows or None."""

    @abstractmethod
    def observe(self, model: Any, batch: Batch) -> Summary:
        """What the rows say to a model: reads frame and batch, not self; changes neither."""

    @abstractmethod
    def advance(self, model: Any, told: Any) -> Model:
        """The next model; its base stands still when the fit is done."""

    @abstractmethod
    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """One column (n, ...) for each name in `want`. Reads the model only."""

    def observe_shard(self, model: Any, batches: Iterable[Batch]) -> Summary:
        """The left sum of `observe`; a learner that walks its shard (local SGD) overrides it."""
        return functools.reduce(lambda a, b: a + b, (self.observe(model, b) for b in batches))

    def place(self, model: Any, batch: Batch) -> Iterator[tuple[int, Batch]]:
        """(group, its rows) under a layout: own rows, halo copies (own False), derived rows."""
        raise NeedsRefit(got="a view with a layout", wanted="`place`", do="Write `place`.")

    def resume(self, model: Any) -> Any:
        """A fitted model to learn on from: what lies outside its frame at its default, if any."""
        return replace(model, **{f: v for f, v in model.aside().items() if v is not MISSING})

    def carry(self, told: Any, old: Any, new: Any) -> Summary:
        """`told`, observed against `old`, expressed against `new`."""
        if old.base == new.base:
            return cast(Summary, told)
        raise NeedsRefit(
            got=f"a summary of base {old.base[:8]} for base {new.base[:8]}",
            wanted="a learner that can carry it over",
            do="Fit again on all rows.",
        )


def _checked(advance: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(advance)
    def checked(self: Learner, model: Any, told: Any) -> Any:
        if told.base != model.base and told.base not in model.recent:
            raise OtherBase(
                got=f"a summary of base {told.base[:8]}",
                wanted=f"base {model.base[:8]} of the model",
                do="Observe against the model that is advanced.",
            )
        return advance(self, model, told)

    return checked


class Shard(Protocol):
    """Consecutive rows of one batch, named by a key."""

    @property
    def key(self) -> int:
        """(event time, hash of the batch's id, number in the batch) as one integer."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def where(self) -> str:
        """Source and rows, for messages."""

    def read(self) -> Iterator[Batch]:
        """Its rows, in order, in batches; one empty batch where it has none."""


class Plan(Protocol):
    """How the data is cut: by the data alone, never by workers or memory."""

    @property
    def shards(self) -> Sequence[Any]:
        """The shards, sorted by key."""

    @property
    def schema(self) -> Schema:
        """Of the columns."""

    @property
    def n_rows(self) -> int | None:
        """In all, or None where that is not known."""

    @property
    def reading_order(self) -> Sequence[int]:
        """The positions of the shards as a reader of the data meets them."""

    def head(self) -> Batch:
        """The first 1,024 rows in key order, across batches."""


Task = Callable[[Any, Iterable[Batch]], Any]


class Engine(Protocol):
    """Where the work runs."""

    def hold(self, plan: Any) -> Any:
        """Make the shards of a plan ready for passes; decoded rows are kept while they fit."""

    def stream(
        self, task: Task, newest: Callable[[], Any], held: Any, *, leaves: bool = False
    ) -> Iterator[tuple[Any, dict[Any, Any]]]:
        """(span, {span: result}) of each block of the trie as it ends; of each leaf if `leaves`.

        `newest()` is asked for the model when a block is handed out, at most two blocks per worker
        ahead. What it raises ends the pass: what is under way is awaited and dropped.
        """

    def reduce(self, task: Task, newest: Callable[[], Any], held: Any) -> Any:
        """The total of `stream`'s Partial; `newest` gives one model all the while."""

    def regroup(self, place: Any, newest: Callable[[], Any], held: Any) -> Any:
        """The shuffle: all rows as `place` says.

        A group is a shard: its number is the key, its rows are in id order.
        """

    def close(self) -> None:
        """Let go of workers and memory."""
