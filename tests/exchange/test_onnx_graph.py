"""A learner goes out to ONNX: onnxruntime answers as it does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import nacre
from nacre import errors
from nacre.contract import Array
from nacre.exchange import onnx_graph
from nacre.exchange.onnx_graph import DIRECT, INPUT, model_of
from tests.exchange.rows import DTYPES, EPS, LEARNERS, SEEDS, groups, holed

GRAPHS: dict[str, Any] = {
    **LEARNERS,
    "kmeans-cosine": nacre.KMeans(3, metric="cosine"),
    "kmeans-manhattan": nacre.KMeans(3, metric="manhattan"),
    "chain-cosine": nacre.chain(nacre.Scale(), nacre.KMeans(3, metric="cosine")),
    "chain-through-clusters": nacre.chain(nacre.KMeans(4), nacre.PCA(2)),
}
TAKES_NAN = (*[n for n in GRAPHS if n.startswith(("impute", "robust", "clip"))], "chain")


def session_of(learner: Any) -> Any:
    """A session of a graph that the checker has passed."""
    model = model_of(learner)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def answers(session: Any, X: Array) -> dict[str, Array]:
    """Output -> values."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {INPUT: X}), strict=True))


def agree(learner: Any, X: Array, at: float) -> None:
    """Every answer, distances at `at` their scale; labels by the distance to what they name."""
    found, dtype = answers(session_of(learner), X), X.dtype.name
    near = 2e2 * EPS[dtype]
    assert set(found) == {"predict", "transform"} & set(learner.answers)
    if "transform" in found:
        want = learner.transform(X)
        assert found["transform"].dtype == want.dtype
        np.testing.assert_allclose(found["transform"], want, rtol=near, atol=near * at)
    if "predict" in found:
        assert found["predict"].dtype == np.int64
        assert found["predict"].shape == (len(X),)
        far = learner.transform(X)
        label, ours = found["predict"], learner.predict(X)
        assert ((label < 0) == (ours < 0)).all()
        rows = np.arange(len(X))
        np.testing.assert_allclose(far[rows, label], far[rows, ours], rtol=near, atol=near * at)


@pytest.mark.parametrize("name", GRAPHS)
@settings(max_examples=10)
@given(SEEDS, DTYPES, st.integers(2, 7), st.floats(-100, 100), st.integers(1, 40))
def test_onnxruntime_answers_as_nacre_does(
    name: str, seed: int, dtype: str, d: int, far: float, n: int
) -> None:
    if "chain" in name or "pca" in name:
        d = max(d, 3)
    learner = clone(GRAPHS[name]).fit(groups(seed, d=d, far=far, dtype=dtype))
    X = groups(seed + 1, n, d, far, dtype)
    if name in TAKES_NAN:
        X = holed(X, seed)
    agree(learner, X, float(np.nanmax(np.abs(X))))


