"""`nacre show`: models and data, for people and as objects."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import nacre as package
from nacre.cli.words import N_APART
from tests.cli.conftest import N_FILES, N_ROWS, Nacre
from tests.cli.test_fit import MODEL_KEYS

DATA_KEYS = {
    *("verb", "nacre", "kind", "paths", "n_rows", "n_shards", "shard_rows", "files", "columns"),
    *("answers_of", "format", "n_columns"),
}


def test_a_model(model: Path, nacre: Nacre) -> None:
    said = nacre("show", model)
    assert said.code == 0
    assert said.err == ""
    assert said.out.startswith("Scale → KMeans learned from 2,100 rows of 3 files, 3 columns\n")
    for text in (
        "what sets it apart",
        "a, b, c",
        "n_clusters=3",
        package.load(model).state_.digest,
    ):
        assert text in said.out
    for name in ("part-0.parquet", "part-1.parquet", "part-2.parquet"):
        assert name in said.out


def test_clusters_are_told_by_what_sets_them_apart(model: Path, nacre: Nacre) -> None:
    lines = nacre("show", model).out.splitlines()
    at = next(i for i, line in enumerate(lines) if "what sets it apart" in line)
    told = lines[at + 1 : at + 4]
    rows = [int(line.split()[1].replace(",", "")) for line in told]
    assert rows == sorted(rows, reverse=True)
    assert sum(rows) == N_FILES * N_ROWS
    assert all(line.count("(") == N_APART for line in told)
    # c lies at 100, 500 and 900; b at 9 where c is 900
    of_900 = next(line for line in told if "c 9" in line or "c 8" in line)
    assert of_900.split("%")[1].split()[0] == "b"


def test_the_object_of_a_model(model: Path, nacre: Nacre) -> None:
    told = nacre("show", model, "--json").json
    assert told.keys() == MODEL_KEYS | {"clusters", "history"}
    assert (told["kind"], told["model"]) == ("model", str(model))
    assert [len(cluster["columns"]) for cluster in told["clusters"]] == [3, 3, 3]


def test_data(data: Path, nacre: Nacre) -> None:
    said = nacre("show", data)
    assert said.code == 0
    assert said.out.startswith("2,100 rows in 3 Parquet files, 6 columns\n")
    assert "cut into 3 shards of at most 131,072 rows" in said.out
    assert "no numbers: not learned from" in said.out
    assert f"Next: nacre fit kmeans {data} --columns id,a,b,c --scale -o model/" in said.err


def test_the_object_of_data(holes: Path, nacre: Nacre) -> None:
    told = nacre("show", holes, "--json").json
    assert told.keys() == DATA_KEYS
    assert told["files"][0] == {"id": "part-0.parquet", "n_rows": N_ROWS, "n_shards": 1}
    columns = {column["column"]: column for column in told["columns"]}
    assert columns["name"] == {
        "column": "name",
        "type": "string",
        "numeric": False,
        "n_missing": 0,
        "first": ["row 0", "row 1", "row 2"],
    }


def written(folder: Path, format: str) -> tuple[Path, list[str]]:
    """Two columns in a format, and the options that it is read with."""
    X = np.array([[1.5, 2], [3, -4], [5, 6], [7, 8]])
    path = folder / f"rows.{format}"
    if format == "csv":
        path.write_text("a;b\n" + "".join(f"{a};{b}\n" for a, b in X))
        return path, ["--delimiter", ";"]
    if format == "tsv":
        path.write_text("".join(f"{a}\t{b}\n" for a, b in X))
        return path, ["--no-header"]
    if format == "arrow":
        table = pa.table({"a": X[:, 0], "b": X[:, 1]})
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    if format == "npy":
        np.save(path, X)
    if format == "npz":
        np.savez_compressed(path, X=X, y=X[:, 0])
    if format == "png":
        path = folder / "photos"
        path.mkdir()
        for i in range(4):
            Image.fromarray(np.full((4, 2), 60 + i, np.uint8)).save(path / f"{i}.png")
        return path, ["--image-size", "1x2", "--image-mode", "L"]
    return path, []


FORMATS = ["csv", "tsv", "arrow", "npy", "npz", "png"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(format: str, tmp_path: Path, nacre: Nacre) -> None:
    """What is shown is what is learned, and the command that comes next works."""
    path, options = written(tmp_path, format)
    told = nacre("show", path, *options, "--json").json
    assert told.keys() == DATA_KEYS
    assert (told["n_rows"], told["n_columns"], told["n_shards"]) == (4, 2, 1)
    assert [c["numeric"] for c in told["columns"]] == [True, True]
    expected = [60, 61, 62] if format == "png" else [1.5, 3, 5]
    assert told["columns"][0]["first"] == expected
    said = nacre("show", path, *options)
    assert said.out.startswith("4 rows in 1 ")
    assert "1.5, 3, 5" in said.out or "1 x 2 pixels, grey" in said.out
    following = shlex.split(said.err.removeprefix("Next: nacre "))
    fitted = nacre(*following[:-1], tmp_path / "model", "--n-clusters", 2)
    assert fitted.code == 0
    following = shlex.split(fitted.err.removeprefix("Next: nacre "))
    assert nacre(*following[:-1], tmp_path / "labels").code == 0


def test_sparse_rows_and_lines(tmp_path: Path, nacre: Nacre) -> None:
    (tmp_path / "rows.dat").write_text("0 2\n1\n\n")
    said = nacre("show", tmp_path / "rows.dat")
    assert said.out.splitlines()[:2] == [
        "3 rows in 1 file, 3 columns",
        "  sparse rows, 1 values in each",
    ]
    assert said.err == ""
    (tmp_path / "rows.txt").write_text("one\ntwo\x1b[2J and a long line\n")
    told = nacre("show", tmp_path / "rows.txt")
    assert "one, two\\x1b[2J and a long …" in told.out


def test_columns_of_any_type_and_files_that_differ(tmp_path: Path, nacre: Nacre) -> None:
    """What no learner would take is shown too; folders of the path are columns."""
    made: list[tuple[int, Any]] = [
        (2023, {"a": [1], "lists": [[1, 2]]}),
        (2024, {"a": ["x"], "b": [2]}),
    ]
    for number, columns in made:
        folder = tmp_path / f"year={number}"
        folder.mkdir()
        pq.write_table(pa.table(columns), folder / "rows.parquet")
    told = nacre("show", tmp_path, "--json").json
    found = {column["column"]: column for column in told["columns"]}
    assert found["a"]["type"] == "of several types"
    assert found["lists"]["type"] == found["b"]["type"] == "not in every file"
    assert found["lists"]["first"] == ["[1, 2]"]
    year = {"column": "year", "type": "int64", "numeric": True, "n_missing": 0, "first": [2023]}
    assert found["year"] == year
    assert " 2023" in nacre("show", tmp_path).out


def test_options_that_do_not_fit(tmp_path: Path, nacre: Nacre) -> None:
    path, _ = written(tmp_path, "png")
    for size in ("28", "4x", "axb", "0x3"):
        said = nacre("show", path, "--image-size", size)
        assert said.code == 2
        assert "(height, width) in pixels" in said.err


def test_what_is_not_there(tmp_path: Path, nacre: Nacre) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        said = nacre("show", path)
        assert said.code == 4
        assert said.err.startswith("error")


def table(path: Path, **columns: Any) -> Path:
    """A Parquet file of a column of numbers, and more."""
    pq.write_table(pa.table({"a": [1.0, 2.0], **columns}), path)
    return path


ODD: dict[str, tuple[Any, Any]] = {
    "a date beyond Python's": (pa.array([2**30] * 2, pa.date32()), str(2**30)),
    "a time beyond Python's": (pa.array([2**62] * 2, pa.timestamp("us")), str(2**62)),
    "a span beyond Python's": (pa.array([2**62] * 2, pa.duration("ms")), str(2**62)),
    "a zone that is none": (pa.array([7] * 2, pa.timestamp("us", "Nowhere/Atlantis")), "7"),
    "a list of such": (pa.array([[2**30]] * 2, pa.list_(pa.date32())), "…"),
    "text that is no UTF-8": (
        pa.Array.from_buffers(
            pa.string(),
            2,
            [None, *map(pa.py_buffer, (np.array([0, 2, 4], np.int32).tobytes(), b"\xffa" * 2))],
        ),
        "\\xffa",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_values_that_python_has_not(name: str, tmp_path: Path, nacre: Nacre) -> None:
    values, expected = ODD[name]
    told = nacre("show", table(tmp_path / "rows.parquet", odd=values), "--json")
    assert told.code == 0
    assert [column["first"] for column in told.json["columns"]] == [[1, 2], [expected] * 2]


def test_columns_of_one_name(tmp_path: Path, nacre: Nacre) -> None:
    """They are shown, and not suggested: a fit would have to refuse them."""
    (tmp_path / "rows.csv").write_text("a,b,a\n1,2,3\n")
    said = nacre("show", tmp_path / "rows.csv")
    assert said.code == 0
    assert "of several columns" in said.out
    assert "--columns b " in said.err
    (tmp_path / "same.csv").write_text("a,a\n1,2\n")
    assert nacre("show", tmp_path / "same.csv").err == ""


def test_names_that_columns_cannot_list(tmp_path: Path, nacre: Nacre) -> None:
    """--columns is divided at commas and stripped of blanks; a suggestion must work."""
    odd = {"b,c": [1.0, 2.0], " d": [1.0, 2.0], "": [1.0, 2.0]}
    path = table(tmp_path / "rows.parquet", **odd, text=["x", "y"])
    assert "--columns a --scale" in nacre("show", path).err
    assert "--columns" not in nacre("show", table(tmp_path / "all.parquet", **odd)).err
