"""A directory of answers: Parquet parts, one for each shard, and a manifest that is written last.

    part-000003-9f3a51c27b604d18.parquet    the fourth shard in reading order
    _manifest.json                          all parts are there, and what they are

A part's name tells its place in the order of reading and hashes what it is made of: the model's
digest, the question, its batch and shard. Its own metadata say the same in full, so a directory
that was left half done explains itself: what is there stays, what is missing is written, and the
answers of another model or to other data are refused.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nacre import canon
from nacre.contract import Array
from nacre.errors import CorruptState, Occupied, Unavailable
from nacre.store.files import Folder, is_unfinished

FORMAT = 1
MANIFEST = "_manifest.json"  # readers of Parquet directories pass over names in _
KEY = b"nacre"  # under which a part's metadata say what it is
_PART = re.compile(r"part-\d{6,}-[0-9a-f]{16}\.parquet")


@dataclass(frozen=True)
class Job:
    """What is asked of which rows.

    Attributes:
        model: the state's digest.
        learner: its name, for people.
        want: "predict" or "transform".
        keep: columns that pass through.
        data: batch id -> what tells this very content from another.
    """

    model: str
    learner: str
    want: str
    keep: tuple[str, ...]
    data: Mapping[str, str]

    @functools.cached_property
    def told(self) -> dict[str, Any]:
        """What the metadata of each part say of it."""
        of_data = canon.digest(sorted(self.data.items()))
        return {**asdict(self), "keep": list(self.keep), "data": of_data}


@dataclass(frozen=True)
class Part:
    """The answers to one shard.

    Attributes:
        at: its place in the order of reading.
        batch: the id of the shard's batch.
        first, stop: rows of the batch.
    """

    at: int
    batch: str
    first: int
    stop: int

    def name(self, job: Job) -> str:
        """The name of its file; names sort in the order of reading."""
        made_of = canon.digest(job.told, self.batch, self.first, self.stop)
        return f"part-{self.at:06d}-{made_of[:16]}.parquet"

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.first


@dataclass(frozen=True)
class Parts:
    """The parts of a job in a directory.

    Attributes:
        parts: key of the shard -> its part, in the order of reading.
    """

    directory: Path
    job: Job
    parts: Mapping[int, Part]

    @contextmanager
    def open(self) -> Iterator[dict[int, Part]]:
        """The parts that are not there yet, by key; nobody else writes here meanwhile.

        Raises:
            Occupied: the directory holds something else.
            Unavailable: another process writes to it, or it may not be written.
        """
        with Folder.made(os.path.abspath(self.directory)) as folder, _alone(folder):
            self._check(folder)
            folder.remove({name for name in folder.names() if is_unfinished(name)})
            yield {key: part for key, part in self.parts.items() if self._about(part) is None}

    def write(self, part: Part, columns: Mapping[str, Any], n_skipped: int = 0) -> None:
        """Put a part there, whole or not at all.

        Args:
            columns: name -> Arrow array, of a value for each of the part's rows.
            n_skipped: how many of the rows have no answer.

        Raises:
            DiskFull, Unavailable: it cannot be written; what is there is still there.
        """
        table = pa.table(dict(columns))
        assert table.num_rows == part.rows, "a row for each row"
        about = {**self._of(part), "skipped": n_skipped}
        table = table.replace_schema_metadata({KEY: json.dumps(about)})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self._put(part.name(self.job), sink.getvalue())

    def _put(self, name: str, data: Any) -> None:
        with Folder.at(os.path.abspath(self.directory)) as folder:
            folder.write(name, data)
            folder.sync()

    def finish(self) -> dict[str, Any]:
        """Count all rows, and write the manifest, which is returned.

        Raises:
            CorruptState: a part is missing or has other rows than its shard.
        """
        listed = []
        for part in self.parts.values():
            about = self._about(part)
            name = part.name(self.job)
            if about is None:
                raise CorruptState(
                    got=f"no whole part {name}",
                    wanted=f"{part.rows} rows",
                    do="Run it again: it writes what is missing.",
                    where=str(self.directory),
                )
            n_bytes = (self.directory / name).stat().st_size
            skipped = int(about["skipped"])
            listed.append({"name": name, **asdict(part), "bytes": n_bytes, "skipped": skipped})
        manifest = {
            "format": FORMAT,
            "kind": "answers",
            **self.job.told,
            "batches": dict(self.job.data),
            "rows": sum(part.rows for part in self.parts.values()),
            "skipped": sum(part["skipped"] for part in listed),
            "parts": listed,
        }
        self._put(MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        return manifest

    def _of(self, part: Part) -> dict[str, Any]:
        return {**self.job.told, **asdict(part)}

    def _about(self, part: Part) -> dict[str, Any] | None:
        """What a part's file says of itself; None where it is missing or not whole."""
        path = self.directory / part.name(self.job)
        found = about(path)
        if found is None or any(found.get(key) != value for key, value in self._of(part).items()):
            return None
        return found if pq.read_metadata(path).num_rows == part.rows else None

    def _check(self, folder: Folder) -> None:
        """Raise Occupied where the directory holds anything but this job's answers."""
        for name in folder.names():
            if name.startswith("."):
                continue
            if name != MANIFEST and not _PART.fullmatch(name):
                raise Occupied(
                    got=f"{name} in {self.directory}",
                    wanted="an empty directory, or one of these answers",
                    do="Choose another directory.",
                )
        for path in sorted(self.directory.glob("part-*.parquet")):
            found = about(path)
            if found is not None:
                self._check_same(found)
                return  # a directory is only ever written to under its own job

    def _check_same(self, found: Mapping[str, Any]) -> None:
        mine = self.job.told
        if found.get("model") != mine["model"]:
            raise self._other(f"the answers of {_model(found)}", f"those of {_model(mine)}")
        if (found.get("want"), found.get("keep")) != (mine["want"], mine["keep"]):
            raise self._other(f"other answers: {_asked(found)}", _asked(mine))
        if found.get("data") != mine["data"]:
            new = _data(mine["data"], self.job.data)
            raise self._other(f"the answers to {self._named(found)}", f"those to {new}")

    def _other(self, got: str, wanted: str) -> Occupied:
        return Occupied(
            got=f"{self.directory} with {got}",
            wanted=wanted,
            do="Write to another directory, or remove this one.",
        )

    def _named(self, found: Mapping[str, Any]) -> str:
        """The data of another job, by its manifest where there is one; what changed is named."""
        digest = str(found.get("data"))
        try:
            manifest = json.loads((self.directory / MANIFEST).read_bytes())
            before = dict(manifest["batches"])
        except (OSError, ValueError, KeyError, TypeError):
            return f"other data ({digest[:8]})"
        changed = [name for name in before if self.job.data.get(name, before[name]) != before[name]]
        if changed:
            return f"an earlier {changed[0] or 'array or frame'!r} ({digest[:8]})"
        return _data(digest, before)


