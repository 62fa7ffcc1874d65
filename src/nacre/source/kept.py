"""Columns that pass through: read beside the features, with the types that they have."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa

from nacre import canon
from nacre.contract import Schema
from nacre.errors import BadParameter
from nacre.source.arrow import Picked
from nacre.source.columns import listed
from nacre.source.decoded import Places, reading_cores
from nacre.source.footer import footer
from nacre.source.frames import collected
from nacre.source.images import FOLDER, Folder
from nacre.source.memory import is_lazy
from nacre.source.parquet import ParquetGroups
from nacre.source.plan import Cut, Reader, RowPlan, content
from nacre.source.stitched import StitchedReader
from nacre.source.terms import Read

PATH = "path"  # what may be kept of images, beside their folder


class Kept(Protocol):
    """Columns that pass through."""

    def of(self, shard: Cut) -> dict[str, Any]:
        """Name -> Arrow column of a shard's rows."""


@dataclass(frozen=True, eq=False)
class KeptOfTable:
    """Those of a table in memory; none of its columns is left out."""

    table: Any

    def of(self, shard: Cut) -> dict[str, Any]:
        """Name -> Arrow column of a shard's rows."""
        return _columns(self.table.slice(shard.first, shard.rows))


@dataclass(frozen=True, eq=False)
class KeptOfFiles:
    """Those of files of columns; of a file it goes on where the shard before ended.

    Attributes:
        readers: origin of a batch -> reader of these columns alone.
    """

    readers: Mapping[int, StitchedReader]

    def of(self, shard: Cut) -> dict[str, Any]:
        """Name -> Arrow column of a shard's rows.

        Raises:
            BadInput: a file that is damaged or no longer the one of the plan.
        """
        reader = self.readers[shard.origin]
        names = list(reader.picked.features)
        if shard.rows == 0:
            return _columns(reader.groups.empty(reader.file, names))
        with reader.rows(shard.first, shard.stop) as rows:
            pieces = list(rows.take(shard.rows))
        return _columns(pa.Table.from_batches(pieces).select(names))


@dataclass(frozen=True, eq=False)
class KeptOfFolders:
    """Those of images: where the file of a row lies, and the name of its folder.

    Attributes:
        names: some of "path" and "folder".
    """

    names: Sequence[str]

    def of(self, shard: Cut) -> dict[str, Any]:
        """Name -> Arrow column of a shard's rows."""
        folder: Any = shard.reader
        rows = range(shard.first, shard.stop)
        told = {
            PATH: pa.array([folder.file(row).where for row in rows], pa.string()),
            FOLDER: pa.array([folder.label] * len(rows), pa.string()),
        }
        return {name: told[name] for name in self.names}


def _columns(table: Any) -> dict[str, Any]:
    return dict(zip(table.column_names, table.columns, strict=True))


def tabled(data: Any, names: Sequence[str], schema: Schema) -> tuple[Any, Any]:
    """Data, and the pyarrow Table that they are where columns of a frame shall pass through.

    A stream is there only once, so the features are then read from the table too, by the names
    that they had in the fit.
    """
    asked = data if isinstance(data, Read) else Read(data)
    if names and is_lazy(asked.data):
        asked = replace(asked, data=collected(replace(asked, columns=None), None))
    if not names or not hasattr(asked.data, "__arrow_c_stream__"):
        return data, None
    table = pa.table(asked.data)
    return replace(asked, data=table, columns=asked.columns or schema.names), table


def kept_of(plan: RowPlan, names: Sequence[str], table: Any) -> Kept:
    """The columns of these names, which need not be features.

    Args:
        plan: of files, or of `table`.
        table: as `tabled` gave it.

    Raises:
        BadParameter: a name that is not there, or rows that have no names.
    """
    if not names:
        return KeptOfTable(pa.table({}))
    if table is not None:
        _check(names, table.column_names, "the frame")
        return KeptOfTable(table.select(list(names)))
    if all(isinstance(reader, Folder) for reader in plan.ids.values()):
        _check(names, (PATH, FOLDER), "the images")
        return KeptOfFolders(names)
    picked, places = Picked(tuple(names), "float32"), Places(reading_cores())
    found = {}
    for name, reader in plan.ids.items():
        if isinstance(reader, StitchedReader):
            _check(names, [column.name for column in reader.groups.columns], reader.where)
            found[canon.hash64(name)] = replace(reader, picked=picked, places=places)
    if len(found) < len(plan.ids):
        raise BadParameter(
            got=f"keep={list(names)} of rows in memory without names",
            wanted="columns of files or of a frame",
            do="Leave keep out.",
        )
    return KeptOfFiles(found)


def _check(names: Sequence[str], there: Sequence[str], where: str) -> None:
    lost = [name for name in names if name not in there]
    if lost:
        raise BadParameter(
            got=f"no column {listed(lost)} to keep",
            wanted=f"columns of {listed(there)}",
            do="Name columns that are there.",
            where=where,
        )


def contents(plan: RowPlan, table: Any, names: Sequence[str]) -> dict[str, str]:
    """Batch id -> what tells its content from another: of a file on this machine size, time of
    writing and footer or ends; of one elsewhere what its filesystem says; of rows in memory their
    digest.

    Args:
        plan: its batches.
        table: as `tabled` gave it.
        names: columns of it that count too.
    """
    more = "" if table is None else f"-{_digest(table.select(list(names)))}"
    return {name: f"{_fingerprint(reader)}{more}" for name, reader in plan.ids.items()}


def _fingerprint(reader: Reader) -> str:
    if isinstance(reader, Folder):
        return reader.fingerprint()
    file = getattr(reader, "file", None)
    if file is None:
        return content(reader)
    if file.system is not None:
        return str(file.system.ukey(file.path))[:32]
    found = os.stat(file.path)
    parquet = isinstance(getattr(reader, "groups", None), ParquetGroups)
    end = hashlib.sha256(footer(file)).hexdigest()[:16] if parquet else _ends(file.path)
    return f"{found.st_size}-{found.st_mtime_ns}-{end}"


def _ends(path: str) -> str:
    """Digest of the first and the last 64 KiB of a file."""
    with open(path, "rb") as file:
        sink = hashlib.sha256(file.read(1 << 16))
        file.seek(max(0, os.fstat(file.fileno()).st_size - (1 << 16)))
        sink.update(file.read())
    return sink.hexdigest()[:16]


def _digest(table: Any) -> str:
    sink = hashlib.sha256()
    for piece in table.combine_chunks().to_batches():
        sink.update(piece.serialize())
    return sink.hexdigest()[:16]
