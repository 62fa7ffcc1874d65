"""A crash or a failing disk at any step of saving leaves the old model or the new one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nacre
from nacre.errors import DiskFull, NacreError, Unavailable
from tests.store.crashing import at_step, found_at, on_memory, outcome, prepared
from tests.store.models import dense, fitted

ROOT = Path(__file__).parents[2]


def steps_of(path: Path) -> list[str]:
    """The steps of saving the new model there."""
    saved = dense()
    with at_step(lambda number, name, step: step()) as steps:
        saved.save(path)
    return steps


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where many models are saved."""
    with tempfile.TemporaryDirectory(dir=on_memory()) as path:
        yield Path(path)


def test_a_process_that_dies_at_any_step_leaves_a_whole_model(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.store.crashing", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told: dict[str, list[str]] = json.loads(run.stdout)
    assert set(told) == {"", "PCA"}
    for old, models in told.items():
        n_old = models.count(old)
        assert models == [old] * n_old + ["Density"] * (len(models) - n_old)
        assert len(models) >= 20
        assert 20 < n_old < len(models)


@pytest.mark.parametrize("before", ["", "PCA"])
@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, Unavailable)],
)
def test_a_disk_that_fails_at_any_step_leaves_a_whole_model(
    before: str, number: int, kind: type[NacreError], folder: Path
) -> None:
    n_raised = 0
    for at in range(1, len(steps_of(prepared(folder / "count", before))) + 1):
        path = prepared(folder / str(at), before)

        def act(now: int, name: str, step: Callable[[], Any], at: int = at) -> Any:
            if now == at:
                raise OSError(number, os.strerror(number))
            return step()

        with at_step(act) as steps:
            error = outcome(lambda path=path: dense().save(path))  # type: ignore[misc]
        n_raised += error is not None
        late = steps[: at - 1].count("rename") == 5  # the commit was made; only its sync failed
        if error is None:  # what could not be removed is removed by the next one
            assert steps[at - 1] == "unlink"
        else:
            assert type(error) is kind
            assert str(folder) in error.where
        assert found_at(path) == ("Density" if late or error is None else before)
        assert late or error is None or before or not path.exists()
        assert not any(".part" in name for _, _, names in os.walk(path) for name in names)
    assert n_raised >= 20


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path) -> None:
    write = os.write

    def short(fd: int, data: Any) -> int:
        return write(fd, data[: max(1, len(data) // 2)])

    os.write = short
    try:
        dense().save(tmp_path)
    finally:
        os.write = write
    assert found_at(tmp_path) == "Density"


def test_everything_is_synced_before_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []

    def name_of(fd: int) -> str:
        return os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))

    real_sync, real_rename = os.fsync, os.rename

    def sync(fd: int) -> None:
        log.append(f"sync {name_of(fd)}")
        real_sync(fd)

    def rename(source: str, target: str, **options: Any) -> None:
        assert log[-1] == f"sync {source}"
        log.append(f"name {target}" if target == "manifest.json" else "name blob")
        real_rename(source, target, **options)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    dense().save(tmp_path / "model")
    plain = [entry for entry in log if not entry.endswith(".part")]
    begin = [f"sync {tmp_path.name}", "sync model"]
    assert plain == [*begin, *["name blob"] * 4, "sync blobs", "name manifest.json", "sync model"]


def test_a_directory_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    fitted("pca").save(tmp_path / "model")

    def act(number: int, name: str, step: Callable[[], Any]) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")  # root may write everywhere

    with at_step(act), pytest.raises(Unavailable, match="permission denied") as told:
        fitted("scale").save(tmp_path / "other")
    assert told.value.exit_code == 9
    with at_step(act), pytest.raises(Unavailable):
        fitted("scale").save(tmp_path / "model")
    assert type(nacre.load(tmp_path / "model")).__name__ == "PCA"


@pytest.mark.root
def test_a_full_disk(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path], check=True)
    try:
        fitted("pca").save(tmp_path / "model")
        free = os.statvfs(tmp_path)
        (tmp_path / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - 4096))
        with pytest.raises(DiskFull, match="no space left"):
            fitted("kmeans").save(tmp_path / "model")
        assert type(nacre.load(tmp_path / "model")).__name__ == "PCA"
        (tmp_path / "filler").unlink()
        fitted("kmeans").save(tmp_path / "model")
        assert type(nacre.load(tmp_path / "model")).__name__ == "KMeans"
    finally:
        subprocess.run(["umount", tmp_path], check=True)
