"""What the synchronous and the aio client share: the choices of each call, and what Status taught."""

from __future__ import annotations

import sys
from typing import TypedDict

from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from rerankd.client._errors import (
    DeadlineExceededError,
    InternalError,
    RerankdError,
    UnavailableError,
)
from rerankd.client._limits import ServerLimits
from rerankd.client._options import ClientOptions
from rerankd.client._stream_state import StreamState
from rerankd.v1 import rerank_service_pb2 as pb

READY_SERVICE = "rerankd.v1.RerankService"
"""Health name that is SERVING when the default model is warm."""

WARMUP_TIMEOUT_SECONDS = 300.0
"""A first warm-up may download the model."""

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
_SERVING = 1

# A server that ends each Watch at once, for example while it drains, is not asked in a tight loop.
WATCH_AGAIN_SECONDS = 0.2


class CallArguments(TypedDict):
    """Keywords that every multi-callable of gRPC takes."""

    timeout: float | None
    metadata: tuple[tuple[str, str], ...]
    wait_for_ready: bool


class CallPolicy:
    """Deadline, metadata and known limits of one client's calls."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._metadata = options.call_metadata()
        self.limits = ServerLimits()
        self.limits_known = False

    def unary(self, timeout_seconds: float | None) -> CallArguments:
        """Arguments of a call that has the client's deadline unless it brings one."""
        return self.arguments(self._options.timeout_seconds if timeout_seconds is None else timeout_seconds)

    def arguments(
        self, timeout_seconds: float | None, *, wait_for_ready: bool | None = None
    ) -> CallArguments:
        """Arguments of a call with exactly this deadline; None means no deadline."""
        return CallArguments(
            timeout=timeout_seconds,
            metadata=(*self._metadata, *self._trace()),
            wait_for_ready=self._options.wait_for_ready if wait_for_ready is None else wait_for_ready,
        )

    def _trace(self) -> tuple[tuple[str, str], ...]:
        """The span that runs, for an application that uses OpenTelemetry; loading it is not ours to do."""
        used = "opentelemetry.trace" in sys.modules
        if not used or any(key == "traceparent" for key, _ in self._metadata):
            return ()
        from opentelemetry import propagate

        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return tuple((key.lower(), value) for key, value in carrier.items())

    def stream_state(
        self, start: pb.RerankStreamStart, chunk_documents: int, until: float | None
    ) -> StreamState:
        """A stream under the limits known by now; `until` is an instant of `time.monotonic`."""
        return StreamState(
            start,
            self.limits,
            chunk_documents=chunk_documents,
            resume_attempts=self._options.resume_attempts,
            until=until,
        )

    def learn(self, status: pb.StatusResponse) -> None:
        """Takes over the limits in force."""
        self.limits = ServerLimits.from_status(status.limits)
        self.limits_known = True

    def cannot_learn(self, error: RerankdError) -> None:
        """Goes on with the defaults when Status is refused; raises when no call would get through."""
        if isinstance(error, UnavailableError | DeadlineExceededError):
            raise error
        self.limits_known = True


# Messages on the wire have no names: these two well-known types, with one field of the same number and
# kind, read and write as HealthCheckRequest and HealthCheckResponse. So waiting needs no further package.
def health_request(service: str) -> bytes:
    """Serialized request of grpc.health.v1."""
    return StringValue(value=service).SerializeToString()


def is_serving(response: bytes) -> bool:
    """Whether a serialized response of grpc.health.v1 says SERVING."""
    return Int32Value.FromString(response).value == _SERVING


def not_ready(service: str, timeout_seconds: float) -> DeadlineExceededError:
    """The error of a wait that was in vain."""
    return DeadlineExceededError(
        f"{service} is not SERVING after {timeout_seconds:g} s; ask Status what the model does"
    )


def final_status(last: pb.WarmupResponse | None) -> pb.ModelStatus:
    """The model's state from the last message of a warm-up."""
    if last is None:
        raise InternalError("the warm-up ended without any message")
    return last.status


def no_summary() -> InternalError:
    """The error of a stream whose server ended it in silence."""
    return InternalError("the stream ended without a summary")
