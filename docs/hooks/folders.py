"""The pictures of the pages on folders: what is done there, as boxes, or as it really comes out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import nacre
from docs.hooks.public import learners
from docs.hooks.shapes import Arrow, Box, bare, cells, diagram, kinds, number
from nacre.canon import hash64
from nacre.engine.tree import Span, Trie
from nacre.learn.chain import GRADES
from nacre.plot.centres import centres
from nacre.plot.curve import gaps
from nacre.plot.picture import BARE, Picture, listed, spec
from nacre.plot.profile import profile
from nacre.plot.words import Feature, described
from nacre.source.plan import BATCH_ROWS, SHARD_ROWS

WORKERS = ("worker 1", "worker 2", "worker 3")


def contract() -> Picture:
    """The loop over the rows."""
    boxes = [
        Box(0, 98, 14, "rows", ["batches"]),
        Box(24, 90, 21, "observe", ["what each batch", "says to the model"]),
        Box(54, 90, 18, "sum", ["joined by kind,", "in a fixed shape"]),
        Box(82, 90, 18, "advance", ["the next", "model"]),
        Box(24, 0, 21, "model", ["its frame goes", "to the workers"], loud=True),
        Box(82, 0, 18, "state", ["model and told,", "of one base"], loud=True),
    ]
    arrows = [
        Arrow(14, 122, 24, 122),
        Arrow(45, 122, 54, 122),
        Arrow(72, 122, 82, 122),
        Arrow(82, 90, 45, 35, "another base: again"),
        Arrow(91, 90, 91, 65),
        Arrow(34.5, 65, 34.5, 90),
    ]
    says = (
        "The loop: rows speak to a model, what they say is added, the sum makes the next model; "
        "when its base stands still, model and sum are the state."
    )
    return diagram("The contract", says, boxes, arrows, 165)


def source() -> Picture:
    """Row groups of two files, and the shards that they are cut into."""
    files = {"a.parquet": (100_000, 100_000, 100_000), "b.parquet": (220_000,)}
    rows: list[tuple[str, str, int, int]] = []
    start = 0
    for name, groups in files.items():
        at = 0
        for size in groups:
            rows.append(("row groups", name, start + at, start + at + size))
            at += size
        for first in range(0, at, SHARD_ROWS):
            rows.append(("shards", name, start + first, start + min(first + SHARD_ROWS, at)))
        for first in range(0, at, BATCH_ROWS):
            rows.append(("batches", name, start + first, start + min(first + BATCH_ROWS, at)))
        start += at
    lane, of, low, high = zip(*rows, strict=True)
    data = {"lane": list(lane), "file": list(of), "low": np.array(low), "high": np.array(high)}
    axis = {"domain": False, "ticks": False, "grid": False, "format": "~s", "labelFlush": True}
    x = {"field": "low", "type": "quantitative", "title": "rows", "axis": axis}
    encoding = {
        "x": x,
        "x2": {"field": "high"},
        "y": listed("lane", ["row groups", "shards", "batches"], {**BARE, "labelPadding": 8}),
        "color": kinds("file", list(files)),
    }
    mark = {"type": "bar", "height": {"band": 0.62}, "stroke": "white", "strokeWidth": 1}
    says = (
        f"Two files: however their row groups lie, each is cut into shards of {SHARD_ROWS:,} rows, "
        f"and these into batches of {BATCH_ROWS:,}; a shard never reaches over the end of a file."
    )
    layer = [{"mark": {**mark, "cornerRadius": 2}}]
    return Picture("Cut", says, data, spec(data, layer=layer, encoding=encoding, height=150))


def _trie(
    trie: Trie, who: Callable[[Span], str], whos: list[str], texts: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Layers: a trie, its leaves below, each node coloured by `who`; texts at the ground."""
    high = _heights(trie)
    nodes, edges = [], []
    for span, height in high.items():
        x = (span[0] + span[1] - 1) / 2
        nodes.append({"x": x, "y": height, "who": who(span), "leaf": span[1] - span[0] == 1})
        if span in trie.family:
            parent = trie.family[span][0]
            edges.append({"x": x, "y": height, "x2": sum(parent, -1) / 2, "y2": high[parent]})
    place = {
        "x": bare("x", scale={"domain": [-0.5, len(trie.keys) - 0.5], "nice": False}),
        "y": bare("y", scale={"domain": [-0.6, max(high.values()) + 0.4], "nice": False}),
    }
    return [
        {
            "data": {"values": edges},
            "mark": {"type": "rule", "style": "line", "opacity": 0.7},
            "encoding": {**place, "x2": {"field": "x2"}, "y2": {"field": "y2"}},
        },
        {
            "data": {"values": nodes},
            "mark": {"type": "point", "filled": True, "opacity": 1, "size": 130},
            "encoding": {
                **place,
                "color": kinds("who", whos),
                "shape": {
                    "field": "leaf",
                    "type": "nominal",
                    "scale": {"domain": [True, False], "range": ["square", "circle"]},
                    "legend": None,
                },
            },
        },
        {
            "data": {"values": texts},
            "mark": {"type": "text", "style": "quiet", "fontSize": 11, "dy": 10},
            "encoding": {**place, "text": {"field": "says"}},
        },
    ]


