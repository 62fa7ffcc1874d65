"""What a manifest says of where a model comes from: its batches, and the jobs that made it.

Plain values only: `store/manifest.py` writes them as they are annotated, and reads nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from nacre.canon import hash64, pack

Count = Annotated[int, r"\d+"]
Origin = Annotated[str, "[0-9a-f]{16}"]
Digest = Annotated[str, "[0-9a-f]{32}"]  # of canonical bytes, as nacre.canon makes them
Sha256 = Annotated[str, "[0-9a-f]{64}"]
Content = Annotated[str, "(file:[0-9a-f]{64}|rows:[0-9a-f]{32})?"]


@dataclass(frozen=True)
class Entry:
    """One batch that is in a model.

    Attributes:
        id: of the batch: a file's path below its root, an array's name.
        time: of the event, ns since 1970, or 0; with `origin` the key of the batch.
        origin: 64-bit hash of the id.
        n_rows: rows of the batch, those that were left out included.
        n_skipped: bad rows that were left out; None where only their sum over batches is known.
        content: "file:" and the SHA-256 of the file's bytes; "rows:" and the digest of the rows as
            learning saw them; empty where it could not be taken.
        n_bytes: of the file; None for rows.
        note: why there is no content.
    """

    id: str
    time: int
    origin: Origin
    n_rows: Count
    n_skipped: Count | None = None
    content: Content = ""
    n_bytes: Count | None = None
    note: str = ""


@dataclass(frozen=True)
class Lies:
    """Where bytes lie in a store: a run of an object, counted from its end.

    Attributes:
        object: its name below the root of the store, such as "commits/00000000/0000000012".
        from_end: bytes from the first of them to the end of the object.
        n_bytes: how many.
        sha256: of them.
    """

    object: str
    from_end: Count
    n_bytes: Count
    sha256: Sha256


@dataclass(frozen=True)
class Leaf:
    """One batch of a live model: its line in the ledger, and where what it said lies.

    Attributes:
        id: of the batch: a file's path below the root, an array's name or content.
        time: of its last event, ns since 1970, or 0; with the hash of the id the key of the batch.
        first: of its first event, ns since 1970, or 0.
        n_rows: rows of the batch, those that were left out included.
        n_skipped: bad rows that were left out.
        content: as of an Entry.
        absorbed: moment of absorbing, ns since 1970; no two leaves of a live model have the same.
        ended: the moment at which another took its place; None while it is alive.
        principal: in whose name it was absorbed; empty where nobody said.
        lies: its summary; None where it is only part of a larger sum.
    """

    id: str
    time: int
    first: int
    n_rows: Count
    n_skipped: Count
    content: Content
    absorbed: Count
    ended: Count | None = None
    principal: str = ""
    lies: Lies | None = None

    @functools.cached_property
    def key(self) -> int:
        """Event time and hash of the id as one integer: its place in the trie."""
        return pack(self.time, hash64(self.id), 0)


@dataclass(frozen=True)
class Turn:
    """What one pass was and took.

    Attributes:
        phase: the kind of model that looked.
        n_rows, weight: that it looked at.
        seconds: with the advance after it.
        loss: what it measured, per unit of weight; None where nothing is measured.
    """

    phase: str
    n_rows: Count
    weight: float
    seconds: float
    loss: float | None


@dataclass(frozen=True)
class Job:
    """One fit, or calls of `partial_fit` in a row: what they did, and where.

    Attributes:
        what: "fit" or "partial_fit".
        n_calls, n_rows: how often it was called, on how many rows in all.
        turns: its passes; none of `partial_fit`.
        ended: why: "converged", "max_passes=3", "Ctrl-C", ...
        complete: whether it came to its end.
        seconds: in all.
        engine, n_workers, memory: where it ran; memory in bytes, None for no limit.
        shard_rows, batch_rows: the constants that cut the rows.
        dtype: that learning saw.
        start: digest of the state that it began at, or empty.
        random_state: parameter -> seed.
        versions: package -> version, and of Python; empty until it is saved.
        kernel_class: as nacre.kernel.kernel_class says it.
    """

    what: Annotated[str, "fit|partial_fit"]
    n_calls: Count
    n_rows: Count
    shard_rows: Count
    batch_rows: Count
    dtype: str
    turns: tuple[Turn, ...] = ()
    ended: str = ""
    complete: bool = True
    seconds: float = 0.0
    engine: str = ""
    n_workers: Count | None = None
    memory: Count | None = None
    start: Annotated[str, "([0-9a-f]{32})?"] = ""
    random_state: Mapping[str, int | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    kernel_class: str = ""
