"""A live model that is killed, stopped or lied to by its disk while it replaces, collects, reopens.

`python -m tests.faults.outliving DIRECTORY sweep STRIDE` tries every STRIDE-th syscall of each;
`... stopped STRIDE` stops a writer at every STRIDE-th one while another commits; `... race` has
eight processes absorb the same batches at once. Each prints as JSON what was tried and survived.
"""

from __future__ import annotations

import functools
import mmap
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nacre
from nacre.errors import CorruptState, DiskFull, Fenced, NotFound, Unavailable
from tests.faults import living
from tests.faults.sweeping import Report, Scene, Traced, points, sweep
from tests.faults.writing import ACKNOWLEDGED, ERROR, FENCED, FOREIGN

N_RACING = 8
N_BATCHES = 24  # of which each process absorbs all, in an order of its own


def named(batches: Iterable[int]) -> dict[str, int]:
    """Id -> what its rows are made from."""
    return {f"batch-{batch}": batch for batch in batches}


@functools.cache
def _expected(rows: tuple[tuple[str, int], ...]) -> str:
    with living.begun(f"memory://{hash(rows)}") as live:
        for name, seed in rows:
            live.absorb(living.rows(seed), name, engine="serial")
        return live.state.digest


def check(root: Path, rows: Mapping[str, int]) -> None:
    """Raise AssertionError unless a live model has exactly these batches, and is whole."""
    with nacre.open(root) as live:
        alive = {line.id for line in live.ledger.alive()}
        assert alive == rows.keys(), f"there {sorted(alive ^ rows.keys())}"
        assert live.state.digest == _expected(tuple(sorted(rows.items()))), "other bits"
        found = live.verify()
        assert found.problems == (), found.problems
        assert len([act.number for act in live.history()]) == live.version


def _told(notes: memoryview, number: int, what: Any) -> bool:
    """Do something, and note what a user sees of it; whether it was done."""
    try:
        what()
        notes[number] |= ACKNOWLEDGED
        return True
    except (DiskFull, Unavailable):
        notes[number] |= ERROR
    except (Fenced, CorruptState, NotFound):  # others went on, or collected what it was reading
        notes[number] |= FENCED
    except BaseException:
        notes[number] |= FOREIGN
        raise
    return False


def replace(root: Path, batches: Sequence[int], notes: memoryview) -> None:
    """Put other rows in the place of a batch; twice, should the first fail."""
    (batch,) = batches

    def once() -> None:
        with nacre.open(root) as live:
            live.replace(f"batch-{batch}", living.rows(900), engine="serial")

    if not _told(notes, batch, once):
        _told(notes, batch, once)


def replaced(root: Path, before: Iterable[int], notes: memoryview) -> None:
    """The old rows or the new ones, and the new ones if that was acknowledged."""
    assert not any(note & FOREIGN for note in notes), "an error not of ours"
    old = named(before)
    new = old | {"batch-5": 900}
    with nacre.open(root) as live:
        n_lines = len(live.ledger.lines("batch-5"))
    assert n_lines == 2 or not notes[5] & ACKNOWLEDGED, "acknowledged, and not there"
    check(root, new if n_lines == 2 else old)


def replace_again(root: Path, batches: Iterable[int]) -> None:
    """Go on after a fault."""
    with nacre.open(root) as live:
        live.replace("batch-5", living.rows(900), engine="serial")
        n = live._version.commit.n_batches
    check(root, named(range(1, n + 1)) | {"batch-5": 900})


def collect(root: Path, batches: Sequence[int], notes: memoryview) -> None:
    """Remove old commits, and go on."""

    def once() -> None:
        with nacre.open(root) as live:
            live.collect("1ns")

    _told(notes, batches[0], once)


def collected(root: Path, before: Iterable[int], notes: memoryview) -> None:
    """Nothing is lost, whatever was removed."""
    assert not any(note & FOREIGN for note in notes), "an error not of ours"
    check(root, named(before))


def collect_again(root: Path, batches: Iterable[int]) -> None:
    """Go on after a fault: old commits go, new ones come."""
    with nacre.open(root) as live:
        n = live._version.commit.n_batches
        live.collect("1ns")
        numbers = live._shelf.log.numbers()
        assert numbers == list(range(64, n + 1)), f"left {numbers}"
        living.absorb(live, n + 1)
    check(root, named(range(1, n + 2)))


