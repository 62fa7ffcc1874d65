"""Out of core: 20,000,000 x 32 float32 of Parquet (2.5 GB) with memory="1GB", on 2 threads.

k-means beside one epoch of MiniBatchKMeans fed by pyarrow.dataset, in natural order and sorted by
the first column; PCA beside pyarrow, which only decodes. Each contestant is a process of its own,
which another one watches: seconds of the fit, and the peak of the summed PSS of its process tree.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _stage
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from nacre.kinds import Array

D = 32
BATCH = 65_536
GROUP = 1 << 20  # rows: pyarrow's own row groups
MEMORY = "1GB"
FREE = 3  # times the data, on the disk


def make(path: Path, n: int, by: Array | None = None) -> Array:
    """Write n rows, as they are drawn or in the order `by`; give their order by the first column.

    A mixture as in bench/kmeans.py: groups overlap, and differ in size and width.
    """
    draw = np.random.default_rng(20)
    n_groups = 75
    centres = draw.normal(size=(n_groups, D)) * 1.5
    label = draw.choice(n_groups, n, p=draw.dirichlet(np.ones(n_groups)))
    width = draw.uniform(0.5, 1.5, n_groups)
    X = np.empty((n, D), np.float32)
    for start in range(0, n, GROUP):
        some = label[start : start + GROUP]
        X[start : start + GROUP] = (
            centres[some] + draw.normal(size=(len(some), D)) * width[some, None]
        )
    schema = pa.schema([(f"x{j}", pa.float32()) for j in range(D)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n, GROUP):
            rows = slice(start, start + GROUP)
            block = X[rows] if by is None else X[by[rows]]
            writer.write_table(pa.table([block[:, j].copy() for j in range(D)], schema=schema))
    return np.argsort(X[:, 0], kind="stable")


def made(folder: Path, n: int) -> None:
    """natural.parquet, sorted.parquet, and small.parquet to warm up with."""
    make(folder / "small.parquet", 4_000)
    order = make(folder / "natural.parquet", n)
    make(folder / "sorted.parquet", n, order)


def blocks(path: Path, dtype: Any) -> Iterator[Array]:
    """The rows, (m, 32) C order."""
    for batch in ds.dataset(path).to_batches(batch_size=BATCH):
        yield batch.to_tensor(row_major=True).to_numpy().astype(dtype, copy=False)


def nacre_kmeans(path: Path, k: int, seed: int) -> Array:
    """Centres."""
    import nacre

    km = nacre.KMeans(k, random_state=seed).fit(path, engine="threads:2", memory=MEMORY)
    return km.cluster_centers_


def minibatch(path: Path, k: int, seed: int) -> Array:
    """Centres."""
    from sklearn.cluster import MiniBatchKMeans

    km = MiniBatchKMeans(k, batch_size=BATCH, random_state=seed)
    for X in blocks(path, np.float32):
        if len(X) >= k:
            km.partial_fit(X)
    return km.cluster_centers_


def nacre_pca(path: Path, k: int, seed: int) -> Array:
    """Directions."""
    import nacre

    return nacre.PCA(k).fit(path, engine="threads:2", memory=MEMORY).components_


def decode(path: Path, k: int, seed: int) -> Array:
    """Nothing: rows are decoded into columns, in any order, and let go."""
    n = sum(batch.num_rows for batch in ds.dataset(path).to_batches())
    assert n > 0
    return np.zeros((k, D))


WORKS: dict[str, Callable[[Path, int, int], Array]] = {
    "nacre KMeans": nacre_kmeans,
    "MiniBatchKMeans": minibatch,
    "nacre PCA": nacre_pca,
    "pyarrow decodes": decode,
}


def contestant(name: str, path: Path, k: int, seed: int) -> None:
    """In a process of its own: warm up, say so, wait, work; print seconds, leave the result."""
    pa.set_cpu_count(2)
    work = WORKS[name]
    work(path.with_name("small.parquet"), k, seed)
    print("ready", flush=True)
    input()
    began = time.perf_counter()
    result = work(path, k, seed)
    seconds = time.perf_counter() - began
    np.save(path.with_name("result.npy"), result)
    print(seconds, flush=True)


def watched(name: str, path: Path, k: int, seed: int) -> tuple[float, int, Array]:
    """Seconds, peak of PSS in bytes, and what a contestant found."""
    command = [sys.executable, __file__, "contestant", name, str(path), str(k), str(seed)]
    said, _, most = _stage.watched(command)
    return float(said), most, np.load(path.with_name("result.npy"))


def inertia(path: Path, centres: Array) -> float:
    """Mean squared distance to the nearest centre, float64."""
    C = centres.astype(np.float64)
    total = n = 0.0
    for X in blocks(path, np.float64):
        total += float((((C * C).sum(1) - 2 * X @ C.T).min(1) + (X * X).sum(1)).sum())
        n += len(X)
    return total / n


def directions(path: Path, k: int) -> Array:
    """(k, d): the truth, in float64 and two passes."""
    n = sum(len(X) for X in blocks(path, np.float64))
    mean = sum(X.sum(0) for X in blocks(path, np.float64)) / n
    squares = sum((X - mean).T @ (X - mean) for X in blocks(path, np.float64))
    return np.linalg.eigh(squares)[1][:, ::-1][:, :k].T


def angle(C: Array, truth: Array) -> float:
    """Largest angle between the subspaces; of nothing 0."""
    from scipy.linalg import subspace_angles

    return float(subspace_angles(truth.T, C.T.astype(np.float64)).max()) if C.any() else 0.0


def held(task: str, path: Path, k: int, names: list[str], judge: Any, runs: int) -> _stage.Contest:
    """A contest of processes, in turns; the first run of each is a warm-up, where more come."""
    contest = _stage.Contest(task, dict.fromkeys(names, len), judge)
    for seed in range(-1 if runs > 1 else 0, runs):
        for name in names:
            seconds, most, result = watched(name, path, k, max(seed, 0))
            if seed >= 0:
                run = {"contestant": name, "seed": seed, "seconds": seconds, "pss_mb": most / 1e6}
                contest.runs.append({**run, "quality": judge(result)})
    return contest


def show_memory(contests: list[_stage.Contest]) -> None:
    """Peak of PSS of each contestant's worst run."""
    print(f"\npeak PSS in MB, memory={MEMORY!r}")
    for contest in contests:
        for name in contest.contestants:
            most = max(run["pss_mb"] for run in contest.runs if run["contestant"] == name)
            print(f"{contest.name:>40}  {name:>16}  {most:8.0f}")


