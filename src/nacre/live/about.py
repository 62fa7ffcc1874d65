"""What there is to know of a live model, in plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from nacre.canon import hash64
from nacre.evolve.runs import Runs, shown
from nacre.live.tombs import batches_among
from nacre.live.version import Version
from nacre.record import Record
from nacre.store.commits import COMMITS
from nacre.store.describe import told
from nacre.store.ledger import Entry, Leaf
from nacre.store.local import drafted
from nacre.store.place import Place


def about(version: Version, model: Any) -> dict[str, Any]:
    """As nacre.store.describe says it, with `life`."""
    alive = list(version.ledger.alive())
    commit, place = version.commit, version.shelf.place
    record = Record(jobs=commit.frame.jobs)
    facts = told(drafted(model, [_entry(leaf) for leaf in alive], record))
    saved = datetime.fromtimestamp(commit.act.moment / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts |= {"path": place.where, "saved": saved, "n_bytes": size(place)}
    facts["life"] = {
        "version": version.number,
        "n_ended": len(batches_among(version.ledger)) - len(alive),
        "forget": commit.forget,
        "retain": commit.retain,
        "n_bytes_of_leaves": version.n_bytes_of_leaves,
        "streams": {
            name: shown(list(Runs.of_deltas(deltas))) for name, deltas in commit.streams.items()
        },
        "positions": {name: position.mark for name, position in commit.positions.items()},
    }
    return facts


def size(place: Place) -> int:
    """Bytes of all objects of a live model."""
    folders = ["blobs", "cache", "numbers", *(f"{COMMITS}/{name}" for name in place.names(COMMITS))]
    return sum(place.size(f"{folder}/{name}") for folder in folders for name in place.names(folder))


def _entry(leaf: Leaf) -> Entry:
    origin = f"{hash64(leaf.id):016x}"
    return Entry(leaf.id, leaf.time, origin, leaf.n_rows, leaf.n_skipped, leaf.content)
