"""What the engines of one machine share: how blocks are handed out, failures ordered, rows
regrouped.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nacre import forms
from nacre.contract import EVERYTHING, Batch, Model, Task, View
from nacre.engine.tree import Partial, Span
from nacre.errors import LearnerFailed
from nacre.kinds import FIRST, Rows, no_rows

NO_ROWS = no_rows(np.empty(0, np.int64))
AHEAD = 2  # blocks handed out per worker: one being worked on, one waiting


def handed_out(
    blocks: list[Span], submit: Callable[[Span], Future[Any]], most: int
) -> Iterator[tuple[Span, Any]]:
    """(block, result) as they finish, at most `most` handed out at once, in the order given. Of
    several failures that of the lowest block is raised.

    After a failure no block behind it is started; those before it are, because their failure would
    come first.
    """
    todo = deque(blocks)
    running: dict[Future[Any], Span] = {}
    failed: dict[Span, BaseException] = {}
    try:
        while True:
            while todo and len(running) < most:
                block = todo.popleft()
                if not failed or block < min(failed):
                    running[submit(block)] = block
            if not running:
                break
            done = wait(running, return_when=FIRST_COMPLETED).done
            for future in sorted(done, key=running.__getitem__):
                block = running.pop(future)
                if future.cancelled():
                    continue
                error = future.exception()
                if error is not None:
                    failed[block] = error
                    for later in [f for f, other in running.items() if other > block]:
                        later.cancel()
                elif not failed:
                    yield block, future.result()
    finally:
        for future in running:
            future.cancel()
        wait(running)
    if failed:
        error = failed[min(failed)]
        try:
            raise error
        finally:  # its traceback has this frame: a circle would keep all rows that are held
            del error, failed, future, done


def side_by_side(blocks: list[Span], n: int) -> list[Span]:
    """The blocks in the order in which n workers that each walk a run of them come to them.

    So a worker reads on where it stopped, and no two decode one row group of a file.

    >>> side_by_side([(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)], 2)
    [(0, 2), (6, 8), (2, 4), (8, 9), (4, 6)]
    """
    length = max(1, -(-len(blocks) // n))
    runs = [blocks[start : start + length] for start in range(0, len(blocks), length)]
    return [run[i] for i in range(length) for run in runs if i < len(run)]


class Streaming(ABC):
    """An engine that has `stream` and memory for shards; the rest follows.

    `shares_memory`: tasks may write into arrays of the caller.
    """

    shares_memory = False

    @abstractmethod
    def stream(
        self, task: Task, newest: Callable[[], Any], held: Any, *, leaves: bool = False
    ) -> Iterator[tuple[Span, dict[Span, Any]]]:
        """(span, {span: result}) of each block as it finishes."""

    def differing(self) -> dict[int, str]:
        """Worker -> its kernel class, where that is not this process's."""
        return {}

    @abstractmethod
    def hold_shards(self, shards: list[Any]) -> Any:
        """Hold shards that are in memory."""

    def hold(self, plan: Any) -> Any:
        """Hold the shards of a plan."""
        return self.hold_shards(list(plan.shards))

    def reduce(self, task: Task, newest: Callable[[], Any], held: Any) -> Any:
        """The canonical sum over all leaves."""
        partial = Partial(held.leaves(newest().view)[0])
        for _, nodes in self.stream(task, newest, held):
            partial.merge(nodes)
        return partial.total()

    def regroup(self, place: Any, newest: Callable[[], Any], held: Any) -> Any:
        """Rows as `place` says; a group is a shard, its key its number, its rows in id order.

        All rows are placed: a part of them is chosen later, so that it may grow in the same groups.
        They lie in this machine's memory: a shuffle beyond it is the task of a cluster engine.
        """
        model = newest()

        def whole() -> Model:
            newest()
            return EVERYTHING

        parts = dict(self.stream(Place(place, model), whole, held, leaves=True))
        placed = [part for span in sorted(parts) for part in parts[span].values()]
        return self.hold_shards(list(grouped(placed, model.view.layout)))


