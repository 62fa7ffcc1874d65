"""A chain is its stages in turn: same models, same bits, parameters by name, stages that fit
together.
"""

from __future__ import annotations

import numpy as np
import pytest

from nacre import (
    PCA,
    Clip,
    Dedup,
    Hashing,
    Impute,
    KMeans,
    Moments,
    OneHot,
    RobustScale,
    Sample,
    Scale,
    chain,
    errors,
)


def blobs(n: int = 5_000) -> np.ndarray:
    draw = np.random.default_rng(0)
    return draw.normal(size=(n, 5)) * [1, 10, 100, 1, 1] + 8 * draw.integers(0, 3, n)[:, None]


def test_is_the_stages_one_after_the_other() -> None:
    X = blobs()
    whole = chain(Scale(), PCA(2), KMeans(3, random_state=0)).fit(X)
    scale = Scale().fit(X)
    pca = PCA(2).fit(scale.transform(X))
    km = KMeans(3, random_state=0).fit(pca.transform(scale.transform(X)))
    assert whole.state_.model.done[0].mean.tolist() == scale.mean_.tolist()
    np.testing.assert_allclose(whole.state_.model.running.centres, km.cluster_centers_, rtol=1e-9)
    assert whole.labels_.tolist() == km.labels_.tolist()
    assert whole.predict(X).tolist() == km.labels_.tolist()
    assert whole.state_.told.base == whole.state_.model.base


def test_the_head_rows_are_dropped_with_the_last_start() -> None:
    assert chain(Scale(), PCA(2), KMeans(3)).fit(blobs()).state_.model.head is None


def test_a_stage_can_be_read() -> None:
    fitted = chain(Scale(), PCA(2), KMeans(3)).fit(blobs())
    assert fitted.fitted_stage(1).components_.shape == (2, 5)
    assert fitted.fitted_stage(-1).inertia_ > 0


def test_nan_is_taken_where_the_first_stage_takes_it() -> None:
    X = blobs()
    X[::7, 1] = np.nan
    assert len(chain(Impute(), Scale(), KMeans(3)).fit(X).labels_) == len(X)
    with pytest.raises(errors.BadInput, match="NaN in row 0, column 1"):
        chain(Scale(), Impute(), KMeans(3)).fit(X)


def test_parameters_have_the_names_of_their_stages() -> None:
    made = chain(Scale(), Scale(), KMeans(4))
    made.set_params(kmeans__n_clusters=7, scale2__with_mean=False)
    assert made.get_params()["kmeans__n_clusters"] == 7
    assert [stage.with_mean for stage in made.stages[:2]] == [True, False]
    made.set_params(kmeans=PCA(1))
    assert made.stage_names == ["scale", "scale2", "pca"]
    with pytest.raises(errors.BadParameter, match="stages"):
        made.set_params(kmean__n_clusters=3)


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ((), "at least one"),
        ((Moments(), KMeans(2)), "transform"),
        ((Scale(), KMeans(0)), "n_clusters"),
        ((Hashing(8), Scale()), "sparse rows for Scale"),
    ],
)
def test_stages_that_do_not_follow_each_other(stages: tuple[object, ...], says: str) -> None:
    with pytest.raises(errors.BadParameter, match=says):
        chain(*stages).fit(blobs(20))


@pytest.mark.parametrize("first", [RobustScale(), Clip(), Sample(10), Dedup()], ids=repr)
def test_what_a_later_stage_does_not_take_stays_out(first: object) -> None:
    X = blobs(20)
    X[3, 0] = np.nan
    with pytest.raises(errors.BadInput, match="NaN"):
        chain(first, Moments()).fit(X)
    filled = chain(first, Impute(), Moments()).fit(X)
    assert np.isfinite(filled.fitted_stage(-1).mean_).all()


def test_takes_of_a_chain() -> None:
    assert set(chain(Dedup(), OneHot()).takes) == {"records"}
    assert set(chain(Dedup(), RobustScale()).takes) == {"nan"}
    assert set(chain(Hashing(8), PCA(2)).takes) == {"records"}
    assert not chain(Dedup(), KMeans(2)).takes


def test_a_chain_scores_rows_as_its_last_stage_does() -> None:
    X = np.random.default_rng(0).normal(size=(50, 3)) * [1, 5, 9] + 2
    made, scaled = chain(Scale(), PCA(2)).fit(X), Scale().fit_transform(X)
    alone = PCA(2).fit(scaled)
    np.testing.assert_array_equal(made.score_samples(X), alone.score_samples(scaled))
    assert made.score(X) == alone.score(scaled)
    assert not hasattr(chain(PCA(2), Scale()), "score")


def test_what_the_last_stage_does_not_answer_is_not_there() -> None:
    assert not hasattr(chain(Scale(), PCA(2)), "predict")
    assert hasattr(chain(Scale(), PCA(2)), "transform")
    assert not hasattr(chain(Scale(), Moments()), "transform")
    assert not hasattr(chain(Scale(), KMeans(2)), "partial_fit")


def test_the_grade_is_the_worst_of_the_stages() -> None:
    assert chain(Scale(), PCA(2)).grade == {"space": "rounding", "time": "bits", "erasure": "bits"}
    assert chain(Scale(), KMeans(2)).grade["time"] == "heuristic"
