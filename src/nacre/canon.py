"""Canonical bytes and addressed randomness: why two machines agree on a digest and on a sample.

A digest is a hash over canonical bytes, so it depends on values alone, never on memory order, byte
order or the version of a library. A random number is a hash of a row's id and of what it is for,
never a draw from a stream, so it depends neither on shards nor on order.
"""

from __future__ import annotations

import dataclasses
import hashlib
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
    return [
        field.name
        for field in dataclasses.fields(value)
        if field.metadata.get("lasting", True)
        and not (field.metadata.get("later") and _same(getattr(value, field.name), field.default))
    ]


def _same(value: Any, default: Any) -> bool:
    """Equal, and of one type: 0 and False have other bytes than 0.0."""
    plain = value.item() if isinstance(value, np.generic) else value
    return type(plain) is type(default) and bool(plain == default)


class _Sink(Protocol):
    def update(self, data: Any, /) -> None: ...


def feed(sink: _Sink, value: Any) -> None:
    """Write the canonical bytes of `value` into `sink`; raise TypeError for a type without any."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if little.dtype.hasobject:
            raise TypeError("no canonical bytes for an array of Python objects")
        kind = little.dtype.descr if little.dtype.names else little.dtype.str
        sink.update(f"array {kind} {value.shape};".encode())
        sink.update(little.view(np.uint8).data if little.size else b"")
    elif forms.is_sparse(value):
        rows = forms.as_csr(value)
        sink.update(f"csr {value.shape};".encode())
        for part in (rows.indptr.astype(np.int64), rows.indices.astype(np.int64), rows.data):
            feed(sink, part)
    elif forms.is_records(value):
        feed(sink, value.canonical())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        sink.update(f"{type(value).__name__}(".encode())
        for name in told_fields(value):
            sink.update(f"{name}=".encode())
            feed(sink, getattr(value, name))
        sink.update(b")")
    elif isinstance(value, tuple | list):
        sink.update(f"tuple {len(value)};".encode())
        for item in value:
            feed(sink, item)
    elif isinstance(value, dict):
        sink.update(f"dict {len(value)};".encode())
        for key in sorted(value, key=repr):
            feed(sink, key)
            feed(sink, value[key])
    elif isinstance(value, bool) or value is None:
        sink.update(f"{value};".encode())
    elif isinstance(value, int):
        sink.update(f"int {value};".encode())
    elif isinstance(value, float):
        sink.update(f"float {value.hex()};".encode())
    elif isinstance(value, str):
        text = value.encode()
        sink.update(f"str {len(text)};".encode() + text)
    else:
        raise TypeError(f"no canonical bytes for {type(value).__name__}")


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
