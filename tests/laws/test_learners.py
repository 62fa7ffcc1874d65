"""Every learner, ours and the spike's, under every law."""

from __future__ import annotations

import pytest

from nacre.canon import hash64
from nacre.laws import LEARNER_LAWS, Case
from tests.cases import CASES


@pytest.mark.parametrize("name", LEARNER_LAWS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_learner(case: Case, name: str) -> None:
    for turn in range(2):  # a seed chooses rows, cuts and factors
        LEARNER_LAWS[name](case, hash64(f"{case.name} {name} {turn}") % 2**32)
