"""Local cross-encoders on ONNX Runtime.

Importing this is cheap: onnxruntime and tokenizers are loaded by the first `load`.
"""

from __future__ import annotations

from rerankd.backends.onnx.backend import OnnxBackend, load
from rerankd.backends.onnx.settings import CudaGraphs, OnnxSettings, Precision, Provider, TokenizerLibrary

__all__ = [
    "CudaGraphs",
    "OnnxBackend",
    "OnnxSettings",
    "Precision",
    "Provider",
    "TokenizerLibrary",
    "load",
]
