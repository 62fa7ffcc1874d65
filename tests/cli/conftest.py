"""Small data and a model of it, made once; and the command, run here or in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nacre.cli.main import run

COMMAND = [sys.executable, "-c", "from nacre.cli.main import main; main()"]
N_FILES, N_ROWS = 3, 700


class Said(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object of stdout."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


Nacre = Callable[..., Said]


@pytest.fixture
def nacre(capsys: pytest.CaptureFixture[str]) -> Nacre:
    """Run the command in this process."""

    def ran(*arguments: Any) -> Said:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err or "--debug" in arguments
        return Said(code, out, err)

    return ran


def alone(*arguments: Any, cwd: Path | None = None, **env: str) -> Said:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def table(first: int, n: int = N_ROWS) -> Any:
    """Rows of three groups, with columns that are no features."""
    rng = np.random.default_rng(first)
    group = rng.integers(0, 3, n)
    centres = np.array([[0, 0, 100.0], [8, 0, 500.0], [0, 9, 900.0]])
    X = centres[group] + rng.normal(size=(n, 3)) * [1, 1, 50]
    days = np.datetime64("2013-01-01") + np.arange(n) % 365
    return pa.table(
        {
            "id": pa.array(range(first, first + n), pa.int64()),
            "day": pa.array(days),
            "name": pa.array(np.char.add("row ", np.arange(n).astype(str))),
            "a": X[:, 0],
            "b": X[:, 1],
            "c": X[:, 2],
        }
    )


def written(folder: Path, tables: Sequence[Any]) -> Path:
    """Tables as Parquet files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for at, some in enumerate(tables):
        pq.write_table(some, folder / f"part-{at}.parquet")
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three good files."""
    tables = [table(N_ROWS * at) for at in range(N_FILES)]
    return written(tmp_path_factory.mktemp("data") / "rows", tables)


@pytest.fixture(scope="session")
def holes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two files; three rows of the second lack a value."""
    good, bad = table(0), table(N_ROWS)
    a = bad["a"].to_numpy().copy()
    a[[5, 6, 70]] = np.nan
    bad = bad.set_column(bad.column_names.index("a"), "a", pa.array(a))
    return written(tmp_path_factory.mktemp("holes") / "rows", [good, bad])


@pytest.fixture(scope="session")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain of Scale and KMeans, saved."""
    path = tmp_path_factory.mktemp("models") / "model"
    options = ["--columns", "a,b,c", "--n-clusters", "3", "--scale", "-q"]
    assert run(["fit", "kmeans", str(data), *options, "-o", str(path)]) == 0
    return path
