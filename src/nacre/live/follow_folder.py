"""A folder that is followed: every file in it is absorbed once, when it is complete.

A file is complete when it has stood still for a while and can be read. One that cannot be read is
named, set aside, and looked at again when it has changed; so is one that changed after it was
absorbed, which is a conflict.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nacre.errors import BadParameter, NacreError, NotFound, Unavailable
from nacre.live.follow import Bad, Look, Part
from nacre.live.model import Live
from nacre.record import Gone, stamp
from nacre.source.formats import format_of, is_data, without_secrets
from nacre.source.paths import File, divided, files_of
from nacre.source.read import Read, read

MOST_TOGETHER = 64  # files in one commit
MOST_BYTES = 256 << 20  # in them, so that a follower that is told to stop does so soon
OLD = 60.0  # seconds: what was written before needs not be watched, whatever clock a disk has
COARSE = 1.0  # seconds that the clock of a disk may be behind
_WILD = re.compile(r"[*?\[]")
_UNFINISHED = re.compile(
    r"(^|/)[._]|~$|\._COPYING_$|\.(tmp|temp|part|partial|incomplete|crdownload|swp|lock)\b",
    re.IGNORECASE,
)


@dataclass
class Seen:
    """What is known of a file.

    Attributes:
        stamp: what changes when it is written anew.
        since: when this stamp was first seen, on a clock that only runs forward.
        done: it is absorbed, or was refused, as it is.
        together: files that it may share a commit with, and itself: fewer where one was refused.
    """

    stamp: tuple[Any, ...]
    since: float
    done: bool = False
    together: int = MOST_TOGETHER


class Folder:
    """Follows a directory, a glob or a URI.

    Args:
        where: as `nacre.read` takes it.
        reading: says what concerns the data, given paths. Default: `nacre.read`.
        settle: seconds that a file must have stood still.

    Raises:
        NotFound: no such directory on this machine.
        BadParameter: no such time.
    """

    def __init__(
        self,
        where: str | os.PathLike[str],
        reading: Callable[[list[str]], Read] = read,
        settle: float = 2.0,
    ) -> None:
        import fsspec

        if not 0 <= settle < 1e6:
            raise BadParameter(got=f"settle={settle}", wanted="seconds", do="Say settle=2, say.")
        self._data, self._reading, self._settle = os.fspath(where), reading, settle
        self.where = without_secrets(self._data)
        self._system, self._path = fsspec.core.url_to_fs(self._data)
        self._is_local = "file" in self._system.protocol
        self._seen: dict[str, Seen] = {}
        self._files: dict[str, File] = {}
        if self._is_local and not os.path.exists(self._top):
            raise NotFound(
                got=f"no directory {self.where}", wanted="one to follow", do="Check the path."
            )

    @property
    def _top(self) -> str:
        """The folder that all files lie below."""
        path: str = self._path
        wild = _WILD.search(path)
        if wild is None or self._system.exists(path):
            return path
        return path[: wild.start()].rpartition("/")[0] or "/"

    def look(self, live: Live, most: int) -> Look:
        """Files that are complete and not in the ledger, by id, some together."""
        with self._answering():
            return self._look(live)

    def _look(self, live: Live) -> Look:
        now, ready, n_waiting = time.monotonic(), [], 0
        self._files = self._listed(live)
        self._seen = {name: seen for name, seen in self._seen.items() if name in self._files}
        for name, file in self._files.items():
            seen = self._stamped(name, file, now)
            if seen is None or seen.done:
                continue
            changed = _changed(file)
            if _is_known(live, name, changed, self._settle):
                seen.done = True
            elif self._stands_still(seen, changed, now):
                ready.append(name)
            else:
                n_waiting += 1
        root = self._root(live)
        parts = [self._part(names, root) for names in self._together(ready)]
        return Look(parts, n_waiting=n_waiting, soon=self._settle if n_waiting else None)

    def took(self, part: Part) -> None:
        """Files that were absorbed are not looked at again, unless they change."""
        for name in part.names:
            self._seen[name].done = True

    def refused(self, part: Part, error: NacreError) -> Bad | None:
        """Files together are tried in halves; a single one is set aside as it is."""
        if isinstance(error, Unavailable) and all(map(self._can_be_read, part.names)):
            raise error  # by the store
        if len(part.names) > 1:
            for name in part.names:
                self._seen[name].together = len(part.names) // 2
            return None
        (name,) = part.names
        try:
            if stamp(self._files[name]) != self._seen[name].stamp:  # it is being written
                return None
        except Gone:
            return None
        self._seen[name].done = True
        return Bad(name, error.message)

    def close(self) -> None:
        """Nothing is held open."""

    def _listed(self, live: Live) -> dict[str, File]:
        if self._is_local:
            if not os.path.exists(self._top):
                raise _away(self.where, "it is not there any more")
        else:
            self._system.invalidate_cache()
        try:
            found = files_of(self._data, self._root(live))
        except NotFound:
            return {}
        top = self._top
        return {
            name: file
            for name, file in found.items()
            if _is_followed(file.path, file.path.removeprefix(top))
        }

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except NacreError:
            raise
        except Exception as error:  # whatever a filesystem elsewhere raises
            raise _away(self.where, f"{type(error).__name__}: {error}") from None

    def _root(self, live: Live) -> str:
        """What ids are relative to: what was said, what the live model has, or the folder."""
        said = self._reading([self._data]).root
        if said is not None:
            return str(os.fspath(said))
        kept = live._version.commit.root if live.version else ""
        if kept:
            return kept
        top = self._top if self._system.isdir(self._top) else divided(self._top)[0]
        return os.path.abspath(top) if self._is_local else str(self._system.unstrip_protocol(top))

    def _stamped(self, name: str, file: File, now: float) -> Seen | None:
        try:
            found = stamp(file)
        except Gone:
            self._seen.pop(name, None)
            return None
        seen = self._seen.get(name)
        if seen is None or seen.stamp != found:
            seen = self._seen[name] = Seen(found, now)
        return seen

    def _stands_still(self, seen: Seen, changed: int | None, now: float) -> bool:
        if now - seen.since >= self._settle:
            return True
        return changed is not None and time.time() - changed / 1e9 >= max(OLD, self._settle)

    def _can_be_read(self, name: str) -> bool:
        """Whether the first byte of a file comes."""
        try:
            source = self._files[name].source()
            with open(source, "rb") if isinstance(source, str) else source as stream:
                stream.read(1)
        except OSError:
            return False
        return True

    def _together(self, names: Iterable[str]) -> Iterator[list[str]]:
        group: list[str] = []
        n_bytes, most = 0, MOST_TOGETHER
        for name in names:
            seen = self._seen[name]
            size, most = int(seen.stamp[0] or 0), min(most, seen.together)
            if group and (len(group) >= most or n_bytes + size > MOST_BYTES):
                yield group
                group, n_bytes, most = [], 0, seen.together
            group.append(name)
            n_bytes += size
        if group:
            yield group

    def _part(self, names: list[str], root: str) -> Part:
        paths = [_address(self._files[name]) for name in names]
        return Part(replace(self._reading(paths), root=root), tuple(names))


def _is_followed(path: str, below: str) -> bool:
    """Whether a file is data, and not one that is being written under another name.

    >>> names = ("a.parquet", "a.parquet.tmp", ".a.csv", "a.part.csv", "_tmp/a.csv", "a.jpg")
    >>> [name for name in names if _is_followed(name, f"/{name}")]
    ['a.parquet']

    Args:
        path: of the file.
        below: its part below the folder that is followed.
    """
    return is_data(path) and format_of(path) != "image" and not _UNFINISHED.search(below)


def _changed(file: File) -> int | None:
    """When a file was last written, moved or given other rights, ns; None where nobody knows."""
    try:
        if file.system is None:
            found = os.stat(file.path)
            return max(found.st_mtime_ns, found.st_ctime_ns)
        return int(file.system.modified(file.path).timestamp() * 1e9)
    except Exception:  # of a filesystem elsewhere; the file is watched and hashed then
        return None


def _is_known(live: Live, name: str, changed: int | None, settle: float) -> bool:
    """Whether it was absorbed and has not been written since: it needs not be hashed again.

    What changed shortly before it was absorbed is hashed, for it may have changed after that.
    """
    line = live.ledger.find(name) if live.version and changed is not None else None
    if line is None or line.ended is not None or changed is None:
        return False
    return changed + max(settle, COARSE) * 1e9 < line.absorbed


def _address(file: File) -> str:
    return file.path if file.system is None else str(file.system.unstrip_protocol(file.path))


def _away(where: str, why: str) -> Unavailable:
    return Unavailable(got=why, wanted="files to follow", do="Bring it back.", where=where)
