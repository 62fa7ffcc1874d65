"""`nacre fit`: what it says, what it writes, and how it ends early."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nacre as package
from nacre.cli.learners import LEARNERS, hyperparameters, loaded
from tests.cli.conftest import COMMAND, N_FILES, N_ROWS, Nacre

MODEL_KEYS = {  # docs/cli.md describes them; a change is a change of what scripts rely on
    *("verb", "nacre", "kind", "model", "learner", "parameters", "columns", "n_columns", "dtype"),
    *("digest", "base", "complete", "weight", "n_rows", "n_skipped", "schema_digest", "ended"),
    *("engine", "n_workers", "memory", "shard_rows", "batch_rows", "start", "random_state"),
    *("passes", "loss", "seconds", "n_updates", "versions", "kernel_class", "n_batches"),
    *("ledger", "path", "saved", "n_bytes", "life"),
}
KNOWN = {  # under what name an object tells what a learner knows, where that is not its own
    "kmeans": "clusters",
    "pca": "components",
    "impute": "fill",
    "robust-scale": "scale",
    "onehot": "categories",
    "hashing": "width",
    "dedup": "rows",
}


def test_it_says_in_plain_words_what_it_learned(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "model"
    said = nacre("fit", "kmeans", data, "--columns", "a,b,c", "--n-clusters", 3, "-o", out)
    assert said.code == 0
    assert (
        f"KMeans learned from {N_FILES * N_ROWS:,} rows of {N_FILES} files, 3 columns" in said.out
    )
    assert said.out.count("%") == 3  # a share for each cluster
    assert f"is in {out}" in said.out
    assert said.err == f"Next: nacre predict {out} {data} -o labels/\n"
    assert package.load(out).n_clusters == 3


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner(learner: str, data: Path, tmp_path: Path, nacre: Nacre) -> None:
    said = nacre("fit", learner, data, "--columns", "a,b,c", "-o", tmp_path / "model", "--json")
    assert said.code == 0
    known = KNOWN.get(learner, learner)
    assert said.json.keys() == MODEL_KEYS | {"replaced", "next", known}
    assert said.json["n_rows"] == N_FILES * N_ROWS
    assert said.json["digest"] == package.load(tmp_path / "model").state_.digest
    assert nacre("show", tmp_path / "model").code == 0


def test_the_object_of_clusters(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    options = ["--columns", "a,b,c", "--n-clusters", 3, "--scale", "--pca", 2, "--impute"]
    told = nacre("fit", "kmeans", data, *options, "-o", tmp_path / "model", "--json").json
    rows = pa.concat_tables(pq.read_table(path) for path in sorted(data.iterdir()))
    labels = package.load(tmp_path / "model").predict(rows.select(["a", "b", "c"]))
    for cluster in told["clusters"]:
        mine = labels == cluster["cluster"]
        assert cluster["weight"] == mine.sum()
        assert cluster["share"] == pytest.approx(mine.mean())
        for column in cluster["columns"]:
            values = rows[column["column"]].to_numpy()
            spread = 0.2 * values.std()  # two components of three do not say all
            assert column["mean"] == pytest.approx(values[mine].mean(), abs=spread)
            assert column["mean_of_all"] == pytest.approx(values.mean(), abs=1e-3 * spread)
        apart = [abs(column["apart"]) for column in cluster["columns"]]
        assert apart == sorted(apart, reverse=True)


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_hyper_parameter_is_an_option(learner: str) -> None:
    options = {option.name.removeprefix("own_"): option for option in hyperparameters(learner)}
    fields = {field.name: field for field in dataclasses.fields(loaded(learner))}
    assert options.keys() == fields.keys()
    for name, option in options.items():
        assert option.default == fields[name].default
        assert get_origin(option.annotation) is Annotated
        assert get_args(option.annotation)[1].help, f"{name} says nothing under Args"


def test_quiet_says_nothing(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    said = nacre("fit", "scale", data, "--columns", "a,b", "-o", tmp_path / "model", "-q")
    assert said == (0, "", "")


def test_verbose_says_each_pass(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    said = nacre("fit", "moments", data, "--columns", "a", "-o", tmp_path / "model", "-v")
    assert "pass 1: means and variances, 2,100 rows in" in said.err


def test_a_model_is_replaced_and_nothing_else(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "model"
    first = nacre("fit", "scale", data, "--columns", "a,b", "-o", out, "--json").json
    again = nacre("fit", "pca", data, "--columns", "a,b", "-o", out, "--json").json
    assert first["replaced"] is None
    assert again["replaced"] == first["digest"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for occupied in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt", data):
        said = nacre("fit", "scale", data, "--columns", "a", "-o", occupied)
        assert said.code == 5
        assert "Choose another --output." in said.err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_fewer_passes_keep_the_model_and_it_can_go_on(
    data: Path, tmp_path: Path, nacre: Nacre
) -> None:
    fit = ["fit", "kmeans", data, "--columns", "a,b,c", "--n-clusters", 3, "--tol", 0, "--json"]
    fit += ["--init", "random", "--algorithm", "lloyd", "-o", tmp_path / "model"]
    whole = nacre(*fit).json
    short = nacre(*fit, "--max-passes", 2).json
    assert (short["complete"], short["ended"], len(short["passes"])) == (False, "max_passes=2", 2)
    assert nacre("show", tmp_path / "model").out.count("not to the end") == 1
    again = nacre(*fit, "--start", tmp_path / "model").json
    assert again["complete"]
    assert again["start"] == short["digest"]
    assert again["loss"] == pytest.approx(whole["loss"])
    other = nacre(*fit, "--start", tmp_path / "model", "--n-clusters", 4)
    assert other.code == 2
    assert "another n_clusters" in other.err


def test_too_few_passes_write_nothing(data: Path, tmp_path: Path, nacre: Nacre) -> None:
    out = tmp_path / "model"
    said = nacre("fit", "kmeans", data, "--columns", "a", "-o", out, "--max-passes", 1)
    assert said.code == 130
    assert "ended by --max-passes 1 in pass 1 (choosing first centres)" in said.err
    assert not out.exists()


def test_names_cannot_paint_the_terminal(tmp_path: Path, nacre: Nacre) -> None:
    evil = "\x1b[31m\u202ered[/]\n"
    path = tmp_path / "e\x07vil.parquet"
    pq.write_table(pa.table({evil: np.arange(9.0), "[bold]b[/bold]": np.arange(9.0)[::-1]}), path)
    fit = nacre("fit", "kmeans", path, "--n-clusters", 2, "-o", tmp_path / "m\x1b[2J")
    said = [fit, nacre("show", tmp_path / "m\x1b[2J"), nacre("show", path)]
    said += [nacre("fit", "scale", path, "--columns", "a\x1b[31m", "-o", tmp_path / "n")]
    assert [one.code for one in said] == [0, 0, 0, 3]
    for one in said:
        assert not {c for c in one.out + one.err if not c.isprintable()} - {"\n"}
        assert "\\x1b" in one.out + one.err
    assert all("[bold]b[/bold]" in one.out for one in said[:3])


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of which a pass over all takes a few tenths of a second."""
    X = np.random.default_rng(0).normal(size=(1 << 18, 16)).astype(np.float32)
    path = tmp_path_factory.mktemp("large") / "rows.parquet"
    pq.write_table(pa.table({f"x{j}": X[:, j] for j in range(16)}), path)
    return path


