"""Following a folder: what is complete is absorbed, each file once, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nacre
from nacre.errors import BadParameter, DiskFull, Fenced, NotFound, Unavailable
from nacre.live import follow_folder
from nacre.live.follow import Follower, Look, Pace, seconds_of
from nacre.live.follow_folder import Folder
from nacre.live.model import Live
from nacre.source.paths import File
from nacre.store.place_memory import MemoryPlace
from tests.live.following import child, follower, heard_rows
from tests.live.lives import files, memory, opened
from tests.store.buckets import served

LONG_AGO = 1_700_000_000 * 10**9  # ns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to follow."""
    path = tmp_path / "data"
    path.mkdir()
    return path


def many(folder: Path, n: int, first: int = 0) -> list[Path]:
    """Small files of three columns."""
    paths = []
    for number in range(first, first + n):
        rows = np.random.default_rng(number).normal(size=(20, 3))
        paths.append(folder / f"{number:03d}.npy")
        np.save(paths[-1], rows)
    return paths


def is_one_pass(live: Live, folder: Path, but: tuple[str, ...] = ()) -> None:
    """Every file of the folder is in it once: the sum is that of one pass over them."""
    paths = sorted(path for path in folder.glob("*.npy") if path.name not in but)
    assert sorted(line.id for line in live.ledger.alive()) == [path.name for path in paths]
    whole = nacre.Moments().fit(nacre.read([str(path) for path in paths], root=folder))
    assert live.state.digest == whole.state_.digest


def test_each_file_is_absorbed_once(folder: Path) -> None:
    live = opened(learner=nacre.Moments())
    many(folder, 5)
    one = follower(live, Folder(folder, settle=0))
    one.once()
    assert one.listener.names == [tuple(f"{n:03d}.npy" for n in range(5))]
    many(folder, 2, first=5)
    one.once()
    follower(live, Folder(folder, settle=0)).once()
    assert live.version == 2
    is_one_pass(live, folder)


@pytest.mark.parametrize("pattern", ["", "*.npy", "**/*.npy"])
def test_a_glob_gives_the_same_ids(pattern: str, folder: Path) -> None:
    many(folder, 3)
    live = opened(learner=nacre.Moments())
    follower(live, Folder(str(folder / pattern).rstrip("/"), settle=0)).once()
    is_one_pass(live, folder)


def test_it_goes_on_below_the_root_of_the_first_fit(folder: Path) -> None:
    (folder / "deep").mkdir()
    files(folder, 2)
    files(folder / "deep", 1)
    live = opened(learner=nacre.Moments())
    live.absorb(str(folder / "2026-01.parquet"))
    follower(live, Folder(folder / "deep", settle=0)).once()
    assert {line.id for line in live.ledger} == {"2026-01.parquet", "deep/2026-01.parquet"}


def test_it_looks_until_it_is_told_to_stop(folder: Path) -> None:
    live = opened(learner=nacre.Moments())
    later = iter([3, 5])
    one: Any = None

    def idle() -> None:
        first = next(later, None)
        one.stop.set() if first is None else many(folder, 2, first)

    many(folder, 3)
    one = follower(live, Folder(folder, settle=0), idle=idle)
    one.run()
    assert live.version == 3
    is_one_pass(live, folder)


def test_told_to_stop_it_finishes_what_is_under_way(folder: Path) -> None:
    live = opened(learner=nacre.Moments())
    many(folder, 70)
    one: Any = None
    one = follower(live, Folder(folder, settle=0), took=lambda: one.stop.set())
    one.run()
    assert len(live.ledger) == 64
    follower(live, Folder(folder, settle=0)).once()
    is_one_pass(live, folder)


