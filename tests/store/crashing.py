"""Steps of saving that can be made to fail or to be the last of a process.

`python -m tests.store.crashing DIRECTORY` dies at every step, in a child, and prints what was left.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nacre
from nacre.errors import NacreError, NotFound
from tests.store.models import dense, fitted

CHANGING = ("mkdir", "open", "write", "fsync", "rename", "unlink", "rmdir")
DIED = 9


@contextlib.contextmanager
def at_step(act: Callable[[int, str, Callable[..., Any]], Any]) -> Iterator[list[str]]:
    """Every call that may change a disk goes through act(number, name, the call itself)."""
    steps: list[str] = []
    real = {name: getattr(os, name) for name in CHANGING}

    def through(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real[name](*arguments, **options)
            steps.append(name)

            def step(half: bool = False) -> Any:
                if half:
                    return os.truncate(arguments[0], real[name](*arguments) // 2)
                return real[name](*arguments, **options)

            return act(len(steps), name, step)

        return call

    for name in CHANGING:
        setattr(os, name, through(name))
    try:
        yield steps
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def dies_at(number: int) -> Callable[[int, str, Callable[..., Any]], Any]:
    """The process ends at a step, before it is done; of a write half is done."""

    def act(at: int, name: str, step: Callable[..., Any]) -> Any:
        if at == number:
            if name == "write":
                step(half=True)
            os._exit(DIED)
        return step()

    return act


def child(work: Callable[[], None]) -> int:
    """The exit code of a child that does some work."""
    if (pid := os.fork()) == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def found_at(path: Path) -> str:
    """The kind of model that is there, whole; "" where there is none."""
    try:
        model = nacre.load(path)
    except NotFound:
        return ""
    saved = dense() if type(model).__name__ == "Density" else fitted("pca")
    assert model.state_.digest == saved.state_.digest
    return type(model).__name__


def outcome(work: Callable[[], Any]) -> Any:
    """What some work gives, or the error of nacre that it raises."""
    try:
        return work()
    except NacreError as error:
        return error


def prepared(path: Path, before: str) -> Path:
    """A directory with the old model, or a path where there is none."""
    if before:
        fitted("pca").save(path)
    return path


def crashes(folder: Path, before: str) -> list[str]:
    """The model that is there after a process died at its first step, its second, to its last."""
    left: list[str] = []
    for number in range(1, 200):
        path = prepared(folder / f"{before}-{number}", before)

        def work(path: Path = path, number: int = number) -> None:
            with at_step(dies_at(number)):
                dense().save(path)

        if (code := child(work)) == 0:
            return left
        assert code == DIED, code
        left.append(found_at(path))
        dense().save(path)  # whatever was left is no obstacle
        assert found_at(path) == "Density"
        assert len(os.listdir(path)) == 2
        assert len(os.listdir(path / "blobs")) == 4
    raise AssertionError("it never ends")


def on_memory() -> str | None:
    """A folder where syncing costs nothing, if there is one: a process dies as well on it."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    dense().save(Path(sys.argv[1]) / "first")  # so that no child has to find out versions
    print(json.dumps({before: crashes(Path(sys.argv[1]), before) for before in ("", "PCA")}))
