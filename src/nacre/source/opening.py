"""Opening a file: what can go wrong with it is an error of ours, whatever its format."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from nacre.errors import BadInput, NacreError, NotFound, Unavailable
from nacre.source.paths import File

OURS = ("builtins", "nacre", "struct", "zipfile", "zlib")  # errors of no client of a store


@contextmanager
def opened(file: File, what: str) -> Iterator[Any]:
    """An open binary file; `what` says for messages which kind of file is wanted.

    Raises:
        NotFound: it is not there.
        BadInput: it may not be read, is no plain file, is empty, or damaged.
    """
    try:
        if file.system is None:
            _check_plain(file.path)
        with _open(file) as data:
            yield data
    except NacreError:
        raise
    except FileNotFoundError:
        raise NotFound(
            got=f"no file {file.where}", wanted=f"a file of {what}", do="Check the path."
        ) from None
    except PermissionError:
        raise BadInput(
            got="a file that may not be read",
            wanted="one that may",
            do="Change its permissions, or give the credentials to fsspec.",
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
        wanted=f"a whole file of {what}",
        do="Write it anew, or leave it out.",
        where=where,
    )
