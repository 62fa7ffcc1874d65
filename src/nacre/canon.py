"""Canonical bytes and addressed randomness: why two machines agree on a digest and on a sample.

A digest is a hash over canonical bytes, so it depends on values alone, never on memory order, byte
order or the version of a library. A random number is a hash of a row's id and of what it is for,
never a draw from a stream, so it depends neither on shards nor on order.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from nacre import forms

ID = np.dtype([("origin", "<u8"), ("position", "<u8")])


def passing(**options: Any) -> Any:
    """Mark a dataclass field that is no part of the value: neither digested nor stored."""
    return dataclasses.field(metadata={"lasting": False}, **options)


def later(default: Any) -> Any:
    """Mark a dataclass field that its class had not from the start.

    While it has its default it is neither digested nor stored: so what was made before there was
    such a field keeps its hash, and a file without it means the default.
    """
    return dataclasses.field(default=default, metadata={"later": True})


def told_fields(value: Any) -> list[str]:
    """Names of the fields that are part of a dataclass's value, in their order."""
    cls: type = type(value)
    return [name for name, field in _lasting(cls) if field is None or not _same(value, field)]


@functools.cache
def _lasting(cls: type) -> tuple[tuple[str, Any], ...]:
    """Names of the fields that a class's values may be told by; beside one that came later the
    field, which is left out while it has its default.
    """
    told = (field for field in dataclasses.fields(cls) if field.metadata.get("lasting", True))
    return tuple((field.name, field if field.metadata.get("later") else None) for field in told)


def _same(value: Any, field: Any) -> bool:
    """Whether a field has its default, in its type: 0 and False have other bytes than 0.0."""
    found = getattr(value, field.name)
    plain = found.item() if isinstance(found, np.generic) else found
    return type(plain) is type(field.default) and bool(plain == field.default)


class _Sink(Protocol):
    def update(self, data: Any, /) -> None: ...


def feed(sink: _Sink, value: Any) -> None:
    """Write the canonical bytes of `value` into `sink`; raise TypeError for a type without any."""
    texts: list[str] = []
    _write(sink, texts, value)
    sink.update("".join(texts).encode())


def _write(sink: _Sink, texts: list[str], value: Any) -> None:
    """As `feed`; what waits in `texts` comes before what is written next."""
    plain = _PLAIN.get(type(value))
    if plain is not None:
        texts.append(plain(value))
    elif isinstance(value, np.ndarray):
        _write_array(sink, texts, value)
    elif forms.is_records(value):
        _write(sink, texts, value.canonical())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        texts.append(f"{type(value).__name__}(")
        for name in told_fields(value):
            texts.append(f"{name}=")
            _write(sink, texts, getattr(value, name))
        texts.append(")")
    elif isinstance(value, tuple | list):
        texts.append(f"tuple {len(value)};")
        for item in value:
            _write(sink, texts, item)
    else:
        _write_rare(sink, texts, value)


def _write_array(sink: _Sink, texts: list[str], value: Any) -> None:
    array = np.ascontiguousarray(value)
    dtype = array.dtype.newbyteorder("<")
    if dtype.hasobject:
        raise TypeError("no canonical bytes for an array of Python objects")
    texts.append(f"array {dtype.descr if dtype.names else dtype.str} {value.shape};")
    sink.update("".join(texts).encode())
    texts.clear()
    if array.size:
        sink.update(array.astype(dtype, copy=False).view(np.uint8).data)


def _write_rare(sink: _Sink, texts: list[str], value: Any) -> None:
    if isinstance(value, np.generic):
        _write(sink, texts, value.item())
    elif forms.is_sparse(value):
        rows = forms.as_csr(value)
        texts.append(f"csr {value.shape};")
        for part in (rows.indptr.astype(np.int64), rows.indices.astype(np.int64), rows.data):
            _write(sink, texts, part)
    elif isinstance(value, dict):
        texts.append(f"dict {len(value)};")
        for key in sorted(value, key=repr):
            _write(sink, texts, key)
            _write(sink, texts, value[key])
    else:
        kinds = (kind for kind in _PLAIN if isinstance(value, kind))
        kind = next(kinds, None)
        if kind is None:
            raise TypeError(f"no canonical bytes for {type(value).__name__}")
        texts.append(_PLAIN[kind](value))


_PLAIN: dict[type, Callable[[Any], str]] = {  # a bool is an int: it comes first
    bool: lambda value: f"{value};",
    type(None): lambda value: f"{value};",
    int: lambda value: f"int {value};",
    float: lambda value: f"float {value.hex()};",
    str: lambda value: f"str {len(value.encode())};{value}",
}


def digest(*values: Any) -> str:
    """Hash of the canonical bytes of `values`: 32 hexadecimal digits.

    >>> digest(1.0, "a") == digest(1.0, "a"), digest(1.0) == digest(1)
    (True, False)
    """
    sink = hashlib.sha256()
    for value in values:
        feed(sink, value)
    return sink.hexdigest()[:32]


def hash64(text: str) -> int:
    """64-bit hash of a text: of a batch's name, it is the origin in the ids of its rows."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(x: Any) -> Any:
    """Scramble 64-bit integers one by one (the finaliser of splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = np.asarray(x, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def hash01(origin: Any, position: Any, purpose: str) -> Any:
    """Numbers in [0, 1), float64, addressed by row id and purpose (the use and its seed).

    >>> float(hash01(7, 0, "kmeans seeding 0")) == float(hash01(7, 0, "kmeans seeding 0"))
    True
    """
    salt = mix(np.uint64(hash64(purpose)))
    bits = mix(mix(salt ^ np.asarray(origin, np.uint64)) ^ np.asarray(position, np.uint64))
    return (bits >> np.uint64(11)) * 2.0**-53


def placed(names: Any, n: int) -> tuple[Any, Any]:
    """Origin and position of n rows, by their names: (origin, first) where they are consecutive,
    else (n,) records.

    >>> placed((7, 2), 3)[1].tolist()
    [2, 3, 4]
    """
    if isinstance(names, tuple):
        origin, first = names
        return origin, np.arange(first, first + n, dtype=np.uint64)
    return names["origin"], names["position"]


def ids(origin: int, positions: Any) -> Any:
    """(n,) records: the ids of rows of one origin.

    >>> ids(7, np.array([0, 3])).tolist()
    [(7, 0), (7, 3)]
    """
    found = np.empty(len(positions), ID)
    found["origin"], found["position"] = origin, positions
    return found


def pack(time: int, origin: int, number: int) -> int:
    """The key of a shard: sorts as (event time in ns int64, origin uint64, number uint32)."""
    return ((time + (1 << 63)) << 96) | (origin << 32) | number


def unpack(key: int) -> tuple[int, int, int]:
    """(event time, origin, number) of a key.

    >>> unpack(pack(-5, 7, 3))
    (-5, 7, 3)
    """
    return (key >> 96) - (1 << 63), (key >> 32) & ((1 << 64) - 1), key & ((1 << 32) - 1)
