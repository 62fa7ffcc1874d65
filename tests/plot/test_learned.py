"""`learner.plot()`: a picture where a learner has one, and a clear word where it has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import nacre
from nacre import errors
from nacre.contract import Array
from nacre.plot.distribution import N_BARS, histogram
from nacre.plot.learned import PICTURES
from nacre.plot.picture import Picture
from nacre.plot.theme import LIGHT

COLUMNS = ["length", "width", "height"]


def rows(n: int = 600) -> Array:
    """(n, 3): three groups along the first column, a long tail in the second."""
    draw = np.random.default_rng(0)
    X = np.exp(draw.normal(size=(n, 3)))
    X[:, 0] += 20 * (np.arange(n) % 3)
    return X


def frame() -> Any:
    import pandas as pd

    return pd.DataFrame(rows(), columns=COLUMNS)


def of_kmeans() -> Picture:
    return nacre.KMeans(3).fit(frame()).plot()  # type: ignore[no-any-return]


def of_rows() -> Picture:
    return nacre.KMeans(3).fit(frame()).plot(data=frame())  # type: ignore[no-any-return]


def of_pca() -> Picture:
    return nacre.chain(nacre.Scale(), nacre.PCA()).fit(frame()).plot()  # type: ignore[no-any-return]


def of_one_component() -> Picture:
    return nacre.PCA(1).fit(frame()).plot()  # type: ignore[no-any-return]


def of_histogram() -> Picture:
    return nacre.Histogram().fit(frame()).plot(column="width")  # type: ignore[no-any-return]


def of_quantiles() -> Picture:
    return nacre.Quantiles((0.9, 0.1, 0.5)).fit(frame()).plot(column=-1)  # type: ignore[no-any-return]


MADE = [of_kmeans, of_rows, of_pca, of_one_component, of_histogram, of_quantiles]


@pytest.mark.parametrize("made", MADE)
def test_vega_lite_draws_it_and_altair_takes_it(made: Callable[[], Picture]) -> None:
    import vl_convert

    picture = made()
    assert json.loads(json.dumps(picture.spec, allow_nan=False)) == picture.spec
    picture.chart.to_dict()  # validates
    drawn = vl_convert.vegalite_to_svg({**picture.spec, "width": 600, "config": LIGHT.config})
    assert "NaN" not in drawn
    assert drawn.count("<path") > 5
    assert picture.says.endswith(".")
    assert len({len(column) for column in picture.data.values()}) == 1


def test_clusters_are_shown_by_size() -> None:
    km = nacre.KMeans(3).fit(rows(), sample_weight=np.arange(600) % 3 + 1.0)
    picture = km.plot()
    assert picture.data["rows"].tolist() == sorted(km.state_.told.weights.tolist(), reverse=True)
    assert sum(picture.data["share"]) == pytest.approx(1)


@pytest.mark.parametrize("chained", [False, True])
def test_of_rows_it_shows_what_sets_clusters_apart(chained: bool, tmp_path: Path) -> None:
    """In the columns of the data, whatever a chain made of them; from files as from memory."""
    km = nacre.KMeans(3)
    learner: Any = nacre.chain(nacre.Scale(), nacre.PCA(2), km) if chained else km
    learner.fit(frame())
    picture = learner.plot(data=frame())
    cells = {(v["cluster"], v["feature"]): v for v in picture.spec["data"]["values"]}
    assert len(cells) == 9
    for (cluster, name), cell in cells.items():
        want = frame()[name][learner.labels_ == cluster].mean()
        assert cell["mean"] == pytest.approx(want)
    frame().to_parquet(tmp_path / "rows.parquet")
    again = learner.plot(data=tmp_path / "rows.parquet")
    np.testing.assert_allclose(again.data["mean"], picture.data["mean"])


def test_gaps_count_nowhere() -> None:
    X = rows()
    X[::5, 1] = np.nan
    learner = nacre.chain(nacre.Impute(), nacre.KMeans(2)).fit(X)
    picture = learner.plot(data=X)
    assert np.nanmax(picture.data["mean_of_all"]) == pytest.approx(np.nanmean(X, axis=0).max())


def test_components_add_up() -> None:
    data = of_pca().data
    assert data["together"][-1] == pytest.approx(1)
    assert data["component"].tolist() == [1, 2, 3]
    (share,) = of_one_component().data["share"]
    assert of_one_component().says.endswith(f"together {share:.1%}.")


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80),
)
def test_bars_hold_what_lies_in_them(values: list[float]) -> None:
    X = np.array(values)[:, None]
    found = nacre.Histogram().fit(X)
    picture = found.plot()
    assert len(picture.data["share"]) in (1, N_BARS)
    low, high = picture.data["low"][0], picture.data["high"][-1]
    assert low <= high
    assert picture.data["share"].min() >= 0
    assert 0.99 - 1e-9 <= picture.data["share"].sum() <= 1 + 1e-9


def test_a_bucket_lies_evenly_in_its_bars() -> None:
    ends = np.array([0.0]), np.array([48.0])
    picture = histogram("x", *ends, np.array([2.0]))
    np.testing.assert_allclose(picture.data["share"], 1 / 48)
    assert picture.says == "A histogram of x from 0 to 48; 0.0% of the rows lie outside."


def test_one_number_has_one_bar() -> None:
    picture = nacre.Histogram().fit(np.full((5, 1), 3.0)).plot()
    assert picture.data["low"].tolist() == [2.5]
    assert picture.data["share"].tolist() == [1.0]


def test_a_column_is_named_or_the_first() -> None:
    found = nacre.Histogram().fit(frame())
    assert found.plot().title == found.plot(column="length").title == found.plot(column=0).title
    assert found.plot(column=-1).title == "The distribution of height"
    assert nacre.Histogram().fit(rows()).plot(column=1).title == "The distribution of x1"
    odd: Any = ("depth", 3, -4, 1.0, True, ["length"])
    for wrong in odd:
        with pytest.raises(errors.BadParameter, match="column="):
            found.plot(column=wrong)
    empty = nacre.Histogram().fit(np.full((3, 1), np.nan))
    with pytest.raises(errors.BadParameter, match="no number"):
        empty.plot()


@pytest.mark.parametrize(
    "learner",
    [nacre.Scale(), nacre.Moments(), nacre.Sample(5), nacre.chain(nacre.PCA(1), nacre.Scale())],
    ids=repr,
)
def test_a_learner_without_a_picture_says_who_has_one(learner: Any) -> None:
    with pytest.raises(errors.BadParameter, match=", ".join(PICTURES)):
        learner.fit(rows()).plot()


@pytest.mark.parametrize(
    ("learner", "option"),
    [
        (nacre.KMeans(2), {"column": 0}),
        (nacre.PCA(2), {"data": rows()}),
        (nacre.PCA(2), {"column": 1}),
        (nacre.Histogram(), {"data": rows()}),
    ],
    ids=repr,
)
def test_an_option_of_no_use_is_refused(learner: Any, option: Any) -> None:
    with pytest.raises(errors.BadParameter, match=r"plot\("):
        learner.fit(rows()).plot(**option)


def test_sparse_rows_are_asked_for_densely() -> None:
    from scipy.sparse import csr_array

    X = csr_array(rows())
    with pytest.raises(errors.BadParameter, match="toarray"):
        nacre.KMeans(2).fit(X).plot(data=X)


def test_columns_that_are_no_numbers_have_no_average() -> None:
    import pandas as pd

    texts = pd.DataFrame({"kind": ["a", "b", "c"] * 30, "size": np.arange(90.0)})
    learner = nacre.chain(nacre.OneHot(), nacre.KMeans(2)).fit(texts)
    assert learner.plot().title == "How big they are"
    with pytest.raises(errors.BadParameter, match="not all numbers"):
        learner.plot(data=texts)


@pytest.mark.parametrize("learner", [nacre.Histogram(), nacre.Quantiles()], ids=repr)
def test_any_name_of_a_column_can_be_drawn(learner: Any) -> None:
    import pandas as pd
    import vl_convert

    odd = ["\u2028x\x00\u202e", "a'b\"c\\d", "datum['x']", "{{x}}</script>"]
    learner.fit(pd.DataFrame(rows()[:, [0, 1, 2, 0]], columns=odd))
    for name in odd:
        spec = {**learner.plot(column=name).spec, "width": 300, "config": LIGHT.config}
        assert vl_convert.vegalite_to_svg(spec).isprintable()


def test_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        nacre.KMeans(2).plot()
