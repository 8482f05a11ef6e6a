"""Failures of this door's own, and how any failure is told whatever the dialect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from rerankd.core.errors import (
    ErrorSpec,
    InternalError,
    InvalidRequestError,
    ModelNotFoundError,
    RerankdError,
)
from rerankd.http_api.json_text import Json

_RETRY_SECONDS = 1.0
"""When to come back, for errors that do not say."""

_MOST_NAMES = 20
"""Names of models that an error lists; more would hide the sentence."""


def _refusal(http: int) -> ErrorSpec:
    return ErrorSpec(reason="INVALID_REQUEST", grpc="INVALID_ARGUMENT", http=http, retryable=False)


class NoDocumentsError(InvalidRequestError):
    """A request without anything to rank; some dialects tell it apart from other bad fields."""


class BodyTooLargeError(InvalidRequestError):
    """The body is above the byte limit."""

    spec: ClassVar[ErrorSpec] = _refusal(413)


class BodyTooSlowError(InvalidRequestError):
    """The body did not come in time."""

    spec: ClassVar[ErrorSpec] = _refusal(408)


class UnsupportedMediaError(InvalidRequestError):
    """The body is of a kind that this door does not read."""

    spec: ClassVar[ErrorSpec] = _refusal(415)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply:
    """An error as a dialect tells it."""

    status: int
    body: Json = None
    """None: the answer has no body."""
    headers: Mapping[str, str] = field(default_factory=dict)


def unexpected() -> InternalError:
    """What a caller hears of a failure that nobody foresaw: nothing of its cause."""
    return InternalError("an internal error; the operator's log has the cause under this request id")


def error_headers(error: RerankdError, status: int) -> dict[str, str]:
    """Headers that go with an error in every dialect."""
    if status == 401:
        return {"www-authenticate": "Bearer"}
    if status in (408, 413):
        # The rest of the body may still be on its way.
        return {"connection": "close"}
    if status not in (429, 503):
        return {}
    seconds = _RETRY_SECONDS if error.retry_after_seconds is None else max(0.0, error.retry_after_seconds)
    return {
        "retry-after": str(max(1, math.ceil(seconds))),
        "retry-after-ms": str(max(1, round(1000 * seconds))),
    }


def with_known_names(error: ModelNotFoundError, names: list[str]) -> ModelNotFoundError:
    """The same error, telling which names would do."""
    if not names:
        return error
    more = ", …" if len(names) > _MOST_NAMES else ""
    return ModelNotFoundError(
        f"{error.message}; this server offers {', '.join(names[:_MOST_NAMES])}{more}",
        metadata=error.metadata,
        field=error.field,
    )
