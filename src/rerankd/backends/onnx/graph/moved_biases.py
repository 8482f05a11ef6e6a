"""Takes the biases of keys and values out of the way: two passes over activations in each layer.

The bias of the keys adds the same number to all scores of a query, which the softmax does not see. The
bias of the values comes out of attention as it went in, since the weights sum to one (they do where any
token is shown, and the first one always is); so it can be added, multiplied with the matrix that follows,
to the bias that follows.
"""

from __future__ import annotations

import numpy as np

from rerankd.backends.onnx.graph.attention import VALUES_ORDER, Attention, attentions
from rerankd.backends.onnx.graph.projections import Projection, only_reader, projection
from rerankd.backends.onnx.graph.static_values import static_values
from rerankd.backends.onnx.graph.view import FLOAT, GraphView, NotApplicableError
from rerankd.backends.onnx.graph.weights import float_matrix, matrix_shape

NAME = "moved biases of keys and values"


def apply(view: GraphView) -> None:
    """Rewrites the graph.

    Raises:
        NotApplicableError: No attention has keys or values with a bias that only it sees.
    """
    known = static_values(view)
    dropped: set[int] = set()
    for found in attentions(view):
        keys = projection(view, known, view.nodes[found.scores].input[1])
        if keys is not None and keys.bias and keys.is_private(view):
            dropped.add(keys.bias_node)
        values = projection(view, known, view.nodes[found.mixing].input[1])
        if values is not None and _move(view, found, values):
            dropped.add(values.bias_node)
    if not dropped:
        raise NotApplicableError("no keys or values with a bias that can be moved")
    for number in dropped:
        view.bypass(number, next(name for name in view.nodes[number].input if view.constant(name) is None))
    view.replace_nodes(frozenset(dropped))


def _move(view: GraphView, found: Attention, values: Projection) -> bool:
    """Adds the bias of values, as the dense layer behind attention passes it on, to that layer's own."""
    bias = view.constant(values.bias)
    if bias is None or values.scales or values.order != VALUES_ORDER or not values.is_private(view):
        return False
    dense = _dense_after(view, found.mixing)
    if dense is None:
        return False
    product, added, name = dense
    own = view.constant(name)
    matrix = float_matrix(view, view.nodes[product].input[1])
    if own is None or len(matrix) != bias.dims[0]:
        return False
    moved = view.values(own) + view.values(bias).astype(np.float64) @ matrix
    stored = view.store(f"{view.nodes[added].output[0]}/moved", moved.astype(np.float32))
    inputs = view.nodes[added].input
    inputs[:] = [stored if part == name else part for part in inputs]
    return True


def _dense_after(view: GraphView, mixing: int) -> tuple[int, int, str] | None:
    """The product with a stored matrix behind attention, the node that adds its bias, and the bias."""
    number: int | None = only_reader(view, mixing)
    while number is not None and view.nodes[number].op_type in ("Transpose", "Reshape"):
        number = only_reader(view, number)
    if number is None or view.nodes[number].op_type != "MatMul":
        return None
    if len(matrix_shape(view, view.nodes[number].input[1])) != 2:
        return None
    added = only_reader(view, number)
    if added is None or view.nodes[added].op_type != "Add":
        return None
    for name in view.nodes[added].input:
        tensor = view.constant(name)
        if tensor is not None and len(tensor.dims) == 1 and tensor.data_type == FLOAT:
            return number, added, name
    return None
