"""Every syscall of the commit path made to fail, to kill or to stop, one at a time, by strace.

`python -m tests.faults.sweeping DIRECTORY path STRIDE` tries every STRIDE-th point and prints as
JSON what was tried and survived, what went wrong, and which failures nobody was told of;
`... DIRECTORY live STRIDE` does the same for a live model, and `... DIRECTORY count` prints which
syscalls ten commits make.

A child of this process waits until strace has attached to it, so that nothing but the commit path
is counted. It says what it has seen in shared memory, which takes no syscall.
"""

from __future__ import annotations

import collections
import json
import mmap
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nacre.store.commits import Log
from nacre.store.place import place_of
from tests.faults import living, writing

STRACE = shutil.which("strace")
PATIENCE = 20  # seconds for what takes milliseconds
N_NOTES = 200
CHANGING = ("openat", "write", "fsync", "linkat", "link", "mkdirat", "mkdir", "unlinkat", "rmdir")
NO_DISK = re.compile(  # memory, threads, time: of Python itself
    "mmap|munmap|mremap|mprotect|brk|madvise|futex|rt_.*|clock_.*|exit.*|getrandom|sched_.*"
    "|restart_syscall|getpid|gettid|sigaltstack|rseq|set_robust_list|getcwd"
)
FAULTS = {
    "killed": "signal=SIGKILL:when={}",
    "EIO once": "error=EIO:when={}",
    "EIO from then on": "error=EIO:when={}+",
    "disk full once": "error=ENOSPC:when={}",
    "disk full from then on": "error=ENOSPC:when={}+",
}


@dataclass(frozen=True)
class Scene:
    """A store to begin with, and the batches that a writer then absorbs."""

    name: str
    prepare: Callable[[Path], None]
    before: int
    batches: tuple[int, ...]
    write: Callable[[Path, Sequence[int], memoryview], None] = writing.write
    check: Callable[[Path, Iterable[int], memoryview], None] = writing.check
    recover: Callable[[Path, Iterable[int]], None] = writing.recover

    def copy(self, folder: Path, name: str) -> Path:
        """The store to begin with, once more; it is made in the first call."""
        first, root = folder / "first", folder / name
        if not first.exists():
            first.mkdir()
            self.prepare(first / "store")
        if (first / "store").exists():
            shutil.copytree(first / "store", root)
        return root

    def work(self, root: Path) -> Callable[[memoryview], None]:
        """What the writer does; it is given its notes."""
        return lambda notes: self.write(root, self.batches, notes)


SCENES = (
    Scene("a new store", lambda root: None, 0, (1, 2)),
    Scene("a store", writing.filled_with(62), 62, (63, 64)),
    Scene("a store after a crash", writing.littered_with(62), 62, (63, 64)),
)
LIVING = Scene(
    *("a live model", living.lived_with(62), 62, (63, 64)),
    *(living.write, living.check, living.recover),
)
STOPPED = (
    Scene("a writer that slept", writing.filled_with(62), 62, (63,), writing.write_once),
    Scene("one whose number was collected", writing.filled_with(62), 62, (63,), writing.write_once),
)


@dataclass
class Report:
    """What was tried."""

    rows: dict[tuple[str, str], list[int]] = field(
        default_factory=lambda: collections.defaultdict(lambda: [0, 0])
    )
    wrong: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)

    def count(self, scene: str, fault: str, call: str, verdict: Callable[[], None]) -> None:
        row = self.rows[scene, fault]
        row[0] += 1
        try:
            verdict()
            row[1] += 1
        except Exception as error:
            self.wrong.append(f"{scene}, {fault}, {call}: {error!r}"[:300])

    def json(self) -> str:
        rows = [
            {"what": scene, "fault": fault, "tried": tried, "survived": survived}
            for (scene, fault), (tried, survived) in self.rows.items()
        ]
        told = {"wrong": self.wrong, "silent": sorted(self.silent), "outcomes": self.outcomes}
        return json.dumps({"rows": rows, **told})


