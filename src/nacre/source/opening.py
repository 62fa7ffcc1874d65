"""Opening a file: what can go wrong with it is an error of ours, whatever its format."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa

from nacre.errors import BadInput, NacreError, NotFound, Unavailable
from nacre.source.paths import File

OURS = ("builtins", "nacre", "struct", "zipfile", "zlib")  # errors of no client of a store


class Stamp(NamedTuple):
    """Which writing of a file it is. Elsewhere than on this machine only the size is known."""

    size: int
    mtime_ns: int = 0
    inode: int = 0


@contextmanager
def opened(file: File, what: str) -> Iterator[Any]:
    """An open binary file; `what` says for messages which kind of file is wanted.

    Raises:
        NotFound, BadInput: as explained.
    """
    with explained(file, what), _open(file) as data:
        yield data


@contextmanager
def explained(file: File, what: str) -> Iterator[None]:
    """A block that opens and reads a file, where what goes wrong with it is an error of ours.

    Raises:
        NotFound: it is not there.
        BadInput: it may not be read, is no plain file, is empty, or damaged; a column's name is
            not UTF-8.
        Unavailable: the store that it lies in does not answer.
    """
    try:
        if file.system is None:
            _check_plain(file.path)
        yield
    except NacreError:
        raise
    except FileNotFoundError:
        raise NotFound(
            got=f"no file {file.where}", wanted=f"a {what} file", do="Check the path."
        ) from None
    except PermissionError:
        here = "Change its permissions."
        raise BadInput(
            got="a file that may not be read",
            wanted="one that may",
            do=here if file.system is None else "Give fsspec credentials that may read it.",
            where=file.where,
        ) from None
    except UnicodeDecodeError:
        raise BadInput(
            got="a column whose name is not UTF-8",
            wanted=f"names in UTF-8, as {what} has them",
            do="Write the file anew with other names.",
            where=file.where,
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise damaged(file.where, what, _said(error)) from None
    except Exception as error:
        if isinstance(error, ValueError) and "range requests" in str(error):
            raise _no_ranges(file.where) from None
        if file.system is None or type(error).__module__.partition(".")[0] in OURS:
            raise
        raise unreached(file.where, error) from None


def _open(file: File) -> Any:
    if file.system is None:
        return open(file.path, "rb")
    data = file.source()
    if not data.seekable():
        data.close()
        raise _no_ranges(file.where)
    return data


def unreached(where: str, error: BaseException) -> Unavailable:
    """The error for what a client of a remote store raises; its text may hold keys, so only the
    first line is shown, without addresses.
    """
    return Unavailable(
        got=f"no answer ({type(error).__name__}: {_said(error)})",
        wanted="a store that can be reached",
        do="Check the address, the network and the credentials that fsspec is given.",
        where=where,
    )


def _no_ranges(where: str) -> BadInput:
    return BadInput(
        got="a server that sends files only whole",
        wanted="one that sends parts of a file (HTTP Range)",
        do='Write "simplecache::" before the URI: the file is then fetched once, to a local disk.',
        where=where,
    )


def _check_plain(path: str) -> None:
    """Raise BadInput for a pipe, a device or a folder, which would be waited for or never end."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise BadInput(
            got="a pipe, a device or a folder",
            wanted="a plain file",
            do="Leave it out, or write what it gives into a file.",
            where=path,
        )


def _said(error: BaseException) -> str:
    """The first line of a message, without addresses, which may hold keys."""
    line = str(error).partition("\n")[0]
    return " ".join("..." if "://" in word else word for word in line.split())


def damaged(where: str, what: str, why: str) -> BadInput:
    """The error for a file that is not what its name says."""
    return BadInput(
        got=f"a file that is no {what}, cut short or damaged ({why})",
        wanted=f"a whole {what} file",
        do="Write it anew, or leave it out.",
        where=where,
    )


def stamp_of(file: File) -> Stamp:
    """Which writing of the file is there now.

    Raises:
        NotFound: it is not there any more.
    """
    if file.system is not None:
        return Stamp(int(file.system.size(file.path) or 0))
    try:
        found = os.stat(file.path)
    except OSError:
        raise NotFound(
            got=f"no file {file.where}", wanted="the one of the plan", do="Check the path."
        ) from None
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)


def check_stamp(now: Stamp, then: Stamp, where: str) -> None:
    """Raise BadInput for a file that was written anew since the plan was made."""
    if now != then:
        raise rewritten(
            f"{now.size} bytes written at {now.mtime_ns} ns, inode {now.inode}",
            f"{then.size} bytes, {then.mtime_ns} ns and inode {then.inode}",
            where,
        )


def rewritten(now: str, then: str, where: str) -> BadInput:
    """The error for a file that is not the one of the plan any more."""
    return BadInput(
        got=now,
        wanted=f"{then} that there were when the plan was made",
        do="Write files under a new name, and fit again.",
        where=where,
    )
