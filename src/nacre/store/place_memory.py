"""This process as a place of objects: as long as it lives, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import ClassVar

from nacre.errors import NotFound
from nacre.store.container import corrupt
from nacre.store.files import first_of
from nacre.store.place import checked, folder_of, listed, located


class MemoryPlace:
    """Objects in dictionaries, one for each folder; for many threads at once.

    Args:
        where: its name, by which all of the process share it.
    """

    _all: ClassVar[dict[str, MemoryPlace]] = {}
    _one: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, where: str) -> None:
        self.where = where
        self._folders: dict[str, dict[str, bytes | None]] = {"": {}}  # None: a folder
        self._lock = threading.Lock()

    @classmethod
    def at(cls, uri: str, *, make: bool) -> MemoryPlace:
        """The one of that name; raises as `place_of` does."""
        name = uri.lower().partition("://")[0] + "://" + uri.partition("://")[2].strip("/")
        with cls._one:
            if make:
                return cls._all.setdefault(name, cls(name))
            if name in cls._all:
                return cls._all[name]
        raise NotFound(
            got=f"no {name} in this process",
            wanted="one that was made here",
            do="Make it first; what lies in memory is gone with its process.",
        )

    def create(self, name: str, *parts: bytes) -> bool:
        """Put an object under a free name; False where it is taken."""
        folder, last = folder_of(name)
        data = b"".join(parts)
        with self._lock, located(self._of(name)):
            return self._made(folder).setdefault(last, data) is data

    def put(self, name: str, data: bytes) -> None:
        """Put an object in a name's place."""
        folder, last = folder_of(name)
        with self._lock, located(self._of(name)):
            inside = self._made(folder)
            if inside.get(last, data) is None:
                corrupt("a folder", "an object, or nothing yet")
            inside[last] = data

    def read(self, name: str) -> bytes:
        """The bytes of an object."""
        folder, last = folder_of(name)
        with self._lock, located(self._of(name)):
            inside = self._folders.get(folder, {})
            if last not in inside:
                raise NotFound(got="no such object", wanted="one", do="Check the path.")
            if (data := inside[last]) is None:
                corrupt("a folder", "an object")
            return data

    def read_at(self, name: str, from_end: int, n_bytes: int) -> bytes:
        """A run of an object's bytes, counted from its end."""
        data = self.read(name)
        with located(self._of(name)):
            first = first_of(len(data), from_end, n_bytes)
        return data[first : first + n_bytes]

    def size(self, name: str) -> int:
        """Bytes of an object."""
        return len(self.read(name))

    def names(self, folder: str = "") -> list[str]:
        """Sorted names directly below a folder."""
        if folder:
            checked(folder)
        with self._lock:
            return listed(self._folders.get(folder, ()))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects."""
        for name in names:
            folder, last = folder_of(name)
            with self._lock, located(self._of(name)):
                inside = self._folders.get(folder, {})
                if inside.pop(last, b"") is None:
                    inside[last] = None
                    corrupt("a folder", "an object")
                if folder and not inside and folder in self._folders:
                    del self._folders[folder]
                    above, _, own = folder.rpartition("/")
                    self._folders[above].pop(own)

    def settle(self, folder: str) -> None:
        """All is as durable as it ever gets."""

    def close(self) -> None:
        """Others of this process may still read it."""

    def _of(self, name: str) -> str:
        return f"{self.where}/{name}"

    def _made(self, folder: str) -> dict[str, bytes | None]:
        if folder not in self._folders:
            above, _, last = folder.rpartition("/")
            if self._made(above).setdefault(last, None) is not None:
                corrupt("an object", "a folder, or nothing yet")
            self._folders[folder] = {}
        return self._folders[folder]
