"""Values that depend on nothing but constants and on lengths that the graph itself fixes.

ONNX Runtime evaluates what hangs on constants alone. It stops at Shape, also where the entry that is read
next, such as the width of a head, stands in the graph as a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rerankd.backends.onnx.graph.ranks import shape_entries
from rerankd.backends.onnx.graph.view import FLOAT, INT64, Array, attribute

if TYPE_CHECKING:
    from onnx import NodeProto

    from rerankd.backends.onnx.graph.view import GraphView

_LARGEST = 16
"""Entries; scales, axes and shapes have fewer."""
_CASTS: dict[int, type[np.generic]] = {FLOAT: np.float32, INT64: np.int64, 11: np.float64}
_BY_ENTRY: dict[str, Callable[..., Any]] = {
    "Identity": np.asarray,
    "Mul": np.multiply,
    "Reciprocal": np.reciprocal,
    "Sqrt": np.sqrt,
}
_ONLY_FLOATS = frozenset({"Div", "Reciprocal", "Sqrt"})


def static_values(view: GraphView) -> dict[str, Array]:
    """The small tensors whose values are known before any input is, each with what it holds."""
    known: dict[str, Array] = {}
    for name in view.stored:
        _learn(view, known, name)
    for node in view.nodes:
        if node.op_type == "Constant":
            _learn(view, known, node.output[0])
        elif (value := _evaluated(view, known, node)) is not None:
            known[node.output[0]] = value
    return known


def _learn(view: GraphView, known: dict[str, Array], name: str) -> None:
    tensor = view.constant(name)
    if tensor is None:
        integers = view.integers(name)
        if integers is not None:
            known[name] = np.array(integers, dtype=np.int64)
    elif tensor.data_type in _CASTS and int(np.prod(tensor.dims, dtype=np.int64)) <= _LARGEST:
        known[name] = view.values(tensor)


def _evaluated(view: GraphView, known: dict[str, Array], node: NodeProto) -> Array | None:
    kind = node.op_type
    if kind in ("Gather", "Slice"):
        return _lengths(view, known, node)
    values = [known[name] for name in node.input if name in known]
    if not values or len(values) < len(node.input):
        return None
    if kind in _ONLY_FLOATS and values[0].dtype.kind != "f":
        return None
    if kind == "Cast" and attribute(node, "to") in _CASTS:
        return values[0].astype(_CASTS[attribute(node, "to")])
    if kind == "Div":
        return np.asarray(np.divide(*values)) if np.all(values[1]) else None
    return np.asarray(_BY_ENTRY[kind](*values)) if kind in _BY_ENTRY else None


def _lengths(view: GraphView, known: dict[str, Array], node: NodeProto) -> Array | None:
    """Entries of a shape, where the graph fixes all of them."""
    maker = view.made_by(node.input[0])
    if maker is None or maker.op_type != "Shape" or maker.attribute:
        return None
    rank = view.ranks.get(maker.input[0])
    arguments = [known[name] for name in node.input[1:] if name in known]
    if rank is None or len(arguments) < len(node.input) - 1:
        return None
    picked = _picked(node, np.arange(rank), arguments)
    if picked is None:
        return None
    lengths = [_length(view, maker.input[0], int(axis)) for axis in picked.reshape(-1)]
    if any(length is None for length in lengths):
        return None
    return np.array(lengths, dtype=np.int64).reshape(picked.shape)


def _picked(node: NodeProto, places: Array, arguments: list[Array]) -> Array | None:
    """Which places of a shape a Gather or a Slice reads."""
    if node.op_type == "Gather":
        return np.asarray(places.take(arguments[0], mode="wrap"))
    if arguments[3:] and arguments[3].tolist() != [1]:
        return None
    start, end = (int(argument.reshape(-1)[0]) for argument in arguments[:2])
    return places[start:end]


def _length(view: GraphView, name: str, axis: int) -> int | None:
    """The length of an axis that a Reshape has fixed."""
    node = view.made_by(name)
    while node is not None and node.op_type == "Transpose":
        axis = attribute(node, "perm", [])[axis]
        node = view.made_by(node.input[0])
    if node is None or node.op_type != "Reshape":
        return None
    entries = shape_entries(view, node.input[1])
    length = None if entries is None else entries[axis]
    return length if length is not None and length > 0 else None
