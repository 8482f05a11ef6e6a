"""How far a run is, folded from its events, for whoever draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rerankd.training.types import RunEvent, RunEventType

STEPS, SECONDS_LEFT = "steps", "seconds_left"
"""Metrics of progress events: steps of the whole run, and the estimate of what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """One line of a progress bar."""

    status: str = ""
    step: int = 0
    steps: int = 0
    """Of the whole run; 0 = not known yet."""
    epoch: float = 0.0
    percent: float = 0.0
    seconds_left: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The last value of each."""
    message: str = ""
    """The last line of the log, or why the run failed."""

    def after(self, event: RunEvent) -> RunProgress:
        """The progress once this event has happened."""
        if event.type is RunEventType.STATE:
            return replace(self, status=event.message)
        if event.type in (RunEventType.LOG, RunEventType.ERROR):
            return replace(self, message=event.message)
        left = event.metrics.get(SECONDS_LEFT)
        plain = {name: value for name, value in event.metrics.items() if name not in (STEPS, SECONDS_LEFT)}
        return replace(
            self,
            step=event.step,
            steps=int(event.metrics.get(STEPS, self.steps)),
            epoch=event.epoch,
            percent=event.percent,
            seconds_left=self.seconds_left if left is None else left,
            metrics={**self.metrics, **plain},
        )
