"""Assignment is the definition, bit for bit, by every path and on every CPU."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.kernel import assign, truth
from nacre.kernel.assign import Assigned, assign_sums, distances, nearest

SEEDS = st.integers(0, 2**32 - 1)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def true_squares(X: Any, centres: Any) -> Any:
    """Twin of `truth.squares`."""
    d2 = np.zeros((len(X), len(centres)))
    for t in range(X.shape[1]):
        z = X[:, t, None].astype(float) - centres[None, :, t].astype(float)
        d2 += z * z
    return d2


def true_sums(X: Any, weight: Any, centres: Any) -> Assigned:
    """Twin of `assign_sums`: np.add.at adds in row order."""
    d2, k, w = true_squares(X, centres), len(centres), np.ones(len(X))
    labels = d2.argmin(axis=1)  # the lowest of equals
    least, w = d2[np.arange(len(X)), labels], w if weight is None else weight
    weights, sums, sse = np.zeros(k), np.zeros(centres.shape), np.zeros(k)
    np.add.at(weights, labels, w)
    np.add.at(sums, labels, w[:, None] * X.astype(float))
    np.add.at(sse, labels, w * least)
    weights = weights.astype(np.int64) if weight is None else weights
    return Assigned(labels.astype(np.int32), least, weights, sums, sse, 0)


def same(a: Assigned, b: Assigned) -> bool:
    """Equal in values, bits and dtypes; how many rows were near is not compared."""
    return all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a[:5], b[:5], strict=True)
    )


def some_data(draw: Any, dtype: Any) -> tuple[Any, Any]:
    """Rows and centres: clusters or a grid with exact ties, off centre, with repetitions."""
    n, d, k = draw.integers(1, 400), draw.integers(1, 40), draw.integers(1, 60)
    X = draw.normal(size=(n, d)) + 4 * draw.normal(size=(k, d))[draw.integers(0, k, n)]
    if draw.random() < 0.3:
        X = np.round(X)
    X = X + 10.0 ** draw.integers(0, 5) * draw.normal(size=d) * draw.integers(0, 2)
    X[draw.integers(0, n, n // 4)] = X[draw.integers(0, n)]
    centres = X[draw.integers(0, n, k)] + draw.integers(0, 2) * draw.normal(size=(k, d))
    centres[draw.integers(0, k, k // 4)] = centres[draw.integers(0, k)]
    scale = 10.0 ** draw.integers(-6, 7)
    return (X * scale).astype(dtype), (centres * scale).astype(dtype)


def by_filter(monkeypatch: pytest.MonkeyPatch, **sizes: int) -> None:
    for name, size in {"DIRECT": 0, **sizes}.items():
        monkeypatch.setattr(assign, name, size)


@DTYPES
@given(seed=SEEDS)
def test_both_paths_have_the_bits_of_the_definition(dtype: Any, seed: int) -> None:
    draw = np.random.default_rng(seed)
    X, centres = some_data(draw, dtype)
    weight = draw.choice([0.0, 0.5, 1.0, 3.0], len(X)) if draw.random() < 0.5 else None
    wanted = true_sums(X, weight, centres)
    for direct in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            by_filter(patch, DIRECT=direct)
            got = assign_sums(X, weight, centres, X.mean(axis=0))
        assert same(got, wanted)
        assert direct == 0 or got.n_near == 0


@DTYPES
@given(seed=SEEDS)
def test_blocks_batches_and_shift_do_not_matter(dtype: Any, seed: int) -> None:
    draw = np.random.default_rng(seed)
    X, centres = some_data(draw, dtype)
    wanted = true_sums(X, None, centres)
    shift = draw.choice([0.0, 1.0, 1e3]) * draw.normal(size=X.shape[1])
    with pytest.MonkeyPatch.context() as patch:
        block, tile = draw.integers(1, 5, 2).tolist()
        by_filter(patch, BLOCK=16 * block, TILE=4 * tile, SCRATCH=1024)
        assert same(assign_sums(X, None, centres, shift), wanted)
        cut = draw.integers(0, len(X) + 1)
        parts = nearest(X[:cut], centres, shift), nearest(X[cut:], centres, shift)
    assert np.array_equal(np.concatenate([p.labels for p in parts]), wanted.labels)
    assert np.array_equal(np.concatenate([p.d2 for p in parts]), wanted.d2)


@DTYPES
@given(seed=SEEDS)
def test_rows_in_the_middle_are_left_open_and_then_decided(dtype: Any, seed: int) -> None:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(50, 12)).astype(dtype)
    i, j = draw.integers(0, 50, (2, 300))
    X = ((centres[i] + centres[j]) / 2).astype(dtype)
    X = np.nextafter(X, draw.choice([-9, 0, 9], X.shape).astype(dtype))
    got = assign_sums(X, None, centres, X.mean(axis=0))
    assert same(got, true_sums(X, None, centres))
    assert 0 < got.n_near <= len(X)


@given(seed=SEEDS)
@pytest.mark.parametrize("d", [3, 100, 2500])
def test_the_bound_holds(d: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    X = (draw.normal(size=(20, d)) * 10.0 ** draw.integers(-3, 4, (20, 1))).astype(np.float32)
    centres = (draw.normal(size=(7, d)) * 10.0 ** draw.integers(-3, 4, (7, 1))).astype(np.float32)
    aim = assign._aim(centres.astype(float), X[:10].mean(axis=0), X.dtype)
    rows, doubt = np.zeros((20, d), aim.aimed.dtype), np.empty(20, np.float32)
    assign._move(X, aim.shift, aim.scale, aim.gamma, rows, doubt)
    low = (aim.lows + rows @ aim.aimed).astype(np.longdouble)[:, :7]
    a = (X.astype(np.longdouble) - aim.shift) * aim.scale
    b = (centres.astype(np.longdouble) - aim.shift) * aim.scale
    exact = ((a[:, None] - b) ** 2).sum(axis=2) - (a**2).sum(axis=1)[:, None]
    half = doubt.astype(np.longdouble)[:, None] / 2
    assert (low - half <= exact).all()
    assert (exact <= low + aim.doubts[:7] + half).all()


@DTYPES
def test_few_rows_of_common_data_are_near(dtype: Any) -> None:
    draw = np.random.default_rng(0)
    X = (1e3 + draw.normal(size=(20_000, 32))).astype(dtype)
    assert nearest(X, X[:100], X.mean(axis=0)).n_near < 20


@DTYPES
def test_extreme_rows_and_centres(dtype: Any) -> None:
    draw = np.random.default_rng(1)
    top, low = (1e17, 1e-22) if dtype == np.float32 else (1e149, 1e-170)
    for spread in (top, low, 0.0):
        X, centres = (draw.normal(size=(m, 20)).astype(dtype) for m in (90, 30))
        X[:20] *= dtype(spread)
        centres[::3] *= dtype(spread)
        centres[1::3] *= dtype(1e-4)
        for some in (centres, centres[::3], centres[1::3]):
            got = assign_sums(X, None, some, np.zeros(20))
            assert same(got, true_sums(X, None, some))


def test_rows_too_far_for_float32_stay_out_of_the_product() -> None:
    aim = assign._aim(np.eye(3), np.zeros(3), np.dtype(float))
    rows, doubt = np.ones((3, 3), np.float32), np.zeros(3, np.float32)
    X = np.array([[1e149, 0, 0], [0, -1e20, 0], [1, 1, 1]])
    assign._move(X, aim.shift, aim.scale, aim.gamma, rows, doubt)
    assert rows[:2].tolist() == [[0, 0, 0]] * 2
    assert (rows[2] > 0).all()
    assert (doubt > 1e9).tolist() == [True, True, False]


@DTYPES
def test_wide_rows_are_filtered_in_float64(dtype: Any) -> None:
    draw = np.random.default_rng(2)
    X = (5 + draw.normal(size=(300, 3000))).astype(dtype)
    centres = np.concatenate([X[:5], X[:2], (X[10:12] + X[12:14]) / 2]).astype(dtype)
    got = assign_sums(X, None, centres, X.mean(axis=0))
    assert same(got, true_sums(X, None, centres))
    assert got.n_near < 10  # in float32 more than half of them would be


@pytest.mark.parametrize(("n", "k"), [(0, 1), (0, 300), (1, 1), (1, 300), (3, 2), (257, 1)])
def test_few_rows_few_centres(n: int, k: int) -> None:
    draw = np.random.default_rng(3)
    X, centres = (draw.normal(size=(m, 5)).astype(np.float32) for m in (n, k))
    assert same(assign_sums(X, None, centres, np.zeros(5)), true_sums(X, None, centres))


def test_arrays_may_be_read_only_or_strided_and_stay_as_they_are() -> None:
    draw = np.random.default_rng(4)
    X, centres, weight = draw.normal(size=(200, 12)), draw.normal(size=(20, 12)), draw.random(200)
    inputs = X[::2, ::2], weight[::2], centres[::2, ::2], X.mean(axis=0)[::2]
    for array in inputs:
        array.flags.writeable = False
    before = [array.tobytes() for array in inputs]
    assert same(assign_sums(*inputs), true_sums(*inputs[:3]))
    assert [array.tobytes() for array in inputs] == before


@DTYPES
def test_distances_are_roots_of_the_definition(dtype: Any) -> None:
    X, centres = some_data(np.random.default_rng(5), dtype)
    got = distances(X, centres)
    assert got.dtype == dtype
    assert np.array_equal(got, np.sqrt(true_squares(X, centres)).astype(dtype))
    assert distances(X[:0], centres).shape == (0, len(centres))


def test_decide_writes_only_its_rows() -> None:
    draw = np.random.default_rng(6)
    X, centres = draw.normal(size=(300, 7)), draw.normal(size=(9, 7))
    labels, d2 = np.full(300, -1, np.int32), np.full(300, -1.0)
    rows = np.flatnonzero(draw.random(300) < 0.6)
    truth.decide(X, rows, centres, labels, d2)
    wanted = true_sums(X, None, centres)
    others = np.setdiff1d(np.arange(300), rows)
    assert np.array_equal(labels[rows], wanted.labels[rows])
    assert np.array_equal(d2[rows], wanted.d2[rows])
    assert (labels[others] == -1).all()
    assert (d2[others] == -1).all()


def test_threads_at_once_do_not_disturb_each_other() -> None:
    draw = np.random.default_rng(7)
    X, centres = draw.normal(size=(4000, 32)), draw.normal(size=(40, 32))
    parts = np.array_split(X, 8)
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda part: assign_sums(part, None, centres, np.zeros(32)), parts))
    for one, part in zip(got, parts, strict=True):
        assert same(one, true_sums(part, None, centres))


PROGRAM = """
import hashlib, sys
import numpy as np
from threadpoolctl import threadpool_info
from nacre.kernel.assign import assign_sums, distances, nearest
from nacre.kernel.seeding import greedy_seeds

