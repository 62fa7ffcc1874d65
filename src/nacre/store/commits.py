"""The log of a live model: numbered commits, each created once and never changed.

    commits/<number // 64>/<number>      numbers begin at 1

A commit has the bytes that it is given behind 64 of the log's own (they are counted from the end):

    "NACRE", 0, 0, 2 | format number (8) | mark (16) | mark of the one before (16) | SHA-256 (16)

The mark is a number that only this commit has. Whoever creates number N has read N - 1, and says
so by its mark; that is how a writer that slept tells its own commit, on which others have built,
from a number that was free again because the commit of another was collected.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterable, Iterator

from nacre.errors import BadParameter, Fenced, NacreError, NotFound
from nacre.store.container import corrupt, newer
from nacre.store.place import Place, located

COMMITS = "commits"
SEGMENT = 64  # commits in a folder
FORMAT = 1
HEAD = 64  # bytes of the log's own before those of a commit
MOST = 64 * 10**8  # beyond, folders would not sort by their names
_FOLDER = re.compile("[0-9]{8}")
_TAG = b"NACRE\x00\x00\x02"
_HEAD = struct.Struct("<8sQ16s16s16s")
_MARK = 16
_NONE = bytes(_MARK)  # the mark before the first commit


def name_of(number: int) -> str:
    """The name of a commit.

    >>> name_of(130)
    'commits/00000002/0000000130'
    """
    return f"{COMMITS}/{number // SEGMENT:08d}/{number:010d}"


class Log:
    """Commits on a place. Of any number of writers one creates a number; the others are told.

    Args:
        place: where they lie.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._last: tuple[int, bytes] = (0, _NONE)  # a commit of which the mark is known

    def newest(self) -> int:
        """The highest number there, 0 for none."""
        return next(self._falling(), 0)

    def settled(self) -> int:
        """The newest number, made durable: its writer may have died before it was.

        To be asked once before what it says is passed on, such as that a batch is known.
        """
        number = self.newest()
        while number:
            self.place.settle(name_of(number).rpartition("/")[0])
            if number == (number := self.newest()):
                break
        return number

    def append(self, number: int, *parts: bytes) -> None:
        """Commit these bytes under the number after one that was read; durable when it returns.

        Where they stand there already they have committed: an answer was lost. After an error
        (DiskFull, Unavailable) it is unknown whether they have; to append them again is safe.

        Raises:
            Fenced: another writer was first, whether its commit is still there or was collected;
                nothing was changed. (Only one that slept until what was built on its commit was
                collected too may be told so in vain: what it repeats is known then.)
            BadParameter: not a number of a commit.
        """
        if not 1 <= number < MOST:
            raise BadParameter(
                got=f"number {number}", wanted="1 or more", do="Append newest() + 1."
            )
        before = self._mark_of(number - 1)
        mark = os.urandom(_MARK)
        name = name_of(number)
        if not self.place.create(name, _head(mark, before), *parts):
            found = self._mark_if_same(number, before, parts)
            if found != mark:  # of an earlier call
                self._last = (number, found)
                return
        if self.newest() > number and not self._is_before(mark, number + 1):
            self.place.remove([name])
            raise self._fenced(number)
        self._last = (number, mark)

    def read(self, number: int) -> bytes:
        """The bytes that were appended.

        Raises:
            NotFound: it was never there, or was collected.
            CorruptState, NewerFormat: it is damaged, or was written by a later nacre.
        """
        data = self.place.read(name_of(number))
        mark, _ = self._marks(number, data[:HEAD])
        if number > self._last[0]:
            self._last = (number, mark)
        return data[HEAD:]

    def latest(self) -> tuple[int, bytes]:
        """The newest number and its bytes; (0, b"") for none. Raises CorruptState, NewerFormat."""
        number = self.newest()
        while number:
            try:
                return number, self.read(number)
            except NotFound:  # others have gone on and collected it
                before, number = number, self.newest()
                if number <= before:
                    raise
        return 0, b""

    def numbers(self) -> list[int]:
        """All numbers there, rising."""
        return list(self._falling())[::-1]

    def remove(self, numbers: Iterable[int]) -> None:
        """Collect commits; the newest has to stay, for its number must not be free again.

        Raises:
            BadParameter: the newest, or a later one, is among them.
        """
        wanted = sorted(set(numbers))
        if wanted and wanted[-1] >= (newest := self.newest()):
            raise BadParameter(
                got=f"number {wanted[-1]} to be removed",
                wanted=f"numbers below the newest, {newest}",
                do="Keep the newest commit.",
                where=self.place.where,
            )
        self.place.remove(name_of(number) for number in wanted)

    def _falling(self) -> Iterator[int]:
        folders = [name for name in self.place.names(COMMITS) if _FOLDER.fullmatch(name)]
        for folder in reversed(folders):
            for name in reversed(self.place.names(f"{COMMITS}/{folder}")):
                number = int(name) if name.isdecimal() else 0
                if number and name_of(number) == f"{COMMITS}/{folder}/{name}":
                    yield number

    def _mark_of(self, number: int) -> bytes:
        """The mark of a commit that this writer builds on; a missing one was collected."""
        if number == 0:
            return _NONE
        last, mark = self._last
        if number == last:
            return mark
        try:
            return self._read_marks(number)[0]
        except NotFound:
            raise self._fenced(number + 1) from None

    def _mark_if_same(self, number: int, before: bytes, parts: Iterable[bytes]) -> bytes:
        """The mark of the commit that was there first, if it says the same."""
        try:
            data = self.place.read(name_of(number))
        except NotFound:  # and it was collected since
            raise self._fenced(number) from None
        mark, theirs = self._marks(number, data[:HEAD])
        if theirs != before or data[HEAD:] != b"".join(parts):
            raise self._fenced(number)
        return mark

    def _is_before(self, mark: bytes, number: int) -> bool:
        """Whether a commit was built on the one of this mark."""
        try:
            return self._read_marks(number)[1] == mark
        except NotFound:
            return False

    def _read_marks(self, number: int) -> tuple[bytes, bytes]:
        name = name_of(number)
        size = self.place.size(name)
        return self._marks(number, self.place.read_at(name, size, min(size, HEAD)))

    def _marks(self, number: int, head: bytes) -> tuple[bytes, bytes]:
        with located(f"{self.place.where}/{name_of(number)}"):
            if len(head) < HEAD:
                corrupt(f"{len(head)} bytes", f"a commit, of {HEAD} or more")
            tag, version, mark, before, check = _HEAD.unpack(head)
            if tag != _TAG or check != _check(head):
                corrupt("the head of no commit", "one of nacre")
            if version > FORMAT:
                newer(f"format {version}", f"format {FORMAT} or lower")
            return mark, before

    def _fenced(self, number: int) -> NacreError:
        return Fenced(
            got=f"number {number} of the log, which another writer took",
            wanted="the number after the newest",
            do="Open the live model again and repeat; what is known already is recognised.",
            where=self.place.where,
        )


def _head(mark: bytes, before: bytes) -> bytes:
    head = _HEAD.pack(_TAG, FORMAT, mark, before, _NONE)
    return head[:-_MARK] + _check(head)


def _check(head: bytes) -> bytes:
    return hashlib.sha256(head[:-_MARK]).digest()[:_MARK]
