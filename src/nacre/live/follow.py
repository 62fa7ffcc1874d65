"""Following: what comes is absorbed as it comes, each row once, whoever is killed or away.

What is followed is a `Source`: one file for each kind (follow_folder.py, follow_redis.py). It says
what has come since the live model stood where it stands, and how it is named in the ledger; what
was absorbed is known by the ledger alone, so a follower has nothing of its own to lose.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from nacre.errors import (
    BadInput,
    BadParameter,
    BadType,
    Conflict,
    DiskFull,
    Erased,
    Fenced,
    NacreError,
    NotFound,
    Unavailable,
)
from nacre.live.model import Absorbed, Live
from nacre.live.numbered import After

LONGEST_WAIT = 60.0  # seconds between two tries while something is away
FIRST_WAIT = 0.5
REFUSED = (BadInput, BadType, Conflict, Erased, NotFound)
AWAY = (Unavailable, DiskFull, OSError)


@dataclass(frozen=True)
class Bad:
    """Something that came and is not absorbed.

    Attributes:
        name: of the file or the entry.
        why: what is wrong with it.
    """

    name: str
    why: str


@dataclass(frozen=True)
class Part:
    """Something complete that is absorbed in one commit.

    Attributes:
        data: as `Live.absorb` takes it.
        names: of the files, or of the first and the last entry.
        id, time: as `Live.absorb` takes them.
        n_rows: in it, where that is known.
    """

    data: Any
    names: tuple[str, ...]
    id: After | None = None
    time: int | None = None
    n_rows: int = 0


@dataclass(frozen=True)
class Look:
    """What a source has that the live model has not.

    Attributes:
        parts: in the order in which they are to be absorbed.
        bad: what is set aside; each is named once.
        n_waiting: how many are there, but not complete yet.
        in_hand: the parts may be left to grow until there are rows enough, or it is time.
        soon: seconds after which it is worth looking again; None: there is no hurry.
    """

    parts: Sequence[Part] = ()
    bad: Sequence[Bad] = ()
    n_waiting: int = 0
    in_hand: bool = False
    soon: float | None = None


class Source(Protocol):
    """Something that goes on.

    Attributes:
        where: for messages.
    """

    where: str

    def look(self, live: Live, most: int) -> Look:
        """What has come since the live model stood where it stands, in its order.

        It remembers nothing that a new one would not find out: where to go on stands in the ledger.

        Args:
            live: whose ledger says what is known.
            most: rows in a part of a stream.

        Raises:
            Unavailable: it does not answer, and may do so later.
            NotFound, BadParameter: there is nothing to follow, and there will not be.
        """

    def took(self, part: Part) -> None:
        """A part was absorbed."""

    def refused(self, part: Part, error: NacreError) -> Bad | None:
        """A part was not absorbed: what is set aside; None where it is to be looked at again.

        Raises:
            NacreError: the same error, where it says nothing of the part, or the source cannot go
                on without it.
        """

    def close(self) -> None:
        """Let go of what is held open."""


@dataclass(frozen=True)
class Pace:
    """When what has come is absorbed: as soon as there are rows enough, or after some seconds.

    Attributes:
        every: seconds between two looks.
        rows: of a stream, that are absorbed at once.
    """

    every: float = 5.0
    rows: int = 8_192

    def __post_init__(self) -> None:
        if not 0 < self.every < 1e6 or self.rows < 1:
            raise BadParameter(
                got=f"every={self.every:g}, rows={self.rows}",
                wanted="seconds above 0, and at least one row",
                do="Say every=5, rows=8192, say.",
            )


class Listener(Protocol):
    """Hears what a follower does; a subclass needs to say only what it listens to."""

    def took(self, part: Part, done: Absorbed) -> None:
        """A part was absorbed, or was known."""
        return

    def set_aside(self, bad: Bad) -> None:
        """Something is not absorbed."""
        return

    def away(self, error: BaseException, seconds: float) -> None:
        """Source or store does not answer; it is tried again after some seconds."""
        return

    def back(self) -> None:
        """It answers again."""
        return

    def idle(self, n_waiting: int) -> None:
        """All that is complete is absorbed."""
        return


class Silent(Listener):
    """Says nothing of it."""


class Follower:
    """Absorbs what comes from a source into a live model, until it is told to stop.

    >>> import nacre, tempfile, numpy as np
    >>> from nacre.live.follow_folder import Folder
    >>> folder = tempfile.mkdtemp()
    >>> np.save(f"{folder}/monday.npy", np.array([[0.0], [2.0]]))
    >>> live = nacre.open("memory://doctest-follow", nacre.Scale())
    >>> Follower(live, Folder(folder, settle=0)).once()
    >>> live.mean_, live.ledger.find("monday.npy").n_rows
    (array([1.]), 2)

    Args:
        live: a live model; if somebody else commits too it is reopened, and goes on.
        source: what is followed.
        pace: when what has come is absorbed.
        listener: hears what is done.
        absorbing: more arguments for `Live.absorb`: principal, engine, memory.

    Attributes:
        stop: set it, from a thread or a handler of a signal, and what is under way is finished, and
            nothing else begun.
    """

    def __init__(
        self,
        live: Live,
        source: Source,
        pace: Pace | None = None,
        listener: Listener | None = None,
        **absorbing: Any,
    ) -> None:
        self.live, self.source = live, source
        self.pace, self.listener = pace or Pace(), listener or Silent()
        self.stop = threading.Event()
        self._absorbing = absorbing
        self._since: float | None = None  # when the first was seen of what is in hand
        self._n_fenced = 0

    def run(self) -> None:
        """Follow until `stop` is set.

        While source or store does not answer it waits, at most a minute between two tries.

        Raises:
            NotFound: there is nothing to follow.
            CorruptState, BadParameter, ...: what waiting does not mend.
        """
        n_tries = 0
        while not self.stop.is_set():
            try:
                seconds = self._turn()
                if n_tries:
                    self.listener.back()
                n_tries = 0
            except AWAY as error:
                seconds = min(FIRST_WAIT * 2**n_tries, LONGEST_WAIT)
                n_tries += 1
                self.listener.away(error, seconds)
                self.stop.wait(seconds)
                self._reopen()
                continue
            self.stop.wait(seconds)

    def once(self) -> None:
        """Absorb what is there, and wait for what is being written as long as it may take to see
        whether it still is.

        Raises:
            Unavailable, DiskFull: source or store does not answer.
        """
        waited = False
        while not self.stop.is_set():
            look = self._look()
            self._absorb(look)
            if look.parts:
                continue
            if waited or not look.n_waiting:
                return
            waited = True
            self.stop.wait(self._until_next(look))

    def _turn(self) -> float:
        """Look once, and absorb what it is time for; seconds until the next look."""
        look = self._look()
        now = time.monotonic()
        if look.parts and look.in_hand:
            self._since = now if self._since is None else self._since
            left = self._since + self.pace.every - now
            if left > 0:
                return min(left, self._until_next(look))
        self._since = None
        if look.parts:
            self._absorb(look)
            return 0.0
        self.listener.idle(look.n_waiting)
        return self._until_next(look)

    def _until_next(self, look: Look) -> float:
        return self.pace.every if look.soon is None else min(look.soon, self.pace.every)

    def _look(self) -> Look:
        look = self.source.look(self.live, self.pace.rows)
        for bad in look.bad:
            self.listener.set_aside(bad)
        return look

    def _absorb(self, look: Look) -> None:
        for part in look.parts:
            if self.stop.is_set() or not self._absorbed(part):
                return

    def _absorbed(self, part: Part) -> bool:
        """Whether the parts behind it may be absorbed too; else the source is looked at again."""
        try:
            done = self.live.absorb(part.data, part.id, part.time, **self._absorbing)
        except Fenced:
            self._n_fenced += 1
            self.stop.wait(min(0.005 * 2 ** min(self._n_fenced, 7), 0.5))  # the other one first
            self.live.reopen()
            return False
        except (*REFUSED, Unavailable) as error:
            bad = self.source.refused(part, error)
            if bad is not None:
                self.listener.set_aside(bad)
            return True
        self._n_fenced = 0
        self.source.took(part)
        self.listener.took(part, done)
        return True

    def _reopen(self) -> None:
        """After an error of the store it is not known what it has; it may still be away."""
        with suppress(*AWAY, NotFound):
            self.live.reopen()


def seconds_of(text: str) -> float:
    """A time to wait, as it is written.

    >>> seconds_of("5s"), seconds_of("0.5"), seconds_of("2min"), seconds_of("250ms")
    (5.0, 0.5, 120.0, 0.25)

    Raises:
        BadParameter: no time.
    """
    units = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "": 1.0}
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text.strip()[len(number) :]
    try:
        value = float(number) * units[unit]
    except (KeyError, ValueError):
        value = -1.0
    if not 0 <= value < 1e6:
        raise BadParameter(
            got=f"{text!r:.40}", wanted="seconds, such as 5s, 250ms or 2min", do="Change it."
        )
    return value
