"""What a live model says of some of its batches: windows, and earlier times."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from nacre.contract import State
from nacre.errors import NotFound
from nacre.estimator import Estimator
from nacre.evolve.covered import Covered
from nacre.evolve.forget import Policy
from nacre.evolve.leaves import Leaves
from nacre.evolve.spans import moment, span
from nacre.live.packing import acts_of
from nacre.live.taking import face_of
from nacre.live.version import Grounds, Version, opened
from nacre.source.times import nanoseconds
from nacre.store.life import Act


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
    return _of(version, version.leaves.window(ns, end), f"the window of {length}")


def as_of(version: Version, time: Any) -> Any:
    """See Live.as_of."""
    ns = nanoseconds(time)
    return _of(version, version.leaves.as_of(ns), f"the time up to {moment(ns)}")


def at(version: Version, when: Any) -> Any:
    """See Live.at."""
    ns = nanoseconds(when)
    if version.keeps_leaves:
        return _of(version, version.leaves.alive_at(ns), f"the moment {moment(ns)}")
    act = newest_before(version, ns)
    there = opened(version.shelf, act.number, version.grounds)
    return fitted(there, there.state, _of_running(there))


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
