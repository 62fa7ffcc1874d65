"""What says the label of a row: a fitted learner, or a column of labels that is there already.

Evaluators hold an `Asked` as a hyper-parameter and put it into the frame of their models. It is a
Model, not a learner, so that the fitted model travels to workers with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Model, State
from nacre.errors import BadInput, BadParameter
from nacre.estimator import Estimator, bare, require
from nacre.forms import is_records, is_sparse
from nacre.kinds import Kind

MOST = 1 << 20  # different labels; a column of more is no column of labels
LARGEST = 2**63 - 1  # int64
OUTSIDE = -1  # the label of a row that is in no cluster


@dataclass(frozen=True, eq=False)
class Asked(Model):
    """Says the labels of rows, and where these rows lie for the one that made them.

    Attributes:
        learner: bare hyper-parameters; None where the labels are given.
        model: what it fitted.
        want: what it is asked for: "predict", "score_samples", ...; of labels that are given, where
            they stand: "y", or "X", whose only column they are.
    """

    frame: ClassVar[tuple[str, ...]] = ("learner", "model", "want")
    learner: Any
    model: Any
    want: str = "predict"

    def values(self, batch: Batch) -> Array:
        """(n,) what it says of each row, as it says it."""
        if self.learner is not None:
            return self.learner.answer(self.model, batch, (self.want,))[self.want]
        return _given(batch) if self.want == "y" else _only_column(batch.X)

    def labels(self, batch: Batch) -> Array:
        """(n,) int64, or texts as objects: the label of each row; see `plain`."""
        return plain(self.values(batch), batch.where)

    def placed(self, batch: Batch) -> Batch:
        """The rows as the last stage of a chain is given them; of others as they are."""
        if not hasattr(self.learner, "stages"):
            return batch
        seen: Batch = self.learner._through(self.model.done, batch)
        return seen

    def seen(self, batch: Batch) -> tuple[Batch, Array]:
        """The rows as `placed` has them, and their labels: through the stages of a chain once."""
        if not hasattr(self.learner, "stages"):
            return batch, self.labels(batch)
        placed, last = self.placed(batch), self.learner.stages[-1]
        values = last.answer(self.model.running, placed, (self.want,))[self.want]
        return placed, plain(values, batch.where)

    @property
    def metric(self) -> str:
        """Of the model that labels: "cosine", "manhattan"; "euclidean" where it has none."""
        last = self.model
        while hasattr(last, "running"):
            last = last.running
        return str(getattr(last, "metric", "euclidean"))


def truth(batch: Batch) -> Array:
    """(n,) int64, or texts as objects: the labels that rows were given as y."""
    return plain(_given(batch), batch.where)


def asked_of(found: Any, want: str = "predict") -> Asked:
    """What a fitted learner says.

    Raises:
        BadParameter: it does not answer `want`.
        sklearn.exceptions.NotFittedError: it was not fitted.
    """
    require(isinstance(found, Estimator), "found", type(found).__name__, "a fitted learner")
    found._check_fitted()
    if want not in found.answers:
        raise BadParameter(
            got=f"{type(found).__name__}, which answers {list(found.answers)}",
            wanted=f"a learner that answers {want!r}",
            do="Pass another learner, or the labels themselves.",
        )
    return Asked(bare(found), found.state_.model, want)


def rows_of(
    found: Any, data: Any, y: Any = None, weight: Any = None, *, want: str = "predict"
) -> tuple[Asked, Any]:
    """What says the labels of the rows of some data, and the plan of these rows.

    Args:
        found: a fitted learner; or the labels: (n,) for data in memory, or the name of a column.
        data: as `fit` takes it.
        y: labels to compare with, beside a learner alone.
        weight: as `fit` takes it.
        want: what a learner is asked for.

    Raises:
        BadInput, BadType: data, labels or weights that do not fit.
        BadParameter: `found` is none of these.
    """
    from nacre.source.memory import is_paths
    from nacre.source.read import Read, plan_of

    if isinstance(found, Estimator):
        asked = asked_of(found, want)
        return asked, found._plan(_named(data, y, weight), y, weight, reset=False)
    labels = _column(found)
    if not isinstance(labels, str) and is_paths(data.data if isinstance(data, Read) else data):
        raise BadParameter(
            got="an array of labels beside files",
            wanted="the name of a column of them",
            do="Write the labels into a column, or pass the learner that gives them.",
        )
    return Asked(None, None, "y"), plan_of(data, y=labels, weight=weight, takes=("sparse",))


def pairs_of(
    found: Any, data: Any = None, y: Any = None, weight: Any = None, *, want: str = "predict"
) -> tuple[Asked, Any]:
    """What says a label of each row, and the plan of rows that have another one as y.

    Args:
        found: a fitted learner; a column of the data; or (n,) labels, and then no data.
        data: as `fit` takes it, `nacre.read(..., y=...)` too.
        y: (n,), or the name of a column.
        weight: as `fit` takes it.
        want: what a learner is asked for.

    Raises:
        BadInput, BadType: data, labels or weights that do not fit; no y.
        BadParameter: `found` is none of these.
    """
    from nacre.source.read import plan_of
    from nacre.source.terms import Read

    if y is None and not (isinstance(data, Read) and data.y is not None):
        raise BadInput(
            got="no y", wanted="a label for each row to compare with", do="Pass y, or name it."
        )
    if isinstance(found, Estimator):
        _needs(data)
        return rows_of(found, data, y, weight, want=want)
    found = _column(found)
    if isinstance(found, str):
        _needs(data)
        read = data if isinstance(data, Read) else Read(data)
        data = replace(read, columns=(found,), dtype="float64")  # float32 has not all integers
    elif data is not None:
        raise BadParameter(
            got="an array of labels, and data",
            wanted="one of them",
            do="Leave data out, or name a column of it.",
        )
    else:
        data = codes_of(found)
    return Asked(None, None, "X"), plan_of(data, y=y, weight=weight, takes=("records",))


def run(
    evaluator: Estimator, plan: Any, engine: Any = None, memory: int | str | None = None
) -> State:
    """The state of an evaluator after its passes over a plan.

    Raises:
        Stopped: ended before there was a score.
    """
    from nacre.fitting import fit_plan

    evaluator.check_parameters()
    return fit_plan(evaluator, plan, engine=engine, memory=memory).state


def plain(values: Array, where: str = "") -> Array:
    """Labels as int64, or as an object array of texts: True is 1, and 2.0 is 2.

    >>> plain(np.array([1.0, 0.0])), plain(np.array(["b", "a"]))
    (array([1, 0]), array(['b', 'a'], dtype=object))

    Raises:
        BadInput: a label is missing, is no whole number, or there are numbers and texts.
    """
    values = np.asarray(values)
    if values.ndim != 1:
        raise _no_label(f"labels of shape {values.shape}", where)
    if values.dtype.kind == "O":
        values = _of_objects(values, where)
    if values.dtype.kind in "UT":
        return values.astype(object)
    if values.dtype.kind in "biu":
        if values.dtype.kind == "u" and values.max(initial=0) > LARGEST:
            raise _no_label(f"label {values.max()}", where)
        return values.astype(np.int64)
    if values.dtype.kind == "O":
        return values
    if values.dtype.kind != "f":
        raise _no_label(f"labels of type {values.dtype}", where)
    whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) <= 2.0**53)
    if not whole.all():
        bad = values[int(np.argmin(whole))]
        raise _no_label("a missing label" if np.isnan(bad) else f"label {bad:.16g}", where)
    return values.astype(np.int64)


def distinct(labels: Array) -> tuple[int | str, ...]:
    """The different labels of rows, each once: as Python has them, in order.

    >>> distinct(np.array([3, 1, 3]))
    (1, 3)
    """
    if labels.dtype.kind != "O":
        return tuple(np.unique(labels).tolist())
    found = sorted(set(labels.tolist()))
    try:
        "".join(found).encode()
    except UnicodeEncodeError as error:
        raise _no_label(f"a text that is not UTF-8: {error.object[:40]!r}", "") from None
    return tuple(found)


def _united(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    if a and b and isinstance(a[0], str) is not isinstance(b[0], str):
        raise _no_label(f"labels {a[0]!r} and {b[0]!r} in one column", "")
    if a == b:
        return a
    return check_few(tuple(dict.fromkeys(sorted(a + b))))  # two runs in order: one merge


LABELS = Kind("LABELS", _united, lambda a, factor: a, idempotent=True, exact=True)


def check_few(labels: Sequence[Any]) -> tuple[Any, ...]:
    """The labels, unless they are too many to be labels.

    Raises:
        BadInput: more than 2**20.
    """
    if len(labels) > MOST:
        raise BadInput(
            got=f"more than {MOST:,} different labels, such as {labels[0]!r} and {labels[1]!r}",
            wanted="labels, which many rows share",
            do="Name the column that holds the labels.",
        )
    return tuple(labels)


def places(labels: Array, known: Sequence[Any]) -> Array:
    """(n,) int64: the place of each label in `known`, which is in order; -1 where it is not there.

    >>> places(np.array([5, 2, 7]), (2, 5))
    array([ 1,  0, -1])
    """
    if labels.dtype.kind == "O":
        place = {label: at for at, label in enumerate(known)}
        return np.array([place.get(label, -1) for label in labels.tolist()], np.int64)
    if not known or isinstance(known[0], str):
        return np.full(len(labels), -1)
    values = np.array(known, np.int64)
    at = np.minimum(np.searchsorted(values, labels), len(values) - 1)
    return np.where(values[at] == labels, at, -1)


def codes_of(labels: Array) -> Any:
    """Labels (n,) as rows of one column, for a plan: whole numbers, or records of texts."""
    from nacre.records import Records

    labels = plain(labels)
    if labels.dtype.kind == "O":
        distinct(labels)  # refuses what is no text of a file
        return Records.of({"label": labels})
    codes = labels.astype(np.float64)
    if np.abs(codes).max(initial=0) > 2**53:
        raise _no_label("labels beyond 2**53", "")
    return codes[:, None]


def _only_column(X: Array) -> Array:
    if not is_records(X):
        return X[:, 0]
    if X.holds[0] != "text":
        return X.numbers(0)
    codes, texts = X.codes(0)
    return np.array([*texts, None], object)[codes]


def _given(batch: Batch) -> Array:
    if batch.y is None:
        raise BadInput(
            got="no y", wanted="a label for each row", do="Pass y, or name it.", where=batch.where
        )
    return batch.y


def _of_objects(values: Array, where: str) -> Array:
    """Objects as numbers, or as objects that are texts all."""
    kinds = {type(value) for value in values.tolist()}
    if all(issubclass(kind, str) for kind in kinds):
        return values
    if all(issubclass(kind, int | float | np.number | np.bool_) for kind in kinds):
        numbers = np.array(values.tolist())
        if numbers.dtype.kind == "O":
            raise _no_label("labels beyond 2**63", where)
        return numbers
    if any(map(_is_missing, values.tolist())):
        raise _no_label("a missing label", where)
    raise _no_label(f"labels of types {sorted(kind.__name__ for kind in kinds)}", where)


def _is_missing(value: Any) -> bool:
    """None, NaN, or what pandas has for them."""
    known = value is None or type(value).__name__ in ("NAType", "NaTType")
    return known or (isinstance(value, float) and value != value)


def _no_label(got: str, where: str) -> BadInput:
    return BadInput(
        got=got,
        wanted="whole numbers, bools or texts, one for each row",
        do="Fill what is missing; turn other values, and numbers beyond 2**53, into texts.",
        where=where,
    )


def _column(found: Any) -> Any:
    """Labels as an array, or the name of a column."""
    if isinstance(found, str):
        return found
    if isinstance(found, type) or not hasattr(found, "__len__") or is_sparse(found):
        raise BadParameter(
            got=f"found={found.__name__ if isinstance(found, type) else type(found).__name__}",
            wanted="a fitted learner, an array of labels, or the name of a column",
            do="Pass one of these first, then the data.",
        )
    labels = np.asarray(found)
    if labels.ndim != 1:
        raise BadInput(
            got=f"labels of shape {labels.shape}",
            wanted="one label for each row, (n,)",
            do="Pass what is evaluated first, then the data.",
        )
    return labels


def _named(data: Any, *columns: Any) -> Any:
    """Data whose y or weight is a column of it, as `nacre.read` takes it."""
    from nacre.source.terms import Read

    named = any(isinstance(column, str) for column in columns)
    return Read(data) if named and not isinstance(data, Read) else data


def _needs(data: Any) -> None:
    if data is None:
        raise BadParameter(
            got="no data", wanted="the rows to evaluate on", do="Pass them after what is evaluated."
        )
