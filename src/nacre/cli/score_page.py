"""The page that `nacre score` draws."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nacre.cli.learning import quoted
from nacre.cli.terminal import number
from nacre.cli.words import learner_name
from nacre.errors import Occupied, Unavailable
from nacre.plot.page import Fact, Section, library, page

APART = (
    "The silhouette of a row compares how far it is from the rows of its own cluster with how far "
    "it is from those of the nearest other one: 1 is well inside, 0 on the border, below 0 nearer "
    "to the other."
)
BESIDE = (
    "Of each cluster, the share of its rows that have a label. Clusters have numbers of their own, "
    "so what counts is whether a cluster has few labels, and a label is in few clusters."
)
AGAIN = "The same, for other data too:"


def check(path: str) -> None:
    """Raise before any pass what would stop the page from being drawn or written.

    Raises:
        MissingExtra: what draws is not installed.
        Occupied: a directory stands there.
        Unavailable: it cannot be written there.
    """
    library()
    if Path(path).is_dir():
        raise Occupied(
            got=f"the directory {path}", wanted="a file", do="Name one: --page score.html."
        )
    above = next(folder for folder in Path(path).absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise Unavailable(
            got=f"no permission to write to {above}" if above.is_dir() else f"the file {above}",
            wanted="a directory that may be written",
            do="Choose another --page.",
        )


def drawn(learner: Any, found: Any, answer: Mapping[str, Any], command: str) -> str:
    """The scores as HTML.

    Args:
        learner: that was scored.
        found: what was found out.
        answer: what `nacre score --json` says.
        command: that gives the same figures, less --page.
    """
    name, n_rows = learner_name(learner), answer["n_rows"]
    return page(
        f"How good {name} is",
        f"{n_rows:,} rows were held against the model {answer['digest'][:8]}.",
        facts=list(_facts(answer)),
        sections=list(_sections(found, answer, command)),
        notes=[
            f"nacre {answer['nacre']}. Digest of the fitted state: {answer['digest']}.",
        ],
    )


def put(path: str, text: str) -> None:
    """Write a page, whole or not at all."""
    from nacre.store.files import Folder

    place = Path(path).absolute()
    with Folder.made(str(place.parent)) as folder:
        folder.write(place.name, text.encode())
        folder.sync()


def _facts(answer: Mapping[str, Any]) -> Iterator[Fact]:
    yield Fact("rows", f"{answer['n_rows']:,}")
    if answer["loss"] is not None:
        yield Fact("loss per row", number(answer["loss"]))
    if answer["scores"] is not None:
        yield Fact("clusters", f"{answer['scores']['n_clusters']:,}")
        yield Fact("silhouette", number(answer["scores"]["silhouette"]))
    if answer["agreement"] is not None:
        yield Fact("adjusted Rand index", number(answer["agreement"]["adjusted_rand"]))
        yield Fact("purity", number(answer["agreement"]["purity"]))


def _sections(found: Any, answer: Mapping[str, Any], command: str) -> Iterator[Section]:
    if found.scores is not None:
        yield Section("How well the clusters are set apart", APART, found.scores.plot())
    if found.agreement is not None:
        yield Section(f"Where the labels of {answer['y']} went", BESIDE, found.agreement.plot())
    yield Section("Again", AGAIN, commands=[f"{command} --page {quoted(answer['page'])}"])
