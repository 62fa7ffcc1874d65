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
from nacre.evolve.runs import Runs, id_of
from nacre.evolve.spans import span
from nacre.fitting import Limits
from nacre.live import running, views
from nacre.live.about import about
from nacre.live.checking import Checks, Verified
from nacre.live.collecting import Collected, collect
from nacre.live.erasing import origins, receipts
from nacre.live.numbered import Rows, offset_of
from nacre.live.taking import Began, Source, Taken, began, first_fit, news, observed, planned
from nacre.live.version import Grounds, Shelf, Version, check_same, name, newest, says_of_rows
from nacre.live.writer import READ, Request, Writer
from nacre.store import format as stored
from nacre.store.ledger import Job, Leaf
from nacre.store.levels import Ledger
from nacre.store.life import Act, Commit, Frame, Receipt


@dataclass(frozen=True)
class Absorbed:
    """What became of a source.

    Attributes:
        version: the number of the commit that it is in; the newest where nothing was new.
        n_batches, n_rows: that were taken in, rows that were left out included.
        n_skipped: bad rows that were left out.
        n_known, n_known_rows: batches and rows that were in the ledger already: they changed
            nothing.
        digest: of the sum of all that was absorbed.
    """

    version: int
    n_batches: int
    n_rows: int
    n_skipped: int
    n_known: int
    n_known_rows: int
    digest: str

    @property
    def note(self) -> str:
        """What there is to say of it; empty where all was new."""
        if not self.n_known_rows:
            return ""
        return (
            f"{self.n_known_rows:,} rows were absorbed before and changed nothing; "
            "give equal rows an id of their own to count them again"
        )


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
        id: str | tuple[str, int] | None = None,
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
                before are left out.
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
        if isinstance(id, tuple):
            numbered = Source(source, None, time, principal, engine, memory)
            return self._absorbed_run(*offset_of(id), numbered, again)
        wanted = Source(source, id, time, principal, engine, memory)
        if self._writer.version is None:
            with self._writer.busy:
                if self._writer.version is None:
                    return self._begun(wanted)
        if not self._version.keeps_leaves:
            with self._writer.busy:
                return self._learned(wanted)
        taken, known = self._taken(wanted)
        return self._submitted(Request(taken, again=again), known)

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
        options = {"engine": engine, "memory": memory, "start": start}
        options |= {"max_seconds": max_seconds, "max_passes": max_passes}
        with self._writer.busy:
            first = first_fit(self.learner, source, id, time, principal, **options)
            return self._result(list(self.commit_first(first).recent), [])

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
        wanted = Source(source, id, time, principal, engine, memory)
        plan = planned(self._face, wanted, self._version.commit.root)
        new = news(plan, wanted, lambda name: None)
        taken = observed(self._face, self._version.grounds.model, new, wanted)
        return self._submitted(Request(taken, instead=id), [])

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
            NeedsRefit: the frame was made from some of them (see `origins`), or no batches are kept
                apart; nothing is changed.
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
        version = self._writer.erase(names, principal)
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
        """Read the store again: what others have committed; a fenced writer may write again."""
        with self._writer.busy:
            self._shelf.log.settled()
            before = self._writer.version
            version = newest(self._shelf, before.grounds if before is not None else None)
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
        """The fitted learner of now; it stays as it is when the live model goes on."""
        return views.fitted(self._version, *views.now(self._version, self._forget))

    @property
    def ledger(self) -> Ledger:
        """What was absorbed: a line for each batch, `find(id)` for one."""
        return self._version.ledger

    def history(self) -> Iterator[Act]:
        """What every commit did, from the first on."""
        return views.acts(self._version)

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

    def _absorbed_run(self, stream: str, first: int, source: Source, again: bool) -> Absorbed:
        """Absorb numbered rows: those of their offsets that are new, each run of them a batch."""
        rows = Rows(source.data)
        stop = first + len(rows)
        while True:
            version = self._writer.version
            runs = Runs() if version is None else version.runs(stream)
            _, parts, n_known = runs.add(first, stop)
            some = [
                source.of_run(id_of(stream, start), rows.run(start - first, end - first))
                for start, end in parts
            ]
            if version is not None and version.keeps_leaves:
                taken = [one for part in some for one in self._taken(part)[0]]
                request = Request(taken, again=again)
                done = self._submitted(request, [])
            else:
                streams = []
                for start, end in parts:
                    runs = runs.add(start, end)[0]
                    streams.append({stream: runs.deltas})
                done, request = self._in_turn(version, some, streams)
            if not request.overtaken:
                return replace(done, n_known_rows=n_known)

    def _in_turn(
        self, version: Version | None, some: list[Source], streams: list[dict[str, tuple[int, ...]]]
    ) -> tuple[Absorbed, Request]:
        """The same where the frame moves, or where there is none yet.

        Args:
            streams: after each of them.
        """
        with self._writer.busy:
            request = Request([])
            request.overtaken = self._writer.version is not version
            if request.overtaken or not some:
                return self._result([], []), request
            if version is None:
                return self._begun(some[0], streams=streams[0]), request
            lines = self._learned_all(some, streams)
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
            lines = self._writer.learn(new.lines(source.principal), state, clock=clock)
        return self._result(lines, new.known)

    def _learned_all(
        self, some: list[Source], streams: list[dict[str, tuple[int, ...]]]
    ) -> list[Leaf]:
        """Absorb some runs into a running model, one commit for each."""
        lines = []
        for source, after in zip(some, streams, strict=True):
            version = self._version
            new = news(planned(self._face, source, ""), source, version.ledger.find)
            state, clock = running.learned(self._face, version, new)
            more = {"clock": clock, "streams": {**version.commit.streams, **after}}
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
