"""The worker's way to the store of runs: a thread sends batches, and training never waits for it.

A store that is down costs nothing but memory: what could not be sent is kept, up to a bound, and sent later.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rerankd.core.errors import RerankdError
from rerankd.training.runs.tracking import MetricValue, Tracking
from rerankd.training.types import RunEvent, RunEventType, RunStatus

_MOST_VALUES = 100_000
"""Kept while the store is down; the oldest go first. The journal has them all."""

_RETRY_SECONDS = 30.0
_GATHER_SECONDS = 2.0
"""Values that come this close together are sent as one batch."""

_STATUSES: Mapping[RunStatus, str] = {
    RunStatus.COMPLETED: "FINISHED",
    RunStatus.CANCELLED: "KILLED",
    RunStatus.FAILED: "FAILED",
}


class Recorder:
    """Takes events and sends their metrics to the store."""

    def __init__(
        self,
        tracking: Tracking,
        *,
        corpus_id: str,
        run_id: str,
        params: Mapping[str, object],
        warn: Callable[[str], None],
    ) -> None:
        """Begins at once; `warn` is told, once, when the store does not answer."""
        self._tracking = tracking
        self._corpus_id = corpus_id
        self._run_id = run_id
        self._params = params
        self._warn = warn
        self._queue: queue.SimpleQueue[RunEvent | None] = queue.SimpleQueue()
        self._values: deque[MetricValue] = deque(maxlen=_MOST_VALUES)
        self._begun = self._warned = False
        self._not_before = 0.0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def take(self, event: RunEvent) -> None:
        """An event that has just happened."""
        self._queue.put(event)

    def finish(self, status: RunStatus, artifacts: Sequence[tuple[Path, str]], *, timeout: float) -> bool:
        """Sends what is left, then the artifacts (path, folder), and closes the run; False = not in time."""
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive() or self._values or not self._begun:
            return False
        try:
            for path, folder in artifacts:
                if path.exists():
                    self._tracking.log_artifact(self._corpus_id, self._run_id, path, folder)
            self._tracking.end(self._corpus_id, self._run_id, _STATUSES[status])
        except (RerankdError, ImportError):
            return False
        return True

    def _run(self) -> None:
        event: RunEvent | None = None
        is_last = False
        self._send(force=True)
        while not is_last:
            event = self._queue.get()
            end = time.monotonic() + _GATHER_SECONDS
            while event is not None:
                self._keep(event)
                try:
                    event = self._queue.get(timeout=max(0.0, end - time.monotonic()))
                except queue.Empty:
                    break
            is_last = event is None
            self._send(force=is_last)

    def _keep(self, event: RunEvent) -> None:
        if event.type is RunEventType.METRICS:
            self._values.extend(
                MetricValue(name=name, value=value, step=event.step, time=event.time)
                for name, value in event.metrics.items()
            )

    def _send(self, *, force: bool) -> None:
        if not force and time.monotonic() < self._not_before:
            return
        try:
            if not self._begun:
                self._tracking.begin(self._corpus_id, self._run_id, self._params)
                self._begun = True
            values = list(self._values)
            if values:
                self._tracking.log_values(self._corpus_id, self._run_id, values)
                self._values.clear()
        except (RerankdError, ImportError) as error:
            self._not_before = time.monotonic() + _RETRY_SECONDS
            if not self._warned:
                self._warned = True
                self._warn(f"{error}; training goes on, and its metrics are kept to be sent later")
