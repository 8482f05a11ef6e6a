"""Weights stored as int8, one scale for each channel, behind DequantizeLinear: a quarter of the size.

Arithmetic stays float32, so that scores do not depend on neighbours. ONNX Runtime folds the weights to floats
when it opens a session. Served with `onnx.precision=int8` the products are made integers at load, from these
levels, on the processor that serves and with proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_SMALLEST = 1024
"""Tensors with fewer numbers stay float32: they weigh nothing."""

_FLOAT = 1


def with_int8_weights(model: ModelProto) -> ModelProto:
    """A copy whose matrices and embeddings are stored as int8; the names of the floats stay."""
    from onnx import helper, numpy_helper

    copy = type(model)()
    copy.CopyFrom(model)
    graph = copy.graph
    axes = _axes(copy)
    kept, first = [], []
    for tensor in graph.initializer:
        axis = axes.get(tensor.name)
        if axis is None or tensor.data_type != _FLOAT or len(tensor.dims) != 2:
            kept.append(tensor)
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _SMALLEST:
            kept.append(tensor)
            continue
        levels, scales = quantized(values, axis)
        names = f"{tensor.name}_levels", f"{tensor.name}_scales"
        kept += [numpy_helper.from_array(levels, names[0]), numpy_helper.from_array(scales, names[1])]
        first.append(helper.make_node("DequantizeLinear", [*names], [tensor.name], axis=axis))
    nodes = [*first, *graph.node]
    _replace(graph.initializer, kept)
    _replace(graph.node, nodes)
    return copy


def quantized(
    values: npt.NDArray[np.float32], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Levels, and the scale of each entry of `axis`; symmetric, so that zero stays zero."""
    other = 1 - axis
    scales = np.maximum(np.abs(values).max(axis=other), 1e-12).astype(np.float32) / np.float32(127)
    levels = np.rint(values / np.expand_dims(scales, other)).clip(-127, 127).astype(np.int8)
    return levels, scales


def _axes(model: ModelProto) -> dict[str, int]:
    """Stored matrix -> the axis of its channels, where all its readers agree on it."""
    found: dict[str, set[int | None]] = {}
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            found.setdefault(name, set()).add(_axis(node, position))
    return {name: axis for name, (axis, *others) in found.items() if axis is not None and not others}


def _axis(node: NodeProto, position: int) -> int | None:
    if node.op_type == "MatMul" and position == 1:
        return 1
    if node.op_type == "Gather" and position == 0:
        # Rows of an embedding.
        return 0 if not any(item.name == "axis" and item.i for item in node.attribute) else None
    if node.op_type == "Gemm" and position == 1:
        return 0 if any(item.name == "transB" and item.i for item in node.attribute) else 1
    return None


def _replace(field: Any, values: list[Any]) -> None:
    copies = [type(value)() for value in values]
    for copy, value in zip(copies, values, strict=True):
        copy.CopyFrom(value)
    del field[:]
    field.extend(copies)
