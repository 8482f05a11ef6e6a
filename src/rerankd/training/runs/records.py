"""What a run is like now: its request, and its events folded into one value."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import replace

from rerankd.training.runs.request import RunRequest
from rerankd.training.types import RunEvent, RunEventType, RunInfo, RunStatus, RunSummary

ENDED = frozenset({RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.COMPLETED})
"""States that a run does not leave by itself."""

SECONDS = "seconds"
"""Metric of an evaluation: seconds that the run has trained for, without the time that it lay still."""

_LAST = 5


def primary_name(request: RunRequest) -> str:
    """The metric that early stopping looks at, as events name it: `ndcg@10`."""
    return f"{request.config.primary_metric}@{request.config.primary_k}"


def new_run(request: RunRequest) -> RunInfo:
    """A run of which nothing is known but that it was asked for."""
    return RunInfo(
        id=request.id,
        corpus_id=request.corpus_id,
        status=RunStatus.QUEUED,
        created=request.created,
        settings=request.config.model_dump(mode="json"),
        primary_metric=request.config.primary_metric,
        primary_k=request.config.primary_k,
        base_revision=request.base.revision,
        dataset=request.dataset,
    )


class RunRecord:
    """Folds events; the same ones in the same order always give the same run."""

    def __init__(self, request: RunRequest) -> None:
        self._primary = primary_name(request)
        self._evaluations: dict[int, tuple[float, float]] = {}
        self._info = new_run(request)

    @property
    def info(self) -> RunInfo:
        """The run after the events that were added."""
        return replace(self._info, summary=self._summary())

    def add(self, events: Iterable[RunEvent]) -> None:
        """Takes what happened next."""
        for event in events:
            if event.percent:
                self._info = replace(self._info, progress=event.percent / 100)
            if self._primary in event.metrics and event.type is RunEventType.METRICS:
                # A run that was resumed repeats the steps since its checkpoint.
                seconds = event.metrics.get(SECONDS, 0.0)
                self._evaluations[event.step] = (event.metrics[self._primary], seconds)
            if event.type is RunEventType.ERROR:
                self._info = replace(self._info, error=event.message)
            if event.type is RunEventType.STATE:
                self._enter(RunStatus(event.message), event.time)

    def _enter(self, status: RunStatus, time: float) -> None:
        info = replace(self._info, status=status)
        info = replace(info, ended=time) if status in ENDED else replace(info, ended=None, error="")
        if status is RunStatus.RUNNING and info.started is None:
            info = replace(info, started=time)
        self._info = info

    def _summary(self) -> RunSummary | None:
        if not self._evaluations:
            return None
        steps = sorted(self._evaluations)
        values = [self._evaluations[step][0] for step in steps]
        best_step = steps[values.index(max(values))]
        return RunSummary(
            best=max(values),
            final=values[-1],
            best_step=best_step,
            seconds_to_best=self._evaluations[best_step][1],
            stability=statistics.pstdev(values[-_LAST:]),
        )