def evolve() -> Picture:
    """A window over the trie of sixteen days: which sums are taken as they are."""
    n, first = 16, 6
    trie = Trie(range(n))

    def taken(span: Span) -> bool:
        return first <= span[0]

    def who(span: Span) -> str:
        if not taken(span):
            return "not asked for"
        parent = trie.family[span][0] if span in trie.family else None
        return "inside it" if parent and taken(parent) else "taken"

    texts = [{"x": float(day), "y": -0.5, "says": str(day + 1)} for day in range(n)]
    layer = _trie(trie, who, ["taken", "inside it", "not asked for"], texts)
    says = (
        "The sums over sixteen days, and a window of the last ten: two sums are taken as they "
        "are and joined, that of eight days and that of two."
    )
    drawn = spec({}, layer=layer, height=230)
    return Picture("A window", says, {"days": np.arange(n)}, drawn, least_width=460)


def engine() -> Picture:
    """The tree of a sum over the shards of three files, and who worked on what."""
    names = {hash64(name): name for name in ("a.parquet", "b.parquet", "c.parquet")}
    keys = [origin << 32 | number for origin in names for number in range(5)]
    trie = Trie(keys)
    blocks = trie.blocks(4)
    worker = {block: WORKERS[i % len(WORKERS)] for i, block in enumerate(blocks)}

    def who(span: Span) -> str:
        inside = (w for b, w in worker.items() if b[0] <= span[0] and span[1] <= b[1])
        return next(inside, "driver")

    files = [
        {"x": float(at.mean()), "y": -0.5, "says": f"shards of {name}"}
        for origin, name in names.items()
        for at in [np.flatnonzero([key >> 32 == origin for key in trie.keys])]
    ]
    layer = _trie(trie, who, [*WORKERS, "driver"], files)
    data = {"keys": np.arange(len(keys))}
    says = (
        "The sum over 15 shards of three files: squares are shards, circles are sums. The keys "
        "decide who is added to whom, so any worker may do any part, in any order."
    )
    drawn = spec({}, layer=layer, height=230)
    return Picture("The canonical sum", says, data, drawn, least_width=460)


def _heights(trie: Trie) -> dict[tuple[int, int], int]:
    """Span -> how far it is from its deepest shard."""
    spans = sorted({*trie.family, trie.root}, key=lambda span: span[1] - span[0])
    high: dict[tuple[int, int], int] = {}
    for span in spans:
        inner = [high[s] for s in high if trie.family.get(s, ((-1, -1), s))[0] == span]
        high[span] = max(inner, default=-1) + 1
    return high


def learn() -> Picture:
    """The grades that the learners state."""
    names = sorted(name for name in learners() if name != "Chain")
    axes = ("space", "time", "erasure")
    shade = dict(zip(GRADES, (-0.85, -0.45, 0.35, 0.85), strict=True))
    grades: list[Any] = [learners()[name]().grade for name in names]
    texts = [[grade[axis] for axis in axes] for grade in grades]
    values = [[shade[text] for text in row] for row in texts]
    says = (
        "The grade of each learner as it comes: for the same rows on a cluster (space), for rows "
        "that come later (time), for rows that are taken out again (erasure)."
    )
    return cells("Grades", says, axes, names, values, texts)


def evaluate() -> Picture:
    """How many clusters there are, as the gap says."""
    corners = np.array([[0, 0], [6, 1], [2, 6], [8, 7], [13, 2], [14, 9]])
    which = np.random.default_rng(3).integers(0, 6, 4_000)
    X = corners[which] + np.random.default_rng(4).normal(size=(4_000, 2)) * 0.8
    fit = nacre.KMeans("auto", random_state=0).fit(X)
    curve = fit.k_curve_
    return gaps(curve.k[:15], curve.gap[:15], fit.n_clusters_)


