"""`nacre doctor`: it looks at everything, and says nothing that is private."""

from __future__ import annotations

import getpass
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nacre.cli import doctor
from nacre.cli.doctor import LOOKS, Check
from tests.cli.conftest import Nacre

KEYS = {"verb", "nacre", "n_broken", "n_warnings", "checks"}


def test_it_looks_at_everything(nacre: Nacre) -> None:
    said = nacre("doctor", "--json")
    assert said.code == 0
    told = said.json
    assert told.keys() == KEYS
    assert {check["status"] for check in told["checks"]} <= {"ok", "warning"}
    names = {check["name"] for check in told["checks"]}
    assert names >= {"packages", "cores", "kernels", "memory", "fsync", "kernel cache"}
    assert names >= {"extra demo", "extra plot", "a small fit", "this folder", "open files"}


def test_it_can_be_shown_to_others(
    nacre: Nacre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home of somebody"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr(doctor, "LOOKS", {**LOOKS, "surely": failing})
    said = nacre("doctor")
    assert said.code == 1
    assert "FileNotFoundError: ~/secret" in said.out
    for private in (str(home), str(tmp_path), "hunter2"):
        assert private not in said.out + said.err
    words = set(re.findall(r"[\w.-]+", said.out))
    assert {platform.node(), getpass.getuser()} & words == set()


def failing() -> Iterator[Check]:
    raise FileNotFoundError(str(Path.home() / "secret"))
    yield


@pytest.mark.parametrize(
    ("took", "kind", "status"),
    [(1e-3, "ext4", "ok"), (1e-6, "ext4", "warning"), (1e-3, "tmpfs", "warning")],
)
def test_a_disk_that_is_too_fast_is_doubted(took: float, kind: str, status: str) -> None:
    assert doctor._judged(took, kind).status == status


def test_what_was_synced_is_there(tmp_path: Path) -> None:
    assert doctor.synced(tmp_path).status in ("ok", "warning")
    assert list(tmp_path.iterdir()) == []


def test_warnings_are_no_failure(nacre: Nacre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LITTLE_MEMORY", 1 << 60)
    said = nacre("doctor")
    assert said.code == 0
    assert "warning" in said.out
    assert "--memory 500MB" in said.out
