"""What a call can fail with, read from the error details that the server sends.

RerankdError
├── InvalidRequestError
│   ├── TooManyDocumentsError
│   ├── DocumentTooLongError
│   └── StreamProtocolError
├── MessageTooLargeError
├── ModelNotFoundError
├── ModelFailedError
├── ModelChangedError
├── UnavailableError
│   ├── ModelLoadingError
│   ├── OverloadedError
│   ├── DrainingError
│   └── ProviderUnavailableError
├── QuotaExceededError
├── CorpusNotFoundError
├── RunNotFoundError
├── RunActiveError
├── TooFewTripletsError
├── PromotionRefusedError
├── NotComparableError
├── UnauthenticatedError
├── ForbiddenError
├── DeadlineExceededError
├── CancelledError
├── BackendFailedError
├── NonFiniteScoreError
└── InternalError
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "rerankd"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field of the request that the server refused."""

    field: str
    """Its path, for example `documents[17].text`."""
    description: str
    """What is wrong with it."""


class RerankdError(Exception):
    """A call that failed. Catch a subclass to tell one cause from another.

    Attributes:
        message: What happened, for a person to read.
        reason: Name of the `ErrorReason`, without its prefix. Empty where gRPC itself raised the error.
        code: The gRPC status code.
        metadata: The dynamic parts of the message, by name.
        field_violations: The fields at fault, for requests that the server refused.
        retry_after_seconds: When a retry makes sense; None where the server named no delay.
    """

    _reason: ClassVar[str] = ""
    _code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        code: grpc.StatusCode | None = None,
        metadata: Mapping[str, str] | None = None,
        field_violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = self._reason if reason is None else reason
        self.code = self._code if code is None else code
        self.metadata = dict(metadata or {})
        self.field_violations = tuple(field_violations)
        self.retry_after_seconds = retry_after_seconds


class InvalidRequestError(RerankdError):
    """A field of the request is missing, out of bounds or contradictory."""

    _reason = "INVALID_REQUEST"
    _code = grpc.StatusCode.INVALID_ARGUMENT


class TooManyDocumentsError(InvalidRequestError):
    """More documents than one unary request takes; use `rerank_stream` or `rerank_all`."""

    _reason = "TOO_MANY_DOCUMENTS"


class DocumentTooLongError(InvalidRequestError):
    """A document is longer than the server takes, or than the model reads with `reject`."""

    _reason = "DOCUMENT_TOO_LONG"


class StreamProtocolError(InvalidRequestError):
    """The messages of a stream came in a wrong order; this client never sends them so."""

    _reason = "STREAM_PROTOCOL"


class MessageTooLargeError(RerankdError):
    """A message is larger than its receiver takes; use `rerank_stream` or ask for fewer results."""

    _code = grpc.StatusCode.RESOURCE_EXHAUSTED


class ModelNotFoundError(RerankdError):
    """The server offers no model of this name."""

    _reason = "MODEL_NOT_FOUND"
    _code = grpc.StatusCode.NOT_FOUND


class ModelFailedError(RerankdError):
    """The model cannot be loaded; a retry does not help until the operator has acted."""

    _reason = "MODEL_FAILED"
    _code = grpc.StatusCode.FAILED_PRECONDITION


class ModelChangedError(RerankdError):
    """An interrupted stream went on with another revision of its model; run it again as a whole."""

    _code = grpc.StatusCode.FAILED_PRECONDITION


class UnavailableError(RerankdError):
    """No server was reached, or it cannot answer now; the same call may succeed later."""

    _code = grpc.StatusCode.UNAVAILABLE


class ModelLoadingError(UnavailableError):
    """The model is being loaded."""

    _reason = "MODEL_LOADING"


class OverloadedError(UnavailableError):
    """The server's queue is full."""

    _reason = "OVERLOADED"


class DrainingError(UnavailableError):
    """The server is stopping."""

    _reason = "DRAINING"


class ProviderUnavailableError(UnavailableError):
    """What scores for this model is elsewhere, and cannot be reached or is overloaded."""

    _reason = "PROVIDER_UNAVAILABLE"


class QuotaExceededError(RerankdError):
    """The key has used up its quota, or the server its own at the provider that `metadata` names.

    Retry after the delay and not before.
    """

    _reason = "QUOTA_EXCEEDED"
    _code = grpc.StatusCode.RESOURCE_EXHAUSTED


class CorpusNotFoundError(RerankdError):
    """The server keeps no corpus of this id."""

    _reason = "CORPUS_NOT_FOUND"
    _code = grpc.StatusCode.NOT_FOUND


class RunNotFoundError(RerankdError):
    """The server keeps no training run of this id."""

    _reason = "RUN_NOT_FOUND"
    _code = grpc.StatusCode.NOT_FOUND


class RunActiveError(RerankdError):
    """A training run is active where there may be one: wait for its end, or cancel it."""

    _reason = "RUN_ACTIVE"
    _code = grpc.StatusCode.FAILED_PRECONDITION


