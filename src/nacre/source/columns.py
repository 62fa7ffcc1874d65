"""Which columns are learned from, and what is wrong with them: one set of rules for every source.

A fit takes the columns that were asked for, else all but the weight and y. Later data must have
them: a frame the same ones in the same order, as scikit-learn wants it; from a file they are picked
by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nacre.contract import Schema
from nacre.errors import BadInput, BadType
from nacre.source.terms import Read

N_NAMED = 10  # names in a message


class Column(NamedTuple):
    """A column of a source.

    Attributes:
        kind: its type, for messages.
        numeric: whether it holds numbers.
        is_index: whether it was the index of a pandas frame, which is a feature only by name.
    """

    name: str
    kind: str
    numeric: bool
    is_index: bool = False


def features(
    there: Sequence[Column], asked: Read, fitted: Schema | None, where: str, *, pick: bool
) -> tuple[str, ...]:
    """The names of the columns to learn from, in their order.

    Args:
        there: the columns of the source.
        fitted: the schema of the fit, for later data.
        pick: take the fitted columns by name, whatever else is there.

    Raises:
        BadInput: columns that are missing, there twice, too few, too many, or in another order.
        BadType: a column that holds no numbers.
    """
    names = [column.name for column in there]
    special = [name for name in (asked.weight, asked.y) if isinstance(name, str)]
    wanted = [c.name for c in there if not c.is_index and c.name not in special]
    known = None if fitted is None else fitted.names
    if asked.columns is not None:
        by_name(asked.columns, where)
        wanted = [str(name) for name in asked.columns]
    elif known is not None and pick:
        wanted = list(known)
    missing([*wanted, *special], names, where)
    twice([name for name in names if name in {*wanted, *special}], where)
    numbers_alone(there, wanted, special, where)
    if not wanted:
        raise BadInput(
            got="no column to learn from",
            wanted="at least one",
            do="Check the columns.",
            where=where,
        )
    if fitted is not None:
        if known is not None:
            same_names(known, wanted, where)
        same_width(fitted, len(wanted), where)
    return tuple(wanted)


def by_name(columns: Sequence[str | int], where: str) -> None:
    """Raise BadInput for positions where columns have names."""
    if not isinstance(columns[0], str):
        raise BadInput(
            got=f"columns={list(columns)!r}",
            wanted="names of columns",
            do="Write columns=[...] with names; positions are for arrays.",
            where=where,
        )


def missing(wanted: Sequence[str], there: Sequence[str], where: str) -> None:
    """Raise BadInput where columns are wanted that are not there."""
    lost = [name for name in wanted if name not in set(there)]
    if lost:
        raise BadInput(
            got=f"no column {listed(lost)}; there are {listed(there)}",
            wanted=f"columns {listed(wanted)}",
            do="Rename the columns, or name others: nacre.read(data, columns=[...]).",
            where=where,
        )


def twice(names: Sequence[str], where: str) -> None:
    """Raise BadInput for two columns of one name."""
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise BadInput(
            got=f"two columns named {listed(again)}",
            wanted="every name once",
            do="Rename one of them, or leave them out: nacre.read(data, columns=[...]).",
            where=where,
        )


def numbers_alone(
    there: Sequence[Column], wanted: Sequence[str], special: Sequence[str], where: str
) -> None:
    """Raise BadType for a wanted column that holds no numbers."""
    used = {*wanted, *special}
    for column in there:
        if column.name in used and not column.numeric:
            good = [c.name for c in there if c.numeric and not c.is_index and c.name not in special]
            raise not_numbers(column.name, column.kind, good, where)


def not_numbers(name: str, kind: str, good: Sequence[str], where: str) -> BadType:
    """The error for a column that holds no numbers; `good`: those that do."""
    return BadType(
        got=f"column {name!r} of type {kind}",
        wanted="columns of numbers",
        do=f"Name the columns to learn from: nacre.read(data, columns={_shortened(good)}).",
        where=where,
    )


def same_width(fitted: Schema, d: int, where: str) -> None:
    """Raise BadInput unless there are as many columns as in the fit."""
    if d != fitted.n_columns:
        raise BadInput(
            says=f"X has {d} features, but the fit had {fitted.n_columns} features as input.",
            got=f"{d} columns",
            wanted=f"{fitted.n_columns}, as in the fit",
            do="Pass the columns of the fit, or name them: nacre.read(data, columns=[...]).",
            where=where,
        )


def same_names(fitted: Sequence[str], names: Sequence[str], where: str = "") -> None:
    """Raise BadInput unless the names are those of the fit, in their order."""
    if list(names) != list(fitted):
        raise BadInput(
            says="The feature names should match those that were passed during fit.",
            got=f"columns {listed(names)}",
            wanted=f"{listed(fitted)}, in this order",
            do="Name them: nacre.read(data, columns=[...]).",
            where=where,
        )


def listed(names: Iterable[str]) -> str:
    """Names for a message, the first few of many.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    names = list(names)
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(repr(name) for name in names[:N_NAMED]) + more


def _shortened(names: Sequence[str]) -> str:
    return f"[{', '.join(map(repr, names[:N_NAMED]))}{', ...' if len(names) > N_NAMED else ''}]"
