"""A Redis stream that is followed: its entries are rows, their fields are columns of numbers.

An entry's id (milliseconds, number) is no offset without gaps, so the live model numbers the rows
that it absorbs, and keeps beside them, in the same commit, the id of the entry that they end with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import numpy as np

from nacre.errors import BadInput, BadParameter, Conflict, MissingExtra, NacreError, Unavailable
from nacre.live.follow import Bad, Look, Part
from nacre.live.model import Live
from nacre.live.numbered import After
from nacre.source.bad import LARGEST
from nacre.source.formats import without_secrets
from nacre.store.life import Position

SOON = 0.2  # seconds between two looks
PATIENCE = 10.0  # seconds for an answer
_LAST = (1 << 64) - 1
Id = tuple[int, int]


@dataclass(frozen=True)
class Mark:
    """Where reading stands.

    Attributes:
        id: of the entry that was read last.
        n_added: how many the stream had ever had up to there; None where the server does not say.
    """

    id: Id = (0, 0)
    n_added: int | None = 0

    @classmethod
    def of(cls, text: str) -> Mark:
        """As it is written.

        >>> Mark.of("1700-2 41"), str(Mark((1700, 3), None)), Mark.of("")
        (Mark(id=(1700, 2), n_added=41), '1700-3', Mark(id=(0, 0), n_added=0))

        Raises:
            Conflict: where something else has followed.
        """
        if not text:
            return cls()
        try:
            id, _, n_added = text.partition(" ")
            return cls(_id(id), int(n_added) if n_added else None)
        except ValueError:
            raise Conflict(
                got=f"a stream that was followed up to {text!r:.40}",
                wanted="the id of an entry of Redis",
                do="Follow it under another name.",
            ) from None

    def __str__(self) -> str:
        return f"{_text(self.id)}{'' if self.n_added is None else f' {self.n_added}'}"


class RedisStream:
    """Follows a stream of Redis.

    Args:
        uri: "redis://host:6379/0/clicks": the database, then the key.
        name: that the ledger has it under. Default: "redis:" and the key.
        columns: fields, in their order. Default: the columns of the model by their names; where
            nothing has been absorbed yet the fields of the first entry.

    Raises:
        BadParameter: no such address.
        MissingExtra: the package `redis` is not installed.
    """

    def __init__(
        self, uri: str, name: str | None = None, columns: Sequence[str] | None = None
    ) -> None:
        self.where = without_secrets(uri)
        server, database, key = _parsed(uri)
        self._key = key
        self._columns = None if columns is None else tuple(columns)
        self.stream = name or _named(database, key)
        self._server = _connected(server)
        self._stands: Position | None = None  # of the live model when the rows in hand were read
        self._read = Mark()  # up to where
        self._rows: list[list[float]] = []
        self._ids: list[Id] = []
        self._told: Id = (0, 0)  # bad entries up to here were named
        self._missed = 0  # entries that were gone before they were read, as they were named

    def look(self, live: Live, most: int) -> Look:
        """The next rows, at most so many."""
        stands = live.position(self.stream)
        if stands != self._stands:
            self._stands, self._read = stands, Mark.of(stands.mark)
            self._rows, self._ids = [], []
        bad: list[Bad] = []
        form = _Form.of(live, self._columns)
        while (left := most - len(self._rows)) > 0:
            entries = self._fetched(left, bad)
            form = form.seeing(entries)
            self._columns = form.columns
            self._sort(entries, form, bad)
            if len(entries) < left:
                break
        if not self._rows:
            return Look(bad=bad, soon=SOON)
        return Look([self._part(stands, form)], bad, in_hand=len(self._rows) < most, soon=SOON)

    def took(self, part: Part) -> None:
        """The rows in hand are absorbed."""
        assert part.id is not None
        self._stands = part.id.until(part.n_rows)
        self._rows, self._ids = [], []

    def refused(self, part: Part, error: NacreError) -> Bad | None:
        """Its rows were looked at one by one, so what is wrong is wrong with all that comes."""
        raise error

    def close(self) -> None:
        """Close the connection."""
        self._server.close()

    def _part(self, stands: Position, form: _Form) -> Part:
        names = (_text(self._ids[0]), _text(self._ids[-1]))
        after = After(self.stream, stands, str(self._read))
        ns = self._ids[-1][0] * 10**6
        time = ns if 0 < ns < 1 << 63 else None
        return Part(form.data(self._rows), names, after, time, len(self._rows))

    def _fetched(self, count: int, bad: list[Bad]) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        """The next entries; what is known of the stream was true at that moment."""
        with _said(self.where):
            pipe = self._server.pipeline(transaction=True)
            pipe.xinfo_stream(self._key)
            pipe.xrange(self._key, min=_text(_after(self._read.id)), count=count)
            about, entries = pipe.execute(raise_on_error=False)
            if isinstance(entries, Exception):
                raise entries
        if isinstance(about, Exception):  # there is no such key yet, or not any more
            about = {}
        self._check_same(about)
        self._miss(about, bad)
        return [(id, fields or {}) for id, fields in entries]

    def _check_same(self, about: Mapping[str, Any]) -> None:
        last = _id(about.get("last-generated-id", b"0-0"))
        if last < self._read.id:
            raise Conflict(
                got=f"a stream whose last entry is {_text(last)}" if about else "no such stream",
                wanted=f"the one that was followed up to {_text(self._read.id)}",
                do="If it was made anew, follow it under another name.",
                where=self.where,
            )

    def _miss(self, about: Mapping[str, Any], bad: list[Bad]) -> None:
        """Name entries that the stream has dropped unread: it counts what it ever had."""
        n_added, n_read = about.get("entries-added"), self._read.n_added
        if n_added is None or n_read is None:
            return
        missed = int(n_added) - int(about["length"]) - n_read
        if missed > 0:
            self._read = Mark(self._read.id, n_read + missed)
            what = f"at least {missed:,} entries after {_text(self._read.id)}"
            bad.append(Bad(what, "removed from the stream before they were read"))

    def _sort(
        self, entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]], form: _Form, bad: list[Bad]
    ) -> None:
        for name, fields in entries:
            id = _id(name)
            try:
                row = form.row(fields)
            except ValueError as error:
                if id > self._told:
                    self._told = id
                    bad.append(Bad(_text(id), str(error)))
            else:
                self._rows.append(row)
                self._ids.append(id)
            n_added = self._read.n_added
            self._read = Mark(id, None if n_added is None else n_added + 1)


@dataclass(frozen=True)
class _Form:
    """What a row is.

    Attributes:
        columns: fields; None until an entry was seen.
        dtype: that learning sees.
        takes_nan: a missing value is no bad one.
        named: the model knows its columns by their names.
    """

    columns: tuple[str, ...] | None
    dtype: str = "float64"
    takes_nan: bool = False
    named: bool = True

    @classmethod
    def of(cls, live: Live, columns: tuple[str, ...] | None) -> _Form:
        """That of a live model.

        Raises:
            BadParameter: columns that no numbers are in, or without names.
        """
        takes_nan = "nan" in live.learner.takes
        if not live.version:
            return cls(columns, takes_nan=takes_nan)
        schema = live._version.grounds.schema
        if schema.units is not None:
            raise BadParameter(
                got="a model of texts and times",
                wanted="one of numbers: the fields of a stream are read as such",
                do="Fit it on columns of numbers.",
            )
        columns = columns or schema.names
        if columns is None or len(columns) != schema.n_columns:
            raise BadParameter(
                got=f"{len(columns)} columns" if columns else "a model whose columns have no names",
                wanted=f"the fields that are its {schema.n_columns} columns",
                do="Name them in their order: columns=[...].",
            )
        return cls(columns, schema.dtype, takes_nan, schema.names is not None)

    def seeing(self, entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> _Form:
        """The same, with the fields of the first entry where nobody has said which."""
        if self.columns is not None or not entries:
            return self
        first = tuple(field.decode(errors="backslashreplace") for field in entries[0][1])
        return _Form(first, self.dtype, self.takes_nan, self.named)

    def row(self, fields: Mapping[bytes, bytes]) -> list[float]:
        """The numbers of an entry, by column.

        Raises:
            ValueError: it has none that can be learned from.
        """
        assert self.columns is not None
        return [self._number(column, fields.get(column.encode())) for column in self.columns]

    def _number(self, column: str, value: bytes | None) -> float:
        if value is None:
            raise ValueError(f"no field {column!r}")
        try:
            number = math.inf if b"_" in value else float(value)
        except ValueError:
            number = math.inf
        if (number != number and self.takes_nan) or abs(number) < LARGEST[self.dtype]:
            return number
        raise ValueError(f"{value[:40]!r} in the field {column!r}, not a number that counts")

    def data(self, rows: Sequence[Sequence[float]]) -> Any:
        """Rows as `absorb` takes them."""
        import pyarrow as pa

        assert self.columns is not None
        X = np.array(rows, np.float64)
        if not self.named:
            return X
        return pa.table({name: X[:, at] for at, name in enumerate(self.columns)})


def _parsed(uri: str) -> tuple[str, int, str]:
    """The address of the server with its database, the database, and the key.

    >>> _parsed("redis://me:secret@host:6379/2/a%2Fb")
    ('redis://me:secret@host:6379/2', 2, 'a/b')
    """
    parts = urlsplit(uri)
    database, _, key = parts.path.strip("/").partition("/")
    if parts.scheme not in ("redis", "rediss") or not database.isdecimal() or not key:
        raise BadParameter(
            got=f"the stream {without_secrets(uri)!r}",
            wanted="redis://host:6379/0/KEY: the number of the database, then the key",
            do="Name the stream.",
        )
    server = f"{parts.scheme}://{parts.netloc}/{int(database)}"
    return server, int(database), unquote(key)


def _named(database: int, key: str) -> str:
    """What the ledger calls a stream.

    >>> _named(0, "clicks"), _named(1, "a/b~c")
    ('redis:clicks', 'redis:1:a%2Fb%7Ec')
    """
    name = quote(key, safe="._:+-").replace("~", "%7E")
    return f"redis:{f'{database}:' if database else ''}{name}"


def _connected(server: str) -> Any:
    try:
        import redis
    except ImportError:
        raise MissingExtra(
            got="no package redis", wanted="it, to follow a stream", do="Install nacre[redis]."
        ) from None
    try:
        patience = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        return redis.Redis.from_url(server, protocol=2, **patience)
    except ValueError as error:
        raise BadParameter(got=str(error), wanted="an address", do="Check the address.") from None


@contextmanager
def _said(where: str) -> Iterator[None]:
    """What the server or the way to it raises, in words."""
    import redis

    try:
        yield
    except redis.AuthenticationError as error:
        raise BadParameter(
            got=str(error), wanted="a name and password that are right", do="Check them.",
            where=where,
        ) from None  # fmt: skip
    except redis.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise BadInput(
                got="a key that holds something else", wanted="a stream", do="Check the key.",
                where=where,
            ) from None  # fmt: skip
        raise _away(where, error) from None
    except (redis.RedisError, OSError) as error:
        raise _away(where, error) from None


def _away(where: str, error: Exception) -> Unavailable:
    got = f"{type(error).__name__}: {error}"
    return Unavailable(got=got, wanted="an answer", do="See whether it runs.", where=where)


def _id(text: bytes | str) -> Id:
    ms, _, number = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(ms), int(number)


def _text(id: Id) -> str:
    return f"{id[0]}-{id[1]}"


def _after(id: Id) -> Id:
    """The least id above another."""
    return (id[0], id[1] + 1) if id[1] < _LAST else (id[0] + 1, 0)