class TooFewTripletsError(RerankdError):
    """The training material is too small to learn from; collect or import more and mine again."""

    _reason = "TOO_FEW_TRIPLETS"
    _code = grpc.StatusCode.FAILED_PRECONDITION


class PromotionRefusedError(RerankdError):
    """The gate does not let this run's model be served; the message says which condition it failed."""

    _reason = "PROMOTION_REFUSED"
    _code = grpc.StatusCode.FAILED_PRECONDITION


class NotComparableError(RerankdError):
    """The runs were not measured on the same thing; a difference of their figures means nothing."""

    _reason = "NOT_COMPARABLE"
    _code = grpc.StatusCode.FAILED_PRECONDITION


class UnauthenticatedError(RerankdError):
    """The call brought no key, or one that the server does not know."""

    _reason = "UNAUTHENTICATED"
    _code = grpc.StatusCode.UNAUTHENTICATED


class ForbiddenError(RerankdError):
    """The key does not allow this call or this model."""

    _reason = "FORBIDDEN"
    _code = grpc.StatusCode.PERMISSION_DENIED


class DeadlineExceededError(RerankdError):
    """The deadline came before the answer."""

    _reason = "DEADLINE_EXCEEDED"
    _code = grpc.StatusCode.DEADLINE_EXCEEDED


class CancelledError(RerankdError):
    """The call was cancelled before its answer came."""

    _reason = "CANCELLED"
    _code = grpc.StatusCode.CANCELLED


class BackendFailedError(RerankdError):
    """Inference, a provider or a plugin failed; the server's log has the cause."""

    _reason = "BACKEND_FAILED"
    _code = grpc.StatusCode.INTERNAL


class NonFiniteScoreError(RerankdError):
    """The model gave NaN or infinity for a document; `metadata["index"]` names it."""

    _reason = "NON_FINITE_SCORE"
    _code = grpc.StatusCode.INTERNAL


class InternalError(RerankdError):
    """A fault in the server; its log has the cause."""

    _reason = "INTERNAL"
    _code = grpc.StatusCode.INTERNAL


_WITH_REASON: tuple[type[RerankdError], ...] = (
    InvalidRequestError,
    TooManyDocumentsError,
    DocumentTooLongError,
    StreamProtocolError,
    ModelNotFoundError,
    ModelFailedError,
    ModelLoadingError,
    OverloadedError,
    DrainingError,
    ProviderUnavailableError,
    QuotaExceededError,
    CorpusNotFoundError,
    RunNotFoundError,
    RunActiveError,
    TooFewTripletsError,
    PromotionRefusedError,
    NotComparableError,
    UnauthenticatedError,
    ForbiddenError,
    DeadlineExceededError,
    CancelledError,
    BackendFailedError,
    NonFiniteScoreError,
    InternalError,
)
_BY_REASON = {error_class._reason: error_class for error_class in _WITH_REASON}

# Only codes whose meaning does not depend on who raised them, gRPC, a proxy or the server.
_BY_CODE: dict[grpc.StatusCode, type[RerankdError]] = {
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
}


def error_class_of(reason: str, code: grpc.StatusCode | None = None) -> type[RerankdError]:
    """The class for a reason; for one that a later server may have added, what the code tells of it."""
    by_code = RerankdError if code is None else _BY_CODE.get(code, RerankdError)
    return _BY_REASON.get(reason, by_code)


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turns gRPC's errors into the tree above; `await` may be used inside."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def from_rpc_error(error: grpc.RpcError) -> RerankdError:
    """The typed error for one that gRPC raised, synchronous or aio."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return RerankdError(str(error))
    code, message = error.code(), error.details() or error.code().name
    # `from_call` asks for three methods, which the aio error has too.
    status = _rich_status(cast("grpc.Call", error))
    if status is None:
        return _without_details(code, message)
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry_info = error_details_pb2.RetryInfo()
    for detail in status.details:
        for target in (info, bad_request, retry_info):
            detail.Unpack(target)
    if info.domain != DOMAIN:
        return _without_details(code, message)
    return error_class_of(info.reason, code)(
        message,
        reason=info.reason,
        code=code,
        metadata=dict(info.metadata),
        field_violations=[
            FieldViolation(field=violation.field, description=violation.description)
            for violation in bad_request.field_violations
        ],
        retry_after_seconds=(
            retry_info.retry_delay.ToTimedelta().total_seconds()
            if retry_info.HasField("retry_delay")
            else None
        ),
    )


def _rich_status(error: grpc.Call) -> status_pb2.Status | None:
    try:
        return rpc_status.from_call(error)
    except ValueError:
        # Details that contradict the call's own status are somebody else's: a proxy rewrote the code.
        return None


def _without_details(code: grpc.StatusCode, message: str) -> RerankdError:
    """The error of a call that gRPC itself failed: code and text are all that it tells."""
    # The same code also stands for quotas of proxies, which a smaller message would not help.
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:
        return MessageTooLargeError(message)
    error_class = _BY_CODE.get(code, RerankdError)
    return error_class(message, code=code)