def test_what_is_being_written_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = opened(learner=nacre.Moments())
    clock = [0.0]
    monkeypatch.setattr("nacre.live.follow_folder.time.monotonic", lambda: clock[0])
    whole = many(folder, 1)[0].read_bytes()
    source = Folder(folder, settle=2)
    path = folder / "half.npy"
    path.write_bytes(whole[:200])

    def ready(second: float) -> list[str]:
        clock[0] = second
        return [name for part in source.look(live, 1).parts for name in part.names]

    assert ready(0) == []
    assert source.look(live, 1).n_waiting == 2
    assert ready(1.9) == []
    path.write_bytes(whole[:300])
    assert ready(2) == ["000.npy"]
    path.write_bytes(whole)
    assert ready(4) == ["000.npy"]
    assert ready(6) == ["000.npy", "half.npy"]
    os.replace(path, folder / "moved.npy")  # renamed: another file, not seen for long
    assert ready(7) == ["000.npy"]
    assert ready(9) == ["000.npy", "moved.npy"]


def test_what_is_old_is_taken_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(folder, 1)
    source, live = Folder(folder, settle=2), opened(learner=nacre.Moments())
    assert source.look(live, 1).soon == 2
    monkeypatch.setattr("nacre.live.follow_folder.time.time", lambda: 4e9)
    assert source.look(live, 1).n_waiting == 0
    assert source.look(live, 1).parts[0].names == ("000.npy",)


@pytest.mark.parametrize(
    "name",
    ["a.npy.tmp", ".a.npy", "_a.npy", "a.npy~", "a.part.npy", "a.npy.crdownload", "_tmp/a.npy"],
)
def test_temporary_names_are_left_alone(name: str, folder: Path) -> None:
    (path,) = many(folder, 1)
    (folder / name).parent.mkdir(exist_ok=True)
    shutil.copy(path, folder / name)
    live = opened(learner=nacre.Moments())
    for where in (folder, folder / "*", folder / "**"):
        follower(live, Folder(where, settle=0)).once()
    is_one_pass(live, folder, (name,))


def test_a_broken_file_is_named_once_and_stops_none(folder: Path) -> None:
    paths = many(folder, 10)
    whole = paths[4].read_bytes()
    paths[4].write_bytes(whole[:100])
    (folder / "wide.npy").write_bytes(b"")
    np.save(folder / "wide.npy", np.zeros((3, 4)))
    live = opened(learner=nacre.Moments())
    one = follower(live, Folder(folder, settle=0))
    one.once()
    one.once()
    assert sorted(bad.name for bad in one.listener.bad) == ["004.npy", "wide.npy"]
    assert "wanted" in one.listener.bad[0].why
    is_one_pass(live, folder, ("004.npy", "wide.npy"))
    paths[4].write_bytes(whole)  # completed later
    one.once()
    is_one_pass(live, folder, ("wide.npy",))
    assert len(one.listener.bad) == 2


def test_a_file_that_changed_is_a_conflict_that_is_told(folder: Path) -> None:
    first, second = many(folder, 2)
    live = opened(learner=nacre.Moments())
    one = follower(live, Folder(folder, settle=0))
    one.once()
    before = live.state.digest
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    one.once()
    again = follower(live, Folder(folder, settle=0))
    again.once()
    for heard in (one.listener, again.listener):
        assert [bad.name for bad in heard.bad] == ["000.npy"]
        assert "other content under the id '000.npy'" in heard.bad[0].why
    assert live.state.digest == before
    first.write_bytes(content)
    one.once()
    assert len(one.listener.bad) == 1
    assert live.state.digest == before


def test_what_is_known_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(folder, 2)
    live = opened(learner=nacre.Moments())
    follower(live, Folder(folder, settle=0)).once()
    monkeypatch.setattr(Live, "absorb", None)
    with pytest.raises(TypeError):  # they may have changed in the meantime
        follower(live, Folder(folder, settle=0)).once()
    monkeypatch.setattr(follow_folder, "_changed", lambda file: LONG_AGO)
    follower(live, Folder(folder, settle=0)).once()


