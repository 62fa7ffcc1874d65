"""What the tree of a file must satisfy before anything of it is built."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Any, Literal, Union

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
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()


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
    return f"{path}[{json.dumps(key)}]"


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
        self._count(path, depth)
        match node:
            case None | bool():
                return
            case int():
                if node.bit_length() > MOST_BITS:
                    corrupt(f"{node.bit_length()} bits at {path}", f"at most {MOST_BITS}")
            case str() if _is_text(node):
                return
            case list():
                self._items(node, path, depth)
            case {"float": str(text), **more} if not more and _is_float(text):
                return
            case {"list": list(items), **more} if not more:
                self._items(items, path, depth)
            case {"dict": dict(items), **more} if not more and all(map(_is_text, items)):
                for key, item in items.items():
                    self.walk(item, below(path, key), depth + 1)
            case {"array": str(dtype), "shape": shape, **more} if not more and counts(
                shape, dtype_of(dtype).itemsize
            ):
                self.forms[path] = Form(dtype, tuple(shape))
            case {"scalar": str(dtype), **more} if not more and dtype in NATIVE:
                self.forms[path] = Form(dtype, ())
            case {"class": str(tag), "fields": dict(fields), **more} if not more:
                self._fields(self.class_of(tag), fields, path, depth)
            case _:
                corrupt(f"{shown(node)} at {path}", "a value that nacre stores")

    def _count(self, path: str, depth: int) -> None:
        self.n_nodes += 1
        if self.n_nodes > MOST_NODES or depth > MOST_DEPTH or len(path) > MOST_LETTERS:
            most = f"{MOST_NODES:,} nodes, {MOST_DEPTH} levels, {MOST_LETTERS:,} letters of path"
            corrupt(f"node {self.n_nodes:,} at level {depth}, {path[:80]}", f"at most {most}")

    def _items(self, items: list[Node], path: str, depth: int) -> None:
        for at, item in enumerate(items):
            self.walk(item, below(path, at), depth + 1)

    def _fields(self, cls: type, found: dict[str, Node], path: str, depth: int) -> None:
        wanted = fields_of(cls)
        odd = (found.keys() - wanted.keys()) | (wanted.keys() - found.keys() - since(cls))
        if odd:
            says = f"missing or unknown fields {shown(sorted(odd))} at {path}"
            corrupt(says, f"those of {cls.__name__}")
        for name, node in found.items():
            self.walk(node, f"{path}.{name}", depth + 1)
            self.fits(node, wanted[name], f"{path}.{name}")

    def fits(self, node: Node, wanted: Any, path: str) -> None:
        """Check that a node stands for a value of an annotated type.

        Raises:
            CorruptState: it does not.
        """
        if not self._fits(node, wanted):
            name = wanted.__name__ if isinstance(wanted, type) else str(wanted)
            corrupt(f"{self._type(node).__name__} at {path}", name)

    def _fits(self, node: Node, wanted: Any) -> bool:
        origin, options = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
        if origin in (Union, UnionType):
            return any(self._fits(node, option) for option in options)
        if origin is Literal:
            return any(type(node) is type(option) and node == option for option in options)
        if wanted is Any or not isinstance(origin, type):
            return True
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
        match node:
            case {"class": tag}:
                return self.class_of(tag)
            case {"array": _}:
                return np.ndarray
            case {"scalar": dtype}:
                return {"b": bool, "f": float}.get(dtype[1], int)
            case dict():
                return {"float": float, "list": list, "dict": dict}[next(iter(node))]
        return tuple if isinstance(node, list) else type(node)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)  # half a pair


def _is_float(text: str) -> bool:
    try:
        return float.fromhex(text).hex() == text
    except (ValueError, OverflowError):
        return False
