"""Turns a graph stored in 16-bit floats into one that computes in 32.

CPUs have no kernels for them: the runtime would convert back and forth around every operator and
round in between, which is both slower and less exact than converting the weights once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rerankd.backends.base import Float32Array
from rerankd.backends.onnx.external_data import EXTERNAL, read_external
from rerankd.backends.onnx.graph_file import LARGEST_MESSAGE, graphs, nodes, tensors

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto, TypeProto

_FLOAT = 1
_FLOAT16 = 10
_BFLOAT16 = 16
_HALVES = (_FLOAT16, _BFLOAT16)
"""`TensorProto.DataType` numbers."""

_TYPE_ATTRIBUTES = frozenset({"to", "dtype", "output_dtype"})
"""Integer attributes that hold a data type: of Cast, of the random and sequence operators, of
QuantizeLinear and DequantizeLinear."""


def stores_halves(model: ModelProto) -> bool:
    """Whether any weight, or what goes in or out, is a 16-bit float."""
    values = (*model.graph.input, *model.graph.output)
    return any(value.type.tensor_type.elem_type in _HALVES for value in values) or any(
        tensor.data_type in _HALVES for tensor in tensors(model)
    )


def widened(model: ModelProto, folder: Path) -> bytes | None:
    """The graph with 32-bit floats; None where it would be larger than an ONNX file may be."""
    if _widened_size(model) > LARGEST_MESSAGE:
        return None
    wide = type(model)()
    wide.CopyFrom(model)
    for tensor in tensors(wide):
        _widen_tensor(tensor, folder)
    for node in nodes(wide):
        for attribute in node.attribute:
            if attribute.name in _TYPE_ATTRIBUTES and attribute.i in _HALVES:
                attribute.i = _FLOAT
    for graph in graphs(wide):
        for value in (*graph.input, *graph.output, *graph.value_info):
            _widen_type(value.type)
    return wide.SerializeToString()


def _widened_size(model: ModelProto) -> int:
    """Bytes of all tensors afterwards, with a margin for the rest of the file."""
    total = 1 << 24
    for tensor in tensors(model):
        elements = int(np.prod(tensor.dims, dtype=np.int64))
        stored = len(tensor.raw_data) or 8 * elements
        total += 4 * elements if tensor.data_type in _HALVES else stored
    return total


def _widen_tensor(tensor: TensorProto, folder: Path) -> None:
    if tensor.data_location == EXTERNAL:
        bring_in(tensor, folder)
    if tensor.data_type not in _HALVES:
        return
    values = _values(tensor)
    tensor.ClearField("int32_data")
    tensor.data_type = _FLOAT
    tensor.raw_data = values.astype("<f4").tobytes()


def _values(tensor: TensorProto) -> Float32Array:
    if tensor.HasField("raw_data"):
        bits = np.frombuffer(tensor.raw_data, dtype="<u2")
    else:
        bits = np.array(tensor.int32_data, dtype=np.int64).astype("<u2")
    if tensor.data_type == _FLOAT16:
        return bits.view("<f2").astype(np.float32)
    # bfloat16 is the upper half of a float.
    return (bits.astype(np.uint32) << 16).view(np.float32)


def bring_in(tensor: TensorProto, folder: Path) -> None:
    """A rewritten graph lives in memory, so it carries its weights itself."""
    tensor.raw_data = read_external(tensor, folder)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")


def _widen_type(value: TypeProto) -> None:
    if value.tensor_type.elem_type in _HALVES:
        value.tensor_type.elem_type = _FLOAT
