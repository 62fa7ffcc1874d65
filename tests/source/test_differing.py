"""Files and later data with other columns: an error, left out, or filled, as `schema=` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from nacre.errors import BadInput, BadParameter, BadType
from nacre.learn.prepare.onehot import OneHot
from nacre.source.plan import RowPlan
from nacre.source.read import plan_of, read
from tests.source.learners import Means, Patient
from tests.source.refusal import refused

KINDS = ["parquet", "arrow", "csv"]
NAN = np.nan


def put(path: Path, columns: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(whole, path)
    elif path.suffix == ".csv":
        arrow_csv.write_csv(whole, path)
    else:
        with pa.ipc.new_file(path, whole.schema) as file:
            file.write_table(whole)
    return path


def rows_of(plan: RowPlan) -> list[list[float]]:
    batches = [batch for i in plan.reading_order for batch in plan.shards[i].read()]
    return [row for batch in batches for row in batch.X.tolist()]


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two files: b is in the first alone, d in the second; a is int here, float there."""
    put(tmp_path / f"1.{request.param}", {"a": [1, 2], "b": [3.0, 4.0], "c": [5.0, 6.0]})
    put(tmp_path / f"2.{request.param}", {"d": [9.0], "c": [7.0], "a": [1.5]})
    return tmp_path


def test_error(folder: Path) -> None:
    refused(BadInput, lambda: plan_of(folder), "no column 'b'", "/2.")
    assert rows_of(plan_of(read(folder, columns=["c", "a"]))) == [[5, 1], [6, 2], [7, 1.5]]
    refused(BadParameter, lambda: read(folder, schema="other"), "schema='other'")  # type: ignore[arg-type]


def test_ignore_learns_from_what_all_files_have(folder: Path) -> None:
    plan = plan_of(read(folder, schema="ignore"))
    assert plan.schema.names == ("a", "c")
    assert rows_of(plan) == [[1, 5], [2, 6], [1.5, 7]]
    refused(
        BadInput, lambda: plan_of(read(folder, columns=["b"], schema="ignore")), "no column 'b'"
    )


def test_pad_learns_from_all_there_are(folder: Path) -> None:
    plan = plan_of(read(folder, schema="pad"), takes=("nan",))
    assert plan.schema.names == ("a", "b", "c", "d")
    expected = [[1, 3, 5, NAN], [2, 4, 6, NAN], [1.5, NAN, 7, 9]]
    np.testing.assert_array_equal(rows_of(plan), expected)
    refused(BadInput, lambda: Means().fit(read(folder, schema="pad")), "NaN", "nacre.Impute()")
    some = plan_of(read(folder, columns=["d"], schema="pad"), takes=("nan",))
    np.testing.assert_array_equal(rows_of(some), [[NAN], [NAN], [9]])
    refused(BadInput, lambda: plan_of(read(folder, columns=["z"], schema="pad")), "no column 'z'")
    refused(BadInput, lambda: plan_of(read(folder, weight="b", schema="pad")), "no column 'b'")


def test_later_files(folder: Path) -> None:
    (first, second) = sorted(folder.iterdir())
    fitted = Patient().fit(first)
    refused(BadInput, lambda: fitted.predict(second), "no column 'b'")
    refused(BadInput, lambda: fitted.predict(read(second, schema="ignore")), "no column 'b'")
    later = plan_of(read(second, schema="pad"), takes=("nan",), schema=fitted.state_.schema)
    np.testing.assert_array_equal(rows_of(later), [[1.5, NAN, 7]])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_later_frames(make: Any) -> None:
    fitted = Patient().fit(make({"a": [1.0], "b": [2.0], "c": [3.0]}))
    other = make({"d": [9.0], "c": [7.0], "b": [5.0], "a": [1.5]})
    refused(BadInput, lambda: fitted.predict(other), "feature names should match")
    for policy in ("ignore", "pad"):
        assert fitted.predict(read(other, schema=policy)).tolist() == [13.5]
    lacking = make({"c": [7.0], "a": [1.5]})
    refused(BadInput, lambda: fitted.predict(read(lacking, schema="ignore")), "no column 'b'")
    plan = plan_of(read(lacking, schema="pad"), takes=("nan",), schema=fitted.state_.schema)
    np.testing.assert_array_equal(plan.head().X, [[1.5, NAN, 7]])


