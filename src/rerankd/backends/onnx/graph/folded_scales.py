"""Puts the scales of queries and keys into the weights that make the queries.

scaled_dot_product_attention multiplies both with the fourth root of the width of a head, which exporters
write down as a computation on shapes: in each layer two passes over activations, and half a dozen nodes
whose result never changes. The same numbers in the matrix of the queries cost nothing. What else hangs on
lengths that the graph fixes becomes constants on the way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rerankd.backends.onnx.graph.projections import Projection, projection
from rerankd.backends.onnx.graph.static_values import static_values
from rerankd.backends.onnx.graph.view import Array, GraphView, NotApplicableError
from rerankd.backends.onnx.graph.weights import float_matrix

NAME = "folded scales"


def apply(view: GraphView) -> None:
    """Rewrites the graph.

    Raises:
        NotApplicableError: Neither queries nor keys are scaled.
    """
    values = static_values(view)
    dropped: set[int] = set()
    for number, node in enumerate(view.nodes):
        if node.op_type == "MatMul" and view.ranks.get(node.output[0]) == 4:
            dropped |= _fold(view, values, number)
    if not dropped:
        raise NotApplicableError("no scale of queries or keys by themselves")
    _store_values(view, values)
    view.replace_nodes(frozenset(dropped))


def _fold(view: GraphView, values: Mapping[str, Array], scores: int) -> set[int]:
    """Moves the scales of both sides of a product into the matrix of one; gives the nodes to drop."""
    sides = [projection(view, values, name) for name in view.nodes[scores].input]
    free = [side for side in sides if side is not None and side.is_private(view)]
    factor = math.prod(scale for side in free for scale in side.scales.values())
    dropped = {number for side in free for number in side.scales}
    if not dropped:
        return set()
    _scale_matrix(view, free[0], factor)
    for number in sorted(dropped):
        view.bypass(number, next(name for name in view.nodes[number].input if name not in values))
    return dropped


def _scale_matrix(view: GraphView, side: Projection, factor: float) -> None:
    product = view.nodes[side.product]
    scaled = float_matrix(view, side.matrix) * np.float32(factor)
    product.input[1] = view.store(f"{product.output[0]}/scaled", scaled)
    tensor = view.constant(side.bias)
    if tensor is not None:
        added = view.nodes[side.bias_node]
        bias = view.store(f"{added.output[0]}/scaled", view.values(tensor) * np.float32(factor))
        added.input[list(added.input).index(side.bias)] = bias


def _store_values(view: GraphView, values: Mapping[str, Array]) -> None:
    """Replaces small computed tensors that are known by stored ones, where others read them."""
    made: dict[str, str] = {}
    for node in view.nodes:
        if any(name in values for name in node.output):
            continue
        for position, name in enumerate(node.input):
            maker = view.made_by(name)
            if name in values and maker is not None and maker.op_type != "Constant":
                made[name] = made.get(name) or view.store(f"{name}/value", values[name])
                node.input[position] = made[name]
