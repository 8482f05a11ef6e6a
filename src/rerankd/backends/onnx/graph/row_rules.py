"""Which operators treat rows one by one: of what inputs one row is needed for one row of the output.

Axes are counted from the last, -1, because that is how operators align tensors of different ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rerankd.backends.onnx.graph.ranks import shape_entries
from rerankd.backends.onnx.graph.view import attribute

if TYPE_CHECKING:
    from onnx import NodeProto

    from rerankd.backends.onnx.graph.view import GraphView

RowInputs = dict[int, int]
"""Position of an input to the axis of its rows; inputs that are not named are needed whole."""

_Rule = Callable[["GraphView", "NodeProto", int], RowInputs | None]

_EACH_VALUE = frozenset(
    """Abs BiasGelu Cast Clip Dropout Erf Exp FastGelu Gelu Identity IsNaN LeakyRelu Log Neg Not QuickGelu
    Reciprocal Relu Sigmoid Sqrt Tanh""".split()  # noqa: SIM905 - a line for each name would be a page
)
_BROADCAST = frozenset(
    """Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mul Or Pow Sub Where""".split()  # noqa: SIM905 - a line for each name would be a page
)
_LAST_AXIS = frozenset({"LayerNormalization", "SimplifiedLayerNormalization", "Softmax", "LogSoftmax"})
_SKIP_NORM = frozenset({"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"})


def row_inputs(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    """What one row along `axis` of a node's outputs needs; None where that is not known."""
    kind = node.op_type
    if kind in _EACH_VALUE:
        return {0: axis} if _only_first_output(view, node) else None
    if kind in _BROADCAST:
        return _broadcast(view, node, axis)
    if kind in _LAST_AXIS:
        return _along_last_axis(view, node, axis)
    if kind in _SKIP_NORM:
        return {0: axis, 1: axis} if axis != -1 and _only_first_output(view, node) else None
    rule = _RULES.get(kind)
    return None if rule is None else rule(view, node, axis)


def _only_first_output(view: GraphView, node: NodeProto) -> bool:
    return not any(view.readers.get(name) for name in node.output[1:] if name)


def _broadcast(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    """An input with fewer axes, or one row, serves every row alike; the surgery leaves it as it is."""
    if any(name not in view.ranks and view.constant(name) is None for name in node.input):
        return None
    return dict.fromkeys(range(len(node.input)), axis)


def _along_last_axis(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    along = attribute(node, "axis", -1)
    rank = view.ranks.get(node.input[0])
    last = along == -1 or (rank is not None and along == rank - 1)
    return {0: axis} if last and axis != -1 and _only_first_output(view, node) else None


def _matrix_product(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    turned = attribute(node, "transA", 0) or attribute(node, "transBatchA", 0)
    rank = view.ranks.get(node.input[0])
    return {0: -2} if axis == -2 and not turned and rank is not None and rank >= 2 else None


def _transpose(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    order = attribute(node, "perm")
    return None if order is None else {0: order[axis + len(order)] - len(order)}


def _reduce(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    axes = attribute(node, "axes") or (view.integers(node.input[1]) if len(node.input) > 1 else None)
    rank = view.ranks.get(node.input[0])
    last = axes == [-1] or (rank is not None and axes == [rank - 1])
    return {0: axis} if last and axis != -1 and attribute(node, "keepdims", 1) else None


def _concat(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    along, rank = attribute(node, "axis"), view.ranks.get(node.output[0])
    if rank is None or along is None or (along - rank if along >= 0 else along) == axis:
        return None
    return dict.fromkeys(range(len(node.input)), axis)


def _slice(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    rank = view.ranks.get(node.input[0])
    axes = view.integers(node.input[3]) if len(node.input) > 3 else None
    if rank is None or axes is None:
        return None
    return {0: axis} if axis not in [along - rank if along >= 0 else along for along in axes] else None


def _split(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    rank = view.ranks.get(node.input[0])
    along = attribute(node, "axis", 0)
    if rank is None or (along - rank if along >= 0 else along) == axis:
        return None
    return {0: axis}


def _reshape(view: GraphView, node: NodeProto, axis: int) -> RowInputs | None:
    """Axes on one side of the rows may be joined or split; rows themselves must stay an axis.

    Which side it was shows in the target shape: heads are a constant, and what is joined before the
    rows is left to be computed (-1). A wrong guess gives wrong scores, which the comparison with the
    original finds.
    """
    source, target = view.ranks.get(node.input[0]), view.ranks.get(node.output[0])
    entries = shape_entries(view, node.input[1])
    if source is None or target is None or entries is None or len(entries) != target:
        return None
    place = target + axis
    if source == target:
        return {0: axis}
    joined_before = source > target and entries[0] == -1
    split_before = source < target and any(entry is not None and entry > 1 for entry in entries[:place])
    position = axis if joined_before or split_before else place - source
    return {0: position} if -source <= position < 0 else None


_RULES: dict[str, _Rule] = {
    "Concat": _concat,
    "FusedMatMul": _matrix_product,
    "MatMul": _matrix_product,
    "MatMulNBits": _matrix_product,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "ReduceMin": _reduce,
    "ReduceSum": _reduce,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Transpose": _transpose,
}
