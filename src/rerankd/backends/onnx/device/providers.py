"""What ONNX Runtime is told about its execution providers."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.backends.onnx.device.buckets import Buckets, Shape
from rerankd.backends.onnx.devices import EXECUTION_PROVIDERS
from rerankd.backends.onnx.settings import OnnxSettings, Provider

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GPU_BATCH_TOKENS = 16384

_USUAL_TOKENS = 128
"""A passage with its query. TensorRT plans memory for the most rows of the longest width, which is more than
any batch has: fewer rows keep that in bounds."""

ProviderList = list[str | tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """What an accelerator has to know of a model before its session opens."""

    inputs: tuple[str, ...]
    max_tokens: int
    arithmetic: Callable[[], str]
    """Precision of the activations; asked once the graph for the provider is there."""
    known_as: tuple[str, ...] = ()
    """What names the model and its arithmetic, for the engines on disk."""


def buckets_of(provider: Provider, settings: OnnxSettings, max_tokens: int) -> Buckets:
    """The shapes that batches have on a provider."""
    budget = settings.batch_tokens or GPU_BATCH_TOKENS
    rows = max(1, budget // min(_USUAL_TOKENS, max_tokens)) if provider is Provider.TENSORRT else 0
    return Buckets(max_tokens=max_tokens, budget=budget, most_rows=rows)


def providers(
    provider: Provider, settings: OnnxSettings, model: ModelShape | None, *, graphs: bool = False
) -> ProviderList:
    """The providers of a session, the wanted one first.

    Args:
        provider: The wanted one.
        settings: How to run the model.
        model: What TensorRT has to know of it.
        graphs: Whether runs may be captured as CUDA graphs.
    """
    cpu = EXECUTION_PROVIDERS[Provider.CPU]
    if provider is Provider.CPU:
        return [cpu]
    device = {"device_id": str(settings.device_id)}
    # TF32 keeps 10 bits of mantissa: scores would differ from the CPU's in the third digit.
    options = {**device, "use_tf32": "0", **({"enable_cuda_graph": "1"} if graphs else {})}
    cuda = (EXECUTION_PROVIDERS[Provider.CUDA], options)
    if provider is Provider.CUDA:
        return [cuda, cpu]
    return [(EXECUTION_PROVIDERS[Provider.TENSORRT], {**device, **_tensorrt(settings, model)}), cuda, cpu]


def _tensorrt(settings: OnnxSettings, model: ModelShape | None) -> dict[str, str]:
    if model is None:
        return {}
    arithmetic = model.arithmetic()
    # What it may round to; without leave it takes a graph in halves for an error.
    options = {f"trt_{arithmetic}_enable": "1"} if arithmetic in ("fp16", "bf16") else {}
    buckets = buckets_of(Provider.TENSORRT, settings, model.max_tokens)
    options |= {f"trt_profile_{kind}_shapes": text for kind, text in profile(buckets, model.inputs).items()}
    if settings.cache_dir is not None:
        # The names that TensorRT's cache gives to engines do not tell two models of one shape apart.
        folder = str(engine_folder(settings.cache_dir, (*model.known_as, arithmetic)))
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": folder,
        }
    return options


def profile(buckets: Buckets, inputs: Sequence[str]) -> Mapping[str, str]:
    """Smallest, most usual and largest batch, as TensorRT wants to be told."""
    usual = buckets.width(min(_USUAL_TOKENS, buckets.max_tokens))
    most_rows = buckets.rows_of(1)
    shapes = {
        "min": Shape(1, buckets.width(1)),
        "opt": Shape(buckets.rows_of(usual), usual),
        "max": Shape(most_rows, buckets.max_tokens),
    }
    return {
        kind: ",".join(f"{name}:{shape.rows}x{shape.width}" for name in inputs)
        for kind, shape in shapes.items()
    }


def engine_folder(cache_dir: Path, known_as: Sequence[str]) -> Path:
    """Where the engines of a model lie."""
    digest = hashlib.sha256()
    for part in known_as:
        digest.update(f"{len(part)}:{part}".encode())
    return cache_dir / "tensorrt" / digest.hexdigest()[:32]


def runs_nothing(session: InferenceSession, provider: Provider) -> bool:
    """Whether a provider that came up was given no operator, so that another one does all the work."""
    # Older runtimes do not tell.
    with contextlib.suppress(Exception):
        assigned = session.get_provider_graph_assignment_info()
        return EXECUTION_PROVIDERS[provider] not in {part.ep_name for part in assigned}
    return False
