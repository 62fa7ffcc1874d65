"""A store that somebody else has written into: hashes are right, and what they are of is a lie.

Whoever can write a directory can put any model there; so what is asked is less: no other exception
than nacre's, no way out of the store, no code, and no sum that a hash belies.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nacre
from nacre.canon import digest
from nacre.errors import CorruptState, NacreError, NewerFormat, NotFound, Unavailable
from nacre.evolve import sums
from nacre.evolve.fold import Fold
from nacre.evolve.sums import Behind
from nacre.store import format as stored
from nacre.store import life
from nacre.store.commits import HEAD, name_of
from nacre.store.container import PREFIX, sealed
from nacre.store.ledger import Leaf, Lies
from nacre.store.life import Commit, Named
from tests.live.lives import batch, opened
from tests.store.crashing import outcome

DAY = 86_400 * 10**9
N = 67  # commits: past a checkpoint
HUGE = (1 << 63) - 1
ZEROS = "0" * 64


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live model with segments, history, commits and cached sums."""
    folder = tmp_path_factory.mktemp("hostile") / "live"
    live = opened(folder, nacre.PCA(2))
    for number in range(N):
        live.absorb(batch(number), f"b{number}", (number + 1) * DAY)
    live.close()
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "live"))


def newest(folder: Path) -> Path:
    """The file of its newest commit."""
    return sorted(folder.glob("commits/*/*"))[-1]


def parts_of(folder: Path) -> tuple[bytes, Commit, bytes]:
    """The log's head, the commit, and the leaves behind it."""
    data = newest(folder).read_bytes()
    commit = life.read(data[HEAD:])
    return data[:HEAD], commit, data[HEAD + len(life.spelled(commit)) :]


def forge(folder: Path, change: Callable[[Commit], Commit], tail: bytes | None = None) -> None:
    """Write another commit in the place of the newest, under a right hash."""
    head, commit, behind = parts_of(folder)
    text = life.spelled(change(commit))
    newest(folder).write_bytes(head + text + (behind if tail is None else tail))


def kept(folder: Path, data: bytes) -> Lies:
    """A blob that is put there."""
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / "blobs" / sha256).write_bytes(data)
    return Lies(f"blobs/{sha256}", len(data), len(data), sha256)


def asked(folder: Path) -> tuple[list[str], list[str]]:
    """What nacre says when all is asked of a live model: its errors, and what `verify` finds."""
    errors: list[str] = []
    problems: list[str] = []

    def ask(what: Callable[[], Any]) -> None:
        try:
            what()
        except NacreError as error:
            errors.append(f"{type(error).__name__}: {error}")

    def answers() -> None:
        with nacre.open(folder) as live:
            for what in (
                *(lambda: live.state, lambda: live.model.components_, lambda: repr(live)),
                *(lambda: list(live.ledger), lambda: list(live.history()), lambda: live.about()),
                *(lambda: live.window("9d"), lambda: live.at(HUGE), lambda: live.as_of(9 * DAY)),
                lambda: live.transform(batch(1)),
                lambda: problems.extend(live.verify().problems),
                lambda: live.absorb(batch(5), "b5"),
                lambda: live.absorb(batch(900), "new"),
                lambda: live.replace("b3", batch(901)),
                lambda: live.erase("b4"),
                lambda: live.collect("1ns"),
            ):
                ask(what)

    ask(answers)
    return errors, problems


def leaf(**more: Any) -> Callable[[Commit], Commit]:
    """With another line of its newest batch."""
    return lambda c: replace(c, recent=(*c.recent[:-1], replace(c.recent[-1], **more)))


def lies(**more: Any) -> Callable[[Commit], Commit]:
    """With another place of its newest batch."""

    def change(c: Commit) -> Commit:
        last = c.recent[-1]
        assert last.lies
        return leaf(lies=replace(last.lies, **more))(c)

    return change


def act(**more: Any) -> Callable[[Commit], Commit]:
    """With another act."""
    return lambda c: replace(c, act=replace(c.act, **more))


def folds(**more: Any) -> Callable[[Commit], Commit]:
    """With a fold that says so."""

    def change(c: Commit) -> Commit:
        at = c.recent[0].lies
        assert at
        fold = Fold("0" * 40, "f" * 40, True, 0, 3, 9, 0, 0, 5, at)
        return replace(c, folds=(replace(fold, **more),))

    return change


def segment(**more: Any) -> Callable[[Commit], Commit]:
    """With another segment."""
    return lambda c: replace(c, segments=(replace(c.segments[0], **more),))


def frame(**more: Any) -> Callable[[Commit], Commit]:
    """With another frame."""
    return lambda c: replace(c, frame=replace(c.frame, **more))