batch_rows = int(sys.argv[1])
draw = np.random.default_rng(8)
X = 3 + draw.standard_normal((12_000, 32), dtype=np.float32)
centres = X[:60] + np.float32(0.1)
X[:6000] = (centres[draw.integers(0, 60, 6000)] + centres[draw.integers(0, 60, 6000)]) / 2
batches = [X[first : first + batch_rows] for first in range(0, len(X), batch_rows)]
told = [nearest(batch, centres, X.mean(axis=0)) for batch in batches]
labels, d2 = (np.concatenate([getattr(one, name) for one in told]) for name in ("labels", "d2"))
whole = assign_sums(X, draw.random(12_000), centres, X.mean(axis=0))
small = assign_sums(X[:, :5].copy(), None, centres[:20, :5].copy(), np.zeros(5))
seeds = greedy_seeds(X[:3000].astype(float), draw.random(3000), 20, draw.random((20, 4)))
seen = hashlib.sha256()
for array in (labels, d2, *whole[:5], *small[:5], distances(X[:500], centres), seeds):
    seen.update(array.tobytes())
print(seen.hexdigest(), sum(one.n_near for one in told), threadpool_info()[0].get("architecture"))
"""


def core_types() -> list[str]:
    """Kernels of OpenBLAS that this CPU can run; where it is no x86, the default."""
    has = importlib.import_module("llvmlite.binding").get_host_cpu_features()
    wanted = {"SkylakeX": "avx512f", "Haswell": "fma", "Sandybridge": "avx"}  # Zen is Haswell
    return [name for name, feature in wanted.items() if has.get(feature)] or [""]


def fingerprint(cache: Path, core: str, target: str, batch_rows: int) -> list[str]:
    """[hash, n_near, architecture of the BLAS] of PROGRAM in a process of its own."""
    names = {"OPENBLAS_CORETYPE": core, "NUMBA_CPU_NAME": target}
    env = {**os.environ, **{name: value for name, value in names.items() if value}}
    env["NUMBA_CACHE_DIR"] = str(cache / (target or "host"))
    command = [sys.executable, "-c", PROGRAM, str(batch_rows)]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=True
    ).stdout.split()


def test_one_fingerprint_over_blas_kernels_cpu_targets_and_batches(tmp_path: Path) -> None:
    """About 10 s: for each of two CPU targets a fresh process compiles everything."""
    cores = core_types()
    runs = [(cores[-1], "generic", 4096), *zip(cores, [""] * 3, [1000, 8192, 333], strict=False)]
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda run: fingerprint(tmp_path, *run), runs))
    prints, near, architectures = zip(*told, strict=True)
    assert len(set(prints)) == 1, told
    assert min(map(int, near)) > 0
    assert len(set(architectures)) == len(cores), told
