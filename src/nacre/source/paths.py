"""Which files a path, a directory, a glob or a list means, and what their ids are.

An id is a file's path below `root`, with forward slashes. Without `root` it is that of the item
that led to the file: the directory, the deepest folder before a glob's first wildcard, a file's own
folder. So a file has one id whether it is listed, found by a glob, or found in its directory.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nacre.errors import BadInput, MissingExtra, NotFound, SameId
from nacre.source.formats import chosen, format_of, is_data, without_secrets

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class File:
    """A file of a filesystem.

    Attributes:
        path: as the filesystem names it.
        system: of fsspec; None for this machine's files, which Arrow reads itself.
    """

    path: str
    system: Any = None

    @property
    def where(self) -> str:
        """Path or URI, for messages."""
        if self.system is None:
            return self.path
        return without_secrets(str(self.system.unstrip_protocol(self.path)))

    def source(self) -> Any:
        """What Arrow can open: a path, or an open file.

        Raises:
            FileNotFoundError, PermissionError, OSError: as the filesystem has it.
        """
        if self.system is None:
            return self.path
        found = self.system.open(self.path, "rb")
        # fsspec's memory gives all who open a file one object, with one place in it
        return io.BytesIO(found.getvalue()) if isinstance(found, io.BytesIO) else found


def files_of(data: Any, root: Any = None) -> dict[str, File]:
    """Batch id -> file, sorted by id. A file that is found twice under one id is one file.

    Args:
        data: a path, or a list of paths.
        root: what ids are relative to; None: see above.

    Raises:
        NotFound: a path that is not there, a directory without data, a glob without match.
        BadInput: a file that is not below `root`, a folder that may not be read.
        SameId: two files under one id, or one file under two.
    """
    found: dict[str, File] = {}
    ids: dict[File, str] = {}
    base = None if root is None else _below(root)[1]
    for item in data if isinstance(data, list | tuple) else [data]:
        system, path = _below(item)
        folder, paths = _expanded(system, path, item)
        for file in (File(path, None if _is_local(system) else system) for path in paths):
            name = _name(file.path, folder if base is None else base)
            _check_one(file, name, found, ids)
            found[name], ids[file] = file, name
    return dict(sorted(found.items()))


def root_of(data: Any, root: Any = None) -> str:
    """What the ids of a source are relative to, so that later files get theirs in the same way.

    Returns:
        A path from its root, or a URI; empty for a list of items that each have their own.
    """
    items = [root] if root is not None else data if isinstance(data, list | tuple) else [data]
    found = set()
    for item in items:
        system, path = _below(item)
        folder = path if root is not None else _expanded(system, path, item)[0]
        found.add(
            os.path.abspath(folder) if _is_local(system) else str(system.unstrip_protocol(folder))
        )
    return found.pop() if len(found) == 1 else ""


def _name(path: str, root: str) -> str:
    """A file's path below the root; of an image that lies in the root itself with the root's name,
    because folders of images are batches, and a folder has one id wherever it is found.
    """
    name = _relative(path, root)
    if "://" in path:  # of HTTP: what follows the path may be a key
        name = name.partition("?")[0]
    own = root.rstrip("/").rpartition("/")[2] or "."
    return f"{own}/{name}" if "/" not in name and format_of(name) == "image" else name


def _check_one(file: File, name: str, found: dict[str, File], ids: dict[File, str]) -> None:
    _check_name(file.path)
    other, before = found.get(name, file), ids.get(file, name)
    if other != file or before != name:
        raise SameId(
            got=f"{other.where} and {file.where} under the id {name!r}"
            if other != file
            else f"{file.where} under the ids {before!r} and {name!r}",
            wanted="one id for every file",
            do="Say what ids are relative to: nacre.read(data, root=...), a folder above them all.",
        )


def _check_name(name: str) -> None:
    """Raise BadInput for a name that no other machine could be told."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadInput(
            got=f"a path that is not UTF-8: {os.fsencode(name)!r}",
            wanted="names in UTF-8: a file's id is made of its name",
            do="Rename the file.",
        ) from None


