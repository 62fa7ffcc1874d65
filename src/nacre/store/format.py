"""The bytes of what is fitted: arrays and strict JSON, no code; equal values have equal bytes.

A file holds a State, Model, Summary, Schema, Learner (its hyper-parameters) or Rows. Its arrays lie
in a safetensors container under their path in the value ("state.model.centres", "summary.sums[0]");
its tree, JSON in the array "tree", says which class and fields they are of:

    {"format": 1, "kind": "model", "value": {"class": "nacre.kmeans.Centres/1", "fields": {...}}}

A tag (prefix, class name, edition) stands for a class in a closed list: the modules below, and what
a program registers itself. A tag is never searched for as code; an unknown one is an error. The
name and the fields of a class are part of the format: whoever changes them sets the class variable
`edition` one higher, or marks a field that comes later (`canon.later`): older files lack it. A dict
is stored by sorted keys; a float has one NaN, arrays keep theirs.

    register("acme.trees", Trees, Nodes, Split)  # for learners that are not nacre's own
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from nacre.canon import told_fields
from nacre.contract import Learner, Model, Schema, State, Summary, View
from nacre.errors import BadType, CorruptState, OtherBase
from nacre.kinds import Array, KeyedMoments, KeyedSums, MomentSums, Rows, Table
from nacre.store import checks, container
from nacre.store.container import FORMAT, corrupt, newer, shown

KINDS: Mapping[str, type] = {
    "state": State,
    "model": Model,
    "summary": Summary,
    "schema": Schema,
    "learner": Learner,
    "rows": Rows,  # a part of a Table, which itself names its parts only
}
BUILT_IN = {  # prefix of tags -> module, whose dataclasses are on the list; loaded when first named
    "nacre.chain": "nacre.learn.chain",
    "nacre.clip": "nacre.learn.prepare.clip",
    "nacre.counting": "nacre.learn.cluster.counting",
    "nacre.dedup": "nacre.learn.prepare.dedup",
    "nacre.hashing": "nacre.learn.prepare.hashing",
    "nacre.histogram": "nacre.learn.count.histogram",
    "nacre.impute": "nacre.learn.prepare.impute",
    "nacre.kmeans": "nacre.learn.cluster.kmeans",
    "nacre.medians": "nacre.learn.cluster.medians",
    "nacre.micro": "nacre.learn.cluster.micro",
    "nacre.moments": "nacre.learn.count.moments",
    "nacre.onehot": "nacre.learn.prepare.onehot",
    "nacre.parallel": "nacre.learn.cluster.parallel",
    "nacre.pca": "nacre.learn.reduce.pca",
    "nacre.quantiles": "nacre.learn.count.quantiles",
    "nacre.robust": "nacre.learn.prepare.robust",
    "nacre.sample": "nacre.learn.count.sample",
    "nacre.sampled": "nacre.learn.cluster.sampled",
    "nacre.scale": "nacre.learn.prepare.scale",
}
_PREFIXES = {module: prefix for prefix, module in BUILT_IN.items()}
_TAG = re.compile(r"([A-Za-z_][\w.]*)\.[A-Za-z_]\w*/[1-9][0-9]{0,5}", re.ASCII)
_classes: dict[str, type] = {}
_tags: dict[type, str] = {}


def register(prefix: str, *classes: type) -> None:
    """Put dataclasses on the list of what files may hold, under the tags "prefix.Name/edition".

    Args:
        prefix: short, stable and the learner's own, such as "acme.trees".
        classes: its Models, Summaries and Learner, and dataclasses that stand in their fields. The
            edition is the class variable `edition`, 1 where there is none.

    Raises:
        BadType: no dataclass, a field that `__init__` does not take, or a tag that is no name.
        BadType: another class has the tag already.
    """
    for cls in classes:
        tag = f"{prefix}.{cls.__name__}/{cls.__dict__.get('edition', 1)}"
        if not _TAG.fullmatch(tag):
            _refuse(f"tag {tag[:80]!r}", "a name with dots, and an edition from 1", "Rename it.")
        if not dataclasses.is_dataclass(cls) or not all(f.init for f in dataclasses.fields(cls)):
            _refuse(cls.__name__, "a dataclass with all fields in __init__", "Make it one.")
        taken = _classes.get(tag, cls)
        if (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            _refuse(f"{cls!r} for tag {tag}", f"{taken!r}", "Choose another prefix.")
        try:
            checks.fields_of(cls)
        except NameError as error:
            _refuse(f"{cls.__name__}: {error}", "annotated types that are imported", "Import it.")
        _classes[tag], _tags[cls] = cls, tag


def registry() -> Mapping[str, type]:
    """Tag -> class, of all that files may hold; loads every built-in learner."""
    for prefix in BUILT_IN:
        _load(prefix)
    return dict(sorted(_classes.items()))


def _load(prefix: str) -> None:
    module = importlib.import_module(BUILT_IN[prefix])
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    register(prefix, *(cls for cls in own if dataclasses.is_dataclass(cls)))


def _class_of(tag: str) -> type:
    known = _classes.get(tag)
    if known is not None:
        return known
    match = _TAG.fullmatch(tag)
    if match is None:
        corrupt(f"tag {tag[:80]!r}", "prefix.Name/edition")
    if match[1] in BUILT_IN:
        _load(match[1])
    if tag not in _classes:
        newer(f"tag {tag[:80]!r}", f"one of the {len(_classes)} that are known")
    return _classes[tag]


def _tag_of(cls: type, path: str) -> str:
    if cls not in _tags and cls.__module__ in _PREFIXES:
        _load(_PREFIXES[cls.__module__])
    if cls not in _tags:
        do = f"Call nacre.store.format.register(prefix, {cls.__name__}) where it is defined."
        _refuse(f"{cls.__module__}.{cls.__qualname__} at {path}", "a class on the list", do)
    return _tags[cls]


def _refuse(got: str, wanted: str, do: str) -> NoReturn:
    raise BadType(got=got, wanted=wanted, do=do)


def encode(value: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays of a value by path, little-endian in C order, and its tree.

    Raises:
        BadType: it holds something that files may not hold, or that its annotations do not allow.
        OtherBase: a State whose summary is of another base than its model.
    """
    kind = next((kind for kind, cls in KINDS.items() if isinstance(value, cls)), "")
    if not kind:
        _refuse(type(value).__name__, f"one of {', '.join(KINDS)}", "Store one of these.")
    arrays: dict[str, Array] = {}
    try:
        node = _node(value, kind, arrays)
        checks.Check(_class_of).walk(node, kind)
    except CorruptState as error:  # what no reader would take is not written
        _refuse(error.got, error.wanted, "Keep to the annotated types.")
    except RecursionError:
        _refuse(f"a {kind} that is nested without end", "a few levels", "Nest less.")
    if isinstance(value, State) and value.told.base != value.model.base:
        raise OtherBase(
            got=f"a summary of base {value.told.base[:8]}",
            wanted=f"base {value.model.base[:8]} of the model",
            do="Store a model with the summary that measured it.",
        )
    return arrays, {"format": FORMAT, "kind": kind, "value": node}


