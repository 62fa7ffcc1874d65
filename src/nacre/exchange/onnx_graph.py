"""A fitted learner as an ONNX graph: what its `answer` computes, in the dtype of its rows.

Only operators of the standard itself, opset 18: no custom ones, no functions, no external data.
One input, "X" (n, d), n of any size; an output for each method of the learner: "predict" (n,)
int64, "transform" (n, m). float32 stays good far from 0, because constants are taken away first,
with what their rounding to float32 left.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nacre.contract import Array
from nacre.errors import BadParameter, MissingExtra, Occupied
from nacre.exchange.outgoing import answering, no_counterpart
from nacre.learn.chain import Chain
from nacre.learn.cluster.kmeans import KMeans
from nacre.learn.prepare.clip import Clip
from nacre.learn.prepare.impute import Impute
from nacre.learn.prepare.robust import RobustScale
from nacre.learn.prepare.scale import Scale
from nacre.learn.reduce.pca import PCA

OPSET, IR = 18, 8  # of 2022: every runtime since takes them
INPUT = "X"
MOST = (1 << 31) - (1 << 20)  # bytes of constants: a file has less than 2 GiB, and nodes
DIRECT = 1024  # k * d up to which differences are made one by one: exact, for k * d numbers a row
Named = dict[str, str]  # answer -> the value in the graph that holds it


def model_of(learner: Any) -> Any:
    """The `onnx.ModelProto` of a fitted learner; its metadata say digest, columns and version.

    Raises:
        NotFittedError: of scikit-learn: there is nothing to know yet.
        BadParameter: a learner, or a stage of a chain, that has no graph; or 2 GiB and more.
        MissingExtra: onnx is not installed.
    """
    learner._check_fitted()
    stages = answering(learner) if isinstance(learner, Chain) else [("", learner)]
    graph = Graph(learner.state_.schema.dtype)
    rows, told = INPUT, Named()
    for _, stage in stages:
        told = _builder(stage)(graph, stage, rows)
        rows = told.get("transform", "")
    graph.check_size()
    wanted: Named = {name: told[name] for name in ("predict", "transform") if name in told}
    return _proto(learner, graph, wanted, _widths(stages[-1][1]))


def write(learner: Any, path: str | os.PathLike[str]) -> None:
    """Write the graph of a fitted learner into a file, whole or not at all.

    Raises:
        NotFittedError, BadParameter, MissingExtra: as `model_of`.
        BadParameter: an address of another system.
        Occupied: a directory.
        Unavailable, DiskFull: it cannot be written; what was there is still there.
    """
    from nacre.store.files import Folder
    from nacre.store.local import absolute

    where = absolute(path)
    if os.path.isdir(where):
        raise Occupied(
            got=f"the directory {where}", wanted="a file", do="Add a name: model.onnx, say."
        )
    data = model_of(learner).SerializeToString()
    folder, name = os.path.split(where)
    with Folder.made(folder) as place:
        place.write(name, data)
        place.sync()


class Graph:
    """Nodes and constants as they are added; every value has a name of its own."""

    def __init__(self, dtype: str) -> None:
        self.onnx, self.dtype = _onnx(), np.dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, dtype: Any = None) -> str:
        """An array of the graph's dtype, or of another."""
        name = f"c{len(self.constants)}"
        with np.errstate(over="ignore"):
            array = np.asarray(values).astype(dtype or self.dtype)
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def check_size(self) -> None:
        """Raise BadParameter for more than one file holds."""
        size = sum(len(constant.raw_data) for constant in self.constants)
        if size > MOST:
            raise BadParameter(
                got=f"a model of {size:,} bytes",
                wanted=f"at most {MOST:,}, which one ONNX file holds",
                do="Save it with nacre.save, and answer with nacre.",
            )

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """What an operator gives."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [name], **attributes))
        return name

    def less(self, x: str, point: Array) -> str:
        """x - point (d,) float64, and what rounding took from the point."""
        near = self._rounded(point)
        rest = np.asarray(point, np.float64) - near.astype(np.float64)
        moved = self.node("Sub", x, self.constant(near))
        return self.node("Sub", moved, self.constant(rest)) if rest.any() else moved

    def total(self, x: str, axis: int, keep: int = 0) -> str:
        """Sums along an axis."""
        return self.node("ReduceSum", x, self.constant([axis], np.int64), keepdims=keep)

    def within(self, x: str, low: Array, high: Array) -> str:
        """x between two bounds; NaN stays NaN, which the operators Min, Max and Clip leave open."""
        for op, bound in (("Less", low), ("Greater", high)):
            limit = self.constant(bound)
            x = self.node("Where", self.node(op, x, limit), limit, x)
        return x

    def _rounded(self, point: Array) -> Array:
        return np.asarray(point).astype(self.dtype)


def _scale(graph: Graph, stage: Scale, x: str) -> Named:
    model = stage.state_.model
    moved = graph.less(x, model.mean)
    return {"transform": graph.node("Div", moved, graph.constant(model.scale))}


def _robust(graph: Graph, stage: RobustScale, x: str) -> Named:
    model, most = stage.state_.model, np.finfo(graph.dtype).max
    scaled = graph.node("Div", graph.less(x, model.centre), graph.constant(model.scale))
    return {"transform": graph.within(scaled, np.asarray(-most), np.asarray(most))}


def _clip(graph: Graph, stage: Clip, x: str) -> Named:
    return {"transform": graph.within(x, stage.lower_, stage.upper_)}


def _impute(graph: Graph, stage: Impute, x: str) -> Named:
    fill = graph.constant(stage.statistics_)
    return {"transform": graph.node("Where", graph.node("IsNaN", x), fill, x)}


def _pca(graph: Graph, stage: PCA, x: str) -> Named:
    model = stage.state_.model
    turn = model.components.T
    if model.whiten:
        deviation = np.sqrt(model.variance)
        turn = turn / np.where(deviation > 0, deviation, 1.0)
    moved = graph.less(x, model.mean)
    return {"transform": graph.node("MatMul", moved, graph.constant(turn))}


def _kmeans(graph: Graph, stage: KMeans, x: str) -> Named:
    """Labels and distances of one sum: the squares (or |x - c|) to all centres, least first."""
    model = stage.state_.model
    flat = ""
    if model.metric == "cosine":
        x, flat = _directed(graph, x)
    if model.metric == "manhattan" or model.centres.size <= DIRECT:
        far = _apart(graph, x, model.centres, "Abs" if model.metric == "manhattan" else "Mul")
        least = far
    else:
        far, least = _expanded(graph, x, model)
    label = graph.node("ArgMin", least, axis=1, keepdims=0)
    match model.metric:
        case "euclidean":
            return {"predict": label, "transform": graph.node("Sqrt", far)}
        case "manhattan":
            return {"predict": label, "transform": far}
    one, half, none = graph.constant(1.0), graph.constant(0.5), graph.constant(-1, np.int64)
    axis = graph.constant([1], np.int64)
    cosine = graph.node("Where", flat, one, graph.node("Mul", far, half))
    label = graph.node("Where", graph.node("Squeeze", flat, axis), none, label)
    return {"predict": label, "transform": cosine}


def _directed(graph: Graph, x: str) -> tuple[str, str]:
    """Rows over their lengths, by the largest value first; and (n, 1) whether that is 0."""
    axis, zero, one = graph.constant([1], np.int64), graph.constant(0.0), graph.constant(1.0)
    largest = graph.node("ReduceMax", graph.node("Abs", x), axis, keepdims=1)
    flat = graph.node("Equal", largest, zero)
    small = graph.node("Div", x, graph.node("Where", flat, one, largest))
    length = graph.node("Sqrt", graph.total(graph.node("Mul", small, small), 1, keep=1))
    return graph.node("Div", small, graph.node("Where", flat, one, length)), flat


def _apart(graph: Graph, x: str, centres: Array, op: str) -> str:
    """(n, k) sums of |x - c|, or of squares, difference by difference."""
    axis = graph.constant([1], np.int64)
    apart = graph.node("Sub", graph.node("Unsqueeze", x, axis), graph.constant(centres[None]))
    sizes = graph.node("Abs", apart) if op == "Abs" else graph.node("Mul", apart, apart)
    return graph.total(sizes, 2)


def _expanded(graph: Graph, x: str, model: Any) -> tuple[str, str]:
    """(n, k) squares by a product of matrices, about a point amid the rows; and less |x|²."""
    shift = model.shift.astype(np.float64)
    near = model.centres.astype(np.float64) - shift
    moved = graph.less(x, shift)
    product = graph.node("MatMul", moved, graph.constant(-2.0 * near.T))
    least = graph.node("Add", product, graph.constant((near**2).sum(axis=1)))
    squares = graph.total(graph.node("Mul", moved, moved), 1, keep=1)
    whole = graph.node("Add", least, squares)
    return graph.node("Max", whole, graph.constant(0.0)), least


BUILDERS: Mapping[type, Callable[[Graph, Any, str], Named]] = {
    KMeans: _kmeans,
    PCA: _pca,
    Scale: _scale,
    RobustScale: _robust,
    Clip: _clip,
    Impute: _impute,
}


def _builder(stage: Any) -> Callable[[Graph, Any, str], Named]:
    """Of no subclass: who knows what that does."""
    if type(stage) not in BUILDERS:
        raise no_counterpart(type(stage).__name__, "ONNX export")
    return BUILDERS[type(stage)]


def _widths(last: Any) -> dict[str, list[str | int]]:
    """The shape of each answer."""
    model = last.state_.model
    match last:
        case KMeans():
            width = len(model.centres)
        case PCA():
            width = len(model.components)
        case _:
            width = int(model.d)
    return {"predict": ["n"], "transform": ["n", width]}


def _proto(learner: Any, graph: Graph, wanted: Named, shapes: dict[str, list[Any]]) -> Any:
    from nacre import __version__

    onnx, schema = graph.onnx, learner.state_.schema
    helper, types = onnx.helper, onnx.TensorProto
    real = types.FLOAT if schema.dtype == "float32" else types.DOUBLE
    kinds = {"predict": types.INT64, "transform": real}
    ends = [helper.make_node("Identity", [value], [name]) for name, value in wanted.items()]
    made = helper.make_graph(
        [*graph.nodes, *ends],
        type(learner).__name__,
        [helper.make_tensor_value_info(INPUT, real, ["n", schema.n_columns])],
        [helper.make_tensor_value_info(name, kinds[name], shapes[name]) for name in wanted],
        graph.constants,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(made, opset_imports=[opset], ir_version=IR, producer_name="nacre")
    model.producer_version = __version__
    told = {"nacre.digest": learner.state_.digest}
    if schema.names is not None:
        told["nacre.columns"] = json.dumps(schema.names)
    helper.set_model_props(model, told)
    return model


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtra(got="no onnx", wanted="onnx", do="pip install 'nacre[onnx]'") from None
    return onnx
