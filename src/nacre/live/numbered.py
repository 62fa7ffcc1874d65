"""Rows that a source has numbered: a stream and an offset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre.errors import BadInput, BadParameter, Conflict, Fenced
from nacre.evolve.runs import Runs, id_of
from nacre.source.memory import is_lazy, is_paths
from nacre.store.life import Commit, Position


def offset_of(id: tuple[Any, ...] | After) -> tuple[str, int]:
    """A stream and the offset of its first row, as they are given for an id.

    >>> offset_of(("orders", np.int64(3)))
    ('orders', 3)

    Raises:
        BadParameter, BadInput: no such id.
    """
    if isinstance(id, After):
        id = (id.stream, id.since.offset)
    if len(id) != 2:
        raise BadParameter(
            got=f"id={id!r:.80}",
            wanted="a text, or a stream and the offset of its first row",
            do='Write id=("orders", 0), say.',
        )
    stream, first = id
    first = int(first) if isinstance(first, np.integer) else first
    id_of(stream, first)  # raises
    return stream, first


class Rows:
    """Rows in memory, any run of which can be taken.

    Raises:
        BadInput: other data.

    >>> Rows([[1.0], [2.0], [3.0]]).run(1, 3)
    [[2.0], [3.0]]
    """

    def __init__(self, data: Any) -> None:
        elsewhere = is_paths(data) or is_lazy(data) or isinstance(data, str | os.PathLike)
        if elsewhere or hasattr(data, "nacre_source") or not hasattr(data, "__len__"):
            raise BadInput(
                got=f"{type(data).__name__} as rows of a stream",
                wanted="an array or a frame in memory, with one row for each offset",
                do='Read the rows, or give the whole a name: id="...".',
            )
        self.data = data

    def __len__(self) -> int:
        shape = getattr(self.data, "shape", None)
        return len(self.data) if shape is None else int(shape[0])

    def run(self, start: int, stop: int) -> Any:
        """Rows start to stop, of the same kind."""
        if (start, stop) == (0, len(self)):
            return self.data
        if hasattr(self.data, "iloc"):
            return self.data.iloc[start:stop]
        if hasattr(self.data, "slice") and not isinstance(self.data, np.ndarray | Sequence):
            return self.data.slice(start, stop - start)
        return self.data[start:stop]


def position_of(commit: Commit, stream: str) -> Position:
    """How far a stream was followed."""
    return commit.positions.get(stream, Position())


@dataclass(frozen=True)
class After:
    """For an id: rows that follow all that was absorbed of a stream.

    What tells where they end stands in the same commit as the rows. So whoever goes on from there
    neither loses nor repeats one, though the stream itself does not number its rows.

    >>> import nacre
    >>> live = nacre.open("memory://doctest-after", nacre.Moments())
    >>> some = After("clicks", live.position("clicks"), "1700-1")
    >>> live.absorb([[1.0], [2.0]], id=some).n_rows, live.position("clicks")
    (2, Position(offset=2, mark='1700-1'))

    Attributes:
        stream: its name.
        since: where the live model stood when they were read.
        mark: of the last of them, in the words of the source.
    """

    stream: str
    since: Position
    mark: str

    def check(self, stands: Position, runs: Runs, where: str) -> None:
        """Raise Fenced where the live model stands somewhere else, which it is to be read from.

        Raises:
            Conflict: it has later rows, and nobody said where they end.
        """
        if stands != self.since:
            raise Fenced(
                got=f"rows of {self.stream!r} after {self.since.mark or 'its begin'!r}",
                wanted=f"those after {stands.mark or 'its begin'!r}: somebody else went on",
                do="Reopen, and read the stream from live.position on.",
                where=where,
            )
        if runs.stops and runs.stops[-1] > stands.offset:
            raise Conflict(
                got=f"{self.stream!r}, of which offset {runs.stops[-1] - 1:,} was absorbed already",
                wanted=f"none from {stands.offset:,} on, where following it stands",
                do="Follow it under another name.",
                where=where,
            )

    def until(self, n_rows: int) -> Position:
        """Where it stands after them."""
        return Position(self.since.offset + n_rows, self.mark)
