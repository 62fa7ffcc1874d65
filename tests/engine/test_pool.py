"""Workers and the script that uses them: its main module, its end, and its violent death."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

BEGIN = """
import os, signal, sys, time
import numpy as np
from nacre import drive
from nacre.engine.processes import Processes
from nacre.engine.serial import Serial
from nacre.contract import Schema
from nacre.source.arrays import ArrayReader
from nacre.source.plan import cut
from tests.engine.learners import Centre, Mean, Surroundings

reader = ArrayReader(np.arange(400_000.0).reshape(-1, 2), "float64")
plan = cut({"": reader}, Schema(None, 2, "float64"), shard_rows=20_000)
model = Centre(np.zeros(2))
signal.alarm(60)  # nobody may be left to end it
os.write(1, b"begun\\n")  # at once: workers that import this write as well

def fit(learner, engine=None):
    state = drive.fit(learner, engine or Processes(2), plan)
    assert state.digest == drive.fit(learner, Serial(), plan).digest
    print("fitted", flush=True)

def pids(engine, held, seconds=0.02):
    found = set()
    while len(found) < 2:
        for _, part in engine.stream(Surroundings(seconds), lambda: model, held, leaves=True):
            (told,) = part.values()
            assert told["input"] == "/dev/null"
            found.add(told["pid"])
    return sorted(found)
"""
OWN = "class Own(Mean):\n    pass\n"
GUARD = "if __name__ == '__main__':\n    "
WORKING = """
engine = Processes(2)
held = engine.hold(plan)
print(*pids(engine, held), flush=True)
"""


def started(body: str, path: Path | None) -> subprocess.Popen[str]:
    """A script, or one from standard input, in a session of its own; warnings are errors."""
    if path is not None:
        path.write_text(BEGIN + body)
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", str(path or "-")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(body: str, path: Path | None) -> tuple[int, list[str], str]:
    """(exit code, lines of output, errors) of a script."""
    names = set(os.listdir("/dev/shm"))
    script = started(body, path)
    with ending(script):
        out, err = script.communicate(None if path else BEGIN + body, timeout=30)
    assert set(os.listdir("/dev/shm")) <= names
    return script.returncode, out.split(), err


@contextlib.contextmanager
def ending(script: subprocess.Popen[str]) -> Iterator[None]:
    """What goes wrong ends the script and all that it began."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
        script.communicate()
        raise


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def all_gone(pids: list[int], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not all(map(gone, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    return all(map(gone, pids))


@pytest.mark.parametrize("guard", ["", GUARD], ids=["bare", "guarded"])
@pytest.mark.parametrize("stdin", [False, True], ids=["file", "stdin"])
def test_a_script_is_not_run_again_for_learners_of_modules(
    guard: str, stdin: bool, tmp_path: Path
) -> None:
    path = None if stdin else tmp_path / "script.py"
    assert run(guard + "fit(Mean())\n", path) == (0, ["begun", "fitted"], "")


def test_a_guarded_script_may_have_a_learner_of_its_own(tmp_path: Path) -> None:
    code, out, err = run(OWN + GUARD + "fit(Own())\n", tmp_path / "script.py")
    assert (code, err) == (0, "")
    assert 2 <= out.count("begun") <= 3  # a worker that begins late has nothing to import it for
    assert out.count("fitted") == 1


def test_a_script_without_a_guard_is_told_to_have_one(tmp_path: Path) -> None:
    code, _, err = run(OWN + "fit(Own())\n", tmp_path / "script.py")
    assert code == 1
    assert err.count("Traceback") == 1
    assert "BadType: got a script that begins its work when a worker imports it" in err
    assert "if __name__ == '__main__':" in err


def test_a_learner_of_a_prompt_is_refused() -> None:
    code, _, err = run(OWN + "fit(Own())\n", None)
    assert code == 1
    assert err.count("Traceback") == 1
    assert (
        "BadType: got what a worker cannot import (AttributeError: Can't get attribute 'Own'" in err
    )
    assert "Move the class out of the script or notebook" in err


ENDS = {
    "error": ("raise RuntimeError('on purpose')", 1),
    "exit": ("sys.exit(3)", 3),
    "close": ("engine.close()", 0),
    "unfinished": ("rest = engine.stream(Surroundings(0.05), lambda: model, held); next(rest)", 0),
}


@pytest.mark.parametrize("end", sorted(ENDS))
def test_the_end_of_a_script_is_quiet(end: str, tmp_path: Path) -> None:
    last, status = ENDS[end]
    code, out, err = run(WORKING + last, tmp_path / "script.py")
    said = err.splitlines()
    assert code == status
    assert [*said[:1], *said[3:]] == (
        ["Traceback (most recent call last):", "RuntimeError: on purpose"] if end == "error" else []
    )
    assert all_gone([int(pid) for pid in out[1:]], 0.5)


@pytest.mark.parametrize(
    "fork", ["", "if os.fork() == 0: time.sleep(60), os._exit(0)\n"], ids=["", "forked"]
)
def test_a_killed_script_takes_its_workers_along(fork: str, tmp_path: Path) -> None:
    names = set(os.listdir("/dev/shm"))
    script = started(WORKING + fork + "pids(engine, held, 60)", tmp_path / "script.py")
    try:
        assert script.stdout is not None
        assert script.stdout.readline() == "begun\n"
        pids = [int(pid) for pid in script.stdout.readline().split()]
        assert len(pids) == 2
        time.sleep(0.3)
        script.kill()
        script.wait()
        assert all_gone(pids)
        assert set(os.listdir("/dev/shm")) <= names
    finally:
        os.killpg(script.pid, signal.SIGKILL)
        script.communicate()


def test_an_interrupt_from_the_terminal_spares_the_workers(tmp_path: Path) -> None:
    body = """
before = pids(engine, held)
try:
    while True:
        pids(engine, held)
except KeyboardInterrupt:
    print(before == pids(engine, held))
"""
    script = started(WORKING + body, tmp_path / "script.py")
    assert script.stdout is not None
    with ending(script):
        lines = [script.stdout.readline() for _ in range(2)]
        time.sleep(0.3)
        os.killpg(script.pid, signal.SIGINT)
        out, err = script.communicate(timeout=20)
    assert (script.returncode, out, err) == (0, "True\n", "")
    assert len(lines[1].split()) == 2


def test_a_forked_child_has_workers_of_its_own(tmp_path: Path) -> None:
    body = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads
ours = pids(engine, held)
child = os.fork()
fit(Mean(), engine)
theirs = pids(engine, held)
assert len(theirs) == 2 and (child == 0) == (ours != theirs)
if child == 0:
    engine.close()
    sys.exit(7)
assert os.waitpid(child, 0)[1] == 7 << 8
assert pids(engine, held) == ours
"""
    code, out, err = run(WORKING + body, tmp_path / "script.py")
    assert (code, out.count("fitted"), err) == (0, 2, "")
