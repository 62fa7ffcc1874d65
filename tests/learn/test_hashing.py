"""Hashing: each feature where its hash says, on every machine; products stay on average."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp

from nacre import Hashing, canon
from nacre.contract import Batch
from nacre.errors import BadInput, BadParameter
from nacre.learn.prepare.hashing import Width
from nacre.records import text_hashes
from nacre.writing import predict_to


def frame(n: int = 500) -> Any:
    draw = np.random.default_rng(4)
    cities = draw.choice(np.array(["Rome", "Oslo", None]), n)
    return pd.DataFrame({"city": cities, "x": draw.normal(size=n), "k": draw.integers(0, 3, n)})


def place(name: str, text: Any, n_features: int) -> tuple[int, int]:
    """Twin: column and sign of a feature; `text` is ... for a number."""
    salt = np.uint64(canon.hash64(name))
    bits = int(canon.mix(salt if text is ... else text_hashes([text])[0] ^ salt))
    return bits % 2**63 % n_features, -1 if bits >> 63 else 1


@pytest.mark.parametrize("n_features", [1, 7, 64, 2**31])
def test_each_feature_is_where_its_hash_says(n_features: int) -> None:
    rows = frame(40)
    got: Any = Hashing(n_features).fit_transform(rows)
    assert isinstance(got, sp.csr_array)
    assert got.shape == (40, n_features)
    assert got.has_canonical_format
    for at, row in enumerate(rows.itertuples(index=False)):
        want: dict[int, float] = {}
        for name, value in zip(rows.columns, row, strict=True):
            text = isinstance(value, str) or name == "city"
            told = (value if isinstance(value, str) else None) if text else ...
            column, sign = place(name, told, n_features)
            want[column] = want.get(column, 0.0) + sign * (1.0 if text else value)
        line = got[[at]]
        found = dict(zip(line.indices.tolist(), line.data.tolist(), strict=True))
        assert found == pytest.approx({c: v for c, v in want.items() if v})


def test_the_same_rows_from_every_source_and_engine(tmp_path: Path) -> None:
    rows = frame(40_000)
    rows.to_parquet(tmp_path / "rows.parquet")
    want: Any = Hashing().fit_transform(rows)
    table = pa.table(rows)
    for fitted, data in (
        (Hashing().fit(table), table),
        (Hashing().fit(rows, engine="processes:2"), rows),
    ):
        got: Any = fitted.transform(data, engine="threads:2")
        assert canon.digest(got) == canon.digest(want)
    files: Any = Hashing().fit(tmp_path / "rows.parquet").transform(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(files.indices, want.indices)


def test_products_stay_on_average() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(30, 40))
    apart = []
    for seed in range(60):
        model = Width(40, tuple(f"{seed}-{at}" for at in range(40)), 32)
        got: Any = Hashing().answer(model, Batch(X), ("transform",))["transform"]
        apart.append((got @ got.T).toarray() - X @ X.T)
    error = np.mean(apart, axis=0) / (np.std(apart, axis=0) / np.sqrt(len(apart)) + 1e-12)
    assert np.abs(error).mean() < 1.2  # 0.8 for a mean of 0; signs of one kind give 10
    assert np.abs(error).max() < 6


def test_an_array_of_numbers_is_projected() -> None:
    X = np.eye(5, dtype=np.float32)
    got: Any = Hashing(8).fit_transform(X)
    assert got.dtype == np.float32
    columns, signs = zip(*(place(f"x{at}", ..., 8) for at in range(5)), strict=True)
    assert got.indices.tolist() == list(columns)
    assert got.data.tolist() == list(signs)


def test_it_is_not_written_to_files(tmp_path: Path) -> None:
    rows = frame()
    with pytest.raises(BadParameter, match="sparse"):
        predict_to(Hashing().fit(rows), rows, tmp_path / "out", want="transform")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("n_features", [0, -1, 2.0, True, 2**31 + 1])
def test_hyper_parameters_outside_their_range(n_features: Any) -> None:
    with pytest.raises(BadParameter, match="n_features"):
        Hashing(n_features).fit(np.ones((2, 2)))


def test_bad_numbers_are_named() -> None:
    with pytest.raises(BadInput, match="NaN in row 1, column 'x'"):
        Hashing().fit(pd.DataFrame({"city": ["a", "b"], "x": [1.0, np.nan]}))
