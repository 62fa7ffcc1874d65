"""Models on a local disk: a directory with one manifest and the blobs that it names.

    model/manifest.json     what the model consists of, and where it comes from
    model/blobs/<sha256>    its learner, its state, the parts of its tables: store/format.py

Blobs are written first and never changed; renaming the manifest is the commit. So a crash at any
point leaves the model that was there or the new one, and nothing in between.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nacre.canon import digest
from nacre.contract import State
from nacre.errors import (
    BadParameter,
    BadType,
    CorruptState,
    NacreError,
    NewerFormat,
    NotFound,
    Occupied,
)
from nacre.kernel.kernel_class import kernel_class
from nacre.kinds import Rows, Table
from nacre.store import format as stored
from nacre.store import manifest as manifests
from nacre.store.commits import COMMITS
from nacre.store.container import corrupt
from nacre.store.files import Folder, is_unfinished
from nacre.store.ledger import Entry, Job
from nacre.store.manifest import NAME, Blob, Fitted, Manifest, Typed

BLOBS = "blobs"
DTYPES = ("float32", "float64")  # of the rows that learners see
PACKAGES = ("numpy", "numba", "scipy", "scikit-learn", "pyarrow", "safetensors")
MOST_HELD = 256 << 20  # bytes of a table's parts that are kept once read


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted learner into a directory, in the place of a model that is there.

    The directory has the model that was there or the new one, whatever happens. What it was fitted
    on is looked at again, for the SHA-256 of each batch; what is gone by now is said to be gone.

    >>> import tempfile
    >>> import numpy as np
    >>> from nacre.learn.prepare.scale import Scale
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Scale().fit(np.eye(3)), f"{folder}/model")
    ...     load(f"{folder}/model").scale_.round(3)
    array([0.471, 0.471, 0.471])

    Args:
        estimator: fitted or loaded; its class is one of nacre's own, or registered.
        path: a directory; it is made where it is not there.

    Raises:
        NotFittedError: of scikit-learn: there is nothing to save yet.
        BadType: no learner, or of a class that is not registered.
        Occupied: a directory that holds something else, or a file.
        BadParameter: an address of another system.
        NewerFormat, CorruptState: it holds a model that this nacre cannot read.
        DiskFull, Unavailable: it cannot be written; the model that was there is still there.
    """
    where = absolute(path)
    check_fitted(estimator)
    data = {"learner": stored.to_bytes(estimator), "state": stored.to_bytes(estimator.state_)}
    is_new = not os.path.lexists(where)
    if not is_new:
        _check_place(where)  # before files are read again, which may take long
    record = estimator._record
    draft = drafted(estimator, record.ledger(), record)
    try:
        with Folder.made(where) as folder, folder.locked():
            _commit(folder, draft, data, estimator.state_)
    except BaseException:
        if is_new:
            _unmade(where)
        raise


def _commit(folder: Folder, draft: Manifest, data: dict[str, bytes], state: State) -> None:
    before = _occupant(folder)
    with folder.inner(BLOBS, make=True) as blobs:
        try:
            named = [_put(blobs, kind, data[kind]) for kind in data]
            parts = {name: _put(blobs, "rows", part) for name, part in _parts(state)}
            after = _complete(draft, named, parts)
            blobs.sync()
            folder.write(NAME, manifests.spelled(after))
        except BaseException:
            _give_up(folder, blobs, before)
            raise
        folder.sync()
        _collect(folder, blobs, after)


def drafted(estimator: Any, ledger: list[Entry], record: Any) -> Manifest:
    """The manifest of an estimator, without blobs."""
    learner, schema, state = outlined(estimator)
    return Manifest(
        blobs=(),
        learner=learner,
        schema=schema,
        state=state,
        tables={},
        jobs=tuple(placed(job) for job in record.jobs),
        ledger=tuple(ledger),
        n_unlisted=record.n_unlisted,
        n_rows_unlisted=record.n_rows_unlisted,
        saved=now(),
    )


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def outlined(estimator: Any) -> tuple[Typed, Typed, Fitted]:
    """What a manifest says of learner, schema and state."""
    state = estimator.state_
    model, told = state.model, state.told
    numbers = float(told.weight), int(told.n_rows), int(told.n_skipped)
    return (
        Typed("", stored.encode(estimator)[1]["value"]),
        Typed(digest(state.schema), stored.encode(state.schema)[1]["value"]),
        Fitted(state.digest, model.base, state.complete, *numbers),
    )


