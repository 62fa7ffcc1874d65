"""The ledger of 1,000,000 batches beside SQLite: build, megabytes on disk, look-ups, memory.

A look-up is cold where the segment or the database is opened for it; the system may have its pages.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import _stage

from nacre.store.ledger import Leaf, Lies
from nacre.store.levels import Ledger, merged
from nacre.store.place import Place, place_of
from nacre.store.segments import write

LOOKUPS = 1000
GROWTH = 4096  # lines of a checkpoint


def leaves(n: int, n_packs: int) -> Iterator[Leaf]:
    """Batches of 30 feeds, one every half minute, whose summaries lie in packs."""
    draw = random.Random(0)
    packs = [f"blobs/{draw.randbytes(32).hex()}" for _ in range(n_packs)]
    for i in range(n):
        time = 1_795_000_000_000_000_000 + i * 30_000_000_000 + draw.randrange(10**9)
        yield Leaf(
            id=named(i),
            time=time,
            first=time - draw.randrange(10**10),
            n_rows=1000 + draw.randrange(9000),
            n_skipped=0,
            content=f"file:{draw.randbytes(32).hex()}",
            absorbed=time + 10**11,
            lies=Lies(
                packs[i * n_packs // n],
                draw.randrange(60_000_000),
                2100 + draw.randrange(100),
                draw.randbytes(32).hex(),
            ),
        )


def named(i: int) -> str:
    return f"{2020 + i // 1_000_000}/{i // 90_000 % 12 + 1:02}/feed-{i % 30}/part-{i:07}.parquet"


class Ours:
    """A ledger in a directory: one segment, or levels that grew."""

    def __init__(self, path: Path, data: list[Leaf], step: int) -> None:
        self.place: Place = place_of(path, make=True)
        self.segments = [write(self.place, data[:step])]
        for at in range(step, len(data), step):
            self.segments = merged(self.place, self.segments, data[at : at + step])
        self.n_bytes = sum(one.n_bytes for one in self.segments)

    def opened(self) -> Callable[[str], Any]:
        return Ledger(self.place, self.segments).find


class Theirs:
    """The same lines in a table of SQLite, digests as blobs."""

    def __init__(self, path: Path, data: list[Leaf]) -> None:
        path.mkdir()
        self.path = path / "ledger.sqlite"
        with sqlite3.connect(self.path) as base:
            columns = "time, first, n_rows, n_skipped, content, absorbed, ended, principal"
            base.execute(
                f"CREATE TABLE ledger (id TEXT PRIMARY KEY, {columns}, object, from_end, n_bytes,"
                " sha256) WITHOUT ROWID"
            )
            base.executemany(f"INSERT INTO ledger VALUES ({','.join('?' * 13)})", map(_row, data))
        self.n_bytes = self.path.stat().st_size

    def opened(self) -> Callable[[str], Any]:
        base = sqlite3.connect(self.path)
        return lambda id: base.execute("SELECT * FROM ledger WHERE id = ?", (id,)).fetchone()


def _row(leaf: Leaf) -> tuple[Any, ...]:
    row = asdict(leaf)
    lies = row.pop("lies")
    lies["sha256"] = bytes.fromhex(lies["sha256"])
    row["content"] = bytes.fromhex(row["content"].partition(":")[2])
    return (*row.values(), *lies.values())


def building(data: list[Leaf], folder: Path) -> tuple[_stage.Contest, dict[str, Any]]:
    """Seconds until all lines are on disk; quality is megabytes."""
    built: dict[str, Any] = {}

    def kept(name: str, build: Callable[[Path], Any]) -> Callable[[int], Any]:
        def run(seed: int) -> Any:
            built[name] = build(Path(tempfile.mkdtemp(dir=folder)) / "in")
            return built[name]

        return run

    ways = {
        "one segment": lambda path: Ours(path, data, len(data)),
        "grown": lambda path: Ours(path, data, GROWTH),
        "sqlite": lambda path: Theirs(path, data),
    }
    contestants = {name: kept(name, build) for name, build in ways.items()}
    return _stage.Contest(f"build {len(data):,} lines; MB", contestants, megabytes), built


def megabytes(built: Any) -> float:
    return float(built.n_bytes) / 1e6


def looking(name: str, built: dict[str, Any], ids: list[str], cold: bool) -> _stage.Contest:
    """Seconds of many look-ups; quality is how many found nothing."""

    def run(ledger: Any) -> Callable[[int], float]:
        def look(seed: int) -> float:
            find = ledger.opened()
            asked = random.Random(seed).sample(ids, LOOKUPS)
            return sum((ledger.opened() if cold else find)(id) is None for id in asked)

        return look

    return _stage.Contest(name, {one: run(ledger) for one, ledger in built.items()}, float)


def memory(built: dict[str, Any], id: str) -> _stage.Contest:
    """Quality is the peak of kilobytes that Python allocates for one cold look-up."""

    def run(ledger: Any) -> Callable[[int], float]:
        def look(seed: int) -> float:
            tracemalloc.start()
            ledger.opened()(id)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak / 1e3

        return look

    ours = {one: run(ledger) for one, ledger in built.items() if isinstance(ledger, Ours)}
    return _stage.Contest("kB of a cold look-up", ours, float)


def contests(data: list[Leaf], folder: Path) -> Iterable[_stage.Contest]:
    build, built = building(data, folder)
    build.run(1, patience=0)  # once
    yield build
    for name, ledger in built.items():
        print(f"{name}: {ledger.n_bytes / len(data):.1f} bytes a line", file=sys.stderr)
    ids = [leaf.id for leaf in data]
    for name, asked, cold in (
        ("cold", ids, True),
        ("warm", ids, False),
        ("unknown ids, warm", [f"{id}.gz" for id in ids], False),
    ):
        contest = looking(f"{LOOKUPS:,} look-ups, {name}; missed", built, asked, cold)
        contest.run(3)
        yield contest
    contest = memory(built, ids[len(ids) // 2])
    contest.run(1)
    yield contest


def main() -> None:
    """1,000,000 lines, of 256 packs."""
    options = _stage.options(__doc__ or "").parse_args()
    _stage.await_quiet(options.tiny)
    on = _stage.machine()
    data = list(leaves(10_000 if options.tiny else 1_000_000, 256))
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        _stage.finish("ledger", list(contests(data, Path(folder))), options.tiny, on)


if __name__ == "__main__":
    main()
