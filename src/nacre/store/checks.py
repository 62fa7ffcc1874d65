"""What the tree of a file must satisfy before anything of it is built."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Any, Literal, NamedTuple, Union

import numpy as np

from nacre.contract import Model, State, Summary
from nacre.store.container import NATIVE, Form, corrupt, counts, dtype_of, parsed, shown

Node = Any  # see Tree

MOST_NODES = 1_000_000
MOST_DEPTH = 64
MOST_LETTERS = 2_000  # of a path: every node below a long key would copy it
MOST_BITS = 256  # of an integer; the key of a shard has 160


def spelled(tree: Any) -> bytes:
    """The one text of a tree: ASCII, keys sorted, no spaces."""
    return _SPELLING.encode(tree).encode()


_SPELLING = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def read(text: bytes) -> Any:
    """The tree of a text that is spelled as `spelled` does: no key twice, no space, no NaN.

    Raises:
        CorruptState: any other text.
    """
    tree = parsed(text, "tree")
    try:
        again = spelled(tree)
    except RecursionError:
        again = b""
    if again != text:
        corrupt("a tree that nacre would spell otherwise", "sorted keys, once each, no spaces")
    return tree


class Wanted(NamedTuple):
    """A type as an annotation has it, taken apart.

    Attributes:
        origin: `list` of `list[int]`; a type alone is its own.
        options: what stands in its brackets.
        is_any: everything fits.
    """

    origin: Any
    options: tuple[Any, ...]
    is_any: bool

    @classmethod
    @functools.cache
    def of(cls, wanted: Any) -> Wanted:
        """Taken apart once: `typing` takes its time."""
        origin, options = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
        chosen = origin in (Union, UnionType, Literal)
        return cls(origin, options, wanted is Any or not (chosen or isinstance(origin, type)))


@functools.cache
def fields_of(cls: type) -> dict[str, Any]:
    """Stored fields of a dataclass -> their types; fields marked `passing` are not stored."""
    types = typing.get_type_hints(cls)
    if cls is State:  # the contract says Any there, so that learners need no casts
        types.update(model=Model, told=Summary)
    lasting = [f.name for f in dataclasses.fields(cls) if f.metadata.get("lasting", True)]
    return {name: types[name] for name in lasting}


def since(cls: type) -> set[str]:
    """Fields that an older file lacks: those that came later."""
    return {field.name for field in dataclasses.fields(cls) if field.metadata.get("later")}


def below(path: str, key: str | int) -> str:
    """The path of an item; keys are quoted, so no two items of a value have one path.

    >>> below("model.sums", 0), below("model.sums", "a.b")
    ('model.sums[0]', 'model.sums["a.b"]')
    """
    return f"{path}[{key if type(key) is int else json.dumps(key)}]"


class Check:
    """Goes through a tree node by node, and collects the forms of the arrays that it names by path.

    A node is None, a bool, an int or a str, which stand for themselves; a list, which stands for a
    tuple; or a dict with exactly the keys of one of {"float": text of float.hex}, {"list": [...]},
    {"dict": {...}}, {"array": dtype, "shape": [...]}, {"scalar": dtype}, a NumPy number,
    {"class": tag, "fields": {...}}.

    Args:
        class_of: tag -> class; raises NewerFormat for a tag that is not known.
    """

    def __init__(self, class_of: Callable[[str], type]) -> None:
        self.class_of = class_of
        self.forms: dict[str, Form] = {}
        self.n_nodes = 0

    def walk(self, node: Node, path: str, depth: int = 0) -> None:
        """Check a node and all below it.

        Raises:
            CorruptState: too many nodes, too deep, or no value that nacre stores.
            NewerFormat: an unknown tag.
        """
        self.n_nodes += 1
        if self.n_nodes > MOST_NODES or depth > MOST_DEPTH or len(path) > MOST_LETTERS:
            most = f"{MOST_NODES:,} nodes, {MOST_DEPTH} levels, {MOST_LETTERS:,} letters of path"
            corrupt(f"node {self.n_nodes:,} at level {depth}, {path[:80]}", f"at most {most}")
        kind = type(node)
        if kind is dict:
            known = self._table(node, path, depth)
        elif kind is list:
            known = self._items(node, path, depth)
        elif kind is int:
            if node.bit_length() > MOST_BITS:
                corrupt(f"{node.bit_length()} bits at {path}", f"at most {MOST_BITS}")
            known = True
        else:
            known = _is_text(node) if kind is str else node is None or kind is bool
        if not known:
            corrupt(f"{shown(node)} at {path}", "a value that nacre stores")

    def _table(self, node: dict[str, Any], path: str, depth: int) -> bool:
        """Check a node that is a table, and all below it; whether it is one of those that are."""
        if len(node) == 2:
            tag, fields = node.get("class"), node.get("fields")
            if type(tag) is str and type(fields) is dict:
                return self._fields(self.class_of(tag), fields, path, depth)
            dtype, shape = node.get("array"), node.get("shape", ())
            if type(dtype) is str and counts(shape, dtype_of(dtype).itemsize):
                self.forms[path] = Form(dtype, tuple(shape))
                return True
            return False
        match next(iter(node.items())) if len(node) == 1 else None:
            case "float", str(text):
                return _is_float(text)
            case "list", list(items):
                return self._items(items, path, depth)
            case "dict", dict(items) if all(map(_is_text, items)):
                for key, item in items.items():
                    self.walk(item, below(path, key), depth + 1)
                return True
            case "scalar", str(dtype) if dtype in NATIVE:
                self.forms[path] = Form(dtype, ())
                return True
        return False

    def _items(self, items: list[Node], path: str, depth: int) -> bool:
        for at, item in enumerate(items):
            self.walk(item, below(path, at), depth + 1)
        return True

    def _fields(self, cls: type, found: dict[str, Node], path: str, depth: int) -> bool:
        wanted = fields_of(cls)
        if found.keys() != wanted.keys():
            odd = (found.keys() - wanted.keys()) | (wanted.keys() - found.keys() - since(cls))
            if odd:
                says = f"missing or unknown fields {shown(sorted(odd))} at {path}"
                corrupt(says, f"those of {cls.__name__}")
        for name, node in found.items():
            own = f"{path}.{name}"
            self.walk(node, own, depth + 1)
            self.fits(node, wanted[name], own)
        return True

    def fits(self, node: Node, wanted: Any, path: str) -> None:
        """Check that a node stands for a value of an annotated type.

        Raises:
            CorruptState: it does not.
        """
        if not self._fits(node, wanted):
            name = wanted.__name__ if isinstance(wanted, type) else str(wanted)
            corrupt(f"{self._type(node).__name__} at {path}", name)

    def _fits(self, node: Node, wanted: Any) -> bool:
        origin, options, is_any = Wanted.of(wanted)
        if is_any:
            return True
        if origin in (Union, UnionType):
            return any(self._fits(node, option) for option in options)
        if origin is Literal:
            return any(type(node) is type(option) and node == option for option in options)
        found = self._type(node)
        if found is bool:  # an int to Python, but not to whoever reads the field
            return origin in (bool, object)
        if found is int and origin is float:
            return True
        return issubclass(found, origin) and self._items_fit(node, found, origin, options)

    def _items_fit(self, node: Node, found: type, origin: type, options: Sequence[Any]) -> bool:
        if not options or found not in (tuple, list, dict):
            return True
        if found is dict:
            return all(self._fits(item, options[-1]) for item in node["dict"].values())
        items = node if found is tuple else node["list"]
        if origin is tuple and ... not in options:
            return len(items) == len(options) and all(map(self._fits, items, options))
        return all(self._fits(item, options[0]) for item in items)

    def _type(self, node: Node) -> type:
        """The type of the value that a checked node stands for."""
        if type(node) is not dict:
            return tuple if type(node) is list else type(node)
        if "class" in node:
            return self.class_of(node["class"])
        if "array" in node:
            return np.ndarray
        if "scalar" in node:
            return {"b": bool, "f": float}.get(node["scalar"][1], int)
        return {"float": float, "list": list, "dict": dict}[next(iter(node))]


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    return not any("\ud800" <= letter <= "\udfff" for letter in text)  # half a pair


def _is_float(text: str) -> bool:
    try:
        return float.fromhex(text).hex() == text
    except (ValueError, OverflowError):
        return False