def to_bytes(value: Any) -> bytes:
    """The bytes of a State, Model, Summary, Schema, Learner or Rows.

    Raises:
        BadType: it holds something that files may not hold.

    >>> schema = Schema(("height", "weight"), 2, "float32")
    >>> from_bytes(to_bytes(schema)).names
    ('height', 'weight')
    """
    arrays, tree = encode(value)
    return container.packed(arrays, checks.spelled(tree))


def _node(value: Any, path: str, arrays: dict[str, Array]) -> checks.Node:
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is str:
        return value
    if kind is float:
        return {"float": value.hex()}
    if isinstance(value, np.ndarray):
        return {"array": _kept(value, path, arrays), "shape": list(value.shape)}
    if kind is tuple or kind is list:
        items = [_node(item, checks.below(path, at), arrays) for at, item in enumerate(value)]
        return items if kind is tuple else {"list": items}
    if kind is dict and all(type(key) is str for key in value):
        return {"dict": {k: _node(v, checks.below(path, k), arrays) for k, v in value.items()}}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":  # arithmetic tells them apart
        return {"scalar": _kept(np.asarray(value), path, arrays)}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        do = "Use arrays, numbers, texts, tuples, dicts with text keys and registered dataclasses."
        _refuse(f"{shown(value)} at {path}", "a value that files may hold", do)
    return _object(value, path, arrays)


