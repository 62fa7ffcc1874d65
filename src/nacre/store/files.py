"""Files that are there whole or not at all: the one place of the store that touches a disk.

A name is opened in a directory that is held open, and never followed through a link, so nothing
that is stored can lead out of it. For POSIX systems.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self

from nacre.errors import CorruptState, DiskFull, NacreError, NotFound, Unavailable
from nacre.store.container import corrupt

TEMPORARY = ".part"  # how a name ends until its file is whole
PATIENCE = 10.0  # seconds for which another writer is awaited
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LINK = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR}
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would wait for ever
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Folder:
    """A directory that is held open, until the `with` ends.

    Attributes:
        path: for messages.
        fd: its descriptor.
    """

    path: str
    fd: int

    @classmethod
    def at(cls, path: str) -> Self:
        """The directory of a path; the path itself may lead through links.

        Raises:
            NotFound: it is not there, or no directory.
            Unavailable: it may not be read.
        """
        if os.path.exists(path) and not os.path.isdir(path):
            raise NotFound(
                got=f"the file {path}",
                wanted="the directory of a model",
                do="Name the directory that `save` wrote.",
            )
        with _told(path):
            return cls(path, os.open(path, _FOLDER))

    @classmethod
    def made(cls, path: str) -> Self:
        """The same, made where it is not there, with the directories above it.

        Raises:
            Unavailable, DiskFull: it cannot be made.
        """
        if not os.path.lexists(path):
            with cls.made(os.path.dirname(path)) as above, _told(path):
                with suppress(FileExistsError):  # another process was faster
                    os.mkdir(path)
                above.sync()
        return cls.at(path)

    def inner(self, name: str, *, make: bool = False) -> Folder:
        """A directory in it.

        Raises:
            NotFound: it is not there.
            CorruptState: it is a link, or no directory.
        """
        with _told(self.of(name)):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=self.fd)
                self.sync()
            return Folder(self.of(name), os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self.fd))

    def of(self, name: str) -> str:
        """The path of a name in it, for messages."""
        return os.path.join(self.path, name)

    def names(self) -> list[str]:
        """All that is in it."""
        with _told(self.path):
            return sorted(os.listdir(self.fd))

    def read(self, name: str, most: int) -> bytes:
        """All bytes of a file.

        Raises:
            NotFound: it is not there.
            CorruptState: it has more than `most` bytes, or is a link, a pipe, a directory.
        """
        with _told(self.of(name)):
            fd = os.open(name, _READ, dir_fd=self.fd)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    corrupt("no file", "a file")
                return _bytes(fd, most)
            finally:
                os.close(fd)

    def write(self, name: str, data: bytes) -> None:
        """Put a file in a name's place at once; it lasts when the directory is synced too.

        Raises:
            DiskFull, Unavailable: nothing was changed, or, where the disk failed in the very act,
                one or the other file is there.
        """
        unfinished = f".{os.urandom(8).hex()}{TEMPORARY}"
        with _told(self.of(name)):
            try:
                fd = os.open(unfinished, _WRITE, 0o666, dir_fd=self.fd)
                try:
                    _write(fd, data)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                os.rename(unfinished, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            except BaseException:
                with suppress(OSError):
                    os.unlink(unfinished, dir_fd=self.fd)
                raise

    def sync(self) -> None:
        """Make the names in it last."""
        with _told(self.path):
            os.fsync(self.fd)

    def remove(self, names: set[str]) -> None:
        """Remove files that nobody needs; what cannot be removed stays."""
        for name in sorted(names):
            with suppress(OSError):
                os.unlink(name, dir_fd=self.fd)

    @contextmanager
    def locked(self, patience: float = PATIENCE) -> Iterator[None]:
        """Alone among the processes that lock it; a process that ends lets go of it.

        Raises:
            Unavailable: another one has it for longer than `patience` seconds.
        """
        until = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() > until:
                raise Unavailable(
                    got="a model that another process is saving",
                    wanted=f"the directory for this process, within {patience:g} s",
                    do="Try again, or save into another directory.",
                    where=self.path,
                )
            time.sleep(0.02)
        try:
            yield
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def _taken(self) -> bool:
        with _told(self.path):
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        os.close(self.fd)


def is_unfinished(name: str) -> bool:
    """Whether a name is that of a file whose writer died."""
    return name.startswith(".") and name.endswith(TEMPORARY)


def _bytes(fd: int, most: int) -> bytes:
    chunks, size = [], 0
    while chunk := os.read(fd, min(most - size, os.fstat(fd).st_size) + 1):
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            corrupt(f"more than {most:,} bytes", f"at most {most:,}")
    return b"".join(chunks)


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What a disk says as an error of nacre, and errors of nacre with their place."""
    try:
        yield
    except NacreError as error:
        raise error.at(where) from None
    except OSError as error:
        raise _error(error, where) from None


def _error(error: OSError, where: str) -> NacreError:
    why = (error.strerror or str(error)).lower()
    if error.errno == errno.ENOENT:
        return NotFound(got=why, wanted="a model", do="Check the path.", where=where)
    if error.errno in _LINK:
        return CorruptState(
            got=f"a link, or something else in its place ({why})",
            wanted="a file or directory of the model's own",
            do="Restore the model from a copy, or make it again.",
            where=where,
        )
    if error.errno in _FULL:
        return DiskFull(
            got=why, wanted="room for the file", do="Make room, or save elsewhere.", where=where
        )
    return Unavailable(
        got=why,
        wanted="a file or directory that may be used",
        do="Check its permissions and its disk.",
        where=where,
    )
