"""The kinds of a summary's fields: how two values of a field are joined, and how one is scaled.

A learner marks each field with its kind and writes neither `+` nor `scale`. The law kit reads from
the kind which laws the field owes: an idempotent kind counts no row twice, a kind without `scale`
refuses to be forgotten by a factor, an exact kind has the same bits in any grouping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nacre.canon import ID, digest, passing

Array = Any  # (n, ...) ndarray, CSR or Arrow records, by rows; docstrings state shape and dtype


@dataclass(frozen=True, eq=False)
class MomentSums:
    """What MOMENTS joins: n, mean and M2, the sum of (weighted) squared deviations from the mean.

    n is a number with mean (d,) and M2 (d,), (d, d) or a number; or one n per column, (d,), with
    mean and M2 (d,); or one n per group, (k,), with mean (k, d) and M2 (k, d) or (k,). All float64.
    """

    n: Array
    mean: Array
    m2: Array


@dataclass(frozen=True, eq=False)
class Rows:
    """Data rows with their ids: what UNION and LEAST join. Every column is (m, ...), row by row.

    In canonical order, as a join gives it: UNION by id, LEAST by (value, id).
    """

    ids: Array
    columns: tuple[Array, ...]

    def take(self, at: Array) -> Rows:
        """The rows at the positions, in the slice or under the mask `at`."""
        return Rows(self.ids[at], tuple(column[at] for column in self.columns))


@dataclass(frozen=True, eq=False)
class KeyedSums:
    """A sparse sum: keys (m,) integers, sorted and unique; values (m, ...), a row for each key."""

    keys: Array
    values: Array


@dataclass(frozen=True, eq=False)
class KeyedMoments:
    """MOMENTS of those groups alone that have weight: keys (m,) integers, sorted and unique.

    n (m,), mean (m, d), and M2 (m, d) or, summed over the columns, (m,); all float64.
    """

    keys: Array
    n: Array
    mean: Array
    m2: Array

    def over(self, keys: Array) -> MomentSums:
        """The moments of other keys, sorted, its own among them; of those it lacks, of no row."""
        at, found = np.searchsorted(keys, self.keys), []
        for values in (self.n, self.mean, self.m2):
            everywhere = np.zeros((len(keys), *values.shape[1:]))
            everywhere[at] = values
            found.append(everywhere)
        return MomentSums(*found)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows that belong to a model but do not fit in it: immutable parts named by digest.

    Attributes:
        layout: what the groups are, as in View.
        parts: (group, digest of its rows), by group.
        held: digest -> Rows; where the parts lie is no part of what the table is.
    """

    layout: str
    parts: tuple[tuple[int, str], ...]
    held: Mapping[str, Rows] = passing(default_factory=dict)

    @classmethod
    def of(cls, layout: str, groups: Mapping[int, Rows]) -> Table:
        """The table of groups in memory."""
        named = {group: (digest(rows), rows) for group, rows in sorted(groups.items())}
        parts = tuple((group, name) for group, (name, _) in named.items())
        return cls(layout, parts, dict(named.values()))

    def rows(self, group: int) -> Rows | None:
        """The rows of a group in id order; None where it has none."""
        name = dict(self.parts).get(group)
        return None if name is None else self.held[name]


@dataclass(frozen=True)
class Kind:
    """How one field of a summary joins and scales.

    Attributes:
        name: as the docs and messages say it.
        join: (a, b) -> joined; commutative in bits; changes neither.
        scale: (a, factor) -> scaled, or None where forgetting by a factor has no meaning.
        idempotent: joining a value with itself gives the same value.
        exact: any grouping gives the same bits, whatever the dtype (a SUM of integers does anyway).
        rows: holds data rows, with their ids; erasure and the privacy scan look only there.

    SUM, MAX, MOMENTS, KEYED (sparse sum), KEYED_MOMENTS, LEAST(m), UNION, FOREST; and two that
    forgetting leaves alone, for what was read: COUNT, and FIRST (the 8 lowest ids, with their
    columns).
    """

    name: str
    join: Callable[[Any, Any], Any]
    scale: Callable[[Any, float], Any] | None = None
    idempotent: bool = False
    exact: bool = False
    rows: bool = False


