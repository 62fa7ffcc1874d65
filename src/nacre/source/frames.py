"""Frames in memory, by the Arrow stream that they give: polars, pyarrow, duckdb.

A stream may be there only once, so it is taken once, when the plan is made, and its columns are
held: those of a frame are shared with it, those of a query lie in memory from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from nacre.contract import Array, Batch, Run
from nacre.errors import BadParameter, BadType
from nacre.source.arrow import Picked, columns_of, is_float32
from nacre.source.bad import Judge
from nacre.source.columns import features
from nacre.source.plan import RowPlan, content, cut
from nacre.source.terms import Need, Read
from nacre.source.times import event_times
from nacre.source.weights import labels, weights

WHERE = "the frame"


@dataclass(frozen=True, eq=False)
class FrameReader:
    """One batch of Arrow columns in memory.

    Attributes:
        table: a pyarrow Table; rows are cast batch by batch.
        weight, y: (n,) where they are no columns of it.
    """

    table: Any
    picked: Picked
    judge: Judge
    weight: Array | None = None
    y: Array | None = None
    where: str = WHERE
    reading: int = 0

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    def read(self, first: int, stop: int, batch_rows: int, origin: int) -> Iterator[Batch]:
        """Rows first to stop."""
        for start in range(first, max(stop, first + 1), batch_rows):
            rows = slice(start, min(start + batch_rows, stop))
            some = self.table.slice(start, rows.stop - start)
            pieces = [self.picked.piece(batch) for batch in some.to_batches()]
            where = f"{self.where} rows {start} to {max(start, rows.stop - 1)}"
            batch = self.picked.batch(pieces, Run(origin, start), where)
            if self.weight is not None:
                batch = replace(batch, weight=self.weight[rows])
            if self.y is not None:
                batch = replace(batch, y=self.y[rows])
            yield self.judge(batch, self.picked.original(pieces))


def plan_of_frame(asked: Read, need: Need) -> RowPlan:
    """The plan of whatever gives an Arrow stream of records.

    Raises:
        BadType: it gives none, or a column holds no numbers.
        BadInput: columns or weights that do not fit.
    """
    if asked.root is not None:
        raise BadParameter(
            got=f"root={asked.root!r} of a frame",
            wanted="root for files alone",
            do="Leave it out; id= names a frame.",
        )
    table = _taken(asked.data)
    names = features(columns_of(table.schema), asked, need.schema, WHERE, pick=False)
    dtype = need.dtype(asked, "float32" if is_float32(table.schema, names) else "float64")
    special = {name: getattr(asked, name) for name in ("weight", "y")}
    named = {name: column for name, column in special.items() if isinstance(column, str)}
    picked = Picked(names, dtype, **named)
    reader = FrameReader(
        table.select(picked.names),
        picked,
        asked.judge(need, names),
        None if "weight" in named else weights(asked.weight, table.num_rows, asked.bad),
        None if "y" in named else labels(asked.y, table.num_rows),
    )
    name = asked.id if asked.id is not None else content(reader) if need.more else ""
    return cut(
        {name: reader},
        need.schema_of(names, len(names), dtype),
        times=event_times(asked.time, [name]),
        shard_rows=asked.rows_per_shard,
        in_memory=True,
    )


def _taken(data: Any) -> Any:
    if not hasattr(data, "__arrow_c_stream__"):
        raise BadType(
            got=type(data).__name__,
            wanted="an array, a frame, a path, a list of paths, or nacre.read(...) of one",
            do="Turn it into one of these.",
        )
    try:
        return pa.RecordBatchReader.from_stream(data).read_all()
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise BadType(
            got=f"{type(data).__name__}: {str(error).splitlines()[0]}",
            wanted="an Arrow stream of records, which is there once",
            do="Pass a frame with named columns.",
        ) from None
