"""Arrays as plans, cut as a test wants them."""

from __future__ import annotations

import numpy as np

from nacre.contract import Array, Schema
from nacre.source.arrays import ArrayReader, learning_dtype
from nacre.source.plan import RowPlan, cut


def plan_of(
    X: Array,
    weight: Array | None = None,
    y: Array | None = None,
    *,
    rows: int = 97,
    batch_rows: int | None = None,
    n_files: int = 1,
) -> RowPlan:
    """Shards of `rows` rows in two batches each, of one array or of it in so many files."""
    dtype, parts = learning_dtype(X), np.array_split(np.arange(len(X)), n_files)

    def part(values: Array | None, at: Array) -> Array | None:
        return None if values is None else values[at]

    readers = {
        f"file {i}": ArrayReader(X[at], dtype, part(weight, at), part(y, at))
        for i, at in enumerate(parts)
    }
    schema = Schema(None, X.shape[1], dtype)
    return cut(readers, schema, shard_rows=rows, batch_rows=batch_rows or max(1, rows // 2))
