"""`nacre show`: models and data, for people and as objects."""

from __future__ import annotations

from pathlib import Path

import nacre as package
from nacre.cli.words import N_APART
from tests.cli.conftest import N_FILES, N_ROWS, Nacre
from tests.cli.test_fit import MODEL_KEYS

DATA_KEYS = {
    *("verb", "nacre", "kind", "paths", "n_rows", "n_shards", "shard_rows", "files", "columns"),
    "answers_of",
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
    assert told.keys() == MODEL_KEYS | {"clusters"}
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
    }


def test_what_is_not_there(tmp_path: Path, nacre: Nacre) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        said = nacre("show", path)
        assert said.code == 4
        assert said.err.startswith("error")
