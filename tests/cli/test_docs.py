"""docs/cli.md names every verb, option, exit code and key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from nacre.cli import (
    absorb,
    diff,
    erase,
    fit,
    follow,
    ledger,
    merge,
    predict,
    replace,
    score,
    show,
    verify,
)
from nacre.cli.failing import EXIT_CODES
from nacre.cli.learners import LEARNERS, hyperparameters
from nacre.cli.main import VERBS
from tests.cli import (
    test_absorb,
    test_doctor,
    test_erase,
    test_fit,
    test_follow,
    test_over_time,
    test_predict,
    test_score,
    test_show,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
NAMED = {word for code in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"[-\w]+", code)}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb(verb: str) -> None:
    assert f"\nnacre {verb} " in PAGE or f"\nnacre {verb}\n" in PAGE
    assert f"\n## {verb}\n" in PAGE


def test_every_exit_code() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == {*EXIT_CODES}


def test_every_learner() -> None:
    assert {*LEARNERS} <= NAMED


def options(command: Any) -> set[str]:
    return {name for param in command.params for name in param.opts if name[:2] == "--"}


def test_every_option_that_is_no_hyper_parameter() -> None:
    own = {f"--{o.name.replace('_', '-')}" for o in hyperparameters("kmeans")}
    group: Any = typer.main.get_command(fit.app)
    kmeans = group.get_command(None, "kmeans")
    asked = options(kmeans)
    for verb in (predict, score, show, absorb, follow, replace, erase, merge, ledger, diff, verify):
        asked |= options(typer.main.get_command(verb.app))
    assert asked - own - {"--help"} <= NAMED


def test_every_key() -> None:
    keys = test_fit.MODEL_KEYS | test_show.DATA_KEYS | test_predict.KEYS | test_doctor.KEYS
    over_time = [test_over_time.LEDGER_KEYS, test_over_time.LINE_KEYS, test_over_time.SIDE_KEYS]
    over_time += [test_over_time.DIFF_KEYS, test_over_time.VERIFY_KEYS, test_over_time.PAST_KEYS]
    over_time += test_follow.EVENT_KEYS.values()
    assert keys.union(test_score.KEYS, test_absorb.KEYS, test_erase.KEYS, *over_time) <= NAMED
