"""What a graph may make the runtime allocate, judged before the runtime sees it.

A file of a few hundred bytes can ask for terabytes: a stored tensor that claims a shape which it does not
fill, a constant that is expanded, an index that is turned into a table. What the graph alone decides is
bounded here. What the lengths of the texts decide is bounded by the limits on requests.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rerankd.backends.onnx.external_data import EXTERNAL
from rerankd.backends.onnx.graph_file import nodes
from rerankd.backends.onnx.graph_shapes import ShapeWalk
from rerankd.core.errors import ModelFailedError

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

LARGEST_ELEMENTS = 1 << 28
"""Values of a tensor that a graph makes of constants: a mask for 16,384 tokens has as many."""
MOST_NODES = 500_000
"""Of the largest rerankers, unrolled, some ten thousand are known."""
DEEPEST = 8
"""Graphs inside graphs, as loops and branches have them."""
MOST_AXES = 16

_STRING = 8
# `TensorProto.DataType` to bits of a value.
_BITS: Mapping[int, int] = {
    **dict.fromkeys((22, 21, 23), 4),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    15: 128,
}
_TYPED = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


def check_bounds(model: ModelProto) -> None:
    """Accepts a graph by its size.

    Raises:
        ModelFailedError: It would take more memory than a cross-encoder of its file could need.
    """
    count = sum(1 for _ in itertools.islice(nodes(model), MOST_NODES + 1))
    if count > MOST_NODES:
        raise ModelFailedError(f"the graph has more than {MOST_NODES} nodes")
    _check_graph(model.graph, None, 0)
    for function in model.functions:
        _check_nodes(function.node, ShapeWalk(), 0)


def _check_graph(graph: GraphProto, outer: ShapeWalk | None, depth: int) -> None:
    if depth > DEEPEST:
        raise ModelFailedError(f"the graph nests graphs more than {DEEPEST} deep")
    for tensor in graph.initializer:
        _check_tensor(tensor)
    for sparse in graph.sparse_initializer:
        _check_elements(sparse.dims, f"the sparse tensor {sparse.values.name[:80]!r}")
    _check_nodes(graph.node, ShapeWalk(graph, outer), depth)


def _check_nodes(nodes: Iterable[NodeProto], walk: ShapeWalk, depth: int) -> None:
    """Refuses what is made of constants alone, and would be made before the first request."""
    for node in nodes:
        for tensor in _constants(node):
            _check_tensor(tensor)
        for name, shape in walk.follow(node):
            sizes = [max(0, size) for size in shape]
            _check_elements(sizes, f"{node.op_type} makes {name[:80]!r}, which")
        for attribute in node.attribute:
            for inner in _inner(attribute):
                _check_graph(inner, walk, depth + 1)


def _inner(attribute: AttributeProto) -> list[GraphProto]:
    return [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]


def _constants(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors


def _check_tensor(tensor: TensorProto) -> None:
    """Refuses a tensor that claims more than it brings."""
    name = f"the tensor {tensor.name[:80]!r}"
    elements = _elements(tensor.dims, name)
    claimed = elements if tensor.data_type == _STRING else elements * _BITS.get(tensor.data_type, 0) // 8
    if claimed > (held := _held(tensor)):
        raise ModelFailedError(f"{name} claims {claimed} bytes by its shape and brings {held}")


def _held(tensor: TensorProto) -> float:
    """Bytes that a tensor brings; strings count as one each."""
    if tensor.data_location == EXTERNAL:
        place = {entry.key: entry.value for entry in tensor.external_data}
        length = place.get("length") or ""
        # Without a length it is the rest of a file that is as large as it is.
        return int(length) if length.isdecimal() and len(length) <= 18 else math.inf
    if tensor.data_type == _STRING:
        return len(tensor.string_data)
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    # Values of fewer bits than their field take a whole one: more than they claim.
    return 16 * max(len(getattr(tensor, field)) for field in _TYPED)


def _elements(dims: Sequence[int], what: str) -> int:
    if len(dims) > MOST_AXES or any(size < 0 for size in dims):
        raise ModelFailedError(f"{what} has a shape that is none: {len(dims)} axes, the least {min(dims)}")
    return math.prod(dims)


def _check_elements(dims: Sequence[int], what: str) -> None:
    elements = _elements(dims, what)
    if elements > LARGEST_ELEMENTS:
        raise ModelFailedError(f"{what} would hold {elements} values; {LARGEST_ELEMENTS} are the most")
