"""A directory of this machine as a place of objects."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Self

from nacre.errors import NacreError, NotFound, Unavailable
from nacre.store.files import Folder
from nacre.store.place import checked, folder_of, listed

TRIES = 5  # to write into a folder that others remove when it is empty
MOST = 1 << 62  # bytes of an object


class LocalPlace:
    """Objects as files: written beside, synced, linked to their names; so they are whole or not.

    A folder that this place writes into for the first time is synced in the one above it, whoever
    made it, and cleared of what dead writers left. From then on an object costs two syncs: of its
    bytes and of its folder.

    Args:
        root: held open until `close`.
    """

    def __init__(self, root: Folder) -> None:
        self.where = root.path
        self._root = root
        self._open = True
        self._settled: set[str] = set()

    @classmethod
    def at(cls, path: str, *, make: bool) -> Self:
        """The place of an absolute path; raises as `place_of` does."""
        if not make:
            return cls(Folder.at(path))
        place = cls(Folder.made(path))
        try:
            place._settle_root()
        except BaseException:
            place.close()
            raise
        return place

    def create(self, name: str, *parts: bytes) -> bool:
        """Put an object under a free name; False where it is taken."""
        folder, last = folder_of(name)
        data = b"".join(parts)
        for again in reversed(range(TRIES)):
            try:
                with self._made(folder) as inner:
                    return inner.create(last, data)
            except NotFound:  # our folder or unfinished file was cleared away
                self._forget(folder)
                if not again:
                    raise
        raise AssertionError("the last try returns or raises")

    def put(self, name: str, data: bytes) -> None:
        """Put an object in a name's place, not synced."""
        folder, last = folder_of(name)
        try:
            with self._made(folder) as inner:
                inner.cache(last, data)
        except NotFound:
            self._forget(folder)
            with self._made(folder) as inner:
                inner.cache(last, data)

    def read(self, name: str) -> bytes:
        """The bytes of an object."""
        folder, last = folder_of(name)
        with self._inner(folder) as inner:
            return inner.read(last, MOST)

    def read_at(self, name: str, from_end: int, n_bytes: int) -> bytes:
        """A run of an object's bytes, counted from its end."""
        folder, last = folder_of(name)
        with self._inner(folder) as inner:
            return inner.read_at(last, from_end, n_bytes)

    def size(self, name: str) -> int:
        """Bytes of an object."""
        folder, last = folder_of(name)
        with self._inner(folder) as inner:
            return inner.size(last)

    def names(self, folder: str = "") -> list[str]:
        """Sorted names directly below a folder."""
        try:
            with self._inner(folder) as inner:
                return listed(inner.names())
        except NotFound:
            return []

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; the removals are synced."""
        folders: dict[str, list[str]] = defaultdict(list)
        for name in names:
            folder, last = folder_of(name)
            folders[folder].append(last)
        for folder, lasts in folders.items():
            with suppress(NotFound), self._inner(folder) as inner:
                inner.unlink(lasts)
                inner.sync()
            if folder:
                self._remove_empty(folder)

    def settle(self, folder: str) -> None:
        """Make durable what stands directly in a folder."""
        if self.names(folder):
            with self._made(folder) as inner:
                inner.sync()

    def close(self) -> None:
        """Let go of the directory."""
        if self._open:
            self._open = False
            self._root.__exit__()

    def __del__(self) -> None:
        self.close()

    def _settle_root(self) -> None:
        """A root that another made, who died before it was synced in the directory above."""
        try:
            above = Folder.at(os.path.dirname(self.where))
        except NacreError:  # not ours to read, so another's to make durable
            return
        with above:
            above.sync()

    def _forget(self, folder: str) -> None:
        for path in [folder, *_above(folder)]:
            self._settled.discard(path)

    def _remove_empty(self, folder: str) -> None:
        above, last = folder_of(folder)
        with suppress(NacreError):
            with self._inner(folder) as inner:
                inner.tidy()
            with self._inner(above) as outer:
                if outer.remove_empty(last):
                    self._forget(folder)
                    outer.sync()

    def _made(self, folder: str) -> AbstractContextManager[Folder]:
        return self._inner(folder, make=True)

    @contextmanager
    def _inner(self, folder: str, *, make: bool = False) -> Iterator[Folder]:
        """A folder, each part opened in the one above it; `make` settles it too."""
        if not self._open:
            raise Unavailable(
                got="a place that was closed", wanted="an open one", do="Open it again."
            )
        path, inner = "", self._root
        if make and path not in self._settled:
            self._root.tidy()
            self._settled.add(path)
        with ExitStack() as opened:
            for part in checked(folder) if folder else ():
                path = f"{path}/{part}" if path else part
                is_new = make and path not in self._settled
                inner = opened.enter_context(inner.inner(part, make=is_new))
                if is_new:
                    inner.tidy()
                    self._settled.add(path)
            yield inner


def _above(folder: str) -> Iterator[str]:
    while folder := folder.rpartition("/")[0]:
        yield folder
