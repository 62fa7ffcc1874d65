"""The front: verbs, hints, help that waits for nothing."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time

import pytest

import nacre as package
from nacre.cli.main import EXAMPLES, VERBS
from tests.cli.conftest import COMMAND, Nacre, alone

HEAVY = {"numpy", "sklearn", "scipy", "numba", "pyarrow", "pandas", "fsspec", "safetensors"}
WHAT_IS_LOADED = """
import sys
from nacre.cli.main import run
code = run(sys.argv[1:])
print(code, *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def test_alone_it_shows_two_examples_and_the_verbs(nacre: Nacre) -> None:
    said = nacre()
    assert said.code == 0
    assert said.err == ""
    for text in (*EXAMPLES, *VERBS):
        assert text in said.out


def test_its_version(nacre: Nacre) -> None:
    assert nacre("--version").out == f"nacre {package.__version__}\n"


@pytest.mark.parametrize("words", ["--help", "fit --help", "fit kmeans --help", "doctor --help"])
def test_help_loads_no_more_than_it_needs(words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHAT_IS_LOADED, *words.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    code, *loaded = done.stderr.split()
    assert code == "0"
    assert {"nacre", "typer"} <= set(loaded)
    assert HEAVY & set(loaded) == set()


def test_help_takes_no_time() -> None:
    took = []
    for _ in range(3):  # the machine may be busy
        began = time.perf_counter()
        assert alone("--help").code == 0
        took.append(time.perf_counter() - began)
    assert min(took) < 0.6


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, nacre: Nacre) -> None:
    said = nacre(verb, "--help")
    assert said.code == 0
    assert f"nacre {verb}" in said.out
    for line, after in itertools.pairwise(said.out.partition("╭")[0].splitlines()):
        filled = len(line.rstrip()) + len(f" {after.strip()} ".split(" ")[1]) >= 79
        assert filled or not line.strip() or not after.strip(), line


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("fti", "Did you mean: nacre fit"),
        ("fit kmeanz x -o m", "Did you mean: nacre fit kmeans"),
        ("fit kmeans x -o m --n-cluster 8", "Did you mean --n-clusters?"),
        ("fit kmeans x -o m --n_clusters 8", "Did you mean --n-clusters?"),
        ("fit kmeans x -o m --k 8", "Did you mean --n-clusters?"),
        ("fit kmeans x -o m -k 8", "Did you mean --n-clusters?"),
        ("fit kmeans k=8 x -o m", "Did you mean --n-clusters 8?"),
        ("fit pca x -o m --k 8", "Did you mean --n-components?"),
        ("fit pca n=8 x -o m", "Did you mean --n-components 8?"),
        ("fit kmeans x -o m --seed 1", "Did you mean --random-state?"),
        ("fit kmeans x -o m --zzzzzz 1", "See: nacre fit kmeans --help"),
        ("-q fit", "Other options come later"),
        ("fit kmeans x", "--output"),
        ("fit kmeans -o m", "no DATA"),
        ("fit kmeans x -o m --n-clusters many", "--n-clusters"),
        ("fit kmeans x -o m --n-clusters 0", "--n-clusters 0"),
        ("fit kmeans x -o m --engine steam", "steam"),
        ("fit kmeans x -o m --memory much", "much"),
        ("fit kmeans x -o m --bad maybe", "maybe"),
    ],
)
def test_a_wrong_word_is_named_and_the_nearest_right_one(
    words: str, hint: str, nacre: Nacre
) -> None:
    said = nacre(*words.split())
    assert said.code == 2
    assert said.out == ""
    assert hint in said.err
    assert said.err.startswith("error")
    assert "\ndo " in said.err


def test_a_reader_that_leaves_is_no_failure() -> None:
    with subprocess.Popen(
        [*COMMAND, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 141


def test_colours_are_for_terminals(nacre: Nacre) -> None:
    assert "\x1b" not in nacre().out
    assert "\x1b" not in nacre("fti").err
