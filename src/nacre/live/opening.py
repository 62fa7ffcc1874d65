"""The ways to a live model: `nacre.open`, and a fit that is to live."""

from __future__ import annotations

import os
from dataclasses import replace

from nacre.estimator import Estimator
from nacre.live import snapshot
from nacre.live.model import Live, Options
from nacre.live.taking import Began
from nacre.live.version import Shelf, check_same, sums_of
from nacre.store.commits import Log
from nacre.store.place import Place, place_of


def open(
    path: str | os.PathLike[str],
    learner: Estimator | None = None,
    *,
    forget: str | None = None,
    retain: str | int | None = None,
    single_writer: bool = False,
) -> Live:
    """A model that lives in a store: it absorbs batches once each, and is durable.

    >>> import numpy as np
    >>> from nacre.learn.prepare.scale import Scale
    >>> live = open("memory://doors", Scale())
    >>> live.absorb(np.array([[0.0], [2.0]]), id="monday").n_rows
    2
    >>> live.absorb(np.array([[0.0], [2.0]]), id="monday").n_known
    1
    >>> live.mean_
    array([1.])

    Args:
        path: a directory, made where it is not there; that of a saved model, which begins to live;
            "memory://name"; or a URI of fsspec, such as "s3://bucket/models/flights".
        learner: unfitted hyper-parameters; None for those that the store has.
        forget: what old batches count: "90d" or "1000000 rows" (half as much after each such
            half-life), "last 90d", "last 30" (batches; all others not at all), "never". Where
            batches are kept apart it is a matter of reading, and may differ from one opening to
            the next; a running sum forgets as it began.
        retain: how many leaves are kept apart: "all", "365d", "1000 batches", "5GB"; what is older
            is folded into sums, and cannot be told apart any more. None: as before.
        single_writer: say that nobody else writes, for a system that cannot refuse to overwrite.

    Raises:
        NotFound: nothing is there, and no learner was given.
        BadParameter: another learner, or other hyper-parameters, than the store has.
        CorruptState, NewerFormat: a store that cannot be read.
        Unavailable: it may not be read or written.
    """
    options = Options.of(forget, retain)
    where = os.fspath(path)
    kept = snapshot.kept_in(where)
    if kept is None and learner is not None:
        snapshot.check_place(where)
    place = place_of(
        where, make=learner is not None or kept is not None, single_writer=single_writer
    )
    shelf = shelf_of(place)
    if kept is None:
        return Live(shelf, learner, options)
    if learner is not None:
        check_same(kept, learner, where)
    live = Live(shelf, kept, replace(options, anew=True))
    snapshot.removed(place, live.commit_first(snapshot.begun(kept)))
    return live


def begin(path: str | os.PathLike[str], learner: Estimator, first: Began) -> Live:
    """Have a fit begin a live model, in the place of what is there.

    Args:
        path: as `open` takes it.
        learner: hyper-parameters.
        first: as `nacre.live.taking.began` gave it.

    Raises:
        Occupied: a directory that holds something else.
        Fenced: somebody else has committed meanwhile.
    """
    where = os.fspath(path)
    snapshot.check_place(where)
    place = place_of(where, make=True)
    live = Live(shelf_of(place), learner, Options(anew=True))
    snapshot.removed(place, live.commit_first(first))
    return live


def shelf_of(place: Place) -> Shelf:
    """A place as a live model lies in it."""
    return Shelf(place, Log(place), sums_of(place))