def of(kind: Kind) -> Any:
    """Mark a field of a Summary with its kind: `weights: Array = of(SUM)`."""
    return field(metadata={"kind": kind})


def _moments(a: MomentSums, b: MomentSums) -> MomentSums:
    if np.ndim(a.n) == 0:
        return _moments_of_one(a, b)
    n = a.n + b.n
    safe = np.where(n > 0, n, 1.0)
    apart = b.mean - a.mean
    pull = a.n * b.n / safe
    of_mean, wide, pulled, weight_a, weight_b = np.ndim(a.n), safe, pull, a.n, b.n
    if np.ndim(a.mean) > of_mean:  # n by group, or one for all: stretched along the columns
        wide, pulled = safe[..., None], pull[..., None]
        weight_a, weight_b = np.asarray(a.n)[..., None], np.asarray(b.n)[..., None]
    mean = (weight_a * a.mean + weight_b * b.mean) / wide
    if np.ndim(a.m2) == np.ndim(a.mean) + 1:
        spread = apart[..., :, None] * apart[..., None, :]
        spread *= pulled[..., None]  # in place: a fresh (d, d) costs more than what is done in it
    elif np.ndim(a.m2) == np.ndim(a.mean):
        spread = apart * apart * pulled
    else:
        spread = (apart * apart).sum(axis=tuple(range(of_mean, np.ndim(apart)))) * pull
    m2 = np.add(a.m2, b.m2)
    m2 += spread
    only_a, only_b = np.asarray(b.n == 0), np.asarray(a.n == 0)
    if only_a.any() or only_b.any():  # an empty side returns the other, bit for bit
        mean = _pick(only_b, b.mean, _pick(only_a, a.mean, mean))
        m2 = _pick(only_b, b.m2, _pick(only_a, a.m2, m2))
    return MomentSums(n, mean, m2)


def _moments_of_one(a: MomentSums, b: MomentSums) -> MomentSums:
    """The same where n is a number: a live model joins many of these, each small."""
    if a.n == 0 or b.n == 0:
        return b if a.n == 0 else a
    n = a.n + b.n
    pull = a.n * b.n / n
    apart = b.mean - a.mean
    if np.ndim(a.m2) == np.ndim(a.mean) + 1:
        spread = apart[..., :, None] * apart[..., None, :]
        spread *= pull  # in place: a fresh (d, d) costs more than what is done in it
    elif np.ndim(a.m2) == np.ndim(a.mean):
        spread = apart * apart * pull
    else:
        spread = (apart * apart).sum(axis=tuple(range(np.ndim(apart)))) * pull
    m2 = np.add(a.m2, b.m2)
    m2 += spread
    return MomentSums(n, (a.n * a.mean + b.n * b.mean) / n, m2)


def _pick(mask: Array, chosen: Array, other: Array) -> Array:
    return np.where(mask.reshape(mask.shape + (1,) * (np.ndim(other) - mask.ndim)), chosen, other)


def by_id(a: Rows, b: Rows) -> Rows:
    """The rows of both in the order of their ids, once each; they may come in any order."""
    both = _concatenated(a, b)
    return both.take(_order(both.ids))


def _order(ids: Array) -> Array:
    """The positions of ids (n,) in their order, once each."""
    origin, position = ids["origin"], ids["position"]
    order = np.lexsort((position, origin))
    origin, position = origin[order], position[order]
    repeated = (origin[1:] == origin[:-1]) & (position[1:] == position[:-1])
    return order[np.append(True, ~repeated)] if repeated.any() else order


def _concatenated(a: Rows, b: Rows) -> Rows:
    columns = (np.concatenate(pair) for pair in zip(a.columns, b.columns, strict=True))
    return Rows(np.concatenate([a.ids, b.ids]), tuple(columns))


def _union(a: Rows, b: Rows) -> Rows:
    """As `by_id`, of rows in that order: mostly one after the other, as shards of a file are."""
    for first, then in ((a, b), (b, a)):
        if not len(then.ids):
            return first
        if len(first.ids) and first.ids[-1].item() < then.ids[0].item():
            return _concatenated(first, then)
    return by_id(a, b)


def _first(a: Rows, b: Rows) -> Rows:
    both = _union(a, b)
    return both if len(both.ids) <= FIRSTS else both.take(slice(FIRSTS))


