"""What data holds: columns with their types and first values, and rows, whatever the format.

Nothing is refused here that only a learner would refuse: columns of any type, files that differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from nacre.contract import Array
from nacre.source.arrow import Picked, columns_of
from nacre.source.bad import Judge
from nacre.source.decoded import Places
from nacre.source.files import found_files, plan_of_found
from nacre.source.footer import opened
from nacre.source.images import Folder
from nacre.source.npy import FileArrayReader
from nacre.source.partitions import partitions
from nacre.source.paths import File
from nacre.source.plan import RowPlan, rows_per_shard
from nacre.source.stitched import Constants, Groups, StitchedReader
from nacre.source.tables import outlines
from nacre.source.terms import Need, Read

TABLES = ("parquet", "arrow", "csv", "text")
N_FIRST = 3  # values of a column that are shown
NEED = Need(("nan", "sparse", "records"))


@dataclass(frozen=True)
class ColumnAbout:
    """A column.

    Attributes:
        name, kind: its name and type.
        numeric: whether it can be learned from.
        n_missing: missing values, where the files say so without being read; else None.
        first: its first values.
    """

    name: str
    kind: str
    numeric: bool
    n_missing: int | None = None
    first: tuple[Any, ...] = ()

    def united(self, other: ColumnAbout | None) -> ColumnAbout:
        """What it is in two files; None: the other has it not."""
        if other is None:
            return replace(self, kind="not in every file", numeric=False)
        counts = (self.n_missing, other.n_missing)
        return replace(
            self,
            kind=self.kind if self.kind == other.kind else "of several types",
            numeric=self.numeric and other.numeric,
            n_missing=None if None in counts else sum(n for n in counts if n),
        )


@dataclass(frozen=True)
class About:
    """What data holds.

    Attributes:
        format: of the files.
        sizes: batch id -> number of rows.
        columns: by name; none of sparse rows.
        n_columns: how many there are.
        shard_rows: rows of a shard, as they will be cut.
        more: in words, what columns do not say.
    """

    format: str
    sizes: Mapping[str, int]
    columns: tuple[ColumnAbout, ...]
    n_columns: int
    shard_rows: int
    more: str = ""


def about(asked: Read) -> About:
    """What files hold; beside what they say of themselves the first rows are read.

    Raises:
        NotFound, BadInput, SameId: files that are not there, damaged, or of several formats.
        BadParameter: options that do not fit them.
        MissingExtra: a package that reads them is not installed.
    """
    found = found_files(asked)
    if found.format in TABLES:
        return _tables(asked, found.files, found.format)
    plan = plan_of_found(asked, NEED, found)
    sizes = {name: reader.n_rows for name, reader in plan.ids.items()}
    columns, more = _columns_of(plan)
    n = plan.schema.n_columns
    return About(found.format, sizes, columns, n, plan.shard_rows, more)


def _tables(asked: Read, files: Mapping[str, File], format: str) -> About:
    groups = outlines(asked, NEED, files, format)
    fixed = partitions(files, set(), NEED)
    united: dict[str, ColumnAbout] = {}
    for number, (name, found) in enumerate(groups.items()):
        lost = _missing(files[name]) if format == "parquet" else {}
        inside = {c.name: ColumnAbout(*c[:3], lost.get(c.name)) for c in found.columns}
        for key in _twice(found):
            inside[key] = ColumnAbout(key, "of several columns", False)
        for key, value in fixed[name].items():
            (c,) = columns_of(pa.schema([(key, value.type)]))
            inside.setdefault(key, ColumnAbout(*c[:3], 0 if value.is_valid else None))
        united = _united(united, inside) if number else inside
    first = next((name for name, found in groups.items() if found.starts[-1]), None)
    if first is not None:
        values = _first_rows(files[first], groups[first], fixed[first])
        united = {k: replace(c, first=values.get(k, ())) for k, c in united.items()}
    sizes = {name: int(found.starts[-1]) for name, found in groups.items()}
    return About(format, sizes, (*united.values(),), len(united), rows_per_shard(len(united)))


def _united(
    first: Mapping[str, ColumnAbout], other: Mapping[str, ColumnAbout]
) -> dict[str, ColumnAbout]:
    more = {name: column.united(None) for name, column in other.items() if name not in first}
    return {**{name: column.united(other.get(name)) for name, column in first.items()}, **more}


def _missing(file: File) -> dict[str, int | None]:
    """Nulls of each column by a Parquet file's own statistics; None where it has none."""
    with opened(file) as parquet:
        metadata = parquet.metadata
        names = [] if metadata.num_row_groups else parquet.schema_arrow.names
        found: dict[str, int | None] = dict.fromkeys(names, 0)
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for chunk in map(group.column, range(group.num_columns)):
                told = chunk.statistics
                known = told is not None and told.has_null_count
                before = found.get(chunk.path_in_schema, 0)
                found[chunk.path_in_schema] = (
                    before + told.null_count if known and before is not None else None
                )
    return found


