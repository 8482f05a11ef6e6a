"""Shapes of what a graph makes of its constants, worked out without making it.

Axes that depend on the inputs count as 1: what is found is the least that a tensor can be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rerankd.backends.onnx.external_data import EXTERNAL

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

Shape = tuple[int, ...]

_SMALL = 64
"""Values of a constant that is read: shapes, axes, repetitions and bounds of ranges are not longer."""
_LARGEST = 1 << 62
_INT64, _INT32, _FLOAT, _DOUBLE = 7, 6, 1, 11
_TYPES = {_INT64: "<i8", _INT32: "<i4", _FLOAT: "<f4", _DOUBLE: "<f8"}
_FIELDS = {_INT64: "int64_data", _INT32: "int32_data", _FLOAT: "float_data", _DOUBLE: "double_data"}

_SAME_SHAPE = frozenset(
    {"Abs", "Cast", "Ceil", "Clip", "CumSum", "Dropout", "Erf", "Exp", "Floor", "Gelu", "Identity", "Log"}
    | {"LayerNormalization", "Neg", "Not", "Relu", "Round", "Sigmoid", "Sign", "Softmax", "Sqrt", "Tanh"}
    | {"Trilu"}
)
_BROADCAST = frozenset(
    {"Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean"}
    | {"Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor"}
)
_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a // b if b else 0,
    "Max": max,
    "Min": min,
    "Pow": lambda a, b: a**b if 0 <= b <= 64 and abs(a) < 1 << 16 else _LARGEST,
}
_VALUES_PASS = frozenset({"Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten"})


class ShapeWalk:
    """Follows the nodes of one graph, in their order.

    Args:
        graph: Whose constants are known from the beginning; None = of a function, which has none.
        outer: The walk of the graph around it, whose tensors it sees as they are known then.
    """

    def __init__(self, graph: GraphProto | None = None, outer: ShapeWalk | None = None) -> None:
        self._values: dict[str, list[float]] = dict(outer._values) if outer is not None else {}
        self._shapes: dict[str, Shape] = dict(outer._shapes) if outer is not None else {}
        if graph is None:
            return
        for tensor in graph.initializer:
            self._know(tensor.name, tensor)
        for value in graph.input:
            dims = value.type.tensor_type.shape.dim
            self._shapes.setdefault(value.name, tuple(max(1, dim.dim_value) for dim in dims))

    def follow(self, node: NodeProto) -> Iterator[tuple[str, Shape]]:
        """The shapes of a node's outputs, as far as they are known."""
        name = node.output[0] if node.output else ""
        if not name or node.domain not in ("", "ai.onnx"):
            return
        given = {item.name: item for item in node.attribute}
        if node.op_type == "Constant":
            self._constant(name, given)
        values = self._value(node)
        if values is not None:
            self._values[name] = values
        shape = self._shapes.get(name) or self._shape(node, given)
        if shape is not None:
            self._shapes[name] = shape
            yield name, shape

    def _know(self, name: str, tensor: TensorProto) -> None:
        self._shapes[name] = tuple(tensor.dims)
        values = _small_values(tensor)
        if values is not None:
            self._values[name] = values

    def _constant(self, name: str, given: Mapping[str, AttributeProto]) -> None:
        if "value" in given:
            self._know(name, given["value"].t)
            return
        lists = {"value_ints": "ints", "value_floats": "floats"}
        for attribute, field in lists.items():
            if attribute in given:
                values = list(getattr(given[attribute], field))
                self._shapes[name] = (len(values),)
                if len(values) <= _SMALL:
                    self._values[name] = values
        for attribute, field in (("value_int", "i"), ("value_float", "f")):
            if attribute in given:
                self._shapes[name], self._values[name] = (), [getattr(given[attribute], field)]

    def _value(self, node: NodeProto) -> list[float] | None:
        """The values of a small output that only constants decide."""
        kind, inputs = node.op_type, [self._values.get(name) for name in node.input]
        if kind == "Shape" and (shape := self._shapes.get(node.input[0])) is not None:
            return list(shape)
        if kind in _VALUES_PASS and inputs and inputs[0] is not None:
            return inputs[0]
        if not inputs or any(values is None for values in inputs):
            return None
        known = [values for values in inputs if values is not None]
        if kind == "Concat":
            joined = list(itertools.chain.from_iterable(known))
            return joined if len(joined) <= _SMALL else None
        if kind in _ARITHMETIC and len(known) == 2:
            return _arithmetic(kind, *known)
        return None

    def _shape(self, node: NodeProto, given: Mapping[str, AttributeProto]) -> Shape | None:
        shapes = [self._shapes.get(name) if name else () for name in node.input]
        kind, first = node.op_type, shapes[0] if shapes else None
        if kind in _SAME_SHAPE:
            return first
        if kind in _BROADCAST:
            return _broadcast([shape for shape in shapes if shape is not None])
        if kind == "MatMul" and len(shapes) == 2:
            return _product(*shapes)
        if kind == "Transpose" and first is not None:
            order = list(given["perm"].ints) if "perm" in given else list(range(len(first)))[::-1]
            return tuple(first[axis] for axis in order) if sorted(order) == list(range(len(first))) else None
        return self._made(node, given, first)

    def _made(
        self, node: NodeProto, given: Mapping[str, AttributeProto], first: Shape | None
    ) -> Shape | None:
        """Operators that make more than they are given."""
        kind = node.op_type
        if kind in ("RandomNormal", "RandomUniform"):
            return tuple(given["shape"].ints) if "shape" in given else None
        wanted = self._whole(node.input[0]) if kind == "ConstantOfShape" and node.input else None
        if kind != "ConstantOfShape" and len(node.input) > 1:
            wanted = self._whole(node.input[1])
        if kind == "ConstantOfShape":
            return wanted
        if kind == "Expand":
            return _broadcast([shape for shape in (first, wanted) if shape is not None])
        if kind == "Tile" and wanted is not None:
            return tuple(a * b for a, b in zip(first or (1,) * len(wanted), wanted, strict=False))
        if kind == "Reshape" and wanted is not None and all(size > 0 for size in wanted):
            return wanted
        if kind == "Unsqueeze" and first is not None:
            return (*first, *(1,) * len(wanted or (1,)))[-max(1, len(first)) - len(wanted or (1,)) :]
        if kind == "Pad" and wanted is not None:
            return _padded(first, wanted)
        if kind == "OneHot" and wanted:
            return (*(first or ()), max(wanted))
        if kind == "Range":
            return self._range(node)
        if kind in ("Resize", "Upsample"):
            return self._resized(node, first)
        return None

    def _whole(self, name: str) -> Shape | None:
        values = self._values.get(name)
        return None if values is None else tuple(_whole(value) for value in values)

    def _range(self, node: NodeProto) -> Shape | None:
        bounds = [self._values.get(name) for name in node.input]
        if len(bounds) != 3 or not all(bounds):
            return None
        start, limit, delta = (values[0] for values in bounds if values)
        return (_whole(math.ceil(abs(limit - start) / abs(delta))),) if delta else None

    def _resized(self, node: NodeProto, first: Shape | None) -> Shape | None:
        numbers = [values for name in node.input[1:] if (values := self._values.get(name))]
        if not numbers:
            return None
        last = numbers[-1]
        if len(node.input) > 3 and node.input[3] in self._values:
            return tuple(_whole(size) for size in last)
        sizes = first or (1,) * len(last)
        return tuple(_whole(size * factor) for size, factor in zip(sizes, last, strict=False))


