"""`nacre follow`: what comes is absorbed, and said; told to stop it ends with nothing half."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import pytest

import nacre as package
from nacre.cli.follow import Teller
from nacre.cli.main import run
from nacre.cli.terminal import Terminal
from nacre.errors import Unavailable
from tests.cli.conftest import COMMAND, N_FILES, N_ROWS, Nacre
from tests.cli.test_progress import Screen
from tests.live.redis_server import running

KEYS = {
    *("event", "verb", "nacre", "model", "version", "n_batches", "n_rows", "n_skipped"),
    "n_set_aside",
}
EVENT_KEYS = {
    "absorbed": {"event", "names", "version", "n_batches", "n_rows", "n_skipped"},
    "set_aside": {"event", "name", "why"},
    "away": {"event", "why", "seconds"},
    "back": {"event"},
    "ended": KEYS,
}
ONCE = ("--once", "--settle", "0s")


@pytest.fixture
def live(data: Path, tmp_path: Path, nacre: Nacre) -> Path:
    """A model of the first of three files."""
    path = tmp_path / "live"
    options = ["--columns", "a,b,c", "-q", "-o", path]
    assert nacre("fit", "moments", data / "part-0.parquet", *options).code == 0
    return path


def test_what_is_there_is_absorbed_once(
    data: Path, live: Path, tmp_path: Path, nacre: Nacre
) -> None:
    said = nacre("follow", data, "-m", live, *ONCE)
    assert (said.code, said.err) == (0, "1,400 rows of 2 files: version 2\n")
    assert said.out == f"Absorbed 1,400 rows in 2 batches into {live}\n  version 2\n"
    again = nacre("follow", f"{data}/*.parquet", "-m", live, *ONCE, "-q")
    assert (again.code, again.out, again.err) == (0, "", "")
    whole = tmp_path / "whole"
    nacre("fit", "moments", data, "--columns", "a,b,c", "-q", "-o", whole)
    one, all_of_it = (package.load(path).state_.digest for path in (live, whole))
    assert one == all_of_it


def test_every_event_is_an_object(data: Path, live: Path, tmp_path: Path, nacre: Nacre) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    (copy / "broken.parquet").write_bytes(b"PAR1")
    shutil.copy(copy / "part-1.parquet", copy / "part-0.parquet")
    said = nacre("follow", copy, "-m", live, *ONCE, "--root", copy, "--json")
    assert (said.code, said.err) == (10, "")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert all(event.keys() == EVENT_KEYS[event["event"]] for event in events)
    aside = {event["name"]: event["why"] for event in events if event["event"] == "set_aside"}
    assert aside.keys() == {"broken.parquet", "part-0.parquet"}
    assert "other content under the id" in aside["part-0.parquet"]
    assert events[-1]["event"] == "ended"
    assert (events[-1]["n_batches"], events[-1]["n_set_aside"]) == (N_FILES - 1, 2)
    lines = nacre("follow", copy, "-m", live, *ONCE, "--root", copy)
    assert lines.code == 10
    assert lines.err.count("set aside  ") == 2
    assert "  2 set aside, and named\n" in lines.out


def test_rows_that_are_left_out_are_counted(holes: Path, live: Path, nacre: Nacre) -> None:
    shutil.rmtree(live)
    options = ["--columns", "a,b,c", "-q", "-o", live]
    nacre("fit", "moments", holes / "part-0.parquet", *options)
    said = nacre("follow", holes, "-m", live, *ONCE)
    assert (said.code, "NaN" in said.err) == (10, True)
    said = nacre("follow", holes, "-m", live, *ONCE, "--bad", "skip")
    assert said.code == 10
    assert "3 rows left out, because of bad values" in said.out


def test_a_stream(live: Path, tmp_path: Path, nacre: Nacre) -> None:
    with running(tmp_path) as server:
        server.add("clicks", [{"a": at, "b": 1, "c": 2} for at in range(30)])
        said = nacre("follow", server.uri("clicks"), "-m", live, "--once", "--rows", "20")
        assert said.code == 0
        assert said.out.startswith("Absorbed 30 rows in 2 batches into ")
        told = nacre("show", live, "--json").json
        assert told["n_rows"] == N_ROWS + 30
        assert told["life"]["streams"] == {"redis:clicks": "0 to 29"}
        server.add("clicks", [{"a": "x", "b": 1, "c": 2}])
        said = nacre("follow", server.uri("clicks"), "-m", live, "--once")
        assert said.code == 10
        assert "not a number that counts" in said.err
        more = ["--once", "--name", "second", "-q"]
        assert nacre("follow", server.uri("clicks"), "-m", live, *more).code == 10
        uri = server.uri("clicks")
    said = nacre("follow", uri, "-m", live, "--once")
    assert said.code == 9
    assert "See whether it runs" in said.err


@pytest.mark.parametrize(
    ("where", "options", "code", "text"),
    [
        ("none", [], 4, "no directory"),
        ("redis://host/clicks", [], 2, "the number of the database"),
        (".", ["--every", "often"], 2, "such as 5s"),
        (".", ["--every", "0"], 2, "seconds above 0"),
        (".", ["--rows", "0"], 2, "at least one row"),
        (".", ["--settle", "-1s"], 2, "such as 5s"),
        (".", ["-m", "nothing"], 4, "nacre fit LEARNER DATA"),
    ],
)
def test_what_cannot_be_followed_is_said(
    where: str, options: list[str], code: int, text: str, live: Path, nacre: Nacre
) -> None:
    said = nacre("follow", where, "-m", live, *ONCE, *options)
    assert (said.code, said.out) == (code, "")
    assert text in said.err


@contextmanager
def started(*arguments: Any) -> Iterator[Any]:
    """The command in a process of its own, following."""
    command = [
        *COMMAND,
        "follow",
        *map(str, arguments),
        "--every",
        "50ms",
        "--settle",
        "0",
        "--json",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_well(number: int, data: Path, live: Path, tmp_path: Path) -> None:
    folder = tmp_path / "coming"
    folder.mkdir()
    shutil.copy(data / "part-1.parquet", folder)
    with started(folder, "-m", live, "--root", folder) as process:
        absorbed = json.loads(process.stdout.readline())
        assert (absorbed["event"], absorbed["n_rows"]) == ("absorbed", N_ROWS)
        shutil.copy(data / "part-2.parquet", folder / "part-2.parquet.tmp")
        (folder / "part-2.parquet.tmp").rename(folder / "part-2.parquet")
        assert json.loads(process.stdout.readline())["names"] == ["part-2.parquet"]
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 0, err
    ended = json.loads(out)
    assert (ended["event"], ended["n_batches"], ended["version"]) == ("ended", 2, 3)
    assert ("Stopping as soon as" in err) == (number == signal.SIGINT)


def test_a_terminal_sees_one_line(
    data: Path, live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    (copy / "broken.parquet").write_bytes(b"PAR1")
    for name in ("NO_COLOR", "CI", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "300")
    screen = Screen()
    with redirect_stderr(screen):
        options = ["-m", str(live), *ONCE, "--root", str(copy)]
        assert run(["follow", str(copy), *options]) == 10
    said = screen.getvalue()
    assert f"following {copy}: 1,400 rows  version " in said.rpartition("set aside")[0]
    assert said.count("  broken.parquet: ") == 1  # it stays
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")  # the cursor is back


def test_what_is_away_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    gone = Unavailable(got="no answer", wanted="one", do="Wait.", where="[red]")
    for json_too in (False, True):
        teller = Teller(Terminal(json=json_too), "here", "model")
        teller.away(gone, 2.0)
        teller.back()
        teller.idle(1)
    out, err = capsys.readouterr()
    assert err == "away: [red]: got no answer; wanted one. Wait.; tried again in 2.0 s\nback\n"
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["away", "back"]


def test_a_saved_model_begins_to_live_when_it_follows(
    data: Path, tmp_path: Path, nacre: Nacre
) -> None:
    path = tmp_path / "saved"
    one = package.read(str(data / "part-0.parquet"), columns=["a", "b", "c"], dtype="float32")
    package.Moments().fit(one).save(path)
    assert nacre("follow", data, "-m", path, *ONCE).code == 0
    assert package.load(path).state_.told.n_rows == N_FILES * N_ROWS
