"""The commit path of a live model under faults that are real: strace, a full disk, SIGSTOP.

`make test` tries every 10th point, `make faults` (NACRE_FAULTS=all) every one. What was tried and
survived is printed, and written as JSON below NACRE_FAULTS_TOTALS where that names a folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nacre.errors import DiskFull
from nacre.store.commits import Log
from nacre.store.place import place_of
from tests.faults import writing
from tests.faults.sweeping import SCENES, STOPPED, STRACE
from tests.store.crashing import on_memory

ROOT = Path(__file__).parents[2]
ALL = os.environ.get("NACRE_FAULTS") == "all"
STRIDE = 1 if ALL else 10
MIB = 1 << 20

YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")  # above 0: of others only root is traced
MAY_TRACE = os.geteuid() == 0 or not YAMA.exists() or YAMA.read_text().strip() == "0"

with_strace = pytest.mark.skipif(
    not (STRACE and MAY_TRACE) and os.environ.get("NACRE_REQUIRE") != "all",
    reason="strace is not installed, or may not attach to other processes",
)


@pytest.fixture
def totals(capsys: pytest.CaptureFixture[str]) -> Callable[[str, list[dict[str, Any]]], None]:
    """A function: prints rows of totals, and writes them where they are gathered."""

    def tell(name: str, rows: list[dict[str, Any]]) -> None:
        with capsys.disabled():
            print()
            for row in rows:
                print("faults: {what}, {fault}: {tried} tried, {survived} survived".format(**row))
        if folder := os.environ.get("NACRE_FAULTS_TOTALS"):
            Path(folder, f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")

    return tell


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where many stores are made."""
    with tempfile.TemporaryDirectory(dir=on_memory()) as path:
        yield Path(path)


@with_strace
@pytest.mark.timeout(600)  # every point takes 30 ms of a processor, and there are thousands
def test_every_fault_at_every_syscall(folder: Path, totals: Any) -> None:
    told = swept(folder, "path", STRIDE)
    totals("commit-path", told["rows"])
    assert told["wrong"] == []
    assert {row["what"] for row in told["rows"]} == {s.name for s in (*SCENES, *STOPPED)}
    assert sum(row["tried"] for row in told["rows"]) > 2500 / STRIDE
    # of what was to be written nothing fails unnoticed; of what is read or tidied something may
    assert not set(told["silent"]) & {"write", "fsync", "linkat", "link", "mkdirat", "mkdir"}
    assert {"acknowledged, known", "fenced, left nothing"} <= set(told["outcomes"])
    assert set(told["outcomes"]) <= {
        *("acknowledged, known", "fenced, left nothing"),
        "fenced, known",  # it slept until what was built on its commit was collected too
    }


@with_strace
def test_a_commit_costs_two_syncs(folder: Path) -> None:
    assert swept(folder, "count") == {"fsync": 20, "linkat": 10, "renameat": 0, "mkdirat": 0}


@with_strace
@pytest.mark.timeout(600)
def test_faults_while_a_live_model_absorbs(folder: Path, totals: Any) -> None:
    told = swept(folder, "live", 15 if ALL else 400)  # of 4,700 points; each takes 0.3 s
    totals("live", told["rows"])
    assert told["wrong"] == []
    assert not set(told["silent"]) & {"fsync", "linkat", "link"}  # a cache may fail unnoticed


def swept(folder: Path, what: str, stride: int = 1) -> Any:
    """What tests.faults.sweeping prints, in a process without threads: it forks."""
    command = [sys.executable, "-m", "tests.faults.sweeping", str(folder), what, str(stride)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def sizes(n: int) -> list[int]:
    """Bytes that are free for an object of one MiB: pages of a disk, from none to enough."""
    pages = MIB // 4096
    return [4096 * page for page in [*range(0, pages, max(1, pages // n)), pages + 2, pages + 8]]


@pytest.mark.root
@pytest.mark.timeout(120)
def test_a_disk_that_is_full_at_any_byte(tmp_path: Path, totals: Any) -> None:
    options = ["-t", "tmpfs", "-o", "size=8m", "none"]
    subprocess.run(["mount", *options, tmp_path], check=True)
    n_tried = n_full = 0
    try:
        log = Log(place_of(tmp_path / "store", make=True))
        log.append(1, b"1")
        for room in sizes(256 if ALL else 32):
            free = os.statvfs(tmp_path)
            (tmp_path / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - room))
            number, data = log.newest() + 1, os.urandom(MIB)
            n_tried += 1
            try:
                log.append(number, data[:100], data[100:])
            except DiskFull:
                n_full += 1
                assert Log(log.place).newest() == log.newest() == number - 1
                assert not list(writing.unfinished(tmp_path))
            (tmp_path / "filler").unlink()
            log.append(number, data[:100], data[100:])  # goes on, or has committed
            assert Log(log.place).read(number) == data
            log.remove([number - 1])
            assert log.numbers() == [number]
        log.place.close()
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert n_tried > n_full > 0.8 * n_tried
    row = {"what": "a commit of 1 MiB", "fault": "no room from some byte on"}
    totals("full-disk", [{**row, "tried": n_tried, "survived": n_tried}])