SCENES = (
    Scene("a batch replaced", living.lived_with(63), 63, (5,), replace, replaced, replace_again),
    Scene("commits collected", living.lived_with(66), 66, (1,), collect, collected, collect_again),
)
SLEEPER = Scene("a live writer that slept", living.lived_with(62), 62, (63,))


def sweep_all(folder: Path, stride: int) -> Report:
    """Every fault at every stride-th point of each scene."""
    report = Report()
    for number, scene in enumerate(SCENES):
        (folder / str(number)).mkdir()
        sweep(scene, folder / str(number), stride, report)
    return report


def sleep(root: Path, batches: Sequence[int], notes: memoryview) -> None:
    """Absorb a batch once; whoever does may be stopped for long."""
    (batch,) = batches

    def once() -> None:
        with nacre.open(root) as live:
            living.absorb(live, batch)

    _told(notes, batch, once)


def stopped(folder: Path, stride: int) -> Report:
    """A writer is stopped at a syscall; meanwhile another commits past a checkpoint, and collects.

    Where it goes on it has committed before, or is told that it was fenced.
    """
    report = Report()
    scene = Scene(SLEEPER.name, SLEEPER.prepare, 62, (63,), sleep)
    stop = {"stopped": "signal=SIGSTOP:when={}"}
    for at, (fault, call, when) in enumerate(points(scene, folder, stop)):
        if at % stride:
            continue
        root = scene.copy(folder, str(at))
        inject = f"inject={call}:{stop[fault].format(when)}"
        child = Traced(scene.work(root), "-e", f"trace={call}", "-e", inject)
        child.await_line(b"stopped by SIGSTOP")
        with nacre.open(root) as live:
            for other in range(100, 104):
                living.absorb(live, other)
            live.collect("1ns")
        os.kill(child.pid, signal.SIGCONT)
        code, note = child.end(), child.notes[63]

        def verdict(root: Path = root, code: int = code, note: int = note) -> None:
            assert code == 0, f"ended {code}"
            assert note in (ACKNOWLEDGED, FENCED, ERROR), f"noted {note}"
            with nacre.open(root) as live:
                is_in = live.ledger.find("batch-63") is not None
            assert is_in or note != ACKNOWLEDGED, "acknowledged, and not there"
            check(root, named([*range(1, 63), *range(100, 104), *([63] if is_in else [])]))
            report.outcomes[f"noted {note}, {'known' if is_in else 'left nothing'}"] += 1

        report.count(scene.name, fault, f"{call} {when}", verdict)
        shutil.rmtree(root, ignore_errors=True)
    return report


def _race(root: Path, number: int, go: memoryview) -> None:
    """Absorb every batch, beginning at another one than others do."""
    live = nacre.open(root)
    go[number] = 1
    while not all(go):  # until all are ready
        os.sched_yield()
    for batch in ((number * 3 + at) % N_BATCHES + 1 for at in range(N_BATCHES)):
        while True:
            try:
                living.absorb(live, batch)
                break
            except Fenced:
                live.reopen()
        os.sched_yield()


def race(folder: Path, stride: int) -> Report:
    """Processes absorb the same batches at once: each is in the sum once."""
    assert stride == 1
    report, root = Report(), folder / "raced"
    living.lived_with(1)(root)
    go = memoryview(mmap.mmap(-1, N_RACING))
    children = []
    for number in range(N_RACING):
        if (pid := os.fork()) == 0:
            code = 1
            try:
                _race(root, number, go)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]

    def verdict() -> None:
        assert codes == [0] * N_RACING, f"ended {codes}"
        with nacre.open(root) as live:
            assert live.version == N_BATCHES, f"{live.version} commits"
            ids = sorted(line.id for line in live.ledger)
            assert ids == sorted(named(range(1, N_BATCHES + 1))), f"there {ids}"
            n_rows = live.state.told.n_rows
            assert n_rows == 40 * N_BATCHES, f"{n_rows} rows"
            assert live.verify().problems == (), live.verify().problems
            writers = {act.writer for act in live.history()}
            assert len(writers) > 1, "one writer alone"

    report.count("processes that race", "none", "", verdict)
    return report


def main(where: str, what: str, stride: str = "1") -> None:
    """Print what was asked for."""
    folder = Path(where)
    kinds = {"sweep": sweep_all, "stopped": stopped, "race": race}
    report = kinds[what](folder, int(stride))
    print(report.json())


if __name__ == "__main__":
    main(*sys.argv[1:])
