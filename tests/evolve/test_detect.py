"""Detectors: few alarms where nothing moves, soon one where it jumps; and old porting bugs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Array
from nacre.errors import BadInput, BadParameter
from nacre.evolve.detect import (
    ACT,
    PER_LEVEL,
    WATCH,
    Adwin,
    PageHinkley,
    Reading,
    drift,
    equal_mass,
    stability,
)
from nacre.learn.count.histogram import Histogram, column_of

N_SERIES, N_BATCHES, N_ROWS = 60, 120, 50
batches = st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=5), min_size=1, max_size=70)


def readings(rows: Sequence[Any] | Array) -> list[Reading]:
    """Of batches of rows."""
    told = [np.asarray(one, float) for one in rows]
    return [
        Reading(at, len(one), float(one.mean()), float(((one - one.mean()) ** 2).sum()))
        for at, one in enumerate(told)
    ]


def fed(found: Adwin, some: Sequence[Reading]) -> Adwin:
    for one in some:
        found = found.after(one)
    return found


def series(seed: int, jump: float = 0.0, heavy: bool = False) -> Array:
    """(batches, rows): standing still, or from the middle on higher by `jump` deviations."""
    draw = np.random.default_rng(seed)
    shape = (N_BATCHES, N_ROWS)
    X = draw.standard_t(5, shape) / math.sqrt(5 / 3) if heavy else draw.normal(size=shape)
    X[N_BATCHES // 2 :] += jump
    return np.asarray(1e4 + 30 * X)


class TestAdwin:
    @pytest.mark.parametrize("heavy", [False, True])
    def test_at_most_one_in_twenty_still_series_is_cut(self, heavy: bool) -> None:
        cut = [
            fed(Adwin(), readings(series(seed, heavy=heavy))).since is not None
            for seed in range(N_SERIES)
        ]
        assert sum(cut) <= N_SERIES / 20

    def test_a_jump_of_half_a_deviation_is_found_within_five_batches(self) -> None:
        half = N_BATCHES // 2
        for seed in range(10):
            some = readings(series(seed, jump=0.5))
            before = fed(Adwin(), some[:half])
            after = fed(before, some[half : half + 5])
            assert before.since is None
            assert after.since is not None
            assert abs(after.since - half) <= 5
            window = fed(after, some[half + 5 :]).window
            assert window is not None
            assert window.n <= (half + 5) * N_ROWS, "what was before is gone"
            assert window.mean == pytest.approx(1e4 + 15, abs=3)

    @given(batches)
    def test_buckets_say_what_all_rows_in_them_say(self, rows: list[list[float]]) -> None:
        found = fed(Adwin(delta=1e-300), readings(rows))  # never cut by so little
        buckets, n = found.buckets, 0
        assert [len(level) <= PER_LEVEL for level in found.levels]
        assert [bucket.at for bucket in buckets] == sorted(bucket.at for bucket in buckets)
        for bucket, then in zip(buckets, [*buckets[1:], None], strict=True):
            stop = then.at if then else len(rows)
            inside = np.concatenate(rows[bucket.at : stop])
            n += len(inside)
            assert bucket.n == len(inside)
            assert bucket.mean == pytest.approx(inside.mean(), abs=1e-9)
            assert bucket.m2 == pytest.approx(((inside - inside.mean()) ** 2).sum(), abs=1e-6)
        assert n == sum(map(len, rows))

    @given(batches, st.floats(0.001, 0.5))
    def test_no_border_is_left_out(self, rows: list[list[float]], delta: float) -> None:
        found = Adwin(delta=delta)
        for one in readings(rows):
            found = found.after(one)
            assert not any(_differs(found, at) for at in range(1, len(found.buckets)))

    @given(st.sampled_from([1e-6, 3.0, 1e9]), st.floats(-1e3, 1e3))
    def test_units_do_not_matter(self, scale: float, origin: float) -> None:
        X = (series(1, jump=1.0) - 1e4) / 30
        one, other = (fed(Adwin(), readings(rows)) for rows in (X, (X + origin) * scale))
        assert one.since == other.since is not None

    def test_numbers_that_never_change_are_never_cut(self) -> None:
        assert fed(Adwin(), [Reading(at, 1, 7.0) for at in range(50)]).since is None

    @pytest.mark.parametrize("bad", [(0, 1.0, 0.0), (1, math.nan, 0.0), (1, 1.0, -1.0)])
    def test_what_is_no_reading(self, bad: tuple[float, float, float]) -> None:
        with pytest.raises(BadInput):
            Adwin().after(Reading(0, *bad))


def _differs(found: Adwin, at: int) -> bool:
    """Whether the means on both sides of a border differ beyond chance, worked out anew."""
    old, new = found.buckets[:at], found.buckets[at:]
    n0, n1 = (sum(b.n for b in side) for side in (old, new))
    mu0, mu1 = (sum(b.n * b.mean for b in side) / n for side, n in ((old, n0), (new, n1)))
    n, mu = n0 + n1, (n0 * mu0 + n1 * mu1) / (n0 + n1)
    v = sum(b.m2 + b.n * (b.mean - mu) ** 2 for b in found.buckets) / n
    m, logs = 1 / n0 + 1 / n1, math.log(2 * math.log(max(n, 3)) / found.delta)
    limit = math.sqrt(2 * m * v * logs) + 2 / 3 * m * logs * math.sqrt(v)
    return v > 1e-9 and abs(mu0 - mu1) > limit * (1 + 1e-6)


def alarms(xs: Sequence[float] | Array) -> list[tuple[int, str, int | None]]:
    found = PageHinkley()
    told: list[tuple[int, str, int | None]] = []
    for at, x in enumerate(xs):
        found = found.after(at, float(x))
        if found.alarm:
            told.append((at, found.alarm, found.since))
    return told


class TestPageHinkley:
    def test_at_most_one_in_twenty_still_series_of_200_raises_an_alarm(self) -> None:
        draw = np.random.default_rng(2)
        assert sum(bool(alarms(draw.normal(size=200))) for _ in range(100)) <= 5

    @pytest.mark.parametrize("way", [1.0, -1.0])
    def test_a_jump_of_two_deviations_is_found_within_fifteen_batches(self, way: float) -> None:
        for seed in range(20):
            xs = np.random.default_rng(seed).normal(size=160)
            xs[100:] += 2 * way
            found = [alarm for alarm in alarms(xs) if alarm[0] >= 100]
            at, side, since = found[0]
            assert at < 115
            assert side == ("up" if way > 0 else "down")
            assert since is not None
            assert abs(since - 100) <= 10
            assert len(found) == 1, "it begins anew after an alarm"

    @given(st.sampled_from([1e-9, 4.0, 1e9]))
    def test_units_do_not_matter_and_both_sides_are_alike(self, scale: float) -> None:
        xs = np.random.default_rng(3).normal(size=120)
        xs[70:] += 3
        told = alarms(xs)
        assert alarms(scale * xs) == told
        assert [at for at, _, _ in alarms(-xs)] == [at for at, _, _ in told]

    def test_what_stood_exactly_still_and_moves(self) -> None:
        assert alarms([5.0] * 50) == []
        assert alarms([5.0] * 50 + [5.1])[0][:2] == (50, "up")

    def test_a_number_that_is_none(self) -> None:
        with pytest.raises(BadInput):
            PageHinkley().after(0, math.inf)


class TestStability:
    def test_rows_that_stand_still_are_below_watch(self) -> None:
        draw = np.random.default_rng(4)
        found = [
            stability(draw.multinomial(500, [0.1] * 10), draw.multinomial(500, [0.1] * 10))
            for _ in range(300)
        ]
        assert np.mean(found) < 0.01
        assert max(found) < WATCH

    def test_of_histograms_that_add_up(self) -> None:
        draw = np.random.default_rng(5)
        parts = [draw.normal(10, 2, (400, 1)) for _ in range(4)]
        told = [_buckets(rows) for rows in (np.concatenate(parts), parts[0], parts[1] + 2)]
        still, moved = (stability(*equal_mass(told[0], now)) for now in told[1:])
        assert still < WATCH
        assert moved > ACT
        ten, _ = equal_mass(told[0], told[1])
        assert ten.sum() == 1600
        assert len(ten) == 10
        assert ten.min() > 100

    @given(st.lists(st.integers(0, 50), min_size=3, max_size=3))
    def test_never_below_nothing(self, counts: list[int]) -> None:
        other = [9, 0, 3]
        if sum(counts):
            assert 0 <= stability(counts, other) == pytest.approx(stability(other, counts))

    @pytest.mark.parametrize(("p", "q"), [([1], [1, 2]), ([0, 0], [1, 2]), ([-1, 3], [1, 2])])
    def test_what_is_no_pair_of_histograms(self, p: Any, q: Any) -> None:
        with pytest.raises(BadInput):
            stability(p, q)

    def test_too_few_bins(self) -> None:
        some = np.array([1, 2]), np.array([1.0, 1.0])
        with pytest.raises(BadParameter):
            equal_mass(some, some, 1)


def _buckets(rows: Array) -> tuple[Array, Array]:
    return column_of(Histogram().fit(rows).state_.told.counts, 0)


class TestDrift:
    def test_it_names_what_moved_how_much_and_since_when(self) -> None:
        still, up, far = (readings(series(seed, jump)) for seed, jump in enumerate((0, 1, -3)))
        found = drift({"loss": still, "cluster 1": up, "cluster 2": far})
        assert [one.what for one in found.moved] == ["cluster 2", "cluster 1"]
        assert found
        for one, jump in zip(found.moved, (-3, 1), strict=True):
            assert one.amount == pytest.approx(jump, abs=0.15)
            assert abs(one.since - N_BATCHES // 2) <= 5
        assert str(found).startswith("cluster 2 moved by -")

    def test_nothing(self) -> None:
        found = drift({"loss": readings(series(0))})
        assert not found
        assert str(found) == f"Nothing moved: 1 watched over {N_BATCHES} batches."
        assert not drift({})
