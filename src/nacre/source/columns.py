"""Which columns are learned from, and what is wrong with them: one set of rules for every source.

A fit takes the columns that were asked for, else all but the weight and y. Later data must have
them: a frame the same ones in the same order, as scikit-learn wants it; from a file they are picked
by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nacre.contract import Schema
from nacre.errors import BadInput, BadType
from nacre.records import TIMES
from nacre.source.terms import Read

N_NAMED = 10  # names in a message


class Column(NamedTuple):
    """A column of a source.

    Attributes:
        kind: its type, for messages.
        numeric: whether it holds numbers.
        holds: what, as records have it: "" numbers, "bool", "text", the unit of times; None: what
            they do not take.
        is_index: whether it was the index of a pandas frame, which is a feature only by name.
    """

    name: str
    kind: str
    numeric: bool
    is_index: bool = False
    holds: str | None = ""


def features(
    there: Sequence[Column],
    asked: Read,
    fitted: Schema | None,
    where: str,
    *,
    pick: bool,
    typed: bool = False,
) -> tuple[str, ...]:
    """The names of the columns to learn from, in their order.

    Args:
        there: the columns of the source.
        fitted: the schema of the fit, for later data.
        pick: take the fitted columns by name, whatever else is there.
        typed: columns may hold more than numbers; `held` says what.

    Raises:
        BadInput: columns that are missing, there twice, too few, too many, or in another order.
        BadType: a column that holds no numbers.
    """
    names = [column.name for column in there]
    special = asked.beside
    wanted = [c.name for c in there if not c.is_index and c.name not in special]
    known = None if fitted is None else fitted.names
    if asked.columns is not None:
        by_name(asked.columns, where)
        wanted = [str(name) for name in asked.columns]
    elif known is not None and pick:
        wanted = list(known)
    named(asked, names, where)
    missing(wanted, names, where)
    used = {*wanted, *special}
    twice([name for name in names if name in used], where)
    numbers_alone(there, [] if typed else wanted, asked, where)
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


def held(
    sources: Iterable[tuple[Sequence[Column], str]], wanted: Sequence[str], fitted: Schema | None
) -> tuple[str, ...]:
    """What each of the wanted columns holds: what it held in the fit, else in the first source
    that has more than nulls in it.

    Args:
        sources: (columns, where) of each.
        wanted: names that all of them have.
        fitted: the schema of the fit, for later data.

    Raises:
        BadType: a column of what records do not take, or of another kind than it should be.
    """
    known = list(fitted.units) if fitted is not None and fitted.units is not None else []
    decided: list[str | None] = [*known] or [None] * len(wanted)
    for there, where in sources:
        found = {column.name: column for column in there}
        for at, name in enumerate(wanted):
            if found[name].kind != "null":
                decided[at] = _same(found[name], decided[at], where)
    return tuple(kind or "" for kind in decided)


def _same(column: Column, before: str | None, where: str) -> str:
    """What a column holds, or in a later source should hold, if it is a kind of the same group."""
    now = column.holds
    groups = (("", "bool"), ("text",), TIMES)
    if now is not None and (before is None or any({now, before} <= {*group} for group in groups)):
        return now if before is None else before
    raise BadType(
        got=f"column {column.name!r} of type {column.kind}",
        wanted="numbers, texts, bools or times" if before is None else _said(before),
        do="Cast it, or name other columns: nacre.read(data, columns=[...]).",
        where=where,
    )


def _said(holds: str) -> str:
    named = {"": "numbers", "bool": "bools", "text": "texts"}
    return f"{named.get(holds, 'times')}, as before"


def by_name(columns: Sequence[str | int], where: str) -> None:
    """Raise BadInput for positions where columns have names."""
    if not isinstance(columns[0], str):
        raise BadInput(
            got=f"columns={list(columns)!r}",
            wanted="names of columns",
            do="Write columns=[...] with names; positions are for arrays.",
            where=where,
        )


def named(asked: Read, there: Sequence[str], where: str) -> None:
    """Raise BadInput where a column of weight, y or time is not there."""
    time = asked.time_column
    if time is not None and time not in there:
        raise BadInput(
            got=f"time={time!r}, which is no time, and no column; there are {listed(there)}",
            wanted="a column, ns since 1970, an ISO text, a datetime, a pattern, or {id: time}",
            do='Correct it, for example time="2013-02-01": nacre.read(data, time=...).',
            where=where,
        )
    missing(asked.beside, there, where)


def missing(wanted: Sequence[str], there: Sequence[str], where: str) -> None:
    """Raise BadInput where columns are wanted that are not there."""
    known = set(there)
    lost = [name for name in wanted if name not in known]
    if lost:
        raise BadInput(
            got=f"no column {listed(lost)}; there are {listed(there)}",
            wanted=f"columns {listed(wanted)}",
            do="Rename the columns, or name others: nacre.read(data, columns=[...]).",
            where=where,
        )


def twice(names: Sequence[str], where: str) -> None:
    """Raise BadInput for two columns of one name."""
    again = sorted(name for name, n in Counter(names).items() if n > 1)
    if again:
        raise BadInput(
            got=f"two columns named {listed(again)}",
            wanted="every name once",
            do="Rename one of them, or leave them out: nacre.read(data, columns=[...]).",
            where=where,
        )


def numbers_alone(there: Sequence[Column], wanted: Sequence[str], asked: Read, where: str) -> None:
    """Raise BadType for a wanted column or one of weights that holds no numbers, or for a y that
    holds neither numbers nor texts.
    """
    special = [asked.weight, asked.y]
    used = {*wanted, *(name for name in special if isinstance(name, str))}
    for column in there:
        is_text = isinstance(asked.y, str) and column.name == asked.y and column.holds == "text"
        if column.name in used and not column.numeric and not is_text:
            others = [c for c in there if c.name not in asked.beside and not c.is_index]
            good = [c.name for c in others if c.numeric]
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
