"""A store of objects elsewhere, such as S3, as a place: through fsspec.

Who is first is for the store to say, by a conditional PUT (If-None-Match: *), which s3fs asks for
by `mode="create"`. Other packages of fsspec look first and write then, so two can be first: they
are refused, unless the caller says that there is one writer. A server that does not heed the
condition is found out before the first object is created.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self, TypeVar

from nacre.errors import BadParameter, CorruptState, MissingExtra, NacreError, NotFound, Unavailable
from nacre.store.container import corrupt
from nacre.store.files import first_of
from nacre.store.place import checked, listed, located

CONDITIONAL = ("s3", "s3a")  # protocols whose package creates on condition
PROBE = "conditional-create"  # an object: whoever creates it again has to be told no
NEAR = 1 << 20  # bytes from the end within which one request is less than two
TRIES = 8  # of a create that met another one halfway
PAUSE = 0.01  # seconds before the second of them; twice as long before each other
_TAKEN = ("PreconditionFailed", "412")
_AGAIN = ("ConditionalRequestConflict", "OperationAborted", "409")
_SHORT = ("InvalidRange", "416")
T = TypeVar("T")


class ObjectPlace:
    """Objects of a store elsewhere, below a path.

    Args:
        system: of fsspec, which keeps no listings.
        root: the path in it.
        where: for messages.
        exclusive: whether objects can be created on condition.
        single_writer: whether the caller sees to it that nobody else writes there.
    """

    def __init__(
        self, system: Any, root: str, where: str, *, exclusive: bool, single_writer: bool
    ) -> None:
        self.where = where
        self._system = system
        self._root = root.rstrip("/")
        self._exclusive = exclusive
        self._single_writer = single_writer
        self._lock = threading.Lock()
        self._proven = False

    @classmethod
    def at(cls, uri: str, *, make: bool, single_writer: bool) -> Self:
        """The place of a URI; raises as `place_of` does."""
        system, root = _opened(uri)
        protocols = [system.protocol] if isinstance(system.protocol, str) else system.protocol
        exclusive = any(one in CONDITIONAL for one in protocols)
        where = f"{protocols[0]}://{root.lstrip('/')}"  # not the URI, which may hold a key
        place = cls(system, root, where, exclusive=exclusive, single_writer=single_writer)
        if make:
            place._check_writing()
        elif not place.names():
            raise NotFound(got=f"nothing at {where}", wanted="a model", do="Check the address.")
        return place

    def create(self, name: str, *parts: bytes) -> bool:
        """Put an object under a free name; False where it is taken."""
        path = self._path(name)
        self._check_writing()
        if not self._exclusive:
            if self._asked(name, lambda: self._system.exists(path)):
                return False
            self._write(name, path, b"".join(parts))
            return True
        self._prove()
        return self._created(path, b"".join(parts))

    def put(self, name: str, data: bytes) -> None:
        """Put an object in a name's place."""
        path = self._path(name)
        self._check_writing()
        self._write(name, path, data)

    def read(self, name: str) -> bytes:
        """The bytes of an object."""
        path = self._path(name)
        return bytes(self._asked(name, lambda: self._system.cat_file(path)))

    def read_at(self, name: str, from_end: int, n_bytes: int) -> bytes:
        """A run of an object's bytes, counted from its end; near the end in one request."""
        path = self._path(name)
        if n_bytes and n_bytes <= from_end <= max(NEAR, 2 * n_bytes):
            tail = bytes(self._asked(name, lambda: self._system.cat_file(path, start=-from_end)))
            with located(self._of(name)):
                return tail[first_of(len(tail), from_end, n_bytes) :][:n_bytes]
        size = self.size(name)
        with located(self._of(name)):
            first = first_of(size, from_end, n_bytes)
        if n_bytes == 0:
            return b""
        end = first + n_bytes
        return bytes(self._asked(name, lambda: self._system.cat_file(path, start=first, end=end)))

    def size(self, name: str) -> int:
        """Bytes of an object."""
        path = self._path(name)
        found = self._asked(name, lambda: self._system.info(path))
        if found["type"] != "file":
            with located(self._of(name)):
                corrupt(f"a {found['type']}", "an object")
        return int(found["size"])

    def names(self, folder: str = "") -> list[str]:
        """Sorted names directly below a folder."""
        path = self._path(folder) if folder else self._root
        try:
            found = self._asked(folder, lambda: self._system.ls(path, detail=False))
        except NotFound:
            return []
        names = listed(one.rpartition("/")[2] for one in found)
        return names if folder else [name for name in names if name != PROBE]

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects."""
        self._check_writing()
        for name in names:
            path = self._path(name)
            with suppress(NotFound):
                self._asked(name, functools.partial(self._system.rm_file, path))

    def settle(self, folder: str) -> None:
        """What a store has answered for is durable."""

    def close(self) -> None:
        """Its connections belong to fsspec."""

    def _write(self, name: str, path: str, data: bytes) -> None:
        if not self._exclusive:  # S3 has no folders, others may
            above = path.rpartition("/")[0]
            self._asked(name, lambda: self._system.makedirs(above, exist_ok=True))
        self._asked(name, lambda: self._system.pipe_file(path, data))

    def _created(self, path: str, data: bytes) -> bool:
        for again in reversed(range(TRIES)):
            try:
                self._system.pipe_file(path, data, mode="create")
                return True
            except FileExistsError:
                return False
            except Exception as error:
                code = _code(error)
                if code in _TAKEN:
                    return False
                if code not in _AGAIN or not again:
                    raise _told(error, self._of(path.removeprefix(f"{self._root}/"))) from None
                time.sleep(PAUSE * 2 ** (TRIES - again))
        raise AssertionError("the last try returns or raises")

    def _check_writing(self) -> None:
        if not self._exclusive and not self._single_writer:
            raise BadParameter(
                got="a store that cannot tell which of two writers was first",
                wanted="a local directory, or S3",
                do="Write to one of these; or pass single_writer=True, and see to it.",
                where=self.where,
            )

    def _prove(self) -> None:
        """Once: the probe, created again, has to be refused."""
        with self._lock:
            if self._proven or self._single_writer:
                return
            path = f"{self._root}/{PROBE}"
            if self._created(path, b"") and self._created(path, b""):
                raise BadParameter(
                    got="a server that writes over objects, though asked not to (If-None-Match)",
                    wanted="one with conditional writes, as S3 has them",
                    do="Update the server or s3fs; or pass single_writer=True, and see to it.",
                    where=self.where,
                )
            self._proven = True

    def _path(self, name: str) -> str:
        with located(self.where):
            return "/".join([self._root, *checked(name)])

    def _of(self, name: str) -> str:
        return f"{self.where}/{name}".rstrip("/")

    def _asked(self, name: str, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except NacreError:
            raise
        except Exception as error:
            raise _told(error, self._of(name)) from None


def _opened(uri: str) -> tuple[Any, str]:
    """The filesystem and the path in it of a URI."""
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except ImportError as error:
        raise MissingExtra(
            got=f"{uri.partition('://')[0]}:// ({error})",
            wanted="its package of fsspec",
            do="Install it.",
        ) from None
    except ValueError as error:
        raise BadParameter(
            got=f"{uri.partition('://')[0]}:// ({_said(error)})",
            wanted="a path, or a URI that fsspec knows",
            do="Check the address.",
        ) from None
    return system, root


def _code(error: BaseException) -> str:
    """What a server of S3 calls it; empty for other failures."""
    response = getattr(error.__cause__ or error, "response", None)
    told = response.get("Error", {}) if isinstance(response, dict) else {}
    return str(told.get("Code", ""))


def _told(error: Exception, where: str) -> NacreError:
    """The error of ours for what a client of a store raises."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(got="no such object", wanted="one", do="Check the address.", where=where)
    if isinstance(error, IsADirectoryError) or _code(error) in _SHORT:
        return CorruptState(
            got="an object that is too short, or a folder in its place",
            wanted="the object that was written",
            do="Restore the model from a copy, or make it again.",
            where=where,
        )
    return Unavailable(
        got=f"no answer ({type(error).__name__}: {_said(error)})",
        wanted="a store that can be reached, and that may be used",
        do="Check the address, the network and the credentials that fsspec is given.",
        where=where,
    )


def _said(error: BaseException) -> str:
    """The first line of a message, without addresses, which may hold keys."""
    line = str(error).partition("\n")[0]
    return " ".join("..." if "://" in word else word for word in line.split())