def _object(value: Any, path: str, arrays: dict[str, Array]) -> checks.Node:
    cls: type = type(value)
    tag, names = _tag_of(cls, path), told_fields(value)
    fields = {name: _node(getattr(value, name), f"{path}.{name}", arrays) for name in names}
    return {"class": tag, "fields": fields}


def _kept(array: Array, path: str, arrays: dict[str, Array]) -> str:
    arrays[path] = little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    name = container.dtype_name(little.dtype)
    if name is None or isinstance(array, np.ma.MaskedArray):
        got = f"{type(array).__name__} of {array.dtype} at {path}"
        _refuse(got, "numbers, bools, texts or ids", "Convert it; fill what is masked.")
    container.sound(little, path)
    return name


def from_bytes(data: bytes, kind: str | None = None) -> Any:
    """The value whose bytes these are. Nothing in them is run, or names anything that is run.

    All is checked before any of it is built. Arrays are read-only, in C order, and views of `data`,
    which they keep in memory. What a model computes of itself (base, digest) is computed anew.
    `registry()`, called before, lets it import nothing.

    Args:
        data: what `to_bytes` gave.
        kind: "state", "model", "summary", "schema", "learner" or "rows"; None takes any.

    Raises:
        CorruptState: damaged, made to harm, or of another kind.
        NewerFormat: whole, but with a format number or a tag that is not known here.
    """
    box = container.opened(data)
    node, found = _root(checks.read(box.text))
    if kind not in (None, found):
        corrupt(f"a {found}", f"a {kind}")
    check = checks.Check(_class_of)
    check.walk(node, found)
    check.fits(node, KINDS[found], found)
    return _value(box.arrays(check.forms), node, found)


def _root(tree: Any) -> tuple[checks.Node, str]:
    match tree:
        case {"format": int(number), "kind": str(kind), "value": node, **more} if not more:
            if number == FORMAT and kind in KINDS:
                return node, kind
    corrupt(f"a tree of {shown(tree)}", f"format {FORMAT}, a kind and a value")


def _value(arrays: Mapping[str, Array], node: checks.Node, path: str) -> Any:
    kind = type(node)
    if kind is list:
        return tuple([_value(arrays, v, checks.below(path, at)) for at, v in enumerate(node)])
    if kind is not dict:
        return node
    if "array" in node:
        return arrays[path]
    if "class" in node:
        items = node["fields"]
        fields = {name: _value(arrays, v, f"{path}.{name}") for name, v in items.items()}
        return _built(_class_of(node["class"]), fields, path)
    match next(iter(node.items())):
        case "float", text:
            return float.fromhex(text)
        case "list", items:
            return [_value(arrays, v, checks.below(path, at)) for at, v in enumerate(items)]
        case "dict", items:
            return {k: _value(arrays, v, checks.below(path, k)) for k, v in items.items()}
    return arrays[path][()]


@functools.cache
def _bare(cls: type) -> tuple[str, ...]:
    """Names of the fields that a class has no default for."""
    none = dataclasses.MISSING
    fields = dataclasses.fields(cls)
    return tuple(f.name for f in fields if f.default is f.default_factory is none)


def _built(cls: type, fields: dict[str, Any], path: str) -> Any:
    for name in _bare(cls):
        fields.setdefault(name, None)
    try:
        value = cls(**fields)
        agree = not isinstance(value, State) or value.told.base == value.model.base
    except Exception as error:  # a class may refuse what no check of ours can see
        corrupt(f"{type(error).__name__} ({str(error)[:80]}) at {path}", f"a {cls.__name__}")
    if not agree:
        corrupt(f"a summary of another base at {path}.told", "the base of the model")
    return value


register("nacre", State, Schema, View, Table, MomentSums, Rows, KeyedSums, KeyedMoments)
