"""k-means beside scikit-learn, scikit-learn-intelex, faiss and SuperKMeans, on 2 threads.

The clock covers what the user waits for: fit and labels of float32 rows in memory. Tasks: (a) many
rows, (b) wider rows, images, and (d) many clusters of them; (a) and (b) also sorted, and with one
row in a hundred far away. `--curve` draws inertia against time for every contestant instead.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "2"

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _stage
import faiss
import numpy as np
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.cluster import MiniBatchKMeans
from superkmeans import SuperKMeans

import nacre
from nacre.kinds import Array

IMAGES = Path(__file__).parents[2] / "shared/data/images_fashion_mnist/train-images-idx3-ubyte.gz"
Contestant = Callable[[int], Array]


def rows(n: int, d: int, n_groups: int) -> Array:
    """A mixture as k-means meets, not as it likes: groups overlap, and differ in size and width."""
    draw = np.random.default_rng(20)
    centres = draw.normal(size=(n_groups, d)) * 1.5
    share = draw.dirichlet(np.ones(n_groups))
    label = draw.choice(n_groups, n, p=share)
    width = draw.uniform(0.5, 1.5, n_groups)
    X = centres[label] + draw.normal(size=(n, d)) * width[label, None]
    return X.astype(np.float32)


def images() -> Array:
    """(60000, 784): Fashion-MNIST."""
    with gzip.open(IMAGES) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)


def in_order(X: Array) -> Array:
    """Sorted by the first column."""
    return np.ascontiguousarray(X[np.argsort(X[:, 0])])


def far_away(X: Array) -> Array:
    """1 % of the rows moved 100 deviations away, in every column."""
    moved = X.copy()
    some = np.random.default_rng(21).choice(len(X), len(X) // 100, replace=False)
    moved[some] += 100 * X.std(axis=0)
    return moved


def inertia(X: Array, centres: Array) -> float:
    """Mean squared distance to the nearest centre, float64, in blocks."""
    C = np.asarray(centres, np.float64)
    total = 0.0
    for start in range(0, len(X), 20_000):
        block = X[start : start + 20_000].astype(np.float64)
        nearest = ((C * C).sum(1) - 2 * block @ C.T).min(1) + (block * block).sum(1)
        total += float(nearest.sum())
    return total / len(X)


def ours(X: Array, k: int, **options: Any) -> Contestant:
    """nacre."""

    def fit(seed: int) -> Array:
        km = nacre.KMeans(k, random_state=seed, **options).fit(X, engine="threads:2")
        assert len(km.labels_) == len(X)
        return km.cluster_centers_

    return fit


def sklearn(X: Array, k: int, learner: type, **options: Any) -> Contestant:
    """scikit-learn's, or one with its face."""

    def fit(seed: int) -> Array:
        km = learner(k, n_init=1, random_state=seed, **options).fit(X)
        assert len(km.labels_) == len(X)
        return km.cluster_centers_

    return fit


def faiss_kmeans(X: Array, k: int, most: int, n_iter: int = 25) -> Contestant:
    """faiss with at most so many points for each centre."""

    def fit(seed: int) -> Array:
        km = faiss.Kmeans(X.shape[1], k, niter=n_iter, seed=seed + 1, max_points_per_centroid=most)
        km.train(X)
        _, labels = km.index.search(X, 1)
        assert len(labels) == len(X)
        return km.centroids

    return fit


def super_kmeans(X: Array, k: int, **options: Any) -> Contestant:
    """SuperKMeans as it comes, and on all rows."""

    def fit(seed: int) -> Array:
        km = SuperKMeans(k, X.shape[1], n_threads=2, seed=seed + 1, **options)
        centres = np.ascontiguousarray(km.train(X))
        assert len(km.assign(X, centres)) == len(X)
        return centres

    return fit


def contestants(X: Array, k: int) -> dict[str, Contestant]:
    """Each returns its centres, after its labels are there."""
    from sklearnex.cluster import KMeans as IntelKMeans

    everything: dict[str, object] = {"hierarchical": False, "sampling_fraction": 1.0}
    everything["max_points_per_cluster"] = len(X)
    return {
        "nacre": ours(X, k),
        "sklearn": sklearn(X, k, TheirKMeans),
        "MiniBatch": sklearn(X, k, MiniBatchKMeans, batch_size=4096),
        "intelex": sklearn(X, k, IntelKMeans),
        "faiss": faiss_kmeans(X, k, len(X)),
        "faiss 256": faiss_kmeans(X, k, 256),
        "SuperKMeans": super_kmeans(X, k),
        "Super, all": super_kmeans(X, k, **everything),
    }


def lloyd_alone(X: Array, k: int, n_iter: int = 10) -> dict[str, Contestant]:
    """The same start and number of iterations for all."""
    from sklearnex.cluster import KMeans as IntelKMeans

    start = X[np.random.default_rng(22).choice(len(X), k, replace=False)]
    same = {"init": start, "max_iter": n_iter, "tol": 0}

    def faiss_from(seed: int) -> Array:
        km = faiss.Kmeans(X.shape[1], k, niter=n_iter, max_points_per_centroid=len(X))
        km.train(X, init_centroids=start)
        km.index.search(X, 1)
        return km.centroids

    return {
        "nacre": ours(X, k, algorithm="lloyd", **same),
        "sklearn": sklearn(X, k, TheirKMeans, **same),
        "intelex": sklearn(X, k, IntelKMeans, **same),
        "faiss": faiss_from,
    }


