"""events.jsonl: what happened in a run, one event a line, numbered without gaps.

There is one writer at a time, the holder of the corpus' lock, and any number of readers in any process. A
line counts once it ends; what a crash left of one is cut off before the next is written.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from rerankd.training.types import RunEvent, RunEventType

FILE = "events.jsonl"


class Journal:
    """The writer. Safe from any thread of its process."""

    def __init__(self, path: Path) -> None:
        """Opens the file and cuts off a line that was never finished."""
        self._lock = threading.Lock()
        self._file = path.open("ab")
        reader = JournalReader(path)
        events = reader.read()
        self._sequence = events[-1].sequence if events else 0
        os.truncate(path, reader.offset)

    def append(
        self,
        kind: RunEventType,
        *,
        step: int = 0,
        epoch: float = 0.0,
        percent: float = 0.0,
        metrics: Mapping[str, float] | None = None,
        message: str = "",
    ) -> RunEvent:
        """Writes an event, and syncs those that tell of a state; numbers that are not finite are left out."""
        finite = {name: value for name, value in (metrics or {}).items() if math.isfinite(value)}
        with self._lock:
            event = RunEvent(
                sequence=self._sequence + 1,
                time=time.time(),
                type=kind,
                step=step,
                epoch=epoch,
                percent=percent,
                metrics=finite,
                message=message,
            )
            self._file.write(_line(event))
            self._file.flush()
            if kind not in (RunEventType.PROGRESS, RunEventType.METRICS, RunEventType.LOG):
                os.fsync(self._file.fileno())
            self._sequence = event.sequence
        return event

    def close(self) -> None:
        """Nothing can be written after it."""
        self._file.close()


class JournalReader:
    """Reads on from where it stopped.

    Attributes:
        offset: Bytes that are read.
    """

    def __init__(self, path: Path) -> None:
        """`path` need not exist yet."""
        self._path = path
        self._sequence = 0
        self.offset = 0

    def read(self) -> list[RunEvent]:
        """The events that were finished since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self.offset)
                return list(self._events(file.read()))
        except FileNotFoundError:
            return []

    def _events(self, content: bytes) -> Iterator[RunEvent]:
        for line in content.splitlines(keepends=True):
            event = _event(line)
            if event is None or event.sequence != self._sequence + 1:
                return
            self._sequence = event.sequence
            self.offset += len(line)
            yield event


def _line(event: RunEvent) -> bytes:
    record = {
        "sequence": event.sequence,
        "time": round(event.time, 3),
        "type": event.type.value,
        "step": event.step,
        "epoch": round(event.epoch, 4),
        "percent": round(event.percent, 2),
        "metrics": event.metrics,
        "message": event.message,
    }
    return json.dumps({name: value for name, value in record.items() if value}).encode() + b"\n"


def _event(line: bytes) -> RunEvent | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
        return RunEvent(
            sequence=int(record["sequence"]),
            time=float(record["time"]),
            type=RunEventType(record["type"]),
            step=int(record.get("step", 0)),
            epoch=float(record.get("epoch", 0.0)),
            percent=float(record.get("percent", 0.0)),
            metrics={str(name): float(value) for name, value in record.get("metrics", {}).items()},
            message=str(record.get("message", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
