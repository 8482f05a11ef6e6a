"""Writes attention as the one operator that ONNX has for it since opset 23.

ONNX Runtime's kernel for CPUs reads queries, keys and values where their products have left them, heads
side by side, and takes the mask into the product of queries and keys. So in each layer four transposed
copies and a pass over all scores are gone, and a head's scores are still in the cache when they mix values.

What is done about rows that show no token is left out: the first token of a pair is always shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rerankd.backends.onnx.graph.attention import KEYS_ORDER, VALUES_ORDER, Attention, attentions
from rerankd.backends.onnx.graph.projections import Projection, only_reader, projection, scaled_by
from rerankd.backends.onnx.graph.static_values import static_values
from rerankd.backends.onnx.graph.view import Array, GraphView, NotApplicableError, attribute
from rerankd.backends.onnx.graph.weights import matrix_shape

NAME = "attention in one operator"

OPSET = 23
"""The first one with the operator."""
_EACH_VALUE = frozenset({"Add", "And", "Cast", "Equal", "Mul", "Not", "Or", "Sub", "Where"})
"""What masks are made with after they are expanded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    """Queries, keys and values before they are split: (batch, sequence, heads x width of a head)."""

    names: tuple[str, ...]
    heads: int
    scale: float
    """What queries and keys are multiplied with after that, together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    """What is done with the scores before the softmax."""

    scale: float
    mask: str
    """What is added to them, with four axes; empty = nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An attention that the operator can do."""

    inputs: _Inputs
    scores: _Scores
    joined: int
    """The node that puts the heads side by side again."""


def apply(view: GraphView) -> None:
    """Rewrites the graph, which is in opset 23 or a later one.

    Raises:
        NotApplicableError: As `check`.
    """
    masks: dict[str, str] = {}
    for one in sorted(_all_found(view), key=lambda one: one.joined):
        _write(view, one, masks)
    view.replace_nodes()


def check(view: GraphView) -> None:
    """Looks whether the graph, in any opset, has a place for the operator: raising the opset costs more.

    Raises:
        NotApplicableError: No attention is projections, scores, their scale and mask, softmax and a mean of
            values, and nothing else.
    """
    _all_found(view)


def _all_found(view: GraphView) -> list[_Found]:
    known = static_values(view)
    found = [one for attention in attentions(view) if (one := _found(view, known, attention)) is not None]
    if not found:
        raise NotApplicableError("no attention of projections, scores, scale, mask, softmax and values alone")
    return found


def _found(view: GraphView, known: Mapping[str, Array], attention: Attention) -> _Found | None:
    inputs = _inputs(view, known, attention)
    scores = _scores(view, known, attention)
    joined = _joined(view, attention.mixing)
    if inputs is None or scores is None or joined is None:
        return None
    return _Found(inputs=inputs, scores=scores, joined=joined)


def _inputs(view: GraphView, known: Mapping[str, Array], attention: Attention) -> _Inputs | None:
    asked = (*view.nodes[attention.scores].input, view.nodes[attention.mixing].input[1])
    names, scales, heads = [], [], set()
    for name, order in zip(asked, (VALUES_ORDER, KEYS_ORDER, VALUES_ORDER), strict=True):
        side = projection(view, known, name)
        if side is None or side.order != order:
            return None
        before, scale = _before_heads(view, side)
        _, columns = matrix_shape(view, side.matrix)
        names.append(before)
        scales.append(scale)
        heads.add((side.heads(columns), columns))
    # The kernel would take values of another width; none of the encoders that we know has them.
    count, columns = heads.pop()
    if heads or not count or columns % count or not all(names) or scales.pop() != 1.0:
        return None
    return _Inputs(names=tuple(names), heads=count, scale=math.prod(scales))


def _before_heads(view: GraphView, side: Projection) -> tuple[str, float]:
    """The tensor that is split into heads, empty where none is, and what it is multiplied with after that."""
    scale = 1.0
    for number in side.nodes:
        scale *= side.scales.get(number, 1.0)
        if view.nodes[number].op_type == "Reshape":
            return view.nodes[number].input[0], scale
    return "", scale


def _scores(view: GraphView, known: Mapping[str, Array], attention: Attention) -> _Scores | None:
    """From the softmax back to the product: one mask at most, and scales that do not scale it."""
    scale, mask = 1.0, ""
    name = view.nodes[attention.softmax].input[0]
    while (number := view.maker.get(name)) != attention.scores:
        node = None if number is None else view.nodes[number]
        if node is not None and node.op_type == "Add" and not mask and scale == 1.0:
            towards = [part for part in node.input if _leads_to(view, part, attention.scores)]
            if len(towards) != 1:
                return None
            (name,) = towards
            mask = next(part for part in node.input if part != name)
        elif node is not None and (found := scaled_by(known, node)) is not None:
            factor, name = found
            scale *= factor
        else:
            return None
    if mask and view.ranks.get(mask) != 4:
        return None
    return _Scores(scale=scale, mask=mask)


def _leads_to(view: GraphView, name: str, product: int) -> bool:
    """Whether a tensor is a product, scaled or not."""
    number = view.maker.get(name)
    if number is None or number == product:
        return number == product
    node = view.nodes[number]
    return node.op_type in ("Mul", "Div") and any(_leads_to(view, part, product) for part in node.input)


def _joined(view: GraphView, mixing: int) -> int | None:
    """The Reshape behind a Transpose that has three axes again, and whose width the next product takes."""
    number, turned = only_reader(view, mixing), False
    while number is not None and view.nodes[number].op_type in ("Transpose", "Reshape"):
        node = view.nodes[number]
        if node.op_type == "Transpose":
            if turned or attribute(node, "perm") != list(VALUES_ORDER):
                return None
            turned = True
        elif view.ranks.get(node.output[0]) == 3:
            return number if turned else None
        elif view.ranks.get(node.output[0]) != 4:
            return None
        number = only_reader(view, number)
    return None


def _write(view: GraphView, found: _Found, masks: dict[str, str]) -> None:
    stem = view.nodes[found.joined].output[0]
    inputs = [*found.inputs.names]
    if found.scores.mask:
        inputs.append(_with_rows(view, found, masks))
    made = view.insert(
        found.joined,
        "Attention",
        inputs,
        view.fresh(f"{stem}/attention"),
        None,
        q_num_heads=found.inputs.heads,
        kv_num_heads=found.inputs.heads,
        scale=found.inputs.scale * found.scores.scale,
    )
    view.bypass(found.joined, made)


def _with_rows(view: GraphView, found: _Found, masks: dict[str, str]) -> str:
    """The mask with a row for each query, the same for all layers: one row for all is not taken."""
    mask = found.scores.mask
    if mask not in masks:
        masks[mask] = mask if _is_expanded(view, mask) else _expanded(view, found)
    return masks[mask]


def _is_expanded(view: GraphView, name: str) -> bool:
    """Whether exporters have brought a mask into the shape of the scores; a wrong guess fails the proof."""
    node = view.made_by(name)
    if node is None or node.op_type not in ("Expand", *_EACH_VALUE):
        return False
    return node.op_type == "Expand" or any(_is_expanded(view, part) for part in node.input)


def _expanded(view: GraphView, found: _Found) -> str:
    mask, before = found.scores.mask, found.joined
    rows = view.insert(
        before, "Shape", [found.inputs.names[0]], view.fresh(f"{mask}/rows"), None, start=1, end=2
    )
    one = view.store(f"{mask}/one", np.ones(1, dtype=np.int64))
    shape = view.insert(before, "Concat", [one, one, rows, one], view.fresh(f"{mask}/shape"), None, axis=0)
    return view.insert(before, "Expand", [mask, shape], view.fresh(f"{mask}/expanded"))
