"""Clusters keep their identity from version to version: lasting numbers, and who became whom.

A learner numbers its clusters anew in every version. A table, cluster -> lasting number, is carried
from one to the next: old and new centres are matched so that the sum of squared distances is least
(the assignment problem: Kuhn 1955; Spiliopoulou and others, MONIC, KDD 2006, match clusters over
time so). A pair too far apart is none; the new cluster then gets a number that was never used.

What became of the rows is asked of the cells where both versions are sums under one frame: a cell's
rows went from its old cluster to its new one. So a split is a split of rows, whatever the centres.
Where there is no common frame the nearest centres must do.

Nothing here depends on the order of new clusters: it is their centres that put them in one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from nacre.contract import Array
from nacre.errors import BadInput

FAR = 2.0  # scales between two centres that are of one cluster, at most
NO_NUMBER = (
    -1
)  # of a row that is in no cluster, and of a cluster that came from none or went nowhere
STIRRED = 0.1  # scales: a cluster that moved less has not moved


def matched(
    old_centres: Array, old_numbers: Array, new_centres: Array, next_number: int, scale: float
) -> Array:
    """The lasting numbers of new clusters.

    >>> old, new = np.array([[0.0], [9.0]]), np.array([[50.0], [9.5], [0.1]])
    >>> matched(old, np.array([4, 7]), new, next_number=8, scale=1.0).tolist()
    [8, 7, 4]

    Args:
        old_centres: (k, d) of the version before; k may be 0.
        old_numbers: (k,) their lasting numbers, none twice.
        new_centres: (m, d).
        next_number: the least that no cluster ever had.
        scale: how wide clusters are: root of the mean squared distance of rows to their centre.
            Two centres further apart than FAR scales are two clusters.

    Returns:
        (m,) int64: the number of the old cluster that a new one goes on from, or a fresh one, from
        next_number on.

    Raises:
        BadInput: centres of another width, a number twice or beyond next_number.
    """
    old, new = (np.asarray(part, np.float64) for part in (old_centres, new_centres))
    given = np.asarray(old_numbers, np.int64)
    _check(old, given, new, next_number)
    by_number, by_place = np.argsort(given), np.lexsort(new.T[::-1])
    old, given, new = old[by_number], given[by_number], new[by_place]
    limit = (FAR * scale) ** 2
    squares = _squares(old, new)
    cost = np.where(squares <= limit, squares / (limit or 1.0), 1.0)
    numbers = np.full(len(new), NO_NUMBER, np.int64)
    for i, j in zip(*linear_sum_assignment(cost), strict=True):
        if squares[i, j] <= limit:
            numbers[j] = given[i]
    fresh = numbers == NO_NUMBER
    numbers[fresh] = next_number + np.arange(fresh.sum())
    found = np.empty_like(numbers)
    found[by_place] = numbers
    return found


def named(labels: Array, numbers: Array) -> Array:
    """Lasting numbers (n,) int64 of predictions (n,); -1, in no cluster, stays -1.

    >>> named(np.array([1, 0, -1]), np.array([4, 7])).tolist()
    [7, 4, -1]
    """
    table = np.append(np.asarray(numbers, np.int64), NO_NUMBER)
    found: Array = table[labels]
    return found


@dataclass(frozen=True, eq=False)
class Shared:
    """The cells of a version that is a sum under a frame.

    Attributes:
        base: of the frame: cells of two versions are the same where it is.
        keys: (q,) their numbers, sorted.
        labels: (q,) the cluster of each, below k.
        weights: (q,) above 0.
    """

    base: str
    keys: Array
    labels: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class Version:
    """The clusters of a version.

    Attributes:
        numbers: (k,) lasting.
        centres: (k, d).
        weights: (k,) of their rows.
        scale: as for `matched`.
        cells: or None.
    """

    numbers: Array
    centres: Array
    weights: Array
    scale: float
    cells: Shared | None = None


@dataclass(frozen=True)
class Kept:
    """A cluster that both versions have: how far its centre moved; its weight before and after."""

    number: int
    distance: float
    before: float
    after: float


@dataclass(frozen=True)
class Split:
    """A cluster of which several came: more than half of what each one has of old rows."""

    number: int
    into: tuple[int, ...]


@dataclass(frozen=True)
class Merged:
    """Clusters of which more than half went into one."""

    numbers: tuple[int, ...]
    into: int


@dataclass(frozen=True)
class Lineage:
    """What became of the clusters of one version in another. It prints as sentences.

    Attributes:
        kept: clusters that both have, by number.
        split, merged: by number. The numbers of new clusters in them may be old or fresh.
        born: numbers of new clusters that are no part of a split or a merger.
        died: numbers that are gone, and are no part of a split or a merger.
        by_cells: whether cells were asked; else the nearest centres.
        scale: that distances are judged by.
    """

    kept: tuple[Kept, ...]
    split: tuple[Split, ...]
    merged: tuple[Merged, ...]
    born: tuple[int, ...]
    died: tuple[int, ...]
    by_cells: bool
    scale: float

    @property
    def moved(self) -> tuple[Kept, ...]:
        """Those of `kept` that moved by more than a tenth of a scale, the furthest first."""
        some = [one for one in self.kept if one.distance > STIRRED * self.scale]
        return tuple(sorted(some, key=lambda one: (-one.distance, one.number)))

    def __str__(self) -> str:
        return "\n".join(_sentences(self)) or "Nothing moved."


def lineage(old: Version, new: Version) -> Lineage:
    """Which clusters moved, split, merged, were born or died between two versions.

    >>> old = Version(np.array([0]), np.array([[0.0]]), np.array([9.0]), 1.0)
    >>> new = Version(np.array([0, 1]), np.array([[-0.9], [1.0]]), np.array([5.0, 4.0]), 1.0)
    >>> print(lineage(old, new))
    0 split into 0 and 1.
    0 moved by 0.9.

    Args:
        old, new: under lasting numbers that are of one history.

    Raises:
        BadInput: centres of another width.
    """
    a, b = _sorted(old), _sorted(new)
    _check(a.centres, a.numbers, b.centres, None)
    by_cells = a.cells is not None and b.cells is not None and a.cells.base == b.cells.base
    source, goal = _by_rows(a, b) if by_cells else _by_centres(a, b)
    split = [
        Split(int(a.numbers[i]), tuple(b.numbers[came].tolist()))
        for i, came in _several(source, len(a.numbers))
    ]
    merged = [
        Merged(tuple(a.numbers[went].tolist()), int(b.numbers[j]))
        for j, went in _several(goal, len(b.numbers))
    ]
    told = {one.number for one in split} | {n for one in merged for n in one.numbers}
    come = {n for one in split for n in one.into} | {one.into for one in merged}
    here, gone = set(b.numbers.tolist()), set(a.numbers.tolist())
    return Lineage(
        _kept(a, b),
        tuple(split),
        tuple(merged),
        born=tuple(sorted(here - gone - come)),
        died=tuple(sorted(gone - here - told)),
        by_cells=by_cells,
        scale=old.scale,
    )


def flows(old: Version, new: Version) -> Array:
    """(k, m) weight of the rows that went from each old cluster to each new one, by common cells.

    Of a cell as much as both versions have of it: rows that were there before and still are.
    """
    assert old.cells is not None, "asked of sums under one frame"
    assert new.cells is not None
    total = np.zeros((len(old.numbers), len(new.numbers)))
    _, at, to = np.intersect1d(old.cells.keys, new.cells.keys, True, return_indices=True)
    both = np.minimum(old.cells.weights[at], new.cells.weights[to])
    np.add.at(total, (old.cells.labels[at], new.cells.labels[to]), both)
    return total


def _sorted(version: Version) -> Version:
    """By lasting number, so that no order of a learner's own counts."""
    order = np.argsort(version.numbers, kind="stable")
    cells, place = version.cells, np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    if cells is not None:
        cells = Shared(cells.base, cells.keys, place[cells.labels], cells.weights)
    centres = np.asarray(version.centres, np.float64)[order]
    numbers = np.asarray(version.numbers, np.int64)[order]
    return Version(numbers, centres, version.weights[order], version.scale, cells)


