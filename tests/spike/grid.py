"""The plane in cells and strips of cells: arrays in, arrays out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from nacre import canon
from nacre.contract import Array
from nacre.errors import BadInput
from nacre.kinds import KeyedSums

SIDE = (1 - 2.0**-20) / np.sqrt(2)  # of eps; without the slack rounding may put too much in a cell
HALO = 3  # columns; 2 eps are 2.83 sides
FAR = 2**30  # cells from the origin; farther off, rounding takes more than the slack of SIDE


def cells_of(eps: float, X: Array) -> Array:
    """(n,) int64 keys of the cells of rows (n, 2); the column is the upper half: keys sort by it.

    Rows of one cell are within eps of each other. Raises BadInput for other widths, and for rows
    far off.
    """
    if X.shape[1] != 2:
        raise BadInput(got=f"{X.shape[1]} columns", wanted="2", do="Choose two columns.")
    at = np.floor(X.astype(np.float64) / (eps * SIDE))
    if np.abs(at).max(initial=0.0) >= FAR:
        raise BadInput(got="rows 2**30 cells from 0", wanted="nearer ones", do="Raise eps.")
    column, row = at.astype(np.int64).T
    return column * 2**32 + row + 2**31


def balanced(cells: KeyedSums, n_strips: int) -> Array:
    """(at most n_strips - 1,) columns where a strip begins, so that strips weigh about the same."""
    columns, at = np.unique(cells.keys >> 32, return_inverse=True)
    load = np.cumsum(np.bincount(at, cells.values))
    wanted = cells.values.sum() * np.arange(1, n_strips) / n_strips
    begin = np.unique(np.searchsorted(load, wanted) + 1)
    return columns[begin[begin < len(columns)]]


def layout(eps: float, cuts: Array) -> str:
    """The name of the strips that begin at `cuts`."""
    return f"strips {canon.digest(eps, cuts)}"


def strips(cells: Array, cuts: Array) -> Iterator[tuple[int, Array, Array]]:
    """(strip, positions of the cells in or within 2 eps of it, which of these are in it)."""
    column = cells >> 32
    strip = np.searchsorted(cuts, column, side="right")
    edges = [-2 * FAR, *cuts.tolist(), 2 * FAR]
    for g, (begin, end) in enumerate(itertools.pairwise(edges)):
        at = np.flatnonzero((column >= begin - HALO) & (column < end + HALO))
        if len(at):
            yield g, at, strip[at] == g


def near(A: Array, B: Array, eps: float) -> tuple[Array, Array]:
    """(i, j) of all A[i] and B[j] within eps, by i, then distance, then j.

    One formula decides, whatever the tree rounds: squared distance in float64 <= eps * eps.
    """
    if not len(A) or not len(B):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    A, B = A.astype(np.float64), B.astype(np.float64)
    reach = eps * (1 + 1e-9)
    pairs = cKDTree(A).sparse_distance_matrix(cKDTree(B), reach, output_type="ndarray")
    i, j = pairs["i"], pairs["j"]
    apart = A[i] - B[j]
    squared = apart[:, 0] * apart[:, 0] + apart[:, 1] * apart[:, 1]
    order = np.lexsort((j, squared, i))
    order = order[squared[order] <= eps * eps]
    return i[order], j[order]


def nearest(A: Array, B: Array, value: Array, eps: float) -> Array:
    """(len(A),) int64 value of the nearest B within eps (tie: the first), else -1."""
    i, j = near(A, B, eps)
    found, first = np.unique(i, return_index=True)
    out = np.full(len(A), -1)
    out[found] = value[j[first]]
    return out


def components(cells: Array, edges: Array) -> Array:
    """(n,) int64 number of the component of each row's cell, counted by their smallest cells."""
    nodes, at = np.unique(cells, return_inverse=True)
    ends: Array = np.searchsorted(nodes, edges)
    graph = coo_matrix((np.ones(len(edges)), (ends[:, 0], ends[:, 1])), (len(nodes), len(nodes)))
    part = connected_components(graph, directed=False)[1] if len(nodes) else nodes
    _, first, part = np.unique(part, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[part[at]]


def by_key(keys: Array, weight: Array) -> KeyedSums:
    """The sum of weight by key; a row of weight 0 is not there."""
    unique, at = np.unique(keys[weight > 0], return_inverse=True)
    return KeyedSums(unique, np.bincount(at, weight[weight > 0], len(unique)))
