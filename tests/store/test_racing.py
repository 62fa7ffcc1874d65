"""Sixteen writers of one log: one winner for each number, and every batch once."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from nacre.errors import Fenced
from nacre.store.commits import Log
from nacre.store.place import place_of
from tests.store.buckets import served
from tests.store.test_place import raced

ROOT = Path(__file__).parents[2]
N_WRITERS = 16

pytestmark = pytest.mark.filterwarnings("ignore")  # of botocore and moto about themselves


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with served() as uri:
        yield uri


def committed(uri: str, batches: list[str]) -> list[int]:
    """The numbers under which a writer has committed its batches; it tries until it has.

    It builds on what it has read: each commit lists all batches before it. How often it was fenced
    stands last.
    """
    log, won, n_fenced = Log(place_of(uri, make=True)), list[int](), 0
    while len(won) < len(batches):
        newest = log.newest()
        known = json.loads(log.read(newest)) if newest else []
        batch = batches[len(won)]
        if batch in known:
            raise AssertionError(f"{batch} was told to be refused, and is there")
        try:
            log.append(newest + 1, json.dumps([*known, batch]).encode())
            won.append(newest + 1)
        except Fenced:
            n_fenced += 1
    return [*won, n_fenced]


def check(uri: str, told: list[list[int]], n_batches: int) -> None:
    """Every number has one winner, every batch is there once, no commit is missing."""
    numbers = Counter(number for won in told for number in won[:-1])
    assert numbers == Counter(range(1, N_WRITERS * n_batches + 1))
    log = Log(place_of(uri, make=False))
    assert log.numbers() == sorted(numbers)
    commits = [json.loads(log.read(number)) for number in log.numbers()]
    assert all(after[:-1] == before for before, after in itertools.pairwise(commits))
    last = commits[-1]
    assert sorted(last) == sorted(f"{i}-{k}" for i in range(N_WRITERS) for k in range(n_batches))
    assert sum(won[-1] for won in told) > 0  # they did meet


@pytest.mark.parametrize("kind", ["local", "memory", "s3"])
def test_sixteen_threads(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    uri = {"local": str(tmp_path / "log"), "memory": f"memory://{os.urandom(4).hex()}"}.get(kind)
    uri = uri or f"{request.getfixturevalue('bucket')}/log"
    n_batches = 1 if kind == "s3" else 4  # 136 requests of eight answers each
    told = raced(N_WRITERS, lambda i: committed(uri, [f"{i}-{k}" for k in range(n_batches)]))
    check(uri, told, n_batches)


def test_sixteen_processes(tmp_path: Path) -> None:
    uri = str(tmp_path / "log")
    place_of(uri, make=True).close()
    command = [sys.executable, "-m", "tests.store.test_racing", uri]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    check(uri, json.loads(run.stdout), 4)


def in_children(uri: str) -> list[list[int]]:
    """What sixteen children of this process get."""
    begin_read, begin_write = os.pipe()
    pipes = []
    for i in range(N_WRITERS):
        told_read, told_write = os.pipe()
        if os.fork() == 0:
            os.close(begin_write)
            os.read(begin_read, 1)
            told = committed(uri, [f"{i}-{k}" for k in range(4)])
            os.write(told_write, json.dumps(told).encode())
            os._exit(0)
        os.close(told_write)
        pipes.append(told_read)
    os.close(begin_write)
    return [json.loads(os.read(pipe, 10_000)) for pipe in pipes]


if __name__ == "__main__":
    print(json.dumps(in_children(sys.argv[1])))
