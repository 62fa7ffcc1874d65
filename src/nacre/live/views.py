"""What a live model says of some of its batches: windows, and earlier times."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from nacre.contract import State
from nacre.errors import NeedsRefit, NotFound
from nacre.estimator import Estimator
from nacre.evolve.covered import Covered
from nacre.evolve.forget import Policy
from nacre.evolve.leaves import Leaves
from nacre.evolve.lineage import Lineage
from nacre.evolve.spans import moment, span
from nacre.live import numbering
from nacre.live.packing import acts_of
from nacre.live.taking import face_of
from nacre.live.version import Grounds, Version, opened
from nacre.source.times import nanoseconds
from nacre.store.life import BEGINNINGS, Act


@functools.lru_cache(maxsize=64)
def face(grounds: Grounds) -> Estimator:
    """The learner with schema and frame, to plan data with."""
    nothing: Any = None
    return face_of(grounds.learner, State(grounds.schema, grounds.model, nothing))


def fitted(version: Version, state: State, covered: Covered | None = None) -> Any:
    """The learner as fitted by a state; `covered_` says what batches it is made of."""
    learner: Any = face_of(version.grounds.learner, state)
    if covered is not None:
        learner.covered_ = covered
    return learner


def model(version: Version, forget: Policy) -> Any:
    """See Live.model."""
    face = fitted(version, *now(version, forget))
    return numbering.named(face, numbering.of_now(version, face))


def lineage(version: Version, forget: Policy, since: Any) -> Lineage:
    """See Live.lineage."""
    new = model(version, forget)
    if not numbering.has_clusters(new):
        raise NeedsRefit(
            got="the lineage of a learner that numbers no clusters",
            wanted="Micro(KMeans(...)) or KMeans, alone or as the last stage",
            do="history() says what every commit did.",
        )
    if since is None:
        begun = [act.moment for act in acts(version) if act.what in BEGINNINGS]
        old = at(version, max(begun[-1], version.commit.since))
    else:
        old = at(version, since)
    return numbering.compared(old, new)


def now(version: Version, forget: Policy) -> tuple[State, Covered | None]:
    """What is known under a policy, and of which batches."""
    if forget.what == "never" or not version.keeps_leaves:
        return version.state, version.covered
    kept = forget.kept(version.leaves)
    return version.grounds.state(forget.told(version.leaves)), kept.covered


def window(version: Version, length: str | int, until: Any) -> Any:
    """See Live.window."""
    ns = span(length) if isinstance(length, str) else length
    end = None if until is None else nanoseconds(until)
    return _numbered(
        version, _of(version, version.leaves.window(ns, end), f"the window of {length}")
    )


def as_of(version: Version, time: Any) -> Any:
    """See Live.as_of."""
    ns = nanoseconds(time)
    return _numbered(
        version, _of(version, version.leaves.as_of(ns), f"the time up to {moment(ns)}")
    )


def at(version: Version, when: Any) -> Any:
    """See Live.at."""
    ns = nanoseconds(when)
    if version.keeps_leaves and ns >= version.commit.since:
        face = _of(version, version.leaves.alive_at(ns), f"the moment {moment(ns)}")
        return numbering.named(face, numbering.of_past(version, ns, face))
    act = newest_before(version, ns)
    there = opened(version.shelf, act.number, version.grounds)
    return _numbered(there, fitted(there, there.state, there.covered or _of_running(there)))


def _numbered(version: Version, face: Any) -> Any:
    return numbering.named(face, numbering.of(version, face))


def acts(version: Version) -> Iterator[Act]:
    """What every commit did, from the first on."""
    for named in version.commit.history:
        yield from acts_of(version.shelf, named)
    yield from version.commit.acts


def newest_before(version: Version, ns: int) -> Act:
    """The last act not after a moment whose commit is still there."""
    kept = set(version.shelf.log.numbers())
    found = [act for act in acts(version) if act.moment <= ns and act.number in kept]
    if not found:
        raise NotFound(
            got=f"no version that is kept of {moment(ns)} or before",
            wanted="a later moment",
            do="history() lists them; of a running model versions are kept, not batches.",
        )
    return found[-1]


def _of(version: Version, leaves: Leaves, what: str) -> Any:
    if not len(leaves):
        have = version.leaves.covered
        begin, end = (
            (have.first, have.last)
            if version.leaves.timed
            else (have.absorbed_first, have.absorbed)
        )
        spans = f"{moment(begin)} to {moment(end)}" if begin is not None and end is not None else ""
        raise NotFound(
            got=f"no batch in {what}",
            wanted=f"a span that holds some of the {len(version.leaves):,} from {spans}",
            do="Widen it; the ledger lists the batches and their times.",
        )
    return fitted(version, version.grounds.state(leaves.total()), leaves.covered)


def _of_running(version: Version) -> Covered:
    act, commit = version.commit.act, version.commit
    return Covered(None, None, None, act.moment, commit.n_batches, commit.n_rows)
