"""A column of texts as y, from every source that has columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

import nacre
from nacre.contract import Array
from nacre.errors import BadInput, BadType
from nacre.source.read import plan_of

TEXTS = ["Rome", "Oslo", None, "Rome"]
TABLE = pa.table(
    {"x": [1.0, 2.0, 3.0, 4.0], "city": TEXTS, "when": pa.array(range(4), pa.date32())}
)


def frame() -> Any:
    return pl.from_arrow(TABLE)


def categories() -> Any:
    return frame().with_columns(pl.col("city").cast(pl.Categorical))


def parquet(path: Path) -> Path:
    pyarrow.parquet.write_table(TABLE, path / "t.parquet", row_group_size=3)
    return path / "t.parquet"


def feather(path: Path) -> Path:
    coded = TABLE.set_column(1, "city", TABLE["city"].dictionary_encode())
    pyarrow.feather.write_feather(coded, path / "t.arrow", chunksize=3)
    return path / "t.arrow"


def folders(path: Path) -> Path:
    for at, city in enumerate(TEXTS):
        below = path / f"city={city or '__HIVE_DEFAULT_PARTITION__'}"
        below.mkdir(exist_ok=True)
        pyarrow.parquet.write_table(TABLE.select(["x"]).slice(at, 1), below / f"{at}.parquet")
    return path


def read_y(data: Any, **more: Any) -> dict[float, Any]:
    """x -> y."""
    found: list[tuple[Array, Array]] = []
    for shard in plan_of(nacre.read(data, columns=["x"], y="city", **more)).shards:
        found += [(batch.X[:, 0], batch.y) for batch in shard.read()]
    X, y = (np.concatenate(parts).tolist() for parts in zip(*found, strict=True))
    return dict(zip(X, y, strict=True))


@pytest.mark.parametrize("make", [frame, categories, frame().to_pandas, lambda: TABLE])
def test_of_a_frame(make: Any) -> None:
    found = read_y(make()).values()
    assert [None if text != text else text for text in found] == TEXTS  # pandas has NaN


@pytest.mark.parametrize("make", [parquet, feather, folders])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_of_files(make: Any, rows: int, tmp_path: Path) -> None:
    found = read_y(make(tmp_path), shard_rows=rows)
    assert [found[x] for x in (1.0, 2.0, 3.0, 4.0)] == TEXTS


def test_of_a_file_of_text(tmp_path: Path) -> None:
    pyarrow.csv.write_csv(TABLE.slice(0, 2), tmp_path / "t.csv")
    assert list(read_y(tmp_path / "t.csv").values()) == TEXTS[:2]


def test_texts_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    offsets = np.arange(5, dtype=np.int32).tobytes()
    texts = pa.Array.from_buffers(
        pa.string(), 4, [None, pa.py_buffer(offsets), pa.py_buffer(b"ab\xffc")]
    )
    pyarrow.parquet.write_table(pa.table({"x": TABLE["x"], "city": texts}), tmp_path / "t.parquet")
    with pytest.raises(BadInput, match="not UTF-8"):
        read_y(tmp_path / "t.parquet")
    with pytest.raises(BadInput, match="not UTF-8"):
        nacre.OneHot().fit(nacre.read(tmp_path / "t.parquet", columns=["city"]))


def test_other_types_are_refused() -> None:
    with pytest.raises(BadType, match="'when' of type date32"):
        plan_of(nacre.read(TABLE, columns=["x"], y="when"))
    with pytest.raises(BadType, match="'city' of type string"):
        plan_of(nacre.read(TABLE, columns=["x"], weight="city"))
