"""What a live model says of a source that it was given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Absorbed:
    """What became of a source.

    Attributes:
        version: the number of the commit that it is in; the newest where nothing was new.
        n_batches, n_rows: that were taken in, rows that were left out included.
        n_skipped: bad rows that were left out.
        n_known, n_known_rows: batches and rows that were in the ledger already: they changed
            nothing.
        digest: of the sum of all that was absorbed.
    """

    version: int
    n_batches: int
    n_rows: int
    n_skipped: int
    n_known: int
    n_known_rows: int
    digest: str

    @property
    def note(self) -> str:
        """What there is to say of it; empty where all was new."""
        if not self.n_known_rows:
            return ""
        return (
            f"{self.n_known_rows:,} rows were absorbed before and changed nothing; "
            "give equal rows an id of their own to count them again"
        )
