"""Every picture: its numbers are in it, Vega-Lite draws it, Altair takes it."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable

import numpy as np
import pytest

from nacre.errors import MissingExtra
from nacre.evaluate.contingency import Contingency, tabled
from nacre.kinds import Array
from nacre.plot.centres import centres
from nacre.plot.contingency import MOST_LABELS, confusion, contingency
from nacre.plot.curve import gaps
from nacre.plot.folds import by_fold
from nacre.plot.losses import Pass, losses
from nacre.plot.picture import Picture
from nacre.plot.plane import EDGE, LABEL, binned, projection
from nacre.plot.profile import profile
from nacre.plot.ranking import MOST_POINTS, precision_recall, roc
from nacre.plot.silhouettes import MOST, silhouettes
from nacre.plot.sizes import sizes
from nacre.plot.stability import recovered
from nacre.plot.theme import DARK, LIGHT, Theme
from nacre.plot.words import Feature

NAMES = ["Small & round", "Large", "Lost"]
FEATURES = [Feature("x", "first measure"), Feature("y")]


def rows() -> tuple[Array, Array]:
    """Three clusters; the third has no second measure."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [50, 300, 20])
    X = rng.normal(labels[:, None] * 5.0, 1.0, (370, 2))
    X[labels == 2, 1] = np.nan
    return X, labels


def of_sizes() -> Picture:
    return sizes(profile([rows()], k=3), NAMES)


def of_centres() -> Picture:
    return centres(profile([rows()], k=3), FEATURES, NAMES)


def of_projection() -> Picture:
    X, labels = rows()
    return projection(np.nan_to_num(X), labels, NAMES, ("across", "up"))


def of_losses() -> Picture:
    passes = [Pass("first looks", 100, None), Pass("moving", 100, 3.0), Pass("moving", 370, 2.0)]
    return losses(passes, "error")


def of_gaps() -> Picture:
    return gaps(np.arange(1, 8), np.array([0.0, 0.2, 0.9, 0.8, 0.7, 0.7, 0.6]), 3)


def of_recovered() -> Picture:
    drawn = np.random.default_rng(3).random((4, 3))
    return recovered(NAMES, drawn, stable=0.75, doubtful=0.6)


def of_folds() -> Picture:
    scores = np.array([2.0, np.nan, 2.25])
    return by_fold(scores, np.array([40, 42, 38]), "silhouette", "higher")


def table(k: int = 4) -> Contingency:
    """Labels that were found one too high for a quarter of the rows."""
    true = np.arange(60 * k) % k
    return tabled((true + (np.arange(60 * k) % 4 == 0)) % k, true, np.ones(60 * k))


def of_contingency() -> Picture:
    return contingency(table())


def of_confusion() -> Picture:
    return confusion((*range(4), 9), table())


def of_roc() -> Picture:
    fpr = np.linspace(0, 1, 3_000)
    return roc(fpr, np.sqrt(fpr), 2 / 3)


def of_precision_recall() -> Picture:
    recall = np.linspace(1, 0, 50)
    return precision_recall(1 - recall / 2, recall, 0.75, 0.5)


def of_silhouettes() -> Picture:
    values = np.random.default_rng(4).uniform(-0.2, 1.0, 90)
    means = np.array([0.5, np.nan, 0.3])
    return silhouettes(NAMES, np.arange(90) % 2 * 2, values, np.ones(90), means, 0.4)


PICTURES = [
    of_silhouettes,
    of_sizes,
    of_centres,
    of_projection,
    of_losses,
    of_gaps,
    of_recovered,
    of_folds,
    of_contingency,
    of_confusion,
    of_roc,
    of_precision_recall,
]


@pytest.mark.parametrize("made", PICTURES)
def test_the_chart_holds_the_numbers(made: Callable[[], Picture]) -> None:
    picture = made()
    values = picture.spec["data"]["values"]
    assert len({len(column) for column in picture.data.values()} | {len(values)}) == 1
    for name, column in picture.data.items():
        for given, value in zip(column, values, strict=True):
            missing = isinstance(given, float) and math.isnan(given)
            assert value[name] is None if missing else value[name] == given
    assert json.loads(json.dumps(picture.spec, allow_nan=False)) == picture.spec


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("made", PICTURES)
def test_vega_lite_draws_it(made: Callable[[], Picture], theme: Theme) -> None:
    import vl_convert

    drawn = vl_convert.vegalite_to_svg({**made().spec, "width": 600, "config": theme.config})
    assert "NaN" not in drawn
    assert len(re.findall("<path|<text", drawn)) > 10


@pytest.mark.parametrize("made", PICTURES)
def test_altair_takes_it(made: Callable[[], Picture]) -> None:
    picture = made()
    chart = picture.chart.to_dict()  # validates
    assert len(chart["layer"]) == len(picture.spec["layer"])
    assert "vega" in str(picture._repr_mimebundle_())


def test_without_altair_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'nacre[plot]'")):
        _ = of_sizes().chart


def test_bars_stand_by_size() -> None:
    picture = of_sizes()
    assert list(picture.data["name"]) == ["Large", "Small & round", "Lost"]
    assert picture.data["rows"].tolist() == [300, 50, 20]
    assert "Large 81.1%" in picture.says


def test_a_mean_that_is_not_there_is_an_empty_cell() -> None:
    cells = {(v["name"], v["feature"]): v for v in of_centres().spec["data"]["values"]}
    assert cells["Lost", "y"]["deviation"] is None
    assert cells["Lost", "y"]["text"] == "none"
    assert cells["Lost", "first measure"]["deviation"] > 1