def kernel() -> Picture:
    """How labels are certain though products are float32."""
    boxes = [
        Box(0, 45, 18, "a block of rows", ["float32"]),
        Box(25, 37, 22, "product", ["with all centres,", "float32, by BLAS"]),
        Box(54, 37, 19, "bound", ["how far it may", "be from the truth"]),
        Box(80, 85, 20, "certain", ["best is far from", "second best"]),
        Box(80, 0, 20, "left open", ["decided by the", "definition, float64"], loud=True),
    ]
    arrows = [
        Arrow(18, 70, 25, 70),
        Arrow(47, 70, 54, 70),
        Arrow(73, 80, 80, 110),
        Arrow(73, 60, 80, 32),
    ]
    says = (
        "Nearest centres: a float32 product is only a filter; what it leaves open is decided in "
        "float64. So labels have the same bits on every CPU."
    )
    return diagram("Certain labels", says, boxes, arrows, 150)


def store() -> Picture:
    """What a model is on a disk."""
    boxes = [
        Box(
            0, 56, 26, "manifest.json", ["names all blobs; its last", "line hashes the rest"], True
        ),
        Box(40, 104, 27, "blobs/9f31...", ["hyper-parameters"]),
        Box(40, 52, 27, "blobs/c07a...", ["the state: model, told"]),
        Box(40, 0, 27, "blobs/41de...", ["a part of a table"]),
        Box(78, 46, 22, "checked", ["every hash, and", "the state's digest"]),
    ]
    arrows = [
        Arrow(26, 85, 40, 126),
        Arrow(26, 80, 40, 77),
        Arrow(26, 75, 40, 27),
        Arrow(67, 126, 78, 92),
        Arrow(67, 77, 78, 79),
        Arrow(67, 27, 78, 62),
    ]
    says = (
        "A stored model: a manifest names blobs by the hash of their bytes; renaming the manifest "
        "is the commit; loading checks every hash and runs nothing."
    )
    return diagram("A stored model", says, boxes, arrows, 158)


def cli() -> Picture:
    """What the verbs read and write."""
    boxes = [
        Box(0, 57, 16, "data", ["Parquet, ..."]),
        Box(26, 100, 18, "nacre fit", [], True),
        Box(26, 8, 18, "nacre predict", [], True),
        Box(55, 93, 16, "model/", ["manifest, blobs"]),
        Box(55, 0, 16, "labels/", ["a file a shard"]),
        Box(82, 96, 18, "nacre show", [], True),
    ]
    arrows = [
        Arrow(16, 90, 26, 117),
        Arrow(16, 74, 26, 28),
        Arrow(44, 117, 55, 117),
        Arrow(58, 93, 44, 36),
        Arrow(44, 25, 55, 25),
        Arrow(71, 117, 82, 117),
    ]
    says = (
        "What verbs read and write: fit reads data and writes a model, predict reads both and "
        "writes answers, show says what a model knows."
    )
    return diagram("The verbs", says, boxes, arrows, 145)


def exchange() -> Picture:
    """What comes in and goes out."""
    boxes = [
        Box(0, 88, 24, "scikit-learn", ["a fitted estimator"]),
        Box(38, 40, 24, "a nacre model", ["arrays, told"], loud=True),
        Box(76, 88, 24, "scikit-learn", ["an estimator that", "predicts the same"]),
        Box(76, 0, 24, "ONNX", ["a graph that any", "runtime reads"]),
    ]
    arrows = [Arrow(24, 105, 38, 78), Arrow(62, 78, 76, 112), Arrow(62, 58, 76, 34)]
    says = (
        "What was learned comes in from scikit-learn and goes out to scikit-learn and ONNX: arrays "
        "are copied, nothing that comes in is run."
    )
    return diagram("In and out", says, boxes, arrows, 160)