def _by_rows(old: Version, new: Version) -> tuple[Array, Array]:
    """Of each new cluster the old one that more than half of its old rows came from, of each old
    one the new one that more than half of what is left of it went to; else -1.

    As versions grow and forget, so do clusters: one that has less than half of the old rows that
    others of its weight have came from none; one that kept less than half of what others kept went
    nowhere.
    """
    total = flows(old, new)
    into, left = total.sum(axis=0), total.sum(axis=1)
    i, j = (np.arange(n) for n in total.shape)
    source = np.where(2 * total > into, i[:, None], NO_NUMBER).max(axis=0, initial=NO_NUMBER)
    goal = np.where(2 * total > left[:, None], j, NO_NUMBER).max(axis=1, initial=NO_NUMBER)
    every = total.sum()
    source[2 * into * new.weights.sum() <= every * new.weights] = NO_NUMBER
    goal[2 * left * old.weights.sum() <= every * old.weights] = NO_NUMBER
    return source, goal


def _by_centres(old: Version, new: Version) -> tuple[Array, Array]:
    """The same by the nearest centres, where these are near; a number that lasts is its own."""
    source, goal = np.full(len(new.numbers), NO_NUMBER), np.full(len(old.numbers), NO_NUMBER)
    if len(source) and len(goal):
        squares, limit = _squares(old.centres, new.centres), (FAR * old.scale) ** 2
        source = np.where(squares.min(axis=0) <= limit, squares.argmin(axis=0), NO_NUMBER)
        goal = np.where(squares.min(axis=1) <= limit, squares.argmin(axis=1), NO_NUMBER)
    _, i, j = np.intersect1d(old.numbers, new.numbers, True, return_indices=True)
    source[j], goal[i] = i, j
    return source, goal


