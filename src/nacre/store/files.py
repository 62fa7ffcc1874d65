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
from collections.abc import Iterable, Iterator
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
        try:
            return cls(path, os.open(path, _FOLDER))
        except NotADirectoryError:
            raise NotFound(
                got=f"the file {path}",
                wanted="the directory of a model",
                do="Name the directory that `save` wrote.",
            ) from None
        except OSError as error:
            raise _error(error, path) from None

    @classmethod
    def made(cls, path: str) -> Self:
        """The same, made where it is not there, with the directories above it.

        Raises:
            Unavailable, DiskFull: it cannot be made.
        """
        if not os.path.lexists(path) and path != os.path.dirname(path):
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
        with _told(self.of(name)), self._opened(name) as (fd, _):
            return _bytes(fd, most)

    def read_at(self, name: str, from_end: int, n_bytes: int) -> bytes:
        """A run of a file's bytes, counted from its end.

        Raises:
            NotFound: it is not there.
            CorruptState: it is too short, or is a link, a pipe, a directory.
        """
        with _told(self.of(name)), self._opened(name) as (fd, size):
            return _run(fd, first_of(size, from_end, n_bytes), n_bytes)

    def size(self, name: str) -> int:
        """Bytes of a file; raises as `read` does."""
        with _told(self.of(name)), self._opened(name) as (_, size):
            return size

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[int, int]]:
        fd = os.open(name, _READ, dir_fd=self.fd)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                corrupt("no file", "a file")
            yield fd, found.st_size
        finally:
            os.close(fd)

    def write(self, name: str, data: bytes) -> None:
        """Put a file in a name's place at once; it lasts when the directory is synced too.

        Raises:
            DiskFull, Unavailable: nothing was changed, or, where the disk failed in the very act,
                one or the other file is there.
        """
        with _told(self.of(name)), self._unfinished() as (fd, unfinished):
            _write(fd, data)
            os.fsync(fd)
            os.rename(unfinished, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def cache(self, name: str, data: bytes) -> None:
        """The same for what can be made anew: after a power cut it may be gone, or damaged."""
        with _told(self.of(name)), self._unfinished() as (fd, unfinished):
            _write(fd, data)
            os.rename(unfinished, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def create(self, name: str, data: bytes) -> bool:
        """Put a file under a name that is free, at once; False where it is taken.

        What stands there then lasts, whoever wrote it.

        Raises:
            DiskFull, Unavailable: nothing was changed, or, where the directory could not be
                synced, the file may be there, whole, and may be gone after a power cut.
        """
        with _told(self.of(name)):
            is_new = not self._has(name) and self._linked(name, data)
            os.fsync(self.fd)
        return is_new

    def _has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _linked(self, name: str, data: bytes) -> bool:
        with self._unfinished() as (fd, unfinished):
            try:
                _write(fd, data)
                os.fsync(fd)
                os.link(unfinished, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            except FileExistsError:
                return False
            finally:
                with suppress(OSError):  # what cannot be removed is left to `tidy`
                    os.unlink(unfinished, dir_fd=self.fd)
        return True

    @contextmanager
    def _unfinished(self) -> Iterator[tuple[int, str]]:
        """A new file and its name until it is whole; locked, which says that its writer lives."""
        name = f".{os.urandom(8).hex()}{TEMPORARY}"
        fd = os.open(name, _WRITE, 0o666, dir_fd=self.fd)
        try:
            with suppress(OSError):  # a system without locks
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield fd, name
        except BaseException:
            with suppress(OSError):
                os.unlink(name, dir_fd=self.fd)
            raise
        finally:
            os.close(fd)

    def unlink(self, names: Iterable[str]) -> None:
        """Remove files; what is not there is fine, what cannot be removed is told."""
        for name in names:
            with _told(self.of(name)), suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.fd)

    def remove_empty(self, name: str) -> bool:
        """Remove a directory in it, if it is empty; whether it was."""
        try:
            os.rmdir(name, dir_fd=self.fd)
        except OSError:
            return False
        return True

    def tidy(self) -> None:
        """Remove what dead writers left unfinished; what cannot be removed stays."""
        with suppress(NacreError, OSError):
            self.remove({name for name in self.names() if is_unfinished(name) and self._dead(name)})

    def _dead(self, unfinished: str) -> bool:
        try:
            fd = os.open(unfinished, _READ, dir_fd=self.fd)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

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
        with suppress(OSError):  # nothing was written through it
            os.close(self.fd)


def is_unfinished(name: str) -> bool:
    """Whether a name is that of a file whose writer died."""
    return name.startswith(".") and name.endswith(TEMPORARY)


def first_of(size: int, from_end: int, n_bytes: int) -> int:
    """Where in `size` bytes a run begins that is counted from their end.

    Raises:
        CorruptState: it does not lie in them.
    """
    if not 0 <= n_bytes <= from_end <= size:
        corrupt(f"{size:,} bytes", f"{n_bytes:,} from {from_end:,} before their end on")
    return size - from_end


def _run(fd: int, first: int, n_bytes: int) -> bytes:
    data = os.pread(fd, n_bytes, first)
    while len(data) < n_bytes:
        if not (more := os.pread(fd, n_bytes - len(data), first + len(data))):
            corrupt("a file that was cut while it was read", "one that is never changed")
        data += more
    return data


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