def test_texts_are_padded_as_missing(tmp_path: Path) -> None:
    put(tmp_path / "1.parquet", {"a": ["x", "y"]})
    put(tmp_path / "2.parquet", {"a": ["x"], "b": ["z"]})
    plan = plan_of(read(tmp_path, schema="pad"), takes=("records",))
    assert plan.schema.units == ("text", "text")
    found = [
        shard_rows.X.columns[1].to_pylist()
        for i in plan.reading_order
        for shard_rows in plan.shards[i].read()
    ]
    assert found == [[None, None], ["z"]]
    for policy in ("error", "ignore", "pad"):
        put(tmp_path / "3.parquet", {"a": [1.0], "b": ["z"]})
        kinds = read(tmp_path, schema=policy)
        with pytest.raises((BadType, BadInput)):
            plan_of(kinds, takes=("records",))


def partitioned(root: Path, kind: str = "parquet") -> Path:
    for year, country, a in ((2023, "de", 1.0), (2024, "de", 2.0), (2024, "fr%20", 3.0)):
        put(root / f"year={year}/country={country}/x.{kind}", {"a": [a, a + 0.5]})
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_folders_are_columns(kind: str, tmp_path: Path) -> None:
    root = partitioned(tmp_path / "data", kind)
    refused(BadType, lambda: plan_of(root), "'country' of type string", "['a', 'year']")
    plan = plan_of(read(root, columns=["year", "a"]))
    assert rows_of(plan)[:3] == [[2023, 1], [2023, 1.5], [2024, 2]]
    assert rows_of(plan_of(read(root, columns=["year"]))) == [[2023]] * 2 + [[2024]] * 4
    assert plan_of(read(root, columns=["a"], weight="year")).head().weight.max() == 2024  # type: ignore[union-attr]
    assert plan_of(read(f"{root}/*/*/*.{kind}", columns=["a", "year"])).n_rows == 6
    typed = plan_of(root, takes=("records",))
    assert typed.schema.names == ("a", "year", "country")
    assert typed.head().X.codes(2)[1] == ("de", "fr ")


def test_a_file_alone_has_the_columns_that_its_directory_had(tmp_path: Path) -> None:
    root = partitioned(tmp_path / "run=7")
    fitted = Means().fit(read(root, columns=["a", "year"]))
    alone = root / "year=2024" / "country=de" / "x.parquet"
    assert fitted.predict(alone).tolist() == [2026, 2026.5]
    assert plan_of(alone).schema.names == ("a",)
    assert plan_of(read(alone, columns=["a", "run"])).head().X.tolist() == [[2, 7], [2.5, 7]]


def test_a_column_of_the_file_goes_before_its_folder(tmp_path: Path) -> None:
    put(tmp_path / "a=1" / "x.parquet", {"a": [5.0]})
    put(tmp_path / "a=__HIVE_DEFAULT_PARTITION__" / "x.parquet", {"a": [6.0]})
    assert rows_of(plan_of(tmp_path)) == [[5], [6]]
    put(tmp_path / "more" / "b=__HIVE_DEFAULT_PARTITION__" / "x.parquet", {"a": [5.0]})
    put(tmp_path / "more" / "b=0.5" / "x.parquet", {"a": [5.0]})
    plan = plan_of(tmp_path / "more", takes=("nan",))
    np.testing.assert_array_equal(rows_of(plan), [[5, 0.5], [5, NAN]])


def test_an_unknown_category_is_the_learners_business(tmp_path: Path) -> None:
    fitted = OneHot(unknown="ignore").fit(put(tmp_path / "1.csv", {"a": ["x", "y"]}))
    later = put(tmp_path / "2.csv", {"a": ["z", "y"]})
    for policy in ("error", "ignore", "pad"):
        answers = fitted.transform(read(later, schema=policy))
        assert np.asarray(answers).tolist() == [[0, 0], [0, 1]]
