"""The far rows that empty clusters are put at."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Batch, Run
from nacre.learn.cluster.repair import GROUP, N_FAR, far_rows

SIZES = st.one_of(
    st.integers(0, 3 * N_FAR),
    st.integers(2 * N_FAR * GROUP - 2, 2 * N_FAR * GROUP + 2),
    st.integers(4_096, 9_000),
)


@given(st.integers(0, 9_999), SIZES, st.sampled_from([1, 3, 50, 10**6]), st.booleans())
def test_they_are_those_of_greatest_cost(
    seed: int, n: int, n_costs: int, is_weighted: bool
) -> None:
    """The first of equals, and none that costs nothing; however many rows are looked at at once."""
    draw = np.random.default_rng(seed)
    cost = draw.integers(0, n_costs, n) * (draw.random(n) < draw.choice([0.001, 0.5, 1.0])) / 7
    weight = draw.random(n) if is_weighted else None
    batch = Batch(draw.normal(size=(n, 2)), Run(5, 100), weight=weight)
    labels = np.arange(n, dtype=np.int32)
    found = far_rows(batch, cost, labels)
    want = [i for i in np.lexsort((labels, -cost)).tolist() if cost[i] > 0][:N_FAR]
    assert (found.ids["position"] - 100).tolist() == want
    least, rows, label, weights = found.columns
    assert (-least).tolist() == cost[want].tolist()
    assert rows.tolist() == batch.X[want].tolist()
    assert label.tolist() == want
    assert weights.tolist() == batch.weights[want].tolist()
