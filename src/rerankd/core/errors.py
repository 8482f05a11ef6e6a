"""Everything that can go wrong, and the one table that says how each door reports it.

RerankdError
├── InvalidRequestError
│   ├── TooManyDocumentsError
│   ├── DocumentTooLongError
│   └── StreamProtocolError
├── ModelNotFoundError
├── ModelLoadingError
├── ModelFailedError
├── OverloadedError
├── DrainingError
├── QuotaExceededError
├── ProviderUnavailableError
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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSpec:
    """One row of the error table: how a class of failure looks from outside."""

    reason: str
    """Name of the `ErrorReason` value in `error_reason.proto`, sent as `ErrorInfo.reason`."""
    grpc: str
    """Name of the canonical gRPC status code."""
    http: int
    """HTTP status of the native door."""
    retryable: bool
    """Whether the same call may succeed later, here or on another replica."""


class RerankdError(Exception):
    """A failure that the caller is told about.

    Attributes:
        message: What happened, the limit, what to do. Never document text, a path or a stack trace.
        metadata: The dynamic parts of the message, by name.
        field: Path of the request field at fault (`documents[17].text`), where there is one.
        retry_after_seconds: When a retry makes sense, for retryable errors.
    """

    spec: ClassVar[ErrorSpec]

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        field: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.field = field
        self.retry_after_seconds = retry_after_seconds


def _spec(reason: str, grpc: str, http: int, *, retryable: bool = False) -> ErrorSpec:
    return ErrorSpec(reason=reason, grpc=grpc, http=http, retryable=retryable)


class InvalidRequestError(RerankdError):
    """A field of the request is missing, out of bounds or contradictory."""

    spec = _spec("INVALID_REQUEST", "INVALID_ARGUMENT", 400)


class TooManyDocumentsError(InvalidRequestError):
    """A unary request brings more documents than the limit; the stream has no such limit."""

    spec = _spec("TOO_MANY_DOCUMENTS", "INVALID_ARGUMENT", 400)


class DocumentTooLongError(InvalidRequestError):
    """A document is above the byte limit, or above the token limit with `long_document=REJECT`."""

    spec = _spec("DOCUMENT_TOO_LONG", "INVALID_ARGUMENT", 400)


class StreamProtocolError(InvalidRequestError):
    """The messages of a stream came in an order that the contract forbids."""

    spec = _spec("STREAM_PROTOCOL", "INVALID_ARGUMENT", 400)


class ModelNotFoundError(RerankdError):
    """No model of this name may be loaded here, or the repository has none."""

    spec = _spec("MODEL_NOT_FOUND", "NOT_FOUND", 404)


class ModelLoadingError(RerankdError):
    """The model is on its way; the caller did not want to wait for it."""

    spec = _spec("MODEL_LOADING", "UNAVAILABLE", 503, retryable=True)


class ModelFailedError(RerankdError):
    """The model cannot be loaded as it is: no retry helps until an operator acts."""

    spec = _spec("MODEL_FAILED", "FAILED_PRECONDITION", 424)


class OverloadedError(RerankdError):
    """The queue is full; another replica may have room now."""

    spec = _spec("OVERLOADED", "UNAVAILABLE", 503, retryable=True)


class DrainingError(RerankdError):
    """The server is going down, and the call did not end within its grace."""

    spec = _spec("DRAINING", "UNAVAILABLE", 503, retryable=True)


def draining() -> DrainingError:
    """What new work hears from a server that is going down."""
    return DrainingError("the server is going down; retry on another replica", retry_after_seconds=1.0)


def unloading() -> DrainingError:
    """What new work hears from a model that is being stopped."""
    return DrainingError("this model is being unloaded; retry on another replica", retry_after_seconds=1.0)


def going_down() -> DrainingError:
    """What work hears that was under way when its model was stopped."""
    return DrainingError("the server is going down", retry_after_seconds=1.0)


class QuotaExceededError(RerankdError):
    """The caller's key has used up its share."""

    spec = _spec("QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED", 429, retryable=True)


class ProviderUnavailableError(RerankdError):
    """What scores for this model is elsewhere and cannot be reached, or is left alone for a while."""

    spec = _spec("PROVIDER_UNAVAILABLE", "UNAVAILABLE", 503, retryable=True)


class CorpusNotFoundError(RerankdError):
    """No corpus of this id is kept here; the list of corpora has the ones that are."""

    spec = _spec("CORPUS_NOT_FOUND", "NOT_FOUND", 404)


class RunNotFoundError(RerankdError):
    """No training run of this id is kept here."""

    spec = _spec("RUN_NOT_FOUND", "NOT_FOUND", 404)


class RunActiveError(RerankdError):
    """A training run is active where there may be one: wait for its end, or cancel it."""

    spec = _spec("RUN_ACTIVE", "FAILED_PRECONDITION", 409)


class TooFewTripletsError(RerankdError):
    """The training material is too small to learn from: collect or import more, then mine again."""

    spec = _spec("TOO_FEW_TRIPLETS", "FAILED_PRECONDITION", 422)


class PromotionRefusedError(RerankdError):
    """The gate does not let this run's model be served; the message says which condition it failed."""

    spec = _spec("PROMOTION_REFUSED", "FAILED_PRECONDITION", 409)


class NotComparableError(RerankdError):
    """The runs were not measured on the same thing; a difference of their figures means nothing."""

    spec = _spec("NOT_COMPARABLE", "FAILED_PRECONDITION", 409)


class UnauthenticatedError(RerankdError):
    """No key, or one that is not known."""

    spec = _spec("UNAUTHENTICATED", "UNAUTHENTICATED", 401)


class ForbiddenError(RerankdError):
    """The key is known but not allowed to do this."""

    spec = _spec("FORBIDDEN", "PERMISSION_DENIED", 403)


class DeadlineExceededError(RerankdError):
    """The caller's deadline passed before the ranking was done."""

    spec = _spec("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 504)


class CancelledError(RerankdError):
    """The caller went away."""

    spec = _spec("CANCELLED", "CANCELLED", 499)


class BackendFailedError(RerankdError):
    """The model's runtime raised while scoring this request's pairs."""

    spec = _spec("BACKEND_FAILED", "INTERNAL", 500)


class NonFiniteScoreError(RerankdError):
    """The model gave NaN or infinity for a document; a ranking with it would mean nothing."""

    spec = _spec("NON_FINITE_SCORE", "INTERNAL", 500)


class InternalError(RerankdError):
    """Something that should not happen did; the operator's log has the cause."""

    spec = _spec("INTERNAL", "INTERNAL", 500)


ERROR_CLASSES: tuple[type[RerankdError], ...] = (
    InvalidRequestError,
    TooManyDocumentsError,
    DocumentTooLongError,
    StreamProtocolError,
    ModelNotFoundError,
    ModelLoadingError,
    ModelFailedError,
    OverloadedError,
    DrainingError,
    QuotaExceededError,
    ProviderUnavailableError,
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
"""The table: every class with its row, in the order of the documentation."""

LEARNING_ERRORS: tuple[type[RerankdError], ...] = (
    CorpusNotFoundError,
    RunNotFoundError,
    RunActiveError,
    TooFewTripletsError,
    PromotionRefusedError,
    NotComparableError,
)
"""Those of the table that no call that ranks can fail with."""
