"""Categories as columns of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from nacre import forms
from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.errors import BadInput
from nacre.estimator import Estimator, Incremental, Transforms, is_count, require
from nacre.kinds import Kind, of
from nacre.learn.prepare.columns import check_columns, holds_texts, numbers_of, positions

Category = str | float | None
MOST_SEEN = 100_000  # categories of a column that are counted
MOST_COLUMNS = 2_000  # that a row may become: a batch of them takes 131 MB in float64
UNKNOWN = ("error", "ignore", "other")


@dataclass(frozen=True, eq=False)
class Counted:
    """The categories of each encoded column, and the weight of each.

    Attributes:
        columns: names, or positions as texts.
        values: of each column its categories, sorted; a text that is missing is None, the last.
        weights: of each column (m,) float64.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[Category, ...], ...]
    weights: tuple[Array, ...]


def joined(parts: Sequence[Counted]) -> Counted:
    """The categories of all parts, their weights added from left to right.

    Raises:
        BadInput: more categories than anyone would want as columns.
    """
    values, weights = [], []
    for at, name in enumerate(parts[0].columns):
        sums: dict[Category, float] = {}
        for part in parts:
            for value, weight in zip(part.values[at], part.weights[at].tolist(), strict=True):
                sums[value] = sums.get(value, 0.0) + weight
        _few(len(sums), name)
        order = tuple(sorted(sums, key=_rank))
        values.append(order)
        weights.append(np.array([sums[value] for value in order]))
    return Counted(parts[0].columns, tuple(values), tuple(weights))


def _rank(value: Category) -> tuple[bool, Any]:
    return value is None, 0.0 if value is None else value


def _few(n: int, name: str) -> None:
    if n > MOST_SEEN:
        raise BadInput(
            got=f"more than {MOST_SEEN} categories in column {name!r}",
            wanted="columns with few different values",
            do="Name the columns to encode, OneHot(columns=[...]), or use nacre.Hashing.",
        )


COUNTS = Kind(
    "COUNTS",
    lambda a, b: joined((a, b)),
    lambda a, factor: replace(a, weights=tuple(w * float(factor) for w in a.weights)),
)


@dataclass(frozen=True, eq=False)
class Encoded(Model):
    """Which columns are encoded, and as what.

    Attributes:
        d: columns that come in.
        columns, labels: positions of the encoded ones, and their names.
        unknown: what becomes of a category that the fit has not seen.
        categories: of each encoded column those with a column of their own, once they are known.
        rare: of each encoded column those that share one, "other", as the last.
        other: of each encoded column whether it has that one.
    """

    frame: ClassVar[tuple[str, ...]] = ("d", "columns", "labels")
    last_look: ClassVar[bool] = True
    d: int
    columns: tuple[int, ...]
    labels: tuple[str, ...]
    unknown: str = "error"
    categories: tuple[tuple[Category, ...], ...] | None = None
    rare: tuple[tuple[Category, ...], ...] = ()
    other: tuple[bool, ...] = ()

    @property
    def widths(self) -> list[int]:
        """How many columns each column that comes in becomes."""
        found = [1] * self.d
        for at, kept, other in zip(self.columns, self.categories or (), self.other, strict=True):
            found[at] = len(kept) + other
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class Categories(Summary):
    """Categories and their weights."""

    seen: Counted = of(COUNTS)


