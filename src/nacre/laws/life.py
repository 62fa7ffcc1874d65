"""What a learner owes over time, as a live model: each answer is one pass over the rows concerned.

A learner without the face of an estimator cannot be opened, and owes nothing here. One whose time
grade is `heuristic` keeps one running sum: it owes no equality, but says what it cannot do, ages
what comes late by its own age, and is at any moment what it was.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import nacre
from nacre.contract import Array, Schema
from nacre.engine.serial import Serial
from nacre.errors import (
    BadInput,
    CannotForget,
    Conflict,
    Erased,
    NacreError,
    NeedsRefit,
    NotFound,
)
from nacre.estimator import bare
from nacre.laws.case import Case
from nacre.laws.compare import LawBroken, same_bits, same_sum
from nacre.laws.faces import has_face
from nacre.laws.journey import (
    Law,
    always,
    draw,
    fitted,
    law,
    reader_of,
    rows_of,
    unit_of,
)
from nacre.laws.summaries import tables_of
from nacre.source.plan import RowPlan, cut
from nacre.source.read import read
from nacre.source.times import Span

DAY = 86_400 * 10**9  # ns
FIRST, LATER = 150, (40, 25, 35, 30, 20)  # rows of the first batch, which makes the frame; others
HALF_LIFE = 2  # days
_numbers = itertools.count()


@dataclass(frozen=True, eq=False)
class Part:
    """A batch of a case's rows, and the day on which it happened."""

    id: str
    day: int
    X: Array
    y: Array | None

    def source(self, case: Case) -> Any:
        """It as it is absorbed."""
        return read(case.form(self.X), y=self.y, id=self.id, time=self.day * DAY)


@functools.lru_cache(maxsize=8)
def parts_of(case: Case, seed: int) -> tuple[Part, ...]:
    """Batches in the order of coming: some late, some of one day."""
    sizes = (FIRST, *LATER)
    X, y = rows_of(case, seed, sum(sizes))
    edges = itertools.pairwise(np.cumsum([0, *sizes]).tolist())
    return tuple(
        Part(f"part-{at}", draw(seed, f"day {at}", 1, 9), X[a:b], None if y is None else y[a:b])
        for at, (a, b) in enumerate(edges)
    )


def opened(case: Case, path: str = "", **options: Any) -> Any:
    """A live model: a new one, or another face of the one at `path`."""
    where = path or f"memory://laws/{next(_numbers)}"
    return nacre.open(where, None if path else bare(case.learner), **options)


def lived(case: Case, parts: Sequence[Part], **options: Any) -> Any:
    """A live model that has absorbed some parts, one after another."""
    live = opened(case, **options)
    for part in parts:
        live.absorb(part.source(case))
    return live


@functools.lru_cache(maxsize=4)
def life_of(case: Case, seed: int) -> tuple[str, Any, tuple[str, ...]]:
    """(path, live model, its digest after each part) of all parts of a case; for reading only.

    A running model that cannot go on keeps what it had, bit for bit.
    """
    path = f"memory://laws/{next(_numbers)}"
    live = nacre.open(path, bare(case.learner))
    digests: list[str] = []
    for part in parts_of(case, seed):
        try:
            live.absorb(part.source(case))
        except NeedsRefit:
            if keeps_leaves(case) or not digests:
                raise
            same_bits(live.state.digest, digests[-1], "a live model that refused a batch")
            break
        digests.append(live.state.digest)
    return path, live, tuple(digests)


def keeps_leaves(case: Case) -> bool:
    """Whether its batches stay apart."""
    return case.learner.grade["time"] != "heuristic"


def frame_of(live: Any) -> Any:
    """The model that its batches were observed against."""
    return live._version.grounds.model


def one_pass(case: Case, model: Any, parts: Iterable[Part]) -> Any:
    """What the rows of some parts say to a model, in one pass of a plan of them all."""
    engine = Serial()
    held = engine.hold(_plan(case, parts))
    return engine.reduce(case.learner.observe_shard, always(model), held)