def live() -> Picture:
    """The way of a batch into a live model, and what is asked of it."""
    boxes = [
        Box(0, 45, 15, "a batch", ["id, rows,", "event time"]),
        Box(21, 45, 18, "observed", ["under the frame", "that stands still"]),
        Box(45, 45, 18, "a commit", ["its leaf, its line:", "whole or not"]),
        Box(69, 92, 13, "the ledger", ["once each"]),
        Box(69, 4, 13, "leaves", ["summed"]),
        Box(88, 45, 12, "a model", ["now, then,", "of a window"], loud=True),
    ]
    arrows = [
        Arrow(15, 77, 21, 77),
        Arrow(39, 77, 45, 77),
        Arrow(63, 87, 69, 112),
        Arrow(63, 67, 69, 42),
        Arrow(82, 112, 88, 87),
        Arrow(82, 42, 88, 67),
    ]
    says = (
        "The way of a batch: it is observed under the frame, and its leaf and its line in the "
        "ledger are committed at once; any model is a sum of leaves that the ledger names."
    )
    return diagram("A live model", says, boxes, arrows, 155)


def plot() -> Picture:
    """A heat map of what clusters have on average."""
    draw = np.random.default_rng(0)
    middles = np.array([[20.0, 3.0, 900.0], [45.0, 8.0, 400.0], [70.0, 1.0, 650.0]])
    labels = draw.integers(0, 3, 900)
    X = middles[labels] + draw.normal(size=(900, 3)) * [6, 1, 120]
    of = profile([(X, labels)], k=3)
    features = [Feature("age"), Feature("visits"), Feature("spent")]
    return centres(of, features, [one.name for one in described(of, features)])


def errors() -> Picture:
    """The way of an error."""
    boxes = [
        Box(0, 45, 18, "a worker", ["raises: got,", "wanted, do"]),
        Box(26, 45, 23, "the engine", ["adds where: source,", "shard, rows"]),
        Box(57, 45, 17, "of several", ["that of the", "lowest key"]),
        Box(82, 92, 18, "Python", ["an exception"], loud=True),
        Box(82, 4, 18, "nacre", ["a sentence and", "an exit code"], loud=True),
    ]
    arrows = [
        Arrow(18, 77, 26, 77),
        Arrow(49, 77, 57, 77),
        Arrow(74, 87, 82, 112),
        Arrow(74, 67, 82, 42),
    ]
    says = (
        "The way of an error: a worker raises it, the engine adds its place, of several that of "
        "the lowest key goes on; Python raises it, the command line says it."
    )
    return diagram("An error", says, boxes, arrows, 155)


def laws() -> Picture:
    """The same numbers added in many orders, and as nacre adds them."""
    values = np.random.default_rng(0).lognormal(sigma=6, size=400)
    exact = math.fsum(values)
    orders = [np.random.default_rng(i).permutation(400) for i in range(150)]
    plain = [sum(values[order].tolist()) for order in orders]
    trie = [_canonical(values) for _ in orders]
    ulp = math.ulp(exact)
    data = {
        "how": ["in the order of arrival"] * 150 + ["by the keys' tree"] * 150,
        "off": np.array([(s - exact) / ulp for s in (*plain, *trie)]),
    }
    names = ["in the order of arrival", "by the keys' tree"]
    encoding = {
        "y": listed("how", names, {**BARE, "labelLimit": 190, "labelPadding": 8}),
        "x": number("off", "last bits away from the exact sum"),
        "color": {**kinds("how", names), "legend": None},
    }
    layer = [{"mark": {"type": "tick", "thickness": 2, "bandSize": 24, "opacity": 0.7}}]
    n = len(set(plain))
    says = (
        f"400 numbers that arrive in 150 orders: added as they come they have {n} sums, added by "
        "the tree of their keys one. That is what the laws ask of everything that is learned."
    )
    return Picture("One sum", says, data, spec(data, layer=layer, encoding=encoding, height=110))


def _canonical(values: Any) -> float:
    """The sum by the trie of the positions."""

    def total(start: int, stop: int) -> float:
        if stop - start == 1:
            return float(values[start])
        bit = (start ^ (stop - 1)).bit_length() - 1
        cut = ((stop - 1) >> bit) << bit
        return total(start, cut) + total(cut, stop)

    return total(0, len(values))


PICTURES: dict[str, Callable[[], Picture]] = {
    "errors": errors,
    "folder-cli": cli,
    "folder-contract": contract,
    "folder-engine": engine,
    "folder-evaluate": evaluate,
    "folder-evolve": evolve,
    "folder-exchange": exchange,
    "folder-kernel": kernel,
    "folder-laws": laws,
    "folder-learn": learn,
    "folder-live": live,
    "folder-plot": plot,
    "folder-source": source,
    "folder-store": store,
}