def main() -> None:
    """k-means in natural order and sorted, and PCA."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="few rows: does it run?")
    parser.add_argument("--runs", type=int, default=5, help="seeds for each contestant")
    parser.add_argument("--rows", type=int, default=20_000_000, help="fewer: nothing is written")
    options = parser.parse_args()
    fewer = options.tiny or options.rows < 20_000_000
    _stage.await_quiet(fewer)
    n, k, runs = (20_000, 5, 1) if options.tiny else (options.rows, 50, options.runs)
    on = _stage.machine()
    pa.set_cpu_count(2)
    with tempfile.TemporaryDirectory(prefix="nacre-outofcore-") as named:
        folder = Path(named)
        if shutil.disk_usage(folder).free < FREE * 4 * n * D:
            sys.exit(f"{folder} has no room for {FREE * 4 * n * D / 1e9:.1f} GB; set TMPDIR")
        subprocess.run([sys.executable, __file__, "make", named, str(n)], check=True)
        contests = []
        for order in ("natural", "sorted"):
            path = folder / f"{order}.parquet"
            task, names = f"{n:,} x {D}, k={k}, {order}", ["nacre KMeans", "MiniBatchKMeans"]
            contests.append(held(task, path, k, names, lambda C, p=path: inertia(p, C), runs))
        path, k = folder / "natural.parquet", min(k, 16)
        truth, names = directions(path, k), ["pyarrow decodes", "nacre PCA"]
        task = f"{n:,} x {D} to {k}"
        contests.append(held(task, path, k, names, lambda C: angle(C, truth), runs))
    show_memory(contests)
    _stage.finish("outofcore", contests, fewer, on)


if __name__ == "__main__":
    match sys.argv[1:2]:
        case ["contestant"]:
            contestant(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
        case ["make"]:
            made(Path(sys.argv[2]), int(sys.argv[3]))
        case _:
            main()
