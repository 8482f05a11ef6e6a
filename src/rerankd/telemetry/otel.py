"""Traces by OpenTelemetry, sent by OTLP over gRPC. Needs the extra `otel`; nothing else imports it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from opentelemetry.context import attach
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import rerankd
from rerankd.core.telemetry import BatchRun, CallTrace
from rerankd.telemetry.tracing import Attributes, CallSpan

MAX_SPANS = 32
"""Spans of one name in one call: a long stream has thousands of micro-batches, and the first tell most."""
_MAX_LINKS = 128
_EXPORT_SECONDS = 5.0
_FLUSH_MILLISECONDS = 3000


class OtelTracing:
    """Traces the calls of this process."""

    def __init__(self, *, endpoint: str, sample_ratio: float, service_name: str) -> None:
        """Connects to nothing yet.

        Args:
            endpoint: URL of a collector that takes OTLP over gRPC; plain text for `http`, TLS for `https`.
            sample_ratio: Share of the calls to trace whose callers did not decide.
            service_name: What the traces call this service.
        """
        # The environment's OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS are read by the library.
        resource = Resource.create({SERVICE_NAME: service_name, SERVICE_VERSION: rerankd.__version__})
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBasedTraceIdRatio(sample_ratio), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(
            endpoint=endpoint, insecure=not endpoint.startswith("https://"), timeout=_EXPORT_SECONDS
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("rerankd", rerankd.__version__)
        self._propagator = TraceContextTextMapPropagator()
        self._current: ContextVar[_Call | None] = ContextVar("traced_call", default=None)

    def begin(self, name: str, carrier: Mapping[str, str], attributes: Attributes) -> CallSpan:
        """A call begins, in the task that runs."""
        parent = self._propagator.extract(carrier)
        span = self._tracer.start_span(
            name, context=parent, kind=SpanKind.SERVER, attributes=dict(attributes)
        )
        call = _Call(self, span)
        self._current.set(call)
        # For calls of ours to others. Never detached: the call has a task, and so a context, of its own.
        attach(set_span_in_context(span))
        return call

    def current(self) -> CallTrace | None:
        """That of the call whose task is running, if it is sampled."""
        call = self._current.get()
        return call if call is not None and call.is_recording else None

    def batch(self, batch: BatchRun, calls: Sequence[CallTrace]) -> SpanContext | None:
        """A span for a micro-batch, in the trace of its first call, with links to all that it serves."""
        contexts = {call.context.span_id: call.context for call in calls if isinstance(call, _Call)}
        offset = _offset()
        span = self._tracer.start_span(
            "batch",
            # It serves several calls and can be the child of only one; the others have links to it.
            context=set_span_in_context(_parent(calls)),
            links=[Link(context) for context in list(contexts.values())[:_MAX_LINKS]],
            attributes={**_batch_attributes(batch), "rerankd.batch.calls": len(contexts)},
            start_time=_nanoseconds(batch.started, offset),
        )
        if batch.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(batch.ended, offset))
        return span.get_span_context()

    def child(
        self, parent: Span, name: str, links: Sequence[Link], attributes: Attributes, start: int
    ) -> Span:
        """A span inside a call's."""
        return self._tracer.start_span(
            name,
            context=set_span_in_context(parent),
            links=links,
            attributes=dict(attributes),
            start_time=start,
        )

    def shutdown(self) -> None:
        """Sends what is left."""
        self._provider.force_flush(_FLUSH_MILLISECONDS)
        self._provider.shutdown()


class _Call:
    """One call's span and what becomes its children."""

    def __init__(self, tracing: OtelTracing, span: Span) -> None:
        self._tracing = tracing
        self.span = span
        self._offset = _offset()
        self._told: Counter[str] = Counter()
        self.context = span.get_span_context()
        self.is_recording = span.is_recording()

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return f"{self.context.trace_id:032x}" if self.context.is_valid else ""

    def stage(self, name: str, started: float, ended: float, documents: int) -> None:
        """A child span for a step."""
        attributes: Attributes = {"rerankd.documents": documents} if documents else {}
        self._child(name, started, ended, attributes, [])

    def inference(self, batch: BatchRun, link: object, documents: int) -> None:
        """A child span for this call's part of a batch, with a link to the batch's own span."""
        links = [Link(link)] if isinstance(link, SpanContext) else []
        attributes = {**_batch_attributes(batch), "rerankd.documents": documents}
        self._child("inference", batch.started, batch.ended, attributes, links, failed=batch.failed)

    def end(self, attributes: Attributes, *, error: str) -> None:
        """The call is over."""
        for name, value in attributes.items():
            self.span.set_attribute(name, value)
        for name, times in self._told.items():
            if times > MAX_SPANS:
                self.span.set_attribute(f"rerankd.{name}.spans_left_out", times - MAX_SPANS)
        if error:
            self.span.set_attribute("error.type", error)
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()

    def _child(
        self,
        name: str,
        started: float,
        ended: float,
        attributes: Attributes,
        links: Sequence[Link],
        *,
        failed: bool = False,
    ) -> None:
        self._told[name] += 1
        if self._told[name] > MAX_SPANS:
            return
        start = _nanoseconds(started, self._offset)
        span = self._tracing.child(self.span, name, links, attributes, start)
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(ended, self._offset))


def _parent(calls: Sequence[CallTrace]) -> Span:
    """The call whose trace a batch's span is kept in: the first one's."""
    return next(call.span for call in calls if isinstance(call, _Call))


def _batch_attributes(batch: BatchRun) -> dict[str, str | int | float | bool]:
    padding = 1 - batch.tokens / batch.padded_tokens if batch.padded_tokens else 0.0
    return {
        "gen_ai.request.model": batch.model,
        "rerankd.backend": batch.backend,
        "rerankd.lane": batch.lane,
        "rerankd.batch.documents": batch.documents,
        "rerankd.batch.tokens": batch.tokens,
        "rerankd.batch.padding_ratio": round(padding, 4),
    }


def _offset() -> int:
    """What the wall clock is ahead of the monotonic one, in nanoseconds: instants are told by the latter."""
    return time.time_ns() - time.monotonic_ns()


def _nanoseconds(instant: float, offset: int) -> int:
    return round(instant * 1e9) + offset
