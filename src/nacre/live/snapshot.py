"""A saved model as the beginning of a live one."""

from __future__ import annotations

import os
from typing import Any

from nacre.errors import NeedsRefit, Occupied
from nacre.live.checking import named
from nacre.live.taking import Began, Taken, keeps_leaves
from nacre.live.version import blob
from nacre.store import format as stored
from nacre.store.commits import COMMITS
from nacre.store.ledger import Entry, Leaf
from nacre.store.life import Commit
from nacre.store.local import is_live, load
from nacre.store.manifest import NAME
from nacre.store.manifest import read as read_manifest
from nacre.store.place import Place, is_local

FOLDERS = {COMMITS, "blobs", "cache", "numbers"}


def kept_in(where: str) -> Any:
    """The saved model of a directory that does not live yet; None where there is none."""
    if not is_local(where) or is_live(where) or not os.path.exists(os.path.join(where, NAME)):
        return None
    return load(where)


def check_place(where: str) -> None:
    """Raise Occupied for a directory that holds something else, or a file."""
    if not is_local(where) or not os.path.lexists(where):
        return
    if not os.path.isdir(where):
        raise Occupied(got=f"the file {where}", wanted="a directory", do="Choose another path.")
    others = sorted(
        name for name in os.listdir(where) if name[:1] != "." and name not in {*FOLDERS, NAME}
    )
    if others:
        raise Occupied(
            got=f"a directory that holds {others[0]}",
            wanted="an empty one, a new one, or a model",
            do="Choose a directory of its own.",
            where=where,
        )


def begun(kept: Any) -> Began:
    """A saved model as a fit that has just been done.

    Raises:
        NeedsRefit: it is one sum of many batches.
    """
    record, state = kept._record, kept.state_
    lines = [_line(entry) for entry in record.ledger()]
    taken = []
    if keeps_leaves(kept):
        if len(lines) != 1 or record.n_unlisted:
            n = len(lines) + record.n_unlisted
            raise NeedsRefit(
                got=f"a saved model that is one sum of {n:,} batches",
                wanted="what each of them said, to tell them apart over time",
                do="Fit into the live model: nacre.open(path, learner=...).absorb(source), or "
                "nacre fit ... -o path.",
            )
        taken = [Taken(lines[0], state.told, stored.to_bytes(state.told))]
    return Began(state, lines, taken, "", tuple(record.jobs))


def _line(entry: Entry) -> Leaf:
    n_skipped = entry.n_skipped or 0
    return Leaf(entry.id, entry.time, entry.time, entry.n_rows, n_skipped, entry.content, 0)


def removed(place: Place, commit: Commit) -> None:
    """Remove the saved model that has become the beginning of a live one, but for what it shares
    with its first commit.
    """
    if NAME in place.names():
        old = {blob(one.sha256) for one in read_manifest(place.read(NAME)).blobs}
        place.remove([NAME, *sorted(old - named(commit))])
