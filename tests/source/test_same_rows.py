"""The same rows are the same sum, whatever they come as: arrays, frames, files, in any layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nacre
from nacre import drive
from nacre.engine.serial import Serial
from nacre.source.plan import BATCH_ROWS, RowPlan, cut
from nacre.source.read import plan_of, read
from tests.source.adapters import (
    ALL,
    ARRAYS,
    FILES,
    FRAMES,
    NAMED,
    TEXTS,
    Adapter,
    array,
    columns,
    mapped,
    parquet,
    table,
)
from tests.source.learners import Means

N = 20_000  # more than two batches


def rows(dtype: str = "float32", n: int = N) -> Any:
    X = np.random.default_rng(0).standard_normal((n, 4))
    return (X * [1, 10, 100, 1000]).astype(dtype)


def fitted(data: Any, **options: Any) -> Means:
    return Means().fit(data, engine="serial", **options)


def of_plan(plan: RowPlan) -> Any:
    return drive.fit(Means(), Serial(), plan)


@pytest.mark.parametrize("adapter", ALL)
def test_float32_rows_have_one_digest(adapter: Adapter, tmp_path: Path) -> None:
    X = rows()
    given = adapter(columns(X), tmp_path)
    means = fitted(read(given, id="rows", shard_rows=3_000))
    assert means.state_.digest == fitted(read(X, id="rows", shard_rows=3_000)).state_.digest
    assert means.state_.schema.dtype == "float32"
    np.testing.assert_allclose(means.mean_, X.astype(float).mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize("adapter", ALL)
@pytest.mark.parametrize("dtype", ["float64", "int16", "uint8", "int64", "bool"])
def test_all_else_is_computed_in_float64(adapter: Adapter, dtype: str, tmp_path: Path) -> None:
    X = rows("float64") if dtype == "float64" else (np.abs(rows()) % 100).astype(dtype)
    given = adapter(columns(X), tmp_path)
    wide = "float64" if adapter in FILES else None
    means = fitted(read(given, id="rows", dtype=wide))
    assert means.state_.digest == fitted(read(X.astype(float), id="rows")).state_.digest
    assert means.state_.schema.dtype == "float64"


@pytest.mark.parametrize("adapter", ARRAYS + FRAMES)
def test_data_in_memory_needs_no_read(adapter: Adapter, tmp_path: Path) -> None:
    X = rows()
    assert fitted(adapter(columns(X), tmp_path)).state_.digest == fitted(X).state_.digest


@pytest.mark.parametrize("adapter", ARRAYS + FRAMES)
def test_partial_fit_names_rows_by_their_content(adapter: Adapter, tmp_path: Path) -> None:
    X, more = rows(), rows()[::-1] * 2
    means, plain = fitted(X), fitted(X)
    if adapter in FRAMES:
        means, plain = (fitted(pd.DataFrame(columns(X))) for _ in range(2))
        more = pd.DataFrame(columns(more))
    plain.partial_fit(more)
    means.partial_fit(adapter(columns(np.asarray(more)), tmp_path))
    assert means.state_.digest == plain.state_.digest
    assert means.state_.told.n_rows == 2 * N


@pytest.mark.parametrize("adapter", ALL)
def test_weights_beside_rows_or_in_a_column(adapter: Adapter, tmp_path: Path) -> None:
    X, w = rows(), np.arange(N) % 3 * 0.5
    expected = fitted(read(X, weight=w, id="rows")).state_.digest
    assert fitted(read(X, id="rows"), sample_weight=w).state_.digest == expected
    if adapter not in ARRAYS:
        of_column = adapter({"w": w, **columns(X)}, tmp_path)
        assert fitted(read(of_column, weight="w", id="rows")).state_.digest == expected
    if adapter not in FILES:
        beside = read(adapter(columns(X), tmp_path), id="rows")
        assert fitted(beside, sample_weight=w).state_.digest == expected


@pytest.mark.parametrize("adapter", ALL)
def test_y_beside_rows_or_in_a_column(adapter: Adapter, tmp_path: Path) -> None:
    X, y = rows(n=50), np.arange(50.0)
    if adapter in FILES or adapter not in ARRAYS:
        plan = plan_of(read(adapter({**columns(X), "y": y}, tmp_path), y="y"))
    else:
        plan = plan_of(adapter(columns(X), tmp_path), y=y)
    assert plan.schema.n_columns == 4
    np.testing.assert_array_equal(plan.head().y, y)


@pytest.mark.parametrize("adapter", FRAMES + FILES)
@pytest.mark.parametrize("kind", ["float32", "float64", "int32"])
def test_nulls_are_nan(adapter: Adapter, kind: str, tmp_path: Path) -> None:
    X = rows(n=30).astype(kind)
    hole = np.arange(30) % 7 == 3
    values = pa.array(X[:, 1], mask=hole)
    given: dict[str, Any] = {**columns(X), "b": values}
    if adapter.__name__ == "of_pandas":
        given["b"] = pd.Series(X[:, 1]).convert_dtypes().mask(hole)
    dtype = "float32" if kind == "float32" else "float64"
    plan = plan_of(read(adapter(given, tmp_path), dtype=dtype), takes=("nan",))
    expected = X.astype(dtype)
    expected[hole, 1] = np.nan
    np.testing.assert_array_equal(plan.head().X, expected)


@pytest.mark.parametrize("adapter", [a for a in NAMED if a not in TEXTS])  # an empty line is no row
def test_large_integers_beside_nulls_keep_their_digits(adapter: Adapter, tmp_path: Path) -> None:
    big = 2**53 + 2  # a float64 has it
    if adapter.__name__ == "of_pandas":
        data: Any = adapter({"a": pd.array([big, None], "Int64")}, tmp_path)
    else:
        data = adapter({"a": pa.array([big, None])}, tmp_path)
    plan = plan_of(read(data, dtype="float64"), takes=("nan",))
    np.testing.assert_array_equal(plan.head().X, [[big], [np.nan]])


def test_decimals_and_columns_of_nothing_are_numbers() -> None:
    given = pa.table({"a": pa.array([1.5, None]).cast(pa.decimal128(5, 2)), "b": pa.nulls(2)})
    nan = np.nan
    np.testing.assert_array_equal(plan_of(given, takes=("nan",)).head().X, [[1.5, nan], [nan, nan]])


@given(
    n=st.integers(0, 400),
    row_groups=st.lists(st.integers(1, 150), min_size=1, max_size=6),
    shard_rows=st.integers(1, 200),
    batch_rows=st.integers(1, 200),
    chunk=st.integers(1, 300),
)
def test_row_groups_are_stitched(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    row_groups: list[int],
    shard_rows: int,
    batch_rows: int,
    chunk: int,
) -> None:
    """Whatever the row groups, shards and batches lie where those of an array lie."""
    X = rows(n=n)
    path = tmp_path_factory.mktemp("stitch") / "rows.parquet"
    whole = table(columns(X))
    with pq.ParquetWriter(path, whole.schema) as writer:
        at = 0
        for i in range(n):
            size = row_groups[i % len(row_groups)]
            if at >= n:
                break
            writer.write_table(whole.slice(at, size))
            at += size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nacre.source.parquet.LEAST_CHUNK", chunk)
        patch.setattr("nacre.source.parquet.CHUNK_VALUES", 0)
        reader = plan_of(read([path])).ids["rows.parquet"] if n else None
        if reader is None:
            return
        schema = plan_of(path).schema
        options = {"shard_rows": shard_rows, "batch_rows": batch_rows}
        of_file = cut({"rows": reader}, schema, **options)  # type: ignore[arg-type]
        of_array = cut({"rows": plan_of(X).ids[""]}, schema, **options)  # type: ignore[arg-type]
        for i in [*range(len(of_file.shards)), *reversed(range(len(of_file.shards)))]:
            ours, theirs = of_file.shards[i], of_array.shards[i]
            assert ours.key == theirs.key
            for a, b in zip(ours.read(), theirs.read(), strict=True):
                assert a.names == b.names
                np.testing.assert_array_equal(a.X, b.X)
        assert of_plan(of_file).digest == of_plan(of_array).digest


@pytest.mark.parametrize("row_group_size", [1, 999, 8_192, 10_000, 1 << 20])
def test_row_groups_leave_no_trace(row_group_size: int, tmp_path: Path) -> None:
    X = rows(n=12_000)
    path = tmp_path / "rows.parquet"
    pq.write_table(table(columns(X)), path, row_group_size=max(row_group_size, len(X) // 500))
    of_file = fitted(read(path, id="rows", shard_rows=5_000))
    assert of_file.state_.digest == fitted(read(X, id="rows", shard_rows=5_000)).state_.digest


@pytest.mark.parametrize("name", [None, "id"])
def test_the_index_of_a_pandas_frame_is_no_feature(name: str | None, tmp_path: Path) -> None:
    frame = pd.DataFrame(columns(rows(n=50)))
    some = frame[frame["a"] > 0].rename_axis(name)
    some.to_parquet(tmp_path / "1.parquet")
    frame.to_parquet(tmp_path / "2.parquet")
    named = name or "__index_level_0__"
    assert named in pq.read_schema(tmp_path / "1.parquet").names
    assert plan_of(tmp_path).schema.names == ("a", "b", "c", "d")
    assert plan_of(pa.Table.from_pandas(some)).schema.names == ("a", "b", "c", "d")
    plan = plan_of(read(tmp_path / "1.parquet", columns=[named]))
    np.testing.assert_array_equal(plan.head().X[:, 0], some.index)


def test_odd_files(tmp_path: Path) -> None:
    """Row groups without rows, names with dots in them, columns within columns."""
    path = tmp_path / "rows.parquet"
    nested = pa.table({"a": [1.0, 2.0], "a.b": [3.0, 4.0], "s": [{"x": 1.0}] * 2})
    with pq.ParquetWriter(path, nested.schema) as writer:
        for first, size in ((0, 0), (0, 1), (0, 0), (0, 0), (1, 1), (0, 0)):
            writer.write_table(nested.slice(first, size))
    assert plan_of(read(path, columns=["a"])).head().X.tolist() == [[1], [2]]
    plan = plan_of(read(path, columns=["a.b", "a"], shard_rows=1))
    assert [next(shard.read()).X.tolist() for shard in plan.shards] == [[[3, 1]], [[4, 2]]]


def test_files_of_polars_and_duckdb(tmp_path: Path) -> None:
    X = rows(n=3_000)
    whole = table(columns(X))
    pl.from_arrow(whole).write_parquet(tmp_path / "polars.parquet", row_group_size=700)  # type: ignore[union-attr]
    duckdb.from_arrow(whole).write_parquet(str(tmp_path / "duckdb.parquet"))
    for name in ("polars", "duckdb"):
        means = fitted(read(tmp_path / f"{name}.parquet", id=""))
        assert means.state_.digest == fitted(X).state_.digest


def test_files_in_any_order_of_listing(tmp_path: Path) -> None:
    X = rows()
    parts = [X[i::12] for i in range(12)]
    for i, part in enumerate(parts):
        pq.write_table(table(columns(part)), tmp_path / f"{i:02d}.parquet")
    listed = [str(path) for path in tmp_path.iterdir()]
    digests = {
        fitted(data).state_.digest
        for data in (
            tmp_path,
            f"{tmp_path}/*.parquet",
            sorted(listed),
            sorted(listed, reverse=True),
        )
    }
    assert len(digests) == 1
    np.testing.assert_allclose(Means().fit(tmp_path).mean_, X.astype(float).mean(axis=0), rtol=1e-9)


def test_later_data_is_cast_to_the_dtype_of_the_fit(tmp_path: Path) -> None:
    X = rows()
    means = fitted(parquet(columns(X), tmp_path))
    assert means.predict(pl.from_arrow(table(columns(X.astype(float))))).dtype == np.float32
    means = fitted(read(parquet(columns(X), tmp_path), dtype="float64"))
    assert means.predict(parquet(columns(X), tmp_path)).dtype == np.float64


@pytest.mark.parametrize("adapter", ALL)
def test_answers_are_in_row_order(adapter: Adapter, tmp_path: Path) -> None:
    X = rows()
    given = adapter(columns(X), tmp_path)
    data = given if adapter in ARRAYS + FRAMES else read(given, shard_rows=1_500)
    means = fitted(X) if adapter in ARRAYS else fitted(pd.DataFrame(columns(X)))
    np.testing.assert_array_equal(means.predict(data), X.sum(axis=1))


def test_an_array_is_never_copied_whole(tmp_path: Path) -> None:
    X = rows()
    plan = plan_of(read(X, columns=[3, 1]))
    first = next(plan.shards[0].read())
    np.testing.assert_array_equal(first.X, X[:BATCH_ROWS, [3, 1]])
    whole = next(plan_of(read(X)).shards[0].read())
    assert np.shares_memory(whole.X, X)


def test_a_mapped_array_is_not_read_when_the_plan_is_made(tmp_path: Path) -> None:
    X = rows()
    X[N - 1, 2] = np.nan
    bad = mapped(columns(X), tmp_path)
    plan = plan_of(read(bad))
    with pytest.raises(nacre.errors.BadInput, match=f"NaN in row {N - 1}, column 2"):
        list(plan.shards[-1].read())


def test_array_is_in_memory_and_files_are_not(tmp_path: Path) -> None:
    given = columns(rows(n=10))
    assert all(plan_of(read(a(given, tmp_path))).in_memory for a in ARRAYS + FRAMES)
    assert not any(plan_of(a(given, tmp_path)).in_memory for a in FILES)
    assert array(given, tmp_path).shape == (10, 4)
