"""From a source to batches that can be committed: what stands of each in the ledger, and what it
said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

from nacre import record
from nacre.canon import hash64
from nacre.contract import Model, State, Summary
from nacre.errors import BadInput, BadParameter, Conflict
from nacre.estimator import Estimator
from nacre.evolve.runs import check_named
from nacre.fitting import Fitted, Limits, fit_plan, leaves_of
from nacre.live.tombs import check_name
from nacre.record import Record, Seen
from nacre.source.memory import is_paths
from nacre.source.part import part_of_shards
from nacre.source.paths import files_of, root_of
from nacre.source.plan import RowPlan, content
from nacre.source.read import Read, plan_of
from nacre.store import format as stored
from nacre.store.ledger import Job, Leaf
from nacre.store.life import Reading
from nacre.store.local import placed

TOLD = (  # of files, that they have to be told again
    *("columns", "weight", "y", "dtype", "bad", "shard_rows", "schema"),
    *("delimiter", "header", "image_size", "image_mode"),
)
MOST_TEXT = 4096  # bytes of an id or a principal: a page of the ledger has room for 128 of each


def keeps_leaves(learner: Estimator) -> bool:
    """Whether batches stay apart: not where a learner's frame moves with each of them."""
    return bool(learner.grade["time"] != "heuristic")


