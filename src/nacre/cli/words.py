"""What a fitted learner knows, first as plain values, then in plain words.

Clusters are told by what sets them apart: the columns in which a centre lies furthest from the mean
of all rows, in the units in which distances were taken, shown in the units of the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre.cli.terminal import aligned, counted, number, seconds, shown
from nacre.kinds import Array

MOST_LINES = 24  # clusters, components or columns on a screen; --json has them all
N_APART = 3  # columns that are named of a cluster or a component

PHASES = {  # kind of model -> what a pass under it does
    "Seeding": "choosing first centres",
    "Candidates": "choosing first centres",
    "MicroCentres": "counting clusters",
    "Micros": "measuring micro-clusters",
    "Centres": "moving centres",
    "Directions": "moving centres",
    "Medians": "moving medians",
    "Spread": "means and variances",
    "Components": "directions of variance",
    "Searching": "looking for directions of variance",
    "Settled": "measuring along directions",
    "Scaled": "means and deviations",
    "Filled": "what is missing",
    "Halved": "what is missing",
    "Buckets": "histograms",
    "Search": "quantiles",
    "Robust": "medians and ranges",
    "Clipped": "bounds",
    "Encoded": "categories",
    "Width": "rows",
    "Distinct": "hashes of rows",
    "Cells": "cells to draw from",
    "Drawing": "drawing a sample",
    "Frozen": "measuring the loss",
    "Naming": "looking for labels",
    "Gathering": "means of clusters",
    "Scoring": "silhouettes",
    "Beside": "pairs of labels",
}


@dataclass(frozen=True)
class Affine:
    """A stage that rows went through, as far as it can be taken back: x = y @ turn * scale + mean.

    Attributes:
        turn: (k, d) or None, where columns were not mixed.
        mean, scale: (d,).
    """

    mean: Array
    scale: Array
    turn: Array | None = None

    def back(self, values: Array) -> Array:
        """Values (…, k) in the columns before this stage (…, d)."""
        return self.direction(values) * self.scale + self.mean

    def direction(self, steps: Array) -> Array:
        """Differences (…, k) in the columns before this stage, in the units after it."""
        return steps if self.turn is None else steps @ self.turn


def knowledge(learner: Any) -> dict[str, Any]:
    """What the last stage of a fitted learner knows: plain values, under the name of their kind.

    Returns:
        clusters, components, moments, histogram, quantiles, sample, clip, scale, fill, categories,
        width or rows -> a list, of which each item is described at the function that makes it;
        nothing for other learners.
    """
    stages = _stages(learner)
    last, before, schema = stages[-1], stages[:-1], learner.state_.schema
    columns = list(schema.names or (f"x{i}" for i in range(schema.n_columns)))
    names = _names(columns, before)
    match type(last).__name__:
        case "KMeans" | "Micro":
            return {"clusters": clusters(last, [_affine(stage) for stage in before], columns)}
        case "PCA":
            return {"components": components(last, names)}
        case "Moments":
            return {"moments": _by_column(names, mean=last.mean_, deviation=last.var_**0.5)}
        case "Histogram":
            return {"histogram": _by_column(names, **_reach(last))}
        case "Quantiles":
            shares = (f"q{share:g}" for share in last.q)
            return {
                "quantiles": _by_column(names, **dict(zip(shares, last.quantiles_, strict=True)))
            }
        case "Sample":
            return {"sample": cells(last)}
        case "Clip":
            bounds = {"lower": last.lower_, "upper": last.upper_}
            return {"clip": _by_column(names, **bounds)}
        case "RobustScale":
            return {"scale": _by_column(names, taken_away=last.center_, divided_by=last.scale_)}
        case "Scale":
            return {"scale": _by_column(names, taken_away=last.mean_, divided_by=last.scale_)}
        case "OneHot":
            return {"categories": categories(last, names)}
        case "Hashing":
            return {"width": [{"columns": str(len(columns)), "hashed_to": last.n_features}]}
        case "Dedup":
            n, repeated = len(last.state_.model.firsts.high), last.n_duplicates_
            return {"rows": [{"rows": "in all", "different": n, "repeated": repeated}]}
        case "Impute":
            return {"fill": _by_column(names, filled_with=last.statistics_)}
    return {}


def learner_name(learner: Any) -> str:
    """KMeans, or the stages of a chain: Scale → KMeans."""
    return " → ".join(type(stage).__name__ for stage in getattr(learner, "stages", (learner,)))


def parameters(learner: Any) -> dict[str, Any]:
    """Hyper-parameters as they are set; those of a stage under its name, as kmeans__n_clusters."""
    given = learner.get_params().items()
    return {name: value for name, value in given if isinstance(value, str | int | float | None)}


def clusters(kmeans: Any, before: Sequence[Affine], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Each cluster: number, rows by weight, share, and all columns by how far they set it apart."""
    centres = kmeans.cluster_centers_.astype(np.float64)
    told = kmeans.state_.told
    weights = (told.weights if hasattr(told, "weights") else kmeans.cluster_weights_).astype(float)
    total = max(float(weights.sum()), 1e-300)
    mean = weights @ centres / total
    points, steps, middle = centres, centres - mean, mean
    for stage in reversed(before):
        points, steps, middle = stage.back(points), stage.direction(steps), stage.back(middle)
    order = np.argsort(-np.abs(steps), axis=1, kind="stable")
    return [
        {
            "cluster": j,
            "weight": float(weights[j]),
            "share": float(weights[j]) / total,
            "columns": [
                {
                    "column": columns[i],
                    "mean": float(points[j, i]),
                    "mean_of_all": float(middle[i]),
                    "apart": float(steps[j, i]),
                }
                for i in order[j]
            ],
        }
        for j in range(len(centres))
    ]