def _plan(case: Case, parts: Iterable[Part]) -> RowPlan:
    some = list(parts)
    readers = {part.id: reader_of(case, part.X, part.y) for part in some}
    times = {part.id: Span(part.day * DAY, part.day * DAY) for part in some}
    X = some[0].X
    return cut(readers, Schema(None, X.shape[1], X.dtype.name), times=times)


def _is(case: Case, live: Any, state: Any, parts: Iterable[Part], what: str) -> None:
    """Check that a state is what one pass over some parts under the frame makes."""
    frame, learner = frame_of(live), case.learner
    told = one_pass(case, frame, parts)
    model = learner.advance(learner.resume(frame), told)
    same_bits(state.model, model, f"{what}: the model, and that of one pass over its rows")
    told = learner.carry(told, frame, model)
    same_bits(state.told, told, f"{what}: the sum, and one pass over its rows")


def of_faces(check: Law) -> Law:
    """A law for learners that can be opened."""

    @functools.wraps(check)
    def checked(case: Case, seed: int) -> None:
        if has_face(case.learner):
            check(case, seed)

    return law(checked)


@of_faces
def order_is_nothing(case: Case, seed: int) -> None:
    """Absorbed in any order, by many threads at once: one pass over all, and where the frame is
    that of a fit, this fit, at the time grade.
    """
    _, live, digests = life_of(case, seed)
    if not keeps_leaves(case):
        again = lived(case, parts_of(case, seed)[: len(digests)])
        same_bits(again.state.digest, live.state.digest, "the same batches in the same order")
        return
    first, *rest = parts_of(case, seed)
    _is(case, live, live.state, (first, *rest), "one after another")
    other = lived(case, [first])
    rest.sort(key=lambda part: draw(seed, f"order {part.id}", 0, 1 << 30))
    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(other.absorb, part.source(case)) for part in rest]:
            done.result()
    same_bits(other.state.digest, live.state.digest, "other orders, many at once")
    _as_fitted(case, seed, live.state)


def _as_fitted(case: Case, seed: int, state: Any) -> None:
    parts = parts_of(case, seed)
    whole = fitted(case, _plan(case, parts))
    if whole.model.base != state.model.base:
        return  # its first batch made another frame than all of them
    if case.learner.grade["time"] == "rounding":
        terms = [one_pass(case, whole.model, [part]) for part in parts]
        same_sum(state.told, whole.told, terms, unit_of(case, seed), "absorbed, and fitted")
    elif case.learner.grade["time"] == "bits":
        same_bits(state.digest, whole.digest, "absorbed, and fitted")


@of_faces
def absorbed_once(case: Case, seed: int) -> None:
    """A known batch changes no byte; one of other content under its id is refused."""
    _, live, digests = life_of(case, seed)
    known = parts_of(case, seed)[: len(digests)]
    before = live.version, live.state.digest
    for part in known:
        done = live.absorb(part.source(case))
        same_bits((done.n_batches, done.n_rows, done.n_known), (0, 0, 1), f"{part.id} again")
    first = known[0]
    wrong = replace(first, X=first.X[:-1], y=None if first.y is None else first.y[:-1])
    _raises(Conflict, lambda: live.absorb(wrong.source(case)), "other rows under a known id")
    spoiled = first.X.copy()
    spoiled[7, 0] = np.inf
    bad = replace(first, id="bad", X=spoiled)
    _raises(BadInput, lambda: live.absorb(bad.source(case)), "a row that is infinite")
    same_bits((live.version, live.state.digest), before, "after known and refused batches")


