"""A writer of a log that is killed, stopped or lied to by its disk, and what it has to leave.

Batch b is one commit: all batches so far, and bytes of its own; before it a blob of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from nacre.errors import DiskFull, Fenced, NacreError, Unavailable
from nacre.store.commits import Log
from nacre.store.place import place_of

ACKNOWLEDGED, FENCED, ERROR, FOREIGN = 1, 2, 4, 8  # what a writer notes of a batch


def own(batch: int, n: int) -> bytes:
    """n bytes that no other batch has."""
    word = hashlib.sha256(b"%d" % batch).digest()
    return (word * (n // 32 + 1))[:n]


def blob_of(batch: int) -> str:
    """The name of its blob."""
    return f"blobs/{hashlib.sha256(own(batch, 9000)).hexdigest()}"


def spelled(batches: list[int]) -> bytes:
    """The commit of the last of these batches."""
    return json.dumps(batches).encode() + b"\n" + own(batches[-1], 3000)


def known(data: bytes) -> list[int]:
    """The batches that a commit tells of; it is whole."""
    if not data:
        return []
    batches: list[int] = json.loads(data.partition(b"\n")[0])
    assert data == spelled(batches)
    return batches


def absorb(log: Log, batch: int, *, blob: bool = True) -> None:
    """Commit a batch, unless it is known."""
    newest, data = log.latest()
    if batch in (before := known(data)):
        return
    if blob:
        log.place.create(blob_of(batch), own(batch, 9000))
    log.append(newest + 1, spelled([*before, batch]))


def collect(log: Log) -> None:
    """Remove all but the last two commits."""
    log.remove(log.numbers()[:-2])


def filled_with(n: int) -> Callable[[Path], None]:
    """Makes a store with batches 1 to n, of which some commits were collected."""

    def fill(root: Path) -> None:
        log = Log(place_of(root, make=True))
        for batch in range(1, n + 1):
            absorb(log, batch)
        log.remove(range(1, n - 3))

    return fill


def littered_with(n: int) -> Callable[[Path], None]:
    """The same as a writer may leave it that was killed: unfinished files, an empty folder."""

    def fill(root: Path) -> None:
        filled_with(n)(root)
        for folder in ("", "blobs", "commits", "commits/00000000", "commits/00000001"):
            (root / folder).mkdir(exist_ok=True)
            (root / folder / f".{'ab' * 8}.part").write_bytes(b"half")

    return fill


def write(root: Path, batches: Sequence[int], notes: memoryview) -> None:
    """Absorb batches, each tried twice, and collect; `notes` says what a user would have seen."""
    log: Log | None = None
    for batch in batches:
        for _ in range(2):
            try:
                if log is None:
                    log = Log(place_of(root, make=True))
                    log.settled()
                absorb(log, batch)
                notes[batch] |= ACKNOWLEDGED
                break
            except (DiskFull, Unavailable):
                notes[batch] |= ERROR
                log = None
            except BaseException:
                notes[batch] |= FOREIGN
                raise
    try:
        if log is not None:
            collect(log)
    except NacreError:
        notes[0] |= ERROR


def write_once(root: Path, batches: Sequence[int], notes: memoryview) -> None:
    """Absorb one batch, without a blob; a writer that may be stopped for long."""
    (batch,) = batches
    try:
        absorb(Log(place_of(root, make=True)), batch, blob=False)
        notes[batch] |= ACKNOWLEDGED
    except Fenced:
        notes[batch] |= FENCED
    except BaseException:
        notes[batch] |= FOREIGN
        raise


def check(root: Path, before: Iterable[int], notes: memoryview) -> None:
    """Raise AssertionError unless the store is as it must be, whatever happened."""
    log = Log(place_of(root, make=True))
    commits = [known(log.read(number)) for number in log.numbers()]
    for earlier, later in itertools.pairwise(commits):
        assert later[: len(earlier)] == earlier, "a commit that its next does not know"
    now = commits[-1] if commits else []
    assert len(set(now)) == len(now), f"twice: {now}"
    noted = {batch for batch in range(1, len(notes)) if notes[batch] & ACKNOWLEDGED}
    assert set(now) >= {*before, *noted}, f"acknowledged {noted}, there {now}"
    for batch in now:
        assert log.place.read(blob_of(batch)) == own(batch, 9000), "half a blob"
    assert not any(notes[batch] & FOREIGN for batch in range(len(notes))), "an error not of ours"


def recover(root: Path, batches: Iterable[int]) -> None:
    """Go on after a fault: all batches are absorbed, each once, and nothing unfinished is left."""
    log = Log(place_of(root, make=True))
    for batch in batches:
        absorb(log, batch)
    now = known(log.latest()[1])
    assert sorted(now) == sorted(set(now)), f"twice: {now}"
    assert set(batches) <= set(now)
    collect(log)
    current = f"commits/{log.newest() // 64:08d}"
    assert not {path for path in unfinished(root) if path in ("", "blobs", "commits", current)}


def unfinished(root: Path) -> Iterator[str]:
    """The folders in which unfinished files lie."""
    for folder, _, names in os.walk(root):
        if any(name.endswith(".part") for name in names):
            yield os.path.relpath(folder, root).removeprefix(".")


def is_anywhere(root: Path, batch: int) -> bool:
    """Whether bytes of a batch are in any file below a directory."""
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and own(batch, 32) in path.read_bytes():
                return True
    return False
