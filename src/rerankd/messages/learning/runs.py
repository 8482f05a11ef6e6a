"""Training runs, their events, and two of them compared."""

from __future__ import annotations

import json
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp

from rerankd.messages.convert import duration_from
from rerankd.messages.learning.corpora import METRIC
from rerankd.messages.learning.settings import fill, number_of
from rerankd.training.evaluation import RunComparison
from rerankd.training.types import RunEvent, RunInfo, RunSummary
from rerankd.training.v1alpha import settings_pb2
from rerankd.training.v1alpha import training_service_pb2 as pb

STATE = pb.TrainingRunState.DESCRIPTOR
EVENT_TYPE = pb.TrainingEventType.DESCRIPTOR


def run_from(info: RunInfo) -> pb.TrainingRun:
    """A run."""
    run = pb.TrainingRun(
        id=info.id,
        corpus_id=info.corpus_id,
        state=pb.TrainingRunState.ValueType(number_of(STATE, info.status.value)),
        create_time=timestamp_from(info.created),
        settings=fill(settings_pb2.RunSettings(), info.settings),
        primary_metric=settings_pb2.Metric.ValueType(number_of(METRIC, info.primary_metric)),
        primary_k=info.primary_k,
        progress=info.progress,
        error=info.error,
        base_revision=info.base_revision,
    )
    if info.started is not None:
        run.start_time.CopyFrom(timestamp_from(info.started))
    if info.ended is not None:
        run.end_time.CopyFrom(timestamp_from(info.ended))
    if info.summary is not None:
        run.summary.CopyFrom(summary_from(info.summary))
    # Through JSON, because what a run tells of its data may hold tuples, which a Struct does not know.
    run.dataset.update(cast("Any", json.loads(json.dumps(dict(info.dataset)))))
    return run


def summary_from(summary: RunSummary) -> pb.TrainingRunSummary:
    """What came of a run."""
    return pb.TrainingRunSummary(
        best=summary.best,
        final=summary.final,
        best_step=summary.best_step,
        time_to_best_duration=duration_from(summary.seconds_to_best),
        stability=summary.stability,
    )


def event_from(event: RunEvent) -> pb.TrainingEvent:
    """One event of a run."""
    return pb.TrainingEvent(
        sequence=event.sequence,
        event_time=timestamp_from(event.time),
        type=pb.TrainingEventType.ValueType(number_of(EVENT_TYPE, event.type.value)),
        step=event.step,
        epoch=event.epoch,
        percent=event.percent,
        metrics=event.metrics,
        message=event.message,
    )


def compared(comparison: RunComparison) -> pb.CompareTrainingRunsResponse:
    """Two runs side by side."""
    return pb.CompareTrainingRunsResponse(
        metric=comparison.metric,
        baseline=summary_from(comparison.baseline),
        current=summary_from(comparison.current),
        best_delta=comparison.best_delta,
        seconds_to_best_delta=comparison.seconds_to_best_delta,
        stability_delta=comparison.stability_delta,
    )


def timestamp_from(seconds: float) -> Timestamp:
    """An instant, to the nanosecond."""
    nanos = round(seconds * 1e9)
    return Timestamp(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)
