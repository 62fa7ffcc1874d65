"""Whatever is wrong with data, every kind of source says so alike, and nothing is changed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from nacre.errors import BadInput, BadParameter, BadType, NotFound
from nacre.source.read import plan_of, read
from tests.source.adapters import ALL, ARRAYS, FILES, FRAMES, Adapter, columns, parquet, table
from tests.source.learners import Means, Patient
from tests.source.refusal import refused

SKIP = 'nacre.read(data, bad="skip")'
STREAMS = [adapter for adapter in FRAMES if adapter.__name__ != "of_pandas"]
NOT_PANDAS = STREAMS + FILES


def rows(n: int = 20, dtype: str = "float32") -> Any:
    return np.arange(4 * n, dtype=dtype).reshape(n, 4)


def is_pandas(adapter: Adapter) -> bool:
    return adapter.__name__ == "of_pandas"


@pytest.mark.parametrize("adapter", ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e18, -2e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bad_values(adapter: Adapter, value: float, dtype: str, tmp_path: Path) -> None:
    X = rows(2_000, dtype)
    X[1_234, 1] = value if dtype == "float32" or not np.isfinite(value) else value * 1e150
    data = adapter(columns(X), tmp_path)
    name = "column 1" if adapter in ARRAYS else "column 'b'"
    shown = "NaN" if np.isnan(value) else f"{X[1_234, 1]:g}"
    means = Means()
    error = refused(
        BadInput, lambda: means.fit(read(data, dtype=dtype)), "row 1234", name, SKIP, shown
    )
    assert isinstance(error, ValueError)
    assert vars(means) == {}
    if adapter in FILES:
        assert "/rows." in str(error)


@pytest.mark.parametrize("adapter", ALL)
def test_values_that_overflow_in_float32_are_named_as_they_were(
    adapter: Adapter, tmp_path: Path
) -> None:
    X = rows(dtype="float64")
    X[7, 2] = 1e300
    data = read(adapter(columns(X), tmp_path), dtype="float32")
    error = refused(BadInput, lambda: Means().fit(data), "got 1e+300 in row 7")
    assert "float64" not in error.do
    X[7, 2] = 1e40
    data = read(adapter(columns(X), tmp_path), dtype="float32")
    refused(BadInput, lambda: Means().fit(data), "got 1e+40", 'dtype="float64"')
    Means().fit(read(adapter(columns(X), tmp_path), dtype="float64"))


@pytest.mark.parametrize("adapter", ALL)
def test_a_learner_that_takes_nan_gets_it_but_nothing_else(
    adapter: Adapter, tmp_path: Path
) -> None:
    X = rows()
    X[3, 1] = X[5, 0] = np.nan
    Patient().fit(adapter(columns(X), tmp_path))
    X[6, 2] = np.inf
    refused(
        BadInput, lambda: Patient().fit(adapter(columns(X), tmp_path)), "got inf in row 6", SKIP
    )


@pytest.mark.parametrize("adapter", ALL)
def test_an_error_changes_nothing(adapter: Adapter, tmp_path: Path) -> None:
    X = rows()
    good = columns(X) if adapter in ARRAYS else {**columns(X)}
    means = Means().fit(adapter(good, tmp_path))
    before = dict(vars(means))
    X[3, 3] = np.nan
    bad = columns(X)
    for call in (means.fit, means.partial_fit, means.predict):
        refused(BadInput, lambda call=call: call(adapter(bad, tmp_path)), "NaN in row 3")  # type: ignore[misc]
        assert vars(means) == before


@pytest.mark.parametrize("adapter", ALL)
def test_no_rows(adapter: Adapter, tmp_path: Path) -> None:
    empty = adapter(columns(rows(0)), tmp_path) if adapter.__name__ != "mapped" else rows(0)
    refused(BadInput, lambda: Means().fit(empty), "0 sample(s)", "minimum of 1 is required")


@pytest.mark.parametrize("adapter", ALL)
def test_one_row(adapter: Adapter, tmp_path: Path) -> None:
    assert Means().fit(adapter(columns(rows(1)), tmp_path)).mean_.tolist() == [0, 1, 2, 3]


def test_a_file_without_rows_beside_others_is_a_batch(tmp_path: Path) -> None:
    pq.write_table(table(columns(rows())), tmp_path / "full.parquet")
    pq.write_table(table(columns(rows(0))), tmp_path / "none.parquet")
    plan = plan_of(tmp_path)
    assert [len(shard.read().__next__()) for shard in plan.shards].count(0) == 1
    assert Means().fit(tmp_path).state_.told.n_rows == 20


@pytest.mark.parametrize("adapter", ARRAYS)
def test_no_columns_in_an_array(adapter: Adapter, tmp_path: Path) -> None:
    refused(BadInput, lambda: Means().fit(np.empty((3, 0))), "0 feature(s)")


@pytest.mark.parametrize("adapter", NOT_PANDAS)
def test_no_columns_but_the_weight(adapter: Adapter, tmp_path: Path) -> None:
    data = adapter({"w": np.ones(3)}, tmp_path)
    refused(BadInput, lambda: Means().fit(read(data, weight="w")), "no column to learn from")


TEXTS: list[tuple[str, Any, str]] = [
    ("texts", pa.array(["x"] * 20), "string"),
    ("dates", pa.array([datetime(2013, 1, 1)] * 20), "timestamp"),
    ("categories", pa.array(["x"] * 20).dictionary_encode(), "dictionary"),
]


@pytest.mark.parametrize("adapter", [a for a in NOT_PANDAS if a.__name__ != "of_duckdb"])
@pytest.mark.parametrize(("name", "values", "kind"), TEXTS)
def test_columns_of_no_numbers(
    adapter: Adapter, name: str, values: Any, kind: str, tmp_path: Path
) -> None:
    given = {**columns(rows()), name: values}
    call = lambda: Means().fit(adapter(given, tmp_path))  # noqa: E731
    error = refused(BadType, call, f"column {name!r} of type", "columns=['a', 'b', 'c', 'd']")
    assert kind in str(error) or adapter.__name__ in (
        "of_polars",
        "of_polars_lazy",
        "text",
        "packed_text",
    )
    Means().fit(read(adapter(given, tmp_path), columns=["a", "b"]))


@pytest.mark.parametrize(
    "values",
    [["x"] * 20, pd.date_range("2013", periods=20), pd.Categorical(["x"] * 20)],
    ids=["texts", "dates", "categories"],
)
def test_columns_of_no_numbers_in_pandas(values: Any) -> None:
    frame = pd.DataFrame({**columns(rows()), "other": values})
    refused(
        BadType,
        lambda: Means().fit(frame),
        "column 'other' of type",
        "columns=['a', 'b', 'c', 'd']",
    )
    refused(BadType, lambda: Means().fit(read(frame)), "column 'other' of type")
    Means().fit(read(frame, columns=["a", "b"]))


def test_objects_in_pandas_may_be_numbers() -> None:
    frame = pd.DataFrame(columns(rows())).astype(object)
    assert Means().fit(frame).state_.digest == Means().fit(rows(dtype="float64")).state_.digest
    frame.loc[3, "b"] = "x"
    refused(BadInput, lambda: Means().fit(frame), "could not convert string to float: 'x'")


@pytest.mark.parametrize(
    "data",
    [
        [[1.0, 2.0], [3.0]],
        np.array([["x", "y"]]),
        np.arange(3.0),
        np.zeros((2, 2, 2)),
        np.array([[1 + 2j]]),
        sparse.csr_array(np.eye(3)),
        [],
        3.0,
        None,
        object(),
        pl.Series([1, 2]),
        pa.chunked_array([[1, 2]]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_what_is_no_table_of_numbers(data: Any) -> None:
    for given in (data, read(data)):
        with pytest.raises((BadInput, BadType)) as raised:
            Means().fit(given)
        error = raised.value
        assert error.got
        assert error.wanted
        assert error.do


def test_what_nacre_read_cannot_be_given_twice() -> None:
    refused(BadType, lambda: read(read(rows())), "one nacre.read")


@pytest.mark.parametrize("adapter", ALL)
@pytest.mark.parametrize("wrapped", [False, True])
def test_another_width(adapter: Adapter, wrapped: bool, tmp_path: Path) -> None:
    means = Means().fit(adapter(columns(rows()), tmp_path))
    narrow = adapter(columns(rows()[:, :3]), tmp_path)
    says = {
        "array": "X has 3 features",
        "frame": "The feature names should match those that were passed during fit",
        "file": "got no column 'd'; there are 'a', 'b', 'c'",
    }
    kind = "array" if adapter in ARRAYS else "frame" if adapter in FRAMES else "file"
    for ask in (means.predict, means.partial_fit):
        if adapter.__name__ == "batch_reader":
            narrow = adapter(columns(rows()[:, :3]), tmp_path)
        data = read(narrow) if wrapped else narrow
        refused(BadInput, lambda ask=ask, data=data: ask(data), says[kind])  # type: ignore[misc]


@pytest.mark.parametrize("adapter", NOT_PANDAS)
def test_another_width_after_a_fit_without_names(adapter: Adapter, tmp_path: Path) -> None:
    means = Means().fit(rows())
    narrow = adapter(columns(rows()[:, :3]), tmp_path)
    refused(BadInput, lambda: means.predict(narrow), "X has 3 features", "4")
    assert len(means.predict(adapter(columns(rows()), tmp_path))) == 20


@pytest.mark.parametrize("adapter", FRAMES + FILES)
def test_other_order(adapter: Adapter, tmp_path: Path) -> None:
    means = Means().fit(pd.DataFrame(columns(rows())))
    given = columns(rows())
    turned = adapter({name: given[name] for name in "badc"}, tmp_path)
    if adapter in FILES:
        np.testing.assert_array_equal(means.predict(turned), rows().sum(axis=1))
        return
    says = "The feature names should match those that were passed during fit"
    refused(BadInput, lambda: means.predict(turned), says, "order")
    again = adapter({name: given[name] for name in "badc"}, tmp_path)
    named = read(again, columns=["a", "b", "c", "d"])
    np.testing.assert_array_equal(means.predict(named), rows().sum(axis=1))


@pytest.mark.parametrize("adapter", FRAMES + FILES)
def test_columns_that_are_not_there(adapter: Adapter, tmp_path: Path) -> None:
    data = adapter(columns(rows()), tmp_path)
    call = lambda: Means().fit(read(data, columns=["a", "z", "y"]))  # noqa: E731
    refused(BadInput, call, "no column 'z', 'y'", "there are 'a', 'b', 'c', 'd'")
    data = adapter(columns(rows()), tmp_path)
    refused(BadInput, lambda: Means().fit(read(data, weight="w")), "no column 'w'")


@pytest.mark.parametrize("adapter", ARRAYS)
@pytest.mark.parametrize("wanted", [[0, 4], [-5], ["a"]])
def test_positions_that_are_not_there(adapter: Adapter, wanted: Any, tmp_path: Path) -> None:
    data = adapter(columns(rows()), tmp_path)
    refused(BadInput, lambda: Means().fit(read(data, columns=wanted)), "with 4 columns")


@pytest.mark.parametrize("adapter", NOT_PANDAS)
def test_positions_where_columns_have_names(adapter: Adapter, tmp_path: Path) -> None:
    data = adapter(columns(rows()), tmp_path)
    refused(BadInput, lambda: Means().fit(read(data, columns=[0, 1])), "names of columns")


def test_columns_of_one_name(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays(
        [pa.array([1.0]), pa.array([2.0]), pa.array([3.0])], ["a", "a", "b"]
    )
    pq.write_table(twice, tmp_path / "rows.parquet")
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "a", "b"])
    for data in (twice, tmp_path / "rows.parquet", frame):
        refused(BadInput, lambda data=data: Means().fit(data), "two columns named 'a'")  # type: ignore[misc]
    for data in (twice, tmp_path / "rows.parquet"):
        assert Means().fit(read(data, columns=["b"])).mean_.tolist() == [3]


@pytest.mark.parametrize("adapter", ALL)
@pytest.mark.parametrize(
    ("weight", "texts"),
    [
        (-0.5, ["weight -0.5 in row 7", "at least 0"]),
        (np.nan, ["weight NaN in row 7"]),
        (np.inf, ["weight inf in row 7"]),
        (1e300, ["weight 1e+300 in row 7", "below 1e+150"]),
    ],
)
def test_bad_weights(adapter: Adapter, weight: float, texts: list[str], tmp_path: Path) -> None:
    w = np.ones(20)
    w[7] = weight
    if adapter not in ARRAYS:
        of_column = read(adapter({**columns(rows()), "w": w}, tmp_path), weight="w")
        refused(BadInput, lambda: Means().fit(of_column), *texts)
    if adapter not in FILES:
        data = adapter(columns(rows()), tmp_path)
        refused(BadInput, lambda: Means().fit(data, sample_weight=w), *texts)


@pytest.mark.parametrize("adapter", ARRAYS + FRAMES)
@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (np.ones(19), "for 20 rows"),
        (np.ones((20, 1)), "1D array or scalar"),
        (np.zeros(20), "at least one non-zero"),
        (["x"] * 20, "no numbers"),
    ],
)
def test_weights_of_another_shape(adapter: Adapter, weight: Any, text: str, tmp_path: Path) -> None:
    data = adapter(columns(rows()), tmp_path)
    refused(BadInput, lambda: Means().fit(data, sample_weight=weight), text)


def test_y_of_another_length() -> None:
    refused(BadInput, lambda: Means().fit(rows(), np.ones(3)), "y of shape (3,) for 20 rows")


def test_weights_beside_files_stand_in_a_column(tmp_path: Path) -> None:
    path = parquet(columns(rows()), tmp_path)
    call = lambda: Means().fit(path, sample_weight=np.ones(20))  # noqa: E731
    refused(BadParameter, call, 'nacre.read(data, weight="...")')
    refused(BadParameter, lambda: Means().fit(path, np.ones(20)), 'nacre.read(data, y="...")')


def test_weights_are_given_once() -> None:
    data = read(rows(), weight=np.ones(20))
    refused(BadParameter, lambda: Means().fit(data, sample_weight=np.ones(20)), "Leave one out")


def damaged(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    path = parquet(columns(rows(5_000)), folder)
    path = Path(str(path))
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: b"", "0 bytes"),
        (lambda data: data[:-100], "cut short"),
        (lambda data: data[:3], "cut short"),
        (lambda data: b"a,b\n1,2\n3,4\n5,6\n", "no Parquet"),
        (lambda data: data[:4] + bytes(8_000) + data[8_004:], "damaged"),
    ],
    ids=["no bytes", "truncated", "three bytes", "csv", "zeros inside"],
)
def test_files_that_are_no_parquet(
    change: Callable[[bytes], bytes], text: str, tmp_path: Path
) -> None:
    path = damaged(tmp_path, change)
    for data in (path, str(tmp_path), f"{tmp_path}/*.parquet", [path], f"file://{path}"):
        refused(BadInput, lambda data=data: Means().fit(data), text, str(path))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("none.parquet", "no file"),
        ("none/*.parquet", "no file that matches"),
        ("*.csv", "no file that matches"),
        ("empty", "without *.parquet files"),
        ("empty/deep/../..", "without *.parquet files"),
    ],
)
def test_paths_that_lead_nowhere(path: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "empty" / "_SUCCESS").touch()
    (tmp_path / "empty" / ".hidden.parquet").touch()
    (tmp_path / "empty" / "notes.txt").touch()
    refused(NotFound, lambda: Means().fit(tmp_path / path), text, path)
    refused(NotFound, lambda: Means().fit([f"file://{tmp_path}/{path}"]), text)


def test_an_empty_path_and_an_unknown_protocol() -> None:
    refused(NotFound, lambda: Means().fit(""), "empty path")
    refused(NotFound, lambda: Means().fit("nowhere://x.parquet"), "nowhere")


AS_NOBODY = """
import os, sys
import fsspec.implementations.local, nacre.source.files, nacre.source.tables  # while they may be
from nacre.errors import BadInput
from nacre.source.read import plan_of
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    plan_of(sys.argv[1])
except BadInput as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read(what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        inner = Path(folder) / "inner"
        inner.mkdir()
        path = Path(str(parquet(columns(rows()), inner)))
        os.chmod(path if what == "file" else inner, 0)
        given = [sys.executable, "-c", AS_NOBODY, str(path if what == "file" else folder)]
        done = subprocess.run(given, capture_output=True, text=True, check=True, cwd="/")
        os.chmod(inner, 0o755)
    assert "may not be read" in done.stdout
    assert "Change its permissions." in done.stdout
    assert folder in done.stdout


def test_a_file_that_was_written_anew_since_the_plan(tmp_path: Path) -> None:
    path = parquet(columns(rows()), tmp_path)
    shard = plan_of(path).shards[0]
    parquet(columns(rows(30)), tmp_path)
    refused(BadInput, lambda: list(shard.read()), "got 30 rows", "20", str(path))
    pq.write_table(table(columns(rows())), path, row_group_size=5)
    refused(BadInput, lambda: list(shard.read()), "20 rows in 4 row groups", "20 in 1")
    Path(path).unlink()
    refused(NotFound, lambda: list(shard.read()), "no file")


@pytest.mark.parametrize(
    ("other", "texts"),
    [
        ({"a": [1.0], "b": [2.0]}, ["no column 'c'", "2.parquet"]),
        ({"a": [1.0], "b": ["x"], "c": [3.0]}, ["column 'b' of type string", "2.parquet"]),
        ({"a": [1.0], "b": [2.0], "c": [3.0], "d": [4.0]}, ["column 'd', which", "1.parquet"]),
    ],
    ids=["missing", "other type", "one more"],
)
def test_files_of_one_fit_have_the_same_columns(
    other: dict[str, Any], texts: list[str], tmp_path: Path
) -> None:
    pq.write_table(pa.table({"a": [1.0], "b": [2.0], "c": [3.0]}), tmp_path / "1.parquet")
    pq.write_table(pa.table(other), tmp_path / "2.parquet")
    with pytest.raises((BadInput, BadType)) as raised:
        plan_of(tmp_path)
    assert [text for text in texts if text not in str(raised.value)] == []
    assert plan_of(read(tmp_path, columns=["a"])).n_rows == 2


def test_files_of_one_fit_may_have_their_columns_in_any_order(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.0], "b": [2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": [20.0], "a": [10]}), tmp_path / "2.parquet")
    plan = plan_of(tmp_path)
    read_rows = [plan.shards[i].read().__next__().X[0].tolist() for i in plan.reading_order]
    assert read_rows == [[1, 2], [10, 20]]
    assert plan.schema.names == ("a", "b")
