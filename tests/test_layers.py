"""The shape of the code: who may import whom, and how big things may grow."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nacre

SRC = Path(nacre.__file__).parent
IDEA = ("contract", "errors", "kinds", "canon", "forms", "records")
STORED = ("numpy", "pyarrow", "fsspec", "safetensors")
ANY = ("*",)
OUTSIDE = {"io", "os", "pathlib", "random", "shutil", "socket", "subprocess", "tempfile", "time"}


@dataclass(frozen=True)
class Layer:
    """What the modules of a layer may import, besides each other and the standard library.

    Attributes:
        ours: modules and folders below `nacre`; "nacre" is the front door itself.
        theirs: packages of others.
        within: more of ours, but only within functions.
        pure: never a file, a clock or a generator of random numbers.
    """

    ours: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ("numpy",)
    within: tuple[str, ...] = ()
    pure: bool = False


LAYERS = {
    "": Layer(theirs=(), within=ANY),  # the front door; what type checkers see is not loaded
    "kernel": Layer(theirs=("numpy", "numba"), pure=True),
    "kernel.cache": Layer(theirs=()),
    "kernel.interleave": Layer(theirs=("numpy", "numba", "llvmlite"), pure=True),
    "kernel.blas": Layer(theirs=("numpy", "threadpoolctl")),
    "kernel.kernel_class": Layer(theirs=("numpy", "llvmlite", "threadpoolctl")),
    "contract": Layer(IDEA),
    "errors": Layer(IDEA),
    "kinds": Layer(IDEA),
    "canon": Layer(IDEA),
    "forms": Layer(IDEA, ("numpy", "scipy")),
    "records": Layer((*IDEA, "kernel"), ("numpy", "pyarrow")),
    "settings": Layer(IDEA, within=("engine",)),
    "estimator": Layer(
        IDEA,
        ("numpy", "sklearn"),
        within=(
            *("drive", "source", "engine", "store", "settings", "nacre", "fitting", "record"),
            *("exchange", "plot", "kernel.blas"),
        ),
    ),
    "learn": Layer((*IDEA, "kernel", "estimator"), ("numpy", "sklearn"), pure=True),
    "evaluate": Layer(
        (*IDEA, "kernel", "estimator", "learn"),
        within=("source", "fitting", "settings", "plot"),
        pure=True,
    ),
    "source": Layer((*IDEA, "settings", "kernel.interleave"), STORED),
    "source.memory": Layer((*IDEA, "source"), (*STORED, "sklearn")),
    "source.pixels": Layer((*IDEA, "source"), (*STORED, "PIL")),
    "engine": Layer((*IDEA, "settings", "kernel.blas", "kernel.kernel_class"), STORED),
    "evolve": Layer((*IDEA, "settings", "engine.tree", "store.ledger"), STORED),  # its plain values
    "evolve.lineage": Layer(IDEA, ("numpy", "scipy"), pure=True),  # the assignment problem
    "store": Layer((*IDEA, "kernel.kernel_class"), STORED, within=("nacre",)),
    "store.life": Layer((*IDEA, "store", "evolve.fold"), STORED),  # plain values too
    "record": Layer((*IDEA, "source", "store.ledger"), STORED),
    "exchange": Layer(
        (*IDEA, "estimator", "learn", "record", "store.ledger"),
        ("numpy", "sklearn", "onnx"),
        within=("nacre", "store"),
    ),
    "drive": Layer(("contract", "errors", "canon", "forms", "kernel.blas", "engine.tree")),
    "fitting": Layer(ANY, ANY),
    "last_pass": Layer((*IDEA, "store.format")),
    "writing": Layer(ANY, ANY),
    "live": Layer(ANY, ANY),
    "laws": Layer(ANY, ANY),
    "plot": Layer(IDEA, ("numpy", "altair", "vl_convert"), pure=True),
    "serve": Layer(ANY, ANY),
    "cli": Layer(ANY, ANY),
    "__main__": Layer(ANY, ANY),
}
ENDS = ("serve", "cli", "__main__")  # nobody imports them


@dataclass(frozen=True)
class Import:
    """One imported module, and whether a function imports it."""

    module: str
    line: int
    within: bool


def below(module: str, folders: tuple[str, ...]) -> bool:
    return any(folder in ("*", module) or module.startswith(f"{folder}.") for folder in folders)


def layer_of(module: str) -> str:
    """The longest name of LAYERS that `module` (without "nacre.") lies in; "" for none."""
    return max((name for name in LAYERS if below(module, (name,))), key=len, default="")


def modules() -> dict[str, Path]:
    """Module below nacre -> its file; the front door is the empty name."""
    found = {}
    for path in SRC.rglob("*.py"):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").removesuffix(".")] = path
    return found


MODULES = modules()


def imports(node: ast.AST, within: bool = False) -> Iterator[Import]:
    """All imports below a node but those for type checkers at the front door."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, within)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(_imported(child, alias.name), child.lineno, within)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(child, within or inside)