class Traced:
    """A child that does some work under strace, and its notes.

    Args:
        work: what it does; it is given the notes.
        options: of strace.
    """

    def __init__(self, work: Callable[[memoryview], None], *options: str) -> None:
        assert STRACE
        shared = memoryview(mmap.mmap(-1, N_NOTES + 1))
        self.notes, self.go = shared[:-1], shared[-1:]
        if (pid := os.fork()) == 0:
            self._run(work)
        self.pid = pid
        command = [STRACE, "-f", "-p", str(pid), *options]
        self.strace = subprocess.Popen(command, stderr=subprocess.PIPE)
        self.await_line(b"attached")
        self.go[0] = 1

    def _run(self, work: Callable[[memoryview], None]) -> None:
        signal.alarm(PATIENCE)
        code = 0
        try:
            while not self.go[0]:
                time.sleep(0.0005)
            work(self.notes)
        except BaseException:
            code = 1
        os._exit(code)

    def await_line(self, text: bytes) -> bool:
        """Whether strace has said something; not if it has ended."""
        assert self.strace.stderr
        read, _, _ = select.select([self.strace.stderr], [], [], PATIENCE)
        assert read, "strace says nothing"
        return any(text in line for line in iter(self.strace.stderr.readline, b"") if text in line)

    def end(self) -> int:
        """How the child ended: 0, 1 for an exception, or minus a signal."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert self.strace.stderr
        self.strace.stderr.read()
        self.strace.wait()
        self.strace.stderr.close()
        return code


def calls_of(work: Callable[[memoryview], None], folder: Path) -> dict[str, int]:
    """Name of each syscall -> how often it is made."""
    path = folder / "calls"
    assert Traced(work, "-o", str(path)).end() == 0
    names = re.findall(r"^(?:\d+ +)?([a-z0-9_]+)\(", path.read_text(), re.MULTILINE)
    counts = collections.Counter(name for name in names if not NO_DISK.fullmatch(name))
    assert counts["fsync"] >= 2
    return dict(counts)


def points(scene: Scene, folder: Path, faults: dict[str, str]) -> Iterator[tuple[str, str, int]]:
    """(fault, syscall, which of them) of everything that may go wrong."""
    root = scene.copy(folder, "count")
    for call, n in sorted(calls_of(scene.work(root), folder).items()):
        for fault in faults:
            if "full" not in fault or call in CHANGING:
                yield from ((fault, call, when) for when in range(1, n + 1))


def sweep(scene: Scene, folder: Path, stride: int, report: Report) -> None:
    """Try every stride-th point of a scene."""
    for at, (fault, call, when) in enumerate(points(scene, folder, FAULTS)):
        if at % stride:
            continue
        root = scene.copy(folder, str(at))
        inject = f"inject={call}:{FAULTS[fault].format(when)}"
        child = Traced(scene.work(root), "-e", f"trace={call}", "-e", inject, "-o", os.devnull)
        code = child.end()

        def verdict(
            root: Path = root, child: Traced = child, code: int = code, fault: str = fault
        ) -> None:
            assert code in ((-signal.SIGKILL, 0) if fault == "killed" else (0,)), f"ended {code}"
            scene.check(root, range(1, scene.before + 1), child.notes)
            scene.recover(root, [*scene.batches, scene.batches[-1] + 1])

        if code == 0 and fault != "killed" and not any(n & writing.ERROR for n in child.notes):
            report.silent.add(call)
        report.count(scene.name, fault, f"{call} {when}", verdict)
        shutil.rmtree(root, ignore_errors=True)


def sweep_stopped(scene: Scene, folder: Path, stride: int, report: Report) -> None:
    """A writer is stopped at every syscall; meanwhile others commit, and collect in one scene."""
    stop = {"stopped": "signal=SIGSTOP:when={}"}
    (batch,) = scene.batches
    for at, (fault, call, when) in enumerate(points(scene, folder, stop)):
        if at % stride:
            continue
        root = scene.copy(folder, str(at))
        inject = f"inject={call}:{stop[fault].format(when)}"
        child = Traced(scene.work(root), "-e", f"trace={call}", "-e", inject)
        child.await_line(b"stopped by SIGSTOP")
        log = Log(place_of(root, make=True))
        for other in (batch + 100, batch + 101):
            writing.absorb(log, other, blob=False)
        if scene is STOPPED[1]:
            log.remove(log.numbers()[:-1])
        os.kill(child.pid, signal.SIGCONT)
        code = child.end()
        notes = child.notes[batch]

        def verdict(root: Path = root, code: int = code, notes: int = notes) -> None:
            log = Log(place_of(root, make=True))
            now = writing.known(log.latest()[1])
            assert code == 0, f"ended {code}"
            assert set(now) >= {batch + 100, batch + 101}, f"there {now[-4:]}, {log.numbers()}"
            assert notes in (writing.ACKNOWLEDGED, writing.FENCED), f"noted {notes}"
            assert batch in now or notes == writing.FENCED, "acknowledged, and not there"
            kept = log.numbers()
            assert kept[-1] == 62 + len({batch} & set(now)) + 2, f"left {kept}"
            assert kept[0] >= (64 if scene is STOPPED[1] else 59), f"left {kept}"
            assert len(kept) == kept[-1] - kept[0] + 1, f"not there: one of {kept}"
            if batch not in now:
                assert not writing.is_anywhere(root, batch), "its bytes are left"
                assert not list(writing.unfinished(root)), "unfinished files are left"
            known = "known" if batch in now else "left nothing"
            said = "acknowledged" if notes == writing.ACKNOWLEDGED else "fenced"
            report.outcomes[f"{said}, {known}"] += 1

        report.count(scene.name, fault, f"{call} {when}", verdict)
        shutil.rmtree(root, ignore_errors=True)


def live(folder: Path, stride: int) -> Report:
    """A live model that absorbs the 64th batch, with which a checkpoint is made."""
    report = Report()
    sweep(LIVING, folder, stride, report)
    return report


def path(folder: Path, stride: int) -> Report:
    """All scenes of the commit path."""
    report = Report()
    place_of(folder / "imports", make=True)  # so that no child has to import anything
    for number, scene in enumerate(SCENES):
        (folder / str(number)).mkdir()
        sweep(scene, folder / str(number), stride, report)
    for scene in STOPPED:
        (folder / scene.name).mkdir()
        sweep_stopped(scene, folder / scene.name, stride, report)
    return report


def ten_commits(folder: Path) -> dict[str, int]:
    """Syscall -> how often ten commits of a writer make it that has committed before."""
    root, path = folder / "store", folder / "calls"
    writing.filled_with(3)(root)

    def work(notes: memoryview) -> None:
        log = Log(place_of(root, make=True))
        log.append(4, b"the first of this writer settles its folders")
        os.path.exists("/one")
        for number in range(5, 15):
            log.append(number, bytes(6000))
        os.path.exists("/two")

    assert Traced(work, "-o", str(path)).end() == 0
    lines = path.read_text().partition('"/one"')[2].partition('"/two"')[0]
    names = ("fsync", "linkat", "renameat", "mkdirat")
    return {name: len(re.findall(rf"\b{name}\(", lines)) for name in names}


def main(where: str, what: str, stride: str = "1") -> None:
    """Print what was asked for."""
    if what == "count":
        print(json.dumps(ten_commits(Path(where))))
    else:
        print({"path": path, "live": live}[what](Path(where), int(stride)).json())


if __name__ == "__main__":
    main(*sys.argv[1:])