def rounded(seed: int, n: int, d: int, far: float) -> Array:
    """(n, d) float32 in round groups about a mean that is `far` deviations from 0."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, d)) + 8 * draw.integers(0, 4, n)[:, None] + far
    return X.astype(np.float32)


@pytest.mark.parametrize("name", ["kmeans", "pca", "pca-whiten", "scale", "chain-transform"])
@given(SEEDS, st.integers(3, 9), st.sampled_from([0.0, 1e3, 1e5, -1e6]))
def test_float32_is_good_far_from_0(name: str, seed: int, d: int, far: float) -> None:
    """As near as float32 rows tell: the scale is that of the deviations, not that of the mean."""
    learner = clone(GRAPHS[name]).fit(rounded(seed, 300, d, far))
    agree(learner, rounded(seed + 1, 50, d, far), at=30.0)


@given(SEEDS, st.integers(40, 90), st.sampled_from([0.0, 1e4]))
def test_many_centres_are_multiplied(seed: int, k: int, far: float) -> None:
    """By the product of matrices an error is one of squares: near 0 its root is larger."""
    d = DIRECT // k + 1
    X = rounded(seed, 400, d, far)
    for metric in ("euclidean", "cosine"):
        learner = nacre.KMeans(k, metric=metric, max_iter=2).fit(X)
        session = session_of(learner)
        assert "MatMul" in {node.op_type for node in model_of(learner).graph.node}
        new = rounded(seed + 1, 60, d, far)
        found, want = answers(session, new), learner.transform(new)
        scale = np.square(want).max() + 1.0 if metric == "euclidean" else 1.0
        square = np.square if metric == "euclidean" else np.asarray
        near = 1e-5 if metric == "euclidean" or not far else 1e-3
        np.testing.assert_allclose(square(found["transform"]), square(want), atol=near * scale)
        least = square(want)[np.arange(60), found["predict"]]
        np.testing.assert_allclose(least, square(want).min(axis=1), atol=near * scale)


def test_rows_without_a_direction_have_no_cluster() -> None:
    learner = nacre.KMeans(2, metric="cosine").fit(groups(0))
    X = np.array([[0.0, 0, 0, 0], [1e-300, 0, 0, 0], [1e149, 1e149, 1e149, 1e149]])
    found = answers(session_of(learner), X)
    assert found["predict"].tolist() == learner.predict(X).tolist()
    assert found["predict"][0] == -1
    np.testing.assert_allclose(found["transform"], learner.transform(X), atol=1e-12)


@pytest.mark.parametrize("name", GRAPHS)
def test_no_rows_have_no_answers(name: str) -> None:
    session = session_of(clone(GRAPHS[name]).fit(groups(0)))
    assert {len(values) for values in answers(session, np.empty((0, 4))).values()} == {0}


def test_a_tie_goes_to_the_first() -> None:
    centres = np.array([[0.0], [2.0], [2.0]])
    learner = nacre.KMeans(3, init=centres, max_iter=1).fit(centres)
    X = np.array([[1.0], [2.0], [1.5]])
    assert answers(session_of(learner), X)["predict"].tolist() == learner.predict(X).tolist()


def test_what_is_too_far_for_the_dtype_is_its_largest() -> None:
    X = np.zeros((100, 1), np.float32)
    X[60:] = np.float32(1e-30) * np.arange(40)[:, None]
    learner = nacre.RobustScale().fit(X)
    big = np.array([[1e17], [-1e17], [np.nan]], np.float32)
    np.testing.assert_array_equal(
        answers(session_of(learner), big)["transform"], learner.transform(big)
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_it_is_plain_onnx(name: str) -> None:
    model = model_of(clone(GRAPHS[name]).fit(groups(0)))
    assert {opset.domain for opset in model.opset_import} == {""}
    assert {node.domain for node in model.graph.node} == {""}
    assert len(model.functions) == 0
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    (rows,) = model.graph.input
    n, d = rows.type.tensor_type.shape.dim
    assert (rows.name, n.dim_param, d.dim_value) == (INPUT, "n", 4)
    assert all(out.type.tensor_type.shape.dim[0].dim_param == "n" for out in model.graph.output)
    assert len(model.SerializeToString()) < 20_000


def test_it_says_where_it_comes_from() -> None:
    import pandas as pd

    frame = pd.DataFrame(groups(0), columns=["a", "é", "<b>", "d"])
    learner = nacre.Scale().fit(frame)
    model = model_of(learner)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["nacre.digest"] == learner.state_.digest
    assert told["nacre.columns"] == '["a", "\\u00e9", "<b>", "d"]'
    assert (model.producer_name, model.producer_version) == ("nacre", nacre.__version__)


def test_one_model_has_one_file(tmp_path: Path) -> None:
    learner = nacre.KMeans(2).fit(groups(0))
    path = tmp_path / "new" / "kmeans.onnx"
    learner.to_onnx(path)
    first = path.read_bytes()
    learner.to_onnx(str(path))
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["kmeans.onnx"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert answers(session, groups(1))["predict"].tolist() == learner.predict(groups(1)).tolist()


def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    learner = nacre.Scale().fit(groups(0))
    with pytest.raises(errors.Occupied, match="the directory"):
        learner.to_onnx(tmp_path)
    for nowhere in ("", "s3://bucket/model.onnx"):
        with pytest.raises(errors.BadParameter, match="path="):
            learner.to_onnx(nowhere)


def test_one_answer_may_be_asked_for() -> None:
    learner = nacre.KMeans(2).fit(groups(0))
    (labels,) = session_of(learner).run(["predict"], {INPUT: groups(1)})
    assert labels.tolist() == learner.predict(groups(1)).tolist()


@pytest.mark.parametrize(
    "learner",
    [
        nacre.Moments(),
        nacre.Histogram(),
        nacre.Sample(9),
        nacre.Dedup(),
        nacre.OneHot(max_categories=5),
        nacre.chain(nacre.Scale(), nacre.Moments()),
    ],
    ids=repr,
)
def test_what_has_no_graph_is_named(learner: Any, tmp_path: Path) -> None:
    with pytest.raises(errors.BadParameter, match="ONNX export has no counterpart"):
        learner.fit(groups(0)).to_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_for_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = nacre.KMeans(5).fit(groups(0))
    monkeypatch.setattr(onnx_graph, "MOST", 5 * 4 * 8)
    with pytest.raises(errors.BadParameter, match="one ONNX file holds"):
        learner.to_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(onnx_graph, "MOST", 5 * 4 * 8 + 100)
    learner.to_onnx(tmp_path / "model.onnx")


def test_not_fitted(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        nacre.PCA(2).to_onnx(tmp_path / "model.onnx")


def test_without_onnx_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(errors.MissingExtra, match=r"pip install 'nacre\[onnx\]'"):
        nacre.Scale().fit(groups(0)).to_onnx(tmp_path / "model.onnx")
