"""Every learner, ours and the spike's, under every law."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nacre.laws import LEARNER_LAWS, Case
from tests.cases import CASES


@pytest.mark.parametrize("name", LEARNER_LAWS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=2, phases=[Phase.generate])  # a seed chooses rows, cuts and factors
def test_learner(case: Case, name: str, seed: int) -> None:
    LEARNER_LAWS[name](case, seed)
