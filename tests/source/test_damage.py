"""Bytes changed at random, in every format: an error of ours, or rows; never anything else."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
import scipy.sparse as sp

from nacre.contract import Array
from nacre.errors import BadInput, BadType, OutOfMemory
from nacre.source.read import plan_of, read

TAKES = {
    "plain.npy": (),
    "mapped.npz": (),
    "packed.npz": (),
    "sparse.npz": ("sparse",),
    "rows.csv": ("records",),
    "rows.csv.gz": ("records",),
    "items.dat": ("sparse",),
    "lines.txt": ("records",),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each format."""
    folder = tmp_path_factory.mktemp("whole")
    X = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
    np.save(folder / "plain.npy", X)
    np.savez(folder / "mapped.npz", X=X)
    np.savez_compressed(folder / "packed.npz", X=X)
    sp.save_npz(folder / "sparse.npz", sp.random_array((99, 9), density=0.3, format="csr", rng=0))
    texts = [f'é"x,{i}' for i in range(200)]
    arrow_csv.write_csv(pa.table({"a": X[:, 0], "t": texts}), folder / "rows.csv")
    packed = gzip.compress((folder / "rows.csv").read_bytes())
    (folder / "rows.csv.gz").write_bytes(packed)
    (folder / "items.dat").write_text("1 2 3\n4 5\n" * 50)
    (folder / "lines.txt").write_text("héllo\nworld\n" * 50)
    return {name: (folder / name).read_bytes() for name in TAKES}


def changed(data: bytes, seed: int) -> bytes:
    """A few bytes at the beginning, at the end or anywhere are others, or the end is missing."""
    rng, values = np.random.default_rng(seed), np.frombuffer(data, np.uint8).copy()
    n = int(rng.integers(1, 10))
    near = min(len(values), 300)
    at: Array = rng.integers(0, near if seed % 2 else len(values), n)
    if seed % 3 == 0:
        at = len(values) - 1 - rng.integers(0, near, n)
    values[at] = rng.integers(0, 256, n)
    return values.tobytes()[: int(rng.integers(0, len(values))) if seed % 7 == 0 else None]


@pytest.mark.parametrize("bad", ["error", "skip"])
@pytest.mark.parametrize("name", TAKES)
def test_damage_is_an_error_or_other_rows(
    name: str, bad: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    ends = []
    for seed in range(40):
        (tmp_path / name).write_bytes(changed(whole[name], seed))
        try:
            plan = plan_of(read(tmp_path / name, bad=bad), takes=TAKES[name])  # type: ignore[arg-type]
            for shard in plan.shards:
                for _ in shard.read():
                    pass
            ends.append("rows")
        except (BadInput, BadType, OutOfMemory) as error:
            ends.append(error.got)
    assert len(ends) == 40
    assert all(ends)
    assert len(set(ends)) > 1 or bad == "skip"  # every line that is no text may be left out