def _several(found: Array, n: int) -> Iterator[tuple[int, Array]]:
    """Each of n that at least two point to, and which."""
    for i in range(n):
        some = np.flatnonzero(found == i)
        if len(some) > 1:
            yield i, some


def _kept(old: Version, new: Version) -> tuple[Kept, ...]:
    numbers, i, j = np.intersect1d(old.numbers, new.numbers, True, return_indices=True)
    apart = np.sqrt(((old.centres[i] - new.centres[j]) ** 2).sum(axis=1))
    columns = numbers, apart, old.weights[i], new.weights[j]
    rows = zip(*(np.asarray(column).tolist() for column in columns), strict=True)
    return tuple(Kept(number, float(far), float(a), float(b)) for number, far, a, b in rows)


def _squares(old: Array, new: Array) -> Array:
    """(k, m) squared distances."""
    found = [((new - centre) ** 2).sum(axis=1) for centre in old]
    return np.array(found).reshape(len(old), len(new))


def _check(old: Array, numbers: Array, new: Array, next_number: int | None) -> None:
    if len(old) and len(new) and old.shape[1] != new.shape[1]:
        raise BadInput(
            got=f"centres of {new.shape[1]} columns after centres of {old.shape[1]}",
            wanted="two versions of one model",
            do="Begin a new history: the clusters are others.",
        )
    sound = len(np.unique(numbers)) == len(numbers) == len(old)
    if not sound or (next_number is not None and numbers.max(initial=-1) >= next_number):
        raise BadInput(
            got=f"numbers {numbers[:12].tolist()} for {len(old)} clusters, the next {next_number}",
            wanted="one for each cluster, none twice, all below the next",
            do="Keep the numbers as `matched` gives them.",
        )


def _sentences(found: Lineage) -> Iterator[str]:
    for split in found.split:
        yield f"{split.number} split into {_listed(split.into)}."
    for merged in found.merged:
        yield f"{_listed(merged.numbers)} merged into {merged.into}."
    if found.born:
        yield f"{_listed(found.born)} {'was' if len(found.born) == 1 else 'were'} born."
    if found.died:
        yield f"{_listed(found.died)} died."
    for one in found.moved:
        yield f"{one.number} moved by {one.distance:.3g}."


def _listed(numbers: tuple[int, ...]) -> str:
    *some, last = map(str, numbers)
    return f"{', '.join(some)} and {last}" if some else last
