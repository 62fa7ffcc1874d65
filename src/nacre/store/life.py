"""A commit of a live model, as store/commits.py keeps it: strict JSON, then what is new.

    {
    "commit": {...},
    "nacre_format": 1,
    "sha256": "of all bytes before this line"
    }
    <bytes of leaves, one after another, to the end>

A commit holds all that there is to know of the live model at its number: what it has learned from
(lines since the last checkpoint here, older ones in segments), under which frame, and the digest of
the sum. It is one object, so it is there or not. Reading takes nothing that is spelled otherwise.
"""

from __future__ import annotations

import hashlib
import json
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from nacre.evolve.fold import Fold
from nacre.store import manifest as manifests
from nacre.store.container import corrupt, newer, parsed, shown
from nacre.store.ledger import Count, Digest, Job, Leaf, Lies, Sha256

FORMAT = 1
BEGINNINGS = ("begin", "merge", "epoch")  # acts after which batches are under another frame
MOST_TEXT = 64 << 20  # bytes of JSON
_OPENING = b'{\n"commit": {'
_CLOSING = re.compile(rb'\n"nacre_format": ([0-9]{1,9}),\n"sha256": "([0-9a-f]{64})"\n\}\n')
_JSON = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True)
class Named:
    """A blob of lines: of the ledger by id, or of the history by number.

    Attributes:
        sha256: its name below `blobs/`.
        n_lines: how many.
        n_bytes: of the blob.
    """

    sha256: Sha256
    n_lines: Count
    n_bytes: Count


@dataclass(frozen=True)
class Kept:
    """A blob with one value.

    Attributes:
        sha256: of its bytes, and its name below `blobs/`.
        n_bytes: how many.
    """

    sha256: Sha256
    n_bytes: Count


@dataclass(frozen=True)
class Act:
    """What one commit did: a line of the history.

    Attributes:
        number: of the commit.
        moment: ns since 1970.
        what: "begin", "absorb", "replace", "erase", "merge" or "epoch".
        note: which batch, where it was one.
        n_batches, n_rows, n_skipped: that it took in; a running model counts them in its sum.
        writer: who committed; epoch: how many writers there have been.
        digest: of the sum after it.
    """

    number: Count
    moment: Count
    what: Annotated[str, "begin|absorb|replace|erase|merge|epoch"]
    note: str
    n_batches: Count
    n_rows: Count
    n_skipped: Count
    writer: Annotated[str, "[0-9a-f]{16}"]
    epoch: Count
    digest: Digest


@dataclass(frozen=True)
class Frame:
    """What the batches were observed against.

    Attributes:
        learner, schema, model: blobs.
        base: of the model.
        jobs: what made it.
        made_until: batches absorbed up to this moment made it, ns since 1970; 0: it says nothing of
            any row.
    """

    learner: Kept
    schema: Kept
    model: Kept
    base: Digest
    jobs: tuple[Job, ...] = ()
    made_until: Count = 0


@dataclass(frozen=True)
class Receipt:
    """That batches were erased.

    Attributes:
        number: of the commit without them.
        moment: ns since 1970.
        ids: of the batches; n_rows: in them.
        before, after: digest of the sum with them and without them.
        grade: how far what is left is as if they had never been: "bits" or less.
    """

    number: Count
    moment: Count
    ids: tuple[str, ...]
    n_rows: Count
    before: Digest
    after: Digest
    grade: Annotated[str, "bits|rounding|bounded"]

    @property
    def check(self) -> str:
        """How to see that it is true."""
        return (
            "verify() names no stray and no damage; digest of the sum of the batches in the "
            f"ledger is {self.after}; searching the store for bytes of the rows finds none"
        )


@dataclass(frozen=True)
class Position:
    """How far a stream was followed.

    Attributes:
        offset: of the row that comes next.
        mark: what stands before it in the stream, in the words of its source; empty at the begin.
    """

    offset: Count = 0
    mark: str = ""