def _complete(draft: Manifest, named: list[Blob], parts: dict[str, Blob]) -> Manifest:
    blobs = {blob.sha256: blob for blob in [*named, *parts.values()]}
    tables = {name: blob.sha256 for name, blob in parts.items()}
    return replace(draft, blobs=tuple(blobs[name] for name in sorted(blobs)), tables=tables)


def placed(job: Job) -> Job:
    """A job of this process with what decides its bits; one that was loaded has it already."""
    if job.kernel_class:
        return job
    return replace(job, versions=dict(versions()), kernel_class=kernel_class())


@functools.cache
def versions() -> Mapping[str, str]:
    """Package -> version, of what computes and of Python."""
    from nacre import __version__

    found = {"nacre": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def absolute(path: str | os.PathLike[str]) -> str:
    """A path of this machine from its root; raise BadParameter for any other."""
    text = os.fspath(path)
    if not text or "://" in text or "\0" in text:
        raise BadParameter(
            got=f"path={text!r}", wanted="a directory on this machine", do="Name a local path."
        )
    return os.path.abspath(text)


def check_fitted(estimator: Any) -> None:
    """Raise BadType for what is no learner, NotFittedError for what has not learned yet."""
    if not hasattr(estimator, "_restore"):
        raise BadType(
            got=type(estimator).__name__,
            wanted="a fitted learner of nacre",
            do="Save what `fit` returned.",
        )
    estimator._check_fitted()


def _check_place(where: str) -> None:
    if not os.path.isdir(where):
        raise Occupied(got=f"the file {where}", wanted="a directory", do="Choose another path.")
    with Folder.at(where) as folder:
        _occupant(folder)


def _occupant(folder: Folder) -> Manifest | None:
    """The manifest of the model that is there; None where there is none, or an unfinished one.

    Raises:
        Occupied: there is something else.
        CorruptState, NewerFormat: a model that cannot be read.
    """
    names = set(folder.names())
    if COMMITS in names:
        raise Occupied(
            got="a directory that holds a live model",
            wanted="an empty one, a new one, or a saved model",
            do="Save into a directory of its own; nacre.open(path) goes on with what is there.",
            where=folder.path,
        )
    if NAME in names:
        try:
            return read_manifest(folder)
        except (CorruptState, NewerFormat) as error:
            fields = {**error.fields(), "do": "Save elsewhere, or remove what is there."}
            raise type(error)(**fields) from None
    others = {name for name in names - {BLOBS} if not is_unfinished(name)}
    if BLOBS in names:
        with folder.inner(BLOBS) as blobs:
            others |= {f"{BLOBS}/{name}" for name in blobs.names() if not _is_ours(name)}
    if others:
        raise Occupied(
            got=f"a directory that holds {sorted(others)[0]}",
            wanted="an empty one, a new one, or a model",
            do="Save into a directory of its own.",
            where=folder.path,
        )
    return None


def _is_ours(name: str) -> bool:
    return is_unfinished(name) or (len(name) == 64 and set(name) <= set("0123456789abcdef"))


def read_manifest(folder: Folder) -> Manifest:
    """The manifest of a directory.

    Raises:
        NotFound: there is no model in it.
        CorruptState, NewerFormat: one that cannot be read.
    """
    return _manifest(folder, _text(folder))


def _text(folder: Folder) -> bytes:
    try:
        return folder.read(NAME, manifests.MOST_BYTES + 1000)
    except NotFound:
        raise NotFound(
            got=f"no {NAME} in {folder.path}",
            wanted="the directory of a model",
            do="Name the directory that `save` wrote.",
        ) from None


def _manifest(folder: Folder, text: bytes) -> Manifest:
    with _located(folder.of(NAME)):
        return manifests.read(text)


@contextmanager
def _located(where: str) -> Iterator[None]:
    try:
        yield
    except NacreError as error:
        raise error.at(where) from None


def _put(blobs: Folder, kind: str, data: bytes) -> Blob:
    """Write a blob, unless it is there and whole."""
    name = hashlib.sha256(data).hexdigest()
    with suppress(NotFound, CorruptState):
        if blobs.read(name, len(data)) == data:
            return Blob(name, kind, len(data))
    blobs.write(name, data)
    return Blob(name, kind, len(data))


def _parts(state: State) -> Iterator[tuple[str, bytes]]:
    for table in tables_of(state.model):
        for _, name in table.parts:
            if name not in table.held:
                raise NotFound(
                    got=f"no rows for part {name[:8]} of {table.layout}",
                    wanted="all parts of the model's tables",
                    do="Save the model where its tables are.",
                )
            yield name, stored.to_bytes(table.held[name])


def tables_of(value: Any) -> Iterator[Table]:
    """All tables in a model, however deep."""
    if isinstance(value, Table):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            if field.metadata.get("lasting", True):
                yield from tables_of(getattr(value, field.name))
    elif isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tables_of(item)


def _collect(folder: Folder, blobs: Folder, manifest: Manifest | None) -> None:
    """Remove what no manifest names any more, and what a dead writer left."""
    kept = {blob.sha256 for blob in manifest.blobs} if manifest else set()
    with suppress(NacreError):
        blobs.remove({name for name in blobs.names() if _is_ours(name)} - kept)
        folder.remove({name for name in folder.names() if is_unfinished(name)})


def _give_up(folder: Folder, blobs: Folder, before: Manifest | None) -> None:
    """After a failure: away with the new blobs, unless it failed after the commit."""
    with suppress(NacreError):
        if (read_manifest(folder) if NAME in folder.names() else None) == before:
            _collect(folder, blobs, before)


def _unmade(where: str) -> None:
    for path in (os.path.join(where, BLOBS), where):  # what is not empty stays
        with suppress(OSError):
            os.rmdir(path)


def is_model(path: str | os.PathLike[str]) -> bool:
    """Whether a directory holds a model, saved or live."""
    return is_live(os.fspath(path)) or os.path.exists(os.path.join(path, NAME))


def is_live(path: str) -> bool:
    """Whether a directory holds a live model."""
    return os.path.isdir(os.path.join(path, COMMITS))


def load(path: str | os.PathLike[str]) -> Any:
    """The fitted learner of a directory that `save` wrote, or of a live model as it is now. Nothing
    in it is run.

    Every hash is checked, and so is the digest of the state; the parts of tables are read when they
    are asked for.

    Raises:
        NotFound: there is no model.
        CorruptState: a file of it is missing, damaged, or made to harm; it is named.
        NewerFormat: of a later nacre, or of a learner that is not registered here.
        Unavailable: it may not be read.
    """
    where = absolute(path)
    if is_live(where):
        import nacre

        with nacre.open(where) as live:
            return live.model
    with Folder.at(where) as folder:
        text = _text(folder)
        while True:
            try:
                return _loaded(folder, _manifest(folder, text))
            except NacreError:
                before, text = text, _text(folder)
                if text == before:  # else it was saved anew meanwhile, and old blobs are gone
                    raise


def _loaded(folder: Folder, manifest: Manifest) -> Any:
    with _located(folder.of(NAME)):
        parts = _named_parts(manifest)
        named = [manifest.blob(kind) for kind in ("learner", "state")]
    with _owned(), folder.inner(BLOBS) as blobs:
        learner, state = (_value(blobs, blob) for blob in named)
        for blob in parts.values():
            _data(blobs, blob)
    with _located(folder.of(NAME)):
        _check_tables(state, parts)
        if state.schema.dtype not in DTYPES:  # rows are cast to it
            corrupt(f"rows of dtype {state.schema.dtype[:40]!r}", " or ".join(DTYPES))
        if not hasattr(learner, "_restore"):
            corrupt(f"the hyper-parameters of a {type(learner).__name__}", "those of an estimator")
        learner._restore(state, manifest)
        if outlined(learner) != (manifest.learner, manifest.schema, manifest.state):
            corrupt("a manifest that tells of another model", "what its blobs hold")
    for table in tables_of(state.model):
        object.__setattr__(table, "held", Parts(folder.path, parts))  # it was made just now
    return learner


def _named_parts(manifest: Manifest) -> dict[str, Blob]:
    """Digest of rows -> their blob; no blob is without a use."""
    rows = {blob.sha256: blob for blob in manifest.blobs if blob.kind == "rows"}
    if set(manifest.tables.values()) != set(rows) or len(rows) + 2 != len(manifest.blobs):
        corrupt("tables and blobs that do not agree", "each blob once, and a use for each")
    return {name: rows[sha256] for name, sha256 in manifest.tables.items()}


def _check_tables(state: State, parts: Mapping[str, Blob]) -> None:
    wanted = {name for table in tables_of(state.model) for _, name in table.parts}
    if wanted != set(parts):
        corrupt(f"{len(parts)} parts of tables", f"the {len(wanted)} that the model names")


@contextmanager
def _owned() -> Iterator[None]:
    """What is missing inside of a model is damage."""
    try:
        yield
    except NotFound as error:
        raise CorruptState(
            got="no such file",
            wanted="all that the manifest names",
            do="Restore the model from a copy, or make it again.",
            where=error.where,
        ) from None


def _data(blobs: Folder, blob: Blob) -> bytes:
    """The bytes of a blob, which have its hash."""
    data = blobs.read(blob.sha256, blob.n_bytes)
    with _located(blobs.of(blob.sha256)):
        found = hashlib.sha256(data).hexdigest()
        if len(data) != blob.n_bytes or found != blob.sha256:
            corrupt(f"{len(data):,} bytes, SHA-256 {found[:16]}…", f"{blob.n_bytes:,}, as its name")
    return data


def _value(blobs: Folder, blob: Blob) -> Any:
    data = _data(blobs, blob)
    with _located(blobs.of(blob.sha256)):
        try:
            return stored.from_bytes(data, blob.kind)
        except NewerFormat as error:
            do = (
                "Update nacre. Of a learner that is not nacre's, import the module first that calls"
            )
            do = f"{do} nacre.store.format.register(prefix, *classes)."
            raise NewerFormat(got=error.got, wanted=error.wanted, do=do) from None


class Parts(Mapping[str, Rows]):
    """The parts of a model's tables, read when they are asked for; the latest are kept.

    Args:
        path: of the model.
        blobs: digest of rows -> blob.
    """

    def __init__(self, path: str, blobs: Mapping[str, Blob]) -> None:
        self.path, self.blobs = path, blobs
        self._held: dict[str, Rows] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Rows:
        blob = self.blobs[name]
        rows = self._held.get(name)
        if rows is None:
            rows = self._read(name, blob)
            with self._lock:
                self._held[name] = rows
                while sum(self.blobs[held].n_bytes for held in self._held) > MOST_HELD:
                    del self._held[next(iter(self._held))]
        return rows

    def _read(self, name: str, blob: Blob) -> Rows:
        with _owned(), Folder.at(self.path) as folder, folder.inner(BLOBS) as blobs:
            rows: Rows = _value(blobs, blob)
            with _located(blobs.of(blob.sha256)):
                if digest(rows) != name:
                    corrupt(f"rows of digest {digest(rows)}", name)
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.blobs)

    def __len__(self) -> int:
        return len(self.blobs)

    def __reduce__(self) -> tuple[Any, ...]:
        return Parts, (self.path, dict(self.blobs))
