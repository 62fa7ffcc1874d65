"""A learner of ours stands in every table that it must stand in."""

from __future__ import annotations

import pytest

import nacre
from nacre.cli.learners import LEARNERS
from nacre.contract import Learner
from nacre.store.format import BUILT_IN

OURS = [
    name
    for name in nacre._HOME
    if isinstance(found := getattr(nacre, name), type) and issubclass(found, Learner)
]
# the command line makes a Chain of the options --impute, --scale and --pca; a Micro holds a learner
NO_VERB = {"Chain", "Micro"}


def test_there_are_learners() -> None:
    assert {"Chain", "KMeans", "PCA"} <= set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_its_models_can_be_stored(name: str) -> None:
    assert nacre._HOME[name] in BUILT_IN.values()


@pytest.mark.parametrize("name", sorted(set(OURS) - NO_VERB))
def test_the_command_line_has_it(name: str) -> None:
    assert (nacre._HOME[name], name) in {(known.module, known.cls) for known in LEARNERS.values()}


def test_the_tables_name_nothing_else() -> None:
    assert {known.cls for known in LEARNERS.values()} == set(OURS) - NO_VERB
    homes = {nacre._HOME[name] for name in OURS}
    assert homes <= set(BUILT_IN.values())
    assert all(module.startswith("nacre.learn.") for module in BUILT_IN.values())
