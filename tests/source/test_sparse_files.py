"""Sparse rows in files, and lines of text."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, BadType, NotFound
from nacre.source import lines
from nacre.source.read import plan_of, read
from tests.laws.sparse import Shares
from tests.source.learners import Means
from tests.source.refusal import refused

SPARSE: dict[str, Any] = {"takes": ("sparse",)}


def rows(n: int = 300) -> Any:
    return sp.random_array((n, 20), density=0.2, format="csr", rng=0)


def saved(folder: Path, X: Any, packed: bool = True) -> Path:
    sp.save_npz(folder / "rows.npz", X, compressed=packed)
    return folder / "rows.npz"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_saved_rows_are_the_rows(packed: bool, kind: str, tmp_path: Path) -> None:
    X = (rows() * 50).astype(kind)
    path = saved(tmp_path, X, packed)
    of_file, of_rows = (Shares().fit(read(data, id="x", shard_rows=90)) for data in (path, X))
    assert of_file.state_.digest == of_rows.state_.digest


def test_saved_rows_of_another_kind(tmp_path: Path) -> None:
    path = saved(tmp_path, rows().tocsc())
    refused(BadInput, lambda: plan_of(path, **SPARSE), "format 'csc'", "tocsr()")
    path = saved(tmp_path, rows())
    refused(
        BadType, lambda: Means().fit(path), "Sparse data was passed, but dense data is required"
    )
    refused(BadParameter, lambda: plan_of(read(path, y="y"), **SPARSE), "y='y'")
    (tmp_path / "b").mkdir()
    sp.save_npz(tmp_path / "b" / "1.npz", rows())
    sp.save_npz(tmp_path / "b" / "2.npz", rows()[:, :7])
    refused(BadInput, lambda: plan_of(tmp_path / "b", **SPARSE), "7 columns", "2.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"indptr": np.array([0, 9, 3])},
        {"indices": np.array([0, 99])},
        {"indices": np.array([0, -1])},
        {"indices": np.array([0.0, 1.0])},
        {"shape": np.array([2, -1])},
        {"shape": np.array([2])},
        {"data": np.ones(3)},
    ],
    ids=str,
)
def test_arrays_that_are_no_rows(change: dict[str, Array], tmp_path: Path) -> None:
    good = {
        "data": np.ones(2),
        "indices": np.array([0, 1]),
        "indptr": np.array([0, 1, 2]),
        "shape": np.array([2, 3]),
        "format": np.array(b"csr"),
    }
    np.savez(tmp_path / "good.npz", **good)  # type: ignore[arg-type]
    assert plan_of(tmp_path / "good.npz", **SPARSE).n_rows == 2
    np.savez(tmp_path / "bad.npz", **{**good, **change})
    refused(BadInput, lambda: plan_of(tmp_path / "bad.npz", **SPARSE), "no CSR rows", "bad.npz")


BASKETS = st.lists(st.lists(st.integers(0, 12), max_size=6), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(baskets=BASKETS, packed=st.booleans())
def test_baskets(
    baskets: list[list[int]], packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "\n".join(" ".join(map(str, basket)) for basket in baskets) + "\n"
    path = tmp_path_factory.mktemp("dat") / ("rows.dat.gz" if packed else "rows.dat")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    width = max((item for basket in baskets for item in basket), default=-1) + 1
    expected = [[float(item in basket) for item in range(width)] for basket in baskets]
    X: Any = plan_of(path, **SPARSE).head().X
    assert X.toarray().tolist() == expected
    assert X.has_canonical_format


def test_the_width_of_baskets(tmp_path: Path) -> None:
    (tmp_path / "1.dat").write_text("0 2\n1\n")
    (tmp_path / "2.dat").write_text("4\n\n")
    plan = plan_of(f"{tmp_path}/*.dat", **SPARSE)
    assert plan.schema.n_columns == 5
    fitted = plan_of(tmp_path / "1.dat", **SPARSE).schema
    later = tmp_path / "2.dat"
    call = lambda: plan_of(later, schema=fitted, **SPARSE)  # noqa: E731
    refused(BadInput, call, "item 4", "below 3", 'schema="ignore"')
    known: Any = plan_of(read(later, schema="ignore"), schema=fitted, **SPARSE).head().X
    assert known.toarray().tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("line", ["1 x", "1 -2", "1.5", "99999999999", "9" * 40])
def test_lines_that_are_no_baskets(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text(f"1 2\n{line}\n")
    refused(BadInput, lambda: plan_of(tmp_path / "a.dat", **SPARSE), "in row 1", "a.dat")
    refused(NotFound, lambda: plan_of(tmp_path, **SPARSE), "without")


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.sampled_from(["", "a", "é b", '"', "x,y"]), min_size=1, max_size=30),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(4, 60),
    shard_rows=st.integers(1, 20),
)
def test_lines_of_text(
    texts: list[str],
    end: str,
    block: int,
    shard_rows: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("txt") / "rows.txt"
    path.write_bytes("".join(text + end for text in texts).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK", block)
        plan = plan_of(read(path, shard_rows=shard_rows), takes=("records",))
        assert (plan.schema.names, plan.schema.units) == (("text",), ("text",))
        for shard in reversed(plan.shards):
            got = [t for batch in shard.read() for t in batch.X.columns[0].to_pylist()]
            assert got == texts[shard.first : shard.stop]


def test_lines_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"a\nb\xff\nc")
    takes = ("records",)
    refused(BadInput, lambda: plan_of(path, takes=takes).head(), "row 1", "UTF-8", "rows.txt")
    kept = plan_of(read(path, bad="skip"), takes=takes)
    batches = [batch for shard in kept.shards for batch in shard.read()]
    assert [t for batch in batches for t in batch.X.columns[0].to_pylist()] == ["a", "c"]
    assert sum(batch.n_skipped for batch in batches) == 1
    refused(BadType, lambda: Means().fit(path), "column 'text' of type string")
    path.write_bytes(b"")
    refused(BadInput, lambda: plan_of(path, takes=takes), "minimum of 1")
