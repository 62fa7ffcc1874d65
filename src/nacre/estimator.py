"""The scikit-learn face of every learner: fit, partial_fit, predict, transform, and the checks of
input.

The class the user sees is the learner. What it fitted is one State, in `state_`;
trailing-underscore attributes are read-only views of it. Sources, engines and the drive are found
inside the methods, so that a worker that imports a learner imports none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nacre import forms
from nacre.contract import Array, Batch, Learner, State, Summary
from nacre.errors import BadParameter, NeedsRefit, UnknownName

if TYPE_CHECKING or "NACRE_WORKER" not in os.environ:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        ClusterMixin,
        OneToOneFeatureMixin,
        TransformerMixin,
    )
    from sklearn.utils.metaestimators import available_if
else:  # a worker learns and faces no user: without scikit-learn it starts a second sooner
    (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        ClusterMixin,
        OneToOneFeatureMixin,
        TransformerMixin,
    ) = (
        type(name, (), {})
        for name in (
            "Base",
            "ClassNamePrefixFeaturesOut",
            "Cluster",
            "OneToOneFeature",
            "Transformer",
        )
    )

    def available_if(check: Any) -> Any:  # stands in for scikit-learn's: nobody asks a worker
        """The method as it is."""
        return lambda method: method


__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "ClusterMixin",
    "Estimator",
    "Incremental",
    "OneToOneFeatureMixin",
    "Predicts",
    "Selects",
    "TransformerMixin",
    "Transforms",
    "available_if",
    "bare",
    "is_count",
    "require",
]


class Estimator(Learner, BaseEstimator):
    """A learner with a face."""

    keeps: ClassVar[Sequence[str]] = ()  # answers to the rows of a fit in memory that are kept
    gives: ClassVar[Sequence[str]] = ()  # by `transform`: "sparse"; "nan" where NaN stays NaN

    def loss(self, told: Any) -> float | None:
        """What a pass measured per unit of weight, the lower the better; None for nothing."""
        return None

    def ended(self, model: Any) -> str:
        """Why a whole fit stopped at this model."""
        return "converged"

    def observe_answering(self, model: Any, batch: Batch) -> tuple[Summary, dict[str, Array]]:
        """`observe`, and the answers in `keeps` where the same work gives them."""
        want = self.keeps if model.can_answer else ()
        return self.observe(model, batch), self.answer(model, batch, want)

    @property
    def answers_on_the_way(self) -> bool:
        """Whether a pass may answer batch by batch: a learner that walks its shard may not."""
        return type(self).observe_shard is Learner.observe_shard

    def resume(self, model: Any) -> Any:
        """A fitted model to learn on from: what lies outside its frame at its default, if any."""
        again = super().resume(model)
        vars(again)["base"] = model.base  # which hashes the frame alone
        return again

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""

    def check_start(self, model: Any) -> None:
        """Raise BadParameter for a model that this learner cannot go on from."""
        mine, theirs = type(self).__module__, type(model).__module__
        require(mine == theirs, "start", type(model).__name__, f"a model of {type(self).__name__}")

    def fit(
        self,
        data: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        engine: Any = None,
        memory: int | str | None = None,
        max_seconds: float | None = None,
        max_passes: int | None = None,
        start: State | None = None,
    ) -> Self:
        """Learn from all rows, pass after pass.

        Args:
            data: array (n, d), scipy.sparse rows where the learner takes them, frame, path,
                directory, glob, list of paths, or `nacre.read(...)`.
            y: (n,) labels, for learners that read them; others leave them alone.
            sample_weight: (n,) at least 0; a row of weight 3 counts as three rows.
            engine: "serial", "threads:4", "processes:4" or an engine; None: as `nacre.use` says,
                else threads.
            memory: bytes, or "500MB", in all; None: as `nacre.use` says, else half of what is
                available where the data is not in memory.
            max_seconds, max_passes: stop early and keep the model of the last complete pass.
            start: begin at the model of this state.

        Raises:
            BadInput: data that cannot be learned from; nothing is changed.
            Stopped: ended before there was a model that can answer.
        """
        from nacre import record
        from nacre.fitting import Limits, fit_plan

        self.check_parameters()
        plan = self._plan(data, y, sample_weight, reset=True)
        limits = Limits(max_seconds=max_seconds, max_passes=max_passes)
        done = fit_plan(self, plan, engine=engine, memory=memory, limits=limits, start=start)
        seen = record.seen_by(plan, data, y, sample_weight, self.takes)
        self._take(done.state, record.fitted(self, plan, seen, done, start))
        self._answers.update(done.answers)
        read_only(self._answers)
        self._answered_by = "a fit on data that is not in memory"
        if not done.state.complete:
            self._answered_by = "a fit that was stopped early"
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted learner into a directory, whole or not at all; see `nacre.save`."""
        from nacre.store.local import save

        save(self, path)

    def to_sklearn(self) -> Any:
        """The fitted estimator of scikit-learn that answers as this learner does; of a chain a
        Pipeline. `nacre.from_sklearn` is the way back.

        Raises:
            BadParameter: scikit-learn has no counterpart.
        """
        from nacre.exchange.outgoing import to_sklearn

        return to_sklearn(self)

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write what the fitted learner answers as an ONNX file, for onnxruntime and its like.

        It takes "X", and gives "predict" and "transform", as far as the learner has them; see
        `nacre.exchange.onnx_graph`.

        Raises:
            BadParameter: a learner, or a stage of a chain, that has no graph.
        """
        from nacre.exchange.onnx_graph import write

        write(self, path)

    def plot(self, *, data: Any = None, column: int | str | None = None) -> Any:
        """A picture of what was learned, which a notebook shows; `chart` is Altair's, to change.

        KMeans: how big the clusters are, or with `data` what sets them apart, in its columns. PCA:
        the variance of each component. Histogram, Quantiles: the distribution of a `column`. A
        chain: as its last stage.

        Raises:
            BadParameter: a learner without a picture, or an option that it has no use for.
        """
        from nacre.plot.learned import picture_of

        self._check_fitted()
        return picture_of(self, None if data is None else self._labelled(data), column)

    def _labelled(self, data: Any) -> Iterator[tuple[Array, Array]]:
        """Rows (n, d) and their clusters (n,), batch by batch."""
        plan, learner, model = self._plan(data, None, None, reset=False), bare(self), self._model()
        for shard in plan.shards:
            for batch in shard.read():
                yield batch.X, learner.answer(model, batch, ("predict",))["predict"]

    def _repr_html_inner(self) -> str:  # what scikit-learn's own _repr_html_ gives
        from nacre.plot.card import card

        return card(self)

    def _html_repr(self) -> str:
        return self._repr_html_inner()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        from sklearn import get_config

        html = (
            {"text/html": self._repr_html_inner()} if get_config()["display"] == "diagram" else {}
        )
        return {"text/plain": repr(self), **html}

    def _plan(self, data: Any, y: Any, weight: Any, *, reset: bool, more: bool = False) -> Any:
        from nacre.source.memory import is_in_memory, plan_in_memory
        from nacre.source.read import plan_of

        if is_in_memory(data):
            probe = bare(self) if reset else self  # it gets the names, and an error changes nothing
            return plan_in_memory(probe, data, y, weight, reset=reset, more=more)
        schema = None if reset else self.state_.schema
        return plan_of(data, y=y, weight=weight, takes=self.takes, schema=schema, more=more)

    def _take(self, state: State, record: Any) -> None:
        """All that a fit changes, at its very end: an error before leaves everything as it was."""
        self.n_features_in_ = state.schema.n_columns
        if state.schema.names is not None:
            self.feature_names_in_ = np.asarray(state.schema.names, dtype=object)
        elif "feature_names_in_" in vars(self):
            del self.feature_names_in_
        read_only((state.model, state.told))
        if "cluster_numbers_" in vars(self):  # of the clusters of before
            del self.cluster_numbers_
        self.state_ = state
        self._record = record
        self._answers: dict[str, Array] = {}
        self._answered_by = "partial_fit"

    def _restore(self, state: State, past: Any) -> None:
        """What a store has kept: the state, and the ledger and jobs of `past`, its manifest."""
        from nacre.record import Record

        unlisted = past.n_unlisted, past.n_rows_unlisted
        self._take(state, Record(past.ledger, past.jobs, *unlisted, loaded=True))
        self._answered_by = "loading"

    def _answered(self, name: str, attribute: str) -> Array:
        """An answer to the rows of the fit, which only a fit on data in memory keeps."""
        self._check_fitted()
        if name not in self._answers:
            raise UnknownName(
                got=f"{attribute} after {self._answered_by}",
                wanted="a whole fit on an array or a frame",
                do=f"Call {name}(data): it reads the data again.",
            )
        return self._answers[name]

    def _check_fitted(self) -> None:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "state_")

    def _model(self) -> Any:
        self._check_fitted()
        return self.state_.model

    def _told(self, data: Any, weight: Any) -> Any:
        """What other rows say to the model."""
        from nacre.fitting import observe_plan

        model = self._model()
        return observe_plan(self, self._plan(data, None, weight, reset=False), model)

    def _take_numbers(self, numbers: Array) -> None:
        """Have `predict` answer with lasting numbers (k,) of the clusters of the model."""
        read_only(numbers)
        self.cluster_numbers_ = numbers

    def numbered(self, columns: dict[str, Array]) -> dict[str, Array]:
        """Answers, those of `predict` in lasting numbers where a live model has given any."""
        numbers = vars(self).get("cluster_numbers_")
        if numbers is None or "predict" not in columns:
            return columns
        labels = columns["predict"]
        return {**columns, "predict": np.append(numbers, -1)[labels].astype(labels.dtype)}

    def _ask(self, data: Any, want: str, engine: Any, memory: int | str | None) -> Array:
        from nacre.fitting import answer_plan

        self._check_fitted()
        plan = self._plan(data, None, None, reset=False)
        return answer_plan(self, plan, (want,), engine=engine, memory=memory)[want]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = "nan" in self.takes
        tags.input_tags.sparse = "sparse" in self.takes
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Incremental:
    """Gives `partial_fit` to a learner whose summary can be carried along."""

    def partial_fit(self: Any, data: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn from more rows: the first call is a fit, a later one adds what the rows say and
        advances.

        The same rows twice count twice; `nacre.open` gives a model that knows what it has absorbed.
        """
        from nacre import record
        from nacre.fitting import fit_plan
        from nacre.kernel.blas import one_thread

        self.check_parameters()
        if "state_" in vars(self):
            with one_thread():  # as all of a fit: so that no bit depends on how many there are
                self._learn_more(data, y, sample_weight)
            return self
        plan = self._plan(data, y, sample_weight, reset=True, more=True)
        done = fit_plan(self, plan)
        seen = record.seen_later(plan, data, y, sample_weight, self.takes)
        self._take(done.state, record.fitted(self, plan, seen, done, None))
        return self

    def _learn_more(self: Any, data: Any, y: Any, sample_weight: Any) -> None:
        from nacre import record
        from nacre.fitting import observe_plan

        plan, old = self._plan(data, y, sample_weight, reset=False, more=True), self.state_
        if old.model.view.part is not None:
            raise NeedsRefit(
                got="more rows for a model that was stopped while it looked at a part of the rows",
                wanted="one that has seen all",
                do="Fit again with more passes or seconds.",
            )
        learner = bare(self)
        more = observe_plan(self, plan, old.model)
        told = old.told + more
        model = learner.advance(learner.resume(old.model), told)
        told = learner.carry(told, old.model, model)
        seen = record.seen_later(plan, data, y, sample_weight, self.takes)
        past = record.added(self._record, self, plan, seen, more.n_skipped)
        self._take(replace(old, model=model, told=told), past)


