"""The state of the server and of its models as messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import rerankd
from rerankd.core.errors import ModelNotFoundError
from rerankd.core.limits import Limits
from rerankd.core.registry import ModelReport, Registry, StageEvent
from rerankd.core.scheduler import QueueStatus
from rerankd.core.types import ModelState, WarmupStage
from rerankd.messages.convert import duration_from
from rerankd.v1 import rerank_service_pb2 as pb

API_PACKAGE = "rerankd.v1"

_STATES = {state: pb.ModelState.Value(f"MODEL_STATE_{state.name}") for state in ModelState}
_STAGES = {stage: pb.WarmupStage.Value(f"WARMUP_STAGE_{stage.name}") for stage in WarmupStage}


def server_status(
    registry: Registry, limits: Limits, *, offered: Sequence[str], uptime_seconds: float
) -> pb.StatusResponse:
    """The state of the server now; models that it offers are told also before they are loaded."""
    ids = {report.id for report in registry.reports()} | set(_known(registry, offered))
    return status_from(
        version=rerankd.__version__,
        uptime_seconds=uptime_seconds,
        limits=limits,
        queues=[model.status() for model in registry.loaded()],
        models=[registry.report(model_id) for model_id in sorted(ids)],
        default_model=next(iter(_known(registry, [""])), ""),
    )


def _known(registry: Registry, names: Iterable[str]) -> Iterable[str]:
    for name in names:
        try:
            yield registry.canonical(name)
        except ModelNotFoundError:
            continue


def status_from(
    *,
    version: str,
    uptime_seconds: float,
    limits: Limits,
    queues: Sequence[QueueStatus],
    models: Sequence[ModelReport],
    default_model: str,
) -> pb.StatusResponse:
    """The answer of Status; the queues of all models are told as one."""
    oldest = max((queue.oldest_wait_seconds for queue in queues), default=0.0)
    return pb.StatusResponse(
        version=version,
        api_package=API_PACKAGE,
        uptime_duration=duration_from(uptime_seconds),
        limits=_limits(limits),
        queue=pb.QueueStatus(
            documents=sum(queue.documents for queue in queues),
            tokens=sum(queue.tokens for queue in queues),
            oldest_wait_duration=duration_from(oldest),
        ),
        models=[model_status(report) for report in models],
        default_model=default_model,
    )


def model_status(report: ModelReport) -> pb.ModelStatus:
    """What is known of one model."""
    status = pb.ModelStatus(
        id=report.id,
        aliases=report.aliases,
        state=_STATES[report.state],
        stages=[
            pb.StageDuration(stage=_STAGES[stage], duration=duration_from(seconds))
            for stage, seconds in report.stages
        ],
    )
    if (description := report.description) is not None:
        status.revision = description.revision
        status.backend = description.backend
        status.device = description.device
        status.provider = description.provider
        status.precision = description.precision
        status.max_tokens = description.max_tokens
        status.license = description.license
    if report.load_time is not None:
        status.load_time.FromMilliseconds(round(1000 * report.load_time))
    if report.error is not None and report.state is ModelState.FAILED:
        status.error_reason = report.error.spec.reason
        status.error_message = report.error.message
    return status


def warmup_event(event: StageEvent, report: ModelReport) -> pb.WarmupResponse:
    """One step of a load; the last one brings the model's state."""
    response = pb.WarmupResponse(
        stage=_STAGES[event.stage],
        progress=event.progress,
        detail=event.detail,
        elapsed_duration=duration_from(event.elapsed_seconds),
    )
    if event.stage is WarmupStage.DONE:
        response.status.CopyFrom(model_status(report))
    return response


def _limits(limits: Limits) -> pb.Limits:
    return pb.Limits(
        max_documents=limits.max_documents,
        max_receive_bytes=limits.max_receive_bytes,
        max_chunk_bytes=limits.max_chunk_bytes,
        max_query_bytes=limits.max_query_bytes,
        max_document_bytes=limits.max_document_bytes,
        max_batch_requests=limits.max_batch_requests,
        stream_window_documents=limits.stream_window_documents,
        max_queued_tokens=limits.max_queued_tokens,
        max_request_duration=duration_from(limits.max_request_seconds),
        max_document_fields=limits.max_document_fields,
        max_stream_results=limits.max_stream_results,
        max_snapshot_results=limits.max_snapshot_results,
    )
