"""What each batch said in the last pass of a fit: the leaves of a model, without a pass for them.

Which pass is the last is known only when it is over, so the sums of every pass over all rows are
kept until the next one is complete: in memory, beyond a limit in a temporary file without a name,
which is gone with this process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Self

import numpy as np

from nacre import forms
from nacre.contract import Summary
from nacre.errors import OutOfMemory
from nacre.store.format import from_bytes, to_bytes

IN_MEMORY = 256_000_000  # bytes of summaries, those of two passes together


@dataclass
class _Pass:
    """The sums of one pass.

    Attributes:
        base: that its summaries were observed against.
        said: batch id -> summary, or where its bytes lie in the file: (first, number).
        size: bytes of those in memory.
        written: bytes of those in the file.
    """

    base: str = ""
    said: dict[str, Summary | tuple[int, int]] = field(default_factory=dict)
    size: int = 0
    written: int = 0
    file: Any = None


class LastPass:
    """Summaries by batch id, of the last complete pass over all rows of one fit.

    Args:
        most: bytes that it may take in memory; summaries beyond go to a file, as a store has them.
    """

    def __init__(self, most: int = IN_MEMORY) -> None:
        self.most = most
        self._kept, self._now = _Pass(), _Pass()

    @property
    def base(self) -> str:
        """That the summaries were observed against; empty before there are any."""
        return self._kept.base

    @property
    def written(self) -> int:
        """Bytes of summaries that lie in a file."""
        return self._kept.written

    def __len__(self) -> int:
        return len(self._kept.said)

    def __iter__(self) -> Iterator[tuple[str, Summary]]:
        """(batch id, summary), one in memory at a time of those that lie in a file."""
        for name, found in self._kept.said.items():
            if isinstance(found, tuple):
                self._kept.file.seek(found[0])
                found = from_bytes(self._kept.file.read(found[1]), "summary")
            yield name, found

    def begins(self, base: str) -> None:
        """Another pass begins; one that was not complete is forgotten."""
        _drop(self._now)
        self._now = _Pass(base)

    def take(self, name: str, summary: Summary) -> None:
        """Keep what a batch says.

        Raises:
            BadType: it goes to a file, and its class is not on the list of what files may hold.
            OutOfMemory: there is no room for the file.
        """
        now, size = self._now, weigh(summary)
        if self._kept.size + now.size + size <= self.most:
            now.said[name] = summary
            now.size += size
            return
        data = to_bytes(summary)
        try:
            if now.file is None:
                now.file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the pass
            now.file.write(data)
            now.file.flush()
        except OSError as error:
            raise OutOfMemory(
                got=f"no room for {len(data)} bytes of summaries in a temporary file ({error})",
                wanted=f"more than there is in {tempfile.gettempdir()}",
                do="Free some, or set TMPDIR to a folder with more room.",
            ) from None
        now.said[name] = now.written, len(data)
        now.written += len(data)

    def ends(self) -> None:
        """The pass is complete: what the one before it said is forgotten."""
        _drop(self._kept)
        self._kept, self._now = self._now, _Pass()

    def close(self) -> None:
        """Forget all."""
        with ExitStack() as both:
            both.callback(_drop, self._now)
            both.callback(_drop, self._kept)
        self._kept, self._now = _Pass(), _Pass()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _drop(old: _Pass) -> None:
    if old.file is not None:
        old.file.close()


def weigh(value: Any) -> int:
    """Bytes of the arrays in a value, about.

    >>> weigh((np.zeros(4), [np.zeros(2, "f4")]))
    40
    """
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if forms.is_sparse(value):
        return weigh(forms.arrays_of(value))
    if is_dataclass(value):
        return sum(weigh(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, dict):
        return weigh(list(value.values()))
    return sum(map(weigh, value)) if isinstance(value, tuple | list) else 0