OUTSIDE = ("../secret", "/etc/passwd", "commits/../../secret", "blobs//x", ".hidden", "a\0b", "")
LOUD: dict[str, Callable[[Commit], Commit]] = {  # what a hash, or a size, belies
    **{f"a leaf at {name!r}": lies(object=name) for name in OUTSIDE},
    "a leaf elsewhere": lies(from_end=7),
    "a leaf that is huge": lies(n_bytes=HUGE, from_end=HUGE),
    "a leaf of another hash": lies(sha256=ZEROS),
    "a leaf with another's bytes": lambda c: leaf(lies=c.recent[0].lies)(c),
    "another sum": act(digest="0" * 32),
    "another number": act(number=5),
    "fewer batches": lambda c: replace(c, recent=c.recent[1:]),
    "no segments": lambda c: replace(c, segments=()),
    "a huge segment": segment(n_bytes=HUGE),
    "a segment of many lines": segment(n_lines=HUGE),
    "a segment of no lines": segment(n_lines=0),
    "a segment that is not there": segment(sha256=ZEROS),
    "history that is not there": lambda c: replace(c, history=(Named(ZEROS, 5, 5),)),
    "history that is a segment": lambda c: replace(c, history=c.segments),
    "a segment that is history": lambda c: replace(c, segments=c.history),
    "another base": frame(base="0" * 32),
    "a learner that is a schema": lambda c: frame(learner=c.frame.schema)(c),
    "a model that is a learner": lambda c: frame(model=c.frame.learner)(c),
    "a frame that is not there": lambda c: frame(model=replace(c.frame.model, sha256=ZEROS))(c),
    "a fold of everything": folds(),
    "a running sum": lambda c: replace(c, running=c.recent[0].lies),
}
ODD: dict[str, Callable[[Commit], Commit]] = {  # what nothing belies, or what nobody reads
    "other counts": lambda c: replace(c, n_rows=HUGE, n_batches=0),
    "a huge batch": leaf(n_rows=HUGE),
    "a batch twice": leaf(id="b3"),
    "a time at the end of all": leaf(time=HUGE, first=-HUGE),
    "a batch absorbed at the end of all": leaf(absorbed=HUGE),
    "a commit at the end of all": act(moment=HUGE),
    "an epoch at the end of all": act(epoch=HUGE),
    "a policy of no sort": lambda c: replace(c, forget="now and then", retain="much"),
    "a root elsewhere": lambda c: replace(c, root="/../../etc"),
    "streams of no sort": lambda c: replace(c, streams={"s": (5, -3, 0)}),
    "streams beyond all": lambda c: replace(c, streams={"s": (HUGE, HUGE)}),
    "an id that looks like a stream's": leaf(id="s@5"),
    "an id of control characters": leaf(id="\x1b[31m\r\n\0"),
    "no acts": lambda c: replace(c, acts=()),
    "acts in disorder": lambda c: replace(c, acts=c.acts[::-1]),
    "a weight without end": lambda c: replace(c, weight=1e308),
    "a fold whose end is before its beginning": folds(first_key="f" * 40, last_key="0" * 40),
    "a scattered fold": folds(whole=False),
}


