"""The laws of a place, on a disk, in memory and on S3: whole objects, one winner for each name."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import BadParameter, CorruptState, MissingExtra, NacreError, NotFound, Unavailable
from nacre.store.place import Place, place_of
from tests.store.buckets import KEY, SECRET, puts, served

PLACES = ("local", "memory", "s3")
BAD = ["", "/", "a//b", "/a", "a/", "..", "a/../b", "./a", ".hidden", "a b", "ä", "a\n", "x" * 201]

pytestmark = pytest.mark.filterwarnings("ignore")  # of botocore and moto about themselves


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with served() as uri:
        yield uri


@pytest.fixture(scope="module", params=PLACES)
def uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where places of one sort may be made."""
    if request.param == "local":
        return str(tmp_path_factory.mktemp("places"))
    return "memory://places" if request.param == "memory" else request.getfixturevalue("bucket")


@pytest.fixture
def place(uri: str) -> Iterator[Place]:
    """A place that nothing lies in."""
    place = place_of(f"{uri}/{os.urandom(4).hex()}", make=True)
    yield place
    place.close()


@pytest.fixture
def s3(bucket: str) -> Place:
    return place_of(f"{bucket}/{os.urandom(4).hex()}", make=True)


def test_what_was_created_stands(place: Place) -> None:
    assert place.create("a/b/one", b"first", b"", b" words")
    assert not place.create("a/b/one", b"others")
    assert place.read("a/b/one") == b"first words"
    assert place.size("a/b/one") == 11
    assert place.create("top", b"")
    assert place.read("top") == b""
    assert not place.create("top", b"x")


def test_what_was_put_is_what_was_put_last(place: Place) -> None:
    for data in (b"one", b"", b"three" * 100_000):
        place.put("cache/ab", data)
        assert place.read("cache/ab") == data
    assert place.create("cache/cd", b"x")
    place.put("cache/cd", b"y")
    assert place.read("cache/cd") == b"y"
    assert place.names("cache") == ["ab", "cd"]


def test_names_of_a_folder(place: Place) -> None:
    assert place.names() == place.names("a") == []
    for name in ("a/2", "a/1", "a/b/3", "c"):
        place.create(name, b"")
    assert place.names() == ["a", "c"]
    assert place.names("a") == ["1", "2", "b"]
    assert place.names("a/b") == ["3"]
    assert place.names("none") == []


def test_removing(place: Place) -> None:
    for name in ("a/1", "a/2", "b"):
        place.create(name, b"x")
    place.remove(iter(["a/1", "a/none", "none/3", "b"]))
    assert place.names("a") == ["2"]
    place.remove(["a/2"])
    assert place.names("a") == []
    with pytest.raises(NotFound):
        place.read("a/2")
    assert place.create("a/1", b"again")  # the folder may have gone
    assert place.read("a/1") == b"again"
    place.put("b/1", b"")
    place.settle("a")
    place.settle("none")


@pytest.mark.parametrize("method", ["read", "size", "read_at"])
def test_what_is_missing_is_named(method: str, place: Place) -> None:
    arguments = (1, 1) if method == "read_at" else ()
    for name in ("none", "no/ne"):
        with pytest.raises(NotFound) as told:
            getattr(place, method)(name, *arguments)
        assert told.value.where.startswith(f"{place.where}/no")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_and_nothing_is_written(name: str, place: Place) -> None:
    for ask in (
        lambda: place.create(name, b"x"),
        lambda: place.put(name, b"x"),
        lambda: place.read(name),
        lambda: place.read_at(name, 1, 1),
        lambda: place.size(name),
        lambda: place.remove([name]),
    ):
        with pytest.raises(CorruptState, match="the name"):
            ask()
    if name:
        with pytest.raises(CorruptState, match="the name"):
            place.names(name)
    assert place.names() == []


def test_any_run_is_read_from_the_end(uri: str) -> None:
    place = place_of(f"{uri}/runs", make=True)
    n_examples = [0]

    @given(st.binary(max_size=50), st.integers(-1, 60), st.integers(-1, 60))
    def law(data: bytes, from_end: int, n_bytes: int) -> None:
        n_examples[0] += 1
        place.create(f"runs/{n_examples[0]}", data)
        if 0 <= n_bytes <= from_end <= len(data):
            run = place.read_at(f"runs/{n_examples[0]}", from_end, n_bytes)
            assert run == data[len(data) - from_end :][:n_bytes]
        else:
            with pytest.raises(CorruptState) as told:
                place.read_at(f"runs/{n_examples[0]}", from_end, n_bytes)
            assert told.value.where.endswith(f"runs/{n_examples[0]}")

    law()
    assert n_examples[0] >= 20


