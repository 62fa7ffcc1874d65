"""One sum for each batch, from any engine: its shards are a subtree of the plan's trie.

The keys of a batch's shards have event time and hash of the id in common, so the trie parts between
batches before it parts within one, and the sum over all rows is the fold of the batches' sums.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nacre.canon import hash64, unpack
from nacre.contract import Engine, Task, View
from nacre.engine.held import Held
from nacre.engine.tree import Partial, Span, Trie
from nacre.errors import BadParameter


@dataclass(frozen=True, eq=False)
class Batches:
    """Where the batches of a plan lie in its trie.

    Attributes:
        trie: over the keys of the shards.
        names: ids of the batches, in key order.
        spans: the shards of each.
    """

    trie: Trie
    names: list[str]
    spans: list[Span]

    @classmethod
    def of(cls, plan: Any) -> Batches:
        """The batches of a plan that has ids: those that have shards in it."""
        known = {hash64(name): name for name in plan.ids}
        keys = [shard.key for shard in plan.shards]
        origins = [unpack(key)[1] for key in keys]
        starts = [i for i in range(len(keys)) if not i or origins[i] != origins[i - 1]]
        spans = list(itertools.pairwise([*starts, len(keys)]))
        return cls(Trie(keys), [known[origins[start]] for start in starts], spans)


class Gathered:
    """The sums of batches in one pass, each until it is whole: then it is handed out.

    >>> shards = Trie([1, 2, 9])
    >>> found = Gathered(Batches(shards, ["a", "b"], [(0, 2), (2, 3)]))
    >>> [*found.put({(1, 2): 20}), *found.put({(2, 3): 300}), *found.put({(0, 1): 1})]
    [(1, 300), (0, 21)]
    """

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.starts = [start for start, _ in batches.spans]
        self.open: dict[int, Partial] = {}
        self.done: set[int] = set()

    def put(self, nodes: Mapping[Span, Any]) -> Iterator[tuple[int, Any]]:
        """Take sums of subtrees, none of them larger than a batch: number and sum of each batch
        that is whole now. What came before adds nothing.

        Raises:
            MissingShards: one is no subtree of a batch.
        """
        for span in sorted(nodes):
            at = bisect.bisect_right(self.starts, span[0]) - 1
            if at in self.done:
                continue
            partial = self.open.pop(at, None) or self._nothing(at)
            partial.put(span, nodes[span])
            if partial.covers(self.batches.spans[at]):
                self.done.add(at)
                yield at, partial.total()
            else:
                self.open[at] = partial

    def check(self) -> None:
        """Raise MissingShards where a batch is not whole."""
        for at in range(len(self.starts)):
            if at not in self.done:
                self.open.get(at, self._nothing(at)).total()

    def _nothing(self, at: int) -> Partial:
        return Partial(self.batches.trie.below(self.batches.spans[at]))


def sums(
    engine: Engine, task: Task, newest: Callable[[], Any], held: Any, batches: Batches
) -> Iterator[tuple[int, Any]]:
    """One pass: number and sum of each batch as it is whole; only those that are not are kept.

    Blocks of our own engines end where batches do, so that shards are added where they are worked
    on; from an engine of others each shard comes alone.

    Raises:
        BadParameter: the model wants rows to lie otherwise than the plan has cut them.
    """
    view = newest().view
    if not as_cut(view):
        raise BadParameter(
            got=f"sums of batches under {view}",
            wanted="a model that looks at rows as the plan cut them",
            do="Keep one running summary of it, not a leaf for each batch.",
        )
    ours = isinstance(held, Held)
    apart, found = held.cut_at(batches.spans) if ours else held, Gathered(batches)
    for _, nodes in engine.stream(task, newest, apart, leaves=not ours):
        yield from found.put(nodes)
    found.check()


def as_cut(view: View) -> bool:
    """Whether a view leaves rows as the plan has cut them, shard by shard."""
    return not view.layout and view.walks is None


class Sink(Protocol):
    """Who is told what each batch said."""

    def begins(self, base: str) -> None:
        """Told before a pass, against which base is observed."""

    def take(self, name: str, summary: Any) -> None:
        """Told of each batch, once, as it is whole."""

    def ends(self) -> None:
        """Told when a pass was complete."""


class ByBatch:
    """An engine that tells a sink what each batch says, in every pass over all rows; its sums are
    its own.
    """

    def __init__(self, engine: Any, batches: Batches, sink: Sink) -> None:
        self.engine, self.batches, self.sink = engine, batches, sink

    def hold(self, plan: Any) -> Any:
        """Make the shards of the plan ready."""
        return self.engine.hold(plan)

    def stream(
        self, task: Task, newest: Callable[[], Any], held: Any, *, leaves: bool = False
    ) -> Iterator[tuple[Any, dict[Any, Any]]]:
        """(span, {span: result}) of each block as it finishes."""
        found: Iterator[Any] = self.engine.stream(task, newest, held, leaves=leaves)
        return found

    def reduce(self, task: Task, newest: Callable[[], Any], held: Any) -> Any:
        """The canonical sum over all leaves, of a pass over all rows by way of the batches'."""
        model = newest()
        if not as_cut(model.view) or model.view.part is not None:
            return self.engine.reduce(task, newest, held)
        self.sink.begins(model.base)
        whole = Partial(self.batches.trie)
        for at, summary in sums(self.engine, task, newest, held, self.batches):
            self.sink.take(self.batches.names[at], summary)
            whole.put(self.batches.spans[at], summary)
        self.sink.ends()
        return whole.total()

    def regroup(self, place: Any, newest: Callable[[], Any], held: Any) -> Any:
        """Rows as `place` says."""
        return self.engine.regroup(place, newest, held)

    def close(self) -> None:
        """Let go of workers and memory."""
        self.engine.close()
