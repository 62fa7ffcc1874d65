from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nacre.contract import Batch, Model
from nacre.engine.tree import Span
from nacre.laws import Chaos
from nacre.laws.engine import PLAIN
from nacre.laws.journey import always
from tests.spike.plans import plan_of


@given(seed=st.integers(0, 99), n_shards=st.integers(1, 300))
def test_each_pass_doubles_loses_retries_and_shuffles(seed: int, n_shards: int) -> None:
    worked: Counter[int] = Counter()

    def task(model: Model, batches: Iterable[Batch]) -> int:
        (batch,) = batches
        first = int(batch.ids["position"][0])
        worked[first] += 1
        return first

    engine = Chaos(seed)
    held = engine.hold(plan_of(np.zeros((n_shards, 1)), rows=1))
    came: list[list[Span]] = []
    for _ in range(2):
        worked.clear()
        came.append([span for span, _ in engine.stream(task, always(PLAIN), held)])
        assert set(worked) == set(range(n_shards)), "all are worked on"
        assert sorted(set(came[-1])) == [(i, i + 1) for i in range(n_shards)], "all arrive"
        assert sum(worked.values()) > len(came[-1]), "some of what is worked on is lost"
        assert len(came[-1]) > n_shards, "some arrive twice"
        assert sum(worked.values()) <= n_shards + 4 * max(1, 0.06 * n_shards), "most do not"
    if n_shards > 20:
        assert came[0] != came[1]
        assert came[0] != sorted(came[0])