def components(pca: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """Each component: number, share of the variance, and all columns by the weight in it."""
    directions, shares = pca.components_.astype(np.float64), pca.explained_variance_ratio_
    order = np.argsort(-np.abs(directions), axis=1, kind="stable")
    return [
        {
            "component": j,
            "share": float(shares[j]),
            "columns": [{"column": names[i], "weight": float(directions[j, i])} for i in order[j]],
        }
        for j in range(len(directions))
    ]


def cells(sample: Any) -> list[dict[str, Any]]:
    """Each cell of a sample: number, rows drawn, and the weight that they stand for."""
    cell = sample.drawn_from_
    weight = np.bincount(cell, sample.sample_.weight)
    return [
        {"cell": str(j), "rows": int(n), "stands_for": float(weight[j])}
        for j, n in enumerate(np.bincount(cell).tolist())
        if n
    ]


def categories(onehot: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """Each encoded column: how many categories have a column, and how many share one."""
    model = onehot.state_.model
    return [
        {"column": names[at], "columns": len(kept), "rare": len(rare)}
        for at, kept, rare in zip(model.columns, model.categories, model.rare, strict=True)
    ]


def _reach(histogram: Any) -> dict[str, Array]:
    low, middle, high = histogram.quantile([0.25, 0.5, 0.75])
    names = ("least", "lower_quartile", "median", "upper_quartile", "greatest")
    return dict(zip(names, (histogram.min_, low, middle, high, histogram.max_), strict=True))


def sentences(knows: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    for kind, items in knows.items():
        match kind:
            case "clusters":
                yield from _clusters(items)
            case "components":
                yield from _components(items)
            case _:
                yield from _columns(items)


def passes(n: int, took: float, ended: str) -> str:
    """How a fit went.

    >>> passes(5, 3.21, "converged"), passes(1, 0.5, "max_passes=1")
    ('5 passes in 3.2 s, to the end', '1 pass in 0.50 s, ended by --max-passes 1')
    """
    return f"{counted(n, 'pass', 'passes')} in {seconds(took)}, {end_of(ended)}"


def phase(model: Any) -> str:
    """What a pass under this model does; in a chain that of the running stage."""
    running = getattr(model, "running", model)
    return PHASES.get(type(running).__name__, type(running).__name__)


def end_of(why: str) -> str:
    """Why a fit ended: "--max-passes 3" for "max_passes=3"."""
    name, _, value = why.partition("=")
    if value:
        return f"ended by --{name.replace('_', '-')} {value}"
    ends = {
        "converged": "to the end",
        "Ctrl-C": "ended by Ctrl-C",
        "max_iter": "ended by --max-iter",
    }
    return ends.get(why, why)


def _apart(column: dict[str, Any]) -> str:
    mean, of_all = alike(column["mean"], column["mean_of_all"])
    return f"{shown(column['column'])} {mean} [dim]({of_all})[/]"


def alike(*values: float) -> tuple[str, ...]:
    """Numbers to be compared: three digits of the largest, and as many decimals for all.

    >>> alike(0.0362, 12.68), alike(2455.2, 1040.1), alike(0.0, 0.0)
    (('0.0', '12.7'), ('2,455', '1,040'), ('0', '0'))
    """
    largest = max(map(abs, values))
    if not 1e-6 < largest < 1e15:
        return tuple(map(number, values))
    decimals = max(0, 2 - math.floor(math.log10(largest)))
    return tuple(f"{value:,.{decimals}f}" for value in values)


def _clusters(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    rows = [("[bold]cluster[/]", "[bold]rows[/]", "[bold]share[/]", "[bold]what sets it apart[/]")]
    for cluster in sorted(found, key=lambda c: -c["weight"])[:MOST_LINES]:
        apart = [_apart(column) for column in cluster["columns"][:N_APART]]
        rows.append(
            (
                str(cluster["cluster"]),
                number(cluster["weight"]),
                f"{cluster['share']:.1%}",
                ", ".join(apart),
            )
        )
    yield from aligned(rows, right=[0, 1, 2])
    yield from _rest(len(found), "cluster")
    yield "  [dim]a cluster's mean in the columns where it is most apart; (mean of all rows)[/]"


def _components(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    rows = [("[bold]component[/]", "[bold]variance[/]", "[bold]together[/]", "[bold]made of[/]")]
    together = 0.0
    for component in found[:MOST_LINES]:
        together += component["share"]
        made_of = [f"{c['weight']:+.2f} {shown(c['column'])}" for c in component["columns"][:5]]
        rows.append(
            (
                str(component["component"]),
                f"{component['share']:.1%}",
                f"{together:.1%}",
                "  ".join(made_of),
            )
        )
    yield from aligned(rows, right=[0, 1, 2])
    yield from _rest(len(found), "component")


def _columns(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    names = list(found[0]) if found else ["column"]
    rows = [tuple(f"[bold]{name.replace('_', ' ')}[/]" for name in names)]
    for item in found[:MOST_LINES]:
        column, *values = item.values()
        texts = ("–" if value is None else number(_short(value)) for value in values)
        rows.append((shown(column), *texts))
    yield from aligned(rows, right=range(1, len(names)))
    yield from _rest(len(found), "column")


def _rest(n: int, noun: str) -> Iterator[str]:
    if n > MOST_LINES:
        yield f"  and {counted(n - MOST_LINES, f'more {noun}')}; --json has all"


def _short(value: float) -> float:
    """Four digits that count: more would say what the data do not."""
    return float(f"{value:.4g}")


def _stages(learner: Any) -> list[Any]:
    n = len(getattr(learner, "stages", ()))
    return [learner.fitted_stage(i) for i in range(n)] if n else [learner]


def _names(columns: Sequence[str], before: Sequence[Any]) -> list[str]:
    names = list(columns)
    for stage in before:
        if type(stage).__name__ == "PCA":
            names = [f"pca{i}" for i in range(len(stage.components_))]
    return names


def _affine(stage: Any) -> Affine:
    zeros = np.zeros(stage.state_.schema.n_columns)
    match type(stage).__name__:
        case "Scale":
            return Affine(stage.mean_, stage.scale_)
        case "RobustScale":
            return Affine(stage.center_, stage.scale_)
        case "PCA":
            model = stage.state_.model
            deviation = np.sqrt(model.variance) if model.whiten else np.ones(len(model.variance))
            turn = model.components * deviation[:, None]
            return Affine(model.mean, np.ones(len(model.mean)), turn)
    return Affine(zeros, zeros + 1)


def _by_column(names: Sequence[str], **values: Array) -> list[dict[str, Any]]:
    rows = zip(names, *values.values(), strict=True)
    return [
        {"column": name, **dict(zip(values, map(_finite, row), strict=True))} for name, *row in rows
    ]


def _finite(value: Any) -> float | None:
    """A number as JSON has it: None for a bound that is not there, or a column without numbers."""
    return float(value) if math.isfinite(value) else None
