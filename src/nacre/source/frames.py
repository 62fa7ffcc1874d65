"""Frames in memory, by the Arrow stream that they give: polars, pyarrow, duckdb.

A stream may be there only once, so it is taken once, when the plan is made, and its columns are
held: those of a frame are shared with it; those of a query (a DuckDB relation, a lazy frame of
polars) lie in memory from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from nacre.contract import Array, Batch, Run, Schema
from nacre.errors import BadInput, BadParameter, BadType
from nacre.source.arrow import Picked, categories, columns_of, is_float32
from nacre.source.bad import Judge
from nacre.source.columns import features, held
from nacre.source.memory import is_lazy
from nacre.source.plan import RowPlan, content, cut
from nacre.source.spans import in_table
from nacre.source.terms import Need, Read
from nacre.source.times import event_spans
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


def plan_of_frame(asked: Read, need: Need, named_columns: bool = True) -> RowPlan:
    """The plan of whatever gives an Arrow stream of records.

    Args:
        asked: the data, and what concerns it.
        need: of the learner.
        named_columns: False where the names are ours, not the caller's.

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
    table = _taken(collected(asked, need.schema))
    table = _levelled(table, asked, need)
    there, by_name = columns_of(table.schema), asked.schema != "error"
    names = features(there, asked, need.schema, WHERE, pick=by_name, typed=need.typed)
    holds = held([(there, WHERE)], names, need.schema) if need.typed else None
    dtype = need.dtype(asked, "float32" if is_float32(table.schema, names) else "float64")
    special = {name: getattr(asked, name) for name in ("weight", "y")}
    named = {name: column for name, column in special.items() if isinstance(column, str)}
    picked = Picked(names, dtype, holds=holds, **named)
    at = asked.time_column
    time = asked.time if at is None else in_table(table.column(at), at, WHERE)
    reader = FrameReader(
        table.select(picked.names),
        picked,
        asked.judge(need, names),
        None if "weight" in named else weights(asked.weight, table.num_rows, asked.bad),
        None if "y" in named else labels(asked.y, table.num_rows),
    )
    known = None if holds is None else tuple(categories(table.column(name)) for name in names)
    name = asked.id if asked.id is not None else content(reader) if need.more else ""
    return cut(
        {name: reader},
        need.schema_of(names if named_columns else None, len(names), dtype, holds, known),
        times=event_spans(time, [name]),
        shard_rows=asked.shard_rows,
        in_memory=True,
    )


def _levelled(table: Any, asked: Read, need: Need) -> Any:
    """The table, under "pad" with columns of missing values for those of the fit that it lacks."""
    known = need.schema.names if need.schema is not None else None
    if asked.schema == "pad" and asked.columns is None:
        for name in known or ():
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(table)))
    return table


def collected(asked: Read, fitted: Schema | None) -> Any:
    """The data; of a lazy frame of polars the rows, by its streaming engine: the columns that are
    wanted, taken once into memory.

    Raises:
        BadInput: the query fails.
    """
    if not is_lazy(asked.data):
        return asked.data
    wanted = asked.columns or (fitted.names if fitted is not None else None)
    try:
        there = asked.data.collect_schema().names()
        named = {str(name) for name in (*(wanted or there), *asked.beside)}
        if wanted is not None and not {*map(str, wanted)} <= {*there}:
            return asked.data.head(0).collect()  # its columns are then found to be too few
        some = asked.data.select([name for name in there if name in named])
        return some.collect(engine="streaming")
    except Exception as error:  # of polars, whose errors have no common base below this one
        raise BadInput(
            got=f"a lazy frame whose query fails ({str(error).partition(chr(10))[0]})",
            wanted="a query that polars can collect",
            do="Try its .collect().",
        ) from None


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
