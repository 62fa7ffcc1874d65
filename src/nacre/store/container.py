"""The container of a file: a prefix with length and SHA-256, then safetensors.

    magic (8) | format number (8) | bytes that follow (8) | zeros (8) | SHA-256 of all else (32)
    safetensors: length of the header (8) | header, JSON | arrays, little-endian, C order

What follows the prefix is what the safetensors library writes, byte for byte, and any reader of
safetensors can read it. Reading is ours: whoever can write a file can also write its hash, so every
claim of the header is checked before it is used, and the arrays are views.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
import reprlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, NamedTuple, NoReturn

import numpy as np

from nacre.canon import ID
from nacre.errors import BadType, CorruptState, NewerFormat
from nacre.kinds import Array

FORMAT = 1
MAGIC = b"NACRE\x00\x00\x01"
PREFIX = struct.Struct("<8sQQ8x32s")
HASHED = 32  # bytes of the prefix before its hash
TREE = "tree"  # the name of the text; all other names begin with the kind of what is stored

MOST_HEADER = 16 << 20  # bytes
MOST_TREE = 16 << 20
MOST_AXES = 32
MOST_BYTES = 1 << 63

NATIVE = {
    **{"|b1": "BOOL", "|i1": "I8", "<i2": "I16", "<i4": "I32", "<i8": "I64"},
    **{"|u1": "U8", "<u2": "U16", "<u4": "U32", "<u8": "U64"},
    **{"<f2": "F16", "<f4": "F32", "<f8": "F64"},
}
WIDTHS = {theirs: np.dtype(ours).itemsize for ours, theirs in NATIVE.items()}
PLACES = {  # of the dtypes in the payload, so that all arrays are aligned
    name: place
    for place, name in enumerate(
        ("U64", "I64", "F64", "F32", "U32", "I32", "F16", "U16", "I16", "I8", "U8", "BOOL")
    )
}
COMPLEX = ("<c8", "<c16")
_TEXT = re.compile(r"(<U|\|S)[1-9][0-9]{0,5}", re.ASCII)


def corrupt(got: str, wanted: str) -> NoReturn:
    """Raise CorruptState."""
    raise CorruptState(got=got, wanted=wanted, do="Restore the file from a copy, or make it again.")


def newer(got: str, wanted: str) -> NoReturn:
    """Raise NewerFormat."""
    do = "Update nacre, or register the classes of the learner that wrote it."
    raise NewerFormat(got=got, wanted=wanted, do=do)


def shown(value: Any) -> str:
    """At most 80 letters of a value of whatever depth and size."""
    return reprlib.repr(value)[:80]


def dtype_name(dtype: np.dtype[Any]) -> str | None:
    """The name under which arrays of a little-endian dtype are stored; None: they are not.

    >>> dtype_name(ID), dtype_name(np.dtype("<f4")), dtype_name(np.dtype(object))
    ('id', '<f4', None)
    """
    name = dtype.str if dtype.names is None else "id" if dtype == ID else ""
    return name if _is_known(name) else None


@functools.lru_cache(256)
def dtype_of(name: str) -> np.dtype[Any]:
    """The dtype of a name; NumPy, whose own grammar is wide, sees only the names of `dtype_name`.

    Raises:
        CorruptState: any other name.
    """
    if not _is_known(name):
        corrupt(f"dtype {name[:40]!r}", "a numeric, bool or fixed-width text dtype, or id")
    return ID if name == "id" else np.dtype(name)


def _is_known(name: str) -> bool:
    return name == "id" or name in NATIVE or name in COMPLEX or bool(_TEXT.fullmatch(name))


def counts(shape: Any, width: int) -> bool:
    """Whether NumPy can make an array of it: a list of axis lengths, for items of `width` bytes."""
    if type(shape) is not list or len(shape) > MOST_AXES:
        return False
    size = width
    for length in shape:
        if type(length) is not int or not 0 <= length < MOST_BYTES:
            return False
        size *= length or 1
    return size < MOST_BYTES


class Form(NamedTuple):
    """What an array is: its dtype, as `dtype_name` says it, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def lies(self) -> tuple[str, tuple[int, ...]]:
        """safetensors' dtype and shape for it: raw bytes where it has no such dtype."""
        if self.dtype in NATIVE:
            return NATIVE[self.dtype], self.shape
        return "U8", (dtype_of(self.dtype).itemsize * math.prod(self.shape),)


