"""What is known of the call that is being answered, for its log line and for every line meanwhile."""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from dataclasses import dataclass

from rerankd.core.types import Ranking

MAX_REQUEST_ID_LENGTH = 128

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the call whose task is running; empty outside of calls."""

trace_id: ContextVar[str] = ContextVar("trace_id", default="")
"""Id of the trace that the running call belongs to; empty where it belongs to none."""


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """What a call's log line says beside its outcome. Counts and times only, never text."""

    key: str = ""
    """Name of the key that the call was made with."""
    reason: str = ""
    model: str = ""
    documents: int = 0
    tokens: int = 0
    queue_seconds: float = 0.0
    inference_seconds: float = 0.0

    def add(self, ranking: Ranking) -> None:
        """Counts a ranking in; a batch brings several."""
        self.model = ranking.model.id
        self.documents += ranking.usage.documents
        self.tokens += ranking.usage.tokens
        self.queue_seconds = max(self.queue_seconds, ranking.timing.queue_seconds)
        self.inference_seconds += ranking.timing.inference_seconds

    def fields(self, seconds: float) -> dict[str, object]:
        """What it adds to the line of a call that took so long."""
        return {
            "key": self.key,
            "reason": self.reason,
            "model": self.model,
            "documents": self.documents,
            "tokens": self.tokens,
            "queue_ms": round(1000 * self.queue_seconds, 3),
            "inference_ms": round(1000 * self.inference_seconds, 3),
            "total_ms": round(1000 * seconds, 3),
        }


call_record: ContextVar[CallRecord | None] = ContextVar("call_record", default=None)


def note_ranking(ranking: Ranking) -> None:
    """Adds a ranking to the record of the running call, if there is one."""
    record = call_record.get()
    if record is not None:
        record.add(ranking)


def note_key(name: str) -> None:
    """Says with which key the running call was made."""
    record = call_record.get()
    if record is not None:
        record.key = name


def note_reason(reason: str) -> None:
    """Says why the running call fails."""
    record = call_record.get()
    if record is not None:
        record.reason = reason


def accepted_request_id(offered: str | bytes | None) -> str:
    """The caller's id if it is 1 to 128 visible ASCII characters, else a new one."""
    if (
        isinstance(offered, str)
        and 0 < len(offered) <= MAX_REQUEST_ID_LENGTH
        and all("!" <= character <= "~" for character in offered)
    ):
        return offered
    return uuid.uuid4().hex
