"""Lets a single query look at the hidden states themselves instead of at keys and values made of them.

With one query row for each pair (`first_row`), keys and values of all tokens are made for the sake of
one row. Products may be done in another order. For a head with its columns of the matrices,

    scores = q K^T = q (X Wk)^T = (q Wk^T) X^T        mixed = a V = a (X Wv) = (a X) Wv

so matrices meet one row for each head instead of one for each token. The bias of the keys adds the same
number to all scores of a head, which the softmax does not see. The bias of the values is added once, as
the weights sum to one; they do where any token is shown, and the first one always is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rerankd.backends.base import Float32Array
from rerankd.backends.onnx.graph.attention import KEYS_ORDER, VALUES_ORDER, attentions
from rerankd.backends.onnx.graph.projections import Projection, projection
from rerankd.backends.onnx.graph.static_values import static_values
from rerankd.backends.onnx.graph.view import Array, GraphView, NotApplicableError
from rerankd.backends.onnx.graph.weights import float_matrix, matrix_shape

NAME = "absorbed projections of the last layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attention:
    """Where one query for each pair looks at all tokens."""

    scores: int
    mixing: int
    """The two products."""
    keys: Projection
    values: Projection
    heads: int


def apply(view: GraphView, narrow: frozenset[str]) -> None:
    """Rewrites the graph; `narrow` are the tensors of a single row.

    Raises:
        NotApplicableError: No attention has a single query, or its keys and values are more than a
            product of the hidden states with a stored matrix and a bias.
    """
    found = _attention(view, narrow)
    _read_lengths_before(view, found)
    _look_at_hidden(view, found)
    _mix_hidden(view, found)
    view.replace_nodes(frozenset({found.scores, found.mixing}))


def _attention(view: GraphView, narrow: frozenset[str]) -> _Attention:
    for found in attentions(view):
        if view.nodes[found.mixing].output[0] in narrow:
            return _checked(view, static_values(view), found.scores, found.mixing)
    raise NotApplicableError("no attention with a single query for each pair")


def _checked(view: GraphView, known: Mapping[str, Array], scores: int, mixing: int) -> _Attention:
    keys = projection(view, known, view.nodes[scores].input[1])
    values = projection(view, known, view.nodes[mixing].input[1])
    if keys is None or values is None or (keys.order, values.order) != (KEYS_ORDER, VALUES_ORDER):
        raise NotApplicableError("keys or values of the last attention are more than a projection")
    if values.scales:
        raise NotApplicableError("values of the last attention are scaled")
    (rows, columns), shape = matrix_shape(view, keys.matrix), matrix_shape(view, values.matrix)
    heads = {side.heads(columns) for side in (keys, values)} - {None}
    if shape != (rows, columns) or keys.hidden != values.hidden or len(heads) != 1:
        raise NotApplicableError("keys and values of the last attention are of different sizes")
    count = heads.pop() or 0
    if count < 1 or columns % count:
        raise NotApplicableError("the number of heads of the last attention is not known")
    if view.ranks.get(keys.hidden) != 3:
        raise NotApplicableError("the hidden states before the last attention have not three axes")
    return _Attention(scores=scores, mixing=mixing, keys=keys, values=values, heads=count)


def _read_lengths_before(view: GraphView, found: _Attention) -> None:
    """Asks the hidden states for the shapes that are asked of what will not be made."""
    for side, end in ((found.keys, found.scores), (found.values, found.mixing)):
        rows, columns = matrix_shape(view, side.matrix)
        for number in side.nodes:
            output = view.nodes[number].output[0]
            others = [
                view.nodes[reader]
                for reader in view.readers[output]
                if reader != end and reader not in side.nodes
            ]
            flat = rows == columns and view.ranks.get(output) == 3
            if output in view.pinned or any(node.op_type != "Shape" or not flat for node in others):
                raise NotApplicableError("keys or values of the last attention are wanted elsewhere too")
            for node in others:
                node.input[0] = side.hidden


def _by_head(view: GraphView, side: Projection, heads: int) -> Float32Array:
    """(heads, hidden, width of a head) of a matrix, scaled as its results were."""
    matrix = float_matrix(view, side.matrix)
    for scale in side.scales.values():
        matrix = matrix * np.float32(scale)
    return np.ascontiguousarray(matrix.reshape(len(matrix), heads, -1).transpose(1, 0, 2))


class _Inserting:
    """Nodes in front of one, with names that tell what they are for."""

    def __init__(self, view: GraphView, before: int) -> None:
        self._view = view
        self._before = before
        self._stem = view.nodes[before].output[0]

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: int | list[int]) -> str:
        name = output or self._view.fresh(f"{self._stem}/absorbed")
        return self._view.insert(self._before, kind, inputs, name, None, **attributes)

    def reshape(self, source: str, *shape: int, output: str = "") -> str:
        target = self._view.store(f"{self._stem}/shape", np.array(shape, dtype=np.int64))
        return self.node("Reshape", source, target, output=output)

    def store(self, values: Float32Array) -> str:
        return self._view.store(f"{self._stem}/weights", values)


def _look_at_hidden(view: GraphView, found: _Attention) -> None:
    """(q Wk^T) X^T. Pairs are the rows of the first product, heads those of the second."""
    at, node, heads = _Inserting(view, found.scores), view.nodes[found.scores], found.heads
    matrices = _by_head(view, found.keys, heads)
    weights = at.store(np.ascontiguousarray(matrices.transpose(0, 2, 1)))
    queries = at.reshape(node.input[0], 0, heads, matrices.shape[2])
    queries = at.node("Transpose", queries, perm=[1, 0, 2])
    queries = at.node("Transpose", at.node("MatMul", queries, weights), perm=[1, 0, 2])
    hidden = at.node("Transpose", found.keys.hidden, perm=[0, 2, 1])
    at.reshape(at.node("MatMul", queries, hidden), 0, heads, 1, -1, output=node.output[0])


def _mix_hidden(view: GraphView, found: _Attention) -> None:
    """(a X) Wv + bias."""
    at, node, heads = _Inserting(view, found.mixing), view.nodes[found.mixing], found.heads
    matrices = _by_head(view, found.values, heads)
    shown = at.reshape(node.input[0], 0, heads, -1)
    mixed = at.node("Transpose", at.node("MatMul", shown, found.values.hidden), perm=[1, 0, 2])
    mixed = at.node("MatMul", mixed, at.store(matrices))
    bias = view.constant(found.values.bias)
    if bias is not None:
        mixed = at.node("Add", mixed, at.store(view.values(bias).reshape(heads, 1, -1)))
    mixed = at.node("Transpose", mixed, perm=[1, 0, 2])
    at.reshape(mixed, 0, heads, 1, matrices.shape[2], output=node.output[0])
