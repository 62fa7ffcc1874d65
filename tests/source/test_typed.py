"""Rows of texts, bools, times and numbers: the same from every source, and checked like numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nacre import read
from nacre.contract import Schema
from nacre.errors import BadInput, BadType
from nacre.records import Records
from nacre.source.plan import content
from nacre.source.read import plan_of
from tests.source.adapters import NAMED, TEXTS, Adapter
from tests.source.refusal import refused

TAKES = ("records",)
N = 3_000
TYPED = [adapter for adapter in NAMED if adapter not in TEXTS]  # text has no types of its own


def rows(n: int = N) -> dict[str, Any]:
    """Columns of every kind, as NumPy has them."""
    draw = np.random.default_rng(7)
    city = draw.choice(["Rome", "Oslo", "Århus", ""], n).astype(object)
    city[draw.random(n) < 0.1] = None
    return {
        "city": pa.array(city.tolist(), pa.string()),
        "x": draw.normal(size=n),
        "day": draw.integers(0, 10_000, n).astype("datetime64[s]").astype("datetime64[ms]"),
        "ok": draw.random(n) < 0.5,
        "n": draw.integers(-9, 9, n),
    }


def given(adapter: Adapter, folder: Path, columns: dict[str, Any] | None = None) -> Any:
    columns = rows() if columns is None else columns
    if adapter.__name__ == "of_pandas":
        return pa.table(columns).to_pandas(timestamp_as_object=False)
    return adapter(columns, folder)


@pytest.mark.parametrize("adapter", TYPED)
def test_every_source_gives_the_same_records(adapter: Adapter, tmp_path: Path) -> None:
    plan = plan_of(read(given(adapter, tmp_path), shard_rows=800), takes=TAKES)
    (reader,) = plan.ids.values()
    assert plan.schema.units == ("text", "", "ms", "bool", "")
    assert (plan.schema.dtype, plan.schema.names) == ("float64", tuple(rows()))
    whole = plan_of(pa.table(rows()), takes=TAKES)
    assert content(reader) == content(whole.ids[""])
    parts = [batch for shard in plan.shards for batch in shard.read()]
    assert all(isinstance(batch.X, Records) for batch in parts)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([batch.X.hashes() for batch in parts])),
        np.sort(Records.of(rows()).hashes()),
    )


@pytest.mark.parametrize("adapter", TEXTS)
def test_text_is_what_the_fit_had(adapter: Adapter, tmp_path: Path) -> None:
    whole = plan_of(pa.table(rows()), takes=TAKES)
    plan = plan_of(given(adapter, tmp_path), takes=TAKES, schema=whole.schema)
    (reader,) = plan.ids.values()
    assert content(reader) == content(whole.ids[""])


def test_categories_are_known_where_the_source_tells_them() -> None:
    frame = pd.DataFrame({"c": pd.Categorical(["b", "a", None], categories=["z", "b", "a"])})
    schema = plan_of(frame, takes=TAKES).schema
    assert schema.categories == (("a", "b", "z"),)
    plain = plan_of(pa.table({"c": ["b", "a"]}), takes=TAKES).schema
    assert plain.categories == (None,)


@pytest.mark.parametrize("nested", [True, False])
def test_arrays_and_lists_with_texts(nested: bool) -> None:
    X = np.array([["Rome", 1, 2.5], ["Oslo", 2, None]], object)
    plan = plan_of(X.tolist() if nested else X, takes=("records", "nan"))
    assert (plan.schema.names, plan.schema.units) == (None, ("text", "", ""))
    got = plan.head().X
    assert got.codes(0)[1] == ("Oslo", "Rome")
    np.testing.assert_array_equal(got.numbers(2), [2.5, np.nan])
    picked = plan_of(read(X, columns=[1, 0]), takes=TAKES).head().X
    assert picked.holds == ("", "text")


def test_arrays_of_numbers_stay_arrays() -> None:
    plan = plan_of([[1.0, 2.0]], takes=TAKES)
    assert plan.schema.units is None
    assert isinstance(plan.head().X, np.ndarray)


@pytest.mark.parametrize("adapter", NAMED)
def test_a_learner_of_numbers_does_not_get_them(adapter: Adapter, tmp_path: Path) -> None:
    refused(BadType, lambda: plan_of(given(adapter, tmp_path)), "'city'", "columns of numbers")
    weighed = read(given(adapter, tmp_path), weight="city")
    kind = BadInput if adapter.__name__ == "of_pandas" else BadType
    refused(kind, lambda: plan_of(weighed, takes=TAKES), "numbers")


@pytest.mark.parametrize("adapter", NAMED)
def test_bad_numbers_are_found_and_nulls_of_texts_are_none(
    adapter: Adapter, tmp_path: Path
) -> None:
    columns = rows()
    columns["x"][1_234] = np.nan
    data = given(adapter, tmp_path, columns)
    plan = plan_of(read(data), takes=TAKES)
    refused(
        BadInput, lambda: [list(s.read()) for s in plan.shards], "NaN", "row 1234", "column 'x'"
    )
    kept = plan_of(read(given(adapter, tmp_path, columns), bad="skip"), takes=TAKES)
    batches = [batch for shard in kept.shards for batch in shard.read()]
    assert sum(map(len, batches)) == N - 1
    assert sum(batch.n_skipped for batch in batches) == 1


def fitted(columns: dict[str, Any]) -> Schema:
    return plan_of(pa.table(columns), takes=TAKES).schema


@pytest.mark.parametrize("adapter", TYPED)
@pytest.mark.parametrize(
    ("column", "values", "wanted"),
    [
        ("city", [1, 2], "texts, as before"),
        ("x", ["a", "b"], "numbers, as before"),
        ("day", ["a", "b"], "times, as before"),
        ("ok", ["a", "b"], "bools, as before"),
    ],
)
def test_a_column_holds_what_it_did_in_the_fit(
    adapter: Adapter, column: str, values: list[Any], wanted: str, tmp_path: Path
) -> None:
    some = {name: pa.array(values[:2]) for name, values in rows().items()}
    later = given(adapter, tmp_path, {**some, column: pa.array(values)})
    refused(
        BadType,
        lambda: plan_of(later, takes=TAKES, schema=fitted(some)),
        f"column '{column}'",
        wanted,
    )


def test_what_is_alike_is_cast_as_the_fit_had_it(tmp_path: Path) -> None:
    first = fitted({"t": pa.array([1, 2], pa.timestamp("ms")), "n": [1, 2], "c": ["a", "b"]})
    later = pa.table(
        {
            "n": pa.array([0.5]),
            "c": pa.array(["b"]).dictionary_encode(),
            "t": pa.array([3], pa.timestamp("s")),
        }
    )
    pq.write_table(later, tmp_path / "later.parquet")
    got = plan_of(tmp_path / "later.parquet", takes=TAKES, schema=first).head().X
    assert (got.names, got.holds) == (("t", "n", "c"), ("ms", "", "text"))
    assert [got.numbers(at)[0] for at in (0, 1)] == [3000.0, 0.5]
    finer = later.set_column(2, "t", pa.array([1], pa.timestamp("us")))
    plan = plan_of(finer.select(["t", "n", "c"]), takes=TAKES, schema=first)
    refused(BadInput, plan.head, "times in the units ['ms']")


def test_nothing_but_nulls_is_what_the_others_hold(tmp_path: Path) -> None:
    for name, column in {"a": pa.nulls(2), "b": pa.array(["x", None])}.items():
        pq.write_table(pa.table({"c": column}), tmp_path / f"{name}.parquet")
    plan = plan_of(tmp_path, takes=TAKES)
    assert plan.schema.units == ("text",)
    assert plan.head().X.codes(0)[1] == ("x", None)


@pytest.mark.parametrize("values", [[[1], [2]], [b"a", b"b"], [{"a": 1}, {"a": 2}]])
def test_what_records_do_not_take(values: list[Any]) -> None:
    refused(BadType, lambda: plan_of(pa.table({"c": values}), takes=TAKES), "column 'c' of type")


def test_a_column_of_several_types() -> None:
    frame, array = pd.DataFrame({"c": ["a", 1]}), np.array([["a", "b"], ["c", 1]], object)
    refused(BadType, lambda: plan_of(frame, takes=TAKES), "column 'c' of several types")
    refused(BadType, lambda: plan_of(array, takes=TAKES), "column 'x1' of several types")


def test_weights_and_y_of_a_frame() -> None:
    table = pa.table({**rows(), "w": np.arange(N) * 1.0})
    for data in (table, table.to_pandas()):
        head = plan_of(read(data, weight="w", columns=["city"]), takes=TAKES).head()
        assert (head.X.names, head.weights[5]) == (("city",), 5.0)
