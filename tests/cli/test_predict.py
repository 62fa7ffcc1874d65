"""`nacre predict`: a row for each row, part by part, and only what is missing."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nacre as package
from nacre import writing
from tests.cli.conftest import COMMAND, N_FILES, N_ROWS, Nacre, table, written

KEYS = {
    *("verb", "nacre", "model", "digest", "output", "want", "columns"),
    *("n_rows", "n_skipped", "n_parts", "n_written"),
}


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def answers(folder: Path) -> Any:
    """All rows of the parts, by name."""
    return pa.concat_tables(pq.read_table(path) for path in parts(folder))


def test_a_row_for_each_row_in_order(model: Path, data: Path, tmp_path: Path, nacre: Nacre) -> None:
    said = nacre("predict", model, data, "--keep", "id,day,name", "-o", tmp_path / "labels")
    assert said.code == 0
    assert f"Answers to {N_FILES * N_ROWS:,} rows are in {tmp_path / 'labels'}" in said.out
    found, given = answers(tmp_path / "labels"), answers(data)
    for name in ("id", "day", "name"):
        assert found[name].equals(given[name])
        assert found.schema.field(name).type == given.schema.field(name).type
    assert found["predict"].type == pa.int32()
    expected = package.load(model).predict(data)
    np.testing.assert_array_equal(found["predict"].to_numpy(), expected)
    assert found["predict"].null_count == 0


def test_its_object(model: Path, data: Path, tmp_path: Path, nacre: Nacre) -> None:
    told = nacre("predict", model, data, "-o", tmp_path / "labels", "--json").json
    assert told.keys() == KEYS
    assert told["columns"] == ["predict"]
    assert (told["n_rows"], told["n_parts"], told["n_written"]) == (2100, 3, 3)
    assert told["digest"] == package.load(model).state_.digest


def test_transform_names_its_columns(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    fit = ["fit", "pca", data, "--columns", "a,b,c", "--n-components", 2, "--scale"]
    assert nacre(*fit, "-o", tmp_path / "model").code == 0
    assert nacre("predict", tmp_path / "model", data, "-o", tmp_path / "new").code == 0
    found = answers(tmp_path / "new")
    assert found.column_names == ["pca0", "pca1"]
    expected = package.load(tmp_path / "model").transform(data)
    np.testing.assert_array_equal(np.stack([c.to_numpy() for c in found.columns], 1), expected)
    said = nacre("predict", tmp_path / "model", data, "-o", tmp_path / "p", "--want", "predict")
    assert said.code == 2
    assert "want='predict'" in said.err


def test_a_repeated_run_writes_what_is_missing(
    model: Path, data: Path, tmp_path: Path, nacre: Nacre
) -> None:
    out = tmp_path / "labels"
    predict = ["predict", model, data, "--keep", "id", "-o", out]
    assert nacre(*predict).code == 0
    names = [path.name for path in parts(out)]
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in parts(out)}
    again = nacre(*predict)
    assert "all of the files were there already" in again.out
    first, torn, lost = parts(out)
    torn.write_bytes(torn.read_bytes()[:-20])  # as after a crash of another program
    lost.unlink()
    (out / "_manifest.json").unlink()
    (out / ".0123456789abcdef.part").write_bytes(b"half")  # as after a crash of this one
    assert nacre(*predict, "--json").json["n_written"] == 2
    assert [path.name for path in parts(out)] == names
    assert first.stat().st_ino == before[first][0]
    assert {path: path.read_bytes() for path in parts(out)} == {
        p: b for p, (_, b) in before.items()
    }
    assert sorted(path.name for path in out.iterdir()) == ["_manifest.json", *names]


def test_its_manifest_comes_last_and_counts(
    model: Path, data: Path, tmp_path: Path, nacre: Nacre
) -> None:
    out = tmp_path / "labels"
    assert nacre("predict", model, data, "-o", out).code == 0
    manifest = json.loads((out / "_manifest.json").read_text())
    assert [part["name"] for part in manifest["parts"]] == [path.name for path in parts(out)]
    assert manifest["rows"] == sum(pq.read_metadata(path).num_rows for path in parts(out))
    assert manifest["model"] == package.load(model).state_.digest
    newest = max(path.stat().st_mtime_ns for path in parts(out))
    assert (out / "_manifest.json").stat().st_mtime_ns >= newest


def test_other_answers_in_the_same_place_are_refused(
    model: Path, data: Path, tmp_path: Path, nacre: Nacre
) -> None:
    out, mine = tmp_path / "labels", written(tmp_path / "rows", [table(0), table(700)])
    assert nacre("predict", model, mine, "-o", out).code == 0
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    fit = ["fit", "kmeans", data, "--columns", "a,b,c", "--n-clusters", 2]
    other = nacre(*fit, "-o", tmp_path / "other", "--json").json["digest"]
    digest = package.load(model).state_.digest
    said = nacre("predict", tmp_path / "other", mine, "-o", out)
    assert said.code == 5
    assert digest[:8] in said.err
    assert other[:8] in said.err
    said = nacre("predict", model, data, "-o", out)
    assert said.code == 5
    assert "part-0.parquet" in said.err
    said = nacre("predict", model, mine, "-o", out, "--keep", "id")
    assert said.code == 5
    pq.write_table(table(700 * 9), mine / "part-1.parquet")  # as many rows, other values
    said = nacre("predict", model, mine, "-o", out)
    assert said.code == 5
    assert "part-1.parquet" in said.err
    (out / "thesis.txt").write_text("years of work")
    assert nacre("predict", model, mine, "-o", out).code == 5
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name in kept} == kept


def test_bad_rows_keep_their_place(model: Path, holes: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "labels"
    said = nacre("predict", model, holes, "-o", out)
    assert said.code == 3
    assert "NaN in row 5, column 'a'" in said.err
    assert "--bad skip" in said.err
    said = nacre("predict", model, holes, "--keep", "id", "-o", tmp_path / "all", "--bad", "skip")
    assert said.code == 10
    assert "3 rows without an answer" in said.out
    found = answers(tmp_path / "all")
    assert found["id"].to_pylist() == list(range(2 * N_ROWS))
    assert np.flatnonzero(found["predict"].is_null()).tolist() == [705, 706, 770]
    again = nacre("predict", model, holes, "--keep", "id", "-o", tmp_path / "all", "--bad", "skip")
    assert again.code == 10


def test_shards_of_a_file_are_parts(model: Path, tmp_path: Path, nacre: Nacre) -> None:
    rows = table(0, 131_072 + 500)
    pq.write_table(rows, tmp_path / "one.parquet", row_group_size=50_000)
    out = tmp_path / "labels"
    predict = ["predict", model, tmp_path / "one.parquet", "--keep", "name,id", "-o", out]
    assert nacre(*predict, "--engine", "threads:2").code == 0
    assert [pq.read_metadata(path).num_rows for path in parts(out)] == [131_072, 500]
    assert answers(out)["id"].equals(rows["id"])
    bytes_of = [path.read_bytes() for path in parts(out)]
    shutil.rmtree(out)
    assert nacre(*predict, "--engine", "serial").code == 0
    assert [path.read_bytes() for path in parts(out)] == bytes_of


def test_ctrl_c_leaves_whole_parts(model: Path, tmp_path: Path) -> None:
    rows = written(tmp_path / "rows", [table(i, 20_000) for i in range(20)])
    out = tmp_path / "labels"
    options = ["--keep", "name", "--engine", "serial", "-o", str(out)]
    predict = [*COMMAND, "predict", str(model), str(rows), *options]
    with subprocess.Popen(predict, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and len(parts(out)) < 2:
            time.sleep(0.002)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        said = child.stderr.read()
    assert child.returncode == 130
    assert "Run the same command again: it writes what is missing." in said
    assert 2 <= len(parts(out)) < 20
    assert all(pq.read_table(path).num_rows == 20_000 for path in parts(out))
    assert not (out / "_manifest.json").exists()


def test_a_frame_is_answered_to_by_the_library(model: Path, data: Path, tmp_path: Path) -> None:
    learner, rows = package.load(model), answers(data)
    once = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())
    told = writing.predict_to(learner, once, tmp_path / "labels", keep=["name"])
    assert (told.n_rows, told.columns) == (N_FILES * N_ROWS, ("name", "predict"))
    assert answers(tmp_path / "labels")["name"].equals(rows["name"])
    again = writing.predict_to(learner, rows, tmp_path / "labels", keep=["name"])
    assert again.n_written == 0
    of_pandas = writing.predict_to(learner, rows.to_pandas(), tmp_path / "pandas", keep=["name"])
    assert of_pandas.columns == told.columns
    assert answers(tmp_path / "pandas")["predict"].equals(answers(tmp_path / "labels")["predict"])
    plain = writing.predict_to(learner, rows.select(["a", "b", "c"]), tmp_path / "plain")
    assert plain.columns == ("predict",)


@pytest.mark.parametrize("keep", [["nothing"], ["predict"]])
def test_columns_that_cannot_be_kept(
    keep: list[str], model: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(package.errors.BadParameter, match="keep"):
        writing.predict_to(package.load(model), data, tmp_path / "labels", keep=keep)
    assert not (tmp_path / "labels").exists()