def _below(item: Any) -> tuple[Any, str]:
    """The filesystem and the path in it of a path or URI."""
    import fsspec

    text = os.fspath(item)
    if not text:
        raise NotFound(got="an empty path", wanted="a path", do="Name a file or a directory.")
    try:
        system, path = fsspec.core.url_to_fs(text)
    except ImportError as error:
        raise MissingExtra(
            got=f"{without_secrets(text)}: {error}",
            wanted="its package of fsspec",
            do="Install it.",
        ) from None
    except ValueError as error:
        raise NotFound(
            got=f"{without_secrets(text)}: {error}",
            wanted="a path or a URI that fsspec knows",
            do="Check the path.",
        ) from None
    return system, _plain(path) if _is_local(system) else path


def _plain(path: str) -> str:
    """A path without `..` and doubled slashes, unless that would be another file, past a link."""
    plain = os.path.normpath(path)
    if ".." not in path.split("/"):
        return plain
    with contextlib.suppress(OSError):
        if not os.path.samefile(plain, path):
            return os.path.realpath(path)
    return plain


def divided(path: str) -> tuple[str, str]:
    """The folder and the name of a file; behind the "?" of an address no folder begins.

    >>> divided("a/b.csv"), divided("http://host/a.csv?key=x/y")
    (('a', 'b.csv'), ('http://host', 'a.csv?key=x/y'))
    """
    plain = path.partition("?")[0] if "://" in path else path
    folder, slash, _ = plain.rpartition("/")
    return folder, path[len(folder) + len(slash) :]


def _is_local(system: Any) -> bool:
    return "file" in ((system.protocol,) if isinstance(system.protocol, str) else system.protocol)


def _expanded(system: Any, path: str, item: Any) -> tuple[str, list[str]]:
    """The folder that ids are relative to, and the files."""
    wild, item = _WILD.search(path), without_secrets(str(item))
    if system.isdir(path):
        folder, paths = path, list(_in_directory(system, path))
        nothing = (
            f"directory {item} without *.parquet files, or *.arrow, *.csv, *.npy, *.npz, images"
        )
    elif wild is None or system.exists(path):
        folder, paths = divided(path)[0], [path] if system.exists(path) else []
        nothing = f"no file {item}"
    else:
        folder = path[: wild.start()].rpartition("/")[0]
        paths = [file for match in system.glob(path) for file in _matched(system, match, folder)]
        nothing = f"no file that matches {item}"
    if not paths:
        raise NotFound(
            got=nothing, wanted="files of data", do=f"Check the path (seen from {os.getcwd()})."
        )
    return folder, paths


def _in_directory(system: Any, folder: str) -> Iterator[str]:
    try:
        below = _below_local(folder) if _is_local(system) else sorted(system.find(folder))
        yield from chosen([path for path in below if is_data(path) and _is_seen(path, folder)])
    except PermissionError as error:
        raise BadInput(
            got=f"a folder that may not be read: {error.filename}",
            wanted="one that may",
            do="Change its permissions.",
            where=folder,
        ) from None


def _below_local(folder: str) -> Iterator[str]:
    """All files of this machine below a folder; fsspec leaves out what it may not read."""
    seen = set()
    for path, inner, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        real = os.path.realpath(path)
        inner[:] = [] if real in seen else sorted(inner)  # links may lead in a circle
        yield from (f"{path}/{name}" for name in sorted(names) if real not in seen)
        seen.add(real)


def _unreadable(error: OSError) -> None:
    raise error


def _matched(system: Any, path: str, folder: str) -> Iterator[str]:
    """What a match of a glob stands for: itself, or all data below it; nothing if it is hidden."""
    if system.isdir(path):
        yield from _in_directory(system, path)
    elif _is_seen(path, folder):
        yield path


def _is_seen(path: str, folder: str) -> bool:
    """Whether no part below the folder begins with "." or "_", as _SUCCESS and _temporary do."""
    return not any(part[:1] in "._" for part in _relative(path, folder).split("/") if part)


def _relative(path: str, folder: str) -> str:
    top = folder.rstrip("/")
    if not path.startswith(f"{top}/"):
        raise BadInput(
            got=f"the file {path}",
            wanted=f"files below {folder}",
            do="Name a folder above all files: nacre.read(data, root=...).",
        )
    return path[len(top) + 1 :]