@dataclass(frozen=True, eq=False)
class Source:
    """Data and what was said of it with a verb.

    Attributes:
        data: as `fit` takes it.
        id, time: as nacre.read has them; None where they were not said.
        principal: in whose name it comes.
        engine, memory: where the work runs.
        numbered: the id is that of a run of a stream.
    """

    data: Any
    id: str | None = None
    time: Any = None
    principal: str = ""
    engine: Any = None
    memory: int | str | None = None
    numbered: bool = False

    def __post_init__(self) -> None:
        for name in ("id", "principal"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise BadParameter(got=f"{name}={value!r}", wanted="a text", do=f"Change {name}.")
            check_text(name, value or "")

    def of_run(self, id: str, data: Any) -> Source:
        """Some rows of a stream, under the id of their run."""
        return replace(self, id=id, data=data, numbered=True)

    @property
    def is_plain(self) -> bool:
        """Whether nothing was said of it."""
        return self.id is None and self.time is None and not isinstance(self.data, Read)

    def read(self, root: str) -> Read:
        """All that was said of it; ids of files are relative to the root that they always were.

        Raises:
            BadParameter: something was said twice.
        """
        asked = self.data if isinstance(self.data, Read) else Read(self.data)
        for name in ("id", "time"):
            if getattr(self, name) is not None:
                if getattr(asked, name) is not None:
                    raise BadParameter(
                        got=f"{name} in nacre.read and in the call",
                        wanted="it in one of them",
                        do="Leave one out.",
                    )
                asked = replace(asked, **{name: getattr(self, name)})
        if root and asked.root is None and asked.id is None and is_paths(asked.data):
            asked = replace(asked, root=root)
        return asked

    @property
    def root(self) -> str:
        """The folder that ids of files are relative to; empty for rows in memory."""
        asked = self.read("")
        return root_of(asked.data, asked.root) if is_paths(asked.data) else ""

    def reading(self, root: str) -> Reading | None:
        """How it is read; None for rows in memory, and for files that have no common root.

        Args:
            root: that of the live model.
        """
        if not is_paths(self.data.data if isinstance(self.data, Read) else self.data):
            return None
        asked = self.read(root)
        usual = {field.name: field.default for field in fields(Read)}
        told = {name: getattr(asked, name) for name in TOLD}
        told = {name: value for name, value in told.items() if value != usual[name]}
        if isinstance(asked.time, str):
            told["time"] = asked.time
        text = json.dumps(told, sort_keys=True)
        if asked.id is not None:
            (file,) = files_of(asked.data).values()
            path = file.where if file.system else os.path.abspath(file.path)
            return Reading(0, path, text, alone=True)
        folder = root_of(asked.data, asked.root)
        return Reading(0, folder, text) if folder else None


@dataclass(frozen=True, eq=False)
class Taken:
    """A batch on its way into the ledger.

    Attributes:
        leaf: its line, without the moment of absorbing and the place of its bytes.
        summary, data: what it said, and the bytes of that.
    """

    leaf: Leaf
    summary: Summary
    data: bytes


@dataclass(frozen=True, eq=False)
class Began:
    """A fit.

    Attributes:
        state: what it found.
        lines: of its batches.
        taken: the same with what they said; empty where batches are not kept apart.
        root: what ids of files are relative to.
        jobs: what made it.
        reading: how its files were read.
        buried: what is left of batches that were erased.
        erased: those that this fit is to be without.
    """

    state: State
    lines: list[Leaf]
    taken: list[Taken]
    root: str
    jobs: tuple[Job, ...]
    reading: Reading | None = None
    buried: tuple[Leaf, ...] = ()
    erased: tuple[Leaf, ...] = ()


def began(learner: Estimator, source: Source, *, limits: Limits, start: State | None) -> Began:
    """A fit that a live model can begin with. Nothing is written.

    Args:
        learner: bare.
        limits, start: as in `fit`.
    """
    learner.check_parameters()
    leaves = keeps_leaves(learner)
    asked = source.read("")
    plan = plan_of(asked, takes=learner.takes, more=True)
    contents = Contents(plan, source)
    options = {"engine": source.engine, "memory": source.memory}
    done, kept = fitted_on(learner, plan, [contents], limits=limits, start=start, **options)
    made = record.fitted(learner, plan, (), done, start)
    lines = list(_lines(plan, contents, source.principal))
    taken = [taken_as(leaf, kept[leaf.id]) for leaf in lines] if leaves else []
    jobs = tuple(map(placed, made.jobs))
    return Began(done.state, lines, taken, source.root, jobs, source.reading(""))


def fitted_on(
    learner: Estimator, plan: RowPlan, contents: Sequence[Contents], **options: Any
) -> tuple[Fitted, dict[str, Summary]]:
    """A fit, and what each batch says, where batches are kept apart; files are hashed beside it.

    Args:
        learner: bare.
        contents: of the batches.
        options: of the fit.
    """
    kept: dict[str, Summary] = {}
    if keeps_leaves(learner):
        options["leaves"] = kept.__setitem__
    with ExitStack() as looking:
        for some in contents:
            looking.enter_context(some.looking(some.plan.ids))
        done = fit_plan(learner, plan, **options)
    return done, kept


def planned(face: Estimator, source: Source, root: str) -> RowPlan:
    """The plan of later data."""
    if source.is_plain and not is_paths(source.data):
        plan: RowPlan = face._plan(source.data, None, None, reset=False, more=True)
        return plan
    asked = source.read(root)
    return plan_of(asked, takes=face.takes, schema=face.state_.schema, more=True)


@dataclass(frozen=True, eq=False)
class News:
    """What of a source is not in the ledger yet.

    Attributes:
        plan: of the new batches; None where there is none.
        contents: of all.
        known: lines of those that are in the ledger already, with the same content.
    """

    plan: RowPlan | None
    contents: Contents
    known: list[Leaf]

    def lines(self, principal: str) -> list[Leaf]:
        """What stands of the new batches in the ledger."""
        return [] if self.plan is None else list(_lines(self.plan, self.contents, principal))


def news(plan: RowPlan, source: Source, find: Callable[[str], Leaf | None]) -> News:
    """Which batches of a plan are new.

    Raises:
        Conflict: an id that is in the ledger with other content.
        BadInput: an id as only runs of streams have.
    """
    if not source.numbered:
        for name in plan.ids:
            check_named(name)
            check_name(name)
    contents = Contents(plan, source)
    found = {name: find(name) for name in plan.ids}
    lines = {name: None if line is None or line.ended else line for name, line in found.items()}
    fresh = [name for name, line in lines.items() if line is None]
    known = [line for line in lines.values() if line is not None]
    for line in known:
        same_content(line, contents.of(line.id))
    if fresh and known:
        wanted = {hash64(name) for name in fresh}
        keys = {shard.key for shard in plan.shards if shard.origin in wanted}
        ids = {name: plan.ids[name] for name in fresh}
        plan = replace(part_of_shards(plan, keys), ids=ids)
    return News(plan if fresh else None, contents, known)


def same_content(line: Leaf, content: str) -> None:
    """Raise Conflict for a batch that the ledger has with other content."""
    if line.content != content:
        raise Conflict(
            got=f"other content under the id {line.id!r}",
            wanted=f"that of the batch absorbed as {line.content[:21]}…, or another id",
            do=f"Call replace({line.id!r}, …) to put it in the old one's place, or name another.",
        )


def observed(face: Estimator, model: Model, new: News, source: Source) -> list[Taken]:
    """What the new batches say to a model; files are hashed while they are read."""
    plan = new.plan
    assert plan is not None
    with new.contents.looking(plan.ids):
        told = dict(leaves_of(face, plan, model, engine=source.engine, memory=source.memory))
    return [taken_as(leaf, told[leaf.id]) for leaf in new.lines(source.principal)]


class Contents:
    """What tells that two batches are the same: of files their bytes, else their rows.

    Args:
        plan: whose batches they are.
        source: what it was made of.
    """

    def __init__(self, plan: RowPlan, source: Source) -> None:
        self.plan, self.named = plan, source.is_plain
        self.found: dict[str, str] = {}
        batches = () if plan.in_memory else record.seen_by(plan, source.data)
        self.files = {batch.entry.id: batch for batch in batches if isinstance(batch, Seen)}

    def of(self, name: str) -> str:
        """Content of a batch, as in the ledger.

        Raises:
            BadInput: a file that is no longer as it was when it was planned.
        """
        if name not in self.found:
            self.found[name] = self._looked(name)
        return self.found[name]

    def _looked(self, name: str) -> str:
        file = self.files.get(name)
        if file is None:
            rows = name if self.plan.in_memory and self.named else content(self.plan.ids[name])
            return f"rows:{rows}"
        entry = file.look()
        if not entry.content:
            raise BadInput(
                got=f"{name!r}: {entry.note}",
                wanted="a file that stays as it is while it is absorbed",
                do="Absorb it when it is complete.",
            )
        return entry.content

    @contextmanager
    def looking(self, names: Iterable[str]) -> Iterator[None]:
        """Hash the files of these batches beside the work of a block."""
        wanted = [name for name in names if name in self.files]
        if not wanted:
            yield
            return
        with ThreadPoolExecutor(1) as aside:
            asked = [aside.submit(self.of, name) for name in wanted]
            yield
            for one in asked:
                one.result()


def face_of(learner: Estimator, state: State) -> Estimator:
    """The learner as fitted, to plan with and to answer."""
    from sklearn.base import clone

    face: Estimator = clone(learner)
    face._take(state, Record(loaded=True))
    face._answered_by = "absorbing"
    return face


def check_text(name: str, text: str) -> None:
    """Raise BadParameter for an id or a principal that a ledger could not keep."""
    try:
        n_bytes = len(text.encode())
    except UnicodeEncodeError:
        n_bytes = MOST_TEXT + 1
    if n_bytes > MOST_TEXT:
        raise BadParameter(
            got=f"{name}={text!r:.80}",
            wanted=f"UTF-8 of at most {MOST_TEXT:,} bytes",
            do=f"Write a shorter {name} of plain letters.",
        )


def _lines(plan: RowPlan, contents: Contents, principal: str) -> Iterator[Leaf]:
    for name, reader in plan.ids.items():
        check_text("id", name)
        first, last = plan.times.get(name, (0, 0))
        found = contents.of(name)
        yield Leaf(name, last, first, reader.n_rows, 0, found, absorbed=0, principal=principal)


def taken_as(leaf: Leaf, summary: Summary) -> Taken:
    """A batch with what it said."""
    leaf = replace(leaf, n_skipped=int(summary.n_skipped))
    return Taken(leaf, summary, stored.to_bytes(summary))
