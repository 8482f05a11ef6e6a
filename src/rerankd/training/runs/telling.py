"""The worker's voice: each event goes to the journal, to those who follow, and to the store of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rerankd.training.runs.journal import Journal
from rerankd.training.runs.wakes import Waker
from rerankd.training.types import RunEvent, RunEventType, RunStatus


class MetricsSink(Protocol):
    """Takes events too; must not block and must not raise."""

    def take(self, event: RunEvent) -> None:
        """An event that has just happened."""


class Teller:
    """Tells events. Safe from any thread."""

    def __init__(self, journal: Journal | None, waker: Waker | None) -> None:
        """Without a journal it is silent: only the first process of a run tells."""
        self._journal = journal
        self._waker = waker
        self._sinks: list[MetricsSink] = []

    def also_to(self, sink: MetricsSink) -> None:
        """Adds a taker of the events to come."""
        self._sinks.append(sink)

    def tell(
        self,
        kind: RunEventType,
        *,
        step: int = 0,
        epoch: float = 0.0,
        percent: float = 0.0,
        metrics: Mapping[str, float] | None = None,
        message: str = "",
    ) -> None:
        """An event."""
        if self._journal is None:
            return
        event = self._journal.append(
            kind, step=step, epoch=epoch, percent=percent, metrics=metrics, message=message
        )
        if self._waker is not None:
            self._waker.wake()
        for sink in self._sinks:
            sink.take(event)

    def log(self, message: str, *, step: int = 0) -> None:
        """A line for people."""
        self.tell(RunEventType.LOG, step=step, message=message)

    def state(self, status: RunStatus) -> None:
        """The run has got there."""
        self.tell(RunEventType.STATE, message=status.value)
