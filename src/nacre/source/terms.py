"""What a caller says of data, and what a learner needs of its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np

from nacre.contract import Schema
from nacre.errors import BadParameter, BadType
from nacre.source.bad import Judge, Policy
from nacre.source.times import column_in

Differing = Literal["error", "ignore", "pad"]
ImageMode = Literal["L", "RGB"]
DIFFERING = ("error", "ignore", "pad")


@dataclass(frozen=True, eq=False)
class Read:
    """Data and all that concerns it; `nacre.read` makes it and says what the fields mean.

    Raises:
        BadParameter: a field outside its range.
        BadType: data that has been read already.
    """

    nacre_source: ClassVar[bool] = True

    data: Any = field(repr=False)
    columns: Sequence[str | int] | None = None
    weight: Any = None
    y: Any = None
    dtype: Any = None
    bad: Policy = "error"
    id: str | None = None
    time: Any = None
    root: Any = None
    shard_rows: int | None = None
    schema: Differing = "error"
    delimiter: str | None = None
    header: bool = True
    image_size: tuple[int, int] | None = None
    image_mode: ImageMode | None = None

    def __post_init__(self) -> None:
        if isinstance(self.data, Read):
            raise BadType(
                got="nacre.read of what nacre.read gave",
                wanted="data",
                do="Say all of it in one nacre.read(...).",
            )
        _require(self.bad in ("error", "skip"), "bad", self.bad, '"error" or "skip"')
        _require(self.id is None or isinstance(self.id, str), "id", self.id, "a text")
        rows = self.shard_rows
        positive = isinstance(rows, int) and not isinstance(rows, bool) and rows >= 1
        _require(rows is None or positive, "shard_rows", rows, "an int, at least 1")
        _require(self.schema in DIFFERING, "schema", self.schema, f"one of {DIFFERING}")
        mark = self.delimiter
        one = isinstance(mark, str) and len(mark) == 1 and mark.isascii() and mark not in '"\r\n'
        _require(mark is None or one, "delimiter", mark, "one character, no quote or line end")
        _require(isinstance(self.header, bool), "header", self.header, "True or False")
        self._check_images()
        self._check_columns()
        if self.dtype is not None:
            object.__setattr__(self, "dtype", _dtype(self.dtype))

    @property
    def time_column(self) -> str | None:
        """The column that holds the event times, where there is one."""
        return column_in(self.time)

    @property
    def beside(self) -> list[str]:
        """Columns that are no features: of weight, y and time those that are named."""
        named = (self.weight, self.y, self.time_column)
        return [name for name in named if isinstance(name, str)]

    def given(self, y: Any, weight: Any) -> Read:
        """The same, with the y and the weights that a method was given.

        Raises:
            BadParameter: one of them was given twice.
        """
        given = {"y": y, "weight": weight}
        said = {name: value for name, value in given.items() if value is not None}
        for name in said:
            if getattr(self, name) is not None:
                raise BadParameter(
                    got=f"{name} in nacre.read and in the call",
                    wanted="it in one of them",
                    do="Leave one out.",
                )
        return replace(self, **said) if said else self

    def judge(self, need: Need, names: Sequence[str] | None = None, who: str = "") -> Judge:
        """What is done with bad values in columns of these names."""
        return Judge(self.bad, "nan" in need.takes, None if names is None else tuple(names), who)

    def _check_images(self) -> None:
        size: Any = self.image_size
        if size is not None:
            two = isinstance(size, list | tuple) and len(size) == 2
            whole = two and all(isinstance(n, int | np.integer) and n >= 1 for n in size)
            _require(whole, "image_size", size, "(height, width) in pixels, at least 1")
            object.__setattr__(self, "image_size", (int(size[0]), int(size[1])))
        modes = (None, "L", "RGB")
        _require(self.image_mode in modes, "image_mode", self.image_mode, '"L" (grey) or "RGB"')

    def _check_columns(self) -> None:
        columns = self.columns
        if columns is None:
            return
        listed = not isinstance(columns, str) and hasattr(columns, "__iter__")
        _require(listed, "columns", columns, 'a list, such as columns=["a", "b"]')
        columns = tuple(c.item() if isinstance(c, np.generic) else c for c in columns)
        object.__setattr__(self, "columns", columns)
        kinds = {type(c) for c in columns}
        _require(len(kinds) == 1 and kinds <= {str, int}, "columns", columns, "names, or positions")
        _require(len(set(columns)) == len(columns), "columns", columns, "each column once")
        twice = set(self.beside) & set(columns)
        _require(not twice, "columns", columns, "none of weight and y, nor the time: no features")


@dataclass(frozen=True, eq=False)
class Need:
    """What a learner needs of a plan.

    Attributes:
        takes: of the learner.
        schema: that of its fit, for later data; None in a fit.
        more: rows for `partial_fit`: an array's id is the digest of its content, not the empty one.
    """

    takes: Sequence[str] = ()
    schema: Schema | None = None
    more: bool = False

    def dtype(self, asked: Read, own: str) -> str:
        """What learning sees: the fit's dtype, else the one asked for, else the data's own."""
        return self.schema.dtype if self.schema is not None else asked.dtype or own

    @property
    def typed(self) -> bool:
        """Whether columns with names come as records: the learner takes them, and had such."""
        return "records" in self.takes and (self.schema is None or self.schema.units is not None)

    def schema_of(
        self,
        names: Sequence[str] | None,
        n_columns: int,
        dtype: str,
        holds: tuple[str, ...] | None = None,
        categories: tuple[tuple[str, ...] | None, ...] | None = None,
    ) -> Schema:
        """The fit's schema, or a new one; `holds`: what the columns of records hold."""
        named = None if names is None else tuple(names)
        return self.schema or Schema(named, n_columns, dtype, holds, categories)


def _dtype(dtype: Any) -> str:
    try:
        name: str = np.dtype(dtype).newbyteorder("=").name
    except TypeError:
        name = ""
    _require(name in ("float32", "float64"), "dtype", dtype, '"float32" or "float64"')
    return name


def _require(holds: bool, name: str, got: Any, wanted: str) -> None:
    if not holds:
        raise BadParameter(
            got=f"{name}={got!r}",
            wanted=wanted,
            do=f"Change {name} in nacre.read(data, {name}=...).",
        )
