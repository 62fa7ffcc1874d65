"""Exit codes, one by one, each as it occurs; and no traceback but under --debug."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nacre import errors
from nacre.cli import failing
from nacre.cli.failing import EXIT_CODES, known
from tests.cli.conftest import COMMAND, Nacre


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """A disk on which no file may become larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_0_done(model: Path, nacre: Nacre) -> None:
    assert nacre("show", model).code == 0


def test_1_a_bug_is_one_line_and_a_log(
    model: Path, nacre: Nacre, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def buggy(path: str) -> None:
        raise ZeroDivisionError("of a bug\x1b[31m")

    monkeypatch.setattr("nacre.cli.show._model", buggy)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = nacre("show", model)
    assert said.code == 1
    assert said.out == ""
    assert "error inside nacre: ZeroDivisionError: of a bug\\x1b" in said.err
    log = Path(re.findall(r"is in (\S+\.log)", said.err)[0])
    assert log.parent == tmp_path
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "in buggy" in log.read_text()
    debugged = nacre("show", model, "--debug")
    assert debugged.code == 1
    assert "Traceback (most recent call last)" in debugged.err
    assert "\x1b" not in debugged.err


def test_1_a_broken_machine(nacre: Nacre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("nacre.cli.doctor").cli.doctor.CORE, "nacrelib", "nacrelib")
    said = nacre("doctor", "--json")
    assert said.code == 1
    assert said.json["n_broken"] == 1


def test_2_usage(nacre: Nacre) -> None:
    assert nacre("fit", "kmeans").code == 2


def test_3_bad_data(holes: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "model"
    said = nacre("fit", "kmeans", holes, "--columns", "a,b", "-o", out, "--json")
    assert said.code == 3
    assert said.json["error"]["code"] == "bad_input"
    assert said.json["error"]["exit_code"] == 3
    assert said.json["error"].keys() == {"got", "wanted", "do", "where", "code", "exit_code"}
    assert "Leave such rows out with --bad skip, or fill NaN with --impute." in said.err
    assert not out.exists()


def test_4_not_there(model: Path, tmp_path: Path, nacre: Nacre) -> None:
    nothing = tmp_path / "nothing.parquet"
    assert nacre("fit", "kmeans", nothing, "-o", tmp_path / "model").code == 4
    assert nacre("predict", model, nothing, "-o", tmp_path / "labels").code == 4
    assert nacre("predict", tmp_path / "model", nothing, "-o", tmp_path / "labels").code == 4


def test_5_a_conflict(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert nacre("fit", "scale", data, "--columns", "a", "-o", tmp_path).code == 5
    rows = [data / "part-0.parquet", data.parent / "part-0.parquet"]
    rows[1].write_bytes(rows[0].read_bytes())
    assert nacre("fit", "scale", *rows, "--columns", "a", "-o", tmp_path / "model").code == 5
    rows[1].unlink()


def test_6_a_damaged_model(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "model"
    assert nacre("fit", "scale", data, "--columns", "a", "-o", out).code == 0
    for blob in (out / "blobs").iterdir():
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    for verb in (["show", out], ["predict", out, data, "-o", tmp_path / "labels"]):
        said = nacre(*verb)
        assert said.code == 6
        assert "blobs" in said.err
    (out / "manifest.json").write_text("{}")
    assert nacre("show", out).code == 6
    assert nacre("fit", "scale", data, "--columns", "a", "-o", out).code == 6


def test_7_no_room(model: Path, data: Path, tmp_path: Path, nacre: Nacre) -> None:
    with largest_file(600):
        said = nacre("predict", model, data, "-o", tmp_path / "labels")
        fit = nacre("fit", "scale", data, "--columns", "a", "-o", tmp_path / "model")
    assert said.code == fit.code == 7
    assert not list((tmp_path / "labels").iterdir())
    assert nacre("predict", model, data, "-o", tmp_path / "labels").code == 0


def test_9_not_now(model: Path, data: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "labels"
    out.mkdir()
    other = os.open(out, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    said = nacre("predict", model, data, "-o", out)
    os.close(other)
    assert said.code == 9
    assert "another process that writes answers here" in said.err
    assert nacre("predict", model, data, "-o", out).code == 0


def test_9_not_allowed(data: Path, nacre: Nacre) -> None:
    said = nacre("fit", "scale", data, "--columns", "a", "-o", "/proc/model")
    assert said.code in (4, 9)  # root may write anywhere, but there nobody can
    assert said.out == ""


def test_10_some_rows_were_left_out(holes: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "model"
    fit = ["fit", "kmeans", holes, "--columns", "a,b", "--bad", "skip", "-o", out]
    said = nacre(*fit)
    assert said.code == 10
    assert "3 rows left out, because of bad values" in said.out
    told = nacre(*fit, "--json")
    assert told.code == 10
    assert told.json["n_skipped"] == 3


def test_143_ended_from_outside() -> None:
    with subprocess.Popen([*COMMAND, "doctor"], stdout=subprocess.PIPE) as child:
        child.terminate()
    assert child.returncode == -signal.SIGTERM  # what a shell calls 143


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), 7),
        (OSError(28, "No space left on device", "x"), 7),
        (FileNotFoundError(2, "No such file or directory", "x"), 4),
        (PermissionError(13, "Permission denied", "x"), 9),
        (KeyboardInterrupt(), 130),
        (errors.WorkerLost(got="a", wanted="b", do="c"), 9),
        (errors.OutOfMemory(got="a", wanted="b", do="c"), 7),
    ],
)
def test_what_the_system_says_has_a_code(error: BaseException, code: int) -> None:
    found = known(error)
    assert found.exit_code == code
    assert found.do


def test_a_learner_that_fails_is_a_bug(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failed = errors.LearnerFailed(got="nonsense", wanted="a summary", do="x", where="rows 1 to 2")
    found = known(failed)
    assert (found.exit_code, found.where) == (1, "rows 1 to 2")
    assert len(list(tmp_path.iterdir())) == 1


def test_every_code_of_an_error_is_in_the_table() -> None:
    codes = {
        cls.exit_code for cls in errors.NacreError.__subclasses__() if "nacre" in cls.__module__
    }
    assert {*codes, failing.Internal.exit_code} <= EXIT_CODES.keys()


def test_an_error_is_an_object_too(nacre: Nacre) -> None:
    said = nacre("show", "nothing-here", "--json")
    assert json.loads(said.out)["error"]["code"] == "not_found"
    assert said.err
