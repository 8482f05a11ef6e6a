"""Stored matrices of matrix products, as floats, however they are stored."""

from __future__ import annotations

import numpy as np

from rerankd.backends.base import Float32Array
from rerankd.backends.onnx.graph.view import (
    FLOAT,
    INT8,
    UINT8,
    Array,
    GraphView,
    NotApplicableError,
    attribute,
)


def matrix_shape(view: GraphView, name: str) -> tuple[int, ...]:
    """Rows and columns of a stored float matrix; (0,) where it is none."""
    maker = view.made_by(name)
    if maker is not None and maker.op_type == "DequantizeLinear":
        kinds, name = frozenset({INT8, UINT8}), maker.input[0]
    else:
        kinds = frozenset({FLOAT})
    tensor = view.constant(name)
    shaped = tensor is not None and len(tensor.dims) == 2 and tensor.data_type in kinds
    return tuple(tensor.dims) if tensor is not None and shaped else (0,)


def float_matrix(view: GraphView, name: str) -> Float32Array:
    """A stored matrix as floats, also where it is stored in 8 bits."""
    maker = view.made_by(name)
    if maker is None or maker.op_type != "DequantizeLinear":
        return _stored(view, name).astype(np.float32)
    levels, scale, *zero = (_stored(view, part) for part in maker.input if part)
    shape: list[int] = [1, 1]
    if scale.size > 1:
        shape[attribute(maker, "axis", 1)] = scale.size
    offset = zero[0].astype(np.int32).reshape(shape if scale.size > 1 else ()) if zero else 0
    centred: Float32Array = (levels.astype(np.int32) - offset).astype(np.float32)
    return centred * scale.astype(np.float32).reshape(shape)


def _stored(view: GraphView, name: str) -> Array:
    tensor = view.constant(name)
    if tensor is None:
        raise NotApplicableError(f"{name} is computed")
    return view.values(tensor)