@dataclass(eq=False, repr=False)
class OneHot(Transforms, Incremental, Estimator):
    """Make a column of 0 and 1 of each category.

    The new columns stand where the column stood, sorted by category; None, a text that is missing,
    behind all, and "other" as the last. Columns that are not encoded stay as they are.

    >>> OneHot().fit_transform([["Rome", 1.5], ["Oslo", 2.5]])
    array([[0. , 1. , 1.5],
           [1. , 0. , 2.5]])

    Args:
        columns: names or positions of those to encode. If not said, those of texts; in an array of
            numbers alone, all.
        min_count: categories of less weight share the column "other".
        max_categories: columns that a column may become, "other" included: the heaviest stay.
        unknown: what a category becomes that the fit has not seen: "error", "ignore" (0 in all its
            columns), or "other".
    """

    columns: Any = None
    min_count: float = 1
    max_categories: int | None = None
    unknown: str = "error"

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("transform",)
    takes: ClassVar[Sequence[str]] = ("records",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        check_columns(self.columns)
        count = isinstance(self.min_count, Real) and 0 < self.min_count < np.inf
        require(count, "min_count", self.min_count, "a number above 0")
        most = self.max_categories
        require(most is None or is_count(most), "max_categories", most, "None or an int above 0")
        require(self.unknown in UNKNOWN, "unknown", self.unknown, f"one of {UNKNOWN}")

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but which columns are encoded."""
        X = head.X
        if forms.is_records(X) and self.columns is None:
            chosen = tuple(at for at in range(X.shape[1]) if holds_texts(X, at))
        else:
            chosen = positions(X, self.columns)
        names = X.names if forms.is_records(X) else tuple(map(str, range(X.shape[1])))
        labels = tuple(names[at] for at in sorted(chosen))
        return Encoded(X.shape[1], tuple(sorted(chosen)), labels, self.unknown)

    def observe(self, model: Encoded, batch: Batch) -> Summary:
        """The categories that are there, with their weights."""
        values, weights = [], []
        for at, name in zip(model.columns, model.labels, strict=True):
            codes, found = codes_of(batch.X, at)
            sums = np.bincount(codes, batch.weights, len(found)).astype(np.float64)
            there = np.flatnonzero(sums > 0)
            _few(len(there), name)
            values.append(tuple(found[code] for code in there))
            weights.append(sums[there])
        seen = Counted(model.labels, tuple(values), tuple(weights))
        return Categories.told(model, batch, seen=seen)

    def observe_shard(self, model: Encoded, batches: Iterable[Batch]) -> Summary:
        """The left sum of `observe`, with one merge of the categories instead of many."""
        told: list[Any] = [self.observe(model, batch) for batch in batches]
        none = Counted((), (), ())
        total: Categories = reduce(lambda a, b: a + b, (replace(one, seen=none) for one in told))
        return replace(total, seen=joined([one.seen for one in told]))

    def advance(self, model: Encoded, told: Categories) -> Model:
        """The categories of enough weight, in order."""
        chosen = [
            self._chosen(values, weights)
            for values, weights in zip(told.seen.values, told.seen.weights, strict=True)
        ]
        new = replace(
            model,
            unknown=self.unknown,
            categories=tuple(kept for kept, _ in chosen),
            rare=tuple(rare for _, rare in chosen),
            other=tuple(bool(rare) or self.unknown == "other" for _, rare in chosen),
        )
        _narrow(new)
        return new

    def _chosen(
        self, values: tuple[Category, ...], weights: Array
    ) -> tuple[tuple[Category, ...], tuple[Category, ...]]:
        """The categories that get a column, and those that share one."""
        kept = weights >= self.min_count
        most = self.max_categories
        if most is not None and kept.sum() + (self.unknown == "other" or not kept.all()) > most:
            heavy = np.argsort(-weights, kind="stable")  # of equals the first in order
            kept[heavy[most - 1 :]] = False
        split: tuple[list[Category], list[Category]] = ([], [])
        for value, one in zip(values, kept, strict=True):
            split[not one].append(value)
        return tuple(split[0]), tuple(split[1])

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, m) in the dtype of the rows."""
        X, widths = batch.X, model.widths
        rows = np.zeros((len(batch), sum(widths)), X.dtype)
        starts = np.concatenate([[0], np.cumsum(widths)])
        for at, first in enumerate(starts[:-1]):
            if at in model.columns:
                place = self._places(model, model.columns.index(at), batch)
                there = np.flatnonzero(place >= 0)
                rows[there, first + place[there]] = 1
            else:
                rows[:, first] = numbers_of(X, at)
        return {"transform": rows}

    def _places(self, model: Encoded, number: int, batch: Batch) -> Array:
        """(n,) int64: which of an encoded column's columns is 1, -1 for none.

        Raises:
            BadInput: a category that the fit has not seen, where that is an error.
        """
        kept = (model.categories or ())[number]
        place = {value: at for at, value in enumerate(kept)}
        place.update(dict.fromkeys(model.rare[number], len(kept)))
        codes, found = codes_of(batch.X, model.columns[number])
        strange = [value for value in found if value not in place]
        if strange and model.unknown == "error":
            raise BadInput(
                got=f"{strange[0]!r} in column {model.labels[number]!r}",
                wanted=f"one of the {len(place)} categories of the fit",
                do='Say OneHot(unknown="ignore") or "other", or fit again.',
                where=batch.where,
            )
        nowhere = len(kept) if model.unknown == "other" else -1
        return np.array([place.get(value, nowhere) for value in found], np.int64)[codes]

    @property
    def categories_(self) -> list[list[Category]]:
        """Of each encoded column the categories that have a column of their own, in order."""
        return [list(kept) for kept in self._model().categories]

    @property
    def rare_(self) -> list[list[Category]]:
        """Of each encoded column the categories that share the column "other"."""
        return [list(rare) for rare in self._model().rare]

    @property
    def _n_features_out(self) -> int:
        return sum(self._model().widths)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """(m,) names: city_Oslo, city_Rome, city_other; those of columns that stay.

        Of equal names, as where a category is called "other", the later ones end in _2, _3.
        """
        from sklearn.utils.validation import _check_feature_names_in

        model, names = self._model(), _check_feature_names_in(self, input_features)
        found: list[str] = []
        for at, name in enumerate(names):
            if at in model.columns:
                number = model.columns.index(at)
                shown = [_shown(value) for value in model.categories[number]]
                shown += ["other"] * model.other[number]
                found += [f"{name}_{value}" for value in shown]
            else:
                found.append(str(name))
        return np.asarray(_apart(found), dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags


def codes_of(X: Array, at: int) -> tuple[Array, tuple[Category, ...]]:
    """(n,) int64 codes of a column of rows, and the categories in order that they stand for."""
    if holds_texts(X, at):
        codes: tuple[Array, tuple[Category, ...]] = X.codes(at)
        return codes
    wide = X.astype("float64") if forms.is_records(X) else X  # float32 would make one of two
    found, places = np.unique(numbers_of(wide, at) + 0.0, return_inverse=True)  # -0.0 is 0.0
    return places, tuple(found.tolist())


def _narrow(model: Encoded) -> None:
    """Raise BadInput where rows would become too wide."""
    m = sum(model.widths)
    if m > MOST_COLUMNS:
        most = max(range(len(model.columns)), key=lambda i: model.widths[model.columns[i]])
        n = model.widths[model.columns[most]]
        raise BadInput(
            got=f"{m} columns, {n} of them from {model.labels[most]!r}",
            wanted=f"at most {MOST_COLUMNS}",
            do="Set max_categories or min_count, name fewer columns, or use nacre.Hashing.",
        )


def _apart(names: Sequence[str]) -> list[str]:
    """Names of which none is there twice.

    >>> _apart(["a", "b", "a", "a_2"])
    ['a', 'b', 'a_3', 'a_2']
    """
    given, found = set(names), dict[str, None]()
    for name in names:
        own, number = name, 2
        while own in found or (own != name and own in given):
            own, number = f"{name}_{number}", number + 1
        found[own] = None
    return list(found)


def _shown(value: Category) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)