def test_what_was_deleted_stays_absorbed(folder: Path) -> None:
    first, second = many(folder, 2)
    live = opened(learner=nacre.Moments())
    source = Folder(folder, settle=0)
    follower(live, source).once()
    before = live.state.digest
    first.unlink()
    (path,) = many(folder, 1, first=7)
    (part,) = source.look(live, 1).parts
    path.unlink()  # between the look and the absorb
    assert Follower(live, source)._absorbed(part)
    one = follower(live, source)
    one.once()
    second.unlink()
    one.once()
    assert (live.state.digest, one.listener.bad) == (before, [])


def test_erased_files_do_not_come_back(folder: Path) -> None:
    live = opened(learner=nacre.Moments())
    one = follower(live, Folder(folder, settle=0))
    many(folder, 1)
    one.once()
    many(folder, 2, first=1)
    one.once()
    live.erase("001.npy")
    again = follower(live, Folder(folder, settle=0))
    again.once()
    assert [bad.name for bad in again.listener.bad] == ["001.npy"]
    is_one_pass(live, folder, ("001.npy",))


def test_two_followers_each_row_once(folder: Path, tmp_path: Path) -> None:
    many(folder, 60)
    opened(tmp_path / "live", nacre.Moments()).absorb(str(folder / "000.npy"))
    lives = [nacre.open(tmp_path / "live") for _ in range(2)]
    n_fenced, absorb = [0], Live.absorb

    def counted(live: Live, *args: Any, **options: Any) -> Any:
        try:
            return absorb(live, *args, **options)
        except Fenced:
            n_fenced[0] += 1
            raise

    def run(live: Live) -> None:
        source = Folder(folder, settle=0)
        look = source.look
        source.look = lambda *given: smaller(look(*given))  # type: ignore[method-assign]
        follower(live, source).once()

    def smaller(look: Look) -> Look:
        return Look(look.parts[:1], look.bad, look.n_waiting, soon=look.soon)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Live, "absorb", counted)
        patch.setattr("nacre.live.follow_folder.Seen.together", 4)
        threads = [threading.Thread(target=run, args=(live,)) for live in lives]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert n_fenced[0] > 0
    is_one_pass(nacre.open(tmp_path / "live"), folder)


def test_killed_in_the_middle_of_200_files(folder: Path, tmp_path: Path) -> None:
    """Takes as long as three starts of a process."""
    many(folder, 200)
    opened(tmp_path / "live", nacre.Moments()).absorb(str(folder / "000.npy"))
    for wanted in (100, 900):
        with child(str(folder), tmp_path / "live") as process:
            assert heard_rows(process, wanted) >= wanted  # and killed
    live = nacre.open(tmp_path / "live")
    assert len(live.ledger) > 50
    one = follower(live, Folder(folder, settle=0))
    one.once()
    assert one.listener.bad == []
    is_one_pass(live, folder)
    assert live.verify().problems == ()


def test_it_waits_while_the_store_is_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.live.follow.FIRST_WAIT", 0.001)
    live = opened(memory(), nacre.Moments())
    many(folder, 1)
    follower(live, Folder(folder, settle=0)).once()
    many(folder, 3, first=1)
    broken = [Unavailable, DiskFull, Unavailable]
    create = MemoryPlace.create

    def failing(place: Any, name: str, *parts: bytes) -> bool:
        if not broken:
            return create(place, name, *parts)
        if len(broken) == 1:
            create(place, name, *parts)  # it is there, but nobody is told
        raise broken.pop()(got="nothing", wanted="a disk", do="Wait.")

    monkeypatch.setattr(MemoryPlace, "create", failing)
    one: Any = None
    one = follower(live, Folder(folder, settle=0), idle=lambda: one.stop.set())
    one.run()
    assert one.listener.events == ["away", "away", "away", "took", "back", "idle"]
    is_one_pass(live, folder)


