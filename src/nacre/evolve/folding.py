"""Folding: sums of old batches in their place, so that the leaves do not grow without end.

Whole subtrees are folded, so the sum of everything keeps its bits; without event times old leaves
lie scattered in the trie, and are folded into one at `rounding`. Values only: where the bytes of a
folded sum go, and when those of its leaves are removed, is the store's business.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nacre.engine.tree import part
from nacre.errors import BadParameter
from nacre.evolve.fold import Fold
from nacre.evolve.leaves import Leaves
from nacre.evolve.spans import span, spelled
from nacre.settings import in_bytes
from nacre.store.ledger import Leaf, Lies

_BATCHES = re.compile(r"(\d+) *batch(es)?", re.ASCII)


@dataclass(frozen=True)
class Retain:
    """How many leaves are kept apart: the newest, up to an amount.

    Attributes:
        unit: "all", "bytes", "batches", or "span" of event time (of absorbing, where there is no
            event time).
        amount: of it; a span in ns.

    >>> Retain.of("1000 batches"), Retain.of("10GB")
    (Retain(unit='batches', amount=1000), Retain(unit='bytes', amount=10000000000))
    """

    unit: Literal["all", "bytes", "batches", "span"] = "all"
    amount: int = 0

    @classmethod
    def of(cls, told: str | int | Retain | None) -> Retain:
        """What a text says: "all" or None, "10GB", "1000 batches", "365d"; a number is bytes.

        Raises:
            BadParameter: none of these.
        """
        if isinstance(told, Retain):
            return told
        if told is None or told == "all":
            return cls()
        text = told.strip() if isinstance(told, str) else ""
        if (found := _BATCHES.fullmatch(text)) and int(found[1]):
            return cls("batches", int(found[1]))
        of_number = isinstance(told, int) and told is not True
        if text or of_number:
            with suppress(BadParameter):
                return cls("bytes", in_bytes(told) or 0)
            with suppress(BadParameter):
                return cls("span", span(text))
        raise BadParameter(
            got=f"retain={told!r}",
            wanted='"all", a size, a number of batches, or a span of time',
            do='Write "10GB", "1000 batches" or "365d".',
        )

    def __str__(self) -> str:
        texts = {"batches": f"{self.amount} batches", "bytes": f"{self.amount}B"}
        return texts.get(self.unit) or (spelled(self.amount) if self.unit == "span" else "all")


def foldable(leaves: Leaves, retain: Retain) -> list[Leaves]:
    """What to fold, each into one sum: two leaves or more, all older than what is retained.

    The largest subtrees of the trie that are all old; where there are no event times, all old ones
    at once.
    """
    old = _old(leaves, retain)
    if not leaves.timed:
        return [leaves.take(old)] if old.sum() > 1 else []
    return [leaves.run(*span_) for span_ in _subtrees(leaves, int(np.argmin([*old, False])))]


def _old(leaves: Leaves, retain: Retain) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n,) bool: whether each is older than what is retained; a run of keys if there are times."""
    n = len(leaves)
    old = np.zeros(n, bool)
    if retain.unit == "all" or not n:
        return old
    if retain.unit == "span":
        return np.asarray(leaves.clock <= leaves.clock.max() - retain.amount, bool)
    order = np.arange(n) if leaves.timed else leaves.order
    sizes = leaves.n_bytes if retain.unit == "bytes" else np.ones(n, np.int64)
    kept = np.cumsum(sizes[order][::-1])[::-1]
    old[order[kept > retain.amount]] = True
    return old


def _subtrees(leaves: Leaves, n_old: int) -> list[tuple[int, int]]:
    """The largest subtrees of at least two leaves among the first `n_old`."""
    found, todo = [], [(0, len(leaves))]
    while todo:
        start, stop = todo.pop()
        if stop <= n_old and stop - start > 1:
            found.append((start, stop))
        elif start < n_old and stop - start > 1:
            cut = part(leaves.keys, start, stop)
            todo += [(cut, stop), (start, cut)]
    return found


def fold_of(some: Leaves, lies: Lies) -> Fold:
    """One of what `foldable` gave, as a fold whose sum, `some.total()`, lies there."""
    covered, units = some.covered, some.units
    lasts = [unit.last if isinstance(unit, Fold) else unit.key for unit in units]
    return Fold(
        first_key=f"{some.keys[0]:040x}",
        last_key=f"{max(lasts):040x}",
        whole=some.timed,
        first=covered.first or 0,
        n_batches=covered.n_batches,
        n_rows=covered.n_rows,
        n_skipped=sum(unit.n_skipped for unit in units),
        absorbed_first=covered.absorbed_first or 0,
        absorbed=covered.absorbed or 0,
        lies=lies,
    )


def members(some: Leaves) -> list[Leaf]:
    """The leaves in it that are no folds: their lines stay in the ledger, without `lies`."""
    return [unit for unit in some.units if isinstance(unit, Leaf)]