@pytest.mark.parametrize("name", LOUD)
def test_a_forged_commit_is_found(name: str, folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_bytes(b"not to be touched")
    forge(folder, LOUD[name])
    errors, problems = asked(folder)
    assert problems or any("CorruptState" in error for error in errors)
    assert secret.read_bytes() == b"not to be touched"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["live", "secret"]


@pytest.mark.filterwarnings("ignore:the clock is")
@pytest.mark.parametrize("name", ODD)
def test_an_odd_commit_raises_nothing_else(name: str, folder: Path) -> None:
    forge(folder, ODD[name])
    asked(folder)


def summaries() -> dict[str, Any]:
    """Summaries that are not those of the live model."""
    other = opened(learner=nacre.Scale())
    other.absorb(batch(0), "a")
    wider = opened(learner=nacre.PCA(2))
    wider.absorb(batch(0, d=5), "a")
    return {"another learner's": other.state.told, "of more columns": wider.state.told}


@pytest.mark.parametrize("name", ["another learner's", "of more columns"])
def test_a_leaf_of_another_sort(name: str, folder: Path) -> None:
    data = stored.to_bytes(summaries()[name])
    at = kept(folder, data)
    forge(folder, leaf(lies=at), tail=b"")
    errors, problems = asked(folder)
    assert errors
    assert problems


@given(at=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_a_leaf_that_was_damaged_under_right_hashes(whole: Path, at: int, bit: int) -> None:
    _, commit, behind = parts_of(whole)
    data = bytearray(behind)
    place = PREFIX.size + at % (len(data) - PREFIX.size)
    data[place] ^= 1 << bit
    again = sealed(bytes(data[PREFIX.size :]))
    found = outcome(lambda: stored.from_bytes(again, "summary"))
    if isinstance(found, NacreError):
        return
    with nacre.open(whole) as live:
        told = outcome(lambda: live._version.grounds.state(live._version.told + found))
    assert isinstance(told, NacreError) or told.told.base == commit.frame.base


def test_a_newer_format_is_named(folder: Path) -> None:
    head, commit, behind = parts_of(folder)
    text = life.spelled(commit).replace(b'"nacre_format": 1,', b'"nacre_format": 2,')
    body = text[: text.index(b'"sha256"', text.index(b'"nacre_format"'))]
    text = body + f'"sha256": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()
    newest(folder).write_bytes(head + text + behind)
    with pytest.raises(NewerFormat, match="format 2") as told:
        nacre.open(folder)
    assert told.value.where == str(newest(folder))


class Forged(Behind):
    """Sums in the cache that are those of other leaves, under right seals."""

    def write(self, name: Any, value: Any) -> None:
        super().write(name, value + value)


def test_a_forged_cache_goes_into_no_commit(folder: Path) -> None:
    shutil.rmtree(folder / "cache", ignore_errors=True)
    with nacre.open(folder) as live:
        behind = live._shelf.sums.behind
        assert behind is not None
        right = live.state.digest
        tree = live._version.leaves.tree
        for span in tree.large():
            Forged(behind.place, behind.pack, behind.unpack).write(
                tree.name(*span), live._version.leaves.run(*span).total()
            )
    assert list((folder / "cache").iterdir())
    with nacre.open(folder) as again:
        assert any("cache/" in problem for problem in again.verify().problems)
        again.absorb(batch(100), "new", 100 * DAY)
    with nacre.open(folder) as again:
        assert again._version.commit.act.digest == digest(again._version.told)
        again.erase("new")
        assert again.state.digest == right
        assert again.verify().problems == ()


@pytest.mark.parametrize("what", ["link", "file", "unreadable sum"])
def test_a_cache_that_is_none_fails_nobody(what: str, folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    shutil.rmtree(folder / "cache", ignore_errors=True)
    if what == "link":
        (folder / "cache").symlink_to(outside)
    elif what == "file":
        (folder / "cache").write_bytes(b"")
    else:
        (folder / "cache").mkdir()
        (folder / "cache" / ("a" * 32)).mkdir()
    with nacre.open(folder) as live:
        for number in range(N, 130):  # past a checkpoint
            live.absorb(batch(number), f"b{number}", (number + 1) * DAY)
        assert live.verify().problems == ()
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["commits", "blobs", "commits/00000001"])
def test_a_folder_that_is_a_link_is_not_followed(name: str, folder: Path) -> None:
    outside = folder.parent / "outside"
    shutil.move(folder / name, outside)
    (folder / name).symlink_to(outside)
    before = sorted(path.name for path in outside.rglob("*"))
    errors, problems = asked(folder)
    assert any("CorruptState" in error for error in errors) or problems
    assert sorted(path.name for path in outside.rglob("*")) == before


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_a_commit_that_is_no_file(kind: str, folder: Path) -> None:
    path = newest(folder)
    data = path.read_bytes()
    path.unlink()
    if kind == "link":
        (folder.parent / "outside").write_bytes(data)
        path.symlink_to(folder.parent / "outside")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(CorruptState) as told:
        nacre.open(folder)
    assert told.value.where == str(path)


def test_a_store_that_vanishes(folder: Path) -> None:
    live = nacre.open(folder)
    shutil.rmtree(folder)
    for what in (lambda: live.absorb(batch(100), "new"), lambda: live.state, live.reopen):
        with pytest.raises((NotFound, CorruptState, Unavailable)):
            what()
    with pytest.raises(NotFound):
        nacre.open(folder)
    live.close()
    live.close()
    with pytest.raises(Unavailable, match="Open it again"):
        live.absorb(batch(100), "new")


def test_an_old_copy_that_was_put_back(folder: Path) -> None:
    old = shutil.copytree(folder, folder.parent / "old")
    live = nacre.open(folder)
    for number in range(3):
        live.absorb(batch(200 + number), f"c{number}", 200 * DAY)
    shutil.rmtree(folder)
    shutil.copytree(old, folder)
    again = nacre.open(folder)
    is_whole = {f"b{number}": batch(number) for number in range(N)}
    assert {line.id for line in again.ledger} == is_whole.keys()
    assert again.absorb(batch(200), "c0", 200 * DAY).n_batches == 1
    assert again.verify().problems == ()
    with pytest.raises(NacreError):
        live.absorb(batch(210), "c9", 200 * DAY)


@pytest.mark.root
def test_a_disk_that_may_only_be_read(whole: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", tmp_path], check=True)
    try:
        folder = shutil.copytree(whole, tmp_path / "live")
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        with nacre.open(folder) as live:
            assert live.transform(batch(0)).shape == (40, 2)
            live.window("9d")
            assert live.verify().problems == ()
            assert live.absorb(batch(1), "b1").n_known == 1
            with pytest.raises(Unavailable, match="read-only"):
                live.absorb(batch(100), "new")
            assert live.version == N
        with pytest.raises(Unavailable, match="read-only"):
            nacre.open(tmp_path / "other", nacre.PCA(2))
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_names_of_what_is_there_lead_nowhere(folder: Path) -> None:
    assert name_of(N) in str(newest(folder))
    for name in ("0000000999", "junk", ".0000000999", "0000000068.bak"):
        (folder / "commits" / "junk").mkdir(exist_ok=True)
        (folder / "commits" / "junk" / name).write_bytes(b"")
    assert sums.FOLDER == "cache"
    with nacre.open(folder) as live:
        assert live.version == N
        np.testing.assert_array_equal(live.components_.shape, (2, 3))
        assert isinstance(next(iter(live.ledger)), Leaf)
