"""Where a run computes, in which precision, in how many processes. Imported by the worker alone."""

from __future__ import annotations

import logging

import torch

from rerankd.config.training import RunConfig
from rerankd.core.errors import InvalidRequestError

logger = logging.getLogger(__name__)


def uses_cuda(config: RunConfig) -> bool:
    """Whether the run computes on GPUs.

    Raises:
        InvalidRequestError: CUDA was asked for and does not work.
    """
    if config.device == "cpu":
        return False
    problem = _cuda_problem()
    if problem and config.device == "cuda":
        raise InvalidRequestError(
            f"device cuda was asked for, and {problem}; set device to auto or cpu", field="device"
        )
    return not problem


def uses_bf16(config: RunConfig, *, cuda: bool) -> bool:
    """Whether the forward pass computes in bf16."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if cuda:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def process_count(asked: int, *, cuda: bool) -> int:
    """Processes that share the batches."""
    return asked or (torch.cuda.device_count() if cuda else 1)


def _cuda_problem() -> str:
    if not torch.cuda.is_available():
        return "there is no GPU that torch can use"
    try:
        torch.ones(8, device="cuda").sum().item()
    except RuntimeError as error:
        logger.warning("CUDA does not work", extra={"error": str(error).splitlines()[0]})
        return "the GPU does not compute"
    return ""
