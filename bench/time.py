"""Rows that come batch by batch: `partial_fit`, and live models in memory and on disk, beside
scikit-learn, River, the bare disk, and refits. Batches are 1,000 x 16 float32, k=10.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

import argparse
import copy
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import _stage
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.cluster import MiniBatchKMeans

import nacre
from nacre.kinds import Array

K, D, BATCH = 10, 16, 1_000
N_JUDGED_BY = 10  # batches
RIVER_PART = 20  # it learns row by row: of so many batches one
DAY = 86_400 * 10**9  # ns
_numbers = itertools.count()


def batches(n: int, seed: int = 0) -> list[Array]:
    """(1,000, 16) each, around ten centres."""
    centres = 4 * np.random.default_rng(11).normal(size=(K, D))
    draw = np.random.default_rng([12, seed])
    return [
        (centres[draw.integers(0, K, BATCH)] + draw.normal(size=(BATCH, D))).astype(np.float32)
        for _ in range(n)
    ]


def going_on(
    make: Callable[[int], Any], stream: Sequence[Array], n_seeds: int
) -> Callable[[int], Array]:
    """Gives the centres after a stream, by a learner that has begun already: on the clock are the
    later calls of `partial_fit`.
    """
    (first,) = batches(1, seed=1)
    begun = [make(seed).partial_fit(first) for seed in range(n_seeds)]

    def run(seed: int) -> Array:
        learner = copy.deepcopy(begun[seed])
        for X in stream:
            learner.partial_fit(X)
        centres: Array = learner.cluster_centers_
        return centres

    return run


def loss(rows: Array) -> Callable[[Array], float]:
    """Mean squared distance of other rows to the nearest centre."""

    def measured(centres: Array) -> float:
        apart = ((rows[:, None, :] - centres[None]) ** 2).sum(axis=2)
        return float(apart.min(axis=1).mean())

    return measured


def partial_fits(n: int, n_seeds: int) -> _stage.Contest:
    """`KMeans.partial_fit` beside MiniBatchKMeans."""
    stream, judged_by = batches(n), np.concatenate(batches(N_JUDGED_BY, seed=2))
    makers: dict[str, Callable[[int], Any]] = {
        "nacre": lambda seed: nacre.KMeans(K, random_state=seed),
        "scikit-learn": lambda seed: MiniBatchKMeans(K, n_init=1, random_state=seed),
    }
    contestants = {name: going_on(make, stream, n_seeds) for name, make in makers.items()}
    return _stage.Contest(f"partial_fit of {n} batches", contestants, loss(judged_by))


def own() -> str:
    """The address of a live model that nobody else has."""
    return f"memory://bench-{next(_numbers)}"


def lived(learner: Any, stream: Sequence[Array], path: str = "", times: bool = False) -> nacre.Live:
    """A live model that has absorbed a stream; the model is not read between."""
    live = nacre.open(path or own(), learner)
    for number, X in enumerate(stream):
        live.absorb(X, id=f"b{number}", time=(number + 1) * DAY if times else None)
    return live


def micro(k: int = K) -> Any:
    """Clusters that live on."""
    return nacre.Micro(nacre.KMeans(k, random_state=0), random_state=0)


def absorbs(n: int) -> _stage.Contest:
    """Absorbing into memory, beside scikit-learn's and River's k-means, which keep no batches."""
    stream, few = batches(n), batches(max(n // RIVER_PART, 1))
    lists = [X.tolist() for X in few]

    def scikit_learn(seed: int) -> int:
        learner = MiniBatchKMeans(K, n_init=1, random_state=seed)
        for X in stream:
            learner.partial_fit(X)
        return 0

    def river(seed: int) -> int:
        learner = import_module("river.cluster").KMeans(K, seed=seed)
        for rows in lists:
            for row in rows:
                learner.learn_one(dict(enumerate(row)))
        return 0

    contestants: dict[str, Callable[[int], Any]] = {
        "nacre": lambda seed: lived(micro(), stream).version,
        "scikit-learn": scikit_learn,
        f"River, 1/{RIVER_PART}": river,
    }
    return _stage.Contest(f"memory: {n} absorbs of Micro(KMeans(10))", contestants, float)


def durable(n: int, folder: Path) -> _stage.Contest:
    """One caller on disk, in turns with the bare commits of as many bytes."""
    stream, fresh = batches(n), itertools.count()
    model = lived(nacre.PCA(4), stream, str(folder / "sizes"))
    model.close()
    sizes = [path.stat().st_size for path in sorted((folder / "sizes").glob("commits/*/*"))]

    def bare(seed: int) -> int:
        place = folder / f"bare-{next(fresh)}"
        place.mkdir()
        inside = os.open(place, os.O_RDONLY)
        for number, size in enumerate(sizes):
            file = os.open(place / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(file, bytes(size))
            os.fsync(file)
            os.close(file)
            os.rename(place / "new", place / f"{number}")
            os.fsync(inside)
        os.close(inside)
        return 0

    def nacres(seed: int) -> int:
        with lived(nacre.PCA(4), stream, str(folder / f"live-{next(fresh)}")) as live:
            return live.version * 0

    return _stage.Contest(
        f"disk: {n} absorbs of PCA(4), one caller", {"bare": bare, "nacre": nacres}, float
    )


def by_threads(learner: Any, stream: Sequence[Array], path: str) -> int:
    """64 threads absorb into one live model."""
    live = nacre.open(path, learner)
    live.absorb(stream[0], id="first")
    with ThreadPoolExecutor(64) as threads:
        done = [threads.submit(live.absorb, X, id=f"b{at}") for at, X in enumerate(stream[1:])]
        for one in done:
            one.result()
    return 0


def by_threads_at(
    make: Callable[[], Any], stream: Sequence[Array], where: Callable[[], str]
) -> Callable[[int], int]:
    """The same, of a new live model in every run."""
    return lambda seed: by_threads(make(), stream, where())


def many(n: int, folder: Path) -> Iterator[_stage.Contest]:
    """64 threads, on disk and in memory."""
    stream, fresh = batches(n), itertools.count()
    for name, make in (("PCA(4)", lambda: nacre.PCA(4)), ("Micro(KMeans(10))", micro)):
        contestants: dict[str, Callable[[int], Any]] = {
            "memory": by_threads_at(make, stream, own),
            "disk": by_threads_at(make, stream, lambda: str(folder / f"many-{next(fresh)}")),
        }
        yield _stage.Contest(f"64 threads: {n} absorbs of {name}", contestants, float)


def syncs(n: int, folder: Path) -> None:
    """Says how many fsyncs an absorb of 64 threads costs, as strace counts them."""
    strace = shutil.which("strace")
    if strace is None:
        print("fsyncs are not counted: there is no strace")
        return
    for name in ("pca", "micro"):
        path = str(folder / f"counted-{name}")
        count = [strace, "-f", "-c", "-e", "trace=fsync", "-o", str(folder / "counts")]
        subprocess.run(
            [*count, sys.executable, __file__, "--counted", name, path, str(n)], check=True
        )
        (line,) = [x for x in (folder / "counts").read_text().splitlines() if x.endswith("fsync")]
        print(f"64 threads, {name}: {int(line.split()[3]) / n:.3f} fsyncs per absorb (bar 0.2)")


def twelfth(n: int, n_runs: int, folder: Path) -> Iterator[_stage.Contest]:
    """The last of twelve Parquet files absorbed, beside a refit of all."""
    data = folder / "data"
    data.mkdir()
    draw = np.random.default_rng(13)
    centres = 4 * draw.normal(size=(K, D))
    for month in range(12):
        X = (centres[draw.integers(0, K, n)] + draw.normal(size=(n, D))).astype(np.float32)
        columns = {f"c{i}": column for i, column in enumerate(X.T)}
        pq.write_table(pa.table(columns), data / f"{month:02d}.parquet")
    files = sorted(data.iterdir())
    for name, make in (("Micro(KMeans(10))", micro), ("PCA(4)", lambda: nacre.PCA(4))):
        base = folder / f"eleven-{name}"
        with nacre.open(base, make()) as live:
            live.absorb(files[:11])
        copies = []
        for run in range(n_runs + 2):
            copies.append(folder / f"eleven-{name}-{run}")
            shutil.copytree(base, copies[-1])
        left = iter(copies)

        def absorb(seed: int, left: Iterator[Path] = left) -> int:
            with nacre.open(next(left)) as live:
                return live.absorb(files[11]).n_known

        def refit(seed: int, make: Callable[[], Any] = make) -> int:
            make().fit(files)
            return 0

        yield _stage.Contest(
            f"12 files of {n:,} x {D}, {name}", {"absorb the last": absorb, "refit": refit}, float
        )


def views(n: int) -> Iterator[_stage.Contest]:
    """A window, a moment, and a time, over batches that were absorbed in their order."""
    draw = np.random.default_rng(14)
    made = (("PCA, d=64", nacre.PCA(4), 64), ("Micro(KMeans(100)), d=16", micro(100), 16))
    for name, learner, d in made:
        centres = 4 * draw.normal(size=(100, d))
        stream = [
            (centres[draw.integers(0, 100, 500)] + draw.normal(size=(500, d))).astype(np.float32)
            for _ in range(n)
        ]
        live = lived(learner, [np.concatenate(stream[:10]), *stream[1:]], times=True)
        moments = [act.moment for act in live.history()]
        yield _stage.Contest(f"{n} batches, {name} (bar 0.1 s)", asked(live, moments), float)


def asked(live: nacre.Live, moments: Sequence[int]) -> dict[str, Callable[[int], Any]]:
    """Three questions, of another time in every run; the model is made, and its digest."""
    n = len(moments)

    def window(seed: int) -> int:
        return len(live.window(f"{n // 2 + seed}d").state_.digest) * 0

    def at(seed: int) -> int:
        return len(live.at(moments[n // 2 + seed]).state_.digest) * 0

    def as_of(seed: int) -> int:
        return len(live.as_of((n // 2 - seed) * DAY).state_.digest) * 0

    return {"window": window, "at": at, "as_of": as_of}


def merges(n_models: int, n: int) -> Iterator[_stage.Contest]:
    """Models that learned apart merged, beside a refit of all their rows."""
    draw = np.random.default_rng(15)
    centres = 4 * draw.normal(size=(K, D))
    parts = [
        (centres[draw.integers(0, K, n)] + draw.normal(size=(n, D))).astype(np.float32)
        for _ in range(n_models)
    ]
    whole = np.concatenate(parts)
    for name, make in (("PCA(4)", lambda: nacre.PCA(4)), ("Micro(KMeans(10))", micro)):
        lives = []
        for number, X in enumerate(parts):
            live = nacre.open(own(), make())
            live.absorb(X, id=f"part {number}")
            lives.append(live)

        def merge(seed: int, lives: Sequence[Any] = lives) -> int:
            return len(nacre.merge(*lives).state.digest) * 0

        def refit(seed: int, make: Callable[[], Any] = make) -> int:
            make().fit(whole)
            return 0

        yield _stage.Contest(
            f"{n_models} models of {n:,} rows, {name}", {"merge": merge, "refit": refit}, float
        )


def rates(contest: _stage.Contest, n_rows: int) -> None:
    """Medians, as rows per second."""
    for row in contest.table():
        n = n_rows // RIVER_PART if str(row["contestant"]).startswith("River") else n_rows
        print(f"{row['contestant']:>14}  {n / row['seconds']:>14,.0f} rows/s")


BARS = {
    "partial_fit": "at least as fast as scikit-learn",
    "memory": "at least half of scikit-learn's rows/s, 30 times River's",
    "disk": "at least 45 % of the bare commits/s: nacre at most 2.2 times bare",
    "threads": "disk at most 1.67 times memory; 0.2 fsyncs per absorb",
    "files": "the last at least 8 times (Micro), 6 times (PCA) faster than a refit",
    "views": "0.1 s each",
    "merge": "at least 50 times faster than a refit",
}


def parts(
    tiny: bool, n_seeds: int, folder: Path
) -> dict[str, Callable[[], Iterator[_stage.Contest]]]:
    """Each part by its name."""
    n = 5 if tiny else 500
    return {
        "partial_fit": lambda: iter([partial_fits(n, n_seeds)]),
        "memory": lambda: iter([absorbs(n)]),
        "disk": lambda: iter([durable(n if tiny else 200, folder)]),
        "threads": lambda: many(64 if tiny else 1_280, folder),
        "files": lambda: twelfth(500 if tiny else 1_000_000, n_seeds, folder),
        "views": lambda: views(20 if tiny else 1_000),
        "merge": lambda: merges(3 if tiny else 100, 500 if tiny else 100_000),
    }


def main() -> None:
    """The parts that are named; all, where none is."""
    parser = _stage.options(__doc__ or "")
    parser.add_argument(
        "parts", nargs="*", help="partial_fit memory disk threads files views merge"
    )
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.counted:
        name, path, n = options.parts
        by_threads(nacre.PCA(4) if name == "pca" else micro(), batches(int(n)), path)
        return
    _stage.await_quiet(options.tiny)
    n_seeds = 1 if options.tiny else max(options.runs, 7)
    on, done = _stage.machine(), []
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        every = parts(options.tiny, n_seeds, Path(name))
        for part in options.parts or every:
            print(f"\n== {part}: {BARS[part]}")
            for contest in every[part]():
                contest.run(n_seeds)
                contest.show()
                if part in ("partial_fit", "memory"):
                    rates(contest, (5 if options.tiny else 500) * BATCH)
                done.append(contest)
            if part == "threads":
                syncs(64 if options.tiny else 1_280, Path(name))
    if not options.tiny:
        print(f"written to {_stage.write('time', done, on).name}", file=sys.stderr)


if __name__ == "__main__":
    main()