@of_faces
def windows_and_earlier_times(case: Case, seed: int) -> None:
    """A window, the data up to a time, and the model at a moment: a pass over just these rows."""
    path, live, digests = life_of(case, seed)
    parts = parts_of(case, seed)[: len(digests)]
    moments = [act.moment for act in live.history()]
    if not keeps_leaves(case):
        for digest, moment in zip(digests, moments, strict=True):
            same_bits(live.at(moment).state_.digest, digest, "a running model as it was")
        for ask in (lambda: live.window("3d"), lambda: live.as_of(DAY)):
            _raises(NeedsRefit, ask, "a window of a running model")
        return
    for at in range(3):
        until = draw(seed, f"until {at}", 1, 10)
        since = until - draw(seed, f"span {at}", 1, 6)
        within = [part for part in parts if since < part.day <= until]
        window = functools.partial(live.window, f"{until - since}d", until * DAY)
        _asked(case, live, window, within, f"days {since} to {until}")
        before = [part for part in parts if part.day <= until]
        as_of = functools.partial(live.as_of, until * DAY)
        _asked(case, live, as_of, before, f"as of day {until}")
    ranked = sorted(parts, key=lambda part: part.day)  # of one day: in the order of coming
    newest = ranked[-1].day
    of_days = [part for part in parts if newest - 3 < part.day]
    for forget, kept in (("last 3d", of_days), ("last 2", ranked[-2:])):
        _is(case, live, opened(case, path, forget=forget).state, kept, f"forget={forget!r}")
    for at, moment in enumerate(moments):
        _is(case, live, live.at(moment).state_, parts[: at + 1], f"at moment {at}")


def _asked(case: Case, live: Any, ask: Callable[[], Any], parts: Sequence[Part], what: str) -> None:
    if not parts:
        _raises(NotFound, ask, f"{what}, without a batch")
        return
    found = ask()
    _is(case, live, found.state_, parts, what)
    covered = found.covered_
    days = [part.day * DAY for part in parts]
    same_bits(
        (covered.n_batches, covered.n_rows, covered.first, covered.last),
        (len(parts), sum(len(part.X) for part in parts), min(days), max(days)),
        f"{what}: what it says that it covers",
    )


@of_faces
def replaced_is_never_seen(case: Case, seed: int) -> None:
    """A corrected batch: as if the old one had never been; before that moment it still was."""
    first, *rest = parts_of(case, seed)[:4]
    which = draw(seed, "replaced", 0, len(rest))
    old, fresh = rest[which], parts_of(case, seed)[5]
    new = replace(old, X=fresh.X, y=fresh.y, day=draw(seed, "new day", 1, 9))
    if not keeps_leaves(case):
        _, live, _ = life_of(case, seed)
        before = live.state.digest
        _raises(NeedsRefit, lambda: _replaced(case, live, new), "replace in a running model")
        same_bits(live.state.digest, before, "after a refused replacement")
        return
    live = lived(case, [first, *rest])
    moment = list(live.history())[-1].moment
    _replaced(case, live, new)
    now = [first, *(new if part is old else part for part in rest)]
    _is(case, live, live.state, now, "after a replacement")
    _is(case, live, live.at(moment).state_, [first, *rest], "before it")


def _replaced(case: Case, live: Any, new: Part) -> None:
    source = read(case.form(new.X), y=new.y)
    live.replace(new.id, source, new.day * DAY)


@of_faces
def erased_is_never_seen(case: Case, seed: int) -> None:
    """An erased batch: as if it had never been, now and at any moment; nothing else changes."""
    parts = parts_of(case, seed)[:4]
    gone = parts[draw(seed, "erased", 1, len(parts))]
    if not keeps_leaves(case):
        _, live, digests = life_of(case, seed)
        _raises(NeedsRefit, lambda: live.erase(parts[0].id), "erase in a running model")
        same_bits(live.state.digest, digests[-1], "after a refused erasure")
        return
    live = lived(case, parts)
    moment = list(live.history())[-1].moment
    if gone.id in live.origins:
        _raises(NeedsRefit, lambda: live.erase(gone.id), "erase what the frame was made from")
        return
    live.erase(gone.id)
    left = [part for part in parts if part is not gone]
    _is(case, live, live.state, left, "after an erasure")
    _is(case, live, live.at(moment).state_, left, "at a moment before it")
    _raises(Erased, lambda: live.absorb(gone.source(case)), "an erased batch again")
    live.absorb(gone.source(case), again=True)
    _is(case, live, live.state, parts, "absorbed again on purpose")


