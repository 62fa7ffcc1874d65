"""What a model was made from: noted by a fit, looked at again when the model is saved.

Nothing is kept alive for it. Rows in memory are referred to weakly, files by where they lie; what
is gone or was changed by then is said to be so, and no save fails for it.
"""

from __future__ import annotations

import hashlib
import math
import os
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from nacre.canon import digest, hash64, unpack
from nacre.source.plan import BATCH_ROWS, Reader, RowPlan, content
from nacre.source.terms import Read
from nacre.store.ledger import Entry, Job, Turn

MOST_LATER = 10_000  # batches of partial_fit that are listed; the others are counted
AT_ONCE = 4  # files read at a time: hashing releases the interpreter's lock
CHUNK = 1 << 20
N_LOOKED_AT = 16  # rows in memory that are compared, because arrays are changed in place
CHANGED = "changed since the fit"
TOLD_BY = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")


class Gone(Exception):
    """Why a batch cannot be looked at again."""


@dataclass(frozen=True)
class Seen:
    """A batch whose content is taken when it is asked for.

    Attributes:
        entry: what is known without it.
        again: gives the content and the number of bytes, or raises.
    """

    entry: Entry
    again: FileBytes | FolderBytes | MemoryRows

    def look(self) -> Entry:
        """The entry with its content, or with a note why there is none."""
        try:
            found, n_bytes = self.again.content()
        except Gone as gone:
            return replace(self.entry, note=str(gone))
        except Exception as error:  # whatever a source raises: the model can be saved without it
            first = f"{type(error).__name__}: {error}".partition("\n")[0]
            return replace(self.entry, note=f"cannot be read: {first[:200]}")
        return replace(self.entry, content=found, n_bytes=n_bytes)

    def __deepcopy__(self, memo: Any) -> Seen:
        return self


@dataclass(frozen=True)
class FileBytes:
    """A file of the plan: its bytes are hashed.

    Attributes:
        file: as the reader has it: `source()` gives a path or an open file.
        stamp: what tells that it was changed.
    """

    file: Any
    stamp: tuple[Any, ...]

    def content(self) -> tuple[str, int]:
        """SHA-256 and number of bytes."""
        if stamp(self.file) != self.stamp:
            raise Gone(CHANGED)
        sink, n_bytes, source = hashlib.sha256(), 0, self.file.source()
        with open(source, "rb") if isinstance(source, str) else source as stream:
            while chunk := stream.read(CHUNK):
                sink.update(chunk)
                n_bytes += len(chunk)
        if stamp(self.file) != self.stamp:
            raise Gone(CHANGED)
        return f"file:{sink.hexdigest()}", n_bytes


@dataclass(frozen=True)
class FolderBytes:
    """The files of a folder that is a batch: their names and bytes are hashed.

    Attributes:
        folder: the reader of the plan.
    """

    folder: Any

    def content(self) -> tuple[str, int]:
        """SHA-256 over all, and number of bytes."""
        sink, n_bytes = hashlib.sha256(), 0
        for row, name in enumerate(self.folder.names):
            file, now = self.folder.file(row), stamp(self.folder.file(row))
            n = 3 if file.system is None else 1  # of files elsewhere a plan knows the size alone
            if now[:n] != self.folder.stamp(row)[:n]:
                raise Gone(CHANGED)
            found, size = FileBytes(file, now).content()
            sink.update(f"{name}\0{found}\0".encode())
            n_bytes += size
        return f"file:{sink.hexdigest()}", n_bytes


def stamp(file: Any) -> tuple[Any, ...]:
    """What changes when a file is written anew; raises Gone where it is not there."""
    try:
        if file.system is None:
            found = os.stat(file.path)
            return found.st_size, found.st_mtime_ns, found.st_ino
        told = file.system.info(file.path)
    except FileNotFoundError:
        raise Gone("no longer there") from None
    return told.get("size"), *[str(told[name]) for name in TOLD_BY if name in told][:1]


