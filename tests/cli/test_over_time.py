"""`nacre show --at`, `--as-of`, `--window`; `nacre ledger`, `diff` and `verify`."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import nacre as package
from nacre.cli import ledger as listing
from tests.cli.conftest import N_FILES, N_ROWS, Nacre, Said, table
from tests.cli.test_fit import MODEL_KEYS

LEDGER_KEYS = {"verb", "nacre", "model", "version", "n_batches", "n_ended", "batches"}
LINE_KEYS = {
    *("id", "n_rows", "n_skipped", "first", "time", "absorbed", "ended", "content", "principal"),
    "erased",
}
DIFF_KEYS = {
    *("verb", "nacre", "model", "before", "after", "same", "came", "went", "replaced", "clusters")
}
SIDE_KEYS = {"version", "moment", "digest", "n_rows", "weight", "n_batches"}
VERIFY_KEYS = {
    *("verb", "nacre", "model", "version", "n_objects", "n_bytes", "n_batches", "problems"),
    "strays",
}
PAST_KEYS = {"asked", "covered"}


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each of three months, named by its first day."""
    folder = tmp_path_factory.mktemp("months") / "flights"
    folder.mkdir()
    for at in range(N_FILES):
        pq.write_table(table(N_ROWS * at), folder / f"2013-0{at + 1}-01.parquet")
    return folder


@pytest.fixture
def live(months: Path, tmp_path: Path, nacre: Nacre) -> Path:
    """A model that has absorbed them one after the other: versions 1, 2 and 3."""
    path, how = tmp_path / "live", ["--time", r"(\d{4}-\d\d-\d\d)", "-q"]
    fit = ["--columns", "a,b,c", "--n-clusters", 3, "--micro", *how, "-o", path]
    assert nacre("fit", "kmeans", months / "2013-01-01.parquet", *fit).code == 0
    for at in (2, 3):
        file = months / f"2013-0{at}-01.parquet"
        assert nacre("absorb", file, *how, "-m", path).code == 0
    return path


def refused(said: Said, code: int, text: str) -> None:
    assert said.code == code
    assert said.out == ""
    assert text in said.err


@pytest.mark.parametrize(
    ("options", "n_batches", "title"),
    [
        (["--window", "40d"], 2, "of the 40d up to the newest event"),
        (["--window", "41d", "--until", "2013-02-10"], 2, "of the 41d up to 2013-02-10"),
        (["--as-of", "2013-02-15"], 2, "of what happened until 2013-02-15"),
        (["--at", "2261-01-01"], 3, "as it stood at 2261-01-01"),
    ],
)
def test_a_model_at_another_time(
    options: list[str], n_batches: int, title: str, live: Path, nacre: Nacre
) -> None:
    said = nacre("show", live, *options)
    assert (said.code, said.err) == (0, "")
    rows = f"{n_batches * N_ROWS:,} rows of {n_batches} batches"
    assert said.out.startswith(f"Micro {title}: {rows}\n")
    assert "what sets it apart" in said.out
    told = nacre("show", live, *options, "--json").json
    assert told.keys() == MODEL_KEYS | PAST_KEYS | {"clusters"}
    assert told["covered"]["n_batches"] == told["n_batches"] == n_batches
    assert told["digest"] in said.out


def test_it_is_what_the_library_says(live: Path, nacre: Nacre) -> None:
    with package.open(live) as found:
        window = found.window("40d").state_.digest
    assert nacre("show", live, "--window", "40d", "--json").json["digest"] == window


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--at", "2013-01-01"], 4, "--as-of 2013-01-01"),
        (["--at", "yesterday"], 2, "--at yesterday"),
        (["--as-of", "1999"], 4, "no batch in the time up to 1999"),
        (["--window", "9d", "--at", "2013"], 2, "--at and --window"),
        (["--until", "2013"], 2, "--until without --window"),
        (["--window", "3 moons"], 2, "3 moons"),
    ],
)
def test_what_cannot_be_asked_is_said(
    options: list[str], code: int, text: str, live: Path, nacre: Nacre
) -> None:
    refused(nacre("show", live, *options), code, text)


def test_data_has_no_other_time(months: Path, live: Path, nacre: Nacre) -> None:
    refused(nacre("show", months, "--window", "9d"), 4, "no live model")
    refused(nacre("show", live, months, "--window", "9d"), 2, "2 paths with a time")


def test_show_tells_what_was_done(live: Path, nacre: Nacre) -> None:
    said = nacre("show", live).out
    assert "What was done: 3 commits\n" in said
    assert "2013-03-01.parquet\n" in said.rpartition("absorb")[2]
    history = nacre("show", live, "--json").json["history"]
    assert [act["what"] for act in history] == ["begin", "absorb", "absorb"]


