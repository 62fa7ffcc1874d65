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
from nacre.kinds import Array
from nacre.plot.centres import centres
from nacre.plot.curve import gaps
from nacre.plot.losses import Pass, losses
from nacre.plot.picture import Picture
from nacre.plot.plane import EDGE, LABEL, binned, projection
from nacre.plot.profile import profile
from nacre.plot.sizes import sizes
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


PICTURES = [of_sizes, of_centres, of_projection, of_losses, of_gaps]


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