def _twice(groups: Groups) -> set[str]:
    """Names that several columns have: which of them is meant nobody can say."""
    counts = Counter(column.name for column in groups.columns)
    return {name for name, n in counts.items() if n > 1}


def _first_rows(file: File, groups: Groups, fixed: Constants) -> dict[str, tuple[Any, ...]]:
    inside = {column.name for column in groups.columns}
    names = tuple(sorted((inside | {*fixed}) - _twice(groups)))
    if not names:
        return {}
    constants = {name: value for name, value in fixed.items() if name not in inside}
    picked = Picked(names, "float64")
    reader = StitchedReader(file, groups, constants, 0, picked, Judge(), Places())
    with reader.rows(0, min(N_FIRST, reader.n_rows)) as rows:
        pieces = [piece.select(list(names)) for piece in rows.take(min(N_FIRST, reader.n_rows))]
    table = pa.Table.from_batches(pieces)
    columns = zip(names, table.columns, strict=True)
    return {name: tuple(map(_value, column)) for name, column in columns}


def _value(scalar: Any) -> Any:
    """A value as Python has it; as text where Python has no such date, or the text is no UTF-8."""
    try:
        return scalar.as_py()
    except (OverflowError, ValueError, pa.ArrowException):
        if isinstance(scalar, pa.StringScalar | pa.LargeStringScalar | pa.StringViewScalar):
            return str(scalar.as_buffer().to_pybytes(), errors="backslashreplace")
        return str(scalar.value) if hasattr(scalar, "value") else "…"


def _columns_of(plan: RowPlan) -> tuple[tuple[ColumnAbout, ...], str]:
    """The columns of arrays and images, and what is to be said of the rows of others."""
    readers: list[Any] = list(plan.ids.values())
    reader = readers[0]
    if isinstance(reader, Folder):
        few = next(reader.read(0, min(N_FIRST, reader.n_rows), N_FIRST, 0)).X
        return _numbered(plan.schema.names, few, "pixel"), reader.form.said if reader.form else ""
    assert isinstance(reader, FileArrayReader)
    if hasattr(reader.X, "nnz"):
        values = sum(int(one.X.nnz) for one in readers)
        return (), f"sparse rows, {values / max(plan.n_rows or 0, 1):.3g} values in each"
    few = reader.X[slice(0, min(N_FIRST, reader.n_rows))]
    return _numbered(None, few, str(reader.X.dtype)), ""


def _numbered(names: Any, few: Array, kind: str) -> tuple[ColumnAbout, ...]:
    called = names or [f"x{i}" for i in range(few.shape[1])]
    values = few.T.tolist()
    return tuple(
        ColumnAbout(name, kind, True, 0 if kind == "pixel" else None, tuple(first))
        for name, first in zip(called, values, strict=True)
    )
