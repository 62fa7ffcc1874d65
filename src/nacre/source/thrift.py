"""Thrift's compact protocol, as far as Parquet's metadata need it: reading, without a schema.

Arrow's own view of a row group ends the process where a damaged footer has lost a field, so what is
said of columns is looked at here first. What takes no space in the input takes none here.
"""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)


class Damaged(Exception):
    """The bytes are no struct. Never leaves the readers of metadata."""


def struct(data: bytes, at: int = 0) -> dict[int, Any]:
    """Field number -> value of the struct that begins at a byte; lists as lists, text as bytes.

    >>> struct(bytes([0x15, 0x08, 0x28, 1, 0x61, 0]))
    {1: 4, 3: b'a'}

    Raises:
        Damaged: it is none.
    """
    try:
        return _struct(data, at)[0]
    except (IndexError, RecursionError, KeyError, MemoryError) as error:
        raise Damaged(type(error).__name__) from None


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    fields: dict[int, Any] = {}
    number = 0
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return fields, at
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = integer(data, at)
        if kind <= FALSE:
            fields[number] = kind == TRUE
        else:
            fields[number], at = _value(data, at, kind)


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if I16 <= kind <= I64:
        return integer(data, at)
    if kind == BINARY:
        length, at = _varint(data, at)
        return _bytes(data, at, length)
    if kind == STRUCT:
        return _struct(data, at)
    if kind in (LIST, SET):
        return _list(data, at)
    if kind in (TRUE, FALSE, BYTE):
        return data[at], at + 1
    if kind == DOUBLE:
        return _bytes(data, at, 8)
    if kind == MAP:
        return _map(data, at)
    raise KeyError(kind)


def _list(data: bytes, at: int) -> tuple[list[Any], int]:
    head = data[at]
    size, at = (head >> 4, at + 1) if head >> 4 < 15 else _varint(data, at + 1)
    values = []
    for _ in range(size):
        value, at = _value(data, at, head & 15)
        values.append(value)
    return values, at


def _map(data: bytes, at: int) -> tuple[dict[Any, Any], int]:
    size, at = _varint(data, at)
    if size == 0:
        return {}, at
    kinds, at = data[at], at + 1
    found: dict[Any, Any] = {}
    for number in range(size):
        _, at = _value(data, at, kinds >> 4)
        found[number], at = _value(data, at, kinds & 15)
    return found, at


def _bytes(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    if at + length > len(data):
        raise IndexError(at)
    return data[at : at + length], at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    at += 1
    if value < 128:
        return value, at
    value, shift = value & 127, 7
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise IndexError(at)


def integer(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag number that begins at a byte, and where it ends; IndexError where none does."""
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
