"""The plan of files of columns: which columns are learned from, and what is done where they differ.

A fit learns from the columns of its first file; `schema=` says what becomes of columns that other
files, or later data, have not or have too many (read.py). Of `year=2024/month=3/x.parquet` year
and month are columns too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from nacre.errors import BadInput
from nacre.records import TIMES
from nacre.source import delimited, ipc, lines
from nacre.source.arrow import Picked, columns_of
from nacre.source.columns import Column, features, held, listed
from nacre.source.decoded import Places
from nacre.source.footer import outline
from nacre.source.parquet import ParquetGroups
from nacre.source.partitions import partitions
from nacre.source.paths import File
from nacre.source.plan import RowPlan, cut
from nacre.source.spans import in_file, in_path
from nacre.source.stitched import Constants, Groups, StitchedReader
from nacre.source.terms import Need, Read
from nacre.source.times import Span, event_spans

AT_ONCE = 8  # files that are looked at at a time; remote ones are mostly waited for

There = dict[str, list[Column]]  # batch id -> its columns


def plan_of_tables(asked: Read, need: Need, files: Mapping[str, File], format: str) -> RowPlan:
    """The plan of files of one format; what they say of themselves is read here, once.

    Raises:
        NotFound: a file that is not there.
        BadInput: a file that is none of the format, or columns that do not fit.
        BadType: a column that holds no numbers.
    """
    groups = outlines(asked, need, files, format)
    there: There = {name: list(found.columns) for name, found in groups.items()}
    constants = partitions(files, _wanted(asked, need), need)
    for name, found in there.items():
        inside = {column.name for column in found}
        constants[name] = {k: v for k, v in constants[name].items() if k not in inside}
        found += [_column(name, value) for name, value in constants[name].items()]
    level(there, constants, asked, need)
    names = _features(files, there, asked, need)
    columns = [(there[name], file.where) for name, file in files.items()]
    holds = held(columns, names, need.schema) if need.typed else None
    dtype = need.dtype(asked, "float64" if {*TIMES} & {*(holds or ())} else "float32")
    picked, places = Picked(names, dtype, asked.weight, asked.y, holds), Places()
    judge = asked.judge(need, names)

    def reader(name: str) -> StitchedReader:
        found, fixed = groups[name], _of_file(constants[name], picked)
        inside = [column for column in picked.names if column not in fixed]
        reading = found.reading(inside or [found.columns[0].name])
        return StitchedReader(files[name], found, fixed, reading, picked, judge, places)

    return cut(
        {name: reader(name) for name in files},
        need.schema_of(names, len(names), dtype, holds),
        times=_times(asked, files, groups, constants),
        shard_rows=asked.shard_rows,
    )


def _times(
    asked: Read,
    files: Mapping[str, File],
    groups: Mapping[str, Groups],
    constants: Mapping[str, Constants],
) -> dict[str, Span]:
    """Batch id -> first and last event; of a column read here, by file, and of no rows none."""
    column = asked.time_column
    if column is None:
        return event_spans(asked.time, files)

    def span(name: str) -> Span | None:
        if column in constants[name]:
            return in_path(constants[name][column], column, files[name].where)
        return in_file(files[name], groups[name], column)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = zip(files, pool.map(span, files), strict=True)
        return {name: span for name, span in found if span is not None}


def _wanted(asked: Read, need: Need) -> set[str]:
    """Columns that are asked for by name."""
    known = need.schema.names if need.schema is not None else None
    return {str(name) for name in (*(asked.columns or known or ()), *asked.beside)}


def level(there: There, constants: dict[str, Constants], asked: Read, need: Need) -> None:
    """Make the columns of files alike, as `schema=` says.

    "ignore" drops in a fit what some file has not; "pad" adds it, as missing values; of columns
    that were asked for, or that the fit had, none is dropped, and none but these is added.
    """
    known = need.schema.names if need.schema is not None else None
    every = dict.fromkeys(c.name for found in there.values() for c in found if not c.is_index)
    special = {*asked.beside}
    if asked.schema == "ignore" and asked.columns is None and known is None:
        common = set.intersection(*({c.name for c in found} for found in there.values()))
        for name, found in there.items():
            there[name] = [c for c in found if c.name in common or c.name in special]
    if asked.schema == "pad":
        wanted = [str(name) for name in asked.columns or known or every if name not in special]
        wanted = [name for name in wanted if name in every or known is not None]
        for name, found in there.items():
            inside = {column.name for column in found}
            lost = [column for column in wanted if column not in inside]
            constants[name] |= {column: pa.scalar(None) for column in lost}
            there[name] = found + [_column(column, pa.scalar(None)) for column in lost]


def _column(name: str, value: Any) -> Column:
    return columns_of(pa.schema([(name, value.type)]))[0]


def outlines(asked: Read, need: Need, files: Mapping[str, File], format: str) -> dict[str, Groups]:
    """Batch id -> what the file says of itself.

    Raises:
        NotFound, BadInput: as plan_of_tables.
    """
    look: Callable[[File], Groups] = _parquet
    if format == "arrow":
        look = ipc.outline
    if format == "text":
        look = partial(lines.outline, skip=asked.bad == "skip")
    if format == "csv":
        look = _text(next(iter(files.values())), asked, need)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(files, pool.map(look, files.values()), strict=True))


def _parquet(file: File) -> ParquetGroups:
    return ParquetGroups(*outline(file))


def _text(first: File, asked: Read, need: Need) -> Callable[[File], Groups]:
    """How files of text are looked at: the first one decides of the types."""
    known = need.schema.names if need.schema is not None else None
    forced: dict[str, Any] = {}
    if need.typed and need.schema is not None and known is not None:
        kinds = dict(zip(known, need.schema.units or (), strict=True))
        forced = {name: _kinds()[kind] for name, kind in kinds.items() if kind}
    wanted = [] if need.typed else [str(name) for name in asked.columns or known or ()]
    mark = "\t" if ".tsv" in first.path.lower() else ","
    dialect = delimited.Dialect(
        asked.delimiter or mark,
        asked.header,
        asked.bad == "skip",
        forced,
        tuple(wanted),
        asked.time_column,
    )
    known_now = delimited.outline(first, dialect)
    others = delimited.like(known_now, dialect)
    return lambda file: known_now if file == first else delimited.outline(file, others)


def _kinds() -> dict[str, Any]:
    """What records hold -> the Arrow type that it is read as."""
    return {"text": pa.string(), "bool": pa.bool_(), **{unit: pa.timestamp(unit) for unit in TIMES}}


def _of_file(constants: Constants, picked: Picked) -> Constants:
    """The columns among those that are picked that a file has not; numbers as learning sees them,
    so that rows can be laid at once, but for y.
    """
    kind = pa.from_numpy_dtype(picked.dtype)
    fixed = {name: constants[name] for name in picked.names if name in constants}
    if picked.holds is not None:
        return fixed
    return {n: value if n == picked.y else value.cast(kind) for n, value in fixed.items()}


def _features(files: Mapping[str, File], there: There, asked: Read, need: Need) -> tuple[str, ...]:
    """The features, of which the first file decides; every other file must have them."""
    first = next(iter(files))
    how: dict[str, bool] = {"pick": True, "typed": need.typed}
    names = features(there[first], asked, need.schema, files[first].where, **how)
    free = asked.columns is None and (need.schema is None or need.schema.names is None)
    same = replace(asked, columns=names)
    for name, file in files.items():
        features(there[name], same, need.schema, file.where, **how)
        if free:
            _no_more(there[name], {*names, *asked.beside}, file, files[first])
    return names


def _no_more(there: list[Column], known: set[Any], file: File, first: File) -> None:
    more = [column.name for column in there if not column.is_index and column.name not in known]
    if more:
        raise BadInput(
            got=f"column {listed(more)}, which {first.where} has not",
            wanted="the same columns in every file",
            do="Name those to learn from: nacre.read(data, columns=[...]), or leave them out: "
            'schema="ignore".',
            where=file.where,
        )