class Tensor(NamedTuple):
    """How an array lies in the payload: safetensors' dtype and shape, first byte and end."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    end: int


def packed(arrays: dict[str, Array], text: bytes) -> bytes:
    """The bytes of a file; the same for equal arrays and text, on any machine.

    Args:
        arrays: name -> array, little-endian, C order.
        text: the tree.

    Raises:
        BadType: so many names that no reader would take them.
    """
    lying = {name: _lying(array) for name, array in arrays.items()}
    lying[TREE] = "U8", np.frombuffer(text, np.uint8)
    order = sorted(lying, key=lambda name: (PLACES[lying[name][0]], name))
    header = _header({name: lying[name] for name in order})
    if len(text) > MOST_TREE or len(header) > MOST_HEADER:
        raise BadType(
            got=f"{len(text):,} bytes of names, numbers and texts, {len(header) - 8:,} of headers",
            wanted=f"at most {MOST_TREE:,} and {MOST_HEADER - 8:,}",
            do="Keep them in arrays.",
        )
    return sealed(b"".join([header, *(lying[name][1] for name in order)]))


def _lying(array: Array) -> tuple[str, Array]:
    name = NATIVE.get(array.dtype.str)
    return (name, array) if name else ("U8", array.reshape(-1).view(np.uint8))


def _header(lying: Mapping[str, tuple[str, Array]]) -> bytes:
    """Its length and the header, with blanks so that the arrays are aligned."""
    entries, end = [], 0
    for name, (dtype, array) in lying.items():
        first, end = end, end + array.nbytes
        shape = ",".join(map(str, array.shape))
        lies = f'"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{first},{end}]'
        entries.append(f"{encode_basestring(name)}:{{{lies}}}")
    text = f"{{{','.join(entries)}}}".encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def sealed(payload: bytes) -> bytes:
    """A payload behind its prefix."""
    start = PREFIX.pack(MAGIC, FORMAT, len(payload), b"")[:HASHED]
    return b"".join((start, _hash(start, payload), payload))


def _hash(start: bytes, payload: bytes | memoryview) -> bytes:
    sha256 = hashlib.sha256(start)
    sha256.update(payload)
    return sha256.digest()


def unsealed(data: bytes) -> memoryview:
    """The payload of a file whose length and hash are right.

    Raises:
        CorruptState: it is no file of nacre, or damaged.
        NewerFormat: it is whole, but of a format that is not known here.
    """
    if len(data) < PREFIX.size:
        corrupt(f"{len(data)} bytes", f"at least the {PREFIX.size} bytes of the prefix")
    magic, number, length, stated = PREFIX.unpack_from(data)
    if magic != MAGIC:
        corrupt(f"first bytes {magic!r} in the prefix", f"{MAGIC!r}")
    payload = memoryview(data)[PREFIX.size :]
    if len(payload) != length:
        corrupt(f"{len(payload)} bytes after the prefix", f"{length}, as the prefix says")
    found = _hash(data[:HASHED], payload)
    if found != stated:
        corrupt(f"SHA-256 {found.hex()[:16]}…", f"{stated.hex()[:16]}…, as the prefix says")
    if number > FORMAT:
        newer(f"format {number}", f"format {FORMAT} or lower")
    if number != FORMAT:
        corrupt(f"format {number} in the prefix", f"format {FORMAT}")
    return payload


@dataclass(frozen=True, eq=False)
class Container:
    """A file whose prefix and header are right.

    Attributes:
        payload: all bytes after the prefix.
        tensors: name -> where it lies; the tree is not among them.
        text: the tree.
    """

    payload: memoryview
    tensors: dict[str, Tensor]
    text: bytes

    def arrays(self, forms: dict[str, Form]) -> dict[str, Array]:
        """The arrays that the tree names: read-only views of the payload, copies if unaligned.

        Raises:
            CorruptState: not just these arrays, or of other forms, or bytes that no dtype has.
        """
        if forms.keys() != self.tensors.keys():
            odd = min(forms.keys() ^ self.tensors.keys())
            corrupt(f"array {odd[:80]} on one side only", "the same arrays in tree and header")
        return {name: self._array(name, form) for name, form in forms.items()}

    def _array(self, name: str, form: Form) -> Array:
        tensor = self.tensors[name]
        if form.lies != (tensor.dtype, tensor.shape):
            got = f"{tensor.dtype} {tensor.shape} for {name}"
            corrupt(got, "{} {}".format(*form.lies))
        array: Array = np.ndarray(form.shape, dtype_of(form.dtype), self.payload, tensor.first)
        if not array.flags.aligned:
            array = array.copy()
        sound(array, name)
        array.setflags(write=False)
        return array


_LIMITS = {"b": 1, "U": 0x10FFFF}


def sound(array: Array, name: str) -> None:
    """Check the bytes that not every value of a dtype may have: of bools and of texts.

    Raises:
        CorruptState: a bool that is neither 0 nor 1, or a letter beyond Unicode: they crash NumPy.
    """
    limit = _LIMITS.get(array.dtype.kind)
    if limit:
        codes = array.reshape(-1).view("u1" if array.dtype == bool else "<u4")
        if (most := codes.max(initial=0)) > limit:
            corrupt(f"{most:#x} in {name}", f"at most {limit:#x} in an array of {array.dtype}")


def opened(data: bytes) -> Container:
    """A file taken apart, when its prefix and its header are right.

    Raises:
        CorruptState: it is no file of nacre, damaged, or its header lies.
        NewerFormat: it is of a format that is not known here.
    """
    payload = unsealed(data)
    tensors = tensors_of(payload)
    tree = tensors.pop(TREE, None)
    if tree is None or tree.dtype != "U8" or tree.end - tree.first > MOST_TREE:
        corrupt("no tree of bytes", f"an array {TREE!r} of at most {MOST_TREE} bytes")
    return Container(payload, tensors, bytes(payload[tree.first : tree.end]))


def tensors_of(payload: memoryview) -> dict[str, Tensor]:
    """Where each array lies: they cover the bytes after the header without gap or overlap.

    Raises:
        CorruptState: the header lies.
    """
    start = 8 + int.from_bytes(payload[:8], "little")
    if len(payload) < 8 or start > len(payload) or start > MOST_HEADER:
        corrupt(f"a header up to byte {start}", f"byte {min(len(payload), MOST_HEADER)} at most")
    header = parsed(bytes(payload[8:start]), "header")
    if not isinstance(header, dict):
        corrupt(f"a header that is a {type(header).__name__}", "a table of arrays")
    tensors = {name: _tensor(name, entry, start) for name, entry in header.items()}
    at = start
    for first, end, name in sorted([(t.first, t.end, name) for name, t in tensors.items()]):
        if first != at:
            corrupt(f"{name[:80]} at byte {first}", f"byte {at}, the end of the array before")
        at = end
    if at != len(payload):
        corrupt(f"{len(payload)} bytes", f"{at}, the end of the last array")
    return tensors


_ENTRY = {"dtype", "shape", "data_offsets"}


def _tensor(name: str, entry: Any, start: int) -> Tensor:
    if type(entry) is dict and entry.keys() == _ENTRY:
        dtype, shape, lies = entry["dtype"], entry["shape"], entry["data_offsets"]
        width = WIDTHS.get(dtype, 0) if type(dtype) is str else 0
        if width and counts(shape, width) and counts(lies, 0) and len(lies) == 2:
            first, end = lies
            if end - first == width * math.prod(shape):
                return Tensor(dtype, tuple(shape), start + first, start + end)
    corrupt(f"{shown(entry)} for {name[:80]} in the header", "dtype, shape and its bytes")


def parsed(text: bytes, part: str) -> Any:
    """What a JSON text says.

    Raises:
        CorruptState: it is not JSON, or very deep.
    """
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        corrupt(f"{type(error).__name__} in the {part}: {str(error)[:80]}", "JSON")
