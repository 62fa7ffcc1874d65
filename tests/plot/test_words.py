"""Clusters in words: names that differ, sentences that hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nacre.plot.profile import Profile, profile
from nacre.plot.words import FAR, NAMED, TOLD, Apart, Feature, described

TALL = Feature(
    "h",
    "height",
    lambda cm: f"{cm:.0f} cm",
    lambda cm: f"stands {cm:.0f} cm tall",
    high=("tall", "gigantic"),
    low=("small",),
)
PLAIN = Feature("width")


def of(*rows: tuple[int, float, float]) -> Profile:
    """The profile of rows (cluster, height, width)."""
    table = np.array(rows)
    labels = table[:, 0].astype(int)
    return profile([(table[:, 1:], labels)], k=int(labels.max()) + 1)


def test_a_cluster_is_told_by_what_sets_it_apart() -> None:
    small, tall = described(of((0, 150, 5), (0, 150, 5), (1, 190, 5)), [TALL, PLAIN])
    assert (small.name, tall.name) == ("small", "tall")
    assert tall.apart == (Apart("stands 190 cm tall", "the average is 163 cm"),)
    assert str(tall.apart[0]) == "stands 190 cm tall (the average is 163 cm)"


def test_what_is_very_far_has_a_word_of_its_own() -> None:
    rows = [(0, 170.0, 5.0)] * 40 + [(1, 400.0, 5.0)]
    assert described(of(*rows), [TALL, PLAIN])[1].name == "gigantic"


def test_a_column_without_words_is_called_by_its_name() -> None:
    narrow, wide = described(of((0, 170, 1), (1, 170, 1234.5)), [TALL, PLAIN])
    assert (narrow.name, wide.name) == ("low width", "high width")
    assert wide.apart[0] == Apart("width is 1,234", "the average is 617.8")


def test_the_largest_deviation_comes_first_and_small_ones_are_not_told() -> None:
    rows = [(0, 170.0, 5.0)] * 9 + [(1, 173.0, 50.0)]
    (told, _) = described(of(*rows), [TALL, PLAIN])
    assert told.apart[0].says == "stands 170 cm tall"
    (only,) = described(of((0, 170, 5), (0, 180, 6)), [TALL, PLAIN])
    assert only.name == "average"
    assert len(only.apart) == 1


def test_what_has_no_value_is_said() -> None:
    nan = float("nan")
    rows = [(0, 170.0, 5.0), (0, 180.0, 5.0), (1, nan, 9.0), (2, nan, nan)]
    _, wide, empty = described(of(*rows), [TALL, PLAIN])
    assert wide.lacks == ("height",)
    assert empty.lacks == ("height", "width")
    assert (empty.name, empty.apart) == ("empty", ())


@given(
    st.integers(1, 12).flatmap(
        lambda k: st.lists(
            st.tuples(*(st.sampled_from([-4.0, -1.0, 0.0, 0.5, 1.0, 4.0, np.nan]),) * 2),
            min_size=k,
            max_size=k,
        )
    )
)
def test_no_two_clusters_have_one_name(means: list[tuple[float, float]]) -> None:
    rows = [(j, *mean) for j, mean in enumerate(means)]
    features = [TALL, Feature("tall 1", high=("tall", "tall 1"))]
    found = described(of(*rows), features)
    assert len({one.name for one in found}) == len(means)


def test_the_average_may_be_said_in_other_words() -> None:
    feature = Feature("delay", average=lambda value: f"{abs(value):.0f} min early")
    assert feature.apart(5.0, -7.0) == Apart("delay is 5", "the average is 7 min early")


def test_words_grow_stronger() -> None:
    assert TOLD < NAMED < FAR
