"""Stores weights and computes in 16-bit floats, for GPUs; CPUs have no kernels for them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from rerankd.backends.onnx.graph.view import NotApplicableError

if TYPE_CHECKING:
    from onnx import ModelProto

NAME = "fp16 arithmetic"


def converted(model: ModelProto) -> bytes:
    """The graph in half precision; what goes in and out keeps its type.

    Raises:
        NotApplicableError: The converter of ONNX Runtime does not take the graph.
    """
    # Needs the whole onnx package; only the first load of a model for a GPU comes here.
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    parsed = onnx.ModelProto.FromString(model.SerializeToString())
    try:
        with warnings.catch_warnings():
            # It names each weight too small for the format; the comparison of scores says what matters.
            warnings.simplefilter("ignore")
            half = convert_float_to_float16(parsed, keep_io_types=True)
    except Exception as error:  # Whatever it meets in a stranger's graph.
        raise NotApplicableError(f"the converter failed: {type(error).__name__}") from error
    content: bytes = half.SerializeToString()
    return content