def _small_values(tensor: TensorProto) -> list[float] | None:
    kind = _TYPES.get(tensor.data_type)
    if kind is None or tensor.data_location == EXTERNAL or math.prod(tensor.dims) > _SMALL:
        return None
    if tensor.HasField("raw_data"):
        whole = len(tensor.raw_data) - len(tensor.raw_data) % np.dtype(kind).itemsize
        return [float(x) if "f" in kind else int(x) for x in np.frombuffer(tensor.raw_data[:whole], kind)]
    return list(getattr(tensor, _FIELDS[tensor.data_type])[:_SMALL])


def _arithmetic(kind: str, left: Sequence[float], right: Sequence[float]) -> list[float] | None:
    longest = max(len(left), len(right))
    if not left or not right or not {len(left), len(right)} <= {1, longest}:
        return None
    repeated = [[*values] * (longest // len(values)) for values in (left, right)]
    return [_ARITHMETIC[kind](_whole(a), _whole(b)) for a, b in zip(*repeated, strict=True)]


def _broadcast(shapes: Sequence[Shape]) -> Shape | None:
    if not shapes:
        return None
    longest = max(map(len, shapes))
    padded = [(1,) * (longest - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))


def _product(left: Shape | None, right: Shape | None) -> Shape | None:
    if left is None or right is None or len(left) < 2 or len(right) < 2:
        return None
    outer = _broadcast([left[:-2], right[:-2]]) or ()
    return (*outer, left[-2], right[-1])


def _padded(first: Shape | None, pads: Shape) -> Shape:
    axes = len(pads) // 2
    sizes = first if first is not None and len(first) == axes else (1,) * axes
    return tuple(size + pads[axis] + pads[axis + axes] for axis, size in enumerate(sizes))


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) and abs(value) < _LARGEST else _LARGEST