def parts_of(plan: Any) -> dict[int, Part]:
    """Key of each shard of a plan -> its part, in the order of reading."""
    names = {canon.hash64(name): name for name in plan.ids}
    cuts = [plan.shards[i] for i in plan.reading_order]
    return {
        cut.key: Part(at, names[cut.origin], cut.first, cut.stop) for at, cut in enumerate(cuts)
    }


def spelled(answers: Array, at: Array, n_rows: int, names: Sequence[str]) -> dict[str, Any]:
    """The columns of answers, empty where a row has none.

    >>> spelled(np.array([7, 8], np.int32), np.array([0, 2]), 3, ["predict"])["predict"].to_pylist()
    [7, None, 8]

    Args:
        answers: (m,) or (m, k).
        at: (m,) rows that have them.
        n_rows: in all.
        names: (k,) of the columns.
    """
    lost = None
    if len(at) < n_rows:
        lost = np.ones(n_rows, bool)
        lost[at] = False
        full = np.zeros((n_rows, *answers.shape[1:]), answers.dtype)
        full[at] = answers
        answers = full
    columns = answers.reshape(n_rows, -1).T if n_rows else [answers.reshape(-1)] * len(names)
    return {
        name: pa.array(np.ascontiguousarray(column), mask=lost)
        for name, column in zip(names, columns, strict=True)
    }


def about(path: Path) -> dict[str, Any] | None:
    """What a part says of itself; None for a file that is no whole part."""
    try:
        found = json.loads((pq.read_metadata(path).metadata or {})[KEY])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest of a directory of answers; None where it holds none."""
    try:
        found = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    is_ours = isinstance(found, dict) and found.get("kind") == "answers"
    return found if is_ours else None


def _model(told: Mapping[str, Any]) -> str:
    return f"the {told.get('learner')} {str(told.get('model'))[:8]}"


def _asked(told: Mapping[str, Any]) -> str:
    kept = ", ".join(told.get("keep") or ())
    return f"{told.get('want')} {f'beside {kept}' if kept else 'alone'}"


def _data(digest: str, batches: Mapping[str, str]) -> str:
    first = next(iter(batches), "") or "array or frame"
    more = f" and {len(batches) - 1} more" if len(batches) > 1 else ""
    return f"{first!r}{more} ({digest[:8]})"


@contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """No other process at work in a directory."""
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.locked(patience=0))
        except Unavailable as error:
            raise Unavailable(
                got="another process that writes answers here",
                wanted="one at a time",
                do="Wait for it, or write to another directory.",
                where=error.where,
            ) from None
        yield
