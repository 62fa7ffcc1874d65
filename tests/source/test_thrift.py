"""Thrift's compact protocol: what is read of it, and that nothing else than Damaged comes of it."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.source.thrift import Damaged, struct


def footer() -> tuple[bytes, Any]:
    sink = io.BytesIO()
    rows = pa.table({"a": [1.0, 2.0], "s": [{"x": 1, "y": "z"}] * 2})
    pq.write_table(rows, sink, row_group_size=1)
    data = sink.getvalue()
    length = int.from_bytes(data[-8:-4], "little")
    return data[-8 - length : -8], pq.ParquetFile(sink).metadata


def test_what_is_read_is_what_arrow_reads() -> None:
    data, metadata = footer()
    told = struct(data)
    assert (told[3], len(told[4])) == (metadata.num_rows, metadata.num_row_groups)
    for i, group in enumerate(told[4]):
        theirs = metadata.row_group(i)
        assert (group[2], group[3]) == (theirs.total_byte_size, theirs.num_rows)
        for j, chunk in enumerate(group[1]):
            column, ours = theirs.column(j), chunk[3]
            assert b".".join(ours[3]).decode() == column.path_in_schema
            assert ours[6] == column.total_uncompressed_size
            assert ours[7] == column.total_compressed_size
            assert ours[9] == column.data_page_offset
            assert ours.get(11) == column.dictionary_page_offset


@given(st.binary(max_size=200))
def test_any_bytes_are_a_struct_or_damaged(data: bytes) -> None:
    with contextlib.suppress(Damaged):
        assert isinstance(struct(data), dict)


@pytest.mark.parametrize(
    "data", [b"", b"\x15", b"\x1c" * 100_000, b"\x19\xfc\xff\xff\xff\x7f", b"\x1d\x00"]
)
def test_what_never_ends_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        struct(data)


def test_a_struct_cut_short_anywhere_is_damaged() -> None:
    data, _ = footer()
    for length in range(len(data)):
        with pytest.raises(Damaged):
            struct(data[:length])


def test_maps_and_doubles_are_passed_over() -> None:
    assert struct(b"\x1b\x01\x88\x01a\x01b\x17" + bytes(8) + b"\x11\x00") == {
        1: {0: b"b"},
        2: bytes(8),
        3: True,
    }
