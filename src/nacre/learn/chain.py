"""Several learners as one: each stage learns from what the stages before it answer.

The model is the finished stages' models and the running one's. Passes add up; a stage never moves
once a later one has started.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.canon import passing
from nacre.contract import Array, Batch, Grade, Model, Summary, View
from nacre.errors import BadParameter
from nacre.estimator import Estimator, OneToOneFeatureMixin, available_if, bare, require

GRADES: tuple[Grade, ...] = ("bits", "rounding", "bounded", "heuristic")  # from best to worst


@dataclass(frozen=True, eq=False)
class Chained(Model):
    """The models of the finished stages, and of the running one, the last of `n_stages` in the end.

    `head`: the first rows and their number, which later stages start from; dropped with the last
    start.
    """

    frame: ClassVar[tuple[str, ...]] = ("done", "running_base")
    done: tuple[Any, ...]
    running: Any
    n_stages: int
    head: tuple[Batch, int | None] | None = passing(default=None)

    @property
    def running_base(self) -> str:
        """Of the running stage only its frame is read."""
        return str(self.running.base)

    @property
    def view(self) -> View:
        """What the running stage reads."""
        view: View = self.running.view
        return view

    @property
    def can_answer(self) -> bool:
        """Once the last stage can."""
        return len(self.done) == self.n_stages - 1 and bool(self.running.can_answer)


@dataclass(eq=False, repr=False)
class Chain(Estimator):
    """Learners in a row; made by `nacre.chain(*stages)`.

    Parameters of a stage are reached by its name: `kmeans__n_clusters`; of two of a kind the second
    is `scale2`.

    Args:
        stages: learners; all but the last answer `transform` or `select`.
    """

    stages: tuple[Any, ...] = ()

    _sklearn_auto_wrap_output_keys: ClassVar[set[str]] = {"transform"}  # what set_output sets

    @property
    def grade(self) -> Mapping[str, Grade]:  # type: ignore[override]  # of these very stages
        """The worst of the stages'."""
        axes = ("space", "time", "erasure")
        return {axis: max((s.grade[axis] for s in self.stages), key=GRADES.index) for axis in axes}

    @property
    def answers(self) -> Sequence[str]:  # type: ignore[override]  # of these very stages
        """The last stage's; and `select` where a stage selects rows."""
        last, some = tuple(self.stages[-1].answers), any(map(_selects, self.stages))
        return (*last, "select") if some and "select" not in last else last

    @property
    def keeps(self) -> Sequence[str]:  # type: ignore[override]  # of these very stages
        """The last stage's."""
        return tuple(self.stages[-1].keeps)

    @property
    def takes(self) -> Sequence[str]:  # type: ignore[override]  # of these very stages
        """What the first stage does, as far as the stages that it comes to take it too."""
        first = getattr(self.stages[0], "takes", ()) if self.stages else ()
        return tuple(form for form in first if _clash(self.stages, {form}) is None)

    @property
    def gives(self) -> Sequence[str]:  # type: ignore[override]  # of these very stages
        """The last stage's."""
        return tuple(self.stages[-1].gives)

    def check_parameters(self) -> None:
        """Raise BadParameter for stages that do not fit together, or for what one is given."""
        if not self.stages:
            raise BadParameter(
                got="no stage", wanted="at least one", do="Write nacre.chain(Scale(), KMeans(8))."
            )
        for stage in self.stages:
            if not isinstance(stage, Estimator):
                raise BadParameter(
                    got=f"stage {stage!r}",
                    wanted="learners of nacre",
                    do="Put other estimators in a Pipeline.",
                )
            if stage is not self.stages[-1] and not {"transform", "select"} & {*stage.answers}:
                raise BadParameter(
                    got=f"{type(stage).__name__} before the last stage",
                    wanted="stages that answer transform or select",
                    do="Move it to the end.",
                )
            stage.check_parameters()
        clash = _clash(self.stages, set())
        if clash:
            raise BadParameter(
                got=clash,
                wanted="stages that take what those before them give",
                do="Leave one out, or put another between them.",
            )

    def start(self, head: Batch, n: int | None) -> Model:
        """The first stage starts; the head rows wait for the others."""
        waits = (head, n) if len(self.stages) > 1 else None
        return Chained((), self.stages[0].start(head, n), len(self.stages), waits)

    def observe(self, model: Chained, batch: Batch) -> Summary:
        """What the rows, through the finished stages, say to the running one."""
        seen = self.seen(model.done, batch)
        told: Summary = self._stage(model).observe(model.running, seen)
        return replace(told, base=model.base)

    def observe_answering(self, model: Chained, batch: Batch) -> tuple[Summary, dict[str, Array]]:
        """The same, with what the last stage answers on the way."""
        stage = self._stage(model)
        if not model.can_answer:
            return self.observe(model, batch), {}
        if any(map(_selects, self.stages[:-1])):  # it learns from some, and answers to all
            want = tuple(self.keeps)
            return self.observe(model, batch), self.answer(model, batch, want)
        told, answers = stage.observe_answering(model.running, self._through(model.done, batch))
        return replace(told, base=model.base), answers

    def observe_shard(self, model: Chained, batches: Iterable[Batch]) -> Summary:
        """As the running stage does: it may walk its shard."""
        seen = (self.seen(model.done, batch) for batch in batches)
        told: Summary = self._stage(model).observe_shard(model.running, seen)
        return replace(told, base=model.base)

    @property
    def answers_on_the_way(self) -> bool:
        """Whether every stage may answer batch by batch."""
        return all(stage.answers_on_the_way for stage in self.stages)

    def check_start(self, model: Any) -> None:
        """Raise BadParameter for a model of other stages."""
        super().check_start(model)
        n = len(self.stages)
        require(model.n_stages == n, "start", f"{model.n_stages} stages", f"{n} stages")
        for stage, part in zip(self.stages, (*model.done, model.running), strict=False):
            stage.check_start(part)

    def resume(self, model: Any) -> Any:
        """The running stage goes on; what is done stays."""
        return replace(model, running=self._stage(model).resume(model.running))

    def advance(self, model: Chained, told: Summary) -> Model:
        """The running stage advances; when it stands still the next one starts."""
        at = len(model.done)
        new = self.stages[at].advance(model.running, replace(told, base=model.running.base))
        if new.base != model.running.base or at == model.n_stages - 1:
            return replace(model, running=new)
        done = (*model.done, new)
        assert model.head is not None, "a later stage waits for it"
        head, n = model.head
        for stage, finished in zip(self.stages, done, strict=False):
            n = stage.n_selected(finished, n) if _selects(stage) else n
        started = self.stages[at + 1].start(self.seen(done, head), n)
        return Chained(
            done, started, model.n_stages, model.head if at + 2 < model.n_stages else None
        )

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """What the last stage answers to all rows through the others; select: through all."""
        last = [name for name in want if name != "select"]
        columns: dict[str, Array] = {}
        if last:
            seen = self._through(model.done, batch)
            columns |= self.stages[-1].answer(model.running, seen, last)
        if "select" in want:
            columns["select"] = self._selected((*model.done, model.running), batch)
        return columns

    def place(self, model: Any, batch: Batch) -> Iterator[tuple[int, Batch]]:
        """The rows as they came, where the running stage places what they became."""
        ids = batch.ids
        for group, rows in self._stage(model).place(model.running, self.seen(model.done, batch)):
            yield group, replace(batch.take(_positions(ids, rows.ids)), own=rows.own)

    @available_if(lambda self: "predict" in self.answers)  # type: ignore[untyped-decorator]
    def predict(self, data: Any, *, engine: Any = None, memory: int | str | None = None) -> Array:
        """What the last stage predicts."""
        return self._ask(data, "predict", engine, memory)

    @available_if(lambda self: "transform" in self.answers)  # type: ignore[untyped-decorator]
    def transform(self, data: Any, *, engine: Any = None, memory: int | str | None = None) -> Array:
        """What the rows become, through all stages."""
        from sklearn.utils._set_output import _wrap_data_with_container

        columns = self._ask(data, "transform", engine, memory)
        return _wrap_data_with_container("transform", columns, data, self)

    @available_if(lambda self: "score_samples" in self.answers)  # type: ignore[untyped-decorator]
    def score_samples(
        self, data: Any, *, engine: Any = None, memory: int | str | None = None
    ) -> Array:
        """(n,) how likely the last stage finds what the rows become."""
        return self._ask(data, "score_samples", engine, memory)

    @available_if(lambda self: "score_samples" in self.answers)  # type: ignore[untyped-decorator]
    def score(self, data: Any, y: Any = None) -> float:
        """Mean of `score_samples`: the higher the better, as a search wants it."""
        return float(np.mean(self.score_samples(data), dtype=np.float64))

    @available_if(lambda self: "select" in self.answers)  # type: ignore[untyped-decorator]
    def select(self, data: Any, *, engine: Any = None, memory: int | str | None = None) -> Array:
        """The factor at which a row's weight goes on through all stages; 0: it is left out."""
        return self._ask(data, "select", engine, memory)

    def n_selected(self, model: Any, n: int | None) -> int | None:
        """How many of the n rows of a fit go on, at most; None where nobody knows."""
        for stage, part in zip(self.stages, (*model.done, model.running), strict=True):
            n = stage.n_selected(part, n) if _selects(stage) else n
        return n

    @available_if(lambda self: "transform" in self.answers)  # type: ignore[untyped-decorator]
    def fit_transform(self, data: Any, y: Any = None, **options: Any) -> Array:
        """fit, then transform the same rows."""
        return self.fit(data, y, **options).transform(data)

    @available_if(lambda self: "transform" in self.answers)  # type: ignore[untyped-decorator]
    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns that the rows become: those that come in, or the last new ones."""
        self._check_fitted()
        names = input_features
        if names is None:
            names = [f"x{i}" for i in range(self.n_features_in_)]
        names = list(getattr(self, "feature_names_in_", names))
        for at, stage in enumerate(self.stages):
            if "transform" in stage.answers and not isinstance(stage, OneToOneFeatureMixin):
                n = self.fitted_stage(at)._n_features_out
                names = [f"{type(stage).__name__.lower()}{i}" for i in range(n)]
        return np.asarray(names, dtype=object)

    @available_if(lambda self: "transform" in self.answers)  # type: ignore[untyped-decorator]
    def set_output(self, *, transform: str | None = None) -> Chain:
        """Have `transform` give "pandas" or "polars" frames, or arrays ("default")."""
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    @available_if(lambda self: "predict" in self.answers)  # type: ignore[untyped-decorator]
    def fit_predict(self, data: Any, y: Any = None, **options: Any) -> Array:
        """fit, then predict the same rows."""
        fitted = self.fit(data, y, **options)
        return fitted.labels_ if "predict" in fitted._answers else fitted.predict(data)

    @property
    def labels_(self) -> Array:
        """(n,) what the last stage predicted for the rows of a fit on data in memory."""
        return self._answered("predict", "labels_")

    def ended(self, model: Any) -> str:
        """As the last stage did."""
        return str(self.stages[-1].ended(model.running))

    def loss(self, told: Any) -> float | None:
        """The last stage's."""
        loss: float | None = self.stages[-1].loss(told)
        return loss

    def _stage(self, model: Chained) -> Any:
        return self.stages[len(model.done)]

    def _through(self, done: tuple[Any, ...], batch: Batch) -> Batch:
        """What all rows become."""
        for stage, model in zip(self.stages, done, strict=False):
            batch = _transformed(stage, model, batch)
        return batch

    def seen(self, done: tuple[Any, ...], batch: Batch) -> Batch:
        """What the rows that go on become, at the weights at which they do."""
        for stage, model in zip(self.stages, done, strict=False):
            if _selects(stage):
                batch = weighed(batch, stage.answer(model, batch, ("select",))["select"])
            batch = _transformed(stage, model, batch)
        return batch

    def _selected(self, models: tuple[Any, ...], batch: Batch) -> Array:
        """(n,) the product of the factors of all stages that select."""
        total, at = np.ones(len(batch)), np.arange(len(batch))
        for stage, model in zip(self.stages, models, strict=True):
            if _selects(stage):
                factor = stage.answer(model, batch, ("select",))["select"]
                total[at] *= factor
                batch, at = weighed(batch, factor), at[factor > 0]
            if stage is not self.stages[-1]:
                batch = _transformed(stage, model, batch)
        return total

    def fitted_stage(self, at: int) -> Any:
        """A stage by its number, with its fitted model, so that its attributes can be read."""
        model = self._model()
        stage = bare(self.stages[at])
        models = (*model.done, model.running)
        last = at % len(models) == len(models) - 1
        told = replace(self.state_.told, base=models[at].base) if last else None
        stage.state_ = replace(self.state_, model=models[at], told=told)
        return stage

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.stages:
            last = self.stages[-1].__sklearn_tags__()
            tags.transformer_tags, tags.estimator_type = last.transformer_tags, last.estimator_type
        return tags

    @property
    def stage_names(self) -> list[str]:
        """scale, pca, kmeans, ...: what their parameters are prefixed with."""
        names: list[str] = []
        for stage in self.stages:
            name = type(stage).__name__.lower()
            n_before = sum(other.rstrip("0123456789") == name for other in names)
            names.append(f"{name}{n_before + 1}" if n_before else name)
        return names

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters; `deep`: the stages' too."""
        found: dict[str, Any] = {"stages": self.stages}
        for name, stage in zip(self.stage_names, self.stages, strict=True) if deep else ():
            found[name] = stage
            found.update({f"{name}__{key}": value for key, value in stage.get_params().items()})
        return found

    def set_params(self, **params: Any) -> Chain:
        """Set `stages`, a stage by name, or a parameter of a stage."""
        if "stages" in params:
            self.stages = params.pop("stages")
        for key, value in params.items():
            name, _, rest = key.partition("__")
            names = self.stage_names
            if name not in names:
                raise BadParameter(
                    got=f"{key}={value!r}", wanted=f"stages {names}", do="Check the name."
                )
            at = names.index(name)
            if rest:
                self.stages[at].set_params(**{rest: value})
            else:
                self.stages = (*self.stages[:at], value, *self.stages[at + 1 :])
        return self


