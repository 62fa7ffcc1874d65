"""Which files are meant, and what their ids are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from nacre.errors import BadInput, BadParameter, NotFound, SameId
from nacre.source.paths import files_of
from nacre.source.read import plan_of, read
from tests.source.adapters import columns, parquet, table
from tests.source.learners import Means
from tests.source.refusal import refused


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Four files of data at three depths, and much that is none."""
    for name in ("a.parquet", "b.parquet", "2013/a.parquet", "2013/x/c.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("_SUCCESS", ".a.parquet.crc", ".hidden.parquet", "_temporary/d.parquet", "a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def ids(data: Any, root: Any = None) -> list[str]:
    return list(files_of(data, root))


ALL = ["2013/a.parquet", "2013/x/c.parquet", "a.parquet", "b.parquet"]


def test_a_directory_means_all_data_below_it(tree: Path) -> None:
    assert ids(tree) == ids(str(tree)) == ids(f"{tree}/") == ids(f"file://{tree}") == ALL
    assert ids(tree / "2013") == ["a.parquet", "x/c.parquet"]


def test_a_glob_has_ids_below_its_deepest_folder(tree: Path) -> None:
    assert ids(f"{tree}/*.parquet") == ["a.parquet", "b.parquet"]
    assert ids(f"{tree}/**/*.parquet") == ALL
    assert ids(f"{tree}/20??/[ab].parquet") == ["2013/a.parquet"]
    assert ids(f"{tree}/2013/*/*.parquet") == ["x/c.parquet"]
    assert ids(f"{tree}/20*") == ["2013/a.parquet", "2013/x/c.parquet"]
    assert ids(f"file://{tree}/*.parquet") == ["a.parquet", "b.parquet"]


def test_a_file_has_one_id_however_it_is_found(tree: Path) -> None:
    assert ids(tree / "a.parquet") == ["a.parquet"]
    assert ids([tree / "b.parquet", tree / "a.parquet"]) == ids(f"{tree}/?.parquet")
    assert ids([tree / "2013", tree / "2013" / "a.parquet"]) == ids(tree / "2013")


def test_a_root_says_what_ids_are_relative_to(tree: Path) -> None:
    assert ids(tree / "2013" / "x" / "c.parquet", tree) == ["2013/x/c.parquet"]
    assert ids([tree / "a.parquet", tree / "2013" / "a.parquet"], tree) == ALL[0:3:2]
    assert ids(tree / "2013", str(tree.parent)) == [f"{tree.name}/{name}" for name in ALL[:2]]
    refused(BadInput, lambda: ids(tree / "a.parquet", tree / "2013"), "files below", "root=")


def test_a_file_that_is_spelled_in_two_ways_is_one_file(tree: Path) -> None:
    spellings = [f"{tree}/a.parquet", f"{tree}/2013/../a.parquet", f"{tree}/./2013//../a.parquet"]
    for root in (tree, f"{tree}/2013/..", f"{tree}//"):
        assert ids(spellings, root) == ["a.parquet"]
        assert ids([*spellings, f"{tree}/2013/../*.parquet"], root) == ["a.parquet", "b.parquet"]
    os.symlink(tree / "2013" / "x", tree / "link")  # link/.. is 2013, whatever the text says
    assert ids(f"{tree}/link/../a.parquet", tree) == ["2013/a.parquet"]


def test_two_files_of_one_id(tree: Path) -> None:
    both = [tree / "a.parquet", tree / "2013" / "a.parquet"]
    refused(SameId, lambda: ids(both), str(both[0]), str(both[1]), "'a.parquet'", "root=")


def test_a_file_of_two_ids(tree: Path) -> None:
    both = [tree, tree / "2013" / "x"]
    refused(SameId, lambda: ids(both), "'2013/x/c.parquet' and 'c.parquet'", "root=")
    assert ids(both, tree) == ALL


def test_a_name_that_looks_like_a_glob_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "a[1].parquet").touch()
    assert ids(tmp_path / "a[1].parquet") == ["a[1].parquet"]


def test_paths_as_people_write_them(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    monkeypatch.setenv("HOME", str(tree))
    assert ids("2013/../a.parquet") == ids("~/a.parquet") == ids("a.parquet") == ["a.parquet"]
    assert ids(".") == ids(Path()) == ALL


def test_links_lead_to_data_and_not_in_circles(tree: Path) -> None:
    os.symlink(tree / "2013", tree / "z")
    os.symlink(tree, tree / "2013" / "circle")
    os.symlink(tree / "a.parquet", tree / "link.parquet")
    assert ids(tree) == [*ALL, "link.parquet"]


def test_files_in_a_filesystem_of_fsspec() -> None:
    X = np.arange(40, dtype="float32").reshape(10, 4)
    system = fsspec.filesystem("memory")
    for i in range(2):
        with system.open(f"/bucket/day/{i}.parquet", "wb") as file:
            pq.write_table(table(columns(X[5 * i : 5 * i + 5])), file, row_group_size=2)
    for data in (
        "memory://bucket/day",
        "memory://bucket/day/*.parquet",
        "memory://bucket/**/*.parquet",
    ):
        plan = plan_of(read(data, root="memory://bucket"))
        assert list(plan.ids) == ["day/0.parquet", "day/1.parquet"]
        assert next(iter(plan.ids.values())).where == "memory:///bucket/day/0.parquet"
        assert Means().fit(read(data, root="memory://bucket")).mean_.tolist() == [18, 19, 20, 21]
    refused(NotFound, lambda: plan_of("memory://bucket/night"), "no file memory://bucket/night")
    with system.open("/bucket/empty.parquet", "wb"):
        pass
    refused(
        BadInput, lambda: plan_of("memory://bucket/empty.parquet"), "0 bytes", "memory:///bucket"
    )
    system.rm("/bucket", recursive=True)


def test_an_id_is_for_one_file(tmp_path: Path) -> None:
    path = parquet(columns(np.ones((3, 2), "float32")), tmp_path)
    assert list(plan_of(read(path, id="today")).ids) == ["today"]
    parquet(columns(np.ones((3, 2), "float32")), tmp_path).rename(tmp_path / "more.parquet")
    parquet(columns(np.ones((3, 2), "float32")), tmp_path)
    refused(BadParameter, lambda: plan_of(read(tmp_path, id="today")), "2 files", "root=")
