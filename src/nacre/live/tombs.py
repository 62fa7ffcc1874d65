"""What is left of batches that were erased: that there was one of this id and of this content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nacre.errors import BadInput, Erased
from nacre.store.ledger import Leaf
from nacre.store.levels import Ledger

TOMB = "erased:"  # what the id of a line begins with that keeps the content of an erased batch


def is_tomb(line: Leaf) -> bool:
    """Whether it is all that is left of a batch that was erased."""
    return line.ended is not None and line.lies is None and line.n_rows == 0


def check_not_erased(ledger: Ledger, id: str, content: str) -> None:
    """Raise Erased for a batch whose id or content was erased."""
    for name in (id, TOMB + content):
        line = ledger.find(name)
        if line is not None and is_tomb(line):
            what = f"the id {id!r}" if name == id else "rows"
            raise Erased(
                got=f"{what} that was erased on purpose" if name == id else f"{what} that were",
                wanted="batches that were not erased",
                do="Say again=True to absorb it all the same.",
            )


def check_name(id: str) -> None:
    """Raise BadInput for an id that looks like what is kept of erased batches."""
    if id.startswith(TOMB):
        raise BadInput(
            got=f"the id {id!r:.80}",
            wanted=f"one that does not begin with {TOMB!r}",
            do="Name it otherwise: id=...",
        )


def batches_among(lines: Iterable[Leaf]) -> list[Leaf]:
    """The lines that stand for a batch, alive, ended or erased; not those for a content alone."""
    return [line for line in lines if not line.id.startswith(TOMB)]


def tomb_of(line: Leaf, now: int) -> Leaf:
    """What is left of a line that is erased at a moment."""
    return Leaf(line.id, 0, 0, 0, 0, line.content, absorbed=line.absorbed, ended=now)


def tombs(lines: Sequence[Leaf], now: int) -> list[Leaf]:
    """What is left of batches: that there was one of this id and this content."""
    found = [tomb_of(line, now) for line in lines]
    contents = sorted({line.content for line in lines})
    return found + [
        Leaf(TOMB + content, 0, 0, 0, 0, content, absorbed=now + at, ended=now + at)
        for at, content in enumerate(contents)
    ]
