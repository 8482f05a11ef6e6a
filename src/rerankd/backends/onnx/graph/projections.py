"""Finds the stored matrix that queries, keys or values of attention come out of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rerankd.backends.onnx.graph.ranks import shape_entries
from rerankd.backends.onnx.graph.view import FLOAT, Array, attribute
from rerankd.backends.onnx.graph.weights import matrix_shape

if TYPE_CHECKING:
    from onnx import NodeProto

    from rerankd.backends.onnx.graph.view import GraphView

_HEADS_AXIS, _WIDTH_AXIS = 2, 3
"""Of (batch, sequence, heads, width of a head)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """hidden states x matrix + bias, split into heads, with its axes in some order, times some numbers."""

    nodes: tuple[int, ...] = ()
    """On the way, from the tensor that was asked about to the product."""
    scales: Mapping[int, float] = field(default_factory=dict)
    """Those of them that multiply with a number, and the number."""
    order: tuple[int, ...] = (0, 1, 2, 3)
    """Axis by axis, which one of (batch, sequence, heads, width of a head) it is."""
    sizes: tuple[int | None, ...] | None = None
    """What the shape with heads says, None where it is computed; None where there is no such shape."""
    bias: str = ""
    bias_node: int = -1
    hidden: str = ""
    matrix: str = ""

    @property
    def product(self) -> int:
        """The node that multiplies with the matrix."""
        return self.nodes[-1]

    def is_private(self, view: GraphView) -> bool:
        """Whether nothing but the attention at hand sees what is on the way; shapes may be asked for."""
        return all(only_reader(view, number) is not None for number in self.nodes)

    def heads(self, columns: int) -> int | None:
        """Number of heads of a matrix with that many columns; None where the graph does not say it."""
        if self.sizes is None:
            return None
        heads, width = self.sizes[_HEADS_AXIS], self.sizes[_WIDTH_AXIS]
        if width is not None and width > 0:
            return columns // width
        return heads if heads is not None and heads > 0 else None


def only_reader(view: GraphView, number: int) -> int | None:
    """The one node that reads the values of a node's output; None where there are more, or none."""
    output = view.nodes[number].output[0]
    readers = {reader for reader in view.readers[output] if view.nodes[reader].op_type != "Shape"}
    return readers.pop() if len(readers) == 1 and output not in view.pinned else None


def projection(view: GraphView, values: Mapping[str, Array], name: str) -> Projection | None:
    """How a tensor is projected; None where anything else than these steps makes it.

    Args:
        view: The graph.
        values: What is known before any input is (`static_values`).
        name: Queries, keys or values as attention takes them.
    """
    found = Projection()
    while (number := view.maker.get(name)) is not None:
        node = view.nodes[number]
        found = replace(found, nodes=(*found.nodes, number))
        if node.op_type == "MatMul":
            known = len(matrix_shape(view, node.input[1])) == 2
            return replace(found, hidden=node.input[0], matrix=node.input[1]) if known else None
        step = _step(view, values, found, node)
        if step is None:
            return None
        found, name = step
    return None


def _step(
    view: GraphView, values: Mapping[str, Array], found: Projection, node: NodeProto
) -> tuple[Projection, str] | None:
    """One node back: what is known then, and the tensor that comes before."""
    number = found.nodes[-1]
    if node.op_type in ("Mul", "Div") and not found.bias:
        return _scaled(values, found, node)
    if node.op_type == "Add" and not found.bias:
        for name, other in (node.input, reversed(node.input)):
            tensor = view.constant(name)
            if tensor is not None and len(tensor.dims) == 1 and tensor.data_type == FLOAT:
                return replace(found, bias=name, bias_node=number), other
        return None
    if node.op_type == "Transpose" and found.sizes is None:
        perm = attribute(node, "perm", [])
        if len(perm) == len(found.order):
            return replace(found, order=tuple(perm[axis] for axis in found.order)), node.input[0]
    if node.op_type == "Reshape" and found.sizes is None and view.ranks.get(node.input[0]) == 3:
        sizes = shape_entries(view, node.input[1])
        if sizes is not None and len(sizes) == len(found.order):
            return replace(found, sizes=tuple(sizes)), node.input[0]
    return None


def _scaled(values: Mapping[str, Array], found: Projection, node: NodeProto) -> tuple[Projection, str] | None:
    scaled = scaled_by(values, node)
    if scaled is None:
        return None
    factor, name = scaled
    return replace(found, scales={**found.scales, found.nodes[-1]: factor}), name


def scaled_by(values: Mapping[str, Array], node: NodeProto) -> tuple[float, str] | None:
    """The known number that a node multiplies with, and the tensor; None where it does anything else."""
    if node.op_type not in ("Mul", "Div"):
        return None
    sides = [(node.input[1], node.input[0])]
    if node.op_type == "Mul":
        sides.append((node.input[0], node.input[1]))
    for name, other in sides:
        value = values.get(name)
        if value is not None and value.size == 1 and value.ndim <= 1 and value.reshape(-1)[0] != 0:
            factor = float(value.reshape(-1)[0])
            return 1 / factor if node.op_type == "Div" else factor, other
    return None
