"""Every engine under every law."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from nacre.engine.processes import Processes
from nacre.engine.serial import Serial
from nacre.engine.threads import Threads
from nacre.laws import ENGINE_LAWS, Case, Chaos
from tests.cases import CASES

ENGINES: dict[str, Callable[[], Any]] = {
    "serial": Serial,
    **{f"threads-{n}": partial(Threads, n) for n in (1, 2, 3, 8)},
    **{f"processes-{n}": partial(Processes, n) for n in (1, 2, 3)},
    "chaos": Chaos,
}

# Same bits: all learners on all engines. The other laws look at what an engine carries, not at who
# learns: a part of the rows (itemsets), walks (LinearSGD), groups (dbscan, in a chain too; good, a
# part of the rows of each group); tasks of the law's own, that look at no learner.
CARRIED = {
    "same_bits_as_serial": tuple(case.name for case in CASES),
    "reduce_is_the_total_of_stream": ("itemsets", "LinearSGD", "dbscan"),
    "regroups_as_serial": ("dbscan", "Scale-DBSCAN", "good"),
    "answers_in_reading_order": ("KMeans", "Scale-DBSCAN"),
    "every_error_survives": ("Scale",),
    "lowest_failure_wins": ("Scale",),
    "can_be_ended": ("Scale",),
    "few_are_in_flight": ("Scale",),
    "a_stream_has_one_cut": ("Scale",),
}
TRIED = [
    pytest.param(engine, law, case, id=f"{engine}-{law}-{case.name}")
    for engine in ENGINES
    for law in ENGINE_LAWS
    for case in CASES
    if case.name in CARRIED[law] and (engine, law) != ("serial", "same_bits_as_serial")
]


@pytest.fixture(scope="module")
def made() -> Iterator[Callable[[str], Any]]:
    """Name -> the engine, one for all tests: workers are slow to start, not to work."""
    engines: dict[str, Any] = {}

    def engine(name: str) -> Any:
        if name not in engines:
            engines[name] = ENGINES[name]()
        return engines[name]

    yield engine
    for one in engines.values():
        one.close()


@pytest.mark.parametrize(("engine", "law", "case"), TRIED)
def test_engine(made: Callable[[str], Any], engine: str, law: str, case: Case) -> None:
    ENGINE_LAWS[law](made(engine), case, 0)


def test_every_law_is_tried() -> None:
    known = {case.name for case in CASES}
    assert CARRIED.keys() == ENGINE_LAWS.keys()
    assert all(names and known.issuperset(names) for names in CARRIED.values())
