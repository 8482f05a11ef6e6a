"""Errors of the core as gRPC statuses with details."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb
from google.rpc import status_pb2

from rerankd.core.errors import InternalError, ModelNotFoundError, QuotaExceededError, RerankdError
from rerankd.messages.convert import duration_from

DOMAIN = "rerankd"
MAX_DETAILS_BYTES = 1024
"""Details travel in trailers: larger ones can make a client lose the error itself."""

DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

Metadata = tuple[tuple[str, str | bytes], ...]

# Lengths to which texts are cut, tried in turn until the details fit.
_CLIPS = (384, 192, 96, 48, 24)


def status_code(error: RerankdError) -> grpc.StatusCode:
    """The canonical code of an error."""
    return grpc.StatusCode[error.spec.grpc]


def status_from(error: RerankdError) -> tuple[str, Metadata]:
    """The message and the trailing metadata that tell a client of an error.

    The message in the status and in the details is the same: clients refuse details that differ.
    """
    status = next(
        (s for clip in _CLIPS if (s := _status(error, clip)).ByteSize() <= MAX_DETAILS_BYTES),
        None,
    ) or _status(error, _CLIPS[-1], with_metadata=False)
    trailers: Metadata = ((DETAILS_KEY, status.SerializeToString()),)
    if error.retry_after_seconds is not None:
        trailers += ((PUSHBACK_KEY, str(round(1000 * error.retry_after_seconds))),)
    return status.message, trailers


def unexpected() -> InternalError:
    """What a caller hears of a failure that nobody foresaw: nothing of its cause."""
    return InternalError("an internal error; the operator's log has the cause under this request id")


def _status(error: RerankdError, clip: int, *, with_metadata: bool = True) -> status_pb2.Status:
    metadata = {key: _clipped(value, clip) for key, value in error.metadata.items()} if with_metadata else {}
    details: list[Message] = [
        details_pb.ErrorInfo(reason=error.spec.reason, domain=DOMAIN, metadata=metadata)
    ]
    if error.field:
        violation = details_pb.BadRequest.FieldViolation(
            field=_clipped(error.field, clip), description=_clipped(error.message, clip)
        )
        details.append(details_pb.BadRequest(field_violations=[violation]))
    if isinstance(error, ModelNotFoundError):
        name = _clipped(error.metadata.get("model", ""), clip)
        details.append(details_pb.ResourceInfo(resource_type="model", resource_name=name))
    if isinstance(error, QuotaExceededError):
        subject = _clipped(error.metadata.get("key", ""), clip)
        violation_of_quota = details_pb.QuotaFailure.Violation(
            subject=subject, description=_clipped(error.message, clip)
        )
        details.append(details_pb.QuotaFailure(violations=[violation_of_quota]))
    if error.retry_after_seconds is not None:
        details.append(details_pb.RetryInfo(retry_delay=duration_from(error.retry_after_seconds)))
    code: int = status_code(error).value[0]
    return status_pb2.Status(
        code=code, message=_clipped(error.message, clip), details=[_packed(detail) for detail in details]
    )


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed


def _clipped(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of UTF-8, its cut marked."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode("utf-8")
    return encoded[: limit - 3].decode("utf-8", "ignore") + "…"
