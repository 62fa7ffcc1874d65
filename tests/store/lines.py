"""Lines of ledgers: any that there may be, and many as they are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st

from nacre.canon import hash64
from nacre.store import levels, pages, segments
from nacre.store.ledger import Leaf, Lies
from nacre.store.place_memory import MemoryPlace

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
COUNT = st.integers(0, (1 << 63) - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # no halves of letters
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
LIES = st.builds(Lies, TEXT, COUNT, COUNT, SHA256)
CONTENT = st.one_of(
    st.just(""),
    SHA256.map("file:{}".format),
    st.binary(min_size=16, max_size=16).map(lambda digest: f"rows:{digest.hex()}"),
)
LEAF = st.builds(
    Leaf,
    id=TEXT,
    time=INT64,
    first=INT64,
    n_rows=COUNT,
    n_skipped=COUNT,
    content=CONTENT,
    absorbed=COUNT,
    ended=st.none() | COUNT,
    principal=TEXT,
    lies=st.none() | LIES,
)
FEW = st.builds(  # ids and moments that come again
    Leaf,
    id=st.sampled_from("abcdefgh"),
    time=INT64,
    first=INT64,
    n_rows=COUNT,
    n_skipped=COUNT,
    content=CONTENT,
    absorbed=st.integers(0, 5),
    ended=st.none() | COUNT,
    lies=st.none() | LIES,
)


class Counting(MemoryPlace):
    """Knows what was read of it."""

    def __init__(self) -> None:
        super().__init__("memory://counting")
        self.n_reads = self.n_bytes = 0

    def read_at(self, name: str, from_end: int, n_bytes: int) -> bytes:
        self.n_reads, self.n_bytes = self.n_reads + 1, self.n_bytes + n_bytes
        return super().read_at(name, from_end, n_bytes)


def many(n: int, packs: int = 30, seed: int = 0) -> Iterator[Leaf]:
    """Batches of 30 feeds, every half minute, whose summaries lie in packs."""
    draw = random.Random(seed)
    names = [f"blobs/{draw.randbytes(32).hex()}" for _ in range(packs)]
    for i in range(n):
        time = 1_795_000_000_000_000_000 + i * 30_000_000_000 + draw.randrange(10**9)
        day = f"{2020 + i // 1_000_000}/{i // 90_000 % 12 + 1:02}/{i // 3000 % 28 + 1:02}"
        yield Leaf(
            id=f"{day}/feed-{i % 30}/part-{i // 30 % 100:05}.parquet",
            time=time,
            first=time - draw.randrange(10**10),
            n_rows=1000 + draw.randrange(9000),
            n_skipped=0,
            content=f"file:{draw.randbytes(32).hex()}",
            absorbed=time + 10**11 + draw.randrange(10**9),
            principal=f"feed-{i % 30}",
            lies=Lies(
                draw.choice(names),
                draw.randrange(60_000_000),
                2100 + draw.randrange(100),
                draw.randbytes(32).hex(),
            ),
        )


@contextmanager
def small(page: int = 4, fan: int = 3, n_hashes: int = 1 << 64) -> Iterator[None]:
    """Small pages and nodes, so that few lines have many; few hashes, so that ids share them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "PAGE", page)
        patch.setattr(segments, "FAN", fan)
        for module in (levels, segments, pages):
            patch.setattr(module, "hash64", lambda id: hash64(id) % n_hashes)
        yield
