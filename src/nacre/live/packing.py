"""Checkpoints: what lay in single commits is packed, so that a commit stays short."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nacre.evolve.folding import Retain, fold_of, foldable, members
from nacre.evolve.leaves import Leaves
from nacre.live.version import Shelf, blob, whole
from nacre.store import format as stored
from nacre.store import life
from nacre.store.commits import COMMITS
from nacre.store.ledger import Leaf, Lies
from nacre.store.levels import Ledger
from nacre.store.life import Act, Named


@dataclass(frozen=True)
class Packed:
    """What a commit holds of the time before it.

    Attributes:
        segments, history: blobs.
        recent, acts: what is in none of them.
        moved: lines whose leaves lie elsewhere than before.
    """

    segments: tuple[Named, ...]
    history: tuple[Named, ...]
    recent: tuple[Leaf, ...] = ()
    acts: tuple[Act, ...] = ()
    moved: tuple[Leaf, ...] = ()


def at_rest(shelf: Shelf, before: Packed) -> Packed:
    """All of it in blobs."""
    lines = moved(shelf, before.recent)
    segments = Ledger(shelf.place, before.segments, lines).merged()
    elsewhere = tuple(new for new, old in zip(lines, before.recent, strict=True) if new is not old)
    return Packed(tuple(segments), longer(shelf, before.history, before.acts), moved=elsewhere)


def folded(
    shelf: Shelf, before: Packed, leaves: Leaves, retain: Retain, fresh: Sequence[Leaf]
) -> tuple[Packed, Leaves]:
    """With sums in the place of what is older than is retained; its lines stay in the ledger.

    Batches of the commit that is being made are left to the next checkpoint: their bytes stand in
    it.
    """
    new = {line.key for line in fresh}
    lines = {(line.id, line.absorbed): line for line in before.recent}
    for some in foldable(leaves, retain):
        if not leaves.timed:
            some = some.take(np.array([key not in new for key in some.keys], bool))
        if len(some) < 2 or not new.isdisjoint(some.keys):
            continue
        lies = whole(shelf.keep(stored.to_bytes(some.total())))
        for line in members(some):
            lines[line.id, line.absorbed] = replace(line, lies=None)
        leaves = leaves.folded(some, fold_of(some, lies))
    return replace(before, recent=tuple(lines.values())), leaves


def moved(shelf: Shelf, lines: Sequence[Leaf], away: Container[str] = ()) -> list[Leaf]:
    """The lines, their leaves moved out of single commits, and out of the objects `away`, into one
    blob.
    """
    datas = {
        line.lies.sha256: shelf.bytes_of(line.lies)
        for line in lines
        if line.lies is not None
        and (line.lies.object.startswith(f"{COMMITS}/") or line.lies.object in away)
    }
    if not datas:
        return list(lines)
    kept = shelf.keep(b"".join(datas.values()))
    places = dict(zip(datas, life.laid(blob(kept.sha256), list(datas.values())), strict=True))
    return [_placed(line, places) for line in lines]


def _placed(line: Leaf, places: dict[str, Lies]) -> Leaf:
    lies = line.lies and places.get(line.lies.sha256)
    return replace(line, lies=lies) if lies else line


def longer(shelf: Shelf, history: Sequence[Named], acts: Sequence[Act]) -> tuple[Named, ...]:
    """The history with more acts: neighbours are joined while the newer is not much shorter."""
    blobs, newest = list(history), list(acts)
    while blobs and 2 * len(newest) >= blobs[-1].n_lines:
        newest = acts_of(shelf, blobs.pop()) + newest
    kept = shelf.keep(life.lines_of(newest))
    return (*blobs, Named(kept.sha256, len(newest), kept.n_bytes))


def acts_of(shelf: Shelf, named: Named) -> list[Act]:
    """The acts in a blob."""
    return life.read_lines(Act, shelf.bytes_of(whole(named)))
