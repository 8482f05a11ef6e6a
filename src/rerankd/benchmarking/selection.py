"""What there is to measure on this host."""

from __future__ import annotations

from collections.abc import Sequence

from rerankd.assembly import build_store
from rerankd.benchmarking.in_process import EngineSubject
from rerankd.benchmarking.machine import available_memory_mib
from rerankd.benchmarking.plan import Precision
from rerankd.config import Config

MOST_MODELS = 4
"""Models that are measured unless some are named: with more, each would have too little time."""

_MIB = 1024 * 1024
_COPIES = 3
"""How often a model's files may be in memory, about, once it was loaded in two precisions."""


def models_to_measure(config: Config, named: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of models for `model`, and what is said of those that are left out.

    Those that were named; else the configured one, and the others that are on disk and fit into memory.

    Raises:
        StartupError: What the configuration says of models contradicts itself.
    """
    if named:
        return [*dict.fromkeys(named)], []
    store = build_store(config)
    default = store.canonical("")
    chosen, notes, memory = [config.model], [], available_memory_mib()
    for listing in store.listing():
        if listing.id == default or not listing.available:
            continue
        if memory is not None and _COPIES * listing.size_bytes / _MIB > memory / MOST_MODELS:
            notes.append(
                f"{listing.id} is left out: memory may be too short; --model {listing.id} measures it"
            )
        elif len(chosen) == MOST_MODELS:
            notes.append(
                f"{listing.id} is left out: {MOST_MODELS} models are enough for one run; --model names it"
            )
        else:
            chosen.append(listing.id)
    return chosen, notes


def precisions_here(config: Config) -> tuple[Precision, ...]:
    """fp32, and what is faster where models run."""
    from rerankd.backends.onnx.devices import obstacle
    from rerankd.backends.onnx.settings import Provider

    wanted = config.onnx.provider
    on_gpu = wanted in ("cuda", "tensorrt") or (
        wanted == "auto" and obstacle(Provider.CUDA, config.onnx.device_id) is None
    )
    return ("fp32", "fp16") if on_gpu else ("fp32", "int8")


def lanes_to_try(config: Config, subjects: Sequence[EngineSubject]) -> list[int]:
    """Numbers of lanes besides the one that the first model has: one, and one for each core.

    None where the configuration says how many, on a GPU, and where memory may be too short.
    """
    from rerankd.backends.onnx.devices import available_cores

    if not subjects or config.onnx.lanes:
        return []
    facts = subjects[0].facts
    cores = config.onnx.threads or available_cores()
    memory = available_memory_mib()
    if facts.provider != "CPUExecutionProvider":
        return []
    return [
        lanes
        for lanes in dict.fromkeys((1, cores))
        if lanes != facts.lanes and (memory is None or lanes * (facts.memory_mib or 0.0) <= memory / 2)
    ]
