"""A live model under faults that are real: killed, stopped, lied to by its disk, raced.

`make test` tries some points, `make faults` (NACRE_FAULTS=all) many; absorbing itself, with a
checkpoint, is in test_commit_path.py. Lives of many steps (tests/live/machine.py) are here too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.sweeping import STRACE
from tests.live.machine import Life, LifeOnDisk, lived
from tests.store.crashing import on_memory

ROOT = Path(__file__).parents[2]
ALL = os.environ.get("NACRE_FAULTS") == "all"
STRIDE = 70 if ALL else 1200  # of 7,000 points; each takes 0.5 s
SLEPT = 25 if ALL else 200  # of 700

with_strace = pytest.mark.skipif(
    STRACE is None and os.environ.get("NACRE_REQUIRE") != "all", reason="strace is not installed"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where many live models are made."""
    with tempfile.TemporaryDirectory(dir=on_memory()) as path:
        yield Path(path)


def told(folder: Path, what: str, stride: int = 1) -> Any:
    """What tests.faults.outliving prints, in a process without threads: it forks."""
    command = [sys.executable, "-m", "tests.faults.outliving", str(folder), what, str(stride)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    if name := os.environ.get("NACRE_FAULTS_TOTALS"):
        Path(name, f"live-{what}.json").write_text(json.dumps(found["rows"], indent=1) + "\n")
    return found


@with_strace
@pytest.mark.timeout(600)
def test_faults_while_a_batch_is_replaced_and_commits_are_collected(folder: Path) -> None:
    """Every point takes 0.3 s, and there are thousands."""
    found = told(folder, "sweep", STRIDE)
    assert found["wrong"] == []
    assert {row["what"] for row in found["rows"]} == {"a batch replaced", "commits collected"}


@with_strace
@pytest.mark.timeout(600)
def test_a_writer_that_slept_has_committed_or_is_fenced(folder: Path) -> None:
    found = told(folder, "stopped", SLEPT)
    assert found["wrong"] == []
    assert found["outcomes"]


@pytest.mark.timeout(120)
def test_processes_that_race_absorb_every_batch_once(folder: Path) -> None:
    """4 s: eight processes, each with all batches."""
    found = told(folder, "race")
    assert found["wrong"] == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", [Life, LifeOnDisk])
def test_many_lives(machine: type[Life]) -> None:
    """40 s each in `make faults`; others of more steps than those of tests/live."""
    lived(machine, 60 if ALL else 3, 60)
