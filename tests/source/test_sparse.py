"""Rows of scipy.sparse: taken in every format, never made dense, and never written into."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nacre import canon, forms, read
from nacre.contract import Array, Batch
from nacre.errors import BadInput, BadType
from nacre.learn.prepare.scale import Scale
from nacre.source.bad import Judge
from nacre.source.plan import RowPlan
from nacre.source.read import plan_of
from tests.laws.sparse import Shares, holes

FORMATS = ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
TABLES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 9), st.integers(1, 4)),
    elements=st.sampled_from([0.0, 0.0, -1.5, 2.0, 1e9]),
)


def rows_of(plan: RowPlan) -> Array:
    batches = [batch for shard in plan.shards for batch in shard.read()]
    return forms.joined([batch.X for batch in batches])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, bool])
@pytest.mark.parametrize("array", [True, False])
def test_every_format_is_the_same_rows(form: str, kind: Any, array: bool) -> None:
    X = (holes(5, 40)[0] * 3).astype(kind)
    given = (sp.coo_array if array else sp.coo_matrix)(X).asformat(form)
    got = rows_of(plan_of(read(given, shard_rows=16), takes=("sparse",)))
    assert isinstance(got, sp.csr_array)
    assert got.has_canonical_format
    assert got.dtype == (np.float32 if kind is np.float32 else np.float64)
    np.testing.assert_array_equal(got.toarray(), X)


@given(X=TABLES, seed=st.integers(0, 99))
def test_the_digest_is_of_the_matrix_however_it_is_stored(X: Array, seed: int) -> None:
    rng, want = np.random.default_rng(seed), canon.digest(sp.csr_array(X))
    twice = np.concatenate([np.argwhere(X >= -9)] * 2)  # halves, zeros stored too, in any order
    order = rng.permutation(len(twice))
    at, halves = twice[order].T, np.concatenate([X.ravel() / 2] * 2)[order]
    assert canon.digest(sp.coo_array((halves, tuple(at)), shape=X.shape)) == want
    wide = sp.csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert canon.digest(wide) == want != canon.digest(X)
    other = X.copy()
    other[rng.integers(len(X)), rng.integers(X.shape[1])] += 1
    assert canon.digest(sp.csr_array(other)) != want


def test_rows_are_views_and_nothing_is_written_into_what_was_given() -> None:
    X = sp.random_array((60_000, 50), density=0.1, format="csr", rng=0)
    (shard, *_) = plan_of(X, takes=("sparse",)).shards
    batch = next(iter(shard.read()))
    assert np.shares_memory(batch.X.data, X.data)
    assert np.shares_memory(batch.X.indices, X.indices)
    messy = sp.csr_matrix((np.array([1.0, 0.0, 2.0]), [1, 0, 1], [0, 3]), shape=(1, 2))
    before = [a.copy() for a in (messy.data, messy.indices, messy.indptr)]
    assert rows_of(plan_of(messy, takes=("sparse",))).toarray().tolist() == [[0.0, 3.0]]
    for now, then in zip((messy.data, messy.indices, messy.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)


@given(
    X=TABLES,
    at=st.data(),
    bad=st.sampled_from([np.nan, np.inf, -np.inf, 1e151]),
    takes_nan=st.booleans(),
)
def test_bad_values_are_found_as_in_dense_rows(
    X: Array, at: Any, bad: float, takes_nan: bool
) -> None:
    for _ in range(2):
        row, column = at.draw(st.tuples(*(st.integers(0, n - 1) for n in X.shape)))
        X[row, column] = bad
    weight = np.where(at.draw(st.booleans()), 1.0, np.arange(len(X)) - 1.0)
    judge = Judge("skip", takes_nan)
    dense, sparse = (judge(Batch(rows, weight=weight)) for rows in (X, forms.as_csr(X)))
    np.testing.assert_array_equal(sparse.X.toarray(), dense.X)
    assert canon.digest(sparse.bad_rows, sparse.n_skipped) == canon.digest(
        dense.bad_rows, dense.n_skipped
    )


def test_a_bad_value_is_named() -> None:
    dense = holes(1, 30)[0].astype(np.float32)
    dense[17, 4] = 1e30
    X = sp.csr_array(dense)
    with pytest.raises(BadInput, match=r"got 1e\+30 in row 17, column 4"):
        Shares().fit(X)
    kept = Shares().fit(read(X, bad="skip"))
    assert kept.state_.told.n_skipped == 1
    answer: Any = kept.transform(read(X, bad="skip"))
    assert np.isnan(answer[17, 0])
    assert np.isnan(answer.data).sum() == 1


def test_fit_and_answer_as_in_dense_rows() -> None:
    X, _ = holes(2, 20_000)
    weight = np.arange(len(X)) % 3.0
    asked: dict[str, Any] = {"weight": weight, "columns": [3, 0, 5], "shard_rows": 4096}
    dense, sparse = (Shares().fit(read(form(X), **asked)) for form in (np.asarray, sp.csc_array))
    np.testing.assert_allclose(sparse.state_.told.sums, dense.state_.told.sums, rtol=1e-12)
    some = slice(100, 17_000)
    want = dense.transform(X[some][:, [3, 0, 5]])
    got: Any = dense.transform(sp.csr_array(X[some][:, [3, 0, 5]]), engine="threads:2")
    assert isinstance(got, sp.csr_array)
    np.testing.assert_array_equal(got.toarray(), want)
    later = sparse.partial_fit(sp.csr_matrix(X[:, [3, 0, 5]]))
    np.testing.assert_allclose(
        later.state_.told.sums, dense.state_.told.sums + abs(X[:, [3, 0, 5]]).sum(axis=0)
    )


def test_one_digest_on_every_engine() -> None:
    X = sp.random_array((40_000, 30), density=0.2, format="csr", rng=1)
    fits = [Shares().fit(X, engine=engine) for engine in ("serial", "threads:2", "processes:2")]
    assert len({fit.state_.digest for fit in fits}) == 1


@pytest.mark.parametrize("what", ["fit", "partial_fit", "read"])
def test_learners_of_dense_rows_say_so(what: str) -> None:
    X = sp.csr_array(holes(3, 20)[0])
    with pytest.raises(BadType, match=r"Sparse data was passed.*, but dense data is required"):
        Scale().fit(read(X)) if what == "read" else getattr(Scale(), what)(X)


@settings(max_examples=30)
@given(n=st.integers(1, 12), data=st.data())
def test_parts_are_put_where_they_belong(n: int, data: Any) -> None:
    X = data.draw(arrays.arrays(np.float32, (n, 3), elements=st.sampled_from([0, 1, 2.5])))
    there = np.flatnonzero(data.draw(arrays.arrays(bool, n)))
    cut = data.draw(st.integers(0, len(there)))
    at = [there[cut:], there[:cut]]
    got = forms.scattered(n, at, [forms.as_csr(X[rows]) for rows in at])
    want = np.zeros_like(X)
    want[:, 0] = np.nan
    want[there] = X[there]
    np.testing.assert_array_equal(got.toarray(), want)


def test_a_pandas_frame_of_sparse_columns_is_taken() -> None:
    pd = pytest.importorskip("pandas")
    X, _ = holes(4, 50)
    frame = pd.DataFrame.sparse.from_spmatrix(sp.csr_array(X), columns=list("abcdef"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = Shares().fit(frame)
    assert fitted.feature_names_in_.tolist() == list("abcdef")
    np.testing.assert_allclose(fitted.state_.told.sums, abs(X).sum(axis=0))
