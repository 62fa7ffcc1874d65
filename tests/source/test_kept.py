"""Columns that pass through: the right rows, with their types, whatever the order of the shards."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nacre.contract import Schema
from nacre.errors import BadParameter
from nacre.source.kept import contents, kept_of, tabled
from nacre.source.read import plan_of, read

SCHEMA = Schema(("x",), 1, "float32")


def table(n: int, start: int = 0) -> pa.Table:
    rows = range(start, start + n)
    return pa.table(
        {
            "x": pa.array([float(i) for i in rows], pa.float32()),
            "text": pa.array([f"row {i}" if i % 7 else None for i in rows]),
            "word": pa.array([f"w{i % 3}" for i in rows]).dictionary_encode(),
            "list": pa.array([[i] * (i % 3) for i in rows], pa.list_(pa.int16())),
            "when": pa.array(list(rows), pa.timestamp("us", "UTC")),
        }
    )


KEEP = ["when", "text", "list", "word"]


@pytest.mark.parametrize("group_rows", [7, 100, 1000])
def test_of_files_in_any_order(tmp_path: Path, group_rows: int) -> None:
    tables = {f"f{i}.parquet": table(120, 1000 * i) for i in range(3)}
    tables["f3.parquet"] = table(0)
    for name, rows in tables.items():
        pq.write_table(rows, tmp_path / name, row_group_size=group_rows)
    plan = plan_of(read(str(tmp_path), columns=["x"], shard_rows=50))
    kept = kept_of(plan, KEEP, None)
    origins = {
        shard.origin: name
        for name in plan.ids
        for shard in plan.shards
        if shard.reader is plan.ids[name]
    }
    shards = list(plan.shards)
    random.Random(0).shuffle(shards)
    for shard in shards:
        found = pa.table(kept.of(shard))
        wanted = tables[origins[shard.origin]].select(KEEP).slice(shard.first, shard.rows)
        assert found.column_names == KEEP
        assert found.to_pylist() == wanted.to_pylist()
        assert found.schema.field("when").type == wanted.schema.field("when").type
        assert found.schema.field("list").type == wanted.schema.field("list").type


def test_of_a_stream_that_is_there_once() -> None:
    rows = table(60)
    once = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=9))
    data, taken = tabled(once, KEEP, SCHEMA)
    plan = plan_of(data, schema=SCHEMA)
    kept = kept_of(plan, KEEP, taken)
    found = pa.concat_tables(pa.table(kept.of(shard)) for shard in plan.shards)
    assert found.to_pylist() == rows.select(KEEP).to_pylist()


def test_nothing_is_kept_of_anything() -> None:
    data, taken = tabled([[1.0], [2.0]], [], SCHEMA)
    plan = plan_of(data)
    assert kept_of(plan, [], taken).of(plan.shards[0]) == {}


def test_rows_without_names_keep_none() -> None:
    plan = plan_of([[1.0], [2.0]])
    with pytest.raises(BadParameter, match="rows in memory"):
        kept_of(plan, ["x"], None)


def test_contents_tell_files_apart(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(table(50), path)
    before = contents(plan_of(read(str(path), columns=["x"])), None, [])
    assert before == contents(plan_of(read(str(path), columns=["x"])), None, [])
    pq.write_table(table(50, 1), path)
    after = contents(plan_of(read(str(path), columns=["x"])), None, [])
    assert after.keys() == before.keys()
    assert after != before


def test_contents_tell_rows_apart() -> None:
    def of(rows: pa.Table, keep: list[str]) -> dict[str, str]:
        data, taken = tabled(rows, keep, SCHEMA)
        return contents(plan_of(data, schema=SCHEMA), taken, keep)

    other = table(50).set_column(1, "text", pa.array(["other"] * 50))
    assert of(table(50), ["text"]) == of(table(50), ["text"])
    assert of(table(50), ["text"]) != of(other, ["text"])
    assert of(table(50), ["when"]) == of(other, ["when"])