def chain(*stages: Any) -> Chain:
    """Learners as one: `chain(Scale(), PCA(16), KMeans(8))`.

    >>> from nacre.learn.prepare.scale import Scale
    >>> chain(Scale(), Scale(with_mean=False)).stage_names
    ['scale', 'scale2']
    """
    return Chain(stages)


def weighed(batch: Batch, factor: Array) -> Batch:
    """The rows of a batch whose factor is above 0, their weights multiplied by it.

    >>> weighed(Batch(np.array([[1.0], [2.0], [3.0]])), np.array([2.0, 0.0, 1.0])).weights
    array([2., 1.])
    """
    kept = factor > 0
    if not kept.all():
        batch, factor = batch.take(kept), factor[kept]
    return batch if (factor == 1).all() else replace(batch, weight=batch.weights * factor)


def _selects(stage: Any) -> bool:
    return "select" in stage.answers


def _clash(stages: Sequence[Any], forms: set[str]) -> str | None:
    """Which stage is given what it does not take, where rows of these forms come in; None if none.

    A form that a stage takes and gives goes through it; one that it only gives is made there.
    """
    for at, stage in enumerate(stages):
        takes, gives = {*getattr(stage, "takes", ())}, {*getattr(stage, "gives", ())}
        if not forms <= takes:
            lost, name = ", ".join(sorted(forms - takes)), type(stage).__name__
            return f"{lost} rows for {name}, stage {at}, which takes none"
        if "transform" in getattr(stage, "answers", ()):
            forms = gives & (forms | (gives - takes))
    return None


def _transformed(stage: Any, model: Any, batch: Batch) -> Batch:
    if "transform" not in stage.answers:
        return batch
    return replace(batch, X=stage.answer(model, batch, ("transform",))["transform"])


def _positions(ids: Array, wanted: Array) -> Array:
    place = {name: at for at, name in enumerate(ids.tolist())}
    return np.array([place[name] for name in wanted.tolist()], np.intp)
