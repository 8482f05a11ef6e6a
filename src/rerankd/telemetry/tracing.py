"""Traces of calls, as the doors begin and end them; what is done in between the core tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rerankd.core.telemetry import TraceSource
from rerankd.telemetry.calls import CallRecord
from rerankd.telemetry.trace_context import TRACEPARENT, trace_id_of

Attributes = Mapping[str, str | int | float | bool]
"""By the names of OpenTelemetry's conventions. Never a text that a caller sent."""


class CallSpan(Protocol):
    """A call that is being traced, or that only belongs to a trace."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty = the call belongs to no trace."""

    def end(self, attributes: Attributes, *, error: str) -> None:
        """The call is over; `error` is its reason or code, empty where all is well."""


class Tracing(TraceSource, Protocol):
    """Who traces the calls of this process."""

    def begin(self, name: str, carrier: Mapping[str, str], attributes: Attributes) -> CallSpan:
        """A call begins, in the task that runs: a part of the trace that `carrier` names, or a new one."""

    def shutdown(self) -> None:
        """Sends what is left; blocks for a few seconds at most."""


class NotTraced:
    """A call of which nothing is recorded; its log lines name its caller's trace all the same."""

    def __init__(self, trace_id: str) -> None:
        self.trace_id = trace_id

    def end(self, attributes: Attributes, *, error: str) -> None:
        """Does nothing."""


class NoTracing:
    """Traces nothing."""

    def begin(self, name: str, carrier: Mapping[str, str], attributes: Attributes) -> CallSpan:
        """Reads only whose part the call is."""
        return NotTraced(trace_id_of(carrier.get(TRACEPARENT)))

    def current(self) -> None:
        """No call is traced."""

    def batch(self, batch: object, calls: object) -> None:
        """No batch is traced."""

    def shutdown(self) -> None:
        """Holds nothing."""


def result_attributes(record: CallRecord, request_id: str) -> dict[str, str | int | float | bool]:
    """What a call's record tells its span."""
    told: dict[str, str | int | float | bool] = {"rerankd.request_id": request_id}
    if record.model:
        told |= {
            "gen_ai.operation.name": "rerank",
            "gen_ai.response.model": record.model,
            "gen_ai.usage.input_tokens": record.tokens,
            "rerankd.documents": record.documents,
            "rerankd.queue_ms": round(1000 * record.queue_seconds, 3),
            "rerankd.inference_ms": round(1000 * record.inference_seconds, 3),
        }
    return told
