"""Queries as data: DuckDB relations and lazy frames of polars, taken once into memory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from nacre.errors import BadInput
from nacre.source.read import read
from nacre.writing import predict_to
from tests.source.learners import Means
from tests.source.refusal import refused


def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {"a": np.arange(9.0), "b": np.arange(9.0) * 2, "t": [str(i) for i in range(9)]}
    )


def test_a_query_is_what_it_gives() -> None:
    lazy = frame().lazy().filter(pl.col("a") > 3).select("a", "b")
    relation = duckdb.sql("select a, a * 2 as b from range(4, 9) rows(a)")
    assert Means().fit(lazy).mean_.tolist() == Means().fit(relation).mean_.tolist() == [6, 12]


def test_only_the_wanted_columns_are_taken(tmp_path: Path) -> None:
    lazy = frame().lazy().with_columns(bad=pl.col("t").map_elements(lambda t: 1 / 0, pl.Float64))
    fitted = Means().fit(read(lazy, columns=["a", "b"]))
    assert fitted.predict(lazy.select("a", "b")).tolist() == (np.arange(9.0) * 3).tolist()
    error = refused(BadInput, lambda: Means().fit(lazy), "query fails")
    assert "\n" not in str(error)


def test_a_query_that_fails(tmp_path: Path) -> None:
    lost = pl.scan_parquet(tmp_path / "none.parquet")
    refused(BadInput, lambda: Means().fit(lost), "query fails", "collect()")
    refused(BadInput, lambda: Means().fit(read(frame().lazy(), columns=["z"])), "no column")


def test_columns_pass_through_a_query(tmp_path: Path) -> None:
    fitted = Means().fit(read(frame(), columns=["a", "b"]))
    predict_to(fitted, frame().lazy(), tmp_path / "out", keep=["t"])
    (part,) = (tmp_path / "out").glob("*.parquet")
    assert pq.read_table(part)["t"].to_pylist() == [str(i) for i in range(9)]