def test_a_run_far_from_the_end(place: Place) -> None:
    data = os.urandom(3 << 20)
    place.create("big", data)
    assert place.read_at("big", 3 << 20, 70) == data[:70]
    assert place.read_at("big", 2 << 20, 2 << 20) == data[1 << 20 :]


def raced(n: int, act: Callable[[int], Any]) -> list[Any]:
    """What n threads get that begin at once; an error of ours is a value too."""
    begin, told = threading.Barrier(n), [None] * n

    def run(i: int) -> None:
        begin.wait()
        try:
            told[i] = act(i)
        except NacreError as error:
            told[i] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_of_many_that_create_one_name_one_is_first(place: Place) -> None:
    for turn in range(5):
        name = f"race/{turn}"
        won = raced(8, lambda i, name=name: place.create(name, b"%d" % i))  # type: ignore[misc]
        assert sorted(won) == [False] * 7 + [True]
        assert place.read(name) == b"%d" % won.index(True)


def test_creating_and_removing_at_once(place: Place) -> None:
    def act(i: int) -> None:
        for turn in range(10):
            place.create(f"both/{i}-{turn}", b"x")
            place.remove([f"both/{i}-{turn}"])

    assert raced(4, act) == [None] * 4
    assert place.names("both") == []


def test_a_place_is_found_again(uri: str) -> None:
    for missing in (f"{uri}/not-made", f"{uri}/not/made"):
        with pytest.raises(NotFound):
            place_of(missing, make=False)
    place_of(f"{uri}/made", make=True).create("x", b"1")
    assert place_of(f"{uri}/made", make=False).read("x") == b"1"
    assert place_of(f"{uri}/made", make=True).read("x") == b"1"


def test_what_no_path_is() -> None:
    for path in ("", "a\0b"):
        with pytest.raises(BadParameter):
            place_of(path, make=True)
    with pytest.raises(BadParameter, match="nothing-known"):
        place_of("nothing-known://x/y", make=True)
    with pytest.raises((MissingExtra, BadParameter)):
        place_of("gs://bucket/x", make=True)


# ---- a disk


def test_a_file_uri_is_a_directory(tmp_path: Path) -> None:
    place = place_of(f"file://{tmp_path}/a/b", make=True)
    place.create("x", b"1")
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"1"
    assert place.where == str(tmp_path / "a" / "b")


