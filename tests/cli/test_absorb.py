"""`nacre absorb` and `nacre replace`: once each, for good, and said in plain words."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import nacre as package
from nacre.cli.living import AGAIN
from nacre.errors import Fenced
from nacre.live.model import Live
from tests.cli.conftest import N_FILES, N_ROWS, Nacre, table

KEYS = {
    *("verb", "nacre", "model", "version", "n_batches", "n_rows", "n_skipped", "n_known"),
    *("n_known_rows", "digest_of_sum"),
}


@pytest.fixture
def live(data: Path, tmp_path: Path, nacre: Nacre) -> Path:
    """A model of the first of three files."""
    path = tmp_path / "live"
    options = ["--columns", "a,b,c", "--n-components", 2, "-q", "-o", path]
    assert nacre("fit", "pca", data / "part-0.parquet", *options).code == 0
    return path


@pytest.fixture
def corrected(tmp_path: Path) -> Path:
    """A file that lies somewhere else, with other rows."""
    path = tmp_path / "elsewhere" / "corrected.parquet"
    path.parent.mkdir()
    pq.write_table(table(9_999, 50), path)
    return path


def test_what_is_new_is_absorbed_and_what_is_known_changes_nothing(
    data: Path, live: Path, nacre: Nacre
) -> None:
    said = nacre("absorb", data, "-m", live)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Absorbed 1,400 rows of 2 files into ")
    assert "  700 rows of 1 file were absorbed before, and changed nothing\n" in said.out
    before = package.load(live).state_.digest
    again = nacre("absorb", data, "-m", live)
    assert again.out.startswith("Nothing new for ")
    assert "2,100 rows of 3 files were absorbed before" in again.out
    assert package.load(live).state_.digest == before


def test_absorbed_it_is_what_one_fit_would_have_been(
    data: Path, live: Path, tmp_path: Path, nacre: Nacre
) -> None:
    nacre("absorb", data, "-m", live)
    options = ["--columns", "a,b,c", "--n-components", 2, "-q", "-o", tmp_path / "whole"]
    nacre("fit", "pca", data, *options)
    one, whole = (package.load(path).state_.digest for path in (live, tmp_path / "whole"))
    assert one == whole


def test_the_object(data: Path, live: Path, nacre: Nacre) -> None:
    told = nacre("absorb", data, "-m", live, "--json").json
    assert told.keys() == KEYS
    assert (told["verb"], told["version"], told["n_batches"]) == ("absorb", 2, N_FILES - 1)
    assert (told["n_rows"], told["n_known_rows"]) == ((N_FILES - 1) * N_ROWS, N_ROWS)


def test_rows_that_are_left_out_are_counted(holes: Path, live: Path, nacre: Nacre) -> None:
    bad = holes / "part-1.parquet"
    said = nacre("absorb", bad, "--id", "holes", "-m", live)
    assert said.code == 3
    said = nacre("absorb", bad, "--id", "holes", "--bad", "skip", "-m", live)
    assert said.code == 10
    assert "3 rows left out, because of bad values" in said.out


def test_other_content_under_an_id_is_refused_and_replaced_on_purpose(
    data: Path, live: Path, corrected: Path, nacre: Nacre
) -> None:
    nacre("absorb", data, "-m", live)
    said = nacre("absorb", corrected, "--id", "part-1.parquet", "-m", live)
    assert said.code == 5
    assert f"nacre replace ID DATA -m {live}" in said.err
    said = nacre("replace", "part-1.parquet", corrected, "-m", live, "--principal", "feed-17")
    assert said.code == 0
    assert said.out.startswith("50 rows stand in the place of part-1.parquet in ")
    with package.open(live) as found:
        assert found.state.told.n_rows == 2 * N_ROWS + 50
        line = found.ledger.find("part-1.parquet")
        assert line is not None
        assert line.principal == "feed-17"
    again = nacre("replace", "part-1.parquet", corrected, "-m", live, "--json").json
    assert again.keys() == KEYS | {"id"}
    assert (again["n_batches"], again["id"]) == (0, "part-1.parquet")
    assert nacre("replace", "part-1.parquet", corrected, "-m", live).out.startswith("Nothing new")


def test_what_is_not_there_is_said_with_the_command_that_helps(
    data: Path, live: Path, tmp_path: Path, nacre: Nacre
) -> None:
    file = data / "part-1.parquet"
    said = nacre("replace", "nope", file, "-m", live)
    assert said.code == 4
    assert f"nacre ledger {live}" in said.err
    for path in (tmp_path / "nothing", data):
        said = nacre("absorb", file, "-m", path)
        assert said.code == 4
        assert "nacre fit LEARNER DATA -o" in said.err
    assert nacre("absorb", tmp_path / "no.parquet", "-m", live).code == 4
    assert "no --model or -m" in nacre("absorb", file).err


def test_a_frame_that_moves_says_how_to_have_one_that_stands(
    data: Path, tmp_path: Path, nacre: Nacre
) -> None:
    first, path = data / "part-0.parquet", tmp_path / "moves"
    options = ["--columns", "a,b,c", "--n-clusters", 3, "--scale", "-q", "-o", path]
    nacre("fit", "kmeans", first, *options)
    said = nacre("replace", "part-0.parquet", first, "-m", path)
    assert said.code == 5
    assert f"nacre fit kmeans DATA --micro -o {path}" in said.err
    nacre("fit", "kmeans", first, "--micro", *options)
    assert nacre("absorb", data, "-m", path).code == 0
    assert len(package.load(path).predict(data)) == N_FILES * N_ROWS


def test_a_saved_model_begins_to_live_when_it_absorbs(
    data: Path, tmp_path: Path, nacre: Nacre
) -> None:
    path = tmp_path / "saved"
    one = package.read(str(data / "part-0.parquet"), columns=["a", "b", "c"], dtype="float32")
    package.PCA(2).fit(one).save(path)
    for verb in ("ledger", "diff", "show"):
        more = {"ledger": [], "diff": ["1", "2"], "show": ["--window", "9d"]}[verb]
        said = nacre(verb, path, *more)
        assert said.code == 4
        assert f"nacre absorb DATA -m {path}" in said.err
    assert (path / "manifest.json").exists()
    assert nacre("absorb", data, "-m", path).code == 0
    assert "6 batches" not in nacre("ledger", path).err


@pytest.mark.parametrize(("times", "code"), [(1, 0), (AGAIN, 0), (AGAIN + 1, 5)])
def test_where_somebody_else_was_faster_it_is_done_again(
    times: int,
    code: int,
    data: Path,
    live: Path,
    nacre: Nacre,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, plain = [None] * times, Live.absorb

    def fenced(self: Live, *given: Any, **more: Any) -> Any:
        if left:
            left.pop()
            raise Fenced(got="commit 2 of another", wanted="none", do="Reopen.")
        return plain(self, *given, **more)

    monkeypatch.setattr(Live, "absorb", fenced)
    said = nacre("absorb", data, "-m", live)
    assert said.code == code
    assert ("Absorbed 1,400 rows" in said.out) == (code == 0)


def test_two_writers_lose_nothing(data: Path, live: Path, nacre: Nacre) -> None:
    """One that was opened before, and is fenced, as another process would be."""
    with package.open(live) as other:
        assert nacre("absorb", data / "part-1.parquet", "-m", live).code == 0
        with pytest.raises(Fenced):
            other.absorb(str(data / "part-2.parquet"))
    assert nacre("absorb", data, "-m", live, "--json").json["n_known"] == 2


def test_files_keep_their_ids_wherever_the_command_runs(
    data: Path, live: Path, tmp_path: Path, nacre: Nacre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    nacre("absorb", "part-1.parquet", "-m", live)
    monkeypatch.chdir(tmp_path)
    assert nacre("absorb", data, "-m", live, "--json").json["n_known"] == 2
    shutil.copytree(data, tmp_path / "moved")
    said = nacre("absorb", tmp_path / "moved", "--root", tmp_path / "moved", "-m", live, "--json")
    assert said.json["n_known"] == N_FILES
