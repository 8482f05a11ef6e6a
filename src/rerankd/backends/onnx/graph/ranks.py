"""How many axes each tensor of a graph has, as far as operators tell.

The shape inference of the onnx package would say more; importing it costs more than a whole load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

    from rerankd.backends.onnx.graph.view import GraphView

_AS_FIRST = frozenset(
    """Abs Attention BiasGelu Cast Ceil Clip Concat CumSum Dropout Erf Exp FastGelu Floor Gelu GatherElements
    HardSigmoid Identity IsNaN LayerNormalization LeakyRelu Log LogSoftmax MatMulNBits Neg Not
    QuantizeLinear DequantizeLinear QuickGelu Relu Reciprocal Round ScatterElements Sigmoid
    SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization Slice Softmax
    Softplus Split Sqrt Tanh Trilu""".split()  # noqa: SIM905 - a line for each name would be a page
)
_BROADCAST = frozenset(
    """Add And Div Equal FusedMatMul Greater GreaterOrEqual Less LessOrEqual MatMul MatMulInteger
    MatMulIntegerToFloat Max Min Mod Mul Or Pow Sub Where""".split()  # noqa: SIM905 - a line for each name would be a page
)


def tensor_ranks(view: GraphView) -> tuple[dict[str, int], dict[str, int]]:
    """Tensor to its number of axes, and to its length where it has one axis; unknown ones are left out."""
    inference = _Inference(view)
    return inference.ranks, inference.lengths


def shape_entries(view: GraphView, name: str) -> list[int | None] | None:
    """The entries of a target shape, None where one is computed; None where their number is not known."""
    known = view.integers(name)
    if known is not None:
        return [*known]
    length = view.lengths.get(name)
    node = view.made_by(name)
    if length is None or node is None or node.op_type != "Concat":
        return None if length is None else [None] * length
    entries: list[int | None] = []
    for part in node.input:
        entries += view.integers(part) or [None] * view.lengths[part]
    return entries


class _Inference:
    """One pass over the nodes, which are in topological order."""

    def __init__(self, view: GraphView) -> None:
        self._view = view
        self.ranks = {name: len(tensor.dims) for name, tensor in view.stored.items()}
        self.lengths = {name: int(t.dims[0]) for name, t in view.stored.items() if len(t.dims) == 1}
        for value in (*view.graph.input, *view.graph.value_info):
            if value.type.tensor_type.HasField("shape"):
                self.ranks.setdefault(value.name, len(value.type.tensor_type.shape.dim))
        for node in view.nodes:
            rank = self._rank(node)
            if rank is not None:
                for name in node.output:
                    self.ranks.setdefault(name, rank)
            if rank == 1 and (length := self._length(node)) is not None:
                self.lengths[node.output[0]] = length

    def _rank(self, node: NodeProto) -> int | None:
        inputs = [self.ranks.get(name) for name in node.input if name]
        if node.op_type in _AS_FIRST:
            return inputs[0]
        if node.op_type in _BROADCAST:
            known = [rank for rank in inputs if rank is not None]
            return max(known) if len(known) == len(inputs) else None
        if node.op_type in _FIXED_RANKS:
            return _FIXED_RANKS[node.op_type]
        if node.op_type in ("Unsqueeze", "Squeeze") or node.op_type.startswith("Reduce"):
            return self._with_axes(node, inputs[0])
        rule = _RANK_RULES.get(node.op_type)
        return None if rule is None else rule(self, node, inputs)

    def constant_rank(self, node: NodeProto, _: list[int | None]) -> int | None:
        """Of the value of a Constant node."""
        value = node.attribute[0]
        return len(value.t.dims) if value.name == "value" else int(value.name.endswith("s"))

    def gather_rank(self, _: NodeProto, inputs: list[int | None]) -> int | None:
        """Of what an index picks."""
        data, index = inputs
        return None if data is None or index is None else data + index - 1

    def target_rank(self, node: NodeProto, _: list[int | None]) -> int | None:
        """Of a tensor that is brought into a shape."""
        return self.lengths.get(node.input[-1])

    def expanded_rank(self, node: NodeProto, inputs: list[int | None]) -> int | None:
        """Of a tensor that is repeated to fill a shape."""
        target = self.lengths.get(node.input[1])
        return None if target is None or inputs[0] is None else max(target, inputs[0])

    def transposed_rank(self, node: NodeProto, inputs: list[int | None]) -> int | None:
        """The order of axes has one entry for each."""
        return next((len(item.ints) for item in node.attribute if item.name == "perm"), inputs[0])

    def _with_axes(self, node: NodeProto, rank: int | None) -> int | None:
        axes = next((list(item.ints) for item in node.attribute if item.name == "axes"), None)
        if axes is None and len(node.input) > 1:
            axes = self._view.integers(node.input[1])
        if rank is None or axes is None:
            return None
        if node.op_type == "Unsqueeze":
            return rank + len(axes)
        keep = next((item.i for item in node.attribute if item.name == "keepdims"), 1)
        return rank if keep and node.op_type != "Squeeze" else rank - len(axes)

    def _length(self, node: NodeProto) -> int | None:
        """Entries of a tensor of one axis: the ways in which shapes are computed."""
        lengths = [self.lengths.get(name) for name in node.input if name]
        kind = node.op_type
        if kind == "Constant":
            known = self._view.integers(node.output[0])
            return None if known is None else len(known)
        if kind == "Shape":
            whole = self.ranks.get(node.input[0])
            limits = {item.name: item.i for item in node.attribute}
            return None if whole is None else len(range(whole)[limits.get("start", 0) : limits.get("end")])
        if kind == "Concat":
            known = [length for length in lengths if length is not None]
            return sum(known) if len(known) == len(lengths) else None
        if kind == "ConstantOfShape":
            return self._filled_length(node.input[0])
        if kind == "Slice":
            return self._sliced_length(node, lengths[0])
        if kind == "Unsqueeze":
            return 1
        if kind == "Reshape":
            return 1 if self.ranks.get(node.input[0]) == 0 else lengths[0]
        if kind == "Gather":
            return lengths[1]
        if kind in _AS_FIRST or kind in _BROADCAST:
            # Entry by entry; what is shorter is a single value for all.
            return max((length for length in lengths if length is not None), default=None)
        return None

    def _filled_length(self, shape: str) -> int | None:
        known, maker = self._view.integers(shape), self._view.made_by(shape)
        if known is not None:
            return known[0]
        return self.lengths.get(maker.input[0]) if maker is not None and maker.op_type == "Shape" else None

    def _sliced_length(self, node: NodeProto, length: int | None) -> int | None:
        if length is None or len(node.input) < 3:
            return None
        start, end = self._view.integers(node.input[1]), self._view.integers(node.input[2])
        step = self._view.integers(node.input[4]) if len(node.input) > 4 else [1]
        return None if not (start and end and step) else len(range(length)[start[0] : end[0] : step[0]])


_FIXED_RANKS = {"Flatten": 2, "NonZero": 2, "Range": 1, "Shape": 1, "Size": 0}
_RANK_RULES: dict[str, Callable[[_Inference, NodeProto, list[int | None]], int | None]] = {
    "Constant": _Inference.constant_rank,
    "ConstantOfShape": _Inference.target_rank,
    "Expand": _Inference.expanded_rank,
    "Gather": _Inference.gather_rank,
    "Reshape": _Inference.target_rank,
    "Transpose": _Inference.transposed_rank,
}
