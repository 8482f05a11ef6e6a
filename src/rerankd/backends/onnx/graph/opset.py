"""Writes a graph in a later version of ONNX's set of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.graph.view import NotApplicableError

if TYPE_CHECKING:
    from onnx import ModelProto

_SMALL_BYTES = 1024
"""Axes, shapes and scales, of which the converter reads some, are smaller."""


def raise_opset(model: ModelProto, least: int) -> None:
    """Writes the model in a later opset, where it is not in that one yet.

    Raises:
        NotApplicableError: It cannot be written in that opset; the model is in no state to be used then.
    """
    if any(entry.version >= least for entry in model.opset_import if entry.domain in ("", "ai.onnx")):
        return
    from onnx import version_converter

    weights = _taken_out(model)
    try:
        model.CopyFrom(version_converter.convert_version(model, least))
    except Exception as error:  # Of several classes, from C++.
        raise NotApplicableError(f"it cannot be written in opset {least}: {short_cause(error)}") from error
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
            tensor.raw_data = weights[tensor.name]


def _taken_out(model: ModelProto) -> dict[str, bytes]:
    """What the large tensors hold; what stays in the model says that it lies elsewhere.

    The converter copies what it converts several times: five times the weights in memory.
    """
    weights = {}
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > _SMALL_BYTES:
            weights[tensor.name] = tensor.raw_data
            tensor.ClearField("raw_data")
            tensor.data_location = type(tensor).EXTERNAL
            tensor.external_data.add(key="location", value=tensor.name)
    return weights
