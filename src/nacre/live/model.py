"""The live model: what `nacre.open` gives, and its verbs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nacre.contract import State
from nacre.errors import BadParameter, NeedsRefit, NotFound, UnknownName
from nacre.estimator import Estimator, bare
from nacre.evolve.folding import Retain
from nacre.evolve.forget import Policy
from nacre.evolve.lineage import Lineage
from nacre.evolve.runs import Runs, id_of
from nacre.evolve.spans import span
from nacre.fitting import Limits
from nacre.live import epochs, erasing, running, views
from nacre.live.about import about
from nacre.live.absorbed import Absorbed as Absorbed
from nacre.live.checking import Checks, Verified
from nacre.live.collecting import Collected, collect
from nacre.live.erasing import lines_of, made_of, origins, receipts
from nacre.live.numbered import After, Rows, offset_of, position_of
from nacre.live.requests import Request
from nacre.live.taking import Began, Source, Taken, began, news, observed, planned
from nacre.live.version import Grounds, Shelf, Version, check_same, name, newest, says_of_rows
from nacre.live.writer import READ, Writer
from nacre.store import format as stored
from nacre.store.ledger import Job, Leaf
from nacre.store.levels import Ledger
from nacre.store.life import Act, Commit, Frame, Position, Receipt


@dataclass(frozen=True)
class Options:
    """How a live model is opened; None: as it is.

    Attributes:
        forget, retain: see `open`.
        anew: the learner is to begin anew, whatever the store has.
    """

    forget: Policy | None = None
    retain: Retain | None = None
    anew: bool = False

    @classmethod
    def of(cls, forget: str | None, retain: str | int | None) -> Options:
        """As they are written."""
        return cls(
            None if forget is None else Policy.of(forget),
            None if retain is None else Retain.of(retain),
        )


class Live:
    """A model over time. Its answers and fitted attributes are those of all that it has absorbed.

    Attributes:
        learner: hyper-parameters.
    """

    def __init__(self, shelf: Shelf, learner: Estimator | None, options: Options) -> None:
        self._shelf, self._options = shelf, options
        self._writer = Writer(shelf, None, options.retain)
        self.reopen()
        found = None if options.anew else self._writer.version
        if found is not None:
            if learner is not None:
                check_same(found.grounds.learner, learner, shelf.place.where)
            _check_forget(options, found)
            self.learner: Estimator = found.grounds.learner
        elif learner is not None:
            self.learner = bare(learner)
        else:
            raise NotFound(
                got=f"no live model in {shelf.place.where}",
                wanted="one, or a learner to begin with",
                do="Name another path, or call nacre.open(path, learner=...).",
            )

    # writing

    def absorb(
        self,
        source: Any,
        id: str | tuple[str, int] | After | None = None,
        time: Any = None,
        principal: str = "",
        *,
        engine: Any = None,
        memory: int | str | None = None,
        again: bool = False,
    ) -> Absorbed:
        """Take in the batches of a source that are new; they are durable when this returns.

        The first one is a fit, and makes the frame that all later ones are observed against.

        Args:
            source: as `fit` takes it: an array, a frame, files, or `nacre.read(...)`.
            id: of an array, a frame or a single file. Default: of a file its path below the root
                that the live model had from its first file on; of rows in memory the digest of
                their content, so equal rows are absorbed once: give them ids to absorb them twice.
                (stream, offset) of rows that a source has numbered: offsets that were absorbed
                before are left out. `nacre.live.numbered.After` of rows that come next.
            time: when the batches happened; as `nacre.read` has it.
            principal: in whose name they come.
            engine, memory: as in `fit`.
            again: absorb batches, too, that were erased.

        Raises:
            Erased: a batch whose id or content was erased.
            Conflict: an id that was absorbed with other content; see `replace`.
            Fenced: somebody else has committed since this one was opened; see `reopen`.
            BadInput: data that cannot be learned from; nothing is changed.
            DiskFull, Unavailable: it may be durable or not; absorbing it again is safe.
        """
        if isinstance(id, tuple | After):
            numbered = Source(source, None, time, principal, engine, memory)
            return self._absorbed_run(id, numbered, again)
        wanted = Source(source, id, time, principal, engine, memory)
        if self._writer.version is None:
            with self._writer.busy:
                if self._writer.version is None:
                    return self._begun(wanted)
        if not self._version.keeps_leaves:
            with self._writer.busy:
                return self._learned(wanted)
        taken, known = self._taken(wanted)
        reading = wanted.reading(self._version.commit.root)
        return self._submitted(Request(taken, again=again, reading=reading), known)

    def fit(
        self,
        source: Any,
        id: str | None = None,
        time: Any = None,
        principal: str = "",
        *,
        engine: Any = None,
        memory: int | str | None = None,
        max_seconds: float | None = None,
        max_passes: int | None = None,
        start: State | None = None,
    ) -> Absorbed:
        """Begin, or begin anew: a fit on these batches, which makes a frame and is all that stands
        in the ledger then.

        Args:
            source, id, time, principal: as in `absorb`.
            engine, memory, max_seconds, max_passes, start: as in the learner's own `fit`.

        Raises:
            Fenced: somebody else has committed since this one was opened.
            BadInput, Stopped: as the learner's own `fit`; nothing is changed.
        """
        wanted = Source(source, id, time, principal, engine, memory)
        limits = Limits(max_seconds=max_seconds, max_passes=max_passes)
        with self._writer.busy:
            first = began(bare(self.learner), wanted, limits=limits, start=start)
            return self._result(list(self.commit_first(first).recent), [])

    def refresh(self, *, engine: Any = None, memory: int | str | None = None) -> Absorbed:
        """Begin an epoch: fit anew on all that is in the ledger, and go on under the new frame.

        The sources are read again, as they were read when they were absorbed; each has to have the
        content that the ledger says. The sum is that of a plain fit on them. What was known before
        stays as it was `at` its time.

        Args:
            engine, memory: as in `fit`.

        Raises:
            NotFound: batches whose sources are gone, or that were rows in memory; they are named,
                and nothing is changed.
            Conflict: files that have changed since; nothing is changed.
            Fenced: somebody else has committed since this one was opened.
        """
        with self._writer.busy:
            version = self._version
            first = epochs.begun_again(version, engine=engine, memory=memory)
            return self._result(list(self._epoch(version, first)), [])

    def replace(
        self,
        id: str,
        source: Any,
        time: Any = None,
        principal: str = "",
        *,
        engine: Any = None,
        memory: int | str | None = None,
    ) -> Absorbed:
        """Put a corrected batch in the place of an old one, in one commit.

        Raises:
            NotFound: no batch has this id.
            BadInput: a source of more than one batch, or that cannot be learned from.
            NeedsRefit: a learner that keeps no batches apart.
            Fenced, DiskFull, Unavailable: as `absorb`.
        """
        self._check_leaves("replace")
        if not isinstance(id, str):
            raise BadParameter(
                got=f"id={id!r:.80}", wanted="a text", do="Name the batch; the ledger lists them."
            )
        wanted = Source(source, id, time, principal, engine, memory)
        plan = planned(self._face, wanted, self._version.commit.root)
        new = news(plan, wanted, lambda name: None)
        taken = observed(self._face, self._version.grounds.model, new, wanted)
        reading = wanted.reading(self._version.commit.root)
        return self._submitted(Request(taken, instead=id, reading=reading), [])

    def erase(self, ids: str | Sequence[str] = (), *, principal: str | None = None) -> Receipt:
        """Have batches go as if they had never been, with every byte that holds a trace of them.

        They are in no sum any more, no earlier moment shows them, and their leaves, older commits,
        packs and cached sums are removed. What stays is that there was a batch of this id and of
        this content: to absorb it again asks for again=True. A receipt says so.

        Args:
            ids: of batches; of a stream "name@offset", as the ledger has them.
            principal: all that came in this name, beside them.

        Raises:
            NotFound: an id or a principal that the ledger does not have.
            NeedsRefit: the frame was made from some of them (see `origins`) and the sources of the
                others cannot be read again, or no batches are kept apart; nothing is changed.
            Folded: one was folded into a larger sum; nothing is changed.
            Unavailable: the disk failed. Either nothing is changed, or they are in no sum any more
                and the next that opens the live model removes what is left.
        """
        self._check_leaves("erase")
        names = [ids] if isinstance(ids, str) else list(ids)
        if not names and principal is None:
            raise BadParameter(
                got="nothing to erase", wanted="ids or a principal", do="Name what is to go."
            )
        with self._writer.busy:
            version = self._version
            lines = lines_of(version, names, principal)
            if made := made_of(version, lines):
                version = self._erased_anew(version, lines, made)
            else:
                version = self._writer.erase(lines)
        assert version.commit.receipt is not None
        return version.commit.receipt

    def receipts(self) -> list[Receipt]:
        """Of all erasures, the first one first."""
        return receipts(self._shelf)

    @property
    def origins(self) -> list[str]:
        """Ids of the batches that the frame was made from; none where it says nothing of rows."""
        return origins(self._version)

    def reopen(self) -> None:
        """Read the store again: what others have committed; a fenced writer may write again.

        Raises:
            NotFound: it is gone.
        """
        with self._writer.busy:
            self._shelf.log.settled()
            before = self._writer.version
            version = newest(self._shelf, before.grounds if before is not None else None)
            if version is None and before is not None:
                raise NotFound(
                    got="no commit any more",
                    wanted=f"version {before.number} or a later one",
                    do="Restore the live model from a copy.",
                    where=self._shelf.place.where,
                )
            self._writer = Writer(self._shelf, version, self._options.retain)
            if version is not None:
                self._writer.finish_erasure()

    def verify(self) -> Verified:
        """Read every byte that the live model needs, and say what is damaged or missing."""
        return Checks(self._shelf).all()

    def collect(self, young: str = "7d") -> Collected:
        """Remove old commits: all but those since the last checkpoint, those of the last days, the
        last of each day, and of a running model the last 100. It is done by itself, now and then.

        Args:
            young: how much older than the newest commit one may be to stay.
        """
        return collect(self._version, young=span(young))

    def close(self) -> None:
        """Let go of what is held open; the live model is in its store."""
        self._shelf.place.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # reading

    @property
    def version(self) -> int:
        """The number of the newest commit that this one knows; 0 before the first."""
        return 0 if self._writer.version is None else self._writer.version.number

    @property
    def state(self) -> State:
        """All that is known now: schema, model and sum."""
        return views.now(self._version, self._forget)[0]

    @property
    def model(self) -> Any:
        """The fitted learner of now; it stays as it is when the live model goes on.

        What it predicts are lasting numbers of clusters: `cluster_numbers_` has that of each.
        """
        return views.model(self._version, self._forget)

    @property
    def ledger(self) -> Ledger:
        """What was absorbed: a line for each batch, `find(id)` for one."""
        return self._version.ledger

    def position(self, stream: str) -> Position:
        """How far a stream was followed: the offset of its next row, and what stands before it."""
        version = self._writer.version
        return Position() if version is None else position_of(version.commit, stream)

    def history(self) -> Iterator[Act]:
        """What every commit did, from the first on."""
        return views.acts(self._version)

    def lineage(self, since: Any = None) -> Lineage:
        """Which clusters moved, split, merged, were born or died since a moment; it prints as
        sentences.

        Args:
            since: a moment, as `at` takes it; None: when the model began.

        Raises:
            NeedsRefit: a learner that numbers no clusters.
            NotFound: nothing had been absorbed by then.
        """
        return views.lineage(self._version, self._forget, since)

    def about(self) -> dict[str, Any]:
        """All there is to know of it in plain values, as `nacre show --json` has it."""
        return about(self._version, self.model)

    def window(self, span: str | int, until: Any = None) -> Any:
        """The fitted learner of the batches whose last event lies in (until - span, until].

        Args:
            span: "90d", "12h", or ns.
            until: a time; None: the newest event in the ledger, never the clock.

        Raises:
            NeedsRefit: a learner that keeps no batches apart.
            NotFound: no batch lies in the window.
        """
        self._check_leaves("window")
        return views.window(self._version, span, until)

    def at(self, moment: Any) -> Any:
        """The fitted learner as it stood at a moment: of what was absorbed by then, and not yet
        replaced.

        Raises:
            NotFound: nothing had been absorbed by then.
        """
        return views.at(self._version, moment)

    def as_of(self, time: Any) -> Any:
        """The fitted learner of what the data up to an event time says, corrections included.

        Raises:
            NeedsRefit: a learner that keeps no batches apart.
            NotFound: no batch is that old.
        """
        self._check_leaves("as_of")
        return views.as_of(self._version, time)

    def __getattr__(self, name: str) -> Any:
        learner = vars(self).get("learner")
        if learner is None or name.startswith("_"):
            raise AttributeError(name)
        if name.endswith("_") or name in learner.answers:
            return getattr(self.model, name)
        raise UnknownName(
            got=f"live.{name}",
            wanted="a verb of a live model, an answer or a fitted attribute",
            do="See dir(live); live.model is the fitted learner.",
        )

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.learner.answers})

    def __repr__(self) -> str:
        where = self._shelf.place.where
        if self._writer.version is None:
            return f"<live {name(self.learner)} in {where}: nothing absorbed yet>"
        commit = self._version.commit
        return (
            f"<live {name(self.learner)} in {where}: version {self.version}, "
            f"{commit.n_batches:,} batches, {commit.n_rows:,} rows>"
        )

    # within

    @property
    def _version(self) -> Version:
        if self._writer.version is None:
            raise NotFound(
                got="a live model that has absorbed nothing",
                wanted="at least one batch",
                do="Call absorb first.",
            )
        return self._writer.version

    @property
    def _face(self) -> Estimator:
        return views.face(self._version.grounds)

    @property
    def _forget(self) -> Policy:
        return self._options.forget or Policy()

    def _check_leaves(self, verb: str) -> None:
        if not self._version.keeps_leaves:
            kind = name(self.learner)
            raise NeedsRefit(
                got=f"{verb} of a {kind}, whose frame moves with every batch",
                wanted="a learner that keeps batches apart",
                do=f"Open a live model of Micro({kind}(...)).",
            )

    def _begun(self, source: Source, **more: Any) -> Absorbed:
        first = began(bare(self.learner), source, limits=Limits(), start=None)
        return self._result(list(self.commit_first(first, **more).recent), [])

    def commit_first(self, first: Began, **more: Any) -> Commit:
        """Begin, or begin anew, with a fit that is done; `more`: fields of the commit."""
        if not first.taken:
            more |= running.begun(self._forget, first)
        self._writer.begin(self._grounds(first.state, first.jobs), first, more)
        return self._version.commit

    def _erased_anew(self, version: Version, lines: Sequence[Leaf], made: Sequence[str]) -> Version:
        """Erase batches that the frame was made from: another one is made, of the others."""
        first = epochs.begun_without(version, lines, made)
        grounds, commit = self._grounds(first.state, first.jobs), version.commit
        kept: dict[str, Any] = {"readings": commit.readings, "positions": commit.positions}
        kept |= {"retain": str(self._options.retain or commit.retain)}
        return self._writer.erase_anew(
            grounds, first, kept | erasing.anew(version, first, grounds.frame)
        )

    def _epoch(self, version: Version, first: Began) -> list[Leaf]:
        """Commit a fit on what a version has absorbed."""
        commit = version.commit
        names = "readings", "streams", "positions"
        more = {name: getattr(commit, name) for name in names}
        more["retain"] = str(self._options.retain or commit.retain)
        if not first.taken:
            more |= running.begun(Policy.of(commit.forget), first)
        grounds = self._grounds(first.state, first.jobs)
        return self._writer.begin(grounds, first, more, "epoch")

    def _taken(self, source: Source) -> tuple[list[Taken], list[Leaf]]:
        """The new batches of a source as observed, and the lines of those that are known."""
        version = self._version
        plan = planned(self._face, source, version.commit.root)
        new = news(plan, source, version.ledger.find)
        if new.plan is None:
            return [], new.known
        return observed(self._face, version.grounds.model, new, source), new.known

    def _submitted(self, request: Request, known: list[Leaf]) -> Absorbed:
        if request.taken:
            self._writer.submit(request)
        lines = (self.ledger.find(name) for name in request.known)
        return self._result(request.lines, [*known, *(line for line in lines if line)])

    def _absorbed_run(self, id: tuple[str, int] | After, source: Source, again: bool) -> Absorbed:
        """Absorb numbered rows: those of their offsets that are new, each run of them a batch."""
        rows, (stream, first) = Rows(source.data), offset_of(id)
        after, stop = id if isinstance(id, After) else None, first + len(rows)
        while True:
            version = self._writer.version
            runs = Runs() if version is None else version.runs(stream)
            if after is not None:
                after.check(self.position(stream), runs, self._shelf.place.where)
            _, parts, n_known = runs.add(first, stop)
            some = [
                source.of_run(id_of(stream, start), rows.run(start - first, end - first))
                for start, end in parts
            ]
            if version is not None and version.keeps_leaves:
                taken = [one for part in some for one in self._taken(part)[0]]
                request = Request(taken, again=again, after=after)
                done = self._submitted(request, [])
            else:
                then: list[dict[str, Any]] = []
                for start, end in parts:
                    runs = runs.add(start, end)[0]
                    then.append({"streams": {stream: runs.deltas}})
                    if after is not None:
                        then[-1]["positions"] = {stream: after.until(len(rows))}
                done, request = self._in_turn(version, some, then)
            if not request.overtaken:
                return replace(done, n_known_rows=n_known)

    def _in_turn(
        self, version: Version | None, some: list[Source], then: list[dict[str, Any]]
    ) -> tuple[Absorbed, Request]:
        """The same where the frame moves, or where there is none yet.

        Args:
            then: what of streams is known after each of them, by field of the commit.
        """
        with self._writer.busy:
            request = Request([])
            request.overtaken = self._writer.version is not version
            if request.overtaken or not some:
                return self._result([], []), request
            if version is None:
                return self._begun(some[0], **then[0]), request
            lines = self._learned_all(some, then)
            return self._result(lines, []), request

    def _grounds(self, state: State, jobs: tuple[Job, ...]) -> Grounds:
        model = bare(self.learner).resume(state.model)
        values = (self.learner, state.schema, model)
        learner, schema, kept = (self._shelf.keep(stored.to_bytes(value)) for value in values)
        made = int(says_of_rows(self.learner, state.schema, model))
        frame = Frame(learner, schema, kept, model.base, jobs, made)
        return Grounds(frame, self.learner, state.schema, model)

    def _learned(self, source: Source) -> Absorbed:
        """Absorb into a running model: the sum goes on, and the frame with it."""
        version = self._version
        plan = planned(self._face, source, version.commit.root)
        new = news(plan, source, version.ledger.find)
        lines = []
        if new.plan is not None:
            state, clock = running.learned(self._face, version, new)
            reading = source.reading(version.commit.root)
            lines = self._writer.learn(
                new.lines(source.principal), state, reading=reading, clock=clock
            )
        return self._result(lines, new.known)

    def _learned_all(self, some: list[Source], then: list[dict[str, Any]]) -> list[Leaf]:
        """Absorb some runs into a running model, one commit for each."""
        lines = []
        for source, after in zip(some, then, strict=True):
            version = self._version
            new = news(planned(self._face, source, ""), source, version.ledger.find)
            state, clock = running.learned(self._face, version, new)
            held = version.commit
            more: dict[str, Any] = {"clock": clock}
            more |= {name: {**getattr(held, name), **add} for name, add in after.items()}
            lines += self._writer.learn(new.lines(source.principal), state, **more)
        return lines

    def _result(self, lines: list[Leaf], known: Sequence[Leaf]) -> Absorbed:
        act = self._writer.version.commit.act if self._writer.version else None
        n_rows, n_skipped = (sum(getattr(line, name) for line in lines) for name in READ)
        return Absorbed(
            act.number if act else 0,
            len(lines),
            n_rows,
            n_skipped,
            len(known),
            sum(line.n_rows for line in known),
            act.digest if act else "",
        )


def _check_forget(options: Options, found: Version) -> None:
    kept = found.commit.forget
    if options.forget is not None and not found.keeps_leaves and str(options.forget) != kept:
        raise BadParameter(
            got=f"forget={str(options.forget)!r}",
            wanted=f"{kept!r}, as the running sum began",
            do="Leave it out; a live model of Micro(...) forgets as it is read.",
        )