def test_the_ledger_lists_all_the_oldest_first(months: Path, live: Path, nacre: Nacre) -> None:
    one, three = "2013-01-01.parquet", months / "2013-03-01.parquet"
    nacre("replace", one, three, "--time", "2013-01-05", "--principal", "me", "-m", live)
    said = nacre("ledger", live)
    assert said.code == 0
    assert said.err == "3 batches; 1 more were replaced or erased\n"
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("id", one, "2013-02-01.parquet", "2013-03-01.parquet", one),
    ]
    assert "replaced 2" in lines[1]
    assert lines[-1].endswith("from me")
    told = nacre("ledger", live, "--json").json
    assert told.keys() == LEDGER_KEYS
    assert (told["n_batches"], told["n_ended"]) == (3, 1)
    assert all(batch.keys() == LINE_KEYS for batch in told["batches"])
    assert [len(nacre("ledger", live, "--id", one).out.splitlines())] == [3]
    refused(nacre("ledger", live, "--id", "nope"), 4, "no batch 'nope'")


def test_a_long_ledger_is_listed_in_parts(
    live: Path, nacre: Nacre, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = nacre("ledger", live).out
    monkeypatch.setattr(listing, "TOGETHER", 2)
    parts = nacre("ledger", live).out
    assert parts.split() == whole.split()


def test_two_versions_are_compared(months: Path, live: Path, nacre: Nacre) -> None:
    said = nacre("diff", live, 1, 3)
    assert (said.code, said.err) == (0, "")
    assert "2 batches came: 2013-02-01.parquet, 2013-03-01.parquet\n" in said.out
    assert "rows 700 2,100 " in " ".join(said.out.split())
    assert "Clusters, by their numbers" in said.out
    told = nacre("diff", live, 1, 3, "--json").json
    assert told.keys() == DIFF_KEYS
    assert told["before"].keys() == told["after"].keys() == SIDE_KEYS
    assert told["after"]["digest"] == package.load(live).state_.digest
    assert told["clusters"]["by_cells"]
    back = nacre("diff", live, 3, 1, "--json").json
    assert (back["went"], back["came"]) == (told["came"], [])


def test_a_replaced_batch_is_told_from_one_that_came(
    months: Path, live: Path, nacre: Nacre
) -> None:
    three = months / "2013-03-01.parquet"
    nacre("replace", "2013-01-01.parquet", three, "--time", "2013-01-05", "-m", live)
    told = nacre("diff", live, 3, 4, "--json").json
    assert (told["replaced"], told["came"], told["went"]) == (["2013-01-01.parquet"], [], [])


def test_versions_are_named_by_number_or_moment(live: Path, nacre: Nacre) -> None:
    assert "the same in every bit" in nacre("diff", live, 3, "2261-01-01").out
    refused(nacre("diff", live, 1, 7), 4, "no version 7")
    refused(nacre("diff", live, 1, "yesterday"), 2, "no version and no moment")
    refused(nacre("diff", live, "2013-01-01", 3), 4, "nothing absorbed by 2013-01-01")


def test_a_whole_model_is_told_from_a_damaged_one(live: Path, nacre: Nacre) -> None:
    said = nacre("verify", live)
    assert said.code == 0
    assert "is whole at version 3: 3 batches; " in said.out
    (live / "blobs" / "stray").write_bytes(b"left by somebody")
    assert "beside it, harmless: 1 object; -v names them" in nacre("verify", live).out
    assert "blobs/stray" in nacre("verify", live, "-v").out
    first = live / "commits" / "00000000" / "0000000001"
    bytes_of = bytearray(first.read_bytes())
    bytes_of[-9] ^= 1
    first.write_bytes(bytes_of)
    said = nacre("verify", live)
    assert said.code == 6
    assert "is damaged" in said.out
    assert "damaged" in said.err
    assert "0000000001" in said.err
    told = nacre("verify", live, "--json").json
    assert told.keys() == VERIFY_KEYS
    assert told["problems"]


def test_a_saved_model_is_verified_too(model: Path, tmp_path: Path, nacre: Nacre) -> None:
    package.load(model).save(tmp_path / "saved")
    assert "is whole: " in nacre("verify", tmp_path / "saved").out
    (blob, *_) = sorted((tmp_path / "saved" / "blobs").iterdir())
    blob.write_bytes(blob.read_bytes()[:-1])
    assert nacre("verify", tmp_path / "saved").code == 6
