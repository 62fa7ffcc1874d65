"""The same rows as every kind of data that is read."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from nacre.kinds import Array

Columns = dict[str, Array]  # name -> (n,) values; a masked array has nulls
NAMES = ("a", "b", "c", "d")


def columns(X: Array, names: Sequence[str] = NAMES) -> Columns:
    """The columns of (n, d)."""
    return {
        name: np.ascontiguousarray(X[:, j])
        for j, name in zip(range(X.shape[1]), names, strict=False)
    }


def table(given: Columns) -> Any:
    """As a pyarrow Table; also of texts, and of columns of one name."""
    return pa.table({name: pa.array(values) for name, values in given.items()})


def array(given: Columns, folder: Path) -> Any:
    return np.column_stack(list(given.values()))


def fortran(given: Columns, folder: Path) -> Any:
    return np.asfortranarray(array(given, folder))


def strided(given: Columns, folder: Path) -> Any:
    X = array(given, folder)
    wide = np.zeros((2 * len(X), 3 * X.shape[1]), X.dtype)
    wide[::2, ::3] = X
    return wide[::2, ::3]


def big_endian(given: Columns, folder: Path) -> Any:
    X = array(given, folder)
    return X.astype(X.dtype.newbyteorder(">"))


def mapped(given: Columns, folder: Path) -> Any:
    np.save(folder / "mapped.npy", array(given, folder))
    return np.load(folder / "mapped.npy", mmap_mode="r")


def of_pandas(given: Columns, folder: Path) -> Any:
    return pd.DataFrame(given)


def of_polars(given: Columns, folder: Path) -> Any:
    return pl.from_arrow(table(given))


def of_polars_lazy(given: Columns, folder: Path) -> Any:
    return of_polars(given, folder).lazy()


def of_arrow(given: Columns, folder: Path) -> Any:
    return table(given)


def batch_reader(given: Columns, folder: Path) -> Any:
    """In small pieces, and only once."""
    whole = table(given)
    return pa.RecordBatchReader.from_batches(whole.schema, whole.to_batches(max_chunksize=700))


def of_duckdb(given: Columns, folder: Path) -> Any:
    return duckdb.from_arrow(table(given))


def parquet(given: Columns, folder: Path) -> Any:
    path = folder / "rows.parquet"
    pq.write_table(table(given), path, row_group_size=900)
    return path


def fsspec_uri(given: Columns, folder: Path) -> Any:
    return f"file://{parquet(given, folder)}"


def arrow_file(given: Columns, folder: Path) -> Any:
    path = folder / "rows.arrow"
    whole = table(given)
    with pa.ipc.new_file(path, whole.schema) as file:
        file.write_table(whole, max_chunksize=900)
    return path


def arrow_stream(given: Columns, folder: Path) -> Any:
    path = folder / "rows.ipc"
    whole = table(given)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(path, whole.schema, options=options) as file:
        file.write_table(whole, max_chunksize=1_700)
    return path


def text(given: Columns, folder: Path) -> Any:
    path = folder / "rows.csv"
    arrow_csv.write_csv(table(given), path)
    return path


def packed_text(given: Columns, folder: Path) -> Any:
    path = folder / "rows.csv.gz"
    path.write_bytes(gzip.compress(text(given, folder).read_bytes(), 1))
    return path


Adapter = Callable[[Columns, Path], Any]
ARRAYS: list[Adapter] = [array, fortran, strided, big_endian, mapped]
FRAMES: list[Adapter] = [of_pandas, of_polars, of_polars_lazy, of_arrow, batch_reader, of_duckdb]
FILES: list[Adapter] = [parquet, fsspec_uri, arrow_file, arrow_stream]
TEXTS: list[Adapter] = [text]
FILES += TEXTS
NAMED = FRAMES + FILES
ALL = ARRAYS + NAMED
