"""Columns that stand in the path: `year=2024/month=03/x.parquet`, as Hive and Spark write them.

Folders below the directory that was given (or `root=`) are columns by themselves; one above it,
only where it is asked for by name, so that a file alone has the columns that its directory had.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from nacre.source.paths import File
from nacre.source.terms import Need

MISSING = "__HIVE_DEFAULT_PARTITION__"
_PART = re.compile(r"([^/=]+)=([^/]*)/")
_WHOLE = re.compile(r"[-+]?\d{1,15}")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def partitions(
    files: Mapping[str, File], wanted: set[str], need: Need
) -> dict[str, dict[str, Any]]:
    """Batch id -> the columns that stand in its path, as Arrow scalars.

    Whole numbers where all values of a column are such, else numbers, else texts; what was text in
    the fit stays so.
    """
    told = {name: _told(name, file, wanted) for name, file in files.items()}
    kinds = {key: _kind(key, told, need) for found in told.values() for key in found}
    return {
        name: {key: pa.scalar(value).cast(kinds[key]) for key, value in found.items()}
        for name, found in told.items()
    }


def _told(name: str, file: File, wanted: set[str]) -> dict[str, str | None]:
    below = {unquote(key) for key, _ in _PART.findall(name)}
    found = {unquote(key): unquote(value) for key, value in _PART.findall(file.path)}
    return {
        key: None if value in (MISSING, "") else value
        for key, value in found.items()
        if key in below or key in wanted
    }


def _kind(key: str, told: Mapping[str, Mapping[str, str | None]], need: Need) -> Any:
    values = [found[key] for found in told.values() if found.get(key) is not None]
    if need.schema is not None and need.schema.units is not None:
        held = dict(zip(need.schema.names or (), need.schema.units, strict=True))
        if held.get(key) == "text":
            return pa.string()
    if all(_WHOLE.fullmatch(value or "") for value in values):
        return pa.int64()
    return pa.float64() if all(_NUMBER.fullmatch(v or "") for v in values) else pa.string()
