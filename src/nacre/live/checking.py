"""Is a live model whole? Every byte that it needs is read, and has the hash that it should have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nacre.canon import digest
from nacre.errors import CorruptState, NacreError
from nacre.evolve.sums import Sums, file_of
from nacre.live.packing import acts_of
from nacre.live.version import BLOBS, Shelf, Version, blob, opened
from nacre.store.commits import COMMITS, name_of
from nacre.store.ledger import Lies
from nacre.store.life import Commit


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        version: the newest, which was looked at in whole.
        n_objects, n_bytes: that were read.
        n_batches: leaves whose bytes are whole.
        problems: what is damaged or missing, each with its place; none where all is well.
        strays: objects that nothing names: left by a writer that died, or put there by others.
    """

    version: int
    n_objects: int
    n_bytes: int
    n_batches: int
    problems: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not self.problems


class Checks:
    """Goes through a store, and goes on after what is wrong."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.n_bytes = self.n_batches = 0
        self.seen: set[str] = set()
        self.problems: list[str] = []

    def all(self) -> Verified:
        """The newest version in whole, and whether each older commit is what it was."""
        numbers = self.shelf.log.numbers()
        newest = numbers[-1] if numbers else 0
        version = None
        for number in numbers:
            found = self._tried(partial(opened, self.shelf, number))
            self._saw(name_of(number))
            if found is not None:
                version = found if number == newest else version
                self.seen |= named(found.commit)
        if version is not None:
            self._version(version)
        names = [f"{BLOBS}/{name}" for name in self.shelf.place.names(BLOBS)]
        strays = tuple(name for name in names if name not in self.seen)
        n_objects = len(numbers) + len(names) - len(strays)
        return Verified(
            newest, n_objects, self.n_bytes, self.n_batches, tuple(self.problems), strays
        )

    def _version(self, version: Version) -> None:
        self._tried(version.ledger.checked)
        for segment in version.commit.segments:
            self._saw(blob(segment.sha256))
        for part in version.commit.history:
            self._tried(partial(acts_of, self.shelf, part))
            self._saw(blob(part.sha256))
        for leaf in self._lines(version):
            if leaf.lies is not None and self._whole(leaf.lies):
                self.n_batches += 1
        for fold in version.commit.folds:
            self._whole(fold.lies)
        if version.commit.numbering is not None:
            self._whole(version.commit.numbering.centres)
        if version.keeps_leaves:
            self._tried(lambda: self._sums(version))
        self._tried(lambda: version.state)

    def _sums(self, version: Version) -> None:
        """Whether what lies in the cache is of the leaves; else nobody would see it in windows."""
        behind, anew = self.shelf.sums.behind, replace(version.leaves, sums=Sums())
        for span in anew.tree.large() if behind else ():
            name = anew.tree.name(*span)
            try:
                kept = behind.read(name) if behind else None
            except NacreError:  # nobody takes it
                continue
            if kept is not None and digest(kept) != digest(anew.run(*span).total()):
                self._note(
                    CorruptState(
                        got="a sum that its batches do not have",
                        wanted="the sum of their leaves",
                        do="Remove the file: it is a cache, and is made anew.",
                        where=f"{self.shelf.place.where}/{file_of(name)}",
                    )
                )

    def _lines(self, version: Version) -> Iterator[Any]:
        try:
            yield from version.ledger
        except NacreError as error:
            self._note(error)

    def _whole(self, lies: Lies) -> bool:
        self.seen.add(lies.object)
        found = self._tried(lambda: self.shelf.bytes_of(lies))
        self.n_bytes += len(found) if found is not None else 0
        return found is not None

    def _saw(self, name: str) -> None:
        self.seen.add(name)
        self.n_bytes += self._tried(lambda: self.shelf.place.size(name)) or 0

    def _tried(self, look: Callable[[], Any]) -> Any:
        try:
            return look()
        except NacreError as error:
            self._note(error)
            return None

    def _note(self, error: NacreError) -> None:
        text = error.message
        if text not in self.problems:
            self.problems.append(text)


def named(commit: Commit) -> set[str]:
    """The blobs that a commit names, but those that lines in segments name."""
    frame = commit.frame
    kept: Iterable[Any] = (
        *(frame.learner, frame.schema, frame.model),
        *commit.segments,
        *commit.history,
    )
    lines: Iterable[Any] = (*commit.recent, *commit.folds)
    lies = [one.lies.object for one in lines if one.lies is not None]
    return {blob(one.sha256) for one in kept} | {o for o in lies if not o.startswith(COMMITS)}