@dataclass(frozen=True)
class Numbering:
    """The lasting numbers of clusters: of the newest model of which they were asked for.

    Attributes:
        number: of the commit that the model is of.
        numbers: of its clusters, in the order that the model has them.
        following: the least that no cluster ever had.
        scale: how wide the clusters are.
        n_columns: of their centres.
        centres: where those lie, float64, row by row.
    """

    number: Count
    numbers: tuple[Count, ...]
    following: Count
    scale: float
    n_columns: Count
    centres: Lies


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes:
        since: of batches that were absorbed from this moment on, ns since 1970.
        root: the folder that their ids are relative to; of a file `alone` its own path.
        told: to nacre.read, and not as it is by itself: JSON.
        alone: one file, under an id that it was given.
    """

    since: Count
    root: str
    told: str
    alone: bool = False


@dataclass(frozen=True)
class Commit:
    """All there is to know of a live model at one number.

    Attributes:
        act: what this commit did.
        frame: what its batches were observed against.
        root: the folder that ids of files are relative to; empty where no file was absorbed.
        n_batches, n_rows, n_skipped, weight: in the sum.
        forget: what is forgotten as it is absorbed: of a running model.
        clock: of a running model: the newest event, ns since 1970.
        running: of a running model: its state.
        retain: how many leaves are kept apart.
        folds: sums of older ones.
        streams: of numbered sources which offsets were absorbed, as evolve/runs.py has them.
        positions: of streams that are followed how far that was.
        doomed: objects that are to be removed, and so are all commits before this one: they hold
            what was erased. Whoever opens it first finishes that.
        receipt: of the erasure that this commit is.
        since: the moment of the commit that the frame came with; 0: of the first batches.
        readings: how files were read, the first ones first.
        numbering: what its clusters are called, where the learner has any.
        segments: lines of the ledger until the last checkpoint.
        recent: lines since then; they take the place of older ones of the same batch.
        history: acts until the last checkpoint, in blobs.
        acts: acts since then, this one included.
    """

    act: Act
    frame: Frame
    root: str
    n_batches: Count
    n_rows: Count
    n_skipped: Count
    weight: float
    forget: str = "never"
    clock: int = 0
    running: Lies | None = None
    retain: str = "all"
    folds: tuple[Fold, ...] = ()
    streams: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)
    doomed: tuple[str, ...] = ()
    receipt: Receipt | None = None
    since: Count = 0
    readings: tuple[Reading, ...] = ()
    numbering: Numbering | None = None
    segments: tuple[Named, ...] = ()
    recent: tuple[Leaf, ...] = ()
    history: tuple[Named, ...] = ()
    acts: tuple[Act, ...] = ()


manifests.known(Fold, Named, Kept, Act, Frame, Receipt, Position, Numbering, Reading, Commit)
_NAMES = sorted(manifests.names(Commit))


@dataclass
class Spelling:
    """Spells commits; what was spelled in the one before is not spelled again.

    Attributes:
        lines: id of a value -> the value and its text.
        lists: name of a field -> its items and their texts.
    """

    lines: dict[int, tuple[Any, str]] = field(default_factory=dict)
    lists: dict[str, tuple[tuple[Any, ...], list[str]]] = field(default_factory=dict)

    def text(self, commit: Commit) -> bytes:
        """The one text of a commit: keys sorted, items of lists on lines of their own."""
        kept: dict[int, tuple[Any, str]] = {}
        parts = []
        for name in _NAMES:
            value = getattr(commit, name)
            if isinstance(value, tuple) and value:
                text = "[\n" + ",\n".join(self._items(name, value, kept)) + "\n]"
            else:
                text = self._line(value, kept)
            parts.append(f'\n"{name}": {text}')
        self.lines = kept
        whole = f'{{\n"commit": {{{",".join(parts)}\n}},\n"nacre_format": {FORMAT},\n'.encode()
        return whole + f'"sha256": "{hashlib.sha256(whole).hexdigest()}"\n}}\n'.encode()

    def _items(
        self, name: str, items: tuple[Any, ...], kept: dict[int, tuple[Any, str]]
    ) -> list[str]:
        """The texts of a list: as a rule it is the one before with items behind it."""
        before, texts = self.lists.get(name, ((), []))
        if len(before) <= len(items) and all(map(operator.is_, before, items)):
            found = texts + [self._line(item, kept) for item in items[len(before) :]]
        else:
            known = dict(zip(map(id, before), texts, strict=True))  # `before` holds them: ids stand
            found = [known.get(id(item)) or self._line(item, kept) for item in items]
        self.lists[name] = items, found
        return found

    def _line(self, value: Any, kept: dict[int, tuple[Any, str]]) -> str:
        known = self.lines.get(id(value)) or kept.get(id(value))
        if known is None or known[0] is not value:
            known = (value, _JSON.encode(manifests.tree(value)))
        if not isinstance(value, str | int | float):
            kept[id(value)] = known  # held, so that no other value gets its id
        return known[1]


def spelled(commit: Commit) -> bytes:
    """The one text of a commit."""
    return Spelling().text(commit)


def read(data: bytes) -> Commit:
    """The commit whose text the bytes begin with; what lies behind the text has to be all.

    Raises:
        CorruptState: no commit of nacre, damaged, or made to harm.
        NewerFormat: whole, but of a format that is not known here.
    """
    closing = _CLOSING.search(data, 0, MOST_TEXT)
    if closing is None or not data.startswith(_OPENING):
        corrupt(f"{len(data):,} bytes that begin with no whole commit", "a commit of nacre")
    if hashlib.sha256(data[: closing.start(2) - 11]).hexdigest() != closing[2].decode():
        corrupt("a commit of another SHA-256", "the one that its text ends with")
    if int(closing[1]) > FORMAT:
        newer(f"format {int(closing[1])}", f"format {FORMAT} or lower")
    text = data[: closing.end()]
    commit: Commit = manifests.built(Commit, parsed(text, "commit")["commit"], "commit")
    try:
        again = spelled(commit)
    except (ValueError, RecursionError):
        again = b""
    if again != text:
        corrupt("a commit that nacre would spell otherwise", "sorted keys, once each")
    _check_tail(commit, data, closing.end())
    return commit


def _check_tail(commit: Commit, data: bytes, end: int) -> None:
    """The bytes behind the text are the leaves that lie there, each with its hash, and no more."""
    here = [leaf.lies for leaf in commit.recent if leaf.lies and _is_here(leaf.lies, commit)]
    if commit.running is not None and _is_here(commit.running, commit):
        here.append(commit.running)
    rest = len(data) - end
    if sum(lies.n_bytes for lies in here) != rest:
        corrupt(f"{rest:,} bytes behind the text", "those of the leaves that it names")
    for lies in here:
        part = run_of(data, lies)
        if hashlib.sha256(part).hexdigest() != lies.sha256:
            corrupt(f"a leaf of another SHA-256, {lies.from_end:,} bytes from the end", lies.sha256)


def _is_here(lies: Lies, commit: Commit) -> bool:
    from nacre.store.commits import name_of

    return lies.object == name_of(commit.act.number)


def run_of(data: bytes, lies: Lies) -> bytes:
    """The bytes of an object that lie where it says."""
    first = len(data) - lies.from_end
    return data[first : first + lies.n_bytes]


def laid(name: str, datas: Sequence[bytes]) -> list[Lies]:
    """Where byte strings lie that stand one after another at the end of an object."""
    rest, found = sum(map(len, datas)), []
    for data in datas:
        found.append(Lies(name, rest, len(data), hashlib.sha256(data).hexdigest()))
        rest -= len(data)
    return found


def lines_of(values: Sequence[Any]) -> bytes:
    """Values on the list of plain ones as JSON, one on a line."""
    return "\n".join(_JSON.encode(manifests.tree(value)) for value in values).encode() + b"\n"


def read_lines(cls: type, data: bytes) -> list[Any]:
    """What `lines_of` wrote of values of a class.

    Raises:
        CorruptState: something else.
    """
    try:
        nodes = [json.loads(line) for line in data.decode().splitlines()]
    except (ValueError, RecursionError) as error:
        corrupt(f"{type(error).__name__}: {shown(str(error))}", "JSON, a value on a line")
    return [manifests.built(cls, node, f"line {at}") for at, node in enumerate(nodes)]