class Predicts:
    """Gives `predict` to a learner that lists it in `answers`."""

    def predict(self, data: Any, *, engine: Any = None, memory: int | str | None = None) -> Array:
        """(n,) answers in row order; -1 for a row that `bad="skip"` leaves out."""
        return self._ask(data, "predict", engine, memory)  # type: ignore[attr-defined]


class Selects:
    """Gives `select` to a learner that lists it in `answers`: which rows go on, at what weight.

    Its answer is (n,) float64, the factor that a row's weight is multiplied by; 0 leaves it out.
    A chain applies it while later stages learn, and never when it answers: no row loses its place.
    """

    def select(self, data: Any, *, engine: Any = None, memory: int | str | None = None) -> Array:
        """(n,) float64 in row order: the factor of a row's weight, 0 for a row that is left out."""
        return self._ask(data, "select", engine, memory)  # type: ignore[attr-defined]

    def n_selected(self, model: Any, n: int | None) -> int | None:
        """How many of the n rows of a fit go on, at most; None where nobody knows."""
        return n


class Transforms(TransformerMixin):
    """Gives `transform` to a learner that lists it in `answers`."""

    def transform(self, data: Any, *, engine: Any = None, memory: int | str | None = None) -> Array:
        """New columns for each row: (n, m), in row order and the rows' dtype."""
        return self._ask(data, "transform", engine, memory)


