"""Labels come from a learner, a column or an array, and are the same labels."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.exceptions import NotFittedError

import nacre
from nacre import evaluate
from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, NacreError
from nacre.evaluate.asked import (
    LABELS,
    MOST,
    asked_of,
    check_few,
    distinct,
    pairs_of,
    places,
    plain,
    rows_of,
    truth,
)

X = np.random.default_rng(0).normal(size=(60, 3))
KM = nacre.KMeans(3).fit(X)
CODES = KM.labels_.astype(np.int64)
TEXTS = np.array(["a", "b", "c"])[CODES]
NAMES = ["x", "y", "z"]


def frame() -> Any:
    columns = dict(zip(NAMES, X.T, strict=True))
    return pl.DataFrame({**columns, "code": CODES, "text": TEXTS, "on": CODES > 0})


def said(asked: Any, plan: Any) -> tuple[list[Any], list[Any] | None]:
    """Labels, and those that rows were given, in row order."""
    batches = [batch for shard in plan.shards for batch in shard.read()]
    labels = [label for batch in batches for label in asked.labels(batch).tolist()]
    if batches[0].y is None:
        return labels, None
    return labels, [label for batch in batches for label in truth(batch).tolist()]


def parquet(folder: Path) -> Path:
    frame().write_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


class TestRows:
    def test_a_learner(self) -> None:
        assert said(*rows_of(KM, X)) == (CODES.tolist(), None)

    @pytest.mark.parametrize("labels", [CODES, CODES.astype(float), TEXTS, TEXTS.tolist()])
    def test_an_array(self, labels: Any) -> None:
        want = TEXTS if isinstance(labels[0], str) else CODES
        assert said(*rows_of(labels, X))[0] == want.tolist()

    @pytest.mark.parametrize("name", ["code", "text", "on"])
    @pytest.mark.parametrize("source", ["polars", "pandas", "parquet"])
    def test_a_column(self, name: str, source: str, tmp_path: Path) -> None:
        data = {"polars": frame, "pandas": frame().to_pandas, "parquet": lambda: parquet(tmp_path)}
        read = nacre.read(data[source](), columns=NAMES)
        asked, plan = rows_of(name, read)
        assert said(asked, plan)[0] == [v * 1 for v in frame()[name].to_list()]  # True is 1
        assert plan.schema.names == ("x", "y", "z")

    def test_a_weight_that_is_a_column(self) -> None:
        km = nacre.KMeans(3).fit(frame().select(NAMES).to_pandas())
        weighted = frame().select([*NAMES, "code"]).to_pandas()
        _, plan = rows_of(km, weighted, weight="code")
        (batch,) = plan.shards[0].read()
        assert batch.weight.tolist() == CODES.tolist()

    def test_a_chain_shows_what_its_last_stage_sees(self) -> None:
        chain = nacre.chain(nacre.Scale(), nacre.PCA(2), nacre.KMeans(3)).fit(X)
        asked, plan = rows_of(chain, X)
        (batch,) = plan.shards[0].read()
        want = nacre.PCA(2).fit(Z := nacre.Scale().fit(X).transform(X)).transform(Z)
        rows, labels = asked.seen(batch)
        np.testing.assert_allclose(np.abs(rows.X), np.abs(want), atol=1e-9)
        assert labels.tolist() == chain.labels_.tolist()
        assert np.array_equal(rows.X, asked.placed(batch).X)

    def test_an_array_beside_files(self, tmp_path: Path) -> None:
        for data in (parquet(tmp_path), nacre.read(parquet(tmp_path))):
            with pytest.raises(BadParameter, match="beside files"):
                rows_of(CODES, data)

    def test_metric(self) -> None:
        chain = nacre.chain(nacre.Scale(), nacre.KMeans(3, metric="cosine")).fit(X)
        metrics = [asked_of(found).metric for found in (KM, chain)]
        assert [*metrics, rows_of(CODES, X)[0].metric] == ["euclidean", "cosine", "euclidean"]


class TestPairs:
    @pytest.mark.parametrize("y", [CODES, TEXTS])
    @pytest.mark.parametrize("found", [KM, CODES, TEXTS], ids=["learner", "codes", "texts"])
    def test_arrays(self, found: Any, y: Array) -> None:
        data = X if found is KM else None
        want = CODES if found is KM else found
        assert said(*pairs_of(found, data, y)) == (want.tolist(), y.tolist())

    @pytest.mark.parametrize("source", ["polars", "pandas", "parquet"])
    @pytest.mark.parametrize(("found", "y"), [("code", "text"), ("text", "code")])
    def test_columns(self, found: str, y: str, source: str, tmp_path: Path) -> None:
        data = {"polars": frame, "pandas": frame().to_pandas, "parquet": lambda: parquet(tmp_path)}
        want = frame()[found].to_list(), frame()[y].to_list()
        assert said(*pairs_of(found, data[source](), y)) == want
        read = nacre.read(data[source](), y=y)
        assert said(*pairs_of(found, read)) == want

    def test_large_codes_of_a_file(self, tmp_path: Path) -> None:
        large = CODES + 2**40
        pl.DataFrame({"code": large, "y": large}).write_parquet(tmp_path / "rows.parquet")
        want = large.tolist()
        assert said(*pairs_of("code", tmp_path / "rows.parquet", "y")) == (want, want)

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ((KM, X), "no y"),
            ((KM, None, CODES), "no data"),
            ((CODES, X, CODES), "an array of labels, and data"),
            ((CODES, None, CODES[:9]), "y of shape"),
            ((3, None, CODES), "found=int"),
            ((nacre.KMeans, X, CODES), "found=KMeans"),
            ((X, None, CODES), "labels of shape"),
            ((nacre.Scale().fit(X), X, CODES), "answers"),
            (("codes", frame(), "text"), "no column 'codes'"),
            (("code", None, "text"), "no data"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, given: Any, sentence: str) -> None:
        with pytest.raises(NacreError, match=sentence):
            pairs_of(*given)


def test_one_that_was_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        rows_of(nacre.KMeans(2), X)


def test_it_travels() -> None:
    asked = asked_of(KM)
    assert pickle.loads(pickle.dumps(asked)).base == asked.base
    assert asked.base != asked_of(nacre.KMeans(4).fit(X)).base


@pytest.mark.parametrize(
    ("values", "want"),
    [
        (np.array([True, False]), [1, 0]),
        (np.array([2.0, -1.0], np.float32), [2, -1]),
        (np.array([1, 2.0, True], object), [1, 2, 1]),
        (np.array(["b", ""], object), ["b", ""]),
        (np.array([2**53], np.uint64), [2**53]),
        (np.empty(0), []),
    ],
)
def test_plain_labels(values: Array, want: list[Any]) -> None:
    found = plain(values)
    assert found.tolist() == want
    assert found.dtype.kind == ("O" if values.dtype.kind == "O" and "" in want else "i")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.array([1.0, np.nan]), "a missing label"),
        (np.array(["a", None], object), "a missing label"),
        (np.array(["a", np.nan], object), "a missing label"),
        (np.array([1, None], object), "a missing label"),
        (np.array([0.5]), "label 0.5"),
        (np.array([np.inf]), "label inf"),
        (np.array([1e17]), "label 1e[+]17"),
        (np.array([2**64 - 1, 0], np.uint64), "label 18446744073709551615"),  # no -1
        (np.array([2**70, 0], object), "beyond 2[*][*]63"),
        (np.array([2.0**53 + 2]), "label 9007199254740994"),
        (np.array(["a", 1], object), "labels of types"),
        (np.array([1j]), "labels of type complex128"),
        (np.zeros((2, 2)), "labels of shape"),
    ],
)
def test_what_is_no_label_is_refused(values: Array, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        plain(values, "the rows")


def test_texts_that_no_file_could_hold_are_refused() -> None:
    """Such as `os.fsdecode` makes of names that are not UTF-8."""
    texts = np.array(["a", "\ud800"] * 30, object)
    for work in (lambda: evaluate.agreement(texts, y=CODES), lambda: evaluate.clusters(texts, X)):
        with pytest.raises(BadInput, match="not UTF-8"):
            work()


@pytest.mark.parametrize("labels", [np.array([7, -1, 7, 3]), np.array(list("bcb"), object)])
def test_places(labels: Array) -> None:
    known = distinct(labels)
    assert np.array(known)[places(labels, known)].tolist() == labels.tolist()
    assert places(labels, known[:1]).max() == 0
    assert (places(labels, ()) == -1).all()


def test_too_many_labels() -> None:
    with pytest.raises(BadInput, match="different labels"):
        check_few(range(MOST + 1))
    assert LABELS.join((1, 3), (2, 3)) == (1, 2, 3)
    assert LABELS.join(("b", "c"), ("a", "c")) == ("a", "b", "c")
    with pytest.raises(BadInput, match="in one column"):
        LABELS.join((1,), ("a",))


def test_a_learner_that_answers_something_else() -> None:
    with pytest.raises(BadParameter, match="score_samples"):
        asked_of(KM, "score_samples")