def started(data: Path, out: Path, until: str, k: int = 256) -> subprocess.Popen[str]:
    """A fit that would take minutes, in a process of its own, once it has said `until`."""
    options = f"--n-clusters {k} --init random --algorithm lloyd --tol 0 --max-iter 9999 -v"
    child = subprocess.Popen(
        [*COMMAND, "fit", "kmeans", data, *options.split(), "--engine", "serial", "-o", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    for line in child.stderr:
        if until in line:
            return child
    raise AssertionError(f"it never said {until!r}")


def test_ctrl_c_once_keeps_the_model(large: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with started(large, out, "pass 3:") as child:
        child.send_signal(signal.SIGINT)
        said, told = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Ctrl-C: the model of the last whole pass is kept" in told
    assert "ended by Ctrl-C" in said
    assert f"is in {out}" in said
    model: Any = package.load(out)
    assert not model.state_.complete
    assert model.predict(large).shape == (1 << 18,)


def test_ctrl_c_twice_ends_at_once(large: Path, tmp_path: Path) -> None:
    with started(large, tmp_path / "model", "pass 2:", k=1024) as child:
        time.sleep(0.03)  # into a block, which takes a tenth of a second or more
        child.send_signal(signal.SIGINT)
        time.sleep(0.005)
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        said, told = child.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert child.returncode == 130
    assert "Stopped at once; nothing was written." in told
    assert said == ""
    assert not (tmp_path / "model").exists()


def test_max_seconds(large: Path, tmp_path: Path, nacre: Nacre) -> None:
    options = "--n-clusters 64 --init random --algorithm lloyd --tol 0 --max-iter 9999"
    out = tmp_path / "model"
    said = nacre("fit", "kmeans", large, *options.split(), "--max-seconds", 1.5, "-o", out)
    assert said.code == 0
    assert "ended by --max-seconds 1.5" in said.out
    assert not package.load(out).state_.complete
    shutil.rmtree(out)


def test_files_that_differ(tmp_path: Path, nacre: Nacre) -> None:
    (tmp_path / "1.csv").write_text("a;b\n1;2\n3;5\n")
    (tmp_path / "2.csv").write_text("a;c\n1;2\n3;5\n")
    fit = ["fit", "moments", tmp_path, "--delimiter", ";", "-o", tmp_path / "model", "--json"]
    assert nacre(*fit).code == 3
    assert nacre(*fit, "--schema", "ignore").json["columns"] == ["a"]
    told = nacre(*fit, "--schema", "pad").json["error"]
    assert "NaN in row 0" in told["got"]
    assert nacre(*fit, "--schema", "any").code == 2
