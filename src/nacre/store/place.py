"""Where the objects of a store lie: a directory, this process, or a store of objects elsewhere.

An object is created under a name that is free, whole and durable at once, and never changed; so
whoever creates a name knows that nobody else did. What can be made anew is put without that care.

    place = place_of("models/flights", make=True)
    place.create("commits/00000000/0000000001", b"...")   # True: ours; False: the name is taken
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from nacre.errors import BadParameter, NacreError
from nacre.store.container import corrupt

MOST_PART = 200  # bytes of a part of a name; disks take 255
_PART = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{MOST_PART - 1}}}", re.ASCII)
_LISTED = re.compile(f"{_PART.pattern}(/{_PART.pattern})*", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://|::)")


class Place(Protocol):
    """Where objects lie. Names are parts of letters, digits, ".", "_", "-" with "/" between them.

    Every method raises CorruptState for another name, which only damaged data can hold, and
    Unavailable where what lies below does not answer.

    Attributes:
        where: for messages.
    """

    where: str

    def create(self, name: str, *parts: bytes) -> bool:
        """Put an object under a free name: True when it is there, whole and durable.

        False where the name is taken: nothing is overwritten, and what stands there is durable.
        After an error it may be there, whole, or not; to create it again is safe.

        Raises:
            DiskFull: there is no room.
            BadParameter: a place that cannot tell who was first.
        """

    def put(self, name: str, data: bytes) -> None:
        """Put an object in a name's place at once; for what can be made anew if it is lost."""

    def read(self, name: str) -> bytes:
        """The bytes of an object.

        Raises:
            NotFound: it is not there.
            CorruptState: something else stands in its place.
        """

    def read_at(self, name: str, from_end: int, n_bytes: int) -> bytes:
        """A run of an object's bytes, counted from its end; raises as `read` does.

        Raises:
            CorruptState: the object is too short.
        """

    def size(self, name: str) -> int:
        """Bytes of an object; raises as `read` does."""

    def names(self, folder: str = "") -> list[str]:
        """Sorted names directly below a folder, folders too; none where there is no such folder."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects for good; what is not there is fine, an empty folder may go too."""

    def settle(self, folder: str) -> None:
        """Make durable what stands directly in a folder, whoever wrote it and died since."""

    def close(self) -> None:
        """Let go of what is held open."""


def place_of(uri: str | os.PathLike[str], *, make: bool, single_writer: bool = False) -> Place:
    """The place of a path or URI.

    >>> place = place_of("memory://doctest", make=True)
    >>> place.create("a/b", b"one"), place.create("a/b", b"two"), place.read("a/b")
    (True, False, b'one')

    Args:
        uri: a directory; "memory://name", which all of this process share; or what fsspec knows,
            such as "s3://bucket/path".
        make: make it where it is not there.
        single_writer: the caller sees to it that nobody else writes there: then stores are taken
            too that cannot tell who was first.

    Raises:
        NotFound: it is not there, and is not to be made.
        BadParameter: no path; or a store without conditional create, to be made.
        MissingExtra: its package is not installed.
        Unavailable: it may not be used.
    """
    text = os.fspath(uri)
    if not text or "\0" in text:
        raise BadParameter(
            got=f"path={text!r}", wanted="a directory, or a URI", do="Name where the model is."
        )
    scheme = _scheme(text)
    if scheme in ("file", "local"):
        from nacre.store.place_local import LocalPlace

        path = re.sub(r"\A[A-Za-z]+://", "", text)
        return LocalPlace.at(os.path.abspath(path), make=make)
    if scheme == "memory":
        from nacre.store.place_memory import MemoryPlace

        return MemoryPlace.at(text, make=make)
    from nacre.store.place_object import ObjectPlace

    return ObjectPlace.at(text, make=make, single_writer=single_writer)


def is_local(uri: str) -> bool:
    """Whether it is a directory of this machine."""
    return _scheme(uri) in ("file", "local")


def _scheme(text: str) -> str:
    return found[0].lower() if (found := _SCHEME.match(text)) else "file"


def checked(name: str) -> list[str]:
    """The parts of a name; raise CorruptState for one that no store has."""
    parts = name.split("/")
    if not all(_is_part(part) for part in parts):
        corrupt(f"the name {name[:80]!r}", "letters, digits, '.', '_', '-', and '/' between them")
    return parts


def _is_part(part: str) -> bool:
    return _PART.fullmatch(part) is not None


def folder_of(name: str) -> tuple[str, str]:
    """Folder and last part of a name."""
    *above, last = checked(name)
    return "/".join(above), last


@contextmanager
def located(where: str) -> Iterator[None]:
    """Errors of the block with their place."""
    try:
        yield
    except NacreError as error:
        raise error.at(where) from None


def listed(names: Iterable[str]) -> list[str]:
    """Those that a store has, sorted: temporaries of writers and hidden files are left out."""
    found = sorted(names)
    if _LISTED.fullmatch("/".join(found)):  # as a rule all are ours: one match is soon made
        return found
    return [name for name in found if _is_part(name)]
