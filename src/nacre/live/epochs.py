"""Epochs: a live model is fitted anew on the sources in its ledger, and goes on under a new frame.

No rows are kept, so the sources are read again. Each has to be what it was, by its digest; else
nothing is changed. What every batch says under the new frame becomes its new leaf, in one commit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nacre import record
from nacre.errors import BadInput, Conflict, NeedsRefit, NotFound
from nacre.estimator import bare
from nacre.fitting import Limits
from nacre.live.reading import SHOWN, planned_again
from nacre.live.taking import Began, fitted_on, keeps_leaves, taken_as
from nacre.live.tombs import tombs
from nacre.live.version import Version
from nacre.store.ledger import Leaf
from nacre.store.local import placed


def begun_again(
    version: Version,
    *,
    engine: Any = None,
    memory: int | str | None = None,
    without: Sequence[Leaf] = (),
) -> Began:
    """A fit on all batches that are alive, from their sources. Nothing is written.

    Args:
        without: lines of batches to leave out, which are erased.

    Raises:
        NotFound: sources that are gone, or that were rows in memory.
        Conflict: files that have changed.
        BadInput: no batch is left.
    """
    learner = bare(version.grounds.learner)
    gone = {line.id for line in without}
    alive = [line for line in version.ledger.alive() if line.id not in gone]
    lines = sorted(alive, key=lambda line: line.absorbed)
    if not lines:
        raise BadInput(
            got="no batch to begin again with",
            wanted="at least one that stays",
            do="Remove the whole store instead.",
        )
    plan, contents = planned_again(learner, lines, version.commit.readings)
    looked = {id(one): one for one in contents.values()}
    done, said = fitted_on(
        learner, plan, list(looked.values()), engine=engine, memory=memory, limits=Limits()
    )
    changed = [line.id for line in lines if contents[line.id].of(line.id) != line.content]
    if changed:
        more = f" and {len(changed) - SHOWN:,} more" if len(changed) > SHOWN else ""
        raise Conflict(
            got=f"{', '.join(map(repr, changed[:SHOWN]))}{more}, changed since absorbed",
            wanted="files as they were absorbed",
            do="Put them back, or call replace(id, source); nothing was changed.",
        )
    fresh = [replace(line, n_skipped=0, lies=None) for line in lines]
    taken = [taken_as(line, said[line.id]) for line in fresh] if keeps_leaves(learner) else []
    made = record.fitted(learner, plan, (), done, None)
    now = max(time.time_ns(), version.commit.act.moment + 1)
    buried, jobs = tuple(tombs(without, now)), tuple(map(placed, made.jobs))
    root = version.commit.root
    return Began(done.state, fresh, taken, root, jobs, buried=buried, erased=tuple(without))


def begun_without(version: Version, lines: Sequence[Leaf], made: Sequence[str]) -> Began:
    """The same without some batches, which are erased.

    Args:
        made: ids of those of them that the frame was made from.

    Raises:
        NeedsRefit: the others cannot be read again.
        BadInput: no batch is left.
    """
    more = f" and {len(made) - 1:,} more" if made[1:] else ""
    try:
        return begun_again(version, without=lines)
    except (NotFound, Conflict) as error:
        raise NeedsRefit(
            got=f"{made[0]!r}{more} to erase, which the frame was made from; and another frame "
            f"needs {error.got}",
            wanted="batches that came after the first fit, or the files of all that stay",
            do="Put the files back; or begin anew without them: live.fit(sources).",
        ) from None
