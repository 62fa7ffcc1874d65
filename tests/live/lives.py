"""Live models for tests: where they lie, what they absorb, what they ought to be."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import nacre
from nacre.canon import digest, hash64, pack
from nacre.contract import Array, Summary
from nacre.engine.tree import fold
from nacre.fitting import leaves_of
from nacre.live.model import Live
from nacre.source.read import plan_of, read
from nacre.store.ledger import Leaf

_names = itertools.count()


def memory() -> str:
    """An address that nobody else has."""
    return f"memory://test-{next(_names)}"


def batch(number: int, n: int = 40, d: int = 3) -> Array:
    """(n, d) float64: rows that differ from batch to batch."""
    rows = np.random.default_rng([number, 9]).normal(size=(n, d))
    return rows * np.arange(1, d + 1) + number % 5


def summed(
    live: Live, rows: Mapping[str, Array], times: Mapping[str, int] | None = None
) -> Summary:
    """The canonical sum of what these batches say under the frame of a live model, made anew."""
    grounds = live._version.grounds
    leaves: dict[int, Any] = {}
    for name, X in rows.items():
        plan = plan_of(read(X, id=name), takes=live.learner.takes, schema=grounds.schema, more=True)
        ((_, told),) = leaves_of(live.learner, plan, grounds.model)
        leaves[pack((times or {}).get(name, 0), hash64(name), 0)] = told
    total: Summary = fold(leaves)
    return total


def is_sum_of(live: Live, rows: Mapping[str, Array]) -> None:
    """A live model has absorbed exactly these batches, bit for bit, and its ledger says so."""
    alive = {line.id: line for line in live.ledger.alive()}
    assert alive.keys() == rows.keys()
    assert {name: line.n_rows for name, line in alive.items()} == {
        n: len(X) for n, X in rows.items()
    }
    assert digest(live._version.told) == digest(summed(live, rows))
    assert live._version.commit.n_batches == len(rows)
    assert live._version.commit.n_rows == sum(map(len, rows.values()))


def line_of(live: Live, id: str) -> Leaf:
    """The newest line of a batch."""
    line = live.ledger.find(id)
    assert line is not None
    return line


def bytes_of(live: Live, id: str) -> bytes:
    """What a batch said, as it lies in the store."""
    lies = line_of(live, id).lies
    assert lies is not None
    return live._shelf.bytes_of(lies)


def files(folder: Path, n: int, rows: int = 50) -> list[Path]:
    """Parquet files, one a month, of three columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = []
    for number in range(n):
        X = batch(number, rows)
        path = folder / f"2026-{number + 1:02d}.parquet"
        pq.write_table(pa.table({f"c{i}": column for i, column in enumerate(X.T)}), path)
        paths.append(path)
    return paths


def opened(path: Any = None, learner: Any = None, **options: Any) -> Live:
    """A live model of means and deviations."""
    return nacre.open(path or memory(), learner or nacre.Scale(), **options)