def contests(tiny: bool, wanted: list[str]) -> Iterator[_stage.Contest]:
    """The tasks of the names wanted, one by one: their rows are made when their turn comes."""
    size = (4_000, 10) if tiny else (1_000_000, 100)
    wide = (2_000, 12) if tiny else (200_000, 256)
    tasks: dict[str, tuple[str, Callable[[], Array], int]] = {
        "a": ("a: rows", lambda: rows(size[0], 32, 3 * size[1] // 2), size[1]),
        "b": ("b: wider", lambda: rows(wide[0], 128, 3 * wide[1] // 2), wide[1]),
    }
    for name, (says, make, k) in list(tasks.items()):
        tasks[f"{name}-sorted"] = (f"{says}, sorted", lambda make=make: in_order(make()), k)
        tasks[f"{name}-far"] = (f"{says}, 1 % far away", lambda make=make: far_away(make()), k)
    if IMAGES.exists():
        some = slice(None, None, 30 if tiny else 1)
        tasks["images"] = ("b: images", lambda: images()[some], 100)
        tasks["d"] = ("d: images, many clusters", lambda: images()[some], 200 if tiny else 1000)
    tasks["lloyd"] = ("Lloyd alone", tasks["a"][1], size[1])
    for name in wanted or tasks:
        says, make, k = tasks[name]
        X = make()
        # the rows in another order are nacre's own matter: its peers look at all rows anyway
        all_of = lloyd_alone(X, k) if name == "lloyd" else contestants(X, k)
        some_of = {"nacre": all_of["nacre"]} if "-" in name else all_of
        what = f"{says}: {len(X):,} x {X.shape[1]}, k={k}"
        yield _stage.Contest(what, some_of, lambda C, X=X: inertia(X, C))


def curve(tiny: bool) -> None:
    """Inertia against time on the rows of (a): one point for each setting of each contestant."""
    import altair

    n, k = (4_000, 10) if tiny else (1_000_000, 100)
    X = rows(n, 32, 3 * k // 2)
    every = {"hierarchical": False, "sampling_fraction": 1.0, "max_points_per_cluster": n}
    settings: dict[str, list[Contestant]] = {
        "nacre": [ours(X, k, tol=tol) for tol in (1e-1, 5e-4, 1e-4, 1e-5)],
        "sklearn": [sklearn(X, k, TheirKMeans, max_iter=i) for i in (1, 5, 20)],
        "MiniBatch": [sklearn(X, k, MiniBatchKMeans, max_iter=i) for i in (1, 10, 100)],
        "faiss": [faiss_kmeans(X, k, n, i) for i in (1, 3, 10, 25)],
        "faiss 256": [faiss_kmeans(X, k, 256, i) for i in (3, 10, 25)],
        "SuperKMeans": [super_kmeans(X, k), super_kmeans(X, k, **every)],
    }
    points = []
    for name, made in settings.items():
        contest = _stage.Contest(
            name, {str(i): one for i, one in enumerate(made)}, lambda C: inertia(X, C)
        )
        contest.run(1 if tiny else 3)
        points += [
            {"contestant": name, "seconds": row["seconds"], "inertia": row["quality"]}
            for row in contest.table()
        ]
    best = min(point["inertia"] for point in points)
    for point in points:
        point["of best"] = point["inertia"] / best
        print("{contestant:>12} {seconds:8.2f} s {of best:7.4f}".format(**point))
    chart = altair.Chart(altair.Data(values=points), width=560, height=360).encode(
        altair.X("seconds:Q", scale=altair.Scale(type="log"), title="seconds (fit and labels)"),
        altair.Y("of best:Q", scale=altair.Scale(zero=False), title="inertia / best of all"),
        altair.Color("contestant:N"),
    )
    if not tiny:
        (chart.mark_line() + chart.mark_point(filled=True)).save(
            _stage.RESULTS / "kmeans-curve.svg"
        )


def main() -> None:
    """All tasks, or those named."""
    parser = _stage.options(__doc__ or "")
    parser.add_argument("tasks", nargs="*", help="those wanted, by name; all, where none is named")
    parser.add_argument("--curve", action="store_true", help="inertia against time, as a picture")
    options = parser.parse_args()
    _stage.await_quiet(options.tiny)
    faiss.omp_set_num_threads(2)
    if options.curve:
        curve(options.tiny)
        return
    on = _stage.machine()
    done = []
    for contest in contests(options.tiny, options.tasks):
        contest.run(1 if options.tiny else options.runs, patience=12)
        contest.show()
        done.append(contest)
    if not options.tiny:
        _stage.write("kmeans", done, on)


if __name__ == "__main__":
    main()
