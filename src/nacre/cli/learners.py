"""The learners of the command line, and their options: read from their source, which is not run.

So `--help` waits for no import of NumPy or numba, and a hyper-parameter that a learner gains is an
option at once: its help is what the class says of it under Args.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from typer import Option

from nacre.cli.options import Parameter, keyword


@dataclass(frozen=True)
class Named:
    """A learner of the table.

    Attributes:
        module, cls: where it is.
        title: what a newcomer may call it.
        stages: which of impute, scale and pca may stand before it, and whether it may be fitted on
            micro-clusters.
    """

    module: str
    cls: str
    title: str
    stages: tuple[str, ...]


LEARNERS = {
    "kmeans": Named(
        "nacre.learn.cluster.kmeans",
        "KMeans",
        "k-means clusters",
        ("impute", "scale", "pca", "micro"),
    ),
    "pca": Named("nacre.learn.reduce.pca", "PCA", "principal components", ("impute", "scale")),
    "moments": Named(
        "nacre.learn.count.moments", "Moments", "means and variances", ("impute", "scale", "pca")
    ),
    "histogram": Named(
        "nacre.learn.count.histogram", "Histogram", "histograms", ("impute", "scale", "pca")
    ),
    "quantiles": Named(
        "nacre.learn.count.quantiles", "Quantiles", "exact quantiles", ("impute", "scale", "pca")
    ),
    "sample": Named("nacre.learn.count.sample", "Sample", "a sample of rows", ()),
    "scale": Named("nacre.learn.prepare.scale", "Scale", "scaling of columns", ("impute",)),
    "robust-scale": Named(
        "nacre.learn.prepare.robust", "RobustScale", "scaling by median and range", ("impute",)
    ),
    "clip": Named("nacre.learn.prepare.clip", "Clip", "clipping to quantiles", ("impute",)),
    "onehot": Named("nacre.learn.prepare.onehot", "OneHot", "categories as columns", ()),
    "hashing": Named("nacre.learn.prepare.hashing", "Hashing", "hashing of columns", ()),
    "dedup": Named("nacre.learn.prepare.dedup", "Dedup", "rows that repeat others", ()),
    "impute": Named("nacre.learn.prepare.impute", "Impute", "filling of missing values", ()),
}

OWN_COLUMNS = "own_columns"  # the parameter of a command for its learner's `columns`
TYPES = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "Any": str,
    "tuple[float, float]": tuple[float, float],
    "tuple[float, ...]": list[float],
}


def loaded(name: str) -> Any:
    """The class of a learner; imports it."""
    learner = LEARNERS[name]
    return getattr(importlib.import_module(learner.module), learner.cls)


def summary(name: str) -> str:
    """What a learner does, in its own sentence."""
    return _sentence(ast.get_docstring(_class(name)) or "")


def hyperparameters(name: str) -> list[Parameter]:
    """One option for each hyper-parameter of a learner."""
    return [_option(field, helps, name) for field, helps in _fields(name)]


def _fields(name: str) -> Iterator[tuple[ast.AnnAssign, str]]:
    """The fields of a learner's dataclass, each with its help."""
    found = _class(name)
    helps = _arguments(ast.get_docstring(found) or "")
    for node in found.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if "ClassVar" not in ast.unparse(node.annotation):
            yield node, helps.get(node.target.id, "")


def _class(name: str) -> ast.ClassDef:
    learner = LEARNERS[name]
    spec = importlib.util.find_spec(learner.module)
    assert spec is not None, "the table names modules that are there"
    source = spec.loader.get_source(learner.module)  # type: ignore[union-attr]  # it is a file's
    for node in ast.parse(source or "").body:
        if isinstance(node, ast.ClassDef) and node.name == learner.cls:
            return node
    raise LookupError(learner.cls)


def _option(field: ast.AnnAssign, helps: str, name: str) -> Parameter:
    assert isinstance(field.target, ast.Name), "_fields chose it so"
    assert field.value is not None, "a hyper-parameter has a default"
    given = field.value.args[0] if isinstance(field.value, ast.Call) else field.value  # later(...)
    target, default = field.target.id, ast.literal_eval(given)
    if target == "columns":  # --columns are those that are read
        flag = f"--{name}-columns"
        option = Option(flag, help=helps, rich_help_panel=f"Of {LEARNERS[name].cls}")
        return keyword(OWN_COLUMNS, Annotated[list[str] | None, option], default)
    kinds = [part.strip() for part in ast.unparse(field.annotation).split("|")]
    kind: Any = TYPES[next(part for part in kinds if part != "None")]
    flag = f"--{target.replace('_', '-')}"
    names = (f"{flag}/--no-{flag[2:]}",) if kind is bool else (flag,)
    readers = ((reads, shown) for types, reads, shown in EITHER if types <= set(kinds))
    parser, metavar = next(readers, (None, None))
    option = Option(
        *names,
        help=helps,
        rich_help_panel=f"Of {LEARNERS[name].cls}",
        parser=parser,
        metavar=metavar,
    )
    return keyword(target, Annotated[kind | None if default is None else kind, option], default)


def number(text: str) -> float:
    """An int where it is written as one: 16 directions, or 0.95 of the variance.

    >>> number("16"), number("0.95")
    (16, 0.95)
    """
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


def count_or_word(given: str | int) -> int | str:
    """An int where it is written as one: 8 clusters, or "auto".

    >>> count_or_word("8"), count_or_word("auto")
    (8, 'auto')
    """
    text = str(given)  # the default comes by as it is
    return int(text) if text.removeprefix("-").isdecimal() else text


EITHER: tuple[
    tuple[set[str], Callable[[str], Any], str], ...
] = (  # types of a hyper-parameter -> what reads it, and how help shows it
    ({"int", "float"}, number, "<int|float>"),
    ({"int", "str"}, count_or_word, "<int|word>"),
)


def _arguments(doc: str) -> dict[str, str]:
    """Name -> text of a Google docstring's Args, as one line that begins large."""
    _, _, block = doc.partition("Args:\n")
    found: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if not line.startswith("    "):
            break
        match = re.match(r"    (\w+): (.*)", line)
        if match:
            name, text = match[1], match[2]
        else:
            text = f"{found[name]} {line.strip()}"
        found[name] = text
    return {name: text[:1].upper() + text[1:] for name, text in found.items()}


def _sentence(doc: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(doc.partition("\n\n")[0].split())
