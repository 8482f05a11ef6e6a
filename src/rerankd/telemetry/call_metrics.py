"""What is counted of calls, at each door. Every label set exists before the first call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from rerankd.core.errors import ERROR_CLASSES
from rerankd.telemetry import metric_table as table
from rerankd.telemetry.calls import CallRecord
from rerankd.telemetry.instruments import counter, gauge, histogram
from rerankd.telemetry.key_metrics import KeyMetrics

OTHER_ROUTE = "other"
STATUS_CLASSES = ("2xx", "3xx", "4xx", "5xx")
GRPC_DOOR, HTTP_DOOR = "grpc", "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of a gRPC service."""

    path: str
    """`/package.Service/Method`."""
    type: str
    """unary, client_stream, server_stream or bidi_stream."""

    @property
    def labels(self) -> tuple[str, str, str]:
        """Values of grpc_type, grpc_service and grpc_method."""
        _, service, method = self.path.split("/")
        return self.type, service, method


class Ended:
    """Counts calls that have ended, at whichever door: the failed by reason, and all by key."""

    def __init__(self, registry: CollectorRegistry, keys: KeyMetrics) -> None:
        self._keys = keys
        errors = counter(table.ERRORS, registry)
        reasons = {kind.spec.reason for kind in ERROR_CLASSES}
        self._by_reason = {reason: errors.labels(reason) for reason in sorted(reasons)}

    def count(self, record: CallRecord) -> None:
        """Counts a call; an empty reason, or one that is not in the table, is no failure."""
        if (failures := self._by_reason.get(record.reason)) is not None:
            failures.inc()
        self._keys.ended(record.key, record.reason)


class GrpcCalls:
    """Counts the calls of the gRPC door; those of methods that were not named at first are not counted."""

    def __init__(self, registry: CollectorRegistry, in_progress: InProgress, ended: Ended) -> None:
        self._started = counter(table.GRPC_STARTED, registry)
        self._handled = counter(table.GRPC_HANDLED, registry)
        self._received = counter(table.GRPC_RECEIVED, registry)
        self._sent = counter(table.GRPC_SENT, registry)
        self._seconds = histogram(table.GRPC_SECONDS, registry)
        self._in_progress = in_progress
        self._ended = ended
        self._labels: dict[str, tuple[str, str, str]] = {}

    def prepare(self, methods: Iterable[Method], codes: Sequence[str]) -> None:
        """Makes the series of these methods and status codes."""
        for method in methods:
            labels = self._labels[method.path] = method.labels
            for metric in (self._started, self._received, self._sent, self._seconds):
                metric.labels(*labels)
            for code in codes:
                self._handled.labels(*labels, code)

    def started(self, path: str) -> None:
        """A call has begun."""
        if (labels := self._labels.get(path)) is not None:
            self._started.labels(*labels).inc()
        self._in_progress.begin(GRPC_DOOR)

    def handled(self, path: str, code: str, seconds: float, record: CallRecord) -> None:
        """A call has ended."""
        if (labels := self._labels.get(path)) is not None:
            self._handled.labels(*labels, code).inc()
            self._seconds.labels(*labels).observe(seconds)
        self._ended.count(record)
        self._in_progress.end(GRPC_DOOR)

    def received(self, path: str) -> None:
        """A message has come."""
        if (labels := self._labels.get(path)) is not None:
            self._received.labels(*labels).inc()

    def sent(self, path: str) -> None:
        """A message goes out."""
        if (labels := self._labels.get(path)) is not None:
            self._sent.labels(*labels).inc()


class HttpCalls:
    """Counts the requests of the HTTP door."""

    def __init__(self, registry: CollectorRegistry, in_progress: InProgress, ended: Ended) -> None:
        self._requests = counter(table.HTTP_REQUESTS, registry)
        self._seconds = histogram(table.HTTP_SECONDS, registry)
        self._in_progress = in_progress
        self._ended = ended
        self._routes: set[str] = set()
        self.prepare([OTHER_ROUTE])

    def prepare(self, routes: Iterable[str]) -> None:
        """Makes the series of these routes."""
        for route in routes:
            self._routes.add(route)
            self._seconds.labels(route)
            for status in STATUS_CLASSES:
                self._requests.labels(route, status)

    def started(self) -> None:
        """A request has come."""
        self._in_progress.begin(HTTP_DOOR)

    def handled(self, path: str, status: int, seconds: float, record: CallRecord) -> None:
        """A request was answered; `status` 0 = its caller went away before."""
        route = self.route_of(path)
        self._requests.labels(route, STATUS_CLASSES[min(max(status or 499, 200), 599) // 100 - 2]).inc()
        self._seconds.labels(route).observe(seconds)
        self._ended.count(record)
        self._in_progress.end(HTTP_DOOR)

    def route_of(self, path: str) -> str:
        """The path if it is served, else `other`: callers can make up any number of paths."""
        return path if path in self._routes else OTHER_ROUTE


class InProgress:
    """How many calls are being answered, at each door."""

    def __init__(self, registry: CollectorRegistry) -> None:
        calls = gauge(table.IN_PROGRESS, registry)
        self._by_door = {door: calls.labels(door) for door in (GRPC_DOOR, HTTP_DOOR)}

    def begin(self, door: str) -> None:
        """One more."""
        self._by_door[door].inc()

    def end(self, door: str) -> None:
        """One less."""
        self._by_door[door].dec()
