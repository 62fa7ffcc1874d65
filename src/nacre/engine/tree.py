"""The canonical sum over a set of keyed leaves: idempotent and order-free, in bits.

Floating-point addition is not associative, so who is added to whom must not depend on who came
first. The compressed binary trie of the keys decides it: two neighbouring subtrees are joined where
their keys part, left + right. A Partial holds finished subtrees of a plan's trie; what is covered
already adds nothing. So duplicates, speculation, any order and any grouping give the same bits, and
shards that never came are known by name.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nacre.errors import MissingShards

Span = tuple[int, int]  # a subtree: the half-open range of the plan's sorted keys that it covers


def part(keys: Sequence[int], start: int, stop: int) -> int:
    """Where the subtree over keys[start:stop], two or more, parts: at the highest bit apart."""
    bit = (keys[start] ^ keys[stop - 1]).bit_length() - 1
    return bisect.bisect_left(keys, (keys[stop - 1] >> bit) << bit, start, stop)


class Trie:
    """The compressed binary trie over the keys of a plan.

    >>> trie = Trie([0, 1, 2, 3, 8])
    >>> trie.blocks(2)
    [(0, 2), (2, 4), (4, 5)]
    """

    def __init__(self, keys: Iterable[int], offset: int = 0) -> None:
        """`offset`: where the first key stands in the plan that this is a subtree of."""
        self.keys = sorted(keys)
        if any(a == b for a, b in itertools.pairwise(self.keys)) or not self.keys:
            raise ValueError("a trie needs at least one key, and every key once")
        self.offset = offset
        self.family: dict[Span, tuple[Span, Span]] = {}  # node -> (parent, sibling)
        todo = [(0, len(self.keys))]
        while todo:
            start, stop = todo.pop()
            if stop - start > 1:
                cut = part(self.keys, start, stop)
                parent, left, right = (
                    self._span(start, stop),
                    self._span(start, cut),
                    self._span(cut, stop),
                )
                self.family[left], self.family[right] = (parent, right), (parent, left)
                todo += [(start, cut), (cut, stop)]

    def _span(self, start: int, stop: int) -> Span:
        return start + self.offset, stop + self.offset

    @property
    def root(self) -> Span:
        """The span of all keys."""
        return self._span(0, len(self.keys))

    def blocks(self, most: int) -> list[Span]:
        """The largest subtrees with at most `most` keys, left to right: the units of placement."""
        found, todo = [], [(0, len(self.keys))]
        while todo:
            start, stop = todo.pop()
            if stop - start <= most:
                found.append(self._span(start, stop))
            else:
                cut = part(self.keys, start, stop)
                todo += [(cut, stop), (start, cut)]
        return found

    def below(self, span: Span) -> Trie:
        """The subtrie of a block: its spans are the plan's, so its sums can be sent as they are."""
        start, stop = span[0] - self.offset, span[1] - self.offset
        return Trie(self.keys[start:stop], span[0])


class Partial:
    """A sum that may not be complete: finished subtrees of a trie, by span."""

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        self.nodes: dict[Span, Any] = {}

    def covers(self, span: Span) -> bool:
        """Whether the rows of a subtree are in the sum already, in it or in a larger one."""
        while span not in self.nodes:
            if span not in self.trie.family:
                return False
            span = self.trie.family[span][0]
        return True

    def put(self, span: Span, summary: Any) -> None:
        """Take the sum of one subtree; siblings join as soon as both are there."""
        if span != self.trie.root and span not in self.trie.family:
            raise MissingShards(
                got=f"a sum over shards {span[0]} to {span[1] - 1}",
                wanted="a subtree of this plan",
                do="Send sums of the plan that is reduced; this one was cut from another.",
            )
        if self.covers(span):
            return
        for start, stop in list(self.nodes):
            if span[0] <= start and stop <= span[1]:
                del self.nodes[start, stop]
        while span in self.trie.family:
            parent, sibling = self.trie.family[span]
            other = self.nodes.pop(sibling, None)
            if other is None:
                break
            summary = summary + other if span < sibling else other + summary
            span = parent
        self.nodes[span] = summary

    def merge(self, nodes: Mapping[Span, Any]) -> None:
        """Take all subtrees of another partial sum of the same plan, larger ones first."""
        for span in sorted(nodes, key=lambda s: s[0] - s[1]):
            self.put(span, nodes[span])

    def missing(self) -> list[Span]:
        """The ranges of keys whose rows never came."""
        gaps, at = [], self.trie.root[0]
        for start, stop in sorted(self.nodes):
            if start > at:
                gaps.append((at, start))
            at = stop
        return [*gaps, (at, self.trie.root[1])] if at < self.trie.root[1] else gaps

    def total(self) -> Any:
        """The whole sum; raises MissingShards, which names the shards, where it is not complete."""
        gaps = self.missing()
        if gaps or not self.nodes:
            n = len(self.trie.keys)
            raise MissingShards(
                got=f"{n - sum(stop - start for start, stop in gaps)} of {n} shards",
                wanted="all",
                do=f"Run shards {gaps[:3]} again (first, and one past the last, in key order).",
            )
        return self.nodes[self.trie.root]


def fold(leaves: Mapping[int, Any]) -> Any:
    """The canonical sum of key -> summary, at least one: the total of a Partial with them all."""
    trie = Trie(leaves)
    whole = Partial(trie)
    for at, key in enumerate(trie.keys):
        whole.put((at, at + 1), leaves[key])
    return whole.total()
