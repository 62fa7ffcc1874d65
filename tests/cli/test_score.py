"""`nacre score`: what the library says of a model, on the command line and on a page."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import nacre as package
from nacre.cli.scoring import FIGURES
from nacre.evaluate.agreement import agreement
from nacre.evaluate.clusters import clusters
from nacre.plot.page import library
from tests.cli.conftest import COMMAND, N_FILES, N_ROWS, Nacre, table, written
from tests.cli.test_main import HEAVY, WHAT_IS_LOADED
from tests.plot.test_page import Elements

KEYS = {
    *("verb", "nacre", "model", "digest", "n_rows", "n_skipped", "loss", "loss_of_fit"),
    *("scores", "clusters", "y", "agreement", "page"),
}
KINDS = np.array(["low", "middle", "high"])


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of `data`, with a label of each row as a number and as a text, and weights."""
    tables = []
    for at in range(N_FILES):
        one = table(N_ROWS * at)
        group = np.clip(one["c"].to_numpy() // 320, 0, 2).astype(int)
        more = {"group": group, "kind": KINDS[group], "w": group + 1.0}
        for name, values in more.items():
            one = one.append_column(name, pa.array(values))
        tables.append(one)
    return written(tmp_path_factory.mktemp("named") / "rows", tables)


def test_its_figures_are_those_of_the_library(model: Path, named: Path, nacre: Nacre) -> None:
    learner = package.load(model)
    told = nacre("score", model, named, "--y", "kind", "--json").json
    assert told.keys() == KEYS
    scores = clusters(learner, named)
    assert told["scores"] == {name: getattr(scores, name) for name in FIGURES}
    assert [one["silhouette"] for one in told["clusters"]] == scores.table["silhouette"].tolist()
    assert told["agreement"] == agreement(learner, named, "kind").scores
    assert 0.5 < told["agreement"]["adjusted_rand"] < 1
    assert told["loss"] == pytest.approx(-learner._told(named, None).errors.sum() / -2_100)
    assert told["loss_of_fit"] == learner.loss(learner.state_.told)
    assert (told["n_rows"], told["y"], told["page"]) == (N_FILES * N_ROWS, "kind", None)
    assert told["digest"] == learner.state_.digest


def test_what_it_says(model: Path, named: Path, nacre: Nacre) -> None:
    plain = nacre("score", model, named)
    assert plain.code == 0
    assert plain.out.startswith("Scale → KMeans on 2,100 rows\n  loss ")
    assert "of 1,000 rows, each against all" in plain.out
    assert len([line for line in plain.out.splitlines() if line[2:3].isdigit()]) == 3
    assert "adjusted Rand" not in plain.out
    beside = nacre("score", model, named, "--y", "group", "--sample", 5_000, "-v")
    assert "Beside the labels of group\n  adjusted Rand index " in beside.out
    assert "each against all" not in beside.out  # nothing is left to chance
    for pass_ in ("measuring the loss", "means of clusters", "silhouettes", "pairs of labels"):
        assert f": {pass_}, 2,100 rows in " in beside.err
    assert nacre("score", model, named, "-q").out == ""


def test_weights_and_bad_rows(model: Path, named: Path, holes: Path, nacre: Nacre) -> None:
    told = nacre("score", model, named, "--weight", "w", "--json").json
    by_hand = clusters(package.load(model), package.read(named, weight="w"))
    assert told["scores"]["silhouette"] == by_hand.silhouette
    assert sum(one["weight"] for one in told["clusters"]) == by_hand.weight > 2_100
    said = nacre("score", model, holes)
    assert said.code == 3
    assert "NaN in row 5, column 'a'" in said.err
    said = nacre("score", model, holes, "--bad", "skip")
    assert said.code == 10
    assert "3 rows left out" in said.out


def test_engines_say_the_same(model: Path, named: Path, nacre: Nacre) -> None:
    score = ["score", model, named, "--y", "kind", "--json", "--engine"]
    first = nacre(*score, "serial").json
    assert nacre(*score, "threads:3").json == first
    assert nacre(*score, "processes:2", "--memory", "600MB").json == first


def test_the_page_holds_all_it_needs(
    model: Path, named: Path, tmp_path: Path, nacre: Nacre
) -> None:
    path = tmp_path / "new" / "score.html"
    said = nacre("score", model, named, "--y", "kind", "--page", path, "--json")
    assert said.json["page"] == str(path)
    page = path.read_text(encoding="utf-8")
    for text in (
        "Scale → KMeans",
        "How well the clusters are set apart",
        "labels of kind",
        "2,100",
    ):
        assert text in page
    assert f"--y kind --page {path}" in page
    links = [a.get("src") or a.get("href") for _, a in Elements(page).found]
    assert {link for link in links if link} == {"data:,"}
    assert page.count("<figure>") == 2
    assert nacre("score", model, named, "--page", path).code == 0  # written anew
    assert "labels of kind" not in path.read_text(encoding="utf-8")


def test_the_page_names_the_command_that_made_it(
    model: Path, named: Path, tmp_path: Path, nacre: Nacre
) -> None:
    options = ["--y", "kind", "--weight", "w", "--bad", "skip", "--sample", "50"]
    path = tmp_path / "score.html"
    assert nacre("score", model, named, *options, "--page", path).code == 0
    words = " ".join(map(str, ["nacre", "score", model, named, *options, "--page", path]))
    assert words in path.read_text(encoding="utf-8")


def test_files_are_looked_at_once(
    model: Path, named: Path, nacre: Nacre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One plan for all passes: of text a plan reads whole files."""
    made, plan = [], package.KMeans._plan

    def counted(self: object, data: object, *more: object, **how: object) -> object:
        made.append(data)
        return plan(self, data, *more, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("nacre.estimator.Estimator._plan", counted)
    assert nacre("score", model, named, "--y", "kind").code == 0
    assert len(made) == 1


def test_labels_beside_rows_without_names(tmp_path: Path, nacre: Nacre) -> None:
    path = tmp_path / "rows.npz"
    X = np.random.default_rng(0).normal(size=(60, 2)) + 9 * (np.arange(60) % 2)[:, None]
    np.savez(path, X=X, y=np.arange(60) % 2)
    fit = ["fit", "kmeans", path, "--n-clusters", 2, "-o", tmp_path / "two"]
    assert nacre(*fit).code == 0
    said = nacre("score", tmp_path / "two", path, "--y", "y", "--json")
    assert said.json["agreement"]["adjusted_rand"] == 1
    said = nacre("score", tmp_path / "two", path, "--y", "kind", "-v")
    assert said.code == 3
    assert "one named 'kind'" in said.err
    assert "pass 1" not in said.err


def test_what_cannot_be_drawn_is_known_before(
    model: Path, named: Path, tmp_path: Path, nacre: Nacre, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = nacre("score", model, named, "-v", "--page", tmp_path)
    assert (said.code, said.out) == (5, "")
    assert "pass 1" not in said.err
    (tmp_path / "file").touch()
    said = nacre("score", model, named, "-v", "--page", tmp_path / "file" / "score.html")
    assert (said.code, said.out) == (9, "")
    assert "Choose another --page." in said.err
    assert "pass 1" not in said.err
    library.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    said = nacre("score", model, named, "-v", "--page", tmp_path / "score.html")
    assert said.code == 2
    assert "pip install 'nacre[plot]'" in said.err
    assert "pass 1" not in said.err
    assert not (tmp_path / "score.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ("--y kin", 2, "Did you mean --y kind?"),
        ("--y zzzz", 2, "See: nacre show"),
        ("--sample 0", 2, "an int, at least 1"),
        ("--sampel 9", 2, "Did you mean --sample?"),
        ("y=kind", 2, "Did you mean --y kind?"),
        ("--engine dask", 2, "engine"),
        ("--columns a,b", 3, "columns"),
    ],
)
def test_what_was_meant(
    words: str, code: int, text: str, model: Path, named: Path, nacre: Nacre
) -> None:
    said = nacre("score", model, named, *words.split())
    assert (said.code, said.out) == (code, "")
    assert text in said.err


def test_what_is_not_there(model: Path, named: Path, tmp_path: Path, nacre: Nacre) -> None:
    assert nacre("score", tmp_path / "nothing", named).code == 4
    assert nacre("score", model, tmp_path / "nothing").code == 4
    said = nacre("score", model)
    assert said.code == 2
    assert "no DATA" in said.err


def test_models_without_clusters(named: Path, tmp_path: Path, nacre: Nacre) -> None:
    fit = ["fit", "pca", named, "--columns", "a,b,c", "--n-components", 2, "-o", tmp_path / "pca"]
    assert nacre(*fit).code == 0
    said = nacre("score", tmp_path / "pca", named)
    assert said.code == 2
    assert "PCA, which has no loss and finds no clusters" in said.err
    said = nacre("score", tmp_path / "pca", named, "--y", "kind")
    assert said.code == 2
    assert "predicts no labels" in said.err


def test_ctrl_c_drops_the_pass(model: Path, tmp_path: Path) -> None:
    """Takes as long as a command takes to start."""
    rows = written(tmp_path / "rows", [table(i, 20_000) for i in range(10)])
    score = [*COMMAND, "score", str(model), str(rows), "-v", "--engine", "serial"]
    with subprocess.Popen(
        score, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert child.stdout is not None
        assert child.stderr.readline().startswith("pass 1: measuring the loss")
        child.send_signal(signal.SIGINT)
        said, out = child.stderr.read(), child.stdout.read()
    assert child.returncode == 130
    assert "Run the same command again." in said
    assert out == ""


def test_help_loads_nothing(nacre: Nacre) -> None:
    done = [sys.executable, "-c", WHAT_IS_LOADED, "score", "--help"]
    told = subprocess.run(done, capture_output=True, text=True, check=True)
    assert HEAVY & {*told.stderr.split()} == set()
    assert "--page" in told.stdout
