"""A fitted scikit-learn estimator as a fitted learner: what it knows becomes model and told.

    from_sklearn(StandardScaler().fit(X)).partial_fit(more)    # goes on as scikit-learn would
    KMeans(8).fit(rows, start=from_sklearn(kmeans).state_)     # a warm start

What scikit-learn did not keep is not made up. It is NaN where it is a figure that nothing is made
from, has to be said (`n_rows`), or the estimator is refused; docs/exchange.md has it one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nacre.canon import hash64
from nacre.contract import Schema, State
from nacre.errors import BadParameter, BadType
from nacre.estimator import is_count, require
from nacre.exchange.attributes import DTYPES, MOST_COUNTED, Attributes
from nacre.exchange.readers import READERS, Given, Part, rows_seen
from nacre.learn.chain import Chain, Chained
from nacre.record import Record
from nacre.store.ledger import Entry, Job

KEPT_IN = {  # class -> the array that has the dtype of the rows
    "KMeans": "cluster_centers_",
    "MiniBatchKMeans": "cluster_centers_",
    "PCA": "components_",
}


def from_sklearn(fitted: Any, *, n_rows: int | None = None, dtype: str | None = None) -> Any:
    """A fitted learner that knows what a fitted estimator of scikit-learn knows.

    It predicts and transforms as the estimator does, is saved, and its `state_` is a `start` for
    `fit`; unless it is a chain it goes on with `partial_fit`. Arrays are copied; nothing of the
    estimator is called.

    >>> from sklearn.preprocessing import StandardScaler
    >>> scale = from_sklearn(StandardScaler().fit([[1.0], [3.0]]))
    >>> scale.partial_fit([[5.0], [7.0]]).mean_
    array([4.])

    Args:
        fitted: KMeans, MiniBatchKMeans, PCA, IncrementalPCA, StandardScaler, RobustScaler,
            SimpleImputer, or a Pipeline of these, which becomes a chain.
        n_rows: of its fit, for RobustScaler and SimpleImputer, which do not keep it.
        dtype: "float32" or "float64", of the rows to come; None: as KMeans and PCA have it, else
            float64.

    Raises:
        NotFittedError: of scikit-learn: there is nothing to know yet.
        BadType: an estimator that nacre has no learner for.
        BadParameter: one that was told to do what nacre's does not; or `n_rows` is missing.
        BadInput: attributes that are missing, or do not fit together.
    """
    counted = n_rows is None or (is_count(n_rows) and n_rows <= MOST_COUNTED)
    require(counted, "n_rows", n_rows, "None, or an int from 1 to 2**53")
    require(dtype is None or dtype in DTYPES, "dtype", dtype, '"float32", "float64" or None')
    stages = [_readable(stage) for stage in _stages(fitted)]
    if not stages:
        raise BadType(got="a Pipeline without a step", wanted="one with some", do="Pass another.")
    given = Given(n_rows or _counted(stages), dtype or _dtype(stages))
    parts = [READERS[stage.name](stage, given) for stage in stages]
    for before, part, stage in zip(parts, parts[1:], stages[1:], strict=False):
        if before.n_out != part.n_in:
            raise stage.bad(f"{part.n_in} columns", f"the {before.n_out} that come to it")
    schema = Schema(stages[0].columns(), parts[0].n_in, given.dtype)
    if schema.names is not None and len(schema.names) != schema.n_columns:
        raise stages[0].bad(f"{len(schema.names)} names", f"{schema.n_columns}, one for a column")
    part = parts[0] if fitted is stages[0].of else _chained(parts)
    part.learner.check_parameters()
    part.learner._take(State(schema, part.model, part.told), _record(part, given.dtype))
    part.learner._answered_by = "from_sklearn"
    return part.learner


def _stages(fitted: Any) -> list[Any]:
    """The estimators of a pipeline, however deep; of any other, itself."""
    if not _is_theirs(fitted) or type(fitted).__name__ != "Pipeline":
        return [fitted]
    try:
        steps = [step for _, step in vars(fitted)["steps"] if step not in (None, "passthrough")]
    except (KeyError, TypeError, ValueError):
        what = "steps that are none"
        raise Attributes(fitted).bad(what, "pairs of a name and an estimator") from None
    return [stage for step in steps for stage in _stages(step)]


def _is_theirs(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "sklearn"


def _readable(stage: Any) -> Attributes:
    from sklearn.exceptions import NotFittedError

    if not _is_theirs(stage) or type(stage).__name__ not in READERS:
        raise BadType(
            got=f"{type(stage).__module__.partition('.')[0]}'s {type(stage).__name__}",
            wanted=f"a fitted {', '.join(READERS)} of scikit-learn, or a Pipeline of these",
            do="Fit a learner of nacre on the data.",
        )
    found = Attributes(stage)
    if not found.is_fitted:
        do = "Call fit before nacre.from_sklearn."
        raise NotFittedError(f"This {found.name} instance is not fitted yet. {do}")
    return found


def _counted(stages: Sequence[Attributes]) -> float | None:
    """Rows of the fit, by the first stage that kept their number."""
    for stage in stages:
        match stage.name:
            case "KMeans" if stage.has("labels_"):
                return float(len(stage.array("labels_", None))) or None
            case "PCA":
                return stage.number("n_samples_")
            case "StandardScaler" | "IncrementalPCA":
                return rows_seen(stage)
    return None


def _dtype(stages: Sequence[Attributes]) -> str:
    """The dtype of the rows, by the stages that keep it."""
    found = {stage.dtype_of(KEPT_IN[stage.name]) for stage in stages if stage.name in KEPT_IN}
    if len(found) > 1:
        raise BadParameter(
            got="stages that were fitted in float32 and in float64",
            wanted="one dtype for all rows",
            do='Say which: nacre.from_sklearn(fitted, dtype="float64").',
        )
    return found.pop() if found else "float64"


def _record(part: Part, dtype: str) -> Record:
    """A past that says where the model comes from."""
    import sklearn

    n, name = int(part.told.n_rows), f"scikit-learn {sklearn.__version__}"
    entry = Entry(name, 0, f"{hash64(name):016x}", n, 0, note=f"fitted by {name}")
    job = Job("fit", 1, n, 0, 0, dtype, ended=f"fitted by {name}", engine="scikit-learn")
    return Record((entry,), (job,))


def _chained(parts: Sequence[Part]) -> Part:
    learner = Chain(tuple(part.learner for part in parts))
    *done, running = (part.model for part in parts)
    model = Chained(tuple(done), running, len(parts))
    told = replace(parts[-1].told, base=model.base)
    return Part(learner, model, told, parts[0].n_in, parts[-1].n_out)
