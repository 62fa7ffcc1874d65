"""Manifests: one text for one value, and nothing else is taken for one."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import BadInput, CorruptState, NewerFormat
from nacre.store import manifest as manifests
from nacre.store.ledger import Entry
from nacre.store.manifest import MOST_BYTES, read, spelled
from tests.store.crashing import outcome
from tests.store.models import golden

TEXT = (golden("chain") / manifests.NAME).read_bytes()
MANIFEST = read(TEXT)


def sealed(body: bytes, number: int = 1) -> bytes:
    """A text whose hash is right."""
    text = b'{\n"manifest": ' + body + f',\n"nacre_format": {number},\n'.encode()
    return text + f'"sha256": "{hashlib.sha256(text).hexdigest()}"\n}}\n'.encode()


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The golden manifest with a change, spelled as nacre does, under a right hash."""
    tree = copy.deepcopy(json.loads(TEXT)["manifest"])
    change(tree)
    return sealed("".join(manifests._lines(tree)).encode())


def test_a_manifest_has_one_text() -> None:
    assert spelled(read(TEXT)) == TEXT
    assert changed(lambda tree: None) == TEXT


def test_the_body_of_these_tests_is_that_of_the_file() -> None:
    assert sealed(BODY) == TEXT


def test_it_is_json_with_a_line_for_each_batch() -> None:
    tree = json.loads(TEXT)
    assert tree["nacre_format"] == manifests.FORMAT
    lines = TEXT.decode().splitlines()
    assert json.dumps(tree["manifest"]["ledger"][0], sort_keys=True) in lines


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
def test_a_byte_that_was_changed_is_found(at: int, by: int) -> None:
    with pytest.raises(CorruptState):
        read(TEXT[:at] + bytes([TEXT[at] ^ by]) + TEXT[at + 1 :])


@given(st.integers(0, len(TEXT) - 1))
def test_a_text_that_was_cut_off_is_found(n: int) -> None:
    for part in (TEXT[:n], TEXT[n + 1 :]):
        with pytest.raises(CorruptState):
            read(part)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for text in (data, sealed(data), sealed(b"{" + data + b"}")):
        with pytest.raises(CorruptState):
            read(text)


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON tree, but in the trees that only blobs can tell of."""
    found = [path]
    if path and path[-1] == "value":
        return found
    if isinstance(tree, dict | list):
        for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree):
            found += leaves(item, (*path, key))
    return found


PATHS = [path for path in leaves(json.loads(TEXT)["manifest"]) if path]
ODD = ["", "x", -1, 1 << 63, 1.5, None, True, [], {}, [[]], "a" * 65, "../x", "A" * 64]


def given_at(path: tuple[Any, ...], value: Any) -> Callable[[dict[str, Any]], None]:
    """Put a value in the place of another."""

    def change(tree: dict[str, Any]) -> None:
        functools.reduce(lambda node, key: node[key], path[:-1], tree)[path[-1]] = value

    return change


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_another_value_in_any_place_is_taken_whole_or_refused(path: tuple[Any, ...]) -> None:
    before = functools.reduce(lambda node, key: node[key], path, json.loads(TEXT)["manifest"])
    for value in ODD:
        text = changed(given_at(path, value))
        told = outcome(lambda text=text: read(text))  # type: ignore[misc]
        if isinstance(told, CorruptState):
            assert "manifest" in told.got
        else:
            assert spelled(told) == text
            assert None in (before, value) or type(value) is type(before) or path[-1] == "value"


def more(tree: dict[str, Any]) -> None:
    tree["more"] = 1


BODY = TEXT[len(b'{\n"manifest": ') : TEXT.rindex(b',\n"nacre_format')]
LIES = {
    "an unknown field": changed(more),
    "an unknown field of a job": changed(lambda tree: more(tree["jobs"][0])),
    "a field that is missing": changed(lambda tree: tree.pop("ledger")),
    "a name that leads out": changed(given_at(("blobs", 0, "sha256"), "../../../etc/passwd")),
    "a name in other digits": changed(given_at(("blobs", 0, "sha256"), "٣" * 64)),
    "infinite": sealed(b'{"saved": Infinity}'),
    "not a number": sealed(BODY.replace(b"240.0", b"NaN")),
    "a number beyond all": sealed(b'{"weight": 1e999}'),
    "a key twice": sealed(b'{"saved": 1, "saved": 1}'),
    "very deep": sealed(b'{"a": ' * 100_000 + b"1" + b"}" * 100_000),
    "a value that is too deep": sealed(
        BODY.replace(b'"names": null', b'"names": ' + b"[" * 50_000 + b"]" * 50_000)
    ),
    "an integer without end": sealed(b'{"n": ' + b"9" * 100_000 + b"}"),
    "half a letter": sealed(b'{"\xff": 1}'),
    "no JSON": sealed(b"{'a': 1}"),
    "more after it": TEXT + b"\n",
    "more before it": b"\n" + TEXT,
    "other spaces": sealed(BODY.replace(b": ", b":")),
    "format 0": sealed(BODY, 0),
}


@pytest.mark.parametrize("text", LIES.values(), ids=LIES)
def test_a_lie_under_a_right_hash_is_found(text: bytes) -> None:
    with pytest.raises(CorruptState):
        read(text)


def test_a_later_format_is_named_whatever_is_in_it() -> None:
    later = sealed(b'{"other": "fields"}', 2)
    with pytest.raises(NewerFormat, match="got format 2; wanted format 1 or lower"):
        read(later)
    with pytest.raises(CorruptState):
        read(later.replace(b"fields", b"Fields"))


def test_what_could_not_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "MOST_BYTES", 1000)
    with pytest.raises(BadInput, match="for 1 batches"):
        spelled(MANIFEST)


def test_the_manifest_of_many_batches_is_read_as_it_was_written() -> None:
    entry = Entry("a/b.parquet", -5, "0" * 16, 7, None, "file:" + "ab" * 32, 12_345)
    many = replace(MANIFEST, ledger=tuple(replace(entry, id=f"é{i}") for i in range(2000)))
    text = spelled(many)
    assert read(text) == many
    assert len(text) / 2000 < 400
    assert MOST_BYTES / (len(text) / 2000) > 400_000


def test_every_golden_manifest_of_the_past_is_read() -> None:
    found = list(Path(golden("chain")).parent.glob(f"*/{manifests.NAME}"))
    assert len(found) >= 2
    for path in found:
        assert read(path.read_bytes()).ledger
