"""How good the clusters are: the clustering suite and `letter`, ten seeds, beside scikit-learn's
KMeans(n_init=1); by cosine and manhattan beside plain programs of a few lines; what "auto" chooses.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import _stage
import numpy as np
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import adjusted_rand_score, pairwise_distances

from nacre import KMeans
from nacre.kinds import Array

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PLAIN = 300  # iterations of a plain program, at most


class Task(NamedTuple):
    """A set: rows (n, d) float64 and a reference partition (n,), where 0 is noise."""

    name: str
    X: Array
    y: Array

    @property
    def k(self) -> int:
        """How many groups the reference has."""
        return len(set(self.y[self.y > 0].tolist()))


class Clusters(NamedTuple):
    """labels (n,), and the inertia by the metric."""

    labels: Array
    inertia: float


def sets(tiny: bool) -> Iterator[Task]:
    """The suite's, each with its first partition, then `letter`."""
    paths = sorted((DATA / "clustering_suite").glob("*/*.data.gz"))
    for path in paths[:3] if tiny else paths:
        y = np.loadtxt(str(path).replace(".data.", ".labels0."), dtype=int)
        name = f"{path.parent.name}/{path.name.removesuffix('.data.gz')}"
        yield Task(name, np.loadtxt(path, ndmin=2), y)
    text = gzip.decompress((DATA / "tabular_letter/letterdata.csv.gz").read_bytes()).decode()
    lines = text.split()[1:]
    rows = [line.split(",") for line in lines[:: 10 if tiny else 1]]
    y = np.array([ord(row[0].strip('"')) - 64 for row in rows])
    yield Task("letter", np.array([row[1:] for row in rows], float), y)


def ours(metric: str) -> Callable[[Task, int], Clusters]:
    """nacre with one start."""

    def fit(task: Task, seed: int) -> Clusters:
        km = KMeans(task.k, metric=metric, random_state=seed).fit(task.X)
        return Clusters(km.labels_, km.inertia_)

    return fit


def theirs(task: Task, seed: int) -> Clusters:
    """scikit-learn with one start."""
    km = TheirKMeans(task.k, n_init=1, random_state=seed).fit(task.X)
    return Clusters(km.labels_, float(km.inertia_))


def plain_cosine(task: Task, seed: int) -> Clusters:
    """Spherical k-means as it is written down, from k-means++."""
    there = np.linalg.norm(task.X, axis=1) > 0
    unit = task.X[there] / np.linalg.norm(task.X[there], axis=1, keepdims=True)
    centres = kmeans_plusplus(unit, task.k, random_state=seed)[0]
    old = np.inf
    for _ in range(PLAIN):
        labels = (unit @ centres.T).argmax(axis=1)
        sums = np.stack([unit[labels == j].sum(axis=0) for j in range(task.k)])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-300), centres)
        inertia = float((1 - (unit @ centres.T).max(axis=1)).sum())
        if old - inertia <= 1e-4 * inertia:
            break
        old = inertia
    every = np.full(len(there), -1)
    every[there] = (unit @ centres.T).argmax(axis=1)
    return Clusters(every, inertia)


def plain_manhattan(task: Task, seed: int) -> Clusters:
    """k-medians as it is written down, from seeds drawn by absolute differences."""
    draw, X = np.random.default_rng(seed), task.X
    seeds = [X[draw.integers(len(X))]]
    least = np.full(len(X), np.inf)
    for _ in range(task.k - 1):
        least = np.minimum(least, np.abs(X - seeds[-1]).sum(axis=1))
        seeds.append(X[draw.choice(len(X), p=least / least.sum())])
    centres, old = np.array(seeds), np.inf
    for _ in range(PLAIN):
        far = pairwise_distances(X, centres, metric="manhattan")
        labels, inertia = far.argmin(axis=1), float(far.min(axis=1).sum())
        if old - inertia <= 1e-4 * inertia:
            break
        old = inertia
        for j in set(labels.tolist()):
            centres[j] = np.median(X[labels == j], axis=0)
    return Clusters(labels, inertia)


CONTESTS = {
    "euclidean": {"nacre": ours("euclidean"), "scikit-learn": theirs},
    "cosine": {"nacre": ours("cosine"), "plain": plain_cosine},
    "manhattan": {"nacre": ours("manhattan"), "plain": plain_manhattan},
}


def compared(task: Task, metric: str, n_seeds: int) -> dict[str, object]:
    """Means over the seeds: of the ARI, and of the inertia in units of the lowest of all runs."""
    runs = {
        name: [fit(task, seed) for seed in range(n_seeds)] for name, fit in CONTESTS[metric].items()
    }
    best = max(min(run.inertia for some in runs.values() for run in some), 1e-12)
    known = task.y > 0
    row: dict[str, object] = {"set": task.name, "metric": metric, "k": task.k}
    for name, some in runs.items():
        scores = [adjusted_rand_score(task.y[known], run.labels[known]) for run in some]
        row[f"{name} ari"] = float(np.mean(scores))
        row[f"{name} inertia"] = float(np.mean([run.inertia for run in some])) / best
    return row


def counted(task: Task) -> dict[str, object]:
    """What "auto" chooses, with three seeds."""
    found = [KMeans("auto", random_state=seed).fit(task.X).n_clusters_ for seed in range(3)]
    return {"set": task.name, "k": task.k, "auto": found}


def summary(rows: list[dict[str, object]]) -> dict[str, float]:
    """Means over the sets of each figure of a metric."""
    names = [name for name in rows[0] if name.endswith((" ari", " inertia"))]
    return {name: float(np.mean([float(str(row[name])) for row in rows])) for name in names}


def main() -> None:
    """Every set by every metric; the results as JSON."""
    given = _stage.options(__doc__).parse_args()
    tasks, n_seeds = list(sets(given.tiny)), 2 if given.tiny else 10
    results: dict[str, object] = {}
    for metric in CONTESTS:
        rows = [compared(task, metric, n_seeds) for task in tasks]
        results[metric] = {"means": summary(rows), "sets": rows}
        print(metric, {name: round(mean, 4) for name, mean in summary(rows).items()})
    results["auto"] = chosen = [counted(task) for task in tasks]
    for row in chosen:
        print(row)
    if not given.tiny:
        on = _stage.machine()
        name = f"quality-{time.strftime('%Y%m%d')}-{str(on['commit']).rstrip('+')}.json"
        path = _stage.RESULTS / name
        path.write_text(json.dumps({"machine": on, **results}, indent=1) + "\n")
        print(f"written to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
