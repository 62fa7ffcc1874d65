"""A fitted learner as a fitted estimator of scikit-learn, with the attributes that its fit leaves.

A stage of a chain that only selects rows learns and never answers, so a Pipeline lacks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nacre.contract import Array
from nacre.errors import BadParameter
from nacre.learn.chain import Chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.cluster.micro import Micro
from nacre.learn.count.moments import freedom
from nacre.learn.prepare.clip import Clip
from nacre.learn.prepare.impute import Impute
from nacre.learn.prepare.robust import RobustScale
from nacre.learn.prepare.scale import Scale
from nacre.learn.reduce.pca import PCA


def to_sklearn(learner: Any) -> Any:
    """The estimator of scikit-learn that predicts and transforms as a fitted learner does.

    >>> to_sklearn(Scale().fit([[1.0], [3.0]])).transform([[5.0]])
    array([[3.]])

    Returns:
        KMeans (of a Micro too), PCA, StandardScaler, RobustScaler, SimpleImputer; for Clip a
        FunctionTransformer; for a chain a Pipeline.

    Raises:
        NotFittedError: of scikit-learn: there is nothing to know yet.
        BadParameter: scikit-learn has no such estimator, or none of that metric.
    """
    learner._check_fitted()
    schema = learner.state_.schema
    if isinstance(learner, Chain):
        from sklearn.pipeline import Pipeline

        stages = answering(learner)
        steps = [(name, _made(stage, learner)) for name, stage in stages]
        made, first = Pipeline(steps), steps[0][1]
    else:
        made = first = _made(learner, learner)
    if schema.names is not None:
        first.feature_names_in_ = np.asarray(schema.names, dtype=object)
    return made


def answering(chain: Any) -> list[tuple[str, Any]]:
    """The stages that rows go through when a chain answers: their names, and each fitted."""
    found = [(name, chain.fitted_stage(at)) for at, name in enumerate(chain.stage_names)]
    last = found[-1][1]
    return [(name, one) for name, one in found if one is last or "transform" in one.answers]


def no_counterpart(what: str, where: str) -> BadParameter:
    """The error for what another library has not."""
    return BadParameter(
        got=f"{what}, which {where} has no counterpart of",
        wanted="a learner that both have: see docs/exchange.md",
        do="Save it with nacre.save, and answer with nacre.",
    )


def _made(stage: Any, whole: Any) -> Any:
    """The estimator of one stage; `whole` is the learner that was fitted."""
    if type(stage) not in MAKERS:
        raise no_counterpart(type(stage).__name__, "scikit-learn")
    return MAKERS[type(stage)](stage, whole)


def _kmeans(stage: Any, whole: Any) -> Any:
    from sklearn import cluster
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

    asked = stage.inner if isinstance(stage, Micro) else stage
    if asked.metric != "euclidean":
        raise no_counterpart(f'KMeans(metric="{asked.metric}")', "scikit-learn")
    centres = stage.cluster_centers_.copy()
    made = cluster.KMeans(
        len(centres), n_init=1, max_iter=asked.max_iter, random_state=asked.random_state
    )
    made.cluster_centers_ = centres
    made.inertia_ = stage.inertia_
    made.n_iter_ = stage.n_iter_
    made.n_features_in_ = centres.shape[1]
    made._n_features_out = len(centres)
    made._n_threads = _openmp_effective_n_threads()
    if "predict" in whole._answers:
        made.labels_ = whole._answers["predict"].copy()
    return made


def _pca(stage: Any, whole: Any) -> Any:
    from sklearn import decomposition

    model, n = stage.state_.model, whole.state_.told.weight
    dtype = whole.state_.schema.dtype
    k, d = model.components.shape
    made = decomposition.PCA(k, whiten=model.whiten, svd_solver="full")
    made.components_ = model.components.astype(dtype)
    made.mean_ = model.mean.astype(dtype)
    made.explained_variance_ = model.variance.astype(dtype)
    made.explained_variance_ratio_ = (model.variance / (model.total or 1.0)).astype(dtype)
    made.singular_values_ = np.sqrt(model.variance * freedom(n)).astype(dtype)
    made.noise_variance_ = float(model.noise)
    made.n_components_, made.n_features_in_, made.n_samples_ = k, d, _counted(n)
    made._fit_svd_solver = "full"
    return made


def _scale(stage: Any, whole: Any) -> Any:
    from sklearn.preprocessing import StandardScaler

    model, told = stage.state_.model, stage.state_.told
    made = StandardScaler(with_mean=stage.with_mean, with_std=stage.with_std)
    made.n_features_in_ = model.d
    if told is None:  # a stage that others follow is known by what it does alone
        n, mean, var = whole.state_.told.weight, model.mean, model.scale**2
    else:
        n, mean = told.moments.n, told.moments.mean
        var = told.moments.m2 / (n or 1.0)
    made.n_samples_seen_ = _counted(n)
    made.mean_ = _own(mean) if stage.with_mean or stage.with_std else None
    made.var_ = _own(var) if stage.with_std else None
    made.scale_ = _own(model.scale) if stage.with_std else None
    return made


def _robust(stage: Any, whole: Any) -> Any:
    from sklearn.preprocessing import RobustScaler

    names = ("with_centering", "with_scaling", "unit_variance")
    options = {name: getattr(stage, name) for name in names}
    made = RobustScaler(quantile_range=tuple(stage.quantile_range), **options)
    made.center_ = _own(stage.center_) if stage.with_centering else None
    made.scale_ = _own(stage.scale_) if stage.with_scaling else None
    made.n_features_in_ = stage.state_.model.d
    return made


def _impute(stage: Any, whole: Any) -> Any:
    from sklearn.impute import SimpleImputer

    constant = stage.fill_value if stage.strategy == "constant" else None
    made = SimpleImputer(strategy=stage.strategy, fill_value=constant, keep_empty_features=True)
    made.statistics_ = _own(stage.statistics_)
    made.n_features_in_ = stage.state_.model.d
    made.indicator_ = None
    made._fit_dtype = made._fill_dtype = np.dtype(stage.state_.schema.dtype)
    return made


def _clip(stage: Any, whole: Any) -> Any:
    from sklearn.preprocessing import FunctionTransformer

    dtype = stage.state_.schema.dtype
    with np.errstate(over="ignore"):  # a bound beyond float32 is none
        bounds = stage.lower_.astype(dtype), stage.upper_.astype(dtype)
    made = FunctionTransformer(
        np.clip,
        kw_args={"a_min": bounds[0], "a_max": bounds[1]},
        feature_names_out="one-to-one",
    )
    made.n_features_in_ = len(bounds[0])
    return made


def _counted(n: float) -> Any:
    """Rows by weight, as scikit-learn counts them: an int where it is one."""
    return np.int64(n) if n == int(n) else np.float64(n)


def _own(values: Array) -> Array:
    """A copy that may be written to."""
    return np.array(values)


MAKERS: Mapping[type, Callable[[Any, Any], Any]] = {  # of no subclass: who knows what that does
    KMeans: _kmeans,
    Micro: _kmeans,
    PCA: _pca,
    Scale: _scale,
    RobustScale: _robust,
    Impute: _impute,
    Clip: _clip,
}