def cut_as(view: View, model: Model) -> Model:
    """The model, where its view cuts rows as `view` does: the blocks of a stream are cut once."""
    if (model.view.layout, model.view.walks) != (view.layout, view.walks):
        raise LearnerFailed(
            got=f"{model.view} in a stream cut for {view}",
            wanted="one layout and one number of walks in a stream",
            do="Move them between streams, when a pass has ended.",
        )
    return model


class Local(Streaming):
    """An engine of one machine: a subclass says how a block of work is submitted."""

    n_workers: int
    ahead = AHEAD

    @abstractmethod
    def submit(self, task: Task, model: Any, held: Any, block: Span) -> Future[Any]:
        """Start the work on a block; the future gives {span: result}."""

    def stream(
        self, task: Task, newest: Callable[[], Any], held: Any, *, leaves: bool = False
    ) -> Iterator[tuple[Span, dict[Span, Any]]]:
        """(span, {span: result}) of each block as it finishes."""
        view = newest().view

        def submit(block: Span) -> Future[Any]:
            return self.submit(task, cut_as(view, newest()), held, block)

        blocks = side_by_side(held.blocks(view, self.n_workers, leaves), self.n_workers)
        yield from handed_out(blocks, submit, self.ahead * self.n_workers)


@dataclass(frozen=True)
class Placed:
    """The rows of one leaf by group, what was skipped, and a batch of none for their shape."""

    groups: dict[int, list[Batch]]
    n_skipped: int
    bad_rows: Rows
    none: Batch


@dataclass(frozen=True)
class Place:
    """The task of a regroup. Rows are sorted at the end, so the order of arrival is nothing."""

    place: Any
    model: Any

    def __call__(self, everything: Model, batches: Iterable[Batch]) -> Placed:
        """The rows of a leaf."""
        groups: dict[int, list[Batch]] = {}
        n_skipped, bad_rows, none = 0, NO_ROWS, None
        for batch in batches:
            none = batch.take(slice(0, 0))
            n_skipped, bad_rows = n_skipped + batch.n_skipped, FIRST.join(bad_rows, batch.bad_rows)
            for number, rows in self.place(self.model, batch):
                groups.setdefault(int(number), []).append(rows)
        assert none is not None, "a leaf has at least one batch"
        return Placed(groups, n_skipped, bad_rows, replace(none, n_skipped=0, bad_rows=NO_ROWS))


@dataclass(frozen=True)
class Group:
    """A shard made by `place`: looked at whole, because its rows are neighbours."""

    key: int
    batch: Batch
    where: str

    @property
    def rows(self) -> int:
        """Number of rows, halo copies included."""
        return len(self.batch)

    def read(self) -> Iterator[Batch]:
        """One batch."""
        yield self.batch


def grouped(parts: list[Placed], layout: str) -> list[Group]:
    """The groups by number, each in id order; the first one tells what was skipped anywhere."""
    numbers = sorted({number for part in parts for number in part.groups}) or [0]
    groups = []
    for number in numbers:
        rows = [batch for part in parts for batch in part.groups.get(number, [])] or [parts[0].none]
        groups.append(Group(number, _joined(rows), f"group {number} of {layout}"))
    told = replace(
        groups[0].batch,
        n_skipped=sum(part.n_skipped for part in parts),
        bad_rows=functools.reduce(FIRST.join, (part.bad_rows for part in parts)),
    )
    return [replace(groups[0], batch=told), *groups[1:]]


def _joined(batches: list[Batch]) -> Batch:
    ids = np.concatenate([b.ids for b in batches])
    order = np.lexsort((ids["position"], ids["origin"]))

    def column(name: str, otherwise: Callable[[Batch], Any]) -> Any:
        values = [getattr(b, name) for b in batches]
        if all(v is None for v in values):
            return None
        full = [otherwise(b) if v is None else v for b, v in zip(batches, values, strict=True)]
        return np.concatenate(full)[order]

    return Batch(
        forms.joined([b.X for b in batches])[order],
        ids[order],
        column("weight", lambda b: np.ones(len(b))),
        column("y", lambda b: np.full(len(b), np.nan)),
        column("own", lambda b: np.ones(len(b), bool)),
    )
