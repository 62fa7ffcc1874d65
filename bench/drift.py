"""Forgetting chosen by itself, beside fixed half-lives and the peers' incremental k-means.

The first 1,000 rows make scaling and frame; then batches of 100: each is first a test, the mean
squared distance of its rows to the nearest centre, then learned. Eight fixed half-lives, in equal
ratios from 100 rows to the stream's length; the automatic one chooses among these (and, as a live
model has it, among 100, 400, 1,600, ... rows and none: "ladder"). The drift streams, NAB with three
clusters a file, and made streams with no, gradual and abrupt drift.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import csv
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import _stage
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from nacre import KMeans, Micro
from nacre.contract import Batch, Run
from nacre.evolve.bank import Bank, half_lives
from nacre.kinds import Array
from nacre.learn.cluster.micro import MicroSums, inertia

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FIRST, BATCH = 1_000, 100
MADE = 40_000  # rows of a made stream
CHOSEN = ("automatic", "ladder")


class Stream(NamedTuple):
    """Rows (n, d) float64 in order of time, scaled by the first 1,000, and how many clusters."""

    group: str
    name: str
    X: Array
    k: int


def streams(tiny: bool) -> Iterator[Stream]:
    """The real ones, then the made ones."""
    for group, name, X, k in [*_drifting(), *_nab(), *_made()]:
        rows = X[: 2 * FIRST] if tiny else X
        head = rows[:FIRST]
        spread = head.std(axis=0)
        spread[spread < 1e-12 * np.maximum(1, np.abs(head.mean(axis=0)))] = 1
        yield Stream(group, name, (rows - head.mean(axis=0)) / spread, k)


def _drifting() -> Iterator[Stream]:
    folder = DATA / "stream_drift"
    for name in ("sea", "interchanging_rbf", "2CDT"):
        found = np.load(folder / f"{name}.npz")
        yield Stream("drift", name, found["X"].astype(float), len(np.unique(found["y"])))
    lines = gzip.decompress((folder / "elec.csv.gz").read_bytes()).decode().split()
    at = lines[0].split(",").index("class")
    cells = [line.split(",") for line in lines[1:]]
    X = np.array([[*row[:at], *row[at + 1 :]] for row in cells], float)
    yield Stream("drift", "elec", X, len({row[at] for row in cells}))


def _nab() -> Iterator[Stream]:
    for path in sorted((DATA / "stream_nab").glob("*/*.csv")):
        rows = list(csv.DictReader(path.open()))
        yield Stream("NAB", path.stem, np.array([[float(row["value"])] for row in rows]), 3)


def _made() -> Iterator[Stream]:
    """Five groups in four columns: they stand still; all go their ways; or jump three times."""
    for seed in range(2):
        draw = np.random.default_rng([7, seed])
        centres, label = 4 * draw.normal(size=(5, 4)), draw.integers(0, 5, MADE)
        noise = draw.normal(size=(MADE, 4))
        yield Stream("made", f"none {seed}", centres[label] + noise, 5)
        ways = draw.normal(size=(5, 4))
        ways /= np.linalg.norm(ways, axis=1)[:, None]
        passed = np.arange(MADE) / MADE
        for far in (2, 10, 40):
            X = centres[label] + far * ways[label] * passed[:, None] + noise
            yield Stream("made", f"gradual {far} {seed}", X, 5)
        late = np.maximum(0, passed - 0.75)
        X = centres[label] + 40 * ways[label] * late[:, None] + noise
        yield Stream("made", f"late {seed}", X, 5)
        for far in (1, 4):
            after = far * draw.normal(size=(3, 5, 4))
            there = np.concatenate([centres[None], centres + after])
            X = there[np.arange(MADE) * 4 // MADE, label] + noise
            yield Stream("made", f"abrupt {far} {seed}", X, 5)


def loss(X: Array, centres: Array) -> float:
    """Mean squared distance of rows to the nearest centre."""
    return float(((X[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1).mean())


def later(X: Array) -> Iterator[tuple[int, Array]]:
    """Batches after the first rows: where each begins, and its rows."""
    for at in range(FIRST, len(X), BATCH):
        yield at, X[at : at + BATCH]


def of_bank(
    learner: Any, stream: Stream, ladder: tuple[float, ...]
) -> tuple[list[list[float]], list[int]]:
    """The losses of all half-lives for each batch, and which was chosen beforehand."""
    state = learner.fit(stream.X[:FIRST]).state_
    bare = type(learner)(**learner.get_params(deep=False))
    bank = Bank.begun(bare, state.model, state.told, FIRST, ladder)
    losses, chosen = [], []
    for at, rows in later(stream.X):
        models = [member.model for member in bank.members]
        losses.append([loss(rows, getattr(m, "inner", m).centres) for m in models])
        chosen.append(bank.judged.chosen)
        bank = bank.learn(_told(bare, Batch(rows, Run(1, at))), _cost(bare), at + len(rows))
    return losses, chosen


def _told(learner: Any, batch: Batch) -> Callable[[Any], Any]:
    return lambda model: learner.observe(model, batch)


def _cost(learner: Any) -> Callable[[Any, Any], float]:
    def cost(model: Any, told: Any) -> float:
        if isinstance(told, MicroSums):
            return inertia(model, told)
        return float(learner.loss(told) * told.weight)

    return cost


def of_nacre(make: Callable[[int], Any], stream: Stream, seed: int) -> dict[str, Any]:
    """Losses of the fixed half-lives, and of those that were chosen."""
    grid = half_lives(BATCH, len(stream.X))
    losses, chosen = map(np.array, of_bank(make(seed), stream, grid))
    rising = half_lives(BATCH)
    others, others_chosen = map(np.array, of_bank(make(seed), stream, rising))
    at = np.arange(len(losses))
    return {
        "fixed": losses.mean(axis=0).tolist(),
        "automatic": float(losses[at, chosen].mean()),
        "ladder": float(others[at, others_chosen].mean()),
        "used": np.bincount(chosen, minlength=len(grid)).tolist(),
    }


def scikit_learn(stream: Stream, seed: int) -> float:
    """MiniBatchKMeans.partial_fit."""
    model = MiniBatchKMeans(stream.k, random_state=seed, n_init=1).partial_fit(stream.X[:FIRST])
    losses = []
    for _, rows in later(stream.X):
        losses.append(loss(rows, model.cluster_centers_))
        model.partial_fit(rows)
    return float(np.mean(losses))


def river(stream: Stream, seed: int) -> float:
    """River's cluster.KMeans as it comes, row by row; the test is at the batch's start."""
    model = import_module("river.cluster").KMeans(stream.k, seed=seed)
    names = range(stream.X.shape[1])
    for row in stream.X[:FIRST]:
        model.learn_one(dict(zip(names, row, strict=True)))
    losses = []
    for _, rows in later(stream.X):
        centres = [[model.centers[c][t] for t in names] for c in range(stream.k)]
        losses.append(loss(rows, np.array(centres)))
        for row in rows:
            model.learn_one(dict(zip(names, row, strict=True)))
    return float(np.mean(losses))


def measured(stream: Stream, n_seeds: int, micro: bool) -> dict[str, Any]:
    """All contestants on one stream: medians over seeds of mean losses."""
    makers: dict[str, Callable[[int], Any]] = {
        "KMeans": lambda seed: KMeans(stream.k, random_state=seed)
    }
    if micro:
        makers["Micro"] = lambda seed: Micro(KMeans(stream.k, random_state=seed), random_state=seed)
    row: dict[str, Any] = {"group": stream.group, "stream": stream.name, "n": len(stream.X)}
    for name, make in makers.items():
        runs = [of_nacre(make, stream, seed) for seed in range(n_seeds)]
        row[name] = {
            what: np.median([run[what] for run in runs], axis=0).tolist() for what in runs[0]
        }
    if stream.group == "drift":
        peers = {"scikit-learn": scikit_learn, "River": river}
        for name, peer in peers.items():
            try:
                row[name] = float(np.median([peer(stream, seed) for seed in range(n_seeds)]))
            except ModuleNotFoundError:
                print(f"{name} is not installed: not compared", file=sys.stderr)
    return row


def ratios(row: dict[str, Any], learner: str) -> dict[str, float]:
    """Each choice over the best fixed half-life, 1 where that costs nothing; and over the peers."""
    own = row[learner]
    best = min(own["fixed"])
    found = {what: own[what] / best if best > 1e-9 else 1.0 for what in CHOSEN}
    peers = [row[name] for name in ("scikit-learn", "River") if name in row]
    return found | ({"of peers": own["automatic"] / min(peers)} if peers else {})


def show(row: dict[str, Any]) -> None:
    """A line for each learner."""
    for learner in ("KMeans", "Micro"):
        if learner in row:
            fixed = " ".join(f"{one:.4g}" for one in row[learner]["fixed"])
            told = " ".join(f"{k} {v:.3f}" for k, v in ratios(row, learner).items())
            peers = " ".join(f"{k} {row[k]:.4g}" for k in ("scikit-learn", "River") if k in row)
            print(f"{row['stream']:>38} {learner:>6}: {told}   {peers}   [{fixed}]", flush=True)


def summed_up(rows: list[dict[str, Any]]) -> None:
    """Of each group the mean and the worst ratio, and how many are more than 5 % above."""
    for learner in ("KMeans", "Micro"):
        for group in ("drift", "NAB", "made"):
            mine = [
                ratios(row, learner) for row in rows if learner in row and row["group"] == group
            ]
            for what in CHOSEN if mine else ():
                of = np.array([one[what] for one in mine])
                said = (
                    f"mean {of.mean():.3f}, worst {of.max():.3f}, {(of > 1.05).sum()} of {len(of)}"
                )
                print(f"{learner:>7} {group:>6} {what:>10}: {said} above 1.05")


def main() -> None:
    """Every stream; `--micro` also for cells under a frame that stands still (an hour)."""
    parser = _stage.options(__doc__ or "")
    parser.add_argument("--micro", action="store_true", help="also Micro(KMeans)")
    parser.add_argument("--only", default="", help="streams whose names hold this")
    asked = parser.parse_args()
    on = _stage.machine()
    rows = []
    for stream in streams(asked.tiny):
        if asked.only in f"{stream.group} {stream.name}":
            n_seeds = 1 if asked.tiny else asked.runs
            rows.append(measured(stream, n_seeds, asked.micro or asked.tiny))
            show(rows[-1])
    summed_up(rows)
    if not asked.tiny and not asked.only:
        day = f"{time.strftime('%Y%m%d')}-{on['commit'].rstrip('+')}"
        path = _stage.RESULTS / f"drift{'-micro' if asked.micro else ''}-{day}.json"
        path.write_text(json.dumps({"machine": on, "streams": rows}, indent=1) + "\n")
        print(f"written to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