@dataclass(frozen=True)
class MemoryRows:
    """Rows in memory, if they still are: read again, and their canonical bytes hashed.

    Attributes:
        asked: the request that made the plan, without what is referred to.
        refs: field of it -> weak reference to what the caller passed; None in another process.
        schema, takes: of the plan.
        n_rows, sample: the number of rows, and the digest of some of them, at the fit.
    """

    asked: Read
    refs: dict[str, Any] | None
    schema: Any
    takes: Sequence[str]
    n_rows: int
    sample: str

    def content(self) -> tuple[str, None]:
        """Digest of the rows as learning saw them."""
        from nacre.source.read import plan_of

        found = {name: ref() for name, ref in (self.refs or {"": lambda: None}).items()}
        if any(value is None for value in found.values()):
            raise Gone("no longer in memory")
        plan = plan_of(replace(self.asked, **found), None, None, self.takes, self.schema)
        (reader,) = plan.ids.values()
        if reader.n_rows != self.n_rows or sample(reader) != self.sample:
            raise Gone(CHANGED)
        return f"rows:{content(reader)}", None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "refs": None}


def sample(reader: Reader) -> str:
    """Digest of some rows, spread over the batch: it finds most changes in place."""
    n = reader.n_rows
    at = sorted({i * (n - 1) // max(N_LOOKED_AT - 1, 1) for i in range(N_LOOKED_AT)})
    rows = [batch for i in at for batch in reader.read(i, i + 1, BATCH_ROWS, 0)]
    return digest([(batch.X, batch.weight) for batch in rows])


def seen_by(
    plan: RowPlan, data: Any, y: Any = None, weight: Any = None, takes: Sequence[str] = ()
) -> tuple[Entry | Seen, ...]:
    """The batches of a plan, as they are before the fit.

    Args:
        plan: of the data.
        data, y, weight: as the fit was given them.
        takes: of the learner.
    """
    entries = _entries(plan)
    if plan.in_memory:
        asked = (data if isinstance(data, Read) else Read(data)).given(y, weight)
        return tuple(_in_memory(entry, asked, plan, takes) for entry in entries)
    with ThreadPoolExecutor(AT_ONCE) as pool:  # of a remote one mostly waited for
        return tuple(pool.map(_of_reader, entries, plan.ids.values()))


def _entries(plan: RowPlan) -> list[Entry]:
    times = {origin: time for time, origin, _ in (unpack(shard.key) for shard in plan.shards)}
    named = ((name, hash64(name), reader.n_rows) for name, reader in plan.ids.items())
    return [Entry(name, times[origin], f"{origin:016x}", n) for name, origin, n in named]


def _of_reader(entry: Entry, reader: Reader) -> Entry | Seen:
    from nacre.source.images import Folder  # with pyarrow, which rows in memory do without

    if isinstance(reader, Folder):
        return Seen(entry, FolderBytes(reader))
    file = getattr(reader, "file", None)
    if file is None:
        return replace(entry, note="of a source that keeps no files")
    try:
        return Seen(entry, FileBytes(file, stamp(file)))
    except Gone as gone:
        return replace(entry, note=str(gone))


def _in_memory(entry: Entry, asked: Read, plan: RowPlan, takes: Sequence[str]) -> Entry | Seen:
    given = {name: getattr(asked, name) for name in ("data", "y", "weight")}
    given = {name: it for name, it in given.items() if it is not None and not isinstance(it, str)}
    reader = plan.ids[entry.id]
    try:
        refs = {name: weakref.ref(it) for name, it in given.items()}
    except TypeError:  # lists: they are small, and slower to convert than to hash
        return replace(entry, content=f"rows:{content(reader)}")
    nothing: dict[str, Any] = dict.fromkeys(given)
    rows = MemoryRows(
        replace(asked, **nothing), refs, plan.schema, takes, reader.n_rows, sample(reader)
    )
    return Seen(entry, rows)


def seen_later(
    plan: RowPlan, data: Any, y: Any = None, weight: Any = None, takes: Sequence[str] = ()
) -> tuple[Entry | Seen, ...]:
    """The batches of a plan for `partial_fit`: there the id of rows in memory is their content."""
    if not plan.in_memory or (isinstance(data, Read) and data.id is not None):
        return seen_by(plan, data, y, weight, takes)
    return tuple(replace(entry, content=f"rows:{entry.id}") for entry in _entries(plan))


@dataclass(frozen=True)
class Record:
    """What a fitted estimator knows of its past.

    Attributes:
        batches: what it was fitted on, in the order of learning.
        jobs: what was done, in that order.
        n_unlisted, n_rows_unlisted: later batches that are only counted.
        loaded: whether it comes from a store.
    """

    batches: tuple[Entry | Seen, ...] = ()
    jobs: tuple[Job, ...] = ()
    n_unlisted: int = 0
    n_rows_unlisted: int = 0
    loaded: bool = False

    def ledger(self) -> list[Entry]:
        """All batches, with their contents where they can be taken now."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(_looked_at, self.batches))

    def later(self, batches: Sequence[Entry | Seen], learner: Any, plan: RowPlan) -> Record:
        """The record after one more call of `partial_fit`, which goes into the job of those before
        it, if any.
        """
        last = self.jobs[-1] if self.jobs else None
        if last is not None and last.what == "partial_fit" and not last.kernel_class:
            n_calls, n_rows = last.n_calls + 1, last.n_rows + _n_rows(plan)
            jobs = (*self.jobs[:-1], replace(last, n_calls=n_calls, n_rows=n_rows))
        else:
            jobs = (*self.jobs, _job("partial_fit", learner, plan))
        if sum(job.n_calls for job in jobs if job.what == "partial_fit") <= MOST_LATER:
            return replace(self, batches=(*self.batches, *batches), jobs=jobs)
        n_rows = self.n_rows_unlisted + sum(known(batch).n_rows for batch in batches)
        counted = self.n_unlisted + len(batches)
        return replace(self, jobs=jobs, n_unlisted=counted, n_rows_unlisted=n_rows)


def fitted(
    learner: Any, plan: RowPlan, seen: Sequence[Entry | Seen], done: Any, start: Any
) -> Record:
    """The record of a fit.

    Args:
        learner, plan, start: of the fit.
        seen: what `seen_by` gave.
        done: the state and the report.
    """
    state, report = done.state, done.report
    job = replace(
        _job("fit", learner, plan),
        turns=tuple(map(_plain, report.turns)),
        ended=report.ended,
        complete=state.complete,
        seconds=report.seconds,
        engine=report.engine,
        n_workers=report.n_workers,
        memory=report.memory,
        start="" if start is None else start.digest,
    )
    return Record(_skipped(seen, state.told.n_skipped), (job,))


def _plain(turn: Turn) -> Turn:
    """In Python's own numbers, a loss that is not finite left out."""
    loss = None if turn.loss is None or not math.isfinite(turn.loss) else float(turn.loss)
    return Turn(turn.phase, int(turn.n_rows), float(turn.weight), float(turn.seconds), loss)


def added(
    record: Record, learner: Any, plan: RowPlan, seen: Sequence[Entry | Seen], n_skipped: int
) -> Record:
    """The record after a call of `partial_fit` on a fitted learner."""
    return record.later(_skipped(seen, n_skipped), learner, plan)


def _job(what: str, learner: Any, plan: RowPlan) -> Job:
    params = learner.get_params().items()
    seeds = {name: seed for name, seed in params if name.endswith("random_state")}
    return Job(
        what,
        n_calls=1,
        n_rows=_n_rows(plan),
        shard_rows=plan.shard_rows,
        batch_rows=plan.batch_rows,
        dtype=plan.schema.dtype,
        random_state={name: None if seed is None else int(seed) for name, seed in seeds.items()},
    )


def _n_rows(plan: RowPlan) -> int:
    return sum(reader.n_rows for reader in plan.ids.values())


def known(batch: Entry | Seen) -> Entry:
    """What is known of a batch without looking again."""
    return batch.entry if isinstance(batch, Seen) else batch


def _skipped(batches: Sequence[Entry | Seen], n_skipped: int) -> tuple[Entry | Seen, ...]:
    """With the number of bad rows, where the sum over all batches tells it."""
    if n_skipped and len(batches) > 1:
        return tuple(batches)
    return tuple(
        replace(one, entry=replace(one.entry, n_skipped=n_skipped))
        if isinstance(one, Seen)
        else replace(one, n_skipped=n_skipped)
        for one in batches
    )


def _looked_at(batch: Entry | Seen) -> Entry:
    return batch.look() if isinstance(batch, Seen) else batch
