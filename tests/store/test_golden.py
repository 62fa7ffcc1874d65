"""Models of every format number are read for ever, and answer as on the day they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nacre
from nacre.store import format as stored
from nacre.store.describe import describe
from tests.store.models import GOLDEN, SAVED, rows

DIGESTS = {
    "chain-1": "6dbf9ffe15311256b406ec7d7245a3ca",
    "kmeans-1": "b13630bf3902097f80c655fb16638ca8",
}
MODELS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())


def test_every_golden_model_is_looked_at() -> None:
    assert [path.name for path in MODELS] == sorted(DIGESTS)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_a_golden_model_answers_as_on_the_day_it_was_made(path: Path) -> None:
    model = nacre.load(path)
    assert model.state_.digest == DIGESTS[path.name]
    labels = model.predict(rows())
    at = np.arange(240) % 3  # the cluster that a row was made in
    assert len(set(zip(at, labels.tolist(), strict=True))) == 3
    assert describe(path)["saved"] == SAVED
    assert sum(file.stat().st_size for file in path.rglob("*")) < 50_000


def test_a_golden_model_learns_on() -> None:
    km = nacre.load(GOLDEN / "kmeans-1").partial_fit(rows()[:9])
    assert km.state_.told.n_rows == 249
    assert km.predict(rows()).max() == 2


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_a_golden_model_is_written_as_on_the_day_it_was_made(path: Path) -> None:
    model = nacre.load(path)
    blobs = {file.read_bytes() for file in (path / "blobs").iterdir()}
    assert {stored.to_bytes(model), stored.to_bytes(model.state_)} == blobs
