"""What the core tells of its work: to whoever counts it, to whoever traces it, and by default to nobody.

Everything here is called on the event loop, in the middle of the work: it has to be quick, and it never
raises. Instants are of `time.monotonic`, in seconds. Nobody is ever told a text.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rerankd.core.types import Priority


class Dropped(enum.Enum):
    """Why a document that was taken in never got its score."""

    CANCELLED = "cancelled"
    """The caller went away."""
    DEADLINE = "deadline"
    """The caller's deadline came first."""
    FAILED = "failed"
    """Something else of the same request failed."""
    DRAINING = "draining"
    """The server or the model was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """A micro-batch, or a call of a model elsewhere, that has ended."""

    model: str
    backend: str
    documents: int
    """Pairs; of a long document each window is one."""
    tokens: int
    padded_tokens: int
    """Tokens with padding; 0 where others make the batches."""
    started: float
    ended: float
    lane: int = 0
    failed: bool = False

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.ended - self.started


class WorkObserver(Protocol):
    """Counts work."""

    def on_batch(self, batch: BatchRun) -> None:
        """A micro-batch has ended."""

    def on_wait(self, priority: Priority, seconds: float) -> None:
        """A request's first pair ran after so long."""

    def on_scored(self, model: str, documents: int, tokens: int) -> None:
        """So many documents have got their score, and so many tokens were read for it."""

    def on_dropped(self, why: Dropped, documents: int) -> None:
        """So many documents will not be scored that were taken in."""

    def on_ended(self, tokens: int) -> None:
        """The work of the call whose task is running has ended, after so many tokens."""


class CallTrace(Protocol):
    """The trace of one call, told of what is done for it."""

    def stage(self, name: str, started: float, ended: float, documents: int) -> None:
        """A step that was done for this call alone, or the wait for one."""

    def inference(self, batch: BatchRun, link: object, documents: int) -> None:
        """A batch in which so many pairs were of this call; `link` is what `TraceSource.batch` gave."""


class TraceSource(Protocol):
    """Traces calls."""

    def current(self) -> CallTrace | None:
        """That of the call whose task is running; None = it is not traced."""

    def batch(self, batch: BatchRun, calls: Sequence[CallTrace]) -> object:
        """Notes a batch that served these calls, and gives what they can refer to it by."""


class _Nobody:
    """Counts and traces nothing."""

    def on_batch(self, batch: BatchRun) -> None:
        pass

    def on_wait(self, priority: Priority, seconds: float) -> None:
        pass

    def on_scored(self, model: str, documents: int, tokens: int) -> None:
        pass

    def on_dropped(self, why: Dropped, documents: int) -> None:
        pass

    def on_ended(self, tokens: int) -> None:
        pass

    def current(self) -> CallTrace | None:
        return None

    def batch(self, batch: BatchRun, calls: Sequence[CallTrace]) -> object:
        return None


@dataclass(slots=True)
class Telemetry:
    """Who is told. One for each engine; its parts hold on to it, so that it can be filled in later."""

    work: WorkObserver = field(default_factory=_Nobody)
    traces: TraceSource = field(default_factory=_Nobody)