def test_it_waits_while_the_folder_is_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacre.live.follow.FIRST_WAIT", 0.001)
    live = opened(learner=nacre.Moments())
    many(folder, 2)
    source = Folder(folder, settle=0)
    aside = folder.with_name("aside")
    folder.rename(aside)
    with pytest.raises(Unavailable, match="not there any more"):
        follower(live, source).once()
    one: Any = None
    back = lambda: aside.rename(folder) if aside.exists() else None  # noqa: E731
    one = follower(live, source, away=back, idle=lambda: one.stop.set())
    one.run()
    assert one.listener.events == ["away", "took", "back", "idle"]
    is_one_pass(live, folder)


def test_files_elsewhere(folder: Path) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for path in many(folder, 3):
        system.pipe(f"/followed/{path.name}", path.read_bytes())
    live = opened(learner=nacre.Moments())
    follower(live, Folder("memory://followed", settle=0)).once()
    is_one_pass(live, folder)
    system.pipe("/followed/003.npy", many(folder, 1, first=3)[0].read_bytes())
    follower(live, Folder("memory://followed/*.npy", settle=0)).once()
    is_one_pass(live, folder)


@pytest.mark.filterwarnings("ignore")  # of botocore and moto about themselves
def test_files_in_a_bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first use of a bucket in a process takes some seconds."""
    monkeypatch.setattr("nacre.live.follow.FIRST_WAIT", 0.001)
    with served() as bucket:
        import s3fs

        system = s3fs.S3FileSystem()
        for path in many(folder, 3):
            system.put(str(path), f"{bucket}/day/{path.name}")
        live = opened(learner=nacre.Moments())
        one = follower(live, Folder(f"{bucket}/day", settle=0))
        one.once()
        is_one_pass(live, folder)
        (path,) = many(folder, 1, first=3)
        system.put(str(path), f"{bucket}/day/{path.name}")
        system.put(str(path), f"{bucket}/day/000.npy")  # changed
        system.pipe(f"{bucket}/day/broken.npy", b"no array")
        one.once()
        assert sorted(bad.name for bad in one.listener.bad) == ["000.npy", "broken.npy"]
        is_one_pass(live, folder)
    with pytest.raises(Unavailable):  # the server has gone
        one.once()


def test_what_cannot_be_followed(folder: Path) -> None:
    for where in (folder / "none", folder / "none" / "*.npy"):
        with pytest.raises(NotFound, match="no directory"):
            Folder(where)
    with pytest.raises(BadParameter, match="settle"):
        Folder(folder, settle=-1)
    for every, rows in ((0.0, 1), (1.0, 0), (float("nan"), 1)):
        with pytest.raises(BadParameter, match="every="):
            Pace(every, rows)
    for text in ("", "5 moons", "-1s", "s"):
        with pytest.raises(BadParameter, match="such as 5s"):
            seconds_of(text)
    live = opened(learner=nacre.Moments())
    follower(live, Folder(folder, settle=0)).once()  # nothing there yet
    assert live.version == 0


def test_a_file_that_may_not_be_read_stops_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = many(folder, 6)
    hidden = str(paths[2])
    source, absorb = File.source, Live.absorb

    def refusing(file: File) -> Any:
        if file.path == hidden:
            raise PermissionError(hidden)
        return source(file)

    def away(live: Live, rows: Any, *given: Any, **options: Any) -> Any:
        if any(str(path) == hidden for path in rows.data):
            raise Unavailable(got="no answer", wanted="one", do="Wait.", where=hidden)
        return absorb(live, rows, *given, **options)

    monkeypatch.setattr(File, "source", refusing)
    monkeypatch.setattr(Live, "absorb", away)
    live = opened(learner=nacre.Moments())
    one = follower(live, Folder(folder, settle=0))
    one.once()
    assert [bad.name for bad in one.listener.bad] == ["002.npy"]
    monkeypatch.undo()
    is_one_pass(live, folder, ("002.npy",))
