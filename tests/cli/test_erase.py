"""`nacre erase` and `nacre merge`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import nacre as package
from tests.cli.conftest import N_ROWS, Nacre
from tests.cli.test_fit import MODEL_KEYS

KEYS = {
    *("verb", "nacre", "model", "number", "moment", "ids", "n_rows", "before", "after", "grade"),
    *("check", "models"),
}


@pytest.fixture
def live(data: Path, tmp_path: Path, nacre: Nacre) -> Path:
    """A model that was fitted on one file, and has absorbed the two others."""
    path, how = tmp_path / "live", ["--columns", "a,b,c", "--root", data, "-q"]
    assert nacre("fit", "pca", data / "part-0.parquet", *how, "-o", path).code == 0
    for at, name in ((1, "feed-17"), (2, "feed-4")):
        file = data / f"part-{at}.parquet"
        said = nacre("absorb", file, *how[2:], "--principal", name, "-m", path)
        assert said.code == 0
    return path


def test_erased_and_not_absorbed_again(live: Path, data: Path, nacre: Nacre) -> None:
    said = nacre("erase", "part-1.parquet", "-m", live)
    assert said.code == 0
    assert said.out.startswith(f"Erased 1 batch of {N_ROWS:,} rows from {live}: no sum and no file")
    assert {line.id for line in package.open(live).ledger.alive()} == {
        "part-0.parquet",
        "part-2.parquet",
    }
    again = nacre("absorb", data / "part-1.parquet", "--root", data, "-m", live)
    assert again.code == 5
    assert "erased on purpose" in again.err
    gone = nacre("erase", "part-1.parquet", "-m", live)
    assert gone.code == 4
    assert f"nacre ledger {live}" in gone.err
    assert nacre("verify", live).code == 0
    listed = nacre("ledger", live)
    assert "erased 2" in next(line for line in listed.out.splitlines() if "part-1" in line)
    assert listed.out.count("part-") == 3
    assert "erased:" not in listed.out
    assert listed.err == "2 batches; 1 more were replaced or erased\n"


def test_all_of_a_principal(live: Path, nacre: Nacre) -> None:
    told = nacre("erase", "--principal", "feed-17", "-m", live, "--json").json
    assert told.keys() == KEYS - {"models"}
    assert (told["ids"], told["n_rows"]) == (["part-1.parquet"], N_ROWS)
    assert told["after"] == package.open(live)._version.commit.act.digest
    assert nacre("erase", "-m", live).code == 2


def test_models_become_one(live: Path, tmp_path: Path, data: Path, nacre: Nacre) -> None:
    copy, both = tmp_path / "copy", tmp_path / "both"
    shutil.copytree(live, copy)
    assert nacre("erase", "part-2.parquet", "-m", copy, "-q").code == 0
    told = nacre("merge", live, copy, "-o", both, "--json").json
    assert told.keys() == MODEL_KEYS | {
        "models",
    }
    assert told["n_rows"] == 2 * N_ROWS
    assert told["digest"] == package.load(copy).state_.digest
    said = nacre("merge", live, live, "-o", tmp_path / "same")
    assert said.out.startswith(f"Merged 2 models: 3 batches of {3 * N_ROWS:,} rows")
    taken = nacre("merge", live, copy, "-o", both)
    assert taken.code == 2
    assert "has a live model" in taken.err