def _least(a: Rows, b: Rows, m: int) -> Rows:
    if not len(a.ids) and not len(b.ids):
        return a
    both = _concatenated(a, b)
    order = _order(both.ids)
    return both.take(order[np.argsort(both.columns[0][order], kind="stable")[:m]])


def _keyed(a: KeyedSums, b: KeyedSums) -> KeyedSums:
    keys = np.union1d(a.keys, b.keys)
    values = np.zeros((len(keys), *a.values.shape[1:]), np.result_type(a.values, b.values))
    values[np.searchsorted(keys, a.keys)] = a.values
    values[np.searchsorted(keys, b.keys)] += b.values
    return KeyedSums(keys, values)


def _keyed_moments(a: KeyedMoments, b: KeyedMoments) -> KeyedMoments:
    keys = np.union1d(a.keys, b.keys)
    both = _moments(a.over(keys), b.over(keys))
    return KeyedMoments(keys, both.n, both.mean, both.m2)


def _scaled_moments(a: KeyedMoments, factor: float) -> KeyedMoments:
    """What is so light that its weight vanishes is left out."""
    n = a.n * float(factor)
    held = slice(None) if n.all() else n > 0
    return KeyedMoments(a.keys[held], n[held], a.mean[held], (a.m2 * float(factor))[held])


def spanning_forest(edges: Array) -> Array:
    """The minimum spanning forest of `edges` (m, 2) int64 in lexicographic order: sorted edges.

    The order is total, so the forest is unique, and F(A u B) = F(F(A) u F(B)) in bits, whatever the
    grouping (cycle property). Boruvka's rounds, O(m log n).
    """
    edges = np.unique(np.sort(edges.reshape(-1, 2), axis=1), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    nodes, ends = np.unique(edges, return_inverse=True)
    ends = ends.reshape(-1, 2)
    part = np.arange(len(nodes))
    kept = np.zeros(len(edges), bool)
    while True:
        left, right = part[ends[:, 0]], part[ends[:, 1]]
        open_ = np.flatnonzero(left != right)
        if len(open_) == 0:
            return edges[kept]
        best = np.full(len(nodes), len(edges))
        np.minimum.at(best, left[open_], open_)
        np.minimum.at(best, right[open_], open_)
        roots = np.flatnonzero(best < len(edges))
        chosen = best[roots]
        kept[chosen] = True
        other = left[chosen] + right[chosen] - roots
        up = np.arange(len(nodes))
        up[roots] = other
        mutual = up[up[roots]] == roots
        up[roots[mutual & (roots < other)]] = roots[mutual & (roots < other)]
        while not np.array_equal(up, up[up]):
            up = up[up]
        part = up[part]


SUM = Kind("SUM", lambda a, b: a + b, lambda a, factor: a * float(factor))
MAX = Kind("MAX", np.maximum, idempotent=True, exact=True)
MOMENTS = Kind(
    "MOMENTS", _moments, lambda a, f: MomentSums(a.n * float(f), a.mean, a.m2 * float(f))
)
KEYED = Kind("KEYED", _keyed, lambda a, f: KeyedSums(a.keys, a.values * float(f)))
KEYED_MOMENTS = Kind("KEYED_MOMENTS", _keyed_moments, _scaled_moments)
UNION = Kind("UNION", _union, idempotent=True, exact=True, rows=True)
FOREST = Kind(
    "FOREST", lambda a, b: spanning_forest(np.concatenate([a, b])), idempotent=True, exact=True
)

COUNT = Kind("COUNT", lambda a, b: a + b, lambda a, factor: a)
FIRSTS = 8
FIRST = Kind("FIRST", _first, lambda a, f: a, idempotent=True, exact=True)


def LEAST(m: int) -> Kind:  # noqa: N802 - named as its siblings are
    """Keep the m rows of least (value, id); the value is the first column of the Rows."""
    return Kind(f"LEAST({m})", lambda a, b: _least(a, b, m), idempotent=True, exact=True, rows=True)


def no_rows(*columns: Array) -> Rows:
    """Rows with none in them, of columns shaped and typed like those given."""
    return Rows(np.empty(0, ID), tuple(column[:0] for column in columns))
