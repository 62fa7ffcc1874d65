"""Columns that a hyper-parameter names, and their numbers, in rows of any dense form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nacre import forms
from nacre.contract import Array
from nacre.errors import BadParameter
from nacre.estimator import is_count, require


def check_columns(columns: Any) -> None:
    """Raise BadParameter unless `columns` is None, or names or positions, each once."""
    if columns is None:
        return
    listed = isinstance(columns, Iterable) and not isinstance(columns, str)
    given = list(columns) if listed else [None]
    kinds = {str if isinstance(c, str) else int if is_count(c, -(2**31)) else None for c in given}
    good = kinds in ({str}, {int}) and len(set(given)) == len(given)
    require(good, "columns", columns, "None, or names, or positions, each once")


def positions(X: Array, columns: Any) -> tuple[int, ...]:
    """The positions of columns that were said by name or position; of all where they are None.

    Raises:
        BadParameter: columns that are not there, or names where the rows have none.
    """
    d = X.shape[1]
    if columns is None:
        return tuple(range(d))
    names = list(X.names) if forms.is_records(X) else []
    there = [c in names if isinstance(c, str) else -d <= c < d for c in columns]
    if not all(there):
        lost = next(c for c, known in zip(columns, there, strict=True) if not known)
        raise BadParameter(
            got=f"columns={list(columns)!r}, where there is no {lost!r}",
            wanted=f"names of {names}" if names else f"positions from 0 to {d - 1}",
            do="Change columns.",
        )
    return tuple(names.index(c) if isinstance(c, str) else int(c) % d for c in columns)


def numbers_of(X: Array, at: int) -> Array:
    """(n,) a column of numbers, bools or times."""
    return X.numbers(at) if forms.is_records(X) else X[:, at]


def holds_texts(X: Array, at: int) -> bool:
    """Whether a column is one of texts."""
    return forms.is_records(X) and X.holds[at] == "text"