@of_faces
def merged_is_one_pass(case: Case, seed: int) -> None:
    """Models of one frame merged in any order, with batches in common: one pass over all."""
    first, *rest = parts_of(case, seed)
    if not keeps_leaves(case):
        _, live, _ = life_of(case, seed)
        _raises(NeedsRefit, lambda: nacre.merge(live, live), "running sums merged")
        return
    begun = lived(case, [first])
    lives = []
    for some in (rest[:3], rest[2:], rest[:1]):
        live = nacre.merge(begun, into=f"memory://laws/{next(_numbers)}")  # the frame, once more
        for part in some:
            live.absorb(part.source(case))
        lives.append(live)
    merged = nacre.merge(*lives)
    _is(case, merged, merged.state, (first, *rest), "merged")
    nested = nacre.merge(nacre.merge(*lives[1:]), lives[0])
    for other in (nacre.merge(*lives[::-1]), nested):
        same_bits(other.state.digest, merged.state.digest, "merged in another order and group")


@of_faces
def late_data_fades_by_its_age(case: Case, seed: int) -> None:
    """A half-life: each batch counts by its own age, whenever it came; or a kind refuses it."""
    path, live, digests = life_of(case, seed)
    parts = parts_of(case, seed)[: len(digests)]
    newest = max(part.day for part in parts)
    shares = [0.5 ** ((newest - part.day) / HALF_LIFE) for part in parts]
    scales = all(kind.scale is not None for kind in live.state.told.kinds().values())
    forget = {"forget": f"half-life {HALF_LIFE}d"}
    if not keeps_leaves(case):
        _running_fades(case, parts, scales, forget)
        return
    faded = opened(case, path, **forget)
    if not scales:
        _raises(CannotForget, lambda: faded.state, "a half-life for a kind that no factor scales")
        return
    frame, model = frame_of(live), faded.state.model
    said = (one_pass(case, frame, [part]) for part in parts)
    terms = [case.learner.carry(told, frame, model) for told in said]
    wanted = functools.reduce(
        lambda a, b: a + b, (t.scale(share) for t, share in zip(terms, shares, strict=True))
    )
    same_sum(faded.state.told, wanted, terms, unit_of(case, seed), "faded, and batch by batch")


def _running_fades(case: Case, parts: Sequence[Part], scales: bool, forget: dict[str, Any]) -> None:
    """The weight in a running sum is that of each batch by its age, whatever the frame became."""
    live = opened(case, **forget)
    done: list[Part] = []
    if not scales:
        _raises(
            CannotForget, lambda: live.absorb(parts[0].source(case)), "a half-life of a running sum"
        )
        return
    for part in parts:
        before = live.state.told if done else None
        live.absorb(part.source(case))
        done.append(part)
        newest = max(one.day for one in done)
        late = 0.5 ** ((newest - part.day) / HALF_LIFE)
        came = max((one.day for one in done[:-1]), default=newest)
        kept = 0.5 ** ((newest - came) / HALF_LIFE) * (before.weight if before else 0.0)
        new = live.state.told.weight - kept
        if not abs(new) <= late * len(part.X) * (1 + 1e-9):
            raise LawBroken(f"{part.id} counts {new:g}, its age allows {late * len(part.X):g}")


@of_faces
def opens_as_it_was(case: Case, seed: int) -> None:
    """Opened again, from its store alone: the same bits, and the same answers."""
    path, live, _ = life_of(case, seed)
    again = opened(case, path)
    same_bits((again.version, again.state.digest), (live.version, live.state.digest), "opened")
    first = parts_of(case, seed)[0]
    if first.y is not None or any(tables_of(live.state.model)):
        return  # a face answers rows without y; the parts of a table are files of their own
    rows = case.form(first.X)
    for name in case.learner.answers:
        same_bits(getattr(again, name)(rows), getattr(live, name)(rows), f"{name}, opened")


def _raises(kind: type[NacreError], act: Callable[[], Any], what: str) -> None:
    try:
        act()
    except kind:
        return
    raise LawBroken(f"{what} raised no {kind.__name__}")


TIME_LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        order_is_nothing,
        absorbed_once,
        windows_and_earlier_times,
        replaced_is_never_seen,
        erased_is_never_seen,
        merged_is_one_pass,
        late_data_fades_by_its_age,
        opens_as_it_was,
    )
}
