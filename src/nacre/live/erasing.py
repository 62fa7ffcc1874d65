"""Erasure: batches go as if they had never been, and everything that holds a trace of them.

A commit without them comes first: from then on they are in no sum. It says which objects are to go,
so that whoever opens the store after a crash can finish; then it is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nacre.canon import digest
from nacre.contract import Summary
from nacre.errors import BadInput, CorruptState, NeedsRefit, NotFound
from nacre.live.collecting import named_by
from nacre.live.packing import Packed, longer, moved
from nacre.live.tombs import TOMB, is_tomb, tombs
from nacre.live.version import Shelf, Version
from nacre.live.views import acts
from nacre.store import manifest as manifests
from nacre.store.ledger import Leaf
from nacre.store.levels import Ledger, without
from nacre.store.life import Receipt

RECEIPTS = "receipts"


@dataclass(frozen=True, eq=False)
class Erasure:
    """What is erased, and what is left.

    Attributes:
        lines: that go.
        told: the sum of those that stay.
        rest: what the commit holds of the time before it.
        doomed: objects that go.
        receipt: without the number of the commit.
    """

    lines: Sequence[Leaf]
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
        found += [
            line
            for id in sorted(theirs - {line.id for line in found})
            for line in version.ledger.lines(id)
            if not is_tomb(line)
        ]
    if not found:
        raise NotFound(
            got=f"no batch in the name of {principal!r}",
            wanted="a principal of batches in the ledger",
            do="The ledger lists them.",
        )
    return found


def origins(version: Version) -> list[str]:
    """Ids of the batches that the frame was made from, sorted."""
    until = version.commit.frame.made_until
    return sorted({line.id for line in version.ledger if line.absorbed <= until})


def erased(version: Version, lines: Sequence[Leaf], now: int) -> Erasure:
    """What erasing some lines changes; objects that nothing names yet are written.

    Raises:
        NeedsRefit: the frame was made from some of them.
        Folded: one is folded into a larger sum.
        BadInput: nothing would be left.
    """
    until = version.commit.frame.made_until
    made = sorted({line.id for line in lines if line.absorbed <= until})
    if made:
        raise NeedsRefit(
            got=f"{made[0]!r}{f' and {len(made) - 1:,} more' if made[1:] else ''} to erase, which "
            "the frame was made from",
            wanted="batches that came after the first fit",
            do="Begin anew without them: live.fit(sources). live.origins lists them.",
        )
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
    return Erasure(lines, told, rest, doomed, receipt)


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
    old = named_by(shelf, list(acts(version))) | {f"blobs/{one.sha256}" for one in segments}
    stay = {f"blobs/{one.sha256}" for one in (*after, *history)}
    stay |= {leaf.lies.object for leaf in kept if leaf.lies is not None}
    frame = commit.frame
    stay |= {f"blobs/{one.sha256}" for one in (frame.learner, frame.schema, frame.model)}
    stay |= {fold.lies.object for fold in commit.folds}
    stay |= _packs_of(version, gone) - away
    doomed = (old | {name for name in away if name.startswith("blobs/")}) - stay
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
