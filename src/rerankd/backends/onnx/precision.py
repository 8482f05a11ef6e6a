"""Which arithmetic a provider can be asked for."""

from __future__ import annotations

from rerankd.backends.onnx.devices import EXECUTION_PROVIDERS
from rerankd.backends.onnx.settings import Precision, Provider
from rerankd.core.errors import ModelFailedError

_OBSTACLES = {
    (Precision.FP16, Provider.CPU): "which needs a GPU: CPUs have no arithmetic for it; "
    "set onnx.precision to auto, fp32 or int8",
    (Precision.BF16, Provider.CPU): "which needs a GPU and TensorRT; "
    "set onnx.precision to auto, fp32 or int8",
    (Precision.BF16, Provider.CUDA): "which needs TensorRT: ONNX Runtime has too few CUDA kernels for it; "
    "set onnx.precision to fp16, or onnx.provider to tensorrt",
}


def check_precision(precision: Precision, provider: Provider) -> None:
    """Accepts a precision.

    Raises:
        ModelFailedError: The provider cannot compute in it.
    """
    obstacle = _OBSTACLES.get((precision, provider))
    if obstacle is not None:
        raise ModelFailedError(
            f"precision {precision.value} was asked for, {obstacle}",
            metadata={"asked": precision.value, "provider": EXECUTION_PROVIDERS[provider]},
        )
