"""Tiny learners and tasks in a module that a worker can import."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nacre.contract import Array, Batch, Learner, Model, Summary, View
from nacre.errors import NacreError
from nacre.kinds import LEAST, MOMENTS, SUM, MomentSums, Rows, of

GRADE = {"space": "bits", "time": "heuristic", "erasure": "heuristic"}


@dataclass(frozen=True, eq=False)
class Centre(Model):
    """A guess of the mean, (d,) float64; `layout` as in View; what was seen of the halves."""

    at: Array
    layout: str = ""
    halves: Spread | None = None
    frame = ("at", "layout")

    @property
    def view(self) -> View:
        return View(layout=self.layout)


@dataclass(frozen=True, eq=False, kw_only=True)
class Spread(Summary):
    """Moments, distance to the centre, and a sample."""

    moments: MomentSums = of(MOMENTS)
    distance: float = of(SUM)
    sample: Rows = of(LEAST(8))


@dataclass(eq=False)
class Mean(Learner):
    """The mean and the spread about it, in two passes."""

    seed: int = 0
    grade = GRADE  # type: ignore[assignment]  # of str

    def start(self, head: Batch, n: int | None) -> Centre:
        return Centre(np.zeros(head.X.shape[1]))

    def observe(self, model: Centre, batch: Batch) -> Spread:
        X = batch.X.astype(np.float64)
        mean = X.mean(0) if len(X) else np.zeros(X.shape[1])
        chance = batch.hash01("mean sample 0")
        least = np.argsort(chance, kind="stable")[:8]
        return Spread.told(
            model,
            batch,
            moments=MomentSums(float(len(X)), mean, ((X - mean) ** 2).sum(0)),
            distance=float(((X - model.at) ** 2).sum()),
            sample=Rows(batch.ids[least], (chance[least], batch.X[least])),
        )

    def advance(self, model: Centre, told: Spread) -> Centre:
        return Centre(told.moments.mean)

    def answer(self, model: Centre, batch: Batch, want: Any) -> dict[str, Array]:
        return {}


class Halves(Mean):
    """Places rows by the side of the mean on which they lie; near ones are halo to the other."""

    def advance(self, model: Centre, told: Spread) -> Centre:
        if model.layout:
            return Centre(model.at, "", told)
        layout = "" if model.halves else "halves"
        return Centre(told.moments.mean, layout, model.halves)

    def place(self, model: Centre, batch: Batch) -> Iterator[tuple[int, Batch]]:
        apart = batch.X[:, 0] - model.at[0]
        for side, sign in ((3, -1), (7, 1)):
            rows = batch.take(apart * sign > -0.1)
            own = rows.X[:, 0] * sign >= model.at[0] * sign
            yield side, Batch(rows.X, rows.ids, rows.weight, rows.y, own)


class Closed(Exception):
    """An error that a pickle loses."""

    def __init__(self) -> None:
        super().__init__("closed", "for good")


@dataclass(frozen=True)
class Failing:
    """Raises an error at the rows given, after a while."""

    error: BaseException | type[Closed]
    rows: tuple[int, ...]
    seconds: float = 0.0

    def __call__(self, model: Any, batches: Iterable[Batch]) -> int:
        for batch in batches:
            first = int(batch.ids["position"][0])
            if first in self.rows:
                time.sleep(self.seconds)
                if isinstance(self.error, NacreError):
                    raise type(self.error)(**{**self.error.fields(), "got": f"row {first}"})
                raise self.error
        return 0


@dataclass(frozen=True)
class Dying:
    """Observes, but at one row kills its worker first; `marks` has a file for each time."""

    learner: Mean
    row: int
    times: int
    marks: Path
    signal: int = signal.SIGKILL

    def __call__(self, model: Any, batches: Iterable[Batch]) -> Any:
        rows = list(batches)
        deaths = len(list(self.marks.iterdir()))
        if int(rows[0].ids["position"][0]) == self.row and deaths < self.times:
            (self.marks / str(deaths)).touch()
            os.kill(os.getpid(), self.signal)
        return self.learner.observe_shard(model, rows)


@dataclass(frozen=True)
class Surroundings:
    """Tells who works, and where: see `tests/engine/test_processes.py`."""

    seconds: float = 0.0

    def __call__(self, model: Any, batches: Iterable[Batch]) -> dict[str, Any]:
        batch = next(iter(batches))
        time.sleep(self.seconds)
        maps = Path("/proc/self/maps").read_text().splitlines()
        return {
            "pid": os.getpid(),
            "writeable": batch.X.flags.writeable,
            "is worker": os.environ.get("NACRE_WORKER"),
            "threads": os.environ.get("OPENBLAS_NUM_THREADS"),
            "input": os.readlink("/proc/self/fd/0"),
            "modules": sorted({name.partition(".")[0] for name in sys.modules}),
            "shared": sum(line.endswith("(deleted)") for line in maps),
        }


@dataclass(frozen=True)
class Unsendable:
    """Gives back what does not pickle."""

    def __call__(self, model: Any, batches: Iterable[Batch]) -> Any:
        list(batches)
        return lambda: None
