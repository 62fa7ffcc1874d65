"""Quartiles and robust scaling beside NumPy and scikit-learn: 1,000,000 x 32, time and memory."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

import subprocess
import sys
from collections.abc import Callable

import _stage
import numpy as np
from sklearn.preprocessing import RobustScaler

import nacre
from nacre.kinds import Array

SHARES = (0.25, 0.5, 0.75)
KINDS = ("normal", "skewed", "sorted")

FITS = {
    "nacre exact": "nacre.Quantiles().fit(X, engine='threads:2')",
    "nacre histogram": "nacre.Histogram().fit(X, engine='threads:2')",
    "nacre scale": "nacre.RobustScale().fit(X, engine='threads:2')",
    "scikit-learn": "RobustScaler().fit(X)",
    "numpy": "np.quantile(X, (0.25, 0.5, 0.75), axis=0)",
}
MEMORY = """
import numpy as np, nacre
from sklearn.preprocessing import RobustScaler

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024

X = np.random.default_rng(0).normal(size=(1_000, 32)).astype(np.float32)
{fit}
X = np.empty(({n}, 32), np.float32)
for part in np.array_split(X, 100):
    part[:] = np.random.default_rng(len(part)).normal(size=part.shape)
before = status("VmRSS")
{fit}
print(status("VmHWM") - before)
"""


def rows(kind: str, n: int, d: int = 32) -> Array:
    """(n, d) float32: around 0; lognormal, over eight decades; or in order of the first column."""
    X = np.random.default_rng(3).normal(size=(n, d))
    if kind == "skewed":
        X = np.exp(4 * X)
    if kind == "sorted":
        X = X[np.argsort(X[:, 0])]
    return X.astype(np.float32)


def contestants(X: Array) -> dict[str, Callable[[int], Array]]:
    """Each returns (3, d) quartiles; the scalers only what they keep: (2, d) median and range."""

    def exact(seed: int) -> Array:
        return nacre.Quantiles(SHARES).fit(X, engine="threads:2").quantiles_

    def histogram(seed: int) -> Array:
        return nacre.Histogram().fit(X, engine="threads:2").quantile(SHARES)

    def ours(seed: int) -> Array:
        scale = nacre.RobustScale().fit(X, engine="threads:2")
        return np.array([scale.center_, scale.scale_])

    def theirs(seed: int) -> Array:
        scale = RobustScaler(copy=False).fit(X)
        return np.array([scale.center_, scale.scale_])

    def numpy(seed: int) -> Array:
        return np.quantile(X, SHARES, axis=0)

    return dict(zip(FITS, (exact, histogram, ours, theirs, numpy), strict=True))


def error(X: Array) -> Callable[[Array], float]:
    """What quartiles, or median and range, are off by at most, in quartile ranges."""
    low, middle, high = np.quantile(X.astype(np.float64), SHARES, axis=0)

    def off(found: Array) -> float:
        truth = [low, middle, high] if len(found) == 3 else [middle, high - low]
        return float((np.abs(found - truth) / (high - low)).max())

    return off


def memory(n: int) -> dict[str, Callable[[int], float]]:
    """Each returns the megabytes that a fit takes beyond its rows, in a process of its own."""

    def taking(fit: str) -> Callable[[int], float]:
        code = MEMORY.format(fit=fit, n=n)

        def run(seed: int) -> float:
            done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
            return float(done.stdout)

        return run

    return {name: taking(fit) for name, fit in FITS.items()}


def main() -> None:
    """Quartiles of 1,000,000 x 32; quality is the error, or the megabytes."""
    options = _stage.options(__doc__ or "").parse_args()
    _stage.await_quiet(options.tiny)
    n, n_seeds = (3_000, 1) if options.tiny else (1_000_000, options.runs)
    on = _stage.machine()
    contests = []
    for kind in KINDS:
        X = rows(kind, n)
        contest = _stage.Contest(f"quartiles of {n:,} x 32, {kind}", contestants(X), error(X))
        contest.run(n_seeds)
        contests.append(contest)
    taken = _stage.Contest(f"MB for quartiles of {n:,} x 32", memory(n), float)
    taken.run(1)
    _stage.finish("prepare", [*contests, taken], options.tiny, on)


if __name__ == "__main__":
    main()