_PLAIN = frozenset((str, int, float, bool, type(None)))  # most of what a state holds


def bare(learner: Learner) -> Any:
    """The hyper-parameters alone, as workers get them: nothing that was fitted."""

    def stripped(value: Any) -> Any:
        if isinstance(value, Learner):
            return bare(value)
        if isinstance(value, tuple | list):
            return type(value)(stripped(item) for item in value)
        return value

    names = [field.name for field in fields(learner)]  # type: ignore[arg-type]
    return type(learner)(**{name: stripped(getattr(learner, name)) for name in names})


def read_only(value: Any) -> None:
    """Make all arrays in a value read-only: attributes are views of the state, under its digest."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    elif forms.is_sparse(value):
        read_only(forms.arrays_of(value))
    elif is_dataclass(value):
        read_only(vars(value))
    elif isinstance(value, dict | tuple | list):
        for part in value.values() if isinstance(value, dict) else value:
            if type(part) not in _PLAIN:
                read_only(part)


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a hyper-parameter is an int of at least `least`, and no bool."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        return False
    return int(value) >= least


def require(holds: bool, name: str, got: Any, wanted: str) -> None:
    """Raise BadParameter for hyper-parameter `name` unless `holds`."""
    if not holds:
        raise BadParameter(got=f"{name}={got!r}", wanted=wanted, do=f"Change {name}.")