def test_bins_count_every_row_of_the_frame_once() -> None:
    rng = np.random.default_rng(1)
    points, labels = rng.standard_t(2, (5000, 2)), rng.integers(0, 4, 5000)
    bins = binned(points, labels, 4)
    assert bins.counts.sum() + bins.n_outside == 5000
    assert 0 < bins.n_outside <= 5000 * 4 * EDGE
    assert bins.counts.sum(axis=1).min() > 0


@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.array([[0.0, 1.0]] * 3), np.eye(3)[:, :2]])
def test_few_or_equal_points_have_a_plane_too(points: Array) -> None:
    labels = np.array([0, 1, -1])
    assert binned(points, labels, 2).counts.sum() == 2
    assert projection(points, labels, ["a", "b"]).data["rows"].sum() == 2


def test_names_on_the_plane_do_not_lie_upon_each_other() -> None:
    rng = np.random.default_rng(2)
    points, labels = rng.normal(size=(4000, 2)), rng.integers(0, 6, 4000)
    picture = projection(points, labels, [f"cluster {j}" for j in range(6)])
    places = [(v["x"], v["y"]) for v in picture.spec["layer"][1]["data"]["values"]]
    width, height = binned(points, labels, 6).width * np.array(LABEL)
    for at, (x, y) in enumerate(places):
        for other_x, other_y in places[:at]:
            assert abs(x - other_x) >= width or abs(y - other_y) >= height * 0.999


def test_passes_are_told_by_what_they_looked_at() -> None:
    picture = of_losses()
    assert list(picture.data["looked_at"]) == ["a part of the rows"] * 2 + ["all rows"]
    assert picture.says == "A line of the error in each of 3 passes, from 3 to 2."
    assert losses([]).data["pass"].tolist() == []


def test_the_lightest_of_many_labels_are_one() -> None:
    for picture in (contingency(table(30)), confusion(range(30), table(30))):
        for side in ("row", "column"):
            names = list(dict.fromkeys(picture.data[side]))
            assert len(names) == MOST_LABELS
            assert names[-1] == "others"
        assert picture.data["weight"].sum() == 60 * 30
        shares = picture.data["share"].reshape(MOST_LABELS, -1)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_found_labels_stand_below_the_known_ones_that_they_hold() -> None:
    known = np.array(["b", "b", "b", "a"], object)
    picture = contingency(tabled(np.array([7, 7, 7, 3]), known, np.ones(4)))
    assert [(r, c) for r, c, w in zip(*list(picture.data.values())[:3], strict=True) if w] == [
        ("7", "b"),
        ("3", "a"),
    ]


def test_labels_that_read_alike_are_told_apart() -> None:
    labels = np.array(["a b", "a  b", " "], object)
    picture = contingency(tabled(np.arange(3), labels, np.ones(3)))
    assert set(picture.data["column"]) == {"a b", "a b (2)", "(blank)"}


def test_labels_that_have_a_number_already_are_told_apart_too() -> None:
    labels = np.array(["a", "a ", "a (2)", "a\x00", "a\x01"], object)
    picture = contingency(tabled(np.arange(5), labels, np.ones(5)))
    assert len(set(picture.data["column"])) == 5
    assert all(name.isprintable() for name in picture.data["column"])


@pytest.mark.parametrize("scores", [[1.0, math.inf], [-math.inf, math.nan], [math.nan]])
def test_folds_without_a_finite_score(scores: list[float]) -> None:
    picture = by_fold(np.array(scores), np.ones(len(scores)), "loss", "lower")
    json.dumps(picture.spec, allow_nan=False)
    assert ("none of them defined" in picture.says) == (scores[0] != 1.0)


def test_many_clusters_of_which_nobody_knows_the_silhouettes() -> None:
    k, none = MOST + 5, np.zeros(0)
    names = list(map(str, range(k)))
    picture = silhouettes(names, none.astype(int), none, none, np.full(k, np.nan), math.nan)
    assert len(set(picture.data["name"])) == MOST
    json.dumps(picture.spec, allow_nan=False)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    data = of_roc().data
    assert len(data["fpr"]) <= MOST_POINTS
    assert (data["fpr"][0], data["fpr"][-1], data["tpr"][-1]) == (0.0, 1.0, 1.0)
    steps = np.abs(np.diff(data["fpr"])) + np.abs(np.diff(data["tpr"]))
    assert steps.max() < 0.02  # the first one of all points is 0.0186


def test_of_many_clusters_the_lowest_silhouettes_are_drawn() -> None:
    k = MOST + 20
    means = np.where(np.arange(k) % 5 == 0, np.nan, np.linspace(1, 0, k))
    picture = silhouettes(list(map(str, range(k))), np.arange(k), means, np.ones(k), means, 0.5)
    assert "the 30 lowest of 50 clusters" in picture.says
    assert picture.data["name"][-1] == "49"
    assert not np.isnan(picture.data["mean"]).any()


def test_bars_of_silhouettes_are_means_of_equal_parts() -> None:
    values, weights = np.array([0.5, 1.0]), np.array([3.0, 1.0])
    found = silhouettes(["a"], np.zeros(2, int), values, weights, np.array([0.6]), 0.6)
    assert found.data["silhouette"].tolist() == [1.0] * 4 + [0.5] * 12
