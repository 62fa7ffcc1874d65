"""Scores of clusters: 1,000,000 x 32 float32, k=20, in memory and of Parquet, on 2 threads.

`nacre.evaluate.clusters` gives all five scores at once, both silhouettes among them: by squared
distances of every row, and by distances of 1,000 rows to all. Beside it scikit-learn's functions,
whose silhouette is of 10,000 rows among themselves. Each contestant is a process of its own, which
another one watches: seconds, and the peak of its PSS above what it held with the data loaded.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _stage
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nacre.kinds import Array

D, K = 32, 20
GROUP = 1 << 17  # rows
MEMORY = "100MB"  # for rows that are not in memory
SMALL = 3_000  # rows to warm up with
SAMPLE = 10_000  # rows of scikit-learn's silhouette
TRUTH = 20_000  # rows, each against all, that silhouettes are judged by

Work = Callable[[Any, Any, int], float]  # (rows, labels, seed) -> silhouette, or NaN


def make(folder: Path, n: int) -> None:
    """rows.npy, labels.npy of k-means, and both as rows.parquet: as in bench/kmeans.py, groups
    overlap, and differ in size and width.
    """
    import nacre

    draw = np.random.default_rng(20)
    n_groups = 75
    centres = draw.normal(size=(n_groups, D)) * 1.5
    group = draw.choice(n_groups, n, p=draw.dirichlet(np.ones(n_groups)))
    X = centres[group] + draw.normal(size=(n, D)) * draw.uniform(0.5, 1.5, n_groups)[group, None]
    X = X.astype(np.float32)
    labels = nacre.KMeans(K, random_state=0).fit(X).labels_
    for name, rows in (("", slice(None)), ("small-", slice(SMALL))):
        np.save(folder / f"{name}rows.npy", X[rows])
        np.save(folder / f"{name}labels.npy", labels[rows])
        columns = {f"x{j}": np.ascontiguousarray(X[rows, j]) for j in range(D)}
        table = pa.table({**columns, "to": labels[rows]})
        pq.write_table(table, folder / f"{name}rows.parquet", row_group_size=GROUP)


def by_nacre(data: Any, labels: Any, seed: int) -> float:
    """All scores."""
    import nacre

    memory = MEMORY if isinstance(data, Path) else None
    return nacre.evaluate.clusters(labels, data, engine="threads:2", memory=memory).silhouette


def by_silhouette(X: Any, labels: Any, seed: int) -> float:
    """Of a sample."""
    from sklearn.metrics import silhouette_score

    found: float = silhouette_score(
        X, labels, sample_size=min(SAMPLE, len(X) // 2), random_state=seed
    )
    return found


def by_calinski_harabasz(X: Any, labels: Any, seed: int) -> float:
    """Of all rows."""
    from sklearn.metrics import calinski_harabasz_score

    calinski_harabasz_score(X, labels)
    return float("nan")


def by_davies_bouldin(X: Any, labels: Any, seed: int) -> float:
    """Of all rows."""
    from sklearn.metrics import davies_bouldin_score

    davies_bouldin_score(X, labels)
    return float("nan")


IN_MEMORY: dict[str, Work] = {
    "nacre, all": by_nacre,
    "silhouette": by_silhouette,
    "Calinski-H.": by_calinski_harabasz,
    "Davies-B.": by_davies_bouldin,
}
OF_FILES: dict[str, Work] = {"nacre, all": by_nacre}


def contestant(name: str, form: str, folder: Path, seed: int) -> None:
    """In a process of its own: load, warm up, say so, wait, work; print seconds and silhouette."""
    work = IN_MEMORY[name]

    def given(which: str) -> tuple[Any, Any]:
        if form == "parquet":
            return folder / f"{which}rows.parquet", "to"
        return np.load(folder / f"{which}rows.npy"), np.load(folder / f"{which}labels.npy")

    work(*given("small-"), seed)
    data = given("")
    print("ready", flush=True)
    input()
    began = time.perf_counter()
    found = work(*data, seed)
    print(time.perf_counter() - began, found, flush=True)


def watched(name: str, form: str, folder: Path, seed: int) -> tuple[float, float, int]:
    """Seconds, silhouette, and the peak of PSS in bytes above what was held before."""
    command = [sys.executable, __file__, "contestant", name, form, str(folder), str(seed)]
    said, before, most = _stage.watched(command)
    seconds, found = map(float, said.split())
    return seconds, found, most - before


def held(form: str, works: dict[str, Work], folder: Path, n: int, runs: int, truth: float) -> Any:
    """A contest of processes, in turns; quality is how far a silhouette is from the truth."""
    contest = _stage.Contest(f"{n:,} x {D}, k={K}, {form}", dict.fromkeys(works, len), float)
    for seed in range(runs):
        for name in works:
            seconds, found, above = watched(name, form, folder, seed)
            off = 0.0 if np.isnan(found) else abs(found - truth)
            run = {"contestant": name, "seed": seed, "seconds": seconds, "above_mb": above / 1e6}
            contest.runs.append({**run, "quality": off})
    return contest


def exact(folder: Path) -> float:
    """The silhouette of many more rows against all."""
    import nacre

    X: Array = np.load(folder / "rows.npy")
    scores = nacre.evaluate.clusters(np.load(folder / "labels.npy"), X, sample=TRUTH)
    print(f"silhouette {scores.silhouette:.5f} +- {scores.silhouette_error:.5f}")
    return scores.silhouette


def show_memory(contests: list[_stage.Contest]) -> None:
    """Of each contestant the worst run, and how far its silhouettes were off."""
    print(f"\n{'':>36}  {'':>12}  {'MB above':>9}  {'silhouette off by':>18}")
    for contest in contests:
        for name in contest.contestants:
            mine = [run for run in contest.runs if run["contestant"] == name]
            above, off = (max(run[what] for run in mine) for what in ("above_mb", "quality"))
            print(f"{contest.name:>36}  {name:>12}  {above:9.0f}  {off:18.5f}")


def main() -> None:
    """In memory beside scikit-learn, then of Parquet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="few rows: does it run?")
    parser.add_argument("--runs", type=int, default=5, help="seeds for each contestant")
    options = parser.parse_args()
    _stage.await_quiet(options.tiny)
    n, runs = (10_000, 1) if options.tiny else (1_000_000, options.runs)
    on = _stage.machine()
    with tempfile.TemporaryDirectory(prefix="nacre-evaluate-") as named:
        folder = Path(named)
        subprocess.run([sys.executable, __file__, "make", named, str(n)], check=True)
        truth = exact(folder)
        contests = [
            held("in memory", IN_MEMORY, folder, n, runs, truth),
            held("parquet", OF_FILES, folder, n, runs, truth),
        ]
    show_memory(contests)
    _stage.finish("evaluate", contests, options.tiny, on)


if __name__ == "__main__":
    match sys.argv[1:2]:
        case ["contestant"]:
            contestant(sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
        case ["make"]:
            make(Path(sys.argv[2]), int(sys.argv[3]))
        case _:
            main()
