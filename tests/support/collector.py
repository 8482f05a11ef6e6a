"""A collector of traces on loopback that speaks OTLP over gRPC, and keeps what it gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True, slots=True)
class Received:
    """A span as it came over the wire."""

    span: Any
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.span.name)

    @property
    def trace_id(self) -> str:
        return bytes(self.span.trace_id).hex()

    @property
    def span_id(self) -> str:
        return bytes(self.span.span_id).hex()

    @property
    def parent_id(self) -> str:
        return bytes(self.span.parent_span_id).hex()

    @property
    def links(self) -> set[tuple[str, str]]:
        """Trace id and span id of each link."""
        return {(bytes(link.trace_id).hex(), bytes(link.span_id).hex()) for link in self.span.links}

    @property
    def attributes(self) -> dict[str, Any]:
        return _values(self.span.attributes)


@dataclass(eq=False)
class Collector(TraceServiceServicer):
    """Keeps spans."""

    endpoint: str = ""
    spans: list[Received] = field(default_factory=list)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def Export(self, request: Any, context: Any) -> Any:
        with self._more:
            for group in request.resource_spans:
                resource = _values(group.resource.attributes)
                self.spans += [
                    Received(span, resource) for scope in group.scope_spans for span in scope.spans
                ]
            self._more.notify_all()
        return pb.ExportTraceServiceResponse()

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def wait_for(self, name: str, count: int = 1) -> list[Received]:
        """So many spans of a name, as soon as they have come."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.named(name)) >= count, timeout=30), self.spans
            return self.named(name)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A running collector."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2, thread_name_prefix="collector"))
    add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