def test_nothing_is_reached_through_links(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    place = place_of(tmp_path / "place", make=True)
    place.create("a/x", b"")
    os.symlink(tmp_path / "secret", tmp_path / "place" / "a" / "link")
    os.symlink(tmp_path, tmp_path / "place" / "out")
    os.mkfifo(tmp_path / "place" / "a" / "pipe")
    for name in ("a/link", "out/secret", "a/pipe", "a"):
        with pytest.raises(CorruptState) as told:
            place.read(name)
        assert told.value.where.startswith(str(tmp_path / "place"))
    with pytest.raises(CorruptState):
        place.create("out/x", b"")
    assert not place.create("a/link", b"x")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert not (tmp_path / "x").exists()


def test_what_dead_writers_left_is_ignored_and_removed_by_the_next(tmp_path: Path) -> None:
    place_of(tmp_path, make=True).create("a/b/x", b"")
    left = [tmp_path / folder / f".{n}.part" for n, folder in enumerate(("", "a", "a/b"))]
    for path in left:
        path.write_bytes(b"half")
    (tmp_path / "a" / ".hidden").write_bytes(b"")
    place = place_of(tmp_path, make=True)
    assert place.names("a") == ["b"]
    assert place.names("a/b") == ["x"]
    assert all(path.exists() for path in left)
    place.create("a/b/y", b"")
    assert not any(path.exists() for path in left)
    assert (tmp_path / "a" / ".hidden").exists()


def test_what_a_living_writer_has_not_finished_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = os.fsync, list[int]()

    def fsync(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}").endswith(".part") and not seen:
            seen.append(fd)
            place_of(tmp_path, make=True).create("a/other", b"2")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    assert place_of(tmp_path, make=True).create("a/slow", b"1")
    assert seen
    assert place_of(tmp_path, make=False).names("a") == ["other", "slow"]


@pytest.mark.parametrize("lost", ["file", "folder"])
def test_what_is_cleared_away_meanwhile_is_written_again(
    lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def link(source: str, target: str, **options: Any) -> None:
        monkeypatch.setattr(os, "link", real)
        os.unlink(source, dir_fd=options["src_dir_fd"])
        if lost == "folder":
            os.rmdir(tmp_path / "a" / "b")
        real(source, target, **options)

    place = place_of(tmp_path, make=True)
    place.create("a/c", b"")
    monkeypatch.setattr(os, "link", link)
    assert place.create("a/b/x", b"1")
    assert place.read("a/b/x") == b"1"
    assert os.listdir(tmp_path / "a" / "b") == ["x"]


def synced(act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced while something is done, by the last part of its path."""
    real, log = os.fsync, []

    def fsync(fd: int) -> None:
        log.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        real(fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        act()
    return ["file" if name.endswith(".part") else name for name in log]


def test_what_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(act: Callable[[], Any]) -> list[str]:
        return synced(act, monkeypatch)

    assert sync(lambda: place_of(tmp_path / "root", make=True))[0] == tmp_path.name
    place = place_of(tmp_path / "root", make=True)
    assert sync(lambda: place.create("a/b/1", b"x")) == ["root", "a", "file", "b"]
    assert sync(lambda: place.create("a/b/2", b"x")) == ["file", "b"]
    assert sync(lambda: place.create("a/b/2", b"y")) == ["b"]
    assert sync(lambda: place.put("a/b/3", b"x")) == []
    assert sync(lambda: place.read("a/b/2")) == []
    assert sync(lambda: place.remove(["a/b/2"])) == ["b"]
    again = place_of(tmp_path / "root", make=False)  # who made the folders may have died
    assert sync(lambda: again.settle("a/b")) == ["root", "a", "b"]
    assert sync(lambda: again.create("a/b/4", b"x")) == ["file", "b"]


def test_a_place_that_was_closed_says_so(tmp_path: Path) -> None:
    place = place_of(tmp_path, make=True)
    place.close()
    place.close()
    with pytest.raises(Unavailable, match="closed"):
        place.names()


# ---- stores elsewhere


def test_a_store_that_cannot_tell_who_was_first_is_refused(tmp_path: Path) -> None:
    from nacre.store.place_object import ObjectPlace

    uri = f"dir::file://{tmp_path}"
    with pytest.raises(BadParameter, match="single_writer=True"):
        place_of(uri, make=True)
    place = place_of(uri, make=True, single_writer=True)
    assert isinstance(place, ObjectPlace)
    assert place.create("a/b", b"1")
    assert not place.create("a/b", b"2")
    place.put("a/c", b"3")
    reader = place_of(uri, make=False)
    assert reader.read("a/b") == b"1"
    for write in (
        lambda: reader.create("a/d", b""),
        lambda: reader.put("a/d", b""),
        lambda: reader.remove(["a/b"]),
    ):
        with pytest.raises(BadParameter, match="which of two writers"):
            write()


def test_a_server_that_does_not_heed_the_condition_is_found_out(s3: Place) -> None:
    from moto.s3.responses import S3Response

    real = S3Response.put_object

    def heedless(self: Any) -> Any:
        self.headers = {key: v for key, v in self.headers.items() if key != "If-None-Match"}
        return real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", heedless)
        with pytest.raises(BadParameter, match="If-None-Match"):
            s3.create("a", b"1")
    assert s3.names() == []
    assert s3.create("a", b"1")


def answers(code: str, status: int, *, after: bool) -> Callable[[Callable[[], Any]], Any]:
    """The first PUT is answered so, after it was done or instead."""
    told: list[int] = []

    def put(real: Callable[[], Any]) -> Any:
        if told:
            return real()
        told.append(status)
        if after:
            real()
        return status, {}, f"<Error><Code>{code}</Code><Message>on purpose</Message></Error>"

    return put


def test_two_that_meet_halfway_try_again(s3: Place) -> None:
    s3.create("warm", b"")
    with puts(answers("ConditionalRequestConflict", 409, after=False)):
        assert s3.create("a", b"1")
    assert s3.read("a") == b"1"


def test_an_answer_that_was_lost_is_asked_for_again(s3: Place) -> None:
    s3.create("warm", b"")
    with puts(answers("InternalError", 500, after=True)):
        assert not s3.create("a", b"1")  # it stands, and Log knows its own bytes
    assert s3.read("a") == b"1"


def test_what_s3_refuses_is_told_without_keys(s3: Place, bucket: str) -> None:
    s3.create("warm", b"")
    with puts(answers("AccessDenied", 403, after=False)), pytest.raises(Unavailable) as told:
        s3.create("a", b"1")
    assert told.value.where == f"{s3.where}/a"
    with pytest.raises(NotFound) as missing:
        place_of("s3://no-bucket/x", make=True).create("a", b"")
    for error in (told.value, missing.value):
        assert KEY not in str(error)
        assert SECRET not in str(error)
