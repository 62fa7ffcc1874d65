"""Folders: whole files or none, no way out, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nacre.errors import CorruptState, NotFound, Unavailable
from nacre.store.files import Folder, is_unfinished
from tests.store.models import fitted

HOLD = """
import sys, time
from nacre.store.files import Folder
with Folder.at(sys.argv[1]) as folder, folder.locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_file_is_what_was_written_last(tmp_path: Path) -> None:
    with Folder.made(str(tmp_path / "a" / "b")) as folder:
        for data in (b"one", b"", b"x" * 3_000_000):
            folder.write("name", data)
            assert folder.read("name", len(data)) == data
        assert folder.names() == ["name"]
        assert folder.path == str(tmp_path / "a" / "b")


def test_more_than_was_told_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(bytes(10))
    with Folder.at(str(tmp_path)) as folder:
        assert folder.read("name", 1 << 62) == bytes(10)
        with pytest.raises(CorruptState, match="more than 9 bytes") as told:
            folder.read("name", 9)
    assert told.value.where == str(tmp_path / "name")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with Folder.at(str(tmp_path)) as folder:
        with pytest.raises(NotFound) as told:
            folder.read("name", 1)
        assert told.value.where == str(tmp_path / "name")
        with pytest.raises(NotFound):
            folder.inner("blobs")
    with pytest.raises(NotFound):
        Folder.at(str(tmp_path / "none"))


def test_a_file_that_is_in_a_path_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotFound, match="the file"):
        Folder.made(str(tmp_path / "file" / "below"))


def test_an_unfinished_name_is_never_a_blob() -> None:
    assert is_unfinished(".0123456789abcdef.part")
    assert not is_unfinished("ab" * 32)
    assert not is_unfinished(".hidden")


def test_a_lock_is_waited_for_and_then_named(tmp_path: Path) -> None:
    where = str(tmp_path)
    with Folder.at(where) as folder, folder.locked(), Folder.at(where) as other:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="another process is saving"), other.locked(0.1):
            pass
        assert time.monotonic() - began >= 0.1
    with Folder.at(where) as folder, folder.locked(0):
        pass


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with Folder.at(str(tmp_path)) as folder:
            with pytest.raises(Unavailable), folder.locked(0):
                pass
            holder.kill()
            with folder.locked():
                pass
    fitted("pca").save(tmp_path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO, errno.ESTALE])
def test_a_disk_that_says_no_is_told_of(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    with Folder.at(str(tmp_path)) as folder:
        monkeypatch.setattr(os, "open", refused)
        with pytest.raises(Unavailable, match=os.strerror(number).lower()) as told:
            folder.write("name", b"")
        assert told.value.where == str(tmp_path / "name")
    assert isinstance(told.value, OSError)
    assert told.value.exit_code == 9


def test_a_path_that_cannot_be_looked_at_is_made_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "lstat", refused)
    monkeypatch.setattr(os, "stat", refused)
    Folder.made(str(tmp_path / "a" / "b")).__exit__()
    monkeypatch.undo()
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(Unavailable):
        Folder.at(str(tmp_path))


def test_only_what_dead_writers_left_is_tidied_away(tmp_path: Path) -> None:
    with Folder.at(str(tmp_path)) as folder:
        (tmp_path / ".dead.part").write_bytes(b"half")
        with folder._unfinished() as (_, name), Folder.at(str(tmp_path)) as other:
            other.tidy()
            assert folder.names() == [name]
        folder.tidy()
        assert folder.names() == []


def test_a_run_that_is_cut_short_is_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, n, at: real(fd, max(1, n // 2), at))
    (tmp_path / "name").write_bytes(bytes(range(100)))
    with Folder.at(str(tmp_path)) as folder:
        assert folder.read_at("name", 60, 50) == bytes(range(40, 90))
