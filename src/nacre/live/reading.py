"""How the sources of a live model were read, so that they can be read again.

The rows of files are not kept, the files are: a batch is read again from its path, which is the
root and its id, under all that `nacre.read` was told. What was told stands in the commit once for
all batches from one moment of absorbing on, until something else was told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nacre.errors import NacreError, NotFound
from nacre.live.taking import Contents, Source
from nacre.source.paths import files_of
from nacre.source.plan import RowPlan
from nacre.source.read import plan_of
from nacre.source.terms import Read
from nacre.store.ledger import Leaf
from nacre.store.life import Reading

MOST = 256  # of them in a commit; what was told before is forgotten
SHOWN = 3  # batches that an error names


def longer(
    before: Sequence[Reading], new: Reading | None, lines: Sequence[Leaf]
) -> tuple[Reading, ...]:
    """The readings, with that of newer lines."""
    if new is None or not lines or (before and replace(before[-1], since=0) == new):
        return tuple(before)
    return (*before, replace(new, since=min(line.absorbed for line in lines)))[-MOST:]


def planned_again(
    learner: Any, lines: Sequence[Leaf], readings: Sequence[Reading]
) -> tuple[RowPlan, Mapping[str, Contents]]:
    """The plan of batches, from their sources; and what tells by id whether they are the same.

    Args:
        learner: bare.
        lines: of the batches, by moment of absorbing.
        readings: of the commit.

    Raises:
        NotFound: sources that cannot be read again; they are named.
    """
    groups: dict[Reading, list[Leaf]] = {}
    gone = []
    for line in lines:
        reading = _of(readings, line)
        if reading is None or (
            not os.path.exists(_path(reading, line)) and not _is_there(_path(reading, line))
        ):
            gone.append(line.id)
        else:
            groups.setdefault(replace(reading, since=0), []).append(line)
    check_none(gone, "whose sources cannot be read again")
    plans: list[RowPlan] = []
    contents: dict[str, Contents] = {}
    for asked in _asked(groups):
        schema = plans[0].schema if plans else None
        plan = plan_of(asked, takes=learner.takes, schema=schema, more=True)
        plans.append(plan)
        contents |= dict.fromkeys(plan.ids, Contents(plan, Source(asked.data)))
    check_none([line.id for line in lines if line.id not in contents], "that were not found again")
    return _as_one(plans), contents


def check_none(ids: Sequence[str], what: str) -> None:
    """Raise NotFound where there are such batches."""
    if ids:
        more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
        raise NotFound(
            got=f"{', '.join(map(repr, ids[:SHOWN]))}{more} {what}",
            wanted="the files of all batches, as they were absorbed",
            do="Put them back, or erase these batches; nothing was changed.",
        )


def _of(readings: Sequence[Reading], line: Leaf) -> Reading | None:
    """How the batch of a line was read; None where nobody knows."""
    if not line.content.startswith("file:"):
        return None
    found = [one for one in readings if one.since <= line.absorbed]
    return found[-1] if found else None


def _path(reading: Reading, line: Leaf) -> str:
    return reading.root if reading.alone else f"{reading.root.rstrip('/')}/{line.id}"


def _is_there(path: str) -> bool:
    if os.path.exists(path):
        return True
    try:
        return bool(files_of([path]))
    except NacreError:
        return False


def _asked(groups: Mapping[Reading, Sequence[Leaf]]) -> Iterator[Read]:
    for reading, lines in groups.items():
        told = json.loads(reading.told)
        if "time" not in told and any(line.time for line in lines):
            told["time"] = {line.id: line.time for line in lines}
        if reading.alone:
            yield Read(reading.root, id=lines[0].id, **told)
        else:
            yield Read([_path(reading, line) for line in lines], root=reading.root, **told)


def _as_one(plans: Sequence[RowPlan]) -> RowPlan:
    """A plan of all rows: those of one read in several ways are cut as each way cuts them."""
    if len(plans) == 1:
        return plans[0]
    counts = [plan.n_rows for plan in plans]
    ids = {name: reader for plan in plans for name, reader in plan.ids.items()}
    return replace(
        plans[0],
        shards=sorted((one for plan in plans for one in plan.shards), key=lambda one: one.key),
        n_rows=None if None in counts else sum(n for n in counts if n is not None),
        ids=dict(sorted(ids.items())),
        times={name: span for plan in plans for name, span in plan.times.items()},
    )