def _imported(statement: ast.ImportFrom, name: str) -> str:
    """`from nacre.engine import tree` imports nacre.engine.tree, not a name of nacre.engine."""
    source = "." * statement.level + (statement.module or "")
    inner = f"{source}.{name}"
    return inner if inner.removeprefix("nacre.") in MODULES else source


def violations(module: str, text: str) -> list[str]:
    """What a module imports that its layer may not, one line each."""
    name = layer_of(module)
    layer = LAYERS[name]
    tree = ast.parse(text)
    if name == "":
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    return [
        f"nacre.{module}, line {found.line}: {name or 'nacre'} may not import {found.module}"
        for found in imports(tree)
        if not _allowed(name, layer, found)
    ]


def _allowed(name: str, layer: Layer, found: Import) -> bool:
    package, _, inner = found.module.partition(".")
    if package != "nacre":
        standard = package in sys.stdlib_module_names
        return not (layer.pure and package in OUTSIDE) if standard else below(package, layer.theirs)
    target = inner or "nacre"
    home = layer_of(inner) if inner else "nacre"
    if home in ENDS:
        return name in ENDS
    own = (name.partition(".")[0],) if name else ()
    return below(target, (*own, *layer.ours, *(layer.within if found.within else ())))


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    assert violations(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("learn.cluster.kmeans", "from nacre.engine import threads"),
        ("learn.cluster.kmeans", "def fit():\n    from nacre.engine import threads"),
        ("learn.cluster.kmeans", "import nacre"),
        ("learn.cluster.kmeans", "import time"),
        ("learn.cluster.kmeans", "from . import density"),
        ("learn.cluster.kmeans", "import pyarrow.parquet"),
        ("kernel.assign", "from nacre.contract import Batch"),
        ("kernel.assign", "import threadpoolctl"),
        ("contract", "from nacre.kernel import blas"),
        ("estimator", "from nacre import drive"),
        ("estimator", "from nacre.engine.threads import Threads"),
        ("source.arrays", "from nacre.engine.tree import Trie"),
        ("engine.threads", "from nacre.source.plan import cut"),
        ("evolve.ledger", "from nacre.engine.threads import Threads"),
        ("store.format", "import pandas"),
        ("drive", "from nacre.engine.local import Local"),
        ("plot.page", "from nacre.source.plan import cut"),
        ("plot.page", "from nacre.learn.cluster import kmeans"),
        ("plot.page", "import os"),
        ("laws.learner", "from nacre.cli import main"),
        ("laws.learner", "def law():\n    import nacre.serve.app"),
        ("", "import numpy"),
        ("", "from nacre.contract import Batch"),
    ],
)
def test_the_check_catches(module: str, text: str) -> None:
    assert len(violations(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("learn.cluster.kmeans", "from nacre.learn.cluster import density"),
        ("learn.cluster.kmeans", "from nacre.kernel.assign import assign"),
        ("estimator", "def fit():\n    from nacre import drive\n    import nacre.engine.threads"),
        ("evolve.ledger", "from nacre.engine import tree"),
        ("engine.threads", "import threading\nfrom nacre.kernel.blas import one_thread"),
        ("drive", "from nacre.engine.tree import Trie"),
        ("cli.fit", "import altair\nimport nacre\nfrom nacre.serve import app"),
    ],
)
def test_the_check_allows(module: str, text: str) -> None:
    assert violations(module, text) == []


def test_every_module_has_a_layer() -> None:
    assert layer_of("shelf.book") == ""
    assert [m for m in MODULES if m and layer_of(m) == ""] == []


def test_no_file_has_more_than_600_lines() -> None:
    lines = {m: len(path.read_text().splitlines()) for m, path in MODULES.items()}
    assert {m: n for m, n in lines.items() if n > 600} == {}


def test_no_file_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [m for m in MODULES if m.rpartition(".")[2].strip("_") in drawers] == []


def lines_of_code(text: str) -> int:
    """Lines that hold code: no comments, docstrings or blank lines."""
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in empty | {tokenize.ENDMARKER}:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_lines_of_code_are_counted() -> None:
    text = '"""One.\n\nTwo."""\n\n# why\nx = (\n    1\n)\n\n\ndef f():\n    "f"\n'
    assert lines_of_code(text) == 4


def test_the_idea_is_at_most_200_lines_of_code() -> None:
    assert lines_of_code(MODULES["contract"].read_text()) <= 200


def test_the_front_door_has_at_most_40_names() -> None:
    assert len(nacre.__all__) <= 40


def test_type_checkers_see_the_names_that_are_there() -> None:
    front = ast.parse(MODULES[""].read_text())
    guarded = next(node for node in front.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module if node.module != "nacre" else f"nacre.{alias.name}"
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == nacre._HOME


@pytest.mark.parametrize("name", nacre.__all__)
def test_every_name_of_the_front_door_opens(name: str) -> None:
    assert getattr(nacre, name) is not None
