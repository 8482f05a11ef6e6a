"""Finds attention by its three steps: scores of queries with keys, softmax, and a mean of values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rerankd.backends.onnx.graph.view import GraphView, attribute

VALUES_ORDER = (0, 2, 1, 3)
"""How values have their axes, of (batch, sequence, heads, width of a head)."""
KEYS_ORDER = (0, 2, 3, 1)
_SHIFTED = frozenset({"Add", "Div", "Dropout", "Identity", "Mul", "Sub", "Where"})
"""Between scores and softmax: a number added to all scores of a row before is one added after."""
_CLEANED = frozenset({"Dropout", "Identity", "Where"})
"""Between softmax and mixing: what is done about rows that show nothing, and in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The two products of one attention with heads and the softmax between them, by their nodes."""

    scores: int
    softmax: int
    mixing: int


def attentions(view: GraphView) -> Iterator[Attention]:
    """All that have an axis of heads, the last one first."""
    for number in reversed(range(len(view.nodes))):
        node = view.nodes[number]
        if node.op_type != "MatMul" or view.ranks.get(node.output[0]) != 4:
            continue
        softmax = _back(view, node.input[0], "Softmax", _CLEANED)
        if softmax is None or attribute(view.nodes[softmax], "axis", -1) not in (-1, 3):
            continue
        scores = _back(view, view.nodes[softmax].input[0], "MatMul", _SHIFTED)
        if scores is not None:
            yield Attention(scores=scores, softmax=softmax, mixing=number)


def _back(view: GraphView, name: str, kind: str, through: frozenset[str]) -> int | None:
    """The nearest node of a kind before a tensor, with nothing but some other kinds between."""
    number = view.maker.get(name)
    if number is None:
        return None
    node = view.nodes[number]
    if node.op_type == kind:
        return number
    if node.op_type not in through:
        return None
    found = (_back(view, part, kind, through) for part in node.input)
    return next((part for part in found if part is not None), None)
