"""What there is to know of a model, in plain values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import nacre
from nacre.errors import BadType, CorruptState, NotFound
from nacre.store.describe import describe, plain
from nacre.store.format import encode
from tests.store.models import dense, fitted, rows

SAVED = {"path", "saved", "n_bytes"}


@pytest.mark.parametrize("name", ["kmeans", "chain", "impute"])
def test_a_learner_and_its_directory_are_described_alike(name: str, tmp_path: Path) -> None:
    fitted(name).save(tmp_path)
    here, there = describe(fitted(name)), describe(tmp_path)
    assert here.keys() == there.keys()
    ledgers = [told.pop("ledger") for told in (here, there)]
    assert [[entry["id"] for entry in ledger] for ledger in ledgers] == [[""], [""]]
    assert {key for key in here if here[key] != there[key]} == SAVED
    assert json.loads(json.dumps(there)) == there


def test_every_key_is_documented() -> None:
    text = (describe.__doc__ or "").partition("Returns:")[2]
    for key in describe(fitted("kmeans")):
        assert key in text


def test_k_means_is_described(tmp_path: Path) -> None:
    import pandas as pd

    X = pd.DataFrame(rows(), columns=["a", "b", "c"])
    km = nacre.KMeans(3, random_state=7).fit(X, engine="serial")
    km.save(tmp_path)
    km = nacre.load(tmp_path).partial_fit(X[:9])
    told = describe(km)
    assert told["learner"] == "KMeans"
    assert told["parameters"]["n_clusters"] == 3
    assert told["parameters"]["tol"] == 5e-4
    assert told["columns"] == ["a", "b", "c"]
    assert (told["n_columns"], told["dtype"], told["n_rows"]) == (3, "float32", 249)
    assert told["random_state"] == {"random_state": 7}
    assert told["passes"][0]["phase"] == "Seeding"
    assert told["loss"] == told["passes"][-1]["loss"] > 0
    assert (told["complete"], told["ended"], told["n_updates"]) == (True, "converged", 1)
    assert (told["engine"], told["n_workers"], told["memory"]) == ("serial", 1, None)
    assert told["digest"] == km.state_.digest
    assert told["n_batches"] == len(told["ledger"]) == 2


def test_the_size_is_what_lies_on_disk(tmp_path: Path) -> None:
    dense().save(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    told = describe(str(tmp_path))
    assert (told["n_bytes"], told["path"]) == (size, str(tmp_path))


def test_a_chain_is_named_with_its_stages() -> None:
    told = describe(fitted("chain"))
    assert told["learner"] == "chain(Scale, PCA, KMeans)"
    assert [stage["learner"] for stage in told["parameters"]] == ["Scale", "PCA", "KMeans"]
    assert told["parameters"][1]["parameters"]["n_components"] == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros((2, 3)), "array of <f8, shape (2, 3)"),
        (np.float32(1), "number of <f4"),
        (0.1, 0.1),
        ([1, (2.5, "a")], [1, [2.5, "a"]]),
        ({"b": None, "a": True}, {"a": True, "b": None}),
    ],
)
def test_values_are_plain(value: Any, said: Any) -> None:
    tree = encode(nacre.KMeans(init=value))[1]["value"]
    assert plain(tree)["parameters"]["init"] == said


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        describe(tmp_path / "none")
    with pytest.raises(NotFittedError):
        describe(nacre.KMeans())
    with pytest.raises(BadType, match="wanted a fitted learner"):
        describe(3)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(CorruptState, match=r"manifest\.json"):
        describe(tmp_path)
