"""Erasure: batches go as if they had never been, and everything that holds a trace of them.

A commit without them comes first: from then on they are in no sum. It says which objects are to go,
so that whoever opens the store after a crash can finish; then it is done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nacre.canon import digest
from nacre.contract import Summary
from nacre.errors import BadInput, CorruptState, NotFound
from nacre.evolve.runs import Runs, of_id
from nacre.live import numbering
from nacre.live.collecting import named_by
from nacre.live.packing import Packed, longer, moved
from nacre.live.taking import Began
from nacre.live.tombs import TOMB, is_tomb, tombs
from nacre.live.version import BLOBS, Shelf, Version, blob
from nacre.live.views import acts
from nacre.store import manifest as manifests
from nacre.store.ledger import Leaf
from nacre.store.levels import Ledger, without
from nacre.store.life import Frame, Receipt

RECEIPTS = "receipts"


@dataclass(frozen=True, eq=False)
class Erasure:
    """What is erased, and what is left.

    Attributes:
        told: the sum of those that stay.
        rest: what the commit holds of the time before it.
        doomed: objects that go.
        receipt: without the number of the commit.
    """

    told: Summary
    rest: Packed
    doomed: tuple[str, ...]
    receipt: Receipt


def lines_of(version: Version, ids: Iterable[str], principal: str | None) -> list[Leaf]:
    """All lines of some ids, or of all that came in somebody's name.

    Raises:
        NotFound: an id that the ledger does not have.
    """
    found = []
    for id in dict.fromkeys(ids):
        lines = [line for line in version.ledger.lines(id) if not is_tomb(line)]
        if not lines or id.startswith(TOMB):
            raise NotFound(
                got=f"no batch {id!r}",
                wanted="ids of batches in the ledger",
                do="The ledger lists them.",
            )
        found += lines
    if principal is not None:
        theirs = {line.id for line in version.ledger if line.principal == principal}
        if not theirs:
            raise NotFound(
                got=f"no batch in the name of {principal!r}",
                wanted="a principal of batches in the ledger",
                do="The ledger lists them.",
            )
        found += [
            line
            for id in sorted(theirs - {line.id for line in found})
            for line in version.ledger.lines(id)
            if not is_tomb(line)
        ]
    return found


def without_runs(version: Version, lines: Sequence[Leaf]) -> dict[str, tuple[int, ...]]:
    """The offsets of streams that are left without some lines."""
    streams = dict(version.commit.streams)
    for line in lines:
        if run := of_id(line.id):
            stream, first = run
            gone = Runs.of([(first, first + line.n_rows)])
            streams[stream] = (Runs.of_deltas(streams[stream]) - gone).deltas
    return {stream: deltas for stream, deltas in streams.items() if deltas}


def made_of(version: Version, lines: Iterable[Leaf]) -> list[str]:
    """Ids of those that the frame was made from, sorted."""
    until = version.commit.frame.made_until
    return sorted({line.id for line in lines if line.absorbed <= until and not is_tomb(line)})


def origins(version: Version) -> list[str]:
    """Ids of the batches that the frame was made from, sorted."""
    return made_of(version, version.ledger)


def erased(version: Version, lines: Sequence[Leaf], now: int) -> Erasure:
    """What erasing some lines changes; objects that nothing names yet are written.

    The frame was made from none of them.

    Raises:
        Folded: one is folded into a larger sum.
        BadInput: nothing would be left.
    """
    leaves = version.leaves.without(*lines)
    if not len(leaves):
        raise BadInput(
            got="all batches to erase",
            wanted="at least one that stays",
            do="Remove the whole store instead.",
        )
    told = leaves.total()
    gone = {line.id for line in lines}
    rest, doomed = _rest(version, gone, lines, now)
    receipt = Receipt(
        0,
        now,
        tuple(sorted(gone)),
        sum(line.n_rows for line in lines if line.ended is None),
        version.commit.act.digest,
        digest(told),
        "rounding" if version.leaves.covered.beside else "bits",
    )
    return Erasure(told, rest, doomed, receipt)


def anew(version: Version, first: Began, frame: Frame) -> dict[str, Any]:
    """Fields of the commit of a fit without some batches: all that there was is to go.

    Args:
        first: the fit, which says which batches they are.
        frame: its own, stored already.
    """
    commit, shelf, lines = version.commit, version.shelf, first.erased
    large = {blob(hashlib.sha256(one.data).hexdigest()) for one in first.taken}
    stay = {blob(one.sha256) for one in (frame.learner, frame.schema, frame.model)}
    stay |= {blob(one.sha256) for one in commit.history} | large
    there = {f"{BLOBS}/{name}" for name in shelf.place.names(BLOBS)}
    receipt = Receipt(
        version.number + 1,
        max(line.ended or 0 for line in first.buried),
        tuple(sorted({line.id for line in lines})),
        sum(line.n_rows for line in lines if line.ended is None),
        commit.act.digest,
        digest(first.state.told),
        "bits",
    )
    streams = without_runs(version, lines)
    return {"streams": streams, "doomed": tuple(sorted(there - stay)), "receipt": receipt}


def _rest(
    version: Version, gone: set[str], lines: Sequence[Leaf], now: int
) -> tuple[Packed, tuple[str, ...]]:
    shelf, commit = version.shelf, version.commit
    away = {line.lies.object for line in lines if line.lies is not None}
    beside = [
        leaf
        for leaf in version.ledger
        if leaf.id not in gone and leaf.lies is not None and leaf.lies.object in away
    ]
    recent = {(leaf.id, leaf.absorbed): leaf for leaf in (*commit.recent, *beside)}
    kept = moved(shelf, [leaf for leaf in recent.values() if leaf.id not in gone], away)
    segments = without(shelf.place, commit.segments, gone)
    after = Ledger(shelf.place, segments, [*kept, *tombs(lines, now)]).merged()
    history = longer(shelf, commit.history, commit.acts)
    old = named_by(shelf, list(acts(version))) | {blob(one.sha256) for one in segments}
    frame = commit.frame
    stay = {blob(one.sha256) for one in (*after, *history)}
    stay |= {blob(kept.sha256) for kept in (frame.learner, frame.schema, frame.model)}
    stay |= {leaf.lies.object for leaf in kept if leaf.lies is not None}
    stay |= {fold.lies.object for fold in commit.folds}
    stay |= _packs_of(version, gone) - away
    doomed = (old | {name for name in away if name.startswith(f"{BLOBS}/")}) - stay
    return Packed(tuple(after), history), tuple(sorted(doomed))


def _packs_of(version: Version, gone: set[str]) -> set[str]:
    """Objects that hold leaves of batches that stay."""
    return {leaf.lies.object for leaf in version.ledger if leaf.lies and leaf.id not in gone}


def finish(version: Version) -> None:
    """Remove all that an erasure doomed; safe to do again.

    Raises:
        Unavailable: the store cannot be written: what was erased is in no sum, but its bytes are.
    """
    commit, shelf = version.commit, version.shelf
    if commit.receipt is None:
        return
    newest = shelf.log.newest()
    shelf.log.remove(n for n in shelf.log.numbers() if n < commit.receipt.number and n < newest)
    shelf.place.remove(commit.doomed)
    shelf.sums.forget()
    numbering.forgotten(shelf.place, commit)
    text = json.dumps(
        {**manifests.tree(commit.receipt), "check": commit.receipt.check}, indent=1, sort_keys=True
    )
    shelf.place.create(f"{RECEIPTS}/{commit.receipt.number:010d}.json", text.encode() + b"\n")


def receipts(shelf: Shelf) -> list[Receipt]:
    """Of all erasures, the first one first.

    Raises:
        CorruptState: one that was changed.
    """
    found = []
    for name in shelf.place.names(RECEIPTS):
        node = None
        with suppress(ValueError):
            node = json.loads(shelf.place.read(f"{RECEIPTS}/{name}"))
        if not isinstance(node, dict):
            raise CorruptState(
                got="no JSON",
                wanted="a receipt",
                do="Restore it from a copy.",
                where=f"{shelf.place.where}/{RECEIPTS}/{name}",
            )
        node.pop("check", None)
        found.append(manifests.built(Receipt, node, name))
    return found
