"""What a head rules out is never the nearest: labels and distances keep the bits of the truth."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.kernel import assign, pruned, truth
from nacre.kernel.assign import Nearest, nearest

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads for any rows and centres, and as many left as there may be."""
    for name in ("DIRECT", "MANY", "BROAD", "MUCH", "ENOUGH"):
        monkeypatch.setattr(assign, name, 0)
    monkeypatch.setattr(pruned, "LEFT", 1e9)


def true_nearest(X: Any, centres: Any) -> Nearest:
    """By definition."""
    labels, d2 = np.empty(len(X), np.int32), np.empty(len(X))
    truth.decide(X, np.arange(len(X)), centres.astype(float), labels, d2)
    return Nearest(labels, d2, 0)


def same(a: Nearest, b: Nearest) -> bool:
    return bool(a.labels.tobytes() == b.labels.tobytes() and a.d2.tobytes() == b.d2.tobytes())


def some_data(draw: Any, dtype: Any) -> tuple[Any, Any]:
    """Clusters or noise of a spectrum, or a grid with exact ties; off centre, with repetitions."""
    n, d, k = draw.integers(1, 300), draw.integers(1, 90), draw.integers(2, 70)
    spread = np.arange(1, d + 1) ** -draw.choice([0.0, 0.5, 1.5])
    X = (draw.normal(size=(n, d)) + 3 * draw.normal(size=(k, d))[draw.integers(0, k, n)]) * spread
    if draw.random() < 0.3:
        X = np.round(X)
    X = X + 10.0 ** draw.integers(0, 5) * draw.normal(size=d) * draw.integers(0, 2)
    centres = X[draw.integers(0, n, k)] + draw.integers(0, 2) * draw.normal(size=(k, d))
    centres[draw.integers(0, k, k // 4)] = centres[draw.integers(0, k)]
    middle = draw.integers(0, n, n // 4)
    X[middle] = (centres[draw.integers(0, k, len(middle))] + centres[draw.integers(0, k)]) / 2
    scale = 10.0 ** draw.integers(-6, 7)
    return (X * scale).astype(dtype), (centres * scale).astype(dtype)


@DTYPES
@given(seed=SEEDS)
def test_labels_and_distances_have_the_bits_of_the_definition(dtype: Any, seed: int) -> None:
    draw = np.random.default_rng(seed)
    X, centres = some_data(draw, dtype)
    wanted = true_nearest(X, centres)
    shift = draw.choice([X.mean(axis=0), np.zeros(X.shape[1]), X[0]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruned, "LEFT", draw.choice([0.0, 0.05, 1e9]))
        patch.setattr(assign, "PANEL", draw.choice([1, 1 << 20]))
        assert same(nearest(X, centres, shift), wanted)


@given(seed=SEEDS)
@pytest.mark.parametrize("d", [2, 60, 800, 2500])
@settings(max_examples=25)
def test_the_bound_holds(d: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    spread = np.arange(1, d + 1) ** -draw.choice([0.0, 1.0, 2.0])
    X, centres = (
        (draw.normal(size=(m, d)) * spread * 10.0 ** draw.integers(-9, 4, (m, 1))).astype(
            np.float32
        )
        for m in (20, 9)
    )
    X[:3], X[3] = centres[:3], 0
    aim = assign._aim(centres.astype(float), centres.mean(axis=0), X.dtype)
    head = pruned.head_of(aim.aimed[:, :9], aim.lows[:9], int(draw.integers(1, 9)))
    assert head is not None
    rows, doubt = np.zeros((20, d), aim.aimed.dtype), np.empty(20, np.float32)
    assign._move(X, aim.shift, aim.scale, aim.gamma, rows, doubt)
    p = rows @ head.basis
    pruned.tails(p, doubt, aim.gamma, head.kappa)
    low = (head.lows + p @ head.aimed).astype(np.longdouble)[:, :9]
    a = (X.astype(np.longdouble) - aim.shift) * aim.scale
    b = (centres.astype(np.longdouble) - aim.shift) * aim.scale
    A = (a**2).sum(axis=1)[:, None]
    exact = ((a[:, None] - b) ** 2).sum(axis=2) - A
    assert (low - (head.kappa + np.longdouble(aim.gamma) / 2) * A <= exact).all()


def test_tails_are_what_the_directions_do_not_show() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(30, 12)).astype(np.float32)
    basis = np.zeros((12, 4), np.float32)
    basis[:, :3] = pruned.orthonormal(draw.normal(size=(12, 3)))
    p, gamma = rows @ basis, np.float32(1e-5)
    pruned.tails(p, gamma * (rows**2).sum(axis=1), gamma, 1e-6)
    twin = np.linalg.norm(rows - p[:, :3] @ basis[:, :3].T, axis=1)
    assert np.allclose(p[:, 3], twin, rtol=1e-4)
    assert (p[:, 3] >= twin).all()


@given(seed=SEEDS)
def test_least_of_chunks(seed: int) -> None:
    draw = np.random.default_rng(seed)
    m = int(draw.integers(1, 40))
    products, lows = draw.integers(-9, 9, (2, 8 * m)).astype(np.float32)
    wanted, leasts = products + lows, np.empty(m, np.float32)
    at = pruned._least_of_chunks(products, lows, leasts)
    assert np.array_equal(products, wanted)
    assert np.array_equal(leasts, wanted.reshape(8, m).min(axis=0))
    assert wanted[at] == wanted.min()


def test_directions_are_orthonormal_and_hold_the_spread() -> None:
    draw = np.random.default_rng(1)
    b = draw.normal(size=(50, 200)) * (0.6 ** np.arange(50))[:, None]
    basis = pruned.directions(b.astype(np.float32), 10)
    assert np.allclose(basis.T @ basis, np.eye(10), atol=1e-9)
    most = (np.linalg.svd(b, compute_uv=False)[:10] ** 2).sum()
    assert ((basis.T @ b) ** 2).sum() > 0.99 * most


@pytest.mark.parametrize("value", [0.0, np.inf, np.nan])
def test_equal_or_bad_centres_have_no_head(value: float) -> None:
    aimed = np.full((20, 30), value, np.float32)
    assert pruned.head_of(aimed, np.zeros(30, np.float32)) is None


def looked(X: Any, centres: Any) -> tuple[int, float]:
    """(rows decided by heads, centres looked at for each)."""
    sight = assign.Sight(centres, X.mean(axis=0), X.dtype)
    seen, settle = np.zeros(3, np.int64), pruned.settle

    def listened(*given: Any) -> None:
        settle(*given)
        seen[:] = given[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruned, "settle", listened)
        assign._prune(X, sight, np.empty(len(X), np.int32), np.empty(len(X), np.int64))
    return int(seen[0]), seen[1] / max(seen[0], 1)


def spectral(power: float) -> tuple[Any, Any]:
    draw = np.random.default_rng(2)
    X = draw.normal(size=(1200, 256)) * np.arange(1, 257) ** -power
    return X[:1000].astype(np.float32), X[1000:].astype(np.float32)


def test_few_centres_are_left_where_they_spread_along_few_directions() -> None:
    X, centres = spectral(1.0)
    n, left = looked(X, centres)
    assert n == 1000
    assert left < 0.02 * 200


def test_noise_without_directions_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruned, "LEFT", 0.06)
    X, centres = spectral(0.0)
    assert looked(X, centres)[0] < 40
    assert same(nearest(X, centres, X.mean(axis=0)), true_nearest(X, centres))


@DTYPES
def test_extreme_rows_and_centres(dtype: Any) -> None:
    draw = np.random.default_rng(3)
    top, low = (1e17, 1e-22) if dtype == np.float32 else (1e149, 1e-170)
    for spread in (top, low, 0.0):
        X, centres = (draw.normal(size=(m, 40)).astype(dtype) for m in (90, 30))
        X[:20] *= dtype(spread)
        centres[::3] *= dtype(spread)
        centres[1::3] *= dtype(1e-4)
        for some in (centres, centres[::3], centres[1::3]):
            assert same(nearest(X, some, np.zeros(40)), true_nearest(X, some))


def test_wide_rows_are_looked_at_in_float64() -> None:
    draw = np.random.default_rng(4)
    X = (5 + draw.normal(size=(200, 3000)) / np.arange(1, 3001)).astype(np.float32)
    centres = np.concatenate([X[:30], (X[40:50] + X[50:60]) / 2]).astype(np.float32)
    got = nearest(X, centres, X.mean(axis=0))
    assert same(got, true_nearest(X, centres))
    assert got.n_near < 30


def test_centres_written_to_between_calls_are_seen() -> None:
    X, centres = spectral(1.0)
    shift = X.mean(axis=0)
    before = nearest(X, centres, shift)
    centres[:] = centres[::-1].copy()
    got = nearest(X, centres, shift)
    assert same(got, true_nearest(X, centres))
    assert not same(got, before)
    shift += 1
    assert same(nearest(X, centres, shift), got)


def test_what_was_made_of_centres_is_made_once_and_goes_with_them() -> None:
    X, centres = spectral(1.0)
    shift = X.mean(axis=0)
    nearest(X, centres, shift)
    kept = assign._last["sight"]
    nearest(X[:300], centres, shift)
    assert assign._last["sight"] is kept
    assert kept.n_rows == 1300
    del centres
    gc.collect()
    assert "sight" not in assign._last


def test_a_head_is_found_when_rows_enough_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assign, "ENOUGH", 700)
    X, centres = spectral(1.0)
    sight = assign.Sight(centres, X.mean(axis=0), X.dtype)
    assert sight.head_for(400) is None
    assert sight.head_for(400) is not None


def test_threads_at_once_do_not_disturb_each_other() -> None:
    X, centres = spectral(0.7)
    others, shift = centres[::2].copy(), X.mean(axis=0)
    wanted = [true_nearest(X, some) for some in (centres, others)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda some: nearest(X, some, shift), [centres, others] * 4))
    assert all(same(one, wanted[i % 2]) for i, one in enumerate(got))
