"""Files that say of themselves what is not true, or are others than they were."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import nacre
from nacre.errors import BadInput, NacreError, NotFound, OutOfMemory
from nacre.source.footer import page_size
from nacre.source.read import plan_of, read
from nacre.source.stitched import StitchedReader
from tests.source.adapters import columns, table
from tests.source.refusal import refused

N = 23_457
PLAIN: dict[str, Any] = {"use_dictionary": False, "compression": "none"}
ONE_PAGE: dict[str, Any] = {"data_page_size": 1 << 30, "max_rows_per_page": 1 << 30}


def written(folder: Path, n: int = N, **options: Any) -> Path:
    X = np.random.default_rng(0).standard_normal((n, 4), dtype=np.float32)
    pq.write_table(table(columns(X)), folder / "rows.parquet", **options)
    return folder / "rows.parquet"


def read_all(path: Path) -> int:
    return sum(len(batch) for shard in plan_of(path).shards for batch in shard.read())


@pytest.mark.parametrize("told", [b"{", b"[1]", b"\xff", b'{"index_columns": null}', b"[" * 99_999])
def test_metadata_of_pandas_that_are_none(told: bytes, tmp_path: Path) -> None:
    rows = pa.table({"a": [1.0, 2.0]}).replace_schema_metadata({"pandas": told})
    pq.write_table(rows, tmp_path / "rows.parquet")
    feather.write_feather(rows, tmp_path / "rows.feather")
    for name in ("rows.parquet", "rows.feather"):
        refused(BadInput, partial(plan_of, tmp_path / name), "metadata of pandas", name)


def number(value: int) -> bytes:
    """As Thrift's compact protocol has it: zigzag, then seven bits a byte."""
    value, out = (value << 1) ^ (value >> 63), b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def lie(path: Path, true: int, told: int) -> None:
    """Have the footer tell another number wherever it tells this one."""
    data = path.read_bytes()
    (length,) = struct.unpack("<I", data[-8:-4])
    rows, footer = data[: -8 - length], data[-8 - length : -8]
    assert number(true) in footer
    footer = footer.replace(number(true), number(told))
    path.write_bytes(rows + footer + struct.pack("<I", len(footer)) + b"PAR1")


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (10**13, "10000000000000 rows in"),
        (-5, "-5 rows in all"),
        (N + 10_000, f"no row {N}"),
    ],
)
def test_a_footer_that_lies_about_rows(told: int, text: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    lie(path, N, told)
    refused(BadInput, lambda: read_all(path), text, str(path), "leave it out")


@pytest.mark.parametrize("told", [10**9, -7])
def test_a_footer_that_lies_about_places(told: int, tmp_path: Path) -> None:
    path = written(tmp_path, **PLAIN)
    lie(path, pq.ParquetFile(path).metadata.row_group(0).column(2).data_page_offset, told)
    refused(BadInput, lambda: plan_of(path), "row group 0, column 'c'", f"bytes {told} to")


def test_a_footer_that_lies_about_where_data_begin_behind_a_dictionary(tmp_path: Path) -> None:
    path = written(tmp_path, 100)
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    assert column.dictionary_page_offset < column.data_page_offset
    lie(path, column.data_page_offset, 1 << 64)  # more than a file position can be
    refused(BadInput, lambda: plan_of(path), "row group 0, column 'c': bytes", "to 184467440737")


def test_a_footer_that_lies_about_sizes(tmp_path: Path) -> None:
    path = written(tmp_path, **PLAIN)
    lie(path, pq.ParquetFile(path).metadata.row_group(0).column(0).total_compressed_size, 1 << 40)
    refused(
        BadInput, lambda: plan_of(path), "row group 0, column 'a'", f"of {os.stat(path).st_size}"
    )


@pytest.mark.parametrize("place", range(40))
def test_a_footer_with_wrong_bytes_is_refused_or_harmless(place: int, tmp_path: Path) -> None:
    """Whatever a byte of it becomes: an error of ours, or rows; never a crash or a hanging plan."""
    path = written(tmp_path, 300)
    data = bytearray(path.read_bytes())
    (length,) = struct.unpack("<I", data[-8:-4])
    for offset in range(place, length, 40):
        broken = bytearray(data)
        broken[len(data) - 8 - length + offset] ^= 0x55
        path.write_bytes(broken)
        with contextlib.suppress(NacreError):
            assert read_all(path) <= 1 << 22


def bomb(folder: Path, n: int = 2_000_000) -> Path:
    """A row group that is one page, a few KB that unpack to 16 MB."""
    path = folder / "bomb.parquet"
    zeros = pa.table({"a": np.zeros(n)})
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": False, **ONE_PAGE}
    pq.write_table(zeros, path, row_group_size=n, **options)
    return path


def test_a_page_that_unpacks_to_more_than_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bomb(tmp_path)
    assert path.stat().st_size < 100_000
    assert plan_of(path).shards[0].reading > 16_000_000  # the truth: pages are mostly 1 MB
    monkeypatch.setattr("nacre.engine.cache.UNREFUSED", 1 << 20)
    monkeypatch.setattr(StitchedReader, "read", None)  # not a row, not even the first
    for engine in ("serial", "threads:2"):
        fit = lambda engine=engine: nacre.PCA(1).fit(path, memory="20MB", engine=engine)  # noqa: E731
        refused(OutOfMemory, fit, "to unpack at a time", "memory=20000000", "Allow", str(path))
    monkeypatch.undo()
    nacre.PCA(1).fit(path, memory="200MB", engine="serial")


def test_a_page_that_says_it_is_larger_than_its_column(tmp_path: Path) -> None:
    path = written(tmp_path, 400_000, **PLAIN, **ONE_PAGE)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    at = column.data_page_offset + 3  # after the type of the page, its unpacked size
    length = next(i for i in range(9) if data[at + i] < 128) + 1
    data[at : at + length] = number(2 ** (7 * length - 2))
    path.write_bytes(data)
    assert page_size(bytes(data[column.data_page_offset :][:32])) > column.total_uncompressed_size
    refused(BadInput, lambda: plan_of(path), "a page of", "'a'", str(path))


def test_what_is_no_page_has_no_size() -> None:
    assert [page_size(head) for head in (b"", b"\x15", b"PAR1PAR1", b"\x15\x00\x15\x01")] == [0] * 4


def another(folder: Path, path: Path) -> None:
    """Rows of the same number in row groups of the same size."""
    X = np.ones((N, 4), np.float32)
    pq.write_table(table(columns(X)), folder / "new", row_group_size=1 << 20)
    os.replace(folder / "new", path)


def other_columns(folder: Path, path: Path) -> None:
    pq.write_table(pa.table({"a": np.ones(N), "z": np.ones(N)}), path)


def touched(folder: Path, path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("change", "text"),
    [(another, "inode"), (other_columns, "no column 'b', 'c', 'd'"), (touched, "written at 1 ns")],
)
@pytest.mark.parametrize("begun", [False, True])
def test_a_file_that_is_another_than_it_was_when_the_plan_was_made(
    change: Callable[[Path, Path], None], text: str, begun: bool, tmp_path: Path
) -> None:
    path = written(tmp_path)
    plan = plan_of(read(path, shard_rows=5_000))
    if begun:
        list(plan.shards[0].read())  # the file stays open for the next shard
        text = "when the plan was made"
    change(tmp_path, path)
    refused(BadInput, lambda: list(plan.shards[1].read()), text, "a new name", str(path))


def test_a_file_that_is_gone_while_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    plan = plan_of(read(path, shard_rows=5_000))
    list(plan.shards[0].read())
    path.unlink()
    refused(NotFound, lambda: list(plan.shards[1].read()), "no file", str(path))


@pytest.mark.parametrize("named", [False, True])
def test_a_pipe_is_not_waited_for(named: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    data = tmp_path / "pipe.parquet" if named else tmp_path
    refused(BadInput, lambda: plan_of(data), "a pipe", "a plain file", "pipe.parquet")


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    path, arrow = tmp_path / "rows.parquet", tmp_path / "rows.feather"
    rows = pa.table({"qqzz": [1.0], "b": [2.0]})
    pq.write_table(rows, path, store_schema=False)
    feather.write_feather(rows, arrow)
    for odd in (path, arrow):
        odd.write_bytes(odd.read_bytes().replace(b"qqzz", b"\xff\xfe\xfdz"))
        refused(BadInput, partial(plan_of, odd), "a column whose name is not UTF-8", str(odd))
    arrow.unlink()
    written(tmp_path)
    os.rename(path, os.fsencode(tmp_path) + b"/\xff.parquet")
    refused(BadInput, lambda: plan_of(tmp_path), r"b'", r"\xff.parquet", "Rename")


def test_what_a_writer_without_pages_takes_is_known(tmp_path: Path) -> None:
    """Its columns of a row group are one page each, so they are unpacked as one."""
    usual = plan_of(written(tmp_path, 1_000_000, **PLAIN)).ids["rows.parquet"]
    path = written(tmp_path, 1_000_000, **ONE_PAGE, **PLAIN)
    reader = plan_of(path).ids["rows.parquet"]
    assert isinstance(reader, StitchedReader)
    assert isinstance(usual, StitchedReader)
    assert reader.reading - usual.reading > 4 * 2_500_000
