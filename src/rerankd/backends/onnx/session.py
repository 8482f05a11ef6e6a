"""Inference sessions: which provider, how many threads, and proof that it is what was asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rerankd.backends.onnx.device.gate import GATE
from rerankd.backends.onnx.device.providers import ModelShape, ProviderList, providers, runs_nothing
from rerankd.backends.onnx.devices import (
    EXECUTION_PROVIDERS,
    available_cores,
    obstacle,
    preload_cuda,
    why_not_initialised,
)
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.settings import CudaGraphs, OnnxSettings, Provider
from rerankd.core.errors import ModelFailedError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

CPU_BATCH_TOKENS = 512
"""As many pairs a second as 1,024, because activations stay in the cache, and half the wait for a small
request beside a stream (scripts/bench/mixed_load.py)."""

_LOG_FATAL = 4
"""Everything below arrives as an exception too, and stderr belongs to the server's own log."""

_INSTALL = {
    Provider.CUDA: "install the NVIDIA driver, and CUDA with cuDNN by `pip install 'rerankd[cuda]'`",
    Provider.TENSORRT: "install the NVIDIA driver, `rerankd[cuda]` and TensorRT (`pip install tensorrt`)",
}

DISABLED_ON_CPU = ["BiasGeluFusion", "SkipLayerNormFusion"]
"""Fusions whose kernels are slower than their parts. The fused norm costs int8 a quarter; plain fp32, where
it rarely applies, nothing. GELU with its bias takes a fifth longer than Gelu behind Add, which is 2% of
fp32. GPUs keep both, with fused attention."""

GraphSource = Callable[[Provider], Path | bytes]
"""Gives the graph in the form that suits a provider: a file, or the bytes of a rewritten one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSessions:
    """The session of each lane; lanes of one thread share theirs."""

    sessions: tuple[InferenceSession, ...]
    provider: Provider
    threads: int
    """Of each session."""
    graphs: bool = False
    """Whether runs may be captured as CUDA graphs."""
    note: str = ""
    """Why AUTO left a GPU alone that the driver shows, or why no CUDA graph can be captured; for the operator
    who reads the load's progress."""


def open_sessions(
    source: GraphSource,
    settings: OnnxSettings,
    folder: Path | None = None,
    model: ModelShape | None = None,
) -> OpenSessions:
    """Opens the sessions of a model.

    Args:
        source: Gives the graph.
        settings: How to run it.
        folder: Where the external data of a graph in memory lie.
        model: What TensorRT plans its engine by.

    Raises:
        ModelFailedError: The graph does not load, or a provider asked for by name does not come up.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(_LOG_FATAL)
    provider = _choose(settings)
    if settings.provider is Provider.AUTO and provider is not Provider.CPU:
        try:
            return _open(source, settings, provider, folder, model)
        except ModelFailedError as error:
            # AUTO promises the CPU where the GPU is not up to it; a broken graph fails there again.
            return replace(_open(source, settings, Provider.CPU, folder, model), note=error.message)
    return _open(source, settings, provider, folder, model)


def _choose(settings: OnnxSettings) -> Provider:
    if settings.provider is Provider.CPU:
        return Provider.CPU
    wanted = Provider.CUDA if settings.provider is Provider.AUTO else settings.provider
    reason = obstacle(wanted, settings.device_id)
    if reason is None:
        return wanted
    if settings.provider is Provider.AUTO:
        return Provider.CPU
    raise _not_granted(wanted, EXECUTION_PROVIDERS[Provider.CPU], reason)


def verification_session(graph: Path | bytes, folder: Path, threads: int) -> InferenceSession:
    """A session on the CPU to compare graphs with.

    Raises:
        ModelFailedError: The graph does not load.
    """
    on_cpu = providers(Provider.CPU, OnnxSettings(provider=Provider.CPU), None)
    return _session(graph, _options(threads, folder), on_cpu, Provider.CPU)


def _open(
    source: GraphSource,
    settings: OnnxSettings,
    provider: Provider,
    folder: Path | None,
    model: ModelShape | None,
) -> OpenSessions:
    if provider is not Provider.CPU:
        preload_cuda()
    graph = source(provider)
    lanes = settings.lanes if provider is Provider.CPU else 1
    threads = max(1, (settings.threads or available_cores()) // lanes)
    options = _options(threads, folder if isinstance(graph, bytes) else None)
    if provider is Provider.TENSORRT:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")

    def opened(*, graphs: bool) -> OpenSessions:
        wanted = providers(provider, settings, model, graphs=graphs)
        if threads == 1:
            # Whoever calls it is its one thread, so lanes do not meet in it: as fast as copies and no larger.
            sessions = (_session(graph, options, wanted, provider),) * lanes
        else:
            sessions = tuple(_session(graph, options, wanted, provider) for _ in range(lanes))
        return OpenSessions(sessions=sessions, provider=provider, threads=threads, graphs=graphs)

    wants_graphs = provider is Provider.CUDA and settings.cuda_graphs is not CudaGraphs.OFF
    with contextlib.nullcontext() if provider is Provider.CPU else GATE.beside_others():
        found = _with_graphs(opened) if wants_graphs else opened(graphs=False)
    _check_granted(found)
    return found


class _Opening(Protocol):
    def __call__(self, *, graphs: bool) -> OpenSessions: ...


def _with_graphs(opened: _Opening) -> OpenSessions:
    """Sessions that capture CUDA graphs; the runtime refuses them where an operator is not CUDA's."""
    try:
        return opened(graphs=True)
    except ModelFailedError as error:
        return replace(opened(graphs=False), note=f"without CUDA graphs: {error.message}")


def _check_granted(found: OpenSessions) -> None:
    got = found.sessions[0].get_providers()
    if EXECUTION_PROVIDERS[found.provider] != got[0]:
        raise _not_granted(found.provider, got[0], why_not_initialised(found.provider))
    if found.provider is Provider.TENSORRT and runs_nothing(found.sessions[0], found.provider):
        raise _not_granted(found.provider, got[1], "TensorRT takes none of this model's operators")


def _options(threads: int, folder: Path | None) -> SessionOptions:
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.log_severity_level = _LOG_FATAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Costs about 3% on a quiet machine and saves a third where cores are shared, as with our own loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights stored in int8 become float weights at load; without it activations would be rounded
    # too, and a score would depend on its neighbours.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return options


def _session(
    graph: Path | bytes,
    options: SessionOptions,
    wanted: ProviderList,
    provider: Provider,
) -> InferenceSession:
    from onnxruntime import InferenceSession

    disabled = DISABLED_ON_CPU if provider is Provider.CPU else []
    try:
        session: InferenceSession = InferenceSession(
            graph if isinstance(graph, bytes) else str(graph),
            options,
            providers=wanted,
            disabled_optimizers=disabled,
            enable_fallback=0,
        )
    except Exception as error:  # The runtime has no common base class below Exception.
        if provider is not Provider.CPU:
            raise _not_granted(provider, "an error", short_cause(error)) from error
        raise ModelFailedError(f"ONNX Runtime cannot load the graph: {short_cause(error)}") from error
    # The wrapper keeps the bytes for a change of providers, which never comes: gigabytes for nothing.
    session._model_bytes = None
    return session


def _not_granted(wanted: Provider, got: str, reason: str) -> ModelFailedError:
    return ModelFailedError(
        f"provider {wanted.value} was asked for, got {got}: {reason}. "
        f"To use it, {_INSTALL[wanted]}; or set the provider to auto or cpu.",
        metadata={"asked": wanted.value, "got": got},
    )
