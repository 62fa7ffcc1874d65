"""No tree of whatever content is built, run or followed (I12, F2)."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nacre.errors import CorruptState, NewerFormat
from nacre.store.checks import spelled
from nacre.store.container import packed
from nacre.store.format import encode, from_bytes
from tests.store.values import GOLDEN, Holds, small_state

STATE_ARRAYS, STATE = encode(small_state())
ROWS = {"class": "nacre.Rows/1", "fields": {"ids": [], "columns": []}}


def state(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The small state with another tree, sealed as if nacre had written it."""
    tree = copy.deepcopy(STATE)
    change(tree)
    return packed(STATE_ARRAYS, spelled(tree))


def model(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The same, of the fields of its model."""
    return state(lambda tree: change(fields(tree)["model"]["fields"]))


def fields(tree: dict[str, Any]) -> dict[str, Any]:
    """The nodes of the state's fields."""
    found: dict[str, Any] = tree["value"]["fields"]
    return found


def holds(node: Any, **arrays: Any) -> bytes:
    """A model that holds any node."""
    tree = {"class": "tests.Holds/1", "fields": {"value": node}}
    return packed(
        {f"model.{name}": array for name, array in arrays.items()},
        spelled({"format": 1, "kind": "model", "value": tree}),
    )


def nested(depth: int) -> Any:
    """() in () in ()."""
    node: Any = []
    for _ in range(depth):
        node = [node]
    return node


def retagged(tag: Any) -> bytes:
    return (
        model(lambda _: None) if tag is None else state(lambda t: t["value"].update({"class": tag}))
    )


TAGS = {
    "os.system/1": NewerFormat,
    "builtins.eval/1": NewerFormat,
    "subprocess.Popen/1": NewerFormat,
    "nacre.store.format.Check/1": NewerFormat,
    "nacre.State/2": NewerFormat,
    "nacre.Batch/1": NewerFormat,
    "tests.Stranger/1": NewerFormat,
    "nacre.State": CorruptState,
    "nacre.State/01": CorruptState,
    "nacre.State/1\n": CorruptState,
    "../State/1": CorruptState,
    "nacre.Stateé/1": CorruptState,
    "": CorruptState,
    "x" * 10_000: CorruptState,
}
TREES = {
    "text that is no JSON": packed({}, b"{"),
    "nothing": packed({}, b""),
    "a float": packed({}, b"1.5"),
    "NaN": packed({}, b"NaN"),
    "deep lists": packed({}, b"[" * 100_000),
    "deep lists, closed": packed({}, b"[" * 5_000 + b"]" * 5_000),
    "deep tables": packed({}, b'{"a":' * 900 + b"1" + b"}" * 900),
    "a key twice": packed(
        {}, spelled(encode(Holds(1))[1]).replace(b'"value":1', b'"value":0,"value":1')
    ),
    "a space": packed({}, spelled(encode(Holds(1))[1]) + b" "),
    "keys not sorted": packed(
        {}, json.dumps({"kind": "model", "format": 1, "value": None}).encode()
    ),
    "a letter that is not escaped": packed(
        {}, spelled(encode(Holds("é"))[1]).replace(b"\\u00e9", "é".encode())
    ),
    "another kind": state(lambda tree: tree.update(kind="model")),
    "no kind": state(lambda tree: tree.update(kind="code")),
    "a kind that is a list": state(lambda tree: tree.update(kind=["state"])),
    "another format": state(lambda tree: tree.update(format=2)),
    "more in the tree": state(lambda tree: tree.update(hook="os.system")),
    "less in the tree": state(lambda tree: tree.pop("kind")),
    "a number as root": state(lambda tree: tree.update(value=3)),
    "a model as root": state(lambda tree: tree.update(value=fields(tree)["model"])),
    "rows as model": state(lambda tree: fields(tree).update(model=ROWS)),
    "a model as summary": state(lambda tree: fields(tree).update(told=fields(tree)["model"])),
    "a number as model": state(lambda tree: fields(tree).update(model=3)),
    "a summary of another model": state(
        lambda tree: fields(tree)["told"]["fields"].update(base="0" * 32)
    ),
    "a field too many": model(lambda found: found.update(__class__=1)),
    "a field that only passes": model(lambda found: found.update(cache=1)),
    "a field too few": model(lambda found: found.pop("tol")),
    "a text for a float": model(lambda found: found.update(tol="0.5")),
    "a number for texts": model(lambda found: found.update(names=3)),
    "a number among texts": model(lambda found: found.update(names=["a", 3])),
    "a number in place of a text's": model(lambda found: found.update(sizes={"dict": {"a": "b"}})),
    "rows for a view": model(lambda found: found.update(view=ROWS)),
    "half a part": model(
        lambda found: found["view"]["fields"].update(part=[{"float": "0x0.0p+0"}])
    ),
    "another option": model(lambda found: found.update(side="up")),
    "a class with more": state(lambda tree: tree["value"].update(args=[])),
    "a class that is a list": retagged(["nacre.State/1"]),
    "fields that are a list": state(lambda tree: tree["value"].update(fields=[])),
    "no such node": holds({"call": "os.system"}),
    "an empty node": holds({}),
    "two nodes in one": holds({"float": "0x0.0p+0", "list": []}),
    "a plain float": holds(0.5),
    "a float by another name": holds({"float": "0.5"}),
    "a float too large": holds({"float": "0x1p+99999"}),
    "a float that is a number": holds({"float": 1}),
    "a float with spaces": holds({"float": " nan"}),
    "a huge integer": holds(1 << 257),
    "an integer without end": packed({}, b"9" * 100_000),
    "half a letter": holds("\ud800"),
    "half a letter as a key": holds({"dict": {"\ud800": 1}}),
    "deep values": holds(nested(65)),
    "many values below a long key": holds({"dict": {"k" * 8_000_000: [1] * 900_000}}),
    "many values": holds([1] * 1_000_001),
    "an array that is not there": holds({"array": "<f8", "shape": [1]}),
    "an array of another dtype": holds({"array": "<i8", "shape": [1]}, value=np.zeros(1)),
    "an array of another shape": holds({"array": "<f8", "shape": [2]}, value=np.zeros(1)),
    "an array of objects": holds({"array": "|O", "shape": [1]}, value=np.zeros(1)),
    "an array of NumPy's grammar": holds({"array": "f8,(2,)i4", "shape": [1]}, value=np.zeros(1)),
    "an array of a big-endian dtype": holds({"array": ">f8", "shape": [1]}, value=np.zeros(1)),
    "texts of no width": holds({"array": "<U0", "shape": [1]}, value=np.zeros(0, np.uint8)),
    "texts of a huge width": holds({"array": "<U9999999", "shape": [0]}, value=np.zeros(0, "u1")),
    "an array without shape": holds({"array": "<f8"}, value=np.zeros(1)),
    "a shape that overflows": holds(
        {"array": "<c16", "shape": [1 << 62, 4]}, value=np.zeros(0, "u1")
    ),
    "a scalar with a shape": holds({"scalar": "<f8"}, value=np.zeros(1)),
    "a scalar of text": holds({"scalar": "<U1"}, value=np.zeros((), "u1")),
    "keys that are numbers": packed({}, b"{1:2}"),
}


@pytest.mark.parametrize("name", TREES)
def test_a_tree_made_to_harm_is_refused(name: str) -> None:
    with pytest.raises(CorruptState) as caught:
        from_bytes(TREES[name])
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_never_looked_for_as_code(tag: str) -> None:
    with pytest.raises(TAGS[tag]) as caught:
        from_bytes(retagged(tag))
    assert tag[:20].split("\n")[0] in str(caught.value)


def test_the_trees_that_those_change_are_read() -> None:
    assert from_bytes(state(lambda tree: None)).digest == small_state().digest
    assert from_bytes(holds({"array": "<f8", "shape": [1]}, value=np.ones(1))).value.tolist() == [1]
    assert from_bytes(holds(nested(62))).value


WATCHED = """
import sys
from nacre.errors import CorruptState, NewerFormat
from nacre.store.format import from_bytes
import tests.store.values

def outcome(data):
    try:
        return from_bytes(data) and "read"
    except (CorruptState, NewerFormat) as error:
        return error.code

files = [open(path, "rb").read() for path in sys.argv[1:]]
events, outcomes, loaded = [], [], set(sys.modules)
sys.addaudithook(lambda event, _: events.append(event))
outcomes = [outcome(data) for data in files]
seen, new = list(events), set(sys.modules) - loaded
print(*outcomes)
print(*seen, *new)
"""


def test_loading_imports_runs_and_opens_nothing(tmp_path: Path) -> None:
    files = {"golden": GOLDEN.read_bytes(), "cut": GOLDEN.read_bytes()[:-1], **TREES}
    files |= {f"tag {number}": retagged(tag) for number, tag in enumerate(TAGS)}
    paths = []
    for number, data in enumerate(files.values()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", WATCHED, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    outcomes, seen = done.stdout.split("\n")[:2]
    assert outcomes.split()[0] == "read"
    assert set(outcomes.split()[1:]) == {"corrupt_state", "newer_format"}
    assert len(outcomes.split()) == len(files)
    assert seen == ""
