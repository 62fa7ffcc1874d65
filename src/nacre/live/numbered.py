"""Rows that a source has numbered: a stream and an offset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from nacre.errors import BadInput, BadParameter
from nacre.evolve.runs import id_of
from nacre.source.memory import is_lazy, is_paths


def offset_of(id: tuple[Any, ...]) -> tuple[str, int]:
    """A stream and the offset of its first row, as they are given for an id.

    >>> offset_of(("orders", np.int64(3)))
    ('orders', 3)

    Raises:
        BadParameter, BadInput: no such id.
    """
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
