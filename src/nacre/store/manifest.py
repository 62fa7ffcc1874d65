"""The manifest of a model: strict JSON that names all that the model consists of, and its past.

    {
    "manifest": {...},
    "nacre_format": 1,
    "sha256": "of all bytes before this line"
    }

One value has one text: keys are sorted, items of lists stand on lines of their own. Reading builds
the dataclasses below from their annotations and takes nothing else: no unknown field, no other
type. Later formats keep the first line and the last three.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from nacre.errors import BadInput
from nacre.store.container import corrupt, newer, parsed, shown
from nacre.store.ledger import Count, Digest, Entry, Job, Leaf, Lies, Sha256, Turn

Tree = Any  # JSON of a value, as nacre.store.format has it

NAME = "manifest.json"
FORMAT = 1
MOST_BYTES = 128 << 20  # about half a million batches
_OPENING = b'{\n"manifest": {'
_CLOSING = re.compile(rb'\n"nacre_format": ([0-9]{1,9}),\n"sha256": "([0-9a-f]{64})"\n\}\n')
_N_CLOSING = 200  # bytes in which it lies
_WIDEST = 1 << 63
_JSON = json.JSONEncoder(sort_keys=True, allow_nan=False)
_PLAIN = frozenset((str, int, float, bool, NoneType))  # nothing to look into


@dataclass(frozen=True)
class Blob:
    """A file below `blobs/`, named by the SHA-256 of its bytes.

    Attributes:
        kind: of the value in it, as nacre.store.format names it.
    """

    sha256: Sha256
    kind: Annotated[str, "learner|state|rows"]
    n_bytes: Count


@dataclass(frozen=True)
class Typed:
    """A value that the manifest shows and a blob holds: tag and fields, arrays without numbers.

    Attributes:
        digest: of its canonical bytes; empty where it has none.
        value: its tree.
    """

    digest: Annotated[str, "([0-9a-f]{32})?"]
    value: Tree


@dataclass(frozen=True)
class Fitted:
    """What can be known of a state without reading it."""

    digest: Digest
    base: Digest
    complete: bool
    weight: float
    n_rows: Count
    n_skipped: Count


@dataclass(frozen=True)
class Manifest:
    """All that a model consists of.

    Attributes:
        blobs: one learner, one state, and the parts of its tables.
        learner: its hyper-parameters.
        schema: of the rows.
        state: the fitted state.
        tables: digest of rows -> the blob they are in.
        jobs: what was done, in that order.
        ledger: the batches that are in it; `n_unlisted` more, of `n_rows_unlisted` rows, are not.
        saved: UTC, ISO 8601.
    """

    blobs: tuple[Blob, ...]
    learner: Typed
    schema: Typed
    state: Fitted
    tables: Mapping[str, Sha256]
    jobs: tuple[Job, ...]
    ledger: tuple[Entry, ...]
    n_unlisted: Count
    n_rows_unlisted: Count
    saved: Annotated[str, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"]

    def blob(self, kind: str) -> Blob:
        """The one blob of a kind.

        Raises:
            CorruptState: there is none, or more than one.
        """
        found = [blob for blob in self.blobs if blob.kind == kind]
        if len(found) != 1:
            corrupt(f"{len(found)} blobs of kind {kind}", "one")
        return found[0]


_FIELDS: dict[Any, dict[str, Any]] = {}  # class -> field -> type: all that JSON may stand for


def known(*classes: type) -> None:
    """Put dataclasses on the list of what JSON may stand for, by their annotated fields."""
    _FIELDS.update({cls: get_type_hints(cls, include_extras=True) for cls in classes})


def names(cls: type) -> list[str]:
    """The fields of a dataclass on the list."""
    return list(_FIELDS[cls])


known(Manifest, Blob, Typed, Fitted, Job, Turn, Entry, Lies, Leaf)


def spelled(manifest: Manifest) -> bytes:
    """The one text of a manifest.

    Raises:
        BadInput: it is too long to be read again.
    """
    lines = "".join(_lines(tree(manifest)))
    text = f'{{\n"manifest": {lines},\n"nacre_format": {FORMAT},\n'.encode()
    if len(text) > MOST_BYTES:
        raise BadInput(
            got=f"a manifest of {len(text):,} bytes for {len(manifest.ledger):,} batches",
            wanted=f"at most {MOST_BYTES:,} bytes",
            do="Fit on fewer, larger files.",
        )
    return text + f'"sha256": "{hashlib.sha256(text).hexdigest()}"\n}}\n'.encode()


def tree(value: Any) -> Tree:
    """The JSON of a value: dataclasses on the list as objects, tuples as lists."""
    if type(value) in _PLAIN:
        return value
    if names := _FIELDS.get(type(value)):
        return {name: tree(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: tree(item) for key, item in value.items()}
    return [tree(item) for item in value] if isinstance(value, tuple) else value


def _lines(node: dict[str, Tree]) -> Iterator[str]:
    yield "{"
    for at, (key, value) in enumerate(sorted(node.items())):
        yield f'{"," if at else ""}\n"{key}": '
        if isinstance(value, list) and value:
            yield "[\n" + ",\n".join(map(_JSON.encode, value)) + "\n]"
        else:
            yield _JSON.encode(value)
    yield "\n}"


def read(text: bytes) -> Manifest:
    """The manifest of a text.

    Raises:
        CorruptState: no manifest of nacre, damaged, or made to harm.
        NewerFormat: whole, but of a format that is not known here.
    """
    closing = _CLOSING.search(text, max(0, len(text) - _N_CLOSING))
    if closing is None or closing.end() != len(text) or not text.startswith(_OPENING):
        corrupt(f"{len(text):,} bytes that are no whole manifest", "a manifest of nacre")
    if hashlib.sha256(text[: closing.start(2) - 11]).hexdigest() != closing[2].decode():
        corrupt("a manifest of another SHA-256", "the one in its last line")
    if int(closing[1]) > FORMAT:
        newer(f"format {int(closing[1])}", f"format {FORMAT} or lower")
    node = parsed(text, "manifest")["manifest"]
    manifest: Manifest = built(Manifest, node, "manifest")
    try:
        again = spelled(manifest)
    except (ValueError, RecursionError):  # infinite, or nested so deep that it cannot be written
        again = b""
    if again != text:
        corrupt("a manifest that nacre would spell otherwise", "sorted keys, once each")
    return manifest


def built(kind: Any, node: Tree, path: str) -> Any:
    """The value of an annotated type that a JSON node stands for.

    >>> built(tuple[Count, ...], [3, 4], "rows")
    (3, 4)

    Raises:
        CorruptState: it stands for none.
    """
    origin, options = _form(kind)
    if origin is Annotated:  # a pattern of what it is as text
        value = built(options[0], node, path)
        if not re.fullmatch(options[1], str(value), re.ASCII):
            corrupt(f"{shown(node)} at {path}", f"what matches {options[1]}")
        return value
    if origin in (Union, UnionType):
        (some,) = set(options) - {NoneType}
        return None if node is None else built(some, node, path)
    if origin is Any:
        return node
    if origin is tuple and type(node) is list:
        return tuple(built(options[0], item, f"{path}[{at}]") for at, item in enumerate(node))
    if origin is Mapping and type(node) is dict:
        return {key: built(options[1], item, f"{path}[{key!r:.40}]") for key, item in node.items()}
    if origin in _FIELDS and type(node) is dict:
        return _object(origin, node, path)
    if type(node) is not origin or (type(node) is int and abs(node) >= _WIDEST):
        corrupt(f"{shown(node)} at {path}", getattr(origin, "__name__", str(origin)))
    return node


@functools.cache  # asked for every value of every batch
def _form(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind) or kind, get_args(kind)


def _object(cls: Any, node: dict[str, Tree], path: str) -> Any:
    kinds = _FIELDS[cls]
    if node.keys() != kinds.keys():
        odd = shown(sorted(node.keys() ^ kinds.keys()))
        corrupt(f"missing or unknown fields {odd} at {path}", f"those of {cls.__name__}")
    return cls(**{name: built(kind, node[name], f"{path}.{name}") for name, kind in kinds.items()})
