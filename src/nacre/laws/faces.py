"""What the scikit-learn face of a learner owes; a learner without one owes nothing here."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from nacre import canon
from nacre.contract import Array
from nacre.errors import NacreError
from nacre.estimator import Estimator, bare
from nacre.laws.case import Case
from nacre.laws.compare import LawBroken, same_bits, same_sum
from nacre.laws.journey import batches_of, draw, law, rows_of, unit_of

N_ROWS = 300
FIFTHS = (60,) * 5
ANSWERS = ("predict", "transform")


@law
def partial_fit_measures(case: Case, seed: int) -> None:
    """told.base == model.base after the first and a later partial_fit; the time grade holds."""
    if not hasattr(case.learner, "partial_fit"):
        return
    X, y = rows_of(case, seed, N_ROWS)
    at, estimator = draw(seed, "partial fit", 60, N_ROWS - 60), bare(case.learner)
    for rows in (slice(0, at), slice(at, None)):
        estimator.partial_fit(case.form(X[rows]), None if y is None else y[rows])
        state = estimator.state_
        same_bits(state.told.base, state.model.base, "the base of told and of the model")
    whole = bare(case.learner).fit(case.form(X), y).state_
    if case.learner.grade["time"] in ("bits", "rounding") and state.model.base == whole.model.base:
        terms = [case.learner.observe(whole.model, b) for b in batches_of(case, seed, *FIFTHS)]
        what = "fit, then partial_fit, and one fit"
        kept = [name for name, kind in whole.told.kinds().items() if kind.rows]
        told = replace(state.told, **{name: getattr(whole.told, name) for name in kept})
        same_sum(told, whole.told, terms, unit_of(case, seed), what)  # ids are those of the calls


@law
def bad_batches_change_nothing(case: Case, seed: int) -> None:
    """A bad batch given to any method raises a NacreError and changes no byte of the estimator."""
    for estimator, X, y in _fitted_face(case, seed):
        before = _bits_of(estimator)
        for what, bad in _bad(X, case):
            for name, method in _methods(estimator, y):
                if not _may_fit(name, what, case):
                    _refused(method, bad, f"{name} of {what}")
                    same_bits(_bits_of(estimator), before, f"the estimator after {name} of {what}")


def _may_fit(name: str, what: str, case: Case) -> bool:
    """Whether a fit, which knows of no other rows, may take what is bad elsewhere."""
    texts = ["strings"] * ("records" in case.learner.takes)
    return name == "fit" and what in ("one more column", *texts)


def _refused(method: Callable[[Any], Any], bad: Any, what: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of rows without the names of the fit
            method(bad)
    except NacreError:
        return
    raise LawBroken(f"{what} was taken")


def _bad(X: Array, case: Case) -> Iterator[tuple[str, Any]]:
    spoiled = X.copy()
    spoiled[len(X) // 2, -1] = np.inf if "nan" in case.learner.takes else np.nan
    yield "a bad value", case.form(spoiled)
    yield "one more column", case.form(np.hstack([X, X[:, :1]]))
    yield "strings", np.full(X.shape, "a")
    yield "one row without a bracket", X[0]


@law
def answering_changes_nothing(case: Case, seed: int) -> None:
    """Predicting and transforming change no byte of the estimator, nor the next answer."""
    for estimator, X, _ in _fitted_face(case, seed):
        before, X = _bits_of(estimator), case.form(X)
        for name in set(ANSWERS) & set(estimator.answers):
            first = getattr(estimator, name)(X)
            same_bits(getattr(estimator, name)(X), first, f"{name} of the same rows")
            same_bits(_bits_of(estimator), before, f"the estimator after {name}")


def _fitted_face(case: Case, seed: int) -> Iterator[tuple[Any, Array, Array | None]]:
    if has_face(case.learner):
        X, y = rows_of(case, seed, N_ROWS)
        yield bare(case.learner).fit(case.form(X), y), X, y


def has_face(learner: Any) -> bool:
    """Whether it is an estimator, and so are its stages."""
    stages = getattr(learner, "stages", ())
    return isinstance(learner, Estimator) and all(map(has_face, stages))


def _methods(estimator: Any, y: Array | None) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    for name in ("fit", "partial_fit"):
        if hasattr(estimator, name):
            yield name, functools.partial(getattr(estimator, name), y=y)
    for name in set(ANSWERS) & set(estimator.answers):
        yield name, getattr(estimator, name)


def _bits_of(estimator: Any) -> str:
    """Of the state, the kept answers and the names of all that the estimator holds."""
    return canon.digest(estimator.state_.digest, estimator._answers, sorted(vars(estimator)))
