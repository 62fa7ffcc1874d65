"""OneHot: each category a column, as scikit-learn makes them; rare ones share one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

import nacre
from nacre import KMeans, OneHot, chain
from nacre.errors import BadInput, BadParameter, BadType
from nacre.learn.prepare import onehot

CITIES = ("Rome", "Oslo", "Bonn", None)
ROWS = st.lists(st.tuples(*(st.sampled_from(CITIES[:n]) for n in (3, 4))), min_size=1, max_size=30)


@settings(max_examples=15)
@given(rows=ROWS)
def test_texts_as_scikit_learn_encodes_them(rows: list[tuple[str | None, ...]]) -> None:
    X = np.array([("Rome", "Rome"), *rows], object)
    ours, theirs = OneHot().fit(X), OneHotEncoder(sparse_output=False).fit(X)
    np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))
    assert ours.categories_ == [list(found) for found in theirs.categories_]
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


@given(
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    least=st.integers(1, 9),
    most=st.none() | st.integers(1, 6),
    unknown=st.sampled_from(["error", "other"]),
)
def test_rare_categories_share_a_column(
    weights: list[int], least: int, most: int | None, unknown: str
) -> None:
    learner: Any = OneHot(min_count=least, max_categories=most, unknown=unknown)
    values = tuple(f"c{at}" for at in range(len(weights)))
    kept, rare = learner._chosen(values, np.array(weights, float))
    weight = dict(zip(values, weights, strict=True))
    assert sorted(kept + rare) == list(values)
    assert (sorted(kept), sorted(rare)) == (list(kept), list(rare))
    assert min((weight[value] for value in kept), default=9) >= least
    heaviest = sorted((value for value in rare if weight[value] >= least), key=weight.__getitem__)
    assert not heaviest or weight[heaviest[-1]] <= min(map(weight.__getitem__, kept), default=9)
    width = len(kept) + (bool(rare) or unknown == "other")
    assert most is None or width <= most
    if heaviest:  # left out for the width alone: with one more it would be too wide
        assert width == most


def test_what_is_rare_in_the_rows() -> None:
    rows = [["a"]] * 3 + [["b"]] * 2 + [["c"]]
    fitted = OneHot(max_categories=2).fit(rows)
    assert (fitted.categories_, fitted.rare_) == ([["a"]], [["b", "c"]])
    assert fitted.transform([["b"], ["a"]]).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert fitted.get_feature_names_out().tolist() == ["x0_a", "x0_other"]


def frame(n: int = 600) -> Any:
    draw = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "x": draw.normal(size=n),
            "city": pd.Categorical(draw.choice(["Oslo", "Rome"], n)),
            "late": draw.random(n) < 0.5,
        }
    )


def test_other_columns_stay_where_they_are(tmp_path: Path) -> None:
    rows = frame()
    rows.to_parquet(tmp_path / "rows.parquet")
    fitted = OneHot().fit(rows)
    want = np.column_stack([rows.x, rows.city == "Oslo", rows.city == "Rome", rows.late])
    np.testing.assert_array_equal(fitted.transform(rows), want)
    names = ["x", "city_Oslo", "city_Rome", "late"]
    assert fitted.get_feature_names_out().tolist() == names
    assert fitted.set_output(transform="pandas").transform(rows).columns.tolist() == names
    later = OneHot().fit(tmp_path / "rows.parquet", engine="processes:2")
    np.testing.assert_array_equal(
        later.transform(nacre.read(tmp_path / "rows.parquet")), want.astype(np.float32)
    )
    whole = OneHot(columns=["late", "city"]).fit(rows)
    assert whole.get_feature_names_out().tolist() == [*names[:3], "late_0", "late_1"]


def test_in_an_array_of_numbers_all_columns_are_encoded() -> None:
    X = np.array([[1.0, 2.5], [-0.0, 2.5], [0.0, 3.0]])
    fitted = OneHot().fit(X)
    assert fitted.get_feature_names_out().tolist() == ["x0_0", "x0_1", "x1_2.5", "x1_3"]
    assert OneHot(columns=[-1]).fit_transform(X).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("unknown", "want"), [("ignore", [0.0, 0.0]), ("other", [0.0, 0.0, 1.0])], ids=str
)
def test_unknown_categories(unknown: str, want: list[float]) -> None:
    known = [["a"], ["b"]]
    assert OneHot(unknown=unknown).fit(known).transform([["c"]]).tolist() == [want]
    with pytest.raises(BadInput, match="got 'c' in column 'x0'; wanted one of the 2 categories"):
        OneHot().fit(known).transform([["c"]])


def test_a_weight_is_a_count_and_0_is_none() -> None:
    rows, weight = [["a"], ["b"], ["c"]], [2.0, 1.0, 0.0]
    fitted = OneHot(min_count=2).fit(rows, sample_weight=weight)
    assert (fitted.categories_, fitted.rare_) == ([["a"]], [["b"]])


def test_later_rows_bring_new_categories() -> None:
    fitted = OneHot(unknown="other", min_count=2).fit([["a"], ["a"], ["b"]])
    fitted.partial_fit([["b"], ["c"]])
    whole = OneHot(unknown="other", min_count=2).fit([["a"], ["a"], ["b"], ["b"], ["c"]])
    assert fitted.categories_ == whole.categories_ == [["a", "b"]]
    assert fitted.transform([["d"]]).tolist() == [[0.0, 0.0, 1.0]]


def test_in_a_chain_a_stage_stands_still(tmp_path: Path) -> None:
    rows = frame()
    fitted = chain(OneHot(), KMeans(2, random_state=0)).fit(rows)
    fitted.save(tmp_path / "model")
    np.testing.assert_array_equal(nacre.load(tmp_path / "model").predict(rows), fitted.labels_)
    with pytest.raises(BadInput, match="got 'Bonn' in column 'city'"):
        fitted.predict(rows.assign(city="Bonn"))


def test_too_many_categories_name_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        BadInput, match=r"got 2002 columns, 2001 of them from 'x1'.*nacre[.]Hashing"
    ):
        OneHot().fit([["a", str(i)] for i in range(2001)])
    assert OneHot(max_categories=3).fit([[str(i)] for i in range(2001)])._n_features_out == 3
    monkeypatch.setattr(onehot, "MOST_SEEN", 9_000)
    many = pa.table({"city": [f"c{i}" for i in range(10_000)]})
    for shard_rows in (100_000, 5_000):  # found within a shard, and where shards are joined
        with pytest.raises(BadInput, match=r"more than 9000 categories in column 'city'.*Hashing"):
            OneHot().fit(nacre.read(many, shard_rows=shard_rows))


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": "city"},
        {"columns": []},
        {"columns": ["a", "a"]},
        {"columns": ["a", 1]},
        {"min_count": 0},
        {"max_categories": 0},
        {"unknown": "drop"},
    ],
    ids=str,
)
def test_hyper_parameters_outside_their_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match=next(iter(wrong))):
        OneHot(**wrong).fit([["a"]])


def test_columns_that_are_not_there() -> None:
    with pytest.raises(BadParameter, match=r"no 'town'.*names of"):
        OneHot(columns=["town"]).fit(frame())
    with pytest.raises(BadParameter, match="positions from 0 to 0"):
        OneHot(columns=[1]).fit(np.ones((2, 1)))
    with pytest.raises(BadType, match=r"column 'x1' of type.*numbers, as before"):
        OneHot().fit([["a", 1.0]]).transform([["a", "b"]])


def test_nan_in_a_column_that_stays(tmp_path: Path) -> None:
    rows = pa.table({"city": ["a", None], "x": [1.0, np.nan]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    with pytest.raises(BadInput, match="NaN in row 1, column 'x'"):
        OneHot().fit(tmp_path / "rows.parquet")
    assert OneHot().fit(rows.select(["city"])).categories_ == [["a", None]]


def test_no_two_columns_have_one_name() -> None:
    rows = pd.DataFrame({"c": ["other", "other", "a", None, "None"]})
    encode = OneHot(min_count=2).fit(rows)
    assert list(encode.get_feature_names_out()) == ["c_other", "c_other_2"]
    assert list(OneHot().fit(rows).get_feature_names_out()) == [
        "c_None",
        "c_a",
        "c_other",
        "c_None_2",
    ]


def test_positions_as_numpy_has_them() -> None:
    X = np.array([[1.0, 2.0], [3.0, 2.0]])
    plain, numpys = OneHot(columns=[1]).fit(X), OneHot(columns=np.array([1])).fit(X)
    assert numpys.state_.digest == plain.state_.digest


def test_numbers_that_float32_cannot_tell_apart(tmp_path: Path) -> None:
    file = tmp_path / "ids.parquet"
    pq.write_table(pa.table({"id": [20_000_000, 20_000_001, 20_000_001]}), file)
    data = nacre.read(str(file), dtype="float32")
    encode = OneHot(columns=["id"]).fit(data)
    assert encode.categories_ == [[20_000_000, 20_000_001]]
    np.testing.assert_array_equal(encode.transform(data), [[1, 0], [0, 1], [0, 1]])
